# What the shim has of the container's cgroup: stats, limits, the freezer, out-of-memory kills. Also runs in the VM, where
# cgroups are v2.
load shim

setup() { shim_setup; }
teardown() { shim_teardown; }

# group_dir PID CONTROLLER: the directory of its cgroup.
group_dir() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
    else
        echo "/sys/fs/cgroup/$2$(sed -nE "s/^[0-9]+:([a-z,]*,)?$2(,[a-z,]*)?:(.*)/\\3/p" "/proc/$1/cgroup")"
    fi
}

@test "stats are those of the cgroup" {
    bundle_config "$B" '.linux.resources.memory.limit = 67108864 | .linux.resources.pids.limit = 77'
    sh_in 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ready; sleep 100'
    start_shim
    pid=$(create_task | jq .pid)
    task Start
    wait_for 10 grep -q ready "$T/log"
    task Stats >"$T/stats"
    m() { jq -r --arg key "$1" '.metrics[$key]' "$T/stats"; }
    memory=$(group_dir "$pid" memory) pids=$(group_dir "$pid" pids)
    case $(jq -r .type_url "$T/stats") in
    io.containerd.cgroups.v1.Metrics)
        [ ! -e /sys/fs/cgroup/cgroup.controllers ]
        [ "$(m 2.1)" = "$(cat "$pids/pids.current")" ] && [ "$(m 2.2)" = 77 ]
        [ "$(m 3.1.1)" -gt 1000000 ] # ns
        [ "$(m 4.33.1)" = 67108864 ] && [ "$(m 4.33.2)" -gt 100000 ]
        [ "$(m 4.16)" = 67108864 ] # hierarchical_memory_limit of memory.stat
        [ "$(m 4.9)" -gt 0 ]       # pgfault
        [ "$(m 9)" = true ]
        ;;
    io.containerd.cgroups.v2.Metrics)
        [ "$(m 1.1)" = "$(cat "$pids/pids.current")" ] && [ "$(m 1.2)" = 77 ]
        [ "$(m 2.1)" -gt 1000 ] && [ "$(m 2.1)" -ge "$(m 2.2)" ] # us
        [ "$(m 4.33)" = 67108864 ] && [ "$(m 4.32)" -gt 100000 ]
        [ "$(m 4.1)" -gt 4096 ] && [ "$(m 4.18)" -gt 0 ] # anon, pgfault
        [ ! -e "$memory/memory.peak" ] || [ "$(m 4.36)" -ge "$(m 4.32)" ]
        [ "$(m 8)" = true ]
        [ ! -e "$memory/memory.pressure" ] || [ "$(m 4.38.2)" = true ]
        [ ! -e "$memory/cpu.pressure" ] || [ "$(m 2.7.1)" = true ]
        task Update 'resources={"pids":{"limit":-1}}'
        task Stats >"$T/stats"
        [ "$(m 1.2)" = 18446744073709551615 ] # max
        ;;
    esac
    task Kill signal=9
    task Wait
    task Delete
}

@test "pause and resume" {
    sh_in 'while :; do echo tick; sleep 0.05; done'
    start_shim
    create_task
    task Start
    task Pause
    [ "$(task State | jq .status)" = 4 ]
    # what was on its way arrives, and then nothing more
    silent() { before=$(wc -l <"$T/log"); sleep 0.3; [ "$(wc -l <"$T/log")" = "$before" ]; }
    wait_for 5 silent
    task Resume
    [ "$(task State | jq .status)" = 2 ]
    grown() { [ "$(wc -l <"$T/log")" -gt "$before" ]; }
    wait_for 5 grown
    task Kill signal=9 all=true
    task Wait
}

@test "update of limits" {
    sh_in 'sleep 100'
    start_shim
    create_task
    task Start
    task Update 'resources={"pids":{"limit":17}}'
    run task Update 'resources={"pids":{"limit":"many"}}'
    [[ "$output" == "code 2: OCI runtime update failed: "* ]]
    path=$(sed -n 's/^[0-9]*:\(pids\|\):\(.*\)/\1:\2/p' "/proc/$(cat "$B/init.pid")/cgroup" | sort -r | head -1)
    grep -qx 17 /sys/fs/cgroup{/pids,}"${path#*:}"/pids.max 2>/dev/null
    task Kill signal=9
    task Wait
}

@test "an out-of-memory kill is written down" {
    [ -e /sys/fs/cgroup/memory ] || grep -qw memory /sys/fs/cgroup/cgroup.controllers
    bundle_config "$B" '.linux.resources.memory = {limit: 20971520, swap: 20971520}'
    sh_in "exec $EATER"
    start_shim
    create_task
    task Start
    task Wait
    [ "$(jq .oom_killed "$B/exit.json")" = true ]
    task Delete
}

ooms() {
    grep -c /tasks/oom "$T/events"
}

@test "an out-of-memory kill is an event before the exit" {
    bundle_config "$B" '.linux.resources.memory.limit = 20971520'
    # A child is killed, later the first process. The kernel may take another one with them, before the first has given
    # its memory back.
    sh_in "(exec $EATER); echo survived; read -r x; exec $EATER"
    export TTRPC_ADDRESS=$T/events.sock
    containerd_is
    start_shim
    create_task stdin=hoy-stdin:
    task Start
    wait_for 20 grep -q survived "$T/log"
    wait_for 5 grep -q /tasks/oom "$T/events"
    before=$(ooms)
    client "$B" attach stdin=true <<<"" >/dev/null
    task Wait
    task Delete
    wait_for 5 grep -q /tasks/delete "$T/events"
    kill "$events_pid"
    topics
    [[ "$(topics)" =~ ^/tasks/create\ /tasks/start\ (/tasks/oom )+/tasks/exit\ /tasks/delete\ $ ]]
    [ "$(ooms)" -gt "$before" ]
    [ "$(jq .oom_killed "$B/exit.json")" = true ]
}
