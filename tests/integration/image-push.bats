#!/usr/bin/env bats
# Pushing to Debian's docker-registry, by the real docker command line and by hoy, and to one where things go wrong.
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

# load_image NAME [MAKE-IMAGE OPTION...]
load_image() {
    local name=$1
    shift
    "$MAKE_IMAGE" -o "$T/image.tar" --name "$name" "$@"
    "$HOY" load -q -i "$T/image.tar"
}

# pushed REFERENCE: the digest of its manifest or index, as the registry has it.
pushed() { skopeo inspect --raw --tls-verify=false "docker://$1" | sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/'; }

@test "docker push: progress, aux, digest; pulled again it is the same" {
    start_debian_registry
    load_image "$R/team/web:1" --format oci --layers 3 --compress gzip sh -c 'echo whole'
    id=$(docker image inspect -f '{{.Id}}' "$R/team/web:1")
    run docker push "$R/team/web:1"
    [ "$status" = 0 ] || { echo "$output"; tail "$T/hoyd.log"; false; }
    [ "${lines[0]}" = "The push refers to repository [$R/team/web]" ]
    [ "$(grep -c ": Pushed\$" <<<"$output")" = 4 ]
    [[ "${lines[-1]}" == "1: digest: $id size: "* ]]
    [ "$(pushed "$R/team/web:1")" = "$id" ]
    [ "$(docker image inspect -f '{{index .RepoDigests 0}}' "$R/team/web:1")" = "$R/team/web@$id" ]
    run docker push "$R/team/web:1"
    [ "$(grep -c ": Layer already exists\$" <<<"$output")" = 4 ]
    # the wire
    curl -s --unix-socket "$T/hoy.sock" -X POST "http://h/v1.50/images/$R/team/web/push?tag=1" -H 'X-Registry-Auth: e30=' |
        tr -d '\r' >"$T/wire"
    [ "$(head -1 "$T/wire")" = "{\"status\":\"The push refers to repository [$R/team/web]\"}" ]
    grep -q '^{"status":"Layer already exists","progressDetail":{},"id":"[0-9a-f]\{12\}"}$' "$T/wire"
    jq -se --arg id "$id" '.[-1].aux == {Tag: "1", Digest: $id, Size: .[-1].aux.Size}' "$T/wire"
    # another store, the same image
    docker rmi -f "$id"
    docker pull -q "$R/team/web:1"
    [ "$(docker image inspect -f '{{.Id}}' "$R/team/web:1")" = "$id" ]
    [ "$(docker run --rm "$R/team/web:1")" = whole ]
}

@test "hoy push, all tags, quiet; what is not there" {
    start_debian_registry
    load_image "$R/web:1" --layers 1
    docker tag "$R/web:1" "$R/web:2"
    run "$HOY" push "$R/web:1"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "${lines[-1]}" == "1: digest: sha256:"* ]]
    run "$HOY" push -q "$R/web:1"
    [ "$output" = "$R/web:1" ]
    run "$HOY" push --all-tags "$R/web"
    [ "$status" = 0 ]
    [[ "$output" == *"1: digest: sha256:"*"2: digest: sha256:"* ]]
    [ "$(pushed "$R/web:2")" = "$(pushed "$R/web:1")" ]
    run "$HOY" push "$R/web"
    [ "${lines[0]}" = "Using default tag: latest" ]
    [ "$status" = 1 ]
    [ "${lines[-1]}" = "tag does not exist: $R/web:latest" ]
    run docker push "$R/nope:1"
    [ "$status" = 1 ]
    [ "${lines[-1]}" = "An image does not exist locally with the tag: $R/nope" ]
    run docker push "$R/web@sha256:$(printf '0%.0s' {1..64})"
    [ "$status" = 1 ]
    [[ "$output" == *"cannot push a digest reference"* ]]
    run "$HOY" push --all-tags "$R/web:1"
    [ "${lines[-1]}" = "tag can't be used with --all-tags/-a" ]
}

