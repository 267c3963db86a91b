#!/usr/bin/env bats
# hoyrun: hooks of all six kinds: when, where, with what on stdin, and what their failure does.
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    # A host program that records its name, its state and the namespaces it is in.
    cat >"$T/hook" <<EOF
#!/bin/bash
state=\$(cat)
echo "\$1" >>"$T/order"
printf '%s' "\$state" >"$T/\$1.state"
readlink /proc/self/ns/mnt >"$T/\$1.mnt"
env >"$T/\$1.env"
exit "\${2:-0}"
EOF
    chmod 755 "$T/hook"
    export PATH
}
teardown() { runtime_teardown; }

# hook KIND [NAME [EXIT-CODE]]: adds one.
hook() {
    config '.hooks[$k] += [{"path": $p, "args": ["hook", $n, $c], "env": ["PATH=/usr/bin:/bin", "KIND=\($k)"]}]' \
        --arg k "$1" --arg p "$T/hook" --arg n "${2:-$1}" --arg c "${3:-0}"
}

# Runs inside the container; its program is busybox's.
inner_hook() { # [EXIT-CODE]
    config '.hooks.startContainer += [{"path": "/bin/sh",
        "args": ["sh", "-c", "cat >/tmp/startContainer.state; env >/tmp/startContainer.env; readlink /proc/self/ns/mnt >/tmp/startContainer.mnt; exit \($c)"],
        "env": ["KIND=startContainer"]}] | .root.readonly = false' --arg c "${1:-0}"
}

state_says() { # FILE STATUS
    [ "$(jq -r .status "$1")" = "$2" ] && [ "$(jq -r .id "$1")" = "$ID" ] && [ "$(jq -r .bundle "$1")" = "$B" ] &&
        [ "$(jq -r .ociVersion "$1")" = 1.3.0 ] && [ "$(jq -r '.annotations.a' "$1")" = b ]
}

@test "all six kinds run in order, each with its state and its environment" {
    for kind in prestart createRuntime createContainer poststart poststop; do hook $kind; done
    inner_hook
    config '.annotations = {"a": "b"} | .process.args = ["sleep", "1000"]'
    create_it
    [ "$(tr '\n' ' ' <"$T/order")" = "prestart createRuntime createContainer " ]
    pid=$(pid_of)
    state_says "$T/prestart.state" created
    state_says "$T/createRuntime.state" creating
    state_says "$T/createContainer.state" creating
    [ "$(jq .pid "$T/createRuntime.state")" = "$pid" ]
    [ "$(jq .pid "$T/createContainer.state")" = 1 ]
    [ "$(cat "$T/prestart.mnt")" = "$(readlink /proc/self/ns/mnt)" ]
    [ "$(cat "$T/createContainer.mnt")" = "$(readlink "/proc/$pid/ns/mnt")" ]
    [ ! -e "$B/rootfs/tmp/startContainer.state" ]
    r start "$ID"
    [ "$(tail -1 "$T/order")" = poststart ]
    state_says "$T/poststart.state" running
    [ "$(jq .pid "$T/poststart.state")" = "$pid" ]
    state_says "$B/rootfs/tmp/startContainer.state" created
    [ "$(jq .pid "$B/rootfs/tmp/startContainer.state")" = 1 ]
    [ "$(cat "$B/rootfs/tmp/startContainer.mnt")" = "$(readlink "/proc/$pid/ns/mnt")" ]
    r delete -f "$ID"
    [ "$(tail -1 "$T/order")" = poststop ]
    state_says "$T/poststop.state" stopped
    for kind in prestart createRuntime createContainer poststart poststop; do
        grep -q "^KIND=$kind$" "$T/$kind.env"
        ! grep -q ^HOME= "$T/$kind.env" || false
    done
    grep -q "^KIND=startContainer$" "$B/rootfs/tmp/startContainer.env"
}

@test "hooks of one kind run in the order of the list" {
    hook createRuntime one
    hook createRuntime two
    hook prestart zero
    run_it
    [ "$status" = 0 ]
    [ "$(tr '\n' ' ' <"$T/order")" = "zero one two " ]
}

@test "createRuntime hooks see the container's mounts and may change its network" {
    cat >"$T/net" <<'EOF'
#!/bin/bash
pid=$(jq .pid)
nsenter -t "$pid" -n ip link add hook0 type bridge
grep -q " $1/rootfs/proc " "/proc/$pid/mountinfo"
EOF
    chmod 755 "$T/net"
    config '.hooks.createRuntime = [{"path": $p, "args": ["net", $b], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]
        | .process.args = ["ls", "/sys/class/net"]' --arg p "$T/net" --arg b "$B"
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *hook0* ]]
}

