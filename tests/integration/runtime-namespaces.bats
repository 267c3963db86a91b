#!/usr/bin/env bats
# hoyrun: namespaces made, shared and joined; names, sysctls, id maps, time offsets.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

ns_of() { # TYPE, of the waiting container
    readlink "/proc/$(pid_of)/ns/$1"
}

user_namespace() {
    config '.linux.namespaces += [{"type": "user"}]
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        | .linux.gidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}]'
    rm -rf "$B/rootfs"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    chown -R 100000:200000 "$B/rootfs"
}

@test "new namespaces are new, absent ones are the caller's" {
    config '.linux.namespaces = [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"},
        {"type": "cgroup"}]'
    create_it
    for ns in mnt pid ipc uts net cgroup; do
        [ "$(ns_of $ns)" != "$(readlink /proc/self/ns/$ns)" ] || { echo $ns; return 1; }
    done
    [ "$(ns_of user)" = "$(readlink /proc/self/ns/user)" ]
    r delete -f "$ID"
    config '.linux.namespaces = [{"type": "mount"}] | del(.hostname) | .mounts |= map(select(.type != "sysfs"))'
    create_it
    for ns in pid ipc uts net cgroup user; do
        [ "$(ns_of $ns)" = "$(readlink /proc/self/ns/$ns)" ] || { echo $ns; return 1; }
    done
}

@test "namespaces are joined by path" {
    config '.process.args = ["sleep", "1000"] | .linux.namespaces += [{"type": "time"}]'
    create_it
    pid=$(pid_of)
    first=$ID
    config '.linux.namespaces = [{"type": "mount"}, {"type": "pid", "path": $pid}, {"type": "ipc", "path": $ipc},
            {"type": "uts", "path": $uts}, {"type": "network", "path": $net}, {"type": "cgroup", "path": $cgroup},
            {"type": "time", "path": $time}]
        | .hostname = "second"' \
        --arg pid "/proc/$pid/ns/pid" --arg ipc "/proc/$pid/ns/ipc" --arg uts "/proc/$pid/ns/uts" \
        --arg net "/proc/$pid/ns/net" --arg cgroup "/proc/$pid/ns/cgroup" --arg time "/proc/$pid/ns/time"
    ID=$first-b
    create_it
    for ns in pid ipc uts net cgroup time; do
        [ "$(ns_of $ns)" = "$(readlink "/proc/$pid/ns/$ns")" ] || { echo $ns; return 1; }
    done
    [ "$(ns_of mnt)" != "$(readlink "/proc/$pid/ns/mnt")" ]
    [ "$(nsenter -t "$pid" -u hostname)" = second ]
    r delete -f "$ID"
}

@test "lo is up in a new network namespace" {
    sh_in 'ip -o addr show lo; cat /sys/class/net/lo/flags'
    run_it
    [[ "$output" == *127.0.0.1/8* ]]
    [[ "$output" == *0x9* ]]
}

@test "hostname and domainname" {
    sh_in 'hostname; cat /proc/sys/kernel/domainname'
    config '.hostname = "some-host" | .domainname = "some.domain"'
    run_it
    [ "${lines[0]}" = some-host ]
    [ "${lines[1]}" = some.domain ]
    config '.linux.namespaces |= map(select(.type != "uts"))'
    fails_with "hostname"
    config 'del(.hostname)'
    fails_with "domainname"
}

@test "sysctls in both notations, only in namespaces of the container's own" {
    sh_in 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/net/ipv4/conf/lo/forwarding'
    config '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321", "net/ipv4/conf/lo/forwarding": "1"}'
    host=$(cat /proc/sys/net/ipv4/ip_forward)
    run_it
    [ "$status" = 0 ]
    [ "$output" = $'1\n4321\n1' ]
    [ "$(cat /proc/sys/net/ipv4/ip_forward)" = "$host" ]
    config '.linux.sysctl = {"net.no.such": "1"}'
    fails_with "linux.sysctl: 'net.no.such'"
    config '.linux.sysctl = {"vm.swappiness": "50"}'
    fails_with linux.sysctl
    config '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))'
    fails_with linux.sysctl
    config '.linux.sysctl = {"kernel.msgmax": "4321"} | .linux.namespaces |= map(select(.type != "ipc"))'
    fails_with linux.sysctl
}

