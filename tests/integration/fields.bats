#!/usr/bin/env bats
# Fields of a create request with their effect in the container: namespaces of others, an init, devices, log drivers.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() { stack_setup; }
teardown() {
    [ -z "${RECEIVER:-}" ] || kill "$RECEIVER" 2>/dev/null || :
    stack_teardown
}

hoy() { timeout 60 "$HOY" "$@"; }
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
get() { api GET "/containers/$1/json" | jq -r "$2"; }
is() { [ "$(get "$1" "$2")" = "$3" ]; }
# run_with NAME HOSTCONFIG CMD...: a detached container made by the API.
run_with() {
    local name=$1 host=$2
    shift 2
    api POST "/containers/create?name=$name" "$(jq -nc --argjson h "$host" '{Image: "busybox", Cmd: $ARGS.positional, HostConfig: ({NetworkMode: "none"} + $h)}' --args "$@")" >"$T/created"
    jq -e .Id "$T/created" >/dev/null || { cat "$T/created"; return 1; }
    api POST "/containers/$name/start" >"$T/started"
    [ ! -s "$T/started" ] || { cat "$T/started"; return 1; }
}
sleeper() { hoy run -d --name "$1" "${@:2}" busybox sh -c 'trap exit TERM; while :; do usleep 20000; done' >/dev/null; }

@test "another container's network namespace: addresses, names and ports are shared" {
    sleeper donor --hostname giver
    run_with guest '{"NetworkMode":"container:donor"}' sleep 100
    [ "$(readlink "/proc/$(get guest .State.Pid)/ns/net")" = "$(readlink "/proc/$(get donor .State.Pid)/ns/net")" ]
    [ "$(hoy exec guest cat /etc/hosts)" = "$(hoy exec donor cat /etc/hosts)" ]
    hoy exec -d donor nc -l -p 7777 -e echo hello
    answers() { [ "$(hoy exec guest nc 127.0.0.1 7777 </dev/null)" = hello ]; }
    wait_for 10 answers
    is guest .HostConfig.NetworkMode container:donor
    hoy restart -t 0 guest
    is guest .State.Running true
    hoy rm -f guest
    hoy stop -t 0 donor
    run run_with late '{"NetworkMode":"container:donor"}' true
    [[ "$output" == *"cannot join network namespace of a non running container"* ]]
    [[ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"NetworkMode":"container:donor","PortBindings":{"80/tcp":[{}]}}}')" == *"port publishing and the container type network mode"* ]]
}

@test "another container's IPC namespace: its shared memory, when it wants to share" {
    sleeper donor --network none --ipc shareable --shm-size 5m
    run_with guest '{"IpcMode":"container:donor"}' sleep 100
    [ "$(readlink "/proc/$(get guest .State.Pid)/ns/ipc")" = "$(readlink "/proc/$(get donor .State.Pid)/ns/ipc")" ]
    hoy exec donor sh -c 'echo shared >/dev/shm/x'
    [ "$(hoy exec guest cat /dev/shm/x)" = shared ]
    [ "$(hoy exec guest df -m /dev/shm | awk 'END { print $2 }')" = 5 ]
    hoy exec guest rm /dev/shm/x
    [ -z "$(hoy exec donor ls /dev/shm)" ]
    is guest .HostConfig.IpcMode container:donor
    hoy restart -t 0 guest
    is guest .State.Running true
    sleeper private --network none
    run -125 hoy run --rm --network none --ipc container:private busybox true
    [[ "$output" == *"non-shareable IPC (hint: use IpcMode:shareable for the donor container)"* ]]
    run -125 hoy run --rm --network none --ipc container:nobody busybox true
    [[ "$output" == *"No such container: nobody"* ]]
    hoy stop -t 0 donor >/dev/null
    run -1 hoy restart -t 0 guest
    [[ "$output" == *"cannot join IPC namespace of a non running container"* ]]
}

@test "another container's pid namespace: its processes are seen" {
    sleeper donor --network none
    run_with guest '{"PidMode":"container:donor"}' sleep 100
    [ "$(readlink "/proc/$(get guest .State.Pid)/ns/pid")" = "$(readlink "/proc/$(get donor .State.Pid)/ns/pid")" ]
    hoy exec guest ps | grep -q usleep
}

