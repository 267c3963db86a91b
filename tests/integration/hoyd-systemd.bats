# hoyd as systemd's service, with its own units: needs a host whose init is systemd (in CI the VM of tests/vm/systemd.list).
load lib
load stack

UNITS=/run/systemd/system

setup() {
    require_root
    [ -d /run/systemd/system ] || skip_because no-systemd "the init of this host is not systemd"
    make_test_dir
    export DOCKER_CONFIG=$T/client
    unset DOCKER_HOST
    systemd-sysusers "$TOP/supervisor/daemon/systemd/hoy.sysusers"
    systemd-tmpfiles --create "$TOP/supervisor/daemon/systemd/hoy.tmpfiles"
    sed "s|^ExecStart=[^ ]*|ExecStart=$HOYD|" "$HOY_BUILD/supervisor/daemon/systemd/hoyd.service" >"$UNITS/hoyd.service"
    cp "$TOP/supervisor/daemon/systemd/hoyd.socket" "$UNITS/"
    systemctl daemon-reload
    systemctl start hoyd.socket
}

teardown() {
    [ -n "${T:-}" ] || return 0
    "$HOY" ps -aq | xargs -r "$HOY" rm -f >/dev/null
    systemctl stop hoyd.socket hoyd.service
    systemctl reset-failed hoyd.service 2>/dev/null || :
    rm -rf "$UNITS/hoyd.service" "$UNITS/hoyd.socket" "$UNITS/hoyd.service.d"
    systemctl daemon-reload
    remove_test_dir
}

main_pid() { systemctl show -P MainPID hoyd.service; }

# The container writes a number every 50 ms.
start_counting() {
    load_busybox
    "$HOY" run -d --name count --network none busybox sh -c 'trap "exit 7" TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done'
    count_pid=$("$HOY" inspect count | jq '.[0].State.Pid')
}

# Is it still the same process, has every number been logged once, does it end with its code?
nothing_was_lost() {
    wait_for 60 "$HOY" version
    [ "$("$HOY" inspect count | jq '.[0].State.Pid')" = "$count_pid" ]
    before=$("$HOY" logs count | wc -l)
    wait_for 60 more_than "$before"
    "$HOY" logs count >"$T/logged"
    seq 0 $(($(wc -l <"$T/logged") - 1)) | cmp - "$T/logged"
    "$HOY" stop count
    [ "$("$HOY" wait count)" = 7 ]
}

more_than() { [ "$("$HOY" logs count | wc -l)" -gt "$1" ]; }

@test "the first client starts hoyd through the socket" {
    [ "$(systemctl is-active hoyd.service)" = inactive ]
    [ "$(stat -c '%a %G' /run/hoy/hoy.sock)" = "660 hoy" ]
    "$HOY" version
    [ "$(systemctl is-active hoyd.service)" = active ]
    [ "$(systemctl show -P StatusErrno hoyd.service)" = 0 ]
    systemctl reload hoyd.service
    "$HOY" version
}

@test "restart, and a kill of the service, touch no container" {
    start_counting
    hoyd=$(main_pid)
    systemctl restart hoyd.service
    [ "$(main_pid)" != "$hoyd" ]
    wait_for 60 "$HOY" version
    hoyd=$(main_pid)
    systemctl kill -s KILL hoyd.service
    wait_for 60 another_than "$hoyd"
    nothing_was_lost
}

another_than() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ]; }

@test "systemctl stop leaves containers running; the next client finds them" {
    start_counting
    systemctl stop hoyd.service
    [ "$(systemctl is-active hoyd.service)" != active ]
    kill -0 "$count_pid"
    nothing_was_lost
}

@test "the watchdog leaves a hoyd alone that works, and replaces one that hangs" {
    mkdir -p "$UNITS/hoyd.service.d"
    printf '[Service]\nWatchdogSec=8\n' >"$UNITS/hoyd.service.d/watchdog.conf"
    systemctl daemon-reload
    start_counting
    hoyd=$(main_pid)
    sleep 12
    [ "$(main_pid)" = "$hoyd" ]
    kill -STOP "$hoyd"
    wait_for 90 another_than "$hoyd"
    nothing_was_lost
}
