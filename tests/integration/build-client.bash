# Shared by the suites of the clients that speak BuildKit: `load build-client`. After `load registry`, whose docker is another.
docker() { timeout 120 "$DOCKER" "$@"; }
say() { printf '%s\n' "$@" >Dockerfile; }
nothing_is_left() {
    [ -z "$("$HOY" ps -aq)" ] && [ -z "$(ls "$T/data/tmp"; ls "$T/run/build-secrets")" ] && ! ls "$T/data/l" | grep tmp
}

# Where Dockerfiles and contexts come from.
builds_from_everywhere() {
    mkdir "$T/else"
    printf 'FROM busybox\nCOPY . /all\nCMD ls /all\n' >"$T/else/Other"
    echo a.txt >"$T/else/Other.dockerignore"
    docker build -q -t else -f "$T/else/Other" .
    [ "$(docker run --rm else)" = d ]
    printf 'FROM busybox\nCOPY a.txt /x\nCMD cat /x\n' | docker build -q -t stdin -f - .
    [ "$(docker run --rm stdin)" = hello ]
    printf 'FROM busybox\nCMD echo alone\n' | docker build -q -t alone -
    [ "$(docker run --rm alone)" = alone ]
    say 'FROM busybox' 'COPY d /dd' 'CMD cat /dd/x'
    run bash -c 'tar -cz . | "$1" build -t piped -' - "$DOCKER"
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(docker run --rm piped)" = x ]
    wait_for 5 nothing_is_left
}

# -o of type local, tar and cacheonly.
results_as_files() {
    head -c 3000000 /dev/urandom >big
    mkfifo pipe
    say 'FROM busybox AS made' 'RUN mkdir -p /w/deep && echo y >/w/deep/y && chmod 4711 /w/deep/y && ln -s deep/y /w/l && mkdir /w/empty' \
        'FROM scratch' 'COPY --from=made /w /' 'COPY big /deep.txt' 'COPY pipe /'
    docker build -o "$T/files" .
    [ "$(cd "$T/files" && find . | sort | xargs)" = ". ./deep ./deep.txt ./deep/y ./empty ./l ./pipe" ]
    cmp big "$T/files/deep.txt"
    [ "$(cat "$T/files/l")" = y ] && [ "$(stat -c %a "$T/files/deep/y")" = 4711 ]
    docker build -o "type=tar,dest=$T/out.tar" .
    [ "$(tar -tf "$T/out.tar" | sed 's,^\./,,; /^$/d' | sort | xargs)" = "deep.txt deep/ deep/y empty/ l pipe" ]
    tar -xOf "$T/out.tar" --wildcards '*deep.txt' | cmp - big
    docker build -o type=cacheonly .
}

# An ssh agent without keys at $T/agent.sock; its process is AGENT_PID.
start_agent() {
    cat >"$T/agent.py" <<'AGENT'
import socket, struct, sys, threading
def speak(peer):
    while len(head := peer.recv(4, socket.MSG_WAITALL)) == 4:
        peer.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
        peer.sendall(struct.pack(">IBI", 5, 12, 0))  # no identities
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(8)
while True:
    threading.Thread(target=speak, args=(server.accept()[0],), daemon=True).start()
AGENT
    python3 "$T/agent.py" "$T/agent.sock" 3>&- &
    AGENT_PID=$!
    wait_for 20 test -S "$T/agent.sock"
}
