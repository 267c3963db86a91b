#!/usr/bin/env bats
# hoy-layer on its own: what a layer becomes on disk, and what hostile archives don't.
load lib
load image

setup() {
    require_root
    make_test_dir
}

teardown() { remove_test_dir; }

# Nothing beside the target was touched.
nothing_escaped() {
    [ "$(ls -A "$T" | sort | tr '\n' ' ')" = "layer.tar out " ]
    [ ! -e /hoy-escaped ] && [ ! -e /tmp/hoy-escaped ]
}

@test "layer: files, directories, links, nodes with all they carry" {
    apply '{"name": "./", "type": "dir", "mode": "0711", "mtime": 1600000000}' \
        '{"name": "a/", "type": "dir", "mode": "01777", "uid": 3000000, "gid": 4000000, "pax": {"mtime": "1600000001.123456789"}}' \
        '{"name": "a/file", "data": "content", "mode": "04755", "uid": 100000, "gid": 5, "pax": {"mtime": "1600000002.000000001"}}' \
        '{"name": "a/soft", "type": "symlink", "link": "/a/b/c", "uid": 7, "gid": 8}' \
        '{"name": "a/hard", "type": "hardlink", "link": "a/file"}' \
        '{"name": "a/fifo", "type": "fifo", "mode": "0600"}' \
        '{"name": "a/null", "type": "chr", "major": 1, "minor": 3, "mode": "0666"}' \
        '{"name": "a/disk", "type": "blk", "major": 259, "minor": 300}' \
        '{"name": "a/caps", "data": "x", "mode": "0755"}'
    [ "$status" = 0 ]
    tree "$T/out" >"$T/got"
    cat >"$T/want" <<'END'
. dir 0711 0:0  1600000000000000000 
a dir 1777 3000000:4000000  1600000001123456789 
a/caps file 0755 0:0 1 1700000000000000000 
a/disk blk 0644 0:0 259:300 1700000000000000000 
a/fifo fifo 0600 0:0  1700000000000000000 
a/file file 4755 100000:5 7 1600000002000000001 
a/hard file 4755 100000:5 7 1600000002000000001 
a/null chr 0666 0:0 1:3 1700000000000000000 
a/soft link 0777 7:8 /a/b/c 1700000000000000000 
END
    diff "$T/want" "$T/got"
    [ "$(stat -c %i "$T/out/a/file")" = "$(stat -c %i "$T/out/a/hard")" ]
}

@test "layer: what GNU tar packs comes out as GNU tar unpacks it" {
    mkdir "$T/in" "$T/want" "$T/out"
    cp -a /etc "$T/in/"
    mkdir -p "$T/in/x/y"
    for n in 1 2 3; do ln /bin/busybox "$T/in/x/$n" 2>/dev/null || cp /bin/busybox "$T/in/x/$n"; done
    ln "$T/in/x/1" "$T/in/x/y/hard"
    truncate -s 10M "$T/in/x/sparse"
    printf end >>"$T/in/x/sparse"
    chown 1234:70000 "$T/in/x/y"
    chmod 2751 "$T/in/x/y"
    touch -d '1999-01-02 03:04:05.678901234' "$T/in/x/2"
    touch -h -d '1969-06-01' "$T/in/x/y"
    for format in gnu posix; do
        rm -rf "$T/want" "$T/out"
        mkdir "$T/want" "$T/out"
        tar c -C "$T/in" --sparse --format=$format . >"$T/tar"
        tar x -C "$T/want" --numeric-owner -p <"$T/tar"
        run layer apply "$T/out" <"$T/tar"
        [ "$status" = 0 ] || { echo "$format: $output"; false; }
        diff <(tree "$T/want") <(tree "$T/out")
        diff -r --no-dereference "$T/want" "$T/out"
    done
}

