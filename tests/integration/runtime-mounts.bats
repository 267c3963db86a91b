#!/usr/bin/env bats
# hoyrun: mounts of all kinds, their options, targets and sources; the root file system.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    SRC=$T/source
    mkdir -p "$SRC/sub"
    echo content >"$SRC/file"
}
teardown() {
    [ -z "${T:-}" ] || umount -l "$T/source/sub" "$T/source" 2>/dev/null || :
    [ -z "${DISK:-}" ] || rm -rf "$DISK"
    runtime_teardown
}

add_mount() { # DESTINATION TYPE SOURCE OPTION...
    local destination=$1 type=$2 source=$3
    shift 3
    config '.mounts += [{"destination": $d, "type": $t, "source": $s, "options": $ARGS.positional}]' \
        --arg d "$destination" --arg t "$type" --arg s "$source" --args "$@"
}

# options_of PATH: of the mount in the container, as /proc/mounts has them.
show_mounts() {
    config '.process.args = ["cat", "/proc/self/mountinfo"]'
    run_it
    [ "$status" = 0 ] || { echo "$output"; return 1; }
}

options_at() { # PATH
    awk -v p="$1" '$5 == p { print $6 " " $7 " " $0 }' <<<"$output" | tail -1
}

@test "a directory is bound; its target is made" {
    add_mount /new/deep/dir bind "$SRC" rbind
    sh_in 'cat /new/deep/dir/file; echo more >/new/deep/dir/written'
    run_it
    [ "$status" = 0 ]
    [ "$output" = content ]
    [ "$(cat "$SRC/written")" = more ]
    [ -d "$B/rootfs/new/deep/dir" ]
}

@test "a file is bound on a file; its target is made" {
    add_mount /new/file bind "$SRC/file" bind ro
    sh_in 'cat /new/file; echo x 2>/dev/null >/new/file || echo read-only'
    run_it
    [ "$output" = $'content\nread-only' ] || { echo "$output"; false; }
    [ -f "$B/rootfs/new/file" ]
}

@test "relative sources are relative to the bundle, relative targets to the root" {
    mkdir "$B/data"
    echo here >"$B/data/f"
    add_mount rel/target none data bind
    config '.process.args = ["cat", "/rel/target/f"]'
    run_it
    [ "$output" = here ]
}

@test "the type bind alone is a bind mount; a missing source is an error" {
    config '.mounts += [{"destination": "/mnt/x", "type": "bind", "source": $s}] | .process.args = ["cat", "/mnt/x/file"]' --arg s "$SRC"
    run_it
    [ "$output" = content ]
    config '.mounts[-1].source = "/no/such/source"'
    fails_with '"/no/such/source" to rootfs at "/mnt/x"'
}

@test "flags of bind mounts" {
    add_mount /mnt/a bind "$SRC" bind ro nosuid nodev noexec
    add_mount /mnt/b bind "$SRC" bind noatime nodiratime nosymfollow
    add_mount /mnt/c bind "$SRC" bind strictatime
    add_mount /mnt/d bind "$SRC" bind ro rw nosuid suid nodev dev noexec exec noatime relatime nosymfollow symfollow defaults
    add_mount /mnt/e bind "$SRC" bind noatime atime nodiratime diratime strictatime nostrictatime norelatime
    show_mounts
    [[ "$(options_at /mnt/a)" == "ro,nosuid,nodev,noexec,"* ]]
    [[ "$(options_at /mnt/b)" == *noatime,nodiratime* ]]
    [[ "$(options_at /mnt/b)" == *nosymfollow* ]]
    [[ "$(options_at /mnt/c)" != *relatime* && "$(options_at /mnt/c)" != *noatime* ]]
    [[ "$(options_at /mnt/d)" == "rw,relatime "* ]]
    [[ "$(options_at /mnt/e)" == "rw,relatime "* ]]
}

# mount_source FLAGS: $SRC becomes a mount with these flags of its own.
mount_source() {
    umount -l "$SRC" 2>/dev/null || :
    mount -t tmpfs tmpfs "$SRC"
    echo content >"$SRC/file"
    mount -o "remount,bind,$1" "$SRC"
}

