#!/usr/bin/env python3
"""ws-client.py SOCKET PATH STEP...: a websocket over a unix socket, by hand, so that it can do what is forbidden.

A step sends: text:TEXT, binary:TEXT, ping:TEXT, close:CODE, half:TEXT (first fragment), rest:TEXT (the last one),
raw:HEX (bytes as they are); or waits: for:TEXT (until the output so far has it), end (the connection's). \\n in a TEXT is a
line's end. Frames that come are printed one a line: OPCODE PAYLOAD. Gives up after 30 seconds.
"""
import base64
import os
import socket
import struct
import sys


def frame(opcode, data, fin=True):
    mask = os.urandom(4)
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(data) < 126:
        head += bytes([0x80 | len(data)])
    else:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def receive(stream):
    head = stream.read(2)
    if len(head) < 2:
        return None
    assert not head[1] & 0x80, "a server must not mask"
    length = head[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
    return head[0] & 15, stream.read(length)


sock = socket.socket(socket.AF_UNIX)
sock.settimeout(30)
sock.connect(sys.argv[1])
stream = sock.makefile("rb")
version = os.environ.get("WS_VERSION", "13")
key = base64.b64encode(os.urandom(16)).decode()
sock.sendall((f"GET {sys.argv[2]} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n\r\n").encode())
status = stream.readline().decode().strip()
print(status)
sys.stdout.flush()
while stream.readline().strip():
    pass
if " 101 " not in status:
    sys.exit(1)
output = b""
for step in sys.argv[3:]:
    what, _, text = step.partition(":")
    data = text.replace("\\n", "\n").encode()
    if what in ("for", "end"):
        while what == "end" or data not in output:
            got = receive(stream)
            if got is None:
                if what == "for":
                    sys.exit(f"the end came before {text!r}; so far {output!r}")
                break
            output += got[1] if got[0] in (1, 2) else b""
            print(got[0], got[1].decode("latin-1").replace("\n", "\\n") if got[0] != 8 else int.from_bytes(got[1], "big"))
    else:
        sock.sendall({"text": lambda: frame(1, data), "binary": lambda: frame(2, data), "ping": lambda: frame(9, data),
                      "half": lambda: frame(1, data, fin=False), "rest": lambda: frame(0, data),
                      "close": lambda: frame(8, struct.pack(">H", int(text))), "raw": lambda: bytes.fromhex(text)}[what]())