@test "layer: xattrs are kept, those of overlay and the host's are not" {
    python3 - "$T/caps" <<'PY'
import sys
sys.stdout = open(sys.argv[1], "w")
print("".join("\\u%04x" % b for b in bytes.fromhex("0100000200040000000000000000000000000000")))
PY
    apply "{\"name\": \"f\", \"data\": \"x\", \"uid\": 5, \"xattr\": {\"user.note\": \"hello\", \"user.overlay.opaque\": \"y\", \"user.overlay.redirect\": \"/etc\", \"trusted.overlay.opaque\": \"y\", \"security.selinux\": \"x\"}}" \
        "{\"name\": \"caps\", \"data\": \"x\", \"uid\": 5, \"mode\": \"0755\", \"xattr\": {\"security.capability\": \"$(cat "$T/caps")\"}}"
    rm "$T/caps"
    [ "$status" = 0 ] || { echo "$output"; false; }
    tree "$T/out" | grep '^f ' | grep -qx '.* user.note=68656c6c6f'
    tree "$T/out" | grep '^caps ' | grep -q 'security.capability=0100000200040000000000000000000000000000'
}

@test "layer: long names in every format, and names that are no UTF-8" {
    long=$(printf 'd%.0s' {1..200})
    for format in pax gnu; do
        rm -rf "$T/out"
        apply --format $format "{\"name\": \"$long/$long/$long\", \"data\": \"x\"}" \
            "{\"name\": \"s\", \"type\": \"symlink\", \"link\": \"$long/$long/$long\"}"
        [ "$status" = 0 ]
        [ "$(cat "$T/out/s")" = x ]
    done
    rm -rf "$T/out"
    mkdir "$T/out"
    python3 -c '
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT, encoding="latin-1")
t.addfile(tarfile.TarInfo("caf\xe9"))
t.close()' >"$T/layer.tar"
    run layer apply "$T/out" <"$T/layer.tar"
    [ "$status" = 0 ]
    [ -e "$T/out/$(printf 'caf\xe9')" ]
}

@test "layer: a sparse file stays sparse, a terabyte too" {
    apply '{"name": "s", "sparse": {"size": 1099511627776, "holes": [[4096, "here"], [1099511627000, "end"]]}}'
    [ "$status" = 0 ]
    [ "$(stat -c %s "$T/out/s")" = 1099511627776 ]
    [ "$(stat -c %b "$T/out/s")" -lt 100 ]
    [ "$(dd if="$T/out/s" bs=1 skip=4096 count=4 status=none)" = here ]
}

@test "layer: whiteouts are 0:0 devices, opaque directories have overlay's user xattr" {
    apply '{"name": "a/.wh.gone"}' '{"name": "b/", "type": "dir"}' '{"name": "b/.wh..wh..opq"}' '{"name": "b/new"}' \
        '{"name": ".wh..wh.plnk/", "type": "dir"}' '{"name": ".wh..wh.aufs"}'
    [ "$status" = 0 ]
    tree "$T/out" | grep -q '^a/gone chr 0000 0:0 0:0'
    tree "$T/out" | grep -q '^b dir .* user.overlay.opaque=79$'
    [ "$(ls -A "$T/out" | tr '\n' ' ')" = "a b " ]
    [ "$(ls -A "$T/out/b")" = new ]
}

@test "layer: a whiteout hides lower layers only, in whatever order" {
    apply '{"name": ".wh.d"}' '{"name": "d/", "type": "dir"}' '{"name": "d/f"}' \
        '{"name": "e/f"}' '{"name": ".wh.e"}' '{"name": "f"}' '{"name": ".wh.f"}'
    [ "$status" = 0 ]
    tree "$T/out" | grep -q '^d dir .*user.overlay.opaque=79$'
    tree "$T/out" | grep -q '^e dir .*user.overlay.opaque=79$'
    [ -f "$T/out/d/f" ] && [ -f "$T/out/e/f" ] && [ -f "$T/out/f" ]
}

@test "layer: overlay shows whiteouts and opaque directories as removals" {
    mkdir -p "$T/l/1" "$T/l/2" "$T/merged"
    "$MAKE_LAYER" '{"name": "keep"}' '{"name": "gone"}' '{"name": "dir/old"}' '{"name": "dir/sub/old"}' \
        '{"name": "tree/x"}' >"$T/1.tar"
    "$MAKE_LAYER" '{"name": ".wh.gone"}' '{"name": "dir/.wh..wh..opq"}' '{"name": "dir/new"}' '{"name": ".wh.tree"}' >"$T/2.tar"
    layer apply "$T/l/1" <"$T/1.tar"
    layer apply "$T/l/2" --lowers "$T/l" 1 <"$T/2.tar"
    unshare -m bash -c 'mount -t overlay overlay -o "userxattr,ro,lowerdir=$1/l/2:$1/l/1" "$1/merged" && cd "$1/merged" &&
        find . | sort >"$1/found"' - "$T"
    [ "$(tr '\n' ' ' <"$T/found")" = ". ./dir ./dir/new ./keep " ]
}

