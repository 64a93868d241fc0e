"""What bounds an exchange from below, measured in the same run: primitives, commits, a bare POST, a bare JOSE pair.

Both ends of the POST and of the JOSE pair run in this one process, so their CPU is that of both ends together.
"""

import asyncio
import json
import secrets
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256

import aiohttp
from aiohttp import web
from joserfc import jwe, jws
from joserfc.jwk import OKPKey
from sqlalchemy import Column, LargeBinary, MetaData, String, Table

from contracts.ids import NodeId
from gateway.federation.tls import server_context
from gateway.storage.engine import create_engine
from keys.jose import decrypt_jwe, encrypt_jwe, sign_jws, verify_jws
from keys.model import generate_node_keys
from keys.tls import self_signed_certificate

PAYLOAD = 4096
_SIGNING, _SEALING = ["Ed25519", "EdDSA"], ["ECDH-ES+A256KW", "A256GCM"]
_metadata = MetaData()
_table = Table(
    "stored", _metadata, Column("id", String(36), primary_key=True), Column("body", LargeBinary), Column("receipt", LargeBinary)
)


def _cpu_ms(work, times):
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times * 1000


def libraries():
    """Return the memory and the seconds of a process that imports what a node is made of, and nothing of ours."""
    code = (
        "import json, time; began = time.perf_counter()\n"
        "import aiohttp.web, pydantic, sqlalchemy.ext.asyncio, structlog, prometheus_client, tuf.ngclient, pyrage\n"
        "import sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite, cryptography.x509\n"
        "took = time.perf_counter() - began\n"
        "rss = next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1]\n"
        "print(json.dumps({'libraries_mb': int(rss) / 1024, 'libraries_seconds': took}))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def primitives(times):
    """Return CPU-ms of the cryptography of one message of 4 kB."""
    keys = generate_node_keys(NodeId("gt.banco"))
    token = sign_jws(b"x" * PAYLOAD, keys.sig, typ="t")
    public = keys.enc[0].public
    sealed = encrypt_jwe(token.encode(), public, typ="t", cty="c")
    return {
        "sign": _cpu_ms(lambda: sign_jws(b"x" * PAYLOAD, keys.sig, typ="t"), times),
        "verify": _cpu_ms(lambda: verify_jws(token, typ="t", find=lambda _: keys.sig.public), times),
        "seal": _cpu_ms(lambda: encrypt_jwe(token.encode(), public, typ="t", cty="c"), times),
        "open": _cpu_ms(lambda: decrypt_jwe(sealed, typ="t", cty="c", find=lambda _: keys.enc[0]), times),
    }


@asynccontextmanager
async def store(url):
    """Open the bench's own table through the engine the node uses."""
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


def _rows(count):
    return [{"id": secrets.token_hex(16), "body": b"x" * PAYLOAD, "receipt": b""} for _ in range(count)]


async def commits(url, rows):
    """Return rows per second and CPU-ms per row, one and fifty per commit."""
    found = {}
    async with store(url) as engine:
        for name, together in (("single", 1), ("grouped", 50)):
            cpu, wall, done = time.process_time(), time.perf_counter(), 0
            while done < rows:
                async with engine.begin() as connection:
                    await connection.execute(_table.insert(), _rows(together))
                done += together
            found[name] = {
                "per_second": done / (time.perf_counter() - wall),
                "cpu_ms": (time.process_time() - cpu) / done * 1000,
            }
    return found


@asynccontextmanager
async def _served(handler, folder):
    certificate, key = self_signed_certificate(["127.0.0.1"], now=datetime.now(UTC))
    (folder / "bound.pem").write_bytes(certificate)
    (folder / "bound.key").write_bytes(key)
    application = web.Application()
    application.router.add_post("/", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    context = server_context(folder / "bound.pem", folder / "bound.key")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    trusting = ssl.create_default_context(cafile=folder / "bound.pem")
    trusting.check_hostname = False
    address = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting, limit=64)) as session:

            async def post(body):
                async with session.post(address, data=body) as answer:
                    return await answer.read()

            yield post
    finally:
        await runner.cleanup()


async def _measured(one, count, in_flight):
    left = iter(range(count))

    async def worker():
        for _ in left:
            await one()

    await one()
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(in_flight)])
    return {"per_second": count / (time.perf_counter() - wall), "cpu_ms": (time.process_time() - cpu) / count * 1000}


async def bare_post(folder, count, in_flight):
    """Return the cost of a POST of one envelope over kept TLS connections, and nothing else."""

    async def answer(request):
        await request.read()
        return web.Response(body=b"x" * 600)

    async with _served(answer, folder) as post:
        return await _measured(lambda: post(b"x" * PAYLOAD), count, in_flight)


async def jose_pair(folder, url, count, in_flight):
    """Return the cost of a bare `joserfc` pair on the same store: signed, sealed, stored at both ends, receipt checked.

    It has no records, padding, post-quantum sealing or log, and commits one by one.
    """
    signing = OKPKey.generate_key("Ed25519")
    sealing = OKPKey.generate_key("X25519")
    header = {"alg": _SEALING[0], "enc": _SEALING[1]}

    async with store(url) as engine:

        async def keep(body, receipt):
            async with engine.begin() as connection:
                row = {"id": secrets.token_hex(16), "body": body, "receipt": receipt}
                await connection.execute(_table.insert(), [row])

        def sign(data):
            return jws.serialize_compact({"alg": _SIGNING[0]}, data, signing, algorithms=_SIGNING)

        async def receive(request):
            opened = jwe.decrypt_compact(await request.read(), sealing, algorithms=_SEALING).plaintext
            message = jws.deserialize_compact(opened, signing, algorithms=_SIGNING)
            receipt = sign(sha256(message.payload).hexdigest().encode()).encode()
            await keep(opened, receipt)
            return web.Response(body=receipt)

        async def send(post):
            token = sign(b"x" * PAYLOAD)
            envelope = jwe.encrypt_compact(header, token.encode(), sealing, algorithms=_SEALING)
            await keep(envelope.encode(), b"")
            receipt = await post(envelope.encode())
            jws.deserialize_compact(receipt, signing, algorithms=_SIGNING)
            await keep(b"", receipt)

        async with _served(receive, folder) as post:
            return await _measured(lambda: send(post), count, in_flight)
