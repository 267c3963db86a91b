#!/usr/bin/env bats
# hoy's commands and flags against a hoyd of the test's own.
load lib
load stack

setup() { stack_setup; }
teardown() { stack_teardown; }

pty() { "$TOP/tests/integration/pty-run" "$@"; }

@test "ps lists running ones, all, the last, ids, and filters" {
    "$HOY" run -d --name one -l group=a busybox sleep 100
    "$HOY" run --name two busybox true
    [ "$("$HOY" ps | tail -n +2 | awk '{ print $NF }')" = one ]
    [ "$("$HOY" ps -a | tail -n +2 | wc -l)" = 2 ]
    [ "$("$HOY" ps -n 1 | tail -n +2 | awk '{ print $NF }')" = two ]
    [ "$("$HOY" ps -l | tail -n +2 | awk '{ print $NF }')" = two ]
    [ "$("$HOY" ps -q | tr -d '\n' | wc -c)" = 12 ]
    [ "$("$HOY" ps -q --no-trunc | tr -d '\n' | wc -c)" = 64 ]
    [ "$("$HOY" ps -a --filter status=exited --filter name=two -q | wc -l)" = 1 ]
    [ "$("$HOY" ps -a -f label=group=a | tail -n +2 | awk '{ print $NF }')" = one ]
    [[ "$("$HOY" ps -a)" == *'Exited (0)'* ]]
}

@test "ps and inspect tell sizes" {
    "$HOY" run --name filled --network none busybox dd if=/dev/zero of=/big bs=1000 count=2000 2>/dev/null
    "$HOY" create --name empty --network none busybox
    [[ "$("$HOY" ps -as --filter name=filled --format '{{.Size}}')" == '2MB (virtual '* ]]
    [[ "$("$HOY" ps -as --filter name=empty --format '{{.Size}}')" == '0B (virtual '* ]]
    [ "$("$HOY" ps -as --filter name=nobody -q)" = "" ]
    [ "$("$HOY" inspect -s -f '{{.SizeRw}}' filled)" = 2000000 ]
    [ "$("$HOY" inspect -s -f '{{.SizeRw}}' empty)" = 0 ]
    # What lies below is the same for both.
    [ "$(($("$HOY" inspect -s -f '{{.SizeRootFs}}' filled) - $("$HOY" inspect -s -f '{{.SizeRootFs}}' empty)))" = 2000000 ]
    [ "$("$HOY" container inspect -s -f '{{.SizeRootFs}}' empty)" -gt 100000 ]
    [[ "$("$HOY" inspect -f '{{json .}}' filled)" != *SizeRw* ]]
    run "$HOY" container inspect -s nobody
    [ "$status" = 1 ]
}

@test "events since the beginning, and until now" {
    "$HOY" run --name early --network none busybox true
    [ "$("$HOY" events --since 0 --until 0s -f container=early --format '{{.Action}}' | head -1)" = create ]
    [ "$("$HOY" events --until 0s -f container=early --format '{{.Action}}' | head -1)" = create ]
    [ -z "$("$HOY" events --since 0 --until 1 --format '{{.Action}}')" ]
}

@test "ps by network, volume and port" {
    "$HOY" network create other
    "$HOY" run -d --name one -p 18080:80 -v data:/data --expose 90 busybox sleep 100
    "$HOY" create --name two --network other -v /srv:/mnt busybox true
    found() { "$HOY" ps -a --format '{{.Names}}' "$@" | sort | xargs; }
    [ "$(found -f network=bridge)" = one ]
    [ "$(found -f network=other)" = two ]
    [ "$(found -f network=other -f network=bridge)" = "one two" ]
    [ "$(found -f "network=$("$HOY" network inspect -f '{{.Id}}' other)")" = two ]
    [ "$(found -f volume=data)" = one ]
    [ "$(found -f volume=/data)" = one ]
    [ "$(found -f volume=/srv)" = two ]
    [ "$(found -f volume=none)" = "" ]
    [ "$(found -f publish=18080)" = one ]
    [ "$(found -f publish=18000-18100/tcp)" = one ]
    [ "$(found -f publish=18080/udp)" = "" ]
    [ "$(found -f publish=80)" = "" ]
    [ "$(found -f expose=80)" = one ]
    [ "$(found -f expose=90/tcp)" = one ]
    [ "$(found -f expose=91)" = "" ]
    run found -f publish=x
    [[ "$output" == *"invalid filter 'publish=x'"* ]]
}

