#!/usr/bin/env bats
# Networks that users define, by the docker command line: made, listed, used, changed while containers run, removed.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    stack_setup
}
teardown() { stack_teardown; }

docker() { timeout 60 "$DOCKER" "$@"; }
# refused TEXT COMMAND...: it fails and says so
refused() {
    local text=$1
    shift
    run ! "$@"
    [[ "$output" = *"$text"* ]] || { echo "said: $output"; return 1; }
}
sleeper() { docker run -d --name "$1" "${@:2}" busybox sleep 1000; }
reaches() { docker exec "$1" ping -c1 -W2 "$2"; }
bridge_of() { echo "br-$(docker network inspect -f '{{slice .Id 0 12}}' "$1")"; }
running_hoyd_is_new() {
    kill_hoyd
    start_hoyd
}

@test "networks: create with all that a bridge takes, ls, inspect, rm" {
    docker network create --subnet 10.50.0.0/24 --gateway 10.50.0.5 --ip-range 10.50.0.128/25 \
        --aux-address a=10.50.0.128 --label x=y -o com.docker.network.driver.mtu=1400 one
    [ "$(docker network inspect -f '{{.Driver}} {{.Scope}} {{.Internal}} {{.Labels}}' one)" = "bridge local false map[x:y]" ]
    [ "$(docker network inspect -f '{{(index .IPAM.Config 0)}}' one)" = "{10.50.0.0/24 10.50.0.128/25 10.50.0.5 map[a:10.50.0.128]}" ]
    [ "$(docker network inspect -f '{{index .Options "com.docker.network.driver.mtu"}}' one)" = 1400 ]
    ip -o addr show dev "$(bridge_of one)" | grep -q 10.50.0.5/24
    ip -o link show dev "$(bridge_of one)" | grep -q "mtu 1400"
    docker network create two
    [ "$(docker network ls --format '{{.Name}}' -f type=custom | sort | xargs)" = "one two" ]
    [ "$(docker network ls --format '{{.Name}}' -f label=x=y)" = one ]
    [ -z "$(docker network ls -q -f label=x=z)" ]
    [ "$(docker network ls --format '{{.Name}}' -f dangling=true | sort | xargs)" = "one two" ]
    [ "$(docker network ls --format '{{.Name}}' -f driver=bridge -f type=builtin)" = bridge ]
    sleeper cc --network one
    [ "$(docker inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' cc)" = 10.50.0.129 ]
    [ "$(docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' one)" = "cc 10.50.0.129/24" ]
    [ "$(docker network ls --format '{{.Name}}' -f dangling=true)" = two ]
    docker exec cc ip route | grep -q "default via 10.50.0.5 dev eth0"
    refused "has active endpoints" docker network rm one
    docker rm -f cc
    one=$(bridge_of one)
    docker network rm one
    ! ip link show dev "$one" 2>/dev/null || false
    [ "$(docker network prune -f)" = "Deleted Networks:
two" ]
    [ "$(docker network ls --format '{{.Name}}' | sort | xargs)" = "bridge host none" ]
}

@test "networks: what cannot be is refused in docker's words" {
    docker network create --subnet 10.50.0.0/24 one
    refused "network with name one already exists" docker network create one
    refused "operation is not permitted on predefined host network" docker network create host
    refused "bridge is a pre-defined network and cannot be removed" docker network rm bridge
    refused "Pool overlaps with other one on this address space" docker network create --subnet 10.50.0.0/16 x
    refused "it should be 10.60.0.0/16" docker network create --subnet 10.60.0.1/16 x
    refused "networks have same bridge name" \
        docker network create -o com.docker.network.bridge.name="$(bridge_of one)" x
    refused 'plugin "nonsense" not found' docker network create -d nonsense x
    refused "driver 'overlay' without a key-value store is not supported" docker network create -d overlay x
    refused "network option 'com.example' is not supported" docker network create -o com.example=1 x
    refused nowhere docker network inspect nowhere
    refused "network nowhere not found" docker run --network nowhere busybox true
    refused "contain the IP address 10.51.0.9" docker run --network one --ip 10.51.0.9 busybox true
    docker network create two
    refused "user specified IP address is supported only when connecting to networks with user configured subnets" \
        docker run --network two --ip 172.18.0.9 busybox true
    sleeper ca --network one --ip 10.50.0.9
    refused "Address already in use" docker run --network one --ip 10.50.0.9 busybox true
    refused "already exists in network one" docker network connect one ca
    refused "is not connected to network two" docker network disconnect two ca
    [ "$(docker network ls -q -f name=x)" = "" ]
}

@test "networks: containers reach neighbours and no other network; internal and separate ones" {
    docker network create --subnet 10.50.0.0/24 one
    docker network create --subnet 10.51.0.0/24 two
    docker network create --subnet 10.52.0.0/24 --internal inside
    docker network create --subnet 10.53.0.0/24 -o com.docker.network.bridge.enable_icc=false apart
    sleeper ca --network one --ip 10.50.0.10 --mac-address 02:00:00:00:00:0a
    sleeper cb --network one --ip 10.50.0.11
    sleeper cc --network two --ip 10.51.0.10
    sleeper cd
    docker exec ca ip link show eth0 | grep -q 02:00:00:00:00:0a
    reaches cb 10.50.0.10
    run ! reaches cc 10.50.0.10
    run ! reaches cb 10.51.0.10
    run ! reaches cd 10.50.0.10
    sleeper ce --network inside --ip 10.52.0.10
    sleeper cf --network inside --ip 10.52.0.11
    reaches ce 10.52.0.11
    routes=$(docker exec ce ip route)
    [[ "$routes" != *default* ]] || { echo "$routes"; return 1; }
    docker exec --privileged ce ip route add default via 10.52.0.1 || :
    run ! reaches ce 10.50.0.10
    sleeper cg --network apart --ip 10.53.0.10
    sleeper ch --network apart --ip 10.53.0.11
    run ! reaches cg 10.53.0.11
    reaches cg 10.53.0.1
}

@test "networks: an address is its new container's while somebody holds the old one's namespace" {
    docker network create --subnet 10.50.0.0/24 held
    sleeper ca --network held --ip 10.50.0.10
    sleeper cb --network held --ip 10.50.0.11
    reaches cb 10.50.0.10
    exec {held}<"/proc/$(docker inspect -f '{{.State.Pid}}' ca)/ns/net"
    docker rm -f ca
    id=$(sleeper cc --network held --ip 10.50.0.10)
    docker exec -d cc httpd -f -p 80 -h /etc
    asked() { docker exec "$1" sh -c "printf 'GET /hostname HTTP/1.0\r\n\r\n' | nc -w 5 $2 80" | grep -c "^${id:0:12}"; }
    wait_for 10 asked cc 127.0.0.1
    [ "$(asked cb 10.50.0.10)" = 1 ]
    # the old namespace would say that it is there, and who knows which of the two is heard
    run ! nsenter --net="/proc/$$/fd/$held" ping -c1 -W1 10.50.0.11
    exec {held}<&-
}

@test "networks: connect and disconnect while the container runs; the gateway and its ports move" {
    docker network create --subnet 10.50.0.0/24 mid
    docker network create --subnet 10.51.0.0/24 abc
    sleeper ca --network mid --ip 10.50.0.10 -p 8080:80
    sleeper cb --network abc --ip 10.51.0.11
    docker network connect --ip 10.51.0.10 abc ca
    docker exec ca ip -4 -o addr show eth1 | grep -q 10.51.0.10/24
    reaches cb 10.51.0.10
    # abc comes before mid: it is the gateway now
    docker exec ca ip route | grep -q "default via 10.51.0.1 dev eth1"
    nft list ruleset | grep -q "8080 : 10.51.0.10 . 80"
    [ "$(docker port ca)" = "80/tcp -> 0.0.0.0:8080" ]
    docker exec ca grep -q "^10.51.0.10" /etc/hosts
    running_hoyd_is_new
    [ "$(docker inspect -f '{{.NetworkSettings.Networks.abc.IPAddress}} {{.NetworkSettings.Networks.mid.IPAddress}}' ca)" = "10.51.0.10 10.50.0.10" ]
    docker network disconnect abc ca
    [ -z "$(docker exec ca ip -o link show eth1 2>/dev/null)" ]
    docker exec ca ip route | grep -q "default via 10.50.0.1 dev eth0"
    nft list ruleset | grep -q "8080 : 10.50.0.10 . 80"
    run ! reaches cb 10.51.0.10
    docker network connect abc ca
    docker stop -t 0 ca
    docker network disconnect mid ca
    docker start ca
    docker exec ca ip route | grep -q "default via 10.51.0.1 dev eth0"
    # off all of them it comes back to that of its network mode
    docker network disconnect abc ca
    docker restart -t 0 ca
    docker exec ca ip route | grep -q "default via 10.50.0.1 dev eth0"
    nft list ruleset | grep -q "8080 : 10.50.0.* . 80"
    docker rm -f ca cb
    docker network rm abc mid
    run ! grep -q 8080 <(nft list ruleset)
}

@test "networks: --egress and the publish policy, of a network and of a container" {
    hoy() { timeout 60 "$HOY" "$@"; }
    hoy network create --egress none --subnet 10.50.0.0/24 shut
    docker network create -o hoy.publish=local --subnet 10.51.0.0/24 near
    sleeper ca --network shut --ip 10.50.0.10
    sleeper cb --network near -p 8080:80 -p 10.51.0.1:8081:80
    hoy run -d --name cc --network near --egress allow=10.50.0.1,10.50.0.10:80 busybox sleep 1000
    docker exec -d ca httpd -f -p 80 -h /etc
    reaches cb 10.50.0.1
    reaches cc 10.50.0.1
    run ! reaches cc 10.51.0.1
    run ! reaches ca 10.51.0.1
    [ "$(docker port cb | sort | xargs)" = "80/tcp -> 10.51.0.1:8081 80/tcp -> 127.0.0.1:8080" ]
    [ "$(docker inspect -f '{{index .NetworkSettings.Networks.near.DriverOpts "hoy.egress"}}' cc)" = "allow=10.50.0.1,10.50.0.10:80" ]
    running_hoyd_is_new
    run ! reaches ca 10.51.0.1
    # near is the gateway then, and as open as it is
    docker network connect near ca
    reaches ca 10.51.0.1
    docker network disconnect near ca
    run ! reaches ca 10.51.0.1
    refused "invalid value 'nowhere' of network option 'hoy.publish'" docker network create -o hoy.publish=nowhere x
    refused "want ADDRESS[/BITS][:PORT] or NAME[:PORT]" docker network create -o hoy.egress=allow=exa+mple.org x
    refused "want none or allow=" docker network connect --driver-opt hoy.egress=some near ca
}

@test "networks: a connect that the end of hoyd cut short is whole after it: interface, name, route, ports" {
    docker network create --subnet 10.50.0.0/24 abc
    docker network create --subnet 10.51.0.0/24 mid
    sleeper ca --network mid -p 8080:80
    sleeper cb --network abc --ip 10.50.0.10
    pid=$(docker inspect -f '{{.State.Pid}}' ca)
    docker network connect abc ca
    docker exec -d cb httpd -f -p 80 -h /etc
    kill_hoyd
    # as if the row had been all that was done
    nsenter -t "$pid" -n ip link del eth1
    nsenter -t "$pid" -n ip route replace default via 10.51.0.1
    start_hoyd
    wait_for 20 reaches ca 10.50.0.10
    docker exec ca ping -c1 -W2 cb
    is_whole() {
        docker exec ca ip route | grep -q "default via 10.50.0.1 dev eth1" && nft list ruleset | grep -q "8080 : 10.50.0.* . 80"
    }
    wait_for 20 is_whole
}

@test "networks: hoyd and hoy-net killed: networks, rules and addresses are as before" {
    docker network create --subnet 10.50.0.0/24 one
    docker network create --subnet 10.51.0.0/24 two
    sleeper ca --network one --ip 10.50.0.10 -p 8080:80
    before=$(nft list ruleset | sort)
    kill_hoyd
    pkill -KILL -f "^hoy-net $T/run/"
    start_hoyd
    same_rules() { [ "$(nft list ruleset | sort)" = "$before" ]; }
    wait_for 20 same_rules
    ip link show dev "$(bridge_of two)"
    reaches ca 10.50.0.1
    docker network connect two ca
    reaches ca 10.51.0.1
}

@test "networks: hoy-net killed between doing a connect or disconnect and saying so: no interface is left over" {
    docker network create --subnet 10.50.0.0/24 one
    docker network create --subnet 10.51.0.0/24 two
    sleeper ca --network one
    docker network connect two ca
    pid=$(docker inspect -f '{{.State.Pid}}' ca)
    net=$(pgrep -f "^hoy-net $T/run/")
    kill -STOP "$net"
    docker network disconnect two ca 3>&- &
    client=$!
    is_asked() { ss -Hx state connected | awk -v at="$T/run/hoy-net.sock" '$5 == at && $3 > 0 {n = 1} END {exit !n}'; }
    wait_for 10 is_asked
    nsenter -t "$pid" -n ip link del eth1 # that much was done
    kill -KILL "$net"
    wait "$client"
    docker network create three # comes behind all that hoyd has asked
    [ "$(docker exec ca ls /sys/class/net | xargs)" = "eth0 lo" ]
    # a connect that hoyd has given up
    ip link add veth0123456789a type veth peer name eth7 netns "/proc/$pid/ns/net"
    ip link set veth0123456789a master "$(bridge_of two)" up
    pkill -KILL -f "^hoy-net $T/run/"
    is_swept() { ! ip link show dev veth0123456789a; }
    wait_for 10 is_swept
    [ "$(docker exec ca ls /sys/class/net | xargs)" = "eth0 lo" ]
    reaches ca 10.50.0.1
}
