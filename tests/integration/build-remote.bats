#!/usr/bin/env bats
# What builds take from the network: files by URL, git repositories, contexts. Servers are on loopback.
load lib
load stack

setup_file() {
    load lib
    load stack
    stack_setup
    mkdir "$T/www" "$T/git"
    start_server
    start_git
    export T HOYD_PID DOCKER_HOST DOCKER_CONFIG SERVER_PID GIT_PID S G
}
teardown_file() {
    kill "$SERVER_PID" "$GIT_PID" 2>/dev/null
    stack_teardown
}
setup() {
    mkdir "$T/ctx"
    cd "$T/ctx"
    : >"$T/log"
}
teardown() {
    cd /
    rm -rf "$T/ctx"
    chmod -R u+w "$T/www"
    find "$T/www" -mindepth 1 -delete
}

start_server() {
    "$TOP/tests/integration/file-server" "$T/www" "$T/port" "$T/log" 3>&- &
    SERVER_PID=$!
    wait_for 20 test -s "$T/port"
    S=http://127.0.0.1:$(<"$T/port")
}
git() { command git -c user.name=me -c user.email=me@example -c init.defaultBranch=main -c protocol.file.allow=always "$@"; }
# A repository with a branch, an annotated tag, a directory, a link that leads out, and a submodule.
start_git() {
    git init -q "$T/git/sub"
    (cd "$T/git/sub" && echo inner >inner && git add . && git commit -qm one)
    git init -q "$T/git/repo.git"
    (
        cd "$T/git/repo.git"
        mkdir d
        echo one >file
        echo deep >d/deep
        ln -s /etc/passwd d/out
        printf 'FROM busybox\nCOPY . /all\nCMD cat /all/file\n' >Dockerfile
        printf 'FROM busybox\nCOPY . /all\nCMD cat /all/deep\n' >d/Dockerfile
        git add . && git commit -qm one && git tag -am tagged v1
        git checkout -qb other
        echo two >file
        git submodule -q add ../sub sub && git add . && git commit -qm two
        git checkout -q main
    ) 2>/dev/null
    G=git://127.0.0.1:9418/repo.git
    /usr/lib/git-core/git-daemon --listen=127.0.0.1 --export-all --reuseaddr --base-path="$T/git" "$T/git" >"$T/git.log" 2>&1 3>&- &
    GIT_PID=$!
    wait_for 20 git ls-remote -q git://127.0.0.1:9418/repo.git
}

say() { printf '%s\n' "$@" >Dockerfile; }
nothing_is_left() { [ -z "$("$HOY" ps -aq)" ] && [ -z "$(ls "$T/data/tmp")" ] && ! ls "$T/data/l" | grep tmp; }
asked() { cut -d' ' -f1 "$T/log" | xargs; }
# fails TEXT: the build does, and says it
fails() {
    run "$HOY" build .
    [ $status != 0 ] && [[ $output == *"$1"* ]] || { echo "$output"; false; }
    wait_for 5 nothing_is_left
}

@test "ADD of a URL: name, mode, time and owner; what the server says is unchanged does not come again" {
    echo content >"$T/www/a b.txt"
    echo "Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT" >"$T/www/a b.txt.headers"
    echo named >"$T/www/index"
    echo 'Content-Disposition: attachment; filename="its name"' >"$T/www/index.headers"
    touch "$T/www/index.plain"
    say 'FROM busybox' "ADD $S/a%20b.txt?query=1 $S/ /in/" "ADD --chown=7:8 --chmod=640 $S/a%20b.txt /as" \
        'RUN stat -c "%n %a %u:%g %Y" /in/* /as; cat "/in/its name"'
    run "$HOY" build -t one .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *"/in/a b.txt 600 0:0 1640995200"*"/in/its name 600 0:0 0"*"/as 640 7:8 1640995200"*named* ]] || { echo "$output"; false; }
    : >"$T/log"
    run "$HOY" build .
    [ "$(grep -c CACHED <<<"$output")" = 3 ] || { echo "$output"; false; }
    [ "$(asked)" = "304 200 304" ]
    # in another place: known, but needed
    : >"$T/log"
    say 'FROM busybox' "ADD $S/a%20b.txt /other"
    "$HOY" build -q . >/dev/null
    [ "$(asked)" = "304 200" ] || [ "$(asked)" = "200" ]
    echo other >"$T/www/a b.txt"
    say 'FROM busybox' "ADD $S/a%20b.txt /in/" 'CMD cat /in/*'
    "$HOY" build -q -t one . >/dev/null
    [ "$("$HOY" run --rm one)" = other ]
    wait_for 5 nothing_is_left
}

