"""The honest member: posts one message after another over a kept connection, and measures. Standard library only."""

import json
import select
import socket
import ssl
import sys
import time
from base64 import urlsafe_b64decode
from contextlib import suppress
from pathlib import Path

ADDRESS = "127.0.0.99"


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(ADDRESS, 0))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def post(connection: ssl.SSLSocket, envelope: str, extra: str = "") -> str:
    """Return `accepted`, or what was said instead."""
    head = f"POST /x/v1/inbox HTTP/1.1\r\nHost: h\r\nContent-Type: application/jose\r\n{extra}Content-Length: {len(envelope)}\r\n\r\n"
    connection.sendall(head.encode() + envelope.encode())
    answer = connection.makefile("rb")
    status = answer.readline().split()
    length = 0
    while (line := answer.readline().strip().lower()) and line:
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    body = answer.read(length)
    if status[1:2] != [b"200"]:
        return f"status {status[1:2]}"
    receipt = json.loads(body)["results"][0].get("receipt", "..")
    payload = receipt.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)) or b"{}").get("status", "no receipt")


def deliver(port: int, context: ssl.SSLContext, connection: ssl.SSLSocket | None, envelope: str):
    """Post; once more over a new connection when the kept one had been closed meanwhile, as every HTTP client does."""
    said = "closed"
    for fresh in (False, True) if connection is not None else (True,):
        try:
            if fresh or connection is None:
                connection = connect(port, context)
            said = post(connection, envelope)
        except (OSError, IndexError, ValueError) as error:
            said, connection = type(error).__name__, None
        if said != "status []" and connection is not None:
            break
    return said, connection


def main() -> None:
    port, certificate, file, every = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
    context = ssl.create_default_context(cafile=certificate)
    with Path(file).open() as text:
        waiting = json.load(text)
    seconds, accepted, failed, connection = [], 0, [], None
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], every)[0]:
        if not waiting:
            continue
        envelope, started = waiting.pop(), time.perf_counter()
        if connection is not None and len(seconds) % 10 == 0:  # a new connection now and then: the door must open, too
            connection.close()
            connection = None
        said, connection = deliver(port, context, connection, envelope)
        seconds.append(time.perf_counter() - started)
        accepted += said == "accepted"
        if said != "accepted":
            failed.append(said)
    with suppress(OSError):
        if connection is not None:
            connection.close()
    print(json.dumps({"seconds": seconds, "accepted": accepted, "failed": failed[:20]}))


if __name__ == "__main__":
    main()
