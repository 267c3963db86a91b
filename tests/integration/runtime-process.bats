#!/usr/bin/env bats
# hoyrun: the process of the config: user, environment, directory, capabilities, limits, scheduling, terminal.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() { runtime_teardown; }

caps_of() { # the hex set of a name, after the last run_it
    sed -n "s/^$1:[[:space:]]*//p" <<<"$output"
}

@test "user, group and additional groups" {
    sh_in 'id -u; id -g; id -G; touch /tmp/x; stat -c %u:%g /tmp/x'
    config '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 1234]} | .root.readonly = false'
    run_it
    [ "$status" = 0 ]
    [ "${lines[0]}" = 1000 ]
    [ "${lines[1]}" = 1001 ]
    [ "$(tr ' ' '\n' <<<"${lines[2]}" | sort -n | tr '\n' ' ')" = "5 1001 1234 " ]
    [ "${lines[3]}" = 1000:1001 ]
}

@test "umask is the config's, 0022 without one" {
    sh_in 'umask'
    run_it
    [ "$output" = 0022 ]
    config '.process.user.umask = 63'
    run_it
    [ "$output" = 0077 ]
}

@test "the environment is the config's, HOME comes from the container's passwd" {
    sh_in 'env'
    config '.process.env = ["PATH=/bin", "A=b=c"]'
    run_it
    [[ "$output" == *"A=b=c"* ]]
    [[ "$output" == *"HOME=/root"* ]]
    config '.process.user.uid = 65534'
    run_it
    [ "$(grep ^HOME= <<<"$output")" = HOME=/ ]
    config '.process.env += ["HOME=/elsewhere"]'
    run_it
    [ "$(grep ^HOME= <<<"$output")" = HOME=/elsewhere ]
    config '.process.env = ["NOVALUE"]'
    fails_with "process.env[0]: 'NOVALUE' is not NAME=VALUE"
}

@test "of several variables with one name the last counts" {
    sh_in 'env | grep -cE "^(HOME|X)="; echo $X $HOME'
    config '.process.env += ["X=1", "HOME=", "X=2"]'
    run_it
    [ "$output" = $'2\n2 /root' ]
}

@test "PATH of the container is what finds the program" {
    mkdir "$B/rootfs/opt"
    cp "$B/rootfs/bin/busybox" "$B/rootfs/opt/echo"
    config '.process.args = ["echo", "hi"] | .process.env = ["PATH=/nowhere:/opt"]'
    run_it
    [ "$output" = hi ]
    config '.process.env = ["PATH=/nowhere"]'
    fails_with 'exec: "echo": executable file not found in $PATH'
}

@test "the working directory is entered, and made when it is missing" {
    sh_in pwd
    config '.process.cwd = "/var"'
    run_it
    [ "$output" = /var ]
    config '.process.cwd = "/not/there/yet"'
    run_it
    [ "$output" = /not/there/yet ]
    mkdir -m 700 "$B/rootfs/closed"
    config '.process.cwd = "/etc/passwd"'
    fails_with "chdir '/etc/passwd'"
}

@test "all five capability sets are as asked for" {
    config '.process.args = ["cat", "/proc/self/status"]
        | .process.capabilities = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
            "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"]}
        | .process.user = {"uid": 1000, "gid": 1000}'
    run_it
    [ "$status" = 0 ]
    [ "$(caps_of CapBnd)" = 0000000000000021 ]
    [ "$(caps_of CapInh)" = 0000000000000001 ]
    [ "$(caps_of CapAmb)" = 0000000000000001 ]
    [ "$(caps_of CapPrm)" = 0000000000000001 ] # of a user's process after execve: the ambient ones
    [ "$(caps_of CapEff)" = 0000000000000001 ]
}

@test "root gets the bounding set, nothing inheritable (CVE-2022-29162)" {
    config '.process.args = ["cat", "/proc/self/status"]'
    run_it
    [ "$(caps_of CapPrm)" = 0000000020000420 ]
    [ "$(caps_of CapEff)" = 0000000020000420 ]
    [ "$(caps_of CapBnd)" = 0000000020000420 ]
    [ "$(caps_of CapInh)" = 0000000000000000 ]
}

@test "unknown capabilities are a warning" {
    config '.process.capabilities.bounding += ["CAP_NO_SUCH"]'
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *"level=warning"*"process.capabilities.bounding: unknown capability 'CAP_NO_SUCH', ignoring"* ]]
}

@test "no new privileges" {
    config '.process.args = ["grep", "NoNewPrivs", "/proc/self/status"]'
    run_it
    [[ "$output" == *1 ]]
    config '.process.noNewPrivileges = false'
    run_it
    [[ "$output" == *0 ]]
}

@test "resource limits" {
    config '.process.args = ["cat", "/proc/self/limits"]
        | .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 4096}]
        | .process.user = {"uid": 1000, "gid": 1000}'
    run_it
    [ "$status" = 0 ]
    [[ "$(grep 'Max open files' <<<"$output")" =~ 100\ +200 ]]
    [[ "$(grep 'Max core file size' <<<"$output")" =~ 0\ +4096 ]]
    config '.process.rlimits = [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]'
    fails_with "process.rlimits[0].type"
    config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]'
    fails_with "process.rlimits[1].type"
    config '.process.rlimits = [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]'
    fails_with "process.rlimits[0].soft"
}

