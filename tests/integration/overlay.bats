#!/usr/bin/env bats
# Networks between hosts: three of them, made of network namespaces on one bridge, each with a hoyd, and a real etcd.
bats_require_minimum_version 1.5.0
load lib

ETCD=${ETCD:-$(command -v etcd || echo "$TOP/build/etcd/usr/bin/etcd")}
STORE=192.168.77.1:2379

setup_file() {
    [ -x "$ETCD" ] || return 0
    make_test_dir
    "$TOP/tests/integration/make-image" -o "$T/busybox.tar"
    ip link add lan type bridge
    ip addr add 192.168.77.1/24 dev lan
    ip link set lan up
    start_etcd
    for i in 1 2 3; do
        ip netns add "h$i"
        ip link add "lan$i" master lan type veth peer name eth0 netns "h$i"
        ip link set "lan$i" up
        ip -n "h$i" addr add "192.168.77.1$i/24" dev eth0
        ip -n "h$i" link set eth0 up
        ip -n "h$i" link set lo up
        ip -n "h$i" route add default via 192.168.77.1
        start_host "$i"
        h "$i" load -i "$T/busybox.tar"
    done
}

teardown_file() {
    [ -x "$ETCD" ] || return 0
    for i in 1 2 3; do
        start_host "$i"
        h "$i" ps -aq | xargs -r timeout 60 "$HOY" -H "unix://$T/h$i/hoy.sock" rm -f
        pid=$(cat "$T/h$i/hoyd.pid")
        kill "$pid"
        wait_for 20 is_dead "$pid"
        for pid in $(pgrep -f "^hoy-[a-z]* $T/h$i/"); do kill "$pid"; done
    done
    kill "$(cat "$T/etcd.pid")"
    for i in 1 2 3; do ip netns del "h$i"; done
    ip link del lan
    remove_test_dir
}

setup() {
    require_root
    [ -x "$ETCD" ] || skip_because no-etcd "etcd is not installed"
}

teardown() {
    for i in 1 2 3; do
        ip link set "lan$i" up
        start_host "$i"
        h "$i" ps -aq | xargs -r timeout 60 "$HOY" -H "unix://$T/h$i/hoy.sock" rm -f
    done
    [ -d "/proc/$(cat "$T/etcd.pid")" ] || start_etcd
    wait_for 10 no_far
}
no_far() { no_network 1 far || h 1 network rm far; }

h() { timeout 60 "$HOY" -H "unix://$T/h$1/hoy.sock" "${@:2}"; }
on() { nsenter --net="/run/netns/h$1" "${@:2}"; }

start_etcd() {
    "$ETCD" --data-dir "$T/etcd" --listen-client-urls "http://$STORE" --advertise-client-urls "http://$STORE" \
        --listen-peer-urls http://127.0.0.1:2380 >>"$T/etcd.log" 2>&1 3>&- &
    echo $! >"$T/etcd.pid"
    wait_for 20 etcd_answers
}
stop_etcd() {
    kill -KILL "$(cat "$T/etcd.pid")"
    wait_for 10 is_dead "$(cat "$T/etcd.pid")"
}
etcd_answers() { curl -fs -m2 "http://$STORE/health"; }
ask_etcd() { curl -fs -m5 "http://$STORE/v3/$1" -d "$2"; }
# The keys below /hoy/1/, one a line.
keys() {
    ask_etcd kv/range '{"key":"L2hveS8xLw==","range_end":"L2hveS8xMA==","keys_only":true}' |
        jq -r '.kvs[]?.key' | while read -r key; do base64 -d <<<"$key"; echo; done
}

