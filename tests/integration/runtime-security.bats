#!/usr/bin/env bats
# hoyrun: masked and read-only paths, devices, seccomp, and attacks from images and configs.
load runtime

setup_file() { runtime_setup_file; }
setup() { runtime_setup; }
teardown() {
    [ -z "${AGENT:-}" ] || kill "$AGENT" 2>/dev/null || :
    [ -z "${MOUNTED:-}" ] || umount "$MOUNTED" || :
    stop_swapping
    runtime_teardown
}

@test "masked paths: files read as empty, directories are empty and read-only, missing ones don't matter" {
    mkdir -p "$B/rootfs/secret/dir" "$B/rootfs/other"
    echo secret >"$B/rootfs/secret/file"
    echo secret >"$B/rootfs/file"
    config '.linux.maskedPaths = ["/secret", "/other", "/file", "/no/such/path", "/file/below"] | .root.readonly = false'
    sh_in 'ls -A /secret /other; cat /file; echo x >/file; cat /file; touch /secret/x 2>/dev/null || echo read-only; stat -c %t:%T /file'
    run_it
    [ "$status" = 0 ]
    [ "$output" = $'/other:\n\n/secret:\nread-only\n1:3' ] || { echo "$output"; false; }
}

@test "read-only paths, with what is mounted below" {
    mkdir -p "$B/rootfs/ro/sub"
    config '.linux.readonlyPaths = ["/ro", "/no/such", "/proc/sys"] | .root.readonly = false
        | .mounts += [{"destination": "/ro/sub", "type": "tmpfs", "source": "tmpfs"}]'
    sh_in 'touch /ro/x 2>/dev/null || echo one; touch /ro/sub/x 2>/dev/null || echo two; echo 1 2>/dev/null >/proc/sys/kernel/msgmax || echo three; touch /fine && echo four'
    run_it
    [ "$output" = $'one\ntwo\nthree\nfour' ] || { echo "$output"; false; }
}

@test "the default devices and links are there" {
    sh_in 'for d in null zero full random urandom tty; do stat -c "%n %a %t:%T %u:%g" /dev/$d; done
        for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done'
    run_it
    [ "$status" = 0 ]
    diff - <(echo "$output") <<'EOF'
/dev/null 666 1:3 0:0
/dev/zero 666 1:5 0:0
/dev/full 666 1:7 0:0
/dev/random 666 1:8 0:0
/dev/urandom 666 1:9 0:0
/dev/tty 666 5:0 0:0
fd /proc/self/fd
stdin /proc/self/fd/0
stdout /proc/self/fd/1
stderr /proc/self/fd/2
ptmx pts/ptmx
EOF
}

@test "devices of the config, of every type" {
    config '.linux.devices = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 416, "uid": 7, "gid": 8},
        {"path": "/dev/dir/block", "type": "b", "major": 7, "minor": 99},
        {"path": "/dev/pipe", "type": "p", "fileMode": 384},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
        {"path": "/dev/zero", "type": "c", "major": 1, "minor": 3, "fileMode": 384}]'
    sh_in 'stat -c "%n %F %a %t:%T %u:%g" /dev/mine /dev/dir/block /dev/pipe /dev/unbuffered /dev/zero'
    run_it
    [ "$status" = 0 ]
    diff - <(echo "$output") <<'EOF'
/dev/mine character special file 640 1:5 7:8
/dev/dir/block block special file 666 7:63 0:0
/dev/pipe fifo 600 0:0 0:0
/dev/unbuffered character special file 666 1:3 0:0
/dev/zero character special file 600 1:3 0:0
EOF
}

@test "a device where something else is, is an error" {
    config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false
        | .linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5}]'
    echo file >"$B/rootfs/dev/mine"
    fails_with "device '/dev/mine': something else is there already"
    rm "$B/rootfs/dev/mine"
    mknod "$B/rootfs/dev/mine" c 1 5
    run_it
    [ "$status" = 0 ]
}

@test "devices that no rule allows can't be opened" {
    [ -c /dev/fuse ] || skip_because no-fuse "no /dev/fuse here, the device that the test opens"
    config '.linux.devices = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]'
    sh_in 'head -c 0 /dev/fuse 2>/dev/null && echo open || echo closed'
    run_it
    [ "$output" = closed ]
    config '.linux.resources.devices += [{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]'
    run_it
    [ "$output" = open ]
    config '.linux.resources.devices += [{"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]'
    run_it
    [ "$output" = closed ]
    config '.linux.resources.devices = [{"allow": true, "access": "rwm"}]'
    run_it
    [ "$output" = open ]
}

