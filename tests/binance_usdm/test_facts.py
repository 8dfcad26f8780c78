"""Numbered facts of the venue that the adapter relies on, each against the simulator that has it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio.lowlevel
import pytest

from tests.binance_usdm.scene import BTC, ETH, VENUE, closing, named, order, scene, symbol
from tests.simulators.binance.usdm.routes import Route
from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.real_venues import url_problem
from tradebotd.config.sections import VenueSection
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup
from tradebotd.venues.binance.calls import AT_ONCE
from tradebotd.venues.binance.payload import Node, Source
from tradebotd.venues.binance.signing import HmacSigner, signed_query
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.events import algo_identity
from tradebotd.venues.binance.usdm.requests import algo_params, order_params

BUY, SELL = Side.BUY, Side.SELL
STOP, LIMIT, TAKE = OrderType.STOP_MARKET, OrderType.LIMIT, OrderType.TAKE_PROFIT_MARKET
SYMBOL = BTC.symbol
A_DAY = timedelta(days=1)


async def test_fills_are_told_for_three_months_in_spans_of_seven_days() -> None:
    """F1: and pages by their ids from the first on; what is older raises, and is not left out."""
    async with scene() as usdm:
        begun = usdm.clock.now()
        await usdm.send("tb1", order(BUY, "0.1"))
        usdm.clock.advance(20 * A_DAY)
        await usdm.send("tb2", order(BUY, "0.1"))
        fills = await usdm.venue.fills_since(begun, [SYMBOL])
        assert [each.client_order_id for each in fills] == ["tb1", "tb2"]
        late = await usdm.venue.fills_since(begun + A_DAY, [SYMBOL])
        assert [each.client_order_id for each in late] == ["tb2"]
        usdm.clock.advance(71 * A_DAY)
        with pytest.raises(VenueUnavailableError, match="not told"):
            await usdm.venue.fills_since(begun, [SYMBOL])


async def test_an_order_that_traded_is_found_after_three_days() -> None:
    """F2: one that was cancelled without a fill is forgotten, one that traded is not."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", order(BUY, "0.1", LIMIT, "59000"))
        await usdm.venue.cancel(SYMBOL, named("tb2"))
        usdm.clock.advance(4 * A_DAY)
        filled = (await usdm.venue.find_order(SYMBOL, named("tb1"))).report
        assert filled is not None
        assert filled.status is OrderStatus.FILLED
        gone = await usdm.venue.find_order(SYMBOL, named("tb2"))
        assert gone.report is None
        assert gone.endpoints == {
            *("order", "algoOrder", "openOrders", "openAlgoOrders", "allOrders"),
            *("allAlgoOrders", "userTrades"),
        }


async def test_funding_of_both_kinds_is_told_under_ids_of_its_kind() -> None:
    """F3: `tranId` is unique within its type alone; no payment is lost to another of its number."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        since = usdm.clock.now()
        usdm.simulator.venue.cash.fund("BTCUSDT", Decimal("0.0001"))
        usdm.simulator.venue.cash.fund("BTCUSDT", Decimal("0.0002"), special=True)
        paid = await usdm.venue.funding_since(since)
        assert [each.amount for each in paid] == [Decimal("-0.6"), Decimal("-1.2")]
        assert {each.symbol for each in paid} == {SYMBOL}
        numbers = {each.payment_id.partition("-")[2] for each in paid}
        assert (len(numbers), len({each.payment_id for each in paid})) == (1, 2)


async def test_incomes_come_in_pages_without_a_parameter_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F3: each page begins where the one before ended, and what is in both is told once."""
    monkeypatch.setattr("tradebotd.venues.binance.usdm.incomes.PAGE", 2)
    async with scene() as usdm:
        since = usdm.clock.now()
        for amount in (1, 2, 3, 4, 5):
            usdm.clock.advance(timedelta(seconds=1))
            usdm.simulator.venue.cash.transfer(usdm.account, "USDT", Decimal(amount))
        told = await usdm.venue.transfers_since(since + timedelta(milliseconds=1))
        assert [each.amount for each in told] == [1, 2, 3, 4, 5]


