#!/usr/bin/python3
"""The other sides of a name server, byte by byte.

serve ADDRESS [PORT] [NAME]    a resolver: knows a.NAME (NAME: outside.test), a long answer and its own moods
ask SERVER NAME,... TYPE [tcp] [edns=SIZE] [n=COUNT]   all at once; a line per answer, in order: RCODE [flags] records
raw SERVER [tcp]               sends the hex packets of stdin, one a line, and waits for nothing
"""
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "ANY": 255}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}


def labels(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p) + b"\0"


def query(name, kind, edns=None, ident=0x1234):
    packet = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, edns is not None) + labels(name)
    packet += struct.pack(">HH", TYPES[kind], 1)
    if edns is not None:
        packet += b"\0" + struct.pack(">HHIH", 41, edns, 0, 0)
    return packet


def read_name(packet, at):
    parts, jumped = [], None
    while packet[at]:
        if packet[at] >= 0xC0:
            jumped = jumped or at + 2
            at = struct.unpack_from(">H", packet, at)[0] & 0x3FFF
            continue
        parts.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(parts), jumped or at + 1


def show(packet):
    _, flags, questions, answers, authority, extra = struct.unpack_from(">HHHHHH", packet)
    at, rcode, words, records = 12, flags & 15, [], []
    for _ in range(questions):
        at = read_name(packet, at)[1] + 4
    for _ in range(answers + authority + extra):
        at = read_name(packet, at)[1]
        kind, _, ttl, size = struct.unpack_from(">HHIH", packet, at)
        data = packet[at + 10:at + 10 + size]
        if kind == 1:
            records.append(socket.inet_ntop(socket.AF_INET, data))
        elif kind == 28:
            records.append(socket.inet_ntop(socket.AF_INET6, data))
        elif kind == 12:
            records.append(read_name(packet, at + 10)[0])
        elif kind == 16:
            records.append("txt:%d" % size)
        elif kind == 41:
            rcode |= ttl >> 24 << 4
            words.append("edns")
        at += 10 + size
    if flags & 0x0200:
        words.append("tc")
    return " ".join([RCODES.get(rcode, str(rcode))] + sorted(words) + records)


def read_exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def ask(server, name, kind, *options):
    settings = dict(o.split("=") if "=" in o else (o, "1") for o in options)
    count, tcp = int(settings.get("n", "1")), "tcp" in settings
    edns = int(settings["edns"]) if "edns" in settings else None
    address, _, port = server.partition("@")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    sock.settimeout(20)
    sock.connect((address, int(port or 53)))
    names, replies = name.split(",") * count, {}
    for i, one in enumerate(names):
        packet = query(one, kind, edns, i)
        sock.sendall(struct.pack(">H", len(packet)) + packet if tcp else packet)
    for _ in names:
        reply = read_exactly(sock, struct.unpack(">H", read_exactly(sock, 2))[0]) if tcp else sock.recv(65535)
        replies[struct.unpack_from(">H", reply)[0]] = show(reply)
    for i in range(len(names)):
        print(replies[i])


def record(kind, data, owner=b"\xc0\x0c", ttl=60):
    return owner + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


# What egress rules by name are tried with.
NAMED = {"one": "192.0.2.11", "x.wild": "192.0.2.13", "brief": "192.0.2.14", "self": "127.0.0.1", "near": "10.60.0.1"}


def named(name, kind):
    """The records of the names above, of which `chain` has its addresses by two CNAMEs, and `six` one of IPv6."""
    if name == "chain" and kind in (1, 28):
        middle, end = labels("middle.Elsewhere.test"), labels("end.elsewhere.test")
        return [record("CNAME", middle), record("CNAME", end, middle, 40)] + \
            ([record("A", socket.inet_aton("192.0.2.12"), end)] if kind == 1 else [])
    if name == "six" and kind == 28:
        return [record("AAAA", socket.inet_pton(socket.AF_INET6, "2001:db8::11"))]
    if name in NAMED and kind == 1:
        return [record("A", socket.inet_aton(NAMED[name]), ttl=0 if name == "brief" else 60)]
    return []


def answer(packet, domain, client, tcp):
    """What this resolver says to a query: bytes, or None to be silent."""
    name, end = read_name(packet, 12)
    kind = struct.unpack_from(">H", packet, end)[0]
    rcode, records, flags = 0, [], 0x8180
    if name.lower() == "a." + domain and kind == 1:
        records = [record("A", socket.inet_aton("192.0.2.1"))]
    elif name == "who." + domain:  # who asks, as an address
        records = [record("A", socket.inet_aton(client[0]))]
    elif name == "transport." + domain:
        records = [record("TXT", b"\3tcp" if tcp else b"\3udp!")]
    elif name == "long." + domain:
        records = [record("TXT", b"\xc8" + b"x" * 200) for _ in range(20)]
        if not tcp:
            records, flags = [], flags | 0x0200
    elif name == "giant." + domain:  # more than anybody has asked for
        records = [record("TXT", b"\xc8" + b"x" * 200) for _ in range(20)]
    elif name == "silent." + domain:
        return None
    elif name == "broken." + domain:
        rcode = 2
    elif name == "spoof." + domain:  # another question than was asked
        return packet[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + labels("other") + packet[end:end + 4] + \
            record("A", socket.inet_aton("6.6.6.6"))
    elif name.endswith("." + domain) and (name[:-len(domain) - 1] in NAMED or name[:-len(domain) - 1] in ("chain", "six")):
        records = named(name[:-len(domain) - 1], kind)
    else:
        rcode = 3
    return packet[:2] + struct.pack(">HHHHH", flags | rcode, 1, len(records), 0, 0) + packet[12:end + 4] + b"".join(records)


def serve(address, port="53", domain="outside.test"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.bind((address, int(port)))
    tcp = socket.socket(family, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((address, int(port)))
    tcp.listen(16)

    def client(sock, peer):
        try:
            while True:
                packet = read_exactly(sock, struct.unpack(">H", read_exactly(sock, 2))[0])
                reply = answer(packet, domain, peer, True)
                if reply:
                    sock.sendall(struct.pack(">H", len(reply)) + reply)
        except (EOFError, OSError):
            sock.close()

    def listen():
        while True:
            threading.Thread(target=client, args=tcp.accept(), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while True:
        packet, peer = udp.recvfrom(65535)
        reply = answer(packet, domain, peer, False)
        if reply:
            udp.sendto(reply, peer)


def raw(server, *options):
    for line in sys.stdin:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if options else socket.SOCK_DGRAM)
        sock.connect((server, 53))
        sock.send(bytes.fromhex(line.strip()))
        sock.close()


if __name__ == "__main__":
    {"serve": serve, "ask": ask, "raw": raw}[sys.argv[1]](*sys.argv[2:])
