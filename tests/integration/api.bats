#!/usr/bin/env bats
# The HTTP side of hoyd, with curl: versions, errors, streams, sockets, settings.
load lib
load stack

setup() {
    require_root
    make_test_dir
}
teardown() { stack_teardown; }

# api [CURL OPTION...] PATH: the body, then the status in a last line.
api() { curl -s --max-time 30 --unix-socket "$T/hoy.sock" -w '\n%{http_code}\n' "${@:1:$#-1}" "http://docker${!#}"; }
status_of() { api "$@" | tail -1; }
post_json() { api -X POST -H 'Content-Type: application/json' -d "$1" "$2"; }
listener_count() { [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/info | jq .NEventsListener)" = "$1" ]; }

@test "ping tells versions in its headers" {
    start_hoyd
    run curl -si --unix-socket "$T/hoy.sock" http://docker/_ping
    [[ "$output" == *"200 OK"*"OK" ]]
    for header in 'Api-Version: 1.50' 'Builder-Version: 1' 'Docker-Experimental: false' 'Ostype: linux' 'Server: Hoy/' \
        'Swarm: inactive' 'Cache-Control: no-cache, no-store, must-revalidate' 'Pragma: no-cache'; do
        [[ "$output" == *"$header"* ]]
    done
    run curl -sI --unix-socket "$T/hoy.sock" http://docker/v1.24/_ping
    [[ "$output" == *"200 OK"* ]]
}

@test "versions are negotiated from 1.24 to 1.50" {
    start_hoyd
    [ "$(status_of /v1.24/info)" = 200 ]
    [ "$(status_of /v1.50/info)" = 200 ]
    run api /v1.51/info
    [ "${lines[0]}" = '{"message":"client version 1.51 is too new. Maximum supported API version is 1.50"}' ]
    [ "${lines[1]}" = 400 ]
    run api /v1.23/info
    [[ "${lines[0]}" == *"client version 1.23 is too old. Minimum supported API version is 1.24"* ]]
    [ "${lines[1]}" = 400 ]
}

@test "version and info tell of daemon and host" {
    start_hoyd --label a=b --label c=d
    run curl -s --unix-socket "$T/hoy.sock" http://docker/version
    [ "$(jq -r '.ApiVersion, .MinAPIVersion, .Os, .Components[0].Name' <<<"$output" | xargs)" = "1.50 1.24 linux Engine" ]
    [ "$(jq -r .KernelVersion <<<"$output")" = "$(uname -r)" ]
    run curl -s --unix-socket "$T/hoy.sock" http://docker/info
    [ "$(jq -c '[.Containers, .Images, .Driver, .DefaultRuntime, .Labels]' <<<"$output")" = '[0,0,"overlay2","hoyrun",["a=b","c=d"]]' ]
    [ "$(jq -r .DockerRootDir <<<"$output")" = "$T/data" ]
    [ "$(jq -r .NCPU <<<"$output")" = "$(nproc)" ]
    [ "$(jq -r .Swarm.LocalNodeState <<<"$output")" = inactive ]
    id=$(jq -r .ID <<<"$output")
    kill_hoyd
    start_hoyd
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/info | jq -r .ID)" = "$id" ]
}

@test "unknown paths and methods are page not found" {
    start_hoyd
    for request in "GET /nope" "PATCH /info" "GET /v1.40/" "DELETE /containers/json/x/y/z" "POST /_ping"; do
        run api -X "${request% *}" "${request#* }"
        [[ "${lines[0]}" == '{"message":'* ]]
        [ "${lines[1]}" = 404 ]
    done
    run api /nope
    [ "${lines[0]}" = '{"message":"page not found"}' ]
}

@test "known endpoints that are not served name themselves" {
    start_hoyd
    run api -X POST /swarm/init
    [ "${lines[0]}" = '{"message":"POST /swarm/init is not implemented by this version of Hoy"}' ]
    [ "${lines[1]}" = 501 ]
    run api -X POST /plugins/pull
    [ "${lines[1]}" = 501 ]
    run api /services
    [[ "${lines[0]}" == *"This node is not a swarm manager."* ]]
    [ "${lines[1]}" = 503 ]
}

