#!/usr/bin/env bats
# Builds by BuildKit's sessions: docker 20.10's client with DOCKER_BUILDKIT=1.
load lib
load stack
load registry
load build-client
MAKE_IMAGE=$TOP/tests/integration/make-image

setup_file() {
    load lib
    load stack
    DOCKER=$(find_session_docker)
    [ -n "$DOCKER" ] || skip_because no-docker-cli "docker 20.10 is not installed"
    stack_setup
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG DOCKER DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain
}
teardown_file() { stack_teardown; }
setup() {
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

@test "a local context, its ignore file, arguments, stages, tags, the image's ID" {
    printf '%s\n' '*.md' d/skip >.dockerignore
    touch x.md d/skip
    ln -s a.txt link
    chmod 751 d
    say 'FROM busybox AS one' 'ARG WHO=nobody' 'RUN echo "hi $WHO"; echo to-stderr >&2' 'COPY . /all' \
        'RUN cd /all && find . | sort >/list; stat -c "%a %u:%g" d >>/list; readlink link >>/list' 'CMD ["cat", "/list"]' \
        'FROM one' 'RUN false'
    run docker build --iidfile "$T/iid" --build-arg WHO=me --target one --label l=v -t one -t two:2 .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"[one 2/4] RUN echo"* && $output == *"hi me"* && $output == *to-stderr* && $output == *"writing image"* ]]
    [ "$(docker run --rm two:2 | xargs)" = ". ./.dockerignore ./Dockerfile ./a.txt ./d ./d/x ./link 751 0:0 a.txt" ]
    [ "$(<"$T/iid")" = "$(docker inspect -f '{{.Id}}' one)" ]
    [ "$(docker inspect -f '{{.Config.Labels.l}}' one)" = v ]
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
    run docker build -o type=nonsense,dest=x .
    [ $status != 0 ] && [[ $output == *"the output 'nonsense' is not supported"* ]] || { echo "$output"; false; }
    [ "$("$HOY" images -q | sort -u | wc -l)" = "$("$HOY" images -qa | sort -u | wc -l)" ]
    wait_for 5 nothing_is_left
}

# docker's client takes files for the types that it knows, and so none of type oci: what it asks for is changed on the way.
start_changing_proxy() {
    cat >"$T/proxy.py" <<'PROXY'
import socket, sys, threading
def copy(a, b, change):
    while data := a.recv(65536):
        b.sendall(data.replace(b"%22Type%22%3A%22tar%22", b"%22Type%22%3A%22oci%22") if change else data)
    b.shutdown(socket.SHUT_WR)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(8)
while True:
    client, engine = server.accept()[0], socket.socket(socket.AF_UNIX)
    engine.connect(sys.argv[2])
    threading.Thread(target=copy, args=(client, engine, True), daemon=True).start()
    threading.Thread(target=copy, args=(engine, client, False), daemon=True).start()
PROXY
    python3 "$T/proxy.py" "$T/proxy.sock" "$T/hoy.sock" 2>"$T/proxy.log" 3>&- &
    AGENT_PID=$!
    wait_for 20 test -S "$T/proxy.sock"
}

