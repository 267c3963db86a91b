#!/usr/bin/env bats
# cp, diff and the archive endpoints: docker's rules, in running and stopped containers, and what a hostile container tries.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    stack_setup
    cd "$T"
}
teardown() {
    cd /
    stack_teardown
}

docker() { timeout 60 "$DOCKER" "$@"; }
archive() { # METHOD CONTAINER PATH [CURL-OPTION...]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50/containers/$2/archive?path=$3" "${@:4}"
}
run_box() { docker run -d --name box --network none "$@" busybox sh -c 'trap exit TERM; while :; do sleep 0.2; done'; }
n_mounts() { grep -c . /proc/self/mountinfo; }

@test "cp to a container and from it, running and stopped: files, directories, names" {
    run_box
    mkdir -p dir/sub
    echo one >dir/one
    echo two >dir/sub/two
    ln -s one dir/link
    chmod 640 dir/one
    for state in running stopped; do
        docker cp dir/one "box:/root/$state"
        docker cp dir "box:/root/$state-dir"
        docker cp dir/. "box:/tmp/$state/" 2>/dev/null || { docker cp dir "box:/tmp/$state"; }
        docker cp dir box:/tmp
        docker cp "box:/root/$state" got
        [ "$(cat got)" = one ]
        [ "$(stat -c %a got)" = 640 ]
        docker cp "box:/root/$state-dir" got-dir
        diff -r dir got-dir
        [ "$(readlink got-dir/link)" = one ]
        mkdir into
        docker cp box:/tmp/dir into
        diff -r dir into/dir
        docker cp box:/tmp/dir/. into
        [ "$(cat into/sub/two)" = two ]
        docker cp - "box:/root/$state-dir" < <(tar -C dir -cf - --transform s/one/three/ one)
        [ "$(docker cp "box:/root/$state-dir/three" - | tar -xO)" = one ]
        rm -rf got got-dir into
        docker stop -t 2 box
    done
    docker cp dir/one box:/created
    docker create --name new --network none busybox cat /file
    docker cp dir/one new:/file
    [ "$(docker start -a new)" = one ]
}

@test "cp: what does not fit is refused in docker's words" {
    run_box
    mkdir dir
    echo file >file
    docker cp file box:/root/file
    docker cp dir box:/root/dir
    run -1 docker cp file box:/root/nosuch/
    [[ "$output" == *"no such directory"* ]]
    run -1 docker cp file box:/nosuch/file
    [[ "$output" == *"Could not find the file /nosuch in container box"* ]]
    run -1 docker cp box:/nosuch .
    [[ "$output" == *"Could not find the file /nosuch in container box"* ]]
    run -1 docker cp dir box:/root/file
    [[ "$output" == *"cannot copy directory"* ]]
    run -1 docker cp box:/root/file/ .
    run -1 docker cp nosuch:/file .
    [[ "$output" == *"No such container: nosuch"* ]]
    tar -cf t.tar --transform s/file/dir/ file
    [ "$(archive PUT box '/root&noOverwriteDirNonDir=1' --data-binary @t.tar | jq -r .message)" = \
        'entry '"'dir'"': cannot overwrite directory "/dir" with non-directory "/dir"' ]
    [ "$(archive PUT box /root/file --data-binary @t.tar | jq -r .message)" = 'extraction point is not a directory' ]
    [ "$(archive PUT box '' --data-binary @t.tar | jq -r .message)" = 'missing or empty value for "path"' ]
    head -c 1000 /dev/urandom >noise
    [[ "$(archive PUT box /root --data-binary @noise | jq -r .message)" == "not a tar archive" ]]
}

@test "cp sees volumes, binds and tmpfs as the container does, and what is read-only" {
    mkdir bind
    echo bound >bind/f
    run_box -v vol:/vol -v "$T/bind:/bind:ro" --tmpfs /tmpfs
    echo new >new
    docker cp new box:/vol/new
    [ "$(cat "$T/data/volumes/vol/_data/new")" = new ]
    docker cp new box:/tmpfs/new
    [ "$(docker cp box:/tmpfs/new - | tar -xO)" = new ]
    [ "$(docker cp box:/bind/f - | tar -xO)" = bound ]
    run -1 docker cp new box:/bind/
    [[ "$output" == *"mounted volume is marked read-only"* ]]
    docker stop -t 2 box
    [ "$(docker cp box:/bind/f - | tar -xO)" = bound ]
    [ "$(docker cp box:/vol/new - | tar -xO)" = new ]
    docker cp new box:/vol/newer
    [ "$(cat "$T/data/volumes/vol/_data/newer")" = new ]
    run -1 docker cp new box:/bind/
    [[ "$output" == *"mounted volume is marked read-only"* ]]
    docker create --name ro --network none --read-only -v vol:/vol busybox true
    run -1 docker cp new ro:/root/
    [[ "$output" == *"container rootfs is marked read-only"* ]]
    [ "$(archive PUT ro /root --data-binary @/dev/null -o /dev/null -w '%{http_code}')" = 403 ]
    docker run -d --name roo --network none --read-only -v vol:/vol busybox sleep 100
    run -1 docker cp new roo:/root/
    [[ "$output" == *"container rootfs is marked read-only"* ]]
    docker cp new roo:/vol/third
    [ "$(cat "$T/data/volumes/vol/_data/third")" = new ]
}

