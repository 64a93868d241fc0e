"""A program of a peer's own interpreter, spoken to in JSON lines, its CPU read from /proc."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.proc import cpu_seconds

SENDER, RECEIVER = "bench-sender", "bench-receiver"


class Program:
    """One running program."""

    def __init__(self, process, log):
        self._process, self._log = process, log

    def cpu(self):
        """Return its CPU seconds so far."""
        return cpu_seconds(self._process.pid)

    async def do(self, what, **options):
        """Have it do something."""
        self._process.stdin.write(json.dumps({"do": what, **options}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer's program died: {self._log.read_text()[-2000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@asynccontextmanager
async def running(command, log):
    """Run a program; end it when left."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, limit=1 << 24
        )
    try:
        yield Program(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def write_keys(folder):
    """Write an RSA-2048 key and a self-signed certificate for each end: `.key`, `.crt`, and both in `.pem`."""
    now = datetime.now(UTC)
    for name in (SENDER, RECEIVER):
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .sign(key, hashes.SHA256())
        )
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        public = certificate.public_bytes(serialization.Encoding.PEM)
        for ending, data in (("key", secret), ("crt", public), ("pem", secret + public)):
            (folder / f"{name}.{ending}").write_bytes(data)


def row(answer, cpu_send, cpu_receive):
    """Return what an exchange's answer says, in the shape of a row of the bench; CPU in seconds, of all messages."""
    times = sorted(answer["times"])
    count = len(times)
    return {
        "per_second": count / answer["seconds"],
        "cpu_ms_send": cpu_send / count * 1000,
        "cpu_ms_receive": cpu_receive / count * 1000,
        "cpu_ms": (cpu_send + cpu_receive) / count * 1000,
        "bytes": answer["bytes"] / count,
        "p50_ms": times[count // 2] * 1000,
        "p99_ms": times[min(count - 1, count * 99 // 100)] * 1000,
    }
