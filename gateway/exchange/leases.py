"""Who has a message in hand. A worker keeps its name over restarts; every life of it has an owner of its own.

What a dead life held is given back when the worker starts again. Should that life not be dead (stopped and resumed, or a
second process under the same name, which the configuration forbids), it can finish nothing any more: its owner is gone
from the rows, and the peer knows a repeated message.
"""

from contracts.errors import ExchangeError
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import Randomness


def new_owner(worker: str, randomness: Randomness) -> str:
    """Return what this life of `worker` is called in leases."""
    return f"{worker}:{randomness.token(6).hex()}"


async def take_back(node: Capabilities, worker: str) -> int:
    """Give back what earlier lives of `worker` had claimed; return how many leases. Call it before the first claim."""
    try:
        async with node.begin() as work:
            return await work.inbox.release(worker) + await work.outbox.release(worker)
    except ExchangeError as error:
        node.complain("take-back", error)  # they lapse by themselves
        return 0
