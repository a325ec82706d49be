#!/usr/bin/env python3
"""Log in over HTTP, connect to signal over TCP, say hello, and print every notice.

    notices.py http://127.0.0.1:7480 HANDLE PASSWORD [SECONDS]

Written from proto/schema/nudge/v1/*.proto alone, with the standard library alone.
"""
import base64, json, os, socket, struct, sys, time, urllib.request, uuid


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


def fields(data):
    """The fields of a message, by tag."""
    found, at = {}, 0

    def read_varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = read_varint()
        if key & 7 == 2:
            length = read_varint()
            found[key >> 3] = data[at:at + length]
            at += length
        elif key & 7 == 0:
            found[key >> 3] = read_varint()
        else:
            at += {1: 8, 5: 4}[key & 7]
    return found


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def send(connection, tag, message):
    frame = field(tag, message)
    connection.sendall(struct.pack(">H", len(frame)) + frame)


def main():
    server, handle, password = sys.argv[1:4]
    end = time.time() + float(sys.argv[4]) if len(sys.argv) > 4 else float("inf")
    login = {"device_id": str(uuid.uuid4()), "device_name": "notices.py", "handle": handle, "password": password}
    session = post(server + "/v1/sessions", login)
    discovery = json.load(urllib.request.urlopen(server + "/.well-known/nudge"))
    address = next(way["address"] for way in discovery["transports"] if way["kind"] == "tcp")
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host or server.split("/")[2].split(":")[0], int(port)))
    ticket = session["connect_ticket"]
    ticket = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    instance = varint(3 << 3 | 1) + os.urandom(8)  # fixed64
    send(connection, 1, field(1, ticket) + instance + field(4, 1) + field(5, b"notices.py"))
    stream, heartbeat, ping_at = connection.makefile("rb"), 30, None
    while time.time() < end:
        connection.settimeout(max(0.01, min(end, ping_at or end) - time.time()) if end < 1e18 or ping_at else None)
        try:
            prefix = stream.read(2)
        except TimeoutError:
            if ping_at and time.time() >= ping_at:
                send(connection, 3, b"")
                ping_at = time.time() + heartbeat
            stream = connection.makefile("rb")
            continue
        if len(prefix) < 2:
            sys.exit("the server closed the connection")
        (tag, message), = fields(stream.read(struct.unpack(">H", prefix)[0])).items()
        said = fields(message)
        if tag == 1:
            heartbeat = said[4]
            ping_at = time.time() + heartbeat
            print(f"welcome: epoch {said[2]}, head {said.get(3, 0)}, heartbeat {heartbeat} s", flush=True)
        elif tag == 2:
            newest = uuid.UUID(bytes=said[2]) if said.get(2) else "none"
            print(f"notice: head {said[1]}, message {newest}, flags {said.get(3, 0)}", flush=True)
        elif tag == 6:
            sys.exit(f"error {said[1]}: {said.get(2, b'').decode()}")


if __name__ == "__main__":
    main()
