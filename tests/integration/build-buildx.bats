#!/usr/bin/env bats
# Builds by an unmodified buildx: BuildKit's control API on POST /grpc.
load lib
load stack
load registry
load build-client
MAKE_IMAGE=$TOP/tests/integration/make-image

setup_file() {
    load lib
    load stack
    stack_setup
    DOCKER=$(find_buildx_docker)
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG DOCKER BUILDKIT_PROGRESS=plain
    unset DOCKER_BUILDKIT
}
teardown_file() { stack_teardown; }
setup() {
    [ -n "$DOCKER" ] || skip_because no-buildx "docker's client with buildx is not here"
    mkdir "$T/ctx"
    cd "$T/ctx"
    echo hello >a.txt
    mkdir d
    echo x >d/x
}
teardown() {
    stop_registry
    [ -z "${AGENT_PID:-}" ] || kill "$AGENT_PID"
    cd /
    rm -rf "$T/ctx"
}

@test "an image: ignore file, arguments, stages, labels, tags, the image's ID; then from the cache" {
    printf '%s\n' '*.md' d/skip >.dockerignore
    touch x.md d/skip
    ln -s a.txt link
    chmod 751 d
    say '# syntax=docker/dockerfile:1' 'FROM busybox AS one' 'ARG WHO=nobody' 'RUN echo "hi $WHO"; echo to-stderr >&2' 'COPY . /all' \
        'RUN cd /all && find . | sort >/list; stat -c "%a %u:%g" d >>/list; readlink link >>/list' 'CMD ["cat", "/list"]' \
        'FROM one' 'RUN false'
    run docker build --iidfile "$T/iid" --metadata-file "$T/meta" --build-arg WHO=me --target one --label l=v -t one -t two:2 .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"[one 2/4] RUN echo"* && $output == *"hi me"* && $output == *to-stderr* && $output == *"naming to"* ]]
    [ "$(docker run --rm two:2 | xargs)" = ". ./.dockerignore ./Dockerfile ./a.txt ./d ./d/x ./link 751 0:0 a.txt" ]
    [ "$(<"$T/iid")" = "$(docker inspect -f '{{.Id}}' one)" ]
    [ "$(docker inspect -f '{{.Config.Labels.l}}' one)" = v ]
    [ "$(jq -r '."image.name"' "$T/meta")" = "one,two:2" ] || { cat "$T/meta"; false; }
    run docker build --target one --build-arg WHO=me --label l=v .
    [ "$(grep -c CACHED <<<"$output")" = 3 ] || { echo "$output"; false; }
    [ "$(docker build -q --target one --build-arg WHO=me --label l=v .)" = "$(<"$T/iid")" ]
    run docker build --no-cache --target one .
    [ "$(grep -c CACHED <<<"$output")" = 0 ] && [[ $output == *"hi nobody"* ]]
    wait_for 5 nothing_is_left
}

@test "Dockerfiles elsewhere, with ignore files of their own, and from stdin; contexts from stdin" {
    builds_from_everywhere
}

@test "the result as files, as a tar, or not at all" {
    results_as_files
    [ "$("$HOY" images -q | sort -u | wc -l)" = "$("$HOY" images -qa | sort -u | wc -l)" ]
    wait_for 5 nothing_is_left
}

@test "--no-cache-filter, --add-host, --network, --shm-size, --ulimit, --platform reach the steps" {
    say 'FROM busybox AS one' 'RUN echo of-one' 'FROM one AS two' 'RUN echo of-two'
    docker build .
    run docker build --no-cache-filter two .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"[one 2/2] RUN echo of-one"*CACHED*of-two* && $(grep -c CACHED <<<"$output") = 1 ]] || { echo "$output"; false; }
    say 'FROM busybox' 'RUN grep -E "far|gw" /etc/hosts; df -k /dev/shm; ulimit -n; ls /sys/class/net'
    run docker build --no-cache --add-host far:10.1.2.3 --add-host gw:host-gateway --network none --shm-size 8m --ulimit nofile=77:88 --platform linux/amd64 .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *10.1.2.3*far*8192*77* && $output != *eth0* ]] || { echo "$output"; false; }
}

