#!/usr/bin/env bats
# Builds through the classic endpoint: hoy build, and docker's own client.
load lib
load stack

setup() {
    stack_setup
    mkdir "$T/ctx"
    cd "$T/ctx"
    echo hello >a.txt
    mkdir d
    echo x >d/x
}
teardown() { cd /; stack_teardown; }

# say LINE...: the Dockerfile
say() { printf '%s\n' "$@" >Dockerfile; }
# what_is IMAGE FILTER: of its inspect
what_is() { "$HOY" image inspect "$1" | jq -r ".[0] | $2"; }

@test "RUN, COPY and metadata make an image, and nothing stays of the containers" {
    say 'FROM busybox' 'ENV A=b' 'RUN echo hi $A >/out && echo to-stdout && echo to-stderr >&2' 'COPY a.txt /etc/a' \
        'COPY d /dd/' 'WORKDIR /made/here' 'CMD ["cat", "/out", "/etc/a", "/dd/x"]'
    run "$HOY" build -t one -t other:2 .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"[1/5] FROM "*"[5/5] WORKDIR /made/here"* && $output == *"to-stdout"* && $output == *"to-stderr"* ]]
    [[ $output == *"writing image sha256:"*"naming to one done"*"naming to other:2 done"* ]]
    [ "$("$HOY" run --rm one)" = $'hi b\nhello\nx' ]
    [ "$(what_is other:2 .Id)" = "$(what_is one .Id)" ]
    [ "$(what_is one .Config.WorkingDir)" = /made/here ]
    [ "$(what_is one '.Config.Cmd | join(" ")')" = "cat /out /etc/a /dd/x" ]
    [ "$("$HOY" history -q one | wc -l)" = 7 ]
    [ "$("$HOY" run --rm one stat -c '%u:%g %a' /etc/a /dd /made)" = $'0:0 644\n0:0 755\n0:0 755' ]
    [ -z "$("$HOY" ps -aq)" ]
    [ -z "$(ls "$T/data/tmp"; ls "$T/data/l" | grep tmp)" ]
    [ "$(echo FROM busybox | "$HOY" build -q -t same -)" = "$(what_is busybox .Id)" ]
}

@test "what was made before is not made again, across hoyd's restart, until content changes" {
    local first again
    say 'FROM busybox' 'RUN cat /proc/sys/kernel/random/uuid >/id' 'COPY d /dd' 'RUN cat /dd/x >>/id' 'ENV A=b'
    first=$("$HOY" build -q .)
    touch -d yesterday d/x
    kill -TERM "$HOYD_PID"; wait_for 20 hoyd_ended; wait "$HOYD_PID" || :
    start_hoyd
    run "$HOY" build .
    [ "$(grep -c CACHED <<<"$output")" = 3 ] || { echo "$output"; false; }
    [ "$("$HOY" build -q .)" = "$first" ]
    echo y >d/x
    run "$HOY" build .
    [ "$(grep -c CACHED <<<"$output")" = 1 ] || { echo "$output"; false; }
    chmod 600 d/x
    run "$HOY" build .
    [ "$(grep -c CACHED <<<"$output")" = 1 ]
    again=$("$HOY" build -q --no-cache .)
    [ "$again" != "$first" ]
    run "$HOY" build --no-cache .
    [[ $output != *CACHED* ]]
}

