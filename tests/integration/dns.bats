#!/usr/bin/env bats
# Names of containers on users' networks: hoy-dns, asked from inside containers by UDP and TCP, with a resolver behind.
bats_require_minimum_version 1.5.0
load lib
load stack

TOOL=$BATS_TEST_DIRNAME/dns-tool.py

# One hoyd for all: the host's resolv.conf names a resolver of this suite, in the namespace that is the host.
setup_file() {
    load lib
    load stack
    require_root
    make_test_dir
    echo 'nameserver 127.0.0.1' >"$T/resolv.conf"
    mount --bind "$T/resolv.conf" /etc/resolv.conf
    start_resolver "" 127.0.0.1
    peers
    start_hoyd
    load_busybox
    "$HOY" network create one
    "$HOY" run -d --name cli --network one busybox sleep 10000
    export HOYD_PID
}
teardown_file() {
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid") # a test may have started it anew
    stop_hoyd
    xargs kill <"$T/resolvers" 2>/dev/null || : # those in containers may have gone with them
    umount /etc/resolv.conf
    remove_test_dir
}

setup() {
    # hoyd may have been started anew by another test
    [ ! -e "$T/hoyd.pid" ] || HOYD_PID=$(cat "$T/hoyd.pid")
}
teardown() { # all but cli
    "$HOY" ps -aq --filter label=t | xargs -r "$HOY" rm -f >/dev/null
    "$HOY" network ls -q --filter label=t | xargs -r "$HOY" network rm >/dev/null
}

hoy() { timeout 60 "$HOY" "$@"; }
sleeper() { hoy run -d --label t --name "$1" "${@:2}" busybox sleep 10000; }
net() { hoy network create --label t "$@"; }
pid_of() { hoy inspect -f '{{.State.Pid}}' "$1"; }
inside() { # CONTAINER COMMAND...: in its network namespace, with the host's programs
    local pid
    pid=$(pid_of "$1")
    timeout 30 nsenter -t "$pid" -n "${@:2}"
}
ask() { inside "$1" "$TOOL" ask 127.0.0.11 "${@:2}"; }
ip_of() { hoy inspect -f "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}" "$1"; }
# start_resolver CONTAINER ADDRESS [NAME]: a resolver in a container's namespace ("": in the host's)
start_resolver() {
    local enter=()
    rm -f "$T/resolver.out" # an older one says that it is ready
    [ -z "$1" ] || enter=(nsenter -t "$(pid_of "$1")" -n)
    "${enter[@]}" "$TOOL" serve "$2" 53 "${3:-outside.test}" >"$T/resolver.out" 2>&1 3>&- &
    echo $! >>"$T/resolvers"
    wait_for 10 grep -q ready "$T/resolver.out"
}
dns_pid() { pgrep -f "^hoy-dns $T/"; }
is_not() { [ "$(dns_pid)" != "$1" ] && dns_pid; }

@test "dns: name, alias, short id and hostname, in any case, with and without the network's name" {
    id=$(sleeper web --network one --network-alias api --network-alias Db.Local --hostname shop)
    address=$(ip_of web)
    names=web,WEB,api,db.local,${id:0:12},shop,web.one,api.ONE
    [ "$(ask cli "$names" A | uniq -c | xargs)" = "8 NOERROR $address" ]
    [ "$(ask cli "$names" A tcp | uniq -c | xargs)" = "8 NOERROR $address" ]
    [ "$(ask cli web,api AAAA | xargs)" = "NOERROR NOERROR" ]
    [ "$(ask cli web MX)" = NOERROR ]
    [ "$(ask cli web.two A)" = NXDOMAIN ]
    [ "$(ask cli web A edns=1232)" = "NOERROR edns $address" ]
    hoy exec cli ping -c1 -W2 api
    hoy exec cli nslookup web | grep -q "$address"
    hoy exec cli cat /etc/resolv.conf | grep -q "^nameserver 127.0.0.11$"
    hoy exec cli cat /etc/resolv.conf | grep -q "^options ndots:0$"
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.one.Aliases}}' web)" = "[\"api\",\"Db.Local\",\"${id:0:12}\"]" ]
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.one.DNSNames}}' web)" = "[\"web\",\"api\",\"Db.Local\",\"${id:0:12}\",\"shop\"]" ]
    hoy rm -f web
    [ "$(ask cli web A)" = NXDOMAIN ]
}

