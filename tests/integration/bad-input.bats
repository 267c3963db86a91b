#!/usr/bin/env bats
# Wrong input: one clear error, the exit code that runc or docker gives, nothing left behind.
load lib
load stack

setup() {
    require_root
    make_test_dir
}

teardown() { stack_teardown; }

# A bundle with hoyrun's own default config; the filter edits it.
bundle() { # [JQ-FILTER]
    busybox_rootfs "$T/bundle/rootfs"
    (cd "$T/bundle" && "$HOYRUN" spec)
    jq ".process.terminal = false | .process.args = [\"/bin/true\"] | ${1:-.}" "$T/bundle/config.json" >"$T/c"
    mv "$T/c" "$T/bundle/config.json"
}

hoyrun() { timeout 20 "$HOYRUN" --root "$T/state" "$@"; }

nothing_left() {
    [ -z "$(ls -A "$T/state" 2>/dev/null)" ] || { ls -lR "$T/state"; return 1; }
    ! grep -q "$T" /proc/self/mountinfo || false
    [ -z "$(find /sys/fs/cgroup -type d -name "bad-$$" 2>/dev/null)" ]
}

one_error() { # what it must say
    [ "$status" -ne 0 ]
    [ "${#lines[@]}" -le 2 ] || { echo "more than one error: $output"; return 1; }
    [[ "$output" == *"$1"* ]] || { echo "'$1' is not in: $output"; return 1; }
}

@test "a config.json with a wrong type" {
    bundle '.linux.namespaces[1].type = 7'
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error 'linux.namespaces[1].type'
    [ "$status" = 1 ]
    nothing_left
}

@test "a config.json with an unknown namespace" {
    bundle '.linux.namespaces += [{type: "nett"}]'
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error 'unknown value "nett"'
    nothing_left
}

@test "no config.json, no rootfs, no bundle" {
    run hoyrun run -b "$T/nosuch" "bad-$$"
    one_error nosuch
    mkdir "$T/empty"
    run hoyrun run -b "$T/empty" "bad-$$"
    one_error config.json
    bundle '.root.path = "elsewhere"'
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error elsewhere
    nothing_left
}

@test "a rootfs whose /proc is a symlink" {
    bundle
    rm -r "$T/bundle/rootfs/proc"
    ln -s /etc "$T/bundle/rootfs/proc"
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error proc
    nothing_left
    ! [ -e "$T/bundle/rootfs/etc/self" ] || false
}

@test "a device where a file is expected" {
    bundle '.mounts += [{destination: "/etc/hosts", type: "bind", source: "/etc/hosts", options: ["bind"]}]'
    rm -f "$T/bundle/rootfs/etc/hosts"
    mkdir "$T/bundle/rootfs/etc/hosts"
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error /etc/hosts
    nothing_left
}

@test "a config of 100 MB" {
    bundle
    { printf '{"ociVersion":"1.0.0","x":"'; head -c 100000000 /dev/zero | tr '\0' a; printf '"}'; } >"$T/bundle/config.json"
    run hoyrun run -b "$T/bundle" "bad-$$"
    one_error 'config.json'
    nothing_left
}

@test "unknown flags and commands of hoyrun" {
    run hoyrun run --nosuch x
    [ "$status" -ne 0 ]
    [[ "$output" == *nosuch* ]]
    run hoyrun nosuchcommand
    [ "$status" -ne 0 ]
    [[ "$output" == *nosuchcommand* ]]
    run hoyrun run -b "$T/bundle" ../x
    one_error '../x'
    run hoyrun run -b "$T/bundle" .
    [ "$status" -ne 0 ]
    nothing_left
}

@test "a layer with ../../x" {
    start_hoyd
    python3 - "$T/evil.tar" <<'P'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as tar:
    entry = tarfile.TarInfo("../../../../../../tmp/hoy-escaped")
    entry.size = 4
    tar.addfile(entry, io.BytesIO(b"evil"))
P
    "$TOP/tests/integration/make-image" -o "$T/evil-image.tar" --name evil --layer-tar "$T/evil.tar" sh
    run "$HOY" load -i "$T/evil-image.tar"
    [ "$status" = 1 ]
    [[ "$output" == *'..'* ]]
    ! [ -e /tmp/hoy-escaped ] || false
    [ -z "$("$HOY" images -q)" ]
    hoyd_is_alive
    store_is_empty
}

# Nothing but the store's own directories, once the trash is out.
store_is_empty() { wait_for 20 no_files_in_store || { find "$T/data" | head -30; return 1; }; }
no_files_in_store() {
    [ -z "$(find "$T/data"/{blobs,l,tmp,trash} ! -type d)" ] && [ "$(find "$T/data/l" -mindepth 2 | wc -l)" = 0 ]
}

@test "a truncated image archive" {
    start_hoyd
    "$TOP/tests/integration/make-image" -o "$T/whole.tar" --name cut sh
    head -c 1000000 "$T/whole.tar" >"$T/cut.tar"
    run "$HOY" load -i "$T/cut.tar"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [ -z "$("$HOY" images -q)" ]
    head -c 100 /dev/urandom | { run "$HOY" load; [ "$status" = 1 ]; }
    hoyd_is_alive
    store_is_empty
}

@test "a request body of 100 MB" {
    start_hoyd
    { printf '{"Image":"'; head -c 100000000 /dev/zero | tr '\0' a; printf '"}'; } >"$T/body"
    run curl -sS --unix-socket "$T/hoy.sock" -H 'Content-Type: application/json' --data-binary "@$T/body" \
        -o "$T/answer" -w '%{http_code}' http://hoy/v1.44/containers/create
    [[ "$output" == 4* ]]
    [ "$(jq -r '.message | length > 0' "$T/answer")" = true ]
    hoyd_is_alive
    [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$HOYD_PID/status")" -lt 60000 ]
}

@test "a create request with a wrong type says where" {
    start_hoyd
    load_busybox
    run curl -sS --unix-socket "$T/hoy.sock" -H 'Content-Type: application/json' \
        -d '{"Image":"busybox","HostConfig":{"Memory":"lots"}}' -w ' %{http_code}' http://hoy/v1.44/containers/create
    [[ "$output" == *HostConfig.Memory*' 400' ]]
    run curl -sS --unix-socket "$T/hoy.sock" -H 'Content-Type: application/json' -d '{"Image":' -w ' %{http_code}' \
        http://hoy/v1.44/containers/create
    [[ "$output" == *' 400' ]]
    hoyd_is_alive
}

@test "HTTP that is none, lies about its length or comes 10,000 times" {
    start_hoyd
    run "$TOP/tests/integration/http-abuse.py" "$T/hoy.sock" 10000
    [ "$status" = 0 ] || { echo "$output"; false; }
    hoyd_is_alive
    wait_for 20 sh -c "[ \$(ls /proc/$HOYD_PID/fd | wc -l) -lt 64 ]"
    run "$HOY" volume ls -q
    [[ "$status" = 0 && "$output" != *evil* && "$output" != *hidden* && "$output" != *half* ]]
}

@test "a container's limit of descriptors is that of whoever started hoyd" {
    ulimit -Sn 777
    start_hoyd
    load_busybox
    [ "$(awk '/open files/ { print $4 == $5 }' "/proc/$HOYD_PID/limits")" = 1 ]
    run "$HOY" run --rm --network none busybox sh -c 'ulimit -Sn'
    [ "$output" = 777 ]
}
