#!/usr/bin/env bats
# hoyrun: exec, pause, resume, ps, update, events.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

running() {
    config '.process.args = ["sleep", "1000"]'
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&- || { cat "$T/err"; return 1; }
}

# x ARGUMENTS...: exec with closed stdin.
x() {
    run r exec "$@" </dev/null
}

@test "exec joins all namespaces and the cgroup, and gives the exit code" {
    config '.linux.namespaces += [{"type": "time"}]'
    running
    pid=$(pid_of)
    x "$ID" sh -c 'for n in mnt pid ipc uts net cgroup time; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup | cut -d: -f3 | sort -u; exit 9'
    [ "$status" = 9 ]
    i=0
    for n in mnt pid ipc uts net cgroup time; do
        [ "${lines[$i]}" = "$(readlink "/proc/$pid/ns/$n")" ] || { echo $n; return 1; }
        i=$((i + 1))
    done
    [ "${lines[7]}" = / ]
    [ "${#lines[@]}" = 8 ]
}

@test "exec in a user namespace" {
    config '.linux.namespaces += [{"type": "user"}]
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        | .linux.gidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
    rm -rf "$B/rootfs"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    chown -R 100000:100000 "$B/rootfs"
    running
    x "$ID" sh -c 'id -u; readlink /proc/self/ns/user'
    [ "${lines[0]}" = 0 ]
    [ "${lines[1]}" = "$(readlink "/proc/$(pid_of)/ns/user")" ]
}

@test "exec has the container's limits, capabilities, seccomp filter and user" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]}
        | .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 199}] | .process.oomScoreAdj = 123
        | .process.scheduler = {"policy": "SCHED_BATCH", "nice": 5} | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 3}
        | .process.user = {"uid": 1000, "gid": 1001, "additionalGids": [1234]}'
    running
    x "$ID" sh -c 'id -u; id -G; grep -E "Seccomp:|CapBnd|NoNewPrivs" /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj; cut -d" " -f19,41 /proc/$$/stat; ionice -p $$'
    echo "$output"
    [ "$status" = 0 ]
    [ "${lines[0]}" = 1000 ]
    [[ "${lines[1]}" == *1234* ]]
    [[ "$output" =~ Seccomp:.2 ]]
    [[ "$output" =~ CapBnd:.0000000020000420 ]]
    [[ "$output" =~ NoNewPrivs:.1 ]]
    [ "${lines[5]}" = 99 ]
    [ "${lines[6]}" = 123 ]
    [ "${lines[7]}" = "5 3" ]
    [[ "${lines[8]}" == *"prio 3"* ]]
}

@test "exec's options add to the container's process" {
    config '.process.env += ["KEPT=1", "CHANGED=old"] | .process.user.additionalGids = [7]'
    running
    x -e CHANGED=new --env ADDED=2 --cwd /tmp -u 5:6 -g 8 --cap CAP_CHOWN "$ID" sh -c 'env; pwd; id -u; id -g; id -G; grep CapBnd /proc/self/status'
    [ "$status" = 0 ]
    for want in KEPT=1 CHANGED=new ADDED=2 /tmp 5 6; do grep -qx "$want" <<<"$output" || { echo "no $want: $output"; return 1; }; done
    grep -q "6 7 8" <<<"$output"
    [[ "$output" =~ CapBnd:.0000000020000421 ]]
    x -u nonsense "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"option --user: 'nonsense' is not UID[:GID]"* ]]
}

@test "exec of a process file" {
    running
    jq -n '{"args": ["sh", "-c", "pwd; echo $X; grep CapBnd /proc/self/status"], "cwd": "/var", "env": ["PATH=/bin", "X=y"], "user": {"uid": 0, "gid": 0}}' >"$T/p"
    x --process "$T/p" "$ID"
    [ "$status" = 0 ]
    [ "${lines[0]}" = /var ]
    [ "${lines[1]}" = y ]
    [[ "${lines[2]}" =~ 0000000020000420 ]]
    echo '{"args": 5}' >"$T/p"
    x -p "$T/p" "$ID"
    [ "$status" = 255 ]
    [[ "$output" == *args* ]]
}

