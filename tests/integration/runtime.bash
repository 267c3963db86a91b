# Shared by runtime-*.bats: a bundle of busybox with the config of `hoyrun spec`, in $T/bundle.
load lib

runtime_setup_file() {
    # One rootfs per file, copied by hard links into each test.
    export ROOTFS_BASE=$BATS_FILE_TMPDIR/rootfs
    busybox_rootfs "$ROOTFS_BASE"
}

runtime_setup() {
    require_root
    make_test_dir
    B=$T/bundle
    mkdir "$B"
    cp -al "$ROOTFS_BASE" "$B/rootfs"
    ID=hoytest-$$-$BATS_TEST_NUMBER
    (cd "$B" && r spec)
    config '.process.terminal = false | .process.args = ["true"] | .linux.namespaces |= (. + [{"type": "cgroup"}] | unique)'
}

runtime_teardown() {
    local id
    [ -n "${T:-}" ] || return 0
    for id in $(r list -q 2>/dev/null); do
        r delete -f "$id" || :
    done
    remove_test_dir
}

# r ARGUMENTS...: hoyrun with this test's own state root.
r() {
    timeout 60 "$HOYRUN" --root "$T/root" "$@"
}

# config FILTER [JQ ARGUMENTS...]: changes config.json.
config() {
    local filter=$1
    shift
    jq "$filter" "$@" <"$B/config.json" >"$B/config.json.new"
    mv "$B/config.json.new" "$B/config.json"
}

# sh_in TEXT: the container runs this shell text.
sh_in() {
    config '.process.args = ["sh", "-c", $text]' --arg text "$1"
}

# run_it: runs the container to its end; $status, $output, $lines.
run_it() {
    run r run -b "$B" "$@" "$ID" </dev/null
}

# create_it: creates it; stdio away from bats, which waits for the end of its pipes.
create_it() {
    r create -b "$B" "$@" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
}

status_of() {
    r state "${1:-$ID}" | jq -r .status
}

pid_of() {
    r state "${1:-$ID}" | jq -r .pid
}

is_status() { # STATUS [ID]
    [ "$(status_of "${2:-}")" = "$1" ]
}

# nothing_left: no state, no cgroup, no mount of this test.
nothing_left() {
    [ -z "$(ls -A "$T/root" 2>/dev/null)" ] || { ls -lR "$T/root"; return 1; }
    ! find /sys/fs/cgroup -name "$ID" | grep . || return 1
    ! grep "$T" /proc/self/mountinfo || return 1
}

# swap_forever DIR A B: exchanges two names in DIR, atomically and as often as it can, until $SWAPPER is killed.
swap_forever() {
    python3 - "$@" <<'PY' >/dev/null 2>&1 3>&- 4>&- &
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
a, b = sys.argv[2].encode(), sys.argv[3].encode()
parent = os.getppid()
while os.getppid() == parent:
    libc.renameat2(-100, a, -100, b, 2)
PY
    SWAPPER=$!
    wait_for 10 swapped "$(stat -c %i "$1/$2")" "$1/$2" || { echo "nothing is exchanged in $1"; return 1; }
}

swapped() { # INODE NAME
    [ "$(stat -c %i "$2")" != "$1" ]
}

stop_swapping() {
    [ -z "${SWAPPER:-}" ] || kill "$SWAPPER" 2>/dev/null || :
    SWAPPER=
}

# fails_with TEXT: the container must not start, the last error line holds TEXT, nothing is left.
fails_with() {
    run_it
    [ "$status" -ne 0 ] || { echo "it ran"; return 1; }
    [[ "$output" == *"$1"* ]] || { echo "got: $output"; echo "wanted: $1"; return 1; }
    nothing_left
}

# --- the container's cgroup: a controller is in v2, or in a v1 hierarchy of its own ---

find_cgroup2() {
    CGROUP2=$(findmnt -n -o TARGET -t cgroup2 | head -1)
}

on_v2() { # CONTROLLER
    [ -n "$CGROUP2" ] && grep -qw "$1" "$CGROUP2/cgroup.controllers"
}

# group_of CONTROLLER: the directory of the container's group where the controller is (v2's io is v1's blkio).
group_of() {
    if on_v2 "$1"; then
        echo "$CGROUP2/$ID"
    else
        echo "$(findmnt -n -o TARGET -t cgroup -O "${1/%io/blkio}" | head -1)/$ID"
    fi
}

# has CONTROLLER V2-FILE V2-TEXT V1-FILE V1-TEXT: the file of the version that is here holds this line.
has() {
    local file=$2 text=$3
    on_v2 "$1" || { file=$4 text=$5; }
    grep -qxF -- "$text" "$(group_of "$1")/$file" || {
        echo "$file, wanted: $text, got:"
        cat "$(group_of "$1")/$file"
        return 1
    }
}

# Receives the master as containerd and conmon do and shows what comes out of it in $T/console.out; the test ends
# $RECEIVER.
receive_console() {
    cat >"$T/receive.py" <<'PY'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen(1)
open(sys.argv[1] + ".ready", "w").close()
c, _ = s.accept()
msg, anc, _, _ = c.recvmsg(4096, socket.CMSG_SPACE(16))
fds = array.array("i")
for level, kind, data in anc:
    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
        fds.frombytes(data[:4])
print("message", msg.decode(), "fds", len(fds), flush=True)
while True:
    try:
        data = os.read(fds[0], 4096)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
PY
    python3 "$T/receive.py" "$T/console" >"$T/console.out" 2>&1 3>&- 4>&- &
    RECEIVER=$!
    wait_for 5 test -e "$T/console.ready"
}
