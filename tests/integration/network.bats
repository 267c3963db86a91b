#!/usr/bin/env bats
# The network room with real packets between network namespaces; hoyd is not needed.
load lib

setup() {
    require_root
    make_test_dir
}

teardown() {
    remove_test_dir
}

# The script on standard input runs on a host of its own.
on_host() {
    T=$T HOY_BUILD=$HOY_BUILD BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME timeout 180 unshare -n -m --propagation private \
        bash -euo pipefail -c ". '$BATS_TEST_DIRNAME/network.bash'; make_host; . /dev/stdin" 3>&-
}

@test "a container reaches out with the host's address, and only answers come in" {
    on_host <<'EOF'
start_driver
container c1
[ "${R#ok }" -gt 0 ]
drive_ok info c1
[ "$R" = "ok 172.17.0.2/16 172.17.0.1 02:42:ac:11:00:02" ] || fail "$R"
serve outside 7
ask 10.9.0.2 7 c1
expect 10.9.0.1
serve c1 80
ask 172.17.0.2 80
expect 172.17.0.1
ip -n outside route add 172.17.0.0/16 via 10.9.0.1
ask 172.17.0.2 80 outside
expect ""
ip -n c1 -o link show lo | has LOWER_UP || fail "lo is down"
EOF
}

@test "a published port is reached from everywhere, with the client's address from outside" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80 udp,,5353,80
container c2
serve c1 80
ask 127.0.0.1 8080;         expect 172.17.0.1
ask 10.9.0.1 8080;          expect 10.9.0.1
ask 172.17.0.1 8080;        expect 172.17.0.1
ask 10.9.0.1 8080 outside;  expect 10.9.0.2
ask 10.9.0.1 8080 c2;       expect 172.17.0.1
ask 172.17.0.1 8080 c2;     expect 172.17.0.1
ask 10.9.0.1 8080 c1;       expect 172.17.0.1
ask_udp 127.0.0.1 5353;     expect 172.17.0.1
ask_udp 10.9.0.1 5353 outside; expect 10.9.0.2
ask 10.9.0.1 80 outside;    expect ""
drive_ok detach c1
soon "" 127.0.0.1 8080
EOF
}

@test "a port published on one address is not reached on others" {
    on_host <<'EOF'
start_driver
container c1 tcp,127.0.0.1,8080,80 tcp,10.9.0.1,8081,80
serve c1 80
ask 127.0.0.1 8080;         expect 172.17.0.1
ask 10.9.0.1 8080;          expect ""
ask 10.9.0.1 8080 outside;  expect ""
ask 10.9.0.1 8081 outside;  expect 10.9.0.2
ask 127.0.0.1 8081;         expect ""
EOF
}

@test "127.0.0.1 of the host is out of reach for containers and neighbours" {
    on_host <<'EOF'
start_driver
container c1 tcp,127.0.0.1,8080,80
container c2
serve c1 80
"$HOY_BUILD/peer-server" 99 &
soon 127.0.0.1 127.0.0.1 99
# Both would route 127/8 out: as a hostile container or a neighbour on the same wire can.
for ns in c2 outside; do
    ip netns exec $ns sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; ip addr del 127.0.0.1/8 dev lo'
done
ip -n c2 route add 127.0.0.0/8 via 172.17.0.1 dev eth0 src 172.17.0.3
ip -n outside route add 127.0.0.0/8 via 10.9.0.1 dev eth0 src 10.9.0.2
ask 127.0.0.1 99 c2;        expect ""
ask 127.0.0.1 99 outside;   expect ""
ask 127.0.0.1 8080 c2;      expect ""
ask 127.0.0.1 8080 outside; expect ""
EOF
}

