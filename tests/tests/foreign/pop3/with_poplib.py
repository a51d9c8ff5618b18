"""poplib against a server: PORT TLS_PORT CA FOLDER, where the messages are that ann must have, by their numbers."""

import os
import poplib
import ssl
import sys

port, tls_port, ca, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=ca)
wanted = {number: open(os.path.join(folder, str(number)), "rb").read() for number in range(1, 6)}


def fetch(client):
    for number, message in wanted.items():
        answer, lines, size = client.retr(number)
        assert b"".join(line + b"\r\n" for line in lines) == message, number
        assert answer == b"+OK %d octets" % len(message), answer


clear = poplib.POP3("localhost", port)
try:
    clear.user("ann")
except poplib.error_proto as error:
    assert b"STLS" in error.args[0], error
else:
    raise AssertionError("a password is asked for in clear")
assert "STLS" in clear.capa() and "USER" not in clear.capa()
clear.stls(context)
assert clear.capa()["SASL"] == ["SCRAM-SHA-256", "PLAIN", "LOGIN"], clear.capa()
clear.user("ann")
clear.pass_("p w")
assert clear.stat() == (len(wanted), sum(map(len, wanted.values())))
assert clear.list()[1] == [b"%d %d" % (number, len(message)) for number, message in wanted.items()]
fetch(clear)
assert clear.top(4, 2)[1] == [b"Subject: many", b"", b"0", b".1"]
uids = clear.uidl()[1]

other = poplib.POP3_SSL("localhost", tls_port, context=context)
other.user("ann")
try:
    other.pass_("p w")
except poplib.error_proto as error:
    assert b"[IN-USE]" in error.args[0], error
else:
    raise AssertionError("two sessions at once")
for number in wanted:
    clear.dele(number)
clear.rset()
clear.close()

other.user("ann")
other.pass_("p w")
assert other.uidl()[1] == uids
fetch(other)
for number in wanted:
    other.dele(number)
assert other.stat() == (0, 0)
assert other.quit().startswith(b"+OK")