@test "logs: tail, since, until, timestamps" {
    "$HOY" run --name talker busybox sh -c 'echo one; echo two >&2; sleep 1; echo three' >/dev/null 2>&1
    [ "$("$HOY" logs -n 1 talker 2>/dev/null)" = three ]
    [ "$("$HOY" logs --tail 2 talker 2>&1 >/dev/null)" = two ]
    run "$HOY" logs -t talker
    [[ "${lines[0]}" =~ ^20[0-9-]+T[0-9:.]+Z\ .*one$ ]]
    last=$("$HOY" logs -t --tail 1 talker | cut -d' ' -f1)
    [ "$("$HOY" logs --since "$last" talker 2>&1)" = three ]
    [ "$("$HOY" logs --until "$last" talker 2>&1 | grep -c -e one -e two)" = 2 ]
    [ -z "$("$HOY" logs --until 1h talker 2>&1)" ]
    run "$HOY" logs --since nonsense talker
    [ "$status" = 1 ]
}

@test "a terminal: size, resize, raw input, exit code" {
    run pty --size 33x77 --wait-for 'ready' --input 'stty size; exit 4\n' "$HOY" run --rm -it busybox sh -c 'echo ready; exec sh'
    [ "$status" = 4 ]
    [[ "$output" == *'33 77'* ]]
    run pty --size 30x70 --resize 40x90 --wait-for ready --input 'stty size; exit\n' "$HOY" run --rm -it busybox \
        sh -c 'echo ready; exec sh'
    [[ "$output" == *'40 90'* ]]
}

@test "ctrl-p ctrl-q detaches, attach comes back" {
    run pty --wait-for ready --input '\x10\x11' "$HOY" run -it --name term busybox sh -c 'echo ready; exec sh'
    [ "$status" = 0 ]
    [ "$("$HOY" inspect term | jq -r '.[0].State.Running')" = true ]
    run pty --wait-for '' --input 'echo back; exit 9\n' "$HOY" attach term
    [ "$status" = 9 ]
    [[ "$output" == *back* ]]
}

@test "other detach keys are taken" {
    run pty --wait-for ready --input '\x01x' "$HOY" run -it --detach-keys ctrl-a,x --name term busybox \
        sh -c 'echo ready; exec sh'
    [ "$status" = 0 ]
    [ "$("$HOY" inspect term | jq -r '.[0].State.Running')" = true ]
    run pty --wait-for '' --input '\x02' "$HOY" attach --detach-keys ctrl-b term
    [ "$status" = 0 ]
}

@test "attach without stdin shows output, signals are forwarded" {
    "$HOY" run -d --name loop busybox sh -c 'trap "exit 6" USR1; while :; do echo tick; sleep 0.1; done'
    "$HOY" attach --no-stdin loop >"$T/out" </dev/null &
    attached=$!
    wait_for 10 grep -q tick "$T/out"
    kill -USR1 $attached
    wait $attached && status=0 || status=$?
    [ "$status" = 6 ]
}