@test "a user namespace with maps" {
    user_namespace
    sh_in 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /bin; touch /tmp/mine && echo x >/dev/null && echo ok'
    config '.root.readonly = false'
    run_it
    [ "$status" = 0 ]
    [ "${lines[0]}" = 0 ]
    [ "${lines[1]}" = 0 ]
    [[ "${lines[2]}" =~ 0\ +100000\ +65536 ]]
    [[ "${lines[3]}" =~ 0\ +200000\ +65536 ]]
    [ "${lines[4]}" = 0:0 ]
    [ "${lines[5]}" = ok ]
    [ "$(stat -c %u:%g "$B/rootfs/tmp/mine")" = 100000:200000 ]
}

@test "a user namespace reads bind sources that only the host's root can reach" {
    user_namespace
    mkdir -m 700 "$T/private"
    echo secret >"$T/private/file"
    chmod 644 "$T/private/file"
    sh_in 'cat /mnt/file'
    config '.mounts += [{"destination": "/mnt/file", "type": "bind", "source": $f, "options": ["bind", "ro"]}]' --arg f "$T/private/file"
    run_it
    [ "$status" = 0 ]
    [ "$output" = secret ]
}

@test "a user namespace with a network namespace of the host's" {
    unshare -n sleep 1000 3>&- 4>&- &
    other=$!
    wait_for 5 bash -c "[ \"\$(readlink /proc/$other/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
    user_namespace
    config '.linux.namespaces |= map(if .type == "network" then .path = $p else . end) | .mounts |= map(select(.type != "sysfs"))
        | .process.args = ["sleep", "1000"] | .linux.maskedPaths = []' --arg p "/proc/$other/ns/net"
    create_it || { cat "$T/err"; kill $other; false; }
    [ "$(ns_of net)" = "$(readlink "/proc/$other/ns/net")" ]
    [ "$(ns_of user)" != "$(readlink /proc/self/ns/user)" ]
    r start "$ID"
    [ "$(r exec "$ID" readlink /proc/self/ns/net)" = "$(ns_of net)" ]
    kill $other
}

@test "a user namespace is joined by path" {
    user_namespace
    config '.process.args = ["sleep", "1000"]'
    create_it
    pid=$(pid_of)
    first=$ID
    config '.linux.namespaces |= map(if .type == "user" then .path = $p else . end) | del(.linux.uidMappings, .linux.gidMappings)' \
        --arg p "/proc/$pid/ns/user"
    ID=$first-b
    create_it
    [ "$(ns_of user)" = "$(readlink "/proc/$pid/ns/user")" ]
    [ "$(ns_of mnt)" != "$(readlink "/proc/$pid/ns/mnt")" ]
    r start "$ID"
    is_status running
    r delete -f "$ID"
}

@test "maps without a user namespace, and the other way round, are refused" {
    config '.linux.uidMappings = [{"containerID": 0, "hostID": 1, "size": 1}]'
    fails_with "linux.uidMappings"
    config 'del(.linux.uidMappings) | .linux.namespaces += [{"type": "user"}]'
    fails_with "uidMappings"
}

@test "time namespaces have offsets" {
    sh_in 'cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets'
    config '.linux.namespaces += [{"type": "time"}]
        | .linux.timeOffsets = {"monotonic": {"secs": 7881, "nanosecs": 2718281}, "boottime": {"secs": 1337000, "nanosecs": 3141519}}'
    run_it
    [ "$status" = 0 ]
    [ "${lines[0]}" -gt 1337000 ]
    [[ "$output" =~ monotonic\ +7881\ +2718281 ]]
    [[ "$output" =~ boottime\ +1337000\ +3141519 ]]
    config '.linux.namespaces |= map(select(.type != "time"))'
    fails_with "linux.timeOffsets"
}

