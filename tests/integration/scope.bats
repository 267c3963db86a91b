#!/usr/bin/env bats
# Scoped sockets: what their clients can reach, what they try in vain, and the audit log. tests/unit/test_scope.c has the
# bodies of requests one by one.
bats_require_minimum_version 1.5.0
load lib
load stack

setup_file() { # one daemon for all tests
    export T
    require_root
    make_test_dir
    mkdir "$T/s"
    policies >"$T/daemon.json"
    start_hoyd
    load_busybox
    "$HOY" network create outer-net >/dev/null
    "$HOY" volume create outer-vol >/dev/null
    "$HOY" run -d --name outer --network outer-net -v outer-vol:/v busybox sh -c 'echo secret >/v/f; echo secret; exec sleep 1000' >/dev/null
    outer=$("$HOY" inspect -f '{{.Id}}' outer)
    exec_id=$(curl -sS --unix-socket "$T/hoy.sock" http://x/v1.50/containers/outer/exec -H 'Content-Type: application/json' \
        -d '{"Cmd":["id"]}' | jq -r .Id)
    export HOYD_PID DOCKER_HOST DOCKER_CONFIG outer exec_id
}
teardown_file() { stack_teardown; }
teardown() {
    export DOCKER_HOST=unix://$T/hoy.sock
    "$HOY" ps -aq --filter label=team=ci | xargs -r timeout 60 "$HOY" rm -f >/dev/null
    "$HOY" network prune -f --filter label=team=ci >/dev/null
    "$HOY" volume prune -af --filter label=team=ci >/dev/null
}