@test "ports that are taken: ours, another process's, free again after detach" {
    on_host <<'EOF'
start_driver
"$HOY_BUILD/peer-server" 9090 &
container c1 tcp,,8080,80
ip netns add c2
drive_ok allocate c2 bridge tcp,127.0.0.1,8080,80
drive attach c2 web /run/netns/c2
[[ "$R" = "error driver failed programming external connectivity on endpoint web ("*"): Bind for 127.0.0.1:8080 failed: port is already allocated by container c1" ]] || fail "$R"
drive_ok allocate c3 bridge tcp,,9090,80
drive attach c3 web /run/netns/c2
[[ "$R" = *"failed to bind host port for 0.0.0.0:9090:172.17.0.4:80/tcp: address already in use" ]] || fail "$R"
ip -n c2 link | grep eth0 && fail "a refused start left an interface"
[ "$(ip -o link show type veth | grep -c master)" = 1 ] || fail "a refused start left a veth"
drive_ok detach c1
drive_ok attach c2 web /run/netns/c2
drive_ok allocate c4 bridge tcp,,7000,80 tcp,,7000,81
drive attach c4 four /run/netns/c1
[[ "$R" = *"Bind for 0.0.0.0:7000 failed: port is already allocated" ]] || fail "$R"
drive_ok allocate c5 bridge tcp,198.51.100.1,7000,80
drive attach c5 five /run/netns/c1
[[ "$R" = error*"Cannot assign requested address"* ]] || fail "$R"
EOF
}

@test "free and ranged host ports are found and remembered" {
    on_host <<'EOF'
start_driver
container c1 tcp,,0,80 tcp,,8000-8002,80
container c2 tcp,,8000-8002,80 udp,,8000-8002,80
drive_ok info c2
[[ "$R" = *" 0.0.0.0:8001->80/tcp 0.0.0.0:8000->80/udp" ]] || fail "$R"
drive_ok info c1
port=${R#*0.0.0.0:}; port=${port%%-*}
[ "$port" -gt 1023 ] || fail "$R"
[[ "$R" = *" 0.0.0.0:8000->80/tcp" ]] || fail "$R"
serve c1 80
ask 127.0.0.1 "$port"; expect 172.17.0.1
stop_driver KILL
start_driver
drive_ok recover c1 c2
drive_ok info c1
[[ "$R" = *":$port->80/tcp "* ]] || fail "$R"
ask 127.0.0.1 "$port"; expect 172.17.0.1
EOF
}

@test "containers live on through a killed driver and a killed hoy-net" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80
serve c1 80
ask 127.0.0.1 8080; expect 172.17.0.1
stop_driver KILL
ask 127.0.0.1 8080; expect 172.17.0.1
first=$(hoy_net_pids)
start_driver
drive_ok recover c1
ask 127.0.0.1 8080; expect 172.17.0.1
[ "$(hoy_net_pids)" = "$first" ] || fail "hoy-net was replaced"
# Killed: rules stay, it is started anew and holds the ports again.
kill -9 "$first"
for _ in $(seq 100); do [ "$(hoy_net_pids)" = "$first" ] || [ -z "$(hoy_net_pids)" ] || break; sleep 0.02; done
ask 127.0.0.1 8080; expect 172.17.0.1
ss -Hltn | has 0.0.0.0:8080 || fail "the port is not reserved"
container c2 tcp,,8081,80
serve c2 80
ask 127.0.0.1 8081; expect 172.17.0.1
# Both killed, and the ruleset is gone too.
kill -9 "$(hoy_net_pids)"
stop_driver KILL
nft flush ruleset
start_driver
drive_ok recover c1
soon 172.17.0.1 127.0.0.1 8080
ask 127.0.0.1 8081; expect ""
EOF
}