@test "namespaces that contradict each other are refused" {
    config '.linux.namespaces += [{"type": "pid"}]'
    fails_with "linux.namespaces[6]"
    config '.linux.namespaces = [{"type": "mount"}, {"type": "network", "path": "/no/such/path"}] | del(.hostname)'
    fails_with "/no/such/path"
    config '.linux.namespaces = [{"type": "mount"}, {"type": "network", "path": "relative"}]'
    fails_with "linux.namespaces[1].path"
    config '.linux.namespaces = [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 1}]
        | .linux.gidMappings = .linux.uidMappings | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
    fails_with "linux.namespaces: a user namespace without a mount namespace"
}

@test "without any namespace a container is a chroot; its mounts go with it" {
    local before ns
    before=$(wc -l </proc/self/mountinfo)
    config '.linux.namespaces = [] | del(.hostname) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .process.args = ["sleep", "1000"]
        | .hooks.createRuntime = [{"path": "/bin/touch", "args": ["touch", $t]}]' --arg t "$T/hook-ran"
    create_it
    r start "$ID"
    [ -e "$T/hook-ran" ]
    for ns in cgroup ipc mnt net pid uts; do
        [ "$(readlink "/proc/$(pid_of)/ns/$ns")" = "$(readlink "/proc/self/ns/$ns")" ]
    done
    [ "$(readlink "/proc/$(pid_of)/root")" = "$B/rootfs" ]
    [ "$(r exec "$ID" ls /)" = "$(ls "$B/rootfs")" ]
    [ "$(r exec "$ID" pwd)" = / ]
    echo '{"mounts": [{"destination": "/mnt", "type": "tmpfs", "source": "x"}]}' >"$T/mounts.json"
    run r mounts add "$ID" "$T/mounts.json"
    [[ "$output" == *"the container has no mount namespace of its own"* ]] || { echo "$output"; false; }
    r delete -f "$ID"
    [ "$(wc -l </proc/self/mountinfo)" = "$before" ]
    nothing_left
    # What was mounted on the rootfs before stays, also when the create fails.
    mount --bind "$B/rootfs" "$B/rootfs"
    config '.process.args = ["no-such-program"]'
    run_it
    [ "$status" = 1 ]
    [ "$(wc -l </proc/self/mountinfo)" = $((before + 1)) ]
    umount "$B/rootfs"
}

@test "a mount namespace is joined by path" {
    unshare --mount --propagation private sh -c 'sleep 1000 & echo $! >"$1"; wait' sh "$T/pid" 3>&- 4>&- &
    wait_for 5 test -s "$T/pid"
    config '.linux.namespaces |= map(select(.type != "mount")) + [{"type": "mount", "path": "/proc/\($p)/ns/mnt"}]
        | .process.args = ["readlink", "/proc/self/ns/mnt"]' --arg p "$(cat "$T/pid")"
    ns=$(readlink "/proc/$(cat "$T/pid")/ns/mnt")
    run_it
    kill "$(cat "$T/pid")"
    [ "$output" = "$ns" ] || { echo "$output"; false; }
}

@test "root of a user namespace without privileges runs a rootless container" {
    command -v setpriv || skip_because no-setpriv "util-linux has no setpriv here"
    rm "$B/config.json"
    (cd "$B" && r spec --rootless)
    chmod 755 "$T" "$B"
    rm -rf "$B/rootfs"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    chown -R 1000:1000 "$B"
    mkdir "$T/user"
    chown 1000:1000 "$T/user"
    config '.process.terminal = false | .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map; echo fine"]
        | .linux.uidMappings[0].hostID = 1000 | .linux.gidMappings[0].hostID = 1000'
    run timeout 20 setpriv --reuid 1000 --regid 1000 --clear-groups "$HOYRUN" --root "$T/user/root" run -b "$B" "$ID" </dev/null
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]}" = 0 ]
    [[ "${lines[1]}" =~ 0\ +1000\ +1 ]]
    [ "${lines[2]}" = fine ]
}

# --- network devices ---

