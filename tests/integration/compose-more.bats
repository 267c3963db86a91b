#!/usr/bin/env bats
# Compose projects against hoyd, second part: images that are built, several networks, namespaces of other services,
# the program under docker-compose's name, and stacks that cross over from and to docker-compose 1.29.
load compose

old_compose() { timeout 60 docker-compose "$@"; }

@test "compose: an image is built, networks and namespaces are shared, down --rmi" {
    mkdir app
    printf 'FROM busybox\nARG WHO=nobody\nRUN echo "hello $WHO" >/hello\nCMD ["cat","/hello"]\n' >app/Dockerfile
    cat >compose.yaml <<'X'
name: ex
services:
  api:
    build: {context: app, args: {WHO: world}}
    depends_on: {pg: {condition: service_healthy}}
    networks: [front, back]
  pg:
    image: busybox
    init: true
    command: sh -c "touch /ready; sleep 1000"
    healthcheck: {test: ["CMD-SHELL", "test -e /ready"], interval: 200ms}
    networks: {back: {aliases: [postgres]}}
    volumes: [/own]
  side:
    image: busybox
    init: true
    command: sleep 1000
    network_mode: service:pg
    volumes_from: [pg]
networks: {front: {}, back: {driver: bridge, ipam: {config: [{subnet: 10.91.3.0/24}]}}}
X
    compose up -d --build --quiet-build --quiet-pull
    wait_for 10 sh -c "'$HOY' compose logs api | grep -q 'hello world'"
    [ "$(compose run --rm -T --no-deps api sh -c 'ip -4 -o addr | grep -c eth')" = 2 ]
    compose run --rm -T --no-deps api ping -c 1 -W 5 postgres
    [ "$(compose exec -T side ip -4 -o addr)" = "$(compose exec -T pg ip -4 -o addr)" ]
    compose exec -T pg touch /own/file
    compose exec -T side test -e /own/file
    [ "$(compose images -q | sort -u | wc -l)" = 2 ]
    # who leans on another's namespaces is made again with it
    compose up -d --force-recreate -t 0 pg
    compose up -d -t 0
    compose build -q --build-arg WHO=again
    compose down --rmi local -t 0
    ! hoy image inspect ex-api || false
}

@test "compose: names of files, projects and directories are found as docker compose finds them" {
    mkdir sub
    printf 'services:\n  a: {image: busybox, command: sleep 1000, init: true}\n' >sub/one.yml
    printf 'services:\n  a: {environment: {V: "${V}"}}\n' >sub/two.yml
    echo 'V=from-env-file' >vars
    compose -f sub/one.yml -f sub/two.yml --env-file vars -p proj up -d
    [ "$(compose -p proj ps --format '{{.Name}}')" = proj-a-1 ]
    [ "$(compose -p proj exec -T a sh -c 'echo $V')" = from-env-file ]
    [ "$(label proj-a-1 project.environment_file)" = "$P/vars" ]
    [ "$(label proj-a-1 project.working_dir)" = "$P/sub" ]
    run compose -p proj logs nope
    [ "$status" = 1 ]
    compose -p proj stop -t 1
    compose -p proj rm -f -v
    compose -p proj down
    compose --compatibility -f sub/one.yml -p proj create
    [ "$(compose -p proj ps -a --format '{{.Name}}')" = proj_a_1 ]
    compose -p proj down
}

@test "compose: the program answers to docker-compose's name, and as docker's plugin" {
    ln -s "$HOY" "$T/docker-compose"
    printf 'name: nam\nservices:\n  a: {image: busybox, command: sleep 1000, init: true}\n' >compose.yaml
    "$T/docker-compose" -f compose.yaml up -d
    [ "$("$T/docker-compose" compose ps --services)" = a ]
    [[ "$("$T/docker-compose" docker-cli-plugin-metadata | jq -r .SchemaVersion)" == 0.1.0 ]]
    [ "$(compose version --short)" = "$(compose version --format json | jq -r .version | tr -d v)" ]
    [[ "$(compose --version)" == "Hoy Compose version v"* ]]
    [[ "$(compose --help)" == *"--project-name"* ]]
    [[ "$("$HOY" __complete -- compose -f x u)" == *up*$'\t'* ]]
}

@test "compose: stacks cross over from and to docker-compose 1.29" {
    command -v docker-compose >/dev/null || skip_because no-docker-compose "docker-compose is not installed"
    cat >docker-compose.yml <<'X'
version: "3.7"
services:
  web: {image: busybox, command: sleep 1000, init: true, depends_on: [db], ports: ["127.0.0.1:18077:80"]}
  db: {image: busybox, command: sleep 1000, init: true, volumes: ["data:/data"]}
volumes: {data: {}}
X
    export COMPOSE_PROJECT_NAME=x
    old_compose up -d
    [ "$(compose ps --format '{{.Name}}')" = $'x_db_1\nx_web_1' ]
    web=$(compose ps -q web)
    compose up -d --no-recreate
    [ "$(compose ps -q web)" = "$web" ]
    compose stop -t 1
    compose start
    [ "$(compose port web 80)" = 127.0.0.1:18077 ]
    compose up -d -t 0
    [ "$(compose ps --format '{{.Name}}')" = $'x-db-1\nx-web-1' ]
    [[ "$(old_compose ps)" == *x-web-1*Up* ]]
    [ "$(old_compose exec -T web echo hi)" = hi ]
    old_compose stop -t 1
    old_compose start
    old_compose up -d --no-recreate
    [ "$(compose ps -q | wc -l)" = 2 ]
    COMPOSE_API_VERSION=1.44 old_compose up -d -t 1 --force-recreate # of later ones it misses what they no longer have
    [ "$(compose ps -q | wc -l)" = 2 ]
    old_compose down -v -t 0
    [ -z "$(compose ps -aq)" ]
    [ -z "$(hoy volume ls -q --filter name=x_data)" ]
    old_compose up -d
    compose down -v -t 0
    [ -z "$(hoy ps -aq)" ]
    [ -z "$(hoy network ls -q --filter name=x_default)" ]
}

