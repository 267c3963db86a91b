#!/usr/bin/env bats
# hoyrun: terminals, directly and over a console socket.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    config '.process.terminal = true'
}
teardown() {
    [ -z "${RECEIVER:-}" ] || kill "$RECEIVER" 2>/dev/null || :
    runtime_teardown
}

@test "the master goes over the console socket; the slave is stdio and /dev/console" {
    sh_in 'tty; stty size; ls -l /dev/console | cut -c1; [ /dev/console -ef "$(tty)" ] && echo same; echo done'
    config '.process.consoleSize = {"height": 17, "width": 71}'
    receive_console
    create_it --console-socket "$T/console"
    r start "$ID"
    wait_for 5 grep -q done "$T/console.out"
    grep -q $'done\r' "$T/console.out" # ONLCR stays: who relays shows it on a raw terminal
    sed -i 's/\r$//' "$T/console.out"
    [ "$(head -1 "$T/console.out")" = "message /dev/ptmx fds 1" ]
    [ "$(sed -n 2p "$T/console.out")" = /dev/pts/0 ]
    [ "$(sed -n 3p "$T/console.out")" = "17 71" ]
    [ "$(sed -n 4p "$T/console.out")" = c ]
    [ "$(sed -n 5p "$T/console.out")" = same ]
}

@test "run serves a terminal, also when stdin is none" {
    sh_in 'tty; echo out; exit 5'
    run_it
    [ "$status" = 5 ]
    [ "${lines[0]}" = /dev/pts/0 ]
    [ "${lines[1]}" = out ]
}

@test "run passes what is typed, sizes and the end" {
    command -v script || skip_because no-script "util-linux has no script here"
    sh_in 'stty size; read x; echo "got $x"; exit 6'
    run timeout 20 script -qec "stty rows 33 cols 77; $HOYRUN --root $T/root run -b $B $ID" /dev/null < <(sleep 1; echo hello)
    [ "$status" = 6 ]
    [[ "$output" == *"33 77"* ]]
    [[ "$output" == *"got hello"* ]]
}

@test "the program leads a session with the terminal as its own" {
    sh_in 'cut -d" " -f1,6,7 /proc/self/stat; echo hi >/dev/tty'
    run_it
    [ "$status" = 0 ]
    [ "${lines[1]}" = hi ]
}

@test "a terminal without a console socket is refused when nobody stays to serve it" {
    run create_it
    [ "$status" = 1 ]
    [[ "$(cat "$T/err")" == *"cannot allocate tty if hoyrun will detach without setting console socket"* ]]
    config '.process.terminal = false'
    run r create -b "$B" --console-socket "$T/nosuch" "$ID"
    [[ "$output" == *"cannot use console socket if hoyrun will not detach or allocate tty"* ]]
    nothing_left
}

@test "a terminal needs the container's own devpts (CVE-2025-52565)" {
    config '.mounts |= map(select(.destination != "/dev/pts"))'
    fails_with terminal
    config '.mounts += [{"destination": "/dev/pts", "type": "tmpfs", "source": "tmpfs", "options": []}]'
    fails_with terminal
}

@test "consoleSize is ignored without a terminal" {
    config '.process.terminal = false | .process.consoleSize = {"height": 17, "width": 71}'
    run_it
    [ "$status" = 0 ]
}
