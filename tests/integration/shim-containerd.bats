# The shim under Debian's containerd: ctr run, exec, kill, events, and what is left behind.
load containerd

@test "ctr run gives output and exit code, and leaves nothing" {
    run run_c --rm -- sh -c 'echo hi; exit 7'
    [ "$status" = 7 ]
    [ "$output" = hi ]
    nothing_left
}

@test "ctr run: input and its end" {
    run bash -c "echo input | timeout 20 ctr -a $D/c.sock -n $NS run --rm --runtime io.containerd.hoy.v2 --fifo-dir $D/fifo --env PATH=/bin \
        --rootfs $D/rootfs $C cat 3>&-"
    [ "$status" = 0 ]
    [ "$output" = input ]
}

@test "ctr run of a missing program says so" {
    run run_c --rm -- /no/such
    [ "$status" = 1 ]
    [[ "$output" == *"OCI runtime create failed: "*"/no/such"* ]]
    nothing_left
}

@test "ctr run with a terminal" {
    run timeout 20 script -qec "ctr -a $D/c.sock -n $NS run --rm -t --runtime io.containerd.hoy.v2 --fifo-dir $D/fifo --env PATH=/bin \
        --rootfs $D/rootfs $C sh -c 'tty; exit 5'" /dev/null 3>&-
    [ "$status" = 5 ]
    [[ "$output" == *"/dev/pts/0"* ]]
    nothing_left
}

@test "a detached task: list, kill, remove" {
    run_c -d -- sleep 100
    [[ "$(c task ls)" == *"$C"*RUNNING* ]]
    [ "$(c task ps "$C" | wc -l)" = 2 ]
    [[ "$(c task metrics "$C")" == *pids.current*1* ]]
    c task kill -s SIGKILL "$C"
    wait_for 5 bash -c "timeout 5 ctr -a $D/c.sock -n $NS task ls | grep -q STOPPED"
    c task rm "$C" || [ $? = 137 ]
    c c rm "$C"
    nothing_left
}

@test "events come in order" {
    timeout 20 ctr -a "$D/c.sock" -n "$NS" events >"$D/events" 3>&- 4>&- &
    events=$!
    # the stream is open when an event of ours is seen in it
    subscribed() { c ns label "$NS" "k=$RANDOM" && grep -q . "$D/events"; }
    wait_for 5 subscribed
    run_c --rm -- true
    wait_for 5 grep -q /containers/delete "$D/events"
    kill $events
    [ "$(grep -o '/tasks/[a-z]*' "$D/events" | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/exit /tasks/delete " ]
}

@test "a rootfs that the shim has to mount" {
    # a snapshot of an image made on the spot
    "$TOP/tests/integration/make-image" -o "$D/image.tar" --name docker.io/library/hoytest:latest
    c image import "$D/image.tar"
    run timeout 60 ctr -a "$D/c.sock" -n "$NS" run --rm --runtime io.containerd.hoy.v2 --fifo-dir $D/fifo --env PATH=/bin \
        docker.io/library/hoytest:latest "$C" sh -c 'echo written >/file; cat /file' 3>&-
    [ "$output" = written ]
    nothing_left
}

@test "kill -9 of the shim ends the container" {
    run_c -d -- sleep 100
    pid=$(c task ls | awk -v id="$C" '$1 == id { print $2 }')
    kill -9 "$(shims_of "$C")"
    gone() { ! c task ls | grep -q "$C"; }
    wait_for 5 gone
    wait_for 5 is_dead "$pid"
    c c rm "$C"
    nothing_left
}

@test "containerd restarts: the running task stays, the exited one is known" {
    run_c -d -- sh -c 'while [ ! -e /tmp/stop ]; do sleep 0.1; done; exit 6'
    pid=$(c task ls | awk -v id="$C" '$1 == id { print $2 }')
    stop_containerd
    touch "$D/rootfs/tmp/stop"
    wait_for 10 is_dead "$pid"
    start_containerd
    rm "$D/rootfs/tmp/stop"
    stopped() { [[ "$(c task ls)" == *"$C"*STOPPED* ]]; }
    wait_for 10 stopped
    run c task rm "$C"
    [ "$status" = 6 ] || [[ "$output" == *6* ]]
    c c rm "$C"
    nothing_left
}

@test "an out-of-memory kill is an event" {
    timeout 20 ctr -a "$D/c.sock" -n "$NS" events >"$D/events" 3>&- 4>&- &
    events=$!
    subscribed() { c ns label "$NS" "k=$RANDOM" && grep -q . "$D/events"; }
    wait_for 5 subscribed
    run_c --rm --memory-limit 20971520 -- $EATER || :
    wait_for 5 grep -q /tasks/delete "$D/events"
    kill $events
    [[ "$(grep -o '/tasks/[a-z]*' "$D/events" | uniq | tr '\n' ' ')" == *"/tasks/oom /tasks/exit "* ]]
}

