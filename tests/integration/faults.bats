#!/usr/bin/env bats
# A machine that fails: a full disk, no process numbers, missing programs, a damaged database, directories that are gone. The
# error says what is wrong, nothing crashes, and all goes on when the fault is mended.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() {
    require_root
    make_test_dir
}
teardown() {
    [ -z "${HOY_KEEP_LOG:-}" ] || cp "$T/hoyd.log" "$HOY_KEEP_LOG"
    stack_teardown || :
    [ -z "${PIDS_GROUP:-}" ] || rmdir "$PIDS_GROUP"
    ! mountpoint -q "$T/data" || umount "$T/data"
    remove_test_dir
}

# 127 is docker's for a program that is not there; bats would warn of it.
hoy() { timeout 60 "$HOY" "$@" || return $(($? == 127 ? 126 : $?)); }
says() { [ "$status" != 0 ] && [[ "$output" == *"$1"* ]] || { echo "'$1' is not in ($status): $output"; return 1; }; }

@test "a full disk: what writes says so, what runs goes on, what frees works" {
    mkdir "$T/data"
    mount -t tmpfs -o size=24m none "$T/data"
    start_hoyd
    load_busybox
    "$TOP/tests/integration/make-image" -o "$T/other.tar" --name other:1 --file "/x=$(head -c 30000 /dev/zero | tr '\0' x)" sh
    hoy run -d --name talker --network none busybox sh -c 'trap "exit 5" TERM; while :; do echo line; usleep 10000; done'
    hoy run --name dead --network none busybox sh -c 'head -c 2000000 /dev/zero >/file; exit 4' || [ $? = 4 ]
    dd if=/dev/zero of="$T/data/fill" bs=64k 2>/dev/null || :
    dd if=/dev/zero of="$T/data/fill2" bs=4k 2>/dev/null || :
    run hoy create --name web busybox
    says "No space left on device"
    run hoy load -i "$T/other.tar"
    says "No space left on device"
    run hoy exec talker dd if=/dev/zero of=/file bs=1000000 count=1
    says "No space left on device"
    hoy exec talker true
    [[ "$(hoy ps)" == *talker* ]]
    # hoyd ends and comes back as if nothing were.
    kill_hoyd
    start_hoyd
    [[ "$(hoy ps)" == *talker* ]]
    hoy stop -t 20 talker
    [ "$(hoy inspect -f '{{.State.ExitCode}} {{.State.Status}}' talker)" = "5 exited" ]
    hoy rm dead
    wait_for 20 hoy run --rm --network none busybox true
    rm "$T/data/fill" "$T/data/fill2"
    hoy load -i "$T/other.tar"
    hoy start talker
    hoy rm -f talker
    hoyd_is_alive
    hoy system fsck --digests
    [ -s "$T/data/hoy.db-reserve" ]
}

# pids_group: a group of the hierarchy that counts processes, for hoyd and what it starts.
pids_group() {
    local parent=/sys/fs/cgroup/pids
    [ -d "$parent" ] || parent=/sys/fs/cgroup
    PIDS_GROUP=$parent/hoy-faults-$$
    mkdir "$PIDS_GROUP" || { PIDS_GROUP=; skip_because no-controller "no group for processes can be made"; }
    [ -e "$PIDS_GROUP/pids.max" ] || skip_because no-controller "no pids controller"
}

@test "no process numbers left: requests fail with the reason, and work again when there are some" {
    pids_group
    start_hoyd
    load_busybox
    hoy run -d --name web --network none busybox sleep 1000
    echo "$HOYD_PID" >"$PIDS_GROUP/cgroup.procs"
    for left in 0 1 2 3; do
        echo $(($(cat "$PIDS_GROUP/pids.current") + left)) >"$PIDS_GROUP/pids.max"
        run hoy run --rm --network none busybox true
        [ $left -gt 1 ] || says "Resource temporarily unavailable"
        [[ "$(hoy ps)" == *web* ]]
        run hoy load -i "$T/busybox.tar"
        [ $left != 0 ] || says "Resource temporarily unavailable"
        hoyd_is_alive
    done
    hoy stop -t 0 web
    echo max >"$PIDS_GROUP/pids.max"
    hoy run --rm --network none busybox true
    hoy rm web
    [ -z "$(hoy ps -aq)" ]
}

@test "programs that are missing are named: when they are needed, and at the start" {
    mkdir "$T/bin" "$T/context"
    for program in hoyd hoy hoyrun containerd-shim-hoy-v2 hoy-net hoy-layer hoy-files hoy-fetch hoy-build hoy-init hoy-log; do
        ln "$HOY_BUILD/$program" "$T/bin/$program" 2>/dev/null || cp "$HOY_BUILD/$program" "$T/bin/$program"
    done
    HOYD=$T/bin/hoyd
    echo 'FROM busybox' >"$T/context/Dockerfile"
    start_hoyd
    load_busybox
    hoy run -d --name web --network none busybox sleep 1000
    lost() { # PROGRAM COMMAND...: what it says without the program
        mv "$T/bin/$1" "$T/away"
        run hoy "${@:2}"
        mv "$T/away" "$T/bin/$1"
        says "$1"
        hoyd_is_alive
    }
    lost containerd-shim-hoy-v2 run --rm --network none busybox true
    lost hoyrun run --rm --network none busybox true
    lost hoy-net run --rm busybox true
    lost hoy-layer load -i "$T/busybox.tar"
    lost hoy-files cp web:/etc/passwd "$T/passwd"
    lost hoy-fetch pull 127.0.0.1:1/x
    lost hoy-build build "$T/context"
    lost hoy-init run --rm --network none --init busybox true
    lost hoy-log run -d --log-driver syslog --log-opt syslog-address=udp://127.0.0.1:9 --network none busybox true
    hoy run --rm busybox true
    hoy cp web:/etc/passwd "$T/passwd"
    kill_hoyd
    for program in hoyrun containerd-shim-hoy-v2 hoy-layer hoy-files hoy-build; do
        mv "$T/bin/$program" "$T/away"
        PATH=/usr/sbin:/usr/bin:/sbin:/bin run timeout 20 "$HOYD" -H "unix://$T/hoy.sock" --data-root "$T/data" --exec-root "$T/run" \
            --config-file "$T/daemon.json"
        mv "$T/away" "$T/bin/$program"
        says "program '$program' not found in '$T/bin'"
    done
    start_hoyd
    hoy exec web true
}

