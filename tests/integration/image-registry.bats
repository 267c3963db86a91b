#!/usr/bin/env bats
# Registries beside pull and push: credentials, mirrors and proxies, what daemon.json says, search and inspection.
load lib
load stack
load image
load registry

setup() {
    command -v docker >/dev/null || skip_because no-docker-cli "no docker command line"
    require_root
    make_test_dir
    start_hoyd
    mkdir -p "$T/reg"
    REGISTRY_PID=
}

teardown() {
    stop_registry
    stack_teardown
    umount -l /etc /mnt 2>/dev/null || :
}

# own_etc LINE...: hoyd sees an /etc of its own, with these lines in hosts. stack_teardown ends it.
own_etc() {
    stop_hoyd
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    printf '%s\n' "$@" >>/etc/hosts
    start_hoyd
}

@test "login: what is wrong is refused, what is good is kept with mode 600" {
    start_registry auth=basic:me:secret
    run "$HOY" login -u me --password-stdin "$R" <<<"wrong"
    [ "$status" = 1 ]
    [[ "$output" == *"login attempt to http://$R/v2/ failed with status: 401 Unauthorized"* ]]
    [ ! -e "$DOCKER_CONFIG/config.json" ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" -X POST http://h/auth -H 'Content-Type: application/json' \
        -d "{\"username\":\"me\",\"password\":\"wrong\",\"serveraddress\":\"$R\"}")" = 401 ]
    mkdir -p "$DOCKER_CONFIG"
    echo '{"psFormat": "{{.ID}}", "somethingElse": {"a": 1}}' >"$DOCKER_CONFIG/config.json"
    run "$HOY" login -u me --password-stdin "http://$R/v2/" <<<"secret"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ "$output" == *"WARNING! Your credentials are stored unencrypted in '$DOCKER_CONFIG/config.json'"* ]]
    [ "${lines[-1]}" = "Login Succeeded" ]
    [ "$(stat -c %a "$DOCKER_CONFIG/config.json")" = 600 ]
    [ "$(jq -r --arg r "$R" '.auths[$r].auth' "$DOCKER_CONFIG/config.json" | base64 -d)" = me:secret ]
    [ "$(jq -c .somethingElse "$DOCKER_CONFIG/config.json")" = '{"a":1}' ]
    serve web
    "$HOY" pull -q "$R/web"
    # docker's command line reads it, and logs in itself
    docker rmi "$R/web"
    docker pull -q "$R/web"
    docker login -u me --password-stdin "$R" <<<"secret"
    run "$HOY" login "$R" </dev/null
    [[ "$output" == *"Authenticating with existing credentials... [Username: me]"*"Login Succeeded" ]]
    run "$HOY" logout "$R"
    [ "$output" = "Removing login credentials for $R" ]
    [ "$(jq -c .auths "$DOCKER_CONFIG/config.json")" = '{}' ]
    run "$HOY" logout "$R"
    [ "$output" = "Not logged in to $R" ]
    run "$HOY" pull "$R/web"
    [[ "$output" == *"no basic auth credentials"* ]]
    run "$HOY" login "$R" </dev/null
    [ "$status" = 1 ]
    [[ "$output" == *"Cannot perform an interactive login from a non TTY device"* ]]
    run "$HOY" login --password-stdin "$R" </dev/null
    [[ "$output" == *"Must provide --username with --password-stdin"* ]]
    run "$HOY" login -u me -p secret "$R"
    [ "$status" = 0 ]
    [[ "$output" == "WARNING! Using --password via the CLI is insecure. Use --password-stdin."* ]]
    ! grep -rq secret "$T/hoyd.log" "$T/run" || false
}

@test "a token server: identity token kept instead of the password, and used" {
    serve web
    start_registry auth=token:me:secret
    run "$HOY" login -u me --password-stdin "$R" <<<"wrong"
    [ "$status" = 1 ]
    [[ "$output" == *"unauthorized: incorrect username or password"* ]]
    "$HOY" login -u me --password-stdin "$R" <<<"secret"
    [ "$(jq -r --arg r "$R" '.auths[$r].identitytoken' "$DOCKER_CONFIG/config.json")" = again ]
    ! grep -q "$(printf me:secret | base64)" "$DOCKER_CONFIG/config.json" || false
    "$HOY" pull -q "$R/web"
    grep -q '^POST /token' "$T/reg/requests"
    "$HOY" tag "$R/web" "$R/copy:1" 2>/dev/null || docker tag "$R/web" "$R/copy:1"
    "$HOY" push -q "$R/copy:1"
}

