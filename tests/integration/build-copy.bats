#!/usr/bin/env bats
# COPY and ADD: what they take, what it becomes, with all flags.
load lib
load stack

setup_file() {
    stack_setup
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG
}
teardown_file() { stack_teardown; }
setup() {
    mkdir "$T/ctx"
    cd "$T/ctx"
    mkdir -p src/x/y src/node_modules/m
    for f in src/a.txt src/x/b.txt src/x/y/c.txt src/x/b.md src/node_modules/m/i.js home.txt home.md homer; do echo "$f" >$f; done
}
teardown() { cd /; rm -rf "$T/ctx"; }

# make LINE...: an image `c` with the lines after FROM busybox; its files are printed by `in_it`
make() { printf '%s\n' 'FROM busybox' "$@" | "$HOY" build -q -t c -f - . >"$T/out" 2>&1 || { cat "$T/out"; return 1; }; }
in_it() { "$HOY" run --rm c sh -c "$1"; }

@test "--exclude leaves out, by name and below directories" {
    make 'COPY --exclude=*.txt --exclude=*.md hom* /some/' 'COPY --exclude=node_modules --exclude=**/*.md src /src/' \
        'COPY --exclude=x/** --exclude=!x/y/c.txt src /back/'
    [ "$(in_it 'ls /some')" = homer ]
    [ "$(in_it 'cd /src; find . -type f | sort | xargs')" = "./a.txt ./x/b.txt ./x/y/c.txt" ]
    [ "$(in_it 'cd /back; find . -type f | sort | xargs')" = "./a.txt ./node_modules/m/i.js ./x/y/c.txt" ]
    echo other >src/node_modules/m/i.js
    run bash -c "printf 'FROM busybox\nCOPY --exclude=node_modules --exclude=**/*.md src /src/\n' | '$HOY' build -f - ."
    printf 'FROM busybox\nCOPY --exclude=node_modules src /src/\n' | "$HOY" build -f - . >/dev/null
    echo again >src/node_modules/m/i.js
    run bash -c "printf 'FROM busybox\nCOPY --exclude=node_modules src /src/\n' | '$HOY' build -f - ."
    [[ $output == *CACHED* ]] || { echo "$output"; false; }
}

@test "--parents keeps directories, from a pivot on, and ** goes deep" {
    chmod 700 src/x
    make 'COPY --parents ./src/a.txt src/x/y /p/' 'COPY --parents ./src/./x/*.txt /q/' 'COPY --parents src/**/*.txt /r' \
        'COPY --parents --exclude=src/x/y src/x /s/'
    [ "$(in_it 'cd /p; find . -type f | sort | xargs')" = "./src/a.txt ./src/x/y/c.txt" ]
    [ "$(in_it 'cd /q; find . -type f | xargs')" = ./x/b.txt ]
    [ "$(in_it 'cd /r; find . -type f | sort | xargs')" = "./src/a.txt ./src/x/b.txt ./src/x/y/c.txt" ]
    [ "$(in_it 'cd /s; find . | sort | xargs')" = ". ./src ./src/x ./src/x/b.md ./src/x/b.txt" ]
    [ "$(in_it 'stat -c %a /p/src /p/src/x /q/x /r/src/x /s/src/x | xargs')" = "755 700 700 700 700" ]
}

@test "--chmod is octal or symbolic" {
    chmod 640 src/a.txt
    chmod 755 homer
    make 'COPY --chmod=u=rwX,go=rX src /m' 'COPY --chmod=+x src/a.txt /plus' 'COPY --chmod=go-rwx homer /less' \
        'COPY --chmod=4711 homer /oct' 'ARG M=a=r' 'COPY --chmod=$M homer /arg' 'ADD --chmod=o+t,g=u homer /copy'
    [ "$(in_it 'stat -c %a /m /m/x /m/a.txt /plus /less /oct /arg /copy | xargs')" = "755 755 644 751 700 4711 444 1775" ]
    run make 'COPY --chmod=u+q homer /x'
    [ $status != 0 ] && [[ $output == *"invalid chmod parameter: 'u+q'"* ]]
}

@test "--link does not follow links of the image, all else does" {
    mkdir d
    echo linked >d/f
    printf '%s\n' 'FROM busybox' 'RUN mkdir /real && ln -s real /ln && ln -s real /ln2' 'COPY d /ln/' 'COPY --link d /ln2/' |
        "$HOY" build -q -t c -f - .
    [ "$(in_it 'cat /real/f; test -L /ln && echo is-link; test -L /ln2 || echo is-dir; cat /ln2/f; ls /bin/sh')" = $'linked\nis-link\nis-dir\nlinked\n/bin/sh' ]
}

@test "COPY --from a stage keeps owners, --chown changes them, an image is a source too" {
    printf '%s\n' 'FROM busybox AS b' 'RUN mkdir /o && touch /o/f && chown -R 7:8 /o' 'FROM busybox' 'COPY --from=b /o /kept' \
        'COPY --from=b --chown=3 /o /given' 'COPY --from=busybox /bin/busybox /other' 'COPY --from=0 /o/f /one' |
        "$HOY" build -q -t c -f - .
    run in_it "stat -c %u:%g /kept/f /given /given/f /one | xargs"
    [ "$output" = "7:8 3:3 3:3 7:8" ] || { echo "$output"; false; }
    in_it 'test -x /other'
}
