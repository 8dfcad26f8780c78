"""Orders that rest at the paper venue: whom a point meets, what it fills, what it cancels."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.integration.test_paper_venue import ASSETS, CASH, PAPER, instrument
from tests.simulators.ledger import recompute
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import Side
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue

NOW = datetime(2022, 3, 1, tzinfo=UTC)
BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
# Without costs, so that prices are what they are.
FREE = {
    "maker": Decimal(0),
    "taker": Decimal(0),
    "slippage_bps": Decimal(0),
    "spread_bps": Decimal(0),
}


class Floor:
    """A paper venue, its prices and whoever listens."""

    def __init__(self, database: Database, clock: FakeClock | None = None, **terms: Any) -> None:
        self.database = database
        self.given = terms
        self.clock = clock or FakeClock(NOW)
        self.prices = PriceCache()
        self.terms = PaperTerms(starting_cash=CASH, **{**FREE, **terms})
        instruments = {symbol: instrument(symbol) for symbol in ASSETS}
        self.venue = PaperVenue(PAPER, self.clock, self.prices, database, self.terms, instruments)
        self.heard: list[OrderReport] = []
        self.venue.listen(self._hear)
        self.sent = 0

    def after_a_kill(self) -> "Floor":
        """Another process on the same books: what was in memory is gone."""
        again = Floor(self.database, self.clock, **self.given)
        again.sent = self.sent
        last = self.prices.last_prices("BTCUSDT")
        assert last is not None
        again.prices.record(Tick(last.at, "BTCUSDT", last.previous))
        again.prices.record(Tick(last.at, "BTCUSDT", last.current))
        return again

    async def _hear(self, report: OrderReport) -> None:
        self.heard.append(report)

    async def point(self, price: str, *, seconds: int = 20, symbol: str = "BTCUSDT") -> None:
        self.clock.advance(timedelta(seconds=seconds))
        point = Tick(self.clock.now(), symbol, Decimal(price))
        self.prices.record(point)
        meeting = self.venue.on_tick(point)
        if meeting is not None:
            await meeting

    def request(
        self, side: Side, type_: OrderType, price: str = "0", **changes: Any
    ) -> OrderRequest:
        level = None if type_ is OrderType.MARKET else Decimal(price)
        values: dict[str, Any] = {
            "venue": PAPER,
            "symbol": "BTCUSDT",
            "side": side,
            "type": type_,
            "time_in_force": TimeInForce.IOC if level is None else TimeInForce.GTC,
            "quantity": Decimal(1),
            "limit_price": level if type_ is LIMIT else None,
            "stop_price": None if type_ is LIMIT else level,
        }
        return OrderRequest(**{**values, **changes})

    def name(self) -> ClientOrderId:
        self.sent += 1
        return ClientOrderId(f"tb{self.sent}")

    async def send(self, *words: Any, leverage: int | None = None, **changes: Any) -> OrderReport:
        """*leverage*: the symbol is set up with it first, unless something is held or rests."""
        if leverage is not None:
            with suppress(OrderRejectedError):
                await self.venue.set_up("BTCUSDT", SymbolSetup(leverage=leverage))
        return await self.venue.submit(self.name(), self.request(*words, **changes))

    async def bracket(self, stop: str, target: str, **changes: Any) -> Sequence[OrderReport]:
        return await self.venue.submit_linked(
            [
                (self.name(), self.request(SELL, STOP, stop, **changes)),
                (self.name(), self.request(SELL, TARGET, target, **changes)),
            ]
        )

    async def books_agree(self) -> None:
        """With a ledger that shares no code with the venue, from the fills alone."""
        account = await self.venue.account()
        async with self.database.connection() as connection:
            ledger = await recompute(connection, PAPER, CASH, ASSETS)
        assert {asset: Fraction(total) for asset, total in account.balances.items()} == (
            ledger.balances
        )
        assert all(total >= 0 for total in account.balances.values())

    async def statuses(self) -> list[str]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT status FROM paper.orders ORDER BY id")
        return [row["status"] for row in rows]


@pytest.fixture
async def floor(database: Database) -> Floor:
    made = Floor(database)
    await made.point("100")
    return made


async def bought(floor: Floor, quantity: str = "1") -> None:
    await floor.send(BUY, OrderType.MARKET, quantity=Decimal(quantity))


@pytest.mark.parametrize(
    ("side", "type_", "level", "path", "filled_at"),
    [
        (SELL, STOP, "95", ["96", "94"], "95"),  # through the stop: at the stop
        (SELL, STOP, "95", ["96", "95"], "95"),
        (SELL, STOP, "95", ["90"], "95"),
        (SELL, TARGET, "105", ["104", "107"], "105"),
        (BUY, LIMIT, "95", ["94"], "95"),
        (SELL, LIMIT, "105", ["110"], "105"),
    ],
)
async def test_what_rests_fills_where_the_path_went_through_it(
    floor: Floor, side: Side, type_: OrderType, level: str, path: list[str], filled_at: str
) -> None:
    """M6.1, M5.7: between the point before and this one, at the order's own price."""
    await bought(floor)
    report = await floor.send(side, type_, level, quantity=Decimal("0.5"))
    assert report.status is OrderStatus.NEW

    for price in path:
        await floor.point(price)

    (heard,) = floor.heard
    assert heard.status is OrderStatus.FILLED
    assert [fill.price for fill in heard.fills] == [Decimal(filled_at)]
    await floor.books_agree()


