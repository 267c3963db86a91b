#!/usr/bin/env python3
"""A small client of the CRI's RuntimeService (runtime.v1), as a kubelet speaks it: one call per run, JSON in, JSON out.

    cri-client.py SOCKET METHOD [JSON]         e.g. ExecSync '{"container_id":"a","cmd":["true"]}'
    cri-client.py SOCKET METHOD JSON - [TEXT]  Exec, Attach, PortForward: follows the URL that is answered, by WebSocket; TEXT is
                                               the input, output goes to stdout and stderr, what is said of the end too

gRPC is one POST of curl's over HTTP/2; messages are encoded by the tables below, which have the fields the tests need.
bytes become text. An error goes to stderr as "code N: text", exit status 1.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.parse

# message: fields as NUMBER:NAME:TYPE; types are s(tring or bytes), i(nteger), m(ap of strings), or a message; + repeated.
MESSAGES = {name: fields.split() for name, fields in {
    "RunPodSandboxRequest": "1:config:PodSandboxConfig 2:runtime_handler:s",
    "PodSandboxConfig": "1:metadata:PodMetadata 2:hostname:s 3:log_directory:s 6:labels:m 7:annotations:m 8:linux:LinuxPod",
    "PodMetadata": "1:name:s 2:uid:s 3:namespace:s 4:attempt:i",
    "LinuxPod": "1:cgroup_parent:s 2:security_context:PodSecurity 3:sysctls:m",
    "PodSecurity": "1:namespace_options:Namespaces 3:run_as_user:Value 6:privileged:i 9:seccomp:Profile",
    "Namespaces": "1:network:i 2:pid:i 3:ipc:i 4:target_id:s",
    "Value": "1:value:i",
    "Profile": "1:profile_type:i 2:localhost_ref:s",
    "CreateContainerRequest": "1:pod_sandbox_id:s 2:config:ContainerConfig 3:sandbox_config:PodSandboxConfig",
    "ContainerConfig": "1:metadata:Metadata 2:image:Image +3:command:s +4:args:s 5:working_dir:s +6:envs:Env "
                       "+7:mounts:Mount 9:labels:m 10:annotations:m 11:log_path:s 12:stdin:i 13:stdin_once:i 14:tty:i "
                       "15:linux:LinuxContainer",
    "Metadata": "1:name:s 2:attempt:i",
    "Image": "1:image:s",
    "Env": "1:key:s 2:value:s",
    "Mount": "1:container_path:s 2:host_path:s 3:readonly:i",
    "LinuxContainer": "1:resources:Resources 2:security_context:Security",
    "Resources": "1:cpu_period:i 2:cpu_quota:i 3:cpu_shares:i 4:memory_limit_in_bytes:i 5:oom_score_adj:i 10:memory_swap_limit_in_bytes:i",
    "Security": "1:capabilities:Capabilities 2:privileged:i 3:namespace_options:Namespaces 5:run_as_user:Value "
                "12:run_as_group:Value 6:run_as_username:s 7:readonly_rootfs:i +8:supplemental_groups:i 11:no_new_privs:i "
                "+13:masked_paths:s +14:readonly_paths:s 15:seccomp:Profile",
    "Capabilities": "+1:add_capabilities:s +2:drop_capabilities:s",
    "ExecSyncRequest": "1:container_id:s +2:cmd:s 3:timeout:i",
    "ExecRequest": "1:container_id:s +2:cmd:s 3:tty:i 4:stdin:i 5:stdout:i 6:stderr:i",
    "AttachRequest": "1:container_id:s 2:stdin:i 3:tty:i 4:stdout:i 5:stderr:i",
    "PortForwardRequest": "1:pod_sandbox_id:s +2:port:i",
    "StopContainerRequest": "1:container_id:s 2:timeout:i",
    "UpdateContainerResourcesRequest": "1:container_id:s 2:linux:Resources",
    "ListImagesRequest": "", "ListContainersRequest": "", "ListPodSandboxRequest": "", "VersionRequest": "1:version:s",
    # answers
    "RunPodSandboxResponse": "1:pod_sandbox_id:s",
    "CreateContainerResponse": "1:container_id:s",
    "ExecSyncResponse": "1:stdout:s 2:stderr:s 3:exit_code:i",
    "ExecResponse": "1:url:s", "AttachResponse": "1:url:s", "PortForwardResponse": "1:url:s",
    "ContainerStatusResponse": "1:status:ContainerStatus",
    "ContainerStatus": "1:id:s 2:metadata:Metadata 3:state:i 4:created_at:i 5:started_at:i 6:finished_at:i 7:exit_code:i "
                       "10:reason:s 11:message:s 15:log_path:s",
    "ContainerStatsResponse": "1:stats:ContainerStats",
    "ContainerStats": "2:cpu:Cpu 3:memory:Memory",
    "Cpu": "1:timestamp:i 2:usage_core_nano_seconds:Value",
    "Memory": "1:timestamp:i 2:working_set_bytes:Value 4:usage_bytes:Value 5:rss_bytes:Value 6:page_faults:Value",
    "PodSandboxStatusResponse": "1:status:PodStatus",
    "PodStatus": "1:id:s 3:state:i 5:network:Network 9:runtime_handler:s",
    "Network": "1:ip:s",
    "ListImagesResponse": "+1:images:ListedImage",
    "ListedImage": "1:id:s +2:repo_tags:s",
    "ListContainersResponse": "+1:containers:Listed",
    "ListPodSandboxResponse": "+1:items:Listed",
    "Listed": "1:id:s",
    "VersionResponse": "1:version:s 2:runtime_name:s",
}.items()}
POD, CONTAINER = ["1:pod_sandbox_id:s"], ["1:container_id:s"]


def fields_of(message):
    for text in MESSAGES.get(message) or (CONTAINER if "Container" in message else POD if "Sandbox" in message else []):
        number, name, kind = text.lstrip("+").split(":")
        yield int(number), name, kind, text[0] == "+"


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def length_delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode_one(number, kind, value):
    if kind == "i":
        return varint(number << 3) + varint(int(value))
    if kind == "s":
        return length_delimited(number, value.encode())
    if kind == "m":
        return b"".join(length_delimited(number, length_delimited(1, k.encode()) + length_delimited(2, v.encode()))
                        for k, v in value.items())
    return length_delimited(number, encode(kind, value))


def encode(message, values):
    values, out = dict(values), b""
    for number, name, kind, repeated in fields_of(message):
        if name in values:
            value = values.pop(name)
            out += b"".join(encode_one(number, kind, v) for v in (value if repeated else [value]))
    if values:
        sys.exit(f"{message} has no field {', '.join(values)} here")
    return out


def number_at(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return n, at


def decode(message, data):
    known = {number: rest for number, *rest in fields_of(message)}
    result, at = {name: [] for name, _, repeated in known.values() if repeated}, 0
    while at < len(data):
        key, at = number_at(data, at)
        if key & 7 == 0:
            value, at = number_at(data, at)
        else:
            length, at = number_at(data, at)
            value, at = data[at:at + length], at + length
        if key >> 3 not in known:
            continue
        name, kind, repeated = known[key >> 3]
        if kind == "s":
            value = value.decode(errors="replace")
        elif kind != "i":
            value = decode(kind, value)
        if repeated:
            result[name].append(value)
        else:
            result[name] = value
    return result


def call(path, method, values):
    message = encode(method + "Request", values)
    service = "ImageService" if "Image" in method else "RuntimeService"
    with tempfile.NamedTemporaryFile() as head:
        answer = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", path, "-D", head.name, "--max-time", "120",
             "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-",
             f"http://localhost/runtime.v1.{service}/{method}"],
            input=b"\0" + struct.pack(">I", len(message)) + message, stdout=subprocess.PIPE, check=True).stdout
        lines = open(head.name, encoding="utf-8").read().splitlines()
    trailer = dict(line.split(": ", 1) for line in lines if ": " in line)
    if trailer.get("grpc-status") != "0":
        sys.exit(f"code {trailer.get('grpc-status')}: {urllib.parse.unquote(trailer.get('grpc-message', ''))}")
    return decode(method + "Response", answer[5:])


def exactly(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def follow(url, text, is_port):
    """Channel 0 is the input, 1 and 2 are output, 3 says how it ended; of a port, 0 is its data and 1 its errors."""
    where = urllib.parse.urlsplit(url)
    sock = socket.create_connection((where.hostname, where.port), timeout=60)
    query = "?port=" + is_port if is_port else ""
    sock.sendall((f"GET {where.path}{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                  "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n").encode())
    stream = sock.makefile("rb")
    while stream.readline().strip():
        pass
    if text:
        data = b"\0" + text.encode()
        sock.sendall(b"\x82" + bytes([0x80 | len(data)]) + b"\0\0\0\0" + data)
    first = {0, 1} if is_port else set()  # the port's number comes first, on both channels
    try:
        while True:
            kind, length = exactly(stream, 2)
            if length == 126:
                length = struct.unpack(">H", exactly(stream, 2))[0]
            elif length == 127:
                length = struct.unpack(">Q", exactly(stream, 8))[0]
            data = exactly(stream, length)
            if kind & 15 == 8:
                return
            if kind & 15 > 2 or not data:
                continue
            if data[0] in first:
                first.remove(data[0])
            else:
                os.write(1 if data[0] == (0 if is_port else 1) else 2, data[1:])
    except (EOFError, ConnectionError):
        pass


def main(path, method, text="{}", *rest):
    values = json.loads(text)
    answer = call(path, method, values)
    if rest:
        follow(answer["url"], rest[1] if len(rest) > 1 else "", str(values["port"][0]) if "port" in values else "")
    else:
        print(json.dumps(answer))


main(*sys.argv[1:])