@test "objects that are not there are not found, by name" {
    start_hoyd
    run api /containers/nosuch/json
    [ "${lines[*]}" = '{"message":"No such container: nosuch"} 404' ]
    run api /images/nosuch/json
    [ "${lines[*]}" = '{"message":"No such image: nosuch:latest"} 404' ]
    run api /networks/nosuch
    [ "${lines[*]}" = '{"message":"network nosuch not found"} 404' ]
    for request in "POST /containers/x/start" "POST /containers/x/stop" "POST /containers/x/kill" "POST /containers/x/wait" \
        "GET /containers/x/logs?stdout=1" "POST /containers/x/attach?stream=1" "POST /containers/x/resize?h=1&w=1" \
        "DELETE /containers/x" "POST /containers/x/rename?name=y" "POST /containers/x/restart" "DELETE /images/x" \
        "POST /images/x/tag?repo=y" "GET /volumes/x" "GET /plugins/x/json"; do
        [ "$(status_of -X "${request% *}" "${request#* }")" = 404 ]
    done
}

@test "wrong parameters are told" {
    start_hoyd
    run api '/containers/json?filters=%7B'
    [ "${lines[1]}" = 400 ]
    run api '/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D'
    [ "${lines[*]}" = "{\"message\":\"invalid filter 'nope'\"} 400" ]
    run api '/containers/json?limit=x'
    [ "${lines[1]}" = 400 ]
    run api '/containers/json?a=%zz'
    [ "${lines[1]}" = 400 ]
    run api -X POST '/containers/x/wait?condition=never'
    [ "${lines[1]}" = 400 ]
    run api '/containers/x/logs'
    [ "${lines[*]}" = '{"message":"Bad parameters: you must choose at least one stream"} 400' ]
    run api -X POST '/containers/x/attach?stream=1&detachKeys=ctrl-foo'
    [ "${lines[*]}" = '{"message":"invalid detach keys (ctrl-foo) provided"} 400' ]
    run api -X POST '/containers/x/resize?h=a&w=1'
    [ "${lines[1]}" = 400 ]
    run api '/events?since=10&until=5'
    [ "${lines[1]}" = 400 ]
}

@test "a create body must be JSON and of a sane size" {
    start_hoyd
    run api -X POST -H 'Content-Type: text/plain' -d '{}' /containers/create
    [ "${lines[*]}" = "{\"message\":\"unsupported Content-Type header (text/plain): must be 'application/json'\"} 400" ]
    run post_json '{"Image":' /containers/create
    [ "${lines[1]}" = 400 ]
    run post_json '{"Image":"x"} trailing' /containers/create
    [ "${lines[1]}" = 400 ]
    run post_json '{"Image":"nosuch"}' /containers/create
    [ "${lines[*]}" = '{"message":"No such image: nosuch:latest"} 404' ]
    { printf '{"Image":"'; head -c 100000000 /dev/zero | tr '\0' a; printf '"}'; } >"$T/huge.json"
    run api -X POST -H 'Content-Type: application/json' -H Expect: -T "$T/huge.json" /containers/create
    [ "${lines[*]}" = '{"message":"request body is larger than 4194304 bytes"} 413' ]
    run api -X POST -H 'Content-Type: application/json' -T "$T/huge.json" /containers/create
    [ "${lines[*]}" = '{"message":"request body is larger than 4194304 bytes"} 413' ]
    [ "$(awk '/VmRSS/ { print $2 }' "/proc/$HOYD_PID/status")" -lt 40000 ]
}

@test "events of the past end at once, a listener that leaves is forgotten" {
    [ -z "$(curl -s --max-time 5 --unix-socket "$T/hoy.sock" 'http://docker/events?until=0')" ]
    start_hoyd
    [ -z "$(curl -s --max-time 5 --unix-socket "$T/hoy.sock" 'http://docker/events?until=1')" ]
    curl -sN --max-time 20 --unix-socket "$T/hoy.sock" http://docker/events >/dev/null &
    wait_for 5 listener_count 1
    kill $!
    wait_for 5 listener_count 0
}

@test "load streams its body and answers with progress" {
    start_hoyd
    "$TOP/tests/integration/make-image" -o "$T/image.tar" --name first:1
    run curl -s --unix-socket "$T/hoy.sock" -X POST -H Expect: -T "$T/image.tar" 'http://docker/images/load?quiet=1'
    [ "$(jq -r .stream <<<"$output")" = "Loaded image: first:1" ]
    head -c 20000 "$T/image.tar" >"$T/short.tar"
    run curl -s --unix-socket "$T/hoy.sock" -X POST -H Expect: -T "$T/short.tar" 'http://docker/images/load?quiet=1'
    [ -n "$(jq -r .errorDetail.message <<<"$output")" ]
    [ "$(jq -r .error <<<"$output")" = "$(jq -r .errorDetail.message <<<"$output")" ]
}

@test "an upload whose client leaves leaves nothing" {
    start_hoyd
    { head -c 1000000 /dev/zero; sleep 20; } | timeout 1 curl -s --unix-socket "$T/hoy.sock" -X POST -H Expect: -T - \
        http://docker/images/load || :
    wait_for 5 sh -c "! find '$T/data' -name 'tmp-*' | grep -q ."
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/images/json)" = '[]' ]
    hoyd_is_alive
}

@test "images are listed, inspected, named and removed" {
    start_hoyd
    load_busybox --label k=v --env A=1 sh
    run curl -s --unix-socket "$T/hoy.sock" http://docker/images/json
    [ "$(jq -c '[length, .[0].RepoTags, .[0].Labels, .[0].Containers, .[0].SharedSize]' <<<"$output")" = '[1,["busybox:latest"],{"k":"v"},-1,-1]' ]
    [ "$(jq '.[0] | has("VirtualSize")' <<<"$output")" = false ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/v1.43/images/json | jq '.[0] | has("VirtualSize")')" = true ]
    run curl -s --unix-socket "$T/hoy.sock" http://docker/images/busybox/json
    [ "$(jq -c '[.Os, .Config.Cmd, .Config.Env, .Config.Labels, .RootFS.Type]' <<<"$output")" = '["linux",["sh"],["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=1"],{"k":"v"},"layers"]' ] ||
        [ "$(jq -c '[.Os, .Config.Cmd, .Config.Labels, .RootFS.Type]' <<<"$output")" = '["linux",["sh"],{"k":"v"},"layers"]' ]
    [ "$(jq '.Config | has("Hostname")' <<<"$output")" = false ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/v1.49/images/busybox/json | jq '.Config | has("Hostname")')" = true ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/v1.44/images/busybox/json | jq -c '[.Container, .ContainerConfig == .Config]')" = '["",true]' ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/v1.45/images/busybox/json | jq 'has("Container") or has("ContainerConfig")')" = false ]
    [ "$(status_of -X POST '/images/busybox/tag?repo=localhost:5000/a/b&tag=1')" = 201 ]
    [ "$(status_of /images/localhost:5000/a/b:1/json)" = 200 ]
    [ "$(status_of /images/localhost%3A5000%2Fa%2Fb%3A1/json)" = 200 ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" 'http://docker/images/json?filters=%7B%22reference%22%3A%5B%22nope%22%5D%7D')" = '[]' ]
    run curl -s --unix-socket "$T/hoy.sock" -X DELETE http://docker/images/localhost:5000/a/b:1
    [ "$(jq -c . <<<"$output")" = '[{"Untagged":"localhost:5000/a/b:1"}]' ]
    run curl -s --unix-socket "$T/hoy.sock" -X DELETE http://docker/images/busybox
    [[ "$(jq -c '.[-1]' <<<"$output")" == '{"Deleted":"sha256:'* ]]
}