@test "create, start -a, start -ai" {
    id=$("$HOY" create -i --name later busybox sh -c 'read x; echo "got $x"; exit 3')
    [ ${#id} = 64 ]
    run sh -c "echo word | '$HOY' start -ai later"
    [ "$status" = 3 ]
    [ "$output" = "got word" ]
    "$HOY" start later
    "$HOY" kill -s KILL later
    [ "$("$HOY" wait later)" = 137 ]
}

is_up() { [ "$("$HOY" logs "$1")" = up ]; }

@test "kill sends the signal asked for, rm takes running ones by force" {
    "$HOY" run -d --name trap busybox sh -c 'trap "exit 8" HUP; echo up; while :; do sleep 0.1; done'
    wait_for 10 is_up trap
    "$HOY" kill -s HUP trap
    [ "$("$HOY" wait trap)" = 8 ]
    "$HOY" run -d --name other busybox sleep 100
    run "$HOY" rm other trap
    [ "$status" = 1 ]
    [[ "$output" == *trap* ]]
    "$HOY" rm -f -v other
    [ -z "$("$HOY" ps -aq)" ]
    run "$HOY" kill nosuch
    [ "$status" = 1 ]
    [[ "$output" == *'No such container: nosuch'* ]]
}

@test "stop takes another signal" {
    "$HOY" run -d --name s1 busybox sh -c 'trap "exit 2" INT; echo up; while :; do sleep 0.1; done'
    "$HOY" run -d --name s2 --stop-signal QUIT busybox sh -c 'trap "exit 3" QUIT; echo up; while :; do sleep 0.1; done'
    wait_for 10 is_up s1
    wait_for 10 is_up s2
    "$HOY" stop -s INT --time 30 s1
    "$HOY" stop s2
    [ "$("$HOY" wait s1 s2 | tr '\n' ' ')" = "2 3 " ]
}

@test "images, load from stdin, import with changes, rmi" {
    [ "$("$HOY" images -q busybox | wc -l)" = 1 ]
    [[ "$("$HOY" images -q --no-trunc)" == sha256:* ]]
    [[ "$("$HOY" images --digests)" == *DIGEST* ]]
    [ -z "$("$HOY" images -aq -f reference=nosuch)" ]
    "$TOP/tests/integration/make-image" --name other:1 true | "$HOY" load -q
    [ "$("$HOY" images other | tail -n +2 | awk '{ print $2 }')" = 1 ]
    busybox_rootfs "$T/root"
    tar -C "$T/root" -c . | "$HOY" import -m note -c 'ENV A=imported' -c 'CMD ["sh", "-c", "echo $A"]' - mine:2
    [ "$("$HOY" run --rm mine:2)" = imported ]
    "$HOY" run --name user mine:2
    run "$HOY" rmi mine:2
    [ "$status" = 1 ]
    "$HOY" rm user
    [[ "$("$HOY" rmi mine:2)" == *'Untagged: mine:2'*'Deleted: sha256:'* ]]
    "$HOY" rmi -f other:1
    run "$HOY" rmi nosuch
    [ "$status" = 1 ]
    [[ "$output" == *'No such image: nosuch'* ]]
}

@test "inspect finds containers and images, by type" {
    "$HOY" run -d --name web busybox sleep 100
    [ "$("$HOY" inspect web | jq -r '.[0].Name')" = /web ]
    [ "$("$HOY" inspect busybox | jq -r '.[0].RepoTags[0]')" = busybox:latest ]
    run "$HOY" inspect --type image web
    [ "$status" = 1 ]
    [ "$("$HOY" inspect --type container web | jq -r length)" = 1 ]
    run "$HOY" inspect web nosuch
    [ "$status" = 1 ]
    [[ "$output" == *'No such object: nosuch'* ]]
}

@test "which engine: -H, DOCKER_HOST, contexts" {
    host=$DOCKER_HOST
    unset DOCKER_HOST
    "$HOY" -H "$host" images -q
    dir=$T/client/contexts/meta/$(printf mine | sha256sum | cut -d' ' -f1)
    mkdir -p "$dir"
    printf '{"Name":"mine","Endpoints":{"docker":{"Host":"%s"}}}' "$host" >"$dir/meta.json"
    "$HOY" -c mine images -q
    "$HOY" --config "$T/client" --context mine images -q
    printf '{"currentContext":"mine"}' >"$T/client/config.json"
    "$HOY" images -q
    run "$HOY" -c other images
    [ "$status" = 1 ]
    [[ "$output" == *'context "other"'* ]]
    run "$HOY" -H ftp://x images
    [ "$status" = 1 ]
    run "$HOY" -H unix:///nonexistent images
    [ "$status" = 1 ]
    [[ "$output" == *'Cannot connect to the Hoy daemon at unix:///nonexistent'* ]]
}

@test "what the engine has not is refused, not ignored" {
    "$HOY" run --name one busybox true
    for words in "network create -d overlay far" "network create -d macvlan near"; do
        run "$HOY" $words
        [ "$status" = 1 ]
        [[ "$output" == *'not supported'* ]]
    done
}

@test "version and info tell of both ends" {
    [[ "$("$HOY" version)" == *Client:*Server:* ]]
    [[ "$("$HOY" info)" == *'Images: 1'* ]]
    [[ "$("$HOY" --version)" == 'Hoy version '* ]]
}

@test "cidfile and env-file and label-file" {
    printf '# comment\nA=1\nHOME_OF\n' >"$T/env"
    printf 'k=v\n' >"$T/labels"
    run env HOME_OF=here "$HOY" run --cidfile "$T/cid" --env-file "$T/env" --label-file "$T/labels" busybox \
        sh -c 'echo $A $HOME_OF'
    [ "$output" = "1 here" ]
    [ "$("$HOY" ps -aq --no-trunc)" = "$(cat "$T/cid")" ]
    [ "$("$HOY" inspect "$(cat "$T/cid")" | jq -r '.[0].Config.Labels.k')" = v ]
    run "$HOY" run --cidfile "$T/cid" busybox true
    [ "$status" = 125 ]
}

@test "security flags reach the process" {
    run "$HOY" run --rm --read-only --cap-drop ALL --cap-add CHOWN --security-opt no-new-privileges --tmpfs /t:size=1m \
        --ulimit nofile=50:60 --group-add 77 --oom-score-adj 500 busybox sh -c '
        touch /x 2>/dev/null || echo read-only; touch /t/x && echo tmpfs; grep CapEff /proc/self/status | cut -f2
        grep NoNewPrivs /proc/self/status | cut -f2; ulimit -n; id -G; cat /proc/self/oom_score_adj'
    [ "$status" = 0 ]
    [ "${lines[0]}" = read-only ]
    [ "${lines[1]}" = tmpfs ]
    [ "${lines[2]}" = 0000000000000001 ]
    [ "${lines[3]}" = 1 ]
    [ "${lines[4]}" = 50 ]
    [[ " ${lines[5]} " == *' 77 '* ]]
    [ "${lines[6]}" = 500 ]
    if [ -e /sys/module/apparmor/parameters/enabled ]; then
        [ "$("$HOY" inspect -f '{{.AppArmorProfile}}' "$("$HOY" create --security-opt apparmor=mine busybox)")" = mine ]
    else
        run "$HOY" create --security-opt apparmor=mine busybox
        [ "$status" = 125 ] && [[ "$output" == *"apparmor=mine: AppArmor is not enabled on this host"* ]]
    fi
}

@test "names and addresses reach the container's files" {
    run "$HOY" run --rm --add-host db:10.9.8.7 --dns 10.1.2.3 --dns-search example.org --dns-option ndots:3 --hostname box \
        busybox cat /etc/hosts /etc/resolv.conf /etc/hostname
    [[ "$output" == *10.9.8.7*db* ]]
    [[ "$output" == *'nameserver 10.1.2.3'* ]]
    [[ "$output" == *'search example.org'* ]]
    [[ "$output" == *'ndots:3'* ]]
    [[ "$output" == *box* ]]
}

@test "a device is given by name" {
    run "$HOY" run --rm --device /dev/null:/dev/mine:rw busybox sh -c 'echo x >/dev/mine && echo written'
    [ "$output" = written ]
    run "$HOY" run --rm busybox sh -c 'mknod /dev/sda b 8 0 && cat /dev/sda'
    [ "$status" != 0 ]
}

@test "sysctl, shm size, pids limit, host namespaces" {
    run "$HOY" run --rm --sysctl net.ipv4.ip_unprivileged_port_start=99 --shm-size 1m --pids-limit 33 busybox sh -c '
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start; df -k /dev/shm | tail -1 | awk "{ print \$2 }"
        cat /sys/fs/cgroup/pids.max 2>/dev/null || find /sys/fs/cgroup/pids -name pids.max | head -1 | xargs cat'
    [ "${lines[0]}" = 99 ]
    [ "${lines[1]}" = 1024 ]
    [ "${lines[2]}" = 33 ]
    [ "$("$HOY" run --rm --uts host busybox hostname)" = "$(hostname)" ]
    [ "$("$HOY" run --rm --pid host busybox readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ]
    [ "$("$HOY" run --rm --ipc host busybox readlink /proc/self/ns/ipc)" = "$(readlink /proc/self/ns/ipc)" ]
}

@test "a missing image is asked for unless --pull never" {
    run "$HOY" run --pull never nosuch
    [ "$status" = 125 ]
    [[ "$output" != *'Unable to find image'* ]]
    [[ "$output" == *'No such image: nosuch'* ]]
    run "$HOY" create --pull missing -q nosuch
    [ "$status" = 125 ]
    [[ "$output" == *"Unable to find image 'nosuch' locally"* ]]
    run "$HOY" run --pull always busybox
    [ "$status" = 125 ]
}

@test "debug tells every request" {
    [[ "$("$HOY" -D images 2>&1)" == *'GET /images/json'*200* ]]
    [[ "$("$HOY" -l debug images 2>&1)" == *'GET /images/json'*200* ]]
    [[ "$("$HOY" images 2>&1)" != *'GET /images/json'* ]]
    run "$HOY" -l loud images
    [ "$status" = 1 ]
}

@test "hoy run starts hoyd on the default socket once" {
    stop_hoyd
    unset DOCKER_HOST
    run unshare --mount --propagation private bash -c '
        mkdir -p /run/hoy /var/lib/hoy && mount -t tmpfs tmpfs /run/hoy && mount -t tmpfs tmpfs /var/lib/hoy || exit 9
        hoy create nosuchimage 2>&1
        echo "status $?"
        hoy images -q 2>&1
        hoy create nosuchimage 2>&1 | grep -c "starting hoyd"
        pid=$(cat /run/hoy/hoyd.pid 2>/dev/null || cat /var/run/hoyd.pid) && kill -TERM "$pid" && tail --pid="$pid" -f /dev/null'
    echo "$output"
    [ "$(grep -c 'starting hoyd' <<<"$output")" = 1 ]
    [[ "$output" == *'status 125'* ]]
}

@test "platform and pull always are sent" {
    run "$HOY" -D run --pull always --platform linux/amd64 localhost:1/none true
    [ "$status" = 125 ]
    [[ "$output" == *'POST /images/create?fromImage=localhost%3A1%2Fnone&tag=latest&platform=linux%2Famd64'* ]]
    run "$HOY" -D create --pull never --platform linux/amd64 nosuch
    [ "$status" = 125 ]
    [[ "$output" == *'POST /containers/create?platform=linux%2Famd64'* ]]
    run "$HOY" run --pull sometimes busybox
    [ "$status" = 125 ]
    [[ "$output" == *"invalid pull option: 'sometimes'"* ]]
    run "$HOY" run --disable-content-trust=false busybox
    [ "$status" = 125 ]
}

@test "system doctor tells what this machine has, and fails where containers can't run" {
    run "$HOY" system doctor
    [ "$status" = 0 ] || { echo "$output"; false; }
    for line in 'ok *kernel *[0-9]' 'ok *overlay' 'ok *seccomp' '(ok|note) *cgroups *v[12]' 'ok *firewall' 'ok *programs' \
        '(ok|note) *limits *.*descriptors' 'ok *engine *version .* containers' "(ok|note) *storage *$T/data: "; do
        grep -qE "^$line" <<<"$output" || { echo "no '$line' in: $output"; false; }
    done
    run "$HOY" -H "unix://$T/nobody.sock" system doctor
    [ "$status" = 1 ] && grep -qE '^FAIL *engine .*nobody.sock' <<<"$output"
}
