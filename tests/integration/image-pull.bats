#!/usr/bin/env bats
# Pulling, by the real docker command line and by hoy, from Debian's docker-registry and from one where things go wrong.
load lib
load stack
load image
load registry

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    require_root
    make_test_dir
    start_hoyd
    mkdir -p "$T/reg"
    REGISTRY_PID=
}

teardown() {
    stop_registry
    stack_teardown
    umount -l /etc /mnt 2>/dev/null || :
}

# Nothing of a failed pull stays.
nothing_kept() {
    [ -z "$(docker images -q)" ]
    [ -z "$(find "$T/data/tmp" "$T/data/blobs" -type f 2>/dev/null)" ]
    [ "$(ls "$T/data/l")" = 0 ]
}

@test "pull: progress, digest, status, and the image runs" {
    serve web --layers 3 --file '/etc/hello=hi' --compress gzip sh -c 'cat /etc/hello'
    start_registry
    run docker pull "$R/web"
    [ "$status" = 0 ] || { echo "$output"; tail "$T/hoyd.log"; false; }
    id=$(jq -r '.manifests[0].digest' "$T/reg/web/index.json")
    [[ "$output" == *"latest: Pulling from $R/web"* ]]
    [[ "$output" == *": Pull complete"* ]]
    [[ "$output" == *"Digest: $id"* ]]
    [[ "$output" == *"Status: Downloaded newer image for $R/web:latest"* ]]
    [ "$(docker run --rm "$R/web")" = hi ]
    [ "$(docker image inspect -f '{{.Id}} {{index .RepoDigests 0}}' "$R/web")" = "$id $R/web@$id" ]
    rm "$T/reg/requests"
    run docker pull "$R/web"
    [[ "$output" == *"latest: Pulling from $R/web"*"Digest: $id"*"Status: Image is up to date for $R/web:latest"* ]]
    [ "$(grep -c . "$T/reg/requests")" = 2 ] && grep -q '^HEAD /v2/web/manifests/latest ' "$T/reg/requests" # beside /v2/
    # the tag means another image now
    cp -r "$T/reg/web" "$T/reg/before"
    serve web --layers 3 --file '/etc/hello=ho' --compress gzip sh -c 'cat /etc/hello'
    run docker pull "$R/web"
    [[ "$output" == *"Status: Downloaded newer image for $R/web:latest"* ]]
    [ "$(docker run --rm "$R/web")" = ho ]
    newer=$(docker image inspect -f '{{.Id}}' "$R/web")
    rm -r "$T/reg/web"
    mv "$T/reg/before" "$T/reg/web"
    docker pull -q "$R/web"
    docker rmi "$newer"
    # by digest, without a tag
    docker rmi "$R/web"
    docker pull -q "$R/web@$id"
    [ "$(docker image inspect -f '{{.RepoTags}}' "$R/web@$id")" = "[]" ]
}

@test "hoy pull, and hoy run of an image that is not there" {
    serve web sh -c 'echo ran'
    start_registry
    run "$HOY" pull "$R/web"
    [ "$status" = 0 ]
    [ "${lines[0]}" = "Using default tag: latest" ]
    [ "${lines[-1]}" = "$R/web:latest" ]
    "$HOY" rmi "$R/web"
    run "$HOY" run --rm "$R/web"
    [ "$status" = 0 ]
    [[ "$output" == *"Unable to find image '$R/web' locally"* ]]
    [ "${lines[-1]}" = ran ]
    run "$HOY" pull -q "$R/web:latest"
    [ "$output" = "$R/web:latest" ]
}

@test "an index gives the image of the platform asked for" {
    serve web sh -c 'echo ours'
    serve other sh -c 'echo theirs'
    # one index over both
    cp -r "$T/reg/other/blobs" "$T/reg/web/"
    ours=$(jq -c '.manifests[0] | {mediaType, digest, size, platform: {os: "linux", architecture: "amd64"}}' "$T/reg/web/index.json")
    theirs=$(jq -c '.manifests[0] | {mediaType, digest, size, platform: {os: "linux", architecture: "arm", variant: "v7"}}' "$T/reg/other/index.json")
    printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [%s, %s]}' "$theirs" "$ours" >"$T/index"
    digest=$(sha256sum "$T/index" | cut -d' ' -f1)
    cp "$T/index" "$T/reg/web/blobs/sha256/$digest"
    jq -n --arg d "sha256:$digest" --argjson s "$(stat -c %s "$T/index")" \
        '{schemaVersion: 2, manifests: [{mediaType: "application/vnd.oci.image.index.v1+json", digest: $d, size: $s}]}' >"$T/reg/web/index.json"
    start_registry
    docker pull -q "$R/web"
    [ "$(docker image inspect -f '{{.Id}}' "$R/web")" = "sha256:$digest" ]
    [ "$(docker run --rm "$R/web")" = "$([ "$(uname -m)" = x86_64 ] && echo ours)" ]
    docker rmi "$R/web"
    "$HOY" pull --platform linux/arm/v7 "$R/web"
    [ "$(docker run --rm "$R/web")" = theirs ]
    docker rmi "$R/web"
    run "$HOY" pull --platform linux/s390x "$R/web"
    [ "$status" = 1 ]
    [[ "$output" == *s390x* ]]
}