@test "layer: an implied directory is what it is below, and so is the root" {
    mkdir -p "$T/l/1" "$T/l/2" "$T/l/3"
    "$MAKE_LAYER" '{"name": "./", "type": "dir", "mode": "0750", "uid": 3}' \
        '{"name": "srv/", "type": "dir", "mode": "02770", "uid": 11, "gid": 12, "xattr": {"user.k": "v"}}' >"$T/1.tar"
    "$MAKE_LAYER" '{"name": "srv/sub/f"}' >"$T/2.tar"
    "$MAKE_LAYER" '{"name": "srv/sub/g"}' >"$T/3.tar"
    layer apply "$T/l/1" <"$T/1.tar"
    layer apply "$T/l/2" --lowers "$T/l" 1 <"$T/2.tar"
    layer apply "$T/l/3" --lowers "$T/l" 2,1 <"$T/3.tar"
    for n in 2 3; do
        tree "$T/l/$n" | grep -q '^. dir 0750 3:0  1700000000000000000'
        tree "$T/l/$n" | grep -q '^srv dir 2770 11:12  1700000000000000000 user.k=76'
        tree "$T/l/$n" | grep -q '^srv/sub dir 0755 0:0'
    done
}

@test "layer: a hard link to a file of a lower layer brings the file up" {
    mkdir -p "$T/l/1" "$T/l/2"
    "$MAKE_LAYER" '{"name": "a/f", "data": "lower", "mode": "0640", "uid": 9}' >"$T/1.tar"
    "$MAKE_LAYER" '{"name": "b/g", "type": "hardlink", "link": "a/f"}' >"$T/2.tar"
    layer apply "$T/l/1" <"$T/1.tar"
    layer apply "$T/l/2" --lowers "$T/l" 1 <"$T/2.tar"
    [ "$(cat "$T/l/2/b/g")" = lower ]
    [ "$(stat -c '%i' "$T/l/2/a/f")" = "$(stat -c %i "$T/l/2/b/g")" ]
    tree "$T/l/2" | grep -q '^b/g file 0640 9:0 5 1700000000000000000'
    [ "$(stat -c %h "$T/l/1/a/f")" = 1 ]
}

@test "layer: later entries replace earlier ones of any type" {
    apply '{"name": "x", "data": "1"}' '{"name": "x/", "type": "dir"}' '{"name": "x/y/z", "data": "2"}' \
        '{"name": "x", "type": "symlink", "link": "q"}' '{"name": "q/in", "data": "3"}' '{"name": "n", "type": "fifo"}' \
        '{"name": "n", "data": "4"}' '{"name": "d/", "type": "dir", "mode": "0700"}' '{"name": "d/k"}' \
        '{"name": "d/", "type": "dir", "mode": "0711"}'
    [ "$status" = 0 ]
    [ "$(readlink "$T/out/x")" = q ]
    [ "$(cat "$T/out/x/in")" = 3 ]
    [ "$(cat "$T/out/n")" = 4 ]
    [ -e "$T/out/d/k" ] && [ "$(stat -c %a "$T/out/d")" = 711 ]
}

@test "layer: digests are of the bytes as they came and of the tar" {
    for how in gzip zstd; do
        rm -rf "$T/out"
        "$MAKE_LAYER" '{"name": "f", "data": "x", "repeat": 100000}' >"$T/plain"
        apply --compress $how '{"name": "f", "data": "x", "repeat": 100000}'
        [ "$status" = 0 ]
        [ "${lines[0]}" = "done sha256:$(sha256sum <"$T/layer.tar" | cut -c1-64) sha256:$(sha256sum <"$T/plain" | cut -c1-64) $how size=$(stat -c %s "$T/layer.tar") raw=$(stat -c %s "$T/plain") unpacked=100000 entries=1" ]
    done
}

