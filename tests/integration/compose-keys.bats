#!/usr/bin/env bats
# What each key of a compose file does to the container, the network, the volume (tests/coverage/compose-effects.tsv).
# Values the kernel enforces are read inside the container; limits and devices in what the engine was told, whose own
# effect tests/coverage/create-fields.tsv proves.
load compose

@test "keys: the process, its environment, names and rights" {
    printf 'FROM_FILE=yes\nBOTH=file\n' >env
    printf 'label.file=yes\n' >labels
    printf 'RAW="$HOME"\n' >raw
    cat >compose.yaml <<'X'
name: k1
services:
  a:
    image: busybox
    entrypoint: [sh, -c]
    command: ["echo $$0 runs; exec sleep 1000"]
    container_name: k1-own
    hostname: host-a
    domainname: example.test
    user: "1:2"
    group_add: ["77"]
    working_dir: /tmp
    env_file: [env, {path: gone, required: false}, {path: raw, format: raw}]
    environment: {BOTH: given, ABSENT: }
    labels: {own: l}
    label_file: [labels]
    annotations: {note: n}
    init: true
    tty: true
    stdin_open: true
    stop_signal: SIGINT
    stop_grace_period: 7s
    restart: on-failure:3
    read_only: true
    tmpfs: ["/scratch:size=1m,mode=1777"]
    shm_size: 2m
    sysctls: {net.ipv4.ip_unprivileged_port_start: "99"}
    ulimits: {nofile: {soft: 111, hard: 222}, nproc: 333}
    cap_add: [NET_ADMIN]
    cap_drop: [CHOWN]
    security_opt: ["no-new-privileges:true"]
    dns: [127.0.0.9]
    dns_opt: ["ndots:3"]
    dns_search: [search.test]
    extra_hosts: ["other.test:10.9.8.7"]
    expose: ["3000-3001", "53/udp"]
    logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
    runtime: hoyrun
    oom_score_adj: 500
    userns_mode: host
    cgroup: private
    isolation: default
  p: {image: busybox, command: sleep 1000, privileged: true, uts: host, ipc: host, pid: host, cgroup: host}
X
    compose up -d
    inside() { compose exec -T -u 1:2 a "$@"; }
    c=k1-own
    [ "$(look $c '[.Path, .Args[0], .Config.Entrypoint, .Config.Cmd]')" = '["sh","-c",["sh","-c"],["echo $0 runs; exec sleep 1000"]]' ]
    [ "$(look $c '[.Name, .Config.Hostname, .Config.Domainname, .Config.User, .Config.WorkingDir]')" = '["/k1-own","host-a","example.test","1:2","/tmp"]' ]
    [ "$(inside hostname)" = host-a ]
    [ "$(inside id -u) $(inside id -g) $(inside pwd)" = "1 2 /tmp" ]
    [[ "$(inside cat /proc/1/status)" == *$'Groups:\t'*77* ]]
    [ "$(inside sh -c 'echo $FROM_FILE $BOTH ${ABSENT-none} $RAW')" = 'yes given none "$HOME"' ]
    [ "$(look $c '[.Config.Labels.own, .Config.Labels["label.file"], .HostConfig.Annotations.note]')" = '["l","yes","n"]' ]
    [ "$(look $c '[.HostConfig.Init, .Config.Tty, .Config.OpenStdin, .Config.StopSignal, .Config.StopTimeout]')" = '[true,true,true,"SIGINT",7]' ]
    [ "$(look $c '.HostConfig.RestartPolicy')" = '{"Name":"on-failure","MaximumRetryCount":3}' ]
    ! inside touch /file || false
    inside touch /scratch/file
    inside grep -q 'tmpfs /scratch .*size=1024k' /proc/mounts
    inside grep -q 'shm /dev/shm .*size=2048k' /proc/mounts
    [ "$(inside cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = 99 ]
    [ "$(inside sh -c 'ulimit -Sn; ulimit -Hn')" = $'111\n222' ]
    inside grep -q 'Max processes *333 *333' /proc/1/limits
    [ "$(look $c '[.HostConfig.CapAdd, .HostConfig.CapDrop]')" = '[["CAP_NET_ADMIN"],["CAP_CHOWN"]]' ] ||
        [ "$(look $c '[.HostConfig.CapAdd, .HostConfig.CapDrop]')" = '[["NET_ADMIN"],["CHOWN"]]' ]
    inside grep -q 'NoNewPrivs:.1' /proc/1/status
    inside grep -q 'search search.test' /etc/resolv.conf
    inside grep -q 'options ndots:3' /etc/resolv.conf
    [ "$(look $c .HostConfig.Dns)" = '["127.0.0.9"]' ]
    inside grep -q '10.9.8.7.other.test' /etc/hosts
    [ "$(look $c '.Config.ExposedPorts | keys')" = '["3000/tcp","3001/tcp","53/udp"]' ]
    [ "$(look $c .HostConfig.LogConfig)" = '{"Type":"json-file","Config":{"max-file":"2","max-size":"1m"}}' ] ||
        [ "$(look $c '.HostConfig.LogConfig | .Type + .Config["max-size"] + .Config["max-file"]')" = json-file1m2 ]
    [ "$(look $c '[.HostConfig.Runtime, .HostConfig.OomScoreAdj, .HostConfig.UsernsMode, .HostConfig.CgroupnsMode]')" = '["hoyrun",500,"host","private"]' ]
    [ "$(inside cat /proc/1/oom_score_adj)" = 500 ]
    # and what is shared with the host
    [ "$(look k1-p-1 '[.HostConfig.Privileged, .HostConfig.UTSMode, .HostConfig.IpcMode, .HostConfig.PidMode, .HostConfig.CgroupnsMode]')" = '[true,"host","host","host","host"]' ]
    for ns in uts ipc pid cgroup; do [ "$(compose exec -T p readlink /proc/self/ns/$ns)" = "$(readlink /proc/self/ns/$ns)" ]; done
}

@test "keys: limits, devices and deploy reach the engine" {
    cat >compose.yaml <<'X'
name: k2
services:
  a:
    image: busybox
    cpu_shares: 512
    cpu_quota: 50000
    cpu_period: 100000
    cpuset: "0"
    mem_limit: 64m
    mem_reservation: 32m
    memswap_limit: 128m
    mem_swappiness: 10
    oom_kill_disable: true
    pids_limit: 50
    cgroup_parent: /hoy-keys
    blkio_config:
      weight: 300
      weight_device: [{path: /dev/null, weight: 200}]
      device_read_bps: [{path: /dev/null, rate: 1mb}]
      device_read_iops: [{path: /dev/null, rate: 120}]
      device_write_bps: [{path: /dev/null, rate: "1024"}]
      device_write_iops: [{path: /dev/null, rate: 30}]
    devices: ["/dev/null:/dev/mine:rw"]
    device_cgroup_rules: ["c 1:3 mr"]
  b:
    image: busybox
    cpus: 0.5
    cpu_rt_period: 1000000
    cpu_rt_runtime: 950000
  d:
    image: busybox
    deploy:
      replicas: 2
      labels: {not: onto-containers}
      resources:
        limits: {cpus: "0.25", memory: 50M, pids: 20}
        reservations: {memory: 20M}
      restart_policy: {condition: on-failure, max_attempts: 4}
X
    compose create
    a=k2-a-1
    [ "$(look $a '.HostConfig | [.CpuShares, .CpuQuota, .CpuPeriod, .CpusetCpus]')" = '[512,50000,100000,"0"]' ]
    [ "$(look $a '.HostConfig | [.Memory, .MemoryReservation, .MemorySwap, .MemorySwappiness, .OomKillDisable, .PidsLimit, .CgroupParent]')" = '[67108864,33554432,134217728,10,true,50,"/hoy-keys"]' ]
    [ "$(look $a '.HostConfig | [.BlkioWeight, .BlkioWeightDevice[0].Weight, .BlkioDeviceReadBps[0].Rate, .BlkioDeviceReadIOps[0].Rate, .BlkioDeviceWriteBps[0].Rate, .BlkioDeviceWriteIOps[0].Rate]')" = '[300,200,1048576,120,1024,30]' ]
    [ "$(look $a '.HostConfig.Devices')" = '[{"PathOnHost":"/dev/null","PathInContainer":"/dev/mine","CgroupPermissions":"rw"}]' ]
    [ "$(look $a '.HostConfig.DeviceCgroupRules')" = '["c 1:3 mr"]' ]
    [ "$(look k2-b-1 '.HostConfig | [.NanoCpus, .CpuRealtimePeriod, .CpuRealtimeRuntime]')" = '[500000000,1000000,950000]' ]
    [ "$(look k2-d-2 '.HostConfig | [.NanoCpus, .Memory, .PidsLimit, .MemoryReservation, .RestartPolicy]')" = '[250000000,52428800,20,20971520,{"Name":"on-failure","MaximumRetryCount":4}]' ]
    [ "$(look k2-d-2 .Config.Labels.not)" = null ]
}

@test "keys: networks, addresses, names and ports" {
    hoy network create k3-outer
    hoy run -d --init --name k3-other --network k3-outer busybox sleep 1000
    cat >compose.yaml <<'X'
name: k3
services:
  a:
    image: busybox
    init: true
    command: sleep 1000
    networks:
      one: {aliases: [alias-a], ipv4_address: 10.91.7.20, mac_address: "02:42:0a:5b:07:14", priority: 5}
      two: {priority: 1, gw_priority: 10}
    ports:
      - {target: 80, published: "18131", host_ip: 127.0.0.1, protocol: tcp, mode: host}
      - "127.0.0.1:18132:53/udp"
  b:
    image: busybox
    init: true
    command: sleep 1000
    links: ["a:linked"]
    networks: [one, outer]
    external_links: ["k3-other:elsewhere"]
  n: {image: busybox, init: true, command: sleep 1000, network_mode: none}
  s: {image: busybox, init: true, command: sleep 1000, network_mode: "service:a", pid: "service:a"}
  m: {image: busybox, init: true, command: sleep 1000, mac_address: "02:42:0a:5b:07:15"}
networks:
  one:
    name: k3-named
    driver: bridge
    driver_opts: {com.docker.network.bridge.name: k3br}
    attachable: true
    labels: {own: l}
    ipam:
      driver: default
      config:
        - {subnet: 10.91.7.0/24, gateway: 10.91.7.3, ip_range: 10.91.7.128/25, aux_addresses: {held: 10.91.7.5}}
  two: {internal: true}
  outer: {external: true, name: k3-outer}
X
    compose up -d
    net() { hoy network inspect "$1" | jq -cr ".[0] | $2"; }
    [ "$(net k3-named '[.Driver, .Attachable, .Labels.own, .Options["com.docker.network.bridge.name"]]')" = '["bridge",true,"l","k3br"]' ]
    [ "$(net k3-named '.IPAM.Config[0] | [.Subnet, .Gateway, .IPRange, .AuxiliaryAddresses.held]')" = '["10.91.7.0/24","10.91.7.3","10.91.7.128/25","10.91.7.5"]' ]
    [ "$(net k3_two .Internal)" = true ]
    ip link show k3br >/dev/null
    compose exec -T a ip -o addr show | grep -q 10.91.7.20/24
    compose exec -T a ip -o link show | grep -q 02:42:0a:5b:07:14
    [ "$(look k3-a-1 '.NetworkSettings.Networks.k3_two.GwPriority')" = 10 ]
    for name in a alias-a linked k3-a-1; do compose exec -T b ping -c 1 -W 5 $name; done
    compose exec -T b ping -c 1 -W 5 elsewhere
    [ "$(compose exec -T n ip -o link | wc -l)" = 1 ]
    for ns in net pid; do [ "$(compose exec -T s readlink /proc/self/ns/$ns)" = "$(compose exec -T a readlink /proc/self/ns/$ns)" ]; done
    compose exec -T m ip -o link | grep -q 02:42:0a:5b:07:15
    [ "$(compose port a 80) $(compose port --protocol udp a 53)" = "127.0.0.1:18131 127.0.0.1:18132" ]
    compose down -t 0
    hoy network inspect k3-outer >/dev/null
    hoy rm -f k3-other
    hoy network rm k3-outer
}

@test "keys: volumes of all kinds" {
    hoy volume create k4-outer
    mkdir -p bound
    cat >compose.yaml <<'X'
name: k4
services:
  a:
    image: busybox
    init: true
    command: sleep 1000
    volumes:
      - ./made/here:/bind:ro
      - {type: bind, source: ./bound, target: /bound, bind: {create_host_path: false, propagation: rslave, recursive: disabled}}
      - {type: volume, source: named, target: /named, volume: {nocopy: true}}
      - {type: volume, source: named, target: /below, volume: {subpath: dir}}
      - {type: volume, target: /anon, volume: {labels: {of: anon}}}
      - {type: volume, source: outer, target: /outer, read_only: true}
      - {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}
      - named:/short
  first:
    image: busybox
    command: [sh, -c, "mkdir -p /v/dir; echo in-volume >/v/dir/file"]
    volumes: ["named:/v"]
  from: {image: busybox, init: true, command: sleep 1000, volumes_from: ["a:ro"]}
volumes:
  named: {name: k4-named, driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m"}, labels: {own: l}}
  outer: {external: true, name: k4-outer}
X
    sed 's/driver_opts: [^}]*}, //' -i compose.yaml
    compose up first
    compose up -d
    inside() { compose exec -T a "$@"; }
    [ -d made/here ]
    ! inside touch /bind/x || false
    inside grep -q ' /bound ' /proc/mounts
    [ "$(look k4-a-1 '.HostConfig.Mounts[] | select(.Target == "/bound") | [.BindOptions.Propagation, .BindOptions.NonRecursive]')" = '["rslave",true]' ]
    [ "$(look k4-a-1 '.HostConfig.Binds | map(select(test("/named"))) | .[0]')" = k4-named:/named:rw,nocopy ]
    [ "$(inside cat /below/file /short/dir/file)" = $'in-volume\nin-volume' ]
    [ "$(hoy volume ls -q --filter label=of=anon | wc -l)" = 1 ]
    ! inside touch /outer/x || false
    inside grep -q 'tmpfs /t .*size=1024k.*mode=700' /proc/mounts
    compose exec -T from cat /named/dir/file
    ! compose exec -T from touch /named/x || false
    [ "$(hoy volume inspect k4-named | jq -cr '.[0] | [.Driver, .Labels.own]')" = '["local","l"]' ]
    rm -r bound
    run compose up -d --force-recreate -t 0 a
    [ "$status" != 0 ]
    [[ "$output" == *bound* ]]
    compose down -v -t 0
    hoy volume inspect k4-outer >/dev/null
    hoy volume rm k4-outer
    ! hoy volume inspect k4-named || false
}

@test "keys: changed networks, volumes, configs and secrets make again what uses them" {
    cat >compose.yaml <<'X'
name: k5
services:
  a: {image: busybox, init: true, command: sleep 1000, networks: [n], volumes: ["v:/v", /own], configs: [{source: c, target: /c}]}
  b: {image: busybox, init: true, command: sleep 1000, secrets: [s]}
  c: {image: busybox, init: true, command: sleep 1000, volumes: ["v:/v"]}
networks: {n: {}}
volumes: {v: {}}
configs: {c: {content: one}}
secrets: {s: {environment: S5}}
X
    export S5=hidden
    compose up -d
    ids() { a=$(id_of k5-a-1) b=$(id_of k5-b-1) c=$(id_of k5-c-1); }
    made_again() { # NAME...: these and no others
        local was="$a $b $c"
        set -- "$*"
        [ "$(for one in a b c; do [ "$(id_of k5-$one-1)" = "${!one}" ] || echo $one; done | xargs)" = "$*" ]
        ids
    }
    ids
    compose exec -T a sh -c 'echo kept | tee /v/file >/own/file'
    [ "$(hoy network inspect -f '{{index .Labels "com.docker.compose.config-hash"}}' k5_n)" = "$(printf '{"name":"k5_n","ipam":{}}' | sha256sum | cut -d' ' -f1)" ]
    [ "$(hoy volume inspect -f '{{index .Labels "com.docker.compose.config-hash"}}' k5_v)" = "$(printf '{"name":"k5_v","driver":"local"}' | sha256sum | cut -d' ' -f1)" ]
    # the network: its containers are made again on the new one, with their own volumes
    network=$(hoy network inspect -f '{{.Id}}' k5_n)
    sed -i 's|n: {}|n: {ipam: {config: [{subnet: 10.91.9.0/24}]}}|' compose.yaml
    compose up -d -t 0
    [ "$(hoy network inspect -f '{{.Id}}' k5_n)" != "$network" ]
    made_again a
    compose exec -T a ip -4 -o addr | grep -q 10.91.9.
    [ "$(compose exec -T a cat /own/file)" = kept ]
    # contents that are copied in
    sed -i 's/content: one/content: two/' compose.yaml
    compose up -d -t 0
    made_again a
    [ "$(compose exec -T a cat /c)" = two ]
    S5=other compose up -d -t 0
    made_again b
    [ "$(compose exec -T b cat /run/secrets/s)" = other ]
    export S5=other
    # a volume goes with its data, so that is asked
    sed -i 's|v: {}|v: {labels: {new: l}}|' compose.yaml
    run compose up -d -t 0 </dev/null
    [ "$status" = 0 ]
    [[ "$output" == *"doesn't match configuration in compose file. Recreate (data will be lost)?"*'volume "k5_v" stays as it was made'* ]]
    made_again ""
    compose up -d -t 0 --yes
    made_again a c
    [ "$(compose exec -T c ls /v)" = "" ]
    # one that was taken off its network from outside is put back
    hoy network disconnect -f k5_n k5-a-1
    compose up -d -t 0
    made_again a
    compose up -d
    made_again ""
}

@test "keys: an image is pulled anew when it is older than its policy allows" {
    hoy tag busybox 127.0.0.1:9/old:1
    printf 'name: kp\nservices:\n  a: {image: "127.0.0.1:9/old:1", command: "true", pull_policy: "${POLICY:-missing}", pull_refresh_after: "${AFTER:-}"}\n' >compose.yaml
    for policy in daily weekly every_3d12h; do POLICY=$policy compose up -d; done
    AFTER=5h POLICY=refresh compose up -d
    POLICY=every_1ms run compose up -d
    [ "$status" = 1 ]
    [[ "$output" == *"Failed to connect to 127.0.0.1 port 9"* ]] || { echo "$output"; false; }
    AFTER=1ms POLICY=refresh run compose up -d
    [ "$status" = 1 ]
    POLICY=every_1ms compose up -d --pull missing
    compose down -t 0
    hoy rmi 127.0.0.1:9/old:1 2>&1
}

@test "keys: which services there are, and what holds them back" {
    cat >base.yaml <<'X'
services:
  common: {image: busybox, init: true, command: sleep 1000, environment: {E: extended}}
X
    cat >compose.yaml <<'X'
name: k6
services:
  a: {extends: {file: base.yaml, service: common}, scale: 2, depends_on: {opt: {condition: service_started, required: false}}}
  r: {image: busybox, init: true, command: sleep 1000, depends_on: {a: {condition: service_started, restart: true}}}
  quiet: {image: busybox, command: echo never seen, attach: false}
  loud: {image: busybox, command: echo seen, healthcheck: {disable: true}}
  opt: {image: busybox, profiles: [extra], command: sleep 1000, init: true}
  never: {image: nosuch.invalid/image, pull_policy: never, profiles: [bad]}
  sick: {image: busybox, init: true, command: sleep 1000, profiles: [sick], healthcheck: {test: [CMD, "false"], interval: 100ms, timeout: 5s, retries: 2, start_period: 100ms, start_interval: 50ms}}
  after: {image: busybox, profiles: [sick], depends_on: {sick: {condition: service_healthy}}}
X
    compose up -d a r
    [ "$(compose ps --format '{{.Name}}' | xargs)" = "k6-a-1 k6-a-2 k6-r-1" ]
    [ "$(compose exec -T a sh -c 'echo $E')" = extended ]
    started=$(look k6-r-1 .State.StartedAt)
    compose restart -t 0 a
    [ "$(look k6-r-1 .State.StartedAt)" != "$started" ]
    started=$(look k6-r-1 .State.StartedAt) id=$(id_of k6-r-1)
    sed -i 's/scale: 2,/scale: 2, labels: {new: l},/' compose.yaml
    compose up -d -t 0 a r
    [ "$(look k6-r-1 .State.StartedAt)" != "$started" ]
    [ "$(id_of k6-r-1)" = "$id" ]
    run compose up --no-color quiet loud
    [[ "$output" == *"loud-1  | seen"* ]]
    [[ "$output" != *"never seen"* ]]
    [ "$(look k6-loud-1 .Config.Healthcheck.Test)" = '["NONE"]' ]
    compose --profile extra up -d opt
    [ "$(state_of k6-opt-1)" = running ]
    run compose --profile bad up -d never
    [ "$status" != 0 ]
    run compose --profile sick up -d after
    [ "$status" = 1 ]
    [[ "$output" == *"dependency failed to start: container k6-sick-1 is unhealthy"* ]]
    [ "$(look k6-sick-1 '.Config.Healthcheck | [.Test, .Interval, .Timeout, .Retries, .StartPeriod, .StartInterval]')" = '[["CMD","false"],100000000,5000000000,2,100000000,50000000]' ]
    compose --profile '*' down -t 0
}

@test "keys: what an image is built of" {
    mkdir ctx
    printf 'FROM busybox AS one\nARG A=none\nRUN echo "$A" >/arg; cat /etc/hosts >/hosts; df -k /dev/shm >/shm; ulimit -n >/files; ls /sys/class/net >/net\nFROM one AS two\nRUN touch /two\n' >ctx/Other
    cat >compose.yaml <<'X'
name: kb
services:
  a:
    image: kb-own
    build:
      context: ctx
      dockerfile: Other
      target: one
      args: [A=given]
      labels: {l: of-build}
      tags: ["kb-tag:1"]
      extra_hosts: ["built.test:10.9.9.9"]
      shm_size: 3m
      ulimits: {nofile: {soft: 123, hard: 456}}
      network: none
      no_cache: true
      cache_from: [kb-own]
    command: cat /arg /hosts /shm /files /net
  b:
    build:
      dockerfile_inline: |
        FROM busybox
        RUN echo inline >/said
    command: cat /said
  c: {build: {context: ctx, dockerfile: Other, pull: true}}
X
    compose build -q a b
    run -0 --separate-stderr compose run --rm -T a
    [[ "$output" == given*10.9.9.9*built.test*3072*123*lo ]]
    ! compose run --rm -T a test -e /two || false
    [ "$(hoy image inspect -f '{{.Config.Labels.l}}' kb-tag:1)" = of-build ]
    [ "$(compose run --rm -T b)" = inline ]
    # no_cache: another image each time
    id=$(hoy image inspect -f '{{.Id}}' kb-own)
    compose build -q a
    [ "$(hoy image inspect -f '{{.Id}}' kb-own)" != "$id" ]
    # pull: asks a registry, and there is none
    run compose build c
    [ "$status" = 1 ]
    [[ "$output" == *"build of kb-c failed"* ]] || { echo "$output"; false; }
    hoy image rm kb-own kb-tag:1 kb-b
}

@test "keys: secrets, agents and other images of a build; flags of compose build" {
    mkdir ctx
    printf 'FROM base\nRUN --mount=type=secret,id=f --mount=type=secret,id=e cat /run/secrets/* | tr a-z A-Z >/secrets\nRUN --mount=type=ssh,id=default test -S $SSH_AUTH_SOCK\nCOPY --from=other /etc/group /g\n' >ctx/Dockerfile
    echo of-file >s
    cat >compose.yaml <<X
name: ks
services:
  b:
    build:
      context: ctx
      additional_contexts: {base: service:a, other: docker-image://busybox}
      secrets: [f, {source: v, target: e}]
      ssh: [default]
      no_cache_filter: [stage-0]
      platforms: [linux/$(hoy version -f '{{.Server.Arch}}')]
      provenance: false
      sbom: false
    command: cat /secrets /said
  a:
    build:
      dockerfile_inline: |
        FROM busybox
        RUN echo base >/said
secrets: {f: {file: ./s}, v: {environment: KS_VALUE}}
X
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("agent")'
    SSH_AUTH_SOCK=$PWD/agent KS_VALUE=$'of-env\n' run compose build --builder default --provenance=false --sbom=false
    [ $status = 0 ] || { echo "$output"; false; }
    [ "$(grep -c 'naming to ks-a' <<<"$output")" = 1 ] # built once, before what needs it
    run -0 --separate-stderr compose run --rm -T b
    [ "$output" = $'OF-ENV\nOF-FILE\nbase' ] || { echo "$output"; false; }
    # --ssh gives what the file does not say; --push pushes what has a name of its own
    printf 'FROM busybox\nRUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK\n' >ctx/Dockerfile
    printf 'name: ks\nservices:\n  b: {build: ctx}\n  p: {build: {context: ctx}, image: "127.0.0.1:1/none"}\n' >compose.yaml
    run compose build b
    [ $status = 1 ] && [[ $output == *"(--ssh)"* ]]
    compose build --ssh "default=$PWD/agent" --push b
    run compose build --ssh "default=$PWD/agent" --push p
    [ $status = 1 ] && [[ $output == *"not all images were pushed"* ]]
    hoy image rm ks-a ks-b
}

@test "keys: what is not supported is refused by name" {
    refuses() { # SERVICE-BODY TEXT
        printf 'name: k7\nservices:\n  x:\n    image: busybox\n    %s\n%s\n' "$1" "${3:-}" >compose.yaml
        run compose create --build
        [ "$status" = 1 ]
        [[ "$output" == *"$2"* ]] || { echo "$output"; false; }
    }
    refuses 'credential_spec: {file: f}' 'service "x": credential_spec is of Windows and not supported'
    refuses 'provider: {type: t}' 'service "x": services of a provider are not supported'
    refuses 'models: [m]' 'service "x": models are not supported' 'models: {m: {model: m}}'
    refuses 'use_api_socket: true' 'service "x": use_api_socket is not supported'
    refuses 'deploy: {mode: global}' 'service "x": deploy.mode: only replicated is supported'
    refuses 'secrets: [s]' 'external secret "s" not found' 'secrets: {s: {external: true}}'
    refuses 'configs: [s]' 'external config "other" not found' 'configs: {s: {external: true, name: other}}'
    refuses 'deploy: {update_config: {parallelism: -3}}' 'parallelism: -3 is no number of containers'
    refuses 'deploy: {update_config: {max_failure_ratio: 7}}' 'max_failure_ratio: 7 is not from 0 to 1'
    refuses 'deploy: {update_config: {failure_action: panic}}' 'failure_action'
    refuses 'pull_policy: refresh' 'pull_policy refresh needs pull_refresh_after'
    refuses 'pull_policy: every_0s' '"every_0s" is none of: always'
    refuses 'build: {context: ., secrets: [s]}' 'the external secret "s" is not read for builds' 'secrets: {s: {external: true}}'
    refuses 'build: {context: ., platforms: [linux/amd64, linux/arm64]}' 'build.platforms: several at once are not supported'
    refuses 'build: {context: ., provenance: mode=max}' 'attestations are not made'
    refuses 'build: {context: ., isolation: hyperv}' 'is the only one here'
    refuses 'build: {context: ., dockerfile_inline: FROM busybox, cache_to: ["type=gha"]}' '--cache-to type=gha is not supported'
    for key in privileged:\ true entitlements:\ [network.host]; do
        refuses "build: {context: ., $key}" "build.${key%%:*} is not supported"
    done
    # what one host has no use for is told
    printf 'name: k7\nservices:\n  x:\n    image: busybox\n    platform: linux/%s\n    deploy: {placement: {constraints: [a==b]}, endpoint_mode: vip, restart_policy: {condition: any, delay: 1s}, update_config: {order: stop-first}}\n' "$(hoy version -f '{{.Server.Arch}}')" >compose.yaml
    run compose create
    [ "$status" = 0 ]
    for key in placement endpoint_mode restart_policy.delay update_config; do [[ "$output" == *"WARN: service \"x\": deploy.$key"* ]]; done
    sed -i 's/platform: .*/platform: linux\/s390x/' compose.yaml
    run compose create
    [ "$status" = 1 ]
    [[ "$output" == *'linux/s390x'* ]]
}
