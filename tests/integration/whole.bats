#!/usr/bin/env bats
# Runs alone: it compares the mounts, cgroups and processes of the whole machine.
# The whole stack with hoy: a container's life, limits, what is left behind.
load lib
load stack

setup() { stack_setup; }
teardown() { stack_teardown; }

# memory_eater: a static program would do; awk builds a string of 128 MiB.
eat='awk "BEGIN { s = sprintf(\"%1048576s\", \"x\"); for (i = 0; i < 128; i++) a[i] = s i; print length(a) }"'

@test "a container runs, its output and exit code arrive" {
    run "$HOY" run --rm busybox echo hello
    [ "$status" = 0 ]
    [ "$output" = hello ]
    run "$HOY" run --rm busybox sh -c 'echo err >&2; exit 7'
    [ "$status" = 7 ]
    [ "$output" = err ]
}

@test "the exit codes 125, 126 and 127 are docker's" {
    run "$HOY" run --rm --nosuchflag busybox true
    [ "$status" = 125 ]
    run "$HOY" run --rm busybox /etc
    [ "$status" = 126 ]
    run "$HOY" run --rm busybox nosuchprogram
    [ "$status" = 127 ]
    run "$HOY" run --rm busybox sh -c 'sh -c "kill -TERM \$\$"; exit $?'
    [ "$status" = 143 ]
    [ -z "$("$HOY" ps -aq)" ]
}

@test "environment, directory, user, name and entrypoint reach the process" {
    run "$HOY" run --rm -e A=1 -w /tmp -u 65534:65534 --name web -h box --entrypoint sh busybox \
        -c 'echo "$A $(pwd) $(id -u):$(id -g) $(hostname)"'
    [ "$status" = 0 ]
    [ "$output" = "1 /tmp 65534:65534 box" ]
}

@test "a bind mount is seen and written through, a read-only one is not" {
    mkdir "$T/bind"
    echo before >"$T/bind/file"
    run "$HOY" run --rm -v "$T/bind:/b" busybox sh -c 'cat /b/file; echo after >/b/file'
    [ "$output" = before ]
    [ "$(cat "$T/bind/file")" = after ]
    run "$HOY" run --rm -v "$T/bind:/b:ro" busybox sh -c 'echo no >/b/file'
    [ "$status" != 0 ]
    [ "$(cat "$T/bind/file")" = after ]
}

@test "stdin reaches the container and its end is seen" {
    head -c 3000000 /dev/urandom >"$T/random"
    "$HOY" run --rm -i busybox cat <"$T/random" >"$T/copy"
    cmp "$T/random" "$T/copy"
}

@test "a container over its memory limit is killed, 137 and OOMKilled" {
    run "$HOY" run --name eater -m 64m busybox sh -c "exec $eat"
    [ "$status" = 137 ]
    run "$HOY" inspect eater
    [ "$(jq -r '.[0].State.OOMKilled' <<<"$output")" = true ]
    [ "$(jq -r '.[0].State.ExitCode' <<<"$output")" = 137 ]
    [ "$(jq -r '.[0].HostConfig.Memory' <<<"$output")" = 67108864 ]
}

@test "a container under its memory limit lives" {
    run "$HOY" run --name modest -m 512m busybox sh -c "exec $eat"
    [ "$status" = 0 ]
    [ "$output" = 128 ]
    [ "$("$HOY" inspect modest | jq -r '.[0].State.OOMKilled')" = false ]
}

@test "cpus limits the share of a processor" {
    run "$HOY" run --rm --cpus 0.5 busybox sh -c 'cat /sys/fs/cgroup/cpu.max 2>/dev/null ||
        { q=$(find /sys/fs/cgroup -name cpu.cfs_quota_us | head -1); cat "$q"; cat "${q%quota_us}period_us"; }'
    [ "$(tr '\n' ' ' <<<"$output" | sed 's/ *$//')" = "50000 100000" ]
}

@test "logs keep both streams, follow, and outlive the container" {
    "$HOY" run -d --name talker busybox sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.1; done'
    run timeout 20 "$HOY" logs -f talker
    [ "$status" = 0 ]
    [ "$(grep -c out <<<"$output")" = 3 ]
    [ "$("$HOY" logs talker 2>/dev/null | wc -l)" = 3 ]
    [ "$("$HOY" logs --tail 1 talker 2>&1 | wc -l)" = 1 ]
}

@test "stop sends SIGTERM first and SIGKILL when the time is over" {
    "$HOY" run -d --name polite busybox sh -c 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.1; done'
    "$HOY" run -d --name stubborn busybox sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
    is_up() { [ "$("$HOY" logs "$1")" = up ]; }
    wait_for 10 is_up polite
    wait_for 10 is_up stubborn
    "$HOY" stop polite
    "$HOY" stop -t 1 stubborn
    [ "$("$HOY" wait polite)" = 5 ]
    [ "$("$HOY" wait stubborn)" = 137 ]
    [ "$("$HOY" logs polite)" = $'up\nbye' ]
}

@test "a name can be taken once and is free after rm" {
    "$HOY" run -d --name web busybox sleep 100
    run "$HOY" run -d --name web busybox sleep 100
    [ "$status" = 125 ]
    [[ "$output" == *'The container name "/web" is already in use'* ]]
    run "$HOY" rm web
    [ "$status" = 1 ]
    "$HOY" rm -f web
    "$HOY" run -d --name web busybox sleep 100
}

@test "a published port is reached on this machine's addresses" {
    "$HOY" run -d --name web -p 8080:80 busybox sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'
    wait_for 10 curl -fsS http://127.0.0.1:8080/
    [ "$(curl -fsS http://127.0.0.1:8080/)" = page ]
    [[ "$("$HOY" ps)" == *'8080->80/tcp'* ]]
    run "$HOY" run -d --name second -p 8080:80 busybox sleep 100
    [ "$status" = 125 ]
    [[ "$output" == *'port is already allocated'* ]]
    "$HOY" rm -f web
    ! curl -fsS --max-time 2 http://127.0.0.1:8080/ || false
}

@test "network none has lo only, host has the host's" {
    run "$HOY" run --rm --network none busybox sh -c 'ls /sys/class/net'
    [ "$output" = lo ]
    run "$HOY" run --rm --network host busybox sh -c 'ls /sys/class/net'
    [ "$(sort <<<"$output")" = "$(ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort)" ]
    run "$HOY" run --rm busybox sh -c 'ls /sys/class/net; ip -4 -o addr show eth0'
    [[ "$output" == *eth0* && "$output" == *inet* ]]
}

@test "runs leave nothing behind" {
    "$HOY" run --rm busybox true
    no_trash() { [ -z "$(ls "$T/data/trash")" ]; }
    wait_for 10 no_trash
    host_state >"$T/before"
    for i in $(seq "${HOY_RUNS:-50}"); do
        "$HOY" run --rm busybox true || return 1
    done
    # What is taken off the path may still be under way.
    wait_for 20 state_is_as_before || :
    diff "$T/before" "$T/after"
}

state_is_as_before() {
    host_state >"$T/after"
    diff -q "$T/before" "$T/after"
}
