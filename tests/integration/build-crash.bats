#!/usr/bin/env bats
# Builds that are cut off: the client leaves, hoyd is killed.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() {
    stack_setup
    mkdir "$T/ctx"
    cd "$T/ctx"
    printf 'FROM busybox\nRUN echo first >/1\nRUN echo waits && sleep 300\n' >Dockerfile
}
teardown() { cd /; stack_teardown; }

waits() { grep -q ' waits$' "$T/out"; }
no_containers() { [ -z "$("$HOY" ps -aq)" ]; }
no_leftovers() { [ -z "$(ls "$T/data/tmp"; ls "$T/data/l" | grep tmp; ls "$T/run/c")" ]; }

@test "ctrl-c ends the build and its container; what was done is in the cache" {
    "$HOY" build . >"$T/out" 2>&1 3>&- &
    local client=$!
    wait_for 30 waits
    kill -INT "$client" || :
    kill -TERM "$client" || :
    wait "$client" || :
    wait_for 30 no_containers
    wait_for 30 no_leftovers
    hoyd_is_alive
    sed -i 's/sleep 300/true/' Dockerfile
    run "$HOY" build .
    [ $status = 0 ]
    [ "$(grep -c CACHED <<<"$output")" = 1 ] || { echo "$output"; false; }
}

@test "kill -9 of hoyd in the middle of a build leaks nothing" {
    local id pid
    "$HOY" build . >"$T/out" 2>&1 3>&- &
    wait_for 30 waits
    id=$("$HOY" ps -q --no-trunc)
    pid=$("$HOY" inspect -f '{{.State.Pid}}' "$id")
    kill_hoyd
    wait $! || :
    start_hoyd
    wait_for 30 no_containers
    wait_for 30 no_leftovers
    [ "$(ls "$T/data/l" | xargs)" = "0 1" ]
    [ ! -e "/proc/$pid/ns" ]
    [ -z "$(find /sys/fs/cgroup -name "$id" 2>/dev/null)" ]
    sed -i 's/ && sleep 300//' Dockerfile
    "$HOY" build -t after .
    [ "$("$HOY" run --rm after cat /1)" = first ]
}

@test "kill -9 of hoyd in the middle of a session's build leaks nothing, and no secret" {
    local docker client
    docker=$(find_session_docker)
    [ -n "$docker" ] || skip_because no-docker-cli "docker 20.10 is not installed"
    echo "very secret" >"$T/secret"
    printf 'FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s && echo waits && sleep 300\n' >Dockerfile
    DOCKER_BUILDKIT=1 "$docker" build --secret id=s,src="$T/secret" --progress plain . >"$T/out" 2>&1 3>&- &
    client=$!
    wait_for 30 grep -q '^#.* waits$' "$T/out"
    [ -n "$(ls "$T/run/build-secrets")" ]
    kill_hoyd
    wait_for 30 is_dead "$client"
    start_hoyd
    wait_for 30 no_containers
    wait_for 30 no_leftovers
    [ -z "$(ls "$T/run/build-secrets")" ]
    run ! grep -rl "very secret" "$T/data" "$T/run" "$T/hoyd.log"
    "$HOY" run --rm busybox true
}