@test "exec with CPU affinity" {
    running
    jq -n '{"args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"], "execCPUAffinity": {"initial": "0", "final": "0"}}' >"$T/p"
    x -p "$T/p" "$ID"
    [ "$status" = 0 ]
    [[ "$output" =~ [[:space:]]0$ ]]
    jq '.execCPUAffinity = {"initial": "0"}' "$T/p" >"$T/q"
    x -p "$T/q" "$ID"
    [ "$status" = 0 ]
    jq '.execCPUAffinity = {"final": "a-b"}' "$T/p" >"$T/q"
    x -p "$T/q" "$ID"
    [[ "$output" == *"execCPUAffinity.final"* ]]
}

@test "exec fails with 255 and the words that callers match" {
    x "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"container does not exist"* ]]
    running
    x "$ID" no-such-program
    [ "$status" = 255 ]
    [[ "$output" == *'exec failed: unable to start container process: exec: "no-such-program": executable file not found in $PATH'* ]]
    x "$ID" /etc/passwd
    [[ "$output" == *'exec: "/etc/passwd": permission denied'* ]]
    x --cwd /no/such "$ID" true
    [[ "$output" == *"chdir '/no/such'"* ]]
    r kill "$ID" KILL
    wait_for 5 is_status stopped
    x "$ID" true
    [[ "$output" == *"cannot exec in a stopped container"* ]]
}

@test "exec detached, with a pid file; in a created container" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    r exec -d --pid-file "$T/pid" "$ID" sleep 555 </dev/null >"$T/out" 2>&1 3>&- 4>&-
    [ "$(tr '\0' ' ' <"/proc/$(cat "$T/pid")/cmdline")" = "sleep 555 " ]
    [ "$(r ps -f json "$ID" | jq length)" = 2 ]
    r start "$ID"
    r delete -f "$ID"
    wait_for 5 is_dead "$(cat "$T/pid")"
}

@test "exec with a terminal, and with descriptors" {
    running
    x -t "$ID" sh -c 'tty; exit 4'
    [ "$status" = 4 ]
    [ "$output" = /dev/pts/0 ]
    echo through >"$T/in"
    run r exec --preserve-fds 1 "$ID" sh -c 'cat <&3; ls /proc/self/fd | tr "\n" " "' 3<"$T/in" 4>&- </dev/null
    [ "${lines[0]}" = through ]
    [ "${lines[1]}" = "0 1 2 3 4 " ]
}

@test "exec's process can't reach the runtime's executable or the host's descriptors" {
    running
    printf '#!/proc/self/exe\n' >"$B/rootfs/bin/evil"
    chmod 755 "$B/rootfs/bin/evil"
    sum=$(sha256sum <"$HOYRUN")
    x "$ID" /bin/evil
    [ "$(sha256sum <"$HOYRUN")" = "$sum" ]
    exec 7</
    for fd in 3 4 5 6 7 8; do
        x --cwd /proc/self/fd/$fd "$ID" true
        [ "$status" = 255 ] || { echo "fd $fd"; return 1; }
    done
    exec 7<&-
}

@test "pause and resume" {
    sh_in 'while :; do echo tick; sleep 0.05; done'
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    wait_for 5 grep -q tick "$T/out"
    r pause "$ID"
    is_status paused
    before=$(wc -l <"$T/out")
    sleep 0.3
    [ "$(wc -l <"$T/out")" = "$before" ]
    run r pause "$ID"
    [[ "$output" == *"container not running or created: paused"* ]]
    x "$ID" true
    [[ "$output" == *"cannot exec in a paused container"* ]]
    r resume "$ID"
    is_status running
    run r resume "$ID"
    [[ "$output" == *"container not paused"* ]]
    r pause "$ID"
    r kill "$ID" KILL
    wait_for 5 is_status stopped
    r delete "$ID"
    nothing_left
}

