#!/usr/bin/env bats
# hoyrun: an overlay as the root file system. Kernels before 6.7 (the VM's) get all layers as one string, named from the
# directory that they have in common.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

@test "an overlay as the first mount is the root file system" {
    mkdir -p "$T/upper" "$T/work" "$T/top" "$B/empty"
    echo top >"$T/top/file"
    config '.root = {"path": "empty"} | .mounts |= [{"destination": "/", "type": "overlay", "source": "overlay",
        "options": ["lowerdir=\($t)/top:\($b)/rootfs", "upperdir=\($t)/upper", "workdir=\($t)/work", "userxattr"]}] + .' \
        --arg t "$T" --arg b "$B"
    sh_in 'cat /file; echo new >/written; mount | grep -c " / "'
    run_it
    [ "$status" = 0 ]
    [ "$output" = $'top\n1' ]
    [ "$(cat "$T/upper/written")" = new ]
    [ -z "$(ls -A "$B/empty")" ]
    nothing_left
    config '.root.readonly = true'
    sh_in 'touch /x 2>/dev/null || echo read-only'
    run_it
    [ "$output" = read-only ]
}

@test "an overlay of 200 layers" {
    mkdir -p "$T/u" "$T/w" "$B/empty" "$T/layers"
    lower=
    mkdir "$T/layers"/{1..200}
    for i in {1..200}; do
        echo "$i" >"$T/layers/$i/file-$i"
        lower=$T/layers/$i:$lower
    done
    config '.root = {"path": "empty"} | .mounts |= [{"destination": "/", "type": "overlay", "source": "overlay",
        "options": ["lowerdir=\($l)\($b)/rootfs", "upperdir=\($t)/u", "workdir=\($t)/w", "userxattr"]}] + .' \
        --arg l "$lower" --arg t "$T" --arg b "$B"
    sh_in 'ls /file-* | wc -l; cat /file-1 /file-200'
    run_it
    [ "$status" = 0 ]
    [ "$output" = $'200\n1\n200' ]
}

@test "an overlay of so many layers that the string needs their common directory" {
    # 70 layers of 70 bytes each are more than a page by their full names.
    base=$T/$(printf 'd%.0s' $(seq 40))
    mkdir -p "$T/u" "$T/w" "$B/empty"
    lower=
    mkdir -p "$base"/layer:{1..70}
    for i in {1..70}; do
        echo "$i" >"$base/layer:$i/file-$i"
        lower=$lower$base/layer\\:$i:
    done
    mv "$B/rootfs" "$base/rootfs"
    [ ${#lower} -gt 4096 ]
    config '.root = {"path": "empty"} | .mounts |= [{"destination": "/", "type": "overlay", "source": "overlay",
        "options": ["lowerdir=\($l)\($b)/rootfs", "upperdir=\($t)/u", "workdir=\($t)/w", "userxattr"]}] + .' \
        --arg l "$lower" --arg t "$T" --arg b "$base"
    sh_in 'ls /file-* | wc -l; cat /file-1 /file-70'
    run_it
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$output" = $'70\n1\n70' ]
    nothing_left
}