@test "settings that can't be read: the file and the place are named" {
    refused() { # TEXT
        run timeout 20 "$HOYD" --validate --config-file "$T/daemon.json"
        says "$1"
        [[ "$output" == *"$T/daemon.json"* ]]
    }
    printf '{"debug": true, "labels": ["a=' >"$T/daemon.json"
    refused "parse error"
    echo '{"debug": "yes"}' >"$T/daemon.json"
    refused "debug"
    echo '[]' >"$T/daemon.json"
    refused "object"
    head -c 3000 /dev/urandom >"$T/daemon.json"
    refused ""
    rm "$T/daemon.json"
    mkdir "$T/daemon.json"
    refused "Is a directory"
    rmdir "$T/daemon.json"
}

# no_start TEXT: hoyd ends at once, with this.
no_start() {
    run timeout 20 "$HOYD" -H "unix://$T/hoy.sock" --data-root "$T/data" --exec-root "$T/run" --config-file "$T/daemon.json"
    [ "$status" = 1 ]
    says "$1"
    [[ "$output" == *"state database"* ]]
}

@test "a state database that is damaged or lost ends the start, and takes nothing with it" {
    start_hoyd
    load_busybox
    hoy create --name web busybox true
    kill_hoyd
    start_hoyd
    stop_gently() { kill -TERM "$HOYD_PID"; wait "$HOYD_PID" || :; HOYD_PID=; }
    stop_gently
    [ ! -s "$T/data/hoy.db-wal" ]
    cp "$T/data/hoy.db" "$T/copy"
    files() { find "$T/data/containers" "$T/data/blobs" "$T/data/l" | sort; }
    files >"$T/before"
    # overwritten at its head, in its middle, cut, emptied, gone, of another program
    dd if=/dev/urandom of="$T/data/hoy.db" bs=100 count=1 conv=notrunc 2>/dev/null
    no_start "the file is damaged"
    cp "$T/copy" "$T/data/hoy.db"
    for page in $(seq 1 $(($(stat -c %s "$T/copy") / 4096 - 1))); do
        dd if=/dev/zero of="$T/data/hoy.db" bs=4096 seek="$page" count=1 conv=notrunc 2>/dev/null
    done
    no_start "the file is damaged"
    head -c 5000 "$T/copy" >"$T/data/hoy.db"
    no_start "the file is damaged"
    : >"$T/data/hoy.db"
    no_start "is missing or empty"
    rm "$T/data/hoy.db"
    no_start "is missing or empty"
    echo "this is no database, but a letter of some length to a friend" >"$T/data/hoy.db"
    no_start "the file is damaged"
    files | diff "$T/before" -
    cp "$T/copy" "$T/data/hoy.db"
    start_hoyd
    hoy start -a web
}

@test "fsck: damage of the database that no start has met is told" {
    start_hoyd
    load_busybox
    hoy system fsck
    # An index that contradicts its table: sqlite itself writes it, so that it is readable.
    kill -TERM "$HOYD_PID" && wait "$HOYD_PID"
    sqlite3 "$T/data/hoy.db" "CREATE TABLE extra (a); CREATE INDEX extra_a ON extra (a); INSERT INTO extra VALUES (1), (2);
        PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX extra_a ON extra (a) WHERE a > 1' WHERE name = 'extra_a'"
    start_hoyd
    run hoy system fsck
    says "the state database is damaged: "
    [[ "$output" == *extra_a* ]]
}

@test "layers and directories that are gone: the start fails with the reason, fsck names them" {
    start_hoyd
    load_busybox
    hoy create --name one --network none busybox true
    hoy create --name two --network none busybox true
    hoy run -d --name runs --network none busybox sleep 1000
    one=$(hoy inspect -f '{{.Id}}' one)
    rm -r "$T/data/containers/$one"
    run hoy start one
    says "$T/data/containers/$one"
    run hoy cp one:/etc/passwd "$T/passwd"
    [ "$status" = 1 ]
    run hoy logs one
    hoyd_is_alive
    run hoy system fsck
    says "a container without its directory: $one"
    hoy rm one
    hoy start -a two
    mv "$T/data/l/1" "$T/layer" || mv "$T/data/l/$(ls "$T/data/l" | head -1)" "$T/layer"
    run hoy start -a two
    says "$T/data/l"
    run hoy system fsck
    says "a row without its layer: sha256:"
    kill_hoyd
    start_hoyd
    hoy exec runs true || [[ "$(hoy ps)" == *runs* ]]
    hoy rm -f runs two
    hoy system fsck --repair
    hoy load -i "$T/busybox.tar"
    hoy run --rm --network none busybox true
}