# One that runs is left.
start_host() {
    mkdir -p "$T/h$1"
    h "$1" version >/dev/null 2>&1 && return 0
    on "$1" "$HOYD" -H "unix://$T/h$1/hoy.sock" --data-root "$T/h$1/data" --exec-root "$T/h$1/run" \
        --pidfile "$T/h$1/hoyd.pid" --config-file /dev/null --cluster-store "etcd://$STORE" --cluster-advertise eth0 \
        >>"$T/h$1/hoyd.log" 2>&1 3>&- &
    wait_for 20 h "$1" version
}
sleeper() { h "$1" run -d --name "$2" "${@:3}" busybox sleep 1000; }
address() { h "$1" inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$2"; }
reaches() { h "$1" exec "$2" ping -c1 -W2 "$3"; }
refused() { # TEXT COMMAND...
    run ! "${@:2}"
    [[ "$output" = *"$1"* ]] || { echo "said: $output"; return 1; }
}
has_network() { h "$1" network inspect "$2"; }
no_network() { ! has_network "$1" "$2"; }
# The entries of other hosts' containers.
remotes() { on "$1" bridge fdb show | grep -c " dst " || :; }
remotes_are() { [ "$(remotes "$1")" = "$2" ]; }

@test "overlay: containers of three hosts reach and find each other, each with an address of its own" {
    h 1 network create -d overlay --subnet 10.88.0.0/24 --label a=b far
    for i in 2 3; do wait_for 10 has_network "$i" far; done
    [ "$(h 2 network inspect -f '{{.Driver}} {{.Scope}} {{.Labels}} {{(index .IPAM.Config 0).Subnet}}' far)" = \
        "overlay global map[a:b] 10.88.0.0/24" ]
    refused "already exists" h 3 network create -d overlay far
    refused "overlaps" h 3 network create -d overlay --subnet 10.88.0.0/16 wide
    for i in 1 2 3; do sleeper "$i" "c$i" --network far --network-alias "web" & done
    wait
    sleeper 2 d2 --network far --ip 10.88.0.77 -p 8080:80
    [ "$( (address 1 c1; address 2 c2; address 3 c3; address 2 d2) | sort -u | wc -l)" = 4 ]
    refused "Address already in use" h 3 run --rm --network far --ip 10.88.0.77 busybox true
    for i in 1 2 3; do
        for to in c1 c2 c3 d2; do wait_for 10 reaches "$i" "c$i" "$to"; done
    done
    [ "$(h 1 exec c1 nslookup web | grep -c "Address.*10.88.0")" = 3 ]
    h 1 exec c1 grep -qx 1450 /sys/class/net/eth0/mtu
    h 1 exec c1 ping -c1 -W2 -s 1422 c3       # a full packet
    h 1 exec c1 ping -c1 -W2 192.168.77.1     # out, with the host's address
    h 2 exec -d d2 httpd -f -p 80 -h /etc
    wait_for 10 curl -fs -m2 -o /dev/null http://192.168.77.12:8080/passwd
    refused "active endpoints" h 2 network rm far
    refused "on other hosts" sh -c "\"$HOY\" -H unix://$T/h1/hoy.sock rm -f c1 && \"$HOY\" -H unix://$T/h1/hoy.sock network rm far"
}

@test "overlay: etcd away: entries stay, new addresses are refused with the reason; it comes back and all goes on" {
    h 1 network create -d overlay --subnet 10.89.0.0/24 far
    wait_for 10 has_network 2 far
    sleeper 1 c1 --network far
    sleeper 2 c2 --network far
    wait_for 10 reaches 1 c1 c2
    stop_etcd
    refused "key-value store is out of reach" h 1 run -d --network far busybox true
    refused "key-value store is out of reach" h 2 network create -d overlay other
    reaches 1 c1 c2
    h 2 restart -t0 c2 # has its address
    wait_for 10 reaches 1 c1 c2
    start_etcd
    # what came meanwhile is behind a compaction
    ask_etcd kv/put '{"key":"L2Vsc2U=","value":"eA=="}'
    ask_etcd kv/compaction "{\"revision\":\"$(ask_etcd kv/range '{"key":"AA=="}' | jq -r .header.revision)\"}"
    joins() { h 3 rm -f c3; sleeper 3 c3 --network far; }
    wait_for 10 joins
    wait_for 10 reaches 3 c3 c1
    wait_for 10 reaches 1 c1 c3
    # one host cut off
    ip link set lan3 down
    refused "key-value store is out of reach" h 3 run -d --network far busybox true
    reaches 1 c1 c2
    ip link set lan3 up
    wait_for 20 reaches 1 c1 c3
}

@test "overlay: hoyd, hoy-net and hoy-peer killed: all goes on; what came meanwhile is known" {
    h 1 network create -d overlay --subnet 10.90.0.0/24 far
    wait_for 10 has_network 2 far
    sleeper 1 c1 --network far
    sleeper 2 c2 --network far
    wait_for 10 reaches 1 c1 c2
    kill -KILL "$(cat "$T/h1/hoyd.pid")"
    wait_for 10 is_dead "$(cat "$T/h1/hoyd.pid")"
    reaches 2 c2 c1
    sleeper 2 d2 --network far
    h 2 rm -f c2
    pkill -KILL -f "^hoy-net $T/h1/run/"
    pkill -KILL -f "^hoy-peer $T/h1/run/"
    start_host 1
    wait_for 10 reaches 1 c1 d2
    wait_for 10 remotes_are 1 1
    pkill -KILL -f "^hoy-peer $T/h1/run/"
    sleeper 1 d1 --network far
    wait_for 10 reaches 2 d2 d1
    wait_for 10 reaches 1 d1 d2
    h 1 rename d1 e1
    wait_for 10 reaches 2 d2 e1
}

@test "overlay: connect, disconnect and rm leave no entry, key or interface" {
    for i in 1 2 3; do on "$i" sh -c 'ip -o link | sed "s/@.*//; s/.*: //" | grep -v "^hoy-" | sort' >"$T/before$i"; done
    keys >"$T/keys-before"
    h 1 network create -d overlay --subnet 10.91.0.0/24 far
    wait_for 10 has_network 2 far
    wait_for 10 has_network 3 far
    sleeper 1 c1
    h 1 network connect far c1
    sleeper 2 c2 --network far
    wait_for 10 reaches 1 c1 c2
    wait_for 10 remotes_are 3 2
    h 1 network disconnect far c1
    wait_for 10 remotes_are 3 1
    wait_for 10 remotes_are 2 0
    ! h 1 exec c1 ip link show eth1 2>/dev/null || false
    h 2 stop -t0 c2
    wait_for 10 remotes_are 3 0
    [ "$(keys | grep -c "1/address")" = 1 ] # stopped, it keeps its address
    h 2 rm c2
    h 1 rm -f c1
    h 3 network rm far
    for i in 1 2; do wait_for 10 no_network "$i" far; done
    clean() {
        for i in 1 2 3; do
            on "$i" sh -c 'ip -o link | sed "s/@.*//; s/.*: //" | grep -v "^hoy-" | sort' | diff - "$T/before$i" || return 1
        done
        [ -z "$(keys | grep -v 1/generation)" ]
    }
    wait_for 10 clean
}

@test "overlay: what it can't do is refused by name" {
    refused "network option 'encrypted' is not supported" h 1 network create -d overlay --opt encrypted x
    refused "IPv6 with driver 'overlay' is not supported" h 1 network create -d overlay --ipv6 x
    refused "auxiliary addresses with driver 'overlay' are not supported" \
        h 1 network create -d overlay --subnet 10.92.0.0/24 --aux-address a=10.92.0.9 x
    refused "vxlanid_list' is not supported" \
        h 1 network create -d overlay --opt com.docker.network.driver.overlay.vxlanid_list=5000 x
    hoyd() {
        timeout 10 "$HOYD" -H "unix://$T/x.sock" --data-root "$T/x" --exec-root "$T/x-run" --pidfile "$T/x.pid" \
            --config-file /dev/null "$@"
    }
    refused "belong together" hoyd --cluster-store etcd://127.0.0.1:2379
    refused "belong together" hoyd --validate --cluster-advertise lo
    refused "want etcd://HOST:PORT" hoyd --validate --cluster-store etcd://a:99999 --cluster-advertise lo
    refused "'consul://a:1' is not supported" hoyd --cluster-store consul://a:1 --cluster-advertise lo
    refused "with a port is not supported" hoyd --cluster-store etcd://a:1 --cluster-advertise 10.0.0.1:1
}
