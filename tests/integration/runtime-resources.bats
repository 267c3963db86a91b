#!/usr/bin/env bats
# hoyrun: every field of linux.resources, as the kernel has it. A controller is where the host has it: in cgroup v2 or
# in a hierarchy of its own (v1); a limit that only one of them knows is refused on the other.
load runtime

setup_file() { runtime_setup_file; }

setup() {
    runtime_setup
    find_cgroup2
}

teardown() {
    [ -z "${LOOP:-}" ] || losetup -d "$LOOP" || :
    ! mountpoint -q "${T:-}/tmpfs" || umount "$T/tmpfs"
    [ -z "${GROUP:-}" ] || rmdir "$GROUP" 2>/dev/null || :
    runtime_teardown
}

# limit FILTER: creates the container with these resources.
limit() {
    config ".process.args = [\"sleep\", \"1000\"] | .linux.resources += $1"
    create_it || { cat "$T/err"; return 1; }
}

# refused FILTER TEXT: with these resources it must not start.
refused() {
    config ".process.args = [\"true\"] | .linux.resources = $1"
    fails_with "$2"
}

# loop_device: a block device of this test's own: $LOOP, $DEV (MAJOR:MINOR), $MAJOR, $MINOR.
loop_device() {
    modprobe -q loop 2>/dev/null || : # built in, or made on demand only by a device node that may not be there
    truncate -s 4M "$T/disk"
    LOOP=$(losetup -f --show "$T/disk")
    DEV=$(<"/sys/block/${LOOP#/dev/}/dev")
    MAJOR=${DEV%:*} MINOR=${DEV#*:}
}

# --- memory ---

@test "memory.limit: what needs more is killed" {
    config '.linux.resources.memory = {"limit": 16777216, "swap": 16777216}'
    sh_in "exec $EATER 2>&1"
    run_it
    [ "$status" = 137 ]
    [[ "$output" != *records* ]]
    config '.linux.resources.memory = {"limit": 268435456}'
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *"1+0 records out"* ]]
    nothing_left
}

@test "memory.limit, memory.reservation and memory.swap" {
    limit '{"memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296}}'
    has memory memory.max 67108864 memory.limit_in_bytes 67108864
    has memory memory.low 33554432 memory.soft_limit_in_bytes 33554432
    has memory memory.swap.max 33554432 memory.memsw.limit_in_bytes 100663296
}

@test "memory: -1 is no limit" {
    limit '{"memory": {"limit": -1}}'
    has memory memory.max max memory.limit_in_bytes 9223372036854771712
    has memory memory.swap.max max memory.memsw.limit_in_bytes 9223372036854771712
}

@test "memory.kernel: v2 has no such limit, v1 kernels no longer do it" {
    if on_v2 memory; then
        refused '{"memory": {"kernel": 8388608}}' "memory.kernel: cgroup v2 has no such limit"
    else
        limit '{"memory": {"kernel": 8388608, "limit": 67108864}}'
        grep -q "memory.kernel: kernels no longer limit kernel memory by itself, ignoring" "$T/err"
        [ "$(cat "$(group_of memory)/memory.limit_in_bytes")" = 67108864 ]
        r delete -f "$ID"
    fi
    config '.linux.resources = {}'
    limit '{"memory": {"kernel": -1}}'
}

@test "memory.kernelTCP: v1 only" {
    local wanted='{"memory": {"kernelTCP": 8388608}}'
    if on_v2 memory; then
        refused "$wanted" "memory.kernelTCP: cgroup v2 has no such limit"
    else
        limit "$wanted"
        [ "$(cat "$(group_of memory)/memory.kmem.tcp.limit_in_bytes")" = 8388608 ]
    fi
}

@test "memory.swappiness: v1 only" {
    if on_v2 memory; then
        refused '{"memory": {"swappiness": 7}}' "memory.swappiness: cgroup v2 has no such limit"
    else
        limit '{"memory": {"swappiness": 7}}'
        [ "$(cat "$(group_of memory)/memory.swappiness")" = 7 ]
    fi
}

@test "memory.disableOOMKiller: v1 only" {
    if on_v2 memory; then
        refused '{"memory": {"disableOOMKiller": true}}' "memory.disableOOMKiller: cgroup v2 can't switch it off"
    else
        limit '{"memory": {"limit": 67108864, "disableOOMKiller": true}}'
        grep -qx "oom_kill_disable 1" "$(group_of memory)/memory.oom_control"
    fi
}