@test "a root file system is imported, pulling asks for sound credentials" {
    start_hoyd
    mkdir "$T/rootfs" && echo hi >"$T/rootfs/file"
    tar -C "$T/rootfs" -cf "$T/rootfs.tar" .
    run curl -s --unix-socket "$T/hoy.sock" -X POST -T "$T/rootfs.tar" \
        'http://docker/images/create?fromSrc=-&repo=mine&tag=1&changes=CMD%20%5B%22%2Fx%22%5D&changes=ENV%20A%3D1'
    [[ "$(jq -r .status <<<"$output")" == sha256:* ]]
    run curl -s --unix-socket "$T/hoy.sock" http://docker/images/mine:1/json
    [ "$(jq -c .Config.Cmd <<<"$output")" = '["/x"]' ]
    run api -X POST -H 'X-Registry-Auth: bm90IGpzb24' '/images/create?fromImage=alpine&tag=latest'
    [[ "${lines[0]}" == *"invalid X-Registry-Auth header"* ]]
    [ "${lines[1]}" = 400 ]
    run api -X POST '/images/create?fromImage=localhost:1/alpine&tag=latest'
    [[ "${lines[0]}" == *'Get \"http://localhost:1/v2/\"'* ]]
    [ "${lines[1]}" = 500 ]
    run api -X POST '/images/create?fromSrc=http://x/y.tar'
    [ "${lines[1]}" = 501 ]
}

