#!/usr/bin/env bats
# Further processes in a running container, by the API, the docker command line and hoy.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() { stack_setup; }
teardown() {
    tmux -S "$T/tmux" kill-server 2>/dev/null || :
    stack_teardown
}

hoy() { timeout 60 "$HOY" "$@"; }
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
api_status() { curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"} -o /dev/null -w '%{http_code}'; }
web() { hoy run -d --name web --network none "$@" busybox sh -c 'trap exit TERM; while :; do usleep 20000; done' >/dev/null; }
make_exec() { api POST /containers/web/exec "$1" | jq -r .Id; } # BODY
exec_is_over() { [ "$(api GET "/exec/$1/json" | jq .Running)" = false ]; }
file_is() { [ "$(hoy exec web cat "$1")" = "$2" ]; }
keys() { tmux -S "$T/tmux" send-keys "$@"; }
screen_has() { tmux -S "$T/tmux" capture-pane -p | grep -q -- "$1"; }
in_terminal() { # COMMAND...
    tmux -S "$T/tmux" -f /dev/null new-session -d -x 70 -y 20 \
        "env TERM=xterm DOCKER_HOST='$DOCKER_HOST' DOCKER_CONFIG='$DOCKER_CONFIG' PS1='outer> ' bash --norc" \; set status off 3>&-
    keys "$*" Enter
}

@test "exec: output streams, exit codes, stdin to its end" {
    web
    for program in "$HOY" ${DOCKER:+"$DOCKER"}; do
        run --separate-stderr timeout 60 "$program" exec web sh -c 'echo out; echo err >&2; exit 3'
        [ "$status" = 3 ]
        [ "$output" = out ]
        [ "$stderr" = err ]
        [ "$(seq 50000 | timeout 60 "$program" exec -i web sh -c 'cat; echo end' | tail -2 | xargs)" = "50000 end" ]
        [ "$(seq 5 | timeout 60 "$program" exec web cat | wc -l)" = 0 ]
        for i in 1 2 3 4 5 6 7 8 9 10; do
            run timeout 60 "$program" exec web sh -c "exit $i"
            [ "$status" = "$i" ]
        done
        run -127 timeout 60 "$program" exec web nosuchprogram
        [[ "$output" == *"executable file not found"* ]]
        run -126 timeout 60 "$program" exec web /etc/passwd
        run -137 timeout 60 "$program" exec web sh -c 'kill -9 $$'
    done
}

@test "exec: environment, user, directory, privileges" {
    web -e A=1 -e B=2 -w /tmp
    printf 'F=file\n# no\n' >"$T/env"
    C=3 run hoy exec -e B=x -e C --env-file "$T/env" web sh -c 'echo $A $B $C $F $PWD'
    [ "$output" = "1 x 3 file /tmp" ]
    [ "$(hoy exec -w /etc web pwd)" = /etc ]
    [ "$(hoy exec -u nobody web sh -c 'id -u; echo $HOME' | xargs)" = "65534 /" ]
    [ "$(hoy exec -u 1:2 web id)" = "uid=1(daemon) gid=2 groups=2" ]
    run hoy exec -u nosuchuser web id
    [ "$status" = 126 ]
    [[ "$output" == *'unable to find user nosuchuser'* ]]
    caps=$(hoy exec web awk '/^CapEff/ { print $2 }' /proc/self/status)
    [ "$caps" = 00000000a80425fb ]
    [ "$(hoy exec --privileged web awk '/^CapEff/ { print $2 }' /proc/self/status)" != "$caps" ]
    hoy stop web
    run hoy exec web true
    [ "$status" = 1 ]
    [[ "$output" == *'is not running'* ]]
}

@test "exec: what the API tells before, during and after" {
    web
    id=$(make_exec '{"AttachStdout":true,"Cmd":["sh","-c","read x < /tmp/fifo; exit 5"],"User":"root"}')
    hoy exec web mkfifo /tmp/fifo
    [ "$(api GET "/exec/$id/json" | jq -c '[.Running, .ExitCode, .ProcessConfig.entrypoint, .ProcessConfig.arguments[0], .ProcessConfig.user, .OpenStdout, .OpenStdin, .Pid]')" = \
        '[false,null,"sh","-c","root",true,false,0]' ]
    [ "$(api_status POST "/exec/$id/start" '{"Detach":true}')" = 200 ]
    [ "$(api GET "/exec/$id/json" | jq -c '[.Running, .ExitCode]')" = '[true,null]' ]
    pid=$(api GET "/exec/$id/json" | jq .Pid)
    grep -q read "/proc/$pid/cmdline"
    api GET /containers/web/json | jq -e --arg id "$id" '.ExecIDs | index($id) != null'
    [ "$(api_status POST "/exec/$id/start" '{"Detach":true}')" = 409 ]
    hoy exec web sh -c 'echo go > /tmp/fifo'
    wait_for 10 exec_is_over "$id"
    [ "$(api GET "/exec/$id/json" | jq -c '[.Running, .ExitCode]')" = '[false,5]' ]
    [ "$(api_status GET "/exec/nosuch/json")" = 404 ]
    [ "$(api_status POST "/containers/web/exec" '{"Cmd":[]}')" = 400 ]
    bad=$(make_exec '{"Cmd":["nosuchprogram"]}')
    [ "$(api_status POST "/exec/$bad/start" '{"Detach":true}')" = 400 ]
    [ "$(api GET "/exec/$bad/json" | jq -c '[.Running, .ExitCode]')" = '[false,127]' ]
    api GET "/events?since=1&until=$(date +%s).999&filters=%7B%22container%22%3A%5B%22web%22%5D%7D" >"$T/events"
    [ "$(jq -r --arg id "$id" 'select(.Actor.Attributes.execID == $id) | .Action | split(":")[0]' "$T/events" | xargs)" = \
        "exec_create exec_start exec_die" ]
    hoy rm -f web
    [ "$(api_status GET "/exec/$id/json")" = 404 ]
}

@test "exec -d runs on when its client has gone" {
    web
    hoy exec -d web sh -c 'usleep 300000; echo done > /tmp/told'
    wait_for 10 file_is /tmp/told "done"
    [ -z "$DOCKER" ] || "$DOCKER" exec -d -e X=y web sh -c 'echo $X > /tmp/second'
    [ -z "$DOCKER" ] || wait_for 10 file_is /tmp/second y
}

@test "exec -it is a terminal with its size, and detach keys let go" {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    web
    in_terminal "$DOCKER exec -it web sh"
    wait_for 20 screen_has '/ #'
    keys 'stty size; tty' Enter
    wait_for 20 screen_has '^20 70'
    screen_has '/dev/pts/'
    tmux -S "$T/tmux" resize-window -x 60 -y 15
    wait_for 20 size_is_told
    keys 'exit 7' Enter
    wait_for 20 screen_has 'outer>'
    keys 'clear; echo "code:$?"' Enter
    keys "$HOY exec -it --detach-keys ctrl-x,x web sh -c 'echo ready; sleep 100'" Enter
    wait_for 20 screen_has '^ready'
    keys C-x x
    keys 'echo back:$?' Enter
    wait_for 20 screen_has '^back:0'
    [ "$(hoy exec web ps | grep -c '[s]leep 100')" -ge 1 ]
}

size_is_told() {
    keys 'stty size' Enter
    usleep 200000 2>/dev/null || sleep 0.2
    screen_has '^15 60'
}

@test "exec: process and streams survive a killed hoyd, the exit code is learned" {
    web
    id=$(make_exec '{"AttachStdout":true,"AttachStdin":true,"Cmd":["sh","-c","read x; echo got $x; exit 9"]}')
    mkfifo "$T/in"
    exec 7<>"$T/in"
    python3 - "$T/hoy.sock" "$id" "$T/in" >"$T/out" 3>&- <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.send(f"POST /v1.50/exec/{sys.argv[2]}/start HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n"
       "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".encode())
s.recv(4096)
s.send(open(sys.argv[3]).readline().encode())
s.settimeout(20)
while True:
    b = s.recv(4096)
    if not b: break
    sys.stdout.buffer.write(b); sys.stdout.flush()
P
    client=$!
    exec_runs() { [ "$(api GET "/exec/$id/json" | jq .Running)" = true ]; }
    wait_for 10 exec_runs
    kill_hoyd
    start_hoyd
    exec_runs
    echo word >&7
    wait $client
    grep -aq 'got word' "$T/out"
    wait_for 10 exec_is_over "$id"
    [ "$(api GET "/exec/$id/json" | jq .ExitCode)" = 9 ]
    kill_hoyd
    start_hoyd
    [ "$(api GET "/exec/$id/json" | jq .ExitCode)" = 9 ]
}

@test "execs end with their container" {
    web
    hoy exec web sleep 100 3>&- &
    client=$!
    runs() { hoy exec web ps | grep -q '[s]leep 100'; }
    wait_for 10 runs
    hoy kill web
    status=0
    wait $client || status=$?
    [ "$status" = 137 ]
    hoy start web
    [ "$(hoy exec web echo again)" = again ]
}

@test "many execs at once" {
    web
    for i in $(seq 20); do
        hoy exec web sh -c "echo $i; exit $i" >"$T/out.$i" 3>&- &
        pids="$pids $!"
    done
    i=0
    for pid in $pids; do
        i=$((i + 1))
        status=0
        wait "$pid" || status=$? # not in a subshell, whose children these are not
        [ "$status" = "$i" ]
        [ "$(cat "$T/out.$i")" = "$i" ]
    done
    [ -z "$(find "$T/run/c" -name '*.process.json')" ]
}

# The shim of an older hoyd, but for what it says of itself.
@test "exec: below a shim that can't attach clients to an exec, that is what the error says" {
    stop_hoyd
    mkdir "$T/bin"
    find "$HOY_BUILD" -maxdepth 1 -type f -name 'hoy*' -perm /1 -exec cp {} "$T/bin/" ';'
    sed 's/exec-attach/exec-attacX/' "$HOY_BUILD/containerd-shim-hoy-v2" >"$T/bin/containerd-shim-hoy-v2"
    chmod +x "$T/bin/containerd-shim-hoy-v2"
    HOYD=$T/bin/hoyd start_hoyd
    web
    for again in "" again; do
        [ -z "$again" ] || { kill_hoyd; start_hoyd; }
        run hoy exec web echo no
        [ "$status" != 0 ]
        [[ "$output" == *"was started by an older version of Hoy, "*", whose shim can't attach a client to an exec: stop the container and start it again"* ]]
        hoy exec -d web touch "/by-exec$again"
        wait_for 10 test -e "/proc/$(hoy inspect -f '{{.State.Pid}}' web)/root/by-exec$again"
    done
    hoy restart -t 1 web
    [ "$(hoy exec web ls /by-exec /by-execagain | xargs)" = "/by-exec /by-execagain" ]
}

@test "attach by a websocket: output, input, pings, fragments, both ends' goodbyes" {
    ws() { # CONTAINER QUERY STEP...
        local c=$1 query=$2
        shift 2
        timeout 60 /usr/bin/python3 "$TOP/tests/integration/ws-client.py" "$T/hoy.sock" "/v1.50/containers/$c/attach/ws?$query" "$@"
    }
    "$HOY" run -di --name cat --network none busybox cat
    run ws cat 'stream=1&stdin=1&stdout=1' 'text:hello\n' 'for:hello' ping:there half:a ping:x 'rest:b\n' for:ab close:1000 end
    [ "$status" = 0 ]
    [ "${lines[0]}" = "HTTP/1.1 101 Switching Protocols" ]
    [ "$(grep -c '^10 \(there\|x\)$' <<<"$output")" = 2 ]
    [ "${lines[-1]}" = "8 1000" ]
    # What the RFC forbids, and who does not speak it.
    [[ "$(ws cat 'stream=1&stdin=1' raw:c18000000000 end)" == *"8 1002" ]]
    [[ "$(ws cat 'stream=1&stdin=1' raw:8182000000 raw:00c080 end)" == *"8 1007" ]]
    run ws nothing stream=1
    [[ "$output" == "HTTP/1.1 404 "* ]]
    WS_VERSION=8 run ws cat stream=1
    [[ "$output" == "HTTP/1.1 400 "* ]]
    [[ "$(curl -s --unix-socket "$T/hoy.sock" http://x/v1.50/containers/cat/attach/ws)" == *"not websocket protocol"* ]]
    # The container's end is the stream's; without a terminal there are no frames of docker's; what was said before.
    "$HOY" run -di --name asks --network none busybox sh -c 'echo out; echo err >&2; read x; echo "got $x"'
    wait_for 10 sh -c '"$1" logs asks 2>&1 | grep -q err' sh "$HOY"
    run ws asks 'stream=1&stdin=1&stdout=1&stderr=1&logs=1' for:err 'text:you\n' end
    [[ "$output" == *"2 "*"out\\n"*"err\\n"*"2 got you\\n"*"8 1000" ]]
    [[ "$(ws asks 'stream=0&stdout=1&logs=1' end)" == *'2 out\ngot you\n'*"8 1000" ]]
    # More than the buffers hold, to a client that waits.
    "$HOY" create --name many --network none busybox seq 1 100000
    ws many 'stream=1&stdout=1' end >"$T/many" 3>&- &
    pid=$!
    wait_for 10 grep -q 101 "$T/many" || :
    wait_for 10 sh -c 'curl -s --unix-socket "$1" "http://x/events?since=1&until=$(date +%s).9" | grep -q "\"attach\""' sh "$T/hoy.sock"
    "$HOY" start many
    wait $pid
    [ "$(sed -n 's/^2 //p' "$T/many" | tr -d '\n' | sed 's/\\n/\n/g' | cksum)" = "$(seq 1 100000 | cksum)" ]
}

@test "debug: a toolbox beside a container, which ends with its client" {
    timeout 60 "$HOY" run -d --name lean -u 1000 -h leanbox busybox sh -c 'echo secret >/tmp/file; exec sleep 1000' >/dev/null
    debug() { timeout 60 "$HOY" debug "$@"; }
    [ "$(debug lean -- cat /target/tmp/file </dev/null)" = secret ] # though it is somebody else's
    debug lean -- sh -c 'ps -o args; cat /etc/hostname' </dev/null >"$T/out"
    grep -qx 'sleep 1000' "$T/out" || { cat "$T/out"; false; }
    [ "$(tail -1 "$T/out")" = leanbox ] || { cat "$T/out"; false; }
    debug --image busybox --pull never -u 0 -e A=b lean sh -c 'echo $A; exit 7' </dev/null >"$T/out" || [ $? = 7 ]
    [ "$(cat "$T/out")" = b ]
    [ "$(debug lean ip addr </dev/null)" = "$("$HOY" exec lean ip addr)" ]
    [ "$(echo 'echo from-stdin' | debug lean)" = from-stdin ]
    wait_for 20 test -z "$("$HOY" ps -aq --filter label=hoy.debug)"
    # killed, it leaves nothing
    "$HOY" debug lean -- sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
    client=$!
    is_there() { [ "$("$HOY" ps -q --filter label=hoy.debug | wc -l)" = 1 ]; }
    is_gone() { [ -z "$("$HOY" ps -aq --filter label=hoy.debug)" ]; }
    wait_for 20 is_there
    kill -KILL $client
    wait_for 20 is_gone
    [ "$("$HOY" inspect -f '{{.State.Status}}' lean)" = running ]
    "$HOY" stop -t 0 lean
    run timeout 60 "$HOY" debug lean </dev/null
    [ "$status" = 125 ] && [[ "$output" == *"container lean is not running"* ]]
    run timeout 60 "$HOY" debug nobody </dev/null
    [ "$status" = 125 ] && [[ "$output" == *"No such container"* ]]
}