@test "a flushed ruleset comes back at once, other tables are left alone" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80
container c2 tcp,,8081,80
serve c1 80
nft flush ruleset
nft add table ip other
soon 172.17.0.1 127.0.0.1 8080
nft delete table ip "$(nft list tables | sed -n 's/table ip \(hoy.*\)/\1/p')"
drive_ok detach c2
soon 172.17.0.1 127.0.0.1 8080
nft list tables | has -x 'table ip other' || fail "a foreign table is gone"
[ "$(grep -c 'restoring' "$T/x/hoy-net.log")" -le 2 ] || fail "$(cat "$T/x/hoy-net.log")"
drive_ok detach c1
drive_ok shutdown
[ "$(nft list ruleset)" = "table ip other {
}" ] || fail "$(nft list ruleset)"
EOF
}

@test "the operator's chain goes before our rules, and outlives hoyd, hoy-net, a flush and a clean end" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80
serve c1 80
table=$(nft list tables | sed -n 's/table ip \(hoy.*\)/\1/p')
ask 10.9.0.1 8080 outside; expect 10.9.0.2
nft add rule ip "$table" user ip saddr 10.9.0.2 meta l4proto tcp ct original proto-dst 8080 drop
nft add set ip "$table" mine '{ type ipv4_addr; elements = { 10.9.0.77 }; }'
nft add rule ip "$table" user ip saddr @mine drop
rules=$(nft list chain ip "$table" user)
holds() {
    [ "$(nft list chain ip "$table" user)" = "$rules" ] || fail "$(nft list ruleset)"
    nft list set ip "$table" mine | has 10.9.0.77 || fail "the operator's set is gone"
    ask 10.9.0.1 8080 outside; expect ""
}
holds
kill -9 "$(hoy_net_pids)"
stop_driver KILL
start_driver
drive_ok recover c1
drive_ok attach c1 c1 /run/netns/c1
soon 10.9.0.1 10.9.0.1 8080
holds
drive_ok detach c1
drive_ok shutdown
stop_driver
[ "$(nft list chain ip "$table" user)" = "$rules" ] || fail "$(nft list ruleset)"
! nft list ruleset | has hook || fail "more is left than the operator's: $(nft list ruleset)"
start_driver
drive_ok attach c1 c1 /run/netns/c1
soon 10.9.0.1 10.9.0.1 8080
holds
# What a firewall service does when it starts over: all is flushed, and its file loaded.
nft -f - <<END
flush ruleset
table ip $table {
    chain user {
        ip saddr 10.9.0.2 meta l4proto tcp ct original proto-dst 8080 drop
    }
}
END
soon 10.9.0.1 10.9.0.1 8080
ask 10.9.0.1 8080 outside; expect ""
# Of what an older hoy-net left in another shape nothing remains but the operator's rules.
kill -9 "$(hoy_net_pids)"
stop_driver KILL
rules=$(nft list chain ip "$table" user)
nft delete table ip "$table"
nft add table ip "$table"
nft add set ip "$table" bridges '{ type mark; }'
nft add chain ip "$table" forward '{ type filter hook forward priority 7; policy drop; }'
nft -f - <<<"$rules"
start_driver
drive_ok recover c1
drive_ok attach c1 c1 /run/netns/c1
soon 10.9.0.1 10.9.0.1 8080
ask 10.9.0.1 8080 outside; expect ""
nft flush chain ip "$table" user
soon 10.9.0.2 10.9.0.1 8080 outside
drive_ok detach c1
drive_ok shutdown
[ -z "$(nft list ruleset)" ] || fail "$(nft list ruleset)"
EOF
}

