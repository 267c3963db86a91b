#!/usr/bin/env bats
# deploy.update_config with order start-first: the new container takes the place of the old one while it serves.
load compose

PORT=18472

service() { # TEXT [LINE-OF-SERVICE...]: serves TEXT
    local text=$1
    shift
    cat <<X
name: upd
services:
  web:
    image: busybox
    init: true
    command: [sh, -c, "mkdir -p /www; echo $text >/www/index.html; exec httpd -f -p 80 -h /www"]
    healthcheck: {test: "wget -qO- 127.0.0.1 >/dev/null", interval: 200ms, retries: 5, start_period: 1s, start_interval: 100ms}
    pre_stop: [{command: sleep 0.5}]
X
    printf '    %s\n' "$@"
}

answer() { python3 -c 'import sys, urllib.request as r; print(r.urlopen("http://127.0.0.1:" + sys.argv[1], timeout=5).read().decode().strip())' "${1:-$PORT}"; }
is_answer() { [ "$(answer "$2")" = "$1" ]; }
containers() { hoy ps -a --no-trunc --format '{{.ID}} {{.Names}}' --filter label=com.docker.compose.project=upd | sort; }

# Asks without a pause until the file `stop` is there; prints what came, and each failure.
client() {
    python3 - "$PORT" <<'X'
import collections, os, sys, urllib.request
seen = collections.Counter()
while not os.path.exists("stop"):
    try:
        seen[urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1], timeout=10).read().decode().strip()] += 1
    except OSError as e:
        seen["error " + str(e)] += 1
print(*sorted(seen), sep="\n")
X
}

@test "update: start-first replaces a container while it serves, and nobody is refused" {
    service one "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first, monitor: 300ms}}" >compose.yaml
    run compose up -d --wait
    [ "$status" = 0 ]
    [[ "$output" != *WARN* ]]
    first=$(containers)
    hoy run -d --name asking --network upd_default busybox \
        sh -c 'while [ ! -e /stop ]; do wget -qO- "$(nslookup web | sed -n "s/^Address: //p" | tail -1)" || echo refused; done'
    client >seen &
    wait_for 10 is_answer one "$PORT"
    service two "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first, monitor: 300ms}}" >compose.yaml
    run compose up -d
    [ "$status" = 0 ]
    [[ "$output" == *"Container upd-web-1  Replaced"* ]] || { echo "$output"; false; }
    wait_for 10 is_answer two "$PORT"
    touch stop
    wait $!
    rm stop
    hoy exec asking touch /stop
    hoy wait asking
    [ "$(cat seen)" = $'one\ntwo' ] || { cat seen; false; }
    # by its name too: the old one until the last, the new one only when it serves
    [ "$(hoy logs asking 2>&1 | uniq)" = $'one\ntwo' ] || { hoy logs asking 2>&1 | uniq; false; }
    hoy rm asking
    [ "$(containers | wc -l)" = 1 ]
    [ "$(containers)" != "$first" ]
    [ "${first#* }" = upd-web-1 ]
    [[ "$(containers)" == *" upd-web-1" ]]
    [ "$(look upd-web-1 .HostConfig.Standby)" = null ]
    [ "$(hoy port upd-web-1 80 | head -1)" = "0.0.0.0:$PORT" ]
    # nothing has changed: nothing is done
    second=$(containers)
    compose up -d
    [ "$(containers)" = "$second" ]
    # the port goes with the new one
    compose down -t 0
    run answer
    [ "$status" != 0 ]
}

@test "update: a new container that is not well is given up, and the old one goes on" {
    service one "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first}}" >compose.yaml
    compose up -d --wait
    first=$(containers)
    service two "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first}}" | sed 's/127.0.0.1 /127.0.0.1:81 /' >compose.yaml
    run compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *'service "web": the old container goes on'*unhealthy* ]] || { echo "$output"; false; }
    [ "$(containers)" = "$first" ]
    is_answer one "$PORT"
    # it ends within the time of `monitor`
    service two "deploy: {update_config: {order: start-first, monitor: 30s}}" | sed 's/exec httpd/sleep 0.5; exit 3;/; /healthcheck/d' >compose.yaml
    run compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *"exited (3)"* ]] || { echo "$output"; false; }
    [ "$(containers)" = "$first" ]
    # it can't even start
    service two "deploy: {update_config: {order: start-first}}" | sed 's/\[sh,/[none,/' >compose.yaml
    run compose up -d
    [ "$status" = 1 ]
    [ "$(containers)" = "$first" ]
    # continue: it is told, and is no failure
    sed -i 's/start-first/start-first, failure_action: continue/' compose.yaml
    run compose up -d
    [ "$status" = 0 ]
    [[ "$output" == *"Not replaced"* ]]
    [ "$(containers)" = "$first" ]
    is_answer one "$PORT"
    compose down -t 0
}

