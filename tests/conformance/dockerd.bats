#!/usr/bin/env bats
# Debian's dockerd (20.10), its containerd and runc's shim with hoyrun as the default runtime. RUNTIME=runc compares.
bats_require_minimum_version 1.5.0
load ../integration/lib

DOCKERD=${DOCKERD:-$(command -v dockerd || :)}
DOCKER=${DOCKER:-$(command -v docker || :)}

# One daemon for the file: all it keeps is in $D, its containers' cgroups are below one of ours.
setup_file() {
    require_root
    [ -n "$DOCKERD" ] && [ -n "$DOCKER" ] || skip_because no-dockerd "dockerd is not there"
    export D DOCKER_HOST DOCKER_CONFIG GROUP=hoytest-dockerd-$$
    D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-dockerd-XXXXXX")
    DOCKER_HOST=unix://$D/docker.sock DOCKER_CONFIG=$D/client
    mkdir "$DOCKER_CONFIG"
    echo "{\"deprecated-key-path\": \"$D/key\"}" >"$D/daemon.json" # else it writes one into /etc
    start_dockerd
    "$TOP/tests/integration/make-image" -o "$D/busybox.tar" --name busybox:latest sh
    docker load -i "$D/busybox.tar"
}

start_dockerd() {
    "$DOCKERD" -H "$DOCKER_HOST" --data-root "$D/data" --exec-root "$D/run" --pidfile "$D/pid" --config-file "$D/daemon.json" \
        --iptables=false --ip6tables=false --bridge=none --live-restore --init-path /usr/bin/catatonit \
        --cgroup-parent "/$GROUP" --exec-opt native.cgroupdriver=cgroupfs \
        --add-runtime "hoy=${RUNTIME:-$HOYRUN}" --default-runtime hoy >>"$D/log" 2>&1 3>&- 4>&- &
    wait_for 20 docker version
}

stop_dockerd() {
    local pid
    pid=$(cat "$D/pid") && kill "$pid" && wait_for 20 is_gone "$pid"
}
is_gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

teardown_file() {
    [ -n "${D:-}" ] || return 0
    remove_containers
    stop_dockerd || :
    # a daemon with live-restore leaves its directory mounted on itself, and the host's network namespace
    awk -v d="$D/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount
    remove_cgroup_parents "$GROUP"
    rm -rf --one-file-system "$D"
}

remove_containers() { docker ps -aq | xargs -r timeout 60 "$DOCKER" rm -f >/dev/null 2>&1 || :; }
setup() { make_test_dir; }
teardown() {
    remove_containers
    remove_test_dir
}

docker() { timeout 60 "$DOCKER" "$@"; }
in_terminal() { timeout 60 "$TOP/tests/integration/pty-run" "$@"; }
inspect() { docker inspect -f "$2" "$1"; }
is() { [ "$(inspect "$1" "$2")" = "$3" ]; } # CONTAINER TEMPLATE TEXT
log_has() { docker logs "$1" 2>&1 | grep -q "$2"; }

# limit V2-FILE V1-CONTROLLER V1-FILE: a shell command that prints the limit of the container it runs in.
limit() { echo "cat /sys/fs/cgroup/$1 2>/dev/null || cat /sys/fs/cgroup/$2/$3"; }

@test "dockerd run: streams, exit codes, what can't be executed" {
    run --separate-stderr docker run --rm busybox sh -c 'echo out; echo err >&2; exit 3'
    [ "$status $output $stderr" = "3 out err" ]
    [ "$(echo input | docker run --rm -i busybox cat)" = input ]
    run -127 docker run --rm busybox nosuchprogram
    [[ "$output" == *"OCI runtime create failed: "*'exec: "nosuchprogram": executable file not found in $PATH'* ]]
    run -126 docker run --rm busybox /etc/passwd
}