@test "ADD: what a URL names is unpacked when it is asked for, and has the checksum that is said" {
    mkdir x && echo in >x/y
    tar -czf "$T/www/x.tgz" x
    rm -r x
    sum=$(sha256sum "$T/www/x.tgz" | cut -d' ' -f1)
    echo "/x.tgz" >"$T/www/elsewhere.moved"
    say 'FROM busybox' "ADD $S/x.tgz /kept/" "ADD --unpack $S/x.tgz /un/" "ADD --checksum=sha256:$sum $S/elsewhere /moved" \
        'RUN find /kept /un | sort | xargs; tar -tzf /moved'
    run "$HOY" build .
    [ $status = 0 ] && [[ $output == *"/kept /kept/x.tgz /un /un/x /un/x/y"*x/y* ]] || { echo "$output"; false; }
    say 'FROM busybox' "ADD --checksum=sha256:${sum//[0-9]/0} $S/x.tgz /"
    fails "digest mismatch for '$S/x.tgz': it is sha256:$sum, expected sha256:${sum//[0-9]/0}"
    say 'FROM busybox' "ADD --checksum=md5:1 $S/x.tgz /"
    fails "invalid checksum 'md5:1': it should be sha256: and 64 hex digits"
    say 'FROM busybox' "ADD $S/none /"
    fails "ADD failed: Get \"$S/none\": the server answered with status 404"
    say 'FROM busybox' "ADD $S/ /dir/"
    echo x >"$T/www/index"
    fails "says no file name, and neither does the server"
    say 'FROM busybox' "ADD $S/index /file" 'CMD cat /file'
    "$HOY" build -q -t file . >/dev/null
    [ "$("$HOY" run --rm file)" = x ]
}

@test "credentials in an ADD's URL are used, and stand nowhere: neither shown, nor in history, nor on disk" {
    local with=${S/:\/\//:\/\/me:s3cret@}
    echo x >"$T/www/index"
    say 'FROM busybox' "ADD $with/index /file"
    run "$HOY" build --progress plain -t secretive .
    [ $status = 0 ] && [[ $output == *"ADD ${S/:\/\//:\/\/xxxxx@}/index /file"* && $output != *s3cret* ]] || { echo "$output"; false; }
    run "$HOY" history --no-trunc secretive
    [[ $output == *xxxxx@* && $output != *s3cret* ]] || { echo "$output"; false; }
    run curl -sS --unix-socket "$T/hoy.sock" -X POST -H 'Content-Type: application/x-tar' --data-binary @<(tar -c Dockerfile) http://h/build
    [[ $output == *"Using cache"* && $output != *s3cret* ]] || { echo "$output"; false; }
    say 'FROM busybox' "ADD $with/none /file"
    run "$HOY" build .
    [ $status != 0 ] && [[ $output == *"xxxxx@"*"status 404"* && $output != *s3cret* ]] || { echo "$output"; false; }
    run "$HOY" build "$with/none"
    [ $status != 0 ] && [[ $output != *s3cret* ]] || { echo "$output"; false; }
    rm Dockerfile
    run grep -rlE 's3cret|bWU6czNjcmV0' "$T/data" "$T/run" "$T/hoyd.log"
    [ $status = 1 ] || { echo "$output"; false; }
}

@test "ADD of a git repository: branch, tag, commit, directory, submodules, its history, the commit as checksum" {
    local one two
    one=$(git -C "$T/git/repo.git" rev-parse main) two=$(git -C "$T/git/repo.git" rev-parse other)
    say 'FROM busybox' "ADD $G /main" "ADD $G#other /other" "ADD $G#v1:d /tag" "ADD $G#$one /commit" \
        "ADD --keep-git-dir --checksum=${two:0:12} $G#refs/heads/other /whole" \
        'RUN for d in main other tag commit; do (cd /$d && find . | sort | xargs); done; cat /main/file /other/file /other/sub/inner; ls -a /whole; stat -c "%a %u:%g" /main /main/file'
    run "$HOY" build .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *". ./Dockerfile ./d ./d/Dockerfile ./d/deep ./d/out ./file"* ]] || { echo "$output"; false; }
    [[ $output == *"./.gitmodules ./Dockerfile ./d ./d/Dockerfile ./d/deep ./d/out ./file ./sub ./sub/inner"* ]] || { echo "$output"; false; }
    [[ $output == *". ./Dockerfile ./deep ./out"*" one"*" two"*" inner"*.git*"755 0:0"*"644 0:0"* ]] || { echo "$output"; false; }
    run "$HOY" build .
    [ "$(grep -c CACHED <<<"$output")" = 6 ] || { echo "$output"; false; }
    say 'FROM busybox' "ADD $G#nowhere /x"
    fails "the repository '$G' has no branch or tag 'nowhere'"
    say 'FROM busybox' "ADD $G#main:none /x"
    fails "has no directory 'none'"
    say 'FROM busybox' "ADD --checksum=$two $G /x"
    fails "the commit of '$G' is $one, and not $two"
    say 'FROM busybox' "ADD git@127.0.0.1:x.git /x"
    fails "git over ssh is not supported by this version of Hoy"
}

# build_at URL [QUERY]: by the API; the answer's text
build_at() { curl -sS --unix-socket "$T/hoy.sock" -X POST "http://h/build?t=remote&remote=$(jq -rn --arg u "$1" '$u|@uri')${2:+&$2}" >"$T/answer"; jq -rj '.stream // .error // .message // ""' "$T/answer"; }

