# Programs are replaced under running containers: those in HOY_OLD start them, those in HOY_BUILD take over. See `run`.
load ../integration/lib
load ../integration/stack
load ../integration/shim

PROGRAMS="hoyd hoy hoyrun hoyrun-criu hoyrun-systemd containerd-shim-hoy-v2 hoy-pause hoy-log hoy-fetch hoy-layer hoy-net hoy-dns hoy-peer"

setup() {
    require_root
    make_test_dir
    bin=$T/bin
    mkdir "$bin"
    install_from "$HOY_OLD"
    HOYD=$bin/hoyd HOY=$bin/hoy HOYRUN=$bin/hoyrun HOY_SHIM=$bin/containerd-shim-hoy-v2 PATH=$bin:$PATH
}

teardown() {
    stop_hoyd
    shim_teardown
}

# install_from DIR: its programs are in the place of the former ones, as a package manager does it: by rename.
install_from() {
    local program
    for program in $PROGRAMS; do
        [ -e "$1/$program" ] || continue
        cp "$1/$program" "$bin/.new"
        mv "$bin/.new" "$bin/$program"
    done
}

# replace_programs COMMAND...: which runs while no hoyd does.
replace_programs() {
    kill_hoyd
    install_from "$HOY_BUILD"
    "$@"
    start_hoyd
}

inspected() { "$HOY" inspect "$1" | jq -r ".[0]$2"; } # CONTAINER FIELD

ends_meanwhile() {
    touch "$T/flag/go"
    wait_for 10 has_ended
}

has_ended() { grep -qs '"exit_status":6' "$T"/run/*/exit.json "$T"/run/*/*/exit.json; }

@test "hoyd: containers of the former programs: logs, stop, kill, start, rm" {
    start_hoyd
    load_busybox
    "$HOY" run -d --name web --log-opt max-size=4k --log-opt max-file=3 busybox \
        sh -c 'trap "echo asked; exit 7" TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done'
    "$HOY" run -d --name stuck -m 64m busybox sleep 1000
    "$HOY" run --name done busybox sh -c 'echo was here; exit 5' || [ $? = 5 ]
    "$HOY" create --name later busybox echo later
    mkdir "$T/flag"
    "$HOY" run -d --name away -v "$T/flag:/flag" busybox sh -c 'while [ ! -e /flag/go ]; do sleep 0.1; done; exit 6'
    shown() { "$HOY" logs web | grep -qx 5; }
    wait_for 10 shown
    replace_programs ends_meanwhile
    [ "$("$HOY" wait away)" = 6 ]
    [ "$(inspected web .State.Running)" = true ]
    before=$("$HOY" logs web | wc -l)
    more() { [ "$("$HOY" logs web | tail -1)" -gt "$before" ]; }
    wait_for 10 more
    # each line once, in order, through the change
    "$HOY" logs web | awk 'NR > 1 && $1 != last + 1 { exit 1 } { last = $1 }'
    "$HOY" stop -t 30 web
    [ "$(inspected web .State.ExitCode)" = 7 ]
    [ "$("$HOY" logs web | tail -1)" = asked ]
    "$HOY" kill stuck
    [ "$("$HOY" wait stuck)" = 137 ]
    [ "$("$HOY" logs done)" = "was here" ]
    [ "$(inspected done .State.ExitCode)" = 5 ]
    "$HOY" start -a later | grep -qx later
    # what ended starts again, by the new programs
    "$HOY" start web
    "$HOY" rm -f web stuck done later away
    [ -z "$("$HOY" ps -aq)" ]
}

@test "hoyd: exec, update and stats of a container of the former programs" {
    start_hoyd
    load_busybox
    mkdir "$T/flag"
    "$HOY" run -d --name daily -v "$T/flag:/flag" -m 64m busybox sleep 1000
    replace_programs true
    "$HOY" exec -d daily touch /flag/inside
    wait_for 10 test -e "$T/flag/inside"
    # a client at an exec asks more of the shim: shims of before there was one refuse it
    if "$HOY_OLD/hoy" --help | grep -q '^  exec '; then
        run "$HOY" exec daily sh -c 'echo inside; exit 3'
        echo "$output"
        [ "$status" = 3 ]
        [ "$output" = inside ]
    fi
    if "$HOY" --help | grep -q '^  update '; then
        "$HOY" update -m 32m --memory-swap 64m daily
        [ "$(inspected daily .HostConfig.Memory)" = 33554432 ]
    fi
    "$HOY" rm -f daily
}

# The shim and the runtime, as containerd has them.
old_task() { # SCRIPT
    B=$T/b ID=c$$-$BATS_TEST_NUMBER
    make_bundle "$B"
    sh_in "$1"
    start_shim
    create_task
    task Start
}

@test "a shim of the former programs with the new runtime: exec, update, pause, kill, delete" {
    old_task 'while :; do echo tick; sleep 0.1; done'
    install_from "$HOY_BUILD"
    [ "$(readlink "/proc/$SHIM_PID/exe")" = "$HOY_SHIM (deleted)" ]
    task Exec exec_id=e 'spec={"args":["sh","-c","exit 3"],"cwd":"/","env":["PATH=/bin"]}'
    task Start exec_id=e
    [ "$(task Wait exec_id=e | jq .exit_status)" = 3 ]
    task Delete exec_id=e
    task Update 'resources={"pids":{"limit":17}}'
    task Pause
    task Resume
    [ "$("$HOYRUN" --root "$T/r/ns" state "$ID" | jq -r .status)" = running ]
    task Kill signal=9
    [ "$(task Wait | jq .exit_status)" = 137 ]
    task Delete
    task Shutdown
    wait_for 10 shim_is_gone
    [ -z "$(ls "$T/r/ns")" ]
}

@test "start of the new shim finds one of the former programs; its delete cleans up after one" {
    old_task 'sleep 1000'
    pid=$(cat "$B/init.pid")
    install_from "$HOY_BUILD"
    old=$ADDRESS old_pid=$SHIM_PID
    start_shim
    [ "$ADDRESS" = "$old" ]
    [ "$SHIM_PID" = "$old_pid" ]
    kill -9 "$SHIM_PID"
    wait_for 10 shim_is_gone
    timeout 20 "$HOY_SHIM" -namespace ns -id "$ID" -bundle "$B" delete >/dev/null
    wait_for 10 is_dead "$pid"
    [ -z "$(ls "$T/r/ns")" ]
    [ -z "$(ls "$T/s")" ]
}

@test "what a newer version has written is refused by name" {
    install_from "$HOY_BUILD"
    old_task 'sleep 1000'
    bundle_file() { jq -c "$2" "$1" >"$1.new" && mv "$1.new" "$1"; }
    kill -9 "$SHIM_PID"
    wait_for 10 shim_is_gone
    cp "$B/options.json" "$T/options.json"
    bundle_file "$B/options.json" '.version = 99'
    run "$HOY_SHIM" -namespace ns -id "$ID" -bundle "$B" delete
    [ "$status" = 1 ]
    [[ "$output" == *"options.json has version 99"*"newer"* ]]
    mv "$T/options.json" "$B/options.json"
    state=$(find "$T/r/ns/$ID" -name state.json)
    cp "$state" "$T/state.json"
    bundle_file "$state" '.version = 99'
    run "$HOYRUN" --root "$T/r/ns" state "$ID"
    [ "$status" != 0 ]
    echo "$output"
    [[ "$output" == *"state version 99 is newer than this hoyrun"* ]]
    mv "$T/state.json" "$state"
}
