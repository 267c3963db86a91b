# Pods: one shim for all containers of one, and the Sandbox service that makes the pod itself.
load shim

setup() { shim_setup; }

teardown() {
    local id
    for id in pod "${others[@]}"; do
        [ ! -e "$T/$id/options.json" ] || timeout 20 "$HOY_SHIM" -namespace ns -id "$id" -bundle "$T/$id" delete >/dev/null || :
    done
    shim_teardown
}

# start_pod: a shim in an empty bundle, as containerd's sandbox controller asks for it.
start_pod() {
    ID=pod B=$T/pod
    mkdir "$B"
    start_shim "$@"
}

sandbox() { # METHOD [KEY=VALUE...]
    local method=$1
    shift
    client "$ADDRESS" "$method" id=pod "$@"
}

# What it has written: the program's own pages count as private or not, depending on who else runs it just now.
private_kib() {
    awk '/^Private_Dirty:/ { print $2 }' "/proc/$1/smaps_rollup"
}

@test "a sandbox from create to shutdown" {
    start_pod
    [ "$(sandbox Platform | jq -r '.platform[0]')" = linux ]
    run sandbox StartSandbox
    [ "$output" = "code 5: sandbox pod: not found" ]
    sandbox CreateSandbox "bundle=$B" options='{"hostname":"name-of-pod"}'
    run sandbox CreateSandbox "bundle=$B"
    [ "$output" = "code 6: sandbox pod: already exists" ]
    [ "$(sandbox SandboxStatus | jq -r .state)" = SANDBOX_NOTREADY ]
    run sandbox PingSandbox
    [[ "$output" == "code 9: "* ]]
    sandbox StartSandbox >"$T/started"
    pid=$(jq .pid "$T/started")
    [ "$(jq .created_at "$T/started")" -gt 1600000000 ]
    sandbox PingSandbox
    sandbox SandboxStatus verbose=true >"$T/status"
    [ "$(jq -c '[.state, .pid, .info]' "$T/status")" = "[\"SANDBOX_READY\",$pid,[\"bundle\",\"$B\"]]" ]
    # its process is alone, in namespaces of its own that others can join
    for ns in pid ipc uts net mnt; do
        [ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ]
    done
    [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "/pause " ]
    [ "$(nsenter -t "$pid" -u hostname)" = name-of-pod ]
    [ "$(awk '/^Private_Dirty:/ { print $2 }' "/proc/$pid/smaps_rollup")" -lt 64 ]
    sandbox SandboxMetrics >"$T/metrics"
    [ "$(jq -r .id "$T/metrics")" = pod ]
    jq -e '.type_url | startswith("io.containerd.cgroups.v")' "$T/metrics"
    # and it reaps what is left to it
    nsenter -t "$pid" -p unshare --fork sh -c 'sleep 0.1 &' 3>&-
    childless() { [ -z "$(cat "/proc/$pid/task/$pid/children")" ]; }
    wait_for 10 childless

    sandbox WaitSandbox >"$T/wait" &
    waiter=$!
    sandbox StopSandbox timeout=5
    wait $waiter
    [ "$(jq -c '[.exit_status, .exited_at > 0]' "$T/wait")" = '[null,true]' ] # 0 is not sent
    wait_for 5 is_dead "$pid"
    sandbox StopSandbox
    [ "$(sandbox SandboxStatus | jq -r .state)" = SANDBOX_NOTREADY ]
    [ "$(sandbox SandboxStatus | jq .exited_at)" -gt 1600000000 ]
    sandbox ShutdownSandbox
    wait_for 5 shim_is_gone
    [ -z "$(ls "$T/s")" ]
    [ -z "$(ls "$T/r/ns")" ]
}

@test "a sandbox in the node's namespaces, and one in a given network" {
    start_pod
    sandbox CreateSandbox "bundle=$B" options='{"network":2,"pid":2,"ipc":2,"user":65535}'
    pid=$(sandbox StartSandbox | jq .pid)
    for ns in pid ipc uts net; do
        [ "$(readlink "/proc/$pid/ns/$ns")" = "$(readlink /proc/self/ns/$ns)" ]
    done
    grep -q '^Uid:[[:space:]]65535' "/proc/$pid/status"
    sandbox ShutdownSandbox
    wait_for 5 shim_is_gone
    rm -r "$B"

    unshare --net sleep 100 3>&- &
    holder=$!
    start_pod
    sandbox CreateSandbox "bundle=$B" "netns=/proc/$holder/ns/net" options='{"sysctls":{"net.ipv4.ping_group_range":"0 7"}}'
    pid=$(sandbox StartSandbox | jq .pid)
    [ "$(readlink "/proc/$pid/ns/net")" = "$(readlink "/proc/$holder/ns/net")" ]
    [ "$(nsenter -t "$pid" -n sysctl -n net.ipv4.ping_group_range | tr '\t' ' ')" = "0 7" ]
    sandbox ShutdownSandbox
    kill "$holder"
    wait_for 5 shim_is_gone
}

