#!/usr/bin/env bats
# IPv6 of networks, by the command line: addresses, names, published ports, isolation, the way out; options of endpoints.
bats_require_minimum_version 1.5.0
load lib
load stack

# One hoyd for all, with IPv6 on the default network. "outside" is another host behind an uplink.
setup_file() {
    load lib
    load stack
    require_root
    make_test_dir
    ip netns add outside
    ip link add uplink6 type veth peer name eth0 netns outside
    ip addr add fd00:9::1/64 dev uplink6 nodad
    ip link set uplink6 up
    ip -n outside addr add fd00:9::2/64 dev eth0 nodad
    ip addr add 10.8.0.1/24 dev uplink6
    ip -n outside addr add 10.8.0.2/24 dev eth0
    ip -n outside link set eth0 up
    start_hoyd --ipv6 --fixed-cidr-v6 fd00:17::/64
    load_busybox
    export HOYD_PID
}
teardown_file() {
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid") # a test may have started it anew
    stop_hoyd
    ip netns del outside
    remove_test_dir
}

setup() {
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid")
    SERVERS=
}
teardown() {
    for pid in $SERVERS; do kill "$pid" || :; done
    "$HOY" ps -aq --filter label=t | xargs -r "$HOY" rm -f >/dev/null
    "$HOY" network ls -q --filter label=t | xargs -r "$HOY" network rm >/dev/null
}

hoy() { timeout 60 "$HOY" "$@"; }
sleeper() { hoy run -d --label t --name "$1" "${@:2}" busybox sleep 10000; }
net() { hoy network create --label t "$@"; }
refused() {
    local text=$1
    shift
    run ! "$@"
    [[ "$output" = *"$text"* ]] || { echo "said: $output"; return 1; }
}
# serve CONTAINER PORT [6]: who asks there is told by what address it is seen
serve() {
    nsenter -t "$(hoy inspect -f '{{.State.Pid}}' "$1")" -n "$HOY_BUILD/peer-server" "${@:2}" 3>&- &
    SERVERS="$SERVERS $!"
}
asked() { # ADDRESS PORT [NETNS]: what it is told
    ${3:+ip netns exec "$3"} timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2 && cat <&3"
}
asked_udp() { ${3:+ip netns exec "$3"} timeout 5 bash -c "exec 3<>/dev/udp/$1/$2 && echo x >&3 && head -n1 <&3"; }
answers() { [ "$("${@:2}")" = "$1" ]; } # WANT COMMAND...
pings() { hoy exec "$1" ping -6 -c1 -W2 "$2"; }

@test "ipv6: a network with a subnet: addresses in the container, in inspect and by name; --ip6" {
    net --ipv6 --subnet 10.60.0.0/24 --subnet fd00:60::/64 --gateway fd00:60::1 --aux-address a=fd00:60::3 six
    [ "$(hoy network inspect -f '{{.EnableIPv6}}{{range .IPAM.Config}} {{.Subnet}} {{.Gateway}}{{end}}' six)" = \
        "true 10.60.0.0/24 10.60.0.1 fd00:60::/64 fd00:60::1" ]
    sleeper ca --network six
    sleeper cb --network six
    sleeper cc --network six --ip6 fd00:60::abcd
    [ "$(hoy inspect -f '{{with .NetworkSettings.Networks.six}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}' ca)" = \
        "fd00:60::2/64 fd00:60::1" ]
    # ::3 is the auxiliary address
    [ "$(hoy inspect -f '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}' cb)" != fd00:60::3 ]
    [ "$(hoy inspect -f '{{with .NetworkSettings.Networks.six}}{{.GlobalIPv6Address}} {{.IPAMConfig.IPv6Address}}{{end}}' cc)" = "fd00:60::abcd fd00:60::abcd" ]
    hoy network inspect -f '{{range .Containers}}{{.Name}} {{.IPv6Address}},{{end}}' six | grep -q "cc fd00:60::abcd/64"
    hoy exec ca ip -6 addr show eth0 | grep -q "fd00:60::2/64"
    hoy exec ca ip -6 route | grep -q "default via fd00:60::1 dev eth0"
    hoy exec ca grep -q "^fd00:60::2" /etc/hosts
    [ "$(hoy exec ca cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" = 0 ]
    pings ca fd00:60::abcd
    pings ca fd00:60::1
    hoy exec ca nslookup -type=aaaa cc | grep -q fd00:60::abcd
    hoy exec ca ping -6 -c1 -W2 cc
    refused "Address already in use" hoy run --label t --network six --ip6 fd00:60::abcd busybox true
    refused "Address already in use" hoy run --label t --network six --ip6 fd00:60::1 busybox true
    refused "contain the IP address fd00:61::1" hoy run --label t --network six --ip6 fd00:61::1 busybox true
}

