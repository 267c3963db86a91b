#!/usr/bin/env bats
# hoyrun: the options that no other suite needs, and the table of all of them.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    find_cgroup2
}
teardown() {
    [ -z "${RECEIVER:-}" ] || kill "$RECEIVER" 2>/dev/null || :
    runtime_teardown
}

running() {
    config '.process.args = ["sleep", "1000"]'
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
}

@test "the table of options is complete" {
    commands=$(timeout 60 "$HOYRUN" --help | awk '/^COMMANDS:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
    {
        timeout 60 "$HOYRUN" --help | awk '$1 ~ /^--/ { sub(",$", "", $1); print "global " $1 }'
        for c in $commands; do
            timeout 60 "$HOYRUN" "$c" --help | awk -v c="$c" '$1 ~ /^--/ { sub(",$", "", $1); print c " " $1 }'
            echo "$c"
        done
    } | sort >"$T/have"
    grep -v '^#' "$TOP/tests/coverage/hoyrun-flags.tsv" | cut -f1 | sort >"$T/table"
    diff "$T/table" "$T/have"
    [ "$(wc -l <"$T/have")" -gt 80 ]
}

@test "help: of all, of one command, after a command; not of the container's program" {
    for args in --help -h help h ''; do
        run timeout 60 "$HOYRUN" $args
        [ "$status" = 0 ]
        [[ "$output" == *"COMMANDS:"*create* ]]
    done
    [ "$(timeout 60 "$HOYRUN" '-?' | head -1)" = "NAME:" ]
    [ "$(timeout 60 "$HOYRUN" --usage)" = "Usage: hoyrun [global options] COMMAND [options] [arguments]" ]
    for args in 'help exec' 'exec --help' 'exec -h'; do
        run timeout 60 "$HOYRUN" $args
        [ "$status" = 0 ]
        [[ "$output" == *"--ignore-paused"* ]]
    done
    run timeout 60 "$HOYRUN" help nosuch
    [ "$status" = 1 ]
    running
    [ "$(r exec "$ID" echo --help)" = --help ]
    [ "$(timeout 60 "$HOYRUN" -V)" = "$(timeout 60 "$HOYRUN" --version)" ]
    run timeout 60 "$HOYRUN" --version
    [[ "${lines[0]}" == "hoyrun version "* ]]
    [[ "${lines[1]}" == "commit: "* ]]
    [[ "$output" == *$'\nspec: 1.3.0'* ]]
}

@test "--log takes a file, with or without a backend; --log-level and --debug decide what is in it" {
    config '.process.capabilities.bounding += ["CAP_NOSUCH"]'
    r --log "file:$T/log" run -b "$B" "$ID"
    grep -q 'level=warning.*CAP_NOSUCH' "$T/log"
    r --log "$T/log2" --log-level error run -b "$B" "$ID"
    [ ! -s "$T/log2" ]
    r --log "$T/log3" --log-format json --debug run -b "$B" "$ID"
    [ "$(jq -r .level <"$T/log3" | sort -u | tr '\n' ' ')" = "debug warning " ]
    r --log "$T/log4" --log-level debug run -b "$B" "$ID"
    grep -q level=debug "$T/log4"
    run r --log-level loud list
    [[ "$output" == *"invalid log-level: loud"* ]]
    run r --log-format xml list
    [[ "$output" == *"invalid log-format: xml"* ]]
}

# The command with a logger of our own at SOCKET, in a mount namespace of its own; the datagrams are in $T/datagrams.
log_with() { # SOCKET ARGUMENTS...
    local socket=$1
    shift
    unshare -m --propagation private sh -ec '
        mount -t tmpfs tmpfs /mnt
        cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt
        mount --move /mnt /dev
        mount -t tmpfs tmpfs /run
        mkdir -p "$(dirname "$0")"
        exec /usr/bin/python3 -c "
import socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.setblocking(False)
subprocess.run(sys.argv[2:])
try:
    while True:
        print(s.recv(9000).decode())
except BlockingIOError:
    pass
" "$0" "$@"' "$socket" "$HOYRUN" --root "$T/root" "$@" >"$T/datagrams" 2>"$T/err" || { cat "$T/err"; return 1; }
}

@test "--log syslog:NAME and journald:NAME: messages to the system's loggers" {
    config '.process.capabilities.bounding += ["CAP_NOSUCH"]'
    log_with /dev/log --log syslog:web run -b "$B" "$ID"
    grep -qx '<12>web\[[0-9]*\]: .*CAP_NOSUCH.*' "$T/datagrams"
    log_with /run/systemd/journal/socket --log journald:web run -b "$B" "$ID"
    grep -qx PRIORITY=4 "$T/datagrams" && grep -qx SYSLOG_IDENTIFIER=web "$T/datagrams" && grep -qx 'MESSAGE=.*CAP_NOSUCH.*' "$T/datagrams"
    log_with /dev/log --log syslog:web --log-format json state nosuch
    sed 's/^<11>web[^{]*//' "$T/datagrams" | jq -e '.msg == "container does not exist"'
    grep -q 'container does not exist' "$T/err" # a human sees it as well
    run r --log syslog: list
    [[ "$output" == *"--log: 'syslog:': a name for the log is needed"* ]]
    run r --log journald:web list
    [ -S /run/systemd/journal/socket ] || [[ "$output" == *"--log: 'journald:web': connect to '/run/systemd/journal/socket': "* ]]
}

@test "--config names another file of the bundle" {
    jq '.process.args = ["echo", "other"]' "$B/config.json" >"$B/other.json"
    for args in '--config other.json' '-f other.json' "--config=$B/other.json"; do
        run_it $args
        [ "$output" = other ] || { echo "$output"; false; }
    done
    run_it --config nosuch.json
    [[ "$output" == *"nosuch.json not found"* ]]
}

@test "--pidfd-socket gets a pidfd of the new process, in create, run and exec" {
    cat >"$T/receive.py" <<'PY'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen(3)
while True:
    c, _ = s.accept()
    _, anc, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
    fd = array.array("i", anc[0][2][:4])[0]
    for line in open("/proc/self/fdinfo/%d" % fd):
        if line.startswith("Pid:"):
            print(line.split()[1], flush=True)
PY
    python3 "$T/receive.py" "$T/sock" >"$T/pids" 2>&1 3>&- 4>&- &
    RECEIVER=$!
    wait_for 5 test -S "$T/sock"
    config '.process.args = ["sleep", "1000"]'
    create_it --pidfd-socket "$T/sock"
    r exec -d --pidfd-socket "$T/sock" --pid-file "$T/pid" "$ID" sleep 999 </dev/null >/dev/null 2>&1 3>&- 4>&-
    wait_for 5 grep -qx "$(cat "$T/pid")" "$T/pids"
    [ "$(head -1 "$T/pids")" = "$(pid_of)" ]
    run r create --pidfd-socket "$T/nosuch" -b "$B" "$ID-2"
    [ "$status" = 1 ]
    [[ "$output" == *"pidfd socket"* ]]
}

@test "run and exec adopt what the program leaves behind, but not with --no-subreaper" {
    config '.linux.namespaces |= map(select(.type != "pid")) | .root.readonly = false | .process.args = ["sleep", "1000"]'
    create_it
    orphan='sh -c "sleep 500 & echo \$! >/tmp/orphan"; sleep 500'
    parent() { awk '/PPid/ { print $2 }' "/proc/$(cat "$B/rootfs/tmp/orphan")/status"; }
    for flag in '' --no-subreaper; do
        rm -f "$B/rootfs/tmp/orphan"
        "$HOYRUN" --root "$T/root" exec $flag "$ID" sh -c "$orphan" </dev/null >/dev/null 2>&1 3>&- 4>&- &
        wait_for 10 test -s "$B/rootfs/tmp/orphan"
        sleep 0.2
        [ "$([ "$(parent)" = $! ] && echo adopted)" = "$([ -n "$flag" ] || echo adopted)" ]
    done
    r delete -f "$ID"
    sh_in "$orphan"
    for flag in '' --no-subreaper; do
        rm -f "$B/rootfs/tmp/orphan"
        "$HOYRUN" --root "$T/root" run $flag -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- 4>&- &
        wait_for 10 test -s "$B/rootfs/tmp/orphan"
        sleep 0.2
        [ "$([ "$(parent)" = $! ] && echo adopted)" = "$([ -n "$flag" ] || echo adopted)" ]
        r kill --all "$ID" KILL
        wait $! || :
    done
}

@test "exec: --tty, --ignore-paused, --additional-gids, --no-new-privs by their long names" {
    config '.process.noNewPrivileges = false'
    running
    [ "$(r exec --tty "$ID" tty </dev/null)" = /dev/pts/0 ]
    run r exec --additional-gids 7 --additional-gids 9 "$ID" id -G
    [[ "$output" == *"7 9"* ]]
    [[ "$(r exec "$ID" grep NoNewPrivs /proc/self/status)" == *0 ]]
    [[ "$(r exec --no-new-privs "$ID" grep NoNewPrivs /proc/self/status)" == *1 ]]
    r pause "$ID"
    "$HOYRUN" --root "$T/root" exec --ignore-paused "$ID" echo thawed </dev/null >"$T/thawed" 2>&1 3>&- 4>&- &
    sleep 0.3
    [ ! -s "$T/thawed" ]
    r resume "$ID"
    wait $!
    [ "$(cat "$T/thawed")" = thawed ]
}

@test "exec: labels of modules that the host has not are refused" {
    running
    [ -e /sys/module/apparmor/parameters/enabled ] || {
        run r exec --apparmor x "$ID" true
        [ "$status" = 255 ]
        [[ "$output" == *"process.apparmorProfile: 'x' asked for, but AppArmor is not enabled on this host"* ]]
    }
    run r exec --process-label x "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"process.selinuxLabel: 'x' asked for, but SELinux is not enabled on this host"* ]]
}

# groups_below NAME: a group of this name below the container's, in every hierarchy.
groups_below() {
    local dir
    for dir in $(find /sys/fs/cgroup -maxdepth 3 -type d -name "$ID"); do
        mkdir "$dir/$1"
        cat "$dir/cpuset.cpus" >"$dir/$1/cpuset.cpus" 2>/dev/null && cat "$dir/cpuset.mems" >"$dir/$1/cpuset.mems" || :
    done
}

@test "exec --cgroup: a group below the container's, / for its own, one per controller" {
    config '.linux.namespaces |= map(select(.type != "cgroup"))'
    running
    groups_below sub
    run r exec --cgroup sub "$ID" cat /proc/self/cgroup
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$(cut -d: -f3 <<<"$output" | sort -u)" = "/$ID/sub" ]
    for own in / . ''; do
        run r exec --cgroup "$own" "$ID" cat /proc/self/cgroup
        [ "$(cut -d: -f3 <<<"$output" | sort -u)" = "/$ID" ] || { echo "$output"; false; }
    done
    run r exec --cgroup nosuch "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"adding pid to "*"/nosuch/cgroup.procs: no such file"* ]]
    run r exec --cgroup ../x "$ID" true
    [[ "$output" == *"bad sub cgroup path: ../x is not a sub cgroup path"* ]]
    run r exec --cgroup sub --cgroup sub "$ID" true
    [[ "$output" == *"several paths, but 'sub' names no controller"* ]]
    run r exec --cgroup nosuch:sub "$ID" true
    [[ "$output" == *"unknown controller 'nosuch': no v1 hierarchy has it"* ]]
    run r exec --cgroup :sub "$ID" true
    [[ "$output" == *"empty controller in ':sub'"* ]]
    if on_v2 pids; then
        run r exec --cgroup pids:sub "$ID" true
        [[ "$output" == *"unknown controller 'pids'"* ]]
        return
    fi
    run r exec --cgroup pids,memory:sub --cgroup freezer:/sub "$ID" cat /proc/self/cgroup
    [ "$status" = 0 ]
    for c in pids memory freezer; do grep -q ":$c:/$ID/sub$" <<<"$output"; done
    grep -q ":cpu:/$ID$" <<<"$output"
    run r exec --cgroup pids:sub --cgroup pids:sub "$ID" true
    [[ "$output" == *"controller 'pids': given twice"* ]]
}

@test "exec goes where init is, when the container's own group takes no processes any more" {
    on_v2 pids || skip_because no-controller "cgroup v2 has no controllers here that a group could hand on"
    config '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
    sh_in 'mkdir /sys/fs/cgroup/init; echo 1 >/sys/fs/cgroup/init/cgroup.procs; echo +pids >/sys/fs/cgroup/cgroup.subtree_control; sleep 1000'
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    wait_for 10 grep -q pids "$CGROUP2/$ID/cgroup.subtree_control"
    [ "$(r exec "$ID" cat /proc/self/cgroup)" = 0::/init ]
    run r exec --cgroup / "$ID" true
    [ "$status" = 255 ]
}

@test "list -q and --format; a root that is not there" {
    running
    [ "$(r list --quiet)" = "$ID" ]
    [ "$(r list --format json | jq -r '.[0].id')" = "$ID" ]
    run r list --format table
    [[ "${lines[0]}" == "ID "*"PID "*"STATUS "*"BUNDLE "*"CREATED "*"OWNER" ]]
    run r list --format yaml
    [[ "$output" == *"invalid format option 'yaml'"* ]]
    run timeout 60 "$HOYRUN" --root "$T/nosuch" list
    [ "$status" != 0 ] || [ -z "$(sed 1d <<<"$output")" ]
    run r ps --format yaml "$ID"
    [[ "$output" == *"invalid format option 'yaml'"* ]]
}

@test "--cgroup-manager: as crun has it; without one the container stays in our cgroup, and limits are refused" {
    config '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "machine.slice:libpod:x" | del(.linux.resources.memory, .linux.resources.pids)'
    r --cgroup-manager=disabled run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    is_status running
    diff /proc/self/cgroup "/proc/$(pid_of)/cgroup"
    r exec "$ID" true
    run r pause "$ID"
    [ "$status" = 1 ]
    r delete -f "$ID"
    config '.linux.resources.pids.limit = 10'
    run r --cgroup-manager=disabled run -d -b "$B" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"limits need a cgroup (--cgroup-manager=disabled)"* ]]
    config 'del(.linux.cgroupsPath, .linux.resources.pids)'
    r --cgroup-manager cgroupfs run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    run ! diff -q /proc/self/cgroup "/proc/$(pid_of)/cgroup"
    run r --cgroup-manager=docker list
    [ "$status" = 1 ]
    [[ "$output" == *"unknown cgroup manager specified: 'docker'"* ]]
}

