"""Turns in making exits: one at a time for a position, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import PositionId
from tradebotd.storage.exit_groups import GroupKind


@dataclass(frozen=True, slots=True)
class _HeldLock:
    kind: GroupKind
    released: anyio.Event = field(default_factory=anyio.Event)


class ExitLocks:
    """Turns by position: only a market exit waits, for a stop that is being placed."""

    def __init__(self) -> None:
        self._held: dict[PositionId, _HeldLock] = {}

    @asynccontextmanager
    async def hold(self, position_id: PositionId, kind: GroupKind) -> AsyncIterator[None]:
        """Take a turn. Raises OrderDeniedError while another exit of the position is being made."""
        while (other := self._held.get(position_id)) is not None:
            if kind is GroupKind.RESTING or other.kind is GroupKind.MARKET:
                raise OrderDeniedError(
                    DenialRule.EXIT_GROUP_ACTIVE, "an exit of this position is being made"
                )
            await other.released.wait()
        mine = self._held[position_id] = _HeldLock(kind)
        try:
            yield
        finally:
            del self._held[position_id]
            mine.released.set()
