#!/usr/bin/env bats
# Volumes: their life, what containers find in them, what survives a killed hoyd. Driven by docker's command line.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() {
    [ -n "$DOCKER" ] || skip_because no-docker-cli "the docker command line is not installed"
    stack_setup
}
teardown() {
    awk -v d="$T/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount
    stack_teardown
}

docker() { timeout 60 "$DOCKER" "$@"; }
hoy() { timeout 60 "$HOY" "$@"; }
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
message() { jq -r .message; }
volumes() { docker volume ls -q | sort | tr '\n' ' '; }
n_mounts() { grep -c . /proc/self/mountinfo; }
trash_is_empty() { [ -z "$(ls "$T/data/trash")" ]; }
is_running() { [ "$(docker inspect -f '{{.State.Running}}' "$1")" = true ]; }
has_no_containers() { [ -z "$(docker ps -aq)" ]; }

# load_data_image: an image with the volume /data, which has content of several kinds and owners.
load_data_image() {
    mkdir -p "$T/layer/data/sub"
    echo content >"$T/layer/data/file"
    ln "$T/layer/data/file" "$T/layer/data/linked"
    ln -s file "$T/layer/data/link"
    echo secret >"$T/layer/data/sub/secret"
    chmod 4750 "$T/layer/data/sub/secret"
    chmod 2770 "$T/layer/data/sub"
    mkfifo "$T/layer/data/fifo"
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.kept", b"yes")' "$T/layer/data/file"
    chown 33:44 "$T/layer/data/sub" "$T/layer/data/sub/secret"
    chown -h 55:66 "$T/layer/data/link"
    chown 11:22 "$T/layer/data"
    chmod 1751 "$T/layer/data"
    tar --xattrs --numeric-owner -C "$T/layer" -cf "$T/layer.tar" data
    "$TOP/tests/integration/make-image" -o "$T/data.tar" --name data:latest --layer-tar "$T/layer.tar" --volume /data sh
    docker load -i "$T/data.tar"
}

