# The shim as hoyd uses it: handshake, life of a task, log files, attaching, signals.
load shim

setup() { shim_setup; }
teardown() { shim_teardown; }

@test "a task from create to shutdown" {
    sh_in 'echo out; echo err >&2; exit 7'
    start_shim
    [ "$(cat "$B/address")" = "$ADDRESS" ]
    pid=$(create_task | jq .pid)
    [ "$(cat "$B/init.pid")" = "$pid" ]
    [ "$(task State | jq .status)" = 1 ]
    task Wait >"$T/wait" &
    [ "$(task Start | jq .pid)" = "$pid" ]
    wait $!
    [ "$(jq .exit_status "$T/wait")" = 7 ]
    # all output is in the log when Wait answers
    [ "$(log_text)" = "$(printf 'out\nerr')" ]
    [ "$(jq -r 'select(.log == "err\n") | .stream' "$T/log")" = stderr ]
    [ "$(jq -c '[.version, .exit_status, .oom_killed]' "$B/exit.json")" = '[1,7,false]' ]
    [ "$(task State | jq -c '[.status, .exit_status]')" = '[3,7]' ]
    [ "$(task Delete | jq -c '[.pid, .exit_status]')" = "[$pid,7]" ]
    run task State
    [ "$status" = 1 ]
    [ "$output" = "code 5: container not created: not found" ]
    task Shutdown
    wait_for 5 shim_is_gone
    [ -z "$(ls "$T/s")" ]
    [ ! -e "$B/attach.sock" ]
    [ -z "$(ls "$T/r/ns")" ]
}

@test "the shim says hello" {
    start_shim
    run client "$ADDRESS" Hello
    [ "$(jq -r '.features | index("attach") != null' <<<"$output")" = true ]
}

@test "version and info" {
    [[ "$("$HOY_SHIM" -v)" == *"Version:  "* ]]
    "$HOY_SHIM" -info </dev/null >"$T/info"
    grep -q io.containerd.hoy.v2 "$T/info"
    # what the runtime can do is in it
    grep -q ociVersionMax "$T/info"
}

@test "a second start of a pod finds the same shim" {
    bundle_config "$B" '.annotations["io.kubernetes.cri.sandbox-id"] = "pod"'
    sh_in 'sleep 100'
    cp -al "$B" "$T/b2"
    start_shim
    first=$ADDRESS pid=$SHIM_PID
    sh_in 'sleep 0.1; exit 1'
    create_task stdout=none: stderr=none:
    cd "$T/b2"
    second=$(timeout 20 "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id other start <"$T/options")
    [ "$second" = "$first" ]
    [ "$(cat "$T/b2/address")" = "$first" ]
    client "$second" Create id=other "bundle=$T/b2"
    client "$second" Start id=other
    # shutdown of one container is none of the pod
    task Shutdown
    [ "$(client "$first" Connect id=other | jq .shim_pid)" = "$pid" ]
    client "$first" Kill id=other signal=9
    client "$first" Wait id=other
    client "$first" Delete id=other
    task Delete
}

@test "starts of a pod at once find the same shim" {
    bundle_config "$B" '.annotations["io.kubernetes.cri.sandbox-id"] = "pod"'
    start_shim
    kill -9 "$SHIM_PID"
    wait_for 5 shim_is_gone
    for i in 1 2 3 4 5 6; do
        mkdir "$T/p$i"
        cp "$B/config.json" "$T/p$i"
        (cd "$T/p$i" && exec timeout 20 "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id "p$i" start <"$T/options" >address.said 2>&1) &
    done
    wait
    [ "$(cat "$T"/p?/address.said | sed 's/unix:/\n&/g' | sort -u)" = "$(printf '\n%s' "$ADDRESS")" ]
    SHIM_PID=$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)
    [ "$(pgrep -fc -- "-socket ${ADDRESS#unix://} ")" = 1 ]
}

@test "options reach the runtime; the shim's own cgroup and oom score" {
    cat >"$T/runtime" <<RT
#!/bin/bash
echo "\$@" >>"$T/asked"
env >>"$T/environment"
stat -L -c '%F %u %g' /proc/\$\$/fd/1 >>"$T/owner"
for arg; do shift; case \$arg in --systemd-cgroup | --no-pivot) ;; *) set -- "\$@" "\$arg" ;; esac; done
exec "$HOYRUN" "\$@"
RT
    chmod 755 "$T/runtime"
    sh_in 'sleep 100'
    export GOMAXPROCS=2 NAMESPACE=k8s.io
    own=hoyshim$$
    while read -r _ dir type _; do
        [[ $type == cgroup* ]] || continue
        mkdir -p "$dir/$own"
        [ ! -e "$dir/$own/cpuset.cpus" ] || [ "$type" = cgroup2 ] || for file in cpus mems; do cat "$dir/cpuset.$file" >"$dir/$own/cpuset.$file"; done
    done </proc/self/mounts
    start_shim "config=$(printf '%s\n' "BinaryName = \"$T/runtime\"" "Root = \"$T/r\"" "ShimCgroup = \"/$own\"" 'SystemdCgroup = true' \
        'NoPivotRoot = true' 'NoNewKeyring = true' 'IoUid = 1234' 'IoGid = 2345')"
    grep -q ":/$own\$" "/proc/$SHIM_PID/cgroup"
    [ "$(cat "/proc/$SHIM_PID/oom_score_adj")" = $(($(cat /proc/self/oom_score_adj) + 1)) ]
    pid=$(create_task | jq .pid)
    ! grep -q ":/$own\$" "/proc/$pid/cgroup" || false
    [ "$(head -1 "$T/owner")" = "fifo 1234 2345" ]
    # the runtime makes the container's user the owner, the group stays
    [ "$(stat -L -c '%F %g' "/proc/$pid/fd/1")" = "fifo 2345" ]
    [[ "$(head -1 "$T/asked")" == *" --systemd-cgroup create "*" --no-pivot --no-new-keyring "* ]]
    ! grep -E '^(GOMAXPROCS|NAMESPACE)=' "$T/environment" || false
    task Kill signal=9
    task Wait
    task Delete
    [[ "$(tail -1 "$T/asked")" == *" --systemd-cgroup delete "* ]]
    task Shutdown
    wait_for 10 shim_is_gone
    remove_cgroup_parents "$own"
}

