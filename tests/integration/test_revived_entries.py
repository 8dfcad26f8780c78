"""An entry that was taken for absent comes back while a newer one rests: both are written down."""

from decimal import Decimal

import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tests.integration.test_fills import fill, report
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus
from tradebotd.storage.postgres.database import Database

LIMIT = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"))


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database, spec(entry=LIMIT))


async def test_a_revived_entry_is_recorded_beside_the_one_that_rests(
    harness: TradingHarness,
) -> None:
    """M5.2, M5.4, I3: an inference may be wrong, and its correction must never be refused."""
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    (first,) = await harness.orders()
    lost = ClientOrderId(first["client_order_id"])
    await harness.recorder.record_rejected(lost, "inferred_absent: never seen")
    await harness.enter(minute=1)  # a newer one rests

    late = [fill(lost, 77, "0.4", "99")]
    await report(harness, OrderStatus.PARTIALLY_FILLED, "0.4", late, lost)

    first, second = await harness.orders()
    assert (first["status"], first["revived"]) == ("partially_filled", True)
    assert (second["status"], second["revived"]) == ("new", False)
    assert (await harness.position())["quantity"] == Decimal("0.4")
    with pytest.raises(OrderDeniedError):
        await harness.enter(minute=2)
    state = await harness.rows(
        "SELECT count(*) FROM orders WHERE bot = $1 AND symbol = $2", BOT, SYMBOL
    )
    assert state[0]["count"] == 2