@test "a volume is created, listed, inspected and removed, with docker's texts" {
    [ "$(docker volume create --label a=b --label c one)" = one ]
    [ "$(docker volume create one)" = one ]
    name=$(docker volume create)
    [ ${#name} = 64 ]
    [ "$(docker volume inspect -f '{{json .Labels}} {{.Driver}} {{.Scope}} {{.Mountpoint}}' one)" = \
        "{\"a\":\"b\",\"c\":\"\"} local local $T/data/volumes/one/_data" ]
    [ "$(stat -c '%a %u:%g' "$T/data/volumes/one/_data" "$T/data/volumes/one" | tr '\n' ' ')" = "755 0:0 701 0:0 " ]
    [ "$(docker volume ls -q -f label=a=b)" = one ]
    [ "$(docker volume ls -q -f label=a=x)" = "" ]
    [ "$(docker volume ls -q -f name=on -f driver=local -f dangling=true)" = one ]
    [ "$(docker volume ls -q -f driver=other)" = "" ]
    run -1 docker volume inspect nosuch
    [[ "$output" == *"get nosuch: no such volume"* ]]
    [ "$(api DELETE /volumes/nosuch | message)" = "get nosuch: no such volume" ]
    docker volume rm -f nosuch
    [ "$(api POST /volumes/create '{"Name":"x"}' | message)" = \
        "create x: volume name is too short, names should be at least two alphanumeric characters" ]
    [[ "$(api POST /volumes/create '{"Name":"../x"}' | message)" == 'create ../x: "../x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed'* ]]
    [ "$(api POST /volumes/create '{"Name":"xx","Driver":"foo"}' | message)" = \
        'create xx: error looking up volume plugin foo: plugin "foo" not found' ]
    [ "$(api POST /volumes/create '{"Name":"xx","DriverOpts":{"foo":"1"}}' | message)" = 'create xx: invalid option: "foo"' ]
    [ "$(api POST /volumes/create '{"Name":"xx","DriverOpts":{"o":"bind"}}' | message)" = 'create xx: missing required option: "device"' ]
    docker volume rm one "$name"
    [ "$(volumes)" = "" ]
    wait_for 10 trash_is_empty
    [ -z "$(ls "$T/data/volumes")" ]
}

@test "volumes are kept, shared, read-only, and known to inspect" {
    docker run --rm --network none -v vol:/data busybox sh -c 'echo hello >/data/file'
    [ "$(docker run --rm --network none -v vol:/data busybox cat /data/file)" = hello ]
    run -1 docker run --rm --network none -v vol:/data:ro busybox touch /data/file
    run -1 docker run --rm --network none --mount type=volume,src=vol,dst=/data,readonly busybox touch /data/file
    docker create --name box --network none -v vol:/data -v "$T/missing/dir:/bind:ro" -v /anon --mount type=tmpfs,dst=/tmpfs busybox true
    [ -d "$T/missing/dir" ]
    anon=$(docker inspect box | jq -r '.[0].Mounts[] | select(.Destination == "/anon").Name')
    [ ${#anon} = 64 ]
    [ "$(docker inspect box | jq -cS '.[0].Mounts | sort_by(.Destination)')" = "$(jq -cnS --arg v "$T/data/volumes" --arg t "$T" --arg a "$anon" '[
        {Type:"volume",Name:$a,Source:($v+"/"+$a+"/_data"),Destination:"/anon",Driver:"local",Mode:"",RW:true,Propagation:""},
        {Type:"bind",Source:($t+"/missing/dir"),Destination:"/bind",Mode:"ro",RW:false,Propagation:"rprivate"},
        {Type:"volume",Name:"vol",Source:($v+"/vol/_data"),Destination:"/data",Driver:"local",Mode:"z",RW:true,Propagation:""},
        {Type:"tmpfs",Source:"",Destination:"/tmpfs",Mode:"",RW:true,Propagation:""}]')" ]
    [ "$(docker volume inspect -f '{{json .Labels}}' "$anon")" = '{"com.docker.volume.anonymous":""}' ]
    id=$(docker inspect -f '{{.Id}}' box)
    run -1 docker volume rm vol
    [[ "$output" == *"remove vol: volume is in use - [$id]"* ]]
    [ "$(docker volume ls -q -f dangling=false | sort | tr '\n' ' ')" = "$(printf '%s\n' vol "$anon" | sort | tr '\n' ' ')" ]
    docker rm -v box
    [ "$(volumes)" = "vol " ]
    docker run --rm --network none -v /anon busybox true
    wait_for 10 has_no_containers
    [ "$(volumes)" = "vol " ]
}

@test "mounts that make no sense are refused with docker's texts" {
    run -125 docker run --rm --network none --mount type=bind,src="$T/nosuch",dst=/d busybox true
    [[ "$output" == *"bind source path does not exist: $T/nosuch"* ]]
    [ ! -e "$T/nosuch" ]
    run -125 docker run --rm --network none -v aa:/d -v bb:/d busybox true
    [[ "$output" == *"Duplicate mount point: /d"* ]]
    run -125 docker run --rm --network none -v aa:/ busybox true
    [[ "$output" == *"destination can't be '/'"* ]]
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"volume","Target":"/d","ReadOnly":true}]}}' | message)" = \
        'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes' ]
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/d","VolumeOptions":{}}]}}' | message)" = \
        'invalid mount config for type "bind": field VolumeOptions must not be specified' ]
    [ "$(api POST /containers/create '{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"volume","Source":"vv","Target":"/d","VolumeOptions":{"Subpath":"../x"}}]}}' | message)" = \
        'invalid mount config for type "volume": subpath must be a relative path within the volume' ]
    run -125 docker run --rm --network none --volumes-from nosuch busybox true
    [[ "$output" == *"No such container: nosuch"* ]]
    [ "$(volumes)" = "" ]
    [ -z "$(ls "$T/data/volumes")" ]
}