@test "dockerd run and exec in a terminal" {
    # the first size comes after the start, by a request of the client's
    run in_terminal --size 31x91 docker run --rm -it busybox sh -c 'sleep 1; tty; stty size; exit 5'
    [ "$status" = 5 ]
    [[ "$output" == *"/dev/pts/0"*"31 91"* ]]
    docker run -d --name box busybox sleep 100
    run in_terminal --size 32x92 --wait-for '# ' --input 'sleep 1; stty size; exit 6\n' docker exec -it -e PS1='# ' box sh
    [ "$status" = 6 ]
    [[ "$output" == *"32 92"* ]]
}

@test "dockerd exec: streams, environment, user, working directory, exit codes" {
    docker run -d --name box -e FROM=run busybox sleep 100
    [ "$(echo input | docker exec -i box cat)" = input ]
    [ "$(docker exec -e A=b -w /tmp -u 1000:5 box sh -c 'echo "$FROM $A $PWD $(id -u):$(id -g)"')" = "run b /tmp 1000:5" ]
    run -4 docker exec box sh -c 'exit 4'
    run docker exec box nosuchprogram
    [ "$status" = 126 ] || [ "$status" = 127 ] # 20.10, later
    [[ "$output" == *"OCI runtime exec failed: "*'exec: "nosuchprogram": executable file not found in $PATH'* ]]
    docker exec -d box sh -c 'echo detached >/made'
    wait_for 10 docker exec box grep -q detached /made
    [[ "$(docker exec --privileged box grep CapBnd /proc/self/status)" != "$(docker exec box grep CapBnd /proc/self/status)" ]]
}

@test "dockerd: logs, stop, start, restart, kill, wait" {
    docker run -d --name box busybox sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    wait_for 10 log_has box up
    docker stop -t 10 box
    is box '{{.State.ExitCode}}' 3
    log_has box bye
    docker start box
    docker restart -t 0 box
    is box '{{.State.Running}}' true
    docker kill box
    [ "$(docker wait box)" = 137 ]
    [ "$(docker logs box | grep -c up)" = 3 ]
}

@test "dockerd: limits, update, stats, top" {
    docker run -d --name box -m 64m --pids-limit 50 --cpus 0.5 busybox sleep 100
    limits="$(limit memory.max memory memory.limit_in_bytes); $(limit pids.max pids pids.max); $(limit cpu.max cpu cpu.cfs_quota_us)"
    run docker exec box sh -c "$limits"
    [ "${lines[*]%% *}" = "67108864 50 50000" ]
    docker update -m 80m --memory-swap 160m --cpus 0.7 --pids-limit 60 box
    run docker exec box sh -c "$limits"
    [ "${lines[*]%% *}" = "83886080 60 70000" ]
    [[ "$(docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' box)" == "box 1 "*" / 80MiB" ]]
    [[ "$(docker top box -o pid,args)" == *"sleep 100"* ]]
}

@test "dockerd: pause freezes" {
    docker run -d --name box busybox sh -c 'while :; do date +%N >/now; done'
    docker pause box
    is box '{{.State.Status}}' paused
    now=$(docker cp box:/now - | tar -xO)
    sleep 0.3
    [ "$(docker cp box:/now - | tar -xO)" = "$now" ]
    docker unpause box
    docker exec box true
}

@test "dockerd: a container that needs more memory than it may have is killed" {
    # that it was for its memory, runc's shim notices only when it is fast enough
    run -137 docker run --rm -m 10m --memory-swap 10m busybox tail -c 60000000 /dev/zero
}

@test "dockerd: health checks and restart policies" {
    docker run -d --name sick --health-cmd 'test -e /ok' --health-interval 0.2s --health-retries 1 busybox sleep 100
    docker run -d --name failing --restart on-failure:2 busybox sh -c 'echo try; exit 3'
    wait_for 10 is sick '{{.State.Health.Status}}' unhealthy
    docker exec sick touch /ok
    wait_for 10 is sick '{{.State.Health.Status}}' healthy
    wait_for 20 is failing '{{.RestartCount}} {{.State.Status}}' "2 exited"
    [ "$(docker logs failing)" = $'try\ntry\ntry' ]
}

