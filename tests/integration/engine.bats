#!/usr/bin/env bats
# Containers above the shims: what survives a killed hoyd, a killed shim, a start that fails; users, logs, files.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() { stack_setup; }
teardown() { stack_teardown; }

hoy() { timeout 60 "$HOY" "$@"; }
state() { hoy inspect "$1" | jq -r ".[0].State.$2"; }
is() { [ "$(state "$1" Status)" = "$2" ]; }
pid_of() { state "$1" Pid; }
parent_of() { awk '/^PPid/ { print $2 }' "/proc/$1/status"; }
ended() { [ ! -e "/proc/$1" ] || [ "$(awk '/^State/ { print $2 }' "/proc/$1/status")" = Z ]; }
# leftovers: files, cgroups and shims of containers of this hoyd.
leftovers() {
    find "$T/run/c" "$T/run/s" "$T/run/r" "$T/data/containers" -mindepth 1 -not -path "$T/run/r/hoy" 2>/dev/null
    pgrep -af "containerd-shim-hoy-v2.*$T" || :
}
has_containers() { [ "$(hoy ps -aq | wc -l)" = "$1" ]; }
trash_is_empty() { [ -z "$(ls "$T/data/trash")" ]; }
nothing_left() { [ -z "$(leftovers)" ]; }
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}

@test "a line a millisecond: all of them are in the log after hoyd was killed" {
    hoy run -d --name writer --network none busybox sh -c \
        'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i; usleep 1000; [ $i != 900 ] || until [ -e /go ]; do usleep 10000; done; done; exit 42'
    sleep 1
    kill_hoyd
    sleep 0.5
    start_hoyd
    is writer running
    hoy exec writer touch /go
    hoy logs -f writer >"$T/lines"
    [ "$(hoy wait writer)" = 42 ]
    seq 1000 | cmp - "$T/lines"
}

@test "what ended while hoyd was away is learned when it comes back" {
    hoy run -d --name short --network none busybox sh -c 'sleep 0.5; exit 9'
    hoy run -d --rm --name gone --network none busybox sleep 0.5
    hoy run -d --name long --network none busybox sleep 100
    pid=$(pid_of long)
    kill_hoyd
    sleep 1.5
    start_hoyd
    [ "$(hoy wait short)" = 9 ]
    wait_for 5 is short exited
    wait_for 5 has_containers 2
    is long running
    [ "$(pid_of long)" = "$pid" ]
    hoy stop -t 0 long
    [ "$(hoy wait long)" = 137 ]
}

@test "a killed shim ends its container with 137" {
    hoy run -d --name web --network none busybox sleep 100
    pid=$(pid_of web)
    kill -KILL "$(parent_of "$pid")"
    [ "$(hoy wait web)" = 137 ]
    wait_for 5 ended "$pid"
    hoy start web
    is web running
}

@test "shim and hoyd killed together: the container has ended when hoyd is back" {
    hoy run -d --name web --network none busybox sleep 100
    pid=$(pid_of web)
    kill -KILL "$(parent_of "$pid")" "$HOYD_PID"
    kill_hoyd || :
    start_hoyd
    [ "$(hoy wait web)" = 137 ]
    wait_for 5 ended "$pid"
    hoy rm web
    wait_for 5 nothing_left
}

@test "after a restart of the host what ran has exited, --rm containers are gone" {
    hoy run -d --name web --network none busybox sleep 100
    gone=$(hoy run -d --rm --name gone --network none busybox sleep 100)
    hoy create --name idle --network none busybox true
    kill_hoyd
    for pid in $(pgrep -f "containerd-shim-hoy-v2.*$T"); do kill -KILL $(pgrep -P "$pid") "$pid"; done
    rm -rf "$T/run"
    start_hoyd
    is web exited
    is idle created
    [ "$(state web ExitCode)" = 255 ]
    wait_for 5 has_containers 2
    # The kernel's part of a restart.
    find /sys/fs/cgroup -depth -type d -path "*/hoy/$gone" -exec rmdir {} +
    hoy start web
    is web running
}

@test "a container whose layers are lost is seen, not started, and removed" {
    hoy create --name broken --network none busybox true
    kill_hoyd
    rm -rf "$T/data/l"
    start_hoyd
    run hoy start broken
    [ "$status" != 0 ]
    is broken created
    hoy rm broken
    wait_for 5 nothing_left
}

@test "a socket that no shim serves is removed at start" {
    kill_hoyd
    python3 -c "import socket; s = socket.socket(socket.AF_UNIX); s.bind('$T/run/s/stale'); s.listen(1)"
    mkdir "$T/run/c/$(printf '%064d' 1)" "$T/data/containers/$(printf '%064d' 2)"
    start_hoyd
    nothing_left
}

