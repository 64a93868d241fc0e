"""AS4 (`as4`): both ends in one process, no network, nothing stored; RSA-2048, signed, sealed, a signed receipt checked."""

from contextlib import asynccontextmanager

from tests.bench.peers.environments import HERE, version
from tests.bench.peers.program import row, running, write_keys

NAME = "as4"
SIZES, IN_FLIGHT = ("1.5", "4", "20"), (1,)
MESSAGES = 40


class As4:
    """The running process."""

    def __init__(self, program):
        self._program = program

    async def exchange(self, *, count, in_flight, payload):
        """Carry messages one after another; return a row of the bench. The one process is both ends."""
        if in_flight != 1:
            raise ValueError("one process does one thing at a time")
        before = self._program.cpu()
        answer = await self._program.do("exchange", payload=payload, count=count)
        used = self._program.cpu() - before
        return row(answer, used, 0.0) | {"header_bytes": answer["header_bytes"] / count}

    async def kept(self):
        """Return whether anything is stored."""
        how = "in process: the library has no store and the bench gives it none"
        return {"durable": False, "receipt": True, "how": how}


@asynccontextmanager
async def opened(environment, home):
    """Run the process in `home`."""
    write_keys(home)
    async with running([environment / "bin/python", "-P", HERE / "as4_program.py", home], home / "as4.log") as program:
        await program.do("start")
        yield As4(program)


def about(environment):
    """Return what is measured, in words."""
    return f"AS4, as4 {version(environment, 'as4')}, Peppol profile, RSA-2048, in process without network or store"