@test "a new volume takes the image's content with owners, modes, links and xattrs" {
    load_data_image
    docker run --rm --network none -v vol:/data data true
    cd "$T/data/volumes/vol/_data"
    [ "$(stat -c '%a %u:%g %F' . file link sub sub/secret fifo)" = "$(cd "$T/layer/data" && stat -c '%a %u:%g %F' . file link sub sub/secret fifo)" ]
    [ "$(cat file sub/secret)" = "$(printf 'content\nsecret')" ]
    [ "$(readlink link)" = file ]
    [ "$(stat -c %i file)" = "$(stat -c %i linked)" ]
    [ "$(python3 -c 'import os; print(os.getxattr("file", "user.kept").decode())')" = yes ]
    [ "$(stat -c %Y sub)" = "$(stat -c %Y "$T/layer/data/sub")" ]
    # what a volume holds already stays as it is
    docker run --rm --network none -v old:/d busybox sh -c 'echo mine >/d/mine'
    docker run --rm --network none -v old:/data data true
    [ "$(ls "$T/data/volumes/old/_data")" = mine ]
    docker run --rm --network none -v none:/data:nocopy data true
    docker run --rm --network none --mount type=volume,src=none2,dst=/data,volume-nocopy data true
    [ -z "$(ls "$T/data/volumes/none/_data" "$T/data/volumes/none2/_data" | grep -v :)" ]
    # the image's own VOLUME
    docker run --name anon --network none data true
    name=$(docker inspect -f '{{(index .Mounts 0).Name}}' anon)
    [ "$(cat "$T/data/volumes/$name/_data/file")" = content ]
    docker rm anon
    [ "$(docker volume ls -q -f name="$name")" = "$name" ]
    docker run --rm --network none --tmpfs /data data true
    [ "$(docker volume ls -q | wc -l)" = 5 ]
}

@test "a named driver is looked up" {
    run -125 docker run --rm --network none --volume-driver foo -v vol:/d busybox true
    [[ "$output" == *'error looking up volume plugin foo: plugin "foo" not found'* ]]
    docker run --rm --network none --volume-driver local -v vol:/d busybox true
    [ "$(docker inspect -f '{{.HostConfig.VolumeDriver}}' "$(docker create --volume-driver local busybox)")" = local ]
}

@test "volumes-from takes the mounts of another container, read-only if asked" {
    docker create --name from --network none -v vol:/data -v "$T:/bind" -v /anon busybox true
    docker run --rm --network none --volumes-from from busybox sh -c 'echo 1 >/data/a; echo 2 >/anon/b; [ -e /bind/hoy.sock ]'
    run -1 docker run --rm --network none --volumes-from from:ro busybox touch /data/a
    # the container's own mounts win
    docker run --rm --network none --volumes-from from -v other:/data busybox sh -c '[ ! -e /data/a ] && [ -e /anon/b ]'
    docker create --name second --network none --volumes-from from busybox true
    docker rm -v from
    anon=$(docker inspect second | jq -r '.[0].Mounts[] | select(.Destination == "/anon").Name')
    [ "$(cat "$T/data/volumes/$anon/_data/b")" = 2 ]
    docker rm -v second
    [ "$(volumes)" = "other vol " ]
}

@test "a subpath is a directory of the volume and can't lead out of it" {
    docker run --rm --network none -v vol:/data busybox sh -c \
        'mkdir -p /data/sub/dir; echo inside >/data/sub/dir/f; ln -s /etc /data/out; ln -s ../../../../../../etc /data/up; ln -s sub /data/in'
    subpath() { docker run --rm --network none --mount "type=volume,src=vol,dst=/d,volume-subpath=$1" busybox "${@:2}"; }
    [ "$(subpath sub/dir cat /d/f)" = inside ]
    [ "$(subpath in/dir cat /d/f)" = inside ]
    run -125 subpath out ls /d
    [[ "$output" == *"cannot access path $T/data/volumes/vol/_data/out"* ]]
    run -125 subpath up ls /d
    run -125 subpath nosuch ls /d
    wait_for 10 has_no_containers
    docker run -d --name box --network none --mount type=volume,src=vol,dst=/d,volume-subpath=sub busybox sleep 100
    docker restart -t 0 box
    [ "$(docker inspect -f '{{(index .Mounts 0).Source}}' box)" = "$T/data/volumes/vol/_data" ]
}

