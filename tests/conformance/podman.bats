#!/usr/bin/env bats
# Debian's podman and buildah with hoyrun as their runtime, on storage of their own. RUNTIME=runc compares.
bats_require_minimum_version 1.5.0
load ../integration/lib

# Everything podman keeps is in $D; nothing of the machine's configuration counts.
setup_file() {
    require_root
    export D CONTAINERS_CONF CONTAINERS_STORAGE_CONF BUILDAH_RUNTIME BUILDAH_ISOLATION=oci
    D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-podman-XXXXXX")
    CONTAINERS_CONF=$D/containers.conf CONTAINERS_STORAGE_CONF=$D/storage.conf BUILDAH_RUNTIME=${RUNTIME:-$HOYRUN}
    ls /sys/fs/cgroup >"$D/hierarchies"
    # podman's own default raises rlimits, which a host without CAP_SYS_RESOURCE forbids every runtime; soft and hard
    # limit are the same because `play kube` takes one for the other.
    cat >"$CONTAINERS_CONF" <<X
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "$D/tmp"
lock_type = "file"
runtime = "${RUNTIME:-hoyrun}"
runtime_supports_json = ["hoyrun"]
runtime_supports_nocgroup = ["hoyrun"]
infra_image = "localhost/pause:latest"
[engine.runtimes]
hoyrun = ["$HOYRUN"]
[network]
network_config_dir = "$D/networks"
X
    printf '[storage]\ndriver = "overlay"\nrunroot = "%s"\ngraphroot = "%s"\n' "$D/run" "$D/graph" >"$CONTAINERS_STORAGE_CONF"
    "$TOP/tests/integration/make-image" -o "$D/busybox.tar" --name busybox:latest sh
    "$TOP/tests/integration/make-image" -o "$D/pause.tar" --name pause:latest --label infra=yes sh -c 'while :; do sleep 1000; done'
    p load -q -i "$D/busybox.tar"
    p load -q -i "$D/pause.tar"
}

teardown_file() {
    [ -n "${D:-}" ] || return 0
    p rmi -fa >/dev/null 2>&1 || :
    remove_cgroup_parents libpod_parent
    # For controllers that the kernel has not, podman makes plain directories where their hierarchies would be.
    for name in $(ls /sys/fs/cgroup | grep -vxFf "$D/hierarchies"); do
        [ "$(stat -f -c %T "/sys/fs/cgroup/$name")" != tmpfs ] || rm -rf --one-file-system "/sys/fs/cgroup/$name"
    done
    rm -rf --one-file-system "$D"
}

setup() {
    make_test_dir
}

# Most tests leave no container, and it takes half a second of processor time to be told so by podman.
teardown() {
    if grep -q '"id"' "$D/graph/overlay-containers/"*containers.json; then
        p pod rm -fa -t 0 >/dev/null 2>&1 || :
        p rm -fa -t 0 >/dev/null 2>&1 || :
    fi
    remove_test_dir
}

p() { timeout 60 podman "$@"; }
run_once() { p run --rm --network none "$@"; }
in_terminal() { timeout 60 "$TOP/tests/integration/pty-run" "$@"; }

# limit V2-FILE V1-CONTROLLER V1-FILE: a shell command that prints the limit of the container it runs in.
limit() { echo "cat /sys/fs/cgroup/$1 2>/dev/null || cat /sys/fs/cgroup/$2/$3"; }

@test "podman runs a container: output, exit codes" {
    run run_once busybox echo hello
    [ "$status" = 0 ]
    [ "$output" = hello ]
    run run_once busybox sh -c 'exit 7'
    [ "$status" = 7 ]
    run -127 run_once busybox nosuchprogram
    [[ "$output" == *"executable file"*"not found"*": OCI runtime attempted to invoke a command that was not found" ]]
    run -126 run_once busybox /etc
    [[ "$output" == *"OCI runtime error: hoyrun: "*"is a directory" ]]
}

log_has() { p logs "$1" 2>&1 | grep -q "$2"; }