# HOY_STACK_SIZE services of three replicas each, every one behind the one before the last; the soak's is 50.
@test "compose: a killed hoyd, and up again: everything is there once" {
    size=${HOY_STACK_SIZE:-3}
    all=$((3 * size))
    {
        echo 'name: kil'
        echo 'services:'
        for i in $(seq "$size"); do
            echo "  s$i: {image: busybox, command: sleep 1000, init: true, scale: 3, stop_grace_period: 1s$([ "$i" -lt 3 ] || echo ", depends_on: [s$((i - 2))]")}"
        done
    } >compose.yaml
    big() { timeout 900 "$HOY" compose "$@"; }
    "$HOY" compose up -d >out 2>&1 3>&- &
    up=$!
    some() { [ "$(grep -c Created out)" -gt "$size" ]; }
    wait_for 60 some
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid")
    kill -KILL "$HOYD_PID"
    wait $up || :
    wait_for 20 is_dead "$HOYD_PID"
    start_hoyd
    big up -d
    [ "$(compose ps -q | wc -l)" = "$all" ]
    [ "$(compose ps -aq | wc -l)" = "$all" ]
    [ "$(compose ps --format '{{.Name}}' | sort -u | wc -l)" = "$all" ]
    # killed while it goes down, too
    big down -t 0 >down 2>&1 3>&- &
    down=$!
    gone() { grep -q Removed down; }
    wait_for 60 gone
    HOYD_PID=$(cat "$T/hoyd.pid")
    kill -KILL "$HOYD_PID"
    wait $down || :
    wait_for 20 is_dead "$HOYD_PID"
    start_hoyd
    big down -t 0
    [ -z "$(hoy ps -aq --filter label=com.docker.compose.project=kil)" ]
    [ -z "$(hoy network ls -q --filter name=kil_)" ]
    [ -z "$(find "$T/data/containers" -mindepth 1 -maxdepth 1 -type d 2>/dev/null)" ]
    ! ip -o link show type veth 2>/dev/null | grep . || false
}

# A reboot, and a hoyd that was away while everything died: bundles are gone, or not.
end_all() { # KEEP_BUNDLES
    HOYD_PID=$(cat "$T/hoyd.pid")
    kill -KILL "$HOYD_PID"
    wait_for 20 is_dead "$HOYD_PID"
    local pid id ids
    for pid in $(pgrep -f "containerd-shim-hoy-v2.*$T"); do kill -KILL $(pgrep -P "$pid") "$pid"; done
    ids=$(ls "$T/run/c")
    if ! "$1"; then
        rm -rf "$T/run"
        for id in $ids; do find /sys/fs/cgroup -depth -type d -path "*/hoy/$id" -exec rmdir {} + ; done
    fi
    since=$(date +%s.%N)
    start_hoyd
}
events_since() {
    hoy events --since "$since" --until "$(date +%s.%N)" --filter type=container --format '{{.Action}} {{.Actor.Attributes.name}}'
}
# The last of the first event came before the first of the second.
before() {
    local events
    events=$(events_since)
    echo "$events"
    [ "$(grep -nxF "$1" <<<"$events" | tail -1 | cut -d: -f1)" -lt "$(grep -nxF "$2" <<<"$events" | head -1 | cut -d: -f1)" ]
}

@test "compose: the order and its conditions hold when hoyd comes back and has to start everything" {
    cat >compose.yaml <<'X'
name: boot
x-all: &all {image: busybox, init: true, restart: always, stop_grace_period: 0s, command: sleep 1000}
services:
  last: {<<: *all, depends_on: [web, off], network_mode: "service:web"}
  web: {<<: *all, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}
  job:
    <<: *all
    restart: on-failure
    command: sh -c 'test ! -e /v/slow || { rm /v/slow; exec sleep 1000; }; usleep 300000'
    volumes: ["v:/v"]
  db:
    <<: *all
    command: sh -c 'usleep 400000; touch /run/ready; exec sleep 1000'
    tmpfs: /run
    volumes: ["v:/v"]
    healthcheck: {test: test -e /run/ready, interval: 100ms, retries: 50}
  off: {<<: *all, restart: unless-stopped}
volumes: {v: {}}
X
    compose up -d
    hoy stop boot-off-1
    up() { events_since | grep -qx 'start boot-last-1' && [ "$(state_of boot-last-1)" = running ]; }
    gone() { ! hoy exec boot-db-1 test -e /v/slow; }
    for kept in false true; do
        hoy exec boot-db-1 touch /v/slow
        hoy start boot-job-1
        wait_for 10 gone
        : >"$T/hoyd.log"
        end_all "$kept"
        wait_for 20 up
        before 'health_status: healthy boot-db-1' 'start boot-web-1'
        before 'die boot-job-1' 'start boot-web-1'
        before 'start boot-web-1' 'start boot-last-1'
        [ "$(state_of boot-off-1)" = exited ]
        grep -Eq "'boot-web-1': starts when '(boot-db-1' is healthy|boot-job-1' has exited with 0)" "$T/hoyd.log"
        grep -q "'boot-last-1': starts without 'boot-off-1'" "$T/hoyd.log"
    done
}
