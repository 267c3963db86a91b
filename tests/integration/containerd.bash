# Debian's containerd with our shim, for suites that use ctr: one containerd per file, $D its directory, $NS the namespace.
load lib

# One containerd per file, in directories of its own; only the shims' sockets are in /run/containerd/s.
setup_file() {
    require_root
    export D
    D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-ctrd-XXXXXX")
    # containerd looks for shims in its working directory first
    mkdir "$D/bin" "$D/rootfs"
    ln -s "$HOY_SHIM" "$D/bin/containerd-shim-hoy-v2"
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
    export NS=hoytest$$
    start_containerd
}

start_containerd() {
    (cd "$D" && PATH=$D/bin:$PATH exec containerd -c "$D/config.toml" >>"$D/containerd.log" 2>&1 3>&- 4>&-) &
    echo $! >"$D/pid"
    wait_for 10 ctr -a "$D/c.sock" version
}

stop_containerd() {
    kill "$(cat "$D/pid")"
    wait_for 10 containerd_is_gone
}

containerd_is_gone() {
    is_dead "$(cat "$D/pid")"
}

teardown_file() {
    [ -n "${D:-}" ] || return 0
    kill "$(cat "$D/pid")" 2>/dev/null || :
    # dockerd leaves the mounts of its network namespaces
    awk -v dir="$D/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l
    rm -rf --one-file-system "$D" "/run/hoyrun/$NS"
    remove_cgroup_parents "$NS" # containerd names one after its namespace, and nobody removes it
}

setup() {
    C=t$BATS_TEST_NUMBER
}

teardown() {
    local pid
    ! declare -F end_dockerd >/dev/null || end_dockerd # a suite's own
    for pid in $(shims_of "$C"); do
        kill -9 "$pid" || :
    done
    timeout 20 ctr -a "$D/c.sock" -n "$NS" task rm -f "$C" >/dev/null 2>&1 || :
    timeout 20 ctr -a "$D/c.sock" -n "$NS" c rm "$C" >/dev/null 2>&1 || :
}

c() {
    timeout 60 ctr -a "$D/c.sock" -n "$NS" "$@"
}

# run_c OPTIONS... -- COMMAND...: ctr run of this test's container.
run_c() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    c run "${options[@]}" --runtime io.containerd.hoy.v2 --fifo-dir $D/fifo --env PATH=/bin --rootfs "$D/rootfs" "$C" "$@" 3>&- 4>&-
}

# shims_of ID: pids of the shims that were started for it; ID is a pattern.
shims_of() {
    pgrep -f -- "-namespace $NS -id $1 .*serve" || :
}

no_shim() {
    [ -z "$(shims_of "$C")" ]
}

nothing_left() {
    wait_for 10 no_shim
    ! grep -q "$D/state.*/$C/" /proc/self/mountinfo || false
    [ ! -e "/run/hoyrun/$NS/$C" ]
    wait_for 10 test ! -e "$D/state/io.containerd.runtime.v2.task/$NS/$C" # containerd removes it behind the shim's `delete`
}

all_shims() { shims_of '.*'; }
no_shims() { [ -z "$(all_shims)" ]; }

# what_is_left: everything that a container of ours may leave on the machine.
what_is_left() {
    echo "shims: $(all_shims | wc -l)"
    echo "mounts: $(grep -c "$D/state" /proc/self/mountinfo)"
    echo "bundles: $(ls "$D/state/io.containerd.runtime.v2.task/$NS" 2>/dev/null | wc -l)"
    echo "runtime: $(ls "/run/hoyrun/$NS" 2>/dev/null | wc -l)"
    echo "cgroups: $(find /sys/fs/cgroup -mindepth 1 -type d -path "*/$NS/*" 2>/dev/null | wc -l)"
    echo "fifos: $(ls "$D/fifo" 2>/dev/null | wc -l)"
    echo "sleeping: $(pgrep -fc 'sleep 98765' || :)"
}
