#!/usr/bin/env bats
# hoy build: what it shows, what goes over a session, what becomes of the result.
load lib
load stack
load registry
load build-client

setup_file() {
    load lib
    load stack
    stack_setup
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG DOCKER=$HOY
}
teardown_file() { stack_teardown; }
setup() {
    mkdir "$T/ctx"
    cd "$T/ctx"
    echo hello >a.txt
    mkdir d
    echo x >d/x
}
teardown() {
    stop_registry
    [ -z "${AGENT_PID:-}" ] || kill "$AGENT_PID"
    cd /
    rm -rf "$T/ctx"
}
no_session_is_left() {
    local pid
    for pid in $(pgrep -r R,S,D,T -x hoy-session); do
        [ "$(readlink "/proc/$pid/cwd")" != "$T/ctx" ] || return 1
    done
}
pty() { "$TOP/tests/integration/pty-run" "$@"; }

@test "plain progress: steps by number, output with times, what was cached, what was made" {
    say 'FROM busybox AS one' 'ARG WHO=nobody' 'RUN echo "hi $WHO"; echo to-stderr >&2' 'COPY a.txt /' 'FROM one' 'RUN true'
    run "$HOY" build --target one --build-arg WHO=me -t one -t two:2 --iidfile "$T/iid" .
    [ $status = 0 ] || { echo "$output"; false; }
    grep -Eq '^#1 \[internal\] load build definition and context$' <<<"$output"
    grep -Eq '^#[0-9]+ \[one 2/3\] RUN echo "hi me"; echo to-stderr >&2$' <<<"$output" || { echo "$output"; false; }
    grep -Eq '^#[0-9]+ [0-9]+\.[0-9]{3} hi me$' <<<"$output"
    grep -Eq '^#[0-9]+ [0-9]+\.[0-9]{3} to-stderr$' <<<"$output"
    grep -Eq '^#[0-9]+ DONE [0-9]+\.[0-9]s$' <<<"$output"
    grep -Eq "^#[0-9]+ writing image $(<"$T/iid") done$" <<<"$output"
    [[ $output == *"naming to two:2 done"* && $output != *"RUN true"* ]]
    [ "$(<"$T/iid")" = "$("$HOY" inspect -f '{{.Id}}' one)" ]
    run "$HOY" build --progress plain --target one --build-arg WHO=me .
    [ "$(grep -c '^#[0-9]* CACHED$' <<<"$output")" = 2 ] || { echo "$output"; false; }
    [ "$("$HOY" build -q --target one --build-arg WHO=me . 2>&1)" = "$(<"$T/iid")" ]
    [ "$("$HOY" build --progress quiet --target one --build-arg WHO=me . 2>&1)" = "$(<"$T/iid")" ]
    [ -z "$("$HOY" build --progress none --target one --build-arg WHO=me . 2>&1)" ]
    [ -z "$(BUILDKIT_PROGRESS=none "$HOY" build --target one --build-arg WHO=me . 2>&1)" ]
    [ -z "$("$HOY" build --target one --build-arg WHO=me . 2>"$T/err")" ] # all of it goes to stderr
    run "$HOY" build --progress fancy .
    [ $status = 1 ] && [[ $output == *'--progress: "fancy" is unknown'* ]]
    "$HOY" build --progress rawjson --no-cache-filter one --target one --build-arg WHO=me . 2>"$T/raw"
    [ "$(jq -rs 'map(.logs[]?.data|@base64d)|join("")' "$T/raw")" = $'hi me\nto-stderr' ] || { cat "$T/raw"; false; }
    [ "$(jq -s 'map(.vertexes[]?|select(.completed and (.name|startswith("[one 2/3]"))))|length' "$T/raw")" = 1 ]
}