@test "networks, volumes and plugins are listed" {
    start_hoyd
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/networks | jq -c '[.[].Name] | sort')" = '["bridge","host","none"]' ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/networks/host | jq -r .Driver)" = host ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" 'http://docker/networks?filters=%7B%22driver%22%3A%5B%22null%22%5D%7D' | jq -r '.[].Name')" = none ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/volumes)" = '{"Volumes":[],"Warnings":null}' ]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/plugins)" = '[]' ]
}

@test "several sockets are served and removed at the end" {
    start_hoyd -H "unix://$T/second.sock"
    [ "$(curl -s --unix-socket "$T/second.sock" http://docker/_ping)" = OK ]
    [ "$(stat -c %a "$T/second.sock")" = 660 ]
    kill -TERM "$HOYD_PID"
    wait_for 10 hoyd_ended
    wait "$HOYD_PID"
    [ ! -e "$T/hoy.sock" ] && [ ! -e "$T/second.sock" ] && [ ! -e "$T/hoyd.pid" ]
    HOYD_PID=
}

@test "a socket gets the group that was asked for" {
    start_hoyd -G nogroup
    [ "$(stat -c '%G %a' "$T/hoy.sock")" = "nogroup 660" ]
    run "$HOYD" --data-root "$T/d2" --exec-root "$T/e2" -H "unix://$T/x.sock" --config-file "$T/daemon.json" -G no-such-group
    [ "$status" = 1 ]
    [[ "$output" == *"group 'no-such-group' of socket '$T/x.sock' not found"* ]]
}

@test "one hoyd per root, and a socket that is served is not taken" {
    start_hoyd
    run timeout 10 "$HOYD" --data-root "$T/data" --exec-root "$T/e2" -H "unix://$T/x.sock" --config-file "$T/daemon.json"
    [ "$status" = 1 ]
    [ "$output" = "hoyd: data root '$T/data' is in use by another hoyd (pid $HOYD_PID)" ]
    run timeout 10 "$HOYD" --data-root "$T/d2" --exec-root "$T/run" -H "unix://$T/x.sock" --config-file "$T/daemon.json"
    [[ "$output" == *"exec root '$T/run' is in use by another hoyd (pid $HOYD_PID)"* ]]
    run timeout 10 "$HOYD" --data-root "$T/d2" --exec-root "$T/e2" -H "unix://$T/hoy.sock" --config-file "$T/daemon.json"
    [[ "$output" == *"socket '$T/hoy.sock' is served by another process"* ]]
    run timeout 10 "$HOYD" --data-root "$T/d2" --exec-root "$T/e2" -H "unix://$T/x.sock" -p "$T/hoyd.pid" --config-file "$T/daemon.json"
    [[ "$output" == *"process with PID $HOYD_PID is still running"* ]]
    [ "$(curl -s --unix-socket "$T/hoy.sock" http://docker/_ping)" = OK ]
}

