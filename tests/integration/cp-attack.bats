#!/usr/bin/env bats
# cp against a hostile container, clients that leave, and a hoyd that is killed.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    stack_setup
    cd "$T"
}
teardown() {
    cd /
    stack_teardown
}

docker() { timeout 60 "$DOCKER" "$@"; }
archive() { # METHOD CONTAINER PATH [CURL-OPTION...]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50/containers/$2/archive?path=$3" "${@:4}"
}
run_box() { docker run -d --name box --network none "$@" busybox sh -c 'trap exit TERM; while :; do sleep 0.2; done'; }
n_mounts() { grep -c . /proc/self/mountinfo; }

@test "attack: links and directories that change while they are copied lead nowhere on the host (CVE-2018-15664)" {
    echo host-secret >"$T/secret"
    docker run -d --name box --network none busybox sh -c \
        "mkdir -p /w/dir /w/real; echo inside >/w/dir/secret; echo inside >/w/real/secret
         while :; do mv /w/dir /w/was; ln -s $T /w/dir; rm /w/dir; mv /w/was /w/dir; usleep 2000; done"
    before=$(ls -A "$T" | sort)
    echo planted >planted
    for i in $(seq 6); do
        docker cp box:/w/dir/secret "out$i" 2>/dev/null || continue
        [ "$(cat "out$i")" = inside ]
        rm "out$i"
    done
    rm -f out*
    for i in $(seq 6); do docker cp planted box:/w/dir/planted 2>/dev/null || :; done
    rm planted
    [ "$(ls -A "$T" | sort)" = "$(echo "$before" | grep -v planted)" ]
}

@test "attack: absolute links, dot-dots and archives that want out stay in the container" {
    echo host-secret >"$T/secret"
    run_box
    docker cp - box:/root < <(mkdir l && ln -s / l/root && ln -s "../../../../../../../../$T" l/up && ln -s "$T" l/abs && tar -C l -cf - root up abs)
    run -1 docker cp "box:/root/root/$T/secret" out
    run -1 docker cp box:/root/up/secret out
    run -1 docker cp box:/root/abs/secret out
    run -1 docker cp "box:/proc/1/root/$T/secret" out
    run -1 docker cp box:/root/abs/. out
    for name in ../evil /../../evil; do
        python3 - "$name" >evil.tar <<'END'
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as t:
    i = tarfile.TarInfo(sys.argv[1]); i.size = 4
    t.addfile(i, io.BytesIO(b"evil"))
END
        [[ "$(archive PUT box /root --data-binary @evil.tar | jq -r .message)" == *"leads out of the root" ]]
    done
    python3 - "$T" >evil.tar <<'END'
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as t:
    i = tarfile.TarInfo("d"); i.type = tarfile.SYMTYPE; i.linkname = sys.argv[1]; t.addfile(i)
    i = tarfile.TarInfo("d/evil"); i.size = 4; t.addfile(i, io.BytesIO(b"evil"))
END
    archive PUT box /root --data-binary @evil.tar >/dev/null
    [ ! -e "$T/evil" ]
}

@test "a fifo, a device or an endless file does not hold a copy; a client that leaves frees the container" {
    docker create --name box --network none busybox true
    mkdir tree
    mkfifo tree/fifo
    head -c 30000000 /dev/zero >tree/large
    tar -cf - tree | docker cp - box:/root
    docker cp box:/root/tree/fifo - | tar t
    # the client reads no more and goes away: the start that waits for the copy goes on
    curl -sS --unix-socket "$T/hoy.sock" "http://x/containers/box/archive?path=/root/tree" --limit-rate 10k -o /dev/null &
    client=$!
    wait_for 10 pgrep -P "$HOYD_PID" -x hoy-files
    docker start box &
    starter=$!
    kill "$client"
    wait "$client" || :
    wait "$starter"
}

@test "cp leaves no mount and no process; hoyd killed in the middle loses nothing" {
    before=$(n_mounts)
    docker create --name box --network none -v vol:/vol busybox cat /root/file
    echo kept >file
    docker cp file box:/root/file
    head -c 200000000 /dev/zero | docker cp - box:/root 2>/dev/null < <(head -c 50000000 /dev/zero >big; tar -cf - big; sleep 2) &
    client=$!
    has_worker() { worker=$(pgrep -P "$HOYD_PID" -x hoy-files | head -1) && [ -n "$worker" ]; }
    wait_for 10 has_worker
    kill_hoyd
    wait "$client" || :
    wait_for 10 is_gone "$worker"
    start_hoyd
    [ "$(docker start -a box)" = kept ]
    docker rm box
    [ "$(n_mounts)" = "$before" ]
}
is_gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
