# Shared by shim-*.bats: a bundle in $T/b, a shim of its own with sockets in $T/s and the runtime's root in $T/r.
[ -n "${TOP:-}" ] || load lib

shim_setup() {
    require_root
    make_test_dir
    B=$T/b
    ID=c$$-$BATS_TEST_NUMBER
    make_bundle "$B"
}

# make_bundle DIR: config.json of `hoyrun spec`, no terminal, the host's network.
make_bundle() {
    mkdir -p "$1"
    busybox_rootfs "$1/rootfs"
    (cd "$1" && "$HOYRUN" spec)
    bundle_config "$1" '.process.terminal = false | .linux.namespaces |= map(select(.type != "network"))'
}

bundle_config() { # DIR FILTER [JQ ARGUMENTS...]
    local dir=$1 filter=$2
    shift 2
    jq "$@" "$filter" "$dir/config.json" >"$dir/config.json.new"
    mv "$dir/config.json.new" "$dir/config.json"
}

# sh_in TEXT: the container runs this shell text.
sh_in() {
    bundle_config "$B" '.process.args = ["sh", "-c", $text]' --arg text "$1"
}

client() {
    timeout 60 /usr/bin/python3 "$TOP/tests/integration/shim-client.py" "$@"
}

# start_shim [KEY=VALUE...]: the handshake of the bundle in $B; $ADDRESS, $SHIM_PID.
start_shim() {
    client - bootstrap "socket_dir=$T/s" "root=$T/r" "$@" >"$T/options"
    ADDRESS=$(cd "$B" && timeout 60 "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id "$ID" start \
        <"$T/options" 2>&1)
    SHIM_PID=$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)
}

task() { # METHOD [KEY=VALUE...]
    local method=$1
    shift
    client "$ADDRESS" "$method" "id=$ID" "$@"
}

# create_task [KEY=VALUE...]: output into $T/log unless said otherwise.
create_task() {
    task Create "bundle=$B" "stdout=json-file://$T/log" "stderr=json-file://$T/log" "$@"
}

# The text of a log, without what is around it.
log_text() {
    jq -rj .log "${1:-$T/log}"
}

# containerd_is [KEY=N]: takes the shim's events from now on.
containerd_is() {
    /usr/bin/python3 "$TOP/tests/integration/shim-events.py" "$T/events.sock" "$@" >>"$T/events" 2>"$T/events.err" 3>&- &
    events_pid=$!
    wait_for 5 test -S "$T/events.sock"
}

topics() {
    sed 's/ .*//' "$T/events" | tr '\n' ' '
}

shim_is_gone() {
    is_dead "$SHIM_PID"
}

shim_teardown() {
    [ -n "${T:-}" ] || return 0
    if [ -n "${SHIM_PID:-}" ] && ! shim_is_gone; then
        kill -9 "$SHIM_PID"
    fi
    if [ -e "$B/options.json" ]; then
        timeout 20 "$HOY_SHIM" -namespace ns -id "$ID" -bundle "$B" delete >/dev/null 2>&1 || :
    fi
    # what sanitizers say goes to the shim's log
    if grep -s -B2 -A30 -E 'Sanitizer|runtime error' "$B/shim.log"; then
        bad=1
    fi
    remove_test_dir
    [ -z "${bad:-}" ]
}
