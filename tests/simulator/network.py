"""The network between simulated processes: it loses, doubles, delays, shuffles; and clients hang up."""

import asyncio
from hashlib import sha256

from contracts.errors import ExchangeError, PeerUnavailableError, ProblemCode
from gateway.exchange.ports import DoorResult
from tests.simulator.sqlite import CrashedError

SPLIT_SECOND = 0.03
"""How long a request takes, about: a client that hangs up does so somewhere in it."""


class Network:
    """A Transport of one life. Whoever asks survives what happens to whoever answers, and the reverse."""

    def __init__(self, world, life):
        self._world, self._life, self._sender = world, life, life.name

    async def deliver(self, peer, envelopes):
        order = list(range(len(envelopes)))
        if len(order) > 1 and self._world.happens("shuffle", self._world.weather.shuffle):
            self._world.chance.shuffle(order)
        results = await self._call(peer, [envelopes[place] for place in order])
        answers = dict(zip(order, results, strict=True))
        return [_result(answers[place]) for place in range(len(envelopes))]

    async def ask(self, peer, envelope):
        process = self._world.processes[str(peer)]
        if process.node is None:
            raise PeerUnavailableError("down")
        result = await process.spawn(process.node.ask_door.answer(envelope))
        if not isinstance(result, bytes):
            raise PeerUnavailableError("refused")
        return result

    async def _call(self, peer, envelopes):
        world, weather, peer = self._world, self._world.weather, str(peer)
        world.attempt(self._sender, peer, len(envelopes))
        await self._travel()
        if (self._sender, peer) in world.cut or world.happens("lose-request", weather.lose_request):
            await self._silence()
        if world.happens("arrive-late", weather.arrive_late):  # after what is sent again: it is overtaken
            world.background(self._later(peer, envelopes))
            await self._silence()
        if world.happens("double", weather.double):
            world.background(self._later(peer, envelopes))
        results = await self._answered(peer, envelopes)
        await self._travel()
        if (peer, self._sender) in world.cut or world.happens("lose-reply", weather.lose_reply):
            world.counts[f"lose-reply {peer}"] += world.stormy
            await self._silence()
        await self._life.frozen.wait()
        world.note(self._sender, "<-", peer, len(envelopes))
        return results

    async def _answered(self, peer, envelopes):
        world, process = self._world, self._world.processes[peer]
        if process.node is None:
            raise PeerUnavailableError("down")
        life = process.life
        await life.frozen.wait()
        if not life.alive:
            raise PeerUnavailableError("died")
        task = life.spawn(life.node.door.receive(envelopes))
        hangs_up = world.happens("hang-up", world.weather.hang_up)
        if hangs_up:
            asyncio.get_running_loop().call_later(world.chance.uniform(0, SPLIT_SECOND), task.cancel)
        await asyncio.wait({task})
        if task.cancelled() or isinstance(task.exception(), CrashedError | ExchangeError):
            if hangs_up and life.alive:
                world.hung_up.update(sha256(envelope).digest() for envelope in envelopes)
            raise PeerUnavailableError("died")
        world.told(peer, envelopes, task.result())
        return task.result()

    async def _later(self, peer, envelopes):
        await asyncio.sleep(self._world.chance.uniform(0.01, 30))
        try:
            await self._answered(peer, envelopes)
        except PeerUnavailableError:
            return

    async def _silence(self):
        await asyncio.sleep(self._world.chance.uniform(0.1, 5))
        await self._life.frozen.wait()
        raise PeerUnavailableError("lost")

    async def _travel(self):
        await asyncio.sleep(self._world.chance.uniform(0.005, 0.4))


def _result(item):
    return DoorResult(None, item) if isinstance(item, ProblemCode) else DoorResult(item, None)
