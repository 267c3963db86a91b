#!/usr/bin/env bats
# The real docker command line drives hoyd: what people type, with docker's outputs and exit codes.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    stack_setup
}
teardown() {
    tmux -S "$T/tmux" kill-server 2>/dev/null || :
    stack_teardown
}

docker() { timeout 60 "$DOCKER" "$@"; }
running() { [ "$(docker inspect -f '{{.State.Running}}' "$1")" = true ]; }
log_has() { docker logs "$1" 2>&1 | grep -q "$2"; }
gone() { ! docker inspect "$1"; }
# in_terminal: a tmux session of this test with a shell that has docker's environment.
in_terminal() {
    tmux -S "$T/tmux" -f /dev/null new-session -d -x "${1:-80}" -y "${2:-24}" \
        "env TERM=xterm DOCKER_HOST='$DOCKER_HOST' DOCKER_CONFIG='$DOCKER_CONFIG' PS1='outer> ' bash --norc" \; set status off 3>&-
}
keys() { tmux -S "$T/tmux" send-keys "$@"; }
screen_has() { tmux -S "$T/tmux" capture-pane -p | grep -q -- "$1"; }

@test "docker: version, info, images, ps" {
    [ "$(docker version -f '{{.Server.APIVersion}} {{.Server.MinAPIVersion}}')" = "1.50 1.24" ]
    [ "$(docker info -f '{{.Images}} {{.Containers}} {{.OSType}}')" = "1 0 linux" ]
    [ "$(docker images --format '{{.Repository}}:{{.Tag}}')" = busybox:latest ]
    docker ps -a
    [ "$(docker image inspect -f '{{.Os}}' busybox)" = linux ]
}

@test "docker: load and import" {
    docker rmi busybox
    run docker load -i "$T/busybox.tar"
    [ "$status" = 0 ]
    [[ "$output" == *"Loaded image: busybox:latest"* ]]
    busybox_rootfs "$T/rootfs"
    tar -C "$T/rootfs" -c . | docker import -c 'CMD ["echo","imported"]' - mine:1
    [ "$(docker run --rm mine:1)" = imported ]
    run docker tag mine:1 other:2
    [ "$status" = 0 ]
    [ "$(docker run --rm other:2 echo tagged)" = tagged ]
    run docker rmi mine:1
    [[ "$output" == *"Untagged: mine:1"* ]]
}

@test "docker: run, its output streams and exit codes" {
    run --separate-stderr docker run --rm busybox sh -c 'echo out; echo err >&2; exit 3'
    [ "$status" = 3 ]
    [ "$output" = out ]
    [ "$stderr" = err ]
    run -127 docker run --rm busybox nosuchprogram
    run -126 docker run --rm busybox /etc/passwd
    "$DOCKER" run --rm --name killed busybox sleep 100 &
    wait_for 10 running killed
    docker kill killed
    rc=0
    wait $! || rc=$?
    [ "$rc" = 137 ]
    run docker run --rm --memory 1 busybox true
    [ "$status" = 125 ]
    run docker run --rm nosuchimage true
    [ "$status" = 125 ]
    run docker run --rm --network nosuch busybox true
    [ "$status" = 125 ]
    [[ "$output" == *"network nosuch not found"* ]]
    [[ "$output" != *"Unable to find image"* ]]
    [ -z "$(docker ps -aq)" ]
}

@test "docker: the first line of output is never lost" {
    for i in $(seq $((${HOY_RUNS:-60} / 4))); do
        [ "$(docker run --rm busybox echo "line $i")" = "line $i" ]
    done
}