@test "memory.useHierarchy: no group is without it" {
    if on_v2 memory; then
        refused '{"memory": {"useHierarchy": false}}' "memory.useHierarchy: cgroup v2 is always hierarchical"
    else
        refused '{"memory": {"useHierarchy": false}}' "memory.useHierarchy: the kernel refused '0'"
    fi
    config '.linux.resources = {}'
    limit '{"memory": {"useHierarchy": true}}'
}

@test "memory.checkBeforeUpdate: a limit below what the group holds already is refused" {
    # The group was somebody's before: the pages of a tmpfs stay with it.
    GROUP=$(group_of memory)
    [ "$GROUP" != "$CGROUP2/$ID" ] || echo +memory >"$CGROUP2/cgroup.subtree_control"
    mkdir "$GROUP" "$T/tmpfs"
    mount -t tmpfs tmpfs "$T/tmpfs"
    sh -c 'echo $$ >"$1/cgroup.procs" && exec head -c 16777216 /dev/zero >"$2/file"' - "$GROUP" "$T/tmpfs"
    config '.linux.resources = {"memory": {"limit": 8388608, "checkBeforeUpdate": true}}'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"memory.limit: 8388608 bytes is less than cgroup '/$ID' uses already"* ]]
    config '.linux.resources.memory.limit = 67108864 | .process.args = ["true"]'
    run_it
    [ "$status" = 0 ]
}

# --- cpu ---

@test "cpu.shares" {
    limit '{"cpu": {"shares": 262144}}'
    has cpu cpu.weight 10000 cpu.shares 262144
}

@test "cpu.quota, cpu.period and cpu.burst" {
    limit '{"cpu": {"quota": 20000, "period": 50000, "burst": 10000}}'
    has cpu cpu.max "20000 50000" cpu.cfs_quota_us 20000
    has cpu cpu.max "20000 50000" cpu.cfs_period_us 50000
    has cpu cpu.max.burst 10000 cpu.cfs_burst_us 10000
}

@test "cpu.period alone leaves the quota open" {
    limit '{"cpu": {"period": 50000}}'
    has cpu cpu.max "max 50000" cpu.cfs_period_us 50000
}

@test "cpu.idle" {
    limit '{"cpu": {"idle": 1}}'
    has cpu cpu.idle 1 cpu.idle 1
}

@test "cpu.realtimeRuntime and cpu.realtimePeriod: v1 only" {
    if on_v2 cpu; then
        refused '{"cpu": {"realtimeRuntime": 10000}}' "cpu.realtimeRuntime: cgroup v2 has no real-time limits"
        refused '{"cpu": {"realtimePeriod": 500000}}' "cpu.realtimePeriod: cgroup v2 has no real-time limits"
    else
        limit '{"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 500000}}'
        [ "$(cat "$(group_of cpu)/cpu.rt_runtime_us")" = 10000 ]
        [ "$(cat "$(group_of cpu)/cpu.rt_period_us")" = 500000 ]
    fi
}

@test "cpu.cpus and cpu.mems" {
    config '.process.args = ["grep", "allowed_list", "/proc/self/status"] | .linux.resources.cpu = {"cpus": "1", "mems": "0"}'
    run_it
    [ "${lines[0]}" = $'Cpus_allowed_list:\t1' ]
    [ "${lines[1]}" = $'Mems_allowed_list:\t0' ]
    # A machine of one node tells of the second field only by refusing another.
    refused '{"cpu": {"mems": "63"}}' "cpu.mems: "
}

# --- pids ---

@test "pids.limit: a fork too many fails" {
    config '.linux.resources.pids = {"limit": 4}'
    sh_in 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait'
    run_it
    [[ "$output" == *"can't fork"* ]]
    config '.linux.resources.pids = {"limit": 16}'
    run_it
    [ "$output" = "" ]
    config '.linux.resources.pids = {"limit": -1} | .process.args = ["sleep", "1000"]'
    create_it
    has pids pids.max max pids.max max
}

# --- block IO ---

