#!/usr/bin/env python3
"""Log in over HTTP, connect to signal over TCP, say hello, and print every notice:

    notices.py http://127.0.0.1:7480 HANDLE PASSWORD

Written from proto/schema/nudge/v1/*.proto alone, with the standard library alone."""
import base64, json, os, socket, struct, sys, time, urllib.request, uuid


def varint(number):
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
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
    return json.load(urllib.request.urlopen(url, body and json.dumps(body).encode()))


class Signal:
    """The signaling connection: frames led by their length in two bytes."""

    def __init__(self, address, default_host):
        host, port = address.rsplit(":", 1)
        self.socket, self.received = socket.create_connection((host or default_host, int(port))), b""

    def send(self, tag, message):
        frame = field(tag, message)
        self.socket.sendall(struct.pack(">H", len(frame)) + frame)

    def read(self, length, until):
        """Waits for so many bytes; TimeoutError leaves what came of them in place."""
        while len(self.received) < length:
            self.socket.settimeout(until and max(until - time.monotonic(), 0.001))
            chunk = self.socket.recv(4096) or sys.exit("the server closed the connection")
            self.received += chunk

    def receive(self, until):
        """The next ServerFrame as (tag, fields)."""
        self.read(2, until)
        end = 2 + struct.unpack(">H", self.received[:2])[0]
        self.read(end, until)
        (tag, message), = fields(self.received[2:end]).items()
        self.received = self.received[end:]
        return tag, fields(message)


server, handle, password = sys.argv[1:4]
login = {"device_id": str(uuid.uuid4()), "device_name": "notices.py", "handle": handle, "password": password}
ways = http(server + "/.well-known/nudge")["transports"]
signal = Signal(next(way["address"] for way in ways if way["kind"] == "tcp"), server.split("/")[2].split(":")[0])
ticket = base64.urlsafe_b64decode(http(server + "/v1/sessions", login)["connect_ticket"] + "==")
instance = varint(3 << 3 | 1) + os.urandom(8)  # a fixed64
signal.send(1, field(1, ticket) + instance + field(4, 1) + field(5, b"notices.py"))
heartbeat = ping_at = None  # nothing may be said before the welcome
while True:
    try:
        tag, said = signal.receive(ping_at)
    except TimeoutError:
        signal.send(3, b"")  # a ping once per heartbeat, whatever else is said
        ping_at += heartbeat
        continue
    if tag == 1:
        heartbeat, ping_at = said[4], time.monotonic() + said[4]
        print(f"welcome: epoch {said[2]}, head {said.get(3, 0)}, heartbeat {said[4]} s", flush=True)
    elif tag == 2:
        newest = uuid.UUID(bytes=said[2]) if said.get(2) else "none"
        print(f"notice: head {said[1]}, message {newest}, flags {said.get(3, 0)}", flush=True)
    elif tag in (5, 6):
        sys.exit(f"go_away {said[1]}" if tag == 5 else f"error {said[1]}: {said[2].decode()}")
