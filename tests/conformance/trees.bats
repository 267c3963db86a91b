#!/usr/bin/env bats
# The same archives in Debian's dockerd and in hoyd: what a container's export holds is the same, file by file. Not
# compared is what dockerd 20.10 can't: hard links to files of lower layers (it refuses them), directories that a layer only
# implies (it gives them to root), mode and time of a hard link's own entry (it takes them for the file's).
load ../integration/lib
load ../integration/stack
load ../integration/image

DOCKERD=${DOCKERD:-$(command -v dockerd || :)}

setup() {
    require_root
    [ -n "$DOCKERD" ] && command -v docker >/dev/null || skip_because no-dockerd "dockerd is not there"
    make_test_dir
    start_hoyd
    mkdir "$T/dockerd"
    echo "{\"deprecated-key-path\": \"$T/dockerd/key\"}" >"$T/dockerd/daemon.json"
    PATH=$PATH:$(dirname "$DOCKERD"):$(dirname "$DOCKERD")/../bin "$DOCKERD" -H "unix://$T/dockerd/sock" --data-root "$T/dockerd/data" \
        --exec-root "$T/dockerd/run" --pidfile "$T/dockerd/pid" --config-file "$T/dockerd/daemon.json" --iptables=false \
        --ip6tables=false --bridge=none >"$T/dockerd/log" 2>&1 3>&- &
    DOCKERD_PID=$!
    wait_for 30 docker -H "unix://$T/dockerd/sock" version || { tail "$T/dockerd/log"; false; }
}

teardown() {
    docker -H "unix://$T/dockerd/sock" ps -aq | xargs -r docker -H "unix://$T/dockerd/sock" rm -f >/dev/null 2>&1 || :
    kill "$DOCKERD_PID" 2>/dev/null || :
    wait "$DOCKERD_PID" 2>/dev/null || :
    awk -v d="$T/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l
    stack_teardown
}