@test "layer: gzip of several members, zstd of several frames" {
    "$MAKE_LAYER" '{"name": "f", "data": "xy", "repeat": 50000}' >"$T/plain"
    mkdir "$T/out"
    for how in gzip zstd; do
        split -b 30000 "$T/plain" "$T/part."
        for part in "$T"/part.*; do
            python3 - "$part" $how "$TOP/tests/integration/make-image" <<'PY' >>"$T/parts.$how"
import importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("m", sys.argv[3])
m = importlib.util.module_from_spec(importlib.util.spec_from_loader("m", loader))
loader.exec_module(m)
sys.stdout.buffer.write(m.compress(open(sys.argv[1], "rb").read(), sys.argv[2]))
PY
        done
        run layer apply "$T/out" <"$T/parts.$how"
        [ "$status" = 0 ] || { echo "$output"; false; }
        [[ "$output" == *"sha256:$(sha256sum <"$T/plain" | cut -c1-64)"* ]]
        rm "$T"/part.*
    done
}

@test "layer: ../ never leaves the root" {
    for name in ../../tmp/hoy-escaped a/../../hoy-escaped /../hoy-escaped ..; do
        rm -rf "$T/out"
        apply "{\"name\": \"$name\", \"data\": \"x\"}"
        [ "$status" = 1 ]
        [ "$output" = "error invalid entry '$name': leads out of the root" ]
        nothing_escaped
        [ -z "$(ls -A "$T/out")" ]
    done
    apply '{"name": "a/b/../../c", "data": "folded"}'
    [ "$status" = 0 ] && [ "$(cat "$T/out/c")" = folded ]
}

@test "layer: absolute names are below the root" {
    apply '{"name": "/hoy-escaped", "data": "x"}' '{"name": "//tmp//hoy-escaped", "data": "x"}'
    [ "$status" = 0 ]
    [ -e "$T/out/hoy-escaped" ] && [ -e "$T/out/tmp/hoy-escaped" ]
    nothing_escaped
}

@test "layer: symlinks of the layer lead nowhere else" {
    apply '{"name": "up", "type": "symlink", "link": "../../../../../../tmp"}' '{"name": "up/hoy-escaped", "data": "x"}'
    [ "$status" = 1 ]
    [[ "$output" == *"'up' is not a directory"* ]]
    nothing_escaped
    rm -rf "$T/out"
    apply '{"name": "tmp/", "type": "dir"}' '{"name": "abs", "type": "symlink", "link": "/tmp"}' \
        '{"name": "dots", "type": "symlink", "link": "../../../tmp"}' \
        '{"name": "abs/hoy-escaped", "data": "1"}' '{"name": "dots/hoy-escaped2", "data": "2"}'
    [ "$status" = 0 ]
    [ "$(ls "$T/out/tmp" | tr '\n' ' ')" = "hoy-escaped hoy-escaped2 " ]
    nothing_escaped
}

@test "layer: a file is written into the place of a symlink, not through it" {
    echo mine >"$T/out-of-reach"
    apply "{\"name\": \"l\", \"type\": \"symlink\", \"link\": \"$T/out-of-reach\"}" '{"name": "l", "data": "theirs"}'
    [ "$status" = 0 ]
    [ "$(cat "$T/out-of-reach")" = mine ]
    [ "$(cat "$T/out/l")" = theirs ]
}

@test "layer: hard links don't reach outside" {
    apply '{"name": "x", "type": "hardlink", "link": "../../../../../../etc/passwd"}'
    [ "$status" = 1 ]
    [[ "$output" == *"leads out of the root"* ]]
    apply '{"name": "x", "type": "hardlink", "link": "/etc/passwd"}'
    [ "$status" = 1 ]
    [[ "$output" == *"hard link to 'etc/passwd', which is no file of the layer"* ]]
    apply '{"name": "s", "type": "symlink", "link": "/etc"}' '{"name": "x", "type": "hardlink", "link": "s/passwd"}'
    [ "$status" = 1 ]
    apply '{"name": "d/", "type": "dir"}' '{"name": "x", "type": "hardlink", "link": "d"}'
    [ "$status" = 1 ]
    apply '{"name": "self", "data": "x"}' '{"name": "self", "type": "hardlink", "link": "./self"}'
    [ "$status" = 0 ] && [ "$(cat "$T/out/self")" = x ]
}

