#!/usr/bin/env bats
# Networks while hoyd and its helpers are killed at random: no leak, no stale rule, no address twice.
# HOY_CHURN_NETWORKS, HOY_CHURN_CONTAINERS and HOY_CHURN_KILLS make it longer.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() { stack_setup; }
teardown() {
    [ -n "${HOYD_PID:-}" ] || start_hoyd # to remove what a failure left
    stack_teardown
}

@test "containers come, go and change networks while hoyd, hoy-net and hoy-dns are killed: nothing leaks, nothing is twice" {
    kill_hoyd
    timeout 3000 /usr/bin/python3 "$TOP/tests/integration/network-churn.py" "$T" "${HOY_CHURN_NETWORKS:-4}" \
        "${HOY_CHURN_CONTAINERS:-8}" "${HOY_CHURN_KILLS:-12}" \
        "$HOYD" -H "$DOCKER_HOST" --data-root "$T/data" --exec-root "$T/run" --pidfile "$T/hoyd.pid" --config-file "$T/daemon.json"
}
