# The systemd cgroup manager: needs a host whose init is systemd (in CI the VM of tests/vm/systemd.list).
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }

teardown() {
    local unit
    [ -z "${U:-}" ] || as_user "$HOYRUN" delete -f "$ID" 2>/dev/null || :
    runtime_teardown
    for unit in $(systemctl list-units --all --plain --no-legend "*$ID*" 2>/dev/null | awk '{ print $1 }'); do
        systemctl stop "$unit"
    done
}

require_systemd() {
    [ -d /run/systemd/system ] || skip_because no-systemd "the init of this host is not systemd"
}

# s ARGUMENTS...: hoyrun with the systemd cgroup manager.
s() { r --systemd-cgroup "$@"; }

start_it() {
    s run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; return 1; }
}

property() { # NAME [UNIT]
    systemctl show -P "$1" "${2:-hoyrun-$ID.scope}"
}

# file NAME: of the unit's group.
file() {
    cat "/sys/fs/cgroup$(property ControlGroup "${2:-}")/$1"
}

no_unit() { # NAME
    [ "$(property LoadState "$1")" = not-found ]
}

@test "without systemd the manager says so" {
    mkdir "$T/empty"
    run unshare --mount --propagation private sh -c 'for d in /run/systemd /run/dbus; do [ ! -d $d ] || mount --bind "$1" $d; done
        shift; exec "$@"' sh "$T/empty" env -u DBUS_SYSTEM_BUS_ADDRESS "$HOYRUN" --root "$T/root" --systemd-cgroup run -b "$B" "$ID" </dev/null
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"systemd does not answer (tried '/run/systemd/private' and the system bus)"* ]]
    [ -z "$(ls -A "$T/root")" ]
}

@test "a container is a delegated scope of system.slice, and deleting it leaves none" {
    require_systemd
    config '.process.args = ["sleep", "1000"]'
    start_it
    [ "$(property ActiveState)" = active ]
    [ "$(property ControlGroup)" = "/system.slice/hoyrun-$ID.scope" ]
    [ "$(property Delegate)" = yes ]
    [ "$(property Description)" = "hoyrun container $ID" ]
    [ "$(file cgroup.procs)" = "$(pid_of)" ]
    [ "$(s exec "$ID" cat /proc/self/cgroup)" = 0::/ ]
    mkdir "/sys/fs/cgroup$(property ControlGroup)/below"
    [ "$(s exec --cgroup below "$ID" cat /proc/self/cgroup)" = 0::/below ]
    s pause "$ID"
    [ "$(status_of)" = paused ]
    s resume "$ID"
    r delete -f "$ID" # the state knows whose the group is
    no_unit "hoyrun-$ID.scope"
    [ ! -e "/sys/fs/cgroup/system.slice/hoyrun-$ID.scope" ]
    start_it # the name is free at once
    r delete -f "$ID"
}

# The container's process is in the scope, its holder is not any more.
is_in_hook() {
    [ "$(wc -l <"/sys/fs/cgroup/system.slice/hoyrun-$ID.scope/cgroup.procs")" = 1 ] && pgrep -f "^sleep 20$" >/dev/null
}

@test "no unit is left by a container that ends, fails, or loses its creator" {
    require_systemd
    run s run -b "$B" "$ID" </dev/null
    [ "$status" = 0 ]
    no_unit "hoyrun-$ID.scope"
    config '.process.args = ["/no/such/program"]'
    run s run -b "$B" "$ID" </dev/null
    [ "$status" = 1 ]
    no_unit "hoyrun-$ID.scope"
    config '.process.args = ["true"] | .hooks.prestart = [{"path": "/bin/sleep", "args": ["sleep", "20"]}]'
    "$HOYRUN" --root "$T/root" --systemd-cgroup create -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- 4>&- &
    local creator=$!
    wait_for 20 is_in_hook || { kill -KILL $creator; false; }
    kill -KILL $creator
    wait_for 20 no_unit "hoyrun-$ID.scope"
    r delete -f "$ID"
}