@test "an image is mounted: read-only, whole or a path of it, for as long as the container is there" {
    before=$(n_mounts) layers=$(ls "$T/data/l")
    docker run --name make --network none busybox sh -c \
        'mkdir -p /opt/sub/gone /opt/a:b; echo one >/opt/sub/f; echo low >/opt/sub/low; echo c >/opt/a:b/c; ln -s /opt/sub /opt/in; ln -s /nowhere /opt/out'
    docker commit make layer:1
    docker run --name make2 --network none layer:1 sh -c 'rm -r /opt/sub/low /opt/sub/gone; echo two >/opt/sub/f'
    docker commit make2 tools
    docker rm make make2
    mounted() { hoy run --rm --network none --mount "type=image,src=tools,dst=/d$1" busybox "${@:2}"; }
    [ "$(mounted "" sh -c 'cat /d/opt/sub/f; ls /d/opt/sub; ls /d/etc/passwd')" = "$(printf 'two\nf\n/d/etc/passwd')" ]
    run -1 mounted "" touch /d/x
    [[ "$output" == *"Read-only file system"* ]]
    [ "$(mounted ,image-subpath=opt/in sh -c 'ls /d; cat /d/f; grep -c " /d overlay ro," /proc/mounts')" = "$(printf 'f\ntwo\n1')" ]
    [ "$(mounted ,image-subpath=opt/sub/f cat /d)" = two ]
    [ "$(mounted ,image-subpath=opt/a:b cat /d/c)" = c ]
    run -127 mounted ,image-subpath=opt/out ls /d # as docker run has it for what is not found
    [[ "$output" == *"cannot access path opt/out of image tools"* ]]
    run -125 mounted ,image-subpath=/etc/passwd cat /d
    run -125 hoy run --rm --mount type=image,src=nosuch,dst=/d busybox true
    [[ "$output" == *"mount /d: No such image: nosuch"* ]]
    wait_for 10 has_no_containers
    # it keeps its image, through restarts and a killed hoyd; nothing of it is mounted on the host
    hoy run -d --name box --network none --mount type=image,src=tools,dst=/d,image-subpath=opt/sub busybox sleep 100
    id=$(docker image inspect -f '{{.Id}}' tools)
    [ "$(docker inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Source}} {{.Destination}} {{.RW}}{{end}}' box)" = "image tools $id /d false" ]
    docker image prune -af | grep -q 'Untagged: tools' && false
    [ "$(api DELETE /images/tools | message)" = "conflict: unable to remove repository reference \"tools\" (must force) - container $(docker ps -q --filter name=box) is using its referenced image ${id:7:12}" ]
    kill_hoyd
    [ "$(n_mounts)" = "$before" ]
    start_hoyd
    [ "$(docker exec box cat /d/f)" = two ]
    docker rmi -f tools # its name goes
    docker kill box
    docker wait box
    docker rmi -f "$id"
    [ -z "$(docker images -q tools)" ]
    docker cp box:/d/f "$T/f"
    [ "$(cat "$T/f")" = two ]
    docker cp "$T/f" box:/d/g 2>/dev/null && false
    docker start box
    [ "$(docker exec box cat /d/f)" = two ]
    hoy run --rm --network none --volumes-from box busybox cat /d/f | grep -qx two
    docker rm -f box
    [ "$(n_mounts)" = "$before" ]
    wait_for 10 trash_is_empty
    [ "$(ls "$T/data/l")" = "$layers" ]
}

@test "driver options: a bind, a tmpfs shared by containers, what can't be mounted" {
    before=$(n_mounts)
    mkdir "$T/device"
    echo there >"$T/device/file"
    docker volume create -o type=none -o o=bind -o device="$T/device" bound
    [ "$(docker run --rm --network none -v bound:/d busybox cat /d/file)" = there ]
    docker volume create -o type=none -o o=bind,ro -o device="$T/device" readonly
    run -1 docker run --rm --network none -v readonly:/d busybox touch /d/x
    docker volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000,nosuid memory
    docker run -d --name one --network none -v memory:/d busybox sh -c 'echo shared >/d/f; sleep 100'
    docker run -d --name two --network none -v memory:/d busybox sleep 100
    wait_for 10 docker cp two:/d/f "$T/f"
    [ "$(cat "$T/f")" = shared ]
    [ "$(findmnt -no FSTYPE,OPTIONS "$T/data/volumes/memory/_data" | grep -c 'tmpfs.*nosuid.*size=1024k')" = 1 ]
    [ "$(stat -c %u "$T/data/volumes/memory/_data")" = 1000 ]
    kill_hoyd
    start_hoyd
    docker kill one
    [ "$(docker volume inspect -f '{{index .Options "o"}}' memory)" = size=1m,uid=1000,nosuid ]
    docker start one
    docker rm -f one two
    [ "$(n_mounts)" = "$before" ]
    docker volume create -o type=none -o o=bind -o device="$T/nosuch" missing
    run -125 docker run --rm --network none -v missing:/d busybox true
    [[ "$output" == *"error while mounting volume '$T/data/volumes/missing/_data': failed to mount local volume: mount $T/nosuch:$T/data/volumes/missing/_data, flags: 0x1000: no such file or directory"* ]] ||
        [[ "$output" == *"failed to mount local volume: mount $T/nosuch:"*"No such file or directory"* ]]
    docker volume create -o type=nosuchfs -o device=x broken
    run -125 docker run --rm --network none -v broken:/d busybox true
    [[ "$output" == *"failed to mount local volume: mount x:$T/data/volumes/broken/_data"*"No such device"* ]]
    wait_for 10 has_no_containers
    docker volume rm bound readonly memory missing broken
    [ "$(cat "$T/device/file")" = there ]
}

