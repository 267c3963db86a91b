# Clients that send what no client should: they get errors, everybody else is served as before.
load shim

setup() {
    shim_setup
    sh_in 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done'
    start_shim
    create_task
    task Start
}

teardown() { shim_teardown; }

abuse() { timeout 300 /usr/bin/python3 "$TOP/tests/integration/shim-abuse.py" "$ADDRESS" "$1" "$ID"; }

memory_kib() { awk '/^VmHWM:/ { print $2 }' "/proc/$SHIM_PID/status"; }
descriptors() { ls "/proc/$SHIM_PID/fd" | wc -l; }

# abuse_harms_nobody KIND KIB: in the end the shim serves and the container writes, with no descriptor and no more memory than that.
abuse_harms_nobody() {
    local fds peak lines
    task State >/dev/null
    fds=$(descriptors) peak=$(memory_kib)
    abuse "$1"
    lines=$(wc -l <"$T/log")
    [ "$(task State | jq .status)" = 2 ]
    same_descriptors() { [ "$(descriptors)" = "$fds" ]; }
    wait_for 10 same_descriptors
    peak=$(($(memory_kib) - peak))
    echo "memory at its highest: $peak KiB more"
    grep -q __asan_init "$HOY_SHIM" || [ "$peak" -le "$2" ]
    more() { [ "$(wc -l <"$T/log")" -gt "$lines" ]; }
    wait_for 10 more
    task Exec exec_id=e 'spec={"args":["true"],"cwd":"/","env":["PATH=/bin"]}'
    task Start exec_id=e
    [ "$(task Wait exec_id=e | jq '.exit_status // 0')" = 0 ]
    task Kill signal=9
    [ "$(task Wait | jq .exit_status)" = 137 ]
    task Delete
    task Shutdown
    wait_for 10 shim_is_gone
}

@test "garbage" { abuse_harms_nobody garbage 1024; }
@test "frames that never end" { abuse_harms_nobody half 2048; }
@test "frames of four gigabytes" { abuse_harms_nobody huge 1024; }
@test "messages that are none" { abuse_harms_nobody wrong 1024; }
@test "10,000 requests at once" { abuse_harms_nobody flood 16384; }
@test "10,000 requests that wait" { abuse_harms_nobody waits 4096; }
@test "more connections than are served" { abuse_harms_nobody crowd 4096; }