@test "layer: a device or file where a directory is expected" {
    apply '{"name": "dev", "type": "chr", "major": 1, "minor": 3}' '{"name": "dev/x", "data": "x"}'
    [ "$status" = 1 ]
    [ "$output" = "error invalid entry 'dev/x': 'dev' is not a directory" ]
    rm -rf "$T/out"
    apply '{"name": "f", "data": "x"}' '{"name": "f/x", "data": "x"}'
    [ "$output" = "error invalid entry 'f/x': 'f' is not a directory" ]
    rm -rf "$T/out"
    apply '{"name": "./", "type": "chr", "major": 1, "minor": 3}'
    [ "$status" = 1 ]
    apply '{"name": "k", "type": "socket"}'
    [ "$status" = 0 ] || [[ "$output" == *"k"* ]]
}

@test "layer: whiteouts of nothing and owners out of range" {
    for name in .wh. .wh... a/.wh..; do
        apply "{\"name\": \"$name\"}"
        [ "$status" = 1 ]
        [[ "$output" == *"a whiteout of nothing"* ]]
    done
    apply '{"name": "f", "uid": 4294967295}'
    [ "$status" = 1 ]
    [[ "$output" == *"owner 4294967295:0 is out of range"* ]]
}

@test "layer: truncated and corrupt archives" {
    "$MAKE_LAYER" '{"name": "f", "data": "0123456789", "repeat": 100000}' >"$T/plain"
    mkdir "$T/out"
    run layer apply "$T/out" < <(head -c 300000 "$T/plain")
    [ "$status" = 1 ]
    [[ "$output" == "error invalid entry 'f': broken tar archive: Truncated"* ]]
    run layer apply "$T/out" < <(head -c 300 "$T/plain")
    [ "$status" = 1 ]
    run layer apply "$T/out" < <(sed '1s/ustar/vstar/; 1s/0000644/0000645/' "$T/plain")
    [ "$status" = 1 ]
    for how in gzip zstd; do
        "$MAKE_LAYER" --compress $how '{"name": "f", "data": "0123456789", "repeat": 100000}' >"$T/c"
        run layer apply "$T/out" < <(head -c -20 "$T/c")
        [ "$status" = 1 ]
        [[ "$output" == *"$how data"* ]]
    done
    python3 - "$T/c" <<'PY'
import gzip, random, sys
random.seed(1)
data = bytearray(gzip.compress(bytes(random.randrange(256) for _ in range(200000)), mtime=0))
data[-5] ^= 1
open(sys.argv[1], "wb").write(data)
PY
    run layer apply "$T/out" <"$T/c"
    [ "$status" = 1 ]
    run layer apply "$T/out" < <(head -c 100000 /dev/urandom)
    [ "$status" = 1 ]
    [ "$output" = "error invalid not a tar archive" ]
    printf '\xfd7zXZ\x00xxxxxxxx' >"$T/c"
    run layer apply "$T/out" <"$T/c"
    [ "$output" = "error unsupported xz compression is not supported: use gzip, zstd or none" ]
}

@test "layer: an empty archive is an empty layer" {
    apply
    [ "$status" = 0 ]
    run layer apply "$T/out" </dev/null
    [ "$status" = 0 ]
    [ -z "$(ls -A "$T/out")" ]
}

@test "layer: limits on entries and bytes" {
    apply '{"name": "f{}", "count": 50}'
    [ "$status" = 0 ]
    run layer apply "$T/out" --max-entries 49 <"$T/layer.tar"
    [ "$output" = "error invalid more than 49 entries" ]
    head -c 50000000 /dev/zero | gzip >"$T/bomb"
    run layer apply "$T/out" --max-bytes 1000000 <"$T/bomb"
    [ "$status" = 1 ]
    [[ "$output" == *"larger than 1000000 bytes when decompressed"* ]] || [[ "$output" == "done"* ]]
    "$MAKE_LAYER" --compress gzip '{"name": "f", "data": "0", "repeat": 5000000}' >"$T/bomb"
    run layer apply "$T/out" --max-bytes 1000000 <"$T/bomb"
    [[ "$output" == *"larger than 1000000 bytes when decompressed" ]]
}

@test "layer: a digest that was announced must be met" {
    apply '{"name": "f"}'
    wanted=sha256:$(sha256sum <"$T/layer.tar" | cut -c1-64)
    run layer apply "$T/out" --diff-id "$wanted" <"$T/layer.tar"
    [ "$status" = 0 ]
    run layer apply "$T/out" --diff-id "sha256:$(printf '0%.0s' {1..64})" <"$T/layer.tar"
    [ "$status" = 1 ]
    [[ "$output" == *"the layer's content is $wanted, but sha256:000"* ]]
}

