# The shim's Checkpoint, and tasks created from one. What needs a working CRIU runs where there is one: in the VM.
load shim

setup() { shim_setup; }
teardown() { shim_teardown; }

@test "a checkpoint that ends the task, and a task created from it" {
    criu check >/dev/null 2>&1 || skip_because no-criu "this machine's criu can't work on its kernel"
    sh_in 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'
    start_shim
    create_task >/dev/null
    task Start >/dev/null
    wait_for 20 grep -q '"log":"3\\n' "$T/log"
    task Checkpoint "path=$T/images" >/dev/null
    [ "$(task State | jq .status)" = 2 ]
    rm -r "$T/images"
    task Checkpoint "path=$T/images" 'options={"exit":"true"}' >/dev/null
    [ "$(task Wait | jq .exit_status)" = 137 ]
    wait_for 10 task Delete
    last=$(log_text | tail -1)

    ID=$ID-b
    start_shim
    create_task "checkpoint=$T/images" "stdout=json-file://$T/log2" "stderr=json-file://$T/log2" >"$T/created"
    [ "$(jq .pid "$T/created")" = null ] # none yet
    [ "$(task State | jq .status)" = 1 ]
    pid=$(task Start | jq .pid)
    [ "$(task State | jq .status)" = 2 ] && [ "$(task State | jq .pid)" = "$pid" ]
    wait_for 20 grep -q '"log"' "$T/log2"
    first=$(log_text "$T/log2" | head -1)
    [ "$first" -ge "$last" ] && [ "$first" -lt $((last + 100)) ]
    [ -s "$B/criu/restore.log" ] && [ ! -e "$T/images/restore.log" ]
    task Kill signal=9 >/dev/null
    [ "$(task Wait | jq .exit_status)" = 137 ]
    wait_for 10 task Delete
}

@test "what is asked of the runtime; failures are its own" {
    # Does what hoyrun does, but for these two.
    cat >"$T/runtime" <<RT
#!/bin/bash
for arg; do case \$arg in checkpoint | restore) echo "\$@" >>"$T/asked"; [ ! -e "$T/fail" ]; exit ;; esac; done
exec "$HOYRUN" "\$@"
RT
    chmod 755 "$T/runtime"
    export TTRPC_ADDRESS=$T/events.sock
    start_shim "binary_name=$T/runtime"
    containerd_is
    sh_in 'sleep 100'
    create_task >/dev/null
    run task Checkpoint "path=$T/images"
    [[ "$output" == *"code 9"*"does not run"* ]]
    task Start >/dev/null
    run task Checkpoint path=
    [[ "$output" == *"checkpoint without a path"* ]]
    task Checkpoint "path=$T/images" >/dev/null
    wait_for 10 grep -q ^/tasks/checkpointed "$T/events"
    kill "$events_pid"
    [[ "$(cat "$T/asked")" == *" checkpoint --image-path $T/images --work-path $B/criu --leave-running $ID" ]]
    task Checkpoint "path=$T/images" 'options={"exit":"true","open_tcp":"true","external_unix_sockets":"true","terminal":"true","file_locks":"true",
        "empty_namespaces":"network","cgroups_mode":"ignore","work_path":"/w"}' >/dev/null
    [[ "$(tail -1 "$T/asked")" == *" checkpoint --image-path $T/images --work-path /w --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode ignore --empty-ns network $ID" ]]
    touch "$T/fail"
    run task Checkpoint "path=$T/images"
    [[ "$output" == *"OCI runtime checkpoint failed: the runtime ended with exit status 1"* ]]
    task Kill signal=9 >/dev/null
    task Wait >/dev/null
    wait_for 10 task Delete

    ID=$ID-b
    start_shim "binary_name=$T/runtime"
    run create_task checkpoint=relative
    [[ "$output" == *"checkpoint 'relative' is no absolute path"* ]]
    create_task "checkpoint=$T/images" >/dev/null
    run task Kill signal=9
    [[ "$output" == *"process not created"* ]]
    run task Start
    [[ "$output" == *"OCI runtime start failed: the runtime ended with exit status 1"* ]]
    [[ "$(tail -1 "$T/asked")" == *" restore --detach --bundle $B --pid-file $B/"*" --image-path $T/images --work-path $B/criu $ID" ]]
    [ "$(task State | jq .status)" = 1 ]
    wait_for 10 task Delete # though there never was a process
}
