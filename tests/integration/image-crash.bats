#!/usr/bin/env bats
# hoyd is killed while images come, go and are made: what was told is true afterwards, and nothing is left over.
load lib
load stack
load image

setup() {
    require_root
    make_test_dir
    start_hoyd
}

teardown() { stack_teardown; }

behind() { # OUTPUT COMMAND...: hoy in the background
    local out=$1
    shift
    "$HOY" "$@" >"$T/$out" 2>/dev/null 3>&- &
    PIDS+=($!)
}

is_there() { "$HOY" image inspect "$1" >/dev/null 2>&1; }

store_is_whole() {
    run "$HOY" system fsck --digests
    [ "$status" = 0 ] || { echo "$output"; return 1; }
    wait_for 10 sh -c '[ -z "$(ls "$0/data/tmp" "$0/data/trash" | grep -v :)" ]' "$T"
    ! ls "$T/data/l" | grep -q tmp || { ls "$T/data/l"; return 1; }
}

# What an answer said is true.
said_is_true() {
    local id
    ! grep -q '^Loaded image: new:latest' "$T/load.out" || is_there new || { echo "the loaded image is gone"; return 1; }
    ! grep -q '^Deleted: ' "$T/rmi.out" || ! is_there victim || { echo "the removed image is there"; return 1; }
    id=$(cat "$T/commit.out")
    [ -z "$id" ] || is_there "$id" || { echo "the committed image is gone"; return 1; }
    for id in $(sed -n 's/^deleted: //p' "$T/prune.out"); do
        ! is_there "$id" || { echo "$id was pruned and is there"; return 1; }
    done
}

@test "crash: load, commit, rmi and image prune at once, hoyd killed at any point" {
    load_busybox
    "$HOY" run --name changed busybox sh -c 'head -c 3000000 /dev/urandom >/data; rm -f /etc/group'
    "$MAKE_IMAGE" -o "$T/victim.tar" --name victim:latest --layers 10
    "$MAKE_IMAGE" -o "$T/new.tar" --name new:latest --layers 10 --env N=1 --file /new=1
    "$MAKE_IMAGE" -o "$T/none.tar" --no-name --env N=2
    for delay in 0.02 0.1 0.3 1; do
        for archive in victim none; do "$HOY" load -qi "$T/$archive.tar"; done
        PIDS=()
        behind load.out load -i "$T/new.tar"
        behind commit.out commit changed
        behind rmi.out rmi victim
        behind prune.out image prune -f
        sleep "$delay"
        kill_hoyd
        wait "${PIDS[@]}" || :
        start_hoyd
        said_is_true || { echo "after $delay"; false; }
        store_is_whole || { echo "after $delay"; false; }
        "$HOY" start -a changed
        "$HOY" images -q --no-trunc | grep -v "$("$HOY" image inspect -f '{{.Id}}' busybox)" | sort -u | xargs -r "$HOY" rmi -f
    done
    "$HOY" rm changed
    "$HOY" rmi busybox
    store_is_whole
    [ "$(ls "$T/data/l")" = 0 ]
    [ -z "$(ls "$T/data/blobs/sha256" "$T/data/containers" | grep -v :)" ]
}

@test "fsck: containers' directories and what else lies in the data root" {
    load_busybox
    container=$("$HOY" create busybox true)
    mkdir "$T/data/containers/stray" "$T/data/else"
    run "$HOY" system fsck
    [ "$status" = 1 ]
    [[ "$output" == *"a container's directory without a row"*stray* ]]
    [[ "$output" == *"a file that is no part of the store"*else* ]]
    run "$HOY" system fsck --repair
    [ ! -e "$T/data/containers/stray" ]
    [ -d "$T/data/else" ] # it may be somebody's
    rmdir "$T/data/else"
    "$HOY" system fsck
    upper=$("$HOY" inspect -f '{{.GraphDriver.Data.UpperDir}}' "$container")
    mv "$upper" "$upper.away"
    run "$HOY" system fsck
    [[ "$output" == *"a container without its directory"*"$container"* ]]
    mv "$upper.away" "$upper"
    "$HOY" system fsck
}