@test "prune takes anonymous volumes, with --all named ones, and tells the bytes" {
    docker volume create named
    docker create --name box --network none -v used:/d -v /anon busybox true
    docker run --network none --name gone -v /x busybox dd if=/dev/zero of=/x/f bs=1000 count=5
    docker rm gone
    [ "$(docker volume ls -q | wc -l)" = 4 ]
    [ "$(docker volume prune -f | tail -1)" = "Total reclaimed space: 5kB" ]
    [ "$(docker volume ls -q | wc -l)" = 3 ]
    docker volume create --label keep kept
    docker volume prune -af --filter 'label!=keep'
    [ "$(docker volume ls -q -f dangling=true)" = kept ]
    # before 1.42 there was no difference
    curl -sS --unix-socket "$T/hoy.sock" -X POST http://x/v1.41/volumes/prune | jq -c . >"$T/pruned"
    [ "$(cat "$T/pruned")" = '{"VolumesDeleted":["kept"],"SpaceReclaimed":0}' ]
    docker rm -v box
    [ "$(volumes)" = "used " ]
}

@test "events of volumes" {
    docker volume create vol
    docker run --rm --network none -v vol:/d:ro busybox true
    wait_for 10 has_no_containers
    docker volume rm vol
    docker events --since 1 --until "$(($(date +%s) + 1))" --filter type=volume --format '{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}' >"$T/events" || :
    sed 's/"container":"[0-9a-f]*"/"container":"ID"/' "$T/events" >"$T/got"
    cat >"$T/want" <<'END'
create vol {"driver":"local"}
mount vol {"container":"ID","destination":"/d","driver":"local","propagation":"","read/write":"false"}
unmount vol {"container":"ID","driver":"local"}
destroy vol {"driver":"local"}
END
    diff "$T/want" "$T/got"
}

@test "hoyd killed: volumes and their users are known again, what nobody was told of is settled" {
    docker run -d --name box --network none -v vol:/d -v /anon busybox sh -c 'echo kept >/d/f; sleep 100'
    wait_for 10 test -s "$T/data/volumes/vol/_data/f"
    kill_hoyd
    mkdir -p "$T/data/volumes/half/_data" "$T/data/volumes/full/_data"
    echo data >"$T/data/volumes/full/_data/f"
    start_hoyd
    is_running box
    [ "$(docker volume ls -q | wc -l)" = 3 ]
    [ ! -e "$T/data/volumes/half" ]
    [ "$(docker run --rm --network none -v full:/d busybox cat /d/f)" = data ]
    run -1 docker volume rm vol
    [[ "$output" == *"volume is in use"* ]]
    docker rm -fv box
    [ "$(volumes)" = "full vol " ]
}

@test "hoyd killed while a volume is filled: the start goes on with it" {
    mkdir -p "$T/layer/data"
    seq 2000 | (cd "$T/layer/data" && split -l 1 -a 4 --numeric-suffixes=1 - '')
    tar -C "$T/layer" -cf "$T/layer.tar" data
    "$TOP/tests/integration/make-image" -o "$T/data.tar" --name data:latest --layer-tar "$T/layer.tar" sh
    docker load -i "$T/data.tar"
    for i in 1 2 3; do
        docker create --name "box$i" --network none -v "vol$i:/data" data sh -c 'ls /data | wc -l' >/dev/null 2>&1 &
        client=$!
        wait_for 20 test -e "$T/data/volumes/vol$i/_data/0001"
        kill_hoyd
        wait "$client" || :
        start_hoyd
        # the row may be there or not; the volume is complete when a container starts
        docker inspect "box$i" >/dev/null 2>&1 || docker create --name "box$i" --network none -v "vol$i:/data" data sh -c 'ls /data | wc -l'
        [ "$(docker start -a "box$i")" = 2000 ]
        [ "$(find "$T/data/volumes/vol$i" -type f | wc -l)" = 2000 ]
        docker rm "box$i"
    done
}