@test "ipv6: without a subnet one of RFC 4193; without --ipv6 none; what cannot be is refused" {
    net --ipv6 own
    subnet=$(hoy network inspect -f '{{(index .IPAM.Config 1).Subnet}}' own)
    [[ "$subnet" = fd*::/64 ]]
    net plain
    [ "$(hoy network inspect -f '{{.EnableIPv6}} {{len .IPAM.Config}}' plain)" = "false 1" ]
    sleeper ca --network plain
    sleeper cb --network own
    [ -z "$(hoy exec ca ip -6 addr show eth0)" ]
    hoy exec cb ip -6 addr show eth0 | grep -q "inet6 ${subnet%/64}2/64"
    refused "IPv6 has not been enabled for this network" net --subnet fd00:61::/64 x
    refused "it should be fd00:61::/64" net --ipv6 --subnet fd00:61::1/64 x
    refused "invalid CIDR block notation" net --ipv6 --subnet fd00:61::/129 x
    refused "Pool overlaps" net --ipv6 --subnet "$subnet" x
    refused "doesn't support multiple subnets" net --ipv6 --subnet fd00:61::/64 --subnet fd00:62::/64 x
    refused "user specified IP address is supported only when" hoy run --label t --network own --ip6 "${subnet%/64}9" busybox true
    # it comes with the second network
    hoy network connect own ca
    hoy exec ca ip -6 addr show eth1 | grep -q "inet6 ${subnet%/64}"
    pings ca "${subnet%/64}2"
}

