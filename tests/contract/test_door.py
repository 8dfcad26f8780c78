"""The door of a daemon: one socket for its whole life, and one daemon behind it."""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx
import pytest

from tests.contract.test_control import ctl, http
from tests.fakes.control import FakeControl
from tests.unit.config_text import SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.control import server
from tradebotd.control.server import WaitingRoom, bind, open_door, serve
from tradebotd.daemon.operator.waiting_view import WaitingView
from tradebotd.domain.errors import AccountTakenError

LONG_SECONDS = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:  # pytest's own paths are too long for a socket
        yield Path(short)


@pytest.fixture
def view(folder: Path) -> WaitingView:
    return WaitingView(load_config(written(folder, SMALLEST)))


def test_one_that_is_bound_and_does_not_listen_yet_is_not_taken_for_dead(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M1.6: the second of two that start at once would remove the first one's socket."""
    path, real_bound, real_lock = folder / "s", server._bound, server._is_locked
    first_is_in, second_waits = threading.Event(), threading.Event()
    refused: list[AccountTakenError] = []

    def slow(at: Path) -> object:
        first_is_in.set()
        assert second_waits.wait(LONG_SECONDS)
        return real_bound(at)

    def asked(lock: int) -> bool:
        locked = real_lock(lock)
        if not locked:
            second_waits.set()
        return locked

    def second() -> None:
        assert first_is_in.wait(LONG_SECONDS)
        try:
            bind(path)
        except AccountTakenError as error:
            refused.append(error)
        finally:
            second_waits.set()

    monkeypatch.setattr(server, "_bound", slow)
    monkeypatch.setattr(server, "_is_locked", asked)
    thread = threading.Thread(target=second)
    thread.start()
    listener = bind(path)
    thread.join(LONG_SECONDS)
    listener.close()

    assert [str(error) for error in refused] == [f"another daemon answers on {path}"]


def test_a_door_that_is_removed_leaves_its_successor_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M1.6: a file system gives the number of a removed file to the next one, at its will."""
    path = folder / "s"
    monkeypatch.setattr(server, "_identity", lambda _: (1, 2))
    door = server.Door(path)
    door.remove()
    successor = server.Door(path)

    door.remove()

    assert path.exists()
    successor.remove()
    assert not path.exists()


def test_one_that_hangs_while_it_starts_is_not_waited_for_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TURN_SECONDS", 0.05)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(AccountTakenError, match="just starting"):
        bind(folder / "s")

    os.close(lock)
    bind(folder / "s").close()


async def test_who_comes_between_two_that_answer_waits_for_the_second(
    folder: Path, view: WaitingView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N15: no `no daemon is running` in the midst of a start, and no word of the first any more."""

    async def never_ends(*_: object) -> None:
        pass

    monkeypatch.setattr(server, "_stop", never_ends)
    view.wait_for("a test")
    async with anyio.create_task_group() as tasks, open_door(folder / "s") as door:
        room = WaitingRoom(view, door, tasks)
        async with http(door.path) as client:
            before = await client.post("/v1/resume")
        assert await room.hand_over() is door
        between: list[int] = []

        async def ask(client: httpx.AsyncClient) -> None:
            between.append((await client.post("/v1/resume")).status_code)

        async with http(door.path) as client, anyio.create_task_group() as asking:
            asking.start_soon(ask, client)
            for _ in range(5000):  # turns of the loop: enough to come in, where anybody lets it in
                if between:
                    break
                await anyio.lowlevel.checkpoint()
            monkeypatch.undo()
            async with serve(FakeControl(), door):
                while not between:
                    await anyio.lowlevel.checkpoint()
        assert not await anyio.Path(door.path).exists()
        tasks.cancel_scope.cancel()

    assert (before.status_code, "it waits for a test" in before.text) == (409, True)
    assert between == [200]


async def test_a_waiting_daemon_makes_its_socket_again_and_leaves_none(
    folder: Path, view: WaitingView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)
    async with anyio.create_task_group() as tasks, open_door(folder / "s") as door:
        room = WaitingRoom(view, door, tasks)
        await anyio.run_process(["rm", door.path])
        while not await anyio.Path(door.path).exists():
            await anyio.lowlevel.checkpoint()
        assert (await ctl("--socket", door.path, "status")).code == 0
        await room.close()
    assert not await anyio.Path(folder / "s").exists()
