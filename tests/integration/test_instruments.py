"""Instruments as their venue tells them: versioned, in force for everybody, and never nonsense."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.instruments import alert, changes, telling, told
from tests.fakes.resting import (
    assert_one_truth,
    at_venue,
    one,
    open_resting_harness,
    settle,
    stops,
    sweep,
)
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError, OrderRejectedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.position import CloseReason
from tradebotd.jobs.refresh_instruments import RefreshInstruments
from tradebotd.ports.venue import Commission, Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.instruments import refresh

D = Decimal
TRAILING = ExitPlan(trailing_stop=D("0.05"))


async def versions(harness: TradingHarness) -> list[tuple[int, str]]:
    rows = await harness.rows("SELECT * FROM instrument_versions ORDER BY symbol, version")
    return [(row["version"], row["filters"]["lot_size"]) for row in rows]


async def test_each_change_is_a_version_in_force_for_everybody(database: Database) -> None:
    """M4.6, M5.9: the first is no change; the same again is no version."""
    harness = telling(await open_harness(database))
    before = harness.recorder._ledger._instruments[SYMBOL].lot_size
    assert (await told(harness)).changed == {}
    assert await versions(harness) == [(1, "0.001")]

    result = await told(harness, lot_size=D("0.01"), min_notional=D(5))
    assert list(result.changed) == [SYMBOL]
    assert harness.symbols[SYMBOL].instrument == harness.venue.filters[SYMBOL]
    assert harness.recorder._ledger._instruments[SYMBOL].lot_size == D("0.01") != before
    assert await versions(harness) == [(1, "0.001"), (2, "0.01")]
    shown = await harness.row("SELECT lot_size, min_notional, active FROM market_symbols")
    assert (shown["lot_size"], shown["min_notional"], shown["active"]) == (D("0.01"), 5, True)
    said = await alert(harness, "instrument_changed")
    assert (said["severity"], said["subject"]) == ("warning", f"{SCRIPTED} {SYMBOL}")
    assert "lot_size 0.001 became 0.01; min_notional 0 became 5" in said["message"]

    assert (await told(harness)).changed == {}
    assert len(await versions(harness)) == 2


async def test_what_makes_no_order_wrong_is_told_as_information(database: Database) -> None:
    """M5.9"""
    harness = telling(await open_harness(database))
    await told(harness)
    await told(harness, max_notional=D(1_000_000))
    assert (await alert(harness, "instrument_changed"))["severity"] == "info"


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"tick_size": D(0)}, "tick_size is 0"),
        ({"min_quantity": D(2), "max_quantity": D(1)}, "no quantity of a market order"),
        ({"quote_asset": "EUR"}, "its quote_asset is EUR"),
    ],
)
async def test_nonsense_is_said_and_the_last_good_one_stays(
    database: Database, filters: dict[str, Any], why: str
) -> None:
    """M4.6: until the venue tells what can be so again."""
    harness = telling(await open_harness(database))
    await told(harness, lot_size=D("0.01"))
    good = harness.symbols[SYMBOL].instrument
    result = await told(harness, **filters)
    assert harness.symbols[SYMBOL].instrument == good
    assert why in result.refused[f"{SCRIPTED} {SYMBOL}"]
    assert why in (await alert(harness, "instrument_contradicts"))["message"]
    assert len(await versions(harness)) == 1

    harness.venue.filters[SYMBOL] = good
    await harness.path.instruments.run()
    assert "instrument_contradicts" not in await harness.open_alerts()


async def test_a_symbol_that_is_not_told_keeps_its_filters(database: Database) -> None:
    """M4.6: alert by name."""
    harness = telling(await open_harness(database, spec(), watched=["ETHUSDT"]))
    del harness.venue.filters["ETHUSDT"]
    before = harness.symbols["ETHUSDT"]

    async def instruments(symbols: Any) -> Any:
        known = harness.venue.filters
        return {each.symbol: known[each.symbol] for each in symbols if each.symbol in known}

    harness.venue.instruments = instruments  # type: ignore[method-assign]
    result = await told(harness, lot_size=D("0.01"))
    assert list(result.refused) == [f"{SCRIPTED} ETHUSDT"]
    assert harness.symbols["ETHUSDT"] is before
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.01")


async def test_a_venue_that_does_not_answer_fails_the_run_and_changes_nothing(
    database: Database,
) -> None:
    """M4.6"""
    harness = telling(await open_harness(database))
    job = RefreshInstruments(instruments=harness.path.instruments)
    assert not (await job.outcome()).ok
    assert (await job.run(harness.context())).failed == 0
    assert (await job.outcome()).ok
    changes(harness, lot_size=D("0.1"))
    harness.venue.reads_fail = True
    summary = await job.run(harness.context())
    assert summary.failed == 1
    assert "503" in (await job.outcome()).message
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.001")


async def test_a_start_without_the_venue_has_what_it_told_last(database: Database) -> None:
    """M4.6: the words of the configuration are older."""
    harness = telling(await open_harness(database))
    await told(harness, lot_size=D("0.1"))
    after = telling(await open_harness(database, restarted=True))
    after.venue.reads_fail = True
    await after.path.instruments.run()
    assert after.symbols[SYMBOL].instrument.lot_size == D("0.1")
    assert await versions(after) == [(1, "0.1")]


async def test_a_filter_that_refuses_an_order_asks_for_another_look(database: Database) -> None:
    """M4.6: and nothing else does."""
    harness = telling(await open_harness(database))
    await told(harness)
    changes(harness, min_quantity=D(2))
    wanted = harness.path.instruments._wanted
    harness.venue.script.append(Behaviour.REJECT)
    with pytest.raises(OrderRejectedError, match="scripted"):
        await harness.enter()
    assert not wanted.is_set()
    with pytest.raises(OrderRejectedError, match="quantity_below_minimum"):
        await harness.enter(minute=1)
    assert wanted.is_set()
    await harness.path.instruments.look_quietly()
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter(minute=2)
    assert denied.value.rule is DenialRule.BELOW_FILTERS


@pytest.mark.parametrize("halted", [False, True])
async def test_the_daemon_looks_again_by_itself(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    halted: bool,  # noqa: FBT001 - a case
) -> None:
    """M4.6, M5.9: soon after a filter has refused an order, and while a symbol does not trade."""
    harness = telling(await open_harness(database))
    await told(harness, status=SymbolStatus.HALTED if halted else SymbolStatus.TRADING)
    monkeypatch.setattr(refresh, "FIRST_PAUSE", 0.0)
    looked = anyio.Event()

    async def instruments(symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        looked.set()
        return {each.symbol: harness.venue.filters[each.symbol] for each in symbols}

    harness.venue.instruments = instruments  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.path.instruments.attend)
        if not halted:
            await anyio.wait_all_tasks_blocked()
            assert not looked.is_set()
            harness.path.instruments.on_refused("price_off_tick: 1")
        with anyio.fail_after(30):
            await looked.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("replacement", [Replacement.REPLACE, Replacement.CANCEL_FIRST])
async def test_a_stop_whose_lot_has_changed_is_replaced(
    database: Database, replacement: Replacement
) -> None:
    """M4.6, M5.4: 1.05 rests; in lots of 0.1 it is 1, and what is left over is the daemon's."""
    bot = one(replacement, sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D("1.05")))
    harness = telling(await open_resting_harness(database, replacement, bot))
    await harness.enter()
    await sweep(harness, times=2)
    assert stops(harness) == [(D(95), D("1.05"))]
    await told(harness, lot_size=D("0.1"))
    await sweep(harness, times=3)
    assert stops(harness) == [(D(95), D(1))]

    await harness.stream("94")
    await harness.venue.match(SYMBOL)
    await settle(harness)
    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("stop_loss", D("0.05"))
    assert at_venue(harness) == D("0.05")
    await assert_one_truth(harness)