@test "hoyd killed at any moment of a start leaves nothing half" {
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        timeout 20 "$HOY" run -d --network none busybox sleep 100 >/dev/null 2>&1 3>&- &
        client=$!
        sleep "0.0$((i * 7 % 100 / 10))$((i * 7 % 10))"
        kill_hoyd
        wait $client || :
        start_hoyd
        hoy ps -aq | xargs -r timeout 60 "$HOY" rm -f
    done
    wait_for 10 nothing_left
}

@test "hoyd killed at any moment of an exit and a removal leaves nothing half" {
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        hoy run -d --rm --network none busybox usleep 60000 >/dev/null
        sleep "0.0$((2 + i * 5 / 10))$((i * 5 % 10))"
        kill_hoyd
        start_hoyd
    done
    wait_for 10 has_containers 0
    wait_for 10 nothing_left
}

@test "a start that fails leaves the container created, with its reason" {
    run -127 hoy run --name bad --network none busybox nosuchprogram
    [ "$status" = 127 ]
    [[ "$output" == *'executable file not found'* ]]
    is bad created
    [ "$(state bad ExitCode)" = 127 ]
    [[ "$(state bad Error)" == *'executable file not found'* ]]
    [ -z "$(find "$T/run/c" "$T/run/s" -mindepth 1)" ]
    run -127 hoy run --rm --network none busybox nosuchprogram
    [ "$status" = 127 ]
    hoy rm bad
    wait_for 5 nothing_left
}

@test "the container's own passwd and group say who its user is" {
    hoy run --name users --network none busybox sh -c 'echo $HOME; sed -i s:/root:/elsewhere: /etc/passwd'
    [ "$(hoy start -a users)" = /elsewhere ]
    run hoy run --rm --network none -u web busybox id
    [[ "$output" == *'unable to find user web: no matching entries in passwd file'* ]]
    run hoy run --rm --network none -u nobody busybox sh -c 'id -u; id -g; echo $HOME'
    [ "$output" = $'65534\n65534\n/' ]
    run hoy run --rm --network none -u 4711:12 --group-add 7 busybox id
    [ "$output" = "uid=4711 gid=12 groups=7,12" ]
}

@test "a missing working directory is made" {
    run hoy run --rm --network none -w /made/for/this busybox pwd
    [ "$output" = /made/for/this ]
}

@test "rotated logs are read as one" {
    hoy run --name talker --network none --log-opt max-size=4k --log-opt max-file=5 busybox seq 100
    [ "$(find "$T/data/containers" -name '*-json.log*' | wc -l)" -gt 1 ]
    hoy logs talker >"$T/lines"
    seq 100 | cmp - "$T/lines"
    [ "$(hoy logs --tail 70 talker | head -1)" = 31 ]
}

@test "following goes on over rotations" {
    hoy run -d --name talker --network none --log-opt max-size=2k --log-opt max-file=50 busybox sh -c \
        'for i in $(seq 300); do echo $i; usleep 3000; done'
    hoy logs -f talker >"$T/lines"
    seq 300 | cmp - "$T/lines"
}

@test "until ends a log, also one that is followed" {
    hoy run --name talker --network none busybox sh -c 'echo before; sleep 1.2; echo after; echo more'
    second=$(hoy logs -t talker | sed -n 2p | cut -d' ' -f1)
    [ "$(hoy logs --until "$(date -d "$second - 0.5 seconds" +%s.%N)" talker)" = before ]
    [ "$(hoy logs --since "$(date -d "$second - 0.5 seconds" +%s.%N)" talker)" = $'after\nmore' ]
    hoy run -d --name chatter --network none busybox sh -c 'while :; do echo line; usleep 50000; done'
    timeout 10 "$HOY" logs -f --until 1s chatter >/dev/null || [ $? != 124 ]
    timeout 10 "$HOY" logs -f --until "$(date -d '+1 second' +%s)" chatter | grep -q line
}

@test "log driver none keeps nothing, and says so" {
    run hoy run --name quiet --network none --log-driver none busybox echo out
    [ "$output" = out ]
    run hoy logs quiet
    [ "$status" != 0 ]
    [[ "$output" == *'does not support reading'* ]]
}