@test "the OOM score is set when asked for, else left alone" {
    config '.process.args = ["cat", "/proc/self/oom_score_adj"] | .process.oomScoreAdj = 321'
    run_it
    [ "$output" = 321 ]
    config 'del(.process.oomScoreAdj)'
    run_it
    [ "$output" = "$(cat /proc/self/oom_score_adj)" ]
}

@test "scheduling policy and nice value" {
    config '.process.args = ["sh", "-c", "cut -d\" \" -f18,19,40,41 /proc/self/stat"]
        | .process.scheduler = {"policy": "SCHED_BATCH", "nice": 7}'
    run_it
    [ "$status" = 0 ]
    [ "$output" = "27 7 0 3" ]
    config '.process.scheduler = {"policy": "SCHED_IDLE"}'
    run_it
    [ "${output##* }" = 5 ]
    config '.process.scheduler = {"policy": "SCHED_ISO"}'
    fails_with "process.scheduler.policy: Linux has no SCHED_ISO"
    config '.process.scheduler = {"policy": "SCHED_OTHER", "priority": 3}'
    fails_with "process.scheduler.priority"
    config '.process.scheduler = {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}'
    run_it
    [ "$status" = 0 ]
    config '.process.scheduler = {"policy": "SCHED_OTHER", "deadline": 5}'
    fails_with "process.scheduler: runtime, deadline and period"
}

@test "a deadline scheduler gets runtime, deadline and period" {
    config '.process.args = ["sleep", "100"] | .process.scheduler = {"policy": "SCHED_DEADLINE",
        "runtime": 10000000, "deadline": 20000000, "period": 30000000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}'
    create_it || skip_because no-deadline "this host gives out no deadline bandwidth: $(cat "$T/err")"
    chrt=$(chrt -p "$(pid_of)")
    [[ "$chrt" == *SCHED_DEADLINE* ]]
    [[ "$chrt" == *10000000/20000000/30000000* ]]
}

@test "the process may use all CPUs, whatever hoyrun was bound to" {
    config '.process.args = ["grep", "Cpus_allowed_list", "/proc/self/status"]'
    want=$(grep Cpus_allowed_list /proc/self/status)
    run taskset -c 0 timeout 20 "$HOYRUN" --root "$T/root" run -b "$B" "$ID" </dev/null
    [ "$output" = "$want" ]
}

@test "I/O priority" {
    config '.process.args = ["sleep", "100"] | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}'
    create_it
    [ "$(ionice -p "$(pid_of)")" = "best-effort: prio 6" ]
    r delete -f "$ID"
    config '.process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}'
    create_it
    [[ "$(ionice -p "$(pid_of)")" == idle* ]]
}

@test "personality" {
    config '.process.args = ["uname", "-m"] | .linux.personality = {"domain": "LINUX32"}'
    run_it
    [ "$output" = i686 ]
    config '.linux.personality = {"domain": "LINUX"}'
    run_it
    [ "$output" = "$(uname -m)" ]
}

@test "memory policy" {
    config '.process.args = ["cat", "/proc/self/numa_maps"] | .linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0"}'
    [ -e /proc/self/numa_maps ] || {
        fails_with linux.memoryPolicy
        return
    }
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *bind:0* ]]
    config '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "x"}'
    fails_with linux.memoryPolicy.nodes
    config '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
    run_it
    [[ "$output" == *static*:0* ]]
}

@test "labels of security modules that the host does not have are refused" {
    [ ! -e /sys/fs/selinux/enforce ] && config '.process.selinuxLabel = "system_u:system_r:container_t:s0"' &&
        fails_with "process.selinuxLabel: 'system_u:system_r:container_t:s0' asked for, but SELinux is not enabled"
    config 'del(.process.selinuxLabel)'
    [ -e /sys/module/apparmor/parameters/enabled ] && return
    config '.process.apparmorProfile = "some-profile"'
    fails_with "process.apparmorProfile: 'some-profile' asked for, but AppArmor is not enabled"
}

@test "a session keyring of its own" {
    [ -e /proc/keys ] || skip_because no-keyrings "this kernel has no keyrings"
    config '.process.args = ["cat", "/proc/keys"] | .linux.maskedPaths = []'
    run_it
    [[ "$output" == *"_ses.$ID"* ]]
    ID=$ID-b
    run_it --no-new-keyring
    [[ "$output" != *"_ses.$ID"* ]]
}

@test "a container without process can't be created" {
    config 'del(.process)'
    fails_with "process property must be set"
    config '.process = {"cwd": "/", "args": []}'
    fails_with "process.args"
}

@test "stdio belongs to the container's user, but not the host's devices" {
    before=$(stat -c %u /dev/null)
    sh_in 'echo out >/dev/stdout; echo err >/dev/stderr'
    config '.process.user = {"uid": 1000, "gid": 1000}'
    run r run -b "$B" "$ID" </dev/null
    [ "$status" = 0 ]
    [[ "$output" == *out* && "$output" == *err* ]]
    [ "$(stat -c %u /dev/null)" = "$before" ]
    r run -b "$B" "$ID" </dev/null >/dev/null 2>&1
    [ "$(stat -c %u /dev/null)" = "$before" ]
}