@test "a bind mount keeps its source's flags until an option names one; access times are a setting of their own" {
    mount_source ro,nosuid,noexec,nosymfollow,nodiratime
    add_mount /mnt/as-is bind "$SRC" bind rprivate
    add_mount /mnt/dev bind "$SRC" bind dev
    add_mount /mnt/more bind "$SRC" bind nodev
    add_mount /mnt/atime bind "$SRC" bind atime noatime atime
    add_mount /mnt/strict bind "$SRC" bind strictatime
    show_mounts
    [[ "$(options_at /mnt/as-is)" == "ro,nosuid,noexec,nodiratime,relatime,nosymfollow "* ]]
    [[ "$(options_at /mnt/dev)" == "rw,nodiratime,relatime "* ]]
    [[ "$(options_at /mnt/more)" == "rw,nodev,nodiratime,relatime "* ]]
    [[ "$(options_at /mnt/atime)" == "rw,nodiratime,relatime "* ]]
    [[ "$(options_at /mnt/strict)" == "rw "* ]]
}

@test "in a user namespace the source's flags are locked: kept, and an error when an option clears one" {
    config '.linux.namespaces += [{"type": "user"}]
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
    chmod 755 "$T" "$B"
    mkdir -p "$B/rootfs/mnt"
    mount_source ro,nodev,nosymfollow,noatime
    add_mount /mnt bind "$SRC" bind nosuid
    show_mounts
    [[ "$(options_at /mnt)" == "ro,nosuid,nodev,noatime "* ]] || { options_at /mnt; false; }
    for option in rw dev relatime nodiratime; do
        config '.mounts[-1].options = ["bind", $o]' --arg o "$option"
        run_it
        [ "$status" = 1 ]
        [[ "$output" == *"run failed: unable to start container process: error during container init: error mounting"* ]]
        [[ "$output" == *"which are locked in a user namespace: operation not permitted"* ]]
    done
    config '.mounts[-1].options = ["bind", "exec", "noatime"]'
    show_mounts
    [[ "$(options_at /mnt)" == "ro,nodev,noatime "* ]] || { options_at /mnt; false; }
}

@test "recursive flags reach submounts, plain ones do not" {
    mount -t tmpfs tmpfs "$SRC/sub"
    add_mount /mnt/plain bind "$SRC" rbind ro
    add_mount /mnt/rec bind "$SRC" rbind rro rnosuid rnodev rnoexec rnoatime rnodiratime rnosymfollow
    add_mount /mnt/strict bind "$SRC" rbind rnoatime rstrictatime
    add_mount /mnt/back bind "$SRC" rbind rro rrw rnosuid rsuid rnodev rdev rnoexec rexec rnoatime ratime rnodiratime \
        rdiratime rnosymfollow rsymfollow rrelatime rnorelatime rnostrictatime
    add_mount /mnt/one bind "$SRC" bind
    show_mounts
    [[ "$(options_at /mnt/plain)" == ro,* ]]
    [[ "$(options_at /mnt/plain/sub)" == rw,* ]]
    [[ "$(options_at /mnt/rec/sub)" == "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow "* ]]
    [[ "$(options_at /mnt/rec)" == "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow "* ]]
    [[ "$(options_at /mnt/strict/sub)" == "rw "* ]]
    [[ "$(options_at /mnt/back/sub)" == "rw,relatime "* ]]
    [ -z "$(options_at /mnt/one/sub)" ]
}

@test "propagation of mounts" {
    add_mount /mnt/private bind "$SRC" rbind rprivate
    add_mount /mnt/shared bind "$SRC" rbind rshared
    add_mount /mnt/slave bind "$SRC" rbind shared slave
    add_mount /mnt/unbindable bind "$SRC" bind unbindable
    add_mount /mnt/plain bind "$SRC" bind private
    add_mount /mnt/runbindable bind "$SRC" rbind runbindable
    add_mount /mnt/rslave bind "$SRC" rbind rshared rslave
    show_mounts
    [[ "$(options_at /mnt/private)" != *shared:* && "$(options_at /mnt/private)" != *master:* ]]
    [[ "$(options_at /mnt/shared)" == *shared:* ]]
    [[ "$(options_at /mnt/slave)" != *shared:* ]]
    [[ "$(options_at /mnt/unbindable)" == *unbindable* ]]
    [[ "$(options_at /mnt/runbindable)" == *unbindable* ]]
    [[ "$(options_at /mnt/rslave)" != *shared:* ]]
}

