"""One node of the bench as a process: `serve` as shipped, and beside it a socket on which the bench enters messages.

The messages enter where a desk's do, at `submit`; the bench learns of the end where the node does, when the verified receipt
is durable. Nothing else of the product is touched.
"""

import asyncio
import cProfile
import ctypes
import json
import os
import signal
import sys
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import text

from gateway.config import load_config
from gateway.exchange import deliver
from gateway.exchange.states import OutboxState
from gateway.exchange.submit import submit
from gateway.federation.client import HttpTransport
from gateway.main import serving
from keys import sealing
from tests.bench.messages import drafts

_PR_SET_PDEATHSIG = 1


class Bench:
    """Enters messages into one running node and waits for their receipts."""

    def __init__(self):
        self.node = None
        self.started = asyncio.Event()
        self.waiting = {}
        self.carried = self.payload = self.padding = 0
        self.profiler = None

    def watch(self):
        """Learn which messages a delivery ended, after the node has committed it."""
        finish = deliver._finish

        async def watched(lane, outcomes, node, **options):
            await finish(lane, outcomes, node, **options)
            for outcome in outcomes:
                if outcome.state is not OutboxState.WAITING and (future := self.waiting.pop(outcome.message_id, None)):
                    future.set_result(outcome.state)

        deliver._finish = watched
        # The door's budget is per address, and the bench's one address stands for a federation's many.
        serving.AddressBudget = partial(serving.AddressBudget, bytes_per_second=1e12, burst=1e12)
        post = HttpTransport._post

        async def counted(transport, peer, path, body, kind):
            answer = await post(transport, peer, path, body, kind)
            self.carried += len(body) + len(answer[0])
            return answer

        HttpTransport._post = counted
        pad = sealing.pad_payload

        def padded(payload, length):
            self.payload += len(payload)
            self.padding += length - len(payload)
            return pad(payload, length)

        sealing.pad_payload = padded
        opening = serving.open_node

        @asynccontextmanager
        async def opened(config, **options):
            async with opening(config, **options) as node:
                self.node = node
                self.started.set()
                yield node

        serving.open_node = opened

    async def exchange(self, *, count, in_flight, size, together=1):
        """Carry `count` messages, `in_flight` at once, `together` per submit; return seconds each took to its receipt."""
        times, states, left = [], defaultdict(int), iter(range(0, count, together))

        async def desk():
            for start in left:
                started = time.perf_counter()
                made = drafts(self.node.capabilities, size, min(together, count - start))
                futures = [self.waiting.setdefault(item.message_id, asyncio.Future()) for item in made]
                await submit(made, self.node.capabilities)
                for future in futures:
                    states[(await future).value] += 1
                    times.append(time.perf_counter() - started)

        before = {"bytes": self.carried, "payload": self.payload, "padding": self.padding}
        began = time.perf_counter()
        await asyncio.gather(*[desk() for _ in range(max(1, in_flight // together))])
        seconds = time.perf_counter() - began
        after = {"bytes": self.carried, "payload": self.payload, "padding": self.padding}
        return {"seconds": seconds, "times": times, "states": states} | {name: after[name] - before[name] for name in after}

    async def drained(self):
        """Wait until what arrived is filed and every leaf has its index."""
        while True:
            async with self.node.capabilities.begin() as work:
                connection = work.inbox._connection
                waiting = await connection.execute(
                    text("SELECT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting') OR EXISTS (SELECT 1 FROM leaf_staging) ")
                )
                if not waiting.scalar_one():
                    return {}
            await asyncio.sleep(0.02)

    async def profile(self, *, on, output):
        """Begin to profile this process, or end and write what was found."""
        if on:
            self.profiler = cProfile.Profile(time.process_time)
            self.profiler.enable()
        else:
            self.profiler.disable()
            self.profiler.dump_stats(output)
        return {}

    async def serve(self, reader, writer):
        """Answer one connection's requests, one JSON object a line."""
        await self.started.wait()
        while line := await reader.readline():
            request = json.loads(line)
            try:
                answer = await getattr(self, request.pop("do"))(**request)
            except Exception as error:  # told to the bench, which ends with it
                answer = {"error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()


async def main(config, socket):
    bench = Bench()
    bench.watch()
    server = await asyncio.start_unix_server(bench.serve, socket, limit=1 << 24)
    async with server:
        return await serving.serve_node(load_config(Path(config)))


if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit(1)
    sys.exit(asyncio.run(main(*sys.argv[1:])))
