#!/usr/bin/env bats
# hoyrun: create, start, kill, delete, state, list; exit codes and the texts that callers match.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

@test "spec and run work as they are" {
    sh_in 'echo from inside; exit 7'
    run_it
    [ "$status" = 7 ]
    [ "$output" = "from inside" ]
    nothing_left
}

@test "a process killed by a signal gives 128 and its number" {
    sh_in 'kill -9 $$; sleep 5'
    config '.linux.namespaces |= map(select(.type != "pid"))'
    run_it
    [ "$status" = 137 ]
}

@test "create, start, kill and delete go through the states" {
    config '.process.args = ["sleep", "1000"] | .annotations = {"com.example.key": "value"}'
    create_it --pid-file "$T/pid"
    is_status created
    [ "$(cat "$T/pid")" = "$(pid_of)" ]
    [ "$(tr '\0' ' ' <"/proc/$(pid_of)/cmdline")" != "sleep 1000 " ]
    r start "$ID"
    is_status running
    [ "$(tr '\0' ' ' <"/proc/$(pid_of)/cmdline")" = "sleep 1000 " ]
    run r state "$ID"
    [ "$(jq -r .id <<<"$output")" = "$ID" ]
    [ "$(jq -r .bundle <<<"$output")" = "$B" ]
    [ "$(jq -r .rootfs <<<"$output")" = "$B/rootfs" ]
    [ "$(jq -r .owner <<<"$output")" = root ]
    [ "$(jq -r '.annotations["com.example.key"]' <<<"$output")" = value ]
    r kill "$ID" KILL
    wait_for 5 is_status stopped
    [ "$(pid_of)" = 0 ]
    r delete "$ID"
    nothing_left
}

@test "the last line of a JSON log is the error" {
    config '.process.args = ["no-such-program"]'
    run r --log "$T/log" --log-format json create -b "$B" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"executable file not found"* ]]
    [ "$(tail -1 "$T/log" | jq -r .level)" = error ]
    [[ "$(tail -1 "$T/log" | jq -r .msg)" == *'exec: "no-such-program": executable file not found in $PATH' ]]
    [[ "$(tail -1 "$T/log" | jq -r .time)" == 20*T*Z ]]
}

@test "an id is checked" {
    for bad in . .. a/b 'a b' ''; do
        run r run -b "$B" "$bad"
        [ "$status" = 1 ]
        [[ "$output" == *"container id"* || "$output" == *"invalid id format"* ]]
    done
    [ -z "$(ls -A "$T/root" 2>/dev/null)" ]
}

@test "unknown options and commands are refused by name" {
    run r run --no-such-option "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"unknown option '--no-such-option'"* ]]
    run r no-such-command
    [[ "$output" == *"unknown command: No help topic for 'no-such-command'"* ]]
    run r create
    [[ "$output" == *"requires exactly 1 argument"* ]]
    run r kill "$ID" NOSUCH
    [[ "$output" == *'unknown signal "NOSUCH"'* ]]
}

@test "help has the form of runc's, under the name it was called by" {
    ln -s "$HOYRUN" "$T/runc"
    for args in --help -h help; do
        run "$T/runc" "$args"
        [ "$status" = 0 ]
        [ "${lines[0]}" = NAME: ]
        [ "${lines[1]}" = "   runc - Open Container Initiative runtime" ]
    done
    for command in create exec list; do
        run "$T/runc" "$command" -h
        [ "$status" = 0 ]
        [ "${lines[0]}" = NAME: ]
        [[ "${lines[1]}" == "   runc $command - "* ]]
    done
}

@test "a container that waits for start ends by the signals that ask a program to end" {
    config '.process.args = ["sleep", "1000"]'
    for signal in TERM INT HUP QUIT; do
        create_it
        r kill "$ID" "$signal"
        wait_for 5 is_status stopped
        r delete "$ID"
    done
    # What the caller ignores stays ignored, for the program too.
    (trap '' TERM; "$HOYRUN" --root "$T/root" create -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-)
    r kill "$ID" TERM
    sleep 0.2
    [ "$(status_of)" = created ]
    r start "$ID"
    [[ "$(grep SigIgn "/proc/$(pid_of)/status")" == *4000 ]]
}

