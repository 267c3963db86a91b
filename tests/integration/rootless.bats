# hoyd for an ordinary user: namespaces, ids, published ports, the way out, and what is killed.
load lib
load stack
load rootless

setup_file() {
    require_root
    RT=$(mktemp -d "${BATS_TMPDIR:-/tmp}/hoy-test-XXXXXX")
    export RT
    chmod 755 "$RT"
    rootless_user "$RT"
    "$TOP/tests/integration/make-image" -o "$RT/busybox.tar" >/dev/null
    start_user_hoyd
    uhoy load -i "$RT/busybox.tar"
    ip netns exec hoy-outside busybox httpd -f -p 80 -h /etc 3>&- 4>&- &
    echo $! >"$RT/outside.pid"
}

teardown_file() {
    [ -n "${RT:-}" ] || return 0
    kill "$(cat "$RT/outside.pid")"
    uhoy ps -aq | xargs -r -n 50 setpriv --reuid "$ROOTLESS_UID" --clear-groups --regid "$ROOTLESS_UID" "$HOY" -H "unix://$RT/xdg/hoy/hoy.sock" rm -f
    end_user_hoyd TERM
    rm -rf --one-file-system "$RT"
}

setup() { T=$RT; }

@test "an ordinary user's hoyd runs containers: root inside is the user, other ids are subordinate ones" {
    run uhoy run --rm -v "$RT/home:/home" -u 1000:1000 busybox sh -c 'id -u; cat /proc/self/uid_map; touch /home/refused'
    echo "$output"
    [ "${lines[0]}" = 1000 ]
    [[ "${lines[1]}" =~ ^\ +0\ +$ROOTLESS_UID\ +1$ ]]
    [[ "${lines[2]}" =~ ^\ +1\ +200000\ +65536$ ]]
    [ "$status" != 0 ]
    uhoy run --rm -v "$RT/home:/home" busybox sh -c 'touch /home/roots; touch /home/others; chown 1000:1001 /home/others'
    [ "$(stat -c %u:%g "$RT/home/roots")" = "$ROOTLESS_UID:$ROOTLESS_UID" ]
    [ "$(stat -c %u:%g "$RT/home/others")" = 200999:201000 ]
    [ -S "$RT/xdg/hoy/hoy.sock" ] && [ "$(stat -c %u "$RT/home/.local/share/hoy")" = "$ROOTLESS_UID" ]
    uhoy info -f '{{json .SecurityOptions}}' | grep -q name=rootless
}

@test "rootless: exec, logs, stop with its exit status, a volume with what the image has there" {
    uhoy run -d --name life -v data:/etc busybox sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
    wait_for 20 sh -c "'$HOY' -H unix://$RT/xdg/hoy/hoy.sock logs life | grep -q ready"
    [ "$(uhoy exec -u 33 life id -u)" = 33 ]
    uhoy exec life grep -q ^root: /etc/passwd
    uhoy stop life
    [ "$(uhoy inspect -f '{{.State.ExitCode}}' life)" = 7 ]
    uhoy rm -v life
    uhoy volume rm data
}

@test "rootless: published TCP ports are reached at once, from loopback by both families and from other machines" {
    uhoy run -d --name web -p 18080:80 -p '[::1]:18080:80' busybox httpd -f -h /etc
    curl -sf --retry 10 --retry-connrefused --retry-delay 1 http://127.0.0.1:18080/passwd | grep -q ^root:
    curl -sfg 'http://[::1]:18080/passwd' | grep -q ^root:
    ip netns exec hoy-outside curl -sf http://198.51.100.2:18080/passwd | grep -q ^root:
    [ "$(uhoy port web 80/tcp | head -1)" = 0.0.0.0:18080 ]
    # from a container, by the host's address
    uhoy run --rm busybox wget -qO- http://198.51.100.2:18080/passwd | grep -q ^root:
    run uhoy run --rm -p 18080:80 busybox true
    [[ "$output" == *"port is already allocated"* ]]
    uhoy rm -f web
    run curl -sf http://127.0.0.1:18080/passwd
    [ "$status" = 7 ]
}

@test "rootless: a port of the host that is taken, or that no user may have, is an error that says so" {
    socat TCP-LISTEN:18081,bind=127.0.0.1,fork PIPE 3>&- &
    taken=$!
    listens() { ss -ltn | grep -q 127.0.0.1:18081; }
    wait_for 10 listens
    run uhoy run --rm -p 127.0.0.1:18081:80 busybox true
    kill "$taken"
    echo "$output"
    [[ "$output" == *"18081"*"address already in use"* ]]
    run uhoy run --rm -p 80:80 busybox true
    [[ "$output" == *"an ordinary user's hoyd publishes ports from 1024 on (sysctl net.ipv4.ip_unprivileged_port_start)"* ]]
    run uhoy run --rm -p 18082:80/sctp busybox true
    [[ "$output" == *"a rootless hoyd publishes TCP and UDP ports only"* ]]
}

@test "rootless: published UDP ports answer from the address that was asked" {
    uhoy run -d --name udp -p 15353:53/udp busybox sleep 1000
    nsenter -t "$(uhoy inspect -f '{{.State.Pid}}' udp)" -n "$HOY_BUILD/peer-server" 53 3>&- &
    server=$!
    ask_udp() { # ADDRESS [COMMAND...]
        answer=$("${@:2}" timeout 3 bash -c "exec 3<>/dev/udp/$1/15353 && echo x >&3 && head -n1 <&3" 2>/dev/null)
        [ -n "$answer" ]
    }
    wait_for 20 ask_udp 127.0.0.1
    ask_udp 198.51.100.2
    ask_udp 198.51.100.2 ip netns exec hoy-outside
    kill "$server"
    uhoy rm -f udp
}

