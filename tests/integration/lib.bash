# Shared by all bats files: `load lib`. Programs come from $HOY_BUILD (default: build/ at the top of the tree).
# Every test works in its own directory $T, removed afterwards; helpers end what they started.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HOY_BUILD=${HOY_BUILD:-$TOP/build}
HOYRUN=${HOYRUN:-$HOY_BUILD/hoyrun}
HOY_SHIM=${HOY_SHIM:-$HOY_BUILD/containerd-shim-hoy-v2}
HOYD=${HOYD:-$HOY_BUILD/hoyd}
HOY=${HOY:-$HOY_BUILD/hoy}
# Debian's programs, not wrappers that somebody put before them: tests start hundreds of python3.
export PATH="$HOY_BUILD:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

# The command of a program that wants 60 MB, busybox's or coreutils': one call of the kernel, where a shell's string of that
# length takes a million of them, in a VM most of a minute.
EATER='dd if=/dev/zero of=/dev/null bs=60M count=1'

# A skip has an id listed in tests/skips.list; any other skip fails the run.
skip_because() { # ID TEXT
    skip "[$1] $2"
}

require_root() {
    [ "$EUID" = 0 ] || skip_because not-root "needs root"
}

make_test_dir() {
    T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-test-XXXXXX")
    chmod 755 "$T"
    export T
}

remove_test_dir() {
    [ -n "${T:-}" ] && rm -rf --one-file-system "$T"
}

# busybox_rootfs DIR: a root file system of Debian's static busybox, one hard link per applet.
busybox_rootfs() {
    local dir=$1
    mkdir -p "$dir"/{bin,dev,etc,proc,sys,tmp,root,var,run}
    cp /bin/busybox "$dir/bin/busybox"
    "$dir/bin/busybox" --install "$dir/bin"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$dir/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$dir/etc/group"
    chmod 1777 "$dir/tmp"
}

NAP_FIFO=${BATS_RUN_TMPDIR:-${TMPDIR:-/tmp}}/hoy-nap

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over. The time is that of a quiet
# machine; a busy one gets four times as much. It naps on a fifo that nobody writes to: a sleep(1) each time costs more
# than most commands that are waited for.
wait_for() {
    local end=$((SECONDS + 4 * $1)) nap='' status=1 tries=0 pause
    shift
    while :; do
        if "$@" >/dev/null 2>&1; then
            status=0
            break
        fi
        [ $SECONDS -lt $end ] || break
        if [ -z "$nap" ]; then
            [ -p "$NAP_FIFO" ] || mkfifo "$NAP_FIFO" 2>/dev/null || [ -p "$NAP_FIFO" ] || return 1
            exec {nap}<>"$NAP_FIFO"
        fi
        tries=$((tries + 1)) pause=0.05
        [ $tries -le 4 ] || pause=0.1
        [ $tries -le 10 ] || pause=0.2 # what is asked costs the very processor time that is waited for
        read -r -t $pause -u "$nap" || :
    done
    [ -z "$nap" ] || exec {nap}>&-
    return $status
}

# is_dead PID: gone, or a zombie that the host's init has yet to notice.
is_dead() {
    local key='' state=''
    while read -r key state _; do
        [ "$key" != State: ] || break
    done 2>/dev/null <"/proc/$1/status" || return 0
    [ "$key" != State: ] || [ "$state" = Z ]
}

# remove_cgroup_parents NAME: the empty groups of this name in all hierarchies.
remove_cgroup_parents() {
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null || :
}
