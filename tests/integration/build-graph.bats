#!/usr/bin/env bats
# Builds as a graph: what runs at once, what runs once, what is mounted from elsewhere.
load lib
load stack

setup_file() {
    load lib
    load stack
    stack_setup
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG
}
teardown_file() { stack_teardown; }
setup() {
    mkdir "$T/ctx"
    cd "$T/ctx"
    mkdir d
    echo x >d/x
}
teardown() { cd /; rm -rf "$T/ctx"; }

say() { printf '%s\n' "$@" >Dockerfile; }
says() { printf '%s\n' "$@" | "$HOY" build -q -t c -f - .; }
in_it() { "$HOY" run --rm c sh -c "$1"; }
# meet ME OTHER: the shell's part of a RUN that ends when both have come
meet() { echo "touch /c/$1; n=0; until [ -e /c/$2 ] || [ \$n = 600 ]; do sleep 0.1; n=\$((n + 1)); done; [ -e /c/$2 ]"; }
MOUNT=--mount=type=cache,target=/c,id=

@test "independent stages run at the same time, what they say stands with its step" {
    say 'FROM busybox AS a' "RUN ${MOUNT}1 echo in-a; $(meet a b)" 'RUN echo a-done' \
        'FROM busybox AS b' "RUN ${MOUNT}1 echo in-b; $(meet b a)" 'FROM busybox' 'COPY --from=a /etc /a' 'COPY --from=b /etc /b'
    run "$HOY" build -t both .
    [ $status = 0 ] || { echo "$output"; false; }
    for says in 'a 2/3:in-a' 'a 3/3:a-done' 'b 2/2:in-b'; do
        n=$(sed -n "s,^\(#[0-9]*\) \[${says%:*}\] .*,\1,p" <<<"$output" | sort -u)
        grep -Eq "^$n [0-9.]+ ${says#*:}\$" <<<"$output" || { echo "$says: $output"; false; }
    done
    [[ $output != *"clipped"* ]]
}

@test "a stage that nobody needs does not run, the first failure ends the others and shows its output" {
    say 'FROM busybox AS unused' 'RUN echo never; exit 1' 'FROM busybox AS slow' 'RUN echo slow; sleep 100' 'FROM busybox AS bad' \
        'RUN echo why; exit 7' 'FROM busybox' 'COPY --from=slow /etc /a' 'COPY --from=bad /etc /b'
    run timeout 60 "$HOY" build .
    [ $status = 7 ] || { echo "$output"; false; }
    [[ $output == *slow*why*"The command '/bin/sh -c echo why; exit 7' returned a non-zero code: 7"* && $output != *never* ]] ||
        { echo "$output"; false; }
    no_container() { [ -z "$("$HOY" ps -aq)" ]; }
    wait_for 20 no_container
}

@test "what two builds have in common runs once" {
    local first second
    say 'FROM busybox' "RUN ${MOUNT}2 echo run >>/c/log; sleep 2; cat /proc/sys/kernel/random/uuid >/id" 'ARG N' 'RUN echo $N >/n'
    "$HOY" build -q --build-arg N=1 -t one . >"$T/first" 2>&1 3>&- &
    first=$!
    "$HOY" build -q --build-arg N=2 -t two . >"$T/second" 2>&1 3>&- &
    second=$!
    wait "$first" || { cat "$T/first"; false; }
    wait "$second" || { cat "$T/second"; false; }
    [ "$("$HOY" run --rm one cat /id /n | head -1)" = "$("$HOY" run --rm two cat /id /n | head -1)" ]
    [ "$("$HOY" run --rm two cat /n)" = 2 ]
    says 'FROM busybox' "RUN ${MOUNT}2 cp /c/log /log"
    [ "$(in_it 'cat /log')" = run ]
}

@test "the one that makes it goes away, the other makes it itself" {
    local first
    say 'FROM busybox' "RUN ${MOUNT}3 if mkdir /c/first; then sleep 100; fi; echo there >/made"
    "$HOY" build . >"$T/first" 2>&1 3>&- &
    first=$!
    is_running() { [ -n "$("$HOY" ps -q)" ]; }
    wait_for 30 is_running
    began() { ls "$T"/data/build-mounts/*/first; }
    wait_for 30 began
    "$HOY" build -q -t c . >"$T/second" 2>&1 3>&- &
    sleep 0.5
    kill "$first"
    wait "$first" || :
    wait $! || { cat "$T/second"; false; }
    [ "$(in_it 'cat /made')" = there ]
}

@test "a mount from a stage, an image, or to be written to" {
    ln -s d/x link
    says 'FROM busybox AS b' 'RUN mkdir -p /o/p && echo deep >/o/p/q && chown -R 5:6 /o && ln -s o/p /ln' 'FROM busybox' \
        'RUN --mount=from=b,source=/o,target=/m cat /m/p/q >/r1; stat -c %u:%g /m/p/q >>/r1; ! touch /m/new 2>/dev/null' \
        'RUN --mount=from=b,source=/ln/q,target=/f cat /f >/r2' 'RUN --mount=from=busybox,target=/all ls /all/bin/sh >/r3' \
        'RUN --mount=target=/ctx,rw echo changed >/ctx/d/x && cat /ctx/d/x >/r4' 'RUN --mount=target=/ctx cat /ctx/d/x >/r5' \
        'RUN --mount=source=link,target=/l cat /l >/r6' \
        'RUN --mount=type=cache,target=/k,id=seed,from=b,source=/o,uid=9 cat /k/p/q >/r7; stat -c %u /k >>/r7; echo more >/k/p/q' \
        'RUN --mount=type=cache,target=/k,id=seed,from=b,source=/o cat /k/p/q >/r8' \
        'RUN --mount=type=bind,target=/e,from=scratch ls -A /e >/r9'
    [ "$(in_it 'cat /r?' | xargs)" = "deep 5:6 deep /all/bin/sh changed x x deep 9 more" ] || { in_it 'cat /r?'; false; }
    run says 'FROM busybox AS b' 'FROM busybox' 'RUN --mount=from=b,source=/nope,target=/m true'
    [ $status != 0 ]
    [[ $output == *"RUN --mount=type=bind,source=/nope"*"not found"* ]] || { echo "$output"; false; }
    [ -z "$(ls "$T/data/l" | grep tmp)" ]
}

@test "what comes of a stage is in the key" {
    local out
    for out in one two; do
        says 'FROM busybox AS b' "RUN echo $out >/o" 'FROM busybox' 'RUN --mount=from=b,target=/m cat /m/o >/r'
        [ "$(in_it 'cat /r')" = $out ]
    done
}
