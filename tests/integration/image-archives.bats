#!/usr/bin/env bats
# Images and containers on their way out (save, export, commit) and back in, by both command lines.
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
hoy() { timeout 60 "$HOY" "$@"; }
make() { "$MAKE_IMAGE" -o "$T/$1.tar" --name "$1:latest" "${@:2}"; }
entries() { tar tf "$1" | grep -v '/$' | sort; }

# blobs_are_right TAR: every blob has the digest it is called by, and index.json names what is there.
blobs_are_right() {
    python3 - "$1" <<'PY'
import hashlib, json, sys, tarfile
tar = tarfile.open(sys.argv[1])
files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
for name, data in files.items():
    if name.startswith("blobs/"):
        assert hashlib.sha256(data).hexdigest() == name.split("/")[2], name
index = json.loads(files["index.json"])
for d in index["manifests"]:
    doc = json.loads(files["blobs/sha256/" + d["digest"][7:]])
    assert len(files["blobs/sha256/" + d["digest"][7:]]) == d["size"]
    for m in doc.get("manifests", []):
        assert "blobs/sha256/" + m["digest"][7:] in files, m
    if "layers" in doc:
        for l in doc["layers"] + [doc["config"]]:
            assert len(files["blobs/sha256/" + l["digest"][7:]]) == l["size"]
for image in json.loads(files["manifest.json"]):
    for path in image["Layers"] + [image["Config"]]:
        assert path in files, path
PY
}

@test "save: what was loaded comes out, byte for byte, and in again with the same IDs" {
    make web --layers 3 --compress gzip --format oci
    make other --compress zstd --file '/etc/hello=hi'
    docker load -qi "$T/web.tar"
    docker load -qi "$T/other.tar"
    docker tag web team/web:2
    docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort >"$T/before"
    docker save -o "$T/saved.tar" web:latest team/web other
    blobs_are_right "$T/saved.tar"
    hoy save web:latest team/web other | cmp - "$T/saved.tar"
    for blob in $(tar tf "$T/web.tar" | grep blobs/sha256/.); do
        tar xOf "$T/web.tar" "$blob" | cmp - <(tar xOf "$T/saved.tar" "$blob")
    done
    [ "$(tar xOf "$T/saved.tar" manifest.json | jq -c 'map(.RepoTags | sort)')" = '[["team/web:2","web:latest"],["other:latest"]]' ]
    [ "$(tar xOf "$T/saved.tar" index.json | jq -r '[.manifests[].annotations["io.containerd.image.name"]] | sort | join(" ")')" = \
        "docker.io/library/other:latest docker.io/library/web:latest docker.io/team/web:2" ]
    docker rmi -f $(docker images -q | sort -u)
    [ -z "$(docker images -aq)" ]
    hoy load -qi "$T/saved.tar"
    docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort | diff "$T/before" -
    [ "$(docker run --rm other cat /etc/hello)" = hi ]
}

@test "save: by ID there is no name, by repository all tags, what is not there is an error" {
    make web
    docker load -qi "$T/web.tar"
    docker tag web web:two
    id=$(docker images -q --no-trunc web:two)
    [ "$(docker save "$id" | tar xO manifest.json | jq -c '.[0].RepoTags')" = null ]
    [ "$(docker save web | tar xO manifest.json | jq -c '.[0].RepoTags')" = '["web:latest","web:two"]' ]
    run docker save web nothing
    [ "$status" = 1 ]
    [[ "$output" == *"No such image: nothing:latest"* ]]
    run hoy save -o "$T/no.tar" nothing
    [ "$status" = 1 ]
    [ ! -e "$T/no.tar" ]
    run hoy save -o "$T" web
    [[ "$output" == *"is a directory"* ]]
    run hoy save --platform linux/s390x web
    [ "$status" = 1 ]
    [[ "$output" == *"does not provide the specified platform (linux/s390x)"* ]]
    hoy save --platform "linux/$(docker version -f '{{.Server.Arch}}')" web | tar t >/dev/null
    wait_for 10 sh -c '[ -z "$(ls "$0/data/tmp" "$0/data/trash" | grep -v :)" ]' "$T"
}

@test "save: a client that goes away ends it" {
    make web
    docker load -qi "$T/web.tar"
    mkfifo "$T/fifo"
    sleep 60 <"$T/fifo" 3>&- &
    reader=$!
    (exec timeout -s KILL 2 "$HOY" save -o "$T/fifo" web) 3>&- || true
    kill "$reader"
    wait_for 10 sh -c '[ -z "$(pgrep -P "$0" hoy-layer)" ]' "$HOYD_PID"
    wait_for 10 sh -c '[ -z "$(ls "$0/data/tmp" "$0/data/trash" | grep -v :)" ]' "$T"
    hoyd_is_alive
}

