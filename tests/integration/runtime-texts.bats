#!/usr/bin/env bats
# hoyrun: the error texts that callers match on (runtime/texts.h), each as it happens.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    find_cgroup2
}
teardown() {
    [ -z "${OTHER:-}" ] || kill "$OTHER" 2>/dev/null || :
    [ -z "${FROZEN:-}" ] || { echo 0 >"$FROZEN/cgroup.freeze" 2>/dev/null || echo THAWED >"$FROZEN/freezer.state"; rmdir "$FROZEN"; } || :
    runtime_teardown
}

@test "wrong states are refused with the texts that callers match" {
    config '.process.args = ["sleep", "1000"]'
    run r state "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"container does not exist"* ]]
    run r start "$ID"
    [[ "$output" == *"container does not exist"* ]]
    run r kill "$ID"
    [[ "$output" == *"container does not exist"* ]]
    run r delete "$ID"
    [[ "$output" == *"container does not exist"* ]]
    r delete --force "$ID"

    create_it
    run create_it
    [ "$status" = 1 ]
    [[ "$(cat "$T/err")" == *"already exists"* ]]
    run r delete "$ID"
    [[ "$output" == *"cannot delete container $ID that is not stopped: created"* ]]
    r start "$ID"
    run r start "$ID"
    [[ "$output" == *"cannot start an already running container"* ]]
    run r delete "$ID"
    [[ "$output" == *"cannot delete container $ID that is not stopped: running"* ]]
    r kill "$ID" SIGKILL
    wait_for 5 is_status stopped
    run r kill "$ID" 9
    [[ "$output" == *"container not running"* ]]
    run r start "$ID"
    [[ "$output" == *"cannot start a container that has stopped"* ]]
}

@test "programs that can't be executed fail at create, with runc's words" {
    config '.process.args = ["no-such-program"]'
    fails_with 'exec: "no-such-program": executable file not found in $PATH'
    config '.process.args = ["/no/such"]'
    fails_with 'exec: "/no/such": stat /no/such: no such file or directory'
    config '.process.args = ["/etc/passwd"]'
    fails_with 'exec: "/etc/passwd": permission denied'
    config '.process.args = ["/etc"]'
    fails_with 'exec: "/etc": is a directory'
}

@test "a program that turns out not to be one fails at start" {
    printf 'garbage' >"$B/rootfs/bin/garbage"
    chmod 755 "$B/rootfs/bin/garbage"
    config '.process.args = ["garbage"]'
    create_it
    run r start "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *'exec garbage: exec format error'* ]]
    wait_for 5 is_status stopped
    r delete "$ID"
    nothing_left
}

@test "a container without a process" {
    config 'del(.process)'
    fails_with "process property must be set"
}

@test "exec, pause, resume and events in the wrong state" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    run r resume "$ID"
    [[ "$output" == *"container not paused"* ]]
    r pause "$ID"
    run r exec "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"cannot exec in a paused container"* ]]
    run r pause "$ID"
    [[ "$output" == *"container not running or created: paused"* ]]
    r resume "$ID"
    r kill "$ID" KILL
    wait_for 5 is_status stopped
    run r exec "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"cannot exec in a stopped container"* ]]
    run r events --stats "$ID"
    [[ "$output" == *"container with id $ID is not running"* ]]
    run r pause "$ID"
    [[ "$output" == *"container not running or created: stopped"* ]]
}

@test "an init that is killed for lack of memory says so" {
    config '.linux.resources.memory = {"limit": 8192, "swap": 8192}'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"unable to start container process: container init was OOM-killed (memory limit too low?)"* ]] || { echo "$output"; false; }
    nothing_left
}

@test "a cgroup that somebody is in, or that is frozen" {
    local dir
    config '.linux.cgroupsPath = "/hoytest-texts-\($id)"' --arg id "$ID"
    dir=$CGROUP2/hoytest-texts-$ID
    mkdir "$dir"
    sh -c 'echo 0 >"$1/cgroup.procs"; exec sleep 1000' sh "$dir" 3>&- 4>&- &
    OTHER=$!
    wait_for 5 grep -q . "$dir/cgroup.procs"
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"container's cgroup is not empty"* ]] || { echo "$output"; false; }
    kill $OTHER
    wait $OTHER || :
    OTHER=
    FROZEN=$dir
    echo 1 >"$dir/cgroup.freeze"
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"container's cgroup unexpectedly frozen"* ]] || { echo "$output"; false; }
}

@test "a directory on a file, and the other way round" {
    mkdir "$T/dir"
    touch "$T/file"
    config '.mounts += [{"destination": "/etc/passwd", "type": "bind", "source": $s, "options": ["bind"]}]' --arg s "$T/dir"
    fails_with "one is a directory, the other is not: not a directory"
    config '.mounts[-1] = {"destination": "/etc", "type": "bind", "source": $s, "options": ["bind"]}' --arg s "$T/file"
    fails_with "one is a directory, the other is not: not a directory"
    config '.mounts[-1].source = "/no/such/source"'
    fails_with "o such file or directory"
}