@test "credential helpers: store, get and erase go to the program, the file keeps no secret" {
    mkdir -p "$T/bin" "$DOCKER_CONFIG"
    cat >"$T/bin/docker-credential-test" <<'X'
#!/bin/sh
file=$(dirname "$0")/kept
case $1 in
store) cat >"$file" ;;
get) server=$(cat); if grep -qs "\"$server\"" "$file"; then cat "$file"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) cat >/dev/null; rm -f "$file" ;;
esac
X
    chmod +x "$T/bin/docker-credential-test"
    export PATH=$T/bin:$PATH
    serve web
    start_registry auth=basic:me:secret
    printf '{"credHelpers": {"%s": "test"}}' "$R" >"$DOCKER_CONFIG/config.json"
    run "$HOY" login -u me --password-stdin "$R" <<<"secret"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [ "$output" = "Login Succeeded" ]
    [ "$(jq -c . "$T/bin/kept")" = "{\"ServerURL\":\"$R\",\"Username\":\"me\",\"Secret\":\"secret\"}" ]
    ! grep -q auth\" "$DOCKER_CONFIG/config.json" || false
    "$HOY" pull -q "$R/web"
    docker rmi "$R/web"
    docker pull -q "$R/web"
    "$HOY" logout "$R"
    [ ! -e "$T/bin/kept" ]
    run "$HOY" pull "$R/web"
    [[ "$output" == *"no basic auth credentials"* ]]
    # one that fails is told in its words
    printf '#!/bin/sh\necho the keychain is locked\nexit 1\n' >"$T/bin/docker-credential-test"
    run "$HOY" pull "$R/web"
    [ "$status" = 1 ]
    [[ "$output" == *"error getting credentials - err: docker-credential-test: out: \`the keychain is locked\`"* ]]
    # DOCKER_AUTH_CONFIG counts more
    DOCKER_AUTH_CONFIG="{\"auths\": {\"$R\": {\"auth\": \"$(printf me:secret | base64)\"}}}" "$HOY" pull -q "$R/web"
}

@test "pull --all-tags brings every tag, over pages" {
    serve web sh -c 'echo one'
    "$MAKE_IMAGE" -o "$T/two.tar" --name web:two --format oci sh -c 'echo two'
    mkdir "$T/two"
    tar -C "$T/two" -xf "$T/two.tar"
    cp "$T/two/blobs/sha256/"* "$T/reg/web/blobs/sha256/"
    jq -s '.[0].manifests += .[1].manifests | .[0]' "$T/reg/web/index.json" "$T/two/index.json" >"$T/both"
    cp "$T/both" "$T/reg/web/index.json"
    start_registry
    run docker pull --all-tags "$R/web"
    [ "$status" = 0 ] || { echo "$output"; tail "$T/hoyd.log"; false; }
    [[ "$output" == *"latest: Pulling from $R/web"*"two: Pulling from $R/web"* ]]
    [ "$(docker run --rm "$R/web:two")" = two ]
    [ "$(docker run --rm "$R/web:latest")" = one ]
    docker rmi "$R/web:two" "$R/web:latest"
    "$HOY" pull -a -q "$R/web"
    [ "$(docker images -q "$R/web" | wc -l)" = 2 ]
    run "$HOY" pull -a "$R/nosuch"
    [ "$status" = 1 ]
    [[ "$output" == *"repository $R/nosuch not found"* ]]
}

