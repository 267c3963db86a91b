"""Requests to a hoyd on a unix socket, for the programs that drive one."""
import http.client, json, socket


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("hoy")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(self.path)


def call(path, method, target, body=None):
    """The status, and the body."""
    connection = Unix(path)
    connection.request(method, "/v1.50" + target, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def decoded(data):
    return json.loads(data) if data[:1] in (b"{", b"[") else data
