"""Sends a file to ann with Twisted: KIND PORT CA FILE."""

import sys
from io import BytesIO

from twisted.internet import defer, endpoints, reactor, ssl
from twisted.mail import smtp

kind, port, ca, file = sys.argv[1:]
authority = ssl.Certificate.loadPEM(open(ca).read())
options = ssl.optionsForClientTLS("localhost", trustRoot=authority)
message = open(file, "rb").read()


def send(sender, to, password=b"p w"):
    done = defer.Deferred()
    # It makes CRLF of line ends itself.
    body = BytesIO(message.replace(b"\r\n", b"\n"))
    if kind == "plain":
        factory = smtp.SMTPSenderFactory(sender, to, body, done, retries=0)
        factory.domain = b"localhost"
        point = endpoints.TCP4ClientEndpoint(reactor, "localhost", int(port))
    else:
        factory = smtp.ESMTPSenderFactory(
            b"ann", password, sender, to, body, done, retries=0, contextFactory=options,
            requireAuthentication=True, requireTransportSecurity=kind == "starttls", hostname="localhost",
        )
        point = endpoints.TCP4ClientEndpoint(reactor, "localhost", int(port))
        if kind == "tls":
            point = endpoints.wrapClientTLS(options, point)
    point.connect(factory).addErrback(lambda failure: done.called or done.errback(failure))
    return done


@defer.inlineCallbacks
def main():
    sender = "x@example.com" if kind == "plain" else "ann@example.org"
    count, each = yield send(sender, ["ann@example.org"])
    assert count == 1 and each[0][1] == 250, each
    for sender, to, password in [(sender, "nobody@example.org", b"p w"), (sender, "ann@example.org", b"wrong")]:
        if kind == "plain" and password == b"wrong":
            continue
        try:
            yield send(sender, [to], password)
        except smtp.SMTPClientError as error:
            assert error.code in (550, 535, 501), error
        else:
            raise AssertionError(f"{to} with {password} was taken")


def failed(failure):
    failure.printTraceback(sys.stderr)


def ended(_):
    reactor.stop()


main().addCallback(lambda _: print("all is well")).addErrback(failed).addBoth(ended)
reactor.run()