@test "failures say what and where; what is not there is refused" {
    say 'FROM busybox' 'RUN echo before; exit 3'
    run docker build .
    [ $status != 0 ] && [[ $output == *before*"ERROR: "*"'/bin/sh -c echo before; exit 3' returned a non-zero code: 3"* ]]
    say 'FROM busybox' 'RUUN x'
    run docker build .
    [ $status != 0 ] && [[ $output == *"Dockerfile:2:1: unknown instruction: RUUN (did you mean RUN?)"* ]]
    say 'FROM busybox' 'COPY nope /x'
    run docker build .
    [ $status != 0 ] && [[ $output == *"stat nope: file does not exist"* ]]
    say 'FROM busybox'
    run docker build http://127.0.0.1:1/x.tar
    [ $status != 0 ] && [[ $output == *"load the remote build context: Get "*"http://127.0.0.1:1/x.tar"* ]] || { echo "$output"; false; }
    run docker build --cache-from 127.0.0.1:1/x .
    [ $status = 0 ] && [[ $output == *"importing cache manifest from 127.0.0.1:1/x"*ERROR* ]] || { echo "$output"; false; }
    say 'FROM busybox' 'COPY --from=x nope /'
    run docker build --build-context "x=d" .
    [ $status != 0 ] && [[ $output == *"stat nope: file does not exist"* ]] || { echo "$output"; false; }
    run docker build --cache-from type=odd,ref=x .
    [ $status != 0 ] && [[ $output == *"--cache-from type=odd is not supported"* ]] || { echo "$output"; false; }
    wait_for 5 nothing_is_left
}

@test "the cache comes from a registry and goes there, in the image or beside it" {
    start_debian_registry
    say 'FROM busybox' 'LABEL cached=1' 'RUN head -c 16 /dev/urandom >/b && echo step""ran'
    run docker build --cache-to type=inline -t "$R/img" .
    [ $status = 0 ] && [[ $output == *stepran* ]] || { echo "$output"; false; }
    docker push -q "$R/img"
    docker rmi -f "$R/img"
    docker builder prune -af
    run docker build --cache-from "$R/img" --iidfile "$T/iid" .
    [ $status = 0 ] && [[ $output != *stepran* && $output == *"importing cache manifest from $R/img"*CACHED* ]] || { echo "$output"; false; }
    run docker build --cache-to "type=registry,ref=$R/cache,mode=max" .
    [ $status = 0 ] && [[ $output == *"exporting cache to $R/cache"* ]] || { echo "$output"; false; }
    docker rmi -f "$(<"$T/iid")"
    docker builder prune -af
    run docker build --cache-from "type=registry,ref=$R/cache" --iidfile "$T/iid2" .
    [ $status = 0 ] && [[ $output != *stepran* ]] && cmp "$T/iid" "$T/iid2" || { echo "$output"; false; }
}

@test "ctrl-c, a kill and a hoyd that ends: nothing stays" {
    local pid
    say 'FROM busybox' 'RUN echo begun; sleep 1000'
    "$DOCKER" build . >"$T/out" 2>&1 3>&- &
    pid=$!
    wait_for 20 grep -q begun "$T/out"
    kill -INT "$pid"
    run wait "$pid"
    [ $status != 0 ]
    grep -q -i cancel "$T/out"
    wait_for 5 nothing_is_left
    hoyd_is_alive
    "$DOCKER" build . >"$T/out" 2>&1 3>&- &
    pid=$!
    wait_for 20 grep -q begun "$T/out"
    kill -KILL "$pid"
    pkill -KILL -P "$pid" || :
    wait_for 10 nothing_is_left
}

@test "secrets are there for their step, and nowhere else; registries get the client's credentials" {
    echo s3cret-value >"$T/sec"
    say 'FROM busybox' 'RUN --mount=type=secret,id=x,mode=440,gid=7 stat -c "%a %u:%g" /run/secrets/x; rev /run/secrets/x'
    run docker build --secret "id=x,src=$T/sec" .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"440 0:7"*eulav-terc3s* ]]
    rm "$T/sec"
    run grep -rq s3cret-value "$T/data" "$T/run" "$T/hoyd.log"
    [ $status = 1 ]
    serve closed
    start_registry auth=basic:me:word
    say "FROM $R/closed" 'RUN true'
    run docker build .
    [ $status != 0 ]
    docker login -u me -p word "$R"
    run docker build .
    [ $status = 0 ] || { echo "$output"; false; }
    docker logout "$R"
    wait_for 5 nothing_is_left
}

@test "the cache: du lists it, prune takes it; ls and inspect know the builder" {
    local id
    say 'FROM busybox' 'RUN echo to-be-pruned >/x'
    docker build --no-cache .
    run docker buildx du --verbose
    [ $status = 0 ] && [[ $output == *to-be-pruned* ]] || { echo "$output"; false; }
    id=$(awk '/^ID:/ { id = $2 } /to-be-pruned/ { print id; exit }' <<<"$output")
    run docker buildx du --filter "id=$id"
    [[ $output == *"$id"* ]]
    run docker builder prune -af --filter "id=$id"
    [ $status = 0 ] && [[ $output == *"$id"* ]] || { echo "$output"; false; }
    docker builder prune -af
    run docker buildx du
    [[ $output != *"$id"* ]]
    run docker buildx inspect
    [ $status = 0 ] && [[ $output == *"Driver:"*docker*"linux/"* ]]
}