@test "options of runc's shim: the owner of the pipes, a directory for CRIU" {
    cat >"$T/runtime" <<RT
#!/bin/bash
echo "\$@" >>"$T/asked"
stat -L -c '%F %u %g' /proc/\$\$/fd/{1,2} >>"$T/owner"
for arg; do case \$arg in checkpoint) exit ;; esac; done
exec "$HOYRUN" "\$@"
RT
    chmod 755 "$T/runtime"
    sh_in 'sleep 100'
    start_shim "binary_name=$T/runtime" io_uid=1234 io_gid=2345 "criu_work_path=$T/criu"
    create_task >/dev/null
    [ "$(head -2 "$T/owner" | uniq)" = "fifo 1234 2345" ]
    task Start >/dev/null
    # an exec's too
    task Exec exec_id=e stdout=none: 'spec={"args":["true"],"cwd":"/","env":["PATH=/bin"]}'
    : >"$T/owner"
    task Start exec_id=e >/dev/null
    [ "$(head -1 "$T/owner")" = "fifo 1234 2345" ]
    task Checkpoint "path=$T/images"
    [[ "$(tail -1 "$T/asked")" == *" checkpoint --image-path $T/images --work-path $T/criu --leave-running $ID" ]]
}

@test "the shim's log goes into containerd's fifo, read or not" {
    mkfifo "$B/log"
    exec {log}<>"$B/log"
    start_shim
    [ "$(readlink "/proc/$SHIM_PID/fd/2")" = "$B/log" ]
    run create_task "stdout=binary:///bin/sh?-c=echo%20said%20by%20the%20driver%20%3E%262%3B%20exit%203"
    [[ "$output" == *"log driver ended with exit status 3 before it was ready"* ]]
    read -r -t 5 line <&"$log"
    [ "$line" = "said by the driver" ]
    # nobody reads it any more: full, it holds nobody up
    dd if=/dev/zero bs=64k count=64 iflag=fullblock oflag=nonblock of="/proc/self/fd/$log" 2>/dev/null || :
    exec {log}<&-
    run create_task "stdout=binary:///bin/sh?-c=echo%20lost%20%3E%262%3B%20exit%203"
    [[ "$output" == *"log driver ended with exit status 3 before it was ready"* ]]
    create_task stdout=none: stderr=none: >/dev/null
    task Delete >/dev/null
    [ ! -e "$B/shim.log" ]
}