@test "a restricted container sends nothing off its network but to where it may, and answers" {
    on_host <<'EOF'
ip -n outside addr add 10.9.1.5/32 dev lo
start_driver
container c1 egress=none tcp,,8080,80
container c2 egress=allow=10.9.0.2:7,10.9.1.0/24,10.9.1.5,10.9.1.5:9
container c3
for port in 7 8; do serve outside $port; done
"$HOY_BUILD/peer-server" 99 &
serve c1 80
serve c3 80
table=$(nft list tables | sed -n 's/table ip \(hoy.*\)/\1/p')
holds() {
    soon 10.9.0.1 10.9.0.2 7 c3
    ask 10.9.0.2 7 c1;   expect ""
    ask 10.9.0.1 99 c1;  expect ""         # the host's own services
    ask 172.17.0.4 80 c1; expect 172.17.0.2 # its neighbours
    ask 10.9.0.1 8080 outside; expect 10.9.0.2
    ask 10.9.0.2 7 c2;   expect 10.9.0.1
    ask_udp 10.9.0.2 7 c2; expect 10.9.0.1
    ask 10.9.0.2 8 c2;   expect ""
    ask 10.9.1.5 8 c2;   expect 10.9.0.1
}
soon 172.17.0.4 10.9.0.1 99 c3
holds
# With another address than its own it reaches nobody, not even where it may.
ip -n c1 addr add 172.17.0.77/16 dev eth0
ip -n c1 route add 10.9.0.2 via 172.17.0.1 src 172.17.0.77
ask 10.9.0.2 7 c1; expect ""
ip -n c1 route del 10.9.0.2
ip -n c1 addr del 172.17.0.77/16 dev eth0
# Said at once, not found out by waiting; and counted.
began=$SECONDS
ask 10.9.0.2 8 c2; expect ""
[ $((SECONDS - began)) -le 2 ] || fail "it waited"
nft list set ip "$table" denied | has '172.17.0.3 counter packets [1-9]' || fail "$(nft list ruleset)"
# Rules come back with hoy-net, and after a flush.
is_back() { for _ in $(seq 100); do if nft list set bridge "$table" source 2>/dev/null | has 172.17.0.3; then return 0; fi; sleep 0.05; done; fail "$(nft list ruleset)"; }
before=$(nft -s list ruleset | sort)
kill -9 "$(hoy_net_pids)"
container c4
is_back
holds
[ "$(nft -s list ruleset | sort)" = "$before" ] || { diff <(echo "$before") <(nft -s list ruleset | sort); fail "other rules"; }
nft flush ruleset
is_back
holds
drive_ok detach c1
drive_ok detach c2
nft list set ip "$table" allowed | has 172.17.0.3 && fail "rules of a container that has ended"
container c5 egress=none
drive_ok detach c3
drive_ok detach c4
drive_ok detach c5
drive allocate c6 bridge egress=allow=example.org:0
[ "$R" = "error invalid egress 'example.org:0': want ADDRESS[/BITS][:PORT] or NAME[:PORT]" ] || fail "$R"
drive allocate c6 bridge egress=allow=10.0.0.0/33
[[ "$R" = "error invalid egress '10.0.0.0/33'"* ]] || fail "$R"
drive_ok shutdown
[ -z "$(nft list ruleset)" ] || fail "$(nft list ruleset)"
EOF
}

@test "many containers and a clean end leave nothing on the host" {
    on_host <<'EOF'
ip netns add c
nft add table ip other
nft 'add chain ip other x { type filter hook input priority 0; }'
before=$(footprint)
start_driver
drive_ok list
for i in $(seq $((${HOY_RUNS:-500} / 10))); do
    drive_ok allocate "c$i" bridge tcp,,8080,80 udp,,0,53
    drive_ok attach "c$i" "c$i" /run/netns/c
    drive_ok detach "c$i"
    drive_ok release "c$i"
    [ $i != 10 ] || fds=$(ls /proc/$(hoy_net_pids)/fd | wc -l)
done
drive_ok allocate last bridge
drive_ok attach last last /run/netns/c
[ "$(ls /proc/$(hoy_net_pids)/fd | wc -l)" -le "$((fds + 2))" ] || fail "hoy-net leaks descriptors"
drive_ok detach last
drive_ok shutdown
stop_driver
ip -n c -o link | grep eth0 && fail "eth0 is left in the namespace"
[ "$(footprint)" = "$before" ] || { diff <(echo "$before") <(footprint); fail "something is left"; }
EOF
}

