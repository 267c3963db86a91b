#!/usr/bin/env bats
# Secrets and configs without a swarm: the API, the commands, what containers get, what is on the disk.
bats_require_minimum_version 1.5.0
load lib
load stack

setup_file() { # one daemon for all tests but those that end it
    export T
    require_root
    make_test_dir
    start_hoyd
    load_busybox
    export HOYD_PID DOCKER_HOST DOCKER_CONFIG
}
teardown_file() { # the last test has started another hoyd
    HOYD_PID=$(cat "$T/hoyd.pid")
    stack_teardown
}
teardown() {
    "$HOY" ps -aq | xargs -r timeout 60 "$HOY" rm -f >/dev/null
    "$HOY" secret ls -q | xargs -r "$HOY" secret rm >/dev/null
    "$HOY" config ls -q | xargs -r "$HOY" config rm >/dev/null
}

api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
status() { # METHOD PATH [BODY]
    curl -sS --max-time 20 -o "$T/answer" -w '%{http_code}' --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" \
        -H 'Content-Type: application/json' ${3:+-d "$3"}
}
message() { jq -r .message "$T/answer"; }
run_box() { "$HOY" run --rm --network none "$@"; }
store_holds() { grep -aqF "$1" "$T"/data/hoy.db*; }

@test "the API: create, look, labels, remove, with the texts of a swarm manager" {
    for kind in secret config; do
        [ "$(status POST /${kind}s/create '{"Name":"one","Labels":{"a":"b"},"Data":"aGVsbG8="}')" = 201 ]
        id=$(jq -r .ID "$T/answer")
        [[ "$id" =~ ^[0-9a-z]{25}$ ]]
        [ "$(status POST /${kind}s/create '{"Name":"one","Data":"aGVsbG8="}')" = 409 ]
        [ "$(message)" = "$kind one already exists" ]
        [ "$(status POST /${kind}s/create '{"Name":"-x","Data":"aGVsbG8="}')" = 400 ]
        [[ "$(message)" == "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed"* ]]
        [ "$(status POST /${kind}s/create '{"Name":"two"}')" = 400 ]
        [[ "$(message)" == "$kind data must be larger than 0 and less than "* ]]
        [ "$(status POST /${kind}s/create '{"Name":"two","Data":"%"}')" = 400 ]
        [ "$(status POST /${kind}s/create '{"Name":"two","Data":"aGVsbG8=","Templating":{"Name":"golang"}}')" = 501 ]
        [ "$(api POST /${kind}s/create '{"Name":"two","Data":"aGVsbG8="}' | jq 'keys == ["ID"]')" = true ]

        [ "$(api GET "/${kind}s" | jq -r '[.[].Spec.Name] | join(" ")')" = "one two" ]
        for filter in '{"name":["on"]}' '{"names":["one"]}' '{"label":["a=b"]}' '{"label":["a"]}' "{\"id\":[\"${id:0:8}\"]}"; do
            [ "$(curl -sS -G --unix-socket "$T/hoy.sock" "http://x/v1.50/${kind}s" --data-urlencode "filters=$filter" |
                jq -r '[.[].Spec.Name] | join(" ")')" = one ]
        done
        for ref in one "$id" "${id:0:10}"; do
            [ "$(api GET "/${kind}s/$ref" | jq -r '.ID + .Spec.Name + .Spec.Labels.a + (.Version.Index | tostring)')" = "${id}oneb1" ]
        done
        [ "$(api GET /${kind}s/one | jq '(.CreatedAt == .UpdatedAt) and (.CreatedAt | test("^20.*Z$"))')" = true ]
        [ "$(status GET /${kind}s/nosuch)" = 404 ]
        [ "$(message)" = "$kind nosuch not found" ]

        [ "$(status POST "/${kind}s/one/update?version=1" '{"Name":"one","Labels":{"c":"d"}}')" = 200 ]
        [ "$(api GET /${kind}s/one | jq -c '[.Spec.Labels, .Version.Index]')" = '[{"c":"d"},2]' ]
        [ "$(status POST "/${kind}s/one/update?version=1" '{"Name":"one","Labels":{}}')" = 409 ]
        [ "$(message)" = "update out of sequence" ]
        [ "$(status POST "/${kind}s/one/update?version=2" '{"Name":"other"}')" = 400 ]
        [ "$(message)" = "only updates to Labels are allowed" ]
        [ "$(status POST "/${kind}s/one/update" '{"Name":"one"}')" = 400 ]
        [ "$(status DELETE /${kind}s/one)" = 204 ]
        [ "$(status DELETE /${kind}s/one)" = 404 ]
    done
    [ "$(api GET /configs/two | jq -r .Spec.Data)" = aGVsbG8= ]
    [ "$(api GET /secrets/two | jq '.Spec | has("Data")')" = false ]
    [ "$("$HOY" events --since 1 --until "$(date +%s)" --filter type=secret --format '{{.Action}} {{.Actor.Attributes.name}}' |
        head -4 | tr '\n' ' ')" = "create one create two update one remove one " ]
}