@test "the result as an archive of an image that the engine does not keep" {
    local before id
    start_changing_proxy
    say 'FROM busybox' 'COPY a.txt /from-archive' 'CMD cat /from-archive'
    before=$("$HOY" images -aq --no-trunc | sort)
    DOCKER_HOST=unix://$T/proxy.sock docker build -t archived:1 -t archived:2 -o "type=tar,dest=$T/image.tar" .
    [ "$("$HOY" images -aq --no-trunc | sort)" = "$before" ]
    [ "$(tar -xOf "$T/image.tar" index.json | jq -r '.manifests[].annotations["io.containerd.image.name"]' | xargs)" = "docker.io/library/archived:1 docker.io/library/archived:2" ]
    [ "$(tar -xOf "$T/image.tar" manifest.json | jq -rc '.[].RepoTags')" = '["archived:1","archived:2"]' ]
    [ "$(tar -xOf "$T/image.tar" oci-layout | jq -r .imageLayoutVersion)" = 1.0.0 ]
    "$HOY" load -q -i "$T/image.tar"
    [ "$("$HOY" run --rm archived:2)" = hello ]
    # an image that was there before stays, with the names it had
    id=$("$HOY" image inspect archived:1 | jq -r '.[0].Id')
    DOCKER_HOST=unix://$T/proxy.sock docker build -t other -o "type=tar,dest=$T/image.tar" .
    [ "$("$HOY" image inspect archived:2 | jq -r '.[0].Id')" = "$id" ]
    run "$HOY" image inspect other
    [ $status != 0 ]
    "$HOY" rmi archived:1 archived:2
    wait_for 5 nothing_is_left
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
    run docker build -f nowhere .
    [ $status != 0 ] && [[ $output == *nowhere* ]]
    run docker build http://127.0.0.1:1/x.tar
    [ $status != 0 ] && [[ $output == *"load the remote build context: Get "*"http://127.0.0.1:1/x.tar"* ]]
    wait_for 5 nothing_is_left
}

@test "ctrl-c ends the build and its container" {
    local pid
    say 'FROM busybox' 'RUN echo begun; sleep 1000'
    "$DOCKER" build . >"$T/out" 2>&1 3>&- &
    pid=$!
    wait_for 20 grep -q begun "$T/out"
    kill -INT "$pid"
    run wait "$pid"
    [ $status != 0 ]
    grep -q canceled "$T/out"
    wait_for 5 nothing_is_left
    hoyd_is_alive
    "$DOCKER" build . >"$T/out" 2>&1 3>&- &
    pid=$!
    wait_for 20 grep -q begun "$T/out"
    kill -KILL "$pid"
    wait_for 5 nothing_is_left
}

@test "secrets are there for their step, and nowhere else" {
    echo s3cret-value >"$T/sec"
    say 'FROM busybox' 'RUN --mount=type=secret,id=x,mode=440,gid=7 stat -c "%a %u:%g" /run/secrets/x; rev /run/secrets/x' \
        'RUN --mount=type=secret,id=x,target=/else rev /else' \
        'RUN --mount=type=secret,id=none ls /run/secrets/none || echo no-such-secret' 'RUN ! grep s3cret /run/secrets/x'
    run docker build --secret "id=x,src=$T/sec" .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"440 0:7"*eulav-terc3s*eulav-terc3s*no-such-secret* ]]
    # as variables: for whoever runs, and not in the container's config
    printf 'two\nlines' >"$T/lines"
    say 'FROM busybox' 'RUN --mount=type=secret,id=x,env=X --mount=type=secret,id=l,env=L,target=/f echo "$X" | rev; echo "[$L]"; wc -l /f; [ ! -e /run/secrets ]' \
        'USER 1000' 'RUN --mount=type=secret,id=x,env=X --mount=type=secret,id=none,env=NONE echo "$X" | rev; [ "${NONE-unset}" = unset ]' \
        'RUN [ "${X-unset}" = unset ] && ! ls /dev | grep hoy'
    run docker build --secret "id=x,src=$T/sec" --secret "id=l,src=$T/lines" -t variables .
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(grep -c eulav-terc3s <<<"$output")" = 2 ] && [[ $output == *"[two"*"lines]"*"1 /f"* && $output != *s3cret* ]] || { echo "$output"; false; }
    head -c 200000 /dev/zero | tr '\0' x >"$T/large"
    say 'FROM busybox' 'RUN --mount=type=secret,id=x,env=X true'
    run docker build --secret "id=x,src=$T/large" .
    [ $status != 0 ] && [[ $output == *"the secret for the variable X can't be one: it is too large"* ]] || { echo "$output"; false; }
    rm "$T/sec"
    run grep -rq s3cret-value "$T/data" "$T/run" "$T/hoyd.log"
    [ $status = 1 ]
    say 'FROM busybox' 'RUN --mount=type=secret,id=x,required true'
    run docker build .
    [ $status != 0 ] && [[ $output == *"the client gives no secret 'x' (--secret id=x)"* ]]
    wait_for 5 nothing_is_left
}

