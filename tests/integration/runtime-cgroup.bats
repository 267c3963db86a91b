#!/usr/bin/env bats
# hoyrun: the container's cgroup on the running kernel, whatever version its controllers are on.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

# file_of V1-CONTROLLER V1-FILE V2-FILE: the value in the container's group.
value_of() {
    local group=${GROUP:-/$ID}
    if [ -d "/sys/fs/cgroup/$1" ] && [ -e "/sys/fs/cgroup/$1/cgroup.procs" ]; then
        cat "/sys/fs/cgroup/$1$group/$2"
    elif [ -e "/sys/fs/cgroup$group/$3" ]; then
        cat "/sys/fs/cgroup$group/$3"
    else
        skip_because no-controller "no $1 controller here"
    fi
}

waiting() { # FILTER: creates the container with these resources
    config ".process.args = [\"sleep\", \"1000\"] | .linux.resources += $1"
    create_it || { cat "$T/err"; return 1; }
}

@test "128 MiB are too much for a limit of 64 MiB" {
    config '.linux.resources.memory = {"limit": 67108864, "swap": 67108864} | .root.readonly = false'
    sh_in "exec dd if=/dev/zero of=/dev/null bs=128M count=1"
    run_it
    [ "$status" = 137 ]
    nothing_left
    config '.linux.resources.memory = {"limit": 1073741824}'
    run_it
    [ "$status" = 0 ]
}

@test "memory: limit, reservation, swap, swappiness" {
    waiting '{"memory": {"limit": 67108864, "reservation": 33554432, "swap": 134217728}}'
    [ "$(value_of memory memory.limit_in_bytes memory.max)" = 67108864 ]
    [ "$(value_of memory memory.soft_limit_in_bytes memory.low)" = 33554432 ]
}

@test "cpu: shares, quota, period" {
    waiting '{"cpu": {"shares": 1024, "quota": 50000, "period": 100000}}'
    v=$(value_of cpu cpu.shares cpu.weight)
    [ "$v" = 1024 ] || [ "$v" = 100 ]
    v=$(value_of cpu cpu.cfs_quota_us cpu.max)
    [ "${v% *}" = 50000 ]
}

@test "cpuset: cpus and mems" {
    waiting '{"cpu": {"cpus": "0", "mems": "0"}}'
    [ "$(value_of cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    [ "$(value_of cpuset cpuset.mems cpuset.mems)" = 0 ]
}

@test "pids: a fork too many fails" {
    config '.linux.resources.pids = {"limit": 10}'
    sh_in 'for i in $(seq 30); do sleep 5 & done 2>&1; wait'
    run_it
    [[ "$output" == *"can't fork"* ]]
    waiting '{"pids": {"limit": 77}}'
    [ "$(value_of pids pids.max pids.max)" = 77 ]
}

@test "a limit that the kernel refuses is named, nothing is left" {
    config '.linux.resources.cpu = {"cpus": "4096"}'
    fails_with cpuset
    config '.linux.resources = {"memory": {"limit": 1}} | .process.args = ["true"]'
    run_it
    [ "$status" != 0 ]
    nothing_left
}

@test "cgroupsPath is where the container goes; relative ones too" {
    config '.linux.cgroupsPath = "/hoytest-parent-\($i)/child"' --arg i "$ID"
    waiting '{}'
    find /sys/fs/cgroup -path "*/hoytest-parent-$ID/child" | grep -q .
    grep -q "/hoytest-parent-$ID/child" "/proc/$(pid_of)/cgroup"
    r delete -f "$ID"
    find /sys/fs/cgroup -depth -type d -name "hoytest-parent-$ID" -exec rmdir {} +
    config '.linux.cgroupsPath = "hoytest-rel-\($i)"' --arg i "$ID"
    create_it
    grep -q "/hoytest-rel-$ID" "/proc/$(pid_of)/cgroup"
    r delete -f "$ID"
    ! find /sys/fs/cgroup -name "hoytest-rel-$ID" | grep . || false
    config '.linux.cgroupsPath = "/"'
    fails_with "linux.cgroupsPath"
}

@test "a group that somebody else is in is refused and left alone" {
    config '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "/hoytest-taken-\($i)"' --arg i "$ID"
    create_it
    first=$ID
    ID=$first-b
    run create_it
    [ "$status" = 1 ]
    grep -q "container's cgroup is not empty" "$T/err"
    [ "$(status_of "$first")" = created ]
    [ ! -e "$T/root/$ID" ]
    r start "$first"
    [ "$(status_of "$first")" = running ]
    r pause "$first"
    run create_it
    grep -q "container's cgroup unexpectedly frozen" "$T/err"
    [ "$(status_of "$first")" = paused ]
    r resume "$first"
}

@test "an empty group that somebody froze is refused and left alone" {
    local dir file
    config '.linux.cgroupsPath = "/hoytest-frozen-\($i)"' --arg i "$ID"
    for dir in $(findmnt -n -o TARGET -t cgroup2 | head -1) $(findmnt -n -o TARGET -t cgroup -O freezer | head -1); do
        dir=$dir/hoytest-frozen-$ID
        mkdir "$dir"
        if [ -e "$dir/freezer.state" ]; then echo FROZEN >"$dir/freezer.state"; else echo 1 >"$dir/cgroup.freeze"; fi
        run_it
        rmdir "$dir"
        [ "$status" = 1 ]
        [[ "$output" == *"container's cgroup unexpectedly frozen: cgroup '/hoytest-frozen-$ID' exists and is frozen"* ]]
        nothing_left
    done
}

@test "every process of the container is in its group from its first instruction" {
    config '.linux.namespaces |= map(select(.type != "cgroup"))'
    sh_in 'cat /proc/self/cgroup'
    run_it
    [ "$status" = 0 ]
    while IFS=: read -r _ name path; do
        [ "$path" = "/$ID" ] || { echo "$name: $path"; return 1; }
    done < <(grep -vE '^[0-9]+:(rdma|misc|net_|perf|hugetlb|debug)' <<<"$output")
}