@test "shutdown leaves running containers alone" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80
serve c1 80
drive_ok shutdown
stop_driver
ask 127.0.0.1 8080; expect 172.17.0.1
EOF
}

@test "hoy-net ends by itself when hoyd and the containers are gone" {
    on_host <<'EOF'
before=$(footprint)
start_driver
container c1 tcp,,8080,80
stop_driver KILL
ip netns del c1
for _ in $(seq 150); do [ -n "$(hoy_net_pids)" ] || break; sleep 0.1; done
[ "$(footprint)" = "$before" ] || { diff <(echo "$before") <(footprint); fail "something is left"; }
EOF
}

@test "two daemons side by side do not touch each other" {
    on_host <<'EOF'
start_driver ""
container c1 tcp,,8080,80
first_in=$driver_in first_out=$driver_out first_pid=$driver_pid
mkdir "$T/y"
coproc SECOND { exec "$HOY_BUILD/network-driver" "$T/y" "$T/second.db" 2>>"$T/driver.log"; }
driver_in=${SECOND[1]} driver_out=${SECOND[0]} driver_pid=$SECOND_PID
container d1 tcp,,8081,80
drive_ok info d1; second=${R#ok }; second=${second%%/*}
serve c1 80
serve d1 80
ask 127.0.0.1 8080; [ -n "$A" ] || fail "the first daemon's port is dead"
ask 127.0.0.1 8081; [ -n "$A" ] || fail "the second daemon's port is dead"
ask "$second" 80 c1; expect ""
ask 10.9.0.1 8081 c1; [ -n "$A" ] || fail "the first daemon's container can't use the second's published port"
drive_ok detach d1
drive_ok shutdown
stop_driver
ask 127.0.0.1 8080; [ -n "$A" ] || fail "the second daemon's end broke the first"
[ "$(ip -o link show type bridge | wc -l)" = 1 ] || fail "bridges"
EOF
}

@test "a bridge avoids the host's routes and moves when one appears" {
    on_host <<'EOF'
for b in $(seq 17 31); do [ $b = 20 ] || ip route add 172.$b.1.0/24 via 10.9.0.2; done
start_driver ""
drive_ok allocate c1 bridge
drive_ok list
[[ "$R" = *"bridge:bridge:172.20.0.0/16 "* ]] || fail "$R"
ip route add 172.20.128.0/17 via 10.9.0.2
container c2
drive_ok list
[[ "$R" = *"bridge:bridge:192.168.0.0/20 "* ]] || fail "$R"
drive_ok info c2
[[ "$R" = "ok 192.168.0.3/20 192.168.0.1 "* ]] || fail "$R"
EOF
}

@test "another bridge address moves containers to it at their next start" {
    on_host <<'EOF'
start_driver 172.28.0.1/16
for i in 1 2 3 4 5 6; do drive_ok allocate c$i bridge; done
ip netns add n
drive_ok attach c6 six /run/netns/n
drive_ok info c6
[[ "$R" = "ok 172.28.0.7/16 172.28.0.1 "* ]] || fail "$R"
drive_ok detach c6
drive_ok shutdown
stop_driver
start_driver 172.29.0.3/29
drive_ok release c1
drive_ok attach c6 six /run/netns/n
drive_ok info c6
[[ "$R" = "ok 172.29.0.1/29 172.29.0.3 "* ]] || fail "$R"
EOF
}

@test "a bridge of the user's is used as it is, and left" {
    on_host <<'EOF'
ip link add br7 type bridge
ip addr add 10.77.0.5/24 dev br7
ip link set br7 up
start_driver "" br7
container c1 tcp,,8080,80
drive_ok info c1
[[ "$R" = "ok 10.77.0.1/24 10.77.0.5 "* ]] || fail "$R"
serve c1 80
ask 127.0.0.1 8080; expect 10.77.0.5
nft list tables | has -x 'table ip hoy-br7' || fail "$(nft list tables)"
drive_ok detach c1
drive_ok shutdown
[ -z "$(nft list ruleset)" ] || fail "rules are left"
ip addr show br7 | has 10.77.0.5/24 || fail "the bridge is gone"
EOF
}

@test "a start replaces an attachment whose end nobody told" {
    on_host <<'EOF'
start_driver
container c1 tcp,,8080,80
ip netns add again
drive_ok attach c1 c1 /run/netns/again
serve again 80
ask 127.0.0.1 8080; expect 172.17.0.1
EOF
}

@test "none has a loopback, host nothing to do, bad requests are refused" {
    on_host <<'EOF'
start_driver
ip netns add c1
drive_ok allocate c1 none
drive_ok attach c1 one /run/netns/c1
ip -n c1 -o link show lo | has LOWER_UP || fail "lo is down"
[ "$(ip -n c1 -o link | wc -l)" = 1 ] || fail "more than lo"
[ -z "$(hoy_net_pids)" ] || fail "hoy-net runs without need"
drive_ok allocate c2 host tcp,,80,80
drive_ok attach c2 two /proc/self/ns/net
drive allocate c3 nowhere
[ "$R" = "error network nowhere not found" ] || fail "$R"
drive attach c9 nine /run/netns/c1
[[ "$R" = "error container c9 has no network endpoint" ]] || fail "$R"
EOF
}

@test "a broken namespace descriptor fails that container only" {
    on_host <<'EOF'
start_driver
drive_ok allocate c1 bridge tcp,,8080,80
drive attach c1 one /dev/null
[[ "$R" = error*"enter the container's network namespace"* ]] || fail "$R"
[ "$(ss -Hltn | wc -l)" = 0 ] || fail "the port stayed reserved"
ip netns add c1
drive_ok attach c1 one /run/netns/c1
EOF
}

@test "a foreign forward chain that drops is named" {
    on_host <<'EOF'
nft add table ip filter
nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
start_driver
container c1
grep -q "nftables table 'ip filter' drops" "$T/driver.log" || fail "$(cat "$T/driver.log")"
EOF
}

@test "a thousand published ports on one container" {
    on_host <<'EOF'
start_driver
ports=$(for i in $(seq 10001 11000); do echo "tcp,,$i,80"; done)
container c1 $ports
serve c1 80
ask 127.0.0.1 10001; expect 172.17.0.1
ask 127.0.0.1 11000; expect 172.17.0.1
container c2 tcp,,8080,80
drive_ok detach c1
soon "" 127.0.0.1 11000
EOF
}

@test "a client that goes on sending reaches the container that has its UDP port now" {
    on_host <<'EOF'
start_driver
"$HOY_BUILD/peer-server" 5353 &
host=$!
# One socket of one client throughout: what conntrack remembers of it stays alive.
exec 7<>/dev/udp/10.9.0.1/5353
say() {
    echo x >&7 2>/dev/null || true
    A=$(timeout 1 head -n1 <&7 2>/dev/null) || A=
}
sleep 0.2
say; expect 10.9.0.1
kill $host; wait $host 2>/dev/null || true
container c1 udp,,5353,53
serve c1 53
say; [ -n "$A" ] || say
expect 10.9.0.1
drive_ok allocate c2 bridge udp,,5353,53
ip netns add c2
drive_ok detach c1
drive_ok attach c2 c2 /run/netns/c2
serve c2 53
ip -n c1 link set eth0 down
say; [ -n "$A" ] || say
expect 10.9.0.1
EOF
}

@test "hoy-net keeps only the rights it needs" {
    on_host <<'EOF'
start_driver
container c1
status=/proc/$(hoy_net_pids)/status
# CAP_NET_BIND_SERVICE (10), CAP_NET_ADMIN (12), CAP_SYS_ADMIN (21)
grep -q '^CapEff:.0000000000201400$' $status || fail "$(grep ^Cap $status)"
grep -q '^CapPrm:.0000000000201400$' $status || fail "$(grep ^Cap $status)"
grep -q '^NoNewPrivs:.1$' $status || fail "new privileges"
if ! grep -q asan "$HOY_BUILD/hoy-net"; then
    grep -q '^Seccomp:.2$' $status || fail "no system call filter"
fi
EOF
}

@test "starts and stops go on while hoy-net is killed again and again" {
    on_host <<'EOF'
. "$BATS_TEST_DIRNAME/lib.bash"
start_driver
for i in 1 2 3 4; do ip netns add n$i; done
# Killed at some moment of every third round; what nobody disturbs must come up.
kill_soon() { sleep "0.0$((i * 7 % 60 / 10))$((i * 7 % 10))"; for pid in $(hoy_net_pids); do kill -9 $pid || true; wait_for 10 is_dead $pid; done; }
up=0
for i in $(seq ${HOY_KILLS:-30}); do
    [ $((i % 3)) != 0 ] || { kill_soon & killer=$!; }
    drive_ok allocate c$i bridge tcp,,0,80 udp,,0,53
    drive attach c$i c$i /run/netns/n$((i % 4 + 1))
    [[ "$R" != ok* ]] || up=$((up + 1))
    drive_ok detach c$i
    drive_ok release c$i
    [ $((i % 3)) != 0 ] || wait $killer
done
[ $up -ge $((i - i / 3)) ] || fail "only $up of $i came up"
container c tcp,,8080,80
serve c 80
soon 172.17.0.1 127.0.0.1 8080
[ "$(nft list map ip $(ip -o link show type bridge | awk '{print $2}' | tr -d :) published | grep -c 'tcp [.]')" = 1 ] || fail "stale elements"
drive_ok detach c
drive_ok shutdown
[ -z "$(nft list ruleset)" ] || fail "rules are left"
[ -z "$(ip -o link show type bridge)" ] || fail "the bridge is left"
EOF
}

@test "with hoyd: published ports live through its end, its death and hoy-net's" {
    on_host <<'EOF'
. "$BATS_TEST_DIRNAME/lib.bash"
. "$BATS_TEST_DIRNAME/stack.bash"
trap 'stack_end; cleanup' EXIT
stack_end() {
    hoyd_is_alive >/dev/null 2>&1 || start_hoyd || true
    stop_hoyd
}
port_answers() { [ "$(timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && cat <&3' 2>/dev/null)" = here ]; }
is_held() { ss -Hltn | has 0.0.0.0:8080; }
start_hoyd --bip 172.17.0.1/16
before=$(footprint)
load_busybox >/dev/null
"$HOY" run -d --name web -p 8080:80 busybox nc -ll -p 80 -e echo here >/dev/null
wait_for 5 port_answers
out=$("$HOY" run --rm -p 8080:80 busybox true 2>&1) && fail "the port was given twice"
[[ "$out" = *"Bind for 0.0.0.0:8080 failed: port is already allocated by container web"* ]] || fail "$out"
kill_hoyd
port_answers || fail "dead with hoyd"
for pid in $(hoy_net_pids); do kill -9 $pid; done
port_answers || fail "dead with hoy-net"
start_hoyd --bip 172.17.0.1/16
wait_for 5 port_answers
"$HOY" ps | has ' 0.0.0.0:8080->80/tcp  *web' || fail "$("$HOY" ps)"
wait_for 5 is_held
kill -TERM $HOYD_PID; wait $HOYD_PID || true
port_answers || fail "dead after a clean end"
start_hoyd --bip 172.17.0.1/16
"$HOY" stop -t 0 web >/dev/null
port_answers && fail "the port of a stopped container answers"
"$HOY" start web >/dev/null
wait_for 5 port_answers
"$HOY" rm -f web >/dev/null
stop_hoyd
[ "$(footprint)" = "$before" ] || { diff <(echo "$before") <(footprint); fail "something is left"; }
EOF
}