@test "rootfs propagation" {
    # In a mount namespace of this test, whose / is shared as on hosts with systemd.
    config '.process.args = ["grep", " / / ", "/proc/self/mountinfo"]'
    cat >"$T/in" <<EOF
mount --make-rshared /
for p in private slave shared unbindable; do
    jq --arg p \$p '.linux.rootfsPropagation = \$p' $B/config.json >$B/c
    cp $B/c $B/config.json
    timeout 20 $HOYRUN --root $T/root run -b $B $ID </dev/null || exit 1
    grep -q "$B/rootfs" /proc/self/mountinfo && echo LEAK
done
true
EOF
    config '.process.args = ["sh", "-c", "head -1 /proc/self/mountinfo"]'
    run unshare -m bash "$T/in"
    echo "$output"
    [ "$status" = 0 ]
    [[ "${lines[0]}" != *shared:* && "${lines[0]}" != *master:* ]]
    [[ "${lines[1]}" == *master:* ]]
    [[ "${lines[2]}" == *shared:* ]]
    [[ "${lines[3]}" == *unbindable* ]]
    [[ "$output" != *LEAK* ]]
}

@test "file systems with options" {
    add_mount /mnt/t tmpfs tmpfs size=64k mode=1750 nosuid,nodev
    config '.mounts[-1].options = ["size=64k", "mode=1750", "nosuid", "noexec", "sync", "dirsync", "lazytime", "iversion"]'
    sh_in 'grep " /mnt/t " /proc/self/mountinfo; stat -c %a /mnt/t; head -c 100000 /dev/zero >/mnt/t/f 2>/dev/null || echo full'
    run_it
    echo "$output"
    [ "$status" = 0 ]
    [[ "${lines[0]}" == *nosuid,noexec* && "${lines[0]}" == *sync,dirsync*size=64k* ]]
    [ "${lines[1]}" = 1750 ]
    [ "${lines[2]}" = full ]
    config '.mounts[-1].options += ["async", "nolazytime", "noiversion", "loud", "silent"]'
    run_it
    [[ "${lines[0]}" != *sync,dirsync* ]]
    config '.mounts[-1].options = ["no-such-option"]'
    fails_with no-such-option
    config '.mounts[-1].options = [] | .mounts[-1].type = "nosuchfs"'
    fails_with nosuchfs
}

@test "a tmpfs without a mode has that of the directory below" {
    mkdir -m 1730 "$B/rootfs/data"
    add_mount /data tmpfs tmpfs
    add_mount /made tmpfs tmpfs
    config '.process.args = ["stat", "-c", "%a", "/data", "/made"]'
    run_it
    [ "$output" = $'1730\n1777' ]
}

@test "a read-only tmpfs gets its submounts and devices first" {
    config '(.mounts[] | select(.destination == "/dev")).options += ["ro"]'
    add_mount /mnt/t tmpfs tmpfs ro
    add_mount /mnt/t/inner tmpfs tmpfs
    sh_in 'touch /dev/x 2>/dev/null || echo dev; touch /mnt/t/x 2>/dev/null || echo t; touch /mnt/t/inner/x && echo inner; echo >/dev/null && echo null'
    run_it
    [ "$output" = $'dev\nt\ninner\nnull' ]
}

@test "tmpcopyup copies what was there" {
    mkdir -p "$B/rootfs/data/dir"
    echo text >"$B/rootfs/data/dir/file"
    ln -s dir/file "$B/rootfs/data/link"
    chown 5:6 "$B/rootfs/data/dir/file"
    chmod 646 "$B/rootfs/data/dir/file"
    add_mount /data tmpfs tmpfs tmpcopyup
    sh_in 'cat /data/link; stat -c %u:%g:%a /data/dir/file; echo new >/data/dir/file'
    run_it
    echo "$output"
    [ "$output" = $'text\n5:6:646' ]
    [ "$(cat "$B/rootfs/data/dir/file")" = text ]
    add_mount /mnt/x bind "$SRC" bind tmpcopyup
    fails_with "tmpcopyup is for tmpfs only"
}

@test "remount changes the flags of what is mounted" {
    add_mount /mnt/t tmpfs tmpfs
    add_mount /mnt/t tmpfs tmpfs remount ro nosuid
    show_mounts
    [[ "$(options_at /mnt/t)" == ro,nosuid* ]]
    [ "$(grep -c ' /mnt/t ' <<<"$output")" = 1 ]
}