async def test_a_stop_that_was_jumped_over_fills_where_the_price_landed(database: Database) -> None:
    """M4.7, M6.1: a gap is not filled at a price that nobody paid; costs come on top."""
    floor = Floor(database, slippage_bps=Decimal(100))
    await floor.point("100")
    await bought(floor)
    await floor.send(SELL, STOP, "95")
    floor.prices.record(Tick(floor.clock.now(), "BTCUSDT", Decimal(90)))  # unseen by the venue

    await floor.point("80")

    assert [fill.price for fill in floor.heard[0].fills] == [Decimal("79.20")]


async def test_an_order_meets_only_points_after_its_acceptance(floor: Floor) -> None:
    """M6.1: a point played again after a kill finds a younger order, and passes by."""
    await bought(floor)
    await floor.send(SELL, STOP, "95")
    past = Tick(floor.clock.now() - timedelta(seconds=20), "BTCUSDT", Decimal(94))

    meeting = floor.venue.on_tick(past)
    assert meeting is not None
    await meeting

    assert floor.heard == []
    assert await floor.statuses() == ["filled", "new"]


async def test_a_point_played_again_after_a_kill_fills_nothing_twice(floor: Floor) -> None:
    """M6.1, I1: two stops, one point; the venue that comes after it reads what is so."""
    await bought(floor, "2")
    for _ in range(2):
        await floor.send(SELL, STOP, "95")
    await floor.point("94")
    assert await floor.statuses() == ["filled"] * 3

    again = Floor(floor.database, FakeClock(NOW))
    for price in ("100", "94"):
        await again.point(price)

    assert again.heard == []
    assert (await again.venue.account()).balances == {"USDT": Decimal(990)}


async def test_one_of_two_linked_orders_fills_and_the_other_is_gone(floor: Floor) -> None:
    """M5.7: a stop and its target hold the inventory once, and sell it once."""
    await bought(floor)
    await floor.bracket("95", "105")
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await floor.send(SELL, OrderType.MARKET)

    await floor.point("106")
    await floor.point("90")

    assert [report.status for report in floor.heard] == [OrderStatus.FILLED, OrderStatus.CANCELED]
    assert await floor.statuses() == ["filled", "canceled", "filled", "rejected"]
    assert (await floor.venue.account()).balances == {"USDT": Decimal(1005)}
    await floor.books_agree()


async def test_both_levels_in_one_point_fill_one_of_them(floor: Floor) -> None:
    """M5.7, I1: stop and target may lie within one jump of the path; the first one placed fills."""
    await bought(floor)
    await floor.bracket("95", "105")
    floor.prices.record(Tick(floor.clock.now(), "BTCUSDT", Decimal(110)))

    await floor.point("94")

    assert await floor.statuses() == ["filled", "filled", "canceled"]


