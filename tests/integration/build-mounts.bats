#!/usr/bin/env bats
# RUN --mount: caches, files of the context, tmpfs; heredocs that are programs.
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

say() { printf '%s\n' "$@" >Dockerfile; }

@test "a cache is there for the next build, and not in the image" {
    say 'FROM busybox' 'ARG N' 'RUN --mount=type=cache,target=/c,mode=750,uid=7 cat /c/seen >/before || :; echo $N >>/c/seen' \
        'RUN --mount=type=cache,id=/c,target=/other cat /other/seen >/shared && stat -c "%u %a" /other >>/shared'
    "$HOY" build -q -t one --build-arg N=1 .
    "$HOY" build -q -t two --build-arg N=2 .
    [ "$("$HOY" run --rm two cat /before)" = 1 ]
    [ "$("$HOY" run --rm two cat /shared)" = $'1\n2\n7 750' ]
    [ -z "$("$HOY" run --rm two ls /c)" ]
    "$HOY" builder prune -af
    [ -z "$(ls "$T/data/build-mounts")" ]
    "$HOY" build -q -t three --build-arg N=3 .
    [ -z "$("$HOY" run --rm three cat /before)" ]
}

@test "a bind shows the context, read only; its content is in the key" {
    say 'FROM busybox' 'WORKDIR /w' \
        'RUN --mount=target=/ctx --mount=type=bind,source=d/x,target=in cat /ctx/a.txt in >/out && ! echo y 2>/dev/null >/ctx/new'
    "$HOY" build -q -t one .
    [ "$("$HOY" run --rm one cat /out)" = $'hello\nx' ]
    run "$HOY" build .
    [[ $output == *CACHED*CACHED* ]] || { echo "$output"; false; }
    echo z >d/x
    "$HOY" build -q -t one .
    [ "$("$HOY" run --rm one cat /out)" = $'hello\nz' ]
    [ ! -e new ]
    ln -s /etc/passwd evil
    say 'FROM busybox' 'RUN --mount=source=evil,target=/in cat /in'
    run "$HOY" build .
    [ $status != 0 ]
    [[ $output == *"/evil\": not found"* ]] || { echo "$output"; false; }
    say 'FROM busybox' 'RUN --mount=source=none,target=/in cat /in'
    run "$HOY" build .
    [ $status != 0 ]
    [[ $output == *"'none': not found in the build context"* ]] || { echo "$output"; false; }
}

@test "tmpfs, secrets that nobody gives, and programs as heredocs" {
    say 'FROM busybox' 'ARG WHO=me' 'RUN --mount=type=tmpfs,target=/t,size=1m grep " /t tmpfs" /proc/mounts >/out && echo x >/t/x' \
        'RUN --mount=type=secret,id=none ls /run/secrets/none 2>/dev/null || echo none >>/out' \
        'RUN <<EOF' '#!/bin/busybox sh' 'echo "$0 $WHO" >>/out' 'EOF' 'RUN <<-EOT' $'\techo plain >>/out' $'\tEOT'
    run "$HOY" build -t one .
    [ $status = 0 ] || { echo "$output"; false; }
    run "$HOY" run --rm one cat /out
    [[ ${lines[0]} == *size=1024k* ]] || { echo "$output"; false; }
    [ "${lines[*]:1}" = "none /dev/pipes/EOF me plain" ] || { echo "$output"; false; }
    [ -z "$("$HOY" run --rm one ls /t)" ]
    [ -z "$(ls "$T/data/l" | grep tmp)" ]
    say 'FROM busybox' 'RUN --mount=type=secret,id=tok,required cat /run/secrets/tok'
    run "$HOY" build .
    [ $status != 0 ]
    [[ $output == *"the client gives no secret 'tok'"* ]] || { echo "$output"; false; }
}

@test "a locked cache is used by one build at a time" {
    local first second
    say 'FROM busybox' 'ARG N' 'RUN --mount=type=cache,target=/c,sharing=locked mkdir /c/lock && sleep 2 && rmdir /c/lock && echo $N >>/c/log'
    "$HOY" build -q --build-arg N=1 . >"$T/first" 2>&1 3>&- &
    first=$!
    "$HOY" build --build-arg N=2 . >"$T/second" 2>&1 3>&- &
    second=$!
    wait "$first" || { cat "$T/first"; false; }
    wait "$second" || { cat "$T/second"; false; }
    [ "$(cat "$T"/data/build-mounts/*/log | sort | xargs)" = "1 2" ]
    hoyd_is_alive
}