@test "hoy secret and hoy config" {
    echo content >"$T/file"
    id=$("$HOY" secret create -l a=b -l c pass "$T/file")
    [ ${#id} = 25 ]
    printf piped | "$HOY" secret create piped -
    printf piped | "$HOY" secret create piped2
    "$HOY" config create -l x=y conf "$T/file"
    [ "$("$HOY" secret ls --format '{{.Name}} {{.Labels}} {{.Label "a"}}|{{.Driver}}' -f name=pass)" = "pass a=b,c= b|" ]
    [[ "$("$HOY" secret ls)" =~ ^ID\ +NAME\ +DRIVER\ +CREATED\ +UPDATED ]]
    [[ "$("$HOY" config ls)" =~ ^ID\ +NAME\ +CREATED\ +UPDATED.*conf ]]
    [ "$("$HOY" secret ls -q -f label=a=b)" = "$id" ]
    [ "$("$HOY" config ls --format json -f name=co | jq -r .Name)" = conf ]
    [ -z "$("$HOY" config ls -q -f name=nosuch)" ]
    [ "$("$HOY" secret inspect -f '{{.Spec.Name}} {{index .Spec.Labels "a"}}' pass)" = "pass b" ]
    [ "$("$HOY" config inspect --format '{{.Spec.Data}}' conf)" = "$(base64 <"$T/file")" ]
    [ "$("$HOY" inspect --type config -f '{{.Spec.Name}}' conf)" = conf ]
    [[ "$("$HOY" secret inspect --pretty pass)" == *"Name:"*pass*" - a=b"* ]]
    [[ "$("$HOY" config inspect --pretty conf)" == *Data:*content* ]]
    [ "$("$HOY" __complete secret rm pi | cut -f1 | tr '\n' ' ')" = "piped piped2 " ]
    [ "$("$HOY" __complete config inspect '' | cut -f1)" = conf ]
    run -1 "$HOY" secret create --driver vault x
    [[ "$output" == *"Driver: not supported"* ]]
    run -1 "$HOY" secret create --template-driver golang x "$T/file"
    [[ "$output" == *"Templating: not supported"* ]]
    run -1 "$HOY" config create --template-driver golang x "$T/file"
    [[ "$output" == *"Templating: not supported"* ]]
    run -1 "$HOY" secret create pass "$T/file"
    [[ "$output" == *"secret pass already exists"* ]]
    run -1 "$HOY" secret create big /dev/zero
    head -c 512001 /dev/zero >"$T/big"
    run -1 "$HOY" secret create big "$T/big"
    [[ "$output" == *"less than 512000 bytes"* ]]
    [ "$("$HOY" secret rm piped piped2 | tr '\n' ' ')" = "piped piped2 " ]
    run -1 "$HOY" secret rm piped
    [[ "$output" == *"secret piped not found"* ]]
}

@test "files of secrets and configs: their places, owners, modes; in memory, read-only" {
    printf s3cret | "$HOY" secret create pass -
    head -c 400000 /dev/urandom >"$T/large"
    "$HOY" secret create large "$T/large"
    printf 'a=b\n' | "$HOY" config create conf -
    "$HOY" create --name box --network none --secret pass --secret source=pass,target=other,uid=33,gid=44,mode=0400 \
        --secret large,target=/etc/deep/er/key --config conf --config conf,target=/etc/app.conf,mode=0640 \
        busybox sleep 300
    "$HOY" start box
    inside() { "$HOY" exec box "$@"; }
    [ "$(inside cat /run/secrets/pass /run/secrets/other /conf /etc/app.conf)" = "$(printf 's3crets3creta=b\na=b')" ]
    [ "$(inside stat -c '%a %u:%g' /run/secrets/pass /run/secrets/other /conf /etc/app.conf | tr '\n' ' ')" = \
        "444 0:0 400 33:44 444 0:0 640 0:0 " ]
    [ "$(inside sha256sum /etc/deep/er/key | cut -d' ' -f1)" = "$(sha256sum <"$T/large" | cut -d' ' -f1)" ]
    [ "$(inside awk '$5 == "/run/secrets/pass"' /proc/self/mountinfo | tail -1 | sed 's/.* - \([a-z]*\).*/\1/')" = tmpfs ]
    [ "$(inside grep -c ' / / rw.*tmpfs' /proc/self/mountinfo)" = 0 ]
    run -1 inside sh -c 'echo x >/run/secrets/pass'
    [[ "$output" == *"Read-only file system"* ]]
    [ "$(inside ls /run/secrets | tr '\n' ' ')" = "other pass " ]

    # what others see: a reference, never a content
    [ "$("$HOY" inspect -f '{{(index .HostConfig.Secrets 0).SecretName}} {{(index .HostConfig.Configs 0).ConfigName}}' box)" = "pass conf" ]
    run -1 grep -rqF s3cret <("$HOY" inspect box) "$T/run" "$T/data/containers"
    run -1 store_holds s3cret
    store_holds 'a=b'
    [ "$(stat -c '%a %s' "$T/data/secrets.key")" = "400 32" ]
    "$HOY" cp box:/run/secrets/pass - | tar -xO | grep -qx s3cret
    run -1 "$HOY" secret rm pass
    [[ "$output" == *"secret 'pass' is in use by the following container: box"* ]]
    run -1 "$HOY" config rm conf
    [[ "$output" == *"config 'conf' is in use by the following container: box"* ]]

    # again after a restart, for another user, on a read-only root
    "$HOY" restart -t 0 box
    [ "$(inside cat /run/secrets/pass)" = s3cret ]
    [ "$(run_box --read-only --user 33 --secret pass,uid=33,mode=0400 busybox cat /run/secrets/pass)" = s3cret ]
    [ "$(run_box --tmpfs /run --secret pass busybox cat /run/secrets/pass)" = s3cret ]
}

@test "secrets: what is refused, and a start that fails leaves nothing" {
    printf s3cret | "$HOY" secret create pass -
    run -125 run_box --secret nosuch busybox true
    [[ "$output" == *"secret not found: nosuch"* ]]
    run -125 run_box --config pass busybox true
    [[ "$output" == *"config not found: pass"* ]]
    run -125 run_box --secret pass,mode=0999 busybox true
    [[ "$output" == *"invalid value for mode"* ]]
    run -125 run_box --secret pass,type=env busybox true
    [[ "$output" == *"as a variable it would be seen"* ]]
    run -125 run_box --secret pass,uid=nobody busybox true
    [[ "$output" == *"'nobody' is no number of a user or group"* ]]
    run -125 run_box --secret pass --secret pass,target=/run/secrets/pass busybox true
    [[ "$output" == *"Duplicate mount point: /run/secrets/pass"* ]]
    run -125 run_box --secret pass,color=red busybox true
    [[ "$output" == *"unexpected key 'color'"* ]]
    [ "$(status POST /containers/create '{"Image":"busybox","HostConfig":{"Secrets":[{"File":{"Name":"x"}}]}}')" = 400 ]
    [ "$(status POST /containers/create '{"Image":"busybox","HostConfig":{"Secrets":[{"Data":"eA=="}]}}')" = 400 ]
    [ "$(status POST /containers/create '{"Image":"busybox","HostConfig":{"Secrets":[{"SecretName":"pass","File":{"Mode":2541}}]}}')" = 400 ]

    "$HOY" create --name box --network none --secret pass busybox true
    mv "$T/data/secrets.key" "$T/key"
    run -1 "$HOY" start box
    [[ "$output" == *"the key of the secrets, '$T/data/secrets.key', is gone"* ]]
    head -c 32 /dev/zero >"$T/data/secrets.key"
    run -1 "$HOY" start box
    [[ "$output" == *"secret 'pass': its content was sealed with another key, or is damaged"* ]]
    mv -f "$T/key" "$T/data/secrets.key"
    "$HOY" start -a box
    [ -z "$(ls "$T/run/c")" ]
}

@test "a content of the container's own goes with it, and is never told" {
    body='{"Image":"busybox","Cmd":["sleep","300"],"HostConfig":{"NetworkMode":"none","Secrets":[{"File":{"Name":"own","UID":"7","Mode":256},"Data":"czNjcmV0MQ=="}],"Configs":[{"File":{"Name":"/etc/own"},"Data":"cGxhaW4x"},{"File":{"Name":"/empty"},"Data":""}]}}'
    [ "$(status POST "/containers/create?name=box" "$body")" = 201 ]
    "$HOY" start box
    [ "$("$HOY" exec box cat /run/secrets/own /etc/own /empty)" = s3cret1plain1 ]
    [ "$("$HOY" exec box stat -c '%a %u' /run/secrets/own)" = "400 7" ]
    run -1 grep -rqE 's3cret1|czNjcmV0MQ|cGxhaW4x' <("$HOY" inspect box) "$T/run" "$T/data/containers"
    run -1 store_holds s3cret1
    [ -z "$("$HOY" secret ls -q)$("$HOY" config ls -q)" ]
    [ "$(sqlite3 "$T/data/hoy.db" 'select count(*) from secrets')" = 3 ]
    # nobody can name another's, or say that one that is not his own is
    id=$("$HOY" inspect -f '{{(index .HostConfig.Secrets 0).SecretID}}' box)
    [ "$(status POST /containers/create "{\"Image\":\"busybox\",\"HostConfig\":{\"Secrets\":[{\"SecretID\":\"$id\",\"Own\":true,\"File\":{\"Name\":\"x\"}}]}}")" = 400 ]
    [ "$(status GET "/secrets/$id")" = 404 ]
    "$HOY" rm -f box
    [ "$(sqlite3 "$T/data/hoy.db" 'select count(*) from secrets')" = 0 ]
    # a request that fails behind the sealing leaves none
    [ "$(status POST "/containers/create?name=!" "$body")" = 400 ]
    [ "$(sqlite3 "$T/data/hoy.db" 'select count(*) from secrets')" = 0 ]
}

@test "secrets and the files in running containers survive a killed hoyd; what a crash left is swept" {
    printf s3cret | "$HOY" secret create pass -
    "$HOY" run -d --name box --network none --secret pass busybox sleep 300
    kill_hoyd
    sqlite3 "$T/data/hoy.db" "insert into secrets values ('left', 0, null, null, x'00', 1, 1, 1)"
    start_hoyd
    [ "$("$HOY" exec box cat /run/secrets/pass)" = s3cret ]
    [ "$("$HOY" secret ls --format '{{.Name}}')" = pass ]
    [ "$(sqlite3 "$T/data/hoy.db" 'select count(*) from secrets')" = 1 ]
    "$HOY" restart -t 0 box
    [ "$("$HOY" exec box cat /run/secrets/pass)" = s3cret ]
}
