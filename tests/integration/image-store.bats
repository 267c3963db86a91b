#!/usr/bin/env bats
# The image store without hoyd: load, import, list, names, removal, and what a crash or a bad archive leaves behind.
load lib
load image

setup() {
    require_root
    make_test_dir
}

teardown() { remove_test_dir; }

make() { "$MAKE_IMAGE" -o "$T/$1.tar" --name "$1:latest" "${@:2}"; }

load() {
    images load <"$T/$1.tar" | sed -n 's/^done \(sha256:[0-9a-f]*\) .*/\1/p'
}

refused() { # what it must say
    [ "$status" = 1 ] || { echo "status $status: $output"; return 1; }
    [[ "$output" == *"$1"* ]] || { echo "'$1' is not in: $output"; return 1; }
    # The trash is emptied by the next run.
    run images list
    [ "$output" = "${2:-}" ] || { echo "left: $output"; return 1; }
    store_is_clean
}

@test "store: every archive format and compression loads" {
    local pair format how pairs="docker:none oci:gzip both:zstd"
    [ -n "${HOY_SHORT:-}" ] || pairs=$(echo {docker,oci,both}:{none,gzip,zstd})
    for pair in $pairs; do
        format=${pair%:*} how=${pair#*:}
        make web --format $format --compress $how --layers 2 --file '/etc/hello=hi' --whiteout /layers/1
        run images load <"$T/web.tar"
        [ "$status" = 0 ] || { echo "$format $how: $output"; false; }
        [[ "$output" == *"done sha256:"*" web:latest" ]]
        run images layers web
        [ "${#lines[@]}" = 5 ]
        [ "$(cat "${lines[1]}/etc/hello")" = hi ]
        store_is_clean
    done
    # One chain of layers, however they were compressed.
    [ "$(ls "$T/data/l" | wc -l)" = 6 ]
    make outer --outer gzip
    run images load <"$T/outer.tar"
    [ "$status" = 0 ]
    make outer --outer zstd
    run images load <"$T/outer.tar"
    [ "$status" = 0 ]
    make outer
    for tool in xz bzip2; do
        "$tool" -1 -c "$T/outer.tar" >"$T/outer.tar.$tool"
        run images load <"$T/outer.tar.$tool"
        [ "$status" = 0 ] || { echo "$tool: $output"; false; }
        head -c 300000 "$T/outer.tar.$tool" >"$T/cut"
        run images load <"$T/cut"
        [ "$status" = 1 ]
    done
    store_is_clean
    # What is imported from xz is stored as the tar in it.
    "$MAKE_LAYER" '{"name": "a", "data": "x"}' >"$T/layer.tar"
    xz -c "$T/layer.tar" >"$T/layer.xz"
    images import imp:1 <"$T/layer.xz"
    [ -e "$T/data/blobs/sha256/$(sha256sum "$T/layer.tar" | cut -c1-64)" ]
    store_is_clean
}

@test "store: what inspect needs" {
    make web --format oci --entrypoint '["/bin/busybox"]' --env A=b --expose 80/tcp --volume /data --label k=v --user 1000:1000 \
        --workdir /srv --stop-signal SIGINT httpd -f
    id=$(load web)
    [ "$id" = "sha256:$(tar xOf "$T/web.tar" index.json | jq -r '.manifests[0].digest' | cut -d: -f2)" ]
    run images inspect web
    [[ "$output" == *"id $id"* ]]
    [[ "$output" == *"media-type application/vnd.oci.image.manifest.v1+json"* ]]
    [[ "$output" == *"created 1704164645000000000"* ]]
    [[ "$output" == *"tags [web:latest]"* ]]
    [[ "$output" == *"digests [web@$id]"* ]]
    [[ "$output" == *"cmd [httpd] [-f]"* ]]
    [[ "$output" == *"entrypoint [/bin/busybox]"* ]]
    [[ "$output" == *"[A=b]"* ]]
    [[ "$output" == *"ports [80/tcp]"* ]]
    [[ "$output" == *"volumes [/data]"* ]]
    [[ "$output" == *"label k=v"* ]]
    [[ "$output" == *"user 1000:1000"*"workdir /srv"*"stop SIGINT"* ]]
}

@test "store: found by name, ID, short ID and digest" {
    make web
    id=$(load web)
    hex=${id#sha256:}
    for name in web web:latest docker.io/library/web library/web:latest "$id" "$hex" "${hex:0:12}" "${hex:0:3}" \
        "sha256:${hex:0:12}" "web@$id" "docker.io/library/web@$id"; do
        run images inspect "$name"
        [ "${lines[0]}" = "id $id" ] || { echo "$name: $output"; false; }
    done
    run images inspect other
    [ "$output" = "error not-found No such image: other:latest" ]
    run images inspect web:2
    [ "$output" = "error not-found No such image: web:2" ]
    run images inspect "other@$id"
    [ "$output" = "error not-found No such image: other@$id" ]
    run images inspect Web
    [[ "$output" == "error invalid invalid reference format: repository name (library/Web) must be lowercase" ]]
    missing=sha256:$(printf '0%.0s' {1..64})
    run images inspect "$missing"
    [ "$output" = "error not-found No such image: $missing" ]
}

@test "store: a name moves, the old image dangles" {
    make web a
    first=$(load web)
    make web b
    second=$(load web)
    [ "$first" != "$second" ]
    run images inspect "$first"
    [[ "$output" == *$'\ntags\n'* ]]
    run images list dangling=true
    [ "$(wc -w <<<"$output")" = 3 ]
    [[ "$output" == "image $first "* ]]
    run images list dangling=false
    [[ "$output" == "image $second "*" web:latest" ]]
}

@test "store: list filters" {
    make one --label tier=back --label x
    make two --label tier=front b
    load one
    load two
    images tag one reg.example/team/one:v1
    run images list reference='on*'
    [ "${#lines[@]}" = 1 ] && [[ "$output" == *"one:latest reg.example/team/one:v1" ]]
    run images list reference='*/team/*:v1'
    [ "${#lines[@]}" = 1 ]
    run images list reference='nothing'
    [ -z "$output" ]
    run images list label=tier
    [ "${#lines[@]}" = 2 ]
    run images list label=tier=front
    [[ "$output" == *" two:latest" ]] && [ "${#lines[@]}" = 1 ]
    run images list label=tier label=x
    [[ "$output" == *" one:latest "* ]] && [ "${#lines[@]}" = 1 ]
    run images list since=nothing
    [ "$output" = "error not-found No such image: nothing:latest" ]
    tar c -C "$T" one.tar | images import new:1
    run images list since=one
    [[ "$output" == *" new:1" ]] && [ "${#lines[@]}" = 1 ]
    run images list before=new:1
    [ "${#lines[@]}" = 2 ]
    run images list
    [[ "${lines[0]}" == *" new:1" ]]
}

@test "store: tag" {
    make web
    load web
    images tag web other
    images tag web localhost:5000/a/b:c
    run images list
    [[ "$output" == *" localhost:5000/a/b:c other:latest web:latest" ]] || [[ "$output" == *" other:latest web:latest localhost:5000/a/b:c" ]]
    run images tag web 'UP:1'
    [ "$status" = 1 ]
    run images tag web "x@sha256:$(printf '0%.0s' {1..64})"
    [ "$output" = "error invalid refusing to create a tag with a digest reference" ]
    run images tag nothing x
    [ "$output" = "error not-found No such image: nothing:latest" ]
}

@test "store: removal takes names first, then all that nobody else needs" {
    make base
    make web --layers 3
    load base
    id=$(load web)
    images tag web web:2
    run images rm web:2
    [ "${lines[0]}" = "untagged web:2" ]
    [ "${lines[1]}" = "event untag ID" ]
    [ "${#lines[@]}" = 2 ]
    run images rm web
    [ "${lines[0]}" = "untagged web:latest" ]
    [ "${lines[1]}" = "deleted $id" ]
    [[ "$output" == *"event delete ID" ]]
    store_is_clean
    run images layers base
    [ "$status" = 0 ] && [ -e "${lines[0]}/bin/busybox" ]
    [ "$(ls "$T/data/l" | wc -l)" = 2 ]
    images rm base
    [ "$(ls "$T/data/l")" = 0 ]
    [ -z "$(ls "$T/data/blobs/sha256")" ]
    images list
    [ -z "$(ls "$T/data/trash")" ] || images list
    run images rm base
    [ "$output" = "error not-found No such image: base:latest" ]
}

@test "store: removal by ID wants force when there are several names" {
    make web
    id=$(load web)
    short=${id:7:12}
    images tag web other
    run images rm "$short"
    [ "$output" = "error conflict conflict: unable to delete $short (must be forced) - image is referenced in multiple repositories" ]
    run images rmf "$short"
    [ "${lines[0]}" = "untagged other:latest" ]
    [ "${lines[1]}" = "untagged web:latest" ]
    [ "${lines[2]}" = "deleted $id" ]
    [ "$(images list)" = "" ]
    load web
    run images rm "$short"
    [ "${lines[1]}" = "deleted $id" ]
}

@test "store: removal of an image that containers use" {
    make web
    id=$(load web)
    short=${id:7:12}
    run images user abc123 0 rm web
    [ "$output" = "error conflict conflict: unable to remove repository reference \"web\" (must force) - container abc123 is using its referenced image $short" ]
    run images user abc123 0 rm "$short"
    [ "$output" = "error conflict conflict: unable to delete $short (must be forced) - image is being used by stopped container abc123" ]
    run images user abc123 1 rmf "$short"
    [ "$output" = "error conflict conflict: unable to delete $short (cannot be forced) - image is being used by running container abc123" ]
    images tag web web:2
    run images user abc123 1 rm web:2
    [ "${lines[0]}" = "untagged web:2" ]
    run images user abc123 1 rmf web
    [ "${lines[0]}" = "untagged web:latest" ]
    [[ "$output" != *deleted* ]]
    run images user abc123 0 rmf "$short"
    [ "${lines[0]}" = "deleted $id" ]
}

@test "store: import makes a config from --change" {
    mkdir -p "$T/root/bin"
    cp /bin/busybox "$T/root/bin/"
    tar c -C "$T/root" . | gzip >"$T/root.tar"
    run images import imp:1 'CMD ["sh", "-c", "a b"]' 'ENV A=1 B="x y"' 'env OLD way of it' 'EXPOSE 80 90-91/udp' 'LABEL k=v "l m"=n' \
        'USER me' 'VOLUME /v /w' 'WORKDIR /a' 'WORKDIR b' 'STOPSIGNAL SIGTERM' 'ENTRYPOINT run it' <"$T/root.tar"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "${lines[0]}" = "event import imp:1" ]
    run images inspect imp:1
    [[ "$output" == *"cmd [sh] [-c] [a b]"* ]]
    [[ "$output" == *"entrypoint [/bin/sh] [-c] [run it]"* ]]
    [[ "$output" == *"env [A=1] [B=x y] [OLD=way of it]"* ]]
    [[ "$output" == *"ports [80/tcp] [90/udp] [91/udp]"* ]]
    [[ "$output" == *"volumes [/v] [/w]"* ]]
    [[ "$output" == *"label k=v"*"label l m=n"* ]]
    [[ "$output" == *"user me"*"workdir /a/b"*"stop SIGTERM"* ]]
    run images layers imp:1
    [ -x "${lines[0]}/bin/busybox" ]
    # The blob is the archive as it came.
    [ -e "$T/data/blobs/sha256/$(sha256sum <"$T/root.tar" | cut -c1-64)" ]
    store_is_clean
    # The same content again: one layer, two images.
    images import '' <"$T/root.tar"
    [ "$(ls "$T/data/l" | wc -l)" = 2 ]
    store_is_clean
}

@test "store: import refuses what it can't do" {
    run images import Imp 'CMD x' </dev/null
    refused "must be lowercase"
    run images import imp 'RUN make' </dev/null
    refused "RUN is not a valid change command"
    run images import imp 'EXPOSE 0' </dev/null
    refused "EXPOSE: '0': not a port"
    run images import imp 'STOPSIGNAL NOPE' </dev/null
    refused "STOPSIGNAL: invalid signal: NOPE"
    run images import imp 'CMD' </dev/null
    refused "CMD: requires at least one argument"
    run images import imp <<<"this is no tar, whatever it says; it is long enough to be read as one, but has no header"
    refused "not a tar archive"
}

@test "store: two loads at once share their layers" {
    make one --layers 20
    make two --layers 20 --file /x=y --format oci --compress gzip
    run images load "$T/two.tar" <"$T/one.tar"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$(grep -c ^done <<<"$output")" = 2 ]
    [ "$(ls "$T/data/l" | wc -l)" = 23 ]
    store_is_clean
}

@test "store: 130 layers, and not more than 500" {
    make many --layers 129
    run images load <"$T/many.tar"
    [ "$status" = 0 ] || { echo "$output"; false; }
    run images layers many
    [ "${#lines[@]}" = 130 ]
    [ "${#lines[0]}" -lt $((${#T} + 16)) ]
    make toomany --layers 500
    run images load <"$T/toomany.tar"
    [ "$status" = 1 ]
    [[ "$output" == *"more than 500 layers: max depth exceeded"* ]]
    store_is_clean
}

# A docker-archive around the given files: NAME=CONTENT.
archive() {
    python3 - "$T/archive.tar" "$@" <<'PY'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as t:
    for item in sys.argv[2:]:
        name, _, text = item.partition("=")
        info = tarfile.TarInfo(name)
        data = text.encode()
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
PY
    run images load <"$T/archive.tar"
}

@test "store: hostile and broken archives leave nothing" {
    archive a=b
    refused "not an image archive: it has neither manifest.json nor oci-layout and index.json"
    archive repositories='{}'
    refused "without manifest.json"
    archive manifest.json='[]'
    refused "the archive holds no image"
    archive manifest.json='{'
    refused manifest.json
    archive manifest.json='{}'
    refused "manifest.json: expected an array of images"
    archive manifest.json='[{"Config": 7}]'
    refused "manifest.json: [0].Config: expected a string"
    archive manifest.json='[{"Config": "../../../etc/passwd"}]'
    refused "the archive lacks the config"
    archive manifest.json='[{"Config": "c"}]' c='{}'
    refused c
    archive manifest.json='[{"Config": "c", "Layers": ["l"]}]' \
        c='{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    refused "the config has 0 layers, the manifest 1"
    archive manifest.json='[{"Config": "c", "Layers": ["l"]}]' \
        c="{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$(printf '0%.0s' {1..64})\"]}}"
    refused "the archive lacks the layer 'l'"
    archive manifest.json='[{"Config": "c", "Layers": ["l"]}]' l=notatar \
        c="{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$(printf '0%.0s' {1..64})\"]}}"
    refused "not a tar archive"
    archive manifest.json='[{"Config": "c", "Layers": []}]' c='{"architecture":"amd64","os":"windows","rootfs":{"type":"layers","diff_ids":[]}}'
    refused 'image operating system "windows" cannot be used on this platform'
    archive manifest.json='[{"Config": "c", "RepoTags": ["UPPER:x"], "Layers": []}]' \
        c='{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    refused "must be lowercase"
    archive oci-layout='{"imageLayoutVersion": "9.0.0"}' index.json='{"schemaVersion": 2, "manifests": []}'
    refused oci-layout
    head -c 3000000 /dev/urandom >"$T/archive.tar"
    run images load <"$T/archive.tar"
    refused "not a tar archive"
    run images load </dev/null
    refused "not an image archive"
}

@test "store: a wrong digest, a wrong diff ID, a truncated archive leave nothing" {
    make web --format oci
    python3 - "$T/web.tar" "$T/bad.tar" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"root:x:0:0:")
data[at] ^= 1
open(sys.argv[2], "wb").write(data)
PY
    run images load <"$T/bad.tar"
    refused "has the digest"
    make web
    python3 - "$T/web.tar" "$T/bad.tar" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"root:x:0:0:")
data[at] ^= 1
open(sys.argv[2], "wb").write(data)
PY
    run images load <"$T/bad.tar"
    refused "was announced"
    run images load < <(head -c 1000000 "$T/web.tar")
    refused "Truncated"
    make web --outer gzip
    run images load < <(head -c 400000 "$T/web.tar")
    refused "truncated gzip data"
}

@test "store: a large document is refused, not read" {
    python3 - "$T/archive.tar" <<'PY'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as t:
    info = tarfile.TarInfo("manifest.json")
    info.size = 100 << 20
    t.addfile(info, io.BytesIO(b"[" * info.size))
PY
    run images load <"$T/archive.tar"
    refused "'manifest.json' is larger than 4194304 bytes"
}

@test "store: kill -9 of hoyd or the worker at any point leaves a store that is whole" {
    make web --layers 30
    before=
    for delay in 0.01 0.03 0.05 0.08 0.12 0.16 0.2 0.25 0.3; do
        "$HOY_BUILD/tests/integration/drive-images" "$HOY_BUILD/hoy-layer" "$T/data" load <"$T/web.tar" >/dev/null 3>&- &
        pid=$!
        sleep $delay
        kill -KILL $pid 2>/dev/null || true
        wait $pid 2>/dev/null || true
        run images sweep
        [ "$status" = 0 ] || { echo "after $delay: $output"; false; }
        store_is_clean || { echo "after $delay"; false; }
    done
    for delay in 0.02 0.05 0.1 0.15; do
        mkdir -p "$T/data2"
        "$HOY_BUILD/tests/integration/drive-images" "$HOY_BUILD/hoy-layer" "$T/data2" load <"$T/web.tar" >"$T/answer" 3>&- &
        pid=$!
        sleep $delay
        for worker in $(pgrep -P $pid); do kill -KILL "$worker" 2>/dev/null || true; done
        wait $pid || grep -q '^error system.*hoy-layer was killed' "$T/answer" || { cat "$T/answer"; false; }
        rm -rf "$T/data2"
    done
    run images load <"$T/web.tar"
    [ "$status" = 0 ]
    store_is_clean
}

@test "store: what an index holds of other platforms is kept" {
    make web --format oci
    make arm --format oci --arch s390x --file /a=b
    python3 - "$T/web.tar" "$T/arm.tar" "$T/both.tar" <<'PY'
import hashlib, io, json, sys, tarfile
out = tarfile.open(sys.argv[3], "w")
entries = []
def put(name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))
for path in sys.argv[1:3]:
    t = tarfile.open(path)
    for m in t:
        if m.isfile() and m.name.startswith("blobs/"):
            put(m.name, t.extractfile(m).read())
    entry = json.load(t.extractfile("index.json"))["manifests"][0]
    del entry["annotations"]
    entries.append(entry)
index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}).encode()
digest = hashlib.sha256(index).hexdigest()
put("blobs/sha256/" + digest, index)
put("index.json", json.dumps({"schemaVersion": 2, "manifests": [
    {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + digest, "size": len(index),
     "annotations": {"io.containerd.image.name": "docker.io/library/multi:1"}}]}).encode())
put("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
out.close()
print("sha256:" + digest)
PY
    run images load <"$T/both.tar"
    [ "$status" = 0 ] || { echo "$output"; false; }
    run images inspect multi:1
    [[ "$output" == *"media-type application/vnd.oci.image.index.v1+json"* ]]
    [[ "$output" == *"platform linux/$(jq -r .architecture < <(tar xOf "$T/web.tar" "blobs/sha256/$(tar xOf "$T/web.tar" index.json | jq -r '.manifests[0].digest[7:]')" | jq -r '.config.digest[7:]' | xargs -I{} tar xOf "$T/web.tar" blobs/sha256/{}))"* ]]
    # The index, two manifests, two configs, the layer of both, the other platform's layer.
    [ "$(ls "$T/data/blobs/sha256" | wc -l)" = 7 ]
    [ "$(ls "$T/data/l" | wc -l)" = 2 ]
    store_is_clean
    images rm multi:1
    [ -z "$(ls "$T/data/blobs/sha256")" ]
}

@test "store: podman's archives load" {
    command -v podman >/dev/null || skip_because no-podman "podman is not installed"
    make web --layers 1 echo hi
    podman=(podman --root "$T/p" --runroot "$T/pr" --storage-driver vfs)
    "${podman[@]}" load -q -i "$T/web.tar"
    for format in docker-archive oci-archive; do
        "${podman[@]}" save -q --format $format -o "$T/$format.tar" localhost/web
        run images load <"$T/$format.tar"
        [ "$status" = 0 ] || { echo "$format: $output"; false; }
        [[ "$output" == *" localhost/web:latest" ]]
    done
    store_is_clean
}
