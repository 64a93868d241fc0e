"""One end of an AS2 exchange, run by the interpreter of the peer's own environment: `python as2_program.py ROLE FOLDER`.

It imports the standard library, `pyas2lib` and `aiohttp`, and nothing of this product. One JSON object a line comes on stdin
and one goes to stdout. Payload and MDN are stored by this program, durably, in SQLite with `synchronous=FULL`.
"""

import asyncio
import json
import re
import sqlite3
import sys
import time
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

_ONE_DIGIT = "\\b(\\d\\.\\d\\.\\d[a-z]*)\\b"
_MANY_DIGITS = "\\b(\\d+\\.\\d+\\.\\d+[a-z]*)\\b"
SENDER, RECEIVER = "bench-sender", "bench-receiver"


def _load_pyas2lib():
    """Import the library.

    `oscrypto` 1.3.0, which `pyas2lib` pins, reads one digit of OpenSSL's patch number and so refuses 3.0.10 and later. It has
    no option for that; so while it is imported, and only then, that one pattern is read with more digits.
    """
    search = re.search

    def tolerant(pattern, string, flags=0):
        return search(_MANY_DIGITS if pattern == _ONE_DIGIT else pattern, string, flags)

    re.search = tolerant
    try:
        import pyas2lib.as2
    finally:
        re.search = search
    return pyas2lib.as2


as2 = _load_pyas2lib()


class Store:
    """One row per message, committed before anything is answered."""

    def __init__(self, path):
        self._database = sqlite3.connect(path, isolation_level=None)
        for setting in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            self._database.execute(setting).fetchall()
        self._database.execute("CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, payload BLOB, mdn BLOB)")

    def keep(self, message_id, payload, mdn):
        self._database.execute(
            "INSERT INTO message VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET mdn = excluded.mdn", (message_id, payload, mdn)
        )

    def count(self):
        return self._database.execute("SELECT count(*) FROM message WHERE mdn IS NOT NULL").fetchone()[0]


def _organisation(folder, name):
    pem = (folder / f"{name}.pem").read_bytes()
    return as2.Organization(as2_name=name, sign_key=pem, decrypt_key=pem, domain="bench.invalid")


def _partner(folder, name):
    certificate = (folder / f"{name}.crt").read_bytes()
    return as2.Partner(
        as2_name=name, verify_cert=certificate, encrypt_cert=certificate, validate_certs=False, sign=True, digest_alg="sha256",
        encrypt=True, enc_alg="aes_256_cbc", mdn_mode="SYNC", mdn_digest_alg="sha256",
    )  # fmt: skip


class Receiver:
    """Receives over HTTP, stores, answers with a signed MDN."""

    def __init__(self, folder):
        self._own, self._partner = _organisation(folder, RECEIVER), _partner(folder, SENDER)
        self._store = Store(folder / "receiver.db")

    async def start(self):
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/", self._receive)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return {"port": runner.addresses[0][1]}

    async def _receive(self, request):
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items()).encode()
        message = as2.Message()
        status, _, mdn = message.parse(
            head + b"\r\n" + await request.read(),
            find_org_cb=lambda _: self._own,
            find_partner_cb=lambda _: self._partner,
            find_message_cb=lambda *_: False,
        )
        if status != "processed":
            raise web.HTTPBadRequest
        self._store.keep(message.message_id, message.content, mdn.content)
        return web.Response(body=mdn.content, headers=mdn.headers)

    async def stored(self):
        return {"stored": self._store.count()}


class Sender:
    """Builds, stores, posts, verifies the MDN and stores it."""

    def __init__(self, folder):
        self._own, self._partner = _organisation(folder, SENDER), _partner(folder, RECEIVER)
        self._store = Store(folder / "sender.db")

    async def start(self):
        return {}

    async def exchange(self, *, port, payload, count, in_flight):
        times, left, carried = [], iter(range(count)), {"body": 0, "head": 0}
        data = payload.encode()

        async def one(session):
            message = as2.Message(self._own, self._partner)
            message.build(data, content_type="application/json")
            self._store.keep(message.message_id, data, None)
            body = message.content
            async with session.post(f"http://127.0.0.1:{port}/", data=body, headers=message.headers) as answer:
                found = await answer.read()
                head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()).encode()
            mdn = as2.Mdn()
            status, detail = mdn.parse(head + b"\r\n" + found, lambda *_: message)
            if status != "processed" or detail:
                raise RuntimeError(f"the receiver answered {status}: {detail}")
            self._store.keep(message.message_id, data, found)
            carried["body"] += len(body) + len(found)
            carried["head"] += len(message.headers_str) + len(head)

        async def worker(session):
            for _ in left:
                began = time.perf_counter()
                await one(session)
                times.append(time.perf_counter() - began)

        async with ClientSession(connector=TCPConnector(limit=64)) as session:
            began = time.perf_counter()
            await asyncio.gather(*[worker(session) for _ in range(in_flight)])
            seconds = time.perf_counter() - began
        return {"seconds": seconds, "times": times, "bytes": carried["body"], "header_bytes": carried["head"]}

    async def stored(self):
        return {"stored": self._store.count()}


async def main(role, folder):
    end = {"sender": Sender, "receiver": Receiver}[role](Path(folder))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        try:
            answer = await getattr(end, request.pop("do"))(**request)
        except Exception as error:  # told to the bench, which ends with it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
