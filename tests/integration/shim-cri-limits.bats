# What pods may: limits, namespaces and security contexts under the CRI plugin of Debian's containerd.
load cri

@test "limits, their update, stats" {
    run_pod
    run_container c "$IDLE" '{"linux":{"resources":{"memory_limit_in_bytes":67108864,"cpu_period":100000,"cpu_quota":50000,"cpu_shares":512}}}'
    pid=$(pid_of "$ID")
    grep -q "/$GROUP/$ID" "/proc/$pid/cgroup"
    [ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = 67108864 ]
    [[ "$(group_file "$pid" cpu cpu.cfs_quota_us cpu.max)" == 50000* ]]
    cri UpdateContainerResources "{\"container_id\":\"$ID\",\"linux\":{\"memory_limit_in_bytes\":134217728,\"cpu_period\":100000,\"cpu_quota\":70000}}"
    [ "$(group_file "$pid" memory memory.limit_in_bytes memory.max)" = 134217728 ]
    [[ "$(group_file "$pid" cpu cpu.cfs_quota_us cpu.max)" == 70000* ]]
    # the device rules that come with an update are not taken for the container's
    inside "$ID" sh -c 'echo x >/dev/null'
    cri ContainerStats "{\"container_id\":\"$ID\"}" >"$D/stats"
    jq -e '.stats | .cpu.usage_core_nano_seconds.value > 1000000 and .memory.working_set_bytes.value > 4096 and
        .memory.working_set_bytes.value <= .memory.usage_bytes.value and .memory.rss_bytes.value > 0 and .memory.page_faults.value > 0' "$D/stats"
}

@test "out of memory: killed, and the reason is said" {
    run_pod
    run_container c "exec $EATER" \
        '{"linux":{"resources":{"memory_limit_in_bytes":20971520,"memory_swap_limit_in_bytes":20971520}}}'
    wait_for 20 is_in_state "$ID" 2
    [ "$(status "$ID" exit_code)" = 137 ]
    wait_for 5 is_oom
    # an ordinary failure has another reason
    run_container d 'exit 3'
    wait_for 20 is_in_state "$ID" 2
    [ "$(status "$ID" exit_code)" = 3 ]
    [ "$(status "$ID" reason)" = '"Error"' ]
}

is_oom() { [ "$(status "$ID" reason)" = '"OOMKilled"' ]; }

@test "the node's network, processes and ipc" {
    POD_LINUX='{"security_context":{"namespace_options":{"network":2,"pid":2,"ipc":2}}}'
    run_pod
    run_container c "$IDLE" '{"linux":{"security_context":{"namespace_options":{"network":2,"pid":2,"ipc":2}}}}'
    for ns in net pid ipc; do
        [ "$(inside "$ID" readlink "/proc/self/ns/$ns")" = "$(readlink "/proc/self/ns/$ns")" ]
    done
    inside "$ID" ip link show pods0
    # without a pid namespace nothing else ends what the container has left
    inside "$ID" sh -c 'sleep 12345 >/dev/null 2>&1 &'
    left=$(pgrep -f 'sleep 12345')
    stop "$ID" 5
    wait_for 5 is_dead "$left"
}

@test "one pid namespace for the whole pod" {
    run_pod
    one=$(create one 'exec sleep 4321')
    two=$(create two "$IDLE")
    start "$one"
    start "$two"
    inside "$two" sh -c "ps | grep -q '[s]leep 4321'"
    inside "$two" sh -c "ps | grep -q '[s]leep 100000'"
}

# field ID NAME: of /proc/1/status, of the container's first process.
field() { inside "$1" sed -n "s/^$2:[[:space:]]*//p" /proc/1/status; }

@test "security: user, groups, capabilities, read-only, no new privileges" {
    POD_LINUX='{"security_context":{"namespace_options":{"pid":1}}}'
    run_pod
    run_container c 'cd; exec sleep 1000' '{"linux":{"security_context":{"namespace_options":{"pid":1},"run_as_user":{"value":1000},"run_as_group":{"value":2000},
        "supplemental_groups":[3000,3001],"readonly_rootfs":true,"no_new_privs":true,"capabilities":{"drop_capabilities":["ALL"]}}}}'
    [ "$(inside "$ID" id -u):$(inside "$ID" id -g)" = 1000:2000 ]
    [[ " $(inside "$ID" id -G) " == *" 3000 3001 "* ]]
    [ "$(field "$ID" NoNewPrivs)" = 1 ]
    [ "$(field "$ID" CapBnd)" = 0000000000000000 ]
    run inside "$ID" touch /tmp/file
    [[ "$output" == *"Read-only file system"* ]]
    run_container d 'exec sleep 1000' '{"linux":{"security_context":{"namespace_options":{"pid":1},"run_as_username":"nobody",
        "capabilities":{"add_capabilities":["NET_ADMIN"],"drop_capabilities":["CHOWN"]}}}}'
    [ "$(inside "$ID" id -un)" = nobody ]
    bounding=$((16#$(field "$ID" CapBnd)))
    [ $((bounding >> 12 & 1)) = 1 ] && [ $((bounding & 1)) = 0 ]
    inside "$ID" touch /tmp/file
}

@test "security: seccomp profiles, masked paths, privileged" {
    POD_LINUX='{"security_context":{"namespace_options":{"pid":1},"privileged":true}}'
    run_pod
    run_container c 'exec sleep 1000' '{"linux":{"security_context":{"namespace_options":{"pid":1},"seccomp":{"profile_type":0},
        "masked_paths":["/proc/timer_list","/etc/passwd"],"readonly_paths":["/proc/sys"]}}}'
    [ "$(field "$ID" Seccomp)" = 2 ]
    run inside "$ID" unshare -U true
    [[ "$output" == *"not permitted"* ]]
    [ -z "$(inside "$ID" cat /etc/passwd)" ]
    ! inside "$ID" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || false
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}' >"$D/profile.json"
    run_container d 'exec sleep 1000' '{"linux":{"security_context":{"namespace_options":{"pid":1},"capabilities":{"add_capabilities":["SYS_ADMIN"]},
        "seccomp":{"profile_type":2,"localhost_ref":"'"$D"'/profile.json"}}}}'
    run inside "$ID" hostname new
    [[ "$output" == *"Function not implemented"* ]]
    run_container e 'exec sleep 1000' '{"linux":{"security_context":{"namespace_options":{"pid":1},"privileged":true}}}'
    [ "$(field "$ID" Seccomp)" = 0 ]
    [ $((16#$(field "$ID" CapEff) >> 21 & 1)) = 1 ]
    inside "$ID" sh -c 'mount -t tmpfs tmpfs /tmp'
    inside "$ID" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}
