"""Children that misbehave, run in the place of the one that reads cells. `python -m tests.adapters.children` is not for people."""

import json
import socket
import sys
import time
from pathlib import Path

from adapters.tabular.child import limit_resources


def hang() -> None:
    while True:
        time.sleep(1)


def greedy() -> str:
    return f"held {len(bytearray(1024 * 1024 * 1024))}"


def burn() -> None:
    while True:
        pass


def write() -> str:
    Path("/tmp/paradero-child-wrote").write_bytes(b"x")
    return "wrote"


def read() -> str:
    return f"read {len(Path('/etc/passwd').read_bytes()) > 0}"


def call() -> str:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    return "called"


def shout() -> None:
    while True:
        sys.stdout.buffer.write(b'{"rows": [[1, ["' + b"x" * 60_000 + b'"]]]}\n')


DEEDS = {deed.__name__: deed for deed in (hang, greedy, burn, write, read, call, shout)}

if __name__ == "__main__":
    options = json.loads(sys.stdin.buffer.readline())
    if options["limited"]:
        limit_resources()
    said = DEEDS[options["deed"]]()
    print(json.dumps({"rows": [[1, [said]]]}), flush=True)