@test "a step speaks with the client's ssh agent" {
    local pid
    start_agent
    say 'FROM busybox' 'RUN --mount=type=ssh stat -c "%F %a" $SSH_AUTH_SOCK; until [ -e /c/go ]; do sleep 0.1; done'
    sed -i 's,RUN,RUN --mount=type=cache\,target=/c\,id=ssh,' Dockerfile
    "$DOCKER" build --ssh "default=$T/agent.sock" . >"$T/out" 2>&1 3>&- &
    pid=$!
    wait_for 20 grep -q "socket 600" "$T/out"
    python3 - "$T"/run/build-secrets/* <<'ASK'
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
peer.settimeout(100)
peer.sendall(b"\0\0\0\1\x0b")
answer = b""
while len(answer) < 9 and (piece := peer.recv(9)):
    answer += piece
assert answer == b"\0\0\0\5\x0c\0\0\0\0", answer
ASK
    touch "$(echo "$T"/data/build-mounts/*)/go"
    wait "$pid"
    say 'FROM busybox' 'RUN --mount=type=ssh echo "none:$SSH_AUTH_SOCK"'
    run docker build .
    [ $status = 0 ] && [[ $output == *none:* ]]
    say 'FROM busybox' 'RUN --mount=type=ssh,required true'
    run docker build .
    [ $status != 0 ] && [[ $output == *"the client forwards no agent 'default'"* ]]
    wait_for 5 nothing_is_left
}

@test "base images are pulled with the credentials that the client has" {
    serve closed
    start_registry auth=basic:me:word
    say "FROM $R/closed" 'RUN true'
    run docker build .
    [ $status != 0 ]
    docker login -u me -p word "$R"
    run docker build .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"pull base images"* ]]
    docker logout "$R"
}

@test "clients that lie, leave or say nothing harm nobody" {
    local id
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST http://x/session)" = 400 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST 'http://x/build?version=2')" = 400 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST 'http://x/build?version=3')" = 400 ]
    python3 - "$T/hoy.sock" <<'ABUSE'
import os, socket, struct, sys
def session(name):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(100)
    peer.connect(sys.argv[1])
    peer.sendall(("POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                  "X-Docker-Expose-Session-Uuid: %s\r\n\r\n" % name).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(1)
    assert b" 101 " in head, head
    return peer
def build(name, more=""):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(100)
    peer.connect(sys.argv[1])
    peer.sendall(("POST /build?version=2&remote=client-session&session=%s&buildid=%s%s HTTP/1.1\r\nHost: x\r\n"
                  "Content-Length: 0\r\n\r\n" % (name, name, more)).encode())
    return peer
def all_of(peer):
    text = b""
    while b'"error"' not in text or not text.endswith(b"\r\n"):
        piece = peer.recv(65536)
        assert piece, text
        text += piece
    return text
# no HTTP/2 at all
peer, asked = session("a"), build("a")
peer.sendall(os.urandom(100000))
text = all_of(asked)
assert b"client" in text, text
# HTTP/2 that refuses all, then leaves in the middle of the transfer
peer, asked = session("b"), build("b")
peer.sendall(struct.pack(">I", 0)[1:] + b"\4\0\0\0\0\0")
peer.recv(65536)
peer.close()
text = all_of(asked)
assert b"client" in text, text
# the client of the build leaves, the session stays
peer, asked = session("c"), build("c")
peer.sendall(struct.pack(">I", 0)[1:] + b"\4\0\0\0\0\0")
asked.close()
# the same name twice: the second is shut
twice = session("c")
assert twice.recv(1) == b""
# a build whose session comes late is canceled meanwhile
asked = build("d")
cancel = socket.socket(socket.AF_UNIX)
cancel.connect(sys.argv[1])
cancel.sendall(b"POST /build/cancel?id=d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
assert b"canceled" in all_of(asked)
ABUSE
    hoyd_is_alive
    wait_for 5 nothing_is_left
    say 'FROM busybox' 'COPY a.txt /' 'RUN cat a.txt'
    docker build .
    [ -n "$HOYD_PID" ]
    wait_for 20 eval '! pgrep -P "$HOYD_PID" hoy-build'
}
