"""The acts on people that work on files alone: the first administrator, one who lost their password, a demonstration's links.

Whoever may run them on the node's machine as the node's user holds its database and keys anyway; all are leaves of the log.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.errors import ConfigurationError
from gateway.config import NodeConfig
from gateway.exchange.ports import Clock
from gateway.main.node import Leaves, SystemClock, SystemRandomness, refuse_half_restore
from gateway.main.people import people_desk
from gateway.people.accounts import Invited, bootstrap, recover
from gateway.people.desk import PeopleDesk
from gateway.people.links import Link, make_link
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.revisions import Schema
from gateway.storage.selfcheck import check_database, refuse_unsafe
from keys.keystore import load_node_keys


async def make_first_administrator(config: NodeConfig, login: str, name: str, password: str) -> None:
    """Make the first administrator while nobody was ever added.

    Raises:
        ConfigurationError: the node's files do not allow it.
        TakenError: there is or was somebody.
        InvalidError: login, name or password is not what it must be.
    """
    async with _desk(config) as desk:
        await bootstrap(login, name, password, desk)


async def recover_administrator(config: NodeConfig, login: str) -> Invited:
    """Return an invitation for an administrator.

    Raises:
        ConfigurationError: the node's files do not allow it.
        UnknownError: nobody who administers this node has that login.
    """
    async with _desk(config) as desk:
        return await recover(login, desk)


async def make_demo_link(config: NodeConfig, login: str, *, clock: Clock) -> Link:
    """Return a link that signs somebody in at a demonstration node, by the clock its nodes have.

    Raises:
        ConfigurationError: the node is no demonstration's, or its files do not allow it.
        UnknownError, TakenError: nobody works there under that login, or not yet.
    """
    if not config.demo:
        raise ConfigurationError(
            "sólo en una demostración se entra por un enlace", advice="Aquí se entra con usuario y clave: `paradero login`."
        )
    async with _desk(config, clock) as desk:
        return await make_link(login, desk)


@asynccontextmanager
async def _desk(config: NodeConfig, clock: Clock | None = None) -> AsyncIterator[PeopleDesk]:
    refuse_half_restore(config)
    if not config.data.is_dir():
        raise ConfigurationError(f"no existe la carpeta de datos {config.data}", advice="Ejecute `paradero init`.")
    keys = load_node_keys(config.node_keys, config.key_identity)
    engine, read_engine = create_engine(config.main_database), create_read_engine(config.main_database)
    try:
        refuse_unsafe(await check_database(engine, Schema.MAIN))
        yield people_desk(
            engine,
            read_engine,
            keys,
            limits=config.sessions,
            require_factor=config.second_factor,
            console_url=config.console_url,
            leaves=Leaves(),
            clock=clock or SystemClock(),
            randomness=SystemRandomness(),
            nudge_log=lambda: None,  # a node that runs looks every few seconds
        )
    finally:
        await engine.dispose()
        await read_engine.dispose()
