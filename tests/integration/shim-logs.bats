# Logs: the formats that the shim writes itself, rotation and compression, what a slow receiver does to the container, and
# hoy-log's drivers.
load shim

setup() {
    shim_setup
    bundle_config "$B" '.root.readonly = false'
    start_shim
}

teardown() {
    [ -z "${receiver:-}" ] || kill "$receiver" || :
    shim_teardown
}

# receive ARGUMENTS...: a receiver in the background, whose output is $T/received.
receive() {
    /usr/bin/python3 "$TOP/tests/integration/shim-receiver.py" "$@" >"$T/received" 3>&- 4>&- &
    receiver=$!
}

port() {
    wait_for 5 grep -q ^port "$T/received"
    sed -n 's/^port //p' "$T/received"
}

run_task() { # STDIO-URI: the container, to its end.
    create_task "stdout=$1" "stderr=$1"
    task Start
    task Wait
}

driver() { # OPTIONS: the URI of hoy-log
    echo "binary://$HOY_BUILD/hoy-log?$1"
}

# received_n COUNT
received_n() {
    [ "$(grep -vc '^port\|^chunks' "$T/received")" -ge "$1" ]
}

@test "local: frames, both streams, a long line in parts" {
    sh_in 'echo out; echo err >&2; head -c 20000 /dev/zero | tr "\0" x; echo; printf end'
    run_task "local://$T/l.log"
    /usr/bin/python3 "$TOP/tests/integration/shim-receiver.py" local "$T/l.log" >"$T/entries"
    [ "$(grep -c '' "$T/entries")" = 5 ]
    grep -qx 'stdout out' "$T/entries"
    grep -qx 'stderr err' "$T/entries"
    [ "$(grep '^stdout partial' "$T/entries" | wc -c)" = $((16384 + 16)) ]
    [ "$(tail -n 1 "$T/entries")" = 'stdout end' ]
}

@test "rotated logs are compressed, and nothing is lost on the way" {
    sh_in 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'
    run_task "local://$T/l.log?max-size=20000&max-file=50"
    compressed() { ! ls "$T" | grep -E 'l\.log\.[0-9]+$|tmp'; }
    wait_for 5 compressed
    [ "$(ls "$T"/l.log.*.gz | wc -l)" -ge 1 ] # more, if the compressor was quick
    [ "$(stat -c %a "$T/l.log.1.gz")" = 640 ]
    /usr/bin/python3 "$TOP/tests/integration/shim-receiver.py" local $(ls "$T"/l.log.*.gz | sort -t. -k3 -nr) "$T/l.log" |
        sed 's/^stdout //' >"$T/lines"
    cmp "$T/lines" <(seq -f 'line %g' 0 2999)
}

@test "compressed json-file" {
    sh_in 'i=0; while [ $i -lt 600 ]; do echo line $i; i=$((i+1)); done'
    run_task "json-file://$T/log?max-size=20000&max-file=9&compress=true"
    done_compressing() { [ -e "$T/log.1.gz" ] && [ ! -e "$T/log.1" ]; }
    wait_for 5 done_compressing
    zcat "$T/log.1.gz" | jq -e .log >/dev/null
}

@test "journald: fields, priorities, and journald away for a while" {
    run create_task "stdout=journald:$T/j.sock" "stderr=journald:$T/j.sock"
    [[ "$output" == *"log driver journald"* ]]
    receive journal "$T/j.sock"
    wait_for 5 test -S "$T/j.sock"
    sh_in 'echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.05; done; i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done'
    uri="journald:$T/j.sock?CONTAINER_NAME=web&CONTAINER_TAG=a%20b"
    create_task "stdout=$uri" "stderr=$uri"
    task Start
    wait_for 5 received_n 2
    [ "$(jq -r 'select(.MESSAGE == "one") | [.PRIORITY, .CONTAINER_NAME, .CONTAINER_TAG] | join(",")' "$T/received")" = "6,web,a b" ]
    [ "$(jq -r 'select(.MESSAGE == "two") | .PRIORITY' "$T/received")" = 3 ]
    kill "$receiver"
    rm "$T/j.sock"
    touch "$B/rootfs/go"
    sleep 0.3
    receive journal "$T/j.sock"
    wait_for 10 received_n 100
    [ "$(jq -r .MESSAGE "$T/received" | head -n 100)" = "$(seq -f 'line %g' 0 99)" ]
    task Wait
}

