#!/usr/bin/env python3
"""Sends a shim what no client should: shim-abuse.py ADDRESS KIND ID. Fails when an answer is not what it has to be.

Kinds: garbage, half (frames that never end), huge (lengths of 4 GB), wrong (messages that are none), flood (10,000 requests at
once, answers only read afterwards), waits (10,000 requests that are answered at the end of the container only), crowd (1,500
connections that stay open).
"""
import random
import socket
import struct
import sys
import threading
import time

address, kind, container = sys.argv[1].removeprefix("unix://"), sys.argv[2], sys.argv[3]
TASK = b"containerd.task.v2.Task"


def connect():
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(120)
    sock.connect(address)
    return sock


def text(number, value):
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def frame(payload, stream=1, type_=1, length=None):
    return struct.pack(">IIBB", len(payload) if length is None else length, stream, type_, 0) + payload


def request(method, payload, service=TASK):
    return text(1, service) + text(2, method) + text(3, payload)


def receive(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def answer(sock):
    """(stream, code): 0 is fine."""
    length, stream, _, _ = struct.unpack(">IIBB", receive(sock, 10))
    data = receive(sock, length)
    if not data.startswith(b"\x0a"):  # no status
        return stream, 0
    return stream, data[3] if data[2] == 8 else 0


def expect(code, data, what):
    with connect() as sock:
        sock.sendall(data)
        got = answer(sock)[1]
        if got != code:
            sys.exit(f"{what}: code {got} instead of {code}")


def garbage():
    random.seed(4)
    for _ in range(500):
        with connect() as sock:
            try:
                sock.sendall(random.randbytes(random.randrange(200)))
            except OSError:
                pass


def half():
    socks = [connect() for _ in range(200)]
    whole = frame(request(b"State", text(1, container.encode())))
    for i, sock in enumerate(socks):
        sock.sendall(whole[:i % len(whole)])
    expect(0, whole, "State beside half frames")
    # a frame that comes byte by byte is one nevertheless
    with connect() as sock:
        for i in range(len(whole)):
            sock.sendall(whole[i:i + 1])
        if answer(sock)[1] != 0:
            sys.exit("a frame in single bytes was refused")


def huge():
    for length in (0xFFFFFFFF, 0x80000000, (4 << 20) + 1):
        with connect() as sock:
            sock.sendall(frame(b"", length=length))
            if answer(sock)[1] != 8:
                sys.exit(f"length {length}: not refused")
            for _ in range(64):  # and what follows is thrown away, not kept
                sock.sendall(bytes(1 << 16))
    # behind the last byte of a frame that was too long, the connection is good again
    with connect() as sock:
        length = (4 << 20) + 1
        sock.sendall(frame(bytes(length)) + frame(request(b"State", text(1, container.encode())), stream=3))
        if (answer(sock), answer(sock)) != ((1, 8), (3, 0)):
            sys.exit("the request behind a long one is not answered")


def wrong():
    expect(12, frame(request(b"Fly", b"")), "unknown method")
    expect(12, frame(request(b"Start", b"", b"some.Service")), "unknown service")
    expect(12, frame(request(b"", b"", b"")), "no names")
    expect(3, frame(b"\x0a\xff\xff\xff\xff\x0f"), "a field longer than its message")
    expect(3, frame(b"\xff" * 30), "an endless number")
    expect(3, frame(b"data", type_=3), "data of a stream that is not open")
    expect(12, frame(b"", type_=255), "a type that is none")
    expect(3, frame(request(b"State", text(1, container.encode())), stream=2), "an even stream")
    for method in (b"Create", b"Start", b"Delete", b"Exec", b"State", b"Wait", b"Kill", b"Pids", b"Pause", b"Resume", b"ResizePty",
                   b"CloseIO", b"Update", b"Checkpoint", b"Stats", b"Connect", b"Shutdown"):
        expect(3, frame(request(method, b"\x0a\x7f")), f"{method.decode()} cut short")
    for method in (b"State", b"Kill", b"Delete"):
        expect(3, frame(request(method, b"\x08\x05")), f"{method.decode()} with a number as id")
        expect(5, frame(request(method, b"")), f"{method.decode()} without an id")
        expect(5, frame(request(method, text(1, b"../" * 30))), f"{method.decode()} of a path")
    expect(5, frame(request(b"State", text(1, b"\xff\xfe\x01"))), "an id of bytes")
    expect(3, frame(request(b"Create", text(1, b"a\x01b") + text(2, b"/x"))), "Create of such an id")
    expect(3, frame(request(b"Exec", text(1, container.encode()) + text(2, b"-x-"))), "Exec of such an id")
    expect(3, frame(request(b"Exec", text(1, container.encode()) + text(2, b"x"))), "Exec without a process")


def flood():
    n = 10000
    state = request(b"State", text(1, container.encode()))
    with connect() as sock:
        data = b"".join(frame(state, stream=2 * i + 1) for i in range(n))
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        expect(0, frame(state), "State of another client during the flood")
        seen = {}
        for _ in range(n):
            stream, code = answer(sock)
            seen[stream] = code
        sender.join()
    if len(seen) != n or any(seen.values()):
        sys.exit(f"{len(seen)} answers, {sum(map(bool, seen.values()))} of them errors")


def waits():
    n, limit = 10000, 4096
    wait = request(b"Wait", text(1, container.encode()))
    sock = connect()
    sock.sendall(b"".join(frame(wait, stream=2 * i + 1) for i in range(n)))
    refused = {answer(sock)[1] for _ in range(n - limit)}
    if refused != {8}:
        sys.exit(f"waits over the limit got {refused}")
    expect(0, frame(request(b"State", text(1, container.encode()))), "State beside many waits")
    # the rest is answered into nothing
    sock.close()


def crowd():
    state = frame(request(b"State", text(1, container.encode())))
    with connect() as first:
        socks = []
        for _ in range(1500):
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            sock.setblocking(False)
            try:
                sock.connect(address)
            except BlockingIOError:  # the shim takes no more, the kernel neither
                break
        first.sendall(state)
        if answer(first)[1] != 0:
            sys.exit("who was there before the crowd is refused")
        for sock in socks:
            sock.close()
    # there may be no room before the last of the crowd is seen to be gone
    for attempt in range(600):
        try:
            return expect(0, state, "State behind the crowd")
        except (EOFError, ConnectionError):
            time.sleep(0.1)
    sys.exit("nobody is served behind the crowd")


{"garbage": garbage, "half": half, "huge": huge, "wrong": wrong, "flood": flood, "waits": waits, "crowd": crowd}[kind]()