@test "blockIO.weight" {
    limit '{"blockIO": {"weight": 500}}'
    if on_v2 io; then
        grep -qxE 'default (500|4950)' "$(group_of io)"/io.*weight
    else
        [ "$(cat "$(group_of io)"/blkio.*weight)" = 500 ]
    fi
}

@test "blockIO.weightDevice" {
    loop_device
    modprobe -q bfq 2>/dev/null || :
    echo bfq >"/sys/block/${LOOP#/dev/}/queue/scheduler"
    limit "{\"blockIO\": {\"weightDevice\": [{\"major\": $MAJOR, \"minor\": $MINOR, \"weight\": 700}]}}"
    has io io.bfq.weight "$DEV 700" blkio.bfq.weight_device "$DEV 700"
}

@test "blockIO.leafWeight is refused: v2 and kernels of today have no such weight" {
    if on_v2 io; then
        refused '{"blockIO": {"leafWeight": 500}}' "blockIO.leafWeight: cgroup v2 has no such weight"
        refused '{"blockIO": {"weightDevice": [{"major": 7, "minor": 0, "leafWeight": 500}]}}' \
            "blockIO.leafWeight: cgroup v2 has no such weight"
    else
        refused '{"blockIO": {"leafWeight": 500}}' "blockIO.leafWeight: this kernel has no 'blkio.leaf_weight'"
        refused '{"blockIO": {"weightDevice": [{"major": 7, "minor": 0, "leafWeight": 500}]}}' \
            "blockIO.weightDevice.leafWeight: this kernel has no 'blkio.leaf_weight_device'"
    fi
}

@test "blockIO: throttles" {
    loop_device
    limit "$(jq -n --argjson major "$MAJOR" --argjson minor "$MINOR" 'def t($rate): [{$major, $minor, $rate}];
        {blockIO: {throttleReadBpsDevice: t(1048576), throttleWriteBpsDevice: t(2097152),
            throttleReadIOPSDevice: t(100), throttleWriteIOPSDevice: t(200)}}')"
    if on_v2 io; then
        [ "$(cat "$(group_of io)/io.max")" = "$DEV rbps=1048576 wbps=2097152 riops=100 wiops=200" ]
    else
        [ "$(cat "$(group_of io)/blkio.throttle.read_bps_device")" = "$DEV 1048576" ]
        [ "$(cat "$(group_of io)/blkio.throttle.write_bps_device")" = "$DEV 2097152" ]
        [ "$(cat "$(group_of io)/blkio.throttle.read_iops_device")" = "$DEV 100" ]
        [ "$(cat "$(group_of io)/blkio.throttle.write_iops_device")" = "$DEV 200" ]
    fi
}

# --- the smaller ones ---

@test "hugepageLimits" {
    limit '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
    has hugetlb hugetlb.2MB.max 4194304 hugetlb.2MB.limit_in_bytes 4194304
    r delete -f "$ID"
    refused '{"hugepageLimits": [{"pageSize": "3MB", "limit": 4194304}]}' "hugepageLimits: this kernel has no 'hugetlb.3MB."
}

@test "network.classID and network.priorities are refused without their v1 controllers" {
    refused '{"network": {"classID": 1048577}}' "network.classID: this host has no net_cls cgroup controller"
    refused '{"network": {"priorities": [{"name": "lo", "priority": 5}]}}' \
        "network.priorities: this host has no net_prio cgroup controller"
}

@test "rdma is refused without its controller, or without the device" {
    if on_v2 rdma; then
        refused '{"rdma": {"nodev0": {"hcaHandles": 3, "hcaObjects": 1000}}}' "rdma: write 'nodev0 hca_handle=3 hca_object=1000' to 'rdma.max'"
    else
        refused '{"rdma": {"nodev0": {"hcaHandles": 3, "hcaObjects": 1000}}}' "rdma: this host has no rdma cgroup controller"
    fi
}

@test "unified: files of the v2 group by name" {
    limit '{"unified": {"hugetlb.2MB.max": "6291456", "cgroup.max.depth": "5"}}'
    [ "$(cat "$CGROUP2/$ID/hugetlb.2MB.max")" = 6291456 ]
    [ "$(cat "$CGROUP2/$ID/cgroup.max.depth")" = 5 ]
    r delete -f "$ID"
    refused '{"unified": {"nosuch.file": "1"}}' "unified: this kernel has no 'nosuch.file'"
}

# --- devices ---