@test "stages, --target, arguments, labels, and a Dockerfile from stdin" {
    say 'ARG BASE=busybox' 'FROM $BASE AS build' 'ARG WHO=nobody' 'WORKDIR /src' 'COPY . .' \
        'RUN echo "$WHO" | cat - a.txt d/x >/bin/out' 'FROM build AS more' 'RUN echo more >>/bin/out' 'FROM $BASE' \
        'COPY --from=build --chown=7:8 --chmod=640 /bin/out /res' 'ENTRYPOINT ["cat", "/res"]'
    "$HOY" build -t three --build-arg WHO=me --label l=v .
    [ "$("$HOY" run --rm three)" = $'me\nhello\nx' ]
    [ "$(what_is three .Config.Labels.l)" = v ]
    [ "$("$HOY" run --rm --entrypoint stat three -c '%u:%g %a' /res)" = "7:8 640" ]
    "$HOY" build -t more --target more --iidfile "$T/iid" .
    [ "$(<"$T/iid")" = "$(what_is more .Id)" ]
    [ "$("$HOY" run --rm more cat /bin/out)" = $'nobody\nhello\nx\nmore' ]
    [ "$(printf 'FROM scratch\nCOPY d/x /only\n' | "$HOY" build -q -t bare -f - .)" = "$(what_is bare .Id)" ]
    "$HOY" save bare | tar -xO --wildcards 'blobs/sha256/*' >/dev/null
    printf 'FROM busybox\nCMD echo alone\n' | "$HOY" build -t alone -
    [ "$("$HOY" run --rm alone)" = alone ]
    tar -cz . | "$HOY" build -t piped -f Dockerfile -
    [ "$("$HOY" run --rm piped)" = $'nobody\nhello\nx' ]
}

@test "ADD unpacks local archives, patterns and .dockerignore choose" {
    tar -C d -czf arch.tgz x
    touch b.txt keep.md drop.md
    mkdir drop
    echo y >drop/y
    printf '%s\n' '*.md' '!keep.md' drop >.dockerignore
    say 'FROM busybox' 'ADD arch.tgz /un/' 'COPY *.txt /texts/' 'COPY . /all' 'RUN ls -A /all >/list'
    "$HOY" build -t ig .
    [ "$("$HOY" run --rm ig cat /un/x)" = x ]
    [ "$("$HOY" run --rm ig ls /texts | xargs)" = "a.txt b.txt" ]
    [ "$("$HOY" run --rm ig cat /list | sort | xargs)" = ".dockerignore Dockerfile a.txt arch.tgz b.txt d keep.md" ]
}

@test "failures say what and where, and leave nothing" {
    say 'FROM busybox' 'RUN echo before; exit 3'
    run "$HOY" build .
    [ $status = 3 ]
    [[ $output == *before*"The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3"* ]]
    say 'FROM busybox' 'COPY nope /x'
    run "$HOY" build .
    [ $status = 1 ] && [[ $output == *"COPY failed: file not found in build context"*"stat nope: file does not exist"* ]]
    say 'FROM busybox' 'RUUN x'
    run "$HOY" build .
    [ $status = 1 ] && [[ $output == *"Dockerfile:2:1: unknown instruction: RUUN (did you mean RUN?)"* ]]
    run "$HOY" build -f missing .
    [ $status = 1 ] && [[ $output == *"missing"* ]]
    run "$HOY" build "$T/nowhere"
    [ $status = 1 ] && [[ $output == *"nowhere"* ]]
    say 'FROM busybox' 'COPY ../hoyd.log /x' 'COPY link /y'
    ln -s ../hoyd.log link
    run "$HOY" build .
    [ $status = 1 ]
    [ -z "$("$HOY" ps -aq)" ]
    [ -z "$(ls "$T/data/tmp"; ls "$T/data/l" | grep tmp)" ]
    hoyd_is_alive
}

@test "builder prune takes what no image has, and all of it with -a; system df tells" {
    say 'FROM busybox' 'RUN echo 1 >/1' 'RUN echo 2 >/2' 'ENV A=b'
    "$HOY" build -q -t kept . >/dev/null
    printf 'FROM busybox\nRUN echo gone >/x\n' | "$HOY" build -q -t gone -
    [ "$("$HOY" system df --format json | jq -r 'select(.Type == "Build Cache").TotalCount')" = 4 ]
    "$HOY" rmi gone
    [[ $("$HOY" builder prune -f --filter until=1h) == "Total reclaimed space: 0B" ]]
    [ "$("$HOY" builder prune -f | grep -cE '^[0-9a-f]{64}$')" = 2 ]
    [ "$(ls "$T/data/l" | wc -l)" = 4 ]
    run "$HOY" builder prune -af --keep-storage 1g
    [ "${lines[0]}" = "Total reclaimed space: 0B" ]
    [ "$("$HOY" builder prune -af | grep -cE '^[0-9a-f]{64}$')" = 2 ]
    "$HOY" rmi kept
    [ "$(ls "$T/data/l" | xargs)" = "0 1" ]
    run "$HOY" build .
    [[ $output != *CACHED* ]]
}