@test "a terminal shows the steps in place, and what failed with its output and its lines" {
    say 'FROM busybox' 'RUN for i in 1 2 3; do echo "line $i"; sleep 0.3; done' 'COPY a.txt /b'
    run pty --size 24x100 env TERM=xterm "$HOY" build .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *'[+] Building '*' => => # line 1'*$'\033['*'A'*'[+] Building '*' FINISHED'* ]] || { echo "$output"; false; }
    run pty --size 24x100 env TERM=xterm NO_COLOR=1 "$HOY" build .
    [[ $output == *' => CACHED [2/3] RUN '* && $output != *$'\033[34m'* ]]
    run pty --size 8x40 env TERM=xterm "$HOY" build --no-cache .
    [ $status = 0 ] && [[ $output == *"FINISHED"* ]]
    run pty env TERM=dumb "$HOY" build .
    [[ $output == *'CACHED'* && $output != *$'\033['* ]]
    printf '%s\n' '# one' 'FROM busybox' 'RUN echo before; \' '    exit 3' 'RUN true' '# six' '# seven' >Dockerfile
    run pty --size 24x100 env TERM=xterm "$HOY" build .
    [ $status = 3 ] && [[ $output == *" => ERROR [2/3] RUN "* ]] || { echo "$output"; false; }
    run "$HOY" build .
    [ $status = 3 ]
    [[ $output == *"------"$'\n'" > [2/3] RUN echo before;"*" before"$'\n'"------"* ]] || { echo "$output"; false; }
    [[ $output == *"Dockerfile:3"$'\n'"--------------------"$'\n'"   1 |     # one"$'\n'"   2 |     FROM busybox"$'\n'"   3 | >>> RUN echo before; \\"$'\n'"   4 | >>>     exit 3"$'\n'"   5 |     RUN true"$'\n'"   6 |     # six"$'\n'"--------------------"* ]] || { echo "$output"; false; }
    [[ "$(tail -1 <<<"$output")" == "ERROR: "*"returned a non-zero code: 3" ]]
    run "$HOY" build -q .
    [ $status = 3 ] && [[ $output == *" before"*"ERROR: "* && $output != *"DONE"* ]]
    say 'FROM busybox' 'RUUN x'
    run "$HOY" build .
    [ $status = 1 ] && [[ $output == *"Dockerfile:2:1: unknown instruction: RUUN"* ]]
}

@test "Dockerfiles elsewhere and from stdin, contexts from stdin, results as files, as tars, or not at all" {
    builds_from_everywhere
    results_as_files
    printf 'FROM busybox\nCOPY . /all\nRUN ls -A /all >/list\nCMD cat /list\n' | "$HOY" build -q -t stdin -f - .
    [ "$("$HOY" run --rm stdin | xargs)" = "Dockerfile a.txt big d pipe" ]
    say 'FROM scratch' 'COPY a.txt /'
    echo other >"$T/files/a.txt"
    "$HOY" build -o "$T/files" . # over what is there
    [ "$(cat "$T/files/a.txt")" = hello ] && [ -e "$T/files/deep.txt" ]
    [ "$("$HOY" build -o - . 2>/dev/null | tar -tf - | xargs)" = a.txt ]
    [ "$("$HOY" build -o type=tar . 2>/dev/null | tar -xOf - a.txt)" = hello ]
    "$HOY" build -t saved:1 -o "type=docker,dest=$T/saved.tar" .
    [ "$(tar -xOf "$T/saved.tar" manifest.json | jq -r '.[0].RepoTags[0]')" = saved:1 ]
    mkdir "$T/files/a"
    say 'FROM scratch' 'COPY a.txt /a'
    run "$HOY" build -o "$T/files" .
    [ $status = 1 ] && [[ $output == *"replace 'a'"* ]]
    for o in type=local type=nope,dest=x type=local,dest=x,mode=delete name=x 'type=image,compression=zstd'; do
        run "$HOY" build -o "$o" .
        [ $status = 1 ] && [[ $output == *"--output: "* ]] || { echo "$o $output"; false; }
    done
    run "$HOY" build -o a -o b .
    [ $status = 1 ] && [[ $output == *"several outputs"* ]]
    wait_for 5 nothing_is_left
}

