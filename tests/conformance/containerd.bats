#!/usr/bin/env bats
# Debian's containerd with runc's own shim and hoyrun in runc's place. RUNTIME=runc compares.
bats_require_minimum_version 1.5.0
load ../integration/lib

# One containerd for the file, all it keeps in $D; its containers' cgroups are below one named after its namespace.
setup_file() {
    require_root
    export D NS=hoytest-runc-$$
    D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-ctrd-XXXXXX")
    mkdir "$D/rootfs"
    busybox_rootfs "$D/rootfs"
    cat >"$D/config.toml" <<X
version = 2
root = "$D/root"
state = "$D/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$D/c.sock"
[ttrpc]
  address = "$D/c.sock.ttrpc"
X
    containerd -c "$D/config.toml" >"$D/containerd.log" 2>&1 3>&- 4>&- &
    echo $! >"$D/pid"
    wait_for 10 c version
}

teardown_file() {
    [ -n "${D:-}" ] || return 0
    kill "$(cat "$D/pid")" 2>/dev/null || :
    rm -rf --one-file-system "$D"
    rmdir "/run/containerd/runc/$NS" 2>/dev/null || : # runc's shim makes it, whatever it was told
    remove_cgroup_parents "$NS"
}

setup() { C=t$BATS_TEST_NUMBER; }

teardown() {
    c task rm -f "$C" >/dev/null 2>&1 || :
    c c rm "$C" >/dev/null 2>&1 || :
}

c() { timeout -k 1 30 ctr -a "$D/c.sock" -n "$NS" "$@" 3>&- 4>&-; }
in_terminal() { timeout 60 "$TOP/tests/integration/pty-run" --size 31x91 ctr -a "$D/c.sock" -n "$NS" "$@" 3>&- 4>&-; }
FLAGS=(--runtime io.containerd.runc.v2 --runc-binary "${RUNTIME:-$HOYRUN}" --runc-root "$D/state-of-runtime" --env PATH=/bin)
run_c() { # OPTION... -- COMMAND...
    local options=()
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    shift
    c run "${FLAGS[@]}" --fifo-dir "$D/fifo" "${options[@]}" --rootfs "$D/rootfs" "$C" "$@"
}
exec_c() { c task exec --fifo-dir "$D/fifo" --exec-id "e$RANDOM" "$@"; }
limit() { cat "/sys/fs/cgroup/$NS/$C/$1" 2>/dev/null || cat "/sys/fs/cgroup/$2/$NS/$C/$3"; } # V2-FILE V1-CONTROLLER V1-FILE
state_is() { c task ls | grep -q "$C .*$1"; }
has_processes() { [ "$(c task ps "$C" | wc -l)" = $(($1 + 1)) ]; } # and a head line

