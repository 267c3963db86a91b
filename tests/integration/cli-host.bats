#!/usr/bin/env bats
# Which engine: contexts, ssh, headers; and what hoy says without one: help, completion.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() {
    make_test_dir
    export DOCKER_CONFIG=$T/client
    mkdir "$T/client"
}
teardown() { stack_teardown; }

@test "contexts are made, listed, used, changed and removed" {
    [ "$("$HOY" context show)" = default ]
    "$HOY" context create far --docker host=tcp://127.0.0.1:2375 --description 'the other one' 2>"$T/err"
    grep -q 'Successfully created context "far"' "$T/err"
    run "$HOY" context create far --docker host=tcp://127.0.0.1:2375
    [ "$status" = 1 ]
    [ "$("$HOY" context ls -q | tr '\n' ' ')" = 'default far ' ]
    "$HOY" context ls | grep -q '^default \* .*unix:///run/hoy/hoy.sock'
    "$HOY" context use far
    [ "$("$HOY" context show)" = far ]
    [ "$(DOCKER_CONTEXT=default "$HOY" context show)" = default ]
    [ "$(DOCKER_HOST=unix:///x "$HOY" context show)" = default ]
    run "$HOY" ps
    [ "$status" = 1 ]
    [[ "$output" == *'tcp://127.0.0.1:2375'* ]]
    run "$HOY" context rm far
    [ "$status" = 1 ]
    "$HOY" context update far --description new --docker host=unix:///nonexistent
    [ "$("$HOY" context inspect far -f '{{.Endpoints.docker.Host}} {{.Metadata.Description}}')" = 'unix:///nonexistent new' ]
    "$HOY" context create copy --from far
    [ "$("$HOY" context ls --format json | jq -r 'select(.Name == "copy").DockerEndpoint')" = unix:///nonexistent ]
    "$HOY" context rm -f far copy
    [ "$("$HOY" context show)" = default ]
    run "$HOY" context use nosuch
    [ "$status" = 1 ]
    run "$HOY" context create default --docker host=unix:///x
    [ "$status" = 1 ]
    run "$HOY" context create x/y --docker host=unix:///x
    [ "$status" = 1 ]
}

@test "a context goes to another machine as an archive, docker's and ours" {
    echo authority >"$T/ca"
    echo certificate >"$T/cert"
    echo secret >"$T/key"
    "$HOY" context create far --description 'the other one' --docker "host=tcp://127.0.0.1:2376,ca=$T/ca,cert=$T/cert,key=$T/key"
    cd "$T"
    "$HOY" context export far 2>"$T/err"
    grep -qx 'Written file "far.dockercontext"' "$T/err"
    [ "$(stat -c %a far.dockercontext)" = 600 ]
    [ "$(tar -xOf far.dockercontext tls/docker/key.pem)" = secret ]
    run "$HOY" context export far
    [ "$status" = 1 ] && [[ "$output" == *"'far.dockercontext'"*"File exists"* ]]
    docker context import theirs far.dockercontext
    [ "$(docker context inspect theirs --format '{{.Endpoints.docker.Host}} {{.TLSMaterial}}')" = 'tcp://127.0.0.1:2376 map[docker:[ca.pem cert.pem key.pem]]' ]
    docker context export theirs - | "$HOY" context import back -
    [ "$("$HOY" context inspect back -f '{{.Name}} {{.Metadata.Description}} {{.Endpoints.docker.Host}}')" = 'back the other one tcp://127.0.0.1:2376' ]
    [ "$("$HOY" context inspect back -f '{{json .TLSMaterial.docker}}')" = '["ca.pem","cert.pem","key.pem"]' ]
    [ "$(cat "$("$HOY" context inspect back -f '{{.Storage.TLSPath}}')/docker/key.pem")" = secret ]
    run "$HOY" context import back far.dockercontext
    [ "$status" = 1 ] && [[ "$output" == *'context "back" already exists'* ]]
    "$HOY" context create copy --from back
    "$HOY" context update copy --docker "host=tcp://127.0.0.1:2377"
    [ "$("$HOY" context inspect copy -f '{{.Endpoints.docker.Host}} {{len .TLSMaterial.docker}}')" = 'tcp://127.0.0.1:2377 3' ]
    tls=$("$HOY" context inspect copy -f '{{.Storage.TLSPath}}')
    "$HOY" context rm copy
    [ ! -e "$tls" ]
    # What is no context is refused, and makes none.
    tar -cf odd.tar ca
    head -c 550 far.dockercontext >cut.tar
    echo '{"Endpoints":{}}' >meta.json
    tar -cf none.tar meta.json
    for wrong in "ca:this is no tar archive" "odd.tar:'ca', which is no file of a context" "cut.tar:ends in the midst" "none.tar:names no docker endpoint" "nosuch:nosuch"; do
        run "$HOY" context import wrong "${wrong%%:*}"
        [ "$status" = 1 ] && [[ "$output" == *"${wrong#*:}"* ]] || { echo "$wrong: $output"; false; }
    done
    [ "$("$HOY" context ls -q | sort | xargs)" = 'back default far theirs' ]
    run "$HOY" context create half --docker "host=tcp://127.0.0.1:1,cert=$T/cert"
    [ "$status" = 1 ] && [[ "$output" == *"needs its key"* ]]
    run "$HOY" context create half --docker "host=tcp://127.0.0.1:1,ca=$T/nosuch"
    [ "$status" = 1 ] && [[ "$output" == *"ca: "*"$T/nosuch"* ]]
}

@test "docker and hoy read each other's contexts" {
    command -v docker >/dev/null || skip "docker is not there"
    "$HOY" context create ours --docker host=tcp://127.0.0.1:1
    docker context create theirs --docker host=tcp://127.0.0.1:2
    [ "$(docker context inspect ours --format '{{.Endpoints.docker.Host}}')" = tcp://127.0.0.1:1 ]
    [ "$("$HOY" context inspect theirs --format '{{.Endpoints.docker.Host}}')" = tcp://127.0.0.1:2 ]
    docker context use ours
    [ "$("$HOY" context show)" = ours ]
    echo '{"unknown": {"kept": [1, 2]}, "currentContext": "ours"}' >"$DOCKER_CONFIG/config.json"
    "$HOY" context use theirs
    [ "$(docker context show)" = theirs ]
    jq -e '.unknown.kept == [1, 2]' "$DOCKER_CONFIG/config.json"
    [ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
}

@test "an engine behind ssh, and headers of the user's" {
    require_root
    start_hoyd
    load_busybox
    mkdir "$T/bin"
    cat >"$T/bin/ssh" <<EOF
#!/bin/sh
echo "\$@" >>"$T/ssh.log"
exec "$HOY" -H "$DOCKER_HOST" system dial-stdio
EOF
    chmod +x "$T/bin/ssh"
    PATH=$T/bin:$PATH run "$HOY" -H ssh://me@far:2222 images -q
    [ "$status" = 0 ]
    [ "${#output}" = 12 ]
    grep -q -- '-l me -p 2222 -- far docker system dial-stdio' "$T/ssh.log"
    PATH=$T/bin:$PATH run "$HOY" -H ssh://far/run/x.sock run --rm busybox echo through
    [ "$output" = through ]
    grep -q -- '-- far docker --host unix:///run/x.sock system dial-stdio' "$T/ssh.log"
    run sh -c "echo in | PATH='$T/bin:$PATH' '$HOY' -H ssh://far run --rm -i busybox cat"
    [ "$output" = in ]
    run "$HOY" -H 'ssh://-oProxyCommand=x/' ps
    [ "$status" = 1 ]
    run "$HOY" -H 'ssh://far/a;b' ps
    [ "$status" = 1 ]
    echo '{"HttpHeaders": {"X-Mine": "yes"}}' >"$DOCKER_CONFIG/config.json"
    "$HOY" ps
    echo '{"HttpHeaders": {"X-Mine": "a\r\nEvil: b"}}' >"$DOCKER_CONFIG/config.json"
    run "$HOY" ps
    [ "$status" = 1 ]
    echo '{}' >"$DOCKER_CONFIG/config.json"
}

@test "proxies and detach keys of the configuration" {
    require_root
    start_hoyd
    load_busybox
    echo '{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "x"}}, "detachKeys": "ctrl-a,x"}' >"$DOCKER_CONFIG/config.json"
    run "$HOY" run --rm -e http_proxy=mine busybox sh -c 'echo $HTTP_PROXY $http_proxy $NO_PROXY'
    [ "$output" = 'http://p:1 mine x' ]
    run "$TOP/tests/integration/pty-run" --wait-for ready --input '\x01x' "$HOY" run -it --name term busybox sh -c 'echo ready; exec sh'
    [ "$status" = 0 ]
    [ "$("$HOY" inspect -f '{{.State.Running}}' term)" = true ]
}

@test "help, groups and wrong words" {
    [[ "$("$HOY" network --help)" == *'Usage:  hoy network COMMAND'*'create '*'ls '* ]]
    [[ "$("$HOY" container ls --help)" == *'Usage:  hoy container ls [OPTIONS]'*'hoy container ls, hoy container list, hoy container ps, hoy ps'* ]]
    [[ "$("$HOY" help network create)" == *'--subnet strings'* ]]
    run "$HOY" network nosuch
    [ "$status" = 1 ]
    [[ "$output" == 'hoy: unknown command: hoy network nosuch'* ]]
    run "$HOY" ps --nosuch
    [ "$status" = 125 ]
    [ "${lines[0]}" = 'unknown flag: --nosuch' ]
    run "$HOY" run
    [ "$status" = 1 ]
    [ "${lines[0]}" = "hoy: 'hoy run' requires at least 1 argument" ]
    # every command has help
    "$HOY" --help | awk '/^  [a-z]/ { print $1 }' | while read -r command; do "$HOY" "$command" --help >/dev/null || exit 1; done
}

@test "completion offers commands, flags and names" {
    complete_words() { "$HOY" __complete -- "$@" | cut -f1 | tr '\n' ' '; }
    [ "$(complete_words ru)" = 'run ' ]
    [ "$(complete_words network c)" = 'connect create ' ]
    [ "$(complete_words ps --no)" = '--no-trunc ' ]
    [ -z "$(complete_words ps nosuch)" ]
    for shell in bash zsh fish; do [ -n "$("$HOY" completion $shell)" ]; done
    run "$HOY" completion csh
    [ "$status" = 1 ]
    bash -n <("$HOY" completion bash)
    require_root
    start_hoyd
    load_busybox
    "$HOY" create --name first busybox true
    [ "$(complete_words rm fir)" = 'first ' ]
    [ "$(complete_words run -d busy)" = 'busybox:latest ' ]
    [ "$(complete_words network inspect bri)" = 'bridge ' ]
    run bash -c 'source <("$1" completion bash); COMP_WORDS=("$1" rm fi) COMP_CWORD=2; _hoy; echo "${COMPREPLY[@]}"' _ "$HOY"
    [ "$output" = first ]
}

@test "networks are listed, and system prune asks" {
    require_root
    start_hoyd
    load_busybox
    [ "$("$HOY" network ls --format '{{.Name}} {{.Driver}}' | tr '\n' ' ')" = 'bridge bridge host host none null ' ]
    [ "$("$HOY" network ls -q -f driver=null | wc -l)" = 1 ]
    if command -v docker >/dev/null; then diff <("$HOY" network ls) <(docker network ls); fi
    [ "$("$HOY" network inspect -f '{{.Driver}}' bridge)" = bridge ]
    "$HOY" run --name done busybox true
    run sh -c "echo n | '$HOY' system prune"
    [[ "$output" == *'all stopped containers'*'[y/N]'* ]]
    [ "$("$HOY" ps -aq | wc -l)" = 1 ]
    run sh -c "echo y | '$HOY' system prune"
    [[ "$output" == *'Deleted Containers:'*'Total reclaimed space: '* ]]
    [ -z "$("$HOY" ps -aq)" ]
    run "$HOY" system prune -f --volumes --filter until=1h
    [ "$status" = 1 ]
    run "$HOY" network prune -f
    [ "$status" = 0 ]
}

@test "every command has a manual page" {
    "$HOY" __man >"$T/pages"
    grep -q '^hoy-network-create.1 network create$' "$T/pages"
    while read -r page command; do
        "$HOY" __man $command </dev/null >"$T/page"
        grep -q '^# SYNOPSIS' "$T/page"
        ! command -v scdoc >/dev/null || scdoc <"$T/page" >"$T/$page"
    done <"$T/pages"
    grep -q -- '--subnet' <("$HOY" __man network create)
}

@test "programs named docker-NAME are commands" {
    mkdir "$T/client/cli-plugins" "$T/more"
    cat >"$T/client/cli-plugins/docker-hello" <<'P'
#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
    echo noise >&2
    echo '{"SchemaVersion": "0.1.0", "Vendor": "Tests", "Version": "v1.2", "ShortDescription": "Says hello"}'
    exit
fi
echo "$DOCKER_HOST|$DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND|$*"
exit 7
P
    chmod +x "$T/client/cli-plugins/docker-hello"
    sed 's/Says hello/of another directory/' "$T/client/cli-plugins/docker-hello" >"$T/more/docker-other"
    cp "$T/more/docker-other" "$T/more/docker-hello"          # the first one wins
    cp "$T/more/docker-other" "$T/client/cli-plugins/docker-ps" # never in place of ours
    printf '#!/bin/sh\necho no metadata\n' >"$T/more/docker-broken"
    chmod +x "$T/more"/* "$T/client/cli-plugins"/*
    echo "{\"cliPluginsExtraDirs\": [\"$T/more\"]}" >"$T/client/config.json"
    unset DOCKER_HOST
    run -7 "$HOY" hello a --b
    [ "$output" = "unix:///run/hoy/hoy.sock|$HOY|hello a --b" ]
    run -7 "$HOY" -H unix:///far hello --help
    [ "$output" = "|$HOY|-H unix:///far hello --help" ]
    DOCKER_HOST=unix:///near run -7 "$HOY" help hello
    [ "$output" = "unix:///near|$HOY|help hello" ]
    "$HOY" context create far --docker host=unix:///far
    run -7 "$HOY" --context far hello
    [ "$output" = "|$HOY|--context far hello" ]
    run -1 "$HOY" ps
    [[ "$output" == *"Cannot connect"* ]]
    run -1 "$HOY" ../hello
    [[ "$output" == *"unknown command"* ]]
    "$HOY" --help >"$T/help"
    grep -q '^  hello\*      Says hello (Tests, v1.2)$' "$T/help"
    grep -q '^  other\*      of another directory (Tests, v1.2)$' "$T/help"
    run ! grep -q broken "$T/help"
    run "$HOY" -H unix:///nonexistent info
    [[ "$output" == *"  hello: Says hello (Tests)"$'\n'"    Version:  v1.2"$'\n'"    Path:     $T/client/cli-plugins/docker-hello"* ]]
}
