#!/usr/bin/env bats
# The unmodified docker compose (v2, of Debian 13, with its client and buildx) against hoyd. COMPOSE_PLUGIN names another.
bats_require_minimum_version 1.5.0
load ../integration/lib
load ../integration/stack

setup_file() {
    load ../integration/lib
    load ../integration/stack
    stack_setup
    DOCKER=$(find_buildx_docker)
    plugin=${COMPOSE_PLUGIN:-${DOCKER%/bin/docker}/libexec/docker/cli-plugins/docker-compose}
    if [ -n "$DOCKER" ] && [ -x "$plugin" ]; then ln -sf "$plugin" "$DOCKER_CONFIG/cli-plugins/docker-compose"; else DOCKER=; fi
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG DOCKER BUILDKIT_PROGRESS=plain COMPOSE_ANSI=never
    unset DOCKER_BUILDKIT
}
teardown_file() { stack_teardown; }
setup() {
    [ -n "$DOCKER" ] || skip_because no-buildx "docker compose v2 is not here"
    mkdir "$T/project"
    cd "$T/project"
}
teardown() {
    [ -z "$DOCKER" ] || compose down -v -t 1 --rmi local >/dev/null 2>&1 || :
    cd /
    rm -rf "$T/project"
}
compose() { timeout 120 "$DOCKER" compose -p suite "$@"; }
logs() { compose logs --no-log-prefix "$1" | sed 's/^\x1b\[2K//'; } # its own, also where there is no terminal
ids() { compose ps -aq | sort; }

@test "up waits for health and gives secrets, configs, ports; the commands on a project; down -v leaves nothing" {
    echo s3cret >secret
    cat >compose.yaml <<'X'
services:
  db:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; touch /tmp/ok; while :; do sleep 1; done'
    healthcheck: {test: ["CMD", "test", "-f", "/tmp/ok"], interval: 1s}
    volumes: ["data:/data"]
  web:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; echo "hello of $$A"; httpd -p 80 -h /etc; while :; do sleep 1; done'
    depends_on: {db: {condition: service_healthy}}
    ports: ["18080:80"]
    environment: [A=1]
    secrets: [one]
    configs: [{source: two, target: /etc/two}]
secrets: {one: {file: ./secret}}
configs: {two: {content: "of two"}}
volumes: {data: {}}
X
    run compose up -d
    [ $status = 0 ] && [[ $output == *"Container suite-db-1  Healthy"* ]] || { echo "$output"; false; }
    [ "$(compose exec -T web sh -c 'cat /run/secrets/one /etc/two')" = $'s3cret\nof two' ]
    [ "$(wget -q -O - http://127.0.0.1:18080/two)" = "of two" ]
    wait_for 10 eval '[ "$(logs web)" = "hello of 1" ]'
    [[ $(compose ps --format '{{.Service}} {{.State}} {{.Health}}' db) == "db running healthy" ]]
    [ "$(compose port web 80)" = 0.0.0.0:18080 ]
    [[ $(compose top web) == *httpd* ]]
    compose cp web:/etc/hostname copied
    [ "$(<copied)" = "$(compose ps -q --no-trunc web | cut -c1-12)" ]
    [ "$(compose run --rm -T web echo once | tail -1)" = once ]
    before=$(ids)
    compose up -d
    [ "$(ids)" = "$before" ]
    compose up -d --scale db=2
    [ "$(compose ps -q db | wc -l)" = 2 ]
    compose pause web
    [ "$(compose ps --format '{{.State}}' web)" = paused ]
    compose unpause web
    compose restart -t 5 web
    compose stop -t 5
    [ "$(compose ps -aq --status exited | wc -l)" = 3 ] || { compose ps -a; false; }
    [ "$(compose ps -a --format '{{.ExitCode}}' web)" = 0 ]
    compose down -v
    [ -z "$("$HOY" ps -aq)$("$HOY" volume ls -q)$("$HOY" network ls -q --filter name=suite)" ]
}

@test "build: services that share a context, Dockerfiles elsewhere and inline, stages, arguments, secrets" {
    echo token-of-build >token
    echo file >f
    mkdir a b
    printf '%s\n' 'FROM busybox AS first' 'ARG WHO=nobody' 'RUN --mount=type=secret,id=token echo "$WHO" >/who; wc -c </run/secrets/token >>/who' \
        'CMD cat /who' 'FROM busybox' 'COPY --from=first /who /who' 'COPY f /f' 'CMD cat /who /f' >Dockerfile
    printf '%s\n' 'FROM busybox' 'COPY f /from-a' 'CMD cat /from-a' >a/Dockerfile
    printf '%s\n' 'FROM busybox' 'COPY . /all' 'CMD ls /all' >b/Dockerfile
    printf '%s\n' f 'token' >b/Dockerfile.dockerignore
    cat >compose.yaml <<'X'
services:
  last: {build: {context: ., args: {WHO: me}, secrets: [token]}}
  first: {build: {context: ., target: first, secrets: [token]}}
  from-a: {build: {context: ., dockerfile: a/Dockerfile}}
  from-b: {build: {context: ., dockerfile: b/Dockerfile}}
  inline:
    build:
      context: .
      dockerfile_inline: |
        FROM busybox
        COPY f /inline
        CMD cat /inline
secrets: {token: {file: ./token}}
X
    run compose up --build
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(logs last)" = $'me\n15\nfile' ]
    [ "$(logs first)" = $'nobody\n15' ]
    [ "$(logs from-a)" = file ]
    [ "$(logs from-b)" = $'Dockerfile\na\nb\ncompose.yaml' ]
    [ "$(logs inline)" = file ]
    before=$(ids)
    run compose build
    [ $status = 0 ] && [[ $output != *token-of-build* ]] || { echo "$output"; false; }
    compose up -d
    [ "$(ids)" = "$before" ]
    wait_for 10 eval '! pgrep -P "$HOYD_PID" hoy-build'
    run grep -rq token-of-build "$T/data" "$T/run" "$T/hoyd.log"
    [ $status = 1 ]
}

@test "what changes is made again, what is gone is an orphan; hoy compose works on the same project" {
    printf '%s\n' 'services:' '  a: {image: busybox, command: sleep 1000, init: true}' '  b: {image: busybox, command: sleep 1000, init: true}' >compose.yaml
    compose up -d
    a=$(compose ps -q a) b=$(compose ps -q b)
    sed -i '/ b:/s/1000/2000/' compose.yaml
    compose up -d
    [ "$(compose ps -q a)" = "$a" ] && [ "$(compose ps -q b)" != "$b" ]
    sed -i '/ b:/d' compose.yaml
    run compose up -d
    [[ $output == *"orphan"* ]]
    compose up -d --remove-orphans
    [ "$(ids | wc -l)" = 1 ]
    [ "$("$HOY" compose -p suite ps --format '{{.Service}} {{.State}}')" = "a running" ]
    "$HOY" compose -p suite down -t 1
    [ -z "$(ids)" ]
}
