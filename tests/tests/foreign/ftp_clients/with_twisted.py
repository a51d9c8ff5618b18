"""Twisted's FTPClient against a server: HOST PORT, ann's password is `p w`."""

import sys

from twisted.internet import defer, protocol, reactor, task
from twisted.protocols import ftp

host, port = sys.argv[1], int(sys.argv[2])
big = bytes(n * 2654435761 >> 24 & 255 for n in range(1_000_000))


class Gather(protocol.Protocol):
    def __init__(self):
        self.got = b""
        self.ended = defer.Deferred()

    def dataReceived(self, data):
        self.got += data

    def connectionLost(self, reason):
        self.ended.callback(self.got)


async def store(client, name, data):
    connected, done = client.storeFile(name)
    sender = await connected
    sender.transport.write(data)
    sender.finish()
    await done


async def get(client, name, offset=0):
    gather = Gather()
    await client.retrieveFile(name, gather, offset)
    return await gather.ended


async def session(passive):
    creator = protocol.ClientCreator(reactor, ftp.FTPClient, "ann", "p w", passive=passive)
    client = await creator.connectTCP(host, port)
    assert (await client.pwd())[0].startswith('257 "/"')
    await client.makeDirectory("work")
    await client.cwd("work")
    await store(client, "a b", big)
    assert await get(client, "a b") == big
    if passive:
        assert await get(client, "a b", 999_000) == big[999_000:]
    assert await client.getDirectory() == "/work"

    listed = ftp.FTPFileListProtocol()
    await client.list(".", listed)
    assert [(each["filename"], each["size"], each["filetype"]) for each in listed.files] == [("a b", len(big), "-")]
    names = Gather()
    await client.nlst(".", names)
    assert (await names.ended).split(b"\r\n") == [b"a b", b""]

    await client.rename("a b", "c")
    try:
        await client.removeFile("a b")
    except ftp.CommandFailed as error:
        assert error.args[0][-1].startswith("550"), error
    else:
        raise AssertionError("what is gone was removed")
    await client.removeFile("c")
    await client.cdup()
    await client.removeDirectory("work")
    said = await client.queueStringCommand("FEAT")
    assert any("MLST" in line for line in said), said
    await client.quit()


async def main(_reactor):
    await session(True)
    await session(False)
    print("all is well")


task.react(lambda *arguments: defer.ensureDeferred(main(*arguments)))
