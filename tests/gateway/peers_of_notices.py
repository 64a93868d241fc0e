"""A receiver of webhooks and a mail server on real sockets: what a node says to them is what they are given."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Receiver:
    """Answers what `statuses` says, then 204."""

    port: int = 0
    statuses: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    taken: list = field(default_factory=list)
    """(headers, body) of each request."""

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/hooks?t=clave-en-la-ruta"

    async def handle(self, request):
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204, headers=self.headers)


@asynccontextmanager
async def receiving():
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = site._server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class MailPeer:
    """Speaks enough SMTP (RFC 5321) to take mail. `refuse`: what it says to RCPT instead of yes."""

    port: int = 0
    refuse: list = field(default_factory=list)
    mails: list = field(default_factory=list)
    """(sender, recipient, text) of each mail taken."""

    async def talk(self, reader, writer):
        sender = recipient = ""

        async def say(line):
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 correo.example")
        while line := (await reader.readline()).decode().strip():
            word = line.upper()
            if word.startswith("EHLO"):
                await say("250 correo.example")
            elif word.startswith("MAIL FROM"):
                sender = line[10:].split(">")[0].strip("<")
                await say("250 ok")
            elif word.startswith("RCPT TO"):
                recipient = line[8:].split(">")[0].strip("<")
                await say(self.refuse.pop(0) if self.refuse else "250 ok")
            elif word == "DATA":
                await say("354 go on")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((sender, recipient, data.decode()))
                await say("250 taken")
            elif word == "QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()


@asynccontextmanager
async def taking_mail():
    peer = MailPeer()
    server = await asyncio.start_server(peer.talk, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
