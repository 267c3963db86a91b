#!/usr/bin/env bats
# hoyrun: mounts add and mounts remove.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    mkdir -p "$T/source/sub" "$B/rootfs/there"
    echo content >"$T/source/file"
    config '.process.args = ["sleep", "1000"] | .root.readonly = false'
}
teardown() {
    [ -z "${SWAPPER:-}" ] || kill "$SWAPPER" 2>/dev/null || :
    runtime_teardown
}

start_it() {
    create_it
    r start "$ID"
}

in_it() {
    r exec "$ID" "$@"
}

list() { # JSON-LIST
    jq -n --arg s "$T/source" "$1" >"$T/mounts.json"
}

@test "binds and file systems are added and removed again" {
    start_it
    list '[{"destination": "/there", "type": "bind", "source": $s, "options": ["bind", "ro"]},
        {"destination": "/new/file", "type": "bind", "source": ($s + "/file"), "options": ["bind"]},
        {"destination": "/there/sub", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "ro"]},
        {"destination": "relative", "type": "proc", "source": "proc"}]'
    r mounts add "$ID" "$T/mounts.json"
    [ "$(in_it cat /there/file /new/file)" = $'content\ncontent' ]
    run in_it touch /there/x
    [[ "$output" == *"Read-only"* ]]
    run in_it touch /there/sub/x
    [[ "$output" == *"Read-only"* ]]
    # A procfs of the container's pid namespace.
    [ "$(in_it cat /relative/1/comm)" = sleep ]
    # It is nobody else's: not the host's, and no process of ours stays.
    ! grep -q "$T/bundle/rootfs/there" /proc/self/mountinfo || false
    [ "$(r ps -f json "$ID")" = "[$(pid_of)]" ]
    r mounts remove "$ID" "$T/mounts.json"
    [ -z "$(in_it ls /there /relative)" ] || [ "$(in_it ls /there /relative | grep -c file)" = 0 ]
    [ "$(in_it cat /new/file)" = "" ]
    [ "$(in_it grep -cE ' (/there|/new|/relative)' /proc/self/mountinfo)" = 0 ]
}

@test "the list may be the mounts of a config, or come from stdin; a created container gets mounts too" {
    config '.process.args = ["cat", "/there/file"]'
    create_it
    list '{"mounts": [{"destination": "/there", "type": "bind", "source": $s, "options": ["rbind"]}]}'
    r mounts add "$ID" - <"$T/mounts.json"
    r start "$ID"
    wait_for 5 is_status stopped
    [ "$(cat "$T/out")" = content ]
    run r mounts add "$ID" "$T/mounts.json"
    [ "$status" != 0 ]
    [[ "$output" == *"container not running"* ]]
}

@test "in a user namespace, with a source that only the host's root can reach" {
    config '.linux.namespaces += [{"type": "user"}]
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        | .linux.gidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
    rm -rf "$B/rootfs"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    mkdir "$B/rootfs/there"
    chown -R 100000:100000 "$B/rootfs"
    start_it
    mkdir -p "$T/closed/dir"
    echo closed >"$T/closed/dir/file"
    chmod 700 "$T/closed"
    jq -n --arg s "$T/closed/dir" '[{"destination": "/there", "source": $s, "options": ["bind"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]' >"$T/mounts.json"
    r mounts add "$ID" "$T/mounts.json"
    [ "$(in_it cat /there/file)" = closed ]
    in_it touch /tmp/mine
    r mounts remove "$ID" "$T/mounts.json"
    ! in_it cat /there/file || false
}

@test "all or none" {
    start_it
    list '[{"destination": "/there", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/x", "type": "nosuchfs", "source": "x"}]'
    run r mounts add "$ID" "$T/mounts.json"
    [ "$status" != 0 ]
    [[ "$output" == *'error mounting "x" to rootfs at "/x": file system '"'nosuchfs'"* ]] || { echo "$output"; false; }
    [ "$(in_it grep -c ' /there' /proc/self/mountinfo)" = 0 ]
    list '[{"destination": "/there", "type": "bind", "source": "/no/such/source", "options": ["bind"]}]'
    run r mounts add "$ID" "$T/mounts.json"
    [[ "$output" == *"/no/such/source"* ]]
}

@test "what can't be added or removed is named" {
    start_it
    for mount in '{"destination": "/", "type": "tmpfs"}' '{"destination": "/sys/fs/cgroup", "type": "cgroup"}' \
        '{"destination": "/proc", "options": ["remount", "ro"]}'; do
        list "[$mount]"
        run r mounts add "$ID" "$T/mounts.json"
        [ "$status" != 0 ]
        [[ "$output" == *"a running container gets no mount on '/', no cgroup mount and no remount"* ]] || { echo "$output"; false; }
    done
    list '[{"destination": "/proc/sys", "type": "tmpfs", "source": "tmpfs"}]'
    run r mounts add "$ID" "$T/mounts.json"
    [[ "$output" == *"cannot be mounted because it is inside /proc"* ]]
    list '[{"destination": "/there"}]'
    run r mounts remove "$ID" "$T/mounts.json"
    [[ "$output" == *'mounts[0]: "/there": nothing is mounted there'* ]] || { echo "$output"; false; }
    ln -s / "$B/rootfs/slash"
    list '[{"destination": "/slash"}]'
    run r mounts remove "$ID" "$T/mounts.json"
    [[ "$output" == *"nothing is mounted there"* ]]
    run r mounts change "$ID" "$T/mounts.json"
    [[ "$output" == *"'change' is neither add nor remove"* ]]
    echo '{"no": "mounts"}' >"$T/mounts.json"
    run r mounts add "$ID" "$T/mounts.json"
    [ "$status" != 0 ]
    [[ "$output" == *mounts* ]]
}

@test "attack: the container swaps the target for a symlink to where it wants the host's mount" {
    mkdir "$T/victim"
    config '.process.args = ["sh", "-c", "cd /there; mkdir dir; ln -s $V link; while :; do mv dir d2; mv link dir; mv dir link; mv d2 dir; done"]
        | .process.env += ["V=\($v)"]' --arg v "$T/victim"
    start_it
    list '[{"destination": "/there/dir/inner", "type": "tmpfs", "source": "tmpfs"}]'
    for i in $(seq 20); do
        r mounts add "$ID" "$T/mounts.json" 2>/dev/null || :
        r mounts remove "$ID" "$T/mounts.json" 2>/dev/null || :
    done
    [ -z "$(ls -A "$T/victim")" ]
    ! grep "$T/victim" /proc/self/mountinfo || false
}