@test "a stale socket and PID file do not hinder a start" {
    start_hoyd
    kill_hoyd
    [ -S "$T/hoy.sock" ] && [ -e "$T/hoyd.pid" ]
    start_hoyd
    [ "$(cat "$T/hoyd.pid")" = "$HOYD_PID" ]
}

@test "sockets of a service manager are served, and it is told" {
    python3 - "$T" "$HOYD" <<'PY' &
import os, socket, sys
t, hoyd = sys.argv[1:]
listener, notify = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(t + "/hoy.sock")
listener.listen()
notify.bind(t + "/notify")
if os.fork() == 0:
    open(t + "/told", "wb", 0).write(notify.recv(100))
    os._exit(0)
os.dup2(listener.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET=t + "/notify")
os.execv(hoyd, [hoyd, "-H", "fd://", "--data-root", t + "/data", "--exec-root", t + "/run", "--config-file", "/dev/null"])
PY
    HOYD_PID=$!
    wait_for 10 curl -s --unix-socket "$T/hoy.sock" http://docker/_ping
    wait_for 5 grep -q READY=1 "$T/told"
    kill -TERM "$HOYD_PID"
    wait_for 10 hoyd_ended
    HOYD_PID=
    run "$HOYD" -H fd:// --data-root "$T/data" --exec-root "$T/run" --config-file /dev/null
    [[ "$output" == *"no sockets found via socket activation"* ]]
}

@test "SIGHUP reads the configuration again" {
    echo '{"labels":["a=1"]}' >"$T/daemon.json"
    start_hoyd
    echo '{"labels":["a=2"],"debug":true}' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 5 sh -c "curl -s --unix-socket '$T/hoy.sock' http://docker/info | grep -q 'a=2.*' "
    run curl -s --unix-socket "$T/hoy.sock" http://docker/info
    [ "$(jq -c '[.Labels, .Debug]' <<<"$output")" = '[["a=2"],true]' ]
    echo '{"nope":1}' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 5 grep -q "don't match any configuration option: nope" "$T/hoyd.log"
    hoyd_is_alive
}

@test "flags and configuration are checked" {
    run "$HOYD" --version
    [[ "$output" == "hoyd version "* ]]
    run "$HOYD" --help
    [[ "$output" == *"--data-root DIR"* ]]
    run "$HOYD" --nope
    [ "$status" = 1 ]
    [ "$output" = "hoyd: unknown flag: --nope" ]
    echo '{"hosts":["unix:///x"]}' >"$T/daemon.json"
    run "$HOYD" --validate --config-file "$T/daemon.json"
    [ "$status" = 0 ]
    [ "$output" = "configuration OK" ]
    run "$HOYD" --validate --config-file "$T/daemon.json" -H unix:///y
    [ "$status" = 1 ]
    [[ "$output" == *"specified both as a flag and in the configuration file: hosts" ]]
    run "$HOYD" --validate --config-file "$T/nope.json"
    [ "$status" = 1 ]
}

@test "the log has the format and level that was asked for" {
    start_hoyd --log-format json --log-level info
    jq -es 'all(has("level") and has("msg") and has("time"))' "$T/hoyd.log"
    ! grep -q '"level":"debug"' "$T/hoyd.log" || false
    kill_hoyd
    : >"$T/hoyd.log"
    start_hoyd -l debug
    grep -q 'level=debug.*GET /' "$T/hoyd.log"
    kill_hoyd
    : >"$T/hoyd.log"
    start_hoyd -l error
    ! grep -q level=info "$T/hoyd.log" || false
}

@test "the default bridge is as the flags say" {
    start_hoyd -b hoytest0 --bip 10.77.0.1/24 --mtu 1400
    load_busybox
    "$HOY" run -d --name bb busybox sleep 100
    ip link show hoytest0 | grep -q 'mtu 1400 '
    ip -4 addr show hoytest0 | grep -q 'inet 10.77.0.1/24'
    run curl -s --unix-socket "$T/hoy.sock" http://docker/networks/bridge
    [ "$(jq -r '.IPAM.Config[0].Subnet' <<<"$output")" = 10.77.0.0/24 ]
    [ "$(jq -r '.Options["com.docker.network.bridge.name"]' <<<"$output")" = hoytest0 ]
    "$HOY" rm -f bb
}

