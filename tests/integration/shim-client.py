#!/usr/bin/env python3
"""A small ttrpc client for the shim's tests: one call per run, the answer as JSON on stdout.

    shim-client.py ADDRESS METHOD [KEY=VALUE...]      e.g. Create id=a bundle=/b stdout=none: terminal=true
    shim-client.py BUNDLE attach [KEY=VALUE...]       connects this process's stdin and stdout to a container
    shim-client.py - bootstrap [KEY=VALUE...]         prints BootstrapParams: binary_name, root, socket_dir, id, ns, grpc;
                                                      config=TOML instead of binary_name and root
    shim-client.py ADDRESS execs id=a n=100 spec=JSON  execs that many at once, kill=50 the container among them; says
                                                      how many were started, refused and waited for

    shim-client.py ADDRESS cycle id=a n=100 spec=JSON   that many execs one after the other, each to its Delete; stdout=none:

It knows the wire format by itself: field numbers are written down a second time here, on purpose. An error answer goes
to stderr as "code N: text", exit status 1.
"""
import json
import os
import select
import socket
import struct
import sys

TASK = "containerd.task.v2.Task"
SANDBOX = "containerd.runtime.sandbox.v1.Sandbox"
REQUESTS = {  # method: request fields, answer fields
    "Create": ("id bundle rootfs:o terminal:b stdin stdout stderr checkpoint parent options", "pid:n"),
    "Start": ("id exec_id", "pid:n"),
    "Delete": ("id exec_id", "pid:n exit_status:n exited_at:t"),
    "Exec": ("id exec_id terminal:b stdin stdout stderr spec:j", ""),
    "State": ("id exec_id", "id bundle pid:n status:n stdin stdout stderr terminal:n exit_status:n exited_at:t exec_id"),
    "Wait": ("id exec_id", "exit_status:n exited_at:t"),
    "Kill": ("id exec_id signal:n all:b", ""),
    "Pids": ("id", "processes:p"),
    "Pause": ("id", ""),
    "Resume": ("id", ""),
    "ResizePty": ("id exec_id width:n height:n", ""),
    "CloseIO": ("id exec_id stdin:b", ""),
    "Update": ("id resources:j", ""),
    "Stats": ("id", "stats:a"),
    "Checkpoint": ("id path options:c", ""),
    "Connect": ("id", "shim_pid:n task_pid:n version"),
    "Shutdown": ("id now:b", ""),
    "Hello": ("", "version features:l"),
    "Expect": ("id", ""),
    "CreateSandbox": ("id bundle rootfs options:p netns annotations", ""),
    "StartSandbox": ("id", "pid:n created_at:t spec"),
    "Platform": ("id", "platform:s"),
    "StopSandbox": ("id timeout:n", ""),
    "WaitSandbox": ("id", "exit_status:n exited_at:t"),
    "SandboxStatus": ("id verbose:b", "id pid:n state info:s created_at:t exited_at:t extra"),
    "PingSandbox": ("id", ""),
    "ShutdownSandbox": ("id", ""),
    "SandboxMetrics": ("id", "metrics:m"),
}


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data):
    fields, at = [], 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields.append((key >> 3, number()))
        elif key & 7 == 1:
            fields.append((key >> 3, data[at:at + 8]))
            at += 8
        else:
            length = number()
            fields.append((key >> 3, data[at:at + length]))
            at += length
    return fields


def pod_config(pod):
    """The CRI's PodSandboxConfig of {"hostname","cgroup_parent","network","pid","ipc","user","sysctls":{},
    "ids":[HOST, CONTAINER, LENGTH]}; ids are those of a user namespace, of users and groups."""
    namespaces = b"".join(field(n, pod[key]) for n, key in ((1, "network"), (2, "pid"), (3, "ipc")) if key in pod)
    if "ids" in pod:
        ids = b"".join(field(n, number) for n, number in enumerate(pod["ids"], 1))
        namespaces += field(5, field(2, ids) + field(3, ids))
    security = field(1, namespaces)
    if "user" in pod:
        security += field(3, field(1, pod["user"]))
    linux = field(1, pod.get("cgroup_parent", "")) + field(2, security)
    for key, value in pod.get("sysctls", {}).items():
        linux += field(3, field(1, key) + field(2, value))
    return field(2, pod.get("hostname", "")) + field(8, linux)