# bats test_tags=long
@test "save: podman loads it, and hoy loads what podman saves" {
    command -v podman >/dev/null || skip_because no-podman "no podman"
    make web --layers 2 --compress gzip --env A=b
    docker load -qi "$T/web.tar"
    docker save -o "$T/saved.tar" web
    podman() { timeout 100 podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"; }
    podman load -qi "$T/saved.tar"
    [ "$(podman image inspect --format '{{len .RootFS.Layers}} {{index .Config.Env 1}}' web)" = "4 A=b" ] ||
        podman image inspect --format '{{len .RootFS.Layers}} {{.Config.Env}}' web
    podman save -qo "$T/docker.tar" --format docker-archive web
    podman save -qo "$T/oci.tar" --format oci-archive web
    docker rmi web
    docker load -qi "$T/docker.tar"
    docker run --rm localhost/web ls /layers 2>/dev/null || docker run --rm web ls /layers
    docker rmi -f $(docker images -q | sort -u)
    docker load -qi "$T/oci.tar"
    [ -n "$(docker images -q)" ]
    docker run --rm "$(docker images -q)" ls /layers
    podman rmi -af >/dev/null
}

@test "save: skopeo copies by the daemon's socket, both ways" {
    command -v skopeo >/dev/null || skip_because no-skopeo "no skopeo"
    make web --compress gzip
    docker load -qi "$T/web.tar"
    timeout 60 skopeo --insecure-policy copy --src-daemon-host "$DOCKER_HOST" docker-daemon:web:latest "dir:$T/dir"
    config=$(docker save web | tar xO manifest.json | jq -r '.[0].Config' | cut -d/ -f3)
    [ "$(jq -r .config.digest "$T/dir/manifest.json")" = "sha256:$config" ]
    timeout 60 skopeo --insecure-policy copy --dest-daemon-host "$DOCKER_HOST" "dir:$T/dir" docker-daemon:again:1
    wait_for 20 docker image inspect again:1
    [ "$(docker save again:1 | tar xO manifest.json | jq -r '.[0].Config' | cut -d/ -f3)" = "$config" ]
    docker run --rm again:1 true
}

@test "export: the whole file system, of a stopped and of a running container" {
    make web --layers 1 --file '/etc/hello=hi'
    docker load -qi "$T/web.tar"
    docker run --name cc web sh -c 'rm -r /layers; echo new >/new; ln /new /new2; mkdir /dir; chmod 4750 /dir; chown 7:8 /dir; mkfifo /fifo; ln -s new /soft'
    docker export -o "$T/out.tar" cc
    hoy export cc | cmp - "$T/out.tar"
    run tar tf "$T/out.tar"
    [[ "$output" != *layers* ]]
    mkdir "$T/out"
    tar xf "$T/out.tar" -C "$T/out"
    [ "$(cat "$T/out/new2" "$T/out/etc/hello")" = "$(printf 'new\nhi')" ]
    [ "$(stat -c '%a %u %g %F' "$T/out/dir")" = "4750 7 8 directory" ]
    [ "$(stat -c %i "$T/out/new")" = "$(stat -c %i "$T/out/new2")" ]
    [ -p "$T/out/fifo" ] && [ "$(readlink "$T/out/soft")" = new ]
    docker run -d --name rr web sh -c 'echo up >/up; sleep 1000'
    wait_for 10 sh -c 'timeout 20 docker export rr | tar tf - | grep -qx up'
    docker export rr | docker import - flat:1
    [ "$(docker run --rm flat:1 cat /up)" = up ]
    run docker export nobody
    [ "$status" = 1 ]
    [[ "$output" == *"No such container: nobody"* ]]
}

@test "history: every step, newest first, with sizes" {
    make web --layers 2
    docker load -qi "$T/web.tar"
    [ "$(docker history -q --no-trunc web | head -1)" = "$(docker images -q --no-trunc web)" ]
    [ "$(docker history -q web | wc -l)" = "$(docker image inspect -f '{{len .RootFS.Layers}}' web)" ]
    [ "$(docker history -q web | tail -1)" = "<missing>" ]
    diff -w <(docker history --no-trunc web) <(hoy history --no-trunc web)
    diff -w <(docker history --human=false web) <(hoy history --human=false web)
    hoy tag web team/again:3
    [ "$(hoy images -q team/again)" = "$(docker images -q web)" ]
    run hoy tag web 'Bad//x'
    [ "$status" = 1 ]
    [[ "$output" == *"invalid reference format"* ]]
}

# newest_layer: all that the file system knows of the layer that was made last.
newest_layer() {
    /usr/bin/python3 - "$T/data/l" <<'PY'
import hashlib, os, stat, sys
top = os.path.join(sys.argv[1], max(os.listdir(sys.argv[1]), key=lambda name: int(name, 36) if name.isalnum() else -1))
for where, dirs, files in os.walk(top):
    for name in [""] + dirs + files:
        path = os.path.join(where, name)
        st = os.lstat(path)
        is_dir = stat.S_ISDIR(st.st_mode)
        if name and is_dir:
            continue
        print(os.path.relpath(path, top), oct(st.st_mode), st.st_uid, st.st_gid, st.st_rdev,
              0 if stat.S_ISCHR(st.st_mode) else st.st_mtime_ns, # a whiteout has the time of its unpacking
              is_dir or (st.st_nlink, st.st_size), stat.S_ISLNK(st.st_mode) and os.readlink(path),
              sorted((x, os.getxattr(path, x, follow_symlinks=False)) for x in os.listxattr(path, follow_symlinks=False)),
              stat.S_ISREG(st.st_mode) and hashlib.sha256(open(path, "rb").read()).hexdigest())
PY
}

@test "commit: the container's changes become a layer, with config, author and history" {
    make web --layers 2 --env A=b --compress gzip sh
    docker load -qi "$T/web.tar"
    docker run --name cc -e X=y -w /tmp web sh -c 'rm -r /layers; mkdir /layers; echo new >/layers/new; rm /etc/passwd; chmod 4711 /bin/busybox; ln /layers/new /hard; chown 70000:80000 /layers/new; ln -s /x "/a name"; mkfifo /fifo; mkdir -m 1770 /dir; echo cap >/dir/cap'
    /usr/bin/python3 -c 'import os, struct, sys; os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x2000001, 1 << 13, 0, 0, 0))' \
        "$(find "$T/data" -path '*/dir/cap')"
    touch -d '2001-02-03 04:04:05.789Z' "$(find "$T/data" -path '*/dir/cap')"
    web=$(docker image inspect -f '{{.Id}}' web)
    id=$(docker commit -a me -m "by hand" -c 'CMD ["cat", "/layers/new"]' -c 'LABEL k=v' cc mine:1)
    [ "$id" = "$(docker images -q --no-trunc mine:1)" ]
    [ "$(docker image inspect -f '{{.Parent}}' mine:1)" = "$web" ]
    [ "$(docker image inspect -f '{{.Author}}/{{.Comment}}/{{.Config.Cmd}}/{{.Config.Labels.k}}/{{.Config.WorkingDir}}/{{len .RootFS.Layers}}' mine:1)" = \
        "me/by hand/[cat /layers/new]/v//tmp/4" ]
    docker image inspect -f '{{.Config.Env}}' mine:1 | grep -q 'A=b' && docker image inspect -f '{{.Config.Env}}' mine:1 | grep -q 'X=y'
    [ "$(docker history --format '{{.Comment}}' mine:1 | head -1)" = "by hand" ]
    [ "$(docker run --rm mine:1)" = new ]
    [ "$(docker run --rm mine:1 sh -c 'ls /layers; ls /etc/passwd 2>/dev/null; stat -c "%a %u:%g" /bin/busybox /layers/new; [ /hard -ef /layers/new ] && readlink "/a name"')" = \
        "$(printf 'new\n4711 0:0\n644 70000:80000\n/x')" ]
    # the layer is what a registry expects: whiteouts, not overlay's devices, and none of the engine's own files
    docker save mine:1 >"$T/mine.tar"
    blobs_are_right "$T/mine.tar"
    layer=$(tar xOf "$T/mine.tar" manifest.json | jq -r '.[0].Layers[-1]')
    run sh -c "tar xOf '$T/mine.tar' $layer | gunzip | tar t"
    echo "$output"
    [[ "$output" == *"etc/.wh.passwd"* && "$output" == *"layers/.wh..wh..opq"* ]]
    [[ "$output" != *etc/hosts* && "$output" != *dockerenv* && "$output" != *resolv.conf* ]]
    # and comes back as it was; the directory that was made beside the blob is the one that is unpacked from it
    newest_layer | sort >"$T/made"
    docker rmi -f mine:1
    docker load -qi "$T/mine.tar"
    newest_layer | sort | diff "$T/made" -
    grep -q '^fifo 0o1' "$T/made" && grep -q '^etc/passwd 0o2' "$T/made" && grep -q '^hard .* (2, ' "$T/made"
    grep -q "^layers .*user.overlay.opaque" "$T/made" && grep -q '^dir/cap .* 981173045789000000 .*security.capability' "$T/made"
    [ "$(docker images -q --no-trunc mine:1)" = "$id" ]
    [ "$(docker run --rm mine:1)" = new ]
}

@test "commit: of nothing, of a running container, of an image that is gone, and by hoy" {
    make web sleep 1000
    docker load -qi "$T/web.tar"
    container=$(docker create web)
    hoy commit "$container" same:1
    [ "$(docker image inspect -f '{{len .RootFS.Layers}}' same:1)" = "$(docker image inspect -f '{{len .RootFS.Layers}}' web)" ]
    [ "$(docker image inspect -f '{{.Config.Cmd}}' same:1)" = "[sleep 1000]" ]
    running=$(docker run -d web sh -c 'echo up >/up; sleep 1000')
    wait_for 10 sh -c 'timeout 20 docker export "$0" | tar tf - | grep -qx up' "$running"
    since=$(date +%s)
    id=$(hoy commit -m x -a y -c 'ENTRYPOINT ["cat"]' -c 'CMD /up' "$running")
    hoy commit -p=false "$running"
    run docker events --since "$since" --until "$(($(date +%s) + 1))" --filter event=pause --filter event=unpause --format '{{.Action}}'
    [ "$(tr '\n' ' ' <<<"$output")" = "pause unpause " ]
    [ "$(docker run --rm "$id" /up)" = up ]
    [ "$(docker inspect -f '{{.State.Status}}' "$running")" = running ]
    run docker commit "$running" 'Bad//x'
    [ "$status" = 1 ]
    run docker commit -c 'RUN x' "$running" x:1
    [[ "$output" == *"RUN is not a valid change command"* ]]
    docker rm -f "$running"
    docker rmi -f web
    run docker commit "$container" x:1
    [ "$status" = 1 ]
    [[ "$output" == *"is gone"* ]]
    wait_for 10 sh -c '[ -z "$(ls "$0/data/tmp" "$0/data/trash" | grep -v :)" ]' "$T"
}

@test "fsck: every byte has a row and every row its bytes, or it is told and repaired" {
    make web --layers 2 --compress gzip
    make other --file '/etc/hello=hi'
    docker load -qi "$T/web.tar"
    docker load -qi "$T/other.tar"
    run hoy system fsck --digests
    [ "$status" = 0 ]
    [[ "$output" == *": whole" ]]
    echo junk >"$T/data/blobs/sha256/$(printf '%064d' 1)"
    mkdir "$T/data/l/zzz" "$T/data/tmp/left"
    run hoy system fsck
    [ "$status" = 1 ]
    [[ "$output" == *"a blob without a row: $(printf '%064d' 1)"* ]]
    [[ "$output" == *"a layer without a row: zzz"* && "$output" == *"work of no job: left"* && "$output" == *": not whole" ]]
    hoy system fsck --repair
    hoy system fsck --digests
    [ ! -e "$T/data/l/zzz" ] && [ ! -e "$T/data/tmp/left" ]
    # a blob that rotted: its size is right, its content is not
    layer=$(docker save web | tar xO manifest.json | jq -r '.[0].Layers[-1]')
    printf X | dd of="$T/data/$layer" bs=1 seek=20 conv=notrunc 2>/dev/null
    hoy system fsck
    run hoy system fsck --digests
    [ "$status" = 1 ]
    [[ "$output" == *"a blob that is not what its name says: sha256:${layer##*/}"* ]]
    run hoy system fsck --digests --repair
    [ "$status" = 0 ]
    [[ "$output" == *"an image that is not whole: sha256:"* ]]
    [ "$(docker images --format '{{.Repository}}')" = other ]
    hoy system fsck --digests
    docker load -qi "$T/web.tar"
    docker run --rm web true
    rm "$T/data/$layer"
    run hoy system fsck --repair
    [[ "$output" == *"a row without its blob: sha256:${layer##*/}"* ]]
    hoy system fsck --digests
}