async def test_a_stop_whose_tick_has_changed_is_replaced_on_the_new_one(
    database: Database,
) -> None:
    """M4.6, M5.4: rounded toward the entry; the level that the daemon watches stays."""
    bot = one(Replacement.REPLACE, exits=ExitPlan(stop_loss=D("0.0333"), take_profit=D("0.0333")))
    harness = telling(await open_resting_harness(database, Replacement.REPLACE, bot, linked=True))
    await harness.enter()
    await sweep(harness, times=2)
    assert stops(harness) == [(D("96.67"), D(1))]
    await told(harness)
    await told(harness, tick_size=D("0.5"))
    await sweep(harness, times=3)
    assert stops(harness) == [(D(97), D(1))]
    assert {each.stop_price for each in harness.venue.resting.values()} == {D(97), D(103)}
    assert (await harness.position())["stop_loss"] == D("96.67")
    assert await harness.open_alerts() == ["instrument_changed"]


async def test_what_fits_no_lot_any_more_is_sold_as_far_as_it_goes(database: Database) -> None:
    """M4.6: 1.005 in lots of 0.1: 1 is sold, the rest is dust."""
    bot = spec(sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D("1.005")))
    harness = telling(await open_harness(database, bot))
    await harness.enter()
    await told(harness, lot_size=D("0.1"))
    await harness.stream("94")
    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("stop_loss", D("0.005"))
    assert await harness.broken_books() == []