@test "blocking: a client that does not read holds the container up, and loses nothing" {
    sh_in 'head -c 3000000 /dev/zero | tr "\0" x; touch /done'
    create_task
    (ready=$T/ready client "$B" attach stdout=true | (until [ -e "$T/go" ] || [ ! -d "$T" ]; do sleep 0.05; done; wc -c >"$T/count")) 3>&- 4>&- &
    reader=$!
    wait_for 5 test -e "$T/ready"
    task Start
    sleep 1
    [ ! -e "$B/rootfs/done" ]
    touch "$T/go"
    wait $reader
    [ "$(cat "$T/count")" = 3000000 ]
    [ -e "$B/rootfs/done" ]
}

@test "non-blocking: a client that does not read loses output, the container and the log don't" {
    sh_in 'head -c 3000000 /dev/zero | tr "\0" x; touch /done'
    uri="json-file://$T/log?mode=non-blocking&max-buffer-size=65536"
    create_task "stdout=$uri" "stderr=$uri"
    (ready=$T/ready client "$B" attach stdout=true | (until [ -e "$T/go" ] || [ ! -d "$T" ]; do sleep 0.05; done; wc -c >"$T/count")) 3>&- 4>&- &
    reader=$!
    wait_for 5 test -e "$T/ready"
    task Start
    wait_for 10 test -e "$B/rootfs/done"
    task Wait
    touch "$T/go"
    wait $reader
    [ "$(cat "$T/count")" -lt 3000000 ]
    [ "$(log_text | wc -c)" = 3000000 ]
}

@test "many readers get the same, whenever they come" {
    sh_in 'read -r x; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done'
    create_task stdin=hoy-stdin:
    for i in 1 2 3 4 5 6 7 8; do
        ready=$T/ready$i client "$B" attach stdout=true framed=true >"$T/out$i" 3>&- 4>&- &
        readers+=($!)
    done
    for i in 1 2 3 4 5 6 7 8; do wait_for 10 test -e "$T/ready$i"; done
    task Start
    client "$B" attach stdin=true <<<"" >/dev/null
    wait "${readers[@]}"
    for i in 2 3 4 5 6 7 8; do cmp "$T/out1" "$T/out$i"; done
    [ "$(grep -a -c 'line' "$T/out1")" = 2000 ]
}

@test "hoy-log: wrong options are said" {
    run "$HOY_BUILD/hoy-log" driver splunk
    [ "$output" = "hoy-log: log driver 'splunk': only syslog, gelf and fluentd are supported" ]
    run "$HOY_BUILD/hoy-log" driver gelf
    [ "$output" = "hoy-log: log driver gelf needs gelf-address" ]
    run "$HOY_BUILD/hoy-log" driver syslog syslog-address http://h
    [[ "$output" == *"only tcp, udp, tcp+tls, tls, unix and unixgram are supported" ]]
    run "$HOY_BUILD/hoy-log" driver syslog syslog-address tcp+tls://h syslog-tls-ca-cert /no/such
    [[ "$output" == "hoy-log: certificates of '/no/such': "* ]]
    run "$HOY_BUILD/hoy-log" driver syslog syslog-address tcp+tls://h syslog-tls-cert /no/such
    [ "$output" = "hoy-log: a certificate needs its key, and a key its certificate" ]
    run "$HOY_BUILD/hoy-log" driver gelf gelf-address tls://h
    [ "$output" = "hoy-log: address 'tls://h': log driver gelf has no TLS" ]
    run "$HOY_BUILD/hoy-log" driver gelf gelf-address udp://h syslog-tls-ca-cert /x
    [ "$output" = "hoy-log: option 'syslog-tls-ca-cert' of log driver gelf" ]
    run "$HOY_BUILD/hoy-log" driver gelf gelf-address udp://h mode maybe
    [ "$output" = "hoy-log: mode 'maybe'" ]
    run "$HOY_BUILD/hoy-log" compress "$T/none"
    [[ "$output" == "hoy-log: open '$T/none': No such file"* ]]
}

