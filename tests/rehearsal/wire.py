"""A line of JSON there, a line of JSON back: what the rehearsal venue's adapter stands on.

As an HTTP library is for others: it knows neither orders nor prices.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

LONGEST: Final = 1 << 22  # bytes of a line
AGAIN: Final = 0.02  # seconds, to the next attempt at a stream
CUT: Final = (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead)
SAID: Final = 20.0  # seconds, for an answer
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """The millisecond that it is in."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND


def number(text: str | None) -> Any:
    """A Decimal, or None where nothing was told."""
    return None if text is None else Decimal(text)


def amounts(told: Iterable[tuple[str, str | None]]) -> dict[str, Decimal]:
    """Those that are not zero."""
    return {name: Decimal(text) for name, text in told if text is not None and Decimal(text)}


def text_of(value: Decimal | None) -> str | None:
    """Without an exponent."""
    return None if value is None else format(value, "f")


class CutError(Exception):
    """No answer. *sent*: the line may have left all the same."""

    def __init__(self, words: str, *, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Ear:
    """*line* is awaited with each line of a stream, *lost* when it ends."""

    line: Callable[[bytes], Awaitable[None]]
    lost: Callable[[], Awaitable[None]]


class Wire(Protocol):
    async def exchange(self, make: Callable[[], bytes]) -> bytes:
        """Connect, make the line, send it, return the answer.

        *make* is called when nothing is waited for any more; what it raises ends the exchange, and
        nothing has left. Raises CutError.
        """
        ...

    def subscribe(self, ear: Ear) -> None:
        """Have *ear* hear the venue's stream; the former one hears nothing any more."""
        ...

    async def run(self) -> None:
        """Hear the stream, and subscribe again whenever it has ended."""
        ...


class SocketWire:
    """A connection for each exchange, and one for the stream, which `run` keeps."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ear: Ear | None = None
        self._changed = anyio.Event()
        self._news = anyio.Event()
        self.heard = 0  # lines of the stream, since it was subscribed
        self.subscribed = False

    async def exchange(self, make: Callable[[], bytes]) -> bytes:
        try:
            stream = await anyio.connect_tcp(self._host, self._port)
        except OSError as error:
            raise CutError(f"no connection: {error}", sent=False) from error
        async with stream:
            line = make()
            try:
                with anyio.fail_after(SAID):
                    await stream.send(line + b"\n")
                    return await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
            except (*CUT, TimeoutError) as error:
                raise CutError(f"no answer: {type(error).__name__}", sent=True) from error

    def subscribe(self, ear: Ear) -> None:
        self._ear, self.subscribed = ear, False
        self._changed.set()
        self._changed = anyio.Event()

    async def until_heard(self, lines: int) -> None:
        """Until so many lines of the stream have been heard since it was subscribed."""
        while not self.subscribed or self.heard < lines:
            await self._news.wait()

    async def run(self) -> None:
        """Hear the stream, and subscribe again whenever it has ended."""
        while True:
            changed, ear = self._changed, self._ear
            if ear is None:
                await changed.wait()
                continue
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._hear, ear)
                await changed.wait()
                tasks.cancel_scope.cancel()

    async def _hear(self, ear: Ear) -> None:
        while True:
            try:
                async with await anyio.connect_tcp(self._host, self._port) as stream:
                    await stream.send(b'{"do":"stream"}\n')
                    await self._follow(stream, ear)
            except CUT:
                pass
            if self.subscribed:
                self.subscribed = False
                await ear.lost()
            await anyio.sleep(AGAIN)

    async def _follow(self, stream: SocketStream, ear: Ear) -> None:
        """Raises as the stream does when it ends."""
        lines = BufferedByteReceiveStream(stream)
        self.heard = 0
        while True:
            await ear.line(await lines.receive_until(b"\n", LONGEST))
            self.subscribed = True
            self.heard += 1
            self._news.set()
            self._news = anyio.Event()
