# Pods, as a kubelet asks for them: the CRI plugin of Debian's containerd over our shim and runtime. For shim-cri*.bats.
load lib

# One containerd per file in directories of its own. Its pods get their network from a plugin of ours.
setup_file() {
    require_root
    export D
    D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-cri-XXXXXX")
    export GROUP=hoycri$$ IMAGE=registry.test/busybox:1
    mkdir -p "$D"/{bin,logs,cni/bin,cni/conf}
    # containerd looks for shims in its working directory first
    ln -s "$HOY_SHIM" "$D/bin/containerd-shim-hoy-v2"
    make_network
    cat >"$D/config.toml" <<C
version = 2
root = "$D/root"
state = "$D/state"
[grpc]
  address = "$D/c.sock"
[ttrpc]
  address = "$D/c.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$D/cni/bin"
    conf_dir = "$D/cni/conf"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "hoy"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hoy]
    runtime_type = "io.containerd.hoy.v2"
C
    start_containerd
    import_image "$IMAGE"
    import_image registry.test/pause:1 sleep 100000
}

# Plays the CNI plugins loopback and testnet: one end of a pair in the pod, the other on the bridge pods0.
make_network() {
    ip link add pods0 type bridge
    ip addr add 10.9.0.1/16 dev pods0
    ip link set pods0 up
    cat >"$D/cni/bin/loopback" <<'C'
#!/bin/sh
ns=$(basename "$CNI_NETNS")
answer() { # LINK ADDRESS
    echo '{"cniVersion":"0.3.1","interfaces":[{"name":"'"$1"'","sandbox":"'"$CNI_NETNS"'"}],
        "ips":[{"version":"4","address":"'"$2"'","interface":0}]}'
}
case $CNI_COMMAND:$(basename "$0") in
VERSION:*) echo '{"cniVersion":"0.3.1","supportedVersions":["0.3.1"]}' ;;
ADD:loopback)
    ip -n "$ns" link set lo up
    answer lo 127.0.0.1/8 ;;
ADD:testnet)
    n=$(($(ip -o link show master pods0 | wc -l) + 2))
    end=v$(printf %.12s "$CNI_CONTAINERID")
    ip link add "$end" master pods0 type veth peer name eth0 netns "$ns"
    ip link set "$end" up
    ip -n "$ns" addr add "10.9.0.$n/16" dev eth0
    ip -n "$ns" link set eth0 up
    answer eth0 "10.9.0.$n/16" ;;
esac
C
    chmod +x "$D/cni/bin/loopback"
    ln "$D/cni/bin/loopback" "$D/cni/bin/testnet"
    echo '{"cniVersion":"0.3.1","name":"testnet","plugins":[{"type":"testnet"}]}' >"$D/cni/conf/10-testnet.conflist"
}

start_containerd() {
    (cd "$D" && PATH=$D/bin:$PATH exec containerd -c "$D/config.toml" >>"$D/containerd.log" 2>&1 3>&- 4>&-) &
    echo $! >"$D/pid"
    wait_for 20 cri Version
}

import_image() { # NAME [CMD...]
    "$TOP/tests/integration/make-image" -o "$D/image.tar" --name "$@"
    ctr -a "$D/c.sock" -n k8s.io image import "$D/image.tar"
    known() { cri ListImages | jq -e --arg name "$1" 'any(.images[].repo_tags[]; . == $name)'; }
    wait_for 20 known "$1"
}

teardown_file() {
    [ -n "${D:-}" ] || return 0
    kill "$(cat "$D/pid")" 2>/dev/null || :
    wait_for 10 is_dead "$(cat "$D/pid")"
    rm -rf --one-file-system "$D"
    ip link del pods0 || :
    remove_cgroup_parents "$GROUP"
}

setup() {
    POD_NAME=pod$BATS_TEST_NUMBER
    POD_LINUX='{}'
}

# Everything goes, and takes what it held with it.
teardown() {
    local id
    for id in $(cri ListPodSandbox | jq -r '.items[].id'); do
        cri StopPodSandbox "{\"pod_sandbox_id\":\"$id\"}"
        cri RemovePodSandbox "{\"pod_sandbox_id\":\"$id\"}"
    done
    wait_for 10 no_shim
    [ -z "$(ls /run/hoyrun/k8s.io 2>/dev/null | grep -f "$D/ids")" ]
    ! grep "$D/state/.*/rootfs" /proc/self/mountinfo
}

cri() {
    timeout 120 /usr/bin/python3 "$TOP/tests/integration/cri-client.py" "$D/c.sock" "$@"
}

shims() {
    pgrep -f -- "-address $D/c.sock .*serve" || :
}

no_shim() { [ -z "$(shims)" ]; }

pod_config() {
    jq -nc --arg name "$POD_NAME" --arg logs "$D/logs" --arg group "/$GROUP" --argjson linux "$POD_LINUX" \
        '{metadata: {name: $name, uid: $name, namespace: "default"}, log_directory: $logs,
          linux: ({cgroup_parent: $group} + $linux)} + (if $linux.security_context.namespace_options.network == 2
              then {} else {hostname: "name-of-pod"} end)'
}

# run_pod: $POD, by the pod part $POD_LINUX.
run_pod() {
    POD=$(cri RunPodSandbox "$(jq -nc --argjson config "$(pod_config)" '{$config, runtime_handler: "hoy"}')" | jq -r .pod_sandbox_id)
    echo "$POD" >>"$D/ids"
}

# create NAME SCRIPT [JSON]: a container of the pod that runs this shell text; JSON is merged into its configuration. Prints its id.
create() {
    local extra=${3:-"{}"} request
    request=$(jq -nc --arg pod "$POD" --argjson pod_config "$(pod_config)" --arg name "$1" --arg script "$2" --arg image "$IMAGE" \
        --argjson extra "$extra" '{pod_sandbox_id: $pod, sandbox_config: $pod_config, config: ({metadata: {$name}, image: {$image},
          command: ["sh", "-c", $script], log_path: ($name + ".log")} * $extra)}')
    cri CreateContainer "$request" | jq -r .container_id | tee -a "$D/ids"
}

start() { cri StartContainer "{\"container_id\":\"$1\"}"; }
stop() { cri StopContainer "{\"container_id\":\"$1\",\"timeout\":$2}"; }
status() { cri ContainerStatus "{\"container_id\":\"$1\"}" | jq -c ".status.$2"; }
is_in_state() { [ "$(status "$1" state)" = "$2" ]; }

# inside ID COMMAND...: ExecSync; its output.
inside() {
    local id=$1
    shift
    cri ExecSync "$(jq -nc --arg id "$id" '{container_id: $id, cmd: $ARGS.positional, timeout: 60}' --args -- "$@")" >"$D/exec"
    jq -r .stderr "$D/exec" >&2
    jq -rj '.stdout // ""' "$D/exec"
    return "$(jq '.exit_code // 0' "$D/exec")"
}

# run_container NAME SCRIPT [JSON]: created and started; $ID.
run_container() {
    ID=$(create "$@")
    start "$ID"
}

pid_of() {
    ctr -a "$D/c.sock" -n k8s.io task ls | awk -v id="$1" '$1 == id { print $2 }'
}

# group_file PID CONTROLLER FILE-OF-V1 FILE-OF-V2: what it says.
group_file() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")/$4"
    else
        cat "/sys/fs/cgroup/$2$(sed -nE "s/^[0-9]+:([a-z_,=]*,)?$2(,[a-z_,=]*)?:(.*)/\\3/p" "/proc/$1/cgroup")/$3"
    fi
}

IDLE='trap "exit 0" TERM; while :; do sleep 0.1; done'
