#!/usr/bin/env bats
# Images through hoyd, driven by the real docker command line.
load lib
load stack
load image

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    require_root
    make_test_dir
    start_hoyd
}

teardown() { stack_teardown; }

docker() { timeout 60 docker "$@"; }
make() { "$MAKE_IMAGE" -o "$T/$1.tar" --name "$1:latest" "${@:2}"; }

@test "image: load, images, inspect, run what the layers say" {
    make web --layers 2 --file '/etc/hello=hi' --whiteout /layers/1 --env A=b --label k=v --compress gzip sh -c 'cat /etc/hello; ls /layers'
    run docker load -i "$T/web.tar"
    [ "$status" = 0 ]
    [[ "$output" == *"Loaded image: web:latest"* ]]
    [ "$(docker images --format '{{.Repository}} {{.Tag}}')" = "web latest" ]
    [ "$(docker image inspect -f '{{.Config.Labels.k}} {{index .Config.Env 1}} {{len .RootFS.Layers}} {{index .RepoTags 0}}' web)" = "v A=b 5 web:latest" ]
    run docker run --rm web
    [ "$status" = 0 ] || { echo "$output"; tail "$T/hoyd.log"; false; }
    [ "$output" = hi2 ]
}

@test "image: load from a pipe, zstd layers, OCI layout" {
    make web --format oci --compress zstd --outer gzip
    id=$(docker load -q <"$T/web.tar")
    [ "$id" = "Loaded image: web:latest" ]
    docker run --rm web true
}

@test "image: tag, rmi, conflicts" {
    make web
    docker load -qi "$T/web.tar"
    docker tag web team/other:1
    [ "$(docker images --format '{{.Repository}}' web)" = web ]
    [ "$(docker images --format '{{.Repository}}' 'team/*')" = team/other ]
    id=$(docker images -q --no-trunc web)
    run docker rmi "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"conflict: unable to delete ${id:7:12} (must be forced) - image is referenced in multiple repositories"* ]]
    run docker rmi team/other:1
    [ "$output" = "Untagged: team/other:1" ]
    container=$(docker create web true)
    run docker rmi web
    [ "$status" = 1 ]
    [[ "$output" == *"conflict: unable to remove repository reference \"web\" (must force) - container ${container:0:12} is using its referenced image ${id:7:12}"* ]]
    docker rm "$container"
    run docker rmi web
    [ "${lines[0]}" = "Untagged: web:latest" ]
    [[ "$output" == *"Deleted: $id"* ]]
    run docker rmi web
    [ "$status" = 1 ]
    [[ "$output" == *"No such image: web:latest"* ]]
    [ -z "$(docker images -q)" ]
}

@test "image: a container keeps its layers when its image is removed by force" {
    make web --file '/etc/hello=hi'
    docker load -qi "$T/web.tar"
    container=$(docker create web cat /etc/hello)
    docker rmi -f web
    [ -z "$(docker images -aq)" ]
    [ "$(docker start -a "$container")" = hi ]
    kill_hoyd
    start_hoyd
    [ "$(docker start -a "$container")" = hi ]
    docker rm "$container"
    wait_for 10 sh -c '[ "$(ls "$0/data/l")" = 0 ]' "$T"
}

@test "image: import with changes, and filters" {
    busybox_rootfs "$T/root"
    tar c -C "$T/root" . | docker import -c 'CMD ["echo", "imported"]' -c 'LABEL kind=imp' -m "by hand" - imp:1
    [ "$(docker run --rm imp:1)" = imported ]
    [ "$(docker image inspect -f '{{.Comment}}{{with .History}}x{{end}}' imp:1 2>/dev/null || true)" = "by hand" ] ||
        docker image history imp:1 2>/dev/null | grep -q "by hand" || docker image inspect imp:1 | grep -q "by hand"
    make web --label kind=web
    docker load -qi "$T/web.tar"
    [ "$(docker images --format '{{.Repository}}' -f label=kind=imp)" = imp ]
    [ "$(docker images --format '{{.Repository}}' 'w*')" = web ]
    [ "$(docker images --format '{{.Repository}}' -f reference='imp:*')" = imp ]
    run docker import -c 'RUN x' - imp:2 <"$T/web.tar"
    [ "$status" = 1 ]
    [[ "$output" == *"RUN is not a valid change command"* ]]
}

@test "image: broken archives are one error, and nothing stays" {
    make web
    head -c 1000000 "$T/web.tar" >"$T/cut.tar"
    run docker load -i "$T/cut.tar"
    [ "$status" = 1 ]
    [[ "$output" == *"Truncated"* ]]
    run docker load </etc/passwd
    [ "$status" = 1 ]
    [[ "$output" == *"not a tar archive"* ]]
    "$MAKE_LAYER" '{"name": "../../hoy-escaped", "data": "x"}' >"$T/evil.layer"
    make evil --layer-tar "$T/evil.layer"
    run docker load -i "$T/evil.tar"
    [ "$status" = 1 ]
    [[ "$output" == *"entry '../../hoy-escaped': leads out of the root"* ]]
    hoyd_is_alive
    [ -z "$(docker images -aq)" ]
    wait_for 10 sh -c '[ -z "$(ls "$0/data/trash" "$0/data/tmp" | grep -v :)" ]' "$T"
    [ "$(ls "$T/data/l")" = 0 ] && [ -z "$(ls "$T/data/blobs/sha256")" ]
}

@test "image: a client that goes away ends its load" {
    make web
    (head -c 1000000 "$T/web.tar"; exec sleep 60) | timeout -s KILL 2 docker load >/dev/null 2>&1 3>&- || true
    hoyd_is_alive
    wait_for 10 sh -c '[ -z "$(ls "$0/data/trash" "$0/data/tmp" | grep -v :)" ]' "$T"
    [ -z "$(pgrep -P "$HOYD_PID" hoy-layer)" ]
    docker load -qi "$T/web.tar"
}

@test "image: events" {
    make web
    since=$(date +%s)
    docker load -qi "$T/web.tar"
    docker tag web web:2
    docker rmi web web:2
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter type=image --format '{{.Action}}'
    [ "$(tr '\n' ' ' <<<"$output")" = "load tag untag untag delete " ]
}
