"""Runs one node as a process: its two sites, its loops, until it is told to stop."""

import asyncio
import os
import resource
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import NoReturn

from contracts.errors import ConfigurationError
from gateway.config import NodeConfig
from gateway.console.private import PrivateApi
from gateway.console.public import PublicSheets
from gateway.exchange.attachments import served
from gateway.exchange.ports import Clock
from gateway.federation.limits import AddressBudget
from gateway.federation.server import Blobs, FederationApi, Statics
from gateway.federation.tls import server_context
from gateway.main.heap import give_back, one_heap
from gateway.main.node import Node, open_node
from gateway.telemetry import configure_logging, log
from gateway.web import Caps, Deadlines, Site, Watch, serve_site
from keys.keystore import read_secret
from keys.tiles import parse_tile

EXIT_DISK_FAILED = 70


async def serve_node(config: NodeConfig, *, clock: Clock | None = None) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code. A `clock` stands in for the machine's: the demo's."""
    one_heap()
    configure_logging(config.log_level)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold keys and opened messages
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    async with open_node(config, clock=clock, disk_failed=_end_at_once) as node, AsyncExitStack() as stack:
        public = await _serve_public(node)
        for site in (await _serve_federation(node), await _serve_private(node), *(() if public is None else (public,))):
            stack.push_async_callback(site.close)
            log.info("listening", host=site.host, port=site.port, node=config.node)
        give_back()
        # After its ports are its own: a second process started by mistake ends without having touched the queues.
        running = asyncio.create_task(node.run_loops(), name="loops")
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return await _stopped(running)


def _end_at_once(code: str) -> NoReturn:
    # After a failed sync nobody knows what is on the disk, and the next sync may say yes over pages that are lost.
    # Closing in order would commit and acknowledge more: whoever waits for an answer must get none (reliability R10).
    log.error("disk-failed", code=code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_DISK_FAILED)


async def _stopped(running: asyncio.Task[None]) -> int:
    if not running.done():
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return 0
    log.error("stopped", exc_info=running.exception())
    return EXIT_DISK_FAILED


async def _serve_federation(node: Node) -> Site:
    config = node.config.federation
    deadlines = Deadlines(config.header_seconds, config.body_grace_seconds, request_seconds=config.request_seconds)
    watch = Watch(deadlines, Caps(config.max_connections, config.max_connections_per_address))
    api = FederationApi(
        receive=node.door.receive,
        answer=node.ask_door.answer,
        statics=_statics(node),
        watch=watch,
        budget=None if config.behind_proxy else AddressBudget(),
        prefix=config.path,
    )
    return await serve_site(api.application(), watch, host=config.host, port=config.port, tls=_server_tls(node.config))


def _server_tls(config: NodeConfig) -> ssl.SSLContext | None:
    federation = config.federation
    if federation.tls_certificate is not None and federation.tls_key is not None:
        return server_context(federation.tls_certificate, federation.tls_key)
    if federation.behind_proxy and federation.host in {"127.0.0.1", "::1", "localhost"}:
        return None
    raise ConfigurationError(
        "el puerto de la red no tiene certificado TLS",
        advice='Ponga [federation] tls_certificate y tls_key, o behind_proxy = true con host = "127.0.0.1".',
    )


async def _serve_private(node: Node) -> Site:
    config = node.config.private
    watch = Watch(Deadlines(header_seconds=75.0), Caps())
    token = read_secret(node.config.operator_token).decode("ascii").strip()
    hosts = (config.host, "127.0.0.1", "localhost", *config.names, node.people.site.rp_id)
    api = PrivateApi(node.operations, node.people, token=token, hosts=hosts, watch=watch)
    return await serve_site(api.application(), watch, host=config.host, port=config.port)


async def _serve_public(node: Node) -> Site | None:
    config = node.config.public
    if config.port is None:
        return None
    watch = Watch(Deadlines(), Caps(connections=128, per_address=128))  # a proxy is one address
    return await serve_site(PublicSheets(node.operations).application(), watch, host=config.host, port=config.port)


def _statics(node: Node) -> Statics:
    mirror = node.trust.client.mirror

    def reader(folder: str) -> Callable[[str], Awaitable[bytes | None]]:
        async def read(name: str) -> bytes | None:
            path = mirror / folder / name
            return await asyncio.to_thread(path.read_bytes) if path.is_file() else None

        return read

    async def checkpoint() -> bytes | None:
        head = await node.log.head()
        return None if head is None else head.note.encode()

    async def tile(path: str) -> bytes | None:
        wanted = parse_tile(path)
        return None if wanted is None else await node.log.tile(wanted)

    blobs = Blobs(partial(served, node=node.capabilities), node.capabilities.blobs.read)
    return Statics(reader("metadata"), reader("targets"), checkpoint, tile, blobs)
