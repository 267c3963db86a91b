#!/usr/bin/env bats
# hoyrun: checkpoint and restore. What needs a working CRIU runs where there is one: in the VM.
load runtime

setup_file() {
    runtime_setup_file
    criu check >/dev/null 2>&1 && CRIU_WORKS=yes
    export CRIU_WORKS=${CRIU_WORKS:-no}
}
setup() {
    runtime_setup
    IMG=$T/images
}
teardown() {
    [ -z "${RECEIVER:-}" ] || kill "$RECEIVER" 2>/dev/null || :
    runtime_teardown
    [ -z "${NS:-}" ] || ip netns del "$NS" || :
}

need_criu() {
    [ "$CRIU_WORKS" = yes ] || skip_because no-criu "this machine's criu can't work on its kernel"
}

# Counts in a tmpfs, which only its memory holds.
counter='i=0; while :; do i=$((i+1)); echo $i >/dev/shm/n.new; mv /dev/shm/n.new /dev/shm/n; sleep 0.1; done'

count_of() { # [ID]
    r exec "${1:-$ID}" cat /dev/shm/n </dev/null
}

run_detached() { # [ID]
    r run -d -b "$B" "${1:-$ID}" </dev/null >/dev/null 2>"$T/err" 3>&- 4>&-
}

checkpoint() { # [OPTION...]
    run r checkpoint --image-path "$IMG" "$@" "$ID" </dev/null
    [ "$status" = 0 ] || { echo "$output"; return 1; }
}

restore() { # ID [OPTION...]: detached; stdio away from bats
    local id=$1
    shift
    r restore -d -b "$B" --image-path "$IMG" "$@" "$id" </dev/null >/dev/null 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; return 1; }
}

is_past() { # ID COUNT
    [ "$(count_of "$1")" -gt "$2" ]
}

goes_on() { # ID COUNT: it counts from where it was
    local now
    now=$(count_of "$1")
    [ "$now" -ge "$2" ] && [ "$now" -lt $(($2 + 1000)) ] || { echo "at $now, was at $2"; return 1; }
    wait_for 20 is_past "$1" "$now"
}

refused() { # TEXT COMMAND...
    local text=$1
    shift
    run r "$@" </dev/null
    [ "$status" -ne 0 ] || { echo "it worked"; return 1; }
    [[ "$output" == *"$text"* ]] || { echo "got: $output"; echo "wanted: $text"; return 1; }
}

@test "memory, mounts, limits, filter, capabilities and the network namespace come back" {
    need_criu
    NS=$ID
    ip netns add "$NS"
    mkdir "$T/data" && echo kept >"$T/data/file"
    ln -s ../run "$B/rootfs/var/way"
    sh_in "$counter"
    config '.mounts += [{"destination": "/var/way/data", "source": $d, "options": ["bind", "ro"]}]
        | .linux.resources.pids.limit = 99 | .process.capabilities.bounding = ["CAP_KILL"]
        | (.linux.namespaces[] | select(.type == "network")).path = $ns
        | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}' \
        --arg d "$T/data" --arg ns "/run/netns/$NS"
    run_detached
    wait_for 10 count_of
    before=$(count_of)
    caps=$(r exec "$ID" grep -E '^Cap(Bnd|Prm)' /proc/1/status)
    checkpoint --work-path "$T/criu"
    nothing_left
    [ -s "$T/criu/dump.log" ] && [ ! -e "$IMG/dump.log" ]
    [ "$(jq -r '.[0]' "$IMG/descriptors.json")" = /dev/null ]
    # The root file system of another host: nobody has made the mount points.
    rm -rf "$B/rootfs/run" && mkdir "$B/rootfs/run"

    restore "$ID" --pid-file "$T/pid"
    [ "$(cat "$T/pid")" = "$(pid_of)" ] && is_status running
    goes_on "$ID" "$before"
    [ "$(r exec "$ID" cat /run/data/file)" = kept ]
    run r exec "$ID" touch /run/data/file
    [[ "$output" == *Read-only* ]]
    [ "$(r exec "$ID" cat /proc/kcore | wc -c)" = 0 ]
    [ "$(r exec "$ID" grep -E '^Cap(Bnd|Prm)' /proc/1/status)" = "$caps" ]
    r exec "$ID" grep -q '^Seccomp:.*2' /proc/1/status
    grep -q "/$ID\$" "/proc/$(pid_of)/cgroup"
    [ "$(cat "/sys/fs/cgroup/$ID/pids.max")" = 99 ]
    [ "$(readlink "/proc/$(pid_of)/ns/net")" = "net:[$(stat -L -c %i "/run/netns/$NS")]" ]
    r delete -f "$ID"
    nothing_left
}

