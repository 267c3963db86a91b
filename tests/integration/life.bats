#!/usr/bin/env bats
# What happens to containers that run: restart policies, health checks, pause, update, stats, top.
bats_require_minimum_version 1.5.0
load lib
load stack

DOCKER=${DOCKER:-$(command -v docker || :)}

setup() { stack_setup; }
teardown() { stack_teardown; }

hoy() { timeout 60 "$HOY" "$@"; }
api() { # METHOD PATH [BODY]
    curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"}
}
api_status() { curl -sS --max-time 20 --unix-socket "$T/hoy.sock" -X "$1" "http://x/v1.50$2" -H 'Content-Type: application/json' ${3:+-d "$3"} -o /dev/null -w '%{http_code}'; }
get() { api GET "/containers/$1/json" | jq -r "$2"; }
is() { [ "$(get "$1" "$2")" = "$3" ]; }
events_of() { api GET "/events?since=1&until=$(date +%s).999&filters=%7B%22container%22%3A%5B%22$1%22%5D%7D" | jq -r .Action; }
event_seen() { events_of "$1" | grep -qx "$2"; }
web() { hoy run -d --name web --network none "$@" busybox sh -c 'trap exit TERM; while :; do usleep 20000; done' >/dev/null; }

@test "on-failure restarts so many times, no more, and not after success" {
    hoy run -d --name failing --network none --restart on-failure:3 busybox sh -c 'echo run; exit 7'
    wait_for 20 is failing .RestartCount 3
    wait_for 20 is failing .State.Status exited
    [ "$(hoy logs failing | wc -l)" = 4 ]
    [ "$(get failing .State.ExitCode)" = 7 ]
    [ "$(events_of failing | grep -c '^die$')" = 4 ]
    [ "$(events_of failing | grep -c '^start$')" = 4 ]
    hoy run -d --name fine --network none --restart on-failure busybox true
    wait_for 20 is fine .State.Status exited
    [ "$(get fine .RestartCount)" = 0 ]
    hoy start failing # by hand: counted anew
    wait_for 20 is failing .RestartCount 3
    run hoy run --rm --restart always --network none busybox true
    [ "$status" = 125 ]
    [[ "$(api POST /containers/create '{"Image":"busybox","Cmd":["true"],"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}')" == *"can't create 'AutoRemove' container with restart policy"* ]]
    [[ "$(api POST /containers/create '{"Image":"busybox","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}')" == *"unknown policy 'sometimes'"* ]]
}

@test "always restarts what is killed, a stop is for good, also while it waits" {
    web --restart always
    first=$(get web .State.Pid)
    kill -KILL "$first"
    restarted() { is web .State.Running true && is web .RestartCount 1 && [ "$(get web .State.Pid)" -gt 0 ]; }
    wait_for 20 restarted
    [ "$(get web .State.Pid)" != "$first" ]
    hoy stop -t 5 web
    sleep 0.5
    is web .State.Status exited
    hoy run -d --name crashing --network none --restart always busybox false
    waits() {
        is crashing .State.Status restarting && is crashing .State.Running true &&
            [[ "$(hoy ps | grep crashing)" == *"Restarting (1)"* ]] && [ "$(api_status DELETE /containers/crashing)" = 409 ]
    }
    wait_for 20 waits
    stopped() { hoy stop -t 0 crashing && is crashing .State.Status exited; }
    wait_for 20 stopped
    n=$(get crashing .RestartCount)
    sleep 1
    [ "$(get crashing .RestartCount)" = "$n" ]
    hoy rm -f crashing
}

@test "policies hold over a killed hoyd and a restarted host" {
    web --restart unless-stopped
    hoy run -d --name always --network none --restart always busybox sleep 100
    hoy run -d --name stopped --network none --restart unless-stopped busybox sleep 100
    hoy run -d --name plain --network none busybox sleep 100
    hoy stop -t 0 stopped
    shim=$(awk '/^PPid/ { print $2 }' "/proc/$(get web .State.Pid)/status")
    kill_hoyd
    kill -KILL "$(pgrep -P "$shim")" # it ends while hoyd is away
    sleep 0.3
    start_hoyd
    again() { is web .State.Running true && [ "$(get web .RestartCount)" = 1 ]; }
    wait_for 20 again
    is stopped .State.Status exited
    is always .State.Status running
    kill_hoyd
    for pid in $(pgrep -f "containerd-shim-hoy-v2.*$T"); do kill -KILL $(pgrep -P "$pid") "$pid"; done
    ids=$(ls "$T/run/c")
    rm -rf "$T/run"
    no_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/hoy/$1" -exec rmdir {} + ; } # once the killed have ended
    for id in $ids; do wait_for 5 no_cgroups "$id"; done
    start_hoyd
    wait_for 20 is web .State.Status running
    wait_for 20 is always .State.Status running
    is stopped .State.Status exited
    is plain .State.Status exited
    is plain .State.ExitCode 255
}

@test "health: starting, healthy, unhealthy, with results and events" {
    hoy run -d --name web --network none --health-cmd 'test -e /ok && echo fine || { echo broken >&2; exit 4; }' \
        --health-interval 100ms --health-retries 2 --health-timeout 20s busybox sleep 100
    is web .State.Health.Status starting || is web .State.Health.Status unhealthy
    wait_for 20 is web .State.Health.Status unhealthy
    [ "$(get web '.State.Health.Log[-1] | "\(.ExitCode) \(.Output)"' | head -1)" = "4 broken" ]
    [ "$(get web '.State.Health.FailingStreak >= 2')" = true ]
    [[ "$(hoy ps)" == *"(unhealthy)"* ]]
    hoy exec web touch /ok
    wait_for 20 is web .State.Health.Status healthy
    [ "$(get web .State.Health.FailingStreak)" = 0 ]
    [[ "$(hoy ps)" == *"(healthy)"* ]]
    five() { is web '.State.Health.Log | length' 5; }
    wait_for 20 five
    wait_for 20 event_seen web 'health_status: healthy'
    event_seen web 'health_status: unhealthy'
    hoy events --since 1 --until "$(date +%s)" --filter event=health_status | grep -q 'health_status: healthy'
    [ "$(hoy ps -q --filter health=healthy | wc -l)" = 1 ]
    [ "$(hoy ps -q --filter health=unhealthy | wc -l)" = 0 ]
    kill_hoyd
    start_hoyd
    is web .State.Health.Status healthy
    hoy exec web rm /ok
    wait_for 20 is web .State.Health.Status unhealthy
    hoy rm -f web
}

@test "health: a probe that can't be started counts as failed, again and again" {
    id=$(api POST /containers/create '{"Image":"busybox","Cmd":["sleep","100"],"HostConfig":{"NetworkMode":"none"},
        "Healthcheck":{"Test":["CMD","/nosuchprogram"],"Interval":100000000,"Retries":2}}' | jq -r .Id)
    hoy start "$id"
    often() { [ "$(get "$id" .State.Health.FailingStreak)" -ge 4 ]; }
    wait_for 20 often
    is "$id" .State.Health.Status unhealthy
    hoyd_is_alive
    hoy rm -f "$id"
}

@test "health: a slow probe is killed, the start period forgives, NONE is none" {
    hoy run -d --name slow --network none --health-cmd 'echo begun; sleep 100' --health-interval 100ms \
        --health-timeout 300ms --health-retries 1 busybox sleep 100
    wait_for 20 is slow .State.Health.Status unhealthy
    [ "$(get slow '.State.Health.Log[0].ExitCode')" = -1 ]
    [[ "$(get slow '.State.Health.Log[0].Output')" == "Health check exceeded timeout (0.3s): begun"* ]]
    hoy run -d --name young --network none --health-cmd 'exit 1' --health-interval 100s --health-start-interval 100ms \
        --health-start-period 100s --health-retries 1 busybox sleep 100
    several() { is young '.State.Health.Log | length' 5; }
    wait_for 20 several
    is young .State.Health.Status starting
    is young .State.Health.FailingStreak 0
    [[ "$(hoy ps)" == *"(health: starting)"* ]]
    hoy run -d --name none --network none --no-healthcheck busybox sleep 100
    is none .State.Health null
    id=$(api POST /containers/create '{"Image":"busybox","Cmd":["sleep","100"],"Healthcheck":{"Test":["CMD","/bin/true"],"Interval":100000000}}' | jq -r .Id)
    hoy start "$id"
    wait_for 20 is "$id" .State.Health.Status healthy
    [[ "$(api POST /containers/create '{"Image":"busybox","Healthcheck":{"Test":["CMD","true"],"Interval":1000}}')" == *"Interval in Healthcheck cannot be less than 1ms"* ]]
    hoy stop -t 0 slow
    is slow .State.Status exited
}

@test "pause and unpause" {
    web
    hoy pause web
    is web .State.Status paused
    is web .State.Running true
    [[ "$(hoy ps)" == *"(Paused)"* ]]
    [ "$(hoy ps -q --filter status=paused | wc -l)" = 1 ]
    [ "$(api GET /info | jq .ContainersPaused)" = 1 ]
    [ "$(api_status POST /containers/web/pause)" = 409 ]
    [ "$(api_status POST /containers/web/start)" = 409 ]
    run hoy exec web true
    [[ "$output" == *"is paused, unpause the container before exec"* ]]
    kill_hoyd
    start_hoyd
    wait_for 10 is web .State.Status paused
    hoy unpause web
    is web .State.Status running
    [ "$(hoy exec web echo moves)" = moves ]
    [ "$(api_status POST /containers/web/unpause)" = 409 ]
    hoy pause web
    hoy stop -t 5 web # a frozen one is thawed to end
    is web .State.ExitCode 0
    hoy start web
    hoy pause web
    hoy rm -f web
    [ "$(api_status POST /containers/web/pause)" = 404 ]
}

@test "update changes limits at once and for the next start, and the policy" {
    web -m 64m --memory-swap 64m
    [ "$(memory_of web)" = 67108864 ]
    hoy update -m 128m --memory-swap 128m --restart on-failure:2 --cpu-shares 512 --pids-limit 100 web
    [ "$(memory_of web)" = 134217728 ]
    [ "$(get web '.HostConfig | "\(.Memory) \(.MemorySwap) \(.RestartPolicy.Name) \(.RestartPolicy.MaximumRetryCount) \(.CpuShares) \(.PidsLimit)"')" = \
        "134217728 134217728 on-failure 2 512 100" ]
    event_seen web update
    kill_hoyd
    start_hoyd
    is web .HostConfig.Memory 134217728
    hoy restart -t 0 web
    [ "$(memory_of web)" = 134217728 ]
    [[ "$(api POST /containers/web/update '{"Memory":1}')" == *"Minimum memory limit allowed is 6MB"* ]]
    is web .HostConfig.Memory 134217728
}

# memory_of NAME: the limit the kernel has.
memory_of() {
    local pid id
    pid=$(get "$1" .State.Pid)
    id=$(get "$1" .Id)
    cat "/sys/fs/cgroup/memory/hoy/$id/memory.limit_in_bytes" 2>/dev/null || cat "/sys/fs/cgroup/hoy/$id/memory.max"
}

@test "stats: one object, a stream, and what is not running" {
    hoy run -d --name web busybox sh -c 'trap exit TERM; while :; do :; done' >/dev/null
    api GET '/containers/web/stats?stream=0' >"$T/stats"
    [ "$(jq -r .name "$T/stats")" = /web ]
    jq -e '.cpu_stats.cpu_usage.total_usage > .precpu_stats.cpu_usage.total_usage and .precpu_stats.cpu_usage.total_usage > 0' "$T/stats"
    jq -e '.cpu_stats.system_cpu_usage > .precpu_stats.system_cpu_usage and .cpu_stats.online_cpus >= 1' "$T/stats"
    jq -e '.memory_stats.usage > 0 and .memory_stats.limit > .memory_stats.usage and (.memory_stats.stats | length) > 5' "$T/stats"
    jq -e '.networks.eth0.rx_bytes >= 0 and .pids_stats.current >= 1' "$T/stats"
    api GET '/containers/web/stats?stream=0&one-shot=1' | jq -e '.preread == "0001-01-01T00:00:00Z" and .cpu_stats.cpu_usage.total_usage > 0'
    timeout 3.5 curl -sS --unix-socket "$T/hoy.sock" 'http://x/v1.50/containers/web/stats' >"$T/stream" || :
    [ "$(wc -l <"$T/stream")" -ge 2 ]
    [ "$(api_status GET '/containers/web/stats?stream=1&one-shot=1')" = 400 ]
    if [ -n "$DOCKER" ]; then
        run "$DOCKER" stats --no-stream --format '{{.Name}} {{.PIDs}}' web
        [[ "$output" == "web "[1-9]* ]]
    fi
    hoy stop -t 0 web
    api GET '/containers/web/stats?stream=0' | jq -e '.read == "0001-01-01T00:00:00Z" and .name == "/web"'
}

@test "hoy stats: a table once, by templates, drawn anew while containers come and go" {
    hoy run -d --name web --memory 64m busybox sh -c 'trap exit TERM; while :; do :; done' >/dev/null
    hoy create --name idle busybox true >/dev/null
    run hoy stats --no-stream
    [ "$status" = 0 ]
    [[ "${lines[0]}" == "CONTAINER ID   NAME      CPU %"*"MEM USAGE / LIMIT"*"MEM %"*"NET I/O"*"BLOCK I/O"*"PIDS" ]]
    [ "${#lines[@]}" = 2 ]
    [[ "${lines[1]}" =~ ^$(get web .Id | cut -c-12)\ +web\ +[0-9]+\.[0-9]{2}%\ +[0-9.]+[KM]iB\ /\ 64MiB\ +[0-9.]+%\ +[0-9.]+k?B\ /\ .*\ 1$ ]]
    run hoy stats --no-stream --all --format '{{.Name}} {{.PIDs}} {{.MemUsage}}'
    [ "$(sort <<<"$output" | sed -n 1p)" = "idle 0 0B / 0B" ]
    [[ "$(sort <<<"$output" | sed -n 2p)" == "web 1 "* ]]
    hoy stats --no-stream --no-trunc --format json web >"$T/json"
    [ "$(jq -r '.Container + " " + .Name' "$T/json")" = "web web" ]
    [ "$(jq -r .ID "$T/json")" = "$(get web .Id)" ]
    jq -e '.CPUPerc | rtrimstr("%") | tonumber > 0' "$T/json"
    run hoy stats --no-stream web nothing
    [ "$status" = 1 ]
    [ "$output" = "Error response from daemon: No such container: nothing" ]
    # Live: on a terminal from the upper left corner, each line cleared.
    "$HOY" stats --format 'now {{.Name}}' >"$T/live" 3>&- &
    pid=$!
    wait_for 10 grep -qx 'now web' "$T/live"
    hoy run -d --name late busybox sleep 1000 >/dev/null
    wait_for 10 grep -qx 'now late' "$T/live"
    hoy rm -f web >/dev/null
    only_late() { [ "$(tail -2 "$T/live" | sort -u)" = "now late" ]; }
    wait_for 10 only_late
    kill $pid
    wait $pid || :
    "$TOP/tests/integration/pty-run" --wait-for late --input '\x03' "$HOY" stats late >"$T/tty" || :
    [[ "$(head -c 7 "$T/tty")" == $'\e[2J\e[H' ]]
    grep -q $'late .*\e\[K' "$T/tty"
    # One that was named and is removed: the end.
    "$HOY" stats late >"$T/gone" 3>&- &
    pid=$!
    wait_for 10 grep -q late "$T/gone"
    hoy rm -f late >/dev/null
    wait_for 20 is_dead $pid
    wait $pid
}

@test "top shows the container's processes only" {
    web
    hoy exec -d web sleep 77
    run hoy top web
    [[ "${lines[0]}" == UID*PID*CMD* ]]
    [[ "$output" == *"sleep 77"* ]]
    [ "${#lines[@]}" -le 5 ]
    run hoy top web -o pid,args
    [[ "${lines[0]}" == PID*COMMAND* ]]
    [[ "$output" != *hoyd* ]]
    [ "$(api GET '/containers/web/top?ps_args=-o%20pid,comm' | jq -c .Titles)" = '["PID","COMMAND"]' ]
    [[ "$(api GET '/containers/web/top?ps_args=-o%20comm' | jq -r .message)" == *"Couldn't find PID field in ps output"* ]]
    [ "$(api_status GET '/containers/web/top?ps_args=--nosuch')" = 400 ]
    # more than a pipe holds
    name=$(printf 'a%.0s' {1..1400})
    others=()
    for i in {1..80}; do
        (exec -a "$name" sleep 60) 3>&- &
        others+=($!)
    done
    hoy top web | grep "sleep 77"
    kill "${others[@]}"
    hoy stop -t 0 web
    [ "$(api_status GET /containers/web/top)" = 409 ]
}

@test "restart, rename and port by the command line" {
    hoy run -d --name web -p 127.0.0.1:18080:80 -p 127.0.0.1:18081:81/udp busybox sh -c 'trap exit TERM; while :; do usleep 20000; done'
    run hoy port web
    [ "$output" = $'80/tcp -> 127.0.0.1:18080\n81/udp -> 127.0.0.1:18081' ]
    [ "$(hoy port web 80)" = 127.0.0.1:18080 ]
    run hoy port web 99
    [ "$status" = 1 ]
    pid=$(get web .State.Pid)
    [ "$(hoy restart -t 5 web)" = web ]
    [ "$(get web .State.Pid)" != "$pid" ]
    event_seen web restart
    hoy rename web shop
    [ "$(hoy restart -t 0 -s INT shop)" = shop ]
    run hoy rename shop 'no good'
    [ "$status" = 1 ]
}

@test "events are kept over a killed hoyd, and a client goes on behind the last one it saw" {
    web
    hoy events --since 1 --until "$(date +%s).999999999" --format '{{.eventId}} {{.Action}}' >"$T/before"
    grep -q ' start$' "$T/before"
    last=$(tail -1 "$T/before" | cut -d ' ' -f 1)
    kill_hoyd
    start_hoyd
    hoy pause web
    hoy unpause web
    hoy events --since 1 --until "$(date +%s).999999999" --format '{{.eventId}} {{.Action}}' >"$T/after"
    [ "$(head -n "$(wc -l <"$T/before")" "$T/after")" = "$(cat "$T/before")" ]
    [ "$(cut -d ' ' -f 1 "$T/after")" = "$(cut -d ' ' -f 1 "$T/after" | sort -n -u)" ]
    [ "$(hoy events --after "$last" --until "$(date +%s).999999999" --filter type=container --format '{{.Action}}' | tr '\n' ' ')" = "pause unpause " ]
    [ "$(hoy events --after "$last" --until "$(date +%s).999999999")" != "" ]
    # More than memory holds: the rest comes from disk. Bounded: the oldest go, and a client is told of its gap.
    first=$(head -1 "$T/before" | cut -d ' ' -f 1)
    entry=$(head -1 "$T/data/events.log")
    hoy stop -t 0 web
    stop_hoyd
    /usr/bin/python3 - "$T/data/events.log" <<'P'
import json, sys
lines = open(sys.argv[1]).read().splitlines()
event = json.loads(lines[-1])
with open(sys.argv[1], "a") as f:
    for i in range(1, 1001):
        event["number"] += 1
        event["action"] = "made-%d" % i
        f.write(json.dumps(event) + "\n")
    f.write('{"number":1, torn')
P
    start_hoyd
    [ "$(hoy events --since 1 --until "$(date +%s).999999999" | grep -c ' made-')" = 1000 ]
    [ "$(hoy events --after "$last" --until "$(date +%s).999999999" | grep -c ' made-')" = 1000 ]
    hoy tag busybox other # a line of its own behind the torn one
    [ "$(tail -1 "$T/data/events.log" | jq -r .action)" = tag ]
    stop_hoyd
    yes "$entry" | head -c 1100000 >>"$T/data/events.log"
    start_hoyd
    hoy tag busybox another
    [ -e "$T/data/events.log.1" ]
    [ "$(stat -c %s "$T/data/events.log")" -lt 1000 ]
    stop_hoyd
    mv "$T/data/events.log.1" "$T/data/events.log.2"
    start_hoyd
    api POST "/images/busybox/tag?repo=t&tag=a[1-260]" # one curl, 260 requests
    run hoy events --after "$first" --until "$(date +%s).999999999"
    [[ "$output" == *"is no longer kept"* ]]
    [ "$(api_status GET "/events?after=x")" = 400 ]
}

answers() { [ "$(timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && cat <&3" 2>/dev/null)" = here ]; }
silent() { ! answers "$1"; }

@test "update publishes ports, and takes them away, while the container runs" {
    hoy run -d --name web -p 8080:80 busybox nc -ll -p 80 -e echo here >/dev/null
    wait_for 20 answers 8080
    pid=$(get web .State.Pid)
    hoy update --publish-add 8081:80 --publish-add 127.0.0.1:8082:80 web
    wait_for 20 answers 8081
    answers 8082
    answers 8080
    [ "$(hoy port web | sort)" = $'80/tcp -> 0.0.0.0:8080\n80/tcp -> 0.0.0.0:8081\n80/tcp -> 127.0.0.1:8082' ]
    event_seen web update
    hoy update --publish-rm 8080:80 web
    wait_for 20 silent 8080
    answers 8081
    # what can't be had changes nothing
    hoy run -d --name other -p 8090:80 busybox nc -ll -p 80 -e echo other >/dev/null
    before=$(get web '.HostConfig.PortBindings, .NetworkSettings.Ports')
    run hoy update --publish-add 8083:80 --publish-add 8090:80 web
    [ "$status" = 1 ]
    [[ "$output" == *"Bind for 0.0.0.0:8090 failed: port is already allocated by container other"* ]]
    [ "$(get web '.HostConfig.PortBindings, .NetworkSettings.Ports')" = "$before" ]
    answers 8081
    silent 8083
    run hoy update --publish-rm 7777:80 web
    [[ "$output" == *"port 80/tcp is not published: 7777:80"* ]]
    [[ "$(api POST /containers/web/update '{"PortBindings":{},"Memory":10000000}')" == *"an update of PortBindings is of nothing else"* ]]
    kill_hoyd
    answers 8081
    start_hoyd
    answers 8081
    [ "$(get web .State.Pid)" = "$pid" ]
    # and of one that does not run: the next start has them
    hoy stop -t 0 web
    hoy update --publish-rm 80 --publish-add 8085:80 web
    hoy start web
    wait_for 20 answers 8085
    silent 8081
    hoy run -d --name hosted --network host busybox sleep 1000 >/dev/null
    run hoy update --publish-add 8086:80 hosted
    [[ "$output" == *"has the host's network"* ]]
}

@test "update changes labels, health check and environment while the container runs, all or nothing" {
    web -e A=1 -e GONE=1 --label a=1 --label gone=1 --health-cmd false --health-interval 100ms --health-retries 1
    pid=$(get web .State.Pid)
    wait_for 20 is web .State.Health.Status unhealthy
    hoy update --label-add a=2 --label-add b --label-rm gone --env-add A=2 --env-add B=x=y --env-rm GONE --health-cmd 'test "$A" = 2' web
    [ "$(get web '.Config.Labels | [.a, .b, .gone] | @json')" = '["2","",null]' ]
    [ "$(hoy ps -q --filter label=a=2 | wc -l)$(hoy ps -q --filter label=a=1 | wc -l)" = 10 ]
    event_seen web update
    wait_for 20 is web .State.Health.Status healthy # a probe is an exec: it has the new variable
    is web .Config.Healthcheck.Interval 100000000
    [ "$(hoy exec web sh -c 'echo $A $B $GONE')" = "2 x=y" ]
    # what can't be had changes nothing
    before=$(get web .Config)
    for wrong in "--label-rm none" "--env-rm NONE" "--env-add C" "--health-interval -1s" "--no-healthcheck --health-cmd x" \
        "--label-add c=1 --memory 1"; do
        run hoy update $wrong web
        [ "$status" = 1 ]
    done
    [[ "$(api POST /containers/web/update '{"Labels":{"c":"1"},"Env":["=x"]}')" == *"invalid environment variable: =x"* ]]
    [[ "$(api POST /containers/web/update '{"Labels":{"c":"1"},"Healthcheck":{"Test":["NONE"],"Interval":5}}')" == *"cannot be less than 1ms"* ]]
    [ "$(get web .Config)" = "$before" ]
    hoy update --health-timeout 3s --health-start-period 1s --health-start-interval 2s --health-retries 4 web
    [ "$(get web '.Config.Healthcheck | [.Timeout, .StartPeriod, .StartInterval, .Retries] | @json')" = '[3000000000,1000000000,2000000000,4]' ]
    hoy update --no-healthcheck web
    [ "$(get web '.State.Health.Status // "none"')" = none ]
    run hoy update --health-interval 1s web
    [[ "$output" == *"has no health check: --health-cmd gives it one"* ]]
    kill_hoyd
    start_hoyd
    [ "$(get web .State.Pid)" = "$pid" ]
    [ "$(get web '.Config.Labels.a + (.State.Health.Status // "none")')" = 2none ]
    hoy stop -t 5 web
    hoy update --health-cmd true --health-interval 100ms web
    hoy start web
    [ "$(tr '\0' '\n' <"/proc/$(get web .State.Pid)/environ" | grep -c -e '^A=2$' -e '^B=x=y$' -e '^GONE')" = 2 ]
    wait_for 20 is web .State.Health.Status healthy
}