async def test_what_rests_is_asked_for_in_both_places() -> None:
    """F4: openOrders has no stop; and no filter tells that 200 of them may rest."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        await usdm.send("tb2", order(SELL, "0.1", STOP, "58000"))
        await usdm.send("tb3", order(SELL, "0.1", STOP, "2000", symbol=ETH.symbol))
        told = await usdm.venue.open_orders([SYMBOL])
        assert {each.client_order_id for each in told} == {"tb1", "tb2"}
        everywhere = await usdm.venue.open_orders([SYMBOL, ETH.symbol, *map(str, range(40))])
        assert {each.client_order_id for each in everywhere} == {"tb1", "tb2", "tb3"}
        (instrument,) = (await usdm.venue.instruments([BTC])).values()
        assert instrument.max_stops == 200


async def test_a_stop_that_was_rejected_says_why() -> None:
    """F5: by `rm` of ALGO_UPDATE; asked, the venue tells the state alone, and we remember."""
    async with scene(streams=True) as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        await usdm.send("tb3", closing(SELL, "0.1"))
        usdm.price("58900")
        await usdm.until(lambda: any(each.client_order_id == "tb2" for each in usdm.heard[1:]))
        await usdm.until(lambda: usdm.heard[-1].status is OrderStatus.REJECTED)
        assert usdm.heard[-1].client_order_id == "tb2"
        assert usdm.heard[-1].reason == "Reduce Only reject"
        found = (await usdm.venue.find_order(SYMBOL, named("tb2"))).report
        assert found is not None
        assert (found.status, found.reason) == (OrderStatus.REJECTED, "Reduce Only reject")


def test_a_trailing_order_that_becomes_active_is_no_event_told_twice() -> None:
    """F6: NEW comes again, with `ia`."""

    def update(**changes: Any) -> tuple[object, ...]:
        told = {"aid": 7, "X": "NEW", "ai": "", **changes}
        return algo_identity(Node(told, Source(VENUE, "stream", 200, b""), "o"))

    assert update(ia=False) == update()
    assert update(ia=True) != update(ia=False)


async def test_an_algo_order_counts_as_an_order_and_its_id_is_free_again() -> None:
    """F8: it costs no weight and one of the counts; the id is unique among open orders alone."""
    assert (paths.PLACE_ALGO.weight, paths.PLACE_ALGO.orders) == (0, 1)
    async with scene() as usdm:
        for _ in range(2):
            await usdm.send("tb1", order(SELL, "0.1", STOP, "59000"))
            with pytest.raises(OrderRejectedError, match="duplicate client order id"):
                await usdm.send("tb1", order(SELL, "0.1", STOP, "59000"))
            await usdm.venue.cancel(SYMBOL, named("tb1"))
        assert len(usdm.account.book.algos) == 2


async def test_every_order_says_what_becomes_of_one_that_it_meets() -> None:
    """F9: left out, an algo order would trade with us; the one that rests expires, by name."""
    asked = order(SELL, "0.1", LIMIT, "61000")
    stop = order(SELL, "0.1", STOP, "59000")
    for params in (order_params(named("a"), asked, "B"), algo_params(named("a"), stop, "B")):
        assert params["selfTradePreventionMode"] == "EXPIRE_MAKER"
    async with scene(streams=True) as usdm:
        usdm.market.set_book(
            "BTCUSDT", [(Decimal(59000), Decimal(9))], [(Decimal(61000), Decimal(9))]
        )
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "60000"))
        await usdm.send("tb2", order(SELL, "0.1"))
        await usdm.until(lambda: any(each.reason == SELF_TRADE for each in usdm.heard))
        found = (await usdm.venue.find_order(SYMBOL, named("tb1"))).report
        assert found is not None
        assert (found.status, found.reason) == (OrderStatus.EXPIRED, SELF_TRADE)


async def test_the_user_stream_is_asked_for_on_its_route() -> None:
    """F11: an address without one connects, and stays silent without an error."""
    async with scene(streams=True) as usdm:
        (connection,) = usdm.simulator.hub.connections
        assert connection.route is Route.PRIVATE
        assert usdm.simulator.listen_keys.account_of(next(iter(connection.channels))) == "one"


async def test_prices_of_coin_margined_markets_are_left_out() -> None:
    """F12: market endpoints tell both sides; and the position mode may be refused for the other."""
    more = [symbol(name, f"{name}USDT") for name in ("DOGE", "TSLA")]
    async with scene(symbols=(BTC, ETH, *more)) as usdm:
        told = await usdm.venue.quotes([BTC, ETH, *more])
        assert set(told) == {SYMBOL, ETH.symbol, "DOGE", "TSLA"}
        usdm.account.dual_side = usdm.account.has_coin_m_business = True
        with pytest.raises(OrderRejectedError, match="UM and CM"):
            await usdm.venue.set_up(SYMBOL, SymbolSetup())


async def test_an_order_that_has_expired_says_why() -> None:
    """F13: `er`: a stop that could not trade within the band has left its position bare."""
    async with scene(streams=True) as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        usdm.market.set_mark("BTCUSDT", Decimal(60000))
        thin = [(Decimal(58900), Decimal("0.04")), (Decimal(50000), Decimal(9))]
        usdm.market.set_book("BTCUSDT", thin, [(Decimal(60010), Decimal(9))])
        usdm.market.trade("BTCUSDT", Decimal(58950), Decimal("0.1"), is_buyer_maker=True)
        await usdm.until(lambda: usdm.heard[-1].status is OrderStatus.EXPIRED)
        ended = usdm.heard[-1]
        assert (ended.client_order_id, ended.filled_quantity) == ("tb2", Decimal("0.04"))
        assert ended.reason == "what a market order could not trade has expired"
        found = (await usdm.venue.find_order(SYMBOL, named("tb2"))).report
        assert found is not None
        assert (found.status, found.filled_quantity) == (OrderStatus.EXPIRED, Decimal("0.04"))
        assert sum(each.quantity for each in found.fills) == Decimal("0.04")
        assert (await usdm.venue.account()).positions == {SYMBOL: Decimal("0.06")}


async def test_contracts_of_shares_are_not_traded() -> None:
    """F14: TRADIFI_PERPETUAL is treated as halted; so is a session that has a break."""
    share, old = symbol("TSLA", "TSLAUSDT"), symbol("OLD", "OLDUSDT")
    async with scene(symbols=(BTC, ETH, share, old)) as usdm:
        told = await usdm.venue.instruments([BTC, ETH, share, old])
        assert told["TSLA"].status is SymbolStatus.HALTED
        assert told["OLD"].status is SymbolStatus.DELISTED
        assert told[SYMBOL].status is SymbolStatus.TRADING
        usdm.simulator.venue.instruments["BTCUSDT"].status = "TRADING_HALT"
        assert (await usdm.venue.instruments([BTC]))[SYMBOL].status is SymbolStatus.HALTED
        with pytest.raises(OrderRejectedError, match=r"^symbol_not_trading"):
            await usdm.send("tb1", order(BUY, "0.1"))


@pytest.mark.parametrize(
    ("live", "url", "fits"),
    [
        (True, "https://fapi.binance.com", True),
        (True, "https://demo-fapi.binance.com", False),
        (True, "https://testnet.binancefuture.com", False),
        (False, "https://testnet.binancefuture.com", True),
        (False, "wss://fstream.binancefuture.com", True),
        (False, "wss://demo-fstream.binance.com", True),
        (False, "https://fapi.binance.com", False),
        (False, "wss://fstream.binance.com", False),
        (False, "http://127.0.0.1:8080", True),
    ],
)
def test_a_key_goes_to_an_address_of_its_kind(*, live: bool, url: str, fits: bool) -> None:
    """F15: the demo's and the testnet's hosts are no live ones, and the other way."""
    section = VenueSection(kind="binance_usdm", live=live)
    assert (url_problem(section, url) is None) == fits
    facts = REAL_VENUES["binance_usdm"]
    assert facts.rehearsal.base_url == "https://demo-fapi.binance.com"
    assert facts.live.wallet_url == "https://api.binance.com"


async def test_prices_come_from_the_second_version_whose_weight_is_not_believed() -> None:
    """F16: the first one is deprecated, and the used weight that both tickers tell is wrong."""
    assert {each.path for each in (paths.PRICE, paths.PRICES)} == {"/fapi/v2/ticker/price"}
    async with scene() as usdm:
        limits = usdm.parts.limits
        seen: list[Any] = []
        limits.observe = seen.append  # type: ignore[assignment,method-assign]
        for call in (paths.PRICE, paths.BOOK):
            await usdm.parts.interface.ask(call, {"symbol": "BTCUSDT"})
        assert seen == []
        await usdm.parts.interface.ask(paths.MARK, {"symbol": "BTCUSDT"})
        assert len(seen) == 1


def test_nobody_asks_the_question_that_denies_what_was_filled() -> None:
    """F17: GET openOrder says "does not exist" of filled and of cancelled orders."""
    assert "/fapi/v1/openOrder" not in {path for _, path in paths.ALLOWED}


def test_what_is_signed_is_percent_encoded() -> None:
    """F18: on all signed interfaces since January 2026."""
    query = signed_query({"clientAlgoId": "a:b/c"}, HmacSigner("s"))
    encoded, _, signature = query.partition("&signature=")
    assert encoded == "clientAlgoId=a%3Ab%2Fc"
    assert signature == HmacSigner("s").sign(encoded.encode())


async def test_an_order_is_sent_once() -> None:
    """F20: POST is never repeated, whatever the answer; a client id is no idempotency key."""
    from tests.simulators.binance.usdm import outages  # noqa: PLC0415
    from tests.simulators.shared.faults import Executed  # noqa: PLC0415
    from tradebotd.domain.errors import OutcomeUnknownError  # noqa: PLC0415

    async with scene() as usdm:
        fault = outages.unknown_error(Executed.NOW, operation="place")
        usdm.server.faults.set(fault)
        with pytest.raises(OutcomeUnknownError):
            await usdm.send("tb1", order(BUY, "0.1"))
        await anyio.lowlevel.checkpoint()
        assert usdm.requests("/fapi/v1/order", "POST") == 1
        found = (await usdm.venue.find_order(SYMBOL, named("tb1"))).report
        assert found is not None
        assert found.status is OrderStatus.FILLED


async def test_commissions_of_many_symbols_are_asked_for_in_portions() -> None:
    """Each weighs 20 of 2,400 a minute: a part is left to others, and what was told is kept."""
    many = [symbol(f"X{number}/USDT", f"X{number}USDT") for number in range(100)]
    async with scene(symbols=many) as usdm:
        for each in many:
            market = each.names[VENUE]
            usdm.simulator.venue.instruments[market] = usdm.simulator.venue.instruments["BTCUSDT"]
        with pytest.raises(VenueUnavailableError, match="too much"):
            await usdm.venue.commissions(many)
        asked = usdm.requests("/fapi/v1/commissionRate")
        assert 60 <= asked <= 72
        assert usdm.parts.limits.gate.standing is None
        usdm.clock.advance(timedelta(minutes=2))
        assert len(await usdm.venue.commissions(many)) == 100
        again = usdm.requests("/fapi/v1/commissionRate") - 100
        assert again < AT_ONCE  # those that were on their way when the first portion ended
