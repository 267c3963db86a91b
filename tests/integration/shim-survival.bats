# What survives what: containerd killed at any moment, many containers and what they leave.
load containerd

# running ID...: those of them whose task runs.
tasks() { c task ls -q; }

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

@test "hundreds of containers, eight at a time: each gives its exit code, nothing is left" {
    run_c --rm -- true
    before=$(what_is_left)
    files_before=$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)
    one() {
        status=0
        timeout 120 ctr -a "$D/c.sock" -n "$NS" run --rm --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin \
            --rootfs "$D/rootfs" "r$1" sh -c "exit $(($1 % 200))" </dev/null || status=$?
        [ $status = $(($1 % 200)) ] || echo "$1: $status"
    }
    export -f one
    seq "${HOY_RUNS:-48}" | xargs -P 8 -I{} bash -c 'one {}' >"$D/wrong" 2>&1 3>&- 4>&-
    cat "$D/wrong"
    [ ! -s "$D/wrong" ]
    wait_for 10 no_shims
    diff <(echo "$before") <(what_is_left)
    # and containerd holds no more of us than before
    [ "$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)" -le $((files_before + 8)) ]
}

@test "containerd is killed at any moment: nothing is lost, and all can be removed" {
    local i id left
    # some that run all the time, with an exit code that must not be lost
    c run -d --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin --rootfs "$D/rootfs" stays \
        sh -c 'trap "exit 42" TERM; while :; do sleep 0.1; done' 3>&- 4>&-
    for i in $(seq "${HOY_CRASHES:-6}"); do
        for id in "a$i" "b$i" "d$i"; do
            timeout 20 ctr -a "$D/c.sock" -n "$NS" run -d --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin \
                --rootfs "$D/rootfs" "$id" sleep 98765 </dev/null >/dev/null 2>&1 3>&- 4>&- &
        done
        timeout 20 ctr -a "$D/c.sock" -n "$NS" task exec --fifo-dir "$D/fifo" --exec-id "x$i" stays true </dev/null >/dev/null 2>&1 3>&- 4>&- &
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        kill -9 "$(cat "$D/pid")"
        wait_for 10 containerd_is_gone
        start_containerd
        [[ "$(c task ls)" == *stays*RUNNING* ]]
        run c task exec --fifo-dir "$D/fifo" --exec-id "y$i" stays sh -c 'exit 3' 3>&- 4>&-
        [ "$status" = 3 ]
    done
    wait
    c task kill -s SIGTERM stays
    ended() { [[ "$(c task ls)" == *stays*STOPPED* ]]; }
    wait_for 10 ended
    run c task rm stays
    [ "$status" = 42 ] || [[ "$output" == *42* ]]
    c c rm stays
    for id in $(tasks); do
        c task rm -f "$id" || :
    done
    for id in $(c c ls -q); do
        c c rm "$id"
    done
    # a shim that never heard a Create again goes by itself, after a minute
    wait_for 30 no_shims
    left=$(what_is_left)
    echo "$left"
    grep -qx 'shims: 0' <<<"$left"
    grep -qx 'mounts: 0' <<<"$left"
    grep -qx 'runtime: 0' <<<"$left"
    grep -qx 'sleeping: 0' <<<"$left"
}

