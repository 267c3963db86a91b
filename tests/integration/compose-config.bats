#!/usr/bin/env bats
# hoy compose config: the canonical form and its flags. No engine is asked but for digests.
load lib

hoy() { "$HOY" "$@"; }

setup() {
    make_test_dir
    cd "$T"
    cat >compose.yaml <<'EOF'
name: demo
services:
  web:
    image: nginx:${TAG:-1.2}
    ports: ["8080:80"]
    depends_on: [db]
    environment: {PRICE: "$$5"}
    volumes: ["data:/data"]
  db:
    build: .
  extra:
    image: "${EXTRA:?no extra}"
    profiles: [more]
volumes: {data: , unused: }
EOF
    export EXTRA=x
}

teardown() {
    cd /
    remove_test_dir
}

@test "the names of one kind" {
    [ "$(hoy compose config --services)" = $'db\nweb' ]
    [ "$(hoy compose config --volumes)" = data ]
    [ "$(hoy compose --all-resources config --volumes)" = $'data\nunused' ]
    [ "$(hoy compose config --networks)" = default ]
    [ "$(hoy compose config --images)" = $'demo-db\nnginx:1.2' ]
    [ "$(hoy compose config --profiles)" = more ]
    [ "$(hoy compose --profile more config --services)" = $'db\nextra\nweb' ]
    [ -z "$(hoy compose config --models)" ]
    hoy compose config --environment | grep -qx COMPOSE_PROJECT_NAME=demo
    hoy compose config --variables | grep -Eq '^EXTRA +true'
    hoy compose config --variables | grep -Eq '^TAG +false +1.2'
}

@test "yaml, json and a file; what is printed loads again" {
    hoy compose config >one.yaml
    hoy compose -f one.yaml config >two.yaml
    cmp one.yaml two.yaml
    grep -q 'PRICE: \$\$5' one.yaml
    [ "$(hoy compose config --format json | jq -r '.services.web.ports[0].published')" = 8080 ]
    hoy compose config -o out.yaml
    cmp one.yaml out.yaml
    [ -z "$(hoy compose config -q)" ]
    [ "$(hoy compose config web | grep -c '^  web:')" = 1 ]
    run hoy compose config --format xml
    [ "$status" = 1 ]
    [[ $output = *'unsupported format "xml": yaml or json'* ]]
    run hoy compose config nobody
    [ "$status" = 1 ]
    [[ $output = *'no such service: nobody'* ]]
}

@test "hashes change with what a container is made of" {
    one=$(hoy compose config --hash web)
    [[ $one =~ ^web\ [0-9a-f]{64}$ ]]
    [ "$(hoy compose config --hash '*' | wc -l)" = 2 ]
    [ "$(TAG=1.2 hoy compose config --hash web)" = "$one" ]
    [ "$(TAG=1.3 hoy compose config --hash web)" != "$one" ]
}

@test "steps can be left out" {
    printf 'A=1\n' >a.env
    printf 'services:\n  a: {image: "i:${V}", env_file: a.env, build: ./d, network_mode: host, networks: [x]}\n' >b.yaml
    run hoy compose -f b.yaml config
    [ "$status" = 1 ]
    [[ $output = *b.yaml:2:* ]]
    hoy compose -f b.yaml config --no-consistency | grep -q 'A: "1"'
    hoy compose -f b.yaml config --no-consistency --no-env-resolution | grep -q 'a.env'
    hoy compose -f b.yaml config --no-consistency --no-path-resolution | grep -q 'context: ./d'
    hoy compose -f b.yaml config --no-interpolate | grep -q 'i:${V}'
    run hoy compose -f b.yaml config --no-consistency --no-normalize
    [[ $output != *Dockerfile* ]]
}

@test "mistakes are told with their place" {
    printf 'services:\n  web:\n    imgae: x\n' >bad.yaml
    run hoy compose -f bad.yaml config
    [ "$status" = 1 ]
    [ "$output" = 'bad.yaml:3:5: services.web: additional property "imgae" is not allowed, did you mean "image"?' ]
    mkdir empty && cd empty
    run hoy compose -p x -f none.yaml config
    [ "$status" = 1 ]
    [[ $output = *none.yaml* ]]
}

# Projects as people have them, and what docker compose 2.26 and later print for them, but for where its emitter is wrong.
@test "a corpus of projects: each loads, and prints its canonical form" {
    failed=
    for golden in "$TOP"/tests/corpus/compose/*/config.golden; do
        cd "${golden%/*}"
        env -i PATH="$PATH" HOME=/home/u "$HOY" compose config 2>"$T/err" | sed "s|$PWD|DIR|g" >"$T/out" || :
        diff -u "$golden" "$T/out" || { cat "$T/err"; failed=1; }
    done
    [ -z "$failed" ]
    [ "$(ls "$TOP"/tests/corpus/compose/*/config.golden | wc -l)" -ge 17 ]
    [ "$(ls "$TOP"/tests/corpus/compose | wc -l)" = "$(ls "$TOP"/tests/corpus/compose/*/config.golden | wc -l)" ]
}
