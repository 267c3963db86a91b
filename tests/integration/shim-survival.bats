# Callers that are killed, ctr's other commands, and Debian's dockerd with our shim.
load containerd

@test "containerd is killed at any moment: nothing is lost, and all can be removed" {
    local i id left jobs=()
    # some that run all the time, with an exit code that must not be lost
    c run -d --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin --rootfs "$D/rootfs" stays \
        sh -c 'trap "exit 42" TERM; while :; do sleep 0.1; done' 3>&- 4>&-
    for i in $(seq "${HOY_CRASHES:-6}"); do
        for id in "a$i" "b$i" "d$i"; do
            timeout 20 ctr -a "$D/c.sock" -n "$NS" run -d --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin \
                --rootfs "$D/rootfs" "$id" sleep 98765 </dev/null >/dev/null 2>&1 3>&- 4>&- &
            jobs+=($!)
        done
        timeout 20 ctr -a "$D/c.sock" -n "$NS" task exec --fifo-dir "$D/fifo" --exec-id "x$i" stays true </dev/null >/dev/null 2>&1 3>&- 4>&- &
        jobs+=($!)
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        kill -9 "$(cat "$D/pid")"
        wait_for 10 containerd_is_gone
        start_containerd
        [[ "$(c task ls)" == *stays*RUNNING* ]]
        run c task exec --fifo-dir "$D/fifo" --exec-id "y$i" stays sh -c 'exit 3' 3>&- 4>&-
        [ "$status" = 3 ]
    done
    for i in "${jobs[@]}"; do
        wait "$i" || :
    done
    c task kill -s SIGTERM stays
    ended() { [[ "$(c task ls)" == *stays*STOPPED* ]]; }
    wait_for 10 ended
    run c task rm stays
    [ "$status" = 42 ] || [[ "$output" == *42* ]]
    c c rm stays
    for id in $(c task ls -q); do
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

# Only what a test that failed has left.
end_dockerd() {
    [ -n "${dockerd_pid:-}" ] || return 0
    d rm -f daily >/dev/null 2>&1 || :
    kill "$dockerd_pid" 2>/dev/null || :
    wait_for 20 is_dead "$dockerd_pid"
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
    status=0
    d run --rm --network none busybox /no/such || status=$?
    [ "$status" = 127 ]
    d run -d --name daily --network none -m 64m busybox sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
    pid=$(d inspect -f '{{.State.Pid}}' daily)
    shim=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")
    [ "$(readlink "/proc/$shim/exe")" = "$(readlink -f "$HOY_SHIM")" ]
    [ "$(d exec daily sh -c 'echo inside; exit 0')" = inside ]
    run d exec daily sh -c 'exit 5'
    [ "$status" = 5 ]
    d pause daily
    d unpause daily
    d update -m 32m --memory-swap 64m daily
    d top daily | grep -q sleep
    [ "$(d stats --no-stream --format '{{.PIDs}}' daily)" -ge 1 ]
    # dockerd and its containerd end; the container does not
    kill -9 "$dockerd_pid"
    wait_for 10 is_dead "$dockerd_pid"
    kill -9 "$(cat "$D/docker-run/containerd/containerd.pid")"
    wait_for 10 is_dead "$(cat "$D/docker-run/containerd/containerd.pid")"
    # the next dockerd would take a zombie for a containerd that serves
    rm -f "$D/docker.pid" "$D/docker-run/containerd/containerd.pid"
    ! is_dead "$pid" || false
    start_dockerd
    [ "$(d inspect -f '{{.State.Running}} {{.State.Pid}}' daily)" = "true $pid" ]
    [ "$(d exec daily echo again)" = again ]
    d stop -t 30 daily
    [ "$(d inspect -f '{{.State.ExitCode}}' daily)" = 9 ]
    d logs daily | grep -qx up
    d rm daily
    kill "$dockerd_pid"
    wait_for 20 is_dead "$dockerd_pid"
    wait_for 10 is_dead "$shim"
}
