"""AS2 (`pyas2lib`): two processes over plain HTTP on loopback; RSA-2048, signed, sealed, a signed synchronous MDN."""

from contextlib import asynccontextmanager

from tests.bench.peers.environments import HERE, version
from tests.bench.peers.program import row, running, write_keys

NAME = "as2"
SIZES, IN_FLIGHT = ("1.5", "4", "20"), (1, 16, 64)
MESSAGES = 96


class As2:
    """The running pair."""

    def __init__(self, sender, receiver, port):
        self._sender, self._receiver, self._port = sender, receiver, port
        self._sent = 0

    async def exchange(self, *, count, in_flight, payload):
        """Carry messages; return a row of the bench."""
        before = self._sender.cpu(), self._receiver.cpu()
        answer = await self._sender.do("exchange", port=self._port, payload=payload, count=count, in_flight=in_flight)
        after = self._sender.cpu(), self._receiver.cpu()
        self._sent += count
        return row(answer, after[0] - before[0], after[1] - before[1]) | {"header_bytes": answer["header_bytes"] / count}

    async def kept(self):
        """Return whether everything carried is stored, and how that is known."""
        ends = [(await end.do("stored"))["stored"] for end in (self._sender, self._receiver)]
        how = (
            "the library stores nothing; the bench's own program commits payload and MDN at both ends, SQLite with "
            f"synchronous=FULL, before it answers: {ends[0]} and {ends[1]} rows after {self._sent} exchanges"
        )
        return {"durable": ends == [self._sent, self._sent], "receipt": True, "how": how}


@asynccontextmanager
async def opened(environment, home):
    """Run the pair in `home`."""
    write_keys(home)
    command = [environment / "bin/python", "-P", HERE / "as2_program.py"]
    async with (
        running([*command, "receiver", home], home / "receiver.log") as receiver,
        running([*command, "sender", home], home / "sender.log") as sender,
    ):
        port = (await receiver.do("start"))["port"]
        await sender.do("start")
        yield As2(sender, receiver, port)


def about(environment):
    """Return what is measured, in words."""
    return f"AS2, pyas2lib {version(environment, 'pyas2lib')}, RSA-2048, AES-256, signed MDN, plain HTTP"