@test "secrets of files and variables, the ssh agent; no process stays" {
    echo s3cret-value >"$T/sec"
    say 'FROM busybox' 'RUN --mount=type=secret,id=x rev /run/secrets/x' 'RUN --mount=type=secret,id=E rev /run/secrets/E' \
        'RUN --mount=type=secret,id=none ls /run/secrets/none || echo no-such-secret'
    E=s3cret-var run "$HOY" build --secret "id=x,src=$T/sec" --secret id=E .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *eulav-terc3s*rav-terc3s*no-such-secret* ]]
    V=another run "$HOY" build --no-cache --secret "id=x,src=$T/sec" --secret id=E,env=V .
    [[ $output == *rehtona* ]]
    rm "$T/sec"
    run grep -rq s3cret-v "$T/data" "$T/run" "$T/hoyd.log"
    [ $status = 1 ]
    run "$HOY" build --secret "id=x,src=$T/sec" .
    [ $status = 1 ] && [[ $output == *"--secret: '$T/sec': No such file"* ]]
    run "$HOY" build --secret id=x,env=NOPE .
    [ $status = 1 ] && [[ $output == *"the environment has no variable NOPE"* ]]
    run "$HOY" build --secret id=x,what=y .
    [ $status = 1 ] && [[ $output == *'unknown key "what"'* ]]
    start_agent
    say 'FROM busybox' 'RUN --mount=type=ssh stat -c "%F %a" $SSH_AUTH_SOCK' 'RUN --mount=type=ssh,id=two test -S $SSH_AUTH_SOCK'
    SSH_AUTH_SOCK=$T/agent.sock run "$HOY" build --ssh default --ssh "two=$T/agent.sock" .
    [ $status = 0 ] && [[ $output == *"socket 600"* ]] || { echo "$output"; false; }
    say 'FROM busybox' 'RUN --mount=type=ssh,required true'
    run "$HOY" build .
    [ $status = 1 ] && [[ $output == *"the client forwards no agent 'default' (--ssh)"* ]]
    touch "$T/key"
    run "$HOY" build --ssh "default=$T/key" .
    [ $status = 1 ] && [[ $output == *"keys are not read"* ]]
    SSH_AUTH_SOCK='' run "$HOY" build --ssh default .
    [ $status = 1 ] && [[ $output == *"SSH_AUTH_SOCK is not set"* ]]
    wait_for 5 nothing_is_left
    wait_for 5 no_session_is_left
}

@test "--push, --metadata-file, named images as contexts, flags that change nothing" {
    local digest
    start_debian_registry
    say 'FROM base' 'COPY a.txt /'
    "$HOY" build --push -t "$R/made:1" --metadata-file "$T/meta" --build-context base=docker-image://busybox --provenance=false \
        --sbom=false --attest type=sbom,disabled=true --builder default --isolation default --disable-content-trust=true --load .
    digest=$(jq -r '."containerimage.digest"' "$T/meta")
    [ "$(jq -r '."image.name"' "$T/meta")" = "$R/made:1" ]
    [ "$(jq -r '."containerimage.config.digest"' "$T/meta")" = "$("$HOY" inspect -f '{{.Id}}' "$R/made:1")" ]
    "$HOY" rmi "$R/made:1"
    "$HOY" pull "$R/made@$digest"
    "$HOY" build -o "type=image,\"name=$R/made:2,$R/made:3\",push=true" .  2>/dev/null && false
    "$HOY" build --build-context base=docker-image://busybox -o "type=image,\"name=$R/made:2,$R/made:3\",push=true" .
    "$HOY" rmi "$R/made:2" "$R/made:3"
    "$HOY" pull "$R/made:3"
    for flag in --push --builder=other --provenance=true --sbom=true --attest=type=sbom --isolation=hyperv --disable-content-trust=false; do
        run "$HOY" build "$flag" .
        [ $status = 1 ] || { echo "$flag: $output"; false; }
    done
    run "$HOY" build --build-context x=./d .
    [ $status != 0 ] && [[ $output == *"--build-context: the local directory './d' is not supported"* ]] || { echo "$output"; false; }
    run "$HOY" build --build-context nothing .
    [ $status = 1 ] && [[ $output == *"not of the form NAME=VALUE"* ]]
    stop_registry
    run "$HOY" build --build-context base=docker-image://busybox --push -t "$R/made:4" .
    [ $status = 1 ]
}

@test "ctrl-c ends the build and its container; no terminal is left in colours" {
    say 'FROM busybox' 'RUN echo begun; sleep 1000'
    run pty --wait-for begun --input '\x03' env TERM=xterm "$HOY" build --secret id=x,env=HOME .
    [ $status != 0 ]
    wait_for 5 nothing_is_left
    hoyd_is_alive
    wait_for 5 no_session_is_left
}

# forget_all: what the engine knows of builds.
forget_all() {
    "$HOY" images -q --filter label=cached | xargs -r "$HOY" rmi -f >/dev/null
    "$HOY" builder prune -af >/dev/null
}