@test "kill and delete --regex: those whose ids match, and no others" {
    config '.process.args = ["sleep", "1000"]'
    for i in 1 2 22 x; do
        r run -d -b "$B" "$ID-$i" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    done
    r kill --regex "^$ID-(1|2+)\$" KILL
    for i in 1 2 22; do
        wait_for 10 is_status stopped "$ID-$i"
    done
    is_status running "$ID-x"
    # One of them runs: it is named, the others go.
    run r delete --regex "^$ID-"
    [ "$status" = 1 ]
    [[ "$output" == *"$ID-x: "*"cannot delete container"*"--regex: 1 of 4 containers: see the warnings"* ]]
    [ "$(r list -q | grep "^$ID-")" = "$ID-x" ]
    r delete --force -r "^$ID-[^0-9]"
    [ -z "$(r list -q | grep "^$ID-")" ]
    r kill --regex "^$ID-nothing"
    run r kill --regex "("
    [ "$status" = 1 ]
    [[ "$output" == *"--regex: '(' without ')'"* ]]
}

@test "update: each CPU, memory and pids option" {
    config '.linux.resources += {"memory": {"limit": 67108864, "swap": 67108864}, "cpu": {"shares": 512, "cpus": "0", "mems": "0"}, "pids": {"limit": 40}}'
    running
    r update --cpu-quota 30000 --cpu-period 60000 "$ID"
    has cpu cpu.max "30000 60000" cpu.cfs_quota_us 30000
    has cpu cpu.max "30000 60000" cpu.cfs_period_us 60000
    r update --cpu-burst 5000 "$ID"
    has cpu cpu.max.burst 5000 cpu.cfs_burst_us 5000
    r update --cpu-share 262144 "$ID"
    has cpu cpu.weight 10000 cpu.shares 262144
    r update --cpu-shares 2 "$ID"
    has cpu cpu.weight 1 cpu.shares 2
    r update --cpu-idle 1 "$ID"
    has cpu cpu.idle 1 cpu.idle 1
    r update --cpuset-cpus 0-1 --cpuset-mems 0 "$ID"
    has cpuset cpuset.cpus 0-1 cpuset.cpus 0-1
    has cpuset cpuset.mems 0 cpuset.mems 0
    r update --pids-limit 60 "$ID"
    has pids pids.max 60 pids.max 60
    r update --memory 33554432 --memory-swap 50331648 "$ID"
    has memory memory.max 33554432 memory.limit_in_bytes 33554432
    [ "$(cat "$(group_of memory)/memory.swap.max" 2>/dev/null || cat "$(group_of memory)/memory.memsw.limit_in_bytes" 2>/dev/null || echo 50331648)" = "$(on_v2 memory && echo 16777216 || echo 50331648)" ]
    r update --memory-reservation 16m "$ID"
    has memory memory.low 16777216 memory.soft_limit_in_bytes 16777216
    r update --memory -1 --memory-swap -1 "$ID"
    on_v2 memory && has memory memory.max max - - || [ "$(cat "$(group_of memory)/memory.limit_in_bytes")" -gt 1000000000000 ]
    # What was set before and not mentioned since is as it was.
    has pids pids.max 60 pids.max 60
    has cpu cpu.max "30000 60000" cpu.cfs_quota_us 30000
}

