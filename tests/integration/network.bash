# Runs inside the host that network.bats makes for a test (a network and a mount namespace of its own): an uplink to
# another host, containers as bare network namespaces, and the network room driven without hoyd.
#
#	uplink0 10.9.0.1/24 --- outside 10.9.0.2/24        drive COMMAND...   one answer of network-driver in $R
mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns; }

cleanup() {
    local pid
    for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null || true; done
    for pid in $(hoy_net_pids); do kill "$pid" 2>/dev/null || true; done
    for _ in $(seq 100); do
        if [ -z "$(hoy_net_pids)" ]; then break; fi
        sleep 0.02
    done
    for pid in $(hoy_net_pids); do kill -9 "$pid" 2>/dev/null || true; done
    if grep -hE 'Sanitizer|runtime error' "$T"/*.log "$T"/*/*.log 2>/dev/null; then exit 1; fi
}
trap cleanup EXIT

fail() {
    echo "FAILED at line ${BASH_LINENO[0]}: $*" >&2
    [ ! -e "$T/x/hoy-net.log" ] || cat "$T/x/hoy-net.log" >&2
    exit 1
}

# grep -q that reads to the end: under pipefail the writer's SIGPIPE would count as a failure.
has() {
    local text
    text=$(cat)
    grep -q "$@" <<<"$text"
}

# The hoy-net of this test's exec root(s).
hoy_net_pids() {
    pgrep -f "^hoy-net $T/" || :
}

make_host() {
    ip link set lo up
    ip netns add outside
    ip link add uplink0 type veth peer name eth0 netns outside
    ip addr add 10.9.0.1/24 dev uplink0
    ip link set uplink0 up
    ip route add default via 10.9.0.2
    ip -n outside addr add 10.9.0.2/24 dev eth0
    ip -n outside link set eth0 up
    ip -n outside link set lo up
    mkdir -p "$T/x"
}

start_driver() { # [BIP [BRIDGE]]
    coproc DRIVER { exec "$HOY_BUILD/network-driver" "$T/x" "$T/state.db" "${1-172.17.0.1/16}" "${@:2}" 2>>"$T/driver.log"; }
    driver_pid=$DRIVER_PID driver_in=${DRIVER[1]} driver_out=${DRIVER[0]}
}

stop_driver() { # [SIGNAL]: without one by end of file
    if [ -n "${1-}" ]; then kill "-$1" "$driver_pid"; fi
    exec {driver_in}>&-
    wait "$driver_pid" 2>/dev/null || true
}

drive() {
    echo "$*" >&"$driver_in"
    read -r -t 10 R <&"$driver_out" || fail "no answer to '$*'"
}

drive_ok() {
    drive "$@"
    [[ "$R" = ok* ]] || fail "'$*' answered: $R"
}

# container NAME [PORT...]: a namespace, an endpoint, up.
container() {
    local name=$1
    shift
    [ -e "/run/netns/$name" ] || ip netns add "$name"
    drive_ok allocate "$name" bridge "$@"
    drive_ok attach "$name" "$name" "/run/netns/$name"
}

serve() { # NAME PORT: answers with the client's address
    ip netns exec "$1" "$HOY_BUILD/peer-server" "$2" &
    for _ in $(seq 100); do
        if ip netns exec "$1" grep -q ":$(printf %04X "$2") 00000000:0000 0A" /proc/net/tcp; then return 0; fi
        sleep 0.02
    done
    fail "server in $1 does not come up"
}

# What the server answers, into $A; empty when there is no connection within 3 s.
ask() { # HOST PORT [FROM_NETNS]
    A=$(${3:+ip netns exec "$3"} timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2 && cat <&3" 2>/dev/null) || A=
}
ask_udp() {
    A=$(${3:+ip netns exec "$3"} timeout 3 bash -c "exec 3<>/dev/udp/$1/$2 && echo x >&3 && head -n1 <&3" 2>/dev/null) || A=
}

expect() { # WANT: what was answered
    [ "$A" = "$1" ] || { echo "in line ${BASH_LINENO[0]} of the test:"; fail "answer is '$A', not '$1'"; }
}

# As ask and expect, for what comes true soon.
soon() { # WANT HOST PORT [FROM_NETNS]
    local want=$1 i
    shift
    for i in $(seq 60); do
        ask "$@"
        if [ "$A" = "$want" ]; then return 0; fi
        sleep 0.05
    done
    fail "answer is still '$A', not '$want'"
}

# Everything a network leaves on a host.
footprint() {
    ip -o link | sed 's/@.*//; s/.*: //' | sort
    nft list ruleset
    ss -Hltun | awk '{print $1, $5}' | sort
    hoy_net_pids
}
