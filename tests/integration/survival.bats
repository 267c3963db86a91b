#!/usr/bin/env bats
# Containers with restart policies and health checks while hoyd is killed at random: nothing is lost, nothing is invented.
# HOY_SURVIVORS and HOY_KILLS make it longer.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() { stack_setup; }
teardown() { stack_teardown; }

@test "hoyd is killed again and again: exit codes, logs, health and restart counts are right" {
    kill_hoyd
    timeout 3000 python3 "$TOP/tests/integration/survive.py" "$T" "${HOY_SURVIVORS:-16}" "${HOY_KILLS:-5}" \
        "$HOYD" -H "$DOCKER_HOST" --data-root "$T/data" --exec-root "$T/run" --pidfile "$T/hoyd.pid" --config-file "$T/daemon.json"
}