@test "bake and compose files build several images in one connection" {
    say 'FROM busybox' 'ARG N' 'RUN echo "$N" >/n' 'CMD cat /n'
    cat >docker-bake.hcl <<'BAKE'
group "default" { targets = ["p", "q"] }
target "p" {
  tags = ["baked:p"]
  args = { N = "of-p" }
}
target "q" {
  tags = ["baked:q"]
  args = { N = "of-q" }
}
BAKE
    run docker buildx bake
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(docker run --rm baked:p)" = of-p ] && [ "$(docker run --rm baked:q)" = of-q ]
    wait_for 5 nothing_is_left
}

@test "clients that lie or leave harm nobody" {
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST http://x/grpc)" = 400 ]
    /usr/bin/python3 - "$T/hoy.sock" <<'ABUSE'
import os, socket, struct, sys
def control():
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(100)
    peer.connect(sys.argv[1])
    peer.sendall(b"POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(1)
    assert b" 101 " in head, head
    return peer
def frame(kind, flags, stream, body):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body
def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
def call(stream, path, message):
    head = literal(b":method", b"POST") + literal(b":scheme", b"http") + literal(b":path", path) + literal(b":authority", b"x")
    return frame(1, 4, stream, head) + frame(0, 1, stream, b"\0" + struct.pack(">I", len(message)) + message)
def drain(peer):
    while True:
        try:
            if not peer.recv(65536):
                return
        except ConnectionResetError:
            return
magic = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
service = b"/moby.buildkit.v1.Control/"
# no HTTP/2 at all
peer = control()
peer.sendall(os.urandom(100000))
drain(peer)
# messages that are none, a build without a session, one that is asked for twice, and a client that goes
peer = control()
peer.sendall(magic + call(1, service + b"Solve", os.urandom(64)) + call(3, service + b"Nothing", b"") + call(5, service + b"Prune", b"\x08"))
solve = b"\x0a\x01r\x2a\x01s\x32\x0ddockerfile.v0"
peer.sendall(call(7, service + b"Solve", solve) + call(9, service + b"Solve", solve) + call(11, service + b"Status", b"\x0a\x01r"))
answer, ended = b"", set()
while not ended >= {1, 3, 5, 9}:
    piece = peer.recv(65536)
    assert piece, ended
    answer += piece
    while len(answer) >= 9 and len(answer) >= 9 + int.from_bytes(answer[:3], "big"):
        if answer[4] & 1:
            ended.add(int.from_bytes(answer[5:9], "big"))
        answer = answer[9 + int.from_bytes(answer[:3], "big"):]
peer.close()
ABUSE
    hoyd_is_alive
    [ -n "$HOYD_PID" ]
    wait_for 20 eval '! pgrep -P "$HOYD_PID" hoy-build'
    wait_for 5 nothing_is_left
}

@test "SOURCE_DATE_EPOCH is when the image was created; two builds of one input make one image" {
    local first
    say 'FROM scratch' 'COPY a.txt d /' 'LABEL l=v'  'WORKDIR /w'
    docker build -t epoch --build-arg SOURCE_DATE_EPOCH=1000000000 .
    first=$(docker inspect -f '{{.Id}}' epoch)
    [[ $(docker inspect -f '{{.Created}}' epoch) == 2001-09-09T01:46:40* ]]
    [ "$("$HOY" history --format '{{.CreatedAt}}' --no-trunc epoch | cut -c1-10 | sort -u)" = 2001-09-09 ]
    say 'FROM scratch' 'COPY a.txt d /' 'LABEL l=v'
    first=$(docker build -q --build-arg SOURCE_DATE_EPOCH=1000000000 .)
    [ "$(docker build -q --no-cache --build-arg SOURCE_DATE_EPOCH=1000000000 .)" = "$first" ]
    run docker build --build-arg SOURCE_DATE_EPOCH=yesterday .
    [ $status != 0 ] && [[ $output == *"invalid SOURCE_DATE_EPOCH 'yesterday'"* ]]
}

@test "named contexts: images and stages" {
    say 'FROM base AS one' 'RUN echo from-one >/one' 'FROM scratch AS two' 'FROM two' 'COPY --from=x /bin/busybox /bb' 'COPY --from=one /one /'
    run docker build --build-context base=docker-image://busybox --build-context x=docker-image://busybox -o "$T/named" .
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(<"$T/named/one")" = from-one ] && [ -x "$T/named/bb" ]
}

@test "remarks on the Dockerfile are shown at the end" {
    say 'FROM busybox' 'CMD echo x'
    run docker build .
    [ $status = 0 ] && [[ $output == *"1 warning found"*"JSONArgsRecommended: "*"(line 2)"* ]] || { echo "$output"; false; }
}
