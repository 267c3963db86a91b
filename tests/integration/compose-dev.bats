#!/usr/bin/env bats
# What compose does beside running: dry runs, hooks before the start, drawings, watching sources.
load compose

@test "compose: a dry run tells and changes nothing" {
    cat >compose.yaml <<'X'
name: dry
services:
  a: {image: busybox, init: true, command: sleep 1000, volumes: ["v:/v"], healthcheck: {test: [CMD, "true"]}, post_start: [{command: "true"}]}
  b: {image: busybox, init: true, command: sleep 1000, depends_on: {a: {condition: service_healthy}}}
volumes: {v: {}}
X
    run -0 --separate-stderr compose --dry-run up -d
    [[ "$stderr" == *"DRY-RUN MODE -  Network dry_default  Created"*"DRY-RUN MODE -  Container dry-b-1  Started"* ]]
    [ -z "$(hoy ps -aq)$(hoy volume ls -q)$(hoy network ls -q --filter name=dry_default)" ]
    compose up -d
    before=$(hoy ps -aq --no-trunc)
    run -0 --separate-stderr compose --dry-run up -d --force-recreate
    [[ "$stderr" == *"DRY-RUN MODE -  Container dry-a-1  Recreated"* ]]
    run -0 --separate-stderr compose --dry-run down -v
    [[ "$stderr" == *"These volumes are deleted with their data: dry_v"*"DRY-RUN MODE -  Container dry-a-1  Removed"*"DRY-RUN MODE -  Volume dry_v  Removed"* ]]
    for command in stop restart kill pause; do compose --dry-run $command; done
    [ "$(hoy ps -q --no-trunc)" = "$before" ]
    run compose --dry-run exec a true
    [ "$status" = 1 ]
    [[ "$output" == *"exec has no dry run"* ]]
}

@test "compose: hooks run before, in and at the end of containers" {
    cat >compose.yaml <<'X'
name: hks
services:
  a:
    image: busybox
    init: true
    command: sleep 1000
    user: "7:7"
    scale: 2
    environment: {E: service, F: service}
    volumes: ["v:/v"]
    pre_start:
      - {command: [sh, -c, "echo once $$E $$F $$(id -u) $$(pwd) >>/v/log; chmod 777 /v"], user: "0", environment: {F: hook}, working_dir: /tmp, privileged: true}
      - {image: other, command: [sh, -c, "echo each >>/v/log"], user: "0", per_replica: true}
    post_start: [{command: [sh, -c, "echo post $$X $$(id -u) $$(pwd) >>/v/post"], user: "0", privileged: true, working_dir: /tmp, environment: {X: x}}]
    pre_stop: [{command: [sh, -c, "echo stop $$X $$(id -u) $$(pwd) >>/v/stop"], user: "0", privileged: true, working_dir: /tmp, environment: {X: y}}]
volumes: {v: {}}
X
    hoy tag busybox other
    compose up -d
    log() { hoy run --rm -v hks_v:/v busybox cat /v/$1; }
    [ "$(log log)" = $'once service hook 0 /tmp\neach\neach' ]
    [ "$(log post)" = $'post x 0 /tmp\npost x 0 /tmp' ]
    [ "$(hoy ps -aq | wc -l)" = 2 ]
    # done is done, until the container is made again
    compose stop -t 0
    [ "$(log stop)" = $'stop y 0 /tmp\nstop y 0 /tmp' ]
    compose up -d
    [ "$(log log | wc -l)" = 3 ]
    compose up -d --force-recreate -t 0
    [ "$(log log | wc -l)" = 6 ]
    compose down -v -t 0
    # one that fails holds the service back, and what it wrote is shown
    sed -i 's/echo each/echo told; exit 3; echo/' compose.yaml
    run compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *told*"pre_start hook of hks-a-"*"exited with code 3"* ]]
    [ -z "$(hoy ps -q)" ]
    hoy image rm other
}