@test "pre-dump, then a dump on top of it that leaves the container running; under another name twice" {
    need_criu
    sh_in "$counter"
    config '.linux.namespaces |= map(select(.type != "cgroup"))'
    run_detached
    wait_for 10 count_of
    run r checkpoint --pre-dump --image-path "$T/pre" "$ID" </dev/null
    [ "$status" = 0 ]
    [ ! -e "$T/pre/descriptors.json" ] && is_status running
    before=$(count_of)
    checkpoint --parent-path ../pre --leave-running
    [ "$(readlink "$IMG/parent")" = ../pre ]
    is_status running
    restore "$ID-b"
    goes_on "$ID-b" "$before"
    goes_on "$ID" "$before"
    grep -q "/$ID-b\$" "/proc/$(pid_of "$ID-b")/cgroup"
    # The cgroup tree it sees is that of its own new group.
    [ "$(r exec "$ID-b" cat /sys/fs/cgroup/cgroup.procs | wc -l)" -ge 1 ]
    r delete -f "$ID-b"
}

got() {
    r exec "$ID" stat -c %s /dev/shm/got </dev/null
}

got_more() { # SIZE
    [ "$(got)" -gt "$1" ]
}

@test "established connections, hooks in their order, processes of exec, a log file as stdout" {
    need_criu
    for kind in prestart createRuntime poststart poststop; do
        config '.hooks[$k] = [{"path": "/bin/sh", "args": ["sh", "-c", "cat >\($t)/\($k).state; echo \($k) >>\($t)/order"]}]' \
            --arg k $kind --arg t "$T"
    done
    sh_in 'mkfifo /dev/shm/in; (while :; do echo x; sleep 0.1; done) >/dev/shm/in & sleep 1000 | nc -l -p 77 >/dev/shm/got & sleep 0.5; nc 127.0.0.1 77 </dev/shm/in & trap "echo ended; exit" TERM; while :; do echo tick; sleep 0.1; done'
    r run -d -b "$B" "$ID" </dev/null >"$T/log" 2>&1 3>&- 4>&-
    wait_for 20 r exec "$ID" test -s /dev/shm/got
    refused "--tcp-established" checkpoint --image-path "$IMG" "$ID" # the reason is in CRIU's log, and that in the error
    [[ "$output" == *"(log: $IMG/dump.log)"* ]]
    is_status running
    : >"$T/order"
    checkpoint --tcp-established
    [ "$(cat "$T/order")" = poststop ]
    : >"$T/order"
    # The same log: CRIU insists on a file as it was.
    r restore -d -b "$B" --image-path "$IMG" --tcp-established "$ID" </dev/null >>"$T/log" 2>&1 3>&- 4>&-
    [ "$(tr '\n' ' ' <"$T/order")" = "prestart createRuntime poststart " ]
    [ "$(jq -r .status "$T/createRuntime.state")" = creating ] && [ "$(jq .pid "$T/createRuntime.state")" = "$(pid_of)" ]
    [ "$(jq -r .status "$T/poststart.state")" = running ]
    size=$(got)
    wait_for 20 got_more "$size"
    r kill "$ID" TERM
    wait_for 20 grep -q ended "$T/log"
}

@test "restore in the foreground: pipes are ours, the exit status is the program's; a failing hook leaves nothing" {
    need_criu
    sh_in 'echo before; read line; echo "got $line"; exit 7'
    { sh -c 'echo $$ >"$0"; exec sleep 300' "$T/stdin.pid" | r run -d -b "$B" "$ID" | cat >"$T/log"; } 2>/dev/null 3>&- 4>&- &
    wait_for 10 grep -q before "$T/log"
    checkpoint
    kill "$(cat "$T/stdin.pid")"
    run bash -c "echo typed | timeout 60 '$HOYRUN' --root '$T/root' restore --keep --no-subreaper -b '$B' --image-path '$IMG' '$ID' | cat; exit \${PIPESTATUS[1]}"
    [ "$status" = 7 ] && [ "$output" = "got typed" ]
    is_status stopped
    r delete "$ID"
    nothing_left
    config '.hooks.createRuntime = [{"path": "/bin/false"}]'
    refused "error running createRuntime hook #0" restore -b "$B" --image-path "$IMG" "$ID"
    nothing_left
}

