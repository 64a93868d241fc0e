"""Joins what the pages about the node itself may use."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

from contracts.disclosure import Policies
from contracts.ids import NodeId
from gateway.config import NodeConfig
from gateway.console.machine_room import BackupSeen, Check, MachineRoom
from gateway.console.trials import MappingInfo, Trial
from gateway.exchange.ports import Clock
from gateway.federation.client import PeerAddress
from gateway.federation.probing import HttpsLine
from gateway.storage.backups import checked_backups
from gateway.storage.engine import Engine
from gateway.storage.link_models import LinkModels
from keys.register.state import TrustState


def machine_room(config: NodeConfig, read_engine: Engine, clock: Clock, trust: Callable[[], TrustState]) -> MachineRoom:
    """Return what pages for administrators may use. What tries and diagnoses is loaded when somebody asks for it: some
    megabytes that an idle node need not carry.
    """

    def address_of(peer: NodeId) -> PeerAddress:
        endpoint = trust().endpoint(peer)  # the register's, always: nobody names another
        return PeerAddress(endpoint.url, endpoint.tls_pin)

    def mappings() -> Sequence[MappingInfo]:
        from gateway.main.trial import known_mappings  # noqa: PLC0415 - see above

        return known_mappings(config.mapping_folder)

    def try_mapping(name: str, data: bytes | None, limit: int, policy: Policies) -> Trial:
        from gateway.main.trial import try_source  # noqa: PLC0415 - see above

        return try_source(config.mapping_folder, name, data, limit=limit, policy=policy, now=clock.now())

    async def diagnosis() -> Sequence[Check]:
        from gateway.main.doctor import diagnose  # noqa: PLC0415 - see above

        # In a thread with a loop of its own: it opens keys and reads files, and the node has others to serve meanwhile.
        found = await asyncio.to_thread(lambda: asyncio.run(diagnose(config, clock.now())))
        return [Check(item.severity, item.what, item.advice) for item in found]

    return MachineRoom(
        links=LinkModels(read_engine),
        line=HttpsLine(address_of, allowed=config.federation.allowed_networks),
        mappings=mappings,
        try_mapping=try_mapping,
        diagnose=diagnosis,
        backups=partial(_backups, read_engine),
        release=version("paradero"),
    )


async def _backups(engine: Engine) -> Sequence[BackupSeen]:
    return [
        BackupSeen(item.row.taken_at, item.row.kind, item.row.file, item.row.size, item.whole_at, item.opened_at)
        for item in await checked_backups(engine)
    ]
