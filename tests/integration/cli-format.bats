#!/usr/bin/env bats
# What hoy prints: templates, tables, JSON; the docker CLI prints the same where it is there.
load lib
load stack

setup() {
    stack_setup
    "$HOY" run -d --name web -p 8080:80 -p 81:81/udp -l a=b -l com.x.y-z=q busybox sleep 1000 >/dev/null
    "$HOY" run --name done busybox sh -c 'echo "hi" there; exit 3' >/dev/null || :
}
teardown() { stack_teardown; }

# same ARGUMENT...: docker's output and status, when there is a docker.
same() {
    local ours theirs try
    for try in {1..10}; do # "2 seconds ago" may become three between the two
        ours=$("$HOY" "$@" 2>"$T/ours.err"; echo "status $?")
        [ -n "$ours" ]
        command -v docker >/dev/null || return 0
        theirs=$(docker "$@" 2>"$T/theirs.err"; echo "status $?")
        [ "$ours" != "$theirs" ] || return 0
    done
    diff <(echo "$ours") <(echo "$theirs")
}
# newer_than MAJOR: the docker CLI is at least this one, or there is none.
newer_than() {
    local major
    command -v docker >/dev/null || return 0
    major=$(docker --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
    [ "$major" -ge "$1" ]
}

@test "ps by templates" {
    [ "$("$HOY" ps --format '{{.Names}} {{.Image}} {{.Ports}} {{.Label "com.x.y-z"}}')" = "web busybox 0.0.0.0:81->81/udp, 0.0.0.0:8080->80/tcp q" ]
    [ "$("$HOY" ps -a --format '{{.State}}' | sort | tr '\n' ' ')" = "exited running " ]
    same ps -a --format '{{.ID}} {{.Names}} {{.Command}} {{.CreatedAt}} {{.Labels}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.State}} {{.Ports}}'
    same ps -a --no-trunc --format '{{.ID}} {{.Command}}'
    same ps -a --format 'table {{.Names}}\t{{.Image}}\t{{.Label "com.x.y-z"}}\t{{upper .State}}'
    same ps -aq
    same ps -a --format '{{json .Labels}} {{json .Ports}}'
    same ps --format '{{range $i, $p := split .Ports ", "}}{{$i}}={{$p}};{{end}}{{if eq .State "running"}}up{{end}}'
    [ "$("$HOY" ps --format json | jq -r .Names)" = web ]
    run "$HOY" ps --format '{{.Nope}}'
    [ "$status" = 1 ]
    [[ "$output" == *'template: :1:2: executing "" at <.Nope>: '* ]]
    run "$HOY" ps --format '{{'
    [ "$status" = 1 ]
    [ "$output" = 'failed to parse template: template: :1: unclosed action' ]
}

@test "ps, images, inspect and events print as docker does" {
    newer_than 28 || skip "docker is older: its tables differ"
    same ps -a
    same ps
    same images
    same images --digests
    same images -q --no-trunc
    same ps -a --format json
    same images --format json
    same inspect web
    same image inspect busybox
    same container inspect web nosuch
    same events --since 1h --until 0s
    same events --since 1h --until 0s --format '{{.Action}} {{.Actor.Attributes.name}}'
    # docker's client leaves out the number that our events have
    ! command -v docker >/dev/null || cmp <(docker events --since 1h --until 0s --filter event=die --format json) \
        <("$HOY" events --since 1h --until 0s --filter event=die --format json | sed -E 's/,"eventId":"?[0-9]+"?//')
}

@test "images by templates" {
    [ "$("$HOY" images --format '{{.Repository}}:{{.Tag}}')" = busybox:latest ]
    same images --format '{{.Repository}}:{{.Tag}} {{.Digest}}'
    same images --format '{{.ID}} {{.Repository}} {{.Tag}} {{.CreatedAt}} {{.Size}}'
    same images --format 'table {{.Repository}}\t{{.ID}}'
}

@test "inspect by templates" {
    [ "$("$HOY" inspect -f '{{.Name}} {{.State.Running}} {{index .Config.Labels "a"}}' web)" = "/web true b" ]
    same inspect -f '{{.Id}} {{.Config.Cmd}} {{json .Config.Labels}} {{len .Mounts}} {{.HostConfig.NanoCpus}}' web done
    same inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' web
    same inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.Gateway}}{{end}}' web
    same inspect -f '{{printf "%.12s|%-8s|%5d" .ID .State.Status .State.ExitCode}} {{join .Args " "}}' done
    same inspect -f '{{.Config.Labels.nosuch}}' web
    same inspect -f '{{.State.Health.Status}}' web
    same inspect -f '{{.Nope}}' web
    same inspect -f '{{' web
    same inspect --type network -f '{{.Name}} {{.Driver}}' bridge
    same inspect -f '{{.Name}}' bridge
    run "$HOY" inspect --type nonsense web
    [ "$status" = 1 ]
    run "$HOY" inspect -f '{{.Name}}' nosuch web
    [ "$status" = 1 ]
    [ "${lines[0]}" = /web ]
    [[ "$output" == *'Error: No such object: nosuch'* ]]
}

@test "version and info by templates" {
    same version -f '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.Os}}'
    same info -f '{{.ServerVersion}} {{.Driver}} {{.NCPU}} {{.Containers}}'
    [ "$("$HOY" version -f '{{.Client.Version}}')" = "$("$HOY" --version | cut -d' ' -f3)" ]
    "$HOY" info -f json | jq -e '.ClientInfo.Context == "default"'
    ! newer_than 28 || ! command -v docker >/dev/null ||
        diff -b <("$HOY" info | sed '1,/^Server/d') <(docker info | sed '1,/^Server/d')
}

@test "formats of the user's configuration" {
    echo '{"psFormat": "{{.Names}}!", "imagesFormat": "table {{.Repository}}"}' >"$DOCKER_CONFIG/config.json"
    [ "$("$HOY" ps)" = 'web!' ]
    [ "$("$HOY" images | tr '\n' ' ')" = 'REPOSITORY busybox ' ]
    [ "$("$HOY" ps -q | wc -c)" = 13 ]
    echo '{' >"$DOCKER_CONFIG/config.json"
    run "$HOY" ps
    [ "$status" = 1 ]
    [[ "$output" == *"$DOCKER_CONFIG/config.json"* ]]
}