@test "podman --cgroups=disabled: the container stays in the group of who started it" {
    p run -d --name c --network none --cgroups=disabled busybox sleep 100
    pid=$(p inspect -f '{{.State.Pid}}' c)
    [ "$(cat "/proc/$pid/cgroup")" = "$(cat /proc/self/cgroup)" ]
    [ "$(p exec c echo inside)" = inside ]
    p stop -t 0 c
    [ "$(p inspect -f '{{.State.Status}}' c)" = exited ]
    p rm c
    run p run --rm --network none --cgroups=disabled --memory 64m busybox true
    [ "$status" != 0 ]
}

@test "podman runs detached, shows logs, stops and removes" {
    p run -d --name web --network none busybox sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    wait_for 10 log_has web up
    [ "$(p ps --format '{{.Names}}')" = web ]
    p stop -t 10 web
    [ "$(p wait web)" = 3 ]
    [[ "$(p logs web)" == *bye* ]]
    p restart -t 0 web
    [ "$(p inspect -f '{{.State.Status}}' web)" = running ]
    p kill -s KILL web
    [ "$(p wait web)" = 137 ]
    p rm web
    [ -z "$(p ps -aq)" ]
}

@test "podman's limits, user, read-only root and capabilities reach the container" {
    run run_once --read-only -u 1000:1000 --cap-drop all -m 64m --pids-limit 20 --tmpfs /t:size=1m,mode=1777 busybox sh -c "
        id -u; touch /x 2>/dev/null || echo read-only; grep CapEff /proc/self/status | cut -f2
        touch /t/x && echo tmpfs; $(limit memory.max memory memory.limit_in_bytes); $(limit pids.max pids pids.max)"
    [ "$status" = 0 ]
    [ "${lines[0]}" = 1000 ]
    [ "${lines[1]}" = read-only ]
    [ "${lines[2]}" = 0000000000000000 ]
    [ "${lines[3]}" = tmpfs ]
    [ "${lines[4]}" = 67108864 ]
    [ "${lines[5]}" = 20 ]
}

@test "podman gives a terminal to run and to exec" {
    # podman itself may lose what comes before its attach, whatever the runtime: hence the second.
    run in_terminal --size 30x90 podman run --rm -it --network none busybox sh -c 'sleep 1; tty; stty size'
    [ "$status" = 0 ]
    [[ "$output" == *"/dev/pts/0"*"30 90"* ]]
    p run -d --name c --network none busybox sleep 100
    run in_terminal --size 31x91 --wait-for '# ' --input 'stty size; exit 5\n' podman exec -it -e PS1='# ' c sh
    [ "$status" = 5 ]
    [[ "$output" == *"31 91"* ]]
}

@test "podman exec: streams, environment, user, working directory, exit codes" {
    p run -d --name c --network none -e FROM=run busybox sleep 100
    [ "$(echo input | p exec -i c cat)" = input ]
    [ "$(p exec -e A=b -w /tmp -u 1000 c sh -c 'echo "$FROM $A $PWD $(id -u)"')" = "run b /tmp 1000" ]
    run -4 p exec c sh -c 'exit 4'
    run -127 p exec c nosuchprogram
    p exec -d c sh -c 'echo detached >/made'
    wait_for 10 p exec c grep -q detached /made
}

@test "podman top, stats, pause and update" {
    p run -d --name c --network none -m 64m busybox sh -c 'exec sleep 100'
    [[ "$(p top c pid args)" == *"1 "*"sleep 100"* ]]
    [[ "$(p stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' c)" == "1 "*" / 67.11MB" ]]
    p pause c
    [ "$(p inspect -f '{{.State.Status}}' c)" = paused ]
    run p exec c true
    [ "$status" != 0 ]
    p unpause c
    p exec c true
    p update -m 80m --cpus 0.5 c
    run p exec c sh -c "$(limit memory.max memory memory.limit_in_bytes); $(limit cpu.max cpu cpu.cfs_quota_us)"
    [ "${lines[0]}" = 83886080 ]
    [ "${lines[1]%% *}" = 50000 ]
}

@test "an out-of-memory kill is the container's exit code" {
    cd "$T" # conmon leaves a file named oom where it was started
    run -137 run_once -m 10m --memory-swap 10m busybox sh -c 'exec tail -c 60000000 /dev/zero'
}