@test "ipv6: out and in: masqueraded, published on both families, with the client's address, isolated" {
    net --ipv6 --subnet fd00:60::/64 six
    net --ipv6 --subnet fd00:61::/64 other
    net --ipv6 --internal --subnet fd00:62::/64 inner
    sleeper ca --network six -p 8080:80 -p 5353:53/udp
    sleeper cb --network other
    sleeper cc --network inner
    serve ca 80 6
    serve ca 53 6
    ip netns exec outside "$HOY_BUILD/peer-server" 99 6 3>&- &
    SERVERS="$SERVERS $!"
    [ "$(hoy port ca 80)" = "0.0.0.0:8080
[::]:8080" ]
    wait_for 10 answers fd00:9::2 asked fd00:9::1 8080 outside
    wait_for 10 answers fd00:9::2 asked_udp fd00:9::1 5353 outside
    answers fd00:60::1 asked ::1 8080 # passed on by hoy-net
    wait_for 10 answers fd00:9::1 hoy exec ca nc -w 5 fd00:9::2 99
    # from another network, and from itself, by the host's address
    answers fd00:60::1 hoy exec cb nc -w 5 fd00:9::1 8080
    answers fd00:60::1 hoy exec ca nc -w 5 fd00:9::1 8080
    run ! pings cb fd00:60::2
    run ! hoy exec cb nc -w 2 fd00:60::2 80
    run -1 ip netns exec outside busybox ping -6 -c1 -W1 fd00:60::2
    hoy exec cc ip -6 addr show eth0 | grep -q fd00:62::2
    ! hoy exec cc ip -6 route | grep default || false
    hoy rm -f ca
    run ! asked fd00:9::1 8080 outside
    ! nft list ruleset | grep -q 8080 || false
}

@test "ipv6: published on an IPv6 address, also for a container without IPv6; one number for both families" {
    net plain
    sleeper ca --network plain -p '[::1]:8081:80' -p '[::]:8082:80' -p '[::1]:8083:81' -p '[::1]:8087:53/udp' -p '[::]:8088:53/udp'
    serve ca 80
    serve ca 53
    gateway=$(hoy inspect -f '{{.NetworkSettings.Networks.plain.Gateway}}' ca)
    [ "$(hoy port ca 80 | sort)" = "[::1]:8081
[::]:8082" ]
    wait_for 10 answers "$gateway" asked ::1 8081
    answers "$gateway" asked ::1 8082
    answers "$gateway" asked fd00:9::1 8082 outside
    run ! asked fd00:9::1 8081 outside
    wait_for 10 answers "$gateway" asked_udp ::1 8087
    answers "$gateway" asked_udp ::1 8088
    answers "$gateway" asked_udp fd00:9::1 8088 outside
    run ! asked_udp fd00:9::1 8087 outside
    # a megabyte each way, and the end of one side is the end of that one alone
    nsenter -t "$(hoy inspect -f '{{.State.Pid}}' ca)" -n python3 -c '
import socket
s = socket.create_server(("", 81))
while True:
    c = s.accept()[0]
    data = b"".join(iter(lambda: c.recv(65536), b""))
    c.sendall(data)
    c.close()' 3>&- &
    SERVERS="$SERVERS $!"
    head -c 1000000 /dev/urandom >"$T/sent"
    echoed() {
        python3 -c '
import socket, sys
c = socket.create_connection(("::1", 8083), 10)
c.sendall(open(sys.argv[1], "rb").read())
c.shutdown(socket.SHUT_WR)
got = b"".join(iter(lambda: c.recv(65536), b""))
sys.exit(got != open(sys.argv[1], "rb").read())' "$T/sent"
    }
    wait_for 10 echoed
    refused "port is already allocated" hoy run --label t -p '[::]:8082:80' busybox true
    refused "on [::1] is not supported" hoy run --label t -p '[::1]:53:53/sctp' busybox true
    refused "only on networks with IPv6" hoy run --label t --network plain -p '[::]:53:53/sctp' busybox true
    net --ipv6 six
    sleeper cc --network six -p 80 -p 8089:53/udp
    serve cc 53 6
    wait_for 10 answers "$(hoy inspect -f '{{.NetworkSettings.Networks.six.IPv6Gateway}}' cc)" asked_udp ::1 8089
    [ "$(hoy port cc 80 | sed 's/.*://' | sort -u | wc -l)" = 1 ]
    [ "$(hoy port cc 80 | wc -l)" = 2 ]
}

@test "published: with the policy host-firewall the host's own rules of input decide, of tcp and udp on both families" {
    net --ipv6 --subnet 10.60.0.0/24 --subnet fd00:60::/64 -o hoy.publish=host-firewall walled
    sleeper ca --network walled -p 8084:80 -p 8085:53/udp -p 8086:80
    for port in 80 53; do
        serve ca $port
        serve ca $port 6
    done
    [ "$(hoy port ca 80/tcp | sort)" = "0.0.0.0:8084
0.0.0.0:8086
[::]:8084
[::]:8086" ]
    run ! grep 8084 <(nft list ruleset)
    all_answer() {
        answers 10.60.0.1 asked 10.8.0.1 8084 outside && answers fd00:60::1 asked fd00:9::1 8084 outside &&
            answers 10.60.0.1 asked_udp 10.8.0.1 8085 outside && answers fd00:60::1 asked_udp fd00:9::1 8085 outside
    }
    wait_for 20 all_answer
    answers 10.60.0.1 asked 127.0.0.1 8084
    answers 10.60.0.1 hoy exec ca nc -w 5 10.8.0.1 8084
    nft 'table inet host {
        chain input {
            type filter hook input priority 0
            iifname uplink6 tcp dport 8084 reject
            iifname uplink6 udp dport 8085 reject
        }
    }'
    for address in 10.8.0.1 fd00:9::1; do
        run ! asked $address 8084 outside
        run ! asked_udp $address 8085 outside
    done
    answers 10.60.0.1 asked 10.8.0.1 8086 outside
    nft delete table inet host
    kill_hoyd
    pkill -KILL -f "^hoy-net $T/run/"
    start_hoyd --ipv6 --fixed-cidr-v6 fd00:17::/64
    wait_for 20 all_answer
    refused "publish policy 'host-firewall' is not supported" hoy run --label t --network walled -p 99:99/sctp busybox true
    hoy rm -f ca
    run ! asked 10.8.0.1 8084 outside
}

@test "ipv6: an address that is asked for is whose who runs" {
    net --ipv6 --subnet fd00:60::/64 six
    hoy create --label t --name ca --network six --ip6 fd00:60::77 busybox sleep 1000
    sleeper cb --network six --ip6 fd00:60::77
    hoy exec cb ip -6 addr show eth0 | grep -q "fd00:60::77/64"
    refused "Address already in use" hoy start ca
    hoy rm -f cb
    hoy start ca
    hoy exec ca ip -6 addr show eth0 | grep -q "fd00:60::77/64"
}

@test "ipv6: the default network has it; rules and addresses are as before when hoyd and hoy-net were killed" {
    [ "$(hoy network inspect -f '{{(index .IPAM.Config 1).Subnet}}' bridge)" = fd00:17::/64 ]
    sleeper ca -p 8080:80
    address=$(hoy inspect -f '{{.NetworkSettings.GlobalIPv6Address}}' ca)
    [[ "$address" = fd00:17::* ]]
    serve ca 80 6
    wait_for 10 answers fd00:9::2 asked fd00:9::1 8080 outside
    before=$(nft list ruleset | sort)
    kill_hoyd
    pkill -KILL -f "^hoy-net $T/run/"
    start_hoyd --ipv6 --fixed-cidr-v6 fd00:17::/64
    same_rules() { [ "$(nft list ruleset | sort)" = "$before" ]; }
    wait_for 20 same_rules
    answers fd00:9::2 asked fd00:9::1 8080 outside
    [ "$(hoy inspect -f '{{.NetworkSettings.GlobalIPv6Address}}' ca)" = "$address" ]
    # somebody takes the tables away
    nft flush ruleset
    wait_for 10 same_rules
    nft delete table ip6 "$(nft list tables ip6 | awk '{ print $3 }')"
    wait_for 10 same_rules
    answers fd00:17::1 asked ::1 8080
    # a hoyd without IPv6: stopped containers lose it, and no table of it is left
    hoy stop -t 0 ca
    kill_hoyd
    pkill -KILL -f "^hoy-net $T/run/"
    start_hoyd
    hoy start ca
    [ -z "$(hoy inspect -f '{{.NetworkSettings.GlobalIPv6Address}}' ca)" ]
    [ -z "$(nft list tables ip6)" ]
}

@test "ipv6: a compose project with enable_ipv6 and ipv6_address" {
    mkdir -p "$T/six"
    cat >"$T/six/compose.yaml" <<'X'
name: six
services:
  a: {image: busybox, init: true, command: sleep 1000, networks: {n: {ipv6_address: "fd00:66::9"}}}
networks:
  n: {enable_ipv6: true, ipam: {config: [{subnet: "fd00:66::/64"}]}}
X
    hoy compose -f "$T/six/compose.yaml" up -d
    [ "$(hoy inspect -f '{{.NetworkSettings.Networks.six_n.GlobalIPv6Address}}' six-a-1)" = fd00:66::9 ]
    hoy compose -f "$T/six/compose.yaml" down -t 0
}

@test "endpoints: sysctls of the interface, link-local addresses, driver options; what is unknown is refused" {
    net plain
    net second
    sysctls=com.docker.network.endpoint.sysctls
    hoy run -d --label t --name ca --link-local-ip 169.254.7.8 --link-local-ip fe80::7:8 \
        --network "name=plain,driver-opt=$sysctls=net.ipv4.conf.IFNAME.log_martians=1" busybox sleep 10000
    [ "$(hoy exec ca cat /proc/sys/net/ipv4/conf/eth0/log_martians)" = 1 ]
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.plain.DriverOpts}}' ca)" = \
        "{\"$sysctls\":\"net.ipv4.conf.IFNAME.log_martians=1\"}" ]
    hoy exec ca ip addr show eth0 | grep -q "inet 169.254.7.8/16"
    hoy exec ca ip addr show eth0 | grep -q "inet6 fe80::7:8/64"
    [ "$(hoy inspect -f '{{.NetworkSettings.Networks.plain.IPAMConfig.LinkLocalIPs}}' ca)" = "[169.254.7.8 fe80::7:8]" ]
    hoy network connect --driver-opt "\"$sysctls=net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.ucast_solicit=7\"" \
        --link-local-ip 169.254.9.9 second ca
    [ "$(hoy exec ca cat /proc/sys/net/ipv4/neigh/eth1/ucast_solicit)" = 7 ]
    hoy exec ca ip addr show eth1 | grep -q "inet 169.254.9.9/16"
    hoy restart -t 0 ca
    [ "$(hoy exec ca cat /proc/sys/net/ipv4/neigh/eth1/ucast_solicit)" = 7 ]
    hoy exec ca ip addr show eth0 | grep -q "inet6 fe80::7:8/64"
    one() { hoy run --label t --network "name=plain,driver-opt=$1" busybox true; }
    # the interface's name
    hoy run -d --label t --name named --network name=plain,driver-opt=com.docker.network.endpoint.ifname=front0 busybox sleep 1000
    hoy exec named ip -o link | grep -q " front0@"
    hoy network connect --driver-opt com.docker.network.endpoint.ifname=back0 second named
    hoy exec named ip route | grep -q "dev back0"
    hoy network disconnect second named
    run ! grep -q back0 <(hoy exec named ip -o link)
    hoy restart -t 0 named
    hoy exec named ip route | grep -q "default via .* dev front0"
    refused "invalid interface name 'lo'" one com.docker.network.endpoint.ifname=lo
    refused "invalid interface name 'a/b'" one com.docker.network.endpoint.ifname=a/b
    refused "invalid interface name 'sixteen_letters_'" one com.docker.network.endpoint.ifname=sixteen_letters_
    refused "interface name 'front0' is that of two networks of the container, plain and second" \
        hoy network connect --driver-opt com.docker.network.endpoint.ifname=front0 second named
    run ! grep -q second <(hoy inspect -f '{{json .NetworkSettings.Networks}}' named)
    refused "driver option 'com.docker.network.x' of an endpoint is not supported" one com.docker.network.x=1
    hoy create --label t --name theirs --network name=plain,driver-opt=com.example=1 busybox true
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.plain.DriverOpts}}' theirs)" = '{"com.example":"1"}' ]
    refused "invalid sysctl 'net.ipv4.conf.all.log_martians=1'" one "$sysctls=net.ipv4.conf.all.log_martians=1"
    refused "invalid sysctl 'net.ipv4.conf.IFNAME.../../../x=1'" one "$sysctls=net.ipv4.conf.IFNAME.../../../x=1"
    refused "eth0/no_such_key" one "$sysctls=net.ipv4.conf.IFNAME.no_such_key=1"
    refused "invalid link-local IP address: 10.0.0.1" hoy run --label t --link-local-ip 10.0.0.1 --network plain busybox true
}

