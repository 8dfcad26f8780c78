"""What of an account is compared with our books, what is left alone, and how much is asked for."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

EXTERNAL, DIFFERS = "external_position", "position_differs"


async def look(harness: TradingHarness, passed: timedelta = MINUTE) -> list[str]:
    harness.clock.advance(passed)
    return [str(each) for each in (await harness.reconciler.run()).differences]


async def test_less_than_our_books_is_no_baseline(database: Database) -> None:
    """M5.4, I2: our coin is gone at the first look; nobody owned less than nothing before us."""
    harness = await open_harness(database)
    await harness.enter()
    harness.venue.balances["BTC"] -= 1

    assert await look(harness) == ["we hold 1 BTC, scripted says 0"]
    assert await look(harness) == ["we hold 1 BTC, scripted says 0"]
    assert await harness.open_alerts() == [DIFFERS]

    harness.venue.balances["BTC"] += 1
    assert await look(harness) == []
    assert await harness.open_alerts() == []
    stored = await harness.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert Decimal(stored["value"]["scripted"]["BTC"]) == 0


async def test_a_baseline_below_nothing_of_an_earlier_life_is_measured_anew(
    database: Database,
) -> None:
    """I2: it hid a loss, and would do so for ever."""
    harness = await open_harness(database)
    await harness.enter()
    harness.venue.balances["BTC"] -= 1
    await harness.execute(
        "INSERT INTO settings (key, value) VALUES ('spot_baselines', $1)",
        {"scripted": {"BTC": "-1"}},
    )

    assert await look(harness) == ["we hold 1 BTC, scripted says 0"]


async def test_a_futures_position_in_a_symbol_that_is_not_ours_is_told_and_left_alone(
    database: Database,
) -> None:
    """M5.6: no contradiction to our books, so no critical alert, and it does not last longer."""
    harness = await open_harness(database, spec(position_type=PositionType.FUTURES))
    await harness.enter()
    harness.venue.positions["DOGEUSDT"] = Decimal(-5)

    for _ in range(3):
        assert await look(harness) == []

    assert await harness.rows(
        "SELECT code, severity, subject, message FROM alerts WHERE cleared_at IS NULL"
    ) == [
        {
            "code": EXTERNAL,
            "severity": "warning",
            "subject": "scripted DOGEUSDT",
            "message": "no symbol of ours: we hold 0 DOGEUSDT, scripted says -5",
        }
    ]
    del harness.venue.positions["DOGEUSDT"]
    assert await look(harness) == []
    assert await harness.open_alerts() == []


async def test_a_symbol_that_left_the_configuration_is_compared_while_something_is_held(
    database: Database,
) -> None:
    """M5.4: it is not ours any more, what is held in it is."""
    futures = {"position_type": PositionType.FUTURES}
    harness = await open_harness(database, spec(**futures), spec("two", "ETHUSDT", **futures))
    await harness.enter("two")
    del harness.symbols["ETHUSDT"]
    harness.venue.positions["ETHUSDT"] = Decimal("0.5")

    assert await look(harness) == ["we hold 1 ETHUSDT, scripted says 0.5"]


class Asked:
    """How far back the venue's trades are asked for."""

    def __init__(self, harness: TradingHarness) -> None:
        self._harness = harness
        self._real = harness.venue.fills_since
        self.back: list[timedelta] = []

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        self.back.append(self._harness.clock.now() - since)
        return await self._real(since, symbols)


async def test_a_trade_by_hand_that_nobody_adopts_does_not_make_each_look_ask_for_all_since(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: it is kept and explains the difference for days; what is new is asked for."""
    harness = await open_harness(database)
    await look(harness)
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "0.4")
    asked = Asked(harness)
    monkeypatch.setattr(harness.venue, "fills_since", asked.fills_since)

    for _ in range(3 * 24):
        assert await look(harness, timedelta(hours=1)) == []

    assert await harness.open_alerts() == [EXTERNAL]
    assert len(asked.back) == 3 * 24 + 1, "what is new is looked at twice"
    assert max(asked.back[1:]) <= timedelta(hours=2, minutes=5)


async def test_an_order_that_stays_unknown_for_days_does_not_make_each_look_ask_for_all_since(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2: a holding that nobody explains keeps it unknown; what is new is asked for."""
    harness = await open_harness(database)
    await look(harness)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    harness.venue.balances["BTC"] = Decimal(1)
    asked = Asked(harness)
    monkeypatch.setattr(harness.venue, "fills_since", asked.fills_since)

    for _ in range(2 * 24):
        assert await look(harness, timedelta(hours=1)) != []

    assert [row["status"] for row in await harness.orders()] == ["unknown"]
    assert len(asked.back) == 2 * (2 * 24 + 1), "what is new is looked at twice"
    assert max(asked.back[2:]) <= timedelta(hours=2, minutes=5)


async def test_a_venue_that_could_not_tell_is_asked_for_all_that_was_missed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R5: three hours of silence are not lost."""
    harness = await open_harness(database)
    await look(harness)
    harness.venue.reads_fail = True
    await look(harness, timedelta(hours=3))
    harness.venue.reads_fail = False
    harness.venue.balances["BTC"] = Decimal(1)
    asked = Asked(harness)
    monkeypatch.setattr(harness.venue, "fills_since", asked.fills_since)

    await look(harness)

    assert asked.back[0] >= timedelta(hours=3)


@pytest.mark.parametrize("amount", ["0.4", "-0.4"])
async def test_what_is_paid_in_or_out_is_no_difference_once_the_venue_tells_it(
    database: Database, amount: str
) -> None:
    """M5.4, M5.6: a coin that its owner has moved is neither ours nor missing."""
    harness = await open_harness(database)
    harness.venue.traits = replace(harness.venue.traits, tells_transfers=True)
    harness.venue.balances["BTC"] = Decimal(5)
    await harness.enter()
    await look(harness)
    await harness.account.snapshot(harness.clock.now())
    harness.clock.advance(MINUTE)
    harness.venue.transfer(Decimal(amount), "BTC")
    assert await look(harness) == [f"we hold 1 BTC, scripted says {1 + Decimal(amount)}"]

    await harness.account.transfers.pull(harness.clock.now())

    assert await look(harness) == []
    assert await harness.open_alerts() == []