@test "hoy volume, --mount, --volumes-from, cp and diff" {
    [ "$(hoy volume create --label a=b --driver local one)" = one ]
    hoy volume create -o type=none -o o=bind -o device="$T" bound
    [ "$(hoy volume ls -f label=a | tr -s ' ')" = "$(printf 'DRIVER VOLUME NAME\nlocal one')" ]
    [ "$(hoy volume ls -q | sort | tr '\n' ' ')" = "bound one " ]
    [ "$(hoy volume ls --format '{{.Name}} {{.Labels}}' -f name=one)" = "one a=b" ]
    [ "$(hoy volume inspect -f '{{.Mountpoint}}' one)" = "$T/data/volumes/one/_data" ]
    run -1 hoy volume inspect nosuch
    [[ "$output" == *"get nosuch: no such volume"* ]]
    run -1 hoy volume rm nosuch
    hoy volume rm -f nosuch
    hoy run --name box --network none --mount 'type=volume,"src=one",dst=/one,volume-label=x=y' -v /anon --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 \
        --volume-driver local busybox sh -c 'echo content >/one/f; echo x >/etc/new; df -k /t | grep -q 1024; stat -c %a /t'
    hoy run --rm --network none --volumes-from box:ro busybox cat /one/f
    run -125 hoy run --rm --network none --mount type=volume,src=one busybox true
    [[ "$output" == *"target is required"* ]]
    run -125 hoy run --rm --network none --mount type=bind,src=.,dst=/x,volume-nocopy busybox true
    [[ "$output" == *"cannot mix 'volume-*' options with mount type 'bind'"* ]]
    [ "$(hoy diff box)" = "$(docker diff box)" ]
    cd "$T"
    mkdir -p tree/sub
    echo deep >tree/sub/f
    ln -s sub tree/link
    hoy cp -q tree box:/root
    hoy cp -q tree/. box:/root/other
    hoy cp -a -q tree/sub/f box:/root/f
    hoy cp -q -L tree/link box:/root/followed
    [ "$(docker cp box:/root - | tar t | grep -v '^root/$' | sort | tr '\n' ' ')" = \
        "root/f root/followed/ root/followed/f root/other/ root/other/link root/other/sub/ root/other/sub/f root/tree/ root/tree/link root/tree/sub/ root/tree/sub/f " ]
    hoy cp -q box:/root/tree got
    diff -r tree got
    hoy cp -q box:/root/tree/. got2 && diff -r tree got2
    hoy cp -q box:/root/f got/into && [ "$(cat got/into)" = deep ]
    hoy cp -q box:/root/tree got && [ -d got/tree/sub ]
    [ "$(hoy cp box:/root/f - | tar -xO)" = deep ]
    tar -C tree -cf - sub | hoy cp - box:/tmp
    [ "$(hoy cp box:/tmp/sub/f - | tar -xO)" = deep ]
    run -1 hoy cp box:/nosuch .
    [[ "$output" == *"Could not find the file /nosuch in container box"* ]]
    run -1 hoy cp tree box:/root/f
    [[ "$output" == *"cannot copy directory"* ]]
    run -1 hoy cp tree/sub/f box:/root/nosuch/
    [[ "$output" == *"no such directory"* ]]
    run -1 hoy container prune <<<n
    [[ "$output" == *"This will remove all stopped containers."*"container prune has been cancelled"* ]]
    hoy container prune -f --filter label!=none | grep -q "^Deleted Containers:"
    [ "$(hoy volume prune -f | tail -1)" = "Total reclaimed space: 0B" ]
    [ "$(hoy volume ls -q | sort | tr '\n' ' ')" = "bound one " ]
    hoy volume prune -af --filter label!=keep | grep -qx one
    hoy run --network none -v /x busybox true
    hoy system prune -af --volumes >pruned
    grep -q "^Deleted Volumes:" pruned
    grep -q "^untagged: busybox:latest" pruned
    [ "$(tail -1 pruned)" != "" ]
    [ -z "$(hoy volume ls -q)$(hoy ps -aq)" ]
}