@test "SCHED_CORE: a core of its own, or an error that says so" {
    cookie() { /usr/bin/python3 -c 'import ctypes, sys
n = ctypes.c_uint64()
assert ctypes.CDLL(None).prctl(62, 0, int(sys.argv[1]), 0, ctypes.byref(n)) == 0
print(n.value)' "$1"; }
    export SCHED_CORE=1
    sh_in 'sleep 100'
    start_shim 2>"$T/err" || :
    if [[ "$ADDRESS" != unix://* ]]; then
        [[ "$ADDRESS" == "take a core of its own (SCHED_CORE; "* ]]
        # which is only there where the kernel has nothing to give
        [ "$(cat /sys/devices/system/cpu/smt/active)" = 0 ] || ! cookie $$ 2>"$T/err"
        return 0
    fi
    pid=$(create_task | jq .pid)
    [ "$(cookie "$SHIM_PID")" != 0 ]
    [ "$(cookie "$pid")" = "$(cookie "$SHIM_PID")" ]
    [ "$(cookie $$)" != "$(cookie "$SHIM_PID")" ]
}

@test "another user gets no answer" {
    start_shim
    chmod 711 "$T" "$T/s"
    chmod 666 "${ADDRESS#unix://}"
    run setpriv --reuid=65534 --regid=65534 --clear-groups timeout 20 /usr/bin/python3 - "${ADDRESS#unix://}" <<'PY'
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
try:
    sock.sendall(bytes.fromhex("00000028000000030100") + b"\n\x17containerd.task.v2.Task\x12\x07Connect\x1a\x04\n\x02a1")
    print("answer", sock.recv(10))
except (BrokenPipeError, ConnectionResetError):
    print("answer", b"")
PY
    [ "$output" = "answer b''" ]
    [ "$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)" = "$SHIM_PID" ]
}

@test "a rootfs of many layers, whose options are longer than a page" {
    snapshots=$T/$(printf 'x%.0s' $(seq 120))
    mkdir -p "$snapshots/0" "$T/upper" "$T/work"
    mv "$B/rootfs" "$snapshots/0/fs"
    mkdir "$B/rootfs"
    layers=$snapshots/0/fs
    for i in $(seq 40); do
        mkdir -p "$snapshots/$i/fs"
        echo "$i" >"$snapshots/$i/fs/layer$i"
        layers=$snapshots/$i/fs:$layers
    done
    [ "${#layers}" -gt 5000 ]
    bundle_config "$B" '.root.readonly = false'
    sh_in 'set -- /layer*; echo $#; cat /layer1 /layer40; echo written >/new'
    start_shim
    create_task "rootfs=[[\"overlay\",\"overlay\",\"lowerdir=$layers\",\"upperdir=$T/upper\",\"workdir=$T/work\"]]"
    task Start
    task Wait
    [ "$(log_text | tr '\n' ' ')" = "40 1 40 " ]
    [ "$(cat "$T/upper/new")" = written ]
    task Delete
    ! grep -q " $B/rootfs " /proc/self/mountinfo || false
}

@test "a stale socket is replaced" {
    start_shim
    kill -9 "$SHIM_PID"
    wait_for 5 shim_is_gone
    old=$SHIM_PID
    start_shim
    [ "$SHIM_PID" != "$old" ]
}

@test "a shim that ends is not found by the next start" {
    # an attached client that does not read keeps the first one
    sh_in 'head -c 300000 /dev/zero | tr "\0" x'
    start_shim
    create_task
    coproc reader { ready=$T/ready client "$B" attach stdout=true | (while [ -d "$T" ] && [ ! -e "$T/go" ]; do sleep 0.05; done; wc -c); }
    wait_for 5 test -e "$T/ready"
    task Start
    task Wait
    task Delete
    task Shutdown
    first=$SHIM_PID
    start_shim
    [ "$SHIM_PID" != "$first" ]
    # on a machine so busy that the first one has lost its patience, only the second is looked at
    local waits=yes
    ! is_dead "$first" || waits=no
    sh_in 'exit 4'
    create_task
    task Start
    # the end of the first takes nothing of the second away
    touch "$T/go"
    read -r count <&"${reader[0]}"
    [ "$waits" = no ] || [ "$count" = 300000 ]
    wait_for 5 is_dead "$first"
    [ "$(task Wait | jq .exit_status)" = 4 ]
    task Delete
    task Shutdown
    wait_for 5 shim_is_gone
    [ -z "$(ls "$T/s")" ]
}

@test "a Shutdown between a start and its Create leaves the shim" {
    bundle_config "$B" '.annotations["io.containerd.runc.v2.group"] = "group"'
    sh_in 'exit 3'
    cp -al "$B" "$T/b2"
    start_shim
    create_task
    task Delete
    second=$(cd "$T/b2" && timeout 20 "$HOY_SHIM" -namespace ns -address "$T/caller.sock" -id other start <"$T/options")
    [ "$second" = "$ADDRESS" ]
    task Shutdown
    client "$second" Create id=other "bundle=$T/b2"
    client "$second" Start id=other
    [ "$(client "$second" Wait id=other | jq .exit_status)" = 3 ]
    client "$second" Delete id=other
    client "$second" Shutdown id=other
    wait_for 5 shim_is_gone
}

@test "start: what is missing on the command line comes from stdin" {
    client - bootstrap "socket_dir=$T/s" "root=$T/r" "id=$ID" "grpc=$T/caller.sock" >"$T/options"
    ADDRESS=$(cd "$B" && timeout 20 "$HOY_SHIM" start <"$T/options")
    SHIM_PID=$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)
    grep -qz -- "$T/caller.sock" "/proc/$SHIM_PID/cmdline"
}

@test "start answers in JSON when it is configured so" {
    client - bootstrap "socket_dir=$T/s" "config=$(printf 'Root = "%s"\nBootstrapVersion = 3' "$T/r")" >"$T/options"
    run bash -c 'cd "$1" && exec timeout 20 "$2" -namespace ns -address "$3" -id "$4" start <"$5"' - \
        "$B" "$HOY_SHIM" "$T/caller.sock" "$ID" "$T/options"
    ADDRESS=$(jq -r .address <<<"$output")
    SHIM_PID=$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)
    [ "$(jq -c '[.version, .protocol]' <<<"$output")" = '[3,"ttrpc"]' ]
    [ "$(cat "$B/address")" = "$ADDRESS" ]
}

@test "info is of the runtime that the options name" {
    printf '#!/bin/sh\n[ "$1" = features ] && echo "{\"ociVersionMax\":\"9.9.9\"}"\n' >"$T/other"
    chmod +x "$T/other"
    client - bootstrap "socket_dir=$T/s" "binary_name=$T/other" | "$HOY_SHIM" -info >"$T/info"
    grep -q 9.9.9 "$T/info"
}

@test "what is wrong is said" {
    start_shim
    run client "$ADDRESS" Fly
    [ "$output" = "code 12: method Fly of service containerd.task.v2.Task is unknown" ]
    run client "$ADDRESS" Start service=some.Service
    [ "$output" = "code 12: method Start of service some.Service is unknown" ]
    run client "$ADDRESS" Create id=../x "bundle=$B"
    [ "$output" = "code 3: container id '../x'" ]
    run create_task stdout=gelf://host
    [ "$output" = "code 12: stdio 'gelf://host' is not supported" ]
    bundle_config "$B" '.process.args = ["/no/such"]'
    run create_task
    [[ "$output" == "code 2: OCI runtime create failed: "*"/no/such"* ]]
    # nothing is left of it
    run task Delete
    [[ "$output" == "code 5: "* ]]
    cd "$T"
    run "$HOY_SHIM" -namespace ns -id x start
    [ "$status" = 1 ]
    [ "$output" = "start needs -address" ]
}

@test "states forbid what they should" {
    sh_in 'sleep 100'
    start_shim
    create_task
    run create_task
    [ "$output" = "code 6: id $ID: already exists" ]
    run task Pause
    [[ "$output" == "code 9: "* ]]
    run task Exec exec_id=early 'spec={"args":["true"],"cwd":"/"}'
    [ "$output" = "code 9: cannot exec in a container that is not running" ]
    task Start
    run task Start
    [ "$output" = "code 9: cannot start a running process" ]
    run task Delete
    [ "$output" = "code 9: cannot delete a running process" ]
    run task Resume
    [[ "$output" == "code 9: "* ]]
    task Kill signal=9
    [ "$(task Wait | jq .exit_status)" = 137 ]
    run task Kill signal=9
    [ "$output" = "code 5: process already finished: not found" ]
    run task Update 'resources={"pids":{"limit":10}}'
    [[ "$output" == "code 9: "* ]]
    task Delete
}

@test "deleting a created container kills it" {
    start_shim
    pid=$(create_task | jq .pid)
    [ "$(task Delete | jq .exit_status)" = 137 ]
    wait_for 5 is_dead "$pid"
}

@test "a process in uninterruptible sleep is reported for what it is" {
    [ -w /dev/fuse ] || skip_because no-fuse "no /dev/fuse"
    mkdir "$T/stuck"
    /usr/bin/python3 "$TOP/tests/integration/stuck-fs.py" "$T/stuck" "$T/asked" 3>&- &
    fs=$!
    wait_for 5 grep -q "$T/stuck fuse" /proc/mounts
    bundle_config "$B" '.mounts += [{destination: "/tmp", type: "bind", source: $dir, options: ["bind"]}]' --arg dir "$T/stuck"
    sh_in 'read -r x </tmp/file'
    start_shim
    pid=$(create_task | jq .pid)
    task Start
    wait_for 10 test -e "$T/asked"
    task Kill signal=9
    sleeps() { grep -q '^State:.D' "/proc/$pid/status"; }
    wait_for 5 sleeps
    run task Delete
    [[ "$output" == "code 9: cannot delete a running process: $pid was killed, but is in uninterruptible sleep (D, in "* ]]
    kill_says() { run task Kill signal=9; [[ "$output" == "code 9: cannot kill a running process: $pid was killed, but is in uninterruptible sleep"* ]]; }
    wait_for 5 kill_says
    [ "$(task State | jq .status)" = 2 ]
    # others are served meanwhile, and what the kernel lets go of ends as usual
    task Wait >"$T/wait" &
    kill "$fs"
    wait $!
    [ "$(jq .exit_status "$T/wait")" = 137 ]
    umount "$T/stuck"
    task Delete
    task Shutdown
    wait_for 5 shim_is_gone
}

@test "a paused container can be killed" {
    sh_in 'sleep 100'
    start_shim
    create_task
    task Start
    task Pause
    task Kill signal=9
    [ "$(task Wait | jq .exit_status)" = 137 ]
    task Delete
}

@test "a fifo by its scheme" {
    mkfifo "$T/out"
    sh_in 'echo through a fifo'
    start_shim
    timeout 20 cat "$T/out" >"$T/seen" &
    reader=$!
    create_task "stdout=fifo://$T/out" stderr=
    task Start
    task Wait
    task Delete
    wait $reader
    [ "$(cat "$T/seen")" = "through a fifo" ]
}

@test "v3 is served as v2" {
    start_shim
    create_task service=containerd.task.v3.Task
    [ "$(task State service=containerd.task.v3.Task | jq .status)" = 1 ]
    task Delete
}

@test "output of a killed shim is in the log" {
    sh_in 'i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; sleep 100'
    start_shim
    create_task
    task Start
    wait_for 10 grep -q 'line 199' "$T/log"
    pid=$(cat "$B/init.pid")
    kill -9 "$SHIM_PID"
    wait_for 5 shim_is_gone
    [ "$(log_text | wc -l)" = 200 ]
    # and `delete` cleans up: container dead, socket gone, an answer that says so
    out=$(timeout 20 "$HOY_SHIM" -namespace ns -id "$ID" -bundle "$B" delete | xxd -p)
    [[ "$out" == *1089011a* ]]
    wait_for 5 is_dead "$pid"
    [ -z "$(ls "$T/s")" ]
    [ -z "$(ls "$T/r/ns")" ]
}

@test "a log rotates" {
    sh_in 'i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done'
    start_shim
    create_task "stdout=json-file://$T/log?max-size=2000&max-file=3" "stderr="
    task Start
    task Wait
    [ -e "$T/log.1" ] && [ -e "$T/log.2" ] && [ ! -e "$T/log.3" ]
    cat "$T/log.2" "$T/log.1" "$T/log" | jq -rj .log >"$T/all"
    [ "$(tail -1 "$T/all")" = "line 99" ]
    # no line is torn or missing between the files
    first=$(head -1 "$T/all" | cut -d' ' -f2)
    [ "$(wc -l <"$T/all")" = $((100 - first)) ]
}

@test "much output arrives whole and fast" {
    sh_in 'head -c 20000000 /dev/zero | tr "\0" x | fold -w 99'
    start_shim
    create_task
    task Start
    task Wait
    [ "$(log_text | tr -d '\n' | wc -c)" = 20000000 ]
}

@test "a log driver of its own" {
    cat >"$T/driver" <<'X'
#!/bin/bash
printf '%s\n' "$CONTAINER_ID $CONTAINER_NAMESPACE $*" >"$2/env"
exec 5>&-
cat <&3 >"$2/out" &
cat <&4 >"$2/err"
wait
echo end >"$2/end"
X
    chmod +x "$T/driver"
    sh_in 'echo out; echo err >&2'
    start_shim
    uri="binary://$T/driver?dir=$T&mode=a%20b"
    create_task "stdout=$uri" "stderr=$uri"
    task Start
    task Wait
    task Delete
    wait_for 5 [ -e "$T/end" ]
    [ "$(cat "$T/out" "$T/err")" = "$(printf 'out\nerr')" ]
    [ "$(cat "$T/env")" = "$ID ns dir $T mode a b" ]
    run create_task "stdout=binary:///no/such" stderr=
    [[ "$output" == *"/no/such"* ]]
}

@test "a log driver that never says it is ready holds up nobody for ever" {
    printf '#!/bin/sh\nexec cat <&3 >"$2/out"\n' >"$T/driver"
    chmod +x "$T/driver"
    bundle_config "$B" '.process.terminal = true'
    sh_in 'echo out'
    start_shim
    begin=$SECONDS
    create_task "stdout=binary://$T/driver?dir=$T" stderr= terminal=true >/dev/null &
    wait_for 5 [ -e "$T/out" ]
    client "$ADDRESS" Hello
    wait
    [ $((SECONDS - begin)) -lt 15 ]
    task Start
    task Wait
    wait_for 5 grep -q out "$T/out"
    task Delete
}

@test "output into a file" {
    sh_in 'echo out; echo err >&2'
    start_shim
    create_task "stdout=file://$T/new/dir/out" "stderr=file://$T/new/dir/out"
    task Start
    task Wait
    [ "$(sort "$T/new/dir/out")" = "$(printf 'err\nout')" ]
    task Delete
}

@test "an attached client sees the first line and all the rest" {
    sh_in 'echo first; i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i+1)); done; echo last'
    start_shim
    create_task stdin=hoy-stdin:
    ready=$T/ready client "$B" attach "id=$ID" stdout=true >"$T/seen" &
    wait_for 5 [ -e "$T/ready" ]
    task Start
    task Wait
    task Delete
    task Shutdown
    wait
    [ "$(head -1 "$T/seen")" = first ]
    [ "$(tail -1 "$T/seen")" = last ]
    [ "$(wc -l <"$T/seen")" = 50002 ]
}

@test "attached streams are framed and selected" {
    sh_in 'echo out; sleep 0.2; echo err >&2'
    start_shim
    create_task stdout=none: stderr=none:
    ready=$T/ready1 client "$B" attach "id=$ID" stdout=true stderr=true framed=true >"$T/both" &
    ready=$T/ready2 client "$B" attach "id=$ID" stderr=true >"$T/err" &
    wait_for 5 [ -e "$T/ready1" ]
    wait_for 5 [ -e "$T/ready2" ]
    task Start
    wait
    [ "$(xxd -p "$T/both")" = "01000000000000046f75740a0200000000000004""6572720a" ]
    [ "$(cat "$T/err")" = err ]
}

@test "input reaches the container and its end too" {
    sh_in 'cat; echo done'
    start_shim
    create_task stdin=hoy-stdin:once
    task Start
    printf 'some\ninput' | client "$B" attach "id=$ID" stdin=true stdout=true input=early- >"$T/seen"
    task Wait
    [ "$(cat "$T/seen")" = "$(printf 'early-some\ninputdone')" ]
    [ "$(log_text)" = "$(printf 'early-some\ninputdone')" ]
}

# say_and_leave TEXT KEY=VALUE...: a client that attaches, says this, and is gone once the container has seen it.
say_and_leave() {
    local text=$1 pid
    shift
    /usr/bin/python3 "$TOP/tests/integration/shim-client.py" "$B" attach "id=$ID" "$@" < <(echo "$text"; exec sleep 60) >/dev/null 3>&- &
    pid=$!
    wait_for 10 grep -q "$text" "$T/log"
    kill "$pid"
    wait "$pid" || :
}

@test "input stays open for the next client until CloseIO" {
    sh_in 'cat; echo done'
    start_shim
    create_task stdin=hoy-stdin:
    task Start
    say_and_leave one stdin=true
    say_and_leave two stdin=true
    [ "$(task State | jq .status)" = 2 ]
    task CloseIO stdin=true
    task Wait
    [ "$(log_text)" = "$(printf 'one\ntwo\ndone')" ]
}

@test "attaching to what is not there is refused" {
    sh_in 'exit 0'
    start_shim
    create_task
    run client "$B" attach "id=$ID" exec_id=none stdout=true
    [ "$status" = 1 ]
    [[ "$output" == "no process"* ]]
    task Start
    task Wait
    run client "$B" attach "id=$ID" stdout=true
    [ "$output" = "the process has exited" ]
}

@test "a terminal: size, one stream, detach keys" {
    bundle_config "$B" '.process.terminal = true'
    sh_in 'stty size; for i in 1 2 3; do read line; echo "got $line"; done'
    start_shim
    create_task terminal=true stdin=hoy-stdin:once stderr=
    task ResizePty width=91 height=33
    task Start
    wait_for 5 grep -q '33 91' "$T/log"
    # ctrl-p ctrl-q ends the client, not the container
    printf 'one\n\x10\x11' | timeout 10 /usr/bin/python3 "$TOP/tests/integration/shim-client.py" "$B" attach "id=$ID" \
        stdin=true stdout=true >"$T/seen"
    wait_for 5 grep -q 'got one' "$T/log"
    [ "$(task State | jq .status)" = 2 ]
    # nor does a client that just leaves end a terminal's input
    say_and_leave two stdin=true stdout=true
    wait_for 5 grep -q 'got two' "$T/log"
    echo three | client "$B" attach "id=$ID" stdin=true stdout=true detach_keys=a,b
    task Wait
    [ "$(jq -r .stream "$T/log" | sort -u)" = stdout ]
    log_text | tr -d '\r' | grep -qx 'got three'
}

@test "a child that holds the pipe does not hold Wait for ever" {
    bundle_config "$B" '.linux.namespaces |= map(select(.type != "pid"))'
    sh_in '(trap "" HUP; sleep 30) & echo started; exit 4'
    start_shim
    create_task
    task Start
    begin=$SECONDS
    [ "$(task Wait | jq .exit_status)" = 4 ]
    [ $((SECONDS - begin)) -lt 6 ]
    [ "$(log_text)" = started ]
    task Delete
}

@test "an exec beside the container" {
    sh_in 'sleep 100'
    start_shim
    create_task
    task Start
    spec='{"args":["sh","-c","echo from exec; exit 5"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}}'
    task Exec exec_id=e "spec=$spec" "stdout=json-file://$T/exec"
    run task Exec exec_id=e "spec=$spec"
    [ "$output" = "code 6: id e: already exists" ]
    task Start exec_id=e
    [ "$(task Wait exec_id=e | jq .exit_status)" = 5 ]
    [ "$(log_text "$T/exec")" = "from exec" ]
    [ "$(task State exec_id=e | jq -c '[.id, .status]')" = '["e",3]' ]
    task Delete exec_id=e
    task Exec exec_id=f 'spec={"args":["/no/such"],"cwd":"/"}'
    run task Start exec_id=f
    [[ "$output" == "code 2: OCI runtime exec failed: "* ]]
    [ "$(task Wait exec_id=f | jq .exit_status)" = 255 ]
    task Delete exec_id=f
    task Exec exec_id=g 'spec={"args":["sleep","50"],"cwd":"/","env":["PATH=/bin"]}'
    pid=$(task Start exec_id=g | jq .pid)
    [ "$(task Pids | jq '.processes | length')" = 2 ]
    # and says which of them is which exec
    [ "$(task Pids | jq -c .execs)" = "{\"g\":$pid}" ]
    task Kill signal=9
    [ "$(task Wait exec_id=g | jq .exit_status)" = 137 ]
    task Delete
}

@test "many execs at once, and the container killed among them" {
    sh_in 'sleep 10000'
    start_shim
    create_task stdout=none: stderr=none:
    task Start
    spec='{"args":["true"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}}'
    run client "$ADDRESS" execs "id=$ID" n=30 "spec=$spec"
    [ "$(jq -c '[.started, .waited]' <<<"$output")" = '[30,30]' ]
    for i in $(seq 0 29); do
        task Delete exec_id=e$i
    done >/dev/null
    run client "$ADDRESS" execs "id=$ID" n=100 kill=50 "spec=$spec"
    echo "$output"
    # every Wait was answered, whatever became of its exec
    [ "$(jq '.started + .refused' <<<"$output")" = 100 ]
    [ "$(jq .waited <<<"$output")" = 100 ]
    [ "$(task Wait | jq .exit_status)" = 137 ]
    task Delete
}

@test "another runtime: runc" {
    sh_in 'echo out; exit 3'
    start_shim "binary_name=$(command -v runc)"
    create_task
    task Start
    [ "$(task Wait | jq .exit_status)" = 3 ]
    [ "$(log_text)" = out ]
    task Delete
    [ -z "$(ls "$T/r/ns")" ]
}

@test "SIGTERM to the shim ends the container, then the shim" {
    sh_in 'trap "exit 9" TERM; while :; do sleep 0.05; done'
    start_shim
    create_task
    task Start
    sleep 0.2
    kill -TERM "$SHIM_PID"
    wait_for 10 [ -e "$B/exit.json" ]
    [ "$(jq .exit_status "$B/exit.json")" = 9 ]
    wait_for 10 shim_is_gone
}

@test "SIGTERM to the shim: signal and patience as configured" {
    bundle_config "$B" '.annotations["org.opencontainers.image.stopSignal"] = "SIGUSR1"'
    sh_in 'trap "echo asked" USR1; echo ready; while :; do sleep 0.1; done'
    start_shim "config=$(printf 'Root = "%s"\nKillTimeout = 1' "$T/r")"
    create_task
    task Start
    wait_for 5 grep -q ready "$T/log"
    begin=$(date +%s%N)
    kill "$SHIM_PID"
    wait_for 5 test -e "$B/exit.json"
    took=$((($(date +%s%N) - begin) / 1000000))
    [ "$(jq .exit_status "$B/exit.json")" = 137 ]
    grep -q asked "$T/log"
    [ "$took" -ge 900 ] && [ "$took" -lt 4000 ]
    wait_for 5 shim_is_gone
}

@test "events wait for a containerd that is away, in their order" {
    sh_in 'echo ready; sleep 100'
    export TTRPC_ADDRESS=$T/events.sock
    start_shim
    # away from the beginning, then refusing, then closing the connection in the middle
    create_task
    task Start
    wait_for 5 grep -q ready "$T/log"
    task Exec exec_id=e 'spec={"args":["sh","-c","exit 3"],"cwd":"/","env":["PATH=/bin"]}'
    task Start exec_id=e
    task Wait exec_id=e
    containerd_is refuse=1 drop=2
    wait_for 10 grep -q /tasks/exec-started "$T/events"
    kill "$events_pid"
    rm "$T/events.sock"
    task Pause
    task Resume
    task Kill signal=9
    task Wait
    containerd_is
    task Delete
    task Shutdown # flushes for two seconds
    wait_for 5 shim_is_gone
    kill "$events_pid"
    cat "$T/events.err"
    [ "$(topics)" = "/tasks/create /tasks/start /tasks/exec-added /tasks/exec-started /tasks/exit /tasks/paused \
/tasks/resumed /tasks/exit /tasks/delete " ]
    grep -q "^/tasks/exit ns containerd.events.TaskExit $ID e" "$T/events"
    grep -q "^/tasks/exit ns containerd.events.TaskExit $ID $ID" "$T/events"
}

@test "events by the caller's program, where there is no ttrpc address" {
    cat >"$T/publish" <<X
#!/bin/sh
[ -e "$T/back" ] || { touch "$T/tried"; exit 1; }
echo "\$* \$(tr -dc '[:alnum:].')" >>"$T/events"
X
    chmod +x "$T/publish"
    unset TTRPC_ADDRESS
    client - bootstrap "socket_dir=$T/s" "root=$T/r" >"$T/options"
    ADDRESS=$(cd "$B" && timeout 20 "$HOY_SHIM" -namespace ns -address /the/address -publish-binary "$T/publish" \
        -id "$ID" start <"$T/options")
    SHIM_PID=$(client "$ADDRESS" Connect "id=$ID" | jq .shim_pid)
    sh_in 'exit 1'
    create_task
    wait_for 5 test -e "$T/tried"
    task Start
    task Wait
    touch "$T/back"
    wait_for 10 grep -q /tasks/exit "$T/events"
    task Delete
    [ "$(sed 's/.*--topic \([^ ]*\).*/\1/' "$T/events" | head -n 3 | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/exit " ]
    grep -q -- "^--address /the/address publish --topic /tasks/exit --namespace ns .*containerd.events.TaskExit.*${ID//-/}" "$T/events"
}

@test "garbage does not disturb other callers" {
    sh_in 'sleep 100'
    start_shim
    create_task
    /usr/bin/python3 - "${ADDRESS#unix://}" <<'P'
import os, random, socket, sys
random.seed(1)
keep = []
for i in range(1000):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(bytes(random.randrange(256) for _ in range(random.randrange(60))))
    except OSError:
        pass
    if i < 300:
        keep.append(s)
P
    [ "$(task State | jq .status)" = 1 ]
    task Start
    [ "$(task Connect | jq .shim_pid)" = "$SHIM_PID" ]
    task Kill signal=9
    task Wait
}

@test "many execs leave nothing in the shim" {
    sh_in 'while :; do sleep 100; done'
    start_shim
    create_task
    task Start
    cycle() { client "$ADDRESS" cycle "id=$ID" "n=$1" 'spec={"args":["true"],"cwd":"/","env":["PATH=/bin"]}'; }
    held() {
        echo "$(ls "/proc/$SHIM_PID/fd" | wc -l) $(awk '/^Private_Dirty:/ { print $2 }' "/proc/$SHIM_PID/smaps_rollup")"
    }
    cycle 20
    read -r fds_before kib_before < <(held)
    for _ in $(seq $((${HOY_RUNS:-50} / 50))); do cycle 50; done
    read -r fds kib < <(held)
    echo "descriptors: $fds_before, then $fds; written: $kib_before KiB, then $kib KiB"
    [ "$fds" = "$fds_before" ]
    grep -q __asan_init "$HOY_SHIM" || [ "$kib" -le $((kib_before + 16)) ]
    ! ls "$B" | grep -E '^e[0-9]' || false
}

@test "who deletes what is being deleted gets the same answer" {
    cat >"$T/runtime" <<X
#!/bin/sh
case " \$* " in *" delete "*)
    touch "$T/deleting"
    while [ ! -e "$T/go" ]; do sleep 0.05; done ;;
esac
exec "$HOYRUN" "\$@"
X
    chmod +x "$T/runtime"
    sh_in 'exit 5'
    start_shim "binary_name=$T/runtime"
    create_task
    task Start
    [ "$(task Wait | jq .exit_status)" = 5 ]
    task Delete >"$T/first" &
    first=$!
    wait_for 10 test -e "$T/deleting"
    task Delete >"$T/second" 2>&1 &
    second=$!
    sleep 0.3 # should it come later, it finds nothing: not what this is about
    touch "$T/go"
    wait $first
    wait $second || grep -q "not found" "$T/second"
    [ "$(jq .exit_status "$T/first")" = 5 ]
    task Shutdown
}

