"""Questions of Binance spot about many symbols, and about one of which a part is not told."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.binance_spot.scene import BTC, NOW, named, order, scene, symbol
from tests.binance_spot.test_facts import WEIGHT, spent
from tests.simulators.binance.spot import account_queries
from tests.simulators.shared.faults import ALWAYS, answered
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.side import Side
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance.calls import Call
from tradebotd.venues.binance.spot import trades

MANY = [symbol(f"S{number}", f"S{number}USDT", f"S{number}") for number in range(300)]


async def test_instruments_of_many_symbols_are_one_question() -> None:
    """B8: one that names none weighs what one that names some does."""
    gone = symbol("OLD/USDT", "OLDUSDT", "OLD")
    asked = [BTC, *[BTC] * 150, gone]
    async with scene(symbols=[BTC, gone]) as spot:
        told = await spot.venue.instruments(asked)
        assert told["OLD/USDT"].status is SymbolStatus.DELISTED
        assert told[BTC.symbol].status is SymbolStatus.TRADING
        assert spot.requests("/api/v3/exchangeInfo") <= 3


async def test_a_symbol_that_is_gone_is_found_without_a_question_for_all_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S11: all of them are tens of megabytes; the half that has it is asked for by halves."""
    there = [BTC, symbol("ETH/USDT", "ETHUSDT", "ETH"), symbol("BNB/USDT", "BNBUSDT", "BNB")]
    gone = symbol("OLD/USDT", "OLDUSDT", "OLD")

    async def asked_for_all(call: Call) -> None:
        raise AssertionError(f"{call.path} without a symbol")

    async with scene(symbols=[*there, gone]) as spot:
        monkeypatch.setattr(spot.parts.market_data, "_ask", asked_for_all)
        told = await spot.venue.instruments([*there, gone])
        assert all(told[each.symbol].status is SymbolStatus.TRADING for each in there)
        assert told[gone.symbol].status is SymbolStatus.DELISTED
        assert spot.requests("/api/v3/exchangeInfo") == 5


async def test_commissions_of_many_symbols_come_in_portions_and_starve_nobody() -> None:
    """S1: 20 each; what was told is kept, and the rest of the weight is left to others."""
    async with scene(symbols=[BTC, *MANY]) as spot:
        rates = {"symbol": "X", "standardCommission": {}, "discount": {}}
        half = {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"}
        rates |= {
            "standardCommission": half,
            "discount": {
                "enabledForAccount": False,
                "enabledForSymbol": False,
                "discountAsset": "BNB",
                "discount": "0.75",
            },
        }
        spot.server.faults.set(
            answered(200, rates, path="/api/v3/account/commission", times=ALWAYS)
        )
        with pytest.raises(VenueUnavailableError):
            await spot.venue.commissions([BTC, *MANY])
        assert spent(spot.parts.limits, WEIGHT, spot.parts._host.monotonic()) <= 3_800
        await spot.venue.account()
        assert (await spot.venue.find_order(BTC.symbol, named("tb1"))).report is None
        first = spot.requests("/api/v3/account/commission")
        spot.clock.advance(timedelta(seconds=61))
        assert len(await spot.venue.commissions([BTC, *MANY])) == 301
        assert spot.requests("/api/v3/account/commission") <= 301 + 8
        assert first > 100


async def test_trades_of_many_symbols_starve_nobody() -> None:
    """VC-90: too many at once are told as that, and an order is still found."""
    async with scene(symbols=[BTC, *MANY]) as spot:
        spot.server.faults.set(answered(200, [], path="/api/v3/myTrades", times=ALWAYS))
        with pytest.raises(VenueUnavailableError, match="at once"):
            await spot.venue.fills_since(NOW, [each.symbol for each in (BTC, *MANY)])
        assert spent(spot.parts.limits, WEIGHT, spot.parts._host.monotonic()) <= 3_800
        await spot.venue.account()


async def test_trades_of_long_ago_are_one_question_where_they_are_few() -> None:
    """VC-90: the latest page has all of them."""
    async with scene() as spot:
        await spot.venue.submit(named("tb1"), order(Side.BUY, "0.01"), send_blocked_by=not_blocked)
        spot.clock.advance(timedelta(days=90))
        assert len(await spot.venue.fills_since(NOW, [BTC.symbol])) == 1
        assert spot.requests("/api/v3/myTrades") == 1


async def test_a_full_page_of_a_window_is_not_taken_for_its_oldest_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VC-90: whichever part it has, none is left out: the window is halved."""
    monkeypatch.setattr(trades, "PAGE", 3)
    page = account_queries.page

    def newest(there: Sequence[object], limit: int, *, from_the_start: bool) -> Sequence[object]:
        del from_the_start
        return page(there, limit, from_the_start=False)

    async with scene() as spot:
        for number in range(8):
            await spot.venue.submit(
                named(f"tb{number}"), order(Side.BUY, "0.01"), send_blocked_by=not_blocked
            )
            spot.clock.advance(timedelta(hours=2))
        all_of_them = await spot.venue.fills_since(NOW, [BTC.symbol])
        assert len(all_of_them) == 8
        monkeypatch.setattr(account_queries, "page", newest)
        begins = int(NOW.timestamp() * 1000)
        rows = await spot.parts.lookups._trades._first_since("BTCUSDT", begins)
        assert str(rows[0].integer("id")) == all_of_them[0].trade_id


@pytest.mark.parametrize("status", [404, 503])
async def test_a_quote_is_told_without_its_average(status: int) -> None:
    """S10: last, bid and ask are there; without the reference price an average may be."""
    averaged = symbol("BTC/USDT", "BTCUSDT", average_minutes=5)
    async with scene(symbols=[averaged]) as spot:
        body = "not found" if status == 404 else "busy"
        spot.server.faults.set(answered(status, body, path="/api/v3/referencePrice", times=ALWAYS))
        quote = (await spot.venue.quotes([averaged]))["BTC/USDT"]
        assert quote.bid is not None
        assert quote.average == (60000 if status == 404 else None)