@test "macvlan: children of an interface of the host, in a neighbour's network; modes; what the kernel lacks is named" {
    ip -n outside addr add 10.9.0.2/24 dev eth0
    mac() { net -d macvlan -o parent=uplink6 "$@"; }
    mac --subnet 10.9.0.0/24 --gateway 10.9.0.2 --ipv6 --subnet fd00:99::/64 near
    [ "$(hoy network inspect -f '{{.Driver}} {{.Options.parent}}' near)" = "macvlan uplink6" ]
    sleeper ca --network near --ip 10.9.0.10
    sleeper cb --network near --ip 10.9.0.11 --mac-address 02:00:00:00:00:0b
    hoy exec ca ip route | grep -q "default via 10.9.0.2 dev eth0"
    hoy exec cb ip link show eth0 | grep -q 02:00:00:00:00:0b
    hoy exec ca ping -c1 -W2 10.9.0.11
    hoy exec ca ping -c1 -W2 10.9.0.2
    ip netns exec outside busybox ping -c1 -W2 10.9.0.10
    pings ca "$(hoy inspect -f '{{.NetworkSettings.Networks.near.GlobalIPv6Address}}' cb)"
    hoy exec ca nslookup cb | grep -q 10.9.0.11
    net plain
    sleeper cc --network plain
    hoy network connect --ip 10.9.0.12 near cc
    hoy exec cc ping -c1 -W2 10.9.0.11
    hoy network disconnect near cc
    [ -z "$(hoy exec cc ip -o link show eth1 2>/dev/null)" ]
    hoy restart -t 0 ca
    hoy exec ca ping -c1 -W2 10.9.0.11
    ! nft list ruleset | grep 10.9.0 || false
    mac -o macvlan_mode=private --subnet 10.10.0.0/24 lonely
    sleeper cd --network lonely
    sleeper ce --network lonely
    run ! hoy exec cd ping -c1 -W1 10.10.0.3
    mac --internal --subnet 10.11.0.0/24 inner
    sleeper cf --network inner
    ! hoy exec cf ip route | grep default || false
    refused "publishing ports on network near is not supported" hoy run --label t --network near -p 80:80 busybox true
    refused "invalid value 'odd' of network option 'macvlan_mode'" mac -o macvlan_mode=odd x
    refused "parent interface 'nowhere' does not exist" net -d macvlan -o parent=nowhere x
    refused "give -o parent=INTERFACE" net -d macvlan x
    refused "network option 'com.docker.network.bridge.name' is not supported" mac -o com.docker.network.bridge.name=x x
    # ipvlan and VLANs are modules: there, or named
    if hoy network create --label t -d ipvlan -o parent=uplink6 --subnet 10.12.0.0/24 ipv 2>"$T/why"; then
        sleeper cg --network ipv
        sleeper ch --network ipv
        hoy exec cg ping -c1 -W2 10.12.0.3
    else
        grep -q "it has no module ipvlan" "$T/why"
    fi
    if hoy network create --label t -d macvlan -o parent=uplink6.10 --subnet 10.13.0.0/24 vlan 2>"$T/why"; then
        ip link show uplink6.10
        hoy network rm vlan
        ! ip link show uplink6.10 || false
    else
        grep -q "it has no module 8021q" "$T/why"
    fi
    [ -z "$(hoy network ls -q -f name=x)" ]
}