@test "a Start whose asker is gone is taken over by the next one" {
    cat >"$T/runtime" <<X
#!/bin/sh
case " \$* " in *" start "*)
    touch "$T/starting"
    while [ ! -e "$T/go" ]; do sleep 0.05; done ;;
esac
exec "$HOYRUN" "\$@"
X
    chmod +x "$T/runtime"
    sh_in 'exit 5'
    start_shim "binary_name=$T/runtime"
    create_task
    /usr/bin/python3 "$TOP/tests/integration/shim-client.py" "$ADDRESS" Start "id=$ID" 3>&- 4>&- &
    first=$!
    wait_for 10 test -e "$T/starting"
    run task Start
    [[ "$output" == *"cannot start a running process"* ]]
    kill -9 "$first"
    wait "$first" || :
    task Start >"$T/second" 3>&- 4>&- &
    second=$!
    has_come() { ls -l "/proc/$(pgrep -f "^/usr/bin/python3.*shim-client.py $ADDRESS Start")/fd" | grep -q socket; }
    wait_for 10 has_come
    sleep 0.3 # or else it is not under way any longer
    touch "$T/go"
    wait "$second"
    [ "$(jq .pid "$T/second")" -gt 1 ]
    [ "$(task Wait | jq .exit_status)" = 5 ]
}