@test "layer: a tree deeper than any path is removed" {
    # More levels than a process has descriptors. Each step looks its whole path up: 4000 levels took ten times as long.
    deep=$(printf 'aaa/%.0s' {1..1000})
    apply "{\"name\": \"$deep\", \"type\": \"dir\"}" "{\"name\": \"s\", \"type\": \"symlink\", \"link\": \"$deep\"}" \
        "{\"name\": \"s/${deep::1200}end\", \"data\": \"x\"}"
    [ "$status" = 0 ] || { echo "$output"; false; }
    run layer remove "$T/out"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ -z "$(ls -A "$T/out")" ]
}

@test "layer: the worker is confined while it works" {
    mkfifo "$T/pipe"
    mkdir "$T/out"
    layer apply "$T/out" <"$T/pipe" >"$T/answer" 3>&- &
    exec 9>"$T/pipe"
    "$MAKE_LAYER" '{"name": "f", "data": "x", "repeat": 600000}' >"$T/layer.tar"
    head -c 300000 "$T/layer.tar" >&9
    wait_for 10 test -s "$T/out/f"
    pid=$! # the subshell, then timeout, drive-layer, hoy-layer
    for _ in 1 2 3; do pid=$(pgrep -P "$pid"); done
    [ -n "$pid" ]
    [ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
    [ "$(wc -l <"/proc/$pid/mountinfo")" = 1 ]
    grep -q '^Seccomp:.2' "/proc/$pid/status"
    grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
    # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP
    grep -q '^CapEff:.000000008800001b' "/proc/$pid/status"
    ls -l "/proc/$pid/fd" >"$T/fds"
    ! grep -qF -e ' /etc' -e ' /root' -e " $TOP" "$T/fds" || false
    tail -c +300001 "$T/layer.tar" >&9
    exec 9>&-
    wait
    grep -q '^done' "$T/answer"
}

@test "layer: on a host whose mounts are shared, as systemd makes them" {
    "$MAKE_LAYER" '{"name": "a/f", "data": "x"}' >"$T/1.tar"
    "$MAKE_LAYER" '{"name": "a/g", "data": "x"}' >"$T/2.tar"
    mkdir -p "$T/l/1" "$T/l/2" "$T/l/3"
    before=$(cat /proc/self/mountinfo)
    export -f layer
    HOY_BUILD=$HOY_BUILD unshare -m --propagation shared bash -c 'set -e
        layer apply "$0/l/1" <"$0/1.tar"
        layer apply "$0/l/2" --lowers "$0/l" 1 <"$0/2.tar"
        layer apply "$0/l/3" --lowers "$0/l" 2,1 <"$0/2.tar"
        ! grep -q "$0" /proc/self/mountinfo' "$T"
    [ -e "$T/l/3/a/g" ]
    [ "$before" = "$(cat /proc/self/mountinfo)" ]
}

@test "split: files by number and digest, links by their targets" {
    mkdir "$T/out"
    "$MAKE_LAYER" '{"name": "d/", "type": "dir"}' '{"name": "d/a", "data": "A"}' \
        '{"name": "e/l", "type": "symlink", "link": "../d/a"}' '{"name": "h", "type": "hardlink", "link": "d/a"}' >"$T/layer.tar"
    run layer split "$T/out" <"$T/layer.tar"
    [ "$status" = 0 ]
    [ "${lines[0]}" = "entry file 0 1 plain sha256:$(printf A | sha256sum | cut -c1-64) d/a" ]
    [ "${lines[1]}" = "entry link e/l d/a" ]
    [ "${lines[2]}" = "entry link h d/a" ]
    [ "$(cat "$T/out/0")" = A ]
    rm -rf "$T/out" && mkdir "$T/out"
    "$MAKE_LAYER" '{"name": "l", "type": "symlink", "link": "../../etc/passwd"}' >"$T/layer.tar"
    run layer split "$T/out" <"$T/layer.tar"
    [ "$status" = 1 ]
    "$MAKE_LAYER" '{"name": "n", "type": "chr", "major": 1, "minor": 3}' >"$T/layer.tar"
    run layer split "$T/out" <"$T/layer.tar"
    [[ "$output" == *"an image archive has files, directories and links only" ]]
}
