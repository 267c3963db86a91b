#!/usr/bin/env bats
# Compose projects against hoyd: up, what is changed, the commands on a project, down. One hoyd for all tests, a project
# for each.
load compose

@test "compose: two services with a network and a volume come up and go down" {
    cat >compose.yaml <<'X'
name: duo
services:
  web:
    image: busybox
    command: [sh, -c, "echo web is up; exec sleep 1000"]
    init: true
    depends_on: [db]
  db:
    image: busybox
    command: [sh, -c, "echo db is up; echo kept >/data/file; exec sleep 1000"]
    init: true
    volumes: ["data:/data"]
volumes: {data: {}}
X
    run --separate-stderr compose up -d
    [ "$status" = 0 ]
    [[ "$stderr" == *"Network duo_default  Created"* ]]
    [[ "$stderr" == *"Volume duo_data  Created"* ]]
    [[ "$stderr" == *"Container duo-web-1  Started"* ]]
    [ "$(compose ps --format '{{.Name}} {{.Service}} {{.State}}')" = $'duo-db-1 db running\nduo-web-1 web running' ]
    [ "$(compose ps --services)" = $'db\nweb' ]
    [ "$(compose ps -q db)" = "$(id_of duo-db-1)" ]
    [ "$(compose ps --format json web | jq -r .Project)" = duo ]
    compose exec -T web ping -c 1 -W 5 db
    [ "$(compose exec -T db cat /data/file)" = kept ]
    wait_for 10 sh -c "'$HOY' compose logs | grep -q 'web is up'"
    [ "$(compose logs --no-color | sort)" = $'db-1   | db is up\nweb-1  | web is up' ]
    [ "$(compose logs --no-log-prefix db)" = "db is up" ]
    [ "$(label duo-web-1 project) $(label duo-web-1 service) $(label duo-web-1 container-number) $(label duo-web-1 oneoff)" = "duo web 1 False" ]
    [ "$(label duo-web-1 depends_on)" = "db:service_started:false" ]
    [ "$(label duo-web-1 project.config_files)" = "$P/compose.yaml" ]
    # nothing to do: nothing is made again
    before=$(id_of duo-web-1)
    run --separate-stderr compose up -d
    [[ "$stderr" == *"Container duo-web-1  Running"* ]]
    [ "$(id_of duo-web-1)" = "$before" ]
    [ "$(compose ls --format json | jq -r '.[] | select(.Name == "duo") | .Status')" = "running(2)" ]
    compose down
    [ -z "$(compose ps -aq)" ]
    [ -z "$(hoy network ls -q --filter name=duo_default)" ]
    [ "$(hoy volume ls -q --filter name=duo_data)" = duo_data ]
    # the data is still there, and goes with -v
    compose up -d db
    compose exec -T db test -e /data/file
    compose exec -T db touch /data/mark
    run --separate-stderr compose down -v
    [[ "$stderr" == *"These volumes are deleted with their data: duo_data"*"brought back: hoy volume restore duo_data"* ]]
    [ -z "$(hoy volume ls -q --filter name=duo_data)" ]
    # for an hour, unless the next project has the name
    compose up -d db
    ! compose exec -T db test -e /data/mark || false
    run -1 --separate-stderr hoy volume restore duo_data
    [[ "$stderr" == *"there is a volume of this name again: rename or remove it first"* ]]
    compose down
    hoy volume rm duo_data
    hoy volume restore duo_data
    compose up -d db
    compose exec -T db test -e /data/mark
    [ "$(label duo-db-1 project) $(hoy volume inspect -f '{{index .Labels "com.docker.compose.project"}}' duo_data)" = "duo duo" ]
    compose down -v
}

@test "compose: only what changed is made again, and keeps its anonymous volumes" {
    cat >compose.yaml <<'X'
name: chg
services:
  a: {image: busybox, command: sleep 1000, init: true, volumes: [/anon]}
  b: {image: busybox, command: sleep 1000, init: true}
X
    compose up -d
    a=$(id_of chg-a-1) b=$(id_of chg-b-1)
    compose exec -T a sh -c 'echo mine >/anon/file'
    sed -i 's/  a: {image: busybox,/&  environment: {X: "1"},/' compose.yaml
    run --separate-stderr compose up -d
    [[ "$stderr" == *"Container chg-a-1  Recreated"* ]]
    [ "$(id_of chg-b-1)" = "$b" ]
    [ "$(id_of chg-a-1)" != "$a" ]
    [ "$(compose exec -T a sh -c 'cat /anon/file; echo $X')" = $'mine\n1' ]
    # --no-recreate, --force-recreate and -V
    sed -i 's/X: "1"/X: "2"/' compose.yaml
    a=$(id_of chg-a-1)
    compose up -d --no-recreate
    [ "$(id_of chg-a-1)" = "$a" ]
    compose up -d --force-recreate -V -t 0
    [ "$(id_of chg-b-1)" != "$b" ]
    run compose exec -T a cat /anon/file
    [ "$status" != 0 ]
    # what is left of a run that was killed in between is put right
    hoy rename chg-b-1 0123456789ab_chg-b-1
    compose up -d
    [ "$(compose ps -q b | wc -l)" = 1 ]
}