# What a second hoyd, another tar and a crash do to contents that move.
make_content() { # VOLUME
    docker volume create "$1" >/dev/null
    local d=$T/data/volumes/$1/_data
    echo content >"$d/file"
    ln "$d/file" "$d/linked"
    ln -s file "$d/link"
    mkdir "$d/sub"
    mkfifo "$d/sub/fifo"
    chmod 2750 "$d/sub"
    chown 33:44 "$d/sub" "$d/file"
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.kept", b"yes")' "$d/file"
    truncate -s 40M "$d/sparse"
    printf middle | dd of="$d/sparse" bs=1M seek=20 conv=notrunc status=none
    chmod 1777 "$d"
}
same_content() { # VOLUME VOLUME: names, kinds, owners, modes, times, links, xattrs, bytes
    local a=$T/data/volumes/$1/_data b=$T/data/volumes/$2/_data
    diff <(cd "$a" && find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %n %l %s\n' | sort) \
        <(cd "$b" && find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %n %l %s\n' | sort) &&
        [ "$(stat -c '%a %u:%g' "$a")" = "$(stat -c '%a %u:%g' "$b")" ] &&
        cmp "$a/sparse" "$b/sparse" && cmp "$a/file" "$b/file" &&
        [ "$(stat -c %i "$b/file")" = "$(stat -c %i "$b/linked")" ] &&
        [ "$(/usr/bin/python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.kept").decode())' "$b/file")" = yes ] &&
        [ "$(du -k "$b/sparse" | cut -f1)" -lt 4096 ]
}

@test "volume export, import, clone, rename: everything comes along, gaps and attributes too" {
    make_content one
    "$HOY" volume export -o "$T/one.tar" one
    [ "$(stat -c %s "$T/one.tar")" -lt 4000000 ]
    [ "$("$HOY" volume import --label a=b two "$T/one.tar")" = two ]
    same_content one two
    "$HOY" volume export one | "$HOY" volume import three
    same_content one three
    [ "$("$HOY" volume clone --label c=d one four)" = four ]
    same_content one four
    [ "$(docker volume inspect -f '{{json .Labels}}' two four | tr '\n' ' ')" = '{"a":"b"} {"c":"d"} ' ]
    gzip "$T/one.tar"
    docker volume create five
    "$HOY" volume import five "$T/one.tar.gz"
    same_content one five
    docker run --rm --network none -v five:/v busybox grep -q content /v/linked

    "$HOY" volume rename five six
    same_content one six
    [ "$(volumes)" = "four one six three two " ]
    [ "$(docker run --rm --network none -v six:/v busybox cat /v/file)" = content ]
    [ "$("$HOY" events --since 1 --until "$(date +%s)" --filter event=rename --format '{{.Actor.ID}} {{.Actor.Attributes.oldName}}')" = "six five" ]

    # what is refused changes nothing
    run -1 "$HOY" volume import six "$T/one.tar.gz"
    [[ "$output" == *"six: there is something in the volume"* ]]
    run -1 "$HOY" volume clone one six
    [[ "$output" == *"six: there is something in the volume"* ]]
    docker volume create seven
    docker create --name box --network none -v seven:/v busybox true
    run -1 "$HOY" volume import seven "$T/one.tar.gz"
    [[ "$output" == *"seven: the volume is in use"* ]]
    run -1 "$HOY" volume rename seven eight
    [[ "$output" == *"rename seven: volume is in use by containers"* ]]
    run -1 "$HOY" volume rename one two
    [[ "$output" == *"a volume named two is there already"* ]]
    run -1 "$HOY" volume clone nosuch eight
    [[ "$output" == *"get nosuch: no such volume"* ]]
    run -1 "$HOY" volume export nosuch
    [[ "$output" == *"get nosuch: no such volume"* ]]
    run -1 "$HOY" volume import eight <<<"no tar at all"
    run -1 "$HOY" volume import .x "$T/one.tar.gz"
    [[ "$output" == *"includes invalid characters"* ]]
    [ "$(volumes)" = "four one seven six three two " ]
    [ -z "$(ls -A "$T/data/volumes" | grep '^\.')" ]

    # one whose options mount something is read with it mounted
    docker volume create -o type=tmpfs -o device=tmpfs mem
    docker run -d --name holder --network none -v mem:/v busybox sh -c 'echo in memory >/v/file; sleep 300'
    wait_for 10 docker exec holder test -s /v/file
    "$HOY" volume clone mem kept
    [ "$(cat "$T/data/volumes/kept/_data/file")" = "in memory" ]
}

