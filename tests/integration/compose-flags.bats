#!/usr/bin/env bats
# Flags of compose's commands that no other suite of compose needs.
load compose

@test "compose: flags that choose what is shown" {
    cat >compose.yaml <<'X'
name: fa
services:
  a: {image: busybox, command: [sh, -c, "echo one; echo two; echo three; exec sleep 1000"], init: true, scale: 2}
  b: {image: busybox, command: "true"}
X
    compose up -d
    written() { [ "$(compose logs --no-log-prefix a | wc -l)" = 6 ]; }
    wait_for 10 written
    [ "$(compose logs --no-log-prefix --tail 1 --index 2 a)" = three ]
    [[ "$(compose logs --no-log-prefix --timestamps --tail 1 --index 1 a)" == 20*T*Z\ three ]]
    [ -z "$(compose logs --until 1h a)" ]
    [ "$(compose logs --since 1h --no-log-prefix a | wc -l)" = 6 ]
    ended() { [ "$(state_of fa-b-1)" = exited ]; }
    wait_for 10 ended
    [ -z "$(compose logs --follow b)" ]
    [ "$(compose ps -a --filter status=exited --format '{{.Name}}')" = fa-b-1 ]
    [[ "$(compose ps --no-trunc)" == *"echo one; echo two; echo three; exec sleep 1000"* ]]
    [ "$(compose exec -T --index 2 --user 5:6 --workdir /tmp --env E=x a sh -c 'echo $(id -u) $(pwd) $E $(hostname)')" = "5 /tmp x $(look fa-a-2 .Config.Hostname)" ]
    [ "$(compose exec -T --privileged a grep CapEff /proc/self/status)" != "$(compose exec -T a grep CapEff /proc/self/status)" ]
    compose exec -T --detach a touch /made
    made() { compose exec -T --index 1 a test -e /made; }
    wait_for 10 made
    [ "$(compose stats --no-stream --format '{{.Name}}' a | sort | xargs)" = "fa-a-1 fa-a-2" ]
    compose export --index 1 --output out.tar a
    tar tf out.tar made >/dev/null
    compose commit --message why --author me --index 1 a fa-image
    [ "$(hoy image inspect -f '{{.Comment}} {{.Author}}' fa-image)" = "why me" ]
    hoy image rm fa-image
    [ "$(compose volumes -q)" = "" ]
    compose kill --signal HUP a
    compose rm --force --stop a
    [ "$(compose ps -aq | wc -l)" = 1 ]
}

@test "compose: flags that change what is made" {
    mkdir d
    cat >compose.yaml <<'X'
name: fb
services:
  a: {image: busybox, command: echo default, depends_on: [b], ports: ["127.0.0.1:18151:80"]}
  b: {image: busybox, command: sleep 1000, init: true}
  bad: {image: busybox, command: "false", profiles: [bad]}
  sick: {image: busybox, command: sleep 1000, init: true, profiles: [sick], healthcheck: {test: [CMD, "false"], interval: 1s, retries: 1000}}
X
    compose up --no-start
    [ "$(state_of fb-a-1) $(state_of fb-b-1)" = "created created" ]
    compose down
    compose up -d --no-deps a
    [ "$(compose ps -a --format '{{.Name}}')" = fb-a-1 ]
    r() { compose run --rm -T --no-deps "$@" 2>/dev/null; }
    [ "$(r --user 5 --workdir /tmp --volume "$P/d:/d" --label l=v --entrypoint 'sh -c' a 'id -u; pwd; ls -d /d')" = $'5\n/tmp\n/d' ]
    r --cap-drop ALL a grep -q 'CapEff:.0*$' /proc/self/status
    id=$(compose run -d --no-deps --publish 127.0.0.1:18152:80 --use-aliases --label l=v a sleep 1000 2>/dev/null)
    [ "$(look "$id" '[.HostConfig.PortBindings["80/tcp"][0].HostPort, .Config.Labels.l]')" = '["18152","v"]' ] || { echo "<$id>"; look "$id" '[.HostConfig.PortBindings, .Config.Labels]'; false; }
    [[ "$(look "$id" '.NetworkSettings.Networks.fb_default.Aliases')" == *'"a"'* ]]
    hoy rm -f "$id"
    id=$(compose run -d --no-deps --service-ports a sleep 1000 2>/dev/null)
    [ "$(look "$id" '.HostConfig.PortBindings["80/tcp"][0].HostPort')" = 18151 ]
    hoy rm -f "$id"
    compose down -t 0
    run compose up --abort-on-container-failure --no-log-prefix -t 0 bad b
    [ "$status" = 1 ]
    [ "$(state_of fb-b-1)" = exited ]
    run compose up --abort-on-container-exit --timestamps --no-log-prefix --no-attach b a
    [[ "$output" == *20*T*Z\ default* ]]
    run compose up --attach b --abort-on-container-exit -t 0 a b
    [[ "$output" != *default* ]]
    run compose up -d --wait --wait-timeout 1 sick
    [ "$status" = 1 ]
    [[ "$output" == *"not healthy after the time of --wait-timeout"* ]]
    printf 'name: fb\nservices: {x: {build: .}}\n' >build.yaml
    run compose -f build.yaml up -d --no-build x
    [ "$status" = 1 ]
    [[ "$output" == *"--no-build forbids to build it"* ]]
    compose --profile '*' down -t 0
}