@test "compose: replicas grow and shrink" {
    cat >compose.yaml <<'X'
name: scl
services:
  w: {image: busybox, command: sleep 1000, init: true}
X
    compose up -d --scale w=3
    [ "$(compose ps -q | wc -l)" = 3 ]
    compose scale w=1
    [ "$(compose ps --format '{{.Name}}')" = scl-w-1 ]
    run compose up -d --scale nope=2
    [ "$status" = 1 ]
    [[ "$output" == *"no such service: nope"* ]]
}

@test "compose: conditions hold back who depends on them" {
    cat >compose.yaml <<'X'
name: cnd
services:
  db:
    image: busybox
    command: [sh, -c, "sleep 1; touch /ready; exec sleep 1000"]
    healthcheck: {test: [CMD, test, -e, /ready], interval: 200ms, retries: 100}
  init:
    image: busybox
    command: [sh, -c, "sleep 1; echo done"]
  web:
    image: busybox
    command: sleep 1000
    depends_on:
      db: {condition: service_healthy}
      init: {condition: service_completed_successfully}
X
    run --separate-stderr compose up -d
    [ "$status" = 0 ]
    [[ "$stderr" == *"Container cnd-db-1  Healthy"*"Container cnd-web-1  Started"* ]]
    [[ "$stderr" == *"Container cnd-init-1  Exited"*"Container cnd-web-1  Started"* ]]
    [ "$(label cnd-web-1 depends_on)" = "db:service_healthy:false,init:service_completed_successfully:false" ]
    compose down -t 0
    sed -i 's/echo done/exit 3/' compose.yaml
    run --separate-stderr compose up -d
    [ "$status" = 1 ]
    [[ "$stderr" == *"dependency failed to start: container cnd-init-1 didn't complete successfully: exit 3"* ]]
    [ "$(state_of cnd-web-1)" = created ]
    run --separate-stderr compose up -d --wait db
    [ "$status" = 0 ]
    [[ "$stderr" == *"Container cnd-db-1  Healthy"* ]]
}

@test "compose: up in the foreground prints, and ends by a container, a flag or a signal" {
    cat >compose.yaml <<'X'
name: fg
services:
  one: {image: busybox, command: [sh, -c, "echo from one; exit 5"]}
  two: {image: busybox, command: [sh, -c, "echo from two; trap 'exit 0' TERM; sleep 1000 & wait"], init: true}
X
    run --separate-stderr compose up --abort-on-container-exit
    [ "$status" = 5 ]
    [[ "$output" == *"one-1  | from one"* ]]
    [[ "$output" == *"one-1 exited with code 5"* ]]
    [ "$(state_of fg-two-1)" = exited ]
    run compose up --exit-code-from two -t 1
    [ "$status" != 5 ]
    "$HOY" compose up two >out 2>err 3>&- &
    pid=$!
    wait_for 20 grep -q "from two" out
    kill -INT $pid
    status=0; wait $pid || status=$?
    [ "$status" = 130 ]
    [ "$(state_of fg-two-1)" = exited ]
    grep -q "Gracefully stopping" out
}

@test "compose: stop, start, restart, pause, kill, rm, top, port, images, cp, wait, events" {
    cat >compose.yaml <<'X'
name: cmd
services:
  s:
    image: busybox
    command: sleep 1000
    init: true
    ports: ["127.0.0.1:18099:80", "127.0.0.1:18098:53/udp"]
X
    compose up -d
    [ "$(compose port s 80)" = 127.0.0.1:18099 ]
    [ "$(compose port --protocol udp s 53)" = 127.0.0.1:18098 ]
    compose pause
    [ "$(state_of cmd-s-1)" = paused ]
    compose unpause
    [ "$(state_of cmd-s-1)" = running ]
    compose top | grep -q "sleep 1000"
    [ "$(compose images --format json | jq -r '.[0].Repository')" = busybox ]
    echo text >file
    compose cp file s:/tmp/there
    compose cp s:/tmp/there back
    cmp file back
    started=$(hoy inspect -f '{{.State.StartedAt}}' cmd-s-1)
    compose restart -t 2
    [ "$(hoy inspect -f '{{.State.StartedAt}}' cmd-s-1)" != "$started" ]
    compose stop
    [ "$(state_of cmd-s-1)" = exited ]
    [ -z "$(compose ps -q)" ]
    [ "$(compose ps -a --status exited --format '{{.ExitCode}}')" = 143 ]
    compose start
    compose kill
    run compose wait s
    [ "$status" = 137 ]
    compose rm -f
    [ -z "$(compose ps -aq)" ]
    [[ "$(compose events --json --since 1h --until 0s | jq -r .action | sort -u)" == *create*kill*start* ]]
}