def encode(names, values):
    out = b""
    for number, name in enumerate(names.split(), 1):
        name, _, kind = name.partition(":")
        if name not in values:
            continue
        value = values[name]
        if kind in ("b", "n"):
            out += field(number, int(value in ("true", "1")) if kind == "b" else int(value))
        elif kind == "p":
            out += field(number, field(1, "runtime.v1.PodSandboxConfig") + field(2, pod_config(json.loads(value))))
        elif kind == "c":
            names = "exit:b open_tcp:b external_unix_sockets:b terminal:b file_locks:b empty_namespaces cgroups_mode"
            options = encode(names + " image_path work_path", json.loads(value))
            out += field(number, field(1, "containerd.runc.v1.CheckpointOptions") + field(2, options))
        elif kind == "o":  # [[TYPE, SOURCE, OPTION...]...]
            for type_, source, *options in json.loads(value):
                out += field(number, field(1, type_) + field(2, source) + b"".join(field(4, o) for o in options))
        elif kind == "j":
            out += field(number, field(1, "types.example/json") + field(2, value))
        else:
            out += field(number, value)
    return out


def decode(names, data):
    result, names = {}, names.split()
    for number, value in parse(data):
        name, _, kind = names[number - 1].partition(":")
        if kind == "n":
            result[name] = value
        elif kind == "t":
            result[name] = dict(parse(value)).get(1, 0)
        elif kind == "p":
            process = dict(parse(value))
            result.setdefault(name, []).append(process.get(1, 0))
            if 2 in process:  # an Any of ProcessDetails
                details = dict(parse(dict(parse(process[2]))[2]))
                result.setdefault("execs", {})[details[1].decode()] = process[1]
        elif kind == "l":
            result.setdefault(name, []).append(value.decode())
        elif kind == "s":
            result.setdefault(name, []).extend(v.decode() for _, v in parse(value))
        elif kind == "m":
            metric = dict(parse(value))
            data = dict(parse(metric[3]))
            result.update(id=metric[2].decode(), type_url=data[1].decode(), fields=sorted({n for n, _ in parse(data[2])}))
        elif kind == "a":
            any_ = dict(parse(value))
            result["type_url"] = any_[1].decode()
            result["metrics"] = metrics(result["type_url"], any_.get(2, b""))
        else:
            result[name] = value.decode()
    return result


METRICS = {  # which fields of the two Metrics messages are messages themselves
    "io.containerd.cgroups.v1.Metrics": "2 3 3.1 3.2 4 4.33 4.34 4.35 4.36 5 5.1 5.2 9",
    "io.containerd.cgroups.v2.Metrics": "1 2 2.7 2.7.1 2.7.2 4 4.38 4.38.1 4.38.2 6 6.1 6.2 6.2.1 6.2.2 8",
}


def metrics(type_url, data, path=""):
    """Field numbers as keys, "4.33"-like for what lies deeper; of repeated fields the last."""
    result = {}
    for number, value in parse(data):
        name = path + str(number)
        if name in METRICS[type_url].split():
            result[name] = True
            result.update(metrics(type_url, value, name + "."))
        else:
            result[name] = str(value) if isinstance(value, int) else True  # jq would round large ones
    return result


def receive(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            sys.exit("connection closed")
        data += piece
    return data


def frame(method, values, stream=1):
    own = "hoy.shim.v1" if method in ("Hello", "Expect") else SANDBOX if "Sandbox" in method or method == "Platform" else TASK
    service = values.pop("service", own)
    request = field(1, service) + field(2, method) + field(3, encode(REQUESTS.get(method, ("id",))[0], values))
    return struct.pack(">IIBB", len(request), stream, 1, 0) + request


def connect(address):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address.removeprefix("unix://"))
    return sock


def read_response(sock):
    length, stream, _, _ = struct.unpack(">IIBB", receive(sock, 10))
    return stream, dict(parse(receive(sock, length)))