@test "limits are properties of the unit, annotations too, and all of it outlives daemon-reload" {
    require_systemd
    config '.linux.cgroupsPath = ("hoytest-a.slice:pre:" + $id) | .linux.resources.memory = {"limit": 33554432, "swap": 50331648, "reservation": 16777216}
        | .linux.resources.cpu = {"shares": 512, "quota": 50000, "period": 200000, "cpus": "0"} | .linux.resources.pids.limit = 30
        | .linux.resources.blockIO.weight = 500 | .linux.resources.unified = {"memory.high": "30000000"}
        | .linux.resources.devices += [{"allow": true, "type": "c", "major": 10, "minor": 183, "access": "r"}]
        | .annotations = {"org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.Documentation": "[\u0027man:hoyrun\u0027]"}
        | .process.args = ["sleep", "1000"] | .root.readonly = false | .process.capabilities[] += ["CAP_MKNOD"]' --arg id "$ID"
    start_it
    local unit=pre-$ID.scope got= name
    for name in ControlGroup Delegate MemoryMax MemoryLow MemoryHigh MemorySwapMax CPUWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec \
        AllowedCPUs TasksMax IOWeight TimeoutStopUSec Documentation; do
        got+="$(property $name "$unit") "
    done
    echo "$got"
    [ "$got" = "/hoytest.slice/hoytest-a.slice/$unit yes 33554432 16777216 30000000 16777216 59 250ms 200ms 0 30 4950 7s man:hoyrun " ]
    r exec "$ID" mknod /tmp/hwrng c 10 183
    r exec "$ID" mknod /tmp/kmsg c 1 11
    for turn in before after; do
        got=
        for name in memory.max memory.low memory.high memory.swap.max cpu.weight cpu.max cpuset.cpus pids.max; do
            got+="$(file $name "$unit") "
        done
        echo "$turn: $got"
        [ "$got" = "33554432 16777216 29999104 16777216 59 50000 200000 0 30 " ]
        r exec "$ID" sh -c ': </dev/null; : </tmp/hwrng'
        run r exec "$ID" sh -c ': >/tmp/kmsg' # anybody may write there, but for the rules
        [[ "$output" == *"Operation not permitted"* ]]
        [ $turn = after ] || systemctl daemon-reload
    done
    r delete -f "$ID"
    wait_for 20 no_unit "$unit" || { systemctl status --no-pager "$unit"; false; }
}

@test "update tells systemd, and half a cpu limit keeps the other half" {
    require_systemd
    config '.process.args = ["sleep", "1000"] | .linux.resources.cpu = {"quota": 50000, "period": 200000}'
    start_it
    r update --memory 64M --memory-swap 96M --cpu-quota 20000 --pids-limit 77 --cpu-share 1024 "$ID"
    systemctl daemon-reload
    [ "$(property MemoryMax) $(property MemorySwapMax) $(property CPUQuotaPerSecUSec) $(property TasksMax)" = "67108864 33554432 100ms 77" ]
    [ "$(file memory.max) $(file memory.swap.max) $(file cpu.max) $(file pids.max) $(file cpu.weight)" = "67108864 33554432 20000 200000 77 100" ]
    r update --pids-limit -1 --memory -1 "$ID"
    [ "$(property TasksMax) $(property MemoryMax) $(file pids.max)" = "infinity infinity max" ]
}

@test "a limit of one process holds, and the process gets in" {
    require_systemd
    config '.process.args = ["sleep", "1000"] | .linux.resources.pids.limit = 1'
    start_it
    [ "$(file pids.max) $(file pids.current) $(property TasksMax)" = "1 1 1" ]
    run r exec "$ID" true
    [ "$status" = 255 ]
}

@test "a unit that somebody else has, and a bad annotation, are errors and touch nothing" {
    require_systemd
    config '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = (":pre:" + $id)' --arg id "$ID"
    start_it
    run s run -b "$B" "$ID-2" </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"start unit 'pre-$ID.scope'"*"already"* ]]
    [ "$(status_of)" = running ]
    r delete -f "$ID"
    config '.annotations["org.systemd.property.TimeoutStopUSec"] = "(1, 2)"'
    run s run -b "$B" "$ID" </dev/null
    [[ "$output" == *'annotations["org.systemd.property.TimeoutStopUSec"]: the type of '*"is not supported"* ]]
    config '.annotations = {"org.systemd.property.NoSuchThing": "true"}'
    run s run -b "$B" "$ID" </dev/null
    [[ "$output" == *"NoSuchThing"* ]]
    nothing_left
}

# --- a user's own manager ---

as_user() {
    setpriv --reuid "$U" --regid "$U" --init-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="/run/user/$U" "$@"
}