@test "insecure-registries: by name, by network, and after a reload" {
    serve web
    start_registry
    port=${R#*:}
    own_etc "127.0.0.1 registry.test"
    run docker pull "registry.test:$port/web"
    [ "$status" = 1 ]
    echo '{"insecure-registries": ["registry.test:'"$port"'"]}' >"$T/daemon.json"
    kill -HUP "$HOYD_PID"
    wait_for 10 grep -q "configuration reloaded" "$T/hoyd.log"
    docker pull -q "registry.test:$port/web"
    docker rmi "registry.test:$port/web"
    stop_hoyd
    echo '{}' >"$T/daemon.json"
    start_hoyd --insecure-registry registry.test
    docker pull -q "registry.test:$port/web"
}

@test "registry-mirrors serve Docker Hub's images, hosts.toml those of any registry" {
    serve library/web sh -c 'echo mirrored'
    start_registry
    own_etc "127.0.0.1 registry.test"
    stop_hoyd
    start_hoyd --registry-mirror "http://$R" --max-download-attempts 1
    docker pull -q web
    [ "$(docker run --rm web)" = mirrored ]
    docker rmi web
    stop_hoyd
    start_hoyd
    mkdir -p /etc/docker/certs.d/registry.test:9
    cat >/etc/docker/certs.d/registry.test:9/hosts.toml <<X
# the registry itself is down
server = "http://registry.test:9"

[host."http://127.0.0.1:1"]
  capabilities = ["pull", "resolve"]

[host."http://$R"]
  capabilities = [
    "pull", "resolve" ]
  [host."http://$R".header]
    x-tried = "yes"
X
    docker pull -q registry.test:9/library/web
    [ "$(docker run --rm registry.test:9/library/web)" = mirrored ]
    echo 'nonsense = [' >>/etc/docker/certs.d/registry.test:9/hosts.toml
    run docker pull registry.test:9/library/web
    [ "$status" = 1 ]
    [[ "$output" == *"hosts.toml line"* ]]
}

@test "proxies of daemon.json are used, but not for localhost" {
    serve web
    start_registry
    printf '{"proxies": {"http-proxy": "http://127.0.0.1:%s", "https-proxy": "http://127.0.0.1:1", "no-proxy": "other.test"}}' \
        "${R#*:}" >"$T/daemon.json"
    stop_hoyd
    start_hoyd --insecure-registry registry.test
    # the name is the proxy's to resolve
    run docker pull "registry.test/web"
    grep -q 'http://registry.test/v2/' "$T/reg/requests"
    run docker pull "other.test/web"
    ! grep -q other.test "$T/reg/requests" || false
    docker pull -q "$R/web"
    printf '{"proxies": {"ftp-proxy": "x"}}' >"$T/daemon.json"
    run "$HOYD" --validate --config-file "$T/daemon.json"
    [ "$status" != 0 ]
    [[ "$output" == *"proxies.ftp-proxy"* ]]
}

@test "search and the distribution endpoint" {
    serve web
    serve webbed
    start_registry
    run docker search --format '{{.Name}} {{.Description}} {{.StarCount}} {{.IsOfficial}}' "$R/web"
    [ "$status" = 0 ] || { echo "$output"; false; }
    grep -x 'web the image web 0 [^ ]*' <<<"$output"
    grep -x 'webbed the image webbed 3 [^ ]*' <<<"$output"
    [ "$(docker search --filter stars=1 --format '{{.Name}}' "$R/web")" = webbed ]
    [ "$(docker search --filter is-official=true --format '{{.Name}}' "$R/web")" = web ]
    [ "$(docker search --limit 1 --format '{{.Name}}' "$R/web")" = web ]
    for flags in '' '--no-trunc' '--limit 1' '--filter stars=1' '--filter is-official=true' '--format json'; do
        diff -w <(docker search $flags "$R/web" | sed 's/"IsAutomated":"[^"]*",//; s/ *AUTOMATED *//') <("$HOY" search $flags "$R/web")
    done
    curl -s --unix-socket "$T/hoy.sock" "http://h/v1.50/distribution/$R/web:latest/json" >"$T/answer"
    digest=$(jq -r '.manifests[0].digest' "$T/reg/web/index.json")
    jq -e --arg d "$digest" '.Descriptor.digest == $d and .Descriptor.size > 0 and .Platforms[0].os == "linux"' "$T/answer"
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" "http://h/distribution/$R/web:nope/json")" = 404 ]
    stop_registry
    start_registry auth=basic:me:secret
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/hoy.sock" "http://h/distribution/$R/web:latest/json")" = 401 ]
}

@test "a token server that answers nonsense: an error that names it, and nothing else" {
    serve web
    for kind in garbage none newline nested huge; do
        start_registry auth=token "badtoken=$kind"
        run timeout 30 "$HOY" pull "$R/web"
        [ "$status" = 1 ] || { echo "$kind: $output"; false; }
        [[ "$output" == *token* || "$output" == *MiB* || "$output" == *larger* ]] || { echo "$kind: $output"; false; }
        ! grep -q Evil "$T/reg/requests" || false
        [ -z "$("$HOY" images -q)" ]
        stop_registry
    done
    hoyd_is_alive
    start_registry auth=token
    "$HOY" pull -q "$R/web"
}
