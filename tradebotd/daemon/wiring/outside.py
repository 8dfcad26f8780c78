"""What venues and feeds outside share in this process, made when the first of them needs it."""

from functools import cached_property
from typing import TYPE_CHECKING

from tradebotd.clocks.host import SystemHost

if TYPE_CHECKING:  # paper and recorded feeds need no network
    from tradebotd.net.gate import Gates


class Outside:
    """The gates of the process: those who ask one address share its limits and its bans."""

    def __init__(self) -> None:
        self.host = SystemHost()

    @cached_property
    def gates(self) -> "Gates":
        from tradebotd.net.gate import Gates  # noqa: PLC0415

        return Gates(self.host)