@test "a terminal goes to the new console socket" {
    need_criu
    config '.process.terminal = true'
    sh_in 'while :; do tty; sleep 0.2; done'
    receive_console
    create_it --console-socket "$T/console"
    r start "$ID"
    wait_for 20 grep -q /dev/pts/0 "$T/console.out"
    checkpoint
    wait "$RECEIVER" || :
    rm "$T/console" "$T/console.ready"
    refused "without setting console socket" restore -d -b "$B" --image-path "$IMG" "$ID"
    receive_console
    restore "$ID" --console-socket "$T/console"
    wait_for 20 grep -q /dev/pts/0 "$T/console.out"
    r delete -f "$ID"
}

@test "lazy pages: restored while its memory is still with the old one" {
    need_criu
    sh_in "$counter"
    run_detached
    wait_for 10 count_of
    before=$(count_of)
    mkfifo "$T/ready"
    r checkpoint --image-path "$IMG" --lazy-pages --page-server 127.0.0.1:7799 --status-fd 6 "$ID" \
        6<>"$T/ready" </dev/null >"$T/dump.out" 2>&1 3>&- 4>&- &
    dump=$!
    [ "$(timeout 30 head -c 1 "$T/ready" | od -An -tx1)" = " 00" ]
    timeout 60 criu lazy-pages --page-server --address 127.0.0.1 --port 7799 -D "$IMG" -o lazy.log </dev/null >/dev/null 2>&1 3>&- 4>&- &
    pages=$!
    wait_for 20 test -S "$IMG/lazy-pages.socket"
    # What is being dumped has not let go of its name yet.
    restore "$ID-b" --lazy-pages
    goes_on "$ID-b" "$before"
    wait $dump || { cat "$T/dump.out"; false; }
    wait $pages
    r delete -f "$ID-b"
}

# A criu that writes down the fields of the options it is asked with, one "NUMBER:VALUE" a line, and fails.
fake_criu() {
    mkdir -p "$T/bin"
    cat >"$T/bin/criu" <<PY
#!/usr/bin/env python3
import socket, sys
def number(data, at):
    n = shift = 0
    while True:
        b = data[at]
        at, n, shift = at + 1, n | (b & 127) << shift, shift + 7
        if b < 128:
            return n, at
def fields(data):
    at = 0
    while at < len(data):
        tag, at = number(data, at)
        n, at = number(data, at)
        yield tag >> 3, data[at:at + n] if tag & 7 == 2 else n
        at += n if tag & 7 == 2 else 0
s = socket.socket(fileno=int(sys.argv[2]))
request = dict(fields(s.recv(1 << 20)))
with open("$T/asked", "w") as out:
    for n, value in fields(request[2]):
        print(n, value if isinstance(value, int) else value.decode(), sep=":", file=out)
s.send(bytes([8, request[1], 16, 0]))
PY
    chmod 755 "$T/bin/criu"
    PATH=$T/bin:$PATH
}

asked() { # FIELD...: all of them
    local field
    for field; do
        grep -qx "$field" "$T/asked" || { echo "not asked: $field"; cat "$T/asked"; return 1; }
    done
}

