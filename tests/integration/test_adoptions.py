"""What is adopted by hand: only what is nobody's, once, and what can be sold again."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED
from tests.integration.test_external_hands import trade
from tradebotd.domain.errors import DatabaseUnavailableError, RefusedError
from tradebotd.domain.ids import BotName
from tradebotd.storage import externals
from tradebotd.storage.database import Database


@pytest.fixture
async def desk(database: Database) -> Desk:
    """Two bots on one symbol."""
    desk = await open_desk(database, spec("one"), spec("two"))
    desk.venue.balances["BTC"] = Decimal(0)
    await desk.reconciler.run()
    return desk


async def adopt(desk: Desk, bot: str = "one") -> str | None:
    """Why not."""
    try:
        await desk.adoption.adopt(SCRIPTED, SYMBOL, BotName(bot))
    except RefusedError as error:
        return error.code
    return None


async def held(desk: Desk) -> Sequence[tuple[Any, ...]]:
    rows = await desk.rows(
        "SELECT bot, quantity, entry_price FROM positions WHERE closed_at IS NULL"
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("0.099", "too_small"), ("0.105", "too_small"), ("0.106", None)],
)
async def test_what_no_exit_could_sell_is_not_adopted(
    desk: Desk, quantity: str, code: str | None
) -> None:
    """M4.6, M5.6: worth less than the venue takes, now at 100 or at its own stop at 95."""
    desk.set_filters(min_notional=Decimal(10))
    trade(desk, quantity)
    await desk.reconciler.run()

    assert await adopt(desk) == code

    assert len(await held(desk)) == (0 if code else 1)


async def test_however_little_is_gone_of_a_position_it_may_be_taken_out(desk: Desk) -> None:
    """M5.6: nothing has to be sold for it."""
    desk.set_filters(min_notional=Decimal(10))
    await desk.enter("one")
    trade(desk, "-0.01")
    await desk.reconciler.run()

    assert await adopt(desk) is None

    assert await held(desk) == [("one", Decimal("0.99"), Decimal(100))]


async def test_what_cannot_be_marked_as_adopted_is_not_adopted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: whoever asked is told no, so it may be asked for again."""
    trade(desk, "1")
    await desk.reconciler.run()

    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(externals, "adopt", away)
        with pytest.raises(DatabaseUnavailableError):
            await adopt(desk)

    assert await held(desk) == []
    assert await adopt(desk) is None