# --- seccomp ---

@test "seccomp: errno, kill, allow, by name and by argument" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
        {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]},
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 3, "args": [{"index": 1, "value": 12, "valueTwo": 12, "op": "SCMP_CMP_MASKED_EQ"}]}]}
        | .root.readonly = false'
    sh_in 'grep Seccomp: /proc/self/status; mkdir /tmp/x; rmdir /bin; kill -10 $$; kill -12 $$; kill -0 $$ && echo fine'
    run_it
    [[ "$output" =~ Seccomp:.2 ]]
    [[ "$output" == *"'/tmp/x': Not supported"* || "$output" == *"'/tmp/x': Operation not supported"* ]]
    [[ "$output" == *"'/bin': Operation not permitted"* ]]
    [[ "$output" == *fine* ]]
    config '.linux.seccomp.syscalls = [{"names": ["uname"], "action": "SCMP_ACT_KILL_PROCESS"}] | .process.args = ["uname"]'
    run_it
    [ "$status" = 159 ]
}

@test "seccomp: with and without no_new_privs, as root and as a user" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]}
        | .process.args = ["grep", "-E", "Seccomp:|CapEff|CapPrm|CapBnd", "/proc/self/status"]'
    for nnp in true false; do
        for uid in 0 1000; do
            config '.process.noNewPrivileges = ($n == "true") | .process.user.uid = ($u | tonumber)' --arg n $nnp --arg u $uid
            run_it
            [ "$status" = 0 ]
            [[ "$output" =~ Seccomp:.2 ]]
            [[ "$output" =~ CapBnd:.0000000020000420 ]]
            [ $uid = 0 ] || [[ "$output" =~ CapEff:.0000000000000000 ]]
            [ $uid = 0 ] || [[ "$output" =~ CapPrm:.0000000000000000 ]]
        done
    done
}

@test "seccomp: a list that denies by default needs no more than execve for us" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": [
        {"names": ["execve", "brk", "arch_prctl", "mmap", "munmap", "mprotect", "exit", "exit_group", "write", "writev",
            "set_tid_address", "set_robust_list", "rseq", "prlimit64", "getrandom", "readlink", "readlinkat", "getuid", "geteuid",
            "getgid", "getegid", "setuid", "setgid", "fstat", "newfstatat", "ioctl", "prctl", "futex"], "action": "SCMP_ACT_ALLOW"}]}
        | .process.args = ["echo", "small"]'
    for nnp in true false; do
        config '.process.noNewPrivileges = ($n == "true")' --arg n $nnp
        run_it
        echo "$output"
        [ "$status" = 0 ]
        [ "$output" = small ]
    done
}

@test "seccomp: startContainer hooks run under the filter" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
        | .hooks.startContainer = [{"path": "/bin/mkdir", "args": ["mkdir", "/dev/shm/x"]}] | .process.rlimits = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]'
    for nnp in true false; do
        config '.process.noNewPrivileges = ($n == "true")' --arg n $nnp
        fails_with "startContainer hook #0: '/bin/mkdir': killed by signal 31 (bad system call)"
    done
}

@test "seccomp: an agent gets the listener and the state" {
    cat >"$T/agent.py" <<'PY'
import array, json, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen(1)
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(65536, socket.CMSG_SPACE(16))
fds = array.array("i")
for level, kind, payload in anc:
    fds.frombytes(payload[:4])
while True:
    more = c.recv(65536)
    if not more:
        break
    data += more
state = json.loads(data)
print(state["metadata"], state["fds"], state["state"]["status"], state["pid"] > 0, os.readlink("/proc/self/fd/%d" % fds[0]), flush=True)
PY
    python3 "$T/agent.py" "$T/agent" >"$T/agent.out" 2>&1 3>&- 4>&- &
    AGENT=$!
    wait_for 5 test -S "$T/agent"
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": $p, "listenerMetadata": "meta",
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]} | .process.noNewPrivileges = false' --arg p "$T/agent"
    run_it
    [ "$status" = 0 ]
    wait $AGENT || :
    [ "$(cat "$T/agent.out")" = "meta ['seccompFd'] creating True anon_inode:seccomp notify" ] || { cat "$T/agent.out"; false; }
}

@test "seccomp: contradictions are refused" {
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_NOTIFY"}'
    fails_with seccomp
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_NOSUCH"}'
    fails_with "linux.seccomp.defaultAction"
    config '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]}]}'
    fails_with seccomp
}