@test "update: options of hierarchies that are not here are refused, not forgotten" {
    running
    if on_v2 cpu; then
        for o in '--cpu-rt-runtime 1000' '--cpu-rt-period 500000' '--kernel-memory-tcp 4m'; do
            run r update $o "$ID"
            [ "$status" = 1 ] || { echo "$o"; false; }
            [[ "$output" == *"cgroup v2 has no"* ]] || { echo "$o: $output"; false; }
        done
    else
        r update --cpu-rt-period 500000 "$ID"
        has cpu - - cpu.rt_period_us 500000
        r update --cpu-rt-runtime 1000 "$ID"
        has cpu - - cpu.rt_runtime_us 1000
        r update --kernel-memory-tcp 4194304 "$ID"
        has memory - - memory.kmem.tcp.limit_in_bytes 4194304
    fi
    run r update --kernel-memory 4m "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *kernel* ]]
}

@test "update --blkio-weight" {
    running
    run r update --blkio-weight 500 "$ID"
    if [ "$status" != 0 ]; then
        [[ "$output" == *"blockIO.weight"* ]] || { echo "$output"; false; }
        skip_because no-controller "no weights of block I/O on this kernel"
    fi
    cat "$(group_of io)"/*.weight | grep -qE '(^|default )(500|4950)$'
}

@test "update --resources: a file, and what is wrong in it" {
    config '.linux.resources.pids.limit = 10'
    running
    echo '{"pids": {"limit": 60}}' >"$T/r.json"
    r update --resources "$T/r.json" "$ID"
    has pids pids.max 60 pids.max 60
    echo '{"pids": {"limit": "x"}}' >"$T/r.json"
    run r update -r "$T/r.json" "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *pids.limit* ]]
}

@test "spec --bundle and --rootless" {
    mkdir "$T/new"
    timeout 60 "$HOYRUN" spec --bundle "$T/new"
    [ "$(jq -r '.linux.uidMappings' "$T/new/config.json")" = null ]
    run timeout 60 "$HOYRUN" spec -b "$T/new"
    [ "$status" = 1 ]
    [[ "$output" == *"File config.json exists. Remove it first"* ]]
    rm "$T/new/config.json"
    timeout 60 "$HOYRUN" spec -b "$T/new" --rootless
    [ "$(jq -r '.linux.uidMappings[0].hostID' "$T/new/config.json")" = "$(id -u)" ]
    jq -e '.linux.namespaces | map(.type) | index("user")' "$T/new/config.json"
    run timeout 60 "$HOYRUN" spec -b "$T/nosuch"
    [ "$status" = 1 ]
}