@test "a debug log has the stages that runc's has" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    r start "$ID"
    run r --debug exec --process <(echo '{"args": ["/bin/true"], "cwd": "/", "execCPUAffinity": {"initial": "0"}}') "$ID"
    for text in "nsexec container setup" "nsexec: affinity: 0x1" "child process in init()" "setns_init: about to exec"; do
        [[ "$output" == *"$text"* ]] || { echo "no '$text' in: $output"; false; }
    done
    config '.process.args = ["true"]'
    r delete -f "$ID"
    run r --debug run -b "$B" "$ID" </dev/null
    for text in "nsexec container setup" "child process in init()" "init: closing the pipe to signal completion"; do
        [[ "$output" == *"$text"* ]] || { echo "no '$text' in: $output"; false; }
    done
}

@test "list shows all containers" {
    run r list
    [ "$status" = 1 ] # a root that was asked for and is not there
    mkdir "$T/root"
    run r list
    [[ "$output" == "ID "*"PID"*"STATUS"*"BUNDLE"*"CREATED"*"OWNER"* ]]
    config '.process.args = ["sleep", "1000"]'
    create_it
    run r list
    [[ "${lines[1]}" == "$ID "*" created "*"$B "*" root" ]]
    [ "$(r list -q)" = "$ID" ]
    [ "$(r list -f json | jq -r '.[0].status')" = created ]
    run r list -f nonsense
    [ "$status" = 1 ]
}

@test "a signal reaches the program; kill --all reaches everything" {
    sh_in 'trap "exit 42" TERM; echo ready; while :; do sleep 0.1; done'
    create_it
    r start "$ID"
    wait_for 5 grep -q ready "$T/out"
    r kill "$ID"
    wait_for 5 is_status stopped
    r delete "$ID"

    sh_in 'sleep 1000 & sleep 1000 & echo ready; wait'
    config '.linux.namespaces |= map(select(.type != "pid"))'
    create_it
    r start "$ID"
    wait_for 5 grep -q ready "$T/out"
    r kill --all "$ID" KILL
    wait_for 5 is_status stopped
    r delete "$ID"
    nothing_left
}

@test "kill KILL reaches who outlived the first process in a shared pid namespace" {
    sh_in 'sleep 1000 & echo $!; exit 0'
    config '.linux.namespaces |= map(select(.type != "pid"))'
    create_it
    r start "$ID"
    wait_for 5 is_status stopped
    kill -0 "$(cat "$T/out")"
    run r kill "$ID" TERM
    [[ "$output" == *"container not running"* ]]
    r kill "$ID" KILL
    wait_for 5 bash -c "! grep -qs '^State:.[^Z]' /proc/$(cat "$T/out")/status"
    r delete "$ID"
    nothing_left
}

@test "delete ends processes that outlived the first one in a shared pid namespace" {
    sh_in 'sleep 1000 & echo $!; exit 0'
    config '.linux.namespaces |= map(select(.type != "pid"))'
    create_it
    r start "$ID"
    wait_for 5 is_status stopped
    kill -0 "$(cat "$T/out")"
    r delete "$ID"
    wait_for 5 is_dead "$(cat "$T/out")"
    nothing_left
}

@test "delete --force ends a running container and one that waits for start" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    r delete -f "$ID"
    nothing_left
    create_it
    r start "$ID"
    r delete --force "$ID"
    nothing_left
}

@test "run --detach returns, run --keep keeps" {
    config '.process.args = ["sleep", "1000"]'
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&-
    is_status running
    r delete -f "$ID"
    sh_in 'exit 3'
    run_it --keep
    [ "$status" = 3 ]
    is_status stopped
    r delete "$ID"
    nothing_left
}

