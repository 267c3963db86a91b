#!/usr/bin/env bats
# Links of old on the default bridge, and a container's own names for others on a user's network.
bats_require_minimum_version 1.5.0
load lib
load stack

setup() { stack_setup; }
teardown() { stack_teardown; }

hoy() { timeout 60 "$HOY" "$@"; }
address() { hoy inspect -f "{{.NetworkSettings.Networks.$2.IPAddress}}" "$1"; }
knows() { [ "$(hoy exec "$1" sh -c "grep -w $2 /etc/hosts | cut -f1")" = "$3" ]; }

@test "a link is a name, variables and an entry of ps" {
    hoy run -d --name web -e FOO=1 -e HOME=/x --expose 443 --expose 80 --expose 80/udp busybox sleep 1000
    ip=$(address web bridge)
    run hoy run --name app --link web:my-db busybox sh -c 'env; cat /etc/hosts'
    for line in "MY_DB_NAME=/app/my-db" "MY_DB_ENV_FOO=1" "MY_DB_PORT=tcp://$ip:80" "MY_DB_PORT_80_TCP=tcp://$ip:80" \
        "MY_DB_PORT_80_TCP_ADDR=$ip" "MY_DB_PORT_80_TCP_PORT=80" "MY_DB_PORT_80_TCP_PROTO=tcp" \
        "MY_DB_PORT_80_UDP=udp://$ip:80" "MY_DB_PORT_443_TCP=tcp://$ip:443"; do
        [[ $'\n'"$output"$'\n' == *$'\n'"$line"$'\n'* ]] || { echo "missing: $line"; return 1; }
    done
    [[ "$output" != *MY_DB_ENV_HOME* && "$output" != *MY_DB_ENV_PATH* ]]
    [[ "$output" == *"$ip"$'\t'"my-db $(hoy inspect -f '{{.Config.Hostname}}' web) web"* ]]
    [ "$(hoy inspect -f '{{json .HostConfig.Links}}' app)" = '["/web:/app/my-db"]' ]
    [ "$(hoy ps -a --no-trunc -f name=web --format '{{.Names}}')" = "web,app/my-db" ]
    [ "$(hoy ps -a -f name=web --format '{{.Names}}')" = web ]
}

@test "links follow a new address, renames and restarts of hoyd, and can be removed" {
    hoy run -d --name web busybox sleep 1000
    hoy run -d --name app --link web busybox sleep 1000
    knows app web "$(address web bridge)"
    [ "$(hoy exec app sh -c 'echo $WEB_NAME')" = /app/web ]
    hoy stop -t 0 web
    hoy run -d --name thief busybox sleep 1000
    hoy start web
    wait_for 10 knows app web "$(address web bridge)"
    hoy rename web other
    [ "$(hoy inspect -f '{{json .HostConfig.Links}}' app)" = '["/other:/app/web"]' ]
    kill_hoyd
    start_hoyd
    [ "$(hoy inspect -f '{{json .HostConfig.Links}}' app)" = '["/other:/app/web"]' ]
    hoy rm --link app/web
    [ "$(hoy inspect -f '{{json .HostConfig.Links}}' app)" = null ]
    knows app web ""
    run hoy rm --link app/web
    [[ "$output" == *"No such link: app/web"* ]]
    [ "$(hoy ps -q | wc -l)" = 3 ]
}

@test "links that can't be are refused" {
    run hoy create --link nobody busybox
    [[ "$output" == *"could not get container for nobody: No such container: nobody"* ]]
    hoy create --name still busybox true
    hoy create --name app --link still:x busybox true
    run hoy start app
    [[ "$output" == *"Cannot link to a non running container: /still AS /app/x"* ]]
    run hoy create --network host --link still busybox
    [[ "$output" == *"host type networking can't be used with links"* ]]
    run hoy create --link : busybox
    [[ "$output" == *"bad format for links: :"* ]]
    run hoy create --link a:b:c busybox
    [[ "$output" == *"bad format for links: a:b:c"* ]]
    [ "$(hoy ps -aq | wc -l)" = 2 ]
}

@test "names of a container's own on a user's network" {
    hoy network create own
    hoy run -d --name app --network own --link up:bar busybox sleep 1000
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.own.Links}}' app)" = '["up:bar"]' ]
    knows app bar ""
    hoy run -d --name up --network own busybox sleep 1000
    wait_for 10 knows app bar "$(address up own)"
    # One that joins later, by the docker command line too.
    hoy run -d --name late busybox sleep 1000
    docker network connect --link up:baz own late
    wait_for 10 knows late baz "$(address up own)"
    [ "$(hoy inspect -f '{{json .NetworkSettings.Networks.own.Links}}' late)" = '["up:baz"]' ]
    hoy network disconnect own late
    knows late baz ""
    hoy rm -f up app late
    hoy network rm own
}

@test "names are served when the first that needs them is a container that runs already" {
    hoy network create first
    hoy run -d --name web busybox sleep 1000
    hoy network connect --alias www.example first web
    run hoy run --rm --network first busybox nslookup www.example
    [[ "$status" = 0 && "$output" == *"$(address web first)"* ]]
}