@test "dns: PTR names the container and its network" {
    sleeper web --network one
    address=$(ip_of web)
    [ "$(ask cli "$(awk -F. '{ print $4 "." $3 "." $2 "." $1 }' <<<"$address").in-addr.arpa" PTR)" = "NOERROR web.one" ]
    [ "$(ask cli 1.2.0.192.in-addr.arpa PTR)" = NXDOMAIN ]
}

@test "dns: a shared alias goes round robin; many answers are truncated by UDP and whole by TCP" {
    for i in 1 2 3; do sleeper r$i --network one --network-alias svc; done
    [ "$(ask cli svc A | wc -w)" = 4 ]
    [ "$(ask cli svc A n=6 | awk '{ print $2 }' | sort -u | wc -l)" = 3 ]
    hoy rm -f r2
    [ "$(ask cli svc A | wc -w)" = 3 ]
}

@test "dns: what is unknown is asked of the host's resolver, by the transport that was used" {
    # its loopback is not the container's: the host's own namespace asks
    [ "$(ask cli a.outside.test,nothing.outside.test,who.outside.test A | xargs)" = "NOERROR 192.0.2.1 NXDOMAIN NOERROR 127.0.0.1" ]
    [ "$(ask cli A.Outside.Test A tcp)" = "NOERROR 192.0.2.1" ]
    [ "$(ask cli transport.outside.test TXT)" = "NOERROR txt:5" ]
    [ "$(ask cli transport.outside.test TXT tcp)" = "NOERROR txt:4" ]
    [ "$(ask cli long.outside.test,giant.outside.test TXT | xargs)" = "NOERROR tc NOERROR tc" ]
    [ "$(ask cli long.outside.test TXT tcp | wc -w)" = 21 ]
    [ "$(ask cli giant.outside.test TXT edns=4096)" = "NOERROR tc" ]
    [ "$(ask cli a.outside.test A tcp n=20 | sort -u)" = "NOERROR 192.0.2.1" ]
    [ "$(ask cli broken.outside.test,spoof.outside.test,silent.outside.test A | xargs)" = "SERVFAIL SERVFAIL SERVFAIL" ]
}

@test "dns: another resolver in the host's resolv.conf is asked by containers that run" {
    start_resolver "" 127.0.0.2 moved.test
    echo 'nameserver 127.0.0.2' >"$T/resolv.conf"
    is_moved() { [ "$(ask cli a.moved.test A)" = "NOERROR 192.0.2.1" ]; }
    wait_for 20 is_moved
    echo 'nameserver 127.0.0.1' >"$T/resolv.conf"
    is_back() { [ "$(ask cli a.outside.test A)" = "NOERROR 192.0.2.1" ]; }
    wait_for 20 is_back
}

