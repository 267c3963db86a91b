#!/usr/bin/env bats
# kill -9 of hoyrun at random points of a container's life: what is left can be listed and deleted, and nothing leaks.
# HOY_CYCLES (120; make soak: 10,000) lives, eight at a time.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

# One life. Half of them lose a random command to SIGKILL within its first milliseconds; of these one in eight is left
# as it is, for the end of the test to clean up.
cycle() { # NUMBER ERRORS-FILE
    local id=$ID-$1 errors=$2 victim=none step delay
    RANDOM=$1
    [ $((RANDOM % 2)) != 0 ] || victim=$((RANDOM % 4))
    for step in 0 1 2 3; do
        set -- "create -b $B $id" "start $id" "kill $id KILL" "delete --force $id"
        shift $step
        if [ $victim = $step ]; then
            printf -v delay 0.0%03d $((RANDOM % 120 + 1))
            timeout --foreground -s KILL "$delay" "$HOYRUN" --root "$T/root" $1
            [ $((RANDOM % 8)) != 0 ] || return 0
            # Whatever there is of it now goes; that there is nothing yet is an answer too.
            "$HOYRUN" --root "$T/root" delete --force "$id" 2>"$errors" || grep -q "does not exist" "$errors" || {
                echo "delete after a killed $1:"
                cat "$errors"
            } >>"$T/failures"
            return 0
        fi
        "$HOYRUN" --root "$T/root" $1 2>"$errors" || { echo "$1:"; cat "$errors"; } >>"$T/failures"
    done
}

# Every eighth life, one after the other in one shell: ten thousand of them start no more processes than they need.
lives_from() { # NUMBER
    local i
    for ((i = $1; i <= ${HOY_CYCLES:-120}; i += 8)); do
        cycle $i "$T/errors-$1"
    done
    : >"$T/lived-$1"
}

processes_of_test() {
    pgrep -f "sleep 1000$$" || pgrep -f "$HOYRUN.*$T/root"
}

no_process() {
    ! processes_of_test || false
}

@test "lives with random kill -9 of hoyrun: all can be deleted, nothing leaks" {
    config '.process.args = ["sleep", $marker]' --arg marker "1000$$"
    export -f cycle lives_from
    export ID B T HOYRUN
    seq 8 | xargs -P 8 -I{} bash -c 'lives_from {}' >"$T/out" 2>&1 3>&- 4>&- &
    local cycles=$!
    # What others see meanwhile is always a list.
    while kill -0 $cycles 2>/dev/null; do
        r list -f json >"$T/list" && jq -e 'type == "array" or . == null' "$T/list" >/dev/null
        sleep 0.3
    done
    wait $cycles
    [ "$(ls "$T"/lived-* | wc -l)" = 8 ]
    [ ! -e "$T/failures" ] || { head -50 "$T/failures"; return 1; }
    for id in $(r list -q); do
        r delete --force "$id"
    done
    wait_for 5 no_process
    [ -z "$(ls -A "$T/root")" ] || { ls -lR "$T/root" | head -40; return 1; }
    ! find /sys/fs/cgroup -name "$ID-*" | grep . || false
    ! grep "$T" /proc/self/mountinfo || false
}