@test "what is not there is told at create, and leaves no container" {
    run hoy run --pid container:nobody busybox true
    [[ "$output" == *"No such container: nobody"* ]]
    run hoy run --network container:nobody busybox true
    [[ "$output" == *"No such container: nobody"* ]]
    run hoy run --network none --gpus all busybox true
    [[ "$output" == *'could not select device driver "" with capabilities: [["gpu"]]'* ]]
    run hoy run --network none --device made.up/thing=three busybox true
    [[ "$output" == *"unresolvable CDI devices made.up/thing=three"* ]]
    [ -z "$(hoy ps -aq)" ]
}

@test "--init reaps what is left, hands signals on and ends as the program does" {
    hoy run -d --name web --init --network none busybox sh -c 'trap "exit 5" TERM; (sleep 0.1 &) ; while :; do usleep 20000; done'
    [ "$(get web .Path)" = sh ]
    [ "$(tr '\0' ' ' <"/proc/$(get web .State.Pid)/cmdline" | cut -d' ' -f1,2)" = "/sbin/docker-init --" ]
    no_zombies() { [ "$(hoy exec web ps -o stat | grep -c Z)" = 0 ]; }
    wait_for 10 no_zombies
    hoy stop -t 20 web
    [ "$(get web .State.ExitCode)" = 5 ]
    run hoy run --rm --init --network none busybox sh -c 'kill -9 $$'
    [ "$status" = 137 ]
    run -127 hoy run --rm --init --network none busybox nosuchprogram
    [ "$status" = 127 ]
    [[ "$output" == *"exec nosuchprogram failed"* ]]
    [ "$(hoy run --rm --init --network none -i busybox cat <<<through)" = through ]
}

@test "device rules, a user namespace of the host, io limits by path" {
    run_with web '{"DeviceCgroupRules":["c 10:229 r"],"UsernsMode":"host","CapAdd":["MKNOD"]}' sleep 100
    hoy exec web mknod /fuse c 10 229
    hoy exec web sh -c ': </fuse'
    run hoy exec web sh -c ': >/fuse'
    [[ "$output" == *"not permitted"* ]]
    [[ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"DeviceCgroupRules":["c 10 r"]}}')" == *"invalid device cgroup rule format"* ]]
    [[ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"UsernsMode":"private"}}')" == *"UsernsMode: 'private': not supported"* ]]
    [[ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"BlkioWeight":5}}')" == *"range of blkio weight is from 10 to 1000"* ]]
    run run_with slow '{"BlkioDeviceReadBps":[{"Path":"/dev/null","Rate":1048576}]}' true
    [[ "$output" == *"is no block device"* ]]
    api POST '/containers/create?name=kept' '{"Image":"busybox","HostConfig":{"BlkioDeviceWriteIOps":[{"Path":"/dev/vda","Rate":100}],"OomKillDisable":false}}'
    [ "$(get kept '.HostConfig | [.BlkioDeviceWriteIOps[0].Rate, .BlkioWeightDevice, .OomKillDisable]' | jq -c .)" = '[100,[],false]' ]
}

@test "devices by name: nodes, mounts, environment and hooks of a specification" {
    # The suite has a mount namespace of its own.
    mkdir -p /var/run/cdi
    mount -t tmpfs tmpfs /var/run/cdi
    echo content >"$T/file"
    cat >/var/run/cdi/made-up.json <<J
{"cdiVersion":"0.6.0","kind":"made.up/thing","containerEdits":{"env":["KIND=all"]},
 "devices":[{"name":"one","containerEdits":{"env":["ONE=1"],"deviceNodes":[{"path":"/dev/one","hostPath":"/dev/zero"}],
 "mounts":[{"hostPath":"$T/file","containerPath":"/one","options":["ro"]}],
 "hooks":[{"hookName":"createRuntime","path":"/bin/touch","args":["touch","$T/hooked"]}]}},
 {"name":"two","containerEdits":{"env":["TWO=2"]}}]}
J
    kill_hoyd # its mount namespace is the suite's, but it was started before
    start_hoyd
    run_with web '{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["made.up/thing=one","made.up/thing=two"]}]}' sleep 100
    [ "$(hoy exec web sh -c 'cat /one; head -c 3 /dev/one | wc -c')" = $'content\n3' ]
    tr '\0' '\n' <"/proc/$(get web .State.Pid)/environ" >"$T/environ"
    grep -qx KIND=all "$T/environ"
    grep -qx ONE=1 "$T/environ"
    grep -qx TWO=2 "$T/environ"
    [ -e "$T/hooked" ]
    run run_with none '{"DeviceRequests":[{"Driver":"cdi","DeviceIDs":["made.up/thing=three"]}]}' true
    [[ "$output" == *"unresolvable CDI devices made.up/thing=three"* ]]
    run run_with gpu '{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}' true
    [[ "$output" == *'could not select device driver \"\" with capabilities: [[\"gpu\"]]'* ]]
    umount /var/run/cdi
}