@test "dns: --dns is asked from the container's place, a dead one passed over; --dns-search and --dns-option" {
    sleeper up --network one
    start_resolver up 0.0.0.0 mine.test
    # 192.0.2.7 answers nobody
    sleeper own --network one --dns 192.0.2.7 --dns "$(ip_of up)" --dns-search corp.test --dns-option timeout:9
    [ "$(ask own a.mine.test A)" = "NOERROR 192.0.2.1" ]
    [ "$(ask own who.mine.test A)" = "NOERROR $(ip_of own)" ]
    [ "$(ask own who.mine.test A tcp)" = "NOERROR $(ip_of own)" ]
    [ "$(ask own a.mine.test A tcp n=9 | sort -u)" = "NOERROR 192.0.2.1" ]
    [ "$(ask own up A)" = "NOERROR $(ip_of up)" ]
    [ "$(hoy exec own cat /etc/resolv.conf)" = "nameserver 127.0.0.11
search corp.test
options timeout:9
options ndots:0" ]
}

@test "dns: a server on 0.0.0.0:53 inside a container is reached by its own address, ours by 127.0.0.11" {
    sleeper named --network one
    start_resolver named 0.0.0.0 inner.test
    [ "$(inside cli "$TOOL" ask "$(ip_of named)" a.inner.test A)" = "NOERROR 192.0.2.1" ]
    [ "$(inside cli "$TOOL" ask "$(ip_of named)" a.inner.test A tcp)" = "NOERROR 192.0.2.1" ]
    [ "$(inside named "$TOOL" ask 127.0.0.1 a.inner.test A)" = "NOERROR 192.0.2.1" ]
    [ "$(ask named cli A)" = "NOERROR $(ip_of cli)" ]
}

@test "dns: an internal network resolves its own and forwards nothing" {
    net --internal closed
    sleeper i1 --network closed
    sleeper i2 --network closed
    [ "$(ask i1 i2 A)" = "NOERROR $(ip_of i2)" ]
    [ "$(ask i1 a.outside.test A)" = NXDOMAIN ]
    [ "$(ask i1 a.outside.test A tcp)" = NXDOMAIN ]
    [ "$(ask i1 cli A)" = NXDOMAIN ]
}

@test "dns: names follow connect, disconnect, rename and stop" {
    net two
    sleeper web --network one
    sleeper far --network two
    [ "$(ask far web A)" = NXDOMAIN ]
    hoy network connect --alias www two web
    [ "$(ask far www A)" = "NOERROR $(hoy inspect -f '{{.NetworkSettings.Networks.two.IPAddress}}' web)" ]
    [ "$(ask web far A)" = "NOERROR $(ip_of far)" ]
    hoy rename web shop
    [ "$(ask cli shop A)" = "NOERROR $(hoy inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' shop)" ]
    [ "$(ask cli web A)" = NXDOMAIN ]
    hoy network disconnect two shop
    [ "$(ask far www A)" = NXDOMAIN ]
    [ "$(ask shop far A)" = NXDOMAIN ]
    hoy stop -t 0 shop
    [ "$(ask cli shop A)" = NXDOMAIN ]
    hoy start shop
    [ "$(ask cli shop A)" = "NOERROR $(ip_of shop)" ]
}

@test "dns: a container of the default network gets its name server with its first other network" {
    sleeper plain
    ! hoy exec plain cat /etc/resolv.conf | grep 127.0.0.11 || false
    hoy network connect one plain
    hoy exec plain cat /etc/resolv.conf | grep -q "^nameserver 127.0.0.11$"
    [ "$(ask plain cli A)" = "NOERROR $(ip_of cli)" ]
    [ "$(ask cli plain A)" = "NOERROR $(hoy inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' plain)" ]
}

@test "dns: host.docker.internal by --add-host, and an alias on the default network is refused" {
    sleeper hh --network one --add-host host.docker.internal:host-gateway
    hoy exec hh ping -c1 -W2 host.docker.internal
    run ! hoy run --rm --network bridge --network-alias x busybox true
    [[ "$output" = *"network-scoped alias"*"user"*"defined networks"* ]]
}

@test "dns: hoyd killed: answers go on; hoy-dns killed: it comes back; both: too" {
    sleeper web --network one
    address=$(ip_of web)
    pid=$(pid_of cli)
    kill_hoyd
    [ "$(nsenter -t "$pid" -n timeout 20 "$TOOL" ask 127.0.0.11 web A)" = "NOERROR $address" ]
    start_hoyd
    [ "$(ask cli web A)" = "NOERROR $address" ]
    hoy run --rm --network one busybox ping -c1 -W2 web
    old=$(dns_pid)
    kill -KILL "$old"
    wait_for 20 is_not "$old"
    [ "$(ask cli web A)" = "NOERROR $address" ]
    [ "$(ask cli a.outside.test A)" = "NOERROR 192.0.2.1" ]
    kill_hoyd
    kill -KILL "$(dns_pid)"
    start_hoyd
    [ "$(ask cli web A)" = "NOERROR $address" ]
    [ "$(ask cli a.outside.test A tcp)" = "NOERROR 192.0.2.1" ]
    sleeper late --network one
    [ "$(ask cli late A)" = "NOERROR $(ip_of late)" ]
}

@test "dns: ten containers come at once and go: all names, then no socket of theirs" {
    fds() { ls "/proc/$(dns_pid)/fd" | wc -l; }
    before=$(fds)
    seq 10 | xargs -P 5 -I N "$HOY" run -d --label t --name many-N --network one --network-alias many busybox sleep 10000
    names=$(seq -s, -f many-%g 10)
    [ "$(ask cli "$names" A | sort -u | wc -l)" = 10 ]
    [ "$(ask cli many A edns=1232 | wc -w)" = 12 ]
    [ "$(fds)" = $((before + 90)) ] # eight sockets and a pidfd each
    seq -f many-%g 10 | xargs "$HOY" rm -f
    [ "$(ask cli many A)" = NXDOMAIN ]
    are_back() { [ "$(fds)" -le $((before + 4)) ]; } # four more to ask the host's resolver
    wait_for 10 are_back
}

@test "dns: the sockets of a container that ends while hoyd is away are closed, its interface goes with it" {
    fds() { ls "/proc/$(dns_pid)/fd" | wc -l; }
    veths() { ip -o link show type veth | wc -l; }
    sleeper ends --network one
    pid=$(pid_of ends)
    before=$(fds) ports=$(veths)
    kill_hoyd
    kill -KILL "$pid"
    are_closed() { [ "$(fds)" = $((before - 10)) ] && [ "$(veths)" -lt "$ports" ]; } # eight, the pidfd, hoyd's own
    wait_for 30 are_closed
    start_hoyd
    [ "$(hoy inspect -f '{{.State.Status}}' ends)" = exited ]
    [ "$(ask cli ends A)" = NXDOMAIN ]
}

@test "dns: hostile packets do no harm" {
    sleeper web --network one
    {
        echo 00
        echo 0000010000010000000000
        echo 123401000001000000000000c00c00010001         # a name that points to itself
        echo 12340100000100000000000003c00c               # cut short
        echo 12340100ffffffffffffffff0377656200000100010
        echo 123401000001000000000001037765620000010001000029
        printf '12340100000100000000000%s\n' "1$(printf 'ff%.0s' $(seq 600))"
        printf '1234010000010000000000003f%s\n' "$(printf '61%.0s' $(seq 2000))"
        head -c 16000 /dev/urandom | od -An -v -tx1 -w400 | tr -d ' '
    } | awk 'length($0) % 2 == 0' >"$T/packets"
    inside cli "$TOOL" raw 127.0.0.11 <"$T/packets"
    inside cli "$TOOL" raw 127.0.0.11 tcp <"$T/packets"
    [ "$(ask cli web A)" = "NOERROR $(ip_of web)" ]
    [ "$(ask cli web A tcp)" = "NOERROR $(ip_of web)" ]
}

@test "dns: hoy-dns has no capability, no way back to root, and a filter" {
    status=/proc/$(dns_pid)/status
    [ "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ { print $2 }' "$status" | sort -u)" = 0000000000000000 ]
    [ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "$status")" = "65534 65534 65534 65534" ]
    grep -q "^NoNewPrivs:.1" "$status"
    [ -n "${HOY_SANITIZED:-}" ] || grep -q "^Seccomp:.2" "$status"
    ! grep -E 'Sanitizer|runtime error' "$T"/run/*.log || false
}

# connects CONTAINER HOST PORT: what the peer answers, by the container's own resolver
connects() { hoy exec "$1" timeout 5 nc "$2" "$3" </dev/null 2>/dev/null; }
named_elements() { nft list ruleset | grep -c "^[^#]*192.0.2.1[0-9].* timeout" || :; }
peers() { # addresses that no network of ours has, and a server on two ports of each
    local address port
    for address in 192.0.2.1{1,2,3,4}; do ip addr add $address/32 dev lo; done
    ip -6 addr add 2001:db8::11/128 dev lo nodad
    for port in 8443 8444; do
        "$HOY_BUILD/peer-server" $port 3>&- &
        echo $! >>"$T/resolvers"
        "$HOY_BUILD/peer-server" $port 6 3>&- &
        echo $! >>"$T/resolvers"
        wait_for 10 eval "ss -Hltn sport = $port | grep -q ."
    done
}

@test "dns: egress rules by name: the first connect works, to that port, for a while; nothing else does" {
    net --ipv6 --subnet 10.60.0.0/24 names
    sleeper cc --network names --egress 'allow=one.outside.test:8443,chain.outside.test,*.wild.outside.test,six.outside.test:8444'
    address=$(ip_of cc)
    run ! connects cc 192.0.2.11 8443
    [ "$(connects cc one.outside.test 8443)" = "$address" ]
    [ "$(connects cc 192.0.2.11 8443)" = "$address" ]
    run ! connects cc one.outside.test 8444
    # all ports, by a chain of CNAMEs; a star; IPv6
    [ "$(connects cc chain.outside.test 8444)" = "$address" ]
    [ "$(connects cc x.wild.outside.test 8444)" = "$address" ]
    [[ "$(connects cc six.outside.test 8444)" = fd* ]]
    # the shortest TTL of the chain is 40: a quarter and some seconds more; of protocols there are three
    nft list ruleset | grep -q "$address . 192.0.2.12 timeout 55s"
    [ "$(nft list ruleset | grep -o "$address . 192.0.2.11 . [a-z]* . 8443 timeout 1m20s" | wc -l)" = 3 ]
    # what no rule names is not asked for
    [ "$(ask cc who.outside.test,wild.outside.test A | sort -u)" = NXDOMAIN ]
    [ "$(ask cc one.outside.test,chain.outside.test,cc A | sed 's/ 10.60.*//' | xargs)" = "NOERROR 192.0.2.11 NOERROR 192.0.2.12 NOERROR" ]
    [ "$(ask cc chain.outside.test AAAA)" = NOERROR ]
    [ "$(ask cc one.outside.test A tcp)" = "NOERROR 192.0.2.11" ]
    # a container without rules has what it had, and its neighbour's are its own
    [[ "$(ask cli who.outside.test A)" = "NOERROR "* ]]
    sleeper dd --network names --egress none
    run ! connects dd 192.0.2.11 8443
    [ "$(named_elements)" -gt 0 ]
    hoy rm -f cc
    [ "$(named_elements)" = 0 ]
}

@test "dns: egress rules by name: on the default network, of a network, and what a name can't open" {
    sleeper ee --egress allow=one.outside.test,self.outside.test,near.outside.test,brief.outside.test
    [ "$(connects ee one.outside.test 8443)" = "$(ip_of ee)" ]
    hoy exec ee grep -q "^nameserver 127.0.0.11$" /etc/resolv.conf
    [ "$(connects ee brief.outside.test 8443)" = "$(ip_of ee)" ]
    # addresses of the host itself, of other networks, of a link
    net --subnet 10.60.0.0/24 -o hoy.egress=allow=near.outside.test,self.outside.test names
    [ "$(ask ee near.outside.test,self.outside.test A | xargs)" = "NOERROR 10.60.0.1 NOERROR 127.0.0.1" ]
    run ! connects ee near.outside.test 8443
    run ! grep -E "10.60.0.1 timeout|127.0.0.1 timeout" <(nft list ruleset)
    # the network's own rule, and a container's in its place
    sleeper ff --network names
    [ "$(ask ff one.outside.test,near.outside.test A | xargs)" = "NXDOMAIN NOERROR 10.60.0.1" ]
    sleeper gg --network names --egress allow=one.outside.test
    [ "$(ask gg one.outside.test,near.outside.test A | xargs)" = "NOERROR 192.0.2.11 NXDOMAIN" ]
    # it is over with the answer's TTL, here 0, and the seconds to connect in
    is_over() { ! nft list ruleset | grep -q "192.0.2.14 timeout" && ! connects ee 192.0.2.14 8443; }
    wait_for 30 is_over
}

@test "dns: egress rules by name outlive hoyd, hoy-dns and hoy-net" {
    net --subnet 10.60.0.0/24 names
    sleeper cc --network names --egress allow=one.outside.test:8443,chain.outside.test
    address=$(ip_of cc)
    [ "$(connects cc one.outside.test 8443)" = "$address" ]
    in_cc=(timeout 30 nsenter -t "$(pid_of cc)" -n)
    by_name() { [ "$(connects cc chain.outside.test 8443)" = "$address" ]; }
    by_address() { [ "$(connects cc 192.0.2.11 8443)" = "$address" ]; }
    kill_hoyd
    # without hoyd: what was granted holds, and more is granted
    [ "$("${in_cc[@]}" timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.11/8443 && cat <&3')" = "$address" ]
    [ "$("${in_cc[@]}" "$TOOL" ask 127.0.0.11 chain.outside.test A)" = "NOERROR 192.0.2.12" ]
    [ "$("${in_cc[@]}" timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.12/8444 && cat <&3')" = "$address" ]
    start_hoyd
    by_address
    by_name
    old=$(dns_pid)
    kill -9 "$old"
    by_address
    wait_for 30 is_not "$old"
    wait_for 30 by_name
    # a new hoy-net is told by hoy-dns, and by hoy-dns alone
    as_told() { [ "$(connects cc 192.0.2.12 8443)" = "$address" ]; }
    pkill -KILL -f "^hoy-net $T/run/"
    wait_for 30 as_told
    nft flush ruleset
    wait_for 30 as_told
    by_name
    hoy rm -f cc
    [ "$(named_elements)" = 0 ]
}