@test "ipv6: what a container may send off its network" {
    net --ipv6 --subnet 10.63.0.0/24 --subnet fd00:63::/64 some
    sleeper free --network some
    sleeper shut --network some --egress none
    sleeper part --network some --egress 'allow=[fd00:9::2]:99,10.0.0.0/8'
    ip netns exec outside "$HOY_BUILD/peer-server" 98 6 3>&- &
    SERVERS="$SERVERS $!"
    ip netns exec outside "$HOY_BUILD/peer-server" 99 6 3>&- &
    SERVERS="$SERVERS $!"
    from() { nsenter -t "$(hoy inspect -f '{{.State.Pid}}' "$1")" -n timeout 5 bash -c "exec 3<>/dev/tcp/$2/$3 && cat <&3"; }
    wait_for 10 answers fd00:9::1 from free fd00:9::2 98
    [ "$(from part fd00:9::2 99)" = fd00:9::1 ]
    run ! from part fd00:9::2 98
    run ! from shut fd00:9::2 99
    # neighbours are found and reached, the host is not, by no address of it
    pings shut "$(hoy inspect -f '{{.NetworkSettings.Networks.some.GlobalIPv6Address}}' free)"
    pings free fd00:63::1
    run ! pings shut fd00:63::1
    bridge=br-$(hoy network inspect -f '{{slice .Id 0 12}}' some)
    local=$(ip -6 -o addr show dev "$bridge" scope link | awk '{ sub("/.*", "", $4); print $4 }')
    pings free "$local%eth0"
    run ! pings shut "$local%eth0"
}