@test "options that CRIU alone understands reach it" {
    sh_in 'sleep 100'
    config '.annotations."org.criu.config" = "/etc/other"'
    run_detached
    fake_criu
    refused "criu dump failed" checkpoint --image-path "$IMG" "$ID"
    asked 2:"$(pid_of)" 3:0 4:0 5:0 7:0 8:0 10:dump.log 13:"$B/rootfs" 16:0 18:0 34:3 38:$((0x40000000)) 46:0 48:0 51:/etc/other
    refused "criu dump failed" checkpoint --image-path "$IMG" --ext-unix-sk --shell-job --file-locks --link-remap \
        --tcp-skip-in-flight --tcp-established --auto-dedup --manage-cgroups-mode full --empty-ns network "$ID"
    asked 4:1 5:1 7:1 8:1 16:1 18:1 34:4 38:$((0x40000000)) 46:1
    refused "criu pre-dump failed" checkpoint --pre-dump --image-path "$IMG" --manage-cgroups-mode ignore "$ID"
    asked 3:1 15:1 34:0
    r delete -f "$ID"
    config '.annotations."org.criu.config" = ""'
    refused "criu restore failed" restore -b "$B" --image-path "$IMG" --ext-unix-sk --shell-job --file-locks --auto-dedup \
        --lazy-pages --manage-cgroups-mode strict --lsm-profile apparmor:p --lsm-mount-context ctx "$ID"
    asked 4:1 7:1 8:1 10:restore.log 16:1 26:1 34:5 48:1 53:apparmor:p 63:ctx
    ! grep '^51:' "$T/asked" || false
    nothing_left
}

@test "what can't be saved or brought back is refused by name" {
    run_it # makes sure that the bundle works
    [ "$status" = 0 ]
    refused "container does not exist" checkpoint "$ID"
    sh_in 'sleep 100'
    mkdir "$T/data"
    data=$T/data
    [ "$(stat -f -c %T "$T")" != tmpfs ] || data=/usr/share # a tmpfs can be mapped since Linux 6.3
    config '.mounts += [{"destination": "/data", "source": $d, "options": ["bind", "idmap"],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}]' --arg d "$data"
    run_detached
    refused "criu can't save an id-mapped mount" checkpoint --image-path "$IMG" "$ID"
    r delete -f "$ID"
    config '.mounts |= map(select(.destination != "/data"))'
    create_it
    refused "container cannot be checkpointed in created state" checkpoint --image-path "$IMG" "$ID"
    r start "$ID"
    refused "--parent-path: '/x' must be relative" checkpoint --image-path "$IMG" --parent-path /x "$ID"
    refused "--parent-path: 'no' in '$IMG': no such file" checkpoint --image-path "$IMG" --parent-path no "$ID"
    refused "--page-server: 'host' is not ADDRESS:PORT" checkpoint --page-server host "$ID"
    refused "--lazy-pages needs --page-server" checkpoint --lazy-pages "$ID"
    refused "--lazy-pages and --pre-dump exclude each other" checkpoint --pre-dump --lazy-pages "$ID"
    refused "--status-fd: 77 is not open for writing" checkpoint --status-fd 77 "$ID"
    refused "--manage-cgroups-mode: 'hard' is not one of" checkpoint --manage-cgroups-mode hard "$ID"
    refused "--empty-ns: 'ipc': only 'network'" checkpoint --empty-ns ipc "$ID"
    refused "flag needs an argument: --lsm-mount-context" restore --lsm-mount-context
    refused "container with given ID already exists" restore -b "$B" --image-path "$T" "$ID"
    is_status running
    r delete -f "$ID"
    refused "--image-path: open directory '$T/none'" restore -b "$B" --image-path "$T/none" "$ID"
    refused "--no-pivot" restore -b "$B" --image-path "$T" --no-pivot "$ID"
    config '.mounts |= [{"destination": "/", "type": "overlay", "source": "overlay", "options": ["lowerdir=/a:/b"]}] + .'
    refused "mount '$B/rootfs': " restore -b "$B" --image-path "$T" "$ID" # no such layers
    nothing_left
}

@test "the reason of a failure is that of CRIU's log; without criu the package is named" {
    sh_in 'sleep 100'
    run_detached
    if [ "$CRIU_WORKS" = no ]; then
        refused "criu dump failed: " checkpoint --image-path "$IMG" "$ID"
        [[ "$output" == *"(log: $IMG/dump.log)"* ]]
        reason=${output#*failed: } reason=${reason% (log:*}
        grep -q "Error (.*): $reason" "$IMG/dump.log"
        is_status running
    fi
    mkdir "$T/bin"
    ln -s "$(command -v timeout)" "$T/bin/"
    PATH=$T/bin refused "install the package criu" checkpoint --image-path "$IMG" "$ID"
    r delete -f "$ID"
    mkdir -p "$T/empty"
    refused "criu restore failed: " restore -b "$B" --image-path "$T/empty" --work-path "$T/criu" "$ID"
    [[ "$output" == *"(log: $T/criu/restore.log)"* ]]
    nothing_left
}