# --- attacks ---

@test "attack: /proc or /sys is a symlink (CVE-2019-19921)" {
    for dir in proc sys; do
        rm -rf "$B/rootfs/$dir"
        ln -s /etc "$B/rootfs/$dir"
        fails_with "must be mounted on ordinary directory"
        rm "$B/rootfs/$dir"
        mkdir "$B/rootfs/$dir"
    done
}

@test "attack: mounts over and inside /proc (CVE-2019-16884)" {
    mkdir "$T/fake"
    for target in /proc/self/attr /proc/sys /proc/1; do
        config '.mounts = [.mounts[0], {"destination": $d, "type": "bind", "source": $s, "options": ["bind"]}]' \
            --arg d $target --arg s "$T/fake"
        fails_with "cannot be mounted because it is inside /proc"
    done
    # On /proc itself only a procfs goes, first or second.
    config '.mounts[1].destination = "/proc"'
    fails_with '"/proc" cannot be mounted because it is not of type proc'
    config '.mounts |= reverse'
    fails_with '"/proc" cannot be mounted because it is not of type proc'
    config '.mounts = [{"destination": "/proc/.", "type": "tmpfs", "source": "tmpfs"}]'
    fails_with 'cannot be mounted because it is not of type proc'
    config '.mounts = [{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}]
        | .linux.namespaces |= map(select(.type != "pid"))'
    run_it
    [ "$status" = 0 ]
    config '.mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/x", "type": "bind", "source": $s, "options": ["bind"]}]
        | .linux.namespaces += [{"type": "pid"}]' --arg s "$T/fake"
    # The same through a symlink of the image.
    ln -s /proc "$B/rootfs/innocent"
    config '.mounts[1].destination = "/innocent/sys"'
    fails_with "cannot be mounted because it is inside /proc"
    config '.mounts[1] = {"destination": "/proc/sys", "type": "tmpfs", "source": "tmpfs"}'
    fails_with "cannot be mounted because it is inside /proc"
    # What imitates readings is fine.
    echo fake >"$T/cpuinfo"
    config '.mounts[1] = {"destination": "/proc/cpuinfo", "type": "bind", "source": $s, "options": ["bind"]} | .process.args = ["cat", "/proc/cpuinfo"]' \
        --arg s "$T/cpuinfo"
    run_it
    [ "$output" = fake ]
}

@test "attack: symlinks in the image lead mounts, devices and masks astray" {
    mkdir "$T/host"
    echo untouched >"$T/host/file"
    ln -s "$T/host" "$B/rootfs/out"
    ln -s ../../../../../../../../"$T/host" "$B/rootfs/up"
    config '.mounts += [{"destination": "/out/new", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/up/dir", "type": "tmpfs", "source": "tmpfs"}]
        | .linux.devices = [{"path": "/out/null", "type": "c", "major": 1, "minor": 3}]
        | .linux.maskedPaths += ["/out/file"] | .linux.readonlyPaths += ["/out"] | .process.cwd = "/out/cwd"'
    run_it
    echo "$output"
    [ "$status" = 0 ]
    [ "$(ls "$T/host")" = file ]
    [ "$(cat "$T/host/file")" = untouched ]
    nothing_left
}

@test "attack: a dangling symlink as mount point stays inside" {
    ln -s "/run/not/there/resolv.conf" "$B/rootfs/etc/resolv.conf"
    echo nameserver >"$T/resolv"
    config '.mounts += [{"destination": "/etc/resolv.conf", "type": "bind", "source": $s, "options": ["bind"]}]
        | .process.args = ["cat", "/etc/resolv.conf"]' --arg s "$T/resolv"
    run_it
    [ "$output" = nameserver ]
    [ ! -e /run/not/there ]
    [ -f "$B/rootfs/run/not/there/resolv.conf" ]
    rm "$B/rootfs/etc/resolv.conf"
    ln -s resolv.conf "$B/rootfs/etc/resolv.conf"
    fails_with /etc/resolv.conf
}

@test "attack: /dev/null or /dev/console of the image is a symlink (CVE-2025-31133, CVE-2025-52565)" {
    mkdir "$T/host"
    echo untouched >"$T/host/file"
    config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false'
    ln -s "$T/host/file" "$B/rootfs/dev/null"
    fails_with "device '/dev/null': something else is there already"
    rm "$B/rootfs/dev/null"
    [ "$(cat "$T/host/file")" = untouched ]
    rm -rf "$B/rootfs/dev/pts"
    mkdir -p "$B/rootfs/dev/pts"
    ln -s /proc/sys/kernel/core_pattern "$B/rootfs/dev/console"
    config '.process.terminal = true | .mounts += [{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}]'
    before=$(cat /proc/sys/kernel/core_pattern)
    run_it
    [ "$(cat /proc/sys/kernel/core_pattern)" = "$before" ]
}

