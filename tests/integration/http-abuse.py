#!/usr/bin/python3
"""http-abuse.py SOCKET [CONNECTIONS]: sends what no HTTP client would, and fails when hoyd does not answer a
well-behaved client afterwards. Each of the first group must be refused or closed: an answer 2xx is a failure."""
import resource, socket, sys

path = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 0

def dial():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(60)
    return s

def read_all(s):
    got = b''
    try:
        while (more := s.recv(65536)):
            got += more
    except ConnectionResetError:
        pass
    return got

def ask(data):
    s = dial()
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return s

def ping():
    s = ask(b'GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    got = read_all(s)
    assert got.startswith(b'HTTP/1.1 200') and got.endswith(b'OK'), got

post = b'POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n'
refused = {
    'no HTTP': b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    'a header of 1 MB': b'GET /_ping HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 1000000 + b'\r\n\r\n',
    '10000 headers': b'GET /_ping HTTP/1.1\r\nHost: x\r\n' + b'A: b\r\n' * 10000 + b'\r\n',
    'a target of 1 MB': b'GET /' + b'a' * 1000000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    'length -1': post + b'Content-Length: -1\r\n\r\n{"Name":"evil"}',
    'length not a number': post + b'Content-Length: 15x\r\n\r\n{"Name":"evil"}',
    'length beyond 64 bits': post + b'Content-Length: 99999999999999999999999\r\n\r\n{"Name":"evil"}',
    'a chunk size that is none': post + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n{"Name":"evil"}\r\n0\r\n\r\n',
    'a chunk size beyond 64 bits': post + b'Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{"Name":"evil"}',
}
for what, data in refused.items():
    got = read_all(ask(data))
    assert not got.startswith(b'HTTP/1.1 2') and not got.startswith(b'HTTP/1.0 2'), (what, got)
    ping()

# Two lengths, or a length and chunks, may not hide a second request in the first one's body.
hidden = b'POST /volumes/create?x=hidden HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"Name":"hidden"}'
for head in (b'Content-Length: 2\r\nContent-Length: %d\r\n' % (2 + len(hidden)),
             b'Content-Length: %d\r\nTransfer-Encoding: chunked\r\n' % (7 + len(hidden))):
    body = b'2\r\n{}\r\n0\r\n\r\n' if b'chunked' in head else b'{}'
    s = ask(post + head + b'\r\n' + body + hidden)
    s.shutdown(socket.SHUT_WR)
    read_all(s)
s = ask(b'GET /volumes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
got = read_all(s)
assert b'evil' not in got and b'hidden' not in got, got

# Clients that leave in the middle, at every place.
whole = post + b'Content-Length: 15\r\n\r\n{"Name":"half"}'
for i in range(0, len(whole) - 1, 7):
    ask(whole[:i]).close()
    s = ask(whole[:i])
    s.shutdown(socket.SHUT_WR)
    s.close()
# A hijack whose client is gone before, during or after the head.
attach = b'POST /containers/nosuch/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n'
for i in range(0, len(attach), 11):
    ask(attach[:i]).close()
ping()

# More silent connections than are served: the oldest make room, so another client is answered.
if count:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [dial() for _ in range(min(count, hard - 100))]
    ping()
    for s in held[-100:]:
        s.sendall(b'GET /_ping HT')
    ping()
    print(len(held), 'connections')
