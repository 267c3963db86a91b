# Seccomp filters of hoyrun on the running kernel: what a container may call, and agents that decide for it. The call
# numbers are x86_64's.
load runtime

HELPERS=${HELPERS:-$HOY_BUILD/tests/integration}

setup_file() {
    runtime_setup_file
    cp "$HELPERS/raw-call" "$ROOTFS_BASE/bin/"
}

setup() {
    [ "$(uname -m)" = x86_64 ] || skip_because not-x86 "call numbers are x86_64's"
    runtime_setup
}

teardown() {
    [ -z "${AGENT:-}" ] || kill "$AGENT" 2>/dev/null || :
    runtime_teardown
}

# seccomp JQ: linux.seccomp becomes this.
seccomp() {
    local text=$1
    shift
    config ".linux.seccomp = $text" "$@"
}

allow_but() { # RULES
    seccomp "{defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [$1]}"
}

# default_profile CAP...: the container has these capabilities and the default profile for them.
default_profile() {
    local caps
    caps=$(printf '%s\n' "$@" | jq -Rnc '[inputs | select(. != "")]')
    "$HELPERS/seccomp-check" resolve "$@" >"$T/seccomp.json"
    config '.linux.seccomp = $s[0] | .process.capabilities |= with_entries(.value = $caps)' \
        --slurpfile s "$T/seccomp.json" --argjson caps "$caps"
}

@test "a denied call answers with the errno of its rule" {
    allow_but '{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28}'
    sh_in 'mkdir /tmp/x; raw-call 83 0; raw-call 39'
    run_it
    [[ $output == *"No space left"* ]]
    [ "${lines[1]}" = 28 ]
    [ "${lines[2]}" = 0 ]
}

@test "killing actions kill" {
    allow_but '{names: ["swapon"], action: "SCMP_ACT_KILL_PROCESS"}, {names: ["swapoff"], action: "SCMP_ACT_TRAP"}'
    sh_in 'raw-call 167; raw-call 168'
    run_it
    [ "${lines[0]}" = "signal 31" ]
    [ "${lines[1]}" = "signal 31" ]
}

@test "arguments decide" {
    allow_but '{names: ["personality"], action: "SCMP_ACT_ERRNO",
        args: [{index: 0, value: 8, op: "SCMP_CMP_EQ"}]}'
    sh_in 'raw-call 135 8; raw-call 135 0x20000'
    run_it
    [ "${lines[0]}" = 1 ]
    [ "${lines[1]}" = 0 ]
}

@test "without a description nothing is filtered" {
    config 'del(.linux.seccomp)'
    sh_in 'grep Seccomp: /proc/self/status'
    run_it
    [[ $output == *0 ]]
}

@test "the default profile lets ordinary programs run" {
    default_profile
    sh_in 'ls / >/dev/null && echo x | sed s/x/y/ && mkdir /dev/d && date >/dev/null && grep Seccomp: /proc/self/status'
    run_it
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = y ]
    [[ ${lines[1]} == *2 ]]
}

@test "the default profile denies namespaces, mounts, keys and unknown calls" {
    default_profile
    # unshare mount keyctl clone(CLONE_NEWUSER) | clone3, one that no kernel has
    sh_in 'raw-call 272 0x10000000; raw-call 165; raw-call 250; raw-call 56 0x10000000; raw-call 435; raw-call 1000'
    run_it
    [ "$(tr '\n' ' ' <<<"$output")" = "1 1 1 1 38 38 " ]
}

@test "the default profile denies sockets to the kernel's crypto and to virtual machines only" {
    default_profile
    sh_in 'raw-call 41 38 5 0; raw-call 41 40 1 0; raw-call 41 1 1 0; raw-call 41 16 3 0'
    run_it
    [ "$(tr '\n' ' ' <<<"$output")" = "1 1 0 0 " ]
}

@test "a capability opens the calls it is about" {
    default_profile CAP_SYS_ADMIN
    sh_in 'raw-call 165; raw-call 272 0x04000000'
    run_it
    # EFAULT: the call itself complains of its arguments
    [ "${lines[0]}" = 14 ]
    [ "${lines[1]}" = 0 ]
}

@test "32-bit calls are filtered too" {
    allow_but '{names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 77}'
    sh_in 'raw-call 110'
    run_it
    [ "${lines[0]}" = 77 ]
    # without x32 in the description, its calls kill
    sh_in 'raw-call 0x4000006e'
    r delete -f "$ID" || :
    run_it
    [ "${lines[0]}" = "signal 31" ]
}

@test "an agent gets the listener with the container's state, and answers calls" {
    "$HELPERS/seccomp-check" agent "$T/agent.sock" "$T/state" 3>&- 4>&- &
    AGENT=$!
    wait_for 10 test -S "$T/agent.sock"
    seccomp '{defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path, listenerMetadata: "some data",
        syscalls: [{names: ["getppid"], action: "SCMP_ACT_NOTIFY"}]}' --arg path "$T/agent.sock"
    sh_in 'raw-call 110'
    run_it
    [ "${lines[0]}" = 99 ]
    [ "$(jq -r .metadata "$T/state")" = "some data" ]
    [ "$(jq -r '.fds[0]' "$T/state")" = seccompFd ]
    [ "$(jq -r .state.id "$T/state")" = "$ID" ]
    [ "$(jq -r .state.status "$T/state")" = creating ]
    [ "$(jq .pid "$T/state")" -gt 1 ]
}

@test "an agent that does not listen fails the creation" {
    seccomp '{defaultAction: "SCMP_ACT_ALLOW", listenerPath: $path,
        syscalls: [{names: ["getppid"], action: "SCMP_ACT_NOTIFY"}]}' --arg path "$T/none.sock"
    run_it
    [ "$status" -ne 0 ]
    [[ $output == *"failed to connect with seccomp agent"* ]]
}

@test "contradictions are refused before anything is made" {
    allow_but '{names: ["write"], action: "SCMP_ACT_NOTIFY"}'
    config '.linux.seccomp.listenerPath = "/x"'
    run_it
    [ "$status" -ne 0 ]
    [[ $output == *"hands over the listener"* ]]
    run r state "$ID"
    [ "$status" -ne 0 ]
}
