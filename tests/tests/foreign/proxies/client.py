"""A SOCKS 5 client for what no packaged tool asks for, with nothing but sockets.

    client.py bind PROXY_PORT              BIND, then a connection to where the proxy listens
    client.py datagrams PROXY_PORT PORT    UDP ASSOCIATE, then datagrams to an echo on PORT, by address and by name
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


def datagrams(port, echo):
    proxy = connect(port)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(1)
    udp.connect(request(proxy, 3, "127.0.0.1", udp.getsockname()[1]))
    by_address = b"\0\0\0\x01" + socket.inet_aton("127.0.0.1") + struct.pack("!H", echo)
    by_name = b"\0\0\0\x03\x09localhost" + struct.pack("!H", echo)
    for header in by_address, by_name:
        for size in 0, 1, 1000, 60000:
            data = bytes(n % 251 for n in range(size))
            assert ask(udp, header + data) == by_address + data, (header, size)
    proxy.close()
    # The port goes with the connection.
    for _ in range(60):
        try:
            udp.send(by_address)
            udp.recv(65535)
        except ConnectionRefusedError:
            return
        except TimeoutError:
            pass
    raise AssertionError("the proxy still listens")


def ask(udp, datagram):
    """Datagrams may be lost, also here."""
    for _ in range(60):
        udp.send(datagram)
        try:
            return udp.recv(65535)
        except TimeoutError:
            pass
    raise AssertionError("no answer")


if __name__ == "__main__":
    {"bind": bind, "datagrams": datagrams}[sys.argv[1]](*map(int, sys.argv[2:]))
