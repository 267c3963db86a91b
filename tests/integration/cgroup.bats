# libhoy-cgroup on the running kernel, through the little program cgroup-check. Every test works in groups of its own
# below /hoy-test-cgroup-PID and removes them.
load lib

CHECK=${CHECK:-$HOY_BUILD/tests/integration/cgroup-check}

setup() {
    require_root
    BASE=/hoy-test-cgroup-$$-$BATS_TEST_NUMBER
    CG=$BASE/g
}

teardown() {
    [ -n "${CG:-}" ] || return 0
    "$CHECK" kill "$CG" || true
    "$CHECK" remove "$BASE"
}

check() {
    run timeout 60 "$CHECK" "$@"
}

# file CONTROLLER NAME: a file of $CG, in the hierarchy that has the controller.
file() {
    local mount
    mount=$("$CHECK" host | awk -v c="$1" '$1 == "hierarchy" && ("," $2 ",") ~ ("," c ",") { print $3 }')
    [ -n "$mount" ] || mount=$(v2_mount)
    echo "$mount$CG/$2"
}

v2_mount() {
    "$CHECK" host | awk '$1 == "hierarchy" && $2 == "v2" { print $3 }'
}

has() { # CONTROLLER
    "$CHECK" host | grep -qx "controller $1"
}

is_v1() { # CONTROLLER
    "$CHECK" host | awk -v c="$1" '$1 == "hierarchy" && ("," $2 ",") ~ ("," c ",") { found = 1 } END { exit !found }'
}

start_sleeper() {
    timeout 120 "$CHECK" run "$CG" sleep 100 3>&- &
    wait_for 10 sleeper_runs
}

sleeper_runs() {
    [ -n "$("$CHECK" pids "$CG")" ]
}

@test "a process is in the group in every hierarchy" {
    "$CHECK" create "$CG"
    check run "$CG" cat /proc/self/cgroup
    [ "$status" -eq 0 ]
    local line
    for line in "${lines[@]}"; do
        # a hierarchy that is not mounted here stays where it was
        "$CHECK" host | grep -q "^hierarchy $(cut -d: -f2 <<<"${line/::/:v2:}") " || continue
        [[ $line == *:"$CG" ]]
    done
    [[ $output == *:"$CG"* ]]
}