@test "a sandbox with a user namespace, which its containers join" {
    start_pod
    sandbox CreateSandbox "bundle=$B" options='{"hostname":"mapped","ids":[200000,0,65536],"sysctls":{"net.ipv4.ping_group_range":"0 7"}}'
    pid=$(sandbox StartSandbox | jq .pid)
    for map in uid_map gid_map; do
        [ "$(xargs <"/proc/$pid/$map")" = "0 200000 65536" ]
    done
    grep -q '^Uid:[[:space:]]200000' "/proc/$pid/status"
    # the pod's network belongs to its user namespace
    [ "$(nsenter -t "$pid" -U -n sysctl -n net.ipv4.ping_group_range | tr '\t' ' ')" = "0 7" ]
    make_bundle "$T/a"
    chown -R 200000:200000 "$T/a/rootfs"
    bundle_config "$T/a" '.annotations["io.kubernetes.cri.sandbox-id"] = "pod" | .process.args = ["sh", "-c", "id -u; hostname pod-of-many; sleep 100"] |
        .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) |
        .linux.uidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings |
        .linux.namespaces = [{"type": "mount"}, {"type": "pid"}] +
            [("user", "ipc", "uts", "net") as $ns | {"type": (if $ns == "net" then "network" else $ns end), "path": "/proc/\($pid)/ns/\($ns)"}]' --argjson pid "$pid"
    others=(a)
    [ "$(cd "$T/a" && "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id a start <"$T/options")" = "$ADDRESS" ]
    inside=$(client "$ADDRESS" Create id=a "bundle=$T/a" "stdout=json-file://$T/log" | jq .pid)
    client "$ADDRESS" Start id=a
    for ns in user ipc uts net; do
        [ "$(readlink "/proc/$inside/ns/$ns")" = "$(readlink "/proc/$pid/ns/$ns")" ]
    done
    grep -q '^Uid:[[:space:]]200000' "/proc/$inside/status"
    renamed() { [ "$(nsenter -t "$pid" -u hostname)" = pod-of-many ]; }
    wait_for 10 renamed
    [ "$(log_text)" = 0 ]
    sandbox ShutdownSandbox
    wait_for 5 shim_is_gone
}

@test "a pod ends with its containers" {
    start_pod
    sandbox CreateSandbox "bundle=$B"
    pid=$(sandbox StartSandbox | jq .pid)
    make_bundle "$T/a"
    bundle_config "$T/a" '.annotations["io.kubernetes.cri.sandbox-id"] = "pod" | .process.args = ["sleep", "100"] |
        .linux.namespaces |= map(if .type == "ipc" then .path = $path else . end)' --arg path "/proc/$pid/ns/ipc"
    others=(a)
    a=$(cd "$T/a" && "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id a start <"$T/options")
    [ "$a" = "$ADDRESS" ]
    inside=$(client "$ADDRESS" Create id=a "bundle=$T/a" | jq .pid)
    client "$ADDRESS" Start id=a
    [ "$(readlink "/proc/$inside/ns/ipc")" = "$(readlink "/proc/$pid/ns/ipc")" ]
    sandbox ShutdownSandbox
    wait_for 5 shim_is_gone
    is_dead "$inside"
    is_dead "$pid"
    [ -z "$(ls "$T/r/ns")" ]
}

@test "a sandbox with a configuration of the caller's" {
    sh_in 'trap "exit 9" TERM; echo up >/proc/1/comm; while :; do sleep 0.1; done'
    cp -al "$B" "$T/pod-bundle"
    ID=pod
    start_shim
    sandbox CreateSandbox "bundle=$B"
    sandbox StartSandbox
    pid=$(sandbox SandboxStatus | jq .pid)
    up() { [ "$(cat "/proc/$pid/comm")" = up ]; }
    wait_for 5 up
    sandbox StopSandbox
    [ "$(sandbox WaitSandbox | jq .exit_status)" = 9 ]
    sandbox ShutdownSandbox
}

@test "each further container of a pod costs little" {
    bundle_config "$B" '.annotations["io.kubernetes.cri.sandbox-id"] = "pod" | .process.args = ["sleep", "100"]'
    start_shim
    create_task
    task Start
    n=8 others=()
    for i in $(seq $n); do
        cp -al "$B" "$T/o$i"
        others+=("o$i")
    done
    before=$(private_kib "$SHIM_PID")
    others_come
    grown=$((($(private_kib "$SHIM_PID") - before) / n))
    echo "private memory: $before KiB with one, $grown KiB per further container"
    [ "$(ls "/proc/$SHIM_PID/task" | wc -l)" = 1 ]
    grep -q __asan_init "$HOY_SHIM" || [ "$grown" -lt 64 ]
    others_go
    # What the first ones have touched stays; the next ones take nothing more.
    before=$(private_kib "$SHIM_PID")
    others_come
    others_go
    grown=$(($(private_kib "$SHIM_PID") - before))
    echo "after as many others have come and gone: $grown KiB more"
    grep -q __asan_init "$HOY_SHIM" || [ "$grown" -lt 32 ]
}

others_come() {
    for i in "${others[@]}"; do
        (cd "$T/$i" && "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id "$i" start <"$T/options") >/dev/null
        client "$ADDRESS" Create "id=$i" "bundle=$T/$i" "stdout=json-file://$T/log$i" "stderr=json-file://$T/log$i"
        client "$ADDRESS" Start "id=$i"
    done
}

others_go() {
    for i in "${others[@]}"; do
        client "$ADDRESS" Kill "id=$i" signal=9
        client "$ADDRESS" Wait "id=$i" >/dev/null
        client "$ADDRESS" Delete "id=$i" >/dev/null
    done
}
