#!/usr/bin/env bats
# hoyrun: every field of linux.seccomp, seen by a program that makes calls (syscalls.c).
load runtime

setup_file() {
    runtime_setup_file
    cp "$HOY_BUILD/tests/integration/syscalls" "$ROOTFS_BASE/bin/"
}

setup() { runtime_setup; }

teardown() {
    [ -z "${AGENT:-}" ] || kill "$AGENT" 2>/dev/null || :
    runtime_teardown
}

# What the program needs besides the calls that it is asked for.
NEEDED='["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink",
    "readlinkat", "getrandom", "mprotect", "newfstatat", "rt_sigaction", "lseek", "write", "exit_group"]'

# seccomp JSON: the description.
seccomp() {
    config '.linux.seccomp = $seccomp' --argjson seccomp "$1"
}

# rule JSON: what is open but for one rule.
rule() {
    seccomp '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": ['"$1"']}'
}

# calls CALL...: the program makes these calls; $status, $output on one line.
calls() {
    config '.process.args = ["syscalls"] + $calls' --argjson calls "$(jq -nc '$ARGS.positional' --args "$@")"
    run_it
    output=$(xargs <<<"$output")
}

# become WANTED CALL...: what the calls become, in the program's words.
become() {
    local wanted=$1
    shift
    calls "$@"
    [ "$status" = 0 ] && [ "$output" = "$wanted" ] || { echo "$*: $status, '$output', wanted '$wanted'"; return 1; }
}

@test "without seccomp all is open" {
    become '0 0' getppid 'thread getppid'
}

@test "defaultAction: decides for what no rule names" {
    local rest='"syscalls": [{"names": '"$NEEDED"', "action": "SCMP_ACT_ALLOW"}]'
    seccomp '{"defaultAction": "SCMP_ACT_ALLOW"}'
    become 0 getppid
    seccomp '{"defaultAction": "SCMP_ACT_LOG"}'
    become 0 getppid
    seccomp '{"defaultAction": "SCMP_ACT_ERRNO", '"$rest"'}'
    become EPERM getppid
    seccomp '{"defaultAction": "SCMP_ACT_TRAP", '"$rest"'}'
    calls getppid
    [ "$status" != 0 ] # sigreturn is trapped too
    seccomp '{"defaultAction": "SCMP_ACT_KILL_PROCESS", '"$rest"'}'
    calls getppid
    [ "$status" = 159 ]
    become '' # the rules still count
}

@test "hoyrun itself needs execve alone: signals are open before the filter is there" {
    rule '{"names": ["rt_sigprocmask"], "action": "SCMP_ACT_ERRNO"}'
    config '.process.args = ["grep", "SigBlk", "/proc/self/status"]'
    run_it
    [ "$output" = $'SigBlk:\t0000000000000000' ]
}

@test "defaultErrnoRet" {
    seccomp '{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 71, "syscalls": [{"names": '"$NEEDED"', "action": "SCMP_ACT_ALLOW"}]}'
    become EPROTO getppid
    seccomp '{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 71}'
    fails_with "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW has no errno"
}

@test "syscalls.names: all of them and no others; what the machine has not is skipped" {
    rule '{"names": ["getppid", "no_such_call", "getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}'
    become 'EPROTO ESRCH EPROTO' getppid 'getpgid 9999' 'getsid 9999'
}

@test "syscalls.action: each of them" {
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ALLOW"}'
    become 0 getppid
    rule '{"names": ["getppid"], "action": "SCMP_ACT_LOG"}'
    become 0 getppid
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}'
    become EPERM getppid
    rule '{"names": ["getppid"], "action": "SCMP_ACT_TRAP"}'
    become SIGSYS getppid
    rule '{"names": ["getppid"], "action": "SCMP_ACT_TRACE"}'
    become ENOSYS getppid # nobody traces
    rule '{"names": ["getppid"], "action": "SCMP_ACT_KILL"}'
    become killed 'thread getppid'
    rule '{"names": ["getppid"], "action": "SCMP_ACT_KILL_THREAD"}'
    become killed 'thread getppid'
    rule '{"names": ["getppid"], "action": "SCMP_ACT_KILL_PROCESS"}'
    calls 'thread getppid'
    [ "$status" = 159 ]
}

@test "syscalls.errnoRet" {
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}'
    become EPROTO getppid
    rule '{"names": ["getppid"], "action": "SCMP_ACT_KILL", "errnoRet": 71}'
    fails_with "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL has no errno"
}

# op OP VALUE VALUE-TWO WANTED ARGUMENT...: how a rule on the first argument meets these values.
op() {
    local wanted=$4
    rule "$(jq -n '{names: ["getppid"], action: "SCMP_ACT_ERRNO", args: [{index: 0, op: $op, value: $a, valueTwo: $b}]}' \
        --arg op "SCMP_CMP_$1" --argjson a "$2" --argjson b "$3")"
    shift 4
    become "$wanted" "${@/#/getppid }"
}

@test "syscalls.args.op and value: each operator, all 64 bits" {
    op NE 5 0 '0 EPERM EPERM' 5 4 0x100000005
    op EQ 5 0 'EPERM 0 0' 5 4 0x100000005
    op LT 5 0 'EPERM 0 0 0' 4 5 6 0x100000004
    op LE 5 0 'EPERM EPERM 0 0' 4 5 6 0x100000004
    op GT 5 0 '0 0 EPERM EPERM' 4 5 6 0x100000004
    op GE 5 0 '0 EPERM EPERM EPERM' 4 5 6 0x100000004
    op EQ 4294967301 0 '0 EPERM' 5 0x100000005
}