# exported SOCKET IMAGE: a line per file of a container's export, without what the engines put there themselves.
exported() {
    local container
    container=$(docker -H "unix://$1" create "$2" /bin/sh)
    docker -H "unix://$1" export "$container" | python3 -c '
import hashlib, sys, tarfile
own = {".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
       "proc", "sys", "etc", ""}
kinds = {b"0": "file", b"1": "hard link", b"2": "link", b"3": "chr", b"4": "blk", b"5": "dir", b"6": "fifo"}
rows, same = [], {}
tar = tarfile.open(fileobj=sys.stdin.buffer, mode="r|", errors="surrogateescape")
for m in tar:
    name = m.name.strip("/").removeprefix("./")
    if name in own or name == ".":
        continue
    data = tar.extractfile(m).read() if m.isreg() else b""
    same[name] = name
    if m.islnk():
        # which of the names comes first is the engine own business: all names of one inode are one line
        first = same[m.linkname.strip("/").removeprefix("./")]
        same[name] = first
        continue
    device = f"{m.devmajor}:{m.devminor}" if m.type in (b"3", b"4") else ""
    xattrs = sorted((k[14:], v) for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.security."))
    rows.append([name, f"{kinds.get(m.type, m.type)} {m.mode & 0o7777:04o} {m.uid}:{m.gid} {device} {m.size} {int(m.mtime)} {m.linkname!r} "
                 f"{hashlib.sha256(data).hexdigest()[:12]} {xattrs!r}"])
names = {}
for name, first in same.items():
    names.setdefault(first, []).append(name)
print("\n".join(sorted(repr(sorted(names[name])) + " " + text for name, text in rows)))'
    docker -H "unix://$1" rm "$container" >/dev/null
}

# same_tree NAME: the archive $T/NAME.tar in both.
same_tree() {
    local socket
    for socket in "$T/dockerd/sock" "$T/hoy.sock"; do
        docker -H "unix://$socket" load -qi "$T/$1.tar"
    done
    exported "$T/dockerd/sock" "$1:latest" >"$T/$1.docker"
    exported "$T/hoy.sock" "$1:latest" >"$T/$1.hoy"
    [ "$(wc -l <"$T/$1.docker")" -ge "${2:-5}" ]
    diff "$T/$1.docker" "$T/$1.hoy"
}

layers() { # NAME LAYER...: an image of these layers, each a file with an entry a line
    local name=$1 args=() layer
    shift
    for layer; do
        mapfile -t entries <"$layer"
        "$MAKE_LAYER" "${entries[@]}" >"$layer.tar"
        args+=(--layer-tar "$layer.tar")
    done
    "$MAKE_IMAGE" -o "$T/$name.tar" --name "$name:latest" --scratch "${args[@]}" sh
}

@test "trees: whiteouts, opaque directories, what changes its kind" {
    cat >"$T/1" <<'X'
{"name": "a", "type": "dir", "mode": "0750", "uid": 5, "gid": 70000}
{"name": "a/one", "data": "1"}
{"name": "a/two", "data": "2"}
{"name": "a/sub", "type": "dir"}
{"name": "a/sub/deep", "data": "deep"}
{"name": "b", "type": "dir", "mode": "1777"}
{"name": "b/hidden", "data": "x"}
{"name": "b/hidden.dir", "type": "dir"}
{"name": "c", "data": "file"}
{"name": "d", "type": "dir"}
{"name": "d/file", "data": "x"}
{"name": "e", "type": "symlink", "link": "a"}
{"name": "f", "data": "gone"}
X
    cat >"$T/2" <<'X'
{"name": "a", "type": "dir", "mode": "0750", "uid": 5, "gid": 70000}
{"name": "a/.wh.one"}
{"name": "a/.wh.sub"}
{"name": "a/three", "data": "3", "mode": "0600"}
{"name": "b/.wh..wh..opq"}
{"name": "b/new", "data": "new"}
{"name": "c", "type": "dir", "mode": "0700"}
{"name": "c/now", "data": "a directory"}
{"name": "d", "data": "now a file"}
{"name": "e", "type": "dir"}
{"name": "e/in", "data": "x"}
{"name": ".wh.f"}
X
    cat >"$T/3" <<'X'
{"name": "a", "type": "dir", "mode": "0755", "uid": 6}
{"name": "a/one", "data": "again", "mode": "4755"}
{"name": "b", "type": "dir", "mode": "0700", "uid": 9}
{"name": "f", "type": "symlink", "link": "../../outside"}
X
    layers kinds "$T/1" "$T/2" "$T/3"
    same_tree kinds 10
}

@test "trees: hard links, capabilities, odd names, devices, times" {
    cap=$(printf '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00' | python3 -c 'import sys, json; print(json.dumps(sys.stdin.buffer.read().decode("latin-1")))')
    long=$(printf 'n%.0s' {1..200})
    cat >"$T/1" <<X
{"name": "bin", "type": "dir"}
{"name": "bin/tool", "data": "tool", "mode": "0755", "mtime": 1234567890}
{"name": "bin/alias", "type": "hardlink", "link": "bin/tool", "mode": "0755", "mtime": 1234567890}
{"name": "lib", "type": "dir"}
{"name": "lib/alias", "type": "hardlink", "link": "bin/tool", "mode": "0755", "mtime": 1234567890}
{"name": "bin/ping", "data": "ping", "mode": "0755", "xattr": {"security.capability": $cap}}
{"name": "with space", "data": "x"}
{"name": "line\\nbreak", "data": "x"}
{"name": "$long", "type": "dir"}
{"name": "$long/$long", "data": "long"}
{"name": "ümläut", "data": "x"}
{"name": "-rf", "data": "x"}
{"name": "old", "data": "x", "mtime": 0}
{"name": "late", "data": "x", "mtime": 4000000000}
{"name": "null", "type": "chr", "major": 1, "minor": 3, "mode": "0666"}
{"name": "disk", "type": "blk", "major": 7, "minor": 200, "mode": "0660"}
{"name": "pipe", "type": "fifo", "mode": "0622"}
{"name": "set", "data": "x", "mode": "6711", "uid": 4000000, "gid": 12}
X
    cat >"$T/2" <<'X'
{"name": "bin", "type": "dir"}
{"name": "bin/.wh.alias"}
{"name": "lib", "type": "dir"}
{"name": "lib/again", "data": "again"}
{"name": "lib/second", "type": "hardlink", "link": "lib/again"}
X
    layers links "$T/1" "$T/2"
    same_tree links 12
}

@test "trees: 10 layers over busybox" {
    "$MAKE_IMAGE" -o "$T/many.tar" --name many:latest --layers 10 --compress gzip --whiteout /layers/7 --opaque /etc
    same_tree many 12
}

@test "trees: a Debian system's own files" {
    (cd / && printf '%s\0' usr usr/bin var var/lib var/lib/dpkg var/lib/dpkg/info &&
        find etc var/lib/dpkg/info/lib[a-c]* usr/sbin usr/bin/[a-c]* bin sbin -xdev \( -type f -size -100k -o -type l -o -type d \) -print0) |
        tar -C / --null --no-recursion --xattrs --ignore-failed-read -T - -cf "$T/1.tar" 2>/dev/null || :
    "$MAKE_IMAGE" -o "$T/debian.tar" --name debian:latest --scratch --layer-tar "$T/1.tar" sh
    same_tree debian 500
}
