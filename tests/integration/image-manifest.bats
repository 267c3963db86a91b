#!/usr/bin/env bats
# `hoy manifest` against Debian's docker-registry, beside the real docker command line: both keep the same files.
load lib
load stack
load image
load registry

setup_file() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    require_root
    make_test_dir
    ip link set lo up 2>/dev/null || :
    start_debian_registry
    export R REGISTRY_PID
    for arch in amd64 arm64; do
        "$MAKE_IMAGE" -o "$T/$arch.tar" --name x:1 --format oci --arch "$arch" --scratch --layers 2 --compress gzip
        skopeo copy --dest-tls-verify=false "oci-archive:$T/$arch.tar" "docker://$R/web:$arch" >/dev/null
        skopeo copy -f v2s2 --dest-tls-verify=false "oci-archive:$T/$arch.tar" "docker://$R/other:$arch" >/dev/null
    done
}

teardown_file() {
    stop_registry
    remove_test_dir
}

setup() { export DOCKER_CONFIG=$T/config-$BATS_TEST_NUMBER; }

@test "manifest create, annotate, inspect and push: byte for byte what docker does" {
    run "$HOY" manifest create "$R/web:multi" "$R/web:amd64" "$R/web:arm64"
    [ "$output" = "Created manifest list $R/web:multi" ]
    ours=$DOCKER_CONFIG
    theirs=$T/theirs
    docker --config "$theirs" manifest create --insecure "$R/web:multi" "$R/web:amd64" "$R/web:arm64"
    annotate=(manifest annotate "$R/web:multi" "$R/web:arm64" --os-features a,b --variant v8 --os-version 1.2)
    "$HOY" "${annotate[@]}"
    docker --config "$theirs" "${annotate[@]}"
    for what in "$R/web:multi" "-v $R/web:multi" "$R/web:multi $R/web:arm64" "-v $R/web:multi $R/web:arm64"; do
        # shellcheck disable=SC2086
        cmp <("$HOY" manifest inspect $what) <(docker --config "$theirs" manifest inspect $what)
    done
    # The files are the same, but for the layout of the manifest that is shown.
    (cd "$theirs/manifests" && find . -type f) | while read -r file; do
        cmp <(jq -S . "$ours/manifests/$file") <(jq -S . "$theirs/manifests/$file")
    done
    run "$HOY" manifest push "$R/web:multi"
    [ "$status" = 0 ]
    digest=$output
    [ "$(docker --config "$theirs" manifest push --insecure "$R/web:multi")" = "$digest" ]
    [ "sha256:$(skopeo inspect --raw --tls-verify=false "docker://$R/web:multi" | sha256sum | cut -c1-64)" = "$digest" ]
    # What the other wrote can be pushed too.
    [ "$(docker manifest push --insecure "$R/web:multi")" = "$digest" ]
    [ "$("$HOY" --config "$theirs" manifest push --purge "$R/web:multi")" = "$digest" ]
    [ ! -e "$theirs/manifests/127.0.0.1-5999_web-multi" ]
    # Without local files it is the registry's.
    for what in "$R/web:multi" "-v $R/web:multi" "$R/web:amd64" "-v $R/other:arm64"; do
        # shellcheck disable=SC2086
        cmp <("$HOY" --config "$theirs" manifest inspect $what) <(docker --config "$theirs" manifest inspect --insecure $what)
    done
}

@test "manifest push takes what it needs from other repositories, of docker's schema 2 too" {
    "$HOY" manifest create "$R/fresh:s2" "$R/other:amd64" "$R/other:arm64"
    run "$HOY" manifest push -p "$R/fresh:s2"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "${#lines[@]}" = 3 ]
    [[ "${lines[0]}" == "Pushed ref $R/fresh@sha256:"*" with digest: sha256:"* ]]
    [ "$(docker manifest inspect --insecure "$R/fresh:s2" | jq -r .mediaType)" = application/vnd.docker.distribution.manifest.list.v2+json ]
    skopeo copy --override-arch arm64 --src-tls-verify=false "docker://$R/fresh:s2" "oci:$T/copied:x"
    run "$HOY" manifest push "$R/fresh:s2"
    [ "$status" = 1 ]
    [ "$output" = "No such manifest: $R/fresh:s2" ]
}

@test "manifest: what is wrong is told in docker's words" {
    "$HOY" manifest create "$R/web:list" "$R/web:amd64"
    run "$HOY" manifest create "$R/web:list" "$R/web:arm64"
    [ "$output" = "refusing to amend an existing manifest list with no --amend flag" ]
    "$HOY" manifest create --amend "$R/web:list" "$R/web:arm64"
    [ "$("$HOY" manifest inspect "$R/web:list" | jq '.manifests | length')" = 2 ]
    run "$HOY" manifest annotate "$R/web:list" "$R/web:arm64" --arch nope
    [ "$output" = "manifest entry for image has unsupported os/arch combination: linux/nope" ]
    run "$HOY" manifest annotate "$R/web:list" "$R/web:nope" --os linux
    [ "$output" = "manifest for image $R/web:nope does not exist in $R/web:list" ]
    "$HOY" manifest annotate "$R/web:list" "$R/web:arm64" --os windows --arch arm64
    [ "$("$HOY" manifest inspect "$R/web:list" | jq -r '.manifests[1].platform.os')" = windows ]
    run "$HOY" manifest create "$R/web:list2" "$R/web:none"
    [ "$status" = 1 ]
    [ "$output" = "no such manifest: $R/web:none" ]
    "$HOY" manifest push "$R/web:list"
    run "$HOY" manifest create "$R/web:list2" "$R/web:list"
    [ "$output" = "$R/web:list is a manifest list" ]
    "$HOY" manifest create elsewhere:1 "$R/web:amd64"
    run "$HOY" manifest push elsewhere:1
    [ "$output" = "cannot use source images from a different registry than the target image: $R != docker.io" ]
    run "$HOY" manifest rm elsewhere:1 gone:1
    [ "$status" = 1 ]
    [ "$output" = "No such manifest: docker.io/library/gone:1" ]
    [ ! -e "$DOCKER_CONFIG/manifests/docker.io_library_elsewhere-1" ]
    # A file that somebody changed is not pushed.
    file=$DOCKER_CONFIG/manifests/127.0.0.1-5999_web-list/127.0.0.1-5999_web-amd64
    jq '.Raw = "e30="' "$file" >"$T/changed" && mv "$T/changed" "$file"
    run "$HOY" manifest push "$R/web:list"
    [ "$status" = 1 ]
    [[ "$output" == *"its text is not that of sha256:"* ]]
}

@test "manifest: a registry with a certificate that nobody knows needs --insecure" {
    stop_registry
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.test -addext subjectAltName=DNS:registry.test \
        -keyout "$T/tls.key" -out "$T/tls.crt" 2>/dev/null
    start_debian_registry "http: {addr: 127.0.0.1:5999, tls: {certificate: $T/tls.crt, key: $T/tls.key}}"
    unshare -m sh -ec 'mount -t tmpfs tmpfs /mnt; cp /etc/hosts /mnt/hosts; echo 127.0.0.1 registry.test >>/mnt/hosts
        mount --bind /mnt/hosts /etc/hosts; exec "$@"' sh "$BATS_TEST_DIRNAME/manifest-tls" "$HOY" registry.test:5999 >"$T/out" 2>&1 || { cat "$T/out"; false; }
    stop_registry
}
