# Life of pods under the CRI plugin of Debian's containerd.
load cri

@test "a pod of two containers: one shim, the pod's namespaces, and the end of both" {
    POD_LINUX='{"security_context":{"namespace_options":{"pid":1}}}'
    run_pod
    one=$(create one "echo from one >/dev/shm/word; echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp" \
        '{"linux":{"security_context":{"namespace_options":{"pid":1}}}}')
    two=$(create two "$IDLE" '{"linux":{"security_context":{"namespace_options":{"pid":1}}},"envs":[{"key":"WHO","value":"two"}],"working_dir":"/tmp"}')
    is_in_state "$one" 0 || is_in_state "$one" null
    start "$one"
    start "$two"
    is_in_state "$one" 1
    [ "$(shims | wc -l)" = 1 ]
    [ "$(ls "/proc/$(shims)/task" | wc -l)" = 1 ]
    wait_for 10 inside "$two" grep -q "from one" /dev/shm/word
    [ "$(inside "$two" hostname)" = name-of-pod ]
    [ "$(inside "$two" sh -c 'echo $WHO in $PWD')" = "two in /tmp" ]
    [ "$(inside "$two" wget -qO- http://127.0.0.1/)" = hello ]
    for ns in net ipc uts; do
        [ "$(inside "$one" readlink "/proc/self/ns/$ns")" = "$(inside "$two" readlink "/proc/self/ns/$ns")" ]
    done
    for ns in pid mnt; do
        [ "$(inside "$one" readlink "/proc/self/ns/$ns")" != "$(inside "$two" readlink "/proc/self/ns/$ns")" ]
    done
    # the pod is reached from the node at the address that its status says
    ip=$(cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" | jq -r .status.network.ip)
    [ "$(curl -s "http://$ip/")" = hello ]
    cri StopPodSandbox "{\"pod_sandbox_id\":\"$POD\"}"
    is_in_state "$one" 2
    is_in_state "$two" 2
    [ "$(cri PodSandboxStatus "{\"pod_sandbox_id\":\"$POD\"}" | jq .status.state)" = 1 ]
}

@test "exec sync: output, exit code, a missing program, its time is over" {
    run_pod
    run_container c "$IDLE"
    run inside "$ID" sh -c 'echo out; echo err >&2; exit 4'
    [ "$status" = 4 ]
    [ "$output" = "$(printf 'err\n\nout')" ]
    [ "$(inside "$ID" sh -c 'head -c 3000000 /dev/zero | tr "\0" x' | wc -c)" = 3000000 ]
    run cri ExecSync "{\"container_id\":\"$ID\",\"cmd\":[\"/no/such\"]}"
    [[ "$output" == *"/no/such"*"no such file or directory"* ]]
    run cri ExecSync "{\"container_id\":\"$ID\",\"cmd\":[\"sleep\",\"1000\"],\"timeout\":1}"
    [[ "$output" == "code 4: "* ]]
    # which has ended with it
    ! inside "$ID" pidof sleep | grep -w 1000 || false
    inside "$ID" true
}

@test "logs in the CRI's format, also after they were moved away" {
    run_pod
    run_container c 'echo first; echo bad >&2; head -c 40000 /dev/zero | tr "\0" x; echo; until [ -e /tmp/go ]; do sleep 0.1; done; echo last'
    wait_for 10 grep -q 'F x' "$D/logs/c.log"
    time='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+(Z|[+-][0-9:]+)'
    grep -qE "^$time stdout F first$" "$D/logs/c.log"
    grep -qE "^$time stderr F bad$" "$D/logs/c.log"
    [ "$(sed -nE "s/^$time stdout [PF] (x+)$/\\2/p" "$D/logs/c.log" | tr -d '\n' | wc -c)" = 40000 ]
    [ "$(grep -cE "^$time stdout P x" "$D/logs/c.log")" = 2 ]
    mv "$D/logs/c.log" "$D/logs/c.log.1"
    cri ReopenContainerLog "{\"container_id\":\"$ID\"}"
    inside "$ID" touch /tmp/go
    wait_for 10 is_in_state "$ID" 2
    wait_for 10 grep -qE "^$time stdout F last$" "$D/logs/c.log"
    ! grep -q last "$D/logs/c.log.1" || false
}

@test "graceful stop: the signal, the patience" {
    run_pod
    run_container c 'trap "echo asked; exit 3" TERM; while :; do sleep 0.1; done'
    stop "$ID" 60
    [ "$(status "$ID" exit_code)" = 3 ]
    grep -q 'F asked' "$D/logs/c.log"
    run_container d 'trap "echo refused" TERM; while :; do sleep 0.1; done'
    # the trap is set
    wait_for 5 inside "$ID" sh -c 'grep -q "^SigCgt:.*4[0-9a-f]*$" /proc/1/status || :'
    begin=$(date +%s%N)
    stop "$ID" 1
    took=$((($(date +%s%N) - begin) / 1000000))
    [ "$(status "$ID" exit_code)" = 137 ]
    [ "$took" -ge 900 ]
    grep -q 'F refused' "$D/logs/d.log"
}

@test "exec with a terminal, attach and a forwarded port" {
    run_pod
    run_container c 'read -r word; echo "got $word"; sleep 0.2; exec httpd -f -p 80 -h /tmp' '{"stdin":true}'
    cri Exec "{\"container_id\":\"$ID\",\"cmd\":[\"sh\",\"-c\",\"tty; read x; echo read \$x; exit 5\"],\"tty\":true,\"stdin\":true,\"stdout\":true}" - $'typed\n' >"$D/seen" 2>"$D/end"
    grep -q /dev/pts/ "$D/seen"
    grep -q 'read typed' "$D/seen"
    grep -q '"ExitCode","message":"5"' "$D/end"
    timeout 10 /usr/bin/python3 "$TOP/tests/integration/cri-client.py" "$D/c.sock" Attach \
        "{\"container_id\":\"$ID\",\"stdin\":true,\"stdout\":true,\"stderr\":true}" - $'word\n' >"$D/seen" 3>&- &
    wait_for 10 grep -q 'got word' "$D/seen"
    kill $! || :
    inside "$ID" sh -c 'echo page >/tmp/index.html'
    cri PortForward "{\"pod_sandbox_id\":\"$POD\",\"port\":[80]}" - $'GET / HTTP/1.0\r\n\r\n' | grep -q page
}

@test "containerd is killed: the pod stays, what ended meanwhile is known, logs go on" {
    run_pod
    one=$(create one 'until [ -e /tmp/go ]; do sleep 0.1; done; exit 6' "{\"mounts\":[{\"container_path\":\"/tmp\",\"host_path\":\"$D/logs\"}]}")
    two=$(create two 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done')
    start "$one"
    start "$two"
    wait_for 10 grep -q 'F 5$' "$D/logs/two.log"
    kill -9 "$(cat "$D/pid")"
    wait_for 10 is_dead "$(cat "$D/pid")"
    touch "$D/logs/go"
    sleep 0.5
    start_containerd
    wait_for 10 is_in_state "$one" 2
    rm "$D/logs/go"
    [ "$(status "$one" exit_code)" = 6 ]
    is_in_state "$two" 1
    inside "$two" true
    lines=$(wc -l <"$D/logs/two.log")
    grown() { [ "$(wc -l <"$D/logs/two.log")" -gt $((lines + 5)) ]; }
    wait_for 10 grown
    # the one line that containerd had in its hands may be gone, no other is, and none comes twice
    sed 's/.* F //' "$D/logs/two.log" | awk 'NR > 1 && ($1 <= last || $1 > last + 30) { exit 1 } { last = $1 }'
    [ "$(shims | wc -l)" = 1 ]
}
