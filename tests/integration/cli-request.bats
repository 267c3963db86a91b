#!/usr/bin/env bats
# What hoy sends is what the docker CLI sends, for every flag that is about a container or a network.
load lib

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "docker is not there"
    make_test_dir
    export DOCKER_CONFIG=$T/client DOCKER_HOST=unix://$T/stub.sock
    mkdir "$T/client"
    "$TOP/tests/integration/request-stub" "$T/stub.sock" "$T/log" 3>&- &
    STUB=$!
    wait_for 20 test -S "$T/stub.sock"
}
teardown() {
    [ -z "${STUB:-}" ] || kill "$STUB" 2>/dev/null || :
    remove_test_dir
}

# sent CLIENT ARGUMENT...: the requests with a body, with what only newer or older clients say left out.
sent() {
    : >"$T/log"
    "$@" >/dev/null 2>"$T/err" || { cat "$T/err"; return 1; }
    jq -cS 'del(.[2].MacAddress, .[2].HostConfig.ConsoleSize, .[2].NetworkingConfig.EndpointsConfig.default)
        | if .[2].HostConfig.MemorySwappiness == -1 then del(.[2].HostConfig.MemorySwappiness) else . end
        | if .[2].IPAM.Config then .[2].IPAM.Config |= sort else . end
        | if .[2].HostConfig.Binds then .[2].HostConfig.Binds |= sort else . end
        | del(.[2].NetworkingConfig | select(. == {EndpointsConfig: {}} or . == {}))' "$T/log"
}
same() {
    local ours theirs
    ours=$(sent "$HOY" "$@")
    theirs=$(sent docker "$@")
    [ -n "$ours" ]
    [ "$ours" = "$theirs" ] || { diff <(jq . <<<"$ours") <(jq . <<<"$theirs"); return 1; }
}

@test "create sends what docker sends" {
    printf 'A=1\n# no\nHOME\n' >"$T/env"
    printf 'k=v\n' >"$T/labels"
    echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$T/profile.json"
    same create busybox true
    same create -it --name c --rm -h h --domainname d -u 1:2 -w /w --entrypoint sh -e B=2 --env-file "$T/env" -l a=b \
        --label-file "$T/labels" --stop-signal INT --stop-timeout 3 busybox -c 'echo hi'
    same create -p 8080:80 -p 127.0.0.1:53:53/udp -p 90-91:90-91 -p '[::1]:70:70' -P --expose 5-6/udp busybox
    same create -v /tmp:/a:ro -v data:/b -v /anonymous --tmpfs /t:size=1m --volumes-from x:ro --volume-driver v busybox
    same create --mount type=bind,src=/tmp,dst=/a,readonly,bind-propagation=rslave \
        --mount type=volume,src=v,dst=/b,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=type=nfs \
        --mount type=tmpfs,dst=/c,tmpfs-size=1m,tmpfs-mode=1770 busybox
    same create -m 64m --memory-swap -1 --memory-reservation 32m --cpus 1.5 --cpu-shares 3 --cpuset-cpus 0 \
        --cpuset-mems 0 --pids-limit 20 --blkio-weight 10 --oom-score-adj 5 --oom-kill-disable --shm-size 1g busybox
    same create --cpu-period 1000 --cpu-quota 2000 --cpu-rt-period 1 --cpu-rt-runtime 2 --memory-swappiness 3 busybox
    same create --cap-add net_admin --cap-drop ALL --privileged --read-only --group-add 7 --userns host --uts host \
        --ipc host --pid host --cgroupns host --cgroup-parent /x --runtime r --init --isolation default busybox
    same create --security-opt no-new-privileges --security-opt "seccomp=$T/profile.json" --security-opt apparmor=x busybox
    same create --security-opt seccomp=unconfined busybox
    same create --device /dev/null:/dev/x:r --device vendor.com/class=one --device-cgroup-rule 'c 1:* rw' --gpus all \
        --blkio-weight-device /dev/sda:20 --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:4 busybox
    same create --gpus '"device=0,1",driver=d' busybox
    same create --health-cmd true --health-interval 10s --health-timeout 1m --health-retries 3 --health-start-period 1s \
        --health-start-interval 2s busybox
    same create --no-healthcheck busybox
    same create --ulimit nofile=10:20 --sysctl net.ipv4.ip_forward=1 --log-driver json-file --log-opt max-size=1m --storage-opt size=1G \
        --annotation a=b --restart on-failure:3 --add-host a:1.2.3.4 --add-host b=::1 --dns 8.8.8.8 --dns-search x \
        --dns-option o busybox
    same create --pull never --platform linux/amd64 busybox
}

@test "networks of create are sent as docker does" {
    same create --network mine --network-alias w --ip 10.0.0.5 --ip6 fd00::5 --link-local-ip 169.254.1.1 busybox
    same create --network name=a,alias=one,alias=two,ip=10.0.0.6,driver-opt=k=v --network b busybox
    same create --network host busybox
    same create --network container:x busybox
    same create --network mine --link db:d busybox
}

@test "network verbs send what docker's send" {
    same network create -d bridge --subnet 10.9.0.0/24 --gateway 10.9.0.1 --ip-range 10.9.0.0/25 --aux-address a=10.9.0.9 \
        -o com.docker.network.bridge.name=br9 --ipv6 --internal --attachable --label a=b n
    same network create --subnet 10.8.0.0/24,10.9.0.0/24 --gateway 10.9.0.1 --gateway 10.8.0.1 --ipam-opt x=y n
    same network create --scope local --config-only n
    same network create --config-from x --ipv4=true n
    same network connect --alias x --alias y --ip 10.9.0.5 --ip6 fd00::1 --link a:b --link-local-ip 169.254.1.1 \
        --driver-opt k=v --gw-priority 3 n c
    same network disconnect -f n c
    run "$HOY" network create --subnet 10.9.0.0/24 --gateway 10.8.0.1 n
    [ "$status" = 1 ]
    [[ "$output" == *'no matching subnet for gateway 10.8.0.1'* ]]
}
