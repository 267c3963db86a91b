#!/usr/bin/env bats
# The engine's checkpoints: create, ls, rm, start --checkpoint. What needs a working CRIU runs where there is one: in the VM.
load lib
load stack

setup() {
    stack_setup
    criu check >/dev/null 2>&1 && CRIU_WORKS=yes || CRIU_WORKS=no
}
teardown() { stack_teardown; }

need_criu() {
    [ "$CRIU_WORKS" = yes ] || skip_because no-criu "this machine's criu can't work on its kernel"
}

# Counts in a tmpfs, which only its memory holds, and in its log.
counter='i=0; while :; do i=$((i+1)); echo $i; echo $i >/dev/shm/n.new; mv /dev/shm/n.new /dev/shm/n; sleep 0.1; done'

count_of() { "$HOY" exec "$1" cat /dev/shm/n; }

is_past() { [ "$(count_of "$1")" -gt "$2" ]; }

# Without the network's checks, which CRIU has no business with.
api() { # METHOD PATH [BODY]
    curl -s -o "$T/answer" -w '%{http_code}' --unix-socket "$T/hoy.sock" -X "$1" "http://d$2" \
        ${3:+-H 'Content-Type: application/json' -d "$3"}
}

@test "a checkpoint ends the container, and start brings it back" {
    need_criu
    "$HOY" run -d --name web -m 64m --restart always busybox sh -c "$counter" >/dev/null
    wait_for 20 is_past web 3
    [ "$("$HOY" checkpoint create web first)" = first ]
    [ "$("$HOY" inspect -f '{{.State.Status}} {{.State.ExitCode}}' web)" = "exited 137" ] # and its policy leaves it so
    [ "$("$HOY" checkpoint ls web)" = $'CHECKPOINT NAME\nfirst' ]
    last=$("$HOY" logs web | tail -1)
    "$HOY" start --checkpoint first web
    [ "$("$HOY" inspect -f '{{.State.Status}}' web)" = running ]
    now=$(count_of web)
    [ "$now" -ge "$last" ] && [ "$now" -lt $((last + 1000)) ]
    wait_for 20 is_past web "$now"
    "$HOY" exec web ping -c 1 -W 5 "$("$HOY" inspect -f '{{.NetworkSettings.Gateway}}' web)"
    [ "$("$HOY" inspect -f '{{.HostConfig.Memory}}' web)" = $((64 << 20)) ]
    [ "$("$HOY" logs web | sort -n | uniq -d | wc -l)" -lt 20 ] # it goes on, it does not begin again
    # Another hoyd takes it up as any other.
    kill_hoyd
    start_hoyd
    [ "$("$HOY" inspect -f '{{.State.Status}}' web)" = running ]
    now=$(count_of web)
    wait_for 20 is_past web "$now"
    "$HOY" stop -t 0 web
    [ "$("$HOY" inspect -f '{{.State.ExitCode}}' web)" = 137 ]
    "$HOY" start web # anew
    wait_for 20 is_past web 1
}

@test "left running, elsewhere, into another container; ls and rm" {
    need_criu
    "$HOY" run -d --name web -v data:/data busybox sh -c "echo kept >/data/file; $counter" >/dev/null
    wait_for 20 is_past web 2
    "$HOY" checkpoint create --leave-running web one
    [ "$("$HOY" inspect -f '{{.State.Status}}' web)" = running ]
    run "$HOY" checkpoint create --leave-running web one
    [[ "$output" == *"checkpoint with name one already exists for container web"* ]]
    "$HOY" checkpoint create --leave-running --checkpoint-dir "$T/saved" web two
    [ "$("$HOY" checkpoint ls web)" = $'CHECKPOINT NAME\none' ]
    [ "$("$HOY" checkpoint ls --checkpoint-dir "$T/saved" web)" = $'CHECKPOINT NAME\ntwo' ]
    [ "$(api GET /containers/web/checkpoints)" = 200 ]
    [ "$(cat "$T/answer")" = '[{"Name":"one"}]' ]
    "$HOY" rm -f web >/dev/null
    "$HOY" create --name dup -v data:/data busybox sh -c "$counter" >/dev/null # never ran: its mount points are new
    "$HOY" start --checkpoint two --checkpoint-dir "$T/saved" dup
    now=$(count_of dup)
    wait_for 20 is_past dup "$now"
    [ "$("$HOY" exec dup cat /data/file)" = kept ]
    "$HOY" checkpoint rm --checkpoint-dir "$T/saved" dup two
    [ ! -e "$T/saved/two" ]
    "$HOY" checkpoint create --leave-running dup three
    [ "$(api DELETE /containers/dup/checkpoints/three)" = 204 ]
    [ "$("$HOY" checkpoint ls dup)" = 'CHECKPOINT NAME' ]
    [ ! -e "$T/data/containers/$("$HOY" inspect -f '{{.Id}}' dup)/checkpoints/three" ]
}

@test "what a client asks for is checked, and CRIU has the last word" {
    [ "$("$HOY" info -f '{{.ExperimentalBuild}}')" = false ]
    stop_hoyd
    start_hoyd --experimental
    [ "$("$HOY" info -f '{{.ExperimentalBuild}}')" = true ]
    "$HOY" run -d --name web busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done' >/dev/null
    "$HOY" run -dt --name tty busybox sleep 100 >/dev/null
    echo s | "$HOY" secret create s -
    "$HOY" run -d --name secret --secret s busybox sleep 100 >/dev/null
    "$HOY" create --name idle busybox true >/dev/null
    refused() { # TEXT COMMAND...
        local text=$1
        shift
        run "$HOY" "$@"
        [ "$status" != 0 ] && [[ "$output" == *"$text"* ]] || { echo "$output"; return 1; }
    }
    refused "No such container" checkpoint ls nobody
    refused "is not running" checkpoint create idle one
    refused "Invalid checkpoint ID (../up)" checkpoint create web ../up
    refused "Invalid checkpoint ID (..)" checkpoint rm web ..
    refused "no absolute path" checkpoint create --checkpoint-dir here web one
    refused "checkpoint not support on containers with tty" checkpoint create tty one
    refused "not of a container with secrets" checkpoint create secret one
    refused "checkpoint one does not exist for container web" checkpoint rm web one
    refused "only a stopped one can be started from a checkpoint" start --checkpoint one web
    refused "checkpoint one does not exist for container idle" start --checkpoint one idle
    refused "restore multiple containers" start --checkpoint one idle web
    refused "needs --checkpoint" start --checkpoint-dir /x idle
    mkdir -p "$T/saved/two/other"
    refused "remove 'other'" checkpoint rm --checkpoint-dir "$T/saved" web two
    [ -d "$T/saved/two/other" ]
    ln -s "$T/client" "$T/saved/link" # what is behind a link is nobody's checkpoint
    refused "is not a directory" checkpoint rm --checkpoint-dir "$T/saved" web link
    if [ "$CRIU_WORKS" = no ]; then
        refused "Cannot checkpoint container web: " checkpoint create web one
        [[ "$output" == *"criu dump failed: "*"dump.log"* ]]
        [ "$("$HOY" checkpoint ls web)" = 'CHECKPOINT NAME' ]
    fi
    [ "$("$HOY" inspect -f '{{.State.Status}}' web)" = running ]
    mkdir "$T/saved/empty"
    refused "criu restore failed" start --checkpoint empty --checkpoint-dir "$T/saved" idle
    [ "$("$HOY" inspect -f '{{.State.Status}}' idle)" = created ]
    "$HOY" start idle
    "$HOY" wait idle
}
