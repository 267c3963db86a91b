#!/usr/bin/env bats
# tcp:// addresses of hoyd, plain and with TLS, and hoy behind them; docker's own client on the same ones.
bats_require_minimum_version 1.5.0
load lib
load stack

setup_file() {
    require_root
    export BATS_CERTS=$BATS_FILE_TMPDIR
    cd "$BATS_CERTS"
    authority ca
    authority other
    certificate server ca "subjectAltName=DNS:engine.test,IP:127.0.0.1"
    certificate cert ca "extendedKeyUsage=clientAuth"
    certificate stranger other "extendedKeyUsage=clientAuth"
    mv cert.key key.pem
}

authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

certificate() { # NAME AUTHORITY EXTENSION
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -extfile <(echo "$3") -out "$1.pem" 2>/dev/null
}

setup() {
    make_test_dir
    CERTS=$BATS_CERTS
    unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_TLS
}
teardown() { stack_teardown; }

hoy() { timeout 60 "$HOY" "$@"; }
with_tls() {
    start_hoyd -H tcp://127.0.0.1:2376 --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/server.pem" \
        --tlskey "$CERTS/server.key" "$@"
    load_busybox
}
tls_is_gone() { [ -z "$(pgrep -f "hoy-tls serve $T/")" ]; }

@test "TLS with clients' certificates: hoy, docker, and who has none" {
    with_tls
    for client in "$HOY" docker; do
        export DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$CERTS
        [ "$(timeout 60 "$client" run --rm --network none busybox echo through)" = through ]
        [ "$(echo word | timeout 60 "$client" run -i --rm --network none busybox cat)" = word ]
        # More than any buffer, both ways.
        [ "$(head -c 3000000 /dev/zero | timeout 60 "$client" run -i --rm --network none busybox cat | wc -c)" = 3000000 ]
        run timeout 60 "$client" run --rm --network none busybox sh -c 'exit 7'
        [ "$status" = 7 ]
        unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH
        timeout 60 "$client" --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" ps
        # A context that holds the certificates.
        (
            unset DOCKER_HOST
            timeout 60 "$client" context create "by-${client##*/}" --docker "host=tcp://127.0.0.1:2376,ca=$CERTS/ca.pem,cert=$CERTS/cert.pem,key=$CERTS/key.pem"
            for each in "$HOY" docker; do timeout 60 "$each" --context "by-${client##*/}" ps -q; done
            timeout 60 "$client" context create "other-${client##*/}" --docker "host=tcp://127.0.0.1:2376,ca=$CERTS/other.pem,cert=$CERTS/cert.pem,key=$CERTS/key.pem"
            run ! timeout 60 "$client" --context "other-${client##*/}" ps -q
            "$HOY" context update "other-${client##*/}" --docker "host=tcp://127.0.0.1:2376,skip-tls-verify=true"
            timeout 60 "$client" --context "other-${client##*/}" ps -q
        )
        # Without a certificate, with another authority's, without TLS.
        run ! timeout 20 "$client" --tls ps
        run ! timeout 20 "$client" --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/stranger.pem" --tlskey "$CERTS/stranger.key" ps
        run ! timeout 20 "$client" ps
        run ! timeout 20 "$client" --tlsverify --tlscacert "$CERTS/other.pem" --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" ps
    done
    [[ "$output" == *"certificate"* ]]
}

@test "the name must be the certificate's" {
    with_tls
    run hoy -H tcp://localhost:2376 --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" ps
    [ "$status" = 1 ]
    [[ "$output" == *"certificate"*"mismatch"* ]]
    hoy -H tcp://localhost:2376 --tls --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" ps
    run hoy -H tcp://localhost:2376 --tls --tlscert "$T/none.pem" ps
    [[ "$output" == *"TLS: '$T/none.pem': No such file"* ]]
}

@test "connections outlive a killed hoyd, and its address is free for the next" {
    with_tls
    remote() { hoy -H tcp://127.0.0.1:2376 --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/cert.pem" --tlskey "$CERTS/key.pem" "$@"; }
    hoy create -i --name web --network none busybox sh -c 'echo begun; while [ ! -e /go ]; do usleep 50000; done; echo went on; sleep 1000'
    remote start -a web >"$T/out" 2>/dev/null 3>&- &
    wait_for 20 grep -q begun "$T/out"
    kill_hoyd
    start_hoyd -H tcp://127.0.0.1:2376 --tlsverify --tlscacert "$CERTS/ca.pem" --tlscert "$CERTS/server.pem" --tlskey "$CERTS/server.key"
    remote exec web touch /go
    wait_for 20 grep -q 'went on' "$T/out"
    remote rm -f web
    stop_hoyd
    wait_for 20 tls_is_gone
}

@test "plain TCP is served when that was said" {
    run "$HOYD" --validate -H tcp://127.0.0.1:2375
    [ "$status" = 1 ]
    [[ "$output" == *"say --tls=false"* ]]
    start_hoyd -H tcp://127.0.0.1:2375 --tls=false
    load_busybox
    [ "$(hoy -H tcp://127.0.0.1:2375 run --rm --network none busybox echo plainly)" = plainly ]
    [ "$(docker -H tcp://127.0.0.1:2375 run --rm --network none busybox echo plainly)" = plainly ]
    [ "$(echo word | docker -H tcp://127.0.0.1:2375 run -i --rm --network none busybox cat)" = word ]
    grep -q 'without protection' "$T/hoyd.log"
}

@test "settings of TCP that can't be are told at the start" {
    refused() { # TEXT ARGUMENT...
        local text=$1
        shift
        run "$HOYD" --validate "$@"
        [ "$status" = 1 ] && [[ "$output" == *"$text"* ]] || { echo "$output"; return 1; }
    }
    refused "TLS needs --tlscert and --tlskey" -H tcp://127.0.0.1:2376 --tls
    refused "--tlsverify needs --tlscacert" -H tcp://127.0.0.1:2376 --tlsverify --tlscert x --tlskey y
    refused "invalid bind address (tcp://127.0.0.1:x)" -H tcp://127.0.0.1:x --tls=false
    refused "a path makes no sense" -H tcp://127.0.0.1:1/x --tls=false
    echo '{"hosts": ["tcp://127.0.0.1:2376"], "tls": true, "tlscert": "'"$T"'/none", "tlskey": "'"$T"'/none"}' >"$T/daemon.json"
    "$HOYD" --validate --config-file "$T/daemon.json"
    run "$HOYD" --config-file "$T/daemon.json" --data-root "$T/data" --exec-root "$T/run"
    [ "$status" = 1 ]
    [[ "$output" == *"hoyd: TLS: hoy-tls: $T/none"* ]]
}