@test "docker: run -d, ps, logs, stop, wait, rm, inspect" {
    id=$(docker run -d --name web -e A=1 -l k=v busybox sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done')
    [ "${#id}" = 64 ]
    wait_for 10 log_has web up
    [ "$(docker ps --format '{{.Names}} {{.Image}} {{.State}}')" = "web busybox running" ]
    [[ "$(docker ps --format '{{.Status}}')" == "Up "* ]]
    [ "$(docker ps -q --no-trunc --filter name=web --filter label=k=v)" = "$id" ]
    [ -z "$(docker ps -q --filter label=k=other)" ]
    [ "$(docker inspect -f '{{.Name}} {{.Config.Image}} {{.HostConfig.NetworkMode}} {{.State.Status}}' web)" = "/web busybox bridge running" ]
    [ "$(docker inspect -f '{{index .Config.Labels "k"}} {{json .Args}}' web | head -c 3)" = "v [" ]
    docker inspect -f '{{.NetworkSettings.IPAddress}}' web | grep -q '^172\.'
    docker wait web >"$T/code" &
    [ "$(docker stop web)" = web ]
    wait $!
    [ "$(cat "$T/code")" = 5 ]
    [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}' web)" = "exited 5 false" ]
    [[ "$(docker ps -a --format '{{.Status}}')" == "Exited (5) "* ]]
    run docker rename web gate
    [ "$status" = 0 ]
    [ "$(docker rm gate)" = gate ]
    gone gate
}

@test "docker: start and stop of what runs or stands already is no error, names are taken once" {
    docker run -d --name aa busybox sleep 100
    docker start aa
    run docker run -d --name aa busybox true
    [ "$status" = 125 ]
    [[ "$output" == *"is already in use by container"* ]]
    run docker rm aa
    [ "$status" = 1 ]
    docker stop -t 0 aa
    docker stop aa
    run docker kill aa
    [ "$status" = 1 ]
    [[ "$output" == *"is not running"* ]]
    docker start aa
    running aa
    docker restart -t 0 aa
    running aa
    docker rm -f aa
}

@test "docker: logs with tail, timestamps, since, and -f to the end" {
    docker run --name ll busybox sh -c 'for i in 1 2 3; do echo "o$i"; echo "e$i" >&2; done'
    [ "$(docker logs ll 2>/dev/null | xargs)" = "o1 o2 o3" ]
    [ "$(docker logs ll 2>&1 >/dev/null | xargs)" = "e1 e2 e3" ]
    [ "$(docker logs --tail 2 ll 2>&1 | wc -l)" = 2 ]
    docker logs -t ll 2>/dev/null | grep -Eq '^[0-9-]{10}T[0-9:]{8}\.[0-9]{9}Z o1$'
    [ -z "$(docker logs --since 2099-01-01T00:00:00Z ll 2>&1)" ]
    docker run -d --name ff busybox sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.2; done'
    [ "$(docker logs -f ff | xargs)" = "1 2 3 4 5" ]
}

@test "docker: logs -f ends when its client leaves" {
    docker run -d --name ff busybox sh -c 'while :; do echo tick; sleep 0.1; done'
    before=$(ls "/proc/$HOYD_PID/fd" | wc -l)
    for i in 1 2 3; do
        : >"$T/out"
        "$DOCKER" logs -f ff >"$T/out" 3>&- &
        wait_for 10 test -s "$T/out"
        kill $!
        wait $! || :
    done
    no_more() { [ "$(ls "/proc/$HOYD_PID/fd" | wc -l)" -le "$before" ]; }
    wait_for 10 no_more
    docker rm -f ff
}

@test "docker: stdin is piped, half-close ends it" {
    head -c 2000000 /dev/urandom >"$T/in"
    docker run --rm -i busybox cat <"$T/in" >"$T/out"
    cmp "$T/in" "$T/out"
    [ "$(printf 'a\nb\nc\n' | docker run --rm -i busybox sh -c 'wc -l; echo after')" = "$(printf '3\nafter')" ]
}

@test "docker: attach sees output, signals are proxied" {
    docker run -d --name aa busybox sh -c 'trap "echo got; exit 9" INT; while :; do echo up; sleep 0.1; done'
    "$DOCKER" attach --no-stdin aa >"$T/out" 2>&1 &
    pid=$!
    wait_for 10 grep -q up "$T/out"
    kill -INT $pid
    rc=0
    wait $pid || rc=$?
    [ "$rc" = 9 ]
    grep -q got "$T/out"
}

@test "docker: a terminal with size, resize, ctrl-p ctrl-q and attach again" {
    in_terminal 100 30
    keys "docker run -it --name tt busybox sh" Enter
    wait_for 10 screen_has '/ #'
    keys "stty size" Enter
    wait_for 5 screen_has '^30 100'
    tmux -S "$T/tmux" resize-window -x 90 -y 20
    resized() { keys "clear; stty size" Enter; sleep 0.3; screen_has '^20 90'; }
    wait_for 10 resized
    keys C-p C-q
    wait_for 5 screen_has 'outer>'
    running tt
    keys "clear; docker attach tt" Enter
    keys Enter # read by whoever has the terminal by then: the container's shell answers with its prompt
    wait_for 10 screen_has '/ #'
    keys "echo back" Enter
    wait_for 5 screen_has '^back'
    keys "exit 4" Enter
    wait_for 5 screen_has 'outer>'
    keys 'clear; echo code $?' Enter
    [ "$(docker inspect -f '{{.State.ExitCode}}' tt)" = 4 ]
}

@test "docker: --rm in a terminal with its exit code" {
    run script -qec "$DOCKER run --rm -t busybox sh -c 'test -t 1 && echo tty; exit 6'" /dev/null
    [ "$status" = 6 ]
    [[ "$output" == *tty* ]]
    [ -z "$(docker ps -aq)" ]
}

@test "docker: events tell a container's life in order" {
    sleep 1 # the image was loaded before
    since=$(date +%s)
    docker run --name ee --rm busybox true
    docker run -d --name kk busybox sleep 100
    docker restart -t 0 kk
    docker stop -t 0 kk
    docker rm kk
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter container=ee --format '{{.Action}}'
    [ "$(xargs <<<"$output")" = "create attach start die destroy" ]
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter container=kk --format '{{.Action}}'
    [[ "$(xargs <<<"$output")" == "create start "*"die stop start restart "*"die stop destroy" ]]
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter event=die --filter container=kk \
        --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.image}} {{.Actor.Attributes.name}}'
    [ "$output" = "$(printf '137 busybox kk\n137 busybox kk')" ]
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter type=image
    [ -z "$output" ]
    docker tag busybox again:1
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter type=image --format '{{.Action}} {{.Actor.Attributes.name}}'
    [ "$output" = "tag again:1" ]
}

