"""Entries through the filters of their own order type, and of the exits they will need."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import one, open_resting_harness, stops, sweep
from tests.fakes.trading import SYMBOL, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.ids import BotName, ClientOrderId
from tradebotd.domain.instrument import NotionalCap, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.venue import Replacement
from tradebotd.storage import resting_counts
from tradebotd.storage.postgres.database import Database

D = Decimal
LIMIT_10 = EntryRule(kind=EntryKind.LIMIT, offset=D("0.1"))
LIMIT = EntryRule(kind=EntryKind.LIMIT, offset=D("0.01"))
BAND = PercentPrice(buy_below=D("0.95"), buy_above=D(5), sell_below=D("0.2"), sell_above=D(5))
CAPS = (NotionalCap(leverage=5, notional=D(99)), NotionalCap(leverage=2, notional=D(1000)))
FUTURES: dict[str, Any] = {"position_type": PositionType.FUTURES}
MARKET_ONLY = frozenset({OrderType.MARKET})


def fixed(value: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(value))


DENIED: list[tuple[dict[str, Any], dict[str, Any], DenialRule]] = [
    ({"status": SymbolStatus.HALTED}, {}, DenialRule.SYMBOL_NOT_TRADING),
    ({"status": SymbolStatus.CANCEL_ONLY}, {}, DenialRule.SYMBOL_NOT_TRADING),
    ({"status": SymbolStatus.DELISTED}, {}, DenialRule.SYMBOL_NOT_TRADING),
    ({"percent_price": BAND}, {"entry": LIMIT_10}, DenialRule.OUTSIDE_PERCENT_PRICE),
    ({"min_price": D(95)}, {"entry": LIMIT_10}, DenialRule.BELOW_MIN_PRICE),
    ({"order_types": MARKET_ONLY}, {"entry": LIMIT}, DenialRule.ORDER_TYPE),
    (
        {"order_types": frozenset({OrderType.LIMIT})},
        {"entry": LIMIT},
        DenialRule.ORDER_TYPE,  # no exit at the market
    ),
    ({"market_lot": LotSize(maximum=D("0.5"))}, {}, DenialRule.ABOVE_FILTERS),
    ({"market_lot": LotSize(minimum=D(2))}, {"entry": LIMIT}, DenialRule.BELOW_FILTERS),
    ({"max_notional": D(99)}, {}, DenialRule.ABOVE_FILTERS),
    ({"notional_caps": CAPS}, {**FUTURES, "leverage": 5}, DenialRule.LEVERAGE_BRACKET),
    ({"max_leverage": 4}, {**FUTURES, "leverage": 5}, DenialRule.MAX_LEVERAGE),
]


@pytest.mark.parametrize(("filters", "bot", "rule"), DENIED)
async def test_an_entry_that_a_filter_refuses_is_denied_by_name(
    database: Database, filters: dict[str, Any], bot: dict[str, Any], rule: DenialRule
) -> None:
    """M4.6, M5.9: nothing is sent, and nothing is clamped."""
    harness = await open_harness(database, spec(**bot))
    harness.set_filters(**filters)
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()
    assert denied.value.rule is rule
    assert await harness.orders() == []


async def test_a_short_is_denied_where_the_symbol_cannot_be_borrowed(database: Database) -> None:
    """M4.6: longs of the same symbol go on."""
    bot = spec(position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, bot)
    harness.set_filters(shortable=False)
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter(side=PositionSide.SHORT)
    assert denied.value.rule is DenialRule.NOT_SHORTABLE
    assert (await harness.enter(minute=1)).fills


async def test_a_limit_entry_is_whole_lots_of_the_exit_at_the_market(database: Database) -> None:
    """M4.6: 1.005 would leave half a lot over."""
    harness = await open_harness(database, spec(entry=LIMIT, sizing=fixed("1.005")))
    harness.set_filters(market_lot=LotSize(step=D("0.01")))
    await harness.enter()
    (order,) = await harness.orders()
    assert (order["type"], order["quantity"]) == ("limit", D(1))


async def test_a_notional_is_judged_by_the_average_price_of_the_symbol(database: Database) -> None:
    """M4.6: 0.1 at 100 is worth 9 by the average of 90, and less than the venue takes."""
    harness = await open_harness(database, spec(sizing=fixed("0.1"), exits=ExitPlan()))
    harness.set_filters(min_notional=D(10), average_minutes=5)
    harness.venue.averages[SYMBOL] = D(90)
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()
    assert denied.value.rule is DenialRule.BELOW_FILTERS
    harness.venue.averages[SYMBOL] = D(110)
    assert (await harness.enter(minute=1)).fills


async def test_a_share_is_raised_to_the_least_notional_by_the_average_price(
    database: Database,
) -> None:
    """M4.6: 10 of 1000 are 0.1 at 100; by the average of 90 the venue asks for 0.112."""
    share = SizingRule(kind=SizingKind.PERCENT_EQUITY, value=D(1))
    harness = await open_harness(database, spec(sizing=share, exits=ExitPlan()))
    harness.set_filters(min_notional=D(10), average_minutes=5)
    harness.venue.averages[SYMBOL] = D(90)
    assert (await harness.enter()).filled_quantity == D("0.112")


async def test_a_venue_that_tells_no_average_is_judged_by_the_last_price(
    database: Database,
) -> None:
    """M4.6."""
    harness = await open_harness(database, spec(sizing=fixed("0.1"), exits=ExitPlan()))
    harness.set_filters(min_notional=D(10), average_minutes=5)
    assert (await harness.enter()).fills


def by_hand(price: str) -> OrderRequest:
    return OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=D(1),
        limit_price=D(price),
    )


async def test_limit_entries_are_counted_beside_all_that_rests(database: Database) -> None:
    """M4.6: ours and those of others, of this symbol."""
    bots = [spec(name, entry=LIMIT) for name in ("one", "two", "three")]
    harness = await open_harness(database, *bots)
    harness.set_filters(max_orders=3)
    await harness.enter("one")
    await harness.venue.order_by_hand("somebody", by_hand("50"))
    await harness.reconciler.run()
    await harness.enter("two")
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("three")
    assert denied.value.rule is DenialRule.TOO_MANY_ORDERS
    assert "3 rest where 3 may" in denied.value.detail

    await harness.venue.cancel(SYMBOL, ClientOrderId("somebody"))
    await harness.reconciler.run()
    await harness.enter("three", minute=1)
    assert len(harness.venue.resting) == 3


async def test_an_order_at_the_market_counts_while_it_is_on_its_way(database: Database) -> None:
    """M4.6: a venue counts open orders of any type; as a stop it counts nowhere."""
    harness = await open_harness(database, spec("one"), spec("two", entry=LIMIT))
    harness.set_filters(max_orders=1, max_stops=1)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("one")
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter("two")
    assert denied.value.rule is DenialRule.TOO_MANY_ORDERS
    async with database.connection() as connection:
        counts = await resting_counts.select(connection, SCRIPTED, SYMBOL)
    assert (counts.orders, counts.stops) == (1, 0)


async def test_a_stop_without_room_leaves_the_daemon_alone_on_guard(database: Database) -> None:
    """M4.6, M5.4: counted before it is prepared, said by an alert, laid to rest once it fits."""
    bots = [one(Replacement.CANCEL_FIRST, name=BotName(name)) for name in ("one", "two")]
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, *bots)
    harness.set_filters(max_stops=1)
    await harness.enter("one")
    await harness.enter("two")
    await sweep(harness)
    assert len(stops(harness)) == 1
    exits = await harness.rows("SELECT * FROM orders WHERE role = 'exit'")
    assert len(exits) == 1
    alert = await harness.row("SELECT * FROM alerts WHERE cleared_at IS NULL")
    assert alert["code"] == "resting_stop_lost"
    assert "the daemon guards alone" in alert["message"]
    assert "too_many_stop_orders" in alert["message"]
    guards = sorted(harness.protection.protected_by(each) for each in harness.protection.held)
    assert guards == ["both", "daemon"]

    harness.set_filters(max_stops=2)
    await sweep(harness, times=3)
    assert len(stops(harness)) == 2
    assert await harness.open_alerts() == []


async def test_where_one_more_order_may_rest_it_is_the_stop(database: Database) -> None:
    """M5.4: the target of the pair stays with the daemon."""
    harness = await open_resting_harness(
        database, Replacement.REPLACE, one(Replacement.REPLACE), linked=True
    )
    harness.set_filters(max_stops=1)
    await harness.enter()
    await sweep(harness, times=3)
    assert stops(harness) == [(D(95), D(1))]
    assert len(harness.venue.resting) == 1
    await harness.stream("110.5")
    assert (await harness.position())["close_reason"] == "take_profit"


async def test_a_symbol_that_takes_no_stops_is_guarded_by_the_daemon(database: Database) -> None:
    """M4.6, M5.4."""
    harness = await open_resting_harness(database, Replacement.REPLACE)
    harness.set_filters(order_types=MARKET_ONLY)
    await harness.enter()
    await sweep(harness, times=2)
    assert len(harness.venue.submitted) == 1
    assert await harness.open_alerts() == ["resting_stop_lost"]
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_what_rests_is_whole_lots_of_a_stop_and_the_rest_is_the_daemons(
    database: Database,
) -> None:
    """M4.6: whole shares rest, the fraction is sold at the market."""
    bot = one(Replacement.CANCEL_FIRST, sizing=fixed("2.5"))
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, bot)
    harness.set_filters(stop_lot=LotSize(step=D(1)))
    await harness.enter()
    await sweep(harness)
    assert stops(harness) == [(D(95), D(2))]


async def test_an_entry_is_worth_what_its_stop_must_be_where_stops_rest(database: Database) -> None:
    """M4.6: orders at the market are not judged there; where none rests, less may be entered."""
    filters: dict[str, Any] = {"min_notional": D(10), "notional_at_market": False}
    little = one(Replacement.CANCEL_FIRST, sizing=fixed("0.102"))
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, little)
    harness.set_filters(**filters)
    with pytest.raises(OrderDeniedError) as denied:
        await harness.enter()
    assert denied.value.rule is DenialRule.BELOW_FILTERS
    harness.venue.traits = replace(harness.venue.traits, resting_stops=False)
    alone = await open_harness(database, little, venue=harness.venue, restarted=True)
    alone.set_filters(**filters)
    assert (await alone.enter(minute=1)).fills


@pytest.mark.parametrize(
    ("of_stop", "of_target", "most", "rest"),
    [
        (OrderType.STOP_MARKET, OrderType.LIMIT, {"max_stops": 1}, 2),
        (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT, {"max_stops": 2}, 2),
        (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT, {"max_stops": 1}, 1),
        (OrderType.STOP_MARKET, OrderType.LIMIT, {"max_orders": 1}, 1),
    ],
)
async def test_a_pair_is_counted_by_the_types_that_it_rests_in(
    database: Database,
    of_stop: OrderType,
    of_target: OrderType,
    most: dict[str, Any],
    rest: int,
) -> None:
    """M4.6, M5.4: a target that rests as a limit is no stop order."""
    harness = await open_resting_harness(database, Replacement.REPLACE, linked=True)
    harness.venue.traits = replace(harness.venue.traits, order_types=frozenset(OrderType))
    harness.set_filters(order_types=frozenset({OrderType.MARKET, of_stop, of_target}), **most)
    await harness.enter()
    await sweep(harness, times=3)
    kinds = {each.type for each in harness.venue.resting.values()}
    assert kinds == ({of_stop, of_target} if rest == 2 else {of_stop})
    assert await harness.open_alerts() == []


async def test_an_entry_that_waited_is_judged_by_the_filters_of_its_turn(
    database: Database,
) -> None:
    """M4.6: the lot has changed while the venue was asked for the account."""
    harness = await open_harness(database, spec(sizing=fixed("1.005")))

    async def changes() -> None:
        harness.set_filters(lot_size=D("0.01"))

    harness.venue.before_account_answers = changes
    assert (await harness.enter()).filled_quantity == 1