@test "rootless: containers reach what is outside, and names are asked for there" {
    wait_for 20 uhoy run --rm busybox wget -qO- http://198.51.100.1/passwd
    [ "$(uhoy run --rm busybox wget -qO- http://198.51.100.1/passwd)" = "$(cat /etc/passwd)" ]
}

@test "rootless: builds" {
    mkdir -p "$RT/context"
    printf 'FROM busybox\nRUN id -u >/who && chown 12:34 /who\nUSER 1000\nRUN touch /tmp/mine\nCOPY --chown=5:6 Dockerfile /there\n' >"$RT/context/Dockerfile"
    uhoy build -t built "$RT/context"
    run uhoy run --rm built sh -c 'ls -ln /who /tmp/mine /there | while read -r mode links owner group rest; do echo "$owner:$group"; done'
    echo "$output"
    [ "$output" = "$(printf '%s\n' 5:6 1000:1000 12:34)" ]
    uhoy rmi built
}

@test "rootless: what is killed comes back, and containers and ports live on" {
    uhoy run -d --name kept -p 18090:80 busybox httpd -f -h /etc
    kept=$(uhoy inspect -f '{{.State.Pid}}' kept)
    reached() { curl -sf http://127.0.0.1:18090/passwd | grep -q ^root:; }
    wait_for 20 reached
    end_user_hoyd KILL
    reached
    start_user_hoyd
    reached
    [ "$(uhoy inspect -f '{{.State.Pid}}' kept)" = "$kept" ]
    [ "$(readlink "/proc/$kept/ns/user")" = "$(readlink "/proc/$HOYD_PID/ns/user")" ]

    # who binds ports is gone: the next hoyd has another, in the same namespaces
    kill -KILL $(user_processes -f ^hoy-host)
    reached
    refused_port() { run uhoy run --rm -p 18091:80 busybox true; [[ "$output" == *"hoy-host, which binds ports of the host, is gone: restart hoyd"* ]]; }
    wait_for 20 refused_port
    end_user_hoyd KILL
    start_user_hoyd
    uhoy run --rm -p 18091:80 busybox true
    [ "$(readlink "/proc/$kept/ns/net")" != "$(readlink "/proc/$HOYD_PID/ns/net")" ]
    [ "$(readlink "/proc/$kept/ns/user")" = "$(readlink "/proc/$HOYD_PID/ns/user")" ]

    kill -KILL $(user_processes -f '^pasta ')
    wait_for 20 uhoy exec kept wget -qO- http://198.51.100.1/passwd
    kill -KILL $(user_processes -f '^hoy-net ')
    wait_for 20 reached
    uhoy rm -f kept
}

@test "rootless: limits without a delegated cgroup are refused, and so is what only root's hoyd has" {
    [ -z "$(find /sys/fs/cgroup -maxdepth 3 -user "$ROOTLESS_UID" 2>/dev/null)" ]
    run uhoy run --rm -m 64m busybox true
    [[ "$output" == *"limits need a delegated cgroup"* ]]
    run uhoy network create -d macvlan -o parent=out0 mv
    echo "$output"
    [[ "$output" == *"rootless"* ]]
    run as_user "$HOYD" -H tcp://127.0.0.1:23750 --tls=false
    [[ "$output" == *"a rootless hoyd serves unix sockets only"* ]]
    run as_user "$HOYD" --rootless=false
    [[ "$output" == *"hoyd with --rootless=false needs root privileges"* ]]
    run "$HOYD" --rootless
    [[ "$output" == *"--rootless is for an ordinary user, and this is root"* ]]
}

@test "rootless: docker's command line works on the user's socket" {
    docker=$(find_session_docker)
    [ -n "$docker" ] || skip_because no-docker-cli "no docker client here"
    [ "$(as_user env DOCKER_HOST="unix://$RT/xdg/hoy/hoy.sock" "$docker" run --rm busybox echo hello)" = hello ]
    as_user "$docker" -H "unix://$RT/xdg/hoy/hoy.sock" info 2>/dev/null | grep -q rootless
}

@test "rootless: without subordinate ids there is root alone, and hoyd says what is missing" {
    : >"$RT/subids"
    user_words
    "${USER_WORDS[@]}" "$HOYD" --exec-root "$RT/xdg/single" --data-root "$RT/home/single" -H "unix://$RT/xdg/single.sock" \
        >"$RT/single.log" 2>&1 3>&- </dev/null &
    single=$!
    wait_for 20 uhoy -H "unix://$RT/xdg/single.sock" version
    echo "hoytest:200000:65536" >"$RT/subids"
    grep -q "rootless with one id alone.*/etc/subgid' has no range for hoytest" "$RT/single.log"
    uhoy -H "unix://$RT/xdg/single.sock" load -i "$RT/busybox.tar"
    [ "$(uhoy -H "unix://$RT/xdg/single.sock" run --rm --network none busybox id -u)" = 0 ]
    run uhoy -H "unix://$RT/xdg/single.sock" run --rm -u 1000 busybox id
    kill "$single"
    echo "$output"
    [ "$status" != 0 ]
}

@test "rootless: hoy starts hoyd by itself; stopped, nothing stays behind" {
    end_user_hoyd TERM
    wait_for 30 no_user_processes
    [ ! -e "$RT/xdg/hoy/namespaces" ]
    [ "$(uhoy run --rm busybox echo hello 2>/dev/null)" = hello ]
    cat "$RT/xdg/hoy/hoyd.pid" >"$RT/hoyd.pid"
}