@test "a log driver that fails at once is an error of Create" {
    run create_task "stdout=$(driver "driver=gelf")"
    [[ "$output" == "code 2: "*"log driver ended with exit status 1 before it was ready"* ]]
    grep -q "hoy-log: log driver gelf needs gelf-address" "$B/shim.log"
    create_task
    task Delete
}

@test "syslog: formats and facilities" {
    receive udp - raw
    port=$(port)
    sh_in 'echo out; echo err >&2'
    run_task "$(driver "driver=syslog&syslog-address=udp://127.0.0.1:$port&syslog-facility=local3&syslog-format=rfc5424micro&tag=web")"
    wait_for 5 received_n 2
    grep -qE '^<158>1 20[0-9T:-]+\.[0-9]{6}Z [^ ]+ web [0-9]+ web - out$' "$T/received" # 19 * 8 + 6
    grep -qE '^<155>1 .* web - err$' "$T/received"
    task Delete
    kill "$receiver"
    receive unix "$T/syslog.sock" raw
    wait_for 5 test -S "$T/syslog.sock"
    run_task "$(driver "driver=syslog&syslog-address=unix://$T/syslog.sock&syslog-format=rfc3164&tag=web")"
    wait_for 5 received_n 2
    grep -qE "^<30>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} $(hostname) web\[[0-9]+\]: out$" "$T/received"
}

# make_certificate NAME: $T/NAME.pem, certificate and key, of 127.0.0.1's.
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$T/$1.key" -out "$T/$1.crt" 2>/dev/null
    cat "$T/$1.crt" "$T/$1.key" >"$T/$1.pem"
}

@test "syslog by TLS: who is trusted, and messages with their length" {
    make_certificate good
    make_certificate other
    export CERTIFICATE=$T/good.pem
    receive tls - raw
    port=$(port)
    sh_in 'echo out; echo err >&2'
    run_task "$(driver "driver=syslog&syslog-address=tcp+tls://127.0.0.1:$port&syslog-format=rfc5424&tag=web&syslog-tls-ca-cert=$T/good.crt")"
    wait_for 10 grep -q 'web - err' "$T/received"
    # <30>1 ... out, each behind its length and a space, without an end of line
    /usr/bin/python3 - "$T/received" <<'P'
import re, sys
data = open(sys.argv[1]).read().split("\n", 1)[1].replace("\n", "")
while data:
    length, data = data.split(" ", 1)
    message, data = data[:int(length)], data[int(length):]
    assert re.match(r"<(30|27)>1 .* web - (out|err)$", message), message
P
    task Delete
    # a stranger's certificate: nothing is told to it, and the reason is in the log
    run_task "$(driver "driver=syslog&syslog-address=tcp+tls://127.0.0.1:$port&tag=stranger&syslog-tls-ca-cert=$T/other.crt")"
    wait_for 10 grep -q "TLS with '127.0.0.1': .*certificate" "$B/shim.log"
    ! grep -q stranger "$T/received" || false
    task Delete
    run_task "$(driver "driver=syslog&syslog-address=tcp+tls://127.0.0.1:$port&tag=whoever&syslog-tls-skip-verify=1")"
    wait_for 10 grep -q "whoever.*: err" "$T/received"
    ! grep -q stranger "$T/received" || false
}