@test "a blob another repository has is mounted, not sent" {
    start_debian_registry
    load_image "$R/one:1" --layers 2 --compress gzip
    docker push -q "$R/one:1"
    docker tag "$R/one:1" "$R/two:1"
    run docker push "$R/two:1"
    [ "$status" = 0 ]
    [ "$(grep -c ": Mounted from one\$" <<<"$output")" = 3 ]
    [ "$(pushed "$R/two:1")" = "$(pushed "$R/one:1")" ]
}

@test "content trust is refused by name" {
    run "$HOY" push --disable-content-trust=false web
    [ "$status" = 1 ]
    [[ "$output" == "--disable-content-trust=false: Notary's content trust is not supported"* ]]
    DOCKER_CONTENT_TRUST=1 run "$HOY" pull web
    [ "$status" = 1 ]
    [[ "$output" == "DOCKER_CONTENT_TRUST=1: "* ]]
    # the flag counts more than the environment
    DOCKER_CONTENT_TRUST=1 run "$HOY" push --disable-content-trust "localhost:1/web"
    [[ "$output" == *"An image does not exist locally with the tag"* ]]
}

# multi_platform REFERENCE: loads an index over an image for this machine and one for arm; $INDEX is its digest.
multi_platform() {
    "$MAKE_IMAGE" -o "$T/ours.tar" --name ours:1 --format oci --compress gzip sh -c 'echo ours'
    "$MAKE_IMAGE" -o "$T/theirs.tar" --name theirs:1 --format oci --compress gzip sh -c 'echo theirs'
    mkdir -p "$T/ours" "$T/layout"
    tar -C "$T/ours" -xf "$T/ours.tar"
    tar -C "$T/layout" -xf "$T/theirs.tar"
    local arm here
    arm=$(jq -c '.manifests[0] | {mediaType, digest, size, platform: {os: "linux", architecture: "arm", variant: "v7"}}' "$T/layout/index.json")
    here=$(jq -c --arg a "$("$HOY" version -f '{{.Server.Arch}}' 2>/dev/null || echo amd64)" \
        '.manifests[0] | {mediaType, digest, size, platform: {os: "linux", architecture: $a}}' "$T/ours/index.json")
    cp "$T/ours/blobs/sha256/"* "$T/layout/blobs/sha256/"
    printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [%s, %s]}' "$arm" "$here" >"$T/index"
    INDEX=sha256:$(sha256sum "$T/index" | cut -d' ' -f1)
    HERE=$(jq -r .digest <<<"$here")
    ARM=$(jq -r .digest <<<"$arm")
    cp "$T/index" "$T/layout/blobs/sha256/${INDEX#sha256:}"
    jq -n --arg n "$1" --arg d "$INDEX" --argjson s "$(stat -c %s "$T/index")" '{schemaVersion: 2, manifests: [
        {mediaType: "application/vnd.oci.image.index.v1+json", digest: $d, size: $s,
         annotations: {"io.containerd.image.name": $n, "org.opencontainers.image.ref.name": "1"}}]}' >"$T/layout/index.json"
    tar -C "$T/layout" -cf "$T/image.tar" .
    "$HOY" load -q -i "$T/image.tar"
}

@test "an index is pushed with all its platforms, or the part that is here" {
    start_debian_registry
    multi_platform "$R/multi:1"
    [ "$(docker image inspect -f '{{.Id}}' "$R/multi:1")" = "$INDEX" ]
    run docker push "$R/multi:1"
    [ "$status" = 0 ] || { echo "$output"; tail "$T/hoyd.log"; false; }
    [[ "${lines[-1]}" == "1: digest: $INDEX size: "* ]]
    [ "$(pushed "$R/multi:1")" = "$INDEX" ]
    [ "$(skopeo inspect --tls-verify=false --override-arch arm --override-variant v7 --config "docker://$R/multi:1" | jq -r '.config.Cmd[-1]')" = "echo theirs" ]
    # what was pulled of it is this machine's part alone
    docker rmi -f "$INDEX"
    docker pull -q "$R/multi:1"
    [ "$(docker image inspect -f '{{.Id}}' "$R/multi:1")" = "$INDEX" ]
    docker tag "$R/multi:1" "$R/part:1"
    run docker push "$R/part:1"
    [ "$status" = 0 ]
    [[ "$output" == *"1: digest: $HERE size: "* ]]
    [ "$(pushed "$R/part:1")" = "$HERE" ]
}

@test "push --platform sends one image of an index" {
    start_debian_registry
    multi_platform "$R/multi:1"
    run "$HOY" push --platform linux/arm/v7 "$R/multi:1"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "${lines[-1]}" == "1: digest: $ARM size: "* ]]
    [ "$(pushed "$R/multi:1")" = "$ARM" ]
    run "$HOY" push --platform linux/s390x "$R/multi:1"
    [ "$status" = 1 ]
    [[ "$output" == *s390x* ]]
}