async def test_linked_orders_are_taken_together_or_not_at_all(floor: Floor) -> None:
    """M5.7: a target that the market has passed leaves no stop behind either."""
    await bought(floor)
    with pytest.raises(OrderRejectedError, match="trigger immediately"):
        await floor.bracket("95", "99")

    assert await floor.statuses() == ["filled", "rejected", "rejected"]
    assert await floor.venue.open_orders() == []
    await floor.send(SELL, OrderType.MARKET)  # nothing is locked


async def test_cancelling_one_of_two_linked_orders_cancels_both(floor: Floor) -> None:
    """M5.7: the answer is of the one, the listener hears of the other."""
    await bought(floor)
    stop, target = await floor.bracket("95", "105")

    answer = await floor.venue.cancel("BTCUSDT", stop.client_order_id)

    assert (answer.client_order_id, answer.status) == (stop.client_order_id, OrderStatus.CANCELED)
    assert [each.client_order_id for each in floor.heard] == [target.client_order_id]
    with pytest.raises(OrderRejectedError, match="already canceled"):
        await floor.venue.cancel("BTCUSDT", stop.client_order_id)


async def test_a_replacement_is_one_step_and_a_refused_one_leaves_the_old(floor: Floor) -> None:
    """M5.7: at no moment are both there, and at none neither."""
    await bought(floor)
    old = await floor.send(SELL, STOP, "90")
    tighter = floor.name()

    answer = await floor.venue.replace(
        "BTCUSDT", old.client_order_id, tighter, floor.request(SELL, STOP, "95")
    )
    assert (answer.new.client_order_id, answer.new.status) == (tighter, OrderStatus.NEW)
    assert await floor.statuses() == ["filled", "canceled", "new"]

    with pytest.raises(OrderRejectedError, match="trigger immediately"):
        await floor.venue.replace(
            "BTCUSDT", tighter, floor.name(), floor.request(SELL, STOP, "101")
        )
    assert [each.client_order_id for each in await floor.venue.open_orders()] == [tighter]
    await floor.point("94")
    with pytest.raises(OrderRejectedError):
        await floor.venue.replace("BTCUSDT", tighter, floor.name(), floor.request(SELL, STOP, "93"))


async def test_open_orders_say_what_was_asked_also_after_a_restart(floor: Floor) -> None:
    """M5.6: what rests is found again, by whoever asks."""
    await bought(floor)
    await floor.send(SELL, STOP, "95")

    again = Floor(floor.database)
    (resting,) = await again.venue.open_orders()

    assert resting.status is OrderStatus.NEW
    assert resting.asked == floor.request(SELL, STOP, "95")
    assert (await again.venue.find_order("BTCUSDT", resting.client_order_id)).report == resting


async def test_a_stop_limit_that_was_run_through_is_a_limit_also_after_a_restart(
    floor: Floor,
) -> None:
    """M5.6, M6.1: it fills when the price comes back, whichever process it finds there."""
    await bought(floor)
    await floor.send(SELL, OrderType.STOP_LIMIT, "95", limit_price=Decimal("94.5"))
    floor.prices.record(Tick(floor.clock.now(), "BTCUSDT", Decimal(94)))  # past both at once
    await floor.point("94")
    assert floor.heard == []

    again = floor.after_a_kill()
    await again.point("93")
    assert again.heard == []
    await again.point("94.6")
    (filled,) = again.heard
    assert [fill.price for fill in filled.fills] == [Decimal("94.5")]
    assert (await again.venue.account()).balances.get("BTC") is None


async def test_a_limit_is_a_maker_when_it_rested_and_a_taker_when_it_crossed(
    database: Database,
) -> None:
    """M4.4a, M6.1: fees, and an IOC limit that does not cross is over."""
    floor = Floor(database, maker=Decimal("0.001"), taker=Decimal("0.01"))
    await floor.point("100")
    crossed = await floor.send(BUY, LIMIT, "101")
    await floor.send(BUY, LIMIT, "99")
    over = await floor.send(BUY, LIMIT, "99", time_in_force=TimeInForce.IOC)
    await floor.point("98")

    assert [(fill.price, fill.fee) for fill in crossed.fills] == [(Decimal(100), Decimal(1))]
    assert over.status is OrderStatus.EXPIRED
    (rested,) = floor.heard
    assert [(fill.price, fill.fee) for fill in rested.fills] == [(Decimal(99), Decimal("0.099"))]