@test "fluentd by TLS, trusted as the system does" {
    make_certificate good
    export CERTIFICATE=$T/good.pem
    receive tls - fluentd
    port=$(port)
    sh_in 'head -c 300000 /dev/zero | tr "\0" x | fold -w 100; echo; echo last'
    # the system's trust is that of the shim's environment
    task Shutdown
    wait_for 5 shim_is_gone
    SSL_CERT_FILE=$T/good.crt start_shim
    run_task "$(driver "driver=fluentd&fluentd-address=tls://127.0.0.1:$port&tag=web")"
    wait_for 20 grep -q '"log": "last"' "$T/received"
    [ "$(grep -c '"log": "x' "$T/received")" = 3000 ]
}

@test "gelf: compressed datagrams, chunks, a stream" {
    receive udp - gelf
    port=$(port)
    sh_in 'echo out; echo err >&2; head -c 9000 /dev/urandom | od -An -tx1 -v | tr -d " \n"; echo'
    run_task "$(driver "driver=gelf&gelf-address=udp://127.0.0.1:$port&tag=web&attr-container_name=n1")"
    wait_for 5 received_n 3
    grep -q ^chunks "$T/received"
    jq -se --arg id "$ID" 'map(select(.short_message == "out"))[0] |
        .version == "1.1" and .level == 6 and ._container_id == $id and ._tag == "web" and ._container_name == "n1" and
        (.timestamp | type) == "number"' <(grep '^{' "$T/received")
    jq -se 'map(select(.short_message == "err"))[0].level == 3' <(grep '^{' "$T/received")
    jq -se 'map(.short_message | length) | max > 10000' <(grep '^{' "$T/received")
    task Delete
    kill "$receiver"
    receive tcp - gelf
    run_task "$(driver "driver=gelf&gelf-address=tcp://127.0.0.1:$(port)")"
    wait_for 5 received_n 3
}

@test "fluentd: what was said while it was away arrives when it is back" {
    receive tcp - fluentd
    port=$(port)
    kill "$receiver"
    sh_in 'echo out; echo err >&2'
    run_task "$(driver "driver=fluentd&fluentd-address=tcp://127.0.0.1:$port&tag=t.web&attr-name=n1&fluentd-sub-second-precision=true")"
    receive tcp "$port" fluentd
    wait_for 10 received_n 2
    jq -se --arg id "$ID" 'map(select(.[2].log == "out"))[0] | .[0] == "t.web" and (.[1] | length) == 3 and
        .[2] == {container_id: $id, source: "stdout", log: "out", name: "n1"}' <(grep '^\[' "$T/received")
    jq -se 'map(select(.[2].log == "err"))[0][2].source == "stderr"' <(grep '^\[' "$T/received")
}

@test "hoy-log: non-blocking loses the oldest, blocking waits" {
    sh_in 'i=0; while [ $i -lt 30000 ]; do echo a line of some length, number $i; i=$((i+1)); done; touch /done'
    receive unix "$T/s.sock" raw
    wait_for 5 test -S "$T/s.sock"
    kill "$receiver"
    rm "$T/s.sock"
    receiver=
    create_task "stdout=$(driver "driver=syslog&syslog-address=unix://$T/s.sock&tag=waits")"
    task Start
    sleep 2
    [ ! -e "$B/rootfs/done" ]
    task Kill signal=9
    task Wait
    task Delete
    create_task "stdout=$(driver "driver=syslog&syslog-address=unix://$T/s.sock&tag=loses&mode=non-blocking&max-buffer-size=64k")"
    task Start
    task Wait
    [ -e "$B/rootfs/done" ]
    receive unix "$T/s.sock" raw
    wait_for 15 grep -q 'loses.*number 29999$' "$T/received"
    ! grep -q 'loses.*number 0$' "$T/received" || false # the first one's may still come
}