@test "syscalls.args.valueTwo: what must be left under the mask" {
    op MASKED_EQ 240 80 'EPERM EPERM 0 EPERM' 0x50 0x5f 0x60 0x100000050
    op MASKED_EQ 240 96 '0 0 EPERM 0' 0x50 0x5f 0x60 0x100000050
}

@test "syscalls.args.index; conditions on several arguments must all hold" {
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 5, "value": 9, "op": "SCMP_CMP_EQ"}]}'
    become '0 EPERM 0' 'getppid 0 0 0 0 9 0' 'getppid 0 0 0 0 0 9' 'getppid 9'
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 7, "op": "SCMP_CMP_EQ"}]}'
    become '0 0 EPERM' 'getppid 9' 'getppid 0 0 7' 'getppid 9 0 7'
    rule '{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 9, "op": "SCMP_CMP_EQ"}]}'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *index* ]]
}

@test "architectures: calls of 32-bit programs" {
    [ "$(uname -m)" = x86_64 ]
    "$HOY_BUILD/tests/integration/syscalls" 'int80 getppid' || skip_because no-int80 "this machine has no 32-bit system calls"
    local rest='"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]'
    seccomp '{"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], '"$rest"'}'
    become 'EPERM EPERM' getppid 'int80 getppid'
    seccomp '{"architectures": ["SCMP_ARCH_X86_64"], '"$rest"'}'
    calls 'int80 getppid'
    [ "$status" = 159 ]
}

@test "architectures: calls of those that are listed meet the rules, others are killed" {
    [ "$(uname -m)" = x86_64 ]
    local rest='"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]'
    seccomp '{"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], '"$rest"'}'
    become 'EPERM EPERM' getppid 'x32 getppid'
    seccomp '{"architectures": ["SCMP_ARCH_X86_64"], '"$rest"'}'
    become EPERM getppid
    calls 'x32 getppid'
    [ "$status" = 159 ]
    seccomp '{"architectures": ["SCMP_ARCH_PDP11"], '"$rest"'}'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"linux.seccomp.architectures[0]"* ]]
}

@test "flags: the kernel takes them, unknown ones are refused" {
    seccomp '{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_ERRNO"}]}'
    become EPERM getppid
    seccomp '{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NO_SUCH"]}'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *"linux.seccomp.flags[0]"* ]]
}

# agent: takes the listener at $T/agent.sock, writes the state to $T/state and answers: 4242, or EIO for an argument 2.
agent() {
    cat >"$T/agent.py" <<'PY'
import array, fcntl, os, socket, struct, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind(sys.argv[1])
server.listen(1)
connection, _ = server.accept()
text, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
listener = array.array("i", control[0][2])[0]
while more := connection.recv(65536):
    text += more
with open(sys.argv[2] + ".new", "wb") as file:
    file.write(text)
os.rename(sys.argv[2] + ".new", sys.argv[2])
while True:
    request = bytearray(80)
    try:
        fcntl.ioctl(listener, 0xC0502100, request)
    except FileNotFoundError:  # the caller died, or all are gone
        break
    fields = struct.unpack("QIIiIQ6Q", request)
    failed = fields[6] == 2
    answer = struct.pack("QqiI", fields[0], 0 if failed else 4242, -5 if failed else 0, 0)
    fcntl.ioctl(listener, 0xC0182101, bytearray(answer))
PY
    python3 "$T/agent.py" "$T/agent.sock" "$T/state" >"$T/agent.out" 2>&1 3>&- 4>&- &
    AGENT=$!
    wait_for 20 test -S "$T/agent.sock"
}

@test "listenerPath and listenerMetadata: the agent gets the state and answers the calls" {
    agent
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "\($dir)/agent.sock", "listenerMetadata": "for the agent",
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}]}' --arg dir "$T"
    become '4242 EIO ESRCH 4242' getppid 'getppid 2' 'getpgid 9999' 'thread getppid' || { cat "$T/agent.out"; false; }
    [ "$(jq -r '.metadata' "$T/state")" = "for the agent" ]
    [ "$(jq -c '.fds' "$T/state")" = '["seccompFd"]' ]
    [ "$(jq -r '.state.id' "$T/state")" = "$ID" ]
    [ "$(jq -r '.state.status' "$T/state")" = creating ]
    [ "$(jq -r '.state.bundle' "$T/state")" = "$B" ]
    [ "$(jq -r '.pid > 0 and .pid == .state.pid' "$T/state")" = true ]
    nothing_left
}

@test "an agent that is not there, or a listener that nobody gets, is an error" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "\($dir)/agent.sock",
        "syscalls": [{"names": ["getppid"], "action": "SCMP_ACT_NOTIFY"}]}' --arg dir "$T"
    fails_with "failed to connect with seccomp agent"
    config 'del(.linux.seccomp.listenerPath)'
    run_it
    [ "$status" = 1 ]
    [[ "$output" == *listenerPath* ]]
    seccomp '{"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/run/agent"}'
    fails_with "SCMP_ACT_NOTIFY cannot be the default action of seccomp"
}