# A bundle of user `tester`, who has a manager because somebody lets it linger; "attach" is the way for a caller outside.
user_setup() {
    require_systemd
    U=$(id -u tester 2>/dev/null) || skip_because no-systemd "no user for tests here"
    loginctl enable-linger tester
    wait_for 30 test -S "/run/user/$U/systemd/private"
    chmod 755 "$T"
    cp -a "$ROOTFS_BASE" "$T/rootfs"
    rm -rf "$B"/*
    mv "$T/rootfs" "$B/rootfs"
    chown -R "$U:$U" "$B"
    (cd "$B" && as_user "$HOYRUN" spec --rootless)
    config '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.resources = {"memory": {"limit": 33554432}, "pids": {"limit": 20}}'
    chown "$U:$U" "$B/config.json"
}

@test "a user's container is a scope of the user's manager, from outside a session and from within one" {
    user_setup
    as_user "$HOYRUN" --systemd-cgroup run -d -b "$B" "$ID" </dev/null >/dev/null 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; false; }
    local group=/sys/fs/cgroup/user.slice/user-$U.slice/user@$U.service/user.slice/hoyrun-$ID.scope
    [ "$(cat "$group/memory.max") $(cat "$group/pids.max")" = "33554432 20" ]
    [ "$(cat "$group/cgroup.procs")" = "$(as_user "$HOYRUN" state "$ID" | jq .pid)" ]
    [ "$(as_user "$HOYRUN" exec "$ID" cat /proc/self/cgroup)" = 0::/ ]
    as_user "$HOYRUN" update --memory 40M "$ID"
    [ "$(cat "$group/memory.max")" = 41943040 ]
    as_user "$HOYRUN" delete -f "$ID"
    [ ! -e "$group" ]
    as_user systemd-run --user --scope -q "$HOYRUN" --systemd-cgroup run -d -b "$B" "$ID" </dev/null >/dev/null 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; false; }
    [ "$(cat "$group/memory.max")" = 33554432 ]
    as_user "$HOYRUN" delete -f "$ID"
}

@test "a user's container without systemd's help stands beside its caller's delegated group" {
    user_setup
    as_user systemd-run --user --scope -q "$HOYRUN" run -d -b "$B" "$ID" </dev/null >/dev/null 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; false; }
    local group=/sys/fs/cgroup/user.slice/user-$U.slice/user@$U.service/app.slice/$ID
    [ "$(cat "$group/memory.max") $(cat "$group/pids.max")" = "33554432 20" ]
    [ "$(cat "$group/cgroup.procs")" = "$(as_user "$HOYRUN" state "$ID" | jq .pid)" ]
    as_user "$HOYRUN" delete -f "$ID"
    [ ! -e "$group" ]
    # From outside there is no such group, and limits can't be had.
    run as_user "$HOYRUN" run -b "$B" "$ID" </dev/null
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"no cgroup of this user's"* ]]
}

# In the soak, in a VM that boots with each of the two forms (tests/run).
@test "on v1 hierarchies: limits, devices, a reload, a pause, nothing left" {
    require_systemd
    [ -d /sys/fs/cgroup/memory ] || skip_because no-v1 "the host has no v1 hierarchies"
    config '.process.args = ["sleep", "1000"] | .linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 50},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000}}'
    start_it
    group=$(property ControlGroup)
    of() { cat "/sys/fs/cgroup/$1$group/$1.$2"; }
    [ "$(property MemoryLimit) $(property TasksMax) $(property CPUShares)" = "67108864 50 512" ]
    [ "$(of memory limit_in_bytes) $(of pids max) $(of cpu shares) $(of cpu cfs_quota_us)" = "67108864 50 512 50000" ]
    grep -v misc "/proc/$(pid_of)/cgroup" >"$T/groups"
    [ "$(grep -vc ":$group\$" "$T/groups")" = 0 ]
    s update --memory 100663296 --pids-limit 77 "$ID"
    of devices list | sort >"$T/devices"
    systemctl daemon-reload
    [ "$(of memory limit_in_bytes) $(of pids max)" = "100663296 77" ]
    of devices list | sort | diff "$T/devices" -
    ! grep -qx 'a \*:\* rwm' "$T/devices" || false
    s pause "$ID"
    [ "$(s state "$ID" | jq -r .status)" = paused ] # by v2, where there is one
    s resume "$ID"
    s delete -f "$ID"
    no_unit "hoyrun-$ID.scope"
    [ -z "$(find /sys/fs/cgroup -name "*$ID*")" ]
}
