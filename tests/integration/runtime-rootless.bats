# hoyrun for somebody without privileges: a user with and without subordinate ids, root of a user namespace, and a
# container in a container. Limits and systemd are in runtime-systemd.bats.
load runtime

setup_file() { runtime_setup_file; }

# The test's own directory belongs to a user whose name is known but who has nothing else.
setup() {
    runtime_setup
    command -v setpriv >/dev/null || skip_because no-setpriv "util-linux has no setpriv here"
    chmod 755 "$T"
    rm -rf "$B"
    mkdir "$B" "$T/run"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    chown -R 65534:65534 "$B" "$T/run"
    (cd "$B" && as_user "$HOYRUN" spec --rootless)
    config '.process.terminal = false'
}

teardown() {
    as_user "$HOYRUN" delete -f "$ID" 2>/dev/null || :
    remove_test_dir
}

as_user() {
    setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$T/run" "$@"
}

run_user() {
    run as_user timeout 60 "$HOYRUN" "$@" </dev/null
    echo "$output"
}

# user_fails TEXT: the user's container does not start, and says why.
user_fails() {
    run_user run -b "$B" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"$1"* ]] || return 1
    [ -z "$(ls -A "$T/run/hoyrun" 2>/dev/null)" ]
}

@test "a user without subordinate ids is root of the container that 'spec --rootless' describes" {
    sh_in 'id -u; id -g; cat /proc/self/uid_map; echo x >/dev/null; ls -d /sys/class; touch /tmp/x 2>&1; hostname'
    run_user run -b "$B" "$ID"
    [ "$status" = 0 ]
    [ "${lines[0]} ${lines[1]}" = "0 0" ]
    [[ "${lines[2]}" =~ ^\ +0\ +65534\ +1$ ]]
    [ "${lines[3]}" = /sys/class ]
    [[ "${lines[4]}" == *"Read-only file system"* ]]
    [ "${lines[5]}" = hoyrun ]
    # the state root is the user's own
    [ -d "$T/run/hoyrun" ]
    [ "$(stat -c %u "$T/run/hoyrun")" = 65534 ]
}

@test "a user's container lives as any other" {
    config '.process.args = ["sleep", "100"]'
    as_user "$HOYRUN" create -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&-
    [ "$(as_user "$HOYRUN" state "$ID" | jq -r .status)" = created ]
    as_user "$HOYRUN" start "$ID"
    [ "$(as_user "$HOYRUN" exec "$ID" id -u)" = 0 ]
    [ "$(as_user "$HOYRUN" exec -t "$ID" tty </dev/null | tr -d '\r')" = /dev/pts/0 ]
    as_user "$HOYRUN" list | grep "$ID.*nobody"
    as_user "$HOYRUN" kill "$ID" KILL
    is_gone() { [ "$(as_user "$HOYRUN" state "$ID" | jq -r .status)" = stopped ]; }
    wait_for 10 is_gone
    as_user "$HOYRUN" delete "$ID"
    run_user state "$ID"
    [[ "$output" == *"does not exist"* ]]
}

@test "a user with subordinate ids has other users in the container; newuidmap decides" {
    command -v newuidmap >/dev/null || skip_because no-uidmap "newuidmap is not installed"
    echo "nobody:200000:65536" >"$T/subids"
    local maps='[{"containerID": 0, "hostID": 65534, "size": 1}, {"containerID": 1, "hostID": $first, "size": 65536}]'
    config ".linux.uidMappings = $maps | .linux.gidMappings = $maps" --argjson first 200000
    config '.process.user = {"uid": 1000, "gid": 1000, "additionalGids": [5]}'
    sh_in 'id; cat /proc/self/gid_map'
    run unshare --mount --propagation private sh -c 'mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid; shift; exec "$@"' sh \
        "$T/subids" setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$T/run" \
        "$HOYRUN" run -b "$B" "$ID" </dev/null
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]}" = "uid=1000 gid=1000 groups=5" ]
    [[ "${lines[2]}" =~ ^\ +1\ +200000\ +65536$ ]]
    # Not granted: the program's own words, and where the grant would be.
    user_fails "uid range [1-65537) -> [200000-265536) not allowed (a user may map itself and what /etc/subuid grants)"
}

@test "what a user can't have is refused with a reason" {
    config 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'
    user_fails "linux.namespaces: without privileges a container needs a user namespace"
    (cd "$B" && rm config.json && as_user "$HOYRUN" spec --rootless)
    config '.process.terminal = false | .process.user.uid = 7'
    user_fails "process.user.uid: 7 is not in linux.uidMappings"
    config '.process.user.uid = 0 | .process.user.additionalGids = [3]'
    user_fails "process.user.additionalGids[0]: 3 is not in linux.gidMappings"
    config 'del(.process.user.additionalGids) | .linux.resources.memory.limit = 10000000'
    user_fails "no cgroup of this user's"
    run setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" "$HOYRUN" --root /sys/hoyrun run -b "$B" "$ID" </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"mkdir '/sys/hoyrun': "* ]]
    run_user --rootless=maybe list
    [[ "$output" == *"invalid value for --rootless: 'maybe'"* ]]
    # told that no rights are missing it insists on a cgroup
    config 'del(.linux.resources)'
    run_user --rootless=false run -b "$B" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"create cgroup"* ]]
}

@test "root of a user namespace: its own spec runs, its state is the user's" {
    rm "$B/config.json"
    sh_script='cd "$1"; "$HOYRUN" spec --rootless; jq ".process.terminal = false | .process.args = [\"cat\", \"/proc/self/uid_map\"]" config.json >new
        mv new config.json; "$HOYRUN" run "$2"; "$HOYRUN" list -q | wc -l'
    run as_user HOYRUN="$HOYRUN" unshare -r sh -c "$sh_script" sh "$B" "$ID" </dev/null
    echo "$output"
    [ "$status" = 0 ]
    [[ "${lines[0]}" =~ ^\ +0\ +0\ +1$ ]]
    [ "${lines[1]}" = 0 ]
    [ -d "$T/run/hoyrun" ]
}

@test "a container in a user's container" {
    mkdir -p "$B/rootfs/inner/rootfs"
    cp -a "$ROOTFS_BASE/." "$B/rootfs/inner/rootfs"
    cp "$HOYRUN" "$B/rootfs/bin/hoyrun"
    chown -R 65534:65534 "$B/rootfs/inner"
    # The libraries, for a build that is not static.
    mkdir "$B/rootfs/usr"
    ln -s usr/lib "$B/rootfs/lib"
    ln -s usr/lib64 "$B/rootfs/lib64"
    # A procfs can be mounted below only where nothing of it is hidden.
    config '.mounts += [{"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]}] | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .root.readonly = false
        | .process.capabilities[] |= ["CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP"] | .process.noNewPrivileges = false'
    sh_in 'cd /inner && hoyrun spec --rootless && sed -i "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"hostname\"/" config.json && hoyrun run inner'
    run_user run -b "$B" "$ID"
    [ "$status" = 0 ]
    [ "${lines[-1]}" = hoyrun ]
}
