#!/usr/bin/env bats
# The signature policy at pulls from Debian's docker-registry, with keys of openssl and signatures laid out as cosign does.
load lib
load stack
load image
load registry

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    require_root
    make_test_dir
    start_debian_registry
    start_hoyd --signature-policy="$T/policy"
}

teardown() {
    stop_registry
    stack_teardown
}

# put_blob REPOSITORY FILE: into the registry; its digest.
put_blob() {
    local digest location
    digest=sha256:$(sha256sum "$2" | cut -c1-64)
    location=$(curl -sfi -X POST "http://$R/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$location&digest=$digest" >/dev/null
    echo "$digest"
}

# sign REPOSITORY DIGEST KEY [SIGNED-DIGEST]: as `cosign sign --key` does.
sign() {
    local payload signature
    printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' \
        "$R/$1" "${4:-$2}" >"$T/payload"
    signature=$(openssl dgst -sha256 -sign "$3" "$T/payload" | base64 -w0)
    payload=$(put_blob "$1" "$T/payload")
    echo '{}' >"$T/config"
    jq -n --arg config "$(put_blob "$1" "$T/config")" --arg payload "$payload" --arg signature "$signature" --argjson size "$(stat -c %s "$T/payload")" \
        '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
          config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: 3},
          layers: [{mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest: $payload, size: $size,
                    annotations: {"dev.cosignproject.cosign/signature": $signature}}]}' >"$T/manifest"
    curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$T/manifest" \
        "http://$R/v2/$1/manifests/${2/:/-}.sig"
}

@test "signature policy: what is not accepted or not signed by the key is not pulled" {
    for key in good other; do
        openssl ecparam -name prime256v1 -genkey -noout -out "$T/$key.pem" 2>/dev/null
        openssl ec -in "$T/$key.pem" -pubout -out "$T/$key.pub" 2>/dev/null
    done
    "$MAKE_IMAGE" -o "$T/web.tar" --name x:1 --format oci --scratch --layers 1 --compress gzip
    skopeo copy --dest-tls-verify=false "oci-archive:$T/web.tar" "docker://$R/team/web:1"
    digest=sha256:$(skopeo inspect --raw --tls-verify=false "docker://$R/team/web:1" | sha256sum | cut -c1-64)
    # no policy where one was named, a wrong one, none that fits, reject
    run docker pull "$R/team/web:1"
    [ "$status" = 1 ]
    [[ "$output" == *"signature policy '$T/policy'"*"No such file"* ]]
    echo '* allow' >"$T/policy"
    run docker pull "$R/team/web:1"
    [[ "$output" == *"signature policy '$T/policy': line 1: unknown rule 'allow'"* ]]
    echo 'docker.io accept' >"$T/policy"
    run docker pull "$R/team/web:1"
    [[ "$output" == *"pull of $R/team/web is forbidden by the signature policy '$T/policy'"* ]]
    # a key, but nothing that it has signed
    printf '%s\n' "$R accept" "$R/team cosign $T/good.pub" >"$T/policy"
    run docker pull "$R/team/web:1"
    [ "$status" = 1 ]
    [[ "$output" == *"$R/team/web:1 ($digest) has no signature, which the signature policy wants"* ]]
    sign team/web "$digest" "$T/other.pem"
    run docker pull "$R/team/web:1"
    [[ "$output" == *"the signature is not by the signature policy's key"* ]]
    sign team/web "$digest" "$T/good.pem" "sha256:$(printf '0%.0s' {1..64})"
    run docker pull "$R/team/web:1"
    [[ "$output" == *"the payload's 'docker-manifest-digest' is 'sha256:000"* ]]
    [ -z "$(docker images -q)" ]
    [ -z "$(ls "$T/data/blobs/sha256" "$T/data/downloads" 2>/dev/null | grep -v :)" ]
    # signed: by tag and by digest
    sign team/web "$digest" "$T/good.pem"
    docker pull -q "$R/team/web:1"
    docker pull -q "$R/team/web@$digest"
    [ "$(docker image inspect -f '{{.Id}}' "$R/team/web:1")" = "$digest" ]
    # What is here is asked for again; the policy is read anew.
    echo '* reject' >"$T/policy"
    run docker pull "$R/team/web:1"
    [ "$status" = 1 ]
    printf '%s\n' '* reject' "$R accept" >"$T/policy"
    docker pull -q "$R/team/web:1"
}

@test "DOCKER_CONTENT_TRUST is refused by name" {
    for value in 1 true; do
        run env DOCKER_CONTENT_TRUST=$value "$HOY" pull "$R/team/web:1"
        [ "$status" = 1 ]
        [[ "$output" == *"DOCKER_CONTENT_TRUST=$value: Notary's content trust is not supported"* ]]
        run env DOCKER_CONTENT_TRUST=$value "$HOY" push "$R/team/web:1"
        [[ "$output" == *"DOCKER_CONTENT_TRUST=$value: Notary's content trust is not supported"* ]]
    done
}
