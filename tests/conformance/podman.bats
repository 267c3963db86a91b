#!/usr/bin/env bats
# Debian's podman with hoyrun as its runtime, on storage of its own.
load ../integration/lib

setup() {
    require_root
    make_test_dir
    ls /sys/fs/cgroup >"$T/hierarchies"
    # Everything podman keeps is in $T; nothing of the machine's configuration counts.
    # podman's own default raises rlimits, which a host without CAP_SYS_RESOURCE forbids every runtime.
    export CONTAINERS_CONF=$T/containers.conf CONTAINERS_STORAGE_CONF=$T/storage.conf
    printf '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]\n' >"$T/containers.conf"
    printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$T/run" "$T/graph" >"$T/storage.conf"
    "$TOP/tests/integration/make-image" -o "$T/busybox.tar" --name busybox:latest sh
    p load -q -i "$T/busybox.tar"
}

teardown() {
    p rm -fa -t 0 >/dev/null 2>&1 || :
    remove_cgroup_parents libpod_parent
    # For controllers that the kernel has not, podman makes plain directories where their hierarchies would be.
    for name in $(ls /sys/fs/cgroup | grep -vxFf "$T/hierarchies"); do
        [ "$(stat -f -c %T "/sys/fs/cgroup/$name")" != tmpfs ] || rm -rf --one-file-system "/sys/fs/cgroup/$name"
    done
    remove_test_dir
}

p() {
    timeout 60 podman --runtime "${RUNTIME:-$HOYRUN}" --cgroup-manager cgroupfs --events-backend none "$@"
}

@test "podman runs a container: output, exit codes" {
    run p run --rm --network none busybox echo hello
    [ "$status" = 0 ]
    [ "$output" = hello ]
    run p run --rm --network none busybox sh -c 'exit 7'
    [ "$status" = 7 ]
    run p run --rm --network none busybox nosuchprogram
    [ "$status" = 127 ]
    run p run --rm --network none busybox /etc
    [ "$status" = 126 ]
}

web_is_up() { p logs web | grep -q up; }

@test "podman runs detached, shows logs, stops and removes" {
    p run -d --name web --network none busybox sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    wait_for 10 web_is_up
    [ "$(p ps --format '{{.Names}}')" = web ]
    p stop -t 10 web
    [ "$(p wait web)" = 3 ]
    [[ "$(p logs web)" == *bye* ]]
    p rm web
    [ -z "$(p ps -aq)" ]
}

@test "podman's limits, user, read-only root and capabilities reach the container" {
    run p run --rm --network none --read-only -u 1000:1000 --cap-drop all -m 64m busybox sh -c '
        id -u; touch /x 2>/dev/null || echo read-only; grep CapEff /proc/self/status | cut -f2
        cat /sys/fs/cgroup/memory.max 2>/dev/null || find /sys/fs/cgroup/memory -name memory.limit_in_bytes | head -1 | xargs cat'
    [ "$status" = 0 ]
    [ "${lines[0]}" = 1000 ]
    [ "${lines[1]}" = read-only ]
    [ "${lines[2]}" = 0000000000000000 ]
    [ "${lines[3]}" = 67108864 ]
}

@test "podman gives a terminal" {
    # podman itself may lose what comes before its attach, whatever the runtime: hence the second.
    run timeout 60 script -qec "podman --runtime ${RUNTIME:-$HOYRUN} --cgroup-manager cgroupfs --events-backend none \
        run --rm -it --network none busybox sh -c 'sleep 1; test -t 0 && test -t 1 && echo terminal; stty size'" /dev/null
    [ "$status" = 0 ]
    [[ "$output" == *terminal* ]]
}