@test "a runtime that is killed in the middle is an error, and can be tried again" {
    # it does its work and dies before anybody hears of it, once for each verb
    cat >"$T/runtime" <<X
#!/bin/sh
for verb in create exec start; do
    case " \$* " in *" \$verb "*)
        if [ ! -e "$T/killed-\$verb" ]; then
            touch "$T/killed-\$verb"
            kill -9 \$\$
        fi ;;
    esac
done
exec "$HOYRUN" "\$@"
X
    chmod +x "$T/runtime"
    sh_in 'sleep 100'
    start_shim "binary_name=$T/runtime"
    run create_task
    [[ "$output" == "code 2: OCI runtime create failed: "*"137"* ]]
    create_task
    run task Start
    [[ "$output" == "code 2: OCI runtime start failed: "*"137"* ]]
    [ "$(task State | jq .status)" = 1 ]
    task Start
    spec='{"args":["sh","-c","exit 3"],"cwd":"/","env":["PATH=/bin"]}'
    task Exec exec_id=a "spec=$spec"
    run task Start exec_id=a
    [[ "$output" == "code 2: OCI runtime exec failed: "*"137"* ]]
    [ "$(task State | jq .status)" = 2 ]
    task Exec exec_id=b "spec=$spec"
    task Start exec_id=b
    [ "$(task Wait exec_id=b | jq .exit_status)" = 3 ]
    task Kill signal=9
    task Wait
    task Delete
    [ -z "$(ls "$T/r/ns")" ]
}

@test "the shim is small" {
    sh_in 'sleep 100'
    start_shim
    create_task
    task Start
    private=$(awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum }' "/proc/$SHIM_PID/smaps_rollup")
    dirty=$(awk '/^Private_Dirty:/ { print $2 }' "/proc/$SHIM_PID/smaps_rollup")
    echo "private: $private KiB, written: $dirty KiB"
    [ "$(ls "/proc/$SHIM_PID/task" | wc -l)" = 1 ]
    # with sanitizers nothing is small
    grep -q __asan_init "$HOY_SHIM" || { [ "$private" -lt 2048 ] && [ "$dirty" -lt 512 ]; }
    # its code counts too, as if it had it alone (PSS depends on who else runs it): once it has settled most of it is given back
    settled() { [ "$(awk '/^Rss:/ { print $2 }' "/proc/$SHIM_PID/smaps_rollup")" -lt 700 ]; }
    grep -q __asan_init "$HOY_SHIM" || wait_for 5 settled
    [ "$(task State | jq .status)" = 2 ]
}