@test "the archive endpoints speak docker's language" {
    run_box
    echo 1234 >file
    chmod 4751 file
    docker cp file box:/root/file
    docker cp - box:/root < <(ln -s /root/file link && tar -cf - link)
    stat_of() { archive HEAD box "$1" -I -o head && sed -n 's/^X-Docker-Container-Path-Stat: //Ip' head | tr -d '\r' | base64 -d; }
    [ "$(stat_of /root/file | jq -c '[.name, .size, .mode, .linkTarget]')" = '["file",5,8389097,""]' ]
    [ "$(stat_of /root/link | jq -c '[.name, .mode, .linkTarget]')" = '["link",134218239,"/root/file"]' ]
    [ "$(stat_of / | jq -c '[.name, .mode]')" = '["/",2147484141]' ]
    [ "$(stat_of /dev/null | jq -c '[.name, .mode]')" = '["null",69206454]' ]
    [ "$(stat_of /root/. | jq -r .name)" = . ]
    [ "$(stat_of /root/file | jq -r .mtime | cut -c1-4)" = "$(date +%Y)" ]
    [ "$(archive HEAD box /nosuch -I -o /dev/null -w '%{http_code}')" = 404 ]
    archive GET box /root -D head -o root.tar
    grep -qi '^Content-Type: application/x-tar' head
    [ "$(tar tf root.tar | tr '\n' ' ')" = "root/ root/file root/link " ]
    [ "$(archive GET box /root/. | tar t | tr '\n' ' ')" = "./ ./file ./link " ]
    [ "$(archive GET box /root/link | tar tv | sed 's/.* link/link/')" = "link -> /root/file" ]
    tar -czf t.tgz file
    [ "$(archive PUT box /tmp --data-binary @t.tgz -o /dev/null -w '%{http_code}')" = 200 ]
    [ "$(archive GET box /tmp/file | tar -xO)" = 1234 ]
    # owners: as in the archive, or the container's user
    tar --owner 12 --group 34 -cf owned.tar file
    archive PUT box /tmp --data-binary @owned.tar
    [ "$(archive GET box /tmp/file | tar tv --numeric-owner | awk '{ print $2 }')" = 12/34 ]
    docker create --name user --network none --user 77:88 busybox true
    archive PUT user '/tmp&copyUIDGID=1' --data-binary @owned.tar
    [ "$(archive GET user /tmp/file | tar tv --numeric-owner | awk '{ print $2 }')" = 77/88 ]
}

@test "kinds of files and attributes come through" {
    docker create --name box --network none busybox true
    mkdir tree
    echo x >tree/file
    ln tree/file tree/hard
    ln -s nowhere tree/dangling
    mkfifo tree/fifo
    mknod tree/null c 1 3
    python3 -c 'import os; os.setxattr("tree/file", "user.mark", b"yes")'
    touch -d '2001-02-03 04:05:06' tree/file
    printf 'x%.0s' $(seq 200) | xargs -I{} touch tree/{}
    truncate -s 1M tree/sparse
    echo w >tree/.wh.file
    tar --xattrs -cf - tree | docker cp - box:/root
    docker cp box:/root/tree - | tar --xattrs --xattrs-include='user.*' -xf - --transform s/tree/got/
    [ "$(cd got && stat -c '%n %a %F %t:%T %h' -- * .wh.*)" = "$(cd tree && stat -c '%n %a %F %t:%T %h' -- * .wh.*)" ]
    [ "$(stat -c %Y got/file)" = "$(stat -c %Y tree/file)" ]
    [ "$(python3 -c 'import os; print(os.getxattr("got/file", "user.mark").decode())')" = yes ]
    [ "$(readlink got/dangling)" = nowhere ]
    cmp got/sparse tree/sparse
}

@test "diff tells what was added, changed and deleted" {
    run_box -v vol:/vol
    [ "$(docker diff box)" = "A /vol" ]
    docker cp - box:/ < <(mkdir -p root/new etc && echo x >root/new/file && echo hosts >etc/passwd && tar -cf - root/new etc/passwd)
    docker rm -f box
    docker run --name box --network none busybox sh -c \
        'rm /etc/group; echo x >>/etc/passwd; mkdir -p /root/new/dir; touch /root/new/dir/f; rmdir /tmp; mkdir /tmp; echo >/var' || :
    docker diff box | sort >got
    grep -qx 'D /etc/group' got
    grep -qx 'C /etc/passwd' got
    grep -qx 'C /etc' got
    grep -qx 'A /root/new/dir/f' got
    grep -qx 'C /root' got
    run -1 grep -E 'hosts|resolv|proc|/dev' got
    kill_hoyd
    start_hoyd
    docker diff box | sort | diff got -
}
