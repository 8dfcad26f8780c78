"""What venues and feeds outside share in this process, made when the first of them needs it."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from tradebotd.clocks.host import SystemHost

if TYPE_CHECKING:  # paper and recorded feeds need no network
    from tradebotd.net.gate import Gates


class Outside:
    """The gates of the process: those who ask one address share its limits and its bans."""

    def __init__(self) -> None:
        self.host = SystemHost()
        self._closes: list[Callable[[], Awaitable[None]]] = []

    def closes(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have *close* awaited when the daemon ends."""
        self._closes.append(close)

    async def close(self) -> None:
        """Close what was opened, the last first."""
        while self._closes:
            await self._closes.pop()()

    @cached_property
    def gates(self) -> "Gates":
        from tradebotd.net.gate import Gates  # noqa: PLC0415

        return Gates(self.host)
