#!/usr/bin/env bats
# hoy compose convert kubernetes: objects for a cluster, and a warning for each key that has no place there. No engine is asked.
load lib

convert() { "$HOY" compose convert kubernetes "$@"; }

setup() {
    make_test_dir
    cd "$T"
}

teardown() {
    cd /
    remove_test_dir
}

# warned TEXT...: those are the warnings, all of them.
warned() { diff <(printf 'WARN: %s\n' "$@" | sort) <(convert 2>&1 >/dev/null | sort); }
# object KIND NAME: that object as JSON.
object() { convert 2>/dev/null | /usr/bin/python3 -c '
import json, sys, yaml
for o in yaml.safe_load_all(sys.stdin):
    if (o["kind"], o["metadata"]["name"]) == tuple(sys.argv[1:]): print(json.dumps(o))' "$@"; }

@test "convert: a project is written as it was" {
    cp -r "$TOP/tests/integration/kubernetes/." .
    convert 2>said >written
    diff objects.yaml written
    diff warnings said
    convert -o out.yaml 2>/dev/null
    diff objects.yaml out.yaml
    [ "$(stat -c %a out.yaml)" = 600 ]
}

@test "convert: the runtime's class and the size of volumes are options" {
    cat >compose.yaml <<'X'
services:
  a: {image: i, volumes: ["v:/v"]}
  b: {image: i, runtime: kata}
volumes: {v: }
X
    [ "$(object StatefulSet a | jq -r .spec.template.spec.runtimeClassName)" = hoy ]
    [ "$(object Deployment b | jq -r .spec.template.spec.runtimeClassName)" = kata ]
    convert --runtime-class gvisor --volume-size 5Gi a >out
    grep -q 'runtimeClassName: gvisor' out
    grep -q 'storage: 5Gi' out
    ! grep -q kata out || false
    for size in 5potatoes 0 0.0Gi 1. Ki 1Gib ''; do
        run convert --volume-size "$size" a
        [ "$status" = 1 ]
        [[ $output = "--volume-size: '$size' is no size of Kubernetes"* ]]
    done
    for class in 'A B' -x x-; do
        run convert --runtime-class "$class" a
        [ "$status" = 1 ]
        [[ $output = "--runtime-class: '$class' is no name of a RuntimeClass"* ]]
    done
    convert --runtime-class '' a >out
    ! grep -q runtimeClassName out || false
}

@test "convert: each key without a counterpart is named" {
    mkdir d
    cat >compose.yaml <<'X'
name: p
services:
  a:
    build: d
    image: i
    init: true
    devices: ["/dev/fuse"]
    logging: {driver: none}
    ulimits: {nofile: 10}
    stop_signal: SIGUSR1
    blkio_config: {weight: 10}
    user: app
    entrypoint: []
    restart: "no"
    network_mode: none
    security_opt: ["label=disable", "seccomp=./p.json"]
    extra_hosts: ["h:host-gateway"]
    gpus: all
    volumes: ["./d:/d"]
    pull_policy: daily
    deploy:
      endpoint_mode: dnsrr
      rollback_config: {parallelism: 1}
      placement: {preferences: [{spread: x}], max_replicas_per_node: 1}
      restart_policy: {delay: 5s}
      resources: {limits: {pids: 10}}
networks: {default: {internal: true}}
X
    warned "services.a.blkio_config: has no counterpart" \
        "services.a.devices: a device needs a device plugin of the cluster" \
        "services.a.init: a pod's first process is the image's own" \
        "services.a.logging: logs are the node's and the cluster's concern" \
        "services.a.stop_signal: the pod gets the image's signal" \
        "services.a.ulimits: limits of processes are those of the node's container engine" \
        "services.a.volumes: $T/d must be on the node where the pod runs" \
        "services.a.build: the image i must be pushed to where the cluster pulls from" \
        "services.a.pull_policy: daily has no counterpart" \
        "services.a.entrypoint: an image's entrypoint can't be taken away, only replaced" \
        "services.a.gpus: a pod asks for a number of GPUs: say a count" \
        "services.a.deploy.resources.limits.pids: how many processes a pod may have is the kubelet's limit" \
        'services.a.user: "app" is a name of the image: Kubernetes takes numbers' \
        "services.a.security_opt: label=disable has no counterpart" \
        "services.a.security_opt: the profile ./p.json must be on the nodes" \
        "services.a.network_mode: none has no counterpart" \
        "services.a.extra_hosts: h=host-gateway has no counterpart" \
        "services.a.deploy.placement.preferences: has no counterpart" \
        "services.a.deploy.placement.max_replicas_per_node: has no counterpart" \
        'services.a.restart: pods are started again whenever they end, not "no"' \
        "services.a.deploy.restart_policy: delay, max_attempts and window have no counterpart: the cluster waits longer each time" \
        "services.a.deploy.rollback_config: a rollback is kubectl's (rollout undo)"
}

@test "convert: names are made fit, and two that become one are refused" {
    printf 'services:\n  My_DB.x: {image: i}\n' >compose.yaml
    warned "services.My_DB.x: is named my-db-x: other pods reach it by that"
    [ -n "$(object Deployment my-db-x)" ]
    printf 'services:\n  a_b: {image: i}\n  a-b: {image: i}\n' >compose.yaml
    run convert
    [ "$status" = 1 ]
    [[ $output = *"services.a-b and services.a_b would both be named a-b"* ]]
    printf 'services:\n  "1st": {image: i}\n' >compose.yaml
    run convert
    [ "$status" = 1 ]
    [[ $output = *"services.1st: a name in Kubernetes begins with a letter"* ]]
}

@test "convert: files that are no text, from the environment, and that are missing" {
    printf '\377\0x' >bin
    cat >compose.yaml <<'X'
services:
  a: {image: i, configs: [bin, env], secrets: [{source: out, target: /x}]}
configs: {bin: {file: ./bin}, env: {environment: VALUE}}
secrets: {out: {external: true, name: vault_key}}
X
    export VALUE="a: b"
    [ "$(object ConfigMap bin | jq -r .binaryData.bin)" = /wB4 ]
    [ "$(object ConfigMap env | jq -r .data.env)" = "a: b" ]
    [ "$(object Deployment a | jq -r '.spec.template.spec.volumes[2].secret.secretName')" = vault-key ]
    warned "secrets.out.external: the Secret vault-key must be there, with the key out"
    rm bin
    run convert
    [ "$status" = 1 ]
    [[ $output = *configs.bin:*bin*"No such file"* ]]
}

@test "convert: each port once, also of a range; what is no port is told" {
    cat >compose.yaml <<'Y'
services:
  a: {image: i, ports: ["20000-20499", "20000-20499/udp", "20300", {target: 80, published: "70000"}], expose: ["20300-20310"]}
Y
    [ "$(object Service a | jq '[.spec.ports | length, (unique_by([.port, .protocol]) | length)] | @json')" = '"[1001,1001]"' ]
    [ "$(object Deployment a | jq '.spec.template.spec.containers[0].ports | length')" = 1001 ]
    warned "services.a.ports: 70000 is no port"
}
