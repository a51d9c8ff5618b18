"""Sends a file to ann with smtplib, as bytes, and tries what must be refused: KIND PORT-OR-SOCKET CA FILE."""

import smtplib
import ssl
import sys

kind, place, ca, file = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
message = open(file, "rb").read()

if kind == "plain":
    server = smtplib.SMTP("localhost", int(place))
elif kind == "lmtp":
    server = smtplib.LMTP(place)
elif kind == "tls":
    server = smtplib.SMTP_SSL("localhost", int(place), context=context)
else:
    server = smtplib.SMTP("localhost", int(place))
    server.ehlo()
    assert not server.has_extn("auth"), "passwords are for TLS"
    assert server.starttls(context=context)[0] == 220
server.ehlo() if kind != "lmtp" else server.ehlo("x")
for extension in ["size", "8bitmime", "smtputf8", "pipelining", "chunking", "enhancedstatuscodes"]:
    assert server.has_extn(extension), extension
# Nobody makes reports without a queue.
assert not server.has_extn("dsn")

sender = "x@example.com"
if kind in ("starttls", "starttls-login", "tls"):
    sender = "ann@example.org"
    assert server.mail(sender)[0] == 530
    server.user, server.password = "ann", "p w"
    mechanism = server.auth_login if kind == "starttls-login" else server.auth_plain
    assert server.auth("LOGIN" if kind == "starttls-login" else "PLAIN", mechanism)[0] == 235
    assert server.mail("bob@example.org")[0] == 553
    server.rset()
else:
    assert server.mail(sender)[0] == 250
    assert server.rcpt("y@example.com")[0] == 550
    assert server.rcpt("nobody@example.org")[0] == 550
    server.rset()

refused = server.sendmail(sender, ["ann@example.org", "nobody@example.org"], message, ["BODY=8BITMIME"])
assert list(refused) == ["nobody@example.org"], refused
assert server.verify("ann@example.org")[0] == 252
assert server.noop()[0] == 250
assert server.quit()[0] == 221