# bats test_tags=long
@test "podman's health checks see the container" {
    p run -d --name c --network none --health-cmd 'test -e /ok' --health-retries 1 --health-interval disable busybox sleep 100
    run p healthcheck run c
    [ "$status" = 1 ]
    p exec c touch /ok
    p healthcheck run c
    [ "$(p inspect -f '{{.State.Health.Status}}' c)" = healthy ]
}

@test "podman's volumes, binds and overlays of binds" {
    mkdir "$T/bind"
    echo host >"$T/bind/f"
    run_once -v v:/v busybox sh -c 'echo kept >/v/f'
    [ "$(run_once -v v:/v:ro busybox sh -c 'cat /v/f; touch /v/g 2>/dev/null || echo ro')" = $'kept\nro' ]
    p volume rm v
    run_once -v "$T/bind:/b:O" busybox sh -c 'echo changed >/b/f'
    [ "$(cat "$T/bind/f")" = host ]
    run_once -v "$T/bind:/b" busybox sh -c 'echo changed >/b/f'
    [ "$(cat "$T/bind/f")" = changed ]
    [ "$(run_once --mount "type=bind,src=$T/bind,dst=/b,ro=true" busybox sh -c 'cat /b/f; touch /b/g 2>/dev/null || echo ro')" = $'changed\nro' ]
}

# bats test_tags=long
@test "podman copies to and from a running container" {
    p run -d --name c --network none busybox sleep 100
    echo there >"$T/f"
    p cp "$T/f" c:/tmp/f
    [ "$(p exec c cat /tmp/f)" = there ]
    [ "$(p cp c:/tmp/f - | tar -xO)" = there ]
    [[ "$(p diff c)" == *"A /tmp/f"* ]]
}

@test "podman --init, --device, --ulimit, --privileged, masks, sysctls" {
    [ "$(run_once --init --init-path /usr/bin/catatonit busybox cat /proc/1/cmdline | tr '\0' ' ')" = "/run/podman-init -- cat /proc/1/cmdline " ]
    [ -e /dev/fuse ] || skip_because no-fuse "no /dev/fuse to give to a container"
    run run_once --device /dev/fuse:/dev/mine:r busybox sh -c '(: </dev/mine) && echo read; (: >/dev/mine) 2>/dev/null || echo refused'
    [ "$output" = $'read\nrefused' ]
    [ "$(run_once --ulimit nofile=100:200 --ulimit nproc=100:100 --ulimit core=0 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c')" = $'100\n200\n0' ]
    run run_once --privileged busybox sh -c 'mkdir /m; mount -t tmpfs x /m && grep -c " /m " /proc/mounts; grep Seccomp: /proc/self/status | tr -d "\t"; test -e /dev/loop-control && echo devices'
    [ "${lines[0]}" = 1 ]
    [ "${lines[1]}" = Seccomp:0 ]
    [ ! -e /dev/loop-control ] || [ "${lines[2]}" = devices ]
    [ -z "$(run_once --security-opt mask=/etc/passwd busybox cat /etc/passwd)" ]
    [ "$(run_once --sysctl net.ipv4.ip_forward=1 --oom-score-adj 500 busybox cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj)" = $'1\n500' ]
    [ "$(run_once --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status | tr -d '\t')" = NoNewPrivs:1 ]
}

@test "podman with a user namespace" {
    run run_once --uidmap 0:100000:65536 --gidmap 0:200000:65536 -v "$T:/t" busybox sh -c '
        id -u; tr -s " " </proc/self/uid_map; touch /f && stat -c %u:%g /f /t; echo x >/dev/null && echo device'
    [ "$output" = $'0\n 0 100000 65536\n0:0\n65534:65534\ndevice' ]
}

