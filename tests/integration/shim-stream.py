#!/usr/bin/env python3
"""The other end of a shim's streams, as containerd has it: stdio by ttrpc+unix://SOCKET?streaming_id=ID.

    shim-stream.py ADDRESS read ID [FIRST]    output to stdout, until the stream's end; with FIRST only so many bytes are
                                              asked for, the rest when a line has come by stdin
    shim-stream.py ADDRESS leave ID FIRST     asks for FIRST bytes, has them written, and is gone
    shim-stream.py ADDRESS write ID [leave]   stdin into the stream, then its end; with "leave" the connection's instead
    shim-stream.py ADDRESS abuse              what is refused, a line each
"""
import importlib.util
import os
import struct
import sys

spec = importlib.util.spec_from_file_location("client", os.path.dirname(os.path.abspath(__file__)) + "/shim-client.py")
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)
field, parse = client.field, client.parse

SERVICE = "containerd.services.streaming.v1.Streaming"
INIT = "containerd.services.streaming.v1.StreamInit"
DATA = "containerd.types.transfer.Data"
WINDOW = "containerd.types.transfer.WindowUpdate"
CLOSED, OPEN, NO_DATA = 1, 2, 4
CHUNK, ASKED = 32768, 65536


class Ended(Exception):
    """The stream's end, with the status if it is an error's."""


class Stream:
    def __init__(self, address, name=None, flags=OPEN):
        self.sock = client.connect(address)
        self.window = 0
        self.frame(1, flags, field(1, SERVICE) + field(2, "Stream"))
        if name is not None:
            self.send(INIT, field(1, name))
            assert self.receive()[0] == "google.protobuf.Empty"

    def frame(self, kind, flags, data=b"", stream=1):
        self.sock.sendall(struct.pack(">IIBB", len(data), stream, kind, flags) + data)

    def send(self, kind, value, flags=0):
        self.frame(3, flags, field(1, kind) + field(2, value))

    def ask(self, n):
        self.send(WINDOW, field(1, n & (1 << 64) - 1))  # an int32

    def close(self):
        self.frame(3, CLOSED | NO_DATA)

    def receive(self):
        length, stream, kind, flags = struct.unpack(">IIBB", client.receive(self.sock, 10))
        data = client.receive(self.sock, length)
        if kind == 2:
            status = dict(parse(dict(parse(data)).get(1, b"")))
            raise Ended("code %d: %s" % (status.get(1, 0), status.get(2, b"").decode()))
        assert kind == 3 and stream == 1, (kind, stream)
        if flags & CLOSED:
            assert flags & NO_DATA and not length
            raise Ended("")
        any_ = dict(parse(data))
        return any_[1].decode(), dict(parse(any_.get(2, b""))).get(1, b"")


def put(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def read(address, name, first=None):
    stream = Stream(address, name)
    asked = int(first or ASKED)
    stream.ask(asked)
    try:
        while True:
            kind, data = stream.receive()
            assert kind == DATA and 0 < len(data) <= min(CHUNK, asked), (kind, len(data), asked)
            put(data)
            asked -= len(data)
            if first and not asked:
                sys.stdin.readline()
            if asked <= CHUNK and (not first or not asked):
                first = None
                stream.ask(ASKED - asked)
                asked = ASKED
    except Ended as end:
        sys.exit(str(end) or 0)


def leave(address, name, first):
    stream = Stream(address, name)
    asked = int(first)
    stream.ask(asked)
    while asked:
        data = stream.receive()[1]
        put(data)
        asked -= len(data)


def write(address, name, how=None):
    stream = Stream(address, name)
    while data := sys.stdin.buffer.read1(CHUNK):
        while data:
            while not stream.window:
                kind, n = stream.receive()
                assert kind == WINDOW and 0 < n <= ASKED, (kind, n)
                stream.window += n
            stream.send(DATA, field(1, data[:stream.window]))
            sent = min(len(data), stream.window)
            stream.window -= sent
            data = data[sent:]
    if how != "leave":
        stream.close()
        try:
            while True:
                stream.receive()
        except Ended:
            pass


def abuse(address):
    def said(what, flags=OPEN, name=None):
        stream = Stream(address, name, flags)
        try:
            what(stream)
            while True:
                stream.receive()
        except Ended as end:
            print(end, flush=True)

    kept = Stream(address, "kept")
    said(lambda s: None, flags=0)
    said(lambda s: s.send(DATA, b""))
    said(lambda s: s.send(INIT, field(1, "")))
    said(lambda s: s.send(INIT, b"\x0a\xff"))
    said(lambda s: s.frame(3, 0, b"\xff\xff"))
    said(lambda s: s.send(INIT, field(1, "kept")))
    said(lambda s: s.send(DATA, field(1, b"more than nothing")), name="a")
    said(lambda s: s.ask(-1), name="b")
    said(lambda s: s.frame(3, 0, bytes((4 << 20) + 1)), name="c")
    kept.send("what.a.later.version/Knows", b"")
    for _ in range(1000):
        kept.ask(2147483647)
    kept.close()


if __name__ == "__main__":
    {"read": read, "leave": leave, "write": write, "abuse": abuse}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