async def test_resting_buys_hold_cash(floor: Floor) -> None:
    """M4.6: what rests cannot be spent again."""
    await floor.send(BUY, LIMIT, "90", quantity=Decimal(10))
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await bought(floor, "2")
    await bought(floor, "1")


async def test_a_fee_in_the_base_asset_leaves_less_than_was_bought(database: Database) -> None:
    """M4.6: the inventory is what arrived, and no more of it can be sold."""
    floor = Floor(database, taker=Decimal("0.01"), fee_in_base=True)
    await floor.point("100")
    report = await floor.send(BUY, OrderType.MARKET)

    assert [(fill.fee, fill.fee_asset) for fill in report.fills] == [(Decimal("0.01"), "BTC")]
    assert (await floor.venue.account()).balances == {"BTC": Decimal("0.99"), "USDT": Decimal(900)}
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await floor.send(SELL, OrderType.MARKET)
    await floor.books_agree()


FUTURES: dict[str, Any] = {"position_type": PositionType.FUTURES, "leverage": 5}


async def test_funding_is_paid_once_a_period_by_who_held_before_it(database: Database) -> None:
    """M4.6, issue 'shorts on futures, with funding': at a positive rate a long pays."""
    floor = Floor(database, funding_rate=Decimal("0.01"))
    await floor.point("100")
    await floor.send(BUY, OrderType.MARKET, **FUTURES)
    await floor.point("100", seconds=8 * 3600)
    await floor.point("110", seconds=60)

    again = Floor(database, FakeClock(floor.clock.now()), funding_rate=Decimal("0.01"))
    await again.point("110", seconds=60)
    await again.point("120", seconds=8 * 3600)

    payments = await again.venue.funding_since(NOW)
    assert [payment.amount for payment in payments] == [Decimal(-1), Decimal("-1.2")]
    assert (await again.venue.account()).balances == {"USDT": Decimal("997.8")}


async def test_a_position_is_liquidated_and_what_protected_it_is_gone(database: Database) -> None:
    """M4.6, R13: 100 * 0.8 / 0.995 is 80.402, and nobody ordered it."""
    floor = Floor(database)
    await floor.point("100")
    await floor.send(BUY, OrderType.MARKET, **FUTURES)
    await floor.send(SELL, STOP, "70", reduce_only=True, **FUTURES)
    await floor.point("81")
    assert floor.heard == []

    await floor.point("80")

    closed, stop = floor.heard
    assert closed.client_order_id.startswith("autoclose-")
    assert [(fill.side, fill.price) for fill in closed.fills] == [(SELL, Decimal("80.41"))]
    assert stop.status is OrderStatus.EXPIRED
    account = await floor.venue.account()
    assert account.positions == {}
    assert account.balances == {"USDT": Decimal("980.41")}


@pytest.mark.parametrize(
    "market",
    [{}, {"latency": timedelta(seconds=30)}, {"depth_notional": Decimal(90)}],
    ids=["at once", "late", "thin"],
)
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_done_money_and_inventory_come_from_fills(
    database: Database, seed: int, market: dict[str, Any]
) -> None:
    """M6.1, I1: the independent ledger, after three hundred steps of orders, cancels and points."""
    chance = Random(seed)
    floor = Floor(database, taker=Decimal("0.001"), fee_in_base=bool(seed % 2), **market)
    await floor.point("100")
    price = 100.0
    for _ in range(300):
        await _anything(floor, chance)
        price *= 1 + chance.uniform(-0.01, 0.01)
        await floor.point(f"{price:.2f}")

    await floor.books_agree()
    filled = [fill.trade_id for report in floor.heard for fill in report.fills]
    assert len(filled) == len(set(filled))