@test "attach gives what was said before, and then the rest" {
    attach() { curl -sN --max-time 30 --unix-socket "$T/hoy.sock" -X POST "http://x/v1.50/containers/$1/attach?$2" | tail -c +9; }
    hoy run --name done --network none busybox seq 3000 >/dev/null
    # Frames have a line each.
    attach done 'logs=1&stdout=1&stderr=1' | tr -d '\000-\011\013-\037' | wc -l | grep -x 3000
    [ -z "$(attach done 'logs=0&stdout=1')" ]
    said() { [ "$(hoy logs talks)" = early ]; }
    attached() { hoy events --since 0 --until 0s -f container=talks -f event=attach --format x | grep -q x; }
    hoy run -di --name talks --network none busybox sh -c 'echo early; read x; echo "late $x"; sleep 1000'
    wait_for 10 said
    (attach talks 'logs=1&stream=1&stdout=1' >"$T/both") &
    wait_for 10 attached
    mkfifo "$T/words"
    hoy attach --sig-proxy=false talks <"$T/words" >/dev/null 3>&- &
    exec 7>"$T/words"
    echo word >&7
    wait_for 10 grep -q 'late word' "$T/both"
    grep -q early "$T/both"
    exec 7>&-
    hoy rm -f talks
    run curl -sN --max-time 5 --unix-socket "$T/hoy.sock" -X POST "http://x/v1.50/containers/nobody/attach?logs=1&stdout=1"
    [[ "$output" == *"No such container: nobody"* ]]
    hoy run --name silent --network none --log-driver none busybox echo x
    run curl -sN --max-time 5 --unix-socket "$T/hoy.sock" -X POST "http://x/v1.50/containers/silent/attach?logs=1&stdout=1"
    [[ "$output" == *"does not support reading"* ]]
}

@test "a deep writable layer is removed" {
    hoy run --name deep --network none busybox sh -c \
        'p=$(printf "d/%.0s" $(seq 750)); mkdir -p "$p" && cd "$p" && mkdir -p "$p" && cd "$p" && touch end'
    hoy rm deep
    wait_for 10 nothing_left
    wait_for 20 trash_is_empty
}

@test "members that are not supported are refused by name" {
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"StorageOpt":{"size":"1G"}}}' | jq -r .message)" = \
        "HostConfig.StorageOpt: not supported" ]
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"LogConfig":{"Type":"asdf"}}}' | jq -r .message)" = \
        "logger: no log driver named 'asdf' is registered" ]
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"Isolation":"hyperv"}}' | jq -r .message)" = \
        "HostConfig.Isolation: 'hyperv': not supported" ]
    [ "$(api POST /containers/create '{"image":"busybox","hostconfig":{"memory":1}}' | jq -r .message)" = \
        "Minimum memory limit allowed is 6MB" ]
    nothing_left
}

@test "inspect gives back what create was given" {
    id=$(api POST '/containers/create?name=kept' '{"Image":"busybox","Cmd":["true"],"Env":["A=1"],"Labels":{"k":"v"},
        "StopSignal":"SIGINT","StopTimeout":3,"HostConfig":{"Memory":67108864,"CapAdd":["NET_ADMIN"],"Dns":["1.2.3.4"],
        "PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Ulimits":[{"Name":"nofile","Soft":10,"Hard":20}]}}' | jq -r .Id)
    api GET "/containers/$id/json" >"$T/json"
    [ "$(jq -c '[.Config.Env[0], .Config.Labels.k, .Config.StopSignal, .Config.StopTimeout]' "$T/json")" = \
        '["A=1","v","SIGINT",3]' ]
    [ "$(jq -c '.HostConfig | [.Memory, .MemorySwap, .CapAdd, .Dns, .PortBindings, .Ulimits, .VolumesFrom]' "$T/json")" = \
        '[67108864,134217728,["NET_ADMIN"],["1.2.3.4"],{"80/tcp":[{"HostPort":"8080"}]},[{"Name":"nofile","Hard":20,"Soft":10}],null]' ]
    kill_hoyd
    start_hoyd
    api GET "/containers/$id/json" | jq -S 'del(.State)' >"$T/after"
    jq -S 'del(.State)' "$T/json" | diff - "$T/after"
}

@test "a name is free again after rename and after rm" {
    hoy create --name one busybox true
    api POST '/containers/one/rename?name=two'
    hoy create --name one busybox true
    [[ "$(api POST '/containers/one/rename?name=two' | jq -r .message)" == *'is already in use'* ]]
    hoy rm one two
    wait_for 5 nothing_left
}

@test "restart stops and starts, and waits see the exit" {
    hoy run -d --name web --network none busybox sh -c 'trap "exit 3" TERM; echo up; while :; do usleep 10000; done'
    is_up() { [ "$(hoy logs web)" = up ]; }
    wait_for 10 is_up
    first=$(pid_of web)
    # what is answered at once is the head: from then on it waits
    curl -sSN --max-time 60 --unix-socket "$T/hoy.sock" -D "$T/head" -X POST 'http://x/v1.50/containers/web/wait?condition=next-exit' >"$T/wait" &
    waiter=$!
    wait_for 10 test -s "$T/head"
    api POST '/containers/web/restart?t=5'
    wait $waiter
    [ "$(jq .StatusCode "$T/wait")" = 3 ]
    is web running
    [ "$(pid_of web)" != "$first" ]
}

@test "many at once" {
    for i in $(seq 12); do
        hoy run --rm --network none busybox echo "$i" >"$T/out.$i" 2>&1 3>&- &
        pids="$pids $!"
    done
    for pid in $pids; do wait "$pid"; done
    [ "$(cat "$T"/out.* | sort -n | xargs)" = "$(seq 12 | xargs)" ]
    wait_for 10 nothing_left
}
