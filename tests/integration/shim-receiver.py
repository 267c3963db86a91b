#!/usr/bin/env python3
"""What a container's log is sent to: prints what arrives.

    shim-receiver.py journal SOCKET          journald's datagrams, one JSON object of fields per line
    shim-receiver.py udp|tcp|tls|unix ADDRESS KIND  KIND raw (as it is), gelf (unpacked), fluentd (decoded); "-" picks a port and
                                             prints "port N" first; tcp, tls and unix serve one connection after the
                                             other; tls by the certificate and key in the file CERTIFICATE
    shim-receiver.py local FILE...           entries of the local driver's files (.gz too)
"""
import gzip
import json
import os
import socket
import ssl
import struct
import sys
import zlib


def say(text):
    print(text, flush=True)


def journal(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    while True:
        data, fields = sock.recv(1 << 20), {}
        while data:
            name, _, data = data.partition(b"\n")
            if b"=" in name:
                name, _, value = name.partition(b"=")
            else:
                length = struct.unpack("<Q", data[:8])[0]
                value, data = data[8:8 + length], data[9 + length:]
            fields[name.decode()] = value.decode(errors="replace")
        say(json.dumps(fields))


def unpack(data, at=0):
    """MessagePack, as much as fluentd's forward protocol has."""
    kind = data[at]
    if kind >> 4 == 9:
        result, at = [], at + 1
        for _ in range(kind & 15):
            value, at = unpack(data, at)
            result.append(value)
        return result, at
    if kind >> 5 == 5:
        if at + 1 + (kind & 31) > len(data):
            raise IndexError
        return data[at + 1:at + 1 + (kind & 31)].decode(), at + 1 + (kind & 31)
    if kind == 0xD7:
        seconds, nanos = struct.unpack(">II", data[at + 2:at + 10])
        return [data[at + 1], seconds, nanos], at + 10
    number = struct.unpack(">I", data[at + 1:at + 5])[0]
    at += 5
    if kind == 0xCE:
        return number, at
    if kind == 0xDB:
        if at + number > len(data):
            raise IndexError
        return data[at:at + number].decode(), at + number
    assert kind == 0xDF, kind
    result = {}
    for _ in range(number):
        key, at = unpack(data, at)
        result[key], at = unpack(data, at)
    return result, at


chunks = {}


def show(kind, data):
    """Returns what is not complete yet."""
    if kind == "fluentd":
        while data:
            try:
                message, at = unpack(data)
            except (IndexError, struct.error):
                return data
            say(json.dumps(message))
            data = data[at:]
    elif kind == "gelf":
        if data[:2] == b"\x1e\x0f":
            parts = chunks.setdefault(data[2:10], {})
            parts[data[10]] = data[12:]
            if len(parts) < data[11]:
                return b""
            data = b"".join(parts[i] for i in range(data[11]))
            say("chunks %d" % len(parts))
        if data[:1] != b"{":
            data = zlib.decompress(data, 47)
        while b"\0" in data:
            message, _, data = data.partition(b"\0")
            say(message.decode())
        if not data.endswith(b"}"):
            return data
        say(data.decode())
    else:
        say(data.decode().rstrip("\n"))
    return b""


def bind(family, type_, address):
    sock = socket.socket(family, type_)
    if family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0 if address == "-" else int(address)))
        say("port %d" % sock.getsockname()[1])
    else:
        sock.bind(address)
    return sock


def receive(scheme, address, kind):
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    sock = bind(family, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM, address)
    if scheme == "udp":
        while True:
            show(kind, sock.recv(65536))
    sock.listen()
    while True:
        peer, _ = sock.accept()
        if scheme == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.environ["CERTIFICATE"])
            try:
                peer = context.wrap_socket(peer, server_side=True)
            except (ssl.SSLError, OSError) as error:
                say("refused: %s" % error)
                continue
        data = b""
        while piece := peer.recv(65536):
            data = show(kind, data + piece)


def local(paths):
    def varint(data, at):
        n = shift = 0
        while True:
            n |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return n, at

    for path in paths:
        data = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
        while data:
            length = struct.unpack(">I", data[:4])[0]
            entry, back = data[4:4 + length], struct.unpack(">I", data[4 + length:8 + length])[0]
            assert length == back
            data, at, fields = data[8 + length:], 0, {}
            while at < len(entry):
                key, at = varint(entry, at)
                if key & 7:
                    n, at = varint(entry, at)
                    fields[key >> 3], at = entry[at:at + n], at + n
                else:
                    fields[key >> 3], at = varint(entry, at)
            say("%s%s %s" % (fields[1].decode(), " partial" if fields.get(4) else "", fields.get(3, b"").decode()))


if sys.argv[1] == "journal":
    journal(sys.argv[2])
elif sys.argv[1] == "local":
    local(sys.argv[2:])
else:
    receive(*sys.argv[1:4])