@test "what is there is not fetched again, layers are shared" {
    serve one --layers 2
    serve two --layers 2 --env A=b
    start_registry
    docker pull -q "$R/one"
    rm "$T/reg/requests"
    run docker pull "$R/two"
    [[ "$output" == *": Already exists"* ]]
    [ "$(grep -c /blobs/ "$T/reg/requests")" = 1 ]
}

@test "what the registry has not: docker's words and status" {
    serve web
    start_registry
    run docker pull "$R/web:nope"
    [ "$status" = 1 ]
    [[ "$output" == *"manifest for $R/web:nope not found: manifest unknown: manifest unknown"* ]]
    run docker pull "$R/nosuch"
    [[ "$output" == *"repository $R/nosuch not found: name unknown: repository name not known to registry"* ]]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST "http://h/images/create?fromImage=$R/web&tag=nope")" = 404 ]
    run docker pull localhost:1/web
    [ "$status" = 1 ]
    [[ "$output" == *"Get \"http://localhost:1/v2/\": "*"onnect"* ]]
    nothing_kept
}

@test "a password or a token is shown, and only where it is asked for" {
    serve web
    start_registry auth=basic:me:secret
    run docker pull "$R/web"
    [ "$status" = 1 ]
    [[ "$output" == *"no basic auth credentials"* ]]
    mkdir -p "$DOCKER_CONFIG"
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$R" "$(printf me:wrong | base64)" >"$DOCKER_CONFIG/config.json"
    run docker pull "$R/web"
    [ "$status" = 1 ]
    [[ "$output" == *"unauthorized"* ]]
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$R" "$(printf me:secret | base64)" >"$DOCKER_CONFIG/config.json"
    docker pull -q "$R/web"
    docker rmi "$R/web"
    kill "$REGISTRY_PID"
    start_registry auth=token:me:secret redirect=1
    rm "$DOCKER_CONFIG/config.json"
    run docker pull "$R/web"
    [ "$status" = 1 ]
    [[ "$output" == *"pull access denied for $R/web, repository does not exist or may require 'docker login'"* ]]
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$R" "$(printf me:secret | base64)" >"$DOCKER_CONFIG/config.json"
    docker pull -q "$R/web"
    ! grep -rq secret "$T/hoyd.log" "$T/run" || false
}

@test "dropped connections, busy servers: the pull goes on where it was" {
    serve web --layers 4 sh -c 'echo whole'
    start_registry drop=2 fail=2:503
    docker pull -q "$R/web"
    [ "$(docker run --rm "$R/web")" = whole ]
    grep -q ' bytes=[1-9]' "$T/reg/requests"
    docker rmi "$R/web"
    kill "$REGISTRY_PID"
    start_registry drop=1 norange=1 fail=1:429
    docker pull -q "$R/web"
    [ "$(docker run --rm "$R/web")" = whole ]
}

@test "a wrong, long or never ending content is no image" {
    serve web --layers 2
    for wrong in wrong=1 long=1 fail=9:500; do
        start_registry "$wrong"
        run docker pull "$R/web"
        [ "$status" = 1 ] || { echo "$wrong: $output"; false; }
        nothing_kept
        kill "$REGISTRY_PID"
    done
    [[ "$output" == *"unknown: busy"* ]]
}

@test "a client that leaves, or a hoyd that dies, leaves nothing half done" {
    serve web --layers 2
    start_registry stall=1
    timeout 3 docker pull "$R/web" || :
    wait_for 5 nothing_kept
    [ -z "$(pgrep -P "$HOYD_PID" hoy-fetch)" ]
    docker pull "$R/web" >/dev/null 2>&1 3>&- &
    wait_for 10 pgrep -P "$HOYD_PID" hoy-fetch
    fetch=$(pgrep -P "$HOYD_PID" hoy-fetch)
    [ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$fetch/status" | tr -s ' ')" = "65534 65534 65534 65534" ]
    [ "$(awk '/^CapPrm|^CapBnd/ { print $2 }' "/proc/$fetch/status" | head -1)" = 0000000000000000 ]
    kill_hoyd
    wait_for 5 bash -c "! kill -0 $fetch"
    start_hoyd
    wait_for 5 nothing_kept
}