@test "--cache-to and --cache-from by a registry" {
    # an engine that knows nothing runs no step; inline; what was tampered with
    local id before blob
    start_debian_registry
    say 'FROM busybox AS aside' 'RUN head -c 16 /dev/urandom >/aside' 'FROM busybox' 'LABEL cached=1' 'WORKDIR /w' 'COPY a.txt .' \
        'RUN head -c 16 /dev/urandom >b && echo step""ran' 'RUN true' 'COPY --from=aside /aside /'
    run "$HOY" build --progress plain --iidfile "$T/iid" --cache-to "type=registry,ref=$R/cache:min" --cache-to "type=registry,ref=$R/cache:max,mode=max,oci-mediatypes=true,image-manifest=true,compression=gzip" .
    [ $status = 0 ] && [[ $output == *stepran*"exporting cache to $R/cache:min"*"exporting cache to $R/cache:max"* ]] || { echo "$output"; false; }
    id=$(<"$T/iid")
    curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$R/v2/cache/manifests/max" >"$T/manifest"
    [ "$(jq -r '.config.mediaType, (.layers|length)' "$T/manifest" | xargs)" = "application/vnd.buildkit.cacheconfig.v0 6" ] || { cat "$T/manifest"; false; }
    curl -sf "http://$R/v2/cache/blobs/$(jq -r .config.digest "$T/manifest")" >"$T/config"
    jq -e '(.layers|length) == 6 and ([.layers[].parent]|any(. == -1)) and (.records|length) == 7 and all(.layers[]; .annotations.diffID)' "$T/config" || { cat "$T/config"; false; }
    forget_all
    run "$HOY" build --progress plain --iidfile "$T/iid" --cache-from "$R/cache:none" --cache-from "type=registry,ref=$R/cache:max" .
    [ $status = 0 ] && [[ $output != *stepran* && $output == *"importing cache manifest from $R/cache:none"*ERROR* ]] || { echo "$output"; false; }
    [ "$(grep -c '^#[0-9]* CACHED$' <<<"$output")" = 6 ] && [ "$(<"$T/iid")" = "$id" ] || { echo "$output"; false; }
    forget_all
    run "$HOY" build --progress plain --iidfile "$T/iid" --cache-from "$R/cache:min" --cache-to type=inline -t "$R/img" --push .
    [ $status = 0 ] && [[ $output != *stepran* ]] && [ "$(<"$T/iid")" != "$id" ] || { echo "$output"; false; }
    before=$("$HOY" inspect -f '{{json .RootFS.Layers}}' "$R/img" | jq -c '.[:-1]') # the last is of the other stage
    forget_all
    run "$HOY" build --progress plain --iidfile "$T/iid" --cache-from "$R/img" -t again .
    [ $status = 0 ] && [[ $output != *stepran* ]] && [ "$("$HOY" inspect -f '{{json .RootFS.Layers}}' again | jq -c '.[:-1]')" = "$before" ] || { echo "$output"; false; }
    forget_all
    for blob in $(jq -r '.layers[].digest' "$T/manifest"); do
        blob=$T/registry/docker/registry/v2/blobs/sha256/${blob:7:2}/${blob:7}/data
        head -c "$(stat -c %s "$blob")" /dev/urandom >"$blob"
    done
    run "$HOY" build --progress plain --cache-from "$R/cache:max" .
    [ $status = 0 ] && [[ $output == *stepran* ]] || { echo "$output"; false; }
    forget_all
}

@test "caches that are not supported are refused by name" {
    local what
    say 'FROM busybox'
    for what in type=gha type=s3,bucket=x type=azblob,name=x type=registry type=registry,ref=x,compression=zstd type=registry,ref=x,image-manifest=false \
        type=inline,mode=max type=registry,ref=x,mode=all x=y; do
        run "$HOY" build --cache-to "$what" .
        [ $status = 1 ] && [[ $output == *"--cache-to"* ]] || { echo "$what: $output"; false; }
    done
    for what in type=gha type=s3,bucket=x type=registry ref=x; do
        run "$HOY" build --cache-from "$what" .
        [ $status = 1 ] && [[ $output == *"--cache-from"* ]] || { echo "$what: $output"; false; }
    done
}
