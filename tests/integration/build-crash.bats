#!/usr/bin/env bats
# Builds that are cut off: the client leaves, hoyd is killed.
load lib
load stack

setup() {
    stack_setup
    mkdir "$T/ctx"
    cd "$T/ctx"
    printf 'FROM busybox\nRUN echo first >/1\nRUN echo waits && sleep 300\n' >Dockerfile
}
teardown() { cd /; stack_teardown; }

waits() { grep -q '^waits' "$T/out"; }
no_containers() { [ -z "$("$HOY" ps -aq)" ]; }
no_leftovers() { [ -z "$(ls "$T/data/tmp"; ls "$T/data/l" | grep tmp; ls "$T/run/c")" ]; }

@test "ctrl-c ends the build and its container; what was done is in the cache" {
    "$HOY" build . >"$T/out" 2>&1 3>&- &
    local client=$!
    wait_for 30 waits
    kill -INT "$client" || :
    kill -TERM "$client" || :
    wait "$client" || :
    wait_for 30 no_containers
    wait_for 30 no_leftovers
    hoyd_is_alive
    sed -i 's/sleep 300/true/' Dockerfile
    run "$HOY" build .
    [ $status = 0 ]
    [ "$(grep -c 'Using cache' <<<"$output")" = 1 ] || { echo "$output"; false; }
}

@test "kill -9 of hoyd in the middle of a build leaks nothing" {
    local id pid
    "$HOY" build . >"$T/out" 2>&1 3>&- &
    wait_for 30 waits
    id=$("$HOY" ps -q --no-trunc)
    pid=$("$HOY" inspect -f '{{.State.Pid}}' "$id")
    kill_hoyd
    wait $! || :
    start_hoyd
    wait_for 30 no_containers
    wait_for 30 no_leftovers
    [ "$(ls "$T/data/l" | xargs)" = "0 1" ]
    [ ! -e "/proc/$pid/ns" ]
    [ -z "$(find /sys/fs/cgroup -name "$id" 2>/dev/null)" ]
    sed -i 's/ && sleep 300//' Dockerfile
    "$HOY" build -t after .
    [ "$("$HOY" run --rm after cat /1)" = first ]
}
