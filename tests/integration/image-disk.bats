#!/usr/bin/env bats
# How much of the disk is used: system df, by docker's command line and ours.
load lib
load stack
load image

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    stack_setup
}

teardown() { stack_teardown; }

df() { curl -s --unix-socket "$T/hoy.sock" "http://x/v1.50/system/df$1"; }

@test "disk usage: images, containers and volumes are counted, in both command lines" {
    "$MAKE_IMAGE" --name big:1 --file "/etc/data=$(head -c 50000 /dev/zero | tr '\0' x)" -o "$T/big.tar" sh
    "$HOY" load -qi "$T/big.tar"
    "$HOY" volume create kept
    "$HOY" run --name writer -v kept:/v busybox sh -c 'head -c 3000 /dev/zero >/v/file; head -c 5000 /dev/zero >/root.file'
    "$HOY" run -d --name idle busybox sleep 1000

    df >"$T/df.json"
    # the sums fit each other: what both images share is counted once
    jq -e '(.Images | length) == 2 and (.Containers | length) == 2 and .BuildCache == []' "$T/df.json"
    jq -e '[.Images[] | select(.RepoTags[0] == "busybox:latest")][0] | .Containers == 2 and .SharedSize > 0' "$T/df.json"
    jq -e '(.Images | map(.Size - .SharedSize) | add) + .Images[0].SharedSize == .LayersSize' "$T/df.json"
    on_disk=$(find "$T/data/blobs" "$T/data/l" -type f -printf '%i %s\n' | sort -u | awk '{ n += $2 } END { print n }')
    [ "$(jq .LayersSize "$T/df.json")" = "$on_disk" ]
    jq -e '.Containers[] | select(.Names[0] == "/writer") | .SizeRw == 5000 and .SizeRootFs > 5000' "$T/df.json"
    jq -e '.Volumes[] | select(.Name == "kept") | .UsageData == {"RefCount": 1, "Size": 3000}' "$T/df.json"

    for client in docker "$HOY"; do
        run timeout 30 "$client" system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
        [ "$output" = $'Images 2 1\nContainers 2 1\nLocal Volumes 1 1\nBuild Cache 0 0' ]
        run timeout 30 "$client" system df --format '{{.Type}} {{.Size}} {{.Reclaimable}}'
        [[ "${lines[1]}" = "Containers 5kB 5kB (100%)" && "${lines[2]}" = "Local Volumes 3kB 0B (0%)" ]]
    done
}

@test "disk usage: -v says the same as docker's command line" {
    "$HOY" tag busybox other:2
    "$HOY" volume create kept
    "$HOY" create --name one -v kept:/v -v /anonymous busybox true
    for client in docker "$HOY"; do
        timeout 30 "$client" system df -v | sed "s/^Build cache usage:.*/Build cache/; s/Less than a second ago/now/; s/[0-9]* seconds* ago/now/; s/About a minute ago/now/; s/  *now  */ now /" >"$T/$(basename "$client").txt"
        timeout 30 "$client" system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}};{{end}}{{len .BuildCache}}' \
            >"$T/$(basename "$client").volumes"
    done
    cat "$T/hoy.txt"
    diff -w "$T/docker.txt" "$T/hoy.txt"
    [ "$(cat "$T/docker.volumes")" = "$(cat "$T/hoy.volumes")" ]
}

@test "disk usage: only the kinds that are asked for; unknown ones are refused" {
    df '?type=volume&type=build-cache' | jq -e '.Images == null and .Containers == null and .Volumes == [] and .BuildCache == []'
    df '?type=image' | jq -e '(.Images | length) == 1 and .Volumes == null and .BuildCache == null'
    df '?type=nothing' | jq -e '.message == "unknown object type: nothing"'
    curl -s --unix-socket "$T/hoy.sock" 'http://x/v1.50/images/json?shared-size=1' | jq -e '.[0].SharedSize == 0'
}

@test "disk usage: many containers are measured, more than one request holds" {
    for i in $(seq 1 250); do printf '{"Image":"busybox"}' >"$T/body"; echo "url = http://x/containers/create?name=c$i"; echo 'data = @'"$T/body"; echo next; done | sed '$d' >"$T/curl"
    sed 's/^next$/&\nheader = "Content-Type: application\/json"\nunix-socket = "'"${T//\//\\/}"'\/hoy.sock"/' "$T/curl" |
        sed '1i header = "Content-Type: application/json"\nunix-socket = "'"$T"'/hoy.sock"' >"$T/curl.all"
    curl -sS -K "$T/curl.all" >"$T/created"
    df '?type=container' | jq -e '.Containers | length == 250'
}