@test "ctr: exec with a terminal, attach, pause, a cgroup of one's own, file and binary logs" {
    run_c -d --cgroup "$NS/own" -- sh -c 'echo ready; read -r word; echo "got $word"; exec sleep 98765'
    pid=$(c task ls | awk -v id="$C" '$1 == id { print $2 }')
    grep -q ":/$NS/own\$" "/proc/$pid/cgroup"
    run timeout 30 script -qec "ctr -a $D/c.sock -n $NS task exec -t --fifo-dir $D/fifo --exec-id t $C sh -c 'tty; exit 6'" /dev/null 3>&-
    [ "$status" = 6 ]
    [[ "$output" == */dev/pts/* ]]
    run c task exec --fifo-dir "$D/fifo" --exec-id missing "$C" /no/such 3>&- 4>&-
    [[ "$output" == *"OCI runtime exec failed: "*"/no/such"* ]]
    c task exec -d --fifo-dir "$D/fifo" --exec-id d "$C" sleep 98765 3>&- 4>&-
    c task ps "$C" | grep -q d
    run c task exec --fifo-dir "$D/fifo" --exec-id d "$C" true 3>&- 4>&-
    [[ "$output" == *"already exists"* ]]
    c task pause "$C"
    [[ "$(c task ls)" == *"$C"*PAUSED* ]]
    c task resume "$C"
    c task metrics "$C" | grep -q pids
    c task rm -f "$C" || :
    c c rm "$C"
    nothing_left
    # attach reads what comes from then on
    (sleep 60 | timeout 60 ctr -a "$D/c.sock" -n "$NS" run --rm --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin \
        --rootfs "$D/rootfs" "$C" sh -c 'while [ ! -e /tmp/end ]; do echo tick; sleep 0.1; done; exit 0') >"$D/seen" 3>&- 4>&- &
    wait_for 10 grep -q tick "$D/seen"
    timeout 10 ctr -a "$D/c.sock" -n "$NS" task attach "$C" </dev/null >"$D/attached" 2>&1 3>&- 4>&- &
    wait_for 10 grep -q tick "$D/attached"
    touch "$D/rootfs/tmp/end"
    nothing_left
    rm "$D/rootfs/tmp/end"
    run_c -d --log-uri "file://$D/out" -- sh -c 'echo to a file'
    wait_for 10 grep -q 'to a file' "$D/out"
    c task rm -f "$C" || :
    c c rm "$C"
    printf '#!/bin/sh\necho "$CONTAINER_ID" >%s/driver; exec 5>&-; exec cat <&3 >>%s/driver\n' "$D" "$D" >"$D/bin/log-driver"
    chmod +x "$D/bin/log-driver"
    run_c -d --log-uri "binary://$D/bin/log-driver" -- sh -c 'echo to a driver'
    wait_for 10 grep -q 'to a driver' "$D/driver"
    grep -qx "$C" "$D/driver"
    c task rm -f "$C" || :
    c c rm "$C"
    run_c -d --null-io -- sh -c 'echo nowhere; sleep 98765'
    c task rm -f "$C" || :
    c c rm "$C"
    nothing_left
}

# Debian's dockerd, with a containerd of its own, finds the shim under the name that it asks for.
start_dockerd() {
    (cd "$D" && exec env PATH="$D/docker-bin:$PATH" dockerd -H "unix://$D/docker.sock" --data-root "$D/docker" --exec-root "$D/docker-run" \
        --pidfile "$D/docker.pid" --config-file "$D/docker.json" --iptables=false --ip-masq=false --bridge=none -s vfs --live-restore "$@" >>"$D/dockerd.log" 2>&1 3>&- 4>&-) &
    dockerd_pid=$!
    wait_for 30 d version || { tail -20 "$D/dockerd.log"; return 1; }
}

d() { timeout 120 docker -H "unix://$D/docker.sock" "$@"; }

@test "dockerd: containerd-shim-runc-v2 is ours, without any configuration" {
    command -v dockerd >/dev/null || skip_because no-dockerd "no dockerd"
    mkdir "$D/docker-bin"
    ln -s "$HOY_SHIM" "$D/docker-bin/containerd-shim-runc-v2"
    echo '{}' >"$D/docker.json"
    export DOCKER_CONFIG=$D/docker-client
    start_dockerd
    "$TOP/tests/integration/make-image" -o "$D/image.tar" --name busybox:latest
    d load -i "$D/image.tar"
    run d run --rm --network none busybox sh -c 'echo hi; echo err >&2; exit 7'
    [ "$status" = 7 ]
    [[ "$output" == *hi* && "$output" == *err* ]]
    [ "$(echo input | d run --rm -i --network none busybox cat)" = input ]
    run d run --rm --network none busybox /no/such
    [ "$status" = 127 ]
    d run -d --name c --network none -m 64m busybox sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
    pid=$(d inspect -f '{{.State.Pid}}' c)
    shim=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")
    [ "$(readlink "/proc/$shim/exe")" = "$(readlink -f "$HOY_SHIM")" ]
    [ "$(d exec c sh -c 'echo inside; exit 0')" = inside ]
    run d exec c sh -c 'exit 5'
    [ "$status" = 5 ]
    d pause c
    d unpause c
    d update -m 32m --memory-swap 64m c
    d top c | grep -q sleep
    [ "$(d stats --no-stream --format '{{.PIDs}}' c)" -ge 1 ]
    # dockerd and its containerd end; the container does not
    kill -9 "$dockerd_pid"
    wait_for 10 is_dead "$dockerd_pid"
    kill -9 "$(cat "$D/docker-run/containerd/containerd.pid")"
    rm -f "$D/docker.pid"
    ! is_dead "$pid"
    start_dockerd
    [ "$(d inspect -f '{{.State.Running}} {{.State.Pid}}' c)" = "true $pid" ]
    [ "$(d exec c echo again)" = again ]
    d stop -t 30 c
    [ "$(d inspect -f '{{.State.ExitCode}}' c)" = 9 ]
    d logs c | grep -qx up
    d rm c
    kill "$dockerd_pid"
    wait_for 20 is_dead "$dockerd_pid"
    wait_for 10 is_dead "$shim"
}