@test "an import that a killed hoyd did not finish leaves nothing, one that was told is there" {
    make_content one
    "$HOY" volume export -o "$T/one.tar" one
    mkfifo "$T/slow"
    "$HOY" volume import half "$T/slow" >/dev/null 2>&1 3>&- &
    import=$!
    exec 7>"$T/slow"
    head -c 6000 "$T/one.tar" >&7
    has_staging() { ls -A "$T/data/volumes" | grep -q '^\.new-'; }
    wait_for 10 has_staging
    [ "$(volumes)" = "one " ]
    kill_hoyd
    exec 7>&-
    run wait "$import"
    start_hoyd
    [ "$(volumes)" = "one " ]
    run -1 has_staging
    "$HOY" volume import done "$T/one.tar"
    kill_hoyd
    start_hoyd
    [ "$(volumes)" = "done one " ]
    same_content one done
}

@test "a removed volume is kept for a while, out of docker's sight, and can be brought back" {
    keep() { api DELETE "/volumes/$1?keep=$2"; }
    kept() { "$HOY" volume ls -q --kept | tr '\n' ' '; }
    docker volume create --label a=b one
    echo first >"$T/data/volumes/one/_data/file"
    before=$(docker volume inspect one)
    keep one 3600
    [ "$(volumes)" = "" ]
    [ "$(kept)" = "one " ]
    [ "$(api GET '/volumes?kept=1' | jq -r '.Volumes[0] | (.KeptUntil | fromdate) - (.RemovedAt | fromdate)')" = 3600 ]
    [ "$(api GET /volumes/one | message)" = "get one: no such volume" ]
    [[ "$("$HOY" system df)" == *"Removed Volumes"* ]]
    # the name is free, and what was removed last comes first
    docker volume create one
    echo second >"$T/data/volumes/one/_data/file"
    [[ "$(api POST /volumes/one/restore | message)" == "restore one: there is a volume of this name again"* ]]
    keep one 3600
    "$HOY" volume restore one
    [ "$(cat "$T/data/volumes/one/_data/file")" = second ]
    [ "$(kept)" = "one " ]
    # killed between the commit and the move, of a removal and of a restoration; and before a purged one is away
    kill_hoyd
    mkdir -p "$T/data/volumes/.kept-00/_data"
    docker_volume=$(echo "$T"/data/volumes/.kept-????*)
    mv "$T/data/volumes/one" "$T/second"
    sqlite3 "$T/data/hoy.db" "DELETE FROM volumes WHERE name = 'one'"
    mv "$docker_volume" "$T/data/volumes/one"
    start_hoyd
    [ "$(volumes)" = "" ]
    [ "$(kept)" = "one " ]
    [ ! -e "$T/data/volumes/.kept-00" ]
    [ "$("$HOY" volume restore one)" = one ]
    [ "$(cat "$T/data/volumes/one/_data/file")" = first ]
    [ "$(docker volume inspect one)" = "$before" ]
    [ "$(api POST /volumes/one/restore | message)" = "restore one: no removed volume of this name is kept" ]
    # in use; at once as docker's clients ask; its time; all that is left by prune
    docker run -d --name user -v one:/v busybox sleep 1000
    [[ "$(keep one 3600 | message)" == "remove one: volume is in use - ["* ]]
    docker rm -f user
    docker volume rm one
    [ "$(kept)" = "" ]
    for name in short long; do docker volume create $name; head -c 1000000 /dev/urandom >"$T/data/volumes/$name/_data/file"; done
    keep short 1
    keep long 3600
    short_is_over() { [ "$(kept)" = "long " ]; }
    wait_for 10 short_is_over
    [[ "$("$HOY" volume prune -f)" == *$'\nlong\n'*"Total reclaimed space: 1"* ]]
    [ "$(kept)" = "" ]
    wait_for 10 trash_is_empty
    [ -z "$(find "$T/data/volumes" -name '.kept-*')" ]
    [[ "$(keep one nonsense | message)" == "keep: 'nonsense' is no number of seconds" ]]
    [[ "$(keep one 9999999 | message)" == "keep: a removed volume is kept 2592000 seconds at most" ]]
}
