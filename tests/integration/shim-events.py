#!/usr/bin/env python3
"""containerd as the shim's events see it: serves Events.Forward and prints one line for each event it takes.

    shim-events.py SOCKET [refuse=N] [drop=N]    the first N events are answered "unavailable" / by closing the connection
"""
import os
import socket
import struct
import sys


def parse(data):
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            n |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields[key >> 3] = number()
        else:
            length = number()
            fields[key >> 3] = data[at:at + length]
            at += length
    return fields


def receive(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            return None
        data += piece
    return data


def main():
    path = sys.argv[1]
    left = {key: int(n) for key, n in (argument.split("=") for argument in sys.argv[2:])}
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        sock, _ = listener.accept()
        while header := receive(sock, 10):
            length, stream, _, _ = struct.unpack(">IIBB", header)
            request = parse(receive(sock, length))
            assert request[1] == b"containerd.services.events.ttrpc.v1.Events" and request[2] == b"Forward"
            envelope = parse(parse(request[3])[1])
            event = parse(envelope[4])
            if left.get("drop", 0):
                left["drop"] -= 1
                sock.close()
                break
            if left.get("refuse", 0):
                left["refuse"] -= 1
                sock.sendall(struct.pack(">IIBB", 4, stream, 2, 0) + b"\x0a\x02\x08\x0e")
                continue
            fields = parse(event.get(2, b""))
            print(envelope[3].decode(), envelope[2].decode(), event[1].decode(), fields[1].decode(), fields.get(2, b"")
                  if isinstance(fields.get(2), int) else fields.get(2, b"").decode(errors="replace"), flush=True)
            sock.sendall(struct.pack(">IIBB", 0, stream, 2, 0))


main()
