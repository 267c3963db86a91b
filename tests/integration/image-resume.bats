#!/usr/bin/env bats
# Pulls that end early and are gone on with, and pulls that share their layers while they come.
load lib
load stack
load image
load registry

setup() {
    require_root
    make_test_dir
    start_hoyd
    mkdir -p "$T/reg"
    REGISTRY_PID=
}

teardown() {
    touch "$T/reg/go"
    stop_registry
    stack_teardown
}

pull_behind() { # NAME OUTPUT: in the background; its pid in $PULL
    "$HOY" pull "$R/$1" >"$T/$2" 2>&1 3>&- &
    PULL=$!
}

# The large layer of the image: its requests, and whether half of it is here.
requests_of_large() { grep -c "GET .*/blobs/$LARGE" "$T/reg/requests"; }
half_is_here() { [ "$(stat -c %s "$T/data/downloads/${LARGE#sha256:}" 2>/dev/null || echo 0)" -gt 10000 ]; }
large_layer() { # NAME: digest of its largest blob
    LARGE=sha256:$(basename "$(ls -S "$T/reg/$1/blobs/sha256/"* | head -1)")
}

store_is_whole() {
    run "$HOY" system fsck --digests
    [ "$status" = 0 ] || { echo "$output"; return 1; }
    [ -z "$(ls "$T/data/tmp" "$T/data/downloads" | grep -v :)" ]
}

@test "resume: hoyd is killed in the midst of a layer, the next pull fetches only the rest" {
    serve web --compress gzip sh -c 'echo whole'
    large_layer web
    start_registry hold=1
    pull_behind web out
    wait_for 10 half_is_here
    kill_hoyd
    wait "$PULL" || :
    [ "$(requests_of_large)" = 1 ]
    start_hoyd
    half_is_here
    run "$HOY" system fsck
    [ "$status" = 0 ] || { echo "$output"; false; }
    touch "$T/reg/go"
    "$HOY" pull -q "$R/web"
    [ "$("$HOY" run --rm "$R/web")" = whole ]
    [ "$(requests_of_large)" = 2 ]
    grep "GET .*/blobs/$LARGE bytes=[1-9]" "$T/reg/requests"
    store_is_whole
}

@test "resume: what is left is something else than it should be: it is fetched anew" {
    serve web --compress gzip sh -c 'echo whole'
    large_layer web
    start_registry
    mkdir -p "$T/data/downloads"
    head -c 50000 /dev/urandom >"$T/data/downloads/${LARGE#sha256:}"
    "$HOY" pull -q "$R/web"
    [ "$("$HOY" run --rm "$R/web")" = whole ]
    "$HOY" rmi "$R/web"
    # longer than the layer
    head -c 9000000 /dev/urandom >"$T/data/downloads/${LARGE#sha256:}"
    "$HOY" pull -q "$R/web"
    [ "$("$HOY" run --rm "$R/web")" = whole ]
    store_is_whole
}

@test "join: two pulls of one layer are one download, and both tell how it goes" {
    serve one --compress gzip sh -c 'echo one'
    serve two --compress gzip --file /etc/more=1 sh -c 'echo two'
    large_layer one
    start_registry hold=1
    pull_behind one out1
    first=$PULL
    wait_for 10 half_is_here
    curl -sN --unix-socket "$T/hoy.sock" -X POST "http://h/v1.50/images/create?fromImage=$R/two&tag=latest" >"$T/out2" 3>&- &
    second=$!
    wait_for 10 grep -q "Pulling fs layer.*${LARGE:7:12}" "$T/out2"
    touch "$T/reg/go"
    wait "$first"
    wait "$second"
    grep "${LARGE:7:12}.*Pull complete\|Pull complete.*${LARGE:7:12}" "$T/out2"
    grep "Downloaded newer image" "$T/out2"
    [ "$(requests_of_large)" = 1 ]
    [ "$("$HOY" run --rm "$R/one") $("$HOY" run --rm "$R/two")" = "one two" ]
    store_is_whole
}

@test "join: when the one that fetches leaves, the other goes on from there" {
    serve one --compress gzip sh -c 'echo one'
    serve two --compress gzip --file /etc/more=1 sh -c 'echo two'
    large_layer one
    start_registry hold=1
    pull_behind one out1
    first=$PULL
    wait_for 10 half_is_here
    pull_behind two out2
    wait_for 10 grep -q "${LARGE:7:12}: Pulling fs layer" "$T/out2"
    kill "$first"
    wait "$first" || :
    wait_for 10 sh -c 'grep -q "GET .*/blobs/$1 bytes=[1-9]" "$0/reg/requests"' "$T" "$LARGE"
    touch "$T/reg/go"
    wait "$PULL" || { cat "$T/out2"; false; }
    [ "$("$HOY" run --rm "$R/two")" = two ]
    [ "$("$HOY" images -q | wc -l)" = 1 ]
    wait_for 10 store_is_whole
}

@test "a layer is unpacked while the next one still comes" {
    head -c 300000 /dev/urandom >"$T/noise"
    tar c -C "$T" noise >"$T/large.tar"
    serve web --compress none --scratch --file /etc/a=1 --file /etc/b=2 --layer-tar "$T/large.tar"
    large_layer web
    start_registry hold=1
    pull_behind web out
    wait_for 10 half_is_here
    wait_for 10 grep -q "Pull complete" "$T/out"
    ! grep -q "${LARGE:7:12}: Download complete" "$T/out" || false
    # a load meanwhile does not wait for it
    load_busybox
    touch "$T/reg/go"
    wait "$PULL"
    store_is_whole
}

in_work() { sh -c 'test -s "$0"/data/l/tmp-*/"$1"' "$T" "$1"; } # FILE: of a layer that is being unpacked
layer_of() { find "$T/data/l" -path "*/$1" -printf '%H/%P\n' | sed "s|/$1\$||"; } # FILE: directory of the layer that has it

@test "a layer is unpacked while it comes, the one above it too, which inherits its root" {
    mkdir "$T/tree"
    head -c 300000 /dev/urandom >"$T/tree/noise"
    chmod 0711 "$T/tree"
    touch -d '2001-02-03 04:05:06' "$T/tree"
    tar c -C "$T/tree" . >"$T/large.tar"
    echo above >"$T/above"
    tar c -C "$T" above >"$T/above.tar"
    serve web --compress gzip --scratch --layer-tar "$T/large.tar" --layer-tar "$T/above.tar"
    large_layer web
    start_registry hold=1
    pull_behind web out
    wait_for 10 in_work noise
    wait_for 10 in_work above
    ! grep -q "Pull complete" "$T/out" || false
    touch "$T/reg/go"
    wait "$PULL" || { cat "$T/out"; false; }
    cmp "$T/tree/noise" "$(layer_of noise)/noise"
    [ "$(stat -c '%a %Y' "$(layer_of above)")" = "711 $(stat -c %Y "$T/tree")" ]
    [ "$(stat -c '%a %Y' "$(layer_of noise)")" = "711 $(stat -c %Y "$T/tree")" ]
    store_is_whole
    [ -z "$(find "$T/data/l" -maxdepth 1 -name 'tmp-*')" ]
}

@test "a layer that needs the ones below is unpacked after them" {
    "$MAKE_LAYER" '{"name": "d/", "type": "dir", "mode": "0751", "uid": 5}' '{"name": "d/low", "data": "low", "mode": "0640"}' >"$T/low.tar"
    "$MAKE_LAYER" '{"name": "d/hard", "type": "hardlink", "link": "d/low"}' >"$T/hard.tar"
    "$MAKE_LAYER" '{"name": "d/implied", "data": "x"}' >"$T/implied.tar"
    serve web --scratch --layer-tar "$T/low.tar" --layer-tar "$T/hard.tar" --layer-tar "$T/implied.tar"
    start_registry
    for way in pull load; do
        if [ $way = pull ]; then "$HOY" pull -q "$R/web"; else "$HOY" load -q -i "$T/served.tar"; fi
        [ "$(stat -c '%a %u' "$(layer_of d/implied)/d")" = "751 5" ]
        [ "$(stat -c '%a %u' "$(layer_of d/hard)/d")" = "751 5" ]
        [ "$(stat -c '%a %h' "$(layer_of d/hard)/d/hard") $(cat "$(layer_of d/hard)/d/hard")" = "640 2 low" ]
        "$HOY" rmi "$("$HOY" images -q)"
        wait_for 10 sh -c '! ls -d "$0"/data/l/tmp-* "$0"/data/l/[1-9a-z]* 2>/dev/null' "$T"
    done
}

@test "what nobody goes on with goes: after a day, or by image prune" {
    old=$(printf old | sha256sum | cut -d' ' -f1) young=$(printf young | sha256sum | cut -d' ' -f1)
    echo x >"$T/data/downloads/$old"
    echo young >"$T/data/downloads/$young"
    touch -d '2 days ago' "$T/data/downloads/$old"
    run "$HOY" system fsck
    [ "$status" = 1 ]
    [[ "$output" == *"a download that nobody goes on with"*"$old"* ]]
    kill_hoyd
    start_hoyd
    [ "$(ls "$T/data/downloads")" = "$young" ]
    run "$HOY" image prune -f
    [[ "$output" == *"Total reclaimed space: 6B"* ]] || { echo "$output"; ls -la "$T/data/downloads"; false; }
    [ -z "$(ls "$T/data/downloads")" ]
}

@test "image prune removes what has no name, or no container" {
    "$MAKE_IMAGE" -o "$T/a.tar" --name a:1 --label keep=1 && "$MAKE_IMAGE" -o "$T/b.tar" --name b:1
    "$MAKE_IMAGE" -o "$T/none.tar" --no-name --env X=1
    for name in a b none; do "$HOY" load -qi "$T/$name.tar"; done
    "$HOY" create --name user b:1
    run "$HOY" image prune <<<n
    [ "$status" = 1 ]
    [[ "$output" == *"WARNING! This will remove all dangling images."*"image prune has been cancelled"* ]]
    run "$HOY" image prune <<<y
    [[ "$output" == *"Deleted Images:"*"deleted: sha256:"*"Total reclaimed space: "* ]]
    [ "$("$HOY" images --format '{{.Repository}}' | sort | tr '\n' ' ')" = "a b " ]
    "$HOY" image prune -af --filter label=keep=2
    [ "$("$HOY" images -q | wc -l)" = 2 ]
    run "$HOY" image prune -af --filter label=keep=1
    [[ "$output" == *"untagged: a:1"* ]]
    [ "$("$HOY" images --format '{{.Repository}}')" = b ]
}

@test "on a terminal each layer has a line that is drawn again" {
    serve web --compress gzip --layers 2 sh
    large_layer web
    start_registry hold=1
    (wait_for 20 half_is_here; sleep 0.3; touch "$T/reg/go") 3>&- &
    waiter=$!
    run "$TOP/tests/integration/pty-run" --size 24x120 env TERM=xterm "$HOY" pull "$R/web"
    wait "$waiter"
    [ "$status" = 0 ]
    text=$(sed 's/\r/\n/g; s/\x1b\[2K/\n/g' <<<"$output")
    grep -q "^${LARGE:7:12}: Downloading \[=*> *\]  *[0-9.]*[kM]*B/[0-9.]*[kM]B" <<<"$text" || { cat -v <<<"$text"; false; }
    grep -q "^${LARGE:7:12}: Pull complete" <<<"$text"
    [[ "$output" == *$'\033[3A\033[2K'* ]]
    # a dumb terminal and a pipe get lines
    "$HOY" rmi "$R/web"
    run "$TOP/tests/integration/pty-run" env TERM=dumb "$HOY" pull "$R/web"
    [[ "$output" != *$'\033'* && "$output" == *": Pull complete"* ]]
}