# host_device NAME: a device of the test's own network namespace, with addresses and an MTU of its own. The other end of
# the pair outlives it for a moment.
host_device() {
    PEERS=$((${PEERS:-0} + 1))
    ip link add "$1" mtu 1400 address 02:00:00:00:00:2a type veth peer name "hoypeer$PEERS"
    ip addr add 192.0.2.7/24 dev "$1"
    ip addr add 198.51.100.7/32 dev "$1" scope link
    ip -6 addr add 2001:db8::7/64 dev "$1" nodad
    ip link set "$1" up
}

@test "netDevices are moved and renamed; addresses and attributes come along" {
    host_device hoytest0
    config '.linux.netDevices = {"hoytest0": {"name": "inside0"}}'
    sh_in 'ip -o link; ip -o addr show dev inside0'
    run_it
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "$output" =~ inside0@.*UP.*mtu.1400 ]]
    [[ "$output" == *02:00:00:00:00:2a* ]]
    [[ "$output" == *192.0.2.7/24* ]]
    [[ "$output" == *2001:db8::7/64* ]]
    # Not of global scope: somebody else's to make again.
    [[ "$output" != *198.51.100.7* ]]
    run ip link show hoytest0
    [ "$status" != 0 ]
}

@test "netDevices keep their name without another one; a template is filled in" {
    host_device hoytest0
    config '.linux.netDevices = {"hoytest0": {}}'
    sh_in 'ip -o -4 addr show dev hoytest0'
    run_it
    [[ "$output" == *192.0.2.7/24* ]] || { echo "$output"; false; }
    host_device hoytest0
    config '.linux.netDevices = {"hoytest0": {"name": "eth%d"}, "hoypeer2": {"name": "eth%d"}}'
    sh_in 'ip -o link | grep -c "eth[01]:.*UP"'
    run_it
    [ "$output" = 2 ] || { echo "$output"; false; }
}

@test "netDevices: a namespace that is joined, and hooks that see the device" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    first=$ID pid=$(pid_of)
    ID=$first-b
    host_device hoytest0
    config '.linux.namespaces |= map(if .type == "network" then .path = $p else . end) | .linux.netDevices = {"hoytest0": {"name": "pod0"}}
        | .hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "nsenter -t \($pid) -n ip -o link show pod0 >$OUT"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "OUT=\($out)"]}]' \
        --arg p "/proc/$pid/ns/net" --arg pid "$pid" --arg out "$T/seen"
    sh_in 'ip -o -4 addr show dev pod0'
    run_it
    [[ "$output" == *192.0.2.7/24* ]] || { echo "$output"; false; }
    grep -q pod0@ "$T/seen"
    # The device is the namespace's now, not the container's.
    nsenter -t "$pid" -n ip link show pod0
}

@test "netDevices: what can't be moved is an error, and the host has its devices back" {
    host_device hoytest0
    config '.linux.netDevices = {"hoytest0": {"name": "lo"}}'
    fails_with "linux.netDevices.hoytest0: a device called 'lo' is there already"
    ip -o addr show dev hoytest0 | grep -q 192.0.2.7/24
    ip -o link show hoytest0 | grep -q 'UP.*mtu 1400'
    config '.linux.netDevices = {"hoytest0": {}, "nosuch": {}}'
    fails_with "linux.netDevices.nosuch: the host has no such network device"
    ip link show hoytest0
    config '.linux.netDevices = {"lo": {"name": "lo2"}}'
    fails_with "linux.netDevices.lo: rtnetlink"
    config '.linux.netDevices = {"hoytest0": {"name": "a/b"}}'
    fails_with 'linux.netDevices.hoytest0.name: "a/b" is not the name of a network interface'
    config '.linux.netDevices = {"hoytest0": {"name": "x"}, "hoypeer1": {"name": "x"}}'
    fails_with "a device called 'x' is there already"
    ip link show hoytest0 && ip link show hoypeer1
    # A failure after the move.
    config '.linux.netDevices = {"hoytest0": {"name": "inside0"}} | .process.args = ["/no/such/program"]'
    fails_with "no such file or directory"
    ip -o addr show dev hoytest0 | grep -q 192.0.2.7/24
    ip -o -6 addr show dev hoytest0 | grep -q 2001:db8::7/64
    config '.linux.namespaces |= map(select(.type != "network"))'
    fails_with netDevices
    ip link del hoytest0
}