@test "dockerd: copies, changes, commit" {
    docker run -d --name box busybox sleep 100
    echo there >"$T/f"
    docker cp "$T/f" box:/tmp/f
    [ "$(docker exec box cat /tmp/f)" = there ]
    [ "$(docker cp box:/tmp/f - | tar -xO)" = there ]
    [[ "$(docker diff box)" == *"A /tmp/f"* ]]
    docker commit box committed
    [ "$(docker run --rm committed cat /tmp/f)" = there ]
}

@test "dockerd: volumes, binds, tmpfs, read-only root, devices, ulimits, init, namespaces" {
    docker run --rm -v vol:/v busybox sh -c 'echo kept >/v/f'
    run docker run --rm --read-only --tmpfs /t -v vol:/v:ro -v "$T:/b" busybox sh -c '
        cat /v/f; touch /x 2>/dev/null || echo ro; touch /v/x 2>/dev/null || echo ro; touch /t/x /b/made && echo rw'
    [ "$output" = $'kept\nro\nro\nrw' ]
    [ -e "$T/made" ]
    docker volume rm vol
    [ -e /dev/fuse ] || skip_because no-fuse "no /dev/fuse to give to a container"
    run docker run --rm --device /dev/fuse:/dev/mine:r busybox sh -c '(: </dev/mine) && echo read; (: >/dev/mine) 2>/dev/null || echo refused'
    [ "$output" = $'read\nrefused' ]
    [ "$(docker run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn')" = $'100\n200' ]
    [[ "$(docker run --rm --init busybox ps)" == *" 1 root "*"docker-init -- ps"* ]]
    [ "$(docker run --rm --network host busybox readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ]
    [ "$(docker run --rm --pid host busybox readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ]
    docker run -d --name box --ipc shareable busybox sleep 100
    [[ "$(docker run --rm --pid container:box --ipc container:box busybox ps)" == *"sleep 100"* ]]
}

@test "dockerd: privileges" {
    show='grep -E "^(CapEff|Seccomp|NoNewPrivs):" /proc/self/status | cut -f2 | tr "\n" " "'
    [ "$(docker run --rm busybox sh -c "$show")" = "00000000a80425fb 0 2 " ]
    [ "$(docker run --rm -u 1000 --cap-drop all --security-opt no-new-privileges busybox sh -c "$show")" = "0000000000000000 1 2 " ]
    [ "$(docker run --rm --cap-drop all --cap-add CHOWN --security-opt seccomp=unconfined busybox sh -c "$show")" = "0000000000000001 0 0 " ]
    run docker run --rm --privileged busybox sh -c 'mkdir /m && mount -t tmpfs x /m && echo mounted'
    [ "$output" = mounted ]
    run docker run --rm busybox sh -c 'mkdir /m && mount -t tmpfs x /m'
    [ "$status" != 0 ]
    run docker run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/panic'
    [ "$status" != 0 ]
    [ -z "$(docker run --rm busybox cat /proc/timer_list)" ]
}

@test "dockerd: the classic builder" {
    export DOCKER_BUILDKIT=0
    mkdir "$T/context"
    echo copied >"$T/context/file"
    cat >"$T/context/Dockerfile" <<'X'
FROM busybox
ARG WHO=nobody
COPY file /file
RUN echo "made for $WHO" >/made
WORKDIR /app
RUN chown nobody .
USER nobody
RUN id -un >me
CMD ["cat", "/file", "/made", "/app/me"]
X
    docker build -q --build-arg WHO=docker -t built "$T/context"
    [ "$(docker run --rm built)" = $'copied\nmade for docker\nnobody' ]
    run docker build --memory 20m - <<<$'FROM busybox\nRUN exit 9'
    [ "$status" != 0 ]
    [[ "$output" == *"returned a non-zero code: 9"* ]]
}

@test "dockerd restarts, its containers live on" {
    docker run -d --name box busybox sh -c 'while :; do sleep 0.1; [ ! -e /stop ] || exit 8; done'
    pid=$(inspect box '{{.State.Pid}}')
    stop_dockerd
    kill -0 "$pid"
    start_dockerd
    is box '{{.State.Pid}}' "$pid"
    docker exec box touch /stop
    [ "$(docker wait box)" = 8 ]
    [ -z "$(find /sys/fs/cgroup -path "*/$GROUP/*" -type d)" ]
}
