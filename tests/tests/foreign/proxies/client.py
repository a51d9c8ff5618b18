"""A SOCKS 5 client for what no packaged tool asks for, with nothing but sockets.

    client.py bind PROXY_PORT        BIND, then a connection to where the proxy listens
"""

import socket
import struct
import sys


def connect(port):
    """A connection to the proxy that has agreed on no authentication."""
    proxy = socket.create_connection(("127.0.0.1", port), timeout=60)
    proxy.sendall(b"\x05\x01\x00")
    assert take(proxy, 2) == b"\x05\x00"
    return proxy


def take(connection, count):
    taken = b""
    while len(taken) < count:
        piece = connection.recv(count - len(taken))
        assert piece, "the proxy ended within a message"
        taken += piece
    return taken


def request(proxy, command, host, port):
    proxy.sendall(b"\x05" + bytes([command]) + b"\x00\x01" + socket.inet_aton(host) + struct.pack("!H", port))
    return reply(proxy)


def reply(proxy):
    version, code, _, kind = take(proxy, 4)
    assert (version, code, kind) == (5, 0, 1), (version, code, kind)
    host, port = take(proxy, 4), take(proxy, 2)
    return socket.inet_ntoa(host), struct.unpack("!H", port)[0]


def bind(port):
    proxy = connect(port)
    where = request(proxy, 2, "127.0.0.1", 0)
    guest = socket.create_connection(where, timeout=60)
    assert reply(proxy) == guest.getsockname()
    guest.sendall(b"from the guest")
    assert take(proxy, 14) == b"from the guest"
    proxy.sendall(b"from the client")
    assert take(guest, 15) == b"from the client"
    guest.close()
    assert proxy.recv(1) == b""


if __name__ == "__main__":
    {"bind": bind}[sys.argv[1]](*map(int, sys.argv[2:]))