@test "limits, hosts and networks reach the containers of RUN" {
    local c
    say 'FROM busybox' 'RUN cat /etc/hosts; ls /sys/class/net; df -k /dev/shm | tail -1; ulimit -n'
    run "$HOY" build --rm=false --force-rm=false --add-host there:10.1.2.3 --network none --shm-size 8m --ulimit nofile=77:88 \
        --memory 64m --memory-swap 96m --cpu-shares 512 --cpu-period 50000 --cpu-quota 25000 --cpuset-cpus 0 --cpuset-mems 0 \
        --security-opt no-new-privileges --cgroup-parent /hoytest --platform "linux/$("$HOY" version -f '{{.Server.Arch}}')" \
        --progress plain --load --compress --cache-from busybox .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"10.1.2.3"*there*' lo'$'\n'*" 8192 "*' 77'$'\n'* ]] || { echo "$output"; false; }
    c=$("$HOY" ps -aq)
    [ "$("$HOY" inspect "$c" | jq -c '.[0].HostConfig | [.Memory, .MemorySwap, .CpuShares, .CpuPeriod, .CpuQuota, .CpusetCpus,
        .CpusetMems, .SecurityOpt[0], .CgroupParent]')" = '[67108864,100663296,512,50000,25000,"0","0","no-new-privileges","/hoytest"]' ]
    run "$HOY" build --pull .
    [ $status = 1 ] && [[ $output == *registry* ]]
    say 'FROM busybox' 'RUN --network=host true'
    run "$HOY" build .
    [ $status = 1 ] && [[ $output == *"--network=host"* ]]
    run "$HOY" build --squash .
    [ $status != 0 ] && [[ $output == *"not supported"* ]]
}

@test "the docker client builds: classic, quiet, and the status of a failed command" {
    export DOCKER_BUILDKIT=0
    say 'FROM busybox' 'RUN echo hi >/out' 'CMD cat /out'
    run docker build -t viadocker --label a=b .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"Step 3/3 : CMD cat /out"*"Successfully tagged viadocker:latest"* ]]
    [ "$(docker run --rm viadocker)" = hi ]
    [ "$(docker build -q .)" = "$(docker build -q .)" ]
    say 'FROM busybox' 'RUN echo wrong >&2'
    [[ "$(docker build --no-cache .)" == *$'\e[91mwrong\n\e[0m'* ]]
    [[ "$("$HOY" build --no-cache . 2>&1)" == *' wrong'$'\n'* ]]
    printf 'FROM busybox\nRUN echo why; exit 5\n' >Dockerfile
    run docker build -q .
    [ $status = 5 ] && [[ $output == *"returned a non-zero code: 5"* ]]
}

@test "a context may name files without their directories; the image's ID comes before the last words" {
    mkdir -p "$T/bare/some/where"
    printf 'FROM busybox\nCOPY some /some\n' >"$T/bare/Dockerfile"
    echo there >"$T/bare/some/where/file"
    tar -C "$T/bare" -c Dockerfile some/where/file |
        curl -sS --max-time 100 --unix-socket "$T/hoy.sock" -X POST "http://x/v1.50/build?t=bare" -H 'Content-Type: application/x-tar' --data-binary @- >"$T/bare.out"
    [[ "$(tail -3 "$T/bare.out" | head -1)" == '{"aux":{"ID":"sha256:'* ]]
    [[ "$(tail -1 "$T/bare.out")" == *"Successfully tagged bare:latest"* ]]
    [ "$("$HOY" run --rm --network none bare stat -c %a /some/where)" = 755 ]
    [ "$("$HOY" run --rm --network none bare cat /some/where/file)" = there ]
}