@test "podman passes descriptors and host namespaces on" {
    echo passed >"$T/f"
    [ "$(run_once --preserve-fds 1 busybox sh -c 'cat <&3' 3<"$T/f")" = passed ]
    [ "$(p run --rm --network host --uts host --ipc host busybox sh -c 'for n in net uts ipc; do readlink /proc/self/ns/$n; done')" = \
        "$(readlink /proc/self/ns/net /proc/self/ns/uts /proc/self/ns/ipc)" ]
    [ "$(run_once --pid host busybox readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ]
    [ "$(run_once --pid host --cgroupns host busybox sed -n 's/.*libpod_parent.*/seen/p' /proc/self/cgroup | head -1)" = seen ]
}

@test "a pod: containers share an infra container's namespaces, and live with it" {
    p pod create --name pod --hostname podhost --network none --share net,ipc,uts,pid
    p run -d --pod pod --name web busybox httpd -f -p 8080 -h /etc
    p run -d --pod pod --name other busybox sleep 100
    wait_for 10 p exec other wget -qO /dev/null http://127.0.0.1:8080/passwd
    [ "$(p exec other hostname)" = podhost ]
    [[ "$(p exec other ps)" == *"httpd -f -p 8080"* ]]
    [ "$(p pod stats --no-stream --format '{{.Name}}' pod | wc -l)" -ge 3 ]
    p pod pause pod
    [ "$(p inspect -f '{{.State.Status}}' web)" = paused ]
    p pod unpause pod
    p pod stop -t 0 pod
    [ -z "$(p ps -q)" ]
    p pod start pod
    [ "$(p pod inspect -f '{{.State}} {{.NumContainers}}' pod)" = "Running 3" ]
    # Where the kernel lacks a v1 controller, podman fails over the plain directory that it made in its place.
    p pod rm -f -t 0 pod || [ -d /sys/fs/cgroup/pids ]
    [ -z "$(p ps -aq)" ]
}

# bats test_tags=long
@test "podman play kube" {
    cat >"$T/pod.yaml" <<X
apiVersion: v1
kind: Pod
metadata: {name: kube}
spec:
  containers:
  - name: c
    image: localhost/busybox:latest
    command: [sh, -c, "$(limit memory.max memory memory.limit_in_bytes); exec sleep 100"]
    resources: {limits: {memory: 32Mi}}
X
    p play kube --network none "$T/pod.yaml"
    wait_for 10 log_has kube-c '^33554432$'
    p play kube --down "$T/pod.yaml" || [ -d /sys/fs/cgroup/pids ] # as above
    [ -z "$(p ps -aq)" ]
}

# A build whose steps see arguments, the context, a scratch mount, a working directory and a user.
context() {
    mkdir "$T/context"
    echo copied >"$T/context/file"
    cat >"$T/context/Containerfile" <<'X'
FROM localhost/busybox:latest
ARG WHO=nobody
COPY file /file
RUN echo "made for $WHO" >/made && chmod 777 /tmp
RUN --mount=type=tmpfs,dst=/scratch touch /scratch/x && grep -q /scratch /proc/mounts
WORKDIR /app
RUN chown nobody .
USER nobody
RUN id -un >me
CMD ["cat", "/file", "/made", "/app/me"]
X
}

# bats test_tags=long
@test "podman build runs its steps on the runtime" {
    context
    run p build --network none --build-arg WHO=podman -t built "$T/context"
    [ "$status" = 0 ]
    [ "$(grep -c level=warning <<<"$output")" -le 5 ] # at most one for each step
    [ "$(run_once built)" = $'copied\nmade for podman\nnobody' ]
    printf 'FROM localhost/busybox\nRUN exit 9\n' >"$T/context/Containerfile"
    run p build --network none "$T/context"
    [ "$status" != 0 ]
    [[ "$output" == *"exit status 9"* ]]
}

@test "buildah bud, from, run, commit" {
    context
    timeout 60 buildah bud --network none -t built2 "$T/context"
    [ "$(run_once built2)" = $'copied\nmade for nobody\nnobody' ]
    c=$(timeout 60 buildah from localhost/busybox)
    run -7 timeout 60 buildah run --network none "$c" sh -c 'echo ran >/ran; exit 7'
    [ "$(echo input | timeout 60 buildah run --network none "$c" cat 2>/dev/null)" = input ]
    run timeout 60 buildah run --network none -v "$T/context:/c:ro" --user nobody --hostname built --cap-drop all "$c" \
        sh -c 'cat /c/file; id -un; hostname; grep CapBnd /proc/self/status | cut -f2; touch /c/x 2>/dev/null || echo ro'
    [[ "$output" == *$'copied\nnobody\nbuilt\n0000000000000000\nro' ]]
    run in_terminal buildah run -t --network none "$c" sh -c 'tty; exit 5'
    [ "$status" = 5 ]
    [[ "$output" == *"/dev/pts/0"* ]]
    timeout 60 buildah commit -q "$c" committed
    [ "$(run_once committed cat /ran)" = ran ]
    timeout 60 buildah rm "$c"
}

@test "podman of a user without privileges: run, exec, build, pods" {
    mkdir "$T/home" "$T/run"
    echo 65534:400000:65536 >"$T/subids"
    cp "$HOYRUN" "$T/hoyrun"
    sed -e "s|^hoyrun = .*|hoyrun = [\"$T/hoyrun\"]|" -e "s|$D|$T|" -e 's/4096/1024/g' "$CONTAINERS_CONF" >"$T/containers.conf"
    printf '[storage]\ndriver = "overlay"\nrunroot = "%s"\nrootless_storage_path = "%s"\n' "$T/run/storage" "$T/graph" >"$T/storage.conf"
    cat >"$T/as-nobody" <<'X'
set -eu
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; exit 1; }; }
trap 'podman system migrate' EXIT # which ends the process that holds the user namespace
cd
podman load -q -i "$D/busybox.tar"
status=0
out=$(podman run --rm --network none -v "$HOME:/h" busybox sh -c 'id -u; tr -s " " </proc/self/uid_map; touch /h/made; exit 7') || status=$?
same "$status $out" $'7 0\n 0 65534 1\n 1 400000 65536'
same "$(stat -c %u made)" 65534
podman run -d --name box --network none busybox sleep 100
same "$(podman exec -u 1000 box id -u)" 1000
same "$(podman top box args | tail -1)" "sleep 100 "
[ -e "$XDG_RUNTIME_DIR/hoyrun/$(podman inspect -f '{{.Id}}' box)" ]
podman rm -f -t 0 box
same "$(podman run --rm --userns keep-id --network none busybox id -un)" nobody
podman build -q --network none -t built - <<<$'FROM localhost/busybox\nRUN chown 5 /tmp'
same "$(podman run --rm --network none built stat -c %u /tmp)" 5
podman pod create --name pod --infra-image localhost/busybox --infra-command "sleep 100" --network none --share pid,net
podman run --rm --pod pod busybox ps | grep "sleep 100"
podman pod rm -f -t 0 pod
same "$(ls "$XDG_RUNTIME_DIR/hoyrun")" ""
podman rmi -fa
X
    chmod 755 "$D"
    chown -R 65534:65534 "$T"
    unshare --mount --propagation private sh -c 'mount --bind "$T/subids" /etc/subuid && mount --bind "$T/subids" /etc/subgid && exec "$@"' sh \
        timeout -k 5 100 setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" D="$D" HOME="$T/home" XDG_RUNTIME_DIR="$T/run" \
        CONTAINERS_CONF="$T/containers.conf" CONTAINERS_STORAGE_CONF="$T/storage.conf" bash "$T/as-nobody"
}

# A counter in container $1; what it has counted.
counts() { p run -d --name "$1" --network none busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'; }
last_of() { p logs --tail 1 "$1"; }
counted() { [ "$(last_of "$1" | grep -x '[0-9]*' || echo 0)" -gt "$2" ]; }
is_on() { [ "$(p inspect -f '{{.State.Running}}' "$1")" = true ]; }

@test "podman checkpoint and restore: the program goes on; an archive of it starts under another name" {
    criu check >/dev/null 2>&1 || skip_because no-criu "this machine's criu can't work on its kernel"
    counts counter
    wait_for 60 counted counter 3
    p container checkpoint counter
    run -1 is_on counter
    last=$(last_of counter)
    p container restore counter
    is_on counter
    wait_for 60 counted counter $((last + 3))
    p logs counter >"$T/log"
    [ "$(sort -n -u "$T/log" | wc -l)" = "$(wc -l <"$T/log")" ] # it did not begin again
    p container checkpoint --leave-running counter
    is_on counter
    p container checkpoint --export "$T/counter.tar.gz" counter
    last=$(last_of counter)
    p rm counter
    p container restore --import "$T/counter.tar.gz" --name other
    is_on other
    wait_for 60 counted other $((last + 3))
    p rm -f -t 0 other
}
