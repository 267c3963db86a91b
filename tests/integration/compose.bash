# Shared by the suites of compose: `load compose`. One hoyd for all tests of a suite, a project's directory for each.
bats_require_minimum_version 1.5.0
load lib
load stack

setup_file() {
    load lib
    load stack
    require_root
    make_test_dir
    start_hoyd
    load_busybox
    if declare -F suite_setup >/dev/null; then suite_setup; fi
    export HOYD_PID
}
teardown_file() {
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid") # a test may have started another
    stop_hoyd
    remove_test_dir
}

setup() {
    P=$T/p$BATS_TEST_NUMBER
    mkdir -p "$P"
    cd "$P"
    unset COMPOSE_PROJECT_NAME COMPOSE_FILE
}
teardown() {
    [ ! -e compose.yaml ] || hoy compose down -v -t 0 --remove-orphans >/dev/null 2>&1
}

hoy() { timeout 60 "$HOY" "$@"; }
compose() { timeout 60 "$HOY" compose "$@"; }
label() { hoy inspect -f "{{index .Config.Labels \"com.docker.compose.$2\"}}" "$1"; }
id_of() { hoy inspect -f '{{.Id}}' "$1"; }
state_of() { hoy inspect -f '{{.State.Status}}' "$1"; }
# look CONTAINER FILTER: what inspect says, through jq.
look() { hoy inspect "$1" | jq -cr ".[0] | $2"; }