@test "run forwards signals to the container, also the first of the real-time ones" {
    sh_in 'trap "echo first" USR1; trap "exit 42" 34; echo ready; while :; do sleep 0.1; done'
    "$HOYRUN" --root "$T/root" run -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&- &
    wait_for 5 grep -q ready "$T/out"
    kill -USR1 $!
    wait_for 5 grep -q first "$T/out"
    kill -34 $!
    code=0
    wait $! || code=$?
    [ "$code" = 42 ]
}

@test "run deletes its own container, not one that got its name meanwhile" {
    config '.process.args = ["sleep", "1000"]'
    "$HOYRUN" --root "$T/root" run -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&- &
    wait_for 5 is_status running
    kill -STOP $!
    r delete -f "$ID"
    create_it
    kill -CONT $!
    code=0
    wait $! || code=$?
    [ "$code" = 137 ]
    is_status created
}

@test "a killed hoyrun leaves something that delete --force cleans" {
    # A hook that runs until the test lets it end, or its directory is gone.
    config '.process.args = ["sleep", "1000"] | .hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c",
        "touch \($t)/in-hook; while [ -e \($t)/in-hook ]; do sleep 0.1; done"]}]' --arg t "$T"
    "$HOYRUN" --root "$T/root" create -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&- &
    wait_for 5 test -e "$T/in-hook"
    kill -9 $!
    wait $! || :
    rm "$T/in-hook"
    [ "$(status_of)" != running ]
    r delete --force "$ID"
    nothing_left
}

@test "the config is read once: later changes do not count" {
    sh_in 'echo first'
    create_it
    sh_in 'echo second'
    r start "$ID"
    wait_for 5 is_status stopped
    [ "$(cat "$T/out")" = first ]
}

@test "--preserve-fds passes descriptors, others are closed" {
    sh_in 'cat <&3; ls /proc/self/fd | tr "\n" " "'
    echo through >"$T/in"
    exec 7>"$T/leak" 8>"$T/leak"
    run r run -b "$B" --preserve-fds 1 "$ID" 3<"$T/in" 4>&- </dev/null
    [ "$status" = 0 ]
    [ "${lines[0]}" = through ]
    [ "${lines[1]}" = "0 1 2 3 4 " ]
    exec 7>&- 8>&-
}

@test "--preserve-fds never passes a descriptor of hoyrun's own in place of one that is not open" {
    sh_in 'ls -l /proc/self/fd'
    run r run -b "$B" --preserve-fds 3 "$ID" 3<"$B/config.json" 4>&- 5>&- </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"--preserve-fds: descriptor 4"* ]]
}

@test "socket activation is passed on" {
    sh_in 'echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; cat <&3'
    echo through >"$T/in"
    LISTEN_FDS=1 LISTEN_FDNAMES=web run r run -b "$B" "$ID" 3<"$T/in" </dev/null
    [ "$status" = 0 ]
    [ "${lines[0]}" = "1 1 web" ]
    [ "${lines[1]}" = through ]
}

@test "features is a document that names what is there" {
    run r features
    [ "$status" = 0 ]
    [ "$(jq -r .ociVersionMax <<<"$output")" = 1.3.0 ]
    [ "$(jq -r '.linux.cgroup.systemd' <<<"$output")" = true ]
    [ "$(jq -r '.hooks | length' <<<"$output")" = 6 ]
    jq -e '.mountOptions | index("rro")' <<<"$output"
    jq -e '.linux.namespaces | index("time")' <<<"$output"
    [ "$(jq -c .potentiallyUnsafeConfigAnnotations <<<"$output")" = '["org.criu.config"]' ]
}

@test "runs leave nothing behind" {
    before=$(ls /proc/self/fd | wc -l; grep -c . /proc/self/mountinfo)
    for i in $(seq "${HOY_RUNS:-50}"); do
        r run -b "$B" "$ID" </dev/null
    done
    nothing_left
    [ "$before" = "$(ls /proc/self/fd | wc -l; grep -c . /proc/self/mountinfo)" ]
}