# try_devices: the container has the host's /dev/kmsg and the loop device and says which it can open how.
try_devices() {
    loop_device
    config '.linux.devices = [{"path": "/dev/k", "type": "c", "major": 1, "minor": 11},
            {"path": "/dev/b", "type": "b", "major": $major, "minor": $minor}]
        | .process.capabilities |= map_values(["CAP_MKNOD", "CAP_SYSLOG", "CAP_DAC_OVERRIDE"])' \
        --argjson major "$MAJOR" --argjson minor "$MINOR"
    sh_in 'can() { (eval ": $2") 2>/dev/null && printf "%s " "$1"; }
        can k:r "</dev/k"; can k:w ">/dev/k"; can k:rw "<>/dev/k"; can b:r "</dev/b"; can b:w ">/dev/b"
        mknod /dev/other c 1 11 && can mknod:w ">/dev/other"; echo'
}

# with_rules RULES WANTED: what can be opened with these rules.
with_rules() {
    config '.linux.resources.devices = $rules' --argjson rules "$1"
    run_it
    [ "$status" = 0 ] && [ "$(xargs <<<"$output")" = "$2" ] || { echo "$1: '$output', wanted '$2'"; return 1; }
}

@test "devices: what no rule allows can't be opened, whoever made the node" {
    try_devices
    with_rules '[]' ''
    with_rules '[{"allow": false, "access": "rwm"}]' ''
    with_rules '[{"allow": true}]' 'k:r k:w k:rw b:r b:w mknod:w'
}

@test "devices: rules for a type, a major, a minor and an access" {
    try_devices
    with_rules '[{"allow": true, "type": "b", "access": "rwm"}]' 'b:r b:w'
    with_rules '[{"allow": true, "type": "c", "access": "rwm"}]' 'k:r k:w k:rw mknod:w'
    with_rules '[{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]' 'k:r'
    with_rules '[{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "w"}]' 'k:w mknod:w'
    with_rules '[{"allow": true, "type": "c", "major": 1, "minor": 12, "access": "rwm"}]' ''
    with_rules '[{"allow": true, "type": "c", "major": 2, "minor": 11, "access": "rwm"}]' ''
    with_rules "[{\"allow\": true, \"type\": \"b\", \"major\": $MAJOR, \"access\": \"rwm\"}]" 'b:r b:w'
}

@test "devices: of the rules that match, the last decides" {
    try_devices
    with_rules '[{"allow": true}, {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "w"}]' 'k:r b:r b:w'
    with_rules '[{"allow": true, "type": "c", "major": 1, "access": "rw"}, {"allow": false, "type": "c", "major": 1, "minor": 11, "access": "w"}]' \
        'k:r'
    with_rules '[{"allow": false, "type": "c", "major": 1, "minor": 11, "access": "w"}, {"allow": true, "type": "c", "major": 1, "access": "rw"}]' \
        'k:r k:w k:rw mknod:w'
    with_rules '[{"allow": true, "type": "b", "access": "rwm"}, {"allow": false, "access": "rwm"}]' ''
}

# --- memory policy ---

# policy JSON WANTED: how /proc/self/numa_maps shows this policy.
policy() {
    config '.linux.memoryPolicy = $policy | .process.args = ["cut", "-d", " ", "-f", "2", "/proc/self/numa_maps"]' --argjson policy "$1"
    run_it
    [ "$status" = 0 ] && [ "${lines[0]}" = "$2" ] || { echo "$1: '$output', wanted '$2'"; return 1; }
}

@test "memoryPolicy: mode, nodes and flags" {
    policy '{"mode": "MPOL_DEFAULT"}' default
    policy '{"mode": "MPOL_LOCAL"}' local
    policy '{"mode": "MPOL_PREFERRED", "nodes": "0"}' prefer:0
    policy '{"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}' 'prefer'
    policy '{"mode": "MPOL_BIND", "nodes": "0"}' bind:0
    policy '{"mode": "MPOL_INTERLEAVE", "nodes": "0"}' interleave:0
    policy '{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}' bind=static:0
    policy '{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}' bind=relative:0
    config '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "63"}'
    fails_with "linux.memoryPolicy: set_mempolicy"
    config '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0,x"}'
    fails_with 'linux.memoryPolicy.nodes: "0,x" is not a list'
}