# policies [JQ]: daemon.json with two sockets, changed by a filter.
policies() {
    jq -n --arg t "$T" '{"scoped-sockets": [
        {path: ($t + "/s/ci.sock"), labels: {team: "ci"},
         allow: ["containers", "exec", "images.read", "volumes", "networks", "events", "system"]},
        {path: ($t + "/s/read.sock"), mode: "0600", "read-only": true, allow: ["containers", "images"], audit: ($t + "/s/read.log")}
    ]} | '"${1:-.}"
}
ask() { # SOCKET METHOD PATH [BODY]: the status; the answer is in $T/answer
    curl -sS --max-time 20 -o "$T/answer" -w '%{http_code}' --unix-socket "$T/s/$1.sock" -X "$2" "http://x/v1.50$3" \
        -H 'Content-Type: application/json' ${4:+-d "$4"}
}
message() { local text && text=$(<"$T/answer") && echo "${text//\\\"/\"}"; }
scoped() { DOCKER_HOST=unix://$T/s/ci.sock "$HOY" "$@"; }
refused() { # STATUS TEXT SOCKET METHOD PATH [BODY]
    local got
    got=$(ask "${@:3}")
    [ "$got" = "$1" ] && [[ "$(message)" == *"$2"* ]] || { echo "${*:3}: $got $(cat "$T/answer")"; return 1; }
}

@test "a scope's client works with what is its own" {
    scoped network create net >/dev/null
    scoped volume create vol >/dev/null
    id=$(scoped run -d --name mine --network net -v vol:/a --mount type=volume,source=fresh,target=/b -v /c busybox sleep 1000)
    [ "$("$HOY" inspect -f '{{.Config.Labels.team}}' mine)" = ci ]
    [ "$("$HOY" volume inspect -f '{{.Labels.team}}' fresh)" = ci ]
    [ "$("$HOY" network inspect -f '{{.Labels.team}}' net)" = ci ]
    [ "$(scoped exec mine echo hello)" = hello ]
    echo content >"$T/file"
    scoped cp "$T/file" mine:/file
    [ "$(scoped exec mine cat /file)" = content ]
    scoped update --memory 64m mine >/dev/null
    scoped rename mine mine2
    [ "$(scoped ps -q --no-trunc)" = "$id" ]
    [ "$(scoped volume ls -q | sort | grep -v '^[0-9a-f]\{64\}$' | xargs)" = "fresh vol" ]
    [ "$(scoped network ls --format '{{.Name}}')" = net ]
    [ "$(scoped run --rm --network container:mine2 --volumes-from mine2 busybox ls /a /b /c | xargs)" = "/a: /b: /c:" ]
    scoped rm -f mine2
    [ "$(scoped container prune -f | tail -1)" = "Total reclaimed space: 0B" ]
    "$HOY" inspect outer >/dev/null
}

@test "objects outside of the scope are not there, whatever they are called" {
    ref=outer
    for call in "GET /json" "GET /logs?stdout=1" "GET /top" "GET /stats?stream=0" "GET /changes" "GET /export" \
        "GET /archive?path=/v/f" "PUT /archive?path=/" "POST /start" "POST /stop" "POST /kill" "POST /restart" "POST /pause" \
        "POST /rename?name=x" "POST /attach?stream=1&stdin=1" "GET /attach/ws?stream=1&stdin=1" "POST /wait" "POST /resize?h=1&w=1"; do
        refused 404 "No such container: $ref" ci "${call% *}" "/containers/$ref${call#* }"
    done
    refused 404 "No such container: $ref" ci POST "/containers/$ref/update" '{"Memory":67108864}'
    for ref in /outer "$outer" "${outer:0:12}" "${outer:0:1}"; do
        refused 404 "No such container: $ref" ci POST "/containers/$ref/exec" '{"Cmd":["id"]}'
        refused 404 "No such container: $ref" ci DELETE "/containers/$ref?force=1"
    done
    for call in "GET /json" "POST /start" "POST /resize?h=1&w=1"; do
        refused 404 "No such exec instance: $exec_id" ci "${call% *}" "/exec/$exec_id${call#* }" '{}'
    done
    for call in "GET " "GET /export" "DELETE ?force=1" "POST /rename?name=x"; do
        refused 404 "get outer-vol: no such volume" ci "${call% *}" "/volumes/outer-vol${call#* }"
    done
    host=$("$HOY" network inspect -f '{{.Id}}' host)
    for net in outer-net bridge host "$host"; do
        refused 404 "network $net not found" ci GET "/networks/$net"
        refused 404 "network $net not found" ci DELETE "/networks/$net"
        refused 404 "network $net not found" ci POST "/networks/$net/connect" "{\"Container\":\"$outer\"}"
    done
    refused 409 "the volume name 'outer-vol' is taken" ci POST /volumes/create '{"Name":"outer-vol"}'
    [ "$("$HOY" inspect -f '{{.State.Status}} {{.Name}}' outer)" = "running /outer" ]
}

@test "no way out of the scope by a container of its own" {
    c() { refused "$1" "$2" ci POST /containers/create "{\"Image\":\"busybox\",$3}"; }
    c 404 "No such container: outer" '"HostConfig":{"VolumesFrom":["outer"]}'
    c 404 "No such container: ${outer:0:6}" '"HostConfig":{"NetworkMode":"container:'"${outer:0:6}"'"}'
    c 404 "network outer-net not found" '"HostConfig":{"NetworkMode":"outer-net"}'
    c 404 "network $("$HOY" network inspect -f '{{.Id}}' host) not found" '"HostConfig":{"NetworkMode":"'"$("$HOY" network inspect -f '{{.Id}}' host)"'"}'
    c 404 "get outer-vol: no such volume" '"hostconfig":{"BINDS":["outer-vol:/x"]}'
    c 403 "'/etc' is not allowed" '"HostConfig":{"Binds":["/etc:/x"]}'
    c 403 "type 'bind'" '"HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/x"}]}'
    c 403 "scoped socket $T/s/ci.sock: Privileged is not allowed" '"HostConfig":{"Privileged":true}'
    c 403 "the label 'team' is always 'ci'" '"Labels":{"team":"other"}'
    refused 403 DriverOpts ci POST /volumes/create '{"Name":"x","DriverOpts":{"type":"none","o":"bind","device":"/"}}'
    scoped run -d --name mine busybox sleep 1000 >/dev/null
    refused 403 Privileged ci POST /containers/mine/exec '{"Cmd":["id"],"Privileged":true}'
    refused 403 "the query parameter 'checkpoint-dir'" ci POST "/containers/mine/start?checkpoint-dir=/etc"
    refused 403 "the query parameter 'link'" ci DELETE "/containers/mine/db?link=1"
    refused 403 "not served here" ci POST /containers/mine/checkpoints '{"CheckpointID":"x","CheckpointDir":"/etc"}'
    refused 403 "not served here" ci POST "/commit?container=outer"
    refused 403 "not served here" ci POST "/containers/mine/promote?instead=outer"
    refused 403 '("images.write")' ci POST "/images/busybox/tag?repo=other"
    refused 403 '("images.pull")' ci POST "/images/create?fromImage=x"
    refused 403 '("build")' ci POST /build
    refused 403 "not served here" ci GET /secrets
    refused 403 "shows more" ci GET /system/df
    refused 404 "No such container: outer" ci GET "/containers/json?filters=%7B%22before%22%3A%5B%22outer%22%5D%7D"
    # a network's name is not a promise: another one of the name, made outside, is not joined
    scoped network create passing >/dev/null
    scoped create --name late --network passing busybox true >/dev/null
    "$HOY" network rm passing >/dev/null && "$HOY" network create passing >/dev/null
    run scoped start late
    [ "$status" != 0 ]
    "$HOY" network rm passing
}

@test "lists, events and prunes keep to the scope" {
    since=$(date +%s)
    "$HOY" rename outer outer2 && "$HOY" rename outer2 outer
    scoped create --name mine busybox true >/dev/null
    "$HOY" create --name idle busybox true >/dev/null
    for filters in '' '&filters={"label":{"team=other":true}}' '&filters={"name":["outer"]}' '&filters={"volume":["outer-vol"]}'; do
        curl -sSg --unix-socket "$T/s/ci.sock" "http://x/v1.50/containers/json?all=1$filters" >"$T/answer"
        [ "$(jq -r '.[].Names[0]' "$T/answer")" = "$([ -n "$filters" ] || echo /mine)" ]
    done
    scoped events --since "$since" --until "$(date +%s.%N)" --format '{{.Action}} {{.Actor.Attributes.name}}' >"$T/events"
    grep -qx 'create mine' "$T/events"
    ! grep -E 'outer|idle' "$T/events" || false
    "$HOY" events --since "$since" --until "$(date +%s.%N)" --format '{{.Actor.Attributes.name}}' | grep -qx idle
    scoped container prune -f | grep -q 'Deleted Containers'
    scoped volume prune -af >/dev/null
    scoped network prune -f >/dev/null
    "$HOY" inspect outer idle >/dev/null
    "$HOY" rm idle
}

@test "read-only: GET and HEAD, and no stream into a process" {
    [ "$(stat -c %a "$T/s/read.sock")" = 600 ]
    [ "$(ask read GET /containers/outer/json)" = 200 ]
    [ "$(ask read GET '/containers/outer/logs?stdout=1')" = 200 ]
    refused 403 '("read-only")' read POST /containers/outer/stop
    refused 403 '("read-only")' read POST /containers/create '{"Image":"busybox"}'
    refused 403 '("read-only")' read PUT "/containers/outer/archive?path=/"
    refused 403 '("read-only")' read GET "/containers/outer/attach/ws?stream=1&stdin=1"
    refused 403 '("exec")' read GET "/exec/$exec_id/json"
    refused 403 '("events")' read GET /events
}

@test "the audit log: who, what, how it ended; what can't be written down is not done" {
    log=$T/data/audit.log
    : >"$log"
    id=$(scoped create --name mine busybox true)
    refused 404 "No such container" ci GET "/containers/outer/json?password=hidden"
    [ "$(ask ci POST /containers/mine/rename?name=other)" = 204 ]
    [ "$(jq -r 'select(.path == "/v1.50/containers/mine/rename") | [.object, .decision, .status, .uid, .socket] | join(" ")' "$log")" = \
        "$id allow 0 0 $T/s/ci.sock
$id allow 204 0 $T/s/ci.sock" ]
    [ "$(jq -r 'select(.path | endswith("/outer/json")) | [.method, .decision, .status, .reason] | join(" ")' "$log")" = \
        "GET deny 404 No such container: outer" ]
    ! grep -q hidden "$log" || false
    [ "$(jq -s '[.[].request] | length > 3 and (max - min < length)' "$log")" = true ]
    # a log on a full device: changes are refused, answers do not leave
    policies '.["scoped-sockets"][0].audit = "/dev/full"' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 10 grep -q 'configuration reloaded' "$T/hoyd.log"
    run ask ci GET /containers/json
    [ "$status" != 0 ]
    run ask ci POST "/containers/other/rename?name=mine"
    [ "$status" != 0 ]
    [ "$("$HOY" inspect -f '{{.Name}}' "$id")" = /other ]
    policies >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    answers() { [ "$(ask ci GET /containers/json)" = 200 ]; }
    wait_for 10 answers
}

@test "a reload changes, closes and opens scoped sockets; what is wrong changes nothing" {
    policies '.["scoped-sockets"] |= [.[0] * {allow: ["images"]}, .[1] * {path: "'"$T"'/s/new.sock"}]' >"$T/daemon.json"
    coproc HELD { exec python3 - "$T/s/read.sock" <<'PY'
import http.client, os, socket, sys, time
c = http.client.HTTPConnection("x")
c.sock = socket.socket(socket.AF_UNIX)
c.sock.connect(sys.argv[1])
def ask():
    c.request("GET", "/v1.50/containers/json")
    r = c.getresponse()
    r.read()
    print(r.status, flush=True)
ask()
while not os.path.exists(sys.argv[1].replace("read", "new")):
    time.sleep(0.02)
ask()
PY
    }
    read -r first <&"${HELD[0]}"
    [ "$first" = 200 ]
    kill -HUP "$HOYD_PID"
    read -r second <&"${HELD[0]}"
    [ "$second" = 403 ] # the connection outlives its socket, not the policy
    [ "$(ask new GET /containers/json)" = 200 ]
    [ ! -e "$T/s/read.sock" ]
    refused 403 '("containers.read")' ci GET /containers/json
    policies '.["scoped-sockets"][0].allow = ["everything"]' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 10 grep -q "there is no group of calls 'everything'" "$T/hoyd.log"
    refused 403 '("containers.read")' ci GET /containers/json
    policies >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    answers() { [ "$(ask ci GET /containers/json)" = 200 ] && [ "$(ask read GET /containers/json)" = 200 ]; }
    wait_for 10 answers
}

@test "scoped sockets by flag, and what daemon.json may not say" {
    run "$HOYD" --validate --config-file /dev/null --scoped-socket '{"path":"/s","allow":["exec"]}'
    [ "$output" = "configuration OK" ]
    check() { # WORD POLICY
        run "$HOYD" --validate --config-file /dev/null --scoped-socket "$2"
        [ "$status" = 1 ] && [[ "$output" == *scoped-sockets*"$1"* ]] || { echo "$output"; return 1; }
    }
    check "unknown member 'allowed'" '{"path":"/s","allow":["exec"],"allowed":[]}'
    check "another socket has this path" '{"path":"/run/hoy/hoy.sock","allow":["exec"]}'
    check "can't be the label" '{"path":"/s","allow":["exec"],"labels":{"x=":"y"}}'
}
