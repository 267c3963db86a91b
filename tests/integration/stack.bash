# The whole stack for bats files: `load lib; load stack`. One hoyd per test, in $T, on a socket of its own. tests/run
# starts every suite in a network namespace without a route outside.

# start_hoyd [FLAG...]: starts hoyd in $T and waits until it answers. Sets HOYD_PID and DOCKER_HOST.
start_hoyd() {
    export DOCKER_HOST=unix://$T/hoy.sock DOCKER_CONFIG=$T/client
    mkdir -p "$T/client"
    [ -e "$T/daemon.json" ] || echo '{}' >"$T/daemon.json"
    "$HOYD" -H "$DOCKER_HOST" --data-root "$T/data" --exec-root "$T/run" --pidfile "$T/hoyd.pid" \
        --config-file "$T/daemon.json" "$@" >>"$T/hoyd.log" 2>&1 3>&- &
    HOYD_PID=$!
    wait_for 20 hoyd_answers_or_ended
    "$HOY" version >/dev/null || { cat "$T/hoyd.log" >&2; return 1; }
}

hoyd_answers_or_ended() { hoyd_ended || "$HOY" version; }

# A daemon that ended by itself is a failure of the test, with its log.
hoyd_is_alive() {
    kill -0 "$HOYD_PID" 2>/dev/null || { echo "hoyd is gone:"; tail -20 "$T/hoyd.log"; return 1; }
}

# stop_hoyd: removes all containers, ends hoyd and waits for it.
stop_hoyd() {
    [ -n "${HOYD_PID:-}" ] || return 0
    if kill -0 "$HOYD_PID" 2>/dev/null; then
        "$HOY" ps -aq 2>/dev/null | xargs -r timeout 60 "$HOY" rm -f >/dev/null 2>&1
        kill -TERM "$HOYD_PID" 2>/dev/null
        wait_for 20 hoyd_ended || kill -KILL "$HOYD_PID"
    fi
    wait "$HOYD_PID" 2>/dev/null
    HOYD_PID=
}

hoyd_ended() { is_dead "$HOYD_PID"; }

# kill_hoyd: as a power loss would, but for what the kernel holds.
kill_hoyd() {
    kill -KILL "$HOYD_PID"
    wait "$HOYD_PID" 2>/dev/null || :
    HOYD_PID=
}

# load_busybox [OPTION...]: the image `busybox:latest` made on the spot; the plain one once per suite.
load_busybox() {
    local plain=$BATS_SUITE_TMPDIR/busybox.tar
    if [ $# -gt 0 ] || [ ! -e "$plain" ]; then "$TOP/tests/integration/make-image" -o "$T/busybox.tar" "$@"; fi
    if [ $# = 0 ]; then
        [ -e "$plain" ] || mv "$T/busybox.tar" "$plain"
        ln -s "$plain" "$T/busybox.tar"
    fi
    "$HOY" load -i "$T/busybox.tar"
}

stack_setup() {
    require_root
    make_test_dir
    start_hoyd
    load_busybox
}

# A test that ended with hoyd killed has left what outlives it: a new one takes that over and puts it away.
stack_teardown() {
    [ -n "${T:-}" ] || return 0 # skipped before there was anything
    if [ -z "${HOYD_PID:-}" ] && [ -n "${T:-}" ] && pgrep -f "$T/run/" >/dev/null; then start_hoyd; fi
    stop_hoyd
    remove_test_dir
}

# host_state: what must be the same before and after: mounts, cgroups, namespaces, links, rules, zombies, shims.
# Namespaces need no line of their own: they belong to processes and links, nothing pins them.
host_state() {
    echo "mounts: $(grep -c . /proc/self/mountinfo)"
    echo "cgroups:"
    find /sys/fs/cgroup -type d -path '*/hoy/*' 2>/dev/null | sort
    echo "links:"
    ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort
    echo "rules:"
    nft list ruleset 2>/dev/null
    echo "processes of this test: $(pgrep -c -f "$T" || :)"
    echo "containers' processes: $(cat /sys/fs/cgroup/*/hoy/*/cgroup.procs /sys/fs/cgroup/hoy/*/cgroup.procs 2>/dev/null | wc -l)"
    [ -z "${HOYD_PID:-}" ] || echo "zombies of hoyd: $(ps -o stat= --ppid "$HOYD_PID" | grep -c Z || :)"
    [ -z "${HOYD_PID:-}" ] || echo "hoyd's descriptors: $(ls "/proc/$HOYD_PID/fd" | wc -l)"
    [ ! -d "$T/run" ] || { echo "run files:"; (cd "$T/run" && find . -mindepth 1 | sort); }
    [ ! -d "$T/data" ] || { echo "container files:"; (cd "$T/data" && find . -path './containers/*' | sort); }
}

# The last client that speaks BuildKit's first API by itself: later ones leave that to buildx.
find_session_docker() {
    local each
    for each in "$HOY_BUILD/docker/usr/bin/docker" "$TOP/build/docker/usr/bin/docker" $(type -ap docker); do
        [[ $("$each" --version 2>/dev/null) == *"version 20.10"* ]] && { echo "$each"; return; }
    done
    return 0
}

# A client that builds by buildx, and that finds it.
find_buildx_docker() {
    local each
    for each in "$HOY_BUILD/docker/buildx/usr/bin/docker" "$TOP/build/docker/buildx/usr/bin/docker" $(type -ap docker); do
        if [ -x "$each" ] && mkdir -p "$DOCKER_CONFIG/cli-plugins"; then
            ln -sf "${each%/bin/docker}/libexec/docker/cli-plugins/docker-buildx" "$DOCKER_CONFIG/cli-plugins/docker-buildx"
            "$each" buildx version >/dev/null 2>&1 && { echo "$each"; return; }
        fi
    done
    return 0
}