async def _anything(floor: Floor, chance: Random) -> None:
    last = floor.prices.price("BTCUSDT")
    assert last is not None
    level = f"{float(last) * chance.uniform(0.97, 1.03):.2f}"
    quantity = Decimal(f"{chance.uniform(0.1, 3):.3f}")
    resting = await floor.venue.open_orders()
    try:
        match chance.randrange(5):
            case 0:
                side = chance.choice([BUY, SELL])
                await floor.send(side, OrderType.MARKET, quantity=quantity)
            case 1:
                side, type_ = chance.choice([(BUY, LIMIT), (SELL, LIMIT), (SELL, STOP)])
                await floor.send(side, type_, level, quantity=quantity)
            case 2:
                await floor.bracket(
                    f"{float(last) * 0.99:.2f}", f"{float(last) * 1.01:.2f}", quantity=quantity
                )
            case 3 if resting:
                await floor.venue.cancel("BTCUSDT", chance.choice(resting).client_order_id)
            case 4 if resting:
                old = chance.choice(resting)
                assert old.asked is not None
                new = floor.request(old.asked.side, LIMIT, level, quantity=old.asked.quantity)
                await floor.venue.replace("BTCUSDT", old.client_order_id, floor.name(), new)
            case _:
                pass
    except OrderRejectedError:
        pass


async def test_a_symbol_where_nothing_rests_costs_no_waiting(floor: Floor) -> None:
    """B6: neither before the first order, nor beside one of another symbol, nor after the last."""
    point = Tick(floor.clock.now(), "BTCUSDT", Decimal(100))
    assert floor.venue.on_tick(point) is None

    await floor.point("10", symbol="ETHUSDT")
    await floor.send(BUY, LIMIT, "8", symbol="ETHUSDT")
    assert floor.venue.on_tick(point) is None

    await floor.send(BUY, LIMIT, "90")
    await floor.point("89")
    assert floor.venue.on_tick(point) is None


async def test_a_point_that_meets_nothing_takes_no_connection(floor: Floor) -> None:
    """B6: an order rests, and its price is far."""
    await bought(floor)
    await floor.send(SELL, STOP, "95")
    point = Tick(floor.clock.now() + timedelta(seconds=20), "BTCUSDT", Decimal(99))
    floor.prices.record(point)
    meeting = floor.venue.on_tick(point)
    assert meeting is not None
    with pytest.raises(StopIteration):
        meeting.__await__().send(None)  # to its end, without waiting for anything


async def test_an_order_of_a_time_played_again_meets_only_points_that_are_new(
    floor: Floor,
) -> None:
    """M6.1: after a kill the clock starts before the last fill; that part of the path is used."""
    await bought(floor)
    await floor.send(SELL, STOP, "95")
    await floor.point("94")  # at 40 s

    again = Floor(floor.database, FakeClock(NOW))
    again.sent = floor.sent
    await again.point("100")
    await again.send(BUY, LIMIT, "95")
    await again.point("94")  # 40 s again
    assert again.heard == []
    await again.point("94")
    assert [report.status for report in again.heard] == [OrderStatus.FILLED]


async def test_what_ends_at_the_price_that_fills_a_part_is_told_with_it(database: Database) -> None:
    """M6.1: of a stop in a thin market; the liquidation at the same price ends the rest."""
    floor = Floor(database, depth_notional=Decimal(100))
    await floor.point("100")
    await floor.venue.set_up("BTCUSDT", SymbolSetup(leverage=10))
    futures: dict[str, Any] = {"position_type": PositionType.FUTURES}
    for _ in range(3):
        await floor.send(BUY, OrderType.MARKET, **futures)
        await floor.point("100")
    await floor.send(SELL, STOP, "95", quantity=Decimal(3), reduce_only=True, **futures)
    stop = ClientOrderId(f"tb{floor.sent}")
    floor.heard.clear()
    await floor.point("50")

    told = [report.filled_quantity for report in floor.heard if report.client_order_id == stop]
    found = (await floor.venue.find_order("BTCUSDT", stop)).report
    assert found is not None
    assert told[-1] == found.filled_quantity == sum(fill.quantity for fill in found.fills) > 0
    assert (await floor.venue.account()).positions == {}