@test "docker: a published port is shown and answers" {
    docker run -d --name pp -p 127.0.0.1:18080:80 --expose 90 busybox sh -c 'mkdir /www; echo page >/www/index.html; httpd -f -p 80 -h /www'
    [ "$(docker port pp)" = "80/tcp -> 127.0.0.1:18080" ]
    [ "$(docker ps --format '{{.Ports}}')" = "90/tcp, 127.0.0.1:18080->80/tcp" ]
    wait_for 10 curl -s http://127.0.0.1:18080/
    [ "$(curl -s http://127.0.0.1:18080/)" = page ]
    [ "$(docker network inspect -f '{{range .Containers}}{{.Name}}{{end}}' bridge)" = pp ]
    docker rm -f pp
}

@test "docker: a killed hoyd comes back, wait and logs go on" {
    docker run -d --name ss busybox sh -c 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.05; [ $i != 40 ] || until [ -e /go ]; do sleep 0.05; done; done; exit 11'
    kill_hoyd
    sleep 0.5
    start_hoyd
    running ss
    docker exec ss touch /go
    [ "$(docker wait ss)" = 11 ]
    [ "$(docker logs ss | xargs)" = "$(seq 0 59 | xargs)" ]
}

@test "docker: prune removes what nobody uses" {
    docker run --name done --label a=b busybox true
    docker run --name kept busybox true
    docker run -d --name runs busybox sleep 100
    docker tag busybox other:1
    docker rmi busybox
    run docker container prune -f --filter label=a=b
    [[ "$output" == *"Deleted Containers:"* ]]
    gone done
    docker inspect kept runs
    docker container prune -f
    gone kept
    running runs
    "$TOP/tests/integration/make-image" --env X=1 --name other:1 -o "$T/newer.tar"
    docker load -i "$T/newer.tar" # the first one loses its name, but a container uses it
    run docker image prune -f
    [ "$(docker images -aq | sort -u | wc -l)" = 2 ]
    docker rm -f runs
    run docker image prune -f
    [[ "$output" == *"deleted: sha256:"* ]]
    [[ "$output" == *"Total reclaimed space: "*MB* ]]
    [ "$(docker images --format '{{.Repository}}:{{.Tag}}')" = other:1 ]
    docker image prune -af
    [ -z "$(docker images -q)" ]
    docker system prune -f
    docker volume prune -f
    docker network prune -f
}