@test "ps shows the container's processes" {
    running
    [ "$(r ps -f json "$ID")" = "[$(pid_of)]" ]
    run r ps "$ID"
    [[ "${lines[0]}" == *PID* ]]
    [[ "${lines[1]}" == *"sleep 1000"* ]]
    [ "${#lines[@]}" = 2 ]
    run r ps "$ID" -o pid,comm -e
    [[ "${lines[1]}" == *"$(pid_of) sleep"* ]]
    run r ps "$ID" -o comm
    [[ "$output" == *"no column 'PID'"* ]]
}

@test "update changes what is given and keeps the rest" {
    config '.linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 50}}'
    running
    data() { r events --stats "$ID" | jq ".data.$1"; }
    [ "$(data memory.usage.limit)" = 67108864 ] || skip_because no-controller "no memory controller here"
    r update --memory 128m "$ID"
    [ "$(data memory.usage.limit)" = 134217728 ]
    [ "$(data pids.limit)" = 50 ]
    echo '{"pids": {"limit": 60}}' | r update -r - "$ID"
    [ "$(data pids.limit)" = 60 ]
    [ "$(data memory.usage.limit)" = 134217728 ]
    r update --pids-limit -1 "$ID"
    [ "$(data pids.limit)" = 0 ]
    run r update --memory nonsense "$ID"
    [[ "$output" == *"invalid value for memory: 'nonsense'"* ]]
    run r update --l3-cache-schema x "$ID"
    [[ "$output" == *"was made without linux.intelRdt: it has no schemata"* ]]
}

@test "root of a user namespace: state is kept with the user's, exec comes and goes" {
    # as podman calls us for a user
    config 'del(.linux.resources, (.mounts[].options[]? | select(startswith("gid=")))) | .process.args = ["sleep", "1000"]'
    mkdir "$T/user"
    run env XDG_RUNTIME_DIR="$T/user" unshare -r bash -c '
        "$0" run -d -b "$1" "$2" </dev/null >"$1/out" 2>&1 || { cat "$1/out"; exit 1; }
        ls "$XDG_RUNTIME_DIR/hoyrun"
        "$0" exec "$2" readlink /proc/self/ns/pid
        readlink "/proc/$("$0" state "$2" | jq .pid)/ns/pid"
        "$0" delete -f "$2"; ls "$XDG_RUNTIME_DIR/hoyrun"' "$HOYRUN" "$B" "$ID" 3>&- 4>&-
    [ "$status" = 0 ]
    [ "${lines[0]}" = "$ID" ]
    [[ "${lines[1]}" == "pid:["* ]]
    [ "${lines[1]}" = "${lines[2]}" ]
    [ "${#lines[@]}" = 3 ]
}

@test "events tells statistics and out-of-memory kills" {
    config '.linux.resources.memory = {"limit": 16777216, "swap": 16777216}'
    sh_in 'read x </tmp/go; (echo 1000 >/proc/self/oom_score_adj; exec '"$EATER"'); sleep 1000'
    mkfifo "$B/rootfs/tmp/go"
    r run -d -b "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&-
    "$HOYRUN" --root "$T/root" events --interval 100ms "$ID" >"$T/events" 2>&1 3>&- 4>&- &
    events=$!
    wait_for 20 grep -q '"type":"stats"' "$T/events"
    [ "$(head -1 "$T/events" | jq -r .id)" = "$ID" ]
    [ "$(head -1 "$T/events" | jq '.data.memory.usage.usage > 0')" = true ]
    [ "$(head -1 "$T/events" | jq '.data.cpu.usage.total > 0')" = true ]
    echo >"$B/rootfs/tmp/go"
    wait_for 60 grep -q '"type":"oom"' "$T/events"
    r kill "$ID" KILL
    wait $events
}