@test "another runtime by a configuration file" {
    # that it was this one is seen where it keeps its state
    cat >"$D/runtime.toml" <<X
BinaryName = "$(command -v runc)"
Root = "$D/runc"
X
    run_c -d --runtime-config-path "$D/runtime.toml" -- sleep 100
    [ -e "$D/runc/$NS/$C/state.json" ]
    run c task exec --fifo-dir $D/fifo --exec-id e "$C" sh -c 'echo from exec; exit 3' 3>&- 4>&-
    [ "$status" = 3 ]
    [ "$output" = "from exec" ]
    run bash -c "echo x | timeout 20 ctr -a $D/c.sock -n $NS task exec --fifo-dir $D/fifo --exec-id f $C cat 3>&-"
    [ "$output" = x ]
    run c task exec --fifo-dir $D/fifo --exec-id g "$C" /no/such 3>&- 4>&-
    [[ "$output" == *"OCI runtime exec failed: "* ]]
    c task pause "$C"
    [[ "$(c task ls)" == *"$C"*PAUSED* ]]
    c task resume "$C"
    c task rm -f "$C" || :
    c c rm "$C"
    nothing_left
}

@test "as containerd-shim-runc-v2, earlier in PATH, without any configuration" {
    stop_containerd
    ln -s "$HOY_SHIM" "$D/bin/containerd-shim-runc-v2"
    start_containerd
    c run -d --fifo-dir $D/fifo --env PATH=/bin --rootfs "$D/rootfs" "$C" sleep 100 3>&- 4>&-
    pid=$(shims_of "$C")
    [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$HOY_SHIM")" ]
    [ -e "/run/hoyrun/$NS/$C" ]
    run c task exec --fifo-dir $D/fifo --exec-id e "$C" sh -c 'echo from exec; exit 3' 3>&- 4>&-
    [ "$status" = 3 ]
    [ "$output" = "from exec" ]
    c task rm -f "$C" || :
    c c rm "$C"
    nothing_left
    # with the options that dockerd sends
    run c run --rm --runc-binary "$HOYRUN" --fifo-dir $D/fifo --env PATH=/bin --rootfs "$D/rootfs" "$C" echo hi 3>&- 4>&-
    [ "$output" = hi ]
    stop_containerd
    rm "$D/bin/containerd-shim-runc-v2"
    start_containerd
}

@test "many containers at once" {
    local i pids=()
    for i in 1 2 3 4 5 6 7 8; do
        c run --rm --runtime io.containerd.hoy.v2 --fifo-dir $D/fifo --env PATH=/bin --rootfs "$D/rootfs" "$C-$i" sh -c "exit $i" 3>&- 4>&- &
        pids+=($!)
    done
    for i in 1 2 3 4 5 6 7 8; do
        status=0
        wait "${pids[i - 1]}" || status=$?
        [ "$status" = "$i" ]
    done
}

@test "ctr checkpoint and restore: the program goes on in another container" {
    criu check >/dev/null 2>&1 || skip_because no-criu "this machine's criu can't work on its kernel"
    "$TOP/tests/integration/make-image" -o "$D/image.tar" --name docker.io/library/hoytest:latest
    c image import "$D/image.tar"
    # ctr restores no container without options of its runtime
    printf 'BinaryName = "%s"\nRoot = "%s"\n' "$HOYRUN" "$D/roots" >"$D/runtime.toml"
    c run -d --runtime io.containerd.hoy.v2 --runtime-config-path "$D/runtime.toml" --fifo-dir "$D/fifo" --env PATH=/bin \
        docker.io/library/hoytest:latest "$C" \
        sh -c 'i=0; while :; do i=$((i+1)); echo $i >>/count; sleep 0.1; done' 3>&- 4>&- </dev/null >/dev/null 2>&1
    count() { c task exec --fifo-dir "$D/fifo" --exec-id "e$RANDOM" "$1" tail -n 1 /count; }
    counted() { [ "$(count "$1")" -gt "$2" ]; }
    wait_for 60 counted "$C" 3
    c c checkpoint --rw --image --task "$C" hoytest-checkpoint # leaves it running
    wait_for 60 counted "$C" $(($(count "$C") + 1))
    last=$(count "$C")
    c task kill -s SIGKILL "$C"
    wait_for 30 bash -c "timeout 20 ctr -a $D/c.sock -n $NS task ls | grep -q STOPPED"
    c task rm "$C" || [ $? = 137 ]
    c c rm "$C"
    c c restore --rw --live "$C" hoytest-checkpoint </dev/null >/dev/null 2>&1
    [[ "$(c task ls)" == *"$C"*RUNNING* ]]
    wait_for 60 counted "$C" $((last + 3))
}