# idmappable_source: $SRC where every kernel can id-map it: a tmpfs it could not before 6.3.
idmappable_source() {
    [ "$(stat -f -c %T "$T")" = tmpfs ] || return 0
    DISK=$(mktemp -d "$TOP/idmap-XXXXXX")
    chmod 755 "$DISK"
    mv "$SRC"/* "$DISK"
    SRC=$DISK
}

@test "an id-mapped bind mount" {
    idmappable_source
    chown 1000:1000 "$SRC/file"
    add_mount /mnt/x bind "$SRC" bind idmap
    config '.mounts[-1].uidMappings = [{"containerID": 1000, "hostID": 5000, "size": 1}]
        | .mounts[-1].gidMappings = [{"containerID": 1000, "hostID": 6000, "size": 1}]
        | .process.args = ["stat", "-c", "%u:%g", "/mnt/x/file"]'
    run_it
    [ "$status" = 0 ]
    [ "$output" = 5000:6000 ]
    config 'del(.mounts[-1].uidMappings, .mounts[-1].gidMappings)'
    fails_with "idmap needs uidMappings and gidMappings, or a user namespace"
}

@test "an id-mapped bind mount of what an earlier mount brought, in a user namespace" {
    idmappable_source
    config '.linux.namespaces += [{"type": "user"}]
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
    chmod 755 "$T" "$B"
    mkdir -p "$B/rootfs/mnt/a" "$B/rootfs/mnt/b"
    add_mount /mnt/a bind "$SRC" rbind
    add_mount /mnt/b bind "$B/rootfs/mnt/a" rbind idmap
    config '.process.args = ["stat", "-c", "%u:%g", "/mnt/a/file", "/mnt/b/file"]'
    run_it
    [ "$output" = $'65534:65534\n0:0' ] || { echo "$output"; false; }
}

@test "the root file system is read-only when asked for" {
    sh_in 'touch /x 2>/dev/null && echo writable || echo read-only'
    run_it
    [ "$output" = read-only ]
    config '.root.readonly = false'
    run_it
    [ "$output" = writable ]
}

@test "root.path may be absolute, and a symlink" {
    mv "$B/rootfs" "$T/elsewhere"
    ln -s "$T/elsewhere" "$B/link"
    config '.root.path = "link" | .process.args = ["echo", "fine"]'
    run_it
    [ "$output" = fine ]
    config '.root.path = $p' --arg p "$T/elsewhere"
    run_it
    [ "$output" = fine ]
    config '.root.path = "no/such/rootfs"'
    fails_with no/such/rootfs
}

@test "other mounts on / are refused" {
    add_mount / tmpfs tmpfs
    fails_with "only an overlay as the first mount can be mounted on '/'"
}

@test "the bundle may be the current directory, and the rootfs moves without pivot_root" {
    config '.process.args = ["ls", "/"]'
    cd "$B"
    run timeout 20 "$HOYRUN" --root "$T/root" run --no-pivot "$ID" </dev/null
    [ "$status" = 0 ]
    [[ "$output" == *bin*dev* ]]
    nothing_left
}

@test "the container's cgroups are mounted, only its own, read-only" {
    sh_in 'cat /proc/self/cgroup | cut -d: -f3 | sort -u; find /sys/fs/cgroup -name cgroup.procs | wc -l
        for f in $(find /sys/fs/cgroup -name cgroup.procs); do grep -qx $$ $f || echo "not in $f"; done
        mkdir /sys/fs/cgroup/x 2>/dev/null || echo read-only'
    run_it
    [ "$status" = 0 ]
    [ "${lines[0]}" = / ]
    [ "${lines[1]}" -ge 1 ]
    [ "${lines[2]}" = read-only ] || { echo "$output"; false; }
    config '.linux.namespaces |= map(select(.type != "cgroup"))'
    sh_in 'for f in $(find /sys/fs/cgroup -name cgroup.procs); do grep -qx $$ $f || echo "not in $f"; done; find /sys/fs/cgroup -name cgroup.procs | wc -l'
    run_it
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 1 ] || { echo "$output"; false; }
    [ "$output" -ge 1 ]
}

@test "a hundred bind mounts" {
    config '.mounts += [range(100) | {"destination": "/mnt/\(.)", "type": "bind", "source": $s, "options": ["bind", "ro"]}]
        | .process.args = ["sh", "-c", "cat /mnt/*/file | wc -l"]' --arg s "$SRC"
    run_it
    [ "$output" = 100 ]
    nothing_left
}