def execs(address, values):
    id_, n, kill = values["id"], int(values["n"]), int(values.get("kill", -1))
    socks, count = [], {"started": 0, "refused": 0, "waited": 0}
    for i in range(n):
        exec_id = {"id": id_, "exec_id": "e%d" % i}
        socks.append(connect(address))
        # all three at once: the answers come as they can
        socks[-1].sendall(frame("Exec", dict(exec_id, spec=values["spec"], stdout="none:"), 1) +
                          frame("Wait", dict(exec_id), 3) + frame("Start", dict(exec_id), 5))
        if i == kill:
            socks.append(connect(address))
            socks[-1].sendall(frame("Kill", {"id": id_, "signal": "9"}))
            read_response(socks.pop())
    for sock in socks:
        for _ in range(3):
            stream, response = read_response(sock)
            if stream == 5:
                count["refused" if 1 in response else "started"] += 1
            elif stream == 3:
                count["waited"] += 1
    print(json.dumps(count))


def cycle(address, values):
    sock = connect(address)
    for i in range(int(values["n"])):
        exec_id = {"id": values["id"], "exec_id": "e%d" % i}
        for method, more in (("Exec", {"spec": values["spec"], "stdout": values.get("stdout", "none:")}), ("Start", {}), ("Wait", {}), ("Delete", {})):
            sock.sendall(frame(method, dict(exec_id, **more)))
            _, response = read_response(sock)
            if 1 in response:
                sys.exit("%s %d: %r" % (method, i, response[1]))


def call(address, method, values):
    answers = REQUESTS.get(method, ("id", ""))[1]
    sock = connect(address)
    sock.sendall(frame(method, values))
    _, response = read_response(sock)
    if 1 in response:
        status = dict(parse(response[1]))
        sys.stderr.write("code %d: %s\n" % (status.get(1, 0), status.get(2, b"").decode()))
        sys.exit(1)
    print(json.dumps(decode(answers, response.get(2, b""))))


def copy(stream, raw_input):
    """stdin to the stream, the stream to stdout, until the stream ends."""
    inputs = [stream] + ([0] if raw_input else [])
    while True:
        for ready in select.select(inputs, [], [])[0]:
            if ready is stream:
                data = stream.recv(65536)
                if not data:
                    return
                os.write(1, data)
            else:
                data = os.read(0, 4096)
                if data:
                    stream.sendall(data)
                else:
                    inputs.remove(0)
                    stream.shutdown(socket.SHUT_WR)


def attach(bundle, values):
    request = {key: {"true": True, "false": False}.get(value, value) for key, value in values.items()}
    extra = request.pop("input", None)
    ours, theirs = socket.socketpair()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(os.path.join(bundle, "attach.sock"))
    packet = json.dumps(request).encode()
    if extra is not None:
        packet += b"\0" + extra.encode()
    socket.send_fds(control, [packet], [theirs.fileno()])
    theirs.close()
    answer = json.loads(control.recv(65536))
    if "error" in answer:
        sys.exit(answer["error"])
    if "ready" in os.environ:  # a file that says: attached
        open(os.environ["ready"], "w").close()
    copy(ours, request.get("stdin", False))


def bootstrap(values):
    if "config" in values:
        any_ = field(1, "runtimeoptions.v1.Options") + field(2, field(3, values["config"]))
    else:
        options = b"".join(field(n, int(values[key])) for n, key in ((4, "io_uid"), (5, "io_gid")) if key in values)
        texts = ((6, "binary_name"), (7, "root"), (11, "criu_work_path"))
        options += b"".join(field(n, values[key]) for n, key in texts if key in values)
        any_ = field(1, "containerd.runc.v1.Options") + field(2, options)
    params = field(1, values.get("id", "id")) + field(2, values.get("ns", "ns")) + field(6, values.get("grpc", ""))
    sys.stdout.buffer.write(params + field(8, field(1, any_)) + field(9, values["socket_dir"]))


def main():
    where, method = sys.argv[1:3]
    values = dict(argument.split("=", 1) for argument in sys.argv[3:])
    if method == "bootstrap":
        bootstrap(values)
    elif method == "execs":
        execs(where, values)
    elif method == "cycle":
        cycle(where, values)
    elif method == "attach":
        attach(where, values)
    else:
        call(where, method, values)


if __name__ == "__main__":
    main()