async def test_a_part_of_a_resting_order_is_no_dust_because_the_lot_has_grown(
    database: Database,
) -> None:
    """M5.4: what it may still sell is counted as held until it is over."""
    bot = one(
        Replacement.CANCEL_FIRST,
        sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D("1.05")),
    )
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, bot)
    await harness.enter()
    await sweep(harness)
    harness.set_filters(lot_size=D("0.1"))
    (rests,) = harness.venue.resting
    await harness.venue.fill_and_tell(rests, D(1))
    assert (await harness.position())["quantity"] == D("0.05")
    await harness.venue.fill_and_tell(rests, D("0.05"))
    position = await harness.position()
    assert (position["quantity"], position["dust"]) == (0, 0)
    assert await harness.open_alerts() == []


# Symbols that do not trade


async def test_exits_of_a_halted_symbol_wait_and_are_made_when_it_trades(
    database: Database,
) -> None:
    """M5.9: no order is sent meanwhile, the pause grows, and an alert says so."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness, status=SymbolStatus.HALTED)
    assert "scripted BTCUSDT" in (await alert(harness, "symbol_not_trading"))["subject"]
    for _ in range(4):
        await harness.stream("94")
        await sweep(harness)
    assert [row["role"] for row in await harness.orders()] == ["entry"]
    pauses = harness.protection._market_exits.timers
    (position_id,) = harness.protection.held
    until = pauses.held_until(position_id, harness.clock.now())
    assert until is not None
    assert until - harness.clock.now() > timedelta(seconds=1)
    (position,) = harness.protection.held.values()
    with pytest.raises(OrderDeniedError) as denied:
        await harness.protection.close_now(position, CloseReason.SIGNAL)
    assert denied.value.rule is DenialRule.SYMBOL_NOT_TRADING

    await told(harness, status=SymbolStatus.TRADING)
    harness.clock.advance(timedelta(seconds=30))
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert "symbol_not_trading" not in await harness.open_alerts()


async def test_a_stop_waits_for_a_halted_symbol_and_rests_when_it_trades(
    database: Database,
) -> None:
    """M5.9: entered a moment before the halt was told; the daemon guards alone, and says so."""
    harness = telling(await open_resting_harness(database, Replacement.REPLACE))
    await harness.enter()
    await told(harness, status=SymbolStatus.CANCEL_ONLY)
    await sweep(harness, times=2)
    assert stops(harness) == []
    assert len(harness.venue.submitted) == 1
    assert await harness.open_alerts() == ["resting_stop_lost", "symbol_not_trading"]

    await told(harness, status=SymbolStatus.TRADING)
    await sweep(harness, times=8)
    assert stops(harness) == [(D(95), D(1))]
    assert await harness.open_alerts() == ["instrument_changed"]


async def test_an_exit_that_finds_the_symbol_halted_asks_why(database: Database) -> None:
    """M5.9: its first refusal is told; then it waits without orders."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    changes(harness, status=SymbolStatus.HALTED)
    wanted = harness.path.instruments._wanted
    await harness.stream("94")
    assert wanted.is_set()
    await harness.path.instruments.look_quietly()
    sent = len(harness.venue.submitted)
    await sweep(harness, times=11)
    assert len(harness.venue.submitted) == sent


@pytest.mark.parametrize("reason", [CloseReason.MANUAL, CloseReason.FLATTEN])
async def test_a_hand_sends_its_exit_whatever_the_status_is(
    database: Database, reason: CloseReason
) -> None:
    """M5.8: a status that was told wrong, or is over, locks nobody out."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness, status=SymbolStatus.HALTED)
    changes(harness, status=SymbolStatus.TRADING)
    (position,) = harness.protection.held.values()
    await harness.protection.close_now(position, reason)
    assert (await harness.position())["close_reason"] == reason


async def test_a_status_is_put_to_the_test_by_an_exit_a_minute(database: Database) -> None:
    """M5.9: where nothing rests; what the venue refuses waits on."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness, status=SymbolStatus.HALTED)
    for _ in range(36):  # 3 minutes
        harness.tick("94")
        await sweep(harness)
    assert len(harness.venue.submitted) in {3, 4}  # the entry among them
    changes(harness, status=SymbolStatus.TRADING)
    for _ in range(20):
        harness.tick("94")
        await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_no_exit_puts_a_status_to_the_test_where_a_stop_rests(database: Database) -> None:
    """M5.7, M5.9: it would have to make way first."""
    harness = telling(await open_resting_harness(database, Replacement.CANCEL_FIRST))
    await harness.enter()
    await sweep(harness, times=2)
    await told(harness, status=SymbolStatus.HALTED)
    sent = len(harness.venue.submitted)
    for _ in range(30):
        harness.tick("94")
        await sweep(harness)
    assert (stops(harness), len(harness.venue.submitted)) == ([(D(95), D(1))], sent)