@test "TLS: a certificate of one's own counts, an unknown one does not" {
    serve web
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj /CN=registry.test \
        -addext subjectAltName=DNS:registry.test 2>/dev/null
    start_registry "tls=$T/cert.pem:$T/key.pem"
    port=${R#*:}
    # hoyd sees an /etc of its own, with a name for the registry
    stop_hoyd
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    echo "127.0.0.1 registry.test" >>/etc/hosts
    start_hoyd
    run docker pull "registry.test:$port/web"
    [ "$status" = 1 ]
    [[ "$output" == *"certificate"* ]]
    mkdir -p "/etc/hoy/certs.d/registry.test:$port"
    cp "$T/cert.pem" "/etc/hoy/certs.d/registry.test:$port/ca.crt"
    docker pull -q "registry.test:$port/web"
}

@test "Debian's registry: what podman pushed has the same digest here" {
    command -v docker-registry >/dev/null
    command -v podman >/dev/null
    cat >"$T/registry.yml" <<X
version: 0.1
storage: {filesystem: {rootdirectory: $T/registry}}
http: {addr: "127.0.0.1:5999"}
X
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 3>&- &
    REGISTRY_PID=$!
    wait_for 10 curl -sf http://127.0.0.1:5999/v2/
    printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$T/prun" "$T/pgraph" >"$T/storage.conf"
    export CONTAINERS_STORAGE_CONF=$T/storage.conf
    local podman=(timeout 60 env -u DOCKER_CONFIG podman)
    "$MAKE_IMAGE" -o "$T/web.tar" --name web:latest --layers 3 sh -c 'echo pushed'
    "${podman[@]}" load -q -i "$T/web.tar"
    "${podman[@]}" push -q --tls-verify=false --digestfile "$T/digest" localhost/web:latest 127.0.0.1:5999/team/web:1
    run docker pull 127.0.0.1:5999/team/web:1
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "$output" == *"Digest: $(cat "$T/digest")"* ]]
    [ "$(docker run --rm 127.0.0.1:5999/team/web:1)" = pushed ]
}

@test "a layer that is there in another compression: its blob is hashed all the same" {
    "$MAKE_IMAGE" -o "$T/plain.tar" --name plain:1 --layers 2
    "$HOY" load -q -i "$T/plain.tar"
    serve web --layers 2 --compress gzip
    # a hoy-fetch that lies
    mkdir "$T/bin"
    cp "$HOYD" "$T/bin/hoyd"
    for helper in "$HOY_BUILD"/hoy-* "$HOY_BUILD"/containerd-shim-hoy-v2 "$HOY_BUILD"/hoyrun; do
        ln -s "$helper" "$T/bin/"
    done
    ln -sf "$TOP/tests/integration/lying-fetch" "$T/bin/hoy-fetch"
    stop_hoyd
    LYING_LAYOUT=$T/reg/web HOYD=$T/bin/hoyd start_hoyd
    run docker pull localhost:1/web
    [ "$status" = 1 ]
    [[ "$output" == *"layer sha256:"*" has the digest sha256:"* ]]
    [ "$(docker images -q | wc -l)" = 1 ]
    stop_hoyd
    start_hoyd
    # an honest one
    start_registry
    run docker pull "$R/web"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$(docker images -q | wc -l)" = 2 ]
    for blob in "$T/data/blobs/sha256/"*; do
        [ "$(sha256sum <"$blob" | cut -d' ' -f1)" = "$(basename "$blob")" ]
    done
}

# refused_to WHAT COMMAND...: it fails, and says why; what came in before the reload counted goes again.
refused_to() {
    local why=$1
    shift
    if "$@" >"$T/refused" 2>&1; then
        "$HOY" images -q | xargs -r "$HOY" rmi -f >/dev/null
        return 1
    fi
    grep -q "$why" "$T/refused" || { cat "$T/refused"; return 1; }
}

@test "what a layer may hold is limited for pull, load and import, as daemon.json says, and a reload changes it" {
    head -c 3000000 /dev/zero >"$T/zeros"
    tar c -C "$T" zeros daemon.json >"$T/zeros.tar"
    serve bomb --scratch --compress gzip --layer-tar "$T/zeros.tar"
    start_registry
    for limit in "bytes 1000000 larger than 1000000 bytes when decompressed" "entries 1 more than 1 entries"; do
        read -r what most why <<<"$limit"
        echo "{\"max-layer-$what\": $most}" >"$T/daemon.json"
        kill -HUP "$HOYD_PID"
        wait_for 10 refused_to "$why" "$HOY" load -q -i "$T/served.tar"
        refused_to "$why" "$HOY" pull -q "$R/bomb"
        refused_to "$why" "$HOY" import "$T/zeros.tar"
        wait_for 10 nothing_kept
    done
    echo '{}' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 10 "$HOY" pull -q "$R/bomb"
}