@test "attack: the working directory is a leaked descriptor (CVE-2024-21626)" {
    exec 7</
    for fd in 3 4 5 6 7 8 9; do
        config '.process.cwd = "/proc/self/fd/\($f)" | .process.args = ["sh", "-c", "ls ../../../..\($t) 2>/dev/null; pwd"]' --arg f $fd --arg t "$T"
        run_it
        [ "$status" != 0 ] || { echo "fd $fd: $output"; false; }
        nothing_left
    done
    exec 7<&-
}

@test "attack: the runtime's executable can't be written from inside (CVE-2019-5736)" {
    cp "$HOYRUN" "$T/hoyrun"
    sum=$(sha256sum <"$T/hoyrun")
    # The program of the container is the runtime itself, run inside by the kernel.
    printf '#!/proc/self/exe\n' >"$B/rootfs/bin/evil"
    chmod 755 "$B/rootfs/bin/evil"
    config '.process.args = ["/bin/evil"] | .process.noNewPrivileges = false | .process.capabilities.bounding += ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]'
    timeout 20 "$T/hoyrun" --root "$T/root" run -b "$B" "$ID" </dev/null >"$T/out" 2>&1 || :
    [ "$(sha256sum <"$T/hoyrun")" = "$sum" ]
    r delete -f "$ID"

    # A process of the container tries to open the waiting runtime's executable for writing.
    config '.process.args = ["sleep", "1000"] | .linux.namespaces |= map(select(.type != "pid"))
        | .process.capabilities |= map_values(. + ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"])'
    timeout 20 "$T/hoyrun" --root "$T/root" create -b "$B" "$ID" </dev/null >"$T/out" 2>&1 3>&- 4>&-
    pid=$(pid_of)
    # Even the host's root can't through that path: the mount is read-only (or the file is a sealed copy).
    ! bash -c "exec 9>>/proc/$pid/exe" || false
    [[ "$(readlink "/proc/$pid/exe")" == *memfd* ]] ||
        python3 -c "import os, sys; sys.exit(not os.statvfs('/proc/$pid/exe').f_flag & os.ST_RDONLY)"
    [ "$(sha256sum <"$T/hoyrun")" = "$sum" ]
}

@test "attack: what waits for start has no descriptors of the host" {
    config '.process.args = ["sleep", "1000"]'
    exec 7</ 8<"$T"
    create_it
    exec 7<&- 8<&-
    for fd in "/proc/$(pid_of)/fd"/*; do
        case $(readlink "$fd") in
        /dev/null | "$T/out" | "$T/err" | socket:*) ;;
        *) echo "$fd: $(readlink "$fd")"; false ;;
        esac
    done
    [ "$(ls "/proc/$(pid_of)/fd" | wc -l)" = 4 ]
}

@test "attack: the waiting process can't be traced or read by others" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    run setpriv --bounding-set -sys_ptrace --inh-caps -all readlink "/proc/$(pid_of)/exe"
    [ "$status" != 0 ]
}

# race_it TIMES: creates and deletes; what comes of it is the attacker's business, as long as it stays inside.
race_it() {
    local i
    for i in $(seq "$1"); do
        r run -b "$B" "$ID" </dev/null >/dev/null 2>&1 || :
        r delete -f "$ID"
    done
}

# A volume of the image's owner: dir and link (to the victim) take each other's place all the time.
race_volume() {
    mkdir -p "$T/shared/dir" "$T/victim"
    ln -s "$T/victim" "$T/shared/link"
    config '.mounts += [{"destination": "/vol", "type": "bind", "source": $s, "options": ["bind"]}]' --arg s "$T/shared"
    swap_forever "$T/shared" dir link
}

@test "attack: swapping a mount's target for a symlink while it is made (CVE-2021-30465)" {
    race_volume
    config '.mounts += [{"destination": "/vol/dir/inner", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/dir", "type": "tmpfs", "source": "tmpfs"}]'
    race_it "${HOY_RUNS:-30}"
    stop_swapping
    [ -z "$(ls -A "$T/victim")" ]
    nothing_left
}

@test "attack: mount points, devices and working directories are made in a volume that another container changes (CVE-2024-45310)" {
    race_volume
    echo x >"$T/file"
    config '.mounts += [{"destination": "/vol/dir/a/b/file", "type": "bind", "source": $f, "options": ["bind"]}]
        | .linux.devices = [{"path": "/vol/dir/c/null", "type": "c", "major": 1, "minor": 3}] | .process.cwd = "/vol/dir/d/e"' --arg f "$T/file"
    race_it "${HOY_RUNS:-30}"
    stop_swapping
    [ -z "$(ls -A "$T/victim")" ] || { ls -lR "$T/victim"; false; }
    nothing_left
}

@test "attack: a running container swaps names in the volume that it shares" {
    mkdir -p "$T/shared/dir" "$T/victim"
    config '.mounts += [{"destination": "/vol", "type": "bind", "source": $s, "options": ["bind"]}]
        | .process.args = ["sh", "-c", "cd /vol; ln -s $V link; while :; do mv dir d2; mv link dir; mv dir link; mv d2 dir; done"]
        | .process.env += ["V=\($v)"]' --arg s "$T/shared" --arg v "$T/victim"
    create_it
    r start "$ID"
    ID=$ID-b
    config '.process.args = ["true"] | .mounts += [{"destination": "/vol/dir/inner", "type": "tmpfs", "source": "tmpfs"}]
        | .linux.maskedPaths += ["/vol/dir/m"] | .linux.readonlyPaths += ["/vol/dir"]'
    race_it "${HOY_RUNS:-30}"
    [ -z "$(ls -A "$T/victim")" ]
}

@test "attack: /proc is a directory of the image now, a symlink then (CVE-2019-19921, CVE-2023-27561)" {
    # Where /proc leads to, the image has a procfs of its own making.
    mkdir -p "$B/rootfs/fake/self/attr" "$B/rootfs/fake/sys/kernel"
    echo untouched >"$B/rootfs/fake/sys/kernel/domainname"
    for link in fake /fake ../fake nosuch; do
        rmdir "$B/rootfs/proc" 2>/dev/null || rm "$B/rootfs/proc"
        ln -s "$link" "$B/rootfs/proc"
        fails_with 'filesystem "proc" must be mounted on ordinary directory'
    done
    # Swapped while the container is made: mounted on the directory or refused. The names may go on changing; what is
    # written and masked is so in the real one, wherever it is, and what is in the fake stays as it is.
    mv "$B/rootfs/proc" "$B/rootfs/link"
    mkdir "$B/rootfs/proc"
    rm "$B/rootfs/link"
    ln -s /fake "$B/rootfs/link"
    config '.linux.sysctl = {"kernel.domainname": "hit"} | .linux.maskedPaths += ["/proc/uptime"]'
    sh_in 'for p in /proc /link /proc /link; do
            cd $p 2>/dev/null && [ "$(stat -f -c %T .)" = proc ] || continue
            read name <sys/kernel/domainname; echo x 2>/dev/null >sys/kernel/msgmax && echo written
            echo "$name $(stat -c %t:%T uptime)"; break
        done'
    swap_forever "$B/rootfs" proc link
    for i in $(seq "${HOY_RUNS:-30}"); do
        run_it
        [ "$status" != 0 ] || [[ -z "$output" || "$output" == "hit 1:3" ]] || { echo "$output"; false; }
        [ "$output" != "hit 1:3" ] || seen=1
        r delete -f "$ID"
    done
    stop_swapping
    [ "${seen:-}" = 1 ]
    [ "$(cat "$B/rootfs/fake/sys/kernel/domainname")" = untouched ]
    [ "$(ls "$B/rootfs/fake")" = $'self\nsys' ]
}

@test "attack: what is written for the container does not go through its own /proc (CVE-2025-52881)" {
    # No proc mount: the image's directory stands there, with links to files of the host.
    echo untouched >"$T/file"
    rmdir "$B/rootfs/proc"
    mkdir -p "$B/rootfs/proc/sys/kernel" "$B/rootfs/proc/self"
    ln -s "$T/file" "$B/rootfs/proc/sys/kernel/domainname"
    ln -s "$T/file" "$B/rootfs/proc/self/timens_offsets"
    cp "$T/file" "$B/rootfs/proc/sys/kernel/shmmni"
    config '.mounts |= map(select(.destination != "/proc")) | .linux.sysctl = {"kernel.domainname": "hit", "kernel.shmmni": "77"}
        | .process.args = ["sleep", "1000"]'
    create_it
    [ "$(nsenter -t "$(pid_of)" -u cat /proc/sys/kernel/domainname)" = hit ]
    [ "$(nsenter -t "$(pid_of)" -i cat /proc/sys/kernel/shmmni)" = 77 ]
    [ "$(cat "$T/file" "$B/rootfs/proc/sys/kernel/shmmni")" = $'untouched\nuntouched' ]
    r delete -f "$ID"
    # With one, nothing of the config can be mounted into it first.
    config '.mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/proc/self/attr", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/dev/shm", "type": "tmpfs", "source": "tmpfs"}]'
    rm -rf "$B/rootfs/proc"
    fails_with "cannot be mounted because it is inside /proc"
}

@test "attack: /dev of the image leads out of it (CVE-2026-41579)" {
    mkdir "$T/victim"
    rm -rf "$B/rootfs/dev"
    for link in "$T/victim" "../../../../../../../../..$T/victim"; do
        ln -sfn "$link" "$B/rootfs/dev"
        config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false'
        run_it
        [ -z "$(ls -A "$T/victim")" ] || { ls -l "$T/victim"; false; }
        nothing_left
    done
}

@test "attack: the null device that covers files is exchanged (CVE-2025-31133)" {
    # The image's null device is a link to what must not be written; masks take the host's, proven by its number.
    echo untouched >"$T/file"
    config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false
        | .linux.maskedPaths = ["/proc/kcore", "/bin/mask"]'
    mknod "$B/rootfs/dev/null" c 1 3
    ln -s "$T/file" "$B/rootfs/dev/link"
    touch "$B/rootfs/bin/mask"
    sh_in 'stat -c %t:%T /bin/mask; echo x >/bin/mask; echo y >/proc/kcore'
    swap_forever "$B/rootfs/dev" null link
    for i in $(seq "${HOY_RUNS:-20}"); do
        run_it
        [ "$status" != 0 ] || [ "$output" = 1:3 ] || { echo "$output"; false; }
        r delete -f "$ID"
    done
    stop_swapping
    [ "$(cat "$T/file")" = untouched ]
}

@test "attack: /dev/console becomes a link while the terminal is made (CVE-2025-52565)" {
    echo untouched >"$T/file"
    config '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false | .process.terminal = true
        | .mounts += [{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}]'
    mkdir -p "$B/rootfs/dev/pts"
    touch "$B/rootfs/dev/console"
    ln -s "$T/file" "$B/rootfs/dev/link"
    sh_in 'echo x >/dev/console'
    swap_forever "$B/rootfs/dev" console link
    race_it "${HOY_RUNS:-20}"
    stop_swapping
    [ "$(cat "$T/file")" = untouched ]
    nothing_left
}

@test "attack: the host's cgroups are not writable from a user namespace (CVE-2023-25809)" {
    config '.linux.namespaces = [{"type": "mount"}, {"type": "pid"}, {"type": "user"}] | del(.hostname)
        | .linux.uidMappings = [{"containerID": 0, "hostID": 0, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
        | .mounts |= map(select(.type != "sysfs" and .type != "mqueue"))
        | .mounts += [{"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}]'
    sh_in 'for d in $(find /sys/fs/cgroup -maxdepth 2 -type d); do mkdir $d/hoytest 2>/dev/null && echo "made $d/hoytest"; done; echo looked'
    run_it
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$output" = looked ] || { echo "$output"; false; }
}

@test "fields that are not supported are refused by name" {
    if ! grep -q ' - resctrl ' /proc/self/mountinfo; then
        config '.linux.intelRdt = {"closID": "x"}'
        fails_with "linux.intelRdt: no resctrl file system is mounted"
    fi
    config 'del(.linux.intelRdt) | .linux.mountLabel = "system_u:object_r:x:s0"'
    run_it
    [ "$status" = 0 ]
    [[ "$output" == *"linux.mountLabel: SELinux is not enabled on this host, ignoring 'system_u:object_r:x:s0'"* ]]
}

@test "the null device as stdio is the container's own, not the host's" {
    sh_in 'sleep 100'
    r run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- 4>&-
    [ "$(r exec "$ID" stat -L -c %d /proc/1/fd/0 /proc/1/fd/1 /proc/1/fd/2 /dev/null | sort -u | wc -l)" = 1 ]
    [ "$(r exec "$ID" sh -c 'stat -L -c %d /proc/$$/fd/0 /dev/null | sort -u | wc -l' </dev/null)" = 1 ]
}
