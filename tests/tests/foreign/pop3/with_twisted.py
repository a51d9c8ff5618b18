"""Twisted's AdvancedPOP3Client against a server: PORT CA FOLDER, where the messages are that ann must have, by their numbers."""

import os
import sys

from twisted.internet import defer, protocol, reactor, ssl, task
from twisted.mail.pop3 import AdvancedPOP3Client, ServerErrorResponse

port, ca, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
trust = ssl.Certificate.loadPEM(open(ca).read())
wanted = [open(os.path.join(folder, str(number)), "rb").read() for number in range(1, 6)]


class Client(AdvancedPOP3Client):
    def __init__(self):
        self.greeted = defer.Deferred()

    def serverGreeting(self, greeting):
        AdvancedPOP3Client.serverGreeting(self, greeting)
        self.greeted.callback(self)


async def connect():
    client = await protocol.ClientCreator(reactor, Client).connectTCP("localhost", port)
    await client.greeted
    return client


async def session():
    client = await connect()
    assert b"STLS" in await client.capabilities()
    await client.startTLS(ssl.optionsForClientTLS("localhost", trustRoot=trust))
    capabilities = await client.capabilities()
    assert capabilities[b"SASL"] == [b"SCRAM-SHA-256", b"PLAIN", b"LOGIN"], capabilities
    try:
        await client.login(b"ann", b"guess")
    except ServerErrorResponse as error:
        assert b"[AUTH]" in error.args[0], error
    else:
        raise AssertionError("any password will do")
    await client.login(b"ann", b"p w")
    assert await client.stat() == (len(wanted), sum(map(len, wanted)))
    assert await client.listSize() == [len(message) for message in wanted]
    assert len(set(await client.listUID())) == len(wanted)
    # All at once: it pipelines.
    fetched = await defer.gatherResults([client.retrieve(n) for n in range(len(wanted))])
    for number, (lines, message) in enumerate(zip(fetched, wanted)):
        assert b"".join(line + b"\r\n" for line in lines) == message, number
    assert await client.retrieve(0, lines=1) == [b"Subject: dots", b"", b"."]
    await client.delete(0)
    await client.reset()
    await client.noop()
    await defer.gatherResults([client.delete(n) for n in range(len(wanted))])
    await client.quit()


task.react(lambda _: defer.ensureDeferred(session()))
