"""A password goes to the node's own process: not to another user of the machine who listens in its place."""

import asyncio
import os
import socket
import threading

import pytest

from gateway.cli.listener import stranger_listens
from tests.people.world import ADMIN, open_world, password_of

NOBODY = 65534


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        await found.bootstrap()
        yield found


def impostor(port):
    """Listen as another user, as far as the system lets us; return the socket, and what it is told."""
    listening, told = socket.socket(), []
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()

    def hear():
        try:
            while True:
                connection, _ = listening.accept()
                told.append(connection.recv(65536))
                connection.close()
        except OSError:
            return

    threading.Thread(target=hear, daemon=True).start()
    return listening, told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as somebody else")
async def test_nothing_is_told_to_another_user_who_listens_in_the_nodes_place(world):
    # Linux files a socket under the user its process had when it was made.
    os.seteuid(NOBODY)
    try:
        listening, told = impostor(0)
    finally:
        os.seteuid(0)
    port = listening.getsockname()[1]
    world.config.write_text(world.config.read_text().replace(f"port = {world.port}", f"port = {port}"))
    try:
        for words, given in ((("login", ADMIN, "--password-stdin"), f"{password_of(ADMIN)}\n"), (("status",), "")):
            refused = await world.cli(ADMIN, *words, given=given, code=7)
            assert "otro usuario" in refused.output
        assert told == []
        # Control: the same listener, when it is the node's own user's, is spoken to.
        os.chown(world.node.config.data, NOBODY, -1)
        await world.cli(ADMIN, "login", ADMIN, "--password-stdin", given=f"{password_of(ADMIN)}\n", code=7)
        await asyncio.sleep(0.2)
        assert password_of(ADMIN).encode() in b"".join(told)
    finally:
        os.chown(world.node.config.data, 0, -1)
        listening.close()


def test_a_listener_of_ones_own_is_no_stranger():
    listening, _ = impostor(0)
    port = listening.getsockname()[1]
    assert not stranger_listens("127.0.0.1", port, os.geteuid())
    assert stranger_listens("127.0.0.1", port, NOBODY) is (os.geteuid() != 0)
    assert not stranger_listens("10.0.0.1", port, NOBODY)
    listening.close()
    assert not stranger_listens("127.0.0.1", 1, NOBODY)
