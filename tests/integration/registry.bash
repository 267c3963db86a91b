# Registries for bats files: `load lib; load stack; load registry`. One at a time: $R is its host, REGISTRY_PID its process.

docker() { timeout 120 docker "$@"; }

stop_registry() {
    [ -z "$REGISTRY_PID" ] || kill "$REGISTRY_PID" 2>/dev/null || :
    REGISTRY_PID=
}

# start_registry [KEY=VALUE...]: the one where things go wrong, over $T/reg.
start_registry() {
    rm -f "$T/port"
    "$TOP/tests/integration/fake-registry" "$T/reg" "$T/port" "$@" >"$T/registry.log" 2>&1 3>&- &
    REGISTRY_PID=$!
    wait_for 10 test -s "$T/port"
    R=localhost:$(cat "$T/port")
}

# start_debian_registry [LINE...]: Debian's docker-registry, with further lines of its configuration.
start_debian_registry() {
    R=127.0.0.1:5999
    printf '%s\n' 'version: 0.1' "storage: {filesystem: {rootdirectory: $T/registry}, delete: {enabled: true}}" \
        "${@:-http: {addr: $R\}}" >"$T/registry.yml"
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 3>&- &
    REGISTRY_PID=$!
    wait_for 10 registry_answers
}

registry_answers() { [ "$(curl -sk -o /dev/null -w '%{http_code}' "http://$R/v2/")" != 000 ]; }

# serve NAME [MAKE-IMAGE OPTION...]: an image in the registry's directory.
serve() {
    local name=$1
    shift
    "$MAKE_IMAGE" -o "$T/served.tar" --name "$name:latest" --format oci "$@"
    mkdir -p "$T/reg/$name"
    tar -C "$T/reg/$name" -xf "$T/served.tar"
}