@test "createContainer hooks run before pivot_root: host paths resolve" {
    sh_in 'cat /mnt/x'
    mkdir "$B/rootfs/mnt"
    config '.hooks.createContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "mount -t tmpfs tmpfs mnt; echo from hook >mnt/x"],
        "env": ["PATH=/usr/bin:/bin"]}]'
    run_it
    [ "$status" = 0 ]
    [ "$output" = "from hook" ]
    nothing_left
}

@test "a hook without args gets its path, without env ours or the container's" {
    printf '#!/bin/bash\necho "$0" "$#" "$MARK" >"%s/seen"' "$T" >"$T/bare"
    chmod 755 "$T/bare"
    config '.hooks.createRuntime = [{"path": $p}] | .process.env += ["MARK=container"] | .root.readonly = false
        | .hooks.startContainer = [{"path": "/bin/sh", "args": ["sh", "-c", "echo $MARK >/tmp/seen"]}]' --arg p "$T/bare"
    MARK=runtime run_it
    [ "$status" = 0 ]
    [ "$(cat "$T/seen")" = "$T/bare 0 runtime" ]
    [ "$(cat "$B/rootfs/tmp/seen")" = container ]
}

@test "what a failed hook writes is part of the error" {
    config '.hooks.createRuntime = [{"path": "/bin/sh", "args": ["sh", "-c", "echo the reason; echo more >&2; exit 3"]}]'
    fails_with $'exit status 3, output: the reason'
    config '.hooks.createRuntime[0].args[2] = "yes | head -c 1000000; exit 4"'
    fails_with 'exit status 4'
    config '.hooks.createRuntime[0].args[2] = "sleep 8 & exit 0"'
    SECONDS=0
    run_it
    [ "$status" = 0 ]
    [ $SECONDS -lt 6 ]
}

@test "a failing prestart, createRuntime or createContainer hook stops the create; poststop runs" {
    hook poststop
    for kind in prestart createRuntime createContainer; do
        config 'del(.hooks.prestart, .hooks.createRuntime, .hooks.createContainer)'
        hook $kind $kind 3
        rm -f "$T/order"
        fails_with "error running $kind hook #0: '$T/hook': exit status 3"
        [ "$(tr '\n' ' ' <"$T/order")" = "$kind poststop " ]
    done
}

@test "a failing startContainer hook fails start and stops the container" {
    inner_hook 4
    config '.process.args = ["sleep", "1000"]'
    create_it
    run r start "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"error running startContainer hook #0: '/bin/sh': exit status 4"* ]]
    wait_for 5 is_status stopped
    r delete "$ID"
    fails_with "startContainer hook"
}

@test "a failing poststart hook fails start and stops the container" {
    hook poststart poststart 5
    config '.process.args = ["sleep", "1000"]'
    create_it
    run r start "$ID"
    [ "$status" = 1 ]
    [[ "$output" == *"error running poststart hook #0: '$T/hook': exit status 5"* ]]
    wait_for 5 is_status stopped
    r delete "$ID"
    fails_with "poststart hook"
}

@test "a failing poststop hook is a warning and the next one runs" {
    hook poststop first 6
    hook poststop second
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *"level=warning"*"error running poststop hook #0: '$T/hook': exit status 6, ignoring"* ]]
    [ "$(tr '\n' ' ' <"$T/order")" = "first second " ]
    nothing_left
}

@test "a hook that takes too long is ended" {
    for kind in prestart createRuntime createContainer; do
        config 'del(.hooks) | .hooks[$k] = [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]' --arg k $kind
        SECONDS=0
        fails_with "error running $kind hook #0: '/bin/sleep': timed out after 1 s"
        [ $SECONDS -lt 10 ]
    done
    ! pgrep -x -f "sleep 30" || false
}

@test "timeouts of startContainer, poststart and poststop hooks" {
    for kind in startContainer poststart; do
        config 'del(.hooks) | .hooks[$k] = [{"path": "/bin/sleep", "args": ["sleep", "31"], "timeout": 1}]
            | .process.args = ["sleep", "1000"]' --arg k $kind
        fails_with "error running $kind hook #0: '/bin/sleep': timed out after 1 s"
    done
    config 'del(.hooks) | .hooks.poststop = [{"path": "/bin/sleep", "args": ["sleep", "31"], "timeout": 1}] | .process.args = ["true"]'
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *"poststop hook #0: '/bin/sleep': timed out after 1 s, ignoring"* ]]
}

@test "a hook that does not exist or does not read its state" {
    config '.hooks.createRuntime = [{"path": "/bin/true"}] | .annotations.big = $x' --arg x "$(head -c 100000 /dev/zero | tr '\0' x)"
    run_it
    [ "$status" = 0 ]
    config '.hooks.createRuntime = [{"path": "/no/such/hook"}] | del(.annotations)'
    fails_with "/no/such/hook"
    config '.hooks.createRuntime = [{"path": "relative"}]'
    fails_with "hooks.createRuntime[0].path"
}