@test "update: several containers in lots, all or none with failure_action rollback" {
    more=("scale: 2" "ports: ['18480-18481:80']" "volumes: ['v:/v']")
    service one "${more[@]}" "deploy: {update_config: {order: start-first, failure_action: rollback, delay: 100ms}}" >compose.yaml
    echo 'volumes: {v: {}}' >>compose.yaml
    compose up -d --wait
    first=$(containers)
    # the second that starts fails
    { service two "${more[@]}" "deploy: {update_config: {order: start-first, failure_action: rollback, delay: 100ms}}"; echo 'volumes: {v: {}}'; } |
        sed 's|exec httpd|mkdir /v/one \|\| exit 4; exec httpd|' >compose.yaml
    run compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *"Rolled back"* ]] || { echo "$output"; false; }
    [ "$(containers)" = "$first" ]
    for port in 18480 18481; do is_answer one $port; done
    # one of two may fail
    hoy exec upd-web-1 rmdir /v/one
    sed -i 's/failure_action: rollback/max_failure_ratio: 0.5/' compose.yaml
    run compose up -d
    [ "$status" = 0 ]
    [[ "$output" == *"Not replaced"* ]] || { echo "$output"; false; }
    [ "$(for port in 18480 18481; do answer $port; done | sort)" = $'one\ntwo' ]
    # both at once
    { service three "${more[@]}" "deploy: {update_config: {order: start-first, failure_action: rollback, parallelism: 0}}"; echo 'volumes: {v: {}}'; } >compose.yaml
    compose up -d
    for port in 18480 18481; do is_answer three $port; done
    [ "$(containers | wc -l)" = 2 ]
    compose down -v -t 0
}

@test "update: killed in the midst, up goes on from there, and so does a hoyd that was killed" {
    service one "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first, monitor: 10s}}" >compose.yaml
    compose up -d --wait
    service two "ports: ['$PORT:80']" "deploy: {update_config: {order: start-first, monitor: 10s}}" >compose.yaml
    "$HOY" compose up -d &
    up=$!
    two() { [ "$(containers | wc -l)" = 2 ]; }
    wait_for 20 two
    kill -9 $up
    wait $up || true
    is_answer one "$PORT"
    sed -i 's/, monitor: 10s//' compose.yaml
    compose up -d
    [ "$(containers | wc -l)" = 1 ]
    is_answer two "$PORT"
    # standing by is kept, and the exchange too
    raw() { curl -sS --unix-socket "$T/hoy.sock" -H 'Content-Type: application/json' "$@"; }
    id=$(raw -d "{\"Image\":\"busybox\",\"Cmd\":[\"sh\",\"-c\",\"mkdir /w; echo three >/w/index.html; exec httpd -f -p 80 -h /w\"],\"HostConfig\":{\"Standby\":true,\"Init\":true,\"NetworkMode\":\"upd_default\",\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"$PORT\"}]}}}" http://d/containers/create?name=beside | sed 's/.*"Id":"\([0-9a-f]*\)".*/\1/')
    hoy start beside
    [ -z "$(hoy port beside)" ]
    kill_hoyd; start_hoyd
    is_answer two "$PORT"
    [ -z "$(hoy port beside)" ]
    [ "$(raw -X POST -o answer -w '%{http_code}' "http://d/containers/upd-web-1/promote?instead=beside")" = 409 ]
    [[ "$(cat answer)" == *"container upd-web-1 does not stand by"* ]]
    [ "$(raw -X POST -o answer -w '%{http_code}' "http://d/containers/beside/promote")" = 400 ]
    [ "$(raw -X POST -o answer -w '%{http_code}' "http://d/containers/beside/promote?instead=none")" = 404 ]
    [ "$(raw -X POST -o answer -w '%{http_code}' "http://d/containers/beside/promote?instead=upd-web-1")" = 204 ] || { cat answer; false; }
    is_answer three "$PORT"
    [ "$(id_of upd-web-1) $(look upd-web-1 .HostConfig.Standby) $(look beside .HostConfig.Standby)" = "$id null true" ]
    kill_hoyd; start_hoyd
    is_answer three "$PORT"
    [ -z "$(hoy port beside)" ]
    hoy rm -f beside upd-web-1
    compose down -t 0
}

@test "update: what can't run twice is stopped first, and that is told" {
    { service one "networks: {n: {ipv4_address: 10.123.7.9}}" "deploy: {update_config: {order: start-first}}"
      echo 'networks: {n: {ipam: {config: [{subnet: 10.123.7.0/24}]}}}'; } >compose.yaml
    compose up -d --wait
    first=$(containers)
    sed -i 's/echo one/echo two/' compose.yaml
    run compose up -d
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "$output" == *'WARN: service "web": order start-first is not possible, it has a fixed address'* ]] || { echo "$output"; false; }
    [ "$(containers | wc -l)" = 1 ]
    [ "$(containers)" != "$first" ]
    # an address is whose who runs
    hoy create --name other --network upd_n --ip 10.123.7.9 busybox sleep 1000
    run hoy start other
    [ "$status" = 1 ]
    [[ "$output" == *"Address already in use: 10.123.7.9"* ]]
    hoy stop -t 0 upd-web-1
    hoy start other
    [ "$(look other '.NetworkSettings.Networks.upd_n.IPAddress')" = 10.123.7.9 ]
    run hoy start upd-web-1
    [ "$status" = 1 ]
    [[ "$output" == *"Address already in use: 10.123.7.9"* ]]
    hoy rm -f other
    hoy start upd-web-1
    [ "$(look upd-web-1 '.NetworkSettings.Networks.upd_n.IPAddress')" = 10.123.7.9 ]
    compose down -t 0
}
