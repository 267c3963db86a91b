# stdio by containerd's streaming service, with an other end of ours (shim-stream.py).
load shim

setup() {
    shim_setup
    readers=()
}
teardown() { shim_teardown; }

stream() { # COMMAND ARGUMENTS...
    timeout 30 /usr/bin/python3 "$TOP/tests/integration/shim-stream.py" "$ADDRESS" "$@"
}

uri() { # NAME
    echo "ttrpc+${ADDRESS}?streaming_id=$1"
}

# reads NAME FILE [FIRST]: a reader in the background, which has to succeed.
reads() {
    stream read "$1" ${3:+"$3"} >"$2" 2>>"$T/readers" <"${go:-/dev/null}" 3>&- &
    readers+=($!)
}

readers_end() {
    for reader in "${readers[@]}"; do wait "$reader"; done
    [ ! -s "$T/readers" ]
}

has_bytes() { # FILE N
    [ "$(stat -c %s "$1")" -ge "$2" ]
}

written() { # KiB; what it has read of its program comes and goes
    awk '/^Private_Dirty:/ { print $2 }' "/proc/$SHIM_PID/smaps_rollup"
}

@test "bytes both ways, whichever side comes first, and the end of both" {
    head -c 1000000 /dev/urandom >"$T/in"
    sh_in 'cat; echo that was it >&2; exit 3'
    start_shim
    reads out "$T/out"
    stream write in <"$T/in" &
    readers+=($!)
    create_task "stdin=$(uri in)" "stdout=$(uri out)" "stderr=$(uri err)" >/dev/null
    task Start >/dev/null
    reads err "$T/err"
    [ "$(task Wait | jq .exit_status)" = 3 ]
    readers_end
    cmp "$T/in" "$T/out"
    [ "$(cat "$T/err")" = "that was it" ]
    task Delete >/dev/null
}

@test "an exec, a terminal, and a process that is never made" {
    sh_in 'sleep 100'
    start_shim
    create_task stdout=none: stderr=none: >/dev/null
    task Start >/dev/null
    reads x-out "$T/out"
    task Exec exec_id=x terminal=true "stdin=$(uri x-in)" "stdout=$(uri x-out)" \
        'spec={"args":["sh","-c","read a; read b; echo $a-$b; tty"],"cwd":"/","terminal":true,"env":["PATH=/bin"]}' >/dev/null
    task Start exec_id=x >/dev/null
    echo first | stream write x-in leave
    echo second | stream write x-in leave
    task Wait exec_id=x >/dev/null
    readers_end
    grep -q '^first-second' "$T/out"
    grep -q '^/dev/pts/' "$T/out"
    task Delete exec_id=x >/dev/null
    # its reader hears of the end
    reads y-out "$T/out"
    task Exec exec_id=y "stdout=$(uri y-out)" 'spec={"args":["/no/such"],"cwd":"/","env":["PATH=/bin"]}' >/dev/null
    run task Start exec_id=y
    [[ "$output" == *"/no/such"* ]]
    readers_end
}

@test "a slow reader holds up its own stream alone" {
    sh_in 'echo here >&2; yes | head -c 300000; echo done >&2'
    start_shim
    mkfifo "$T/go"
    exec {hold}<>"$T/go"
    go=$T/go reads out "$T/out" 1000
    reads err "$T/err"
    create_task "stdout=$(uri out)" "stderr=$(uri err)" >/dev/null
    task Start >/dev/null
    wait_for 5 has_bytes "$T/out" 1000
    wait_for 5 grep -q here "$T/err"
    # the process waits, the shim does not: it sleeps, and answers
    before=$(awk '{ print $14 + $15 }' "/proc/$SHIM_PID/stat")
    task Pids | jq -e '.processes | length > 1' >/dev/null
    [ $(($(awk '{ print $14 + $15 }' "/proc/$SHIM_PID/stat") - before)) -lt 20 ]
    has_bytes "$T/out" 1000 && ! has_bytes "$T/out" 1001 || false
    ! grep -q done "$T/err" || false
    echo >&"$hold"
    task Wait >/dev/null
    readers_end
    [ "$(stat -c %s "$T/out")" = 300000 ]
    grep -q done "$T/err"
    task Delete >/dev/null
}

@test "a peer that goes away is waited for, and CloseIO ends the input without one" {
    sh_in 'cat >/dev/null; seq 20000'
    start_shim
    create_task "stdin=$(uri in)" "stdout=$(uri out)" >/dev/null
    task Start >/dev/null
    head -c 200000 /dev/zero | stream write in leave
    head -c 200000 /dev/zero | stream write in leave
    task CloseIO stdin=true
    stream leave out 5000 >"$T/out"
    [ "$(task State | jq .status)" = 2 ]
    stream leave out 50000 >>"$T/out"
    reads out "$T/rest"
    task Wait >/dev/null
    readers_end
    cat "$T/rest" >>"$T/out"
    seq 20000 | cmp - "$T/out"
    # without any peer Delete does not wait for ever
    task Delete >/dev/null
}

@test "what is wrong is refused, and harms nobody" {
    sh_in 'sleep 100'
    start_shim
    run create_task "stdout=ttrpc+unix:///run/containerd/s/other?streaming_id=1" stderr=
    [ "$output" = "code 12: stdio 'ttrpc+unix:///run/containerd/s/other?streaming_id=1' is not supported: a shim serves streams on its own socket alone, '${ADDRESS#unix://}'" ]
    run create_task "stdout=ttrpc+$ADDRESS?stream=1" stderr=
    [ "$output" = "code 3: stdio 'ttrpc+$ADDRESS?stream=1' has no streaming_id" ]
    run create_task "stdout=ttrpc+vsock://3:1024?streaming_id=1" stderr=
    [ "$output" = "code 12: stdio 'ttrpc+vsock://3:1024?streaming_id=1' is not supported" ]
    create_task "stdout=$(uri kept)" stderr= >/dev/null
    task Start >/dev/null
    before=$(written)
    run stream abuse
    [ "$output" = "code 3: Stream wants a stream, not a single request
code 3: a stream begins with a StreamInit
code 3: a stream's id has 1 to 512 bytes
code 3: malformed message
code 3: malformed message
code 6: a stream of this id is open: already exists
code 8: more was sent than the window allows
code 3: a window can't shrink
code 8: message length 4194305 exceeds the maximum of 4194304 bytes" ]
    [ "$(task State | jq .status)" = 2 ]
    grown=$(($(written) - before))
    echo "grown: $grown KiB"
    grep -q __asan_init "$HOY_SHIM" || [ "$grown" -lt 64 ]
    run task Exec exec_id=x "stdout=$(uri kept)" 'spec={"args":["true"],"cwd":"/","env":["PATH=/bin"]}'
    run task Start exec_id=x
    [[ "$output" == *"the stream 'kept' is in use"* ]]
}