@test "compose: a project is drawn" {
    cat >compose.yaml <<'X'
name: drw
services:
  web: {image: busybox, depends_on: {api: {condition: service_healthy}, cache: {condition: service_started}}}
  api: {image: busybox, depends_on: [db], networks: [back], volumes: ["data:/d"]}
  db: {image: busybox, networks: [back]}
  cache: {image: busybox, depends_on: [db]}
networks: {back: {}}
volumes: {data: {}}
X
    [ "$(compose graph)" = "web
├─ api (healthy)
│  └─ db
└─ cache
   └─ db" ]
    [ "$(compose graph cache)" = $'cache\n└─ db' ]
    dot=$(compose graph --format dot)
    [[ "$dot" == 'digraph "drw" {'*'"web" -> "api" [label="healthy"];'*'}' ]]
    [[ "$dot" == *'"api" -> "volume data" [style=dashed'* ]]
    [[ "$dot" == *'"db" -> "network back" [style=dotted'* ]]
    compose graph --format svg >out.svg
    /usr/bin/python3 - out.svg <<'X'
import sys, xml.dom.minidom
d = xml.dom.minidom.parse(sys.argv[1])
y = {t.firstChild.data: int(t.getAttribute("y")) for t in d.getElementsByTagName("text")}
assert y["web"] < y["api"] < y["db"] < y["data"] and y["api"] == y["cache"], y
assert len(d.getElementsByTagName("line")) == 5
X
    run compose graph --format nope
    [ "$status" = 1 ]
    [[ "$output" == *'unknown format "nope": text, dot or svg'* ]]
}

@test "compose: watch copies, runs, restarts and rebuilds what changes" {
    mkdir -p src/sub src/skip app conf
    printf 'FROM busybox\nCOPY app/said /said\nCMD ["sleep","1000"]\n' >Dockerfile
    echo one >app/said
    echo 'app/ignored' >.dockerignore
    echo first >src/first
    echo kept >src/skip/never
    echo x >conf/one
    cat >compose.yaml <<'X'
name: wat
services:
  s:
    image: busybox
    init: true
    command: sleep 1000
    develop:
      watch:
        - {path: ./src, action: sync, target: /to, ignore: [skip], initial_sync: true}
        - {path: ./src, action: sync+exec, target: /only/, include: ["*.conf"], exec: {command: [sh, -c, "echo $$E >>/ran"], user: "0", privileged: true, working_dir: /, environment: {E: e}}}
        - {path: ./conf/one, action: sync+restart, target: /one}
  r: {image: busybox, init: true, command: sleep 1000, develop: {watch: [{path: ./again, action: restart}]}}
  b: {build: ., init: true, develop: {watch: [{path: ./app, action: rebuild}]}}
X
    mkdir again
    "$HOY" compose watch --quiet >out 2>err 3>&- &
    pid=$!
    in_s() { hoy exec wat-s-1 "$@"; }
    has() { [ "$(hoy exec "$1" cat "$2")" = "$3" ]; }
    wait_for 30 grep -q 'Watch enabled' err
    has wat-s-1 /to/first first
    ! in_s test -e /to/skip || false
    # sync: written, new in a new directory, removed
    echo second >src/first
    wait_for 10 has wat-s-1 /to/first second
    mkdir -p src/deep/er
    echo deep >src/deep/er/file
    wait_for 10 has wat-s-1 /to/deep/er/file deep
    echo no >src/skip/never
    rm -r src/deep
    wait_for 10 sh -c "! '$HOY' exec wat-s-1 test -e /to/deep"
    ! in_s test -e /to/skip || false
    # only what is included, and a command behind it
    ! in_s test -e /ran || false
    echo c >src/a.conf
    wait_for 10 has wat-s-1 /ran e
    has wat-s-1 /only/a.conf c
    ! in_s test -e /only/first || false
    # one file, and a restart
    started=$(look wat-s-1 .State.StartedAt)
    echo y >conf/one
    restarted() { [ "$(look "$1" .State.StartedAt)" != "$2" ]; }
    wait_for 20 restarted wat-s-1 "$started"
    wait_for 10 has wat-s-1 /one y
    started=$(look wat-r-1 .State.StartedAt)
    touch again/file
    wait_for 20 restarted wat-r-1 "$started"
    # a rebuild makes the container again, and the image before goes
    id=$(id_of wat-b-1) image=$(hoy image inspect -f '{{.Id}}' wat-b)
    echo two >app/ignored
    echo two >app/said
    wait_for 30 has wat-b-1 /said two
    [ "$(id_of wat-b-1)" != "$id" ]
    wait_for 10 sh -c "! '$HOY' image inspect $image"
    kill $pid
    wait $pid || :
    run compose watch nope
    [ "$status" = 1 ]
    sed -i '/develop/,$d' compose.yaml
    run compose watch
    [ "$status" = 1 ]
    [[ "$output" == *"none of the selected services is configured for watch"* ]]
    hoy rm -f wat-s-1 wat-r-1 wat-b-1
}

@test "compose: up --watch shows the output, watches beside it and ends with a signal" {
    mkdir src app
    printf 'FROM busybox\nCOPY app/said /said\nCMD ["sh", "-c", "cat /said; sleep 1000"]\n' >Dockerfile
    echo one >app/said
    cat >compose.yaml <<'X'
name: uww
services:
  s: {image: busybox, init: true, command: [sh, -c, "echo hello; sleep 1000"], develop: {watch: [{path: ./src, action: sync, target: /to}]}}
  b: {build: ., init: true, develop: {watch: [{path: ./app, action: rebuild}]}}
X
    "$HOY" compose up --watch -t 0 >out 2>err 3>&- &
    pid=$!
    wait_for 40 grep -q 'Watch enabled' err
    wait_for 20 grep -q 's-1  | hello' out
    wait_for 20 grep -q 'b-1  | one' out
    echo x >src/file
    synced() { [ "$(hoy exec uww-s-1 cat /to/file)" = x ]; }
    wait_for 20 synced
    # what is rebuilt is shown from its first line, and its end before that is not ours
    echo two >app/said
    wait_for 40 grep -q 'b-1  | two' out
    kill -0 $pid
    # nothing runs any more: a change may start something
    hoy kill uww-s-1 uww-b-1
    wait_for 20 grep -q 's-1 exited with code 137' out
    kill -0 $pid
    kill -INT $pid
    status=0; wait $pid || status=$?
    [ "$status" = 130 ]
    run compose up -d --watch
    [ "$status" = 1 ]
    [[ "$output" == *"--watch cannot be combined with --detach"* ]]
    sed -i 's/develop:.*/}/; s/, }/}/' compose.yaml
    run compose up --watch
    [ "$status" = 1 ]
    [[ "$output" == *"none of the selected services is configured for watch"* ]]
}