@test "compose: run makes one-offs with what the command line changes" {
    cat >compose.yaml <<'X'
name: one
services:
  app:
    image: busybox
    command: echo default
    environment: {A: file, B: file}
    depends_on: [db]
  db: {image: busybox, command: sleep 1000, init: true}
X
    [ "$(compose run --rm -T app 2>/dev/null)" = default ]
    [ "$(compose run --rm -T -e A=cli app sh -c 'echo $A $B' 2>/dev/null)" = "cli file" ]
    [ "$(state_of one-db-1)" = running ]
    run compose run --rm -T --no-deps app sh -c 'exit 7'
    [ "$status" = 7 ]
    id=$(compose run -d --name mine app sleep 1000 2>/dev/null)
    [ "$(id_of mine)" = "$id" ]
    [ "$(label mine oneoff)" = True ]
    [ -z "$(compose ps -aq app | grep -v "$id")" ]
    compose down -t 0
    [ -z "$(hoy ps -aq --filter label=com.docker.compose.project=one)" ]
}

@test "compose: configs and secrets are files with owner and mode" {
    echo from-file >s1
    cat >compose.yaml <<'X'
name: sec
services:
  s:
    image: busybox
    command: sleep 1000
    secrets: [s1, {source: s2, target: named, uid: "5", gid: "6", mode: 0400}]
    configs: [{source: c, target: /etc/app.conf}]
secrets:
  s1: {file: ./s1}
  s2: {environment: SECRET_TWO}
configs:
  c: {content: "a=b"}
X
    echo vaulted | hoy secret create vault -
    echo conf | hoy config create conf-one -
    cat >>compose.yaml <<'X'
  e: {external: true, name: conf-one}
X
    sed -i -e 's/secrets: \[s1,/secrets: [s1, vault, {source: vault, target: other, uid: "7", mode: 0440},/' \
        -e 's/configs: \[/configs: [{source: e, target: etc\/e.conf}, /' -e 's/^secrets:/&\n  vault: {external: true}/' compose.yaml
    SECRET_TWO=hidden compose up -d
    # what is the engine's is put in place by it, and stays when the project goes
    [ "$(compose exec -T s cat /run/secrets/vault /run/secrets/other /etc/e.conf)" = $'vaulted\nvaulted\nconf' ]
    [ "$(compose exec -T s stat -c '%u:%g %a' /run/secrets/other)" = "7:0 440" ]
    [ "$(hoy inspect -f '{{json .HostConfig.Secrets}}' sec-s-1 | jq -c 'map(.SecretName)')" = '["vault","vault"]' ]
    SECRET_TWO=hidden run compose up -d
    [[ "$output" != *Recreat* ]]
    [ "$(compose exec -T s cat /run/secrets/s1 /run/secrets/named)" = $'from-file\nhidden' ]
    [ "$(compose exec -T s stat -c '%u:%g %a' /run/secrets/named)" = "5:6 400" ]
    [ "$(compose exec -T s cat /etc/app.conf)" = a=b ]
    compose down -t 0
    run env -u SECRET_TWO "$HOY" compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *'SECRET_TWO'* ]]
    hoy secret rm vault
    hoy config rm conf-one
    SECRET_TWO=hidden run compose up -d
    [[ "$output" == *'external secret "vault" not found'* ]]
}

@test "compose: orphans are told and go when asked for; hooks run" {
    cat >compose.yaml <<'X'
name: orp
services:
  a: {image: busybox, command: sleep 1000, init: true, post_start: [{command: [touch, /started]}], pre_stop: [{command: [sh, -c, "echo bye >/shared/bye"]}], volumes: ["./out:/shared"]}
  b: {image: busybox, command: sleep 1000}
X
    mkdir out
    compose up -d
    compose exec -T a test -e /started
    sed -i '/^  b:/d' compose.yaml
    run --separate-stderr compose up -d
    [[ "$stderr" == *"Found orphan containers ([orp-b-1])"* ]]
    compose up -d --remove-orphans -t 0
    [ "$(compose ps -a --format '{{.Name}}')" = orp-a-1 ]
    compose down -t 0
    [ "$(cat out/bye)" = bye ]
}

@test "compose: what is wrong is said" {
    run compose ps
    [ "$status" = 1 ]
    [[ "$output" == *"no configuration file provided: not found"* ]]
    [ -z "$(compose -p other ps -q)" ]
    printf 'name: bad\nservices:\n  a: {image: nosuch.invalid/image, pull_policy: never}\n  b: {image: busybox, networks: [gone]}\nnetworks: {gone: {external: true}}\n' >compose.yaml
    run compose up -d a
    [ "$status" = 1 ]
    [[ "$output" == *'pulling is forbidden by the policy "never"'* ]]
    run compose up -d b
    [ "$status" = 1 ]
    [[ "$output" == *"network gone declared as external, but could not be found"* ]]
    run compose up -d nope
    [[ "$output" == *"no such service: nope"* ]]
    run compose exec b true
    [[ "$output" == *'service "b" is not running'* ]]
    run compose up -d --abort-on-container-exit
    [ "$status" = 1 ]
}