@test "ctr run: output, input, exit codes; nothing is left" {
    run -7 run_c --rm -- sh -c 'echo hi; exit 7'
    [ "$output" = hi ]
    # ctr forgets an end of input that comes before the task, and waits for ever
    [ "$({ echo input; wait_for 10 state_is RUNNING; } | run_c --rm -- cat)" = input ]
    run run_c --rm -- nosuchprogram
    [ "$status" != 0 ]
    [[ "$output" == *"OCI runtime create failed: "*'exec: "nosuchprogram": executable file not found in $PATH'* ]]
    [ -z "$(ls "$D/state-of-runtime/$NS")" ]
    [ -z "$(find /sys/fs/cgroup -path "*/$NS/*" -type d)" ]
}

@test "ctr run and exec in a terminal" {
    run in_terminal run --rm -t "${FLAGS[@]}" --fifo-dir "$D/fifo" --rootfs "$D/rootfs" "$C" sh -c 'tty; sleep 1; stty size; exit 5'
    [ "$status" = 5 ]
    [[ "$output" == *"/dev/pts/0"*"31 91"* ]]
    run_c -d -- sleep 100
    run in_terminal task exec -t --fifo-dir "$D/fifo" --exec-id e "$C" sh -c 'tty; sleep 1; stty size; exit 6'
    [ "$status" = 6 ]
    [[ "$output" == *"/dev/pts/0"*"31 91"* ]]
}

@test "ctr: the state that the shim asks for is hoyrun's" {
    run_c -d -- sleep 100
    state_is RUNNING
    [ "$("${RUNTIME:-$HOYRUN}" --root "$D/state-of-runtime/$NS" state "$C" | jq -r .status)" = running ]
    c task pause "$C"
    state_is PAUSED
    c task resume "$C"
    state_is RUNNING
    c task kill -s SIGKILL "$C"
    wait_for 10 state_is STOPPED
    c task rm "$C" || [ $? = 137 ]
}

@test "ctr exec: streams, user, working directory, exit codes, processes" {
    run_c -d -- sleep 100
    [ "$({ echo input; wait_for 10 has_processes 2; } | exec_c "$C" cat)" = input ]
    [ "$(exec_c --user 1000 --cwd /tmp "$C" sh -c 'id -u; pwd')" = $'1000\n/tmp' ]
    run -4 exec_c "$C" sh -c 'exit 4'
    run exec_c "$C" nosuchprogram
    [[ "$output" == *"OCI runtime exec failed: "*'exec: "nosuchprogram": executable file not found in $PATH'* ]]
    c task exec -d --fifo-dir "$D/fifo" --exec-id more "$C" sleep 100
    has_processes 2
    c task kill --exec-id more -s SIGKILL "$C"
}

@test "ctr: limits, metrics, an out-of-memory kill" {
    run_c -d --memory-limit 67108864 --cpu-quota 50000 --cpu-period 100000 -- sleep 100
    [ "$(limit memory.max memory memory.limit_in_bytes)" = 67108864 ]
    [[ "$(limit cpu.max cpu cpu.cfs_quota_us)" = 50000* ]]
    [[ "$(c task metrics "$C")" == *pids.current*1* ]]
    c task rm -f "$C" || :
    c c rm "$C"
    run -137 run_c --rm --memory-limit 10485760 -- tail -c 60000000 /dev/zero
}

@test "ctr: privileges, devices, read-only root, namespaces of the host" {
    run run_c --rm --read-only --no-pivot --cap-add CAP_SYS_ADMIN --device /dev/null -- sh -c 'touch /x 2>/dev/null || echo ro; grep CapEff /proc/self/status | cut -f2'
    [ "$output" = $'ro\n00000000a82425fb' ]
    run run_c --rm --privileged -- sh -c 'mount -t tmpfs x /mnt 2>/dev/null || { mkdir -p /mnt && mount -t tmpfs x /mnt; } && echo mounted'
    [ "$output" = mounted ]
    [ "$(run_c --rm --net-host -- readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ]
    [ "$(run_c --rm --seccomp -- grep Seccomp: /proc/self/status | tr -d '\t')" = Seccomp:2 ]
}

@test "ctr checkpoint and restore through runc's shim: the program goes on" {
    criu check >/dev/null 2>&1 || skip_because no-criu "this machine's criu can't work on its kernel"
    "$TOP/tests/integration/make-image" -o "$D/image.tar" --name docker.io/library/hoytest:latest
    c image import "$D/image.tar"
    c run -d "${FLAGS[@]}" --fifo-dir "$D/fifo" docker.io/library/hoytest:latest "$C" \
        sh -c 'i=0; while :; do i=$((i+1)); echo $i >>/count; sleep 0.1; done' </dev/null >/dev/null 2>&1
    count() { exec_c "$C" tail -n 1 /count; }
    counted() { [ "$(count)" -gt "$1" ]; }
    wait_for 60 counted 3
    c c checkpoint --rw --image --task "$C" hoytest-checkpoint
    last=$(count)
    c task kill -s SIGKILL "$C"
    wait_for 30 state_is STOPPED
    c task rm "$C" || [ $? = 137 ]
    c c rm "$C"
    c c restore --rw --live "$C" hoytest-checkpoint </dev/null >/dev/null 2>&1
    state_is RUNNING
    wait_for 60 counted $((last + 3))
}
