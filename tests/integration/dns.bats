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