@test "hoy build takes its context from a URL or a repository" {
    "$HOY" build -q -t one "$G" >/dev/null
    [ "$("$HOY" run --rm one)" = one ]
    "$HOY" build -q -t deep "$G#v1:d" >/dev/null
    [ "$("$HOY" run --rm deep)" = deep ]
    printf 'FROM busybox\nMAINTAINER somebody\nCMD echo of-the-url\n' >"$T/www/Dockerfile"
    run "$HOY" build -t url "$S/Dockerfile"
    [ $status = 0 ] && [[ $output == *warnings:*" - MaintainerDeprecated: "*"(line 2)"* ]] || { echo "$output"; false; }
    [ "$("$HOY" run --rm url)" = of-the-url ]
    run "$HOY" build --progress rawjson "$S/Dockerfile"
    [ "$(jq -r '.warnings[]?.short | @base64d' <<<"$output" | grep -c MaintainerDeprecated)" = 1 ] || { echo "$output"; false; }
    run "$HOY" build -f - "$S/Dockerfile"
    [ $status != 0 ] && [[ $output == *"a Dockerfile on stdin for the build context '$S/Dockerfile' is not supported"* ]]
    wait_for 5 nothing_is_left
}

@test "the context is an archive, a Dockerfile or a repository somewhere else" {
    mkdir d
    echo far >d/f
    echo no >d/ignored
    echo ignored >.dockerignore
    printf 'FROM busybox\nCOPY . /all\nCMD cat /all/d/f && ls /all\n' >Dockerfile
    sed -i 's,ignored,d/ignored,' .dockerignore
    tar -czf "$T/www/ctx" .
    printf 'FROM busybox\nCMD echo alone\n' >"$T/www/Just"
    run build_at "$S/ctx"
    [[ $output == *"Successfully tagged remote:latest"* ]] || { echo "$output"; false; }
    [ "$("$HOY" run --rm remote | xargs)" = "far Dockerfile d" ]
    run build_at "$S/Just"
    [ "$("$HOY" run --rm remote)" = alone ] || { echo "$output"; false; }
    run build_at "$G"
    [ "$("$HOY" run --rm remote)" = one ] || { echo "$output"; false; }
    run build_at "$G#other:d"
    [ "$("$HOY" run --rm remote)" = deep ] || { echo "$output"; false; }
    run build_at "$G#v1" dockerfile=d/Dockerfile
    [ "$("$HOY" run --rm remote ls /all | xargs)" = "Dockerfile d file" ] || { echo "$output"; false; }
    run build_at "$S/none"
    [[ $output == *"load the remote build context: Get \"$S/none\": the server answered with status 404"* ]] || { echo "$output"; false; }
    run build_at "nonsense"
    [[ $output == *"'nonsense' is no remote build context"* ]]
    wait_for 5 nothing_is_left
}

@test "buildx: contexts from elsewhere, named ones from directories, URLs and repositories" {
    local docker
    docker=$(find_buildx_docker)
    [ -n "$docker" ] || skip_because no-buildx "docker's client with buildx is not here"
    export BUILDKIT_PROGRESS=plain
    mkdir more more/d
    echo more >more/d/x
    echo skipped >more/y
    echo y >more/.dockerignore
    (cd more && tar -cf "$T/www/more.tar" d)
    say 'FROM busybox' 'COPY --from=files . /files' 'COPY --from=repo d/deep /deep' 'COPY --from=tar more.tar /tar' \
        'RUN --mount=from=files,source=d,target=/m cat /m/x' 'RUN find /files | sort | xargs; cat /deep; tar -tf /tar'
    run "$docker" build --build-context files=more --build-context "repo=$G" --build-context "tar=$S/more.tar" .
    [ $status = 0 ] || { echo "$output"; false; }
    [[ $output == *" more"*"/files /files/.dockerignore /files/d /files/d/x"*deep*"d/x"* ]] || { echo "$output"; false; }
    run "$docker" build --build-context files=more --build-context "repo=$G" --build-context "tar=$S/more.tar" .
    [ "$(grep -c CACHED <<<"$output")" = 5 ] || { echo "$output"; false; }
    say 'FROM files' 'RUN true'
    run "$docker" build --build-context files=more .
    [ $status != 0 ] && [[ $output == *"FROM the build context 'files', which is no image, is not supported"* ]] || { echo "$output"; false; }
    "$docker" build -q -t remote "$G#v1:d"
    [ "$("$HOY" run --rm remote)" = deep ]
    printf 'FROM busybox\nCMD echo alone\n' >"$T/www/Just"
    "$docker" build -q -t remote "$S/Just"
    [ "$("$HOY" run --rm remote)" = alone ]
    wait_for 5 nothing_is_left
}

@test "docker's client of BuildKit's sessions builds from a repository" {
    local docker
    docker=$(find_session_docker)
    [ -n "$docker" ] || skip_because no-docker-cli "docker's client of BuildKit's first API is not here"
    DOCKER_BUILDKIT=1 "$docker" build -q -t remote "$G#main:d"
    [ "$("$HOY" run --rm remote)" = deep ]
    wait_for 5 nothing_is_left
}