@test "a group can be saved, read back and removed" {
    "$CHECK" create "$CG"
    check save "$CG"
    [ "$status" -eq 0 ]
    [[ $output == 1$'\t'"$CG"$'\t'/* ]]
    "$CHECK" remove "$CG"
    check exists "$CG"
    [ "$output" = no ]
    "$CHECK" remove "$CG"
}

@test "a group with processes or frozen is not taken over, an empty one is" {
    "$CHECK" create "$CG"
    "$CHECK" create "$CG"
    "$CHECK" freeze "$CG"
    check create "$CG"
    [ "$status" -ne 0 ]
    [[ $output == *"is frozen"* ]]
    "$CHECK" thaw "$CG"
    start_sleeper
    check create "$CG"
    [ "$status" -ne 0 ]
    [[ $output == *"has processes"* ]]
    "$CHECK" kill "$CG"
    wait
}

@test "a group with processes is not removed, and killing ends them all" {
    "$CHECK" create "$CG"
    timeout 120 "$CHECK" run "$CG" sh -c 'sleep 100 & sleep 100 & wait' 3>&- &
    wait_for 10 sleeper_runs
    check remove "$CG"
    [ "$status" -ne 0 ]
    [[ $output == *"still has processes"* ]]
    check pids "$CG"
    [ "${#lines[@]}" -ge 1 ]
    "$CHECK" kill "$CG"
    "$CHECK" remove "$CG"
    wait
}

@test "processes of groups below are listed, killed and removed" {
    "$CHECK" create "$CG"
    "$CHECK" create "$CG/below/deeper"
    timeout 120 "$CHECK" run "$CG/below/deeper" sleep 100 3>&- &
    wait_for 10 sleeper_runs
    "$CHECK" kill "$CG"
    "$CHECK" remove "$CG"
    wait
    check exists "$CG/below"
    [ "$output" = no ]
}

@test "another signal than KILL reaches every process" {
    "$CHECK" create "$CG"
    timeout 120 "$CHECK" run "$CG" sleep 100 3>&- &
    local pid=$! code=0
    wait_for 10 sleeper_runs
    "$CHECK" kill "$CG" TERM
    wait $pid || code=$?
    [ $code -eq 143 ]
}

@test "a frozen group stands still until it is thawed, and can be killed" {
    "$CHECK" create "$CG"
    start_sleeper
    "$CHECK" freeze "$CG"
    check frozen "$CG"
    [ "$output" = yes ]
    "$CHECK" thaw "$CG"
    check frozen "$CG"
    [ "$output" = no ]
    "$CHECK" freeze "$CG"
    "$CHECK" kill "$CG"
    wait
    "$CHECK" remove "$CG"
}

@test "below a group with processes a limit says why it can't be had" {
    has memory && ! is_v1 memory || skip_because v1-controller "v1 has no such rule"
    "$CHECK" create "$CG"
    start_sleeper
    "$CHECK" create "$CG/below"
    check limits "$CG/below" memory.limit=64m
    [ "$status" -ne 0 ]
    [[ $output == *"memory.limit: controller 'memory' can't be enabled"*"has processes of its own"* ]]
    "$CHECK" kill "$CG"
    wait
    "$CHECK" remove "$CG/below"
    "$CHECK" create "$CG/below"
    "$CHECK" limits "$CG/below" memory.limit=64m
}

@test "the pids limit holds" {
    has pids || skip_because no-controller "this host has no pids controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" pids.limit=5
    [ "$(cat "$(file pids pids.max)")" = 5 ]
    check run "$CG" sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2 & done; wait'
    [[ $output == *ork* ]]
    "$CHECK" limits "$CG" pids.limit=-1
    [ "$(cat "$(file pids pids.max)")" = max ]
}

@test "memory limits go up and down in any order" {
    has memory || skip_because no-controller "this host has no memory controller"
    "$CHECK" create "$CG"
    local limit=memory.max
    is_v1 memory && limit=memory.limit_in_bytes
    local m
    for m in 64 256 32; do
        "$CHECK" limits "$CG" memory.limit=${m}m memory.swap=${m}m
        [ "$(cat "$(file memory $limit)")" = $((m << 20)) ]
    done
    "$CHECK" limits "$CG" memory.limit=-1
    "$CHECK" limits "$CG" memory.limit=64m memory.reservation=16m
    check limits "$CG" memory.limit=-7
    [ "$status" -ne 0 ]
}

@test "cpu limits go up and down in any order" {
    has cpu || skip_because no-controller "this host has no cpu controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" cpu.shares=512 cpu.quota=20000 cpu.period=50000 cpu.burst=10000
    "$CHECK" limits "$CG" cpu.quota=5000 cpu.period=20000 cpu.burst=0
    "$CHECK" limits "$CG" cpu.quota=200000 cpu.period=100000 cpu.burst=100000
    "$CHECK" limits "$CG" cpu.period=50000
    if is_v1 cpu; then
        [ "$(cat "$(file cpu cpu.cfs_quota_us)")" = 200000 ]
        [ "$(cat "$(file cpu cpu.cfs_period_us)")" = 50000 ]
        [ "$(cat "$(file cpu cpu.shares)")" = 512 ]
    else
        [ "$(cat "$(file cpu cpu.max)")" = "200000 50000" ]
        [ "$(cat "$(file cpu cpu.weight)")" = 59 ]
    fi
    check limits "$CG" cpu.quota=1
    [ "$status" -ne 0 ]
    [[ $output == *"cpu.quota: the kernel refused '1"* ]]
    "$CHECK" limits "$CG" cpu.quota=-1
}

@test "an idle group has no weight, and gets one again" {
    has cpu || skip_because no-controller "this host has no cpu controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" cpu.idle=1
    "$CHECK" limits "$CG" cpu.idle=0 cpu.shares=2048
    [ "$(cat "$(file cpu cpu.idle)")" = 0 ]
}

@test "processors are confined" {
    has cpuset || skip_because no-controller "this host has no cpuset controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" cpu.cpus=0 cpu.mems=0
    check run "$CG" sh -c 'grep Cpus_allowed_list /proc/self/status'
    [[ $output =~ [[:space:]]0$ ]]
}

@test "hugepages are limited" {
    has hugetlb || skip_because no-controller "this host has no hugetlb controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" hugepage:2MB=4194304
    check stats "$CG"
    [[ $output == *"hugetlb 2MB 4194304"* ]]
    check limits "$CG" hugepage:3MB=4194304
    [ "$status" -ne 0 ]
    [[ $output == *"this kernel has no 'hugetlb.3MB."* ]]
}

@test "unified settings are v2 files, and unknown controllers are refused" {
    [ -n "$(v2_mount)" ] || skip_because no-controller "this host has no cgroup v2"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" unified:cgroup.max.depth=3
    [ "$(cat "$(v2_mount)$CG/cgroup.max.depth")" = 3 ]
    check limits "$CG" unified:memory.no_such_file=3
    [ "$status" -ne 0 ]
    check limits "$CG" unified:../x=3
    [ "$status" -ne 0 ]
}

@test "the OOM killer is reported and counted" {
    has memory || skip_because no-controller "this host has no memory controller"
    "$CHECK" create "$CG"
    "$CHECK" limits "$CG" memory.limit=8m memory.swap=8m
    check oom-run "$CG" $EATER
    [ "$status" -eq 0 ]
    [[ $output == *"fired 1"* ]]
    [[ $output =~ status\ [1-9] ]]
    check oom-kills "$CG"
    [ "$output" -ge 1 ]
}

@test "an update below what is in use can be refused beforehand" {
    has memory && ! is_v1 memory || skip_because v1-controller "v1 refuses it by itself"
    "$CHECK" create "$CG"
    timeout 120 "$CHECK" run "$CG" sh -c "$EATER of=/dev/stdout | sleep 100" 3>&- & # eats, and stands at a full pipe
    wait_for 60 sh -c "[ \$('$CHECK' stats '$CG' | awk '\$1 == \"memory.usage\" { print \$2 }') -gt 20000000 ]"
    check limits "$CG" memory.limit=1m memory.check=1
    [ "$status" -ne 0 ]
    [[ $output == *"uses already"* ]]
    [ -n "$("$CHECK" pids "$CG")" ]
}

@test "devices: a list closes all else, and can be replaced" {
    "$CHECK" create "$CG"
    "$CHECK" devices "$CG" "deny a *:* rwm" "allow c 1:3 rwm" "allow c 1:5 r"
    "$CHECK" run "$CG" sh -c 'head -c1 /dev/zero >/dev/null'
    check run "$CG" sh -c 'exec </dev/urandom'
    [ "$status" -ne 0 ]
    check run "$CG" sh -c 'exec >/dev/zero'
    [ "$status" -ne 0 ]
    "$CHECK" devices "$CG" "deny a *:* rwm" "allow c 1:9 rwm" "allow c 1:3 rwm"
    "$CHECK" run "$CG" sh -c 'exec </dev/urandom'
    check run "$CG" sh -c 'exec </dev/zero'
    [ "$status" -ne 0 ]
}

@test "devices: a part of what is allowed can be denied" {
    "$CHECK" create "$CG"
    "$CHECK" devices "$CG" "deny a *:* rwm" "allow c 1:* rwm" "deny c 1:9 r"
    "$CHECK" run "$CG" sh -c 'exec >/dev/urandom </dev/zero'
    check run "$CG" sh -c 'exec </dev/urandom'
    [ "$status" -ne 0 ]
    check run "$CG" sh -c 'exec <>/dev/urandom'
    [ "$status" -ne 0 ]
    "$CHECK" devices "$CG" "allow a *:* rwm" "deny c 1:5 r"
    "$CHECK" run "$CG" sh -c 'exec <>/dev/urandom'
    check run "$CG" sh -c 'exec </dev/zero'
    [ "$status" -ne 0 ]
    "$CHECK" devices "$CG" "allow a *:* rwm"
    "$CHECK" run "$CG" sh -c 'exec </dev/zero'
}

@test "statistics tell the limits and what ran" {
    "$CHECK" create "$CG"
    "$CHECK" run "$CG" sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'
    check stats "$CG"
    [ "$status" -eq 0 ]
    [ "$(awk '$1 == "cpu.total_ns" { print $2 }' <<<"$output")" -gt 1000000 ]
    if has memory; then
        [ "$(awk '$1 == "memory.stat.lines" { print $2 }' <<<"$output")" -gt 20 ]
    fi
    check stats "$BASE/none"
    [ "$status" -ne 0 ]
    [[ $output == *"does not exist"* ]]
}

@test "a v2 group can be given to a user" {
    [ -n "$(v2_mount)" ] || skip_because no-controller "this host has no cgroup v2"
    "$CHECK" create "$CG"
    "$CHECK" chown "$CG" 1234
    local dir
    dir=$(v2_mount)$CG
    [ "$(stat -c %u "$dir")" = 1234 ]
    [ "$(stat -c %u "$dir/cgroup.procs")" = 1234 ]
    [ "$(stat -c %u "$dir/cgroup.max.depth")" = 0 ]
}
