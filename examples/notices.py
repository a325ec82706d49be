#!/usr/bin/env python3
"""Log in over HTTP, connect to signal over TCP, say hello, and print every notice.

    notices.py http://127.0.0.1:7480 HANDLE PASSWORD

Written from proto/schema/nudge/v1/*.proto alone, with the standard library alone.
"""
import base64, json, os, socket, struct, sys, urllib.request, uuid


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(tag, value):
    """One protobuf field: bytes are length-delimited, numbers are varints."""
    if isinstance(value, bytes):
        return varint(tag << 3 | 2) + varint(len(value)) + value
    return varint(tag << 3) + varint(value)


def read_varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return number, at


def fields(data):
    """The fields of a message, by tag; ServerFrame and what it holds have only these two kinds."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found[key >> 3] = value
    return found


def http(url, body=None):
    request = urllib.request.Request(url, body and json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request))


class Signal:
    """The signaling connection: frames led by their length in two bytes."""

    def __init__(self, address, default_host):
        host, port = address.rsplit(":", 1)
        self.socket, self.received = socket.create_connection((host or default_host, int(port))), b""

    def send(self, tag, message):
        frame = field(tag, message)
        self.socket.sendall(struct.pack(">H", len(frame)) + frame)

    def receive(self):
        """The next ServerFrame as (tag, fields); TimeoutError leaves what came of it in place."""
        while len(self.received) < 2 or len(self.received) < 2 + struct.unpack(">H", self.received[:2])[0]:
            chunk = self.socket.recv(4096)
            if not chunk:
                sys.exit("the server closed the connection")
            self.received += chunk
        end = 2 + struct.unpack(">H", self.received[:2])[0]
        frame, self.received = self.received[2:end], self.received[end:]
        (tag, message), = fields(frame).items()
        return tag, fields(message)


server, handle, password = sys.argv[1:4]
login = {"device_id": str(uuid.uuid4()), "device_name": "notices.py", "handle": handle, "password": password}
session = http(server + "/v1/sessions", login)
ways = http(server + "/.well-known/nudge")["transports"]
signal = Signal(next(way["address"] for way in ways if way["kind"] == "tcp"), server.split("/")[2].split(":")[0])
ticket = base64.urlsafe_b64decode(session["connect_ticket"] + "==")
instance = varint(3 << 3 | 1) + os.urandom(8)  # a fixed64
signal.send(1, field(1, ticket) + instance + field(4, 1) + field(5, b"notices.py"))
while True:
    try:
        tag, said = signal.receive()
    except TimeoutError:
        signal.send(3, b"")  # nothing was said for a heartbeat: ping
        continue
    if tag == 1:
        signal.socket.settimeout(said[4])
        print(f"welcome: epoch {said[2]}, head {said.get(3, 0)}, heartbeat {said[4]} s", flush=True)
    elif tag == 2:
        newest = uuid.UUID(bytes=said[2]) if said.get(2) else "none"
        print(f"notice: head {said[1]}, message {newest}, flags {said.get(3, 0)}", flush=True)
    elif tag == 6:
        sys.exit(f"error {said[1]}: {said.get(2, b'').decode()}")