@test "an upload that breaks off goes on where it was, or from the beginning" {
    start_registry dropup=2
    load_image "$R/web:1" --layers 2 --compress gzip sh -c 'echo whole'
    id=$(docker image inspect -f '{{.Id}}' "$R/web:1")
    run docker push "$R/web:1"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "$output" == *"1: digest: $id"* ]]
    grep -q '^GET /v2/web/blobs/uploads/' "$T/reg/requests"
    docker rmi -f "$id"
    docker pull -q "$R/web:1"
    [ "$(docker run --rm "$R/web:1")" = whole ]
    stop_registry
    rm -rf "$T/reg/web"
    start_registry dropup=1 forget=1
    docker tag "$id" "$R/web:1"
    docker push -q "$R/web:1"
    [ "$(jq -r '.manifests[0].digest' "$T/reg/web/index.json")" = "$id" ]
}

@test "a registry that refuses a push: its words, and nothing is told as pushed" {
    start_registry readonly=1
    load_image "$R/web:1"
    run docker push "$R/web:1"
    [ "$status" = 1 ]
    [ "${lines[-1]}" = "denied: requested access to the resource is denied" ]
    [[ "$output" != *": Pushed"* ]]
    stop_registry
    start_registry auth=basic:me:secret
    docker tag web:1 "$R/web:1" 2>/dev/null || "$HOY" load -q -i "$T/image.tar"
    docker tag "$(docker images -q | head -1)" "$R/web:1"
    run docker push "$R/web:1"
    [ "$status" = 1 ]
    [[ "$output" == *"no basic auth credentials"* ]]
    run docker push localhost:1/nope/web:1
    [ "$status" = 1 ]
}

@test "Debian's registry with TLS, a private CA and a password" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj /CN=registry.test \
        -addext subjectAltName=DNS:registry.test 2>/dev/null
    python3 -c 'import crypt; print("me:" + crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH)))' 2>/dev/null | sed 's/:\$2b/:$2y/' >"$T/htpasswd"
    stop_hoyd
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    echo "127.0.0.1 registry.test" >>/etc/hosts
    mkdir -p /etc/docker/certs.d/registry.test:5999
    cp "$T/cert.pem" /etc/docker/certs.d/registry.test:5999/ca.crt
    start_hoyd
    start_debian_registry "http: {addr: \"127.0.0.1:5999\", tls: {certificate: $T/cert.pem, key: $T/key.pem}}" \
        "auth: {htpasswd: {realm: test, path: $T/htpasswd}}"
    local host=registry.test:5999
    load_image "$host/web:1" --layers 2 sh -c 'echo secure'
    id=$(docker image inspect -f '{{.Id}}' "$host/web:1")
    run docker push "$host/web:1"
    [ "$status" = 1 ]
    [[ "$output" == *"no basic auth credentials"* ]]
    docker login -u me --password-stdin "$host" <<<secret
    docker push -q "$host/web:1"
    docker rmi -f "$id"
    docker pull -q "$host/web:1"
    [ "$(docker image inspect -f '{{.Id}}' "$host/web:1")" = "$id" ]
    [ "$(docker run --rm "$host/web:1")" = secure ]
}
