#!/usr/bin/env bats
# Images of several platforms, and the flag --platform of the commands that take one.
load lib
load stack
load image

setup() {
    require_root
    make_test_dir
    start_hoyd
}

teardown() { stack_teardown; }

# two_platforms: an archive of one index over an amd64 and an arm64 image, in $T/two.tar.
two_platforms() {
    local entries=() arch
    mkdir -p "$T/two"
    for arch in amd64 arm64; do
        "$MAKE_IMAGE" -o "$T/$arch.tar" --format oci --arch "$arch" --name two:latest --scratch --file "/arch=$arch" sh
        tar -C "$T/two" -xf "$T/$arch.tar"
        entries+=("$(jq -c --arg a "$arch" '.manifests[0] | {mediaType, digest, size, platform: {os: "linux", architecture: $a}}' "$T/two/index.json")")
    done
    printf '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [%s, %s]}' "${entries[@]}" >"$T/index"
    INDEX=$(sha256sum <"$T/index" | cut -d' ' -f1)
    cp "$T/index" "$T/two/blobs/sha256/$INDEX"
    jq -n --arg d "sha256:$INDEX" --argjson s "$(stat -c %s "$T/index")" '{schemaVersion: 2, manifests: [{digest: $d, size: $s,
        mediaType: "application/vnd.oci.image.index.v1+json", annotations: {"io.containerd.image.name": "docker.io/library/two:latest"}}]}' >"$T/two/index.json"
    tar -C "$T/two" -cf "$T/two.tar" .
}

architecture() { "$HOY" image inspect -f '{{.Architecture}}' two; }
blobs() { ls "$T/data/blobs/sha256" | wc -l; }

@test "load of one platform takes that alone" {
    two_platforms
    "$HOY" load -qi "$T/two.tar"
    [ "$(architecture)" = "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')" ]
    both=$(blobs)
    "$HOY" rmi two
    "$HOY" load -qi "$T/two.tar" --platform linux/arm64
    [ "$(architecture)" = arm64 ]
    [ "$("$HOY" image inspect -f '{{.Id}}' two)" = "sha256:$INDEX" ]
    [ "$(blobs)" = $((both - 3)) ]
    run "$HOY" load -i "$T/two.tar" --platform linux/s390x
    [ "$status" = 1 ]
    [[ "$output" == *s390x* ]]
    "$HOY" rmi two
    # an archive of one image, for another platform
    run "$HOY" load -i "$T/arm64.tar" --platform linux/amd64
    [ "$status" = 1 ]
    [[ "$output" == *"the image is for linux/arm64, not for the specified platform (linux/amd64)"* ]]
    # docker's command line sends JSON
    if command -v docker >/dev/null && docker load --help | grep -q -- --platform; then
        timeout 60 docker load -qi "$T/two.tar" --platform linux/arm64
        [ "$(architecture)" = arm64 ]
    fi
}

@test "inspect and history of a platform that the image is not for" {
    two_platforms
    "$HOY" load -qi "$T/two.tar" --platform linux/arm64
    [ "$("$HOY" image inspect --platform linux/arm64 -f '{{.Architecture}}' two)" = arm64 ]
    "$HOY" history --platform linux/arm64/v8 two
    for command in "image inspect" history; do
        run "$HOY" $command --platform linux/amd64 two
        [ "$status" = 1 ]
        [[ "$output" == *"image with reference two was found but does not provide the specified platform (linux/amd64)"* ]]
    done
}

@test "import for another platform" {
    mkdir "$T/root"
    tar -C "$T/root" -c . | "$HOY" import --platform linux/arm/v7 - other:1
    [ "$("$HOY" image inspect -f '{{.Os}} {{.Architecture}} {{.Variant}}' other:1)" = "linux arm v7" ]
    run "$HOY" import --platform windows/amd64 - other:2 </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"operating system is not supported: 'windows'"* ]]
}

@test "rmi of a platform" {
    two_platforms
    "$HOY" load -qi "$T/two.tar"
    run "$HOY" rmi --platform linux/arm64 two
    [ "$status" = 1 ]
    [[ "$output" == *"image two has content of several platforms here"* ]]
    "$HOY" rmi two
    "$HOY" load -qi "$T/two.tar" --platform linux/arm64
    run "$HOY" rmi --platform linux/amd64 two
    [ "$status" = 1 ]
    [[ "$output" == *"does not provide the specified platform (linux/amd64)"* ]]
    "$HOY" image rm --platform linux/arm64 two
    [ "$(blobs)" = 0 ]
}