@test "info tells which limits this host has" {
    start_hoyd
    run curl -sS --unix-socket "$T/hoy.sock" http://hoy/info
    memory=false
    ! grep -sqw memory /sys/fs/cgroup/cgroup.controllers && [ ! -d /sys/fs/cgroup/memory ] || memory=true
    [ "$(jq .MemoryLimit <<<"$output")" = $memory ]
    swap=$memory
    [ ! -d /sys/fs/cgroup/memory ] || [ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] || swap=false
    [ "$(jq .SwapLimit <<<"$output")" = $swap ]
}

@test "metrics-addr: Prometheus reads counts and times, on this machine alone" {
    ip link set lo up 2>/dev/null || :
    echo "{\"metrics-addr\": \"unix://$T/metrics.sock\"}" >"$T/daemon.json"
    start_hoyd
    [ "$(curl -s --unix-socket "$T/metrics.sock" http://d/metrics | grep '^engine_daemon_container_states_containers{state="stopped"}')" = \
        'engine_daemon_container_states_containers{state="stopped"} 0' ]
    stop_hoyd
    [ ! -e "$T/metrics.sock" ]
    rm "$T/daemon.json"
    start_hoyd --metrics-addr 127.0.0.1:9323
    load_busybox
    "$HOY" run -d --name sick --health-cmd 'test -e /well' --health-interval 100ms busybox sleep 1000 >/dev/null
    "$HOY" run -d --name idle busybox true >/dev/null
    "$HOY" wait idle
    "$HOY" pause sick
    metrics() { curl -s --max-time 10 http://127.0.0.1:9323/metrics >"$T/metrics"; }
    metric() { metrics && awk -v name="$1" '$1 == name { print $2 }' "$T/metrics"; }
    [ "$(metric 'engine_daemon_container_states_containers{state="paused"}')" = 1 ]
    [ "$(metric 'engine_daemon_container_states_containers{state="stopped"}')" = 1 ]
    "$HOY" unpause sick
    [ "$(metric 'engine_daemon_container_states_containers{state="running"}')" = 1 ]
    [ "$(metric 'engine_daemon_container_actions_seconds_count{action="start"}')" = 2 ]
    [ "$(metric 'engine_daemon_container_actions_seconds_bucket{action="create",le="+Inf"}')" = 2 ]
    failed() { [ "$(metric engine_daemon_health_checks_failed_total)" -gt 1 ]; }
    wait_for 20 failed
    [ "$(metric engine_daemon_events_total)" -gt 6 ]
    [ "$(metric builder_builds_triggered_total)" = 0 ]
    mkdir "$T/context"
    printf 'FROM busybox\nRUN false\n' >"$T/context/Dockerfile"
    ! "$HOY" build "$T/context" 2>/dev/null || false
    [ "$(metric builder_builds_triggered_total)" = 1 ]
    [ "$(metric 'builder_builds_failed_total{reason="error_processing_commands_error"}')" = 1 ]
    # every line is one of the format; the API is not served there
    ! grep -vE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)$' "$T/metrics" || false
    for path in /version /containers/json /metrics/x /; do
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:9323$path")" = 404 ]
    done
    [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.1:9323/containers/create)" = 404 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" http://d/metrics)" = 404 ]
    stop_hoyd
    for address in 127.0.0.1:99999 unix://relative; do
        run "$HOYD" --validate --metrics-addr "$address"
        [ "$status" = 1 ] && [[ "$output" == *"metrics-addr: invalid bind address"*"$address"* ]] || { echo "$output"; false; }
    done
    for address in 0.0.0.0:9323 :::9323 nonsense unix://relative; do
        run timeout 20 "$HOYD" -H "$DOCKER_HOST" --data-root "$T/data" --exec-root "$T/run" --config-file "$T/daemon.json" --metrics-addr "$address"
        [ "$status" = 1 ] && [[ "$output" == *metrics-addr* ]] || { echo "$output"; false; }
    done
}