@test "SOURCE_DATE_EPOCH: what RUN and COPY make is not younger, and two builds of one input have one digest" {
    local first
    touch -d @1600000000 a.txt
    touch -d @500000000 d/x
    say 'FROM busybox' 'WORKDIR /new/dir' 'RUN date +%s%N >/dev/null; mkdir -p /made/x && echo hi >/made/x/f && ln -s f /made/x/l && rm /bin/wc' 'COPY a.txt d /copied/' \
        'CMD stat -c "%n %Y" /new /new/dir /made /made/x/f /made/x/l /copied /copied/a.txt /copied/x; ls -ld /etc >/dev/null'
    first=$("$HOY" build -q --build-arg SOURCE_DATE_EPOCH=1000000000 -t epoch .)
    [ "$("$HOY" run --rm epoch | sed 's/.* //' | xargs)" = "1000000000 1000000000 1000000000 1000000000 1000000000 1000000000 1000000000 500000000" ] || { "$HOY" run --rm epoch; false; }
    wait_for 10 a_second_later "$(date +%s)"
    [ "$("$HOY" build -q --no-cache --build-arg SOURCE_DATE_EPOCH=1000000000 .)" = "$first" ]
    [ "$("$HOY" build -q --build-arg SOURCE_DATE_EPOCH=1000000000 .)" = "$first" ]
    # with another time it is another layer
    "$HOY" build -q --build-arg SOURCE_DATE_EPOCH=1100000000 -t epoch .
    [ "$("$HOY" run --rm epoch | sed 's/.* //' | sort -u | xargs)" = "1100000000 500000000" ]
    "$HOY" build -q -t epoch .
    [ "$("$HOY" run --rm epoch stat -c %Y /copied/a.txt)" = 1600000000 ]
}

# classic [QUERY]: a build of the directory by the classic endpoint; what its client prints
classic() {
    tar -c . | curl -gsS --unix-socket "$T/hoy.sock" -H 'Content-Type: application/x-tar' --data-binary @- "http://h/build?${1:-}" |
        jq -rj '.stream // .error // .message // ""'
}

@test "what is not advisable in a Dockerfile is said at the end, by rule and place, unless it says otherwise" {
    say 'FROM busybox as one' 'MAINTAINER me' 'ENV API_TOKEN=x' 'CMD echo $NOTHING' 'WORKDIR x'
    run classic
    [[ $output == *"Step 5/5"*"[Warning] Dockerfile:1:1: FromAsCasing: "*"[Warning] Dockerfile:2:1: MaintainerDeprecated: "*"[Warning] Dockerfile:3:1: SecretsUsedInArgOrEnv: ENV \"API_TOKEN\""*"[Warning] Dockerfile:4:1: JSONArgsRecommended: "*"[Warning] Dockerfile:5:1: WorkdirRelativePath: "*"Successfully built"* ]] || { echo "$output"; false; }
    sed -i '1i# check=skip=FromAsCasing,SecretsUsedInArgOrEnv' Dockerfile
    run classic
    [[ $output != *FromAsCasing* && $output != *"looks like a secret"* && $output == *"Dockerfile:3:1: MaintainerDeprecated"* ]] || { echo "$output"; false; }
    sed -i '1s/.*/# check=skip=FromAsCasing;error=true/' Dockerfile
    run "$HOY" build .
    [ $status != 0 ] && [[ $output == *"Dockerfile:3:1: MaintainerDeprecated: "*"(check=error=true: warnings are errors)"* ]] || { echo "$output"; false; }
    run classic 'buildargs={%22BUILDKIT_DOCKERFILE_CHECK%22:%22skip=all%22}'
    [[ $output == *"Successfully built"* && $output != *"[Warning]"* ]] || { echo "$output"; false; }
}

a_second_later() { [ "$(date +%s)" -gt "$1" ]; }
