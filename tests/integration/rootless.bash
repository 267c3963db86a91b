# hoyd for an ordinary user: `load lib; load stack; load rootless`. The user is made up: files below /etc that name it are
# laid over the machine's, in the mount namespace of the suite (tests/run-suite).
ROOTLESS_UID=4321

# rootless_user DIR: the user with its subordinate ids, a /dev/net/tun that it may open, and a network outside: 198.51.100.1
# (hoy-outside), which is where the machine's default route leads.
rootless_user() {
    local dir=$1
    [ "$(readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] ||
        { echo "this suite needs a mount namespace of its own: run it by tests/run-suite" >&2; return 1; }
    mkdir -p "$dir/home" "$dir/xdg"
    chown "$ROOTLESS_UID:$ROOTLESS_UID" "$dir/home" "$dir/xdg"
    { echo "hoytest:x:$ROOTLESS_UID:$ROOTLESS_UID::$dir/home:/bin/sh"; cat /etc/passwd; } >"$dir/passwd"
    echo "hoytest:200000:65536" >"$dir/subids"
    mount --bind "$dir/passwd" /etc/passwd
    touch /etc/subuid /etc/subgid
    mount --bind "$dir/subids" /etc/subuid
    mount --bind "$dir/subids" /etc/subgid
    mknod -m 666 "$dir/tun" c 10 200
    mount --bind "$dir/tun" /dev/net/tun
    ip netns add hoy-outside
    ip link add out0 type veth peer name out1 netns hoy-outside
    ip addr add 198.51.100.2/24 dev out0
    ip link set out0 up
    ip route add default via 198.51.100.1
    ip -n hoy-outside link set lo up
    ip -n hoy-outside addr add 198.51.100.1/24 dev out1
    ip -n hoy-outside link set out1 up
}

# Sets USER_WORDS, behind which a command is the user's. (A function in the background would be a shell around it.)
user_words() {
    USER_WORDS=(setpriv --reuid "$ROOTLESS_UID" --regid "$ROOTLESS_UID" --clear-groups env -i PATH="$PATH" HOME="$RT/home"
        XDG_RUNTIME_DIR="$RT/xdg" DOCKER_CONFIG="$RT/home/client" ASAN_OPTIONS="${ASAN_OPTIONS:-}")
}
as_user() { # COMMAND...
    user_words
    "${USER_WORDS[@]}" "$@"
}

uhoy() { as_user timeout 60 "$HOY" "$@"; }

# start_user_hoyd [FLAG...]: as start_hoyd, for the user.
start_user_hoyd() {
    user_words
    "${USER_WORDS[@]}" "$HOYD" "$@" >>"$RT/hoyd.log" 2>&1 3>&- </dev/null &
    HOYD_PID=$!
    echo "$HOYD_PID" >"$RT/hoyd.pid"
    wait_for 20 user_hoyd_answers_or_ended
    uhoy -H "unix://$RT/xdg/hoy/hoy.sock" version >/dev/null || { cat "$RT/hoyd.log" >&2; return 1; }
}

user_hoyd_answers_or_ended() {
    is_dead "$(cat "$RT/hoyd.pid")" || uhoy -H "unix://$RT/xdg/hoy/hoy.sock" version
}

# end_user_hoyd SIGNAL: sets off at once what waits for its end.
end_user_hoyd() {
    local pid
    pid=$(cat "$RT/hoyd.pid")
    kill "-$1" "$pid" 2>/dev/null || :
    wait_for 20 is_dead "$pid"
}

user_processes() { pgrep -u "$ROOTLESS_UID" -r D,R,S "$@"; } # no zombies
no_user_processes() { ! user_processes; }