@test "logs: local is read like json-file: over compressed files, tail, since, until, follow" {
    hoy run --name local --network none --log-driver local --log-opt max-size=10k --log-opt max-file=60 busybox sh -c \
        'i=0; while [ $i -lt 10 ]; do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); i=$((i + 1)); usleep 50000; done; echo err >&2; head -c 40000 /dev/zero | tr "\0" x; echo' \
        >"$T/out" 2>"$T/err"
    ls "$T/data/containers/$(get local .Id)/local-logs/"*.gz >/dev/null
    hoy logs local >"$T/logs" 2>"$T/logs-err"
    cmp "$T/out" "$T/logs"
    [ "$(cat "$T/logs-err")" = err ]
    [ "$(hoy logs -n 1 local 2>&1 | tr -d x)" = "" ] # a part of the long line
    [ "$(hoy logs -n 8000 local 2>/dev/null | head -1)" -gt 1000 ]
    since=$(hoy logs -t local | sed -n 5001p | cut -d ' ' -f 1)
    [ "$(hoy logs --since "$since" local | head -1)" -gt 1000 ]
    [ "$(hoy logs --until "$since" local | tail -1)" -lt 10000 ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" -X POST "http://x/containers/local/attach?logs=1&stream=0&stdout=1" | tr -cd x | wc -c)" = 40000 ]
    hoy run -d --name late --network none --log-driver local busybox sh -c 'i=0; while [ $i -lt 50 ]; do seq $((i * 100 + 1)) $((i * 100 + 100)); i=$((i + 1)); usleep 10000; done'
    [ "$(hoy logs -f late | cksum)" = "$(seq 1 5000 | cksum)" ]
}

@test "logs: json-file rotates by itself, details, drivers that keep no file of ours" {
    hoy run --name plain --network none busybox echo one
    [ "$(api GET '/containers/plain/logs?stdout=1&details=1' | tail -c 5)" = " one" ]
    python3 - "$T/dgram" "$T/received" 3>&- <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
while True:
    data = s.recv(65536)
    open(sys.argv[2], "ab").write(data + b"\n")
P
    RECEIVER=$!
    wait_for 10 test -S "$T/dgram"
    hoy run -d --name web --network none --label color=blue --log-driver syslog --log-opt "syslog-address=unixgram://$T/dgram" \
        --log-opt 'tag={{.Name}}/{{.ID}}' busybox sh -c 'echo to syslog; sleep 100' >/dev/null
    told() { grep -q "web/$(get web .Id | cut -c1-12).*to syslog" "$T/received"; }
    wait_for 10 told
    run hoy run --rm --network none --log-driver syslog --log-opt "syslog-address=unixgram://$T/dgram" busybox true
    [ "$status" = 125 ]
    [[ "$output" == *"takes the output of container"* ]]
    for bad in '{"Type":"nosuch"}' '{"Type":"syslog","Config":{"nosuch":"1"}}' '{"Type":"syslog","Config":{"tag":"{{.Nope}}"}}' \
        '{"Type":"json-file","Config":{"mode":"sometimes"}}' '{"Type":"json-file","Config":{"max-buffer-size":"1m"}}'; do
        api POST /containers/create "{\"Image\":\"busybox\",\"HostConfig\":{\"LogConfig\":$bad}}" | jq -e .message
    done
}
