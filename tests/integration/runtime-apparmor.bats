#!/usr/bin/env bats
# hoyrun: AppArmor profiles, where the kernel has AppArmor (the VM's has).
load runtime

setup_file() { runtime_setup_file; }
setup() {
    runtime_setup
    [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && command -v apparmor_parser >/dev/null ||
        skip_because no-apparmor "the kernel has no AppArmor, or apparmor_parser is missing"
    cat >"$T/profiles" <<'EOP'
profile hoytest-first flags=(attach_disconnected) {
    file,
    deny /tmp/secret rw,
}
profile hoytest-second flags=(attach_disconnected) {
    file,
    deny /tmp/other rw,
}
EOP
    apparmor_parser -r -K "$T/profiles"
    config '.root.readonly = false | .process.apparmorProfile = "hoytest-first"'
}
teardown() {
    [ ! -e "${T:-}/profiles" ] || apparmor_parser -R "$T/profiles" || :
    runtime_teardown
}

probe='cat /proc/self/attr/current; for f in secret other; do (: >/tmp/$f) 2>/dev/null && echo $f; done'

@test "the program runs under its profile, with and without no_new_privs" {
    sh_in "$probe"
    for nnp in true false; do
        config '.process.noNewPrivileges = ($n == "true")' --arg n $nnp
        run_it
        [ "$output" = $'hoytest-first (enforce)\nother' ] || { echo "$output"; false; }
    done
    config 'del(.process.apparmorProfile)'
    run_it
    [ "$output" = $'unconfined\nsecret\nother' ] || { echo "$output"; false; }
    config '.process.apparmorProfile = "unconfined"'
    run_it
    [ "${lines[0]}" = unconfined ]
}

@test "in a user namespace, and as another user" {
    config '.linux.namespaces += [{"type": "user"}] | .process.user = {"uid": 5, "gid": 5}
        | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        | .linux.gidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
    rm -rf "$B/rootfs"
    cp -a "$ROOTFS_BASE" "$B/rootfs"
    chown -R 100000:100000 "$B/rootfs"
    sh_in "$probe"
    run_it
    [ "$output" = $'hoytest-first (enforce)\nother' ] || { echo "$output"; false; }
}

@test "exec has the container's profile, or the one of --apparmor" {
    config '.process.args = ["sleep", "1000"]'
    create_it
    r start "$ID"
    [ "$(cat "/proc/$(pid_of)/attr/current")" = "hoytest-first (enforce)" ]
    [ "$(r exec "$ID" sh -c "$probe")" = $'hoytest-first (enforce)\nother' ]
    run r exec --apparmor hoytest-second "$ID" sh -c "$probe"
    [ "$output" = $'hoytest-second (enforce)\nsecret' ] || { echo "$output"; false; }
    jq -n '{"args": ["cat", "/proc/self/attr/current"], "cwd": "/", "env": ["PATH=/bin"], "apparmorProfile": "hoytest-second"}' >"$T/p"
    [ "$(r exec -p "$T/p" "$ID")" = "hoytest-second (enforce)" ]
}

@test "a profile that is not loaded is an error, and nothing is left" {
    config '.process.apparmorProfile = "hoytest-nosuch"'
    fails_with "process.apparmorProfile: write 'exec hoytest-nosuch'"
    config '.process.apparmorProfile = "hoytest-first" | .process.args = ["sleep", "1000"]'
    create_it
    r start "$ID"
    run r exec --apparmor hoytest-nosuch "$ID" true
    [ "$status" = 255 ]
    [[ "$output" == *"process.apparmorProfile"* ]]
}

@test "attack: a procfs of the image's own does not swallow the profile (CVE-2019-16884, CVE-2025-52881)" {
    # Without a proc mount the rootfs's /proc is whatever the image says.
    mkdir -p "$B/rootfs/proc/self/attr/apparmor" "$B/rootfs/proc/thread-self/attr/apparmor"
    touch "$B/rootfs/proc/self/attr/apparmor/exec" "$B/rootfs/proc/self/attr/exec" "$B/rootfs/proc/thread-self/attr/exec"
    config '.mounts |= map(select(.destination != "/proc"))'
    sh_in 'mkdir /real; mount -t proc proc /real 2>/dev/null; (: >/tmp/secret) 2>/dev/null && echo unconfined || echo confined'
    run_it
    [ "$output" = confined ] || { echo "$output"; false; }
    [ ! -s "$B/rootfs/proc/self/attr/apparmor/exec" ]
}