@pytest.mark.parametrize("filters", [{"tick_size": D(0)}, {"lot_size": D(10)}])
async def test_a_status_is_taken_apart_from_filters_that_are_not(
    database: Database, filters: dict[str, Any]
) -> None:
    """M5.9: neither a halt nor its end waits for them."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    known = harness.symbols[SYMBOL].instrument
    result = await told(harness, status=SymbolStatus.HALTED, **filters)
    assert list(result.refused)
    halted = replace(known, status=SymbolStatus.HALTED)
    assert harness.symbols[SYMBOL].instrument == halted
    await told(harness, status=SymbolStatus.TRADING)
    assert harness.symbols[SYMBOL].instrument == known
    assert "symbol_not_trading" not in await harness.open_alerts()


async def test_a_status_of_an_earlier_life_is_not_believed(database: Database) -> None:
    """M5.9: the filters that were told last are; the venue is silent at the start."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness, lot_size=D("0.1"), status=SymbolStatus.HALTED)
    after = telling(await open_harness(database, restarted=True, venue=harness.venue))
    after.venue.reads_fail = True
    await after.path.instruments.run()
    known = after.symbols[SYMBOL].instrument
    assert (known.lot_size, known.status) == (D("0.1"), SymbolStatus.TRADING)


# Commissions


async def test_what_a_venue_keeps_of_a_buy_is_what_it_tells(database: Database) -> None:
    """M4.6: 1.001 is bought so that 1 can be sold; the traits are the fallback."""
    bot = spec(sizing=SizingRule(kind=SizingKind.PERCENT_EQUITY, value=D(1)), exits=ExitPlan())
    harness = telling(await open_harness(database, bot))
    harness.venue.fee, harness.venue.fee_in_base = D("0.01"), True
    harness.set_filters(min_notional=D(10), lot_size=D("0.1"))
    costs = harness.path.instruments.costs
    assert costs.base_fee(harness.symbols[SYMBOL].instrument) == 0
    await harness.path.instruments.run()
    assert costs.base_fee(harness.symbols[SYMBOL].instrument) == D("0.01")
    report = await harness.enter()
    assert report.filled_quantity == D("0.2")


async def test_dear_commissions_leave_more_cash_for_themselves(database: Database) -> None:
    """M4.6: a taker of 1 % and what a market order costs beside it; nonsense changes nothing."""
    bot = spec(sizing=SizingRule(kind=SizingKind.PERCENT_EQUITY, value=D(100)))
    harness = telling(await open_harness(database, bot))
    instrument, costs = harness.symbols[SYMBOL].instrument, harness.path.instruments.costs
    assert costs.cost_buffer(instrument) == D("0.002")
    harness.venue.fee = D("0.01")
    await harness.path.instruments.run()
    assert costs.cost_buffer(instrument) == D("0.011")
    assert (await harness.enter()).filled_quantity == D("9.891")

    harness.venue.fee = D("0.5")
    result = await harness.path.instruments.run()
    assert "commission" in result.refused[f"{SCRIPTED} {SYMBOL}"]
    assert costs.cost_buffer(instrument) == D("0.011")
    costs.put(SYMBOL, Commission(maker=D("0.01"), taker=D("0.01"), asset="BNB"))
    assert costs.cost_buffer(instrument) == D("0.002")
    assert costs.base_fee(instrument) == D("0.01")


@pytest.mark.parametrize(
    ("asset", "in_base", "kept"),
    [
        (None, True, "0.001"),
        ("BTC", False, "0.001"),
        ("BNB", False, "0.001"),
        ("USDT", False, "0"),
        (None, False, "0"),
    ],
)
async def test_a_fee_in_a_third_asset_may_be_kept_of_a_buy(
    database: Database,
    asset: str | None,
    in_base: bool,  # noqa: FBT001 - a case
    kept: str,
) -> None:
    """M4.6: Binance takes it of what is bought once the BNB have run out."""
    harness = await open_harness(database)
    costs = harness.path.instruments.costs
    costs.put(SYMBOL, Commission(maker=D("0.0005"), taker=D("0.001"), asset=asset, in_base=in_base))
    assert costs.base_fee(harness.symbols[SYMBOL].instrument) == D(kept)
