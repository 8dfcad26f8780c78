"""Prices by kind: bid and ask around the last one, what a file's feeds tell, and who is ended by it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tests.unit.test_exit_view import position
from tradebotd.config import price_kinds
from tradebotd.config.load import load_config
from tradebotd.config.venue_order_types import stop_price_warnings
from tradebotd.config.warning import WarningKind
from tradebotd.daemon.commands import main
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind, Spread, TriggerPrice
from tradebotd.domain.side import Side
from tradebotd.market.price_cache import PriceCache
from tradebotd.risk.trigger_books import TriggerBooks
from tradebotd.storage.exit_plans import exits_as_json, exits_from_json
from tradebotd.trading.execution.order_identity import request_fingerprint

LAST, MARK, BID, ASK = PriceKind.LAST, PriceKind.MARK, PriceKind.BID, PriceKind.ASK
NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)
FUTURES = 'position_type = "futures"\n'
TICK = Decimal("0.01")


def tick(price: str, kind: PriceKind = LAST, seconds: int = 0, symbol: str = "BTCUSDT") -> Tick:
    return Tick(NOON + timedelta(seconds=seconds), symbol, Decimal(price), kind=kind)


class TestPriceCache:
    def test_kinds_are_kept_apart(self) -> None:
        prices = PriceCache()
        prices.record(tick("100"))
        prices.record(tick("90", MARK, 5))
        assert [prices.price("BTCUSDT", kind) for kind in PriceKind] == [100, 90, None, None]
        assert prices.age("BTCUSDT", NOON + timedelta(seconds=7), MARK) == timedelta(seconds=2)

    def test_each_kind_is_confirmed_by_its_own(self) -> None:
        """M3.10: a bad mark is doubted whatever the last price does."""
        prices = PriceCache(Decimal("0.1"))
        prices.record(tick("100", MARK))
        prices.record(tick("50", MARK, 1))
        prices.record(tick("50", LAST, 1))
        doubted = prices.last_prices("BTCUSDT", MARK)
        assert doubted is not None
        assert doubted.believed == 100
        prices.believe("BTCUSDT", MARK)
        believed = prices.last_prices("BTCUSDT", MARK)
        assert believed is not None
        assert believed.believed == 50

    def test_bid_and_ask_follow_the_last_price_where_nobody_tells_them(self) -> None:
        """M6.1: by the venue's spread, rounded away from the price; as old as that."""
        prices = PriceCache(Decimal(1), {"BTCUSDT": Spread(Decimal("0.001"), TICK)})
        assert prices.last_prices("BTCUSDT", BID) is None
        prices.record(tick("100"))
        prices.record(tick("99.99", seconds=1))
        bid, ask = (prices.last_prices("BTCUSDT", kind) for kind in (BID, ASK))
        assert bid is not None
        assert ask is not None
        assert (bid.previous, bid.current, bid.at) == (
            Decimal("99.95"),
            Decimal("99.94"),
            NOON + timedelta(seconds=1),
        )
        assert (ask.previous, ask.current) == (Decimal("100.05"), Decimal("100.04"))
        assert prices.made_from_last("BTCUSDT") == (BID, ASK)
        assert prices.price("BTCUSDT", MARK) is None
        prices.record(tick("100", symbol="ETHUSDT"))
        assert (prices.made_from_last("ETHUSDT"), prices.price("ETHUSDT", BID)) == ((), None)

    def test_no_bid_is_below_a_tick(self) -> None:
        assert Spread(Decimal("0.1"), TICK).price(BID, TICK) == TICK


class TestTriggerBooks:
    def test_a_tick_meets_the_book_of_its_kind_alone(self) -> None:
        books = TriggerBooks()
        for number, trigger in enumerate(TriggerPrice, start=1):
            plan = replace(position().exits, trigger_price=trigger)
            books.add(replace(position(), id=PositionId(number), exits=plan), TICK)
        assert books.others == 2
        met = {
            kind: [hit.position_id for hit in books.tick(position().symbol, Decimal(1), kind)]
            for kind in PriceKind
        }
        assert met == {LAST: [1], MARK: [2], BID: [3], ASK: []}

    def test_a_position_changes_books_with_its_plan_and_keeps_latch_and_best_price(self) -> None:
        books, symbol = TriggerBooks(), position().symbol
        held = replace(
            position(),
            exits=ExitPlan(trailing_stop=Decimal("0.1")),
            best_price=Decimal(100),
            stop_loss=None,
            take_profit=None,
        )
        books.add(held, TICK)
        assert not books.tick(symbol, Decimal(200))
        assert books.tick(symbol, Decimal(10))
        plan = replace(held.exits, trigger_price=TriggerPrice.MARK)
        books.update(replace(held, exits=plan, version=held.version + 1))

        assert books.latched(held.id)
        assert not books.tick(symbol, Decimal(9), MARK)
        books.release(held.id)
        assert not books.tick(symbol, Decimal(9))
        assert books.as_moved(held.id).best_price == 200
        assert books.tick(symbol, Decimal(9), MARK)
        books.remove(held.id)
        assert (books.others, held.id in books) == (0, False)


@pytest.mark.parametrize("trigger", list(TriggerPrice))
def test_a_stored_plan_has_its_price_back(trigger: TriggerPrice) -> None:
    """M4.7: what was stored before there was a choice is ended by the last price."""
    plan = ExitPlan(stop_loss=Decimal("0.05"), trigger_price=trigger)
    stored = exits_as_json(plan)
    assert exits_from_json(stored) == plan
    assert ("trigger_price" in stored) is (trigger is not TriggerPrice.LAST)


def test_the_fingerprint_of_an_order_that_knew_no_working_price_is_what_it_was() -> None:
    """M4.8: rows that exist still compare equal."""
    stop = OrderRequest(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        stop_price=Decimal(95),
    )
    market = replace(stop, type=OrderType.MARKET, stop_price=None, trigger_price=Decimal(95))
    assert request_fingerprint(stop) == "6c4c040ab801379644771b17cef4bef8"
    assert request_fingerprint(replace(stop, working_price=MARK)) != request_fingerprint(stop)
    assert request_fingerprint(replace(market, working_price=MARK)) == request_fingerprint(market)


class TestConfiguration:
    def trigger(self, tmp_path: Path, text: str) -> TriggerPrice:
        (bot,) = load_config(written(tmp_path, ONE_BOT + text)).bot_specs()
        return bot.exits.trigger_price

    def test_what_is_said_is_in_the_plan(self, tmp_path: Path) -> None:
        """M4.7 (C2)."""
        assert self.trigger(tmp_path, 'trigger_price = "bid_ask"\n') is TriggerPrice.BID_ASK
        assert self.trigger(tmp_path, "") is TriggerPrice.LAST

    def test_futures_are_ended_by_the_mark_where_one_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """M4.7: else by the last price; spot by the last price either way."""
        assert self.trigger(tmp_path, FUTURES) is TriggerPrice.LAST
        monkeypatch.setattr(price_kinds, "FEEDS", {"synthetic": frozenset({LAST, MARK})})
        assert self.trigger(tmp_path, FUTURES) is TriggerPrice.MARK
        assert self.trigger(tmp_path, FUTURES + 'trigger_price = "last"\n') is TriggerPrice.LAST
        assert self.trigger(tmp_path, 'trigger_price = "mark"\n') is TriggerPrice.MARK
        assert self.trigger(tmp_path, "") is TriggerPrice.LAST

    def test_the_spread_is_the_venues_and_a_fed_bid_needs_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, SMALLEST.replace('"paper"\n[[', '"paper"\nspread_bps = "20"\n[['))
        assert load_config(path).spreads() == {"BTCUSDT": Spread(Decimal("0.002"), TICK)}
        assert load_config(path).venue_kinds("paper") == {LAST, BID, ASK}
        monkeypatch.setattr(price_kinds, "FEEDS", {"synthetic": frozenset({LAST, BID, ASK})})
        assert load_config(path).spreads() == {}

    def test_check_says_where_futures_have_no_mark(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """M4.7: a note, and no doubt about what the file says itself."""
        words = "note: bots[0].trigger_price ('btc-ema', line 11): no mark price of BTCUSDT is told"
        for text, told in ((FUTURES, True), (FUTURES + 'trigger_price = "last"\n', False)):
            config = written(tmp_path, ONE_BOT + text)
            assert main.main(["check", "--config", str(config)]) == 0
            assert (words in capsys.readouterr().out) is told

    def test_check_says_whose_stop_rests_by_the_last_price_because_of_another_symbol(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """M4.7: a symbol that is added loosens no stop of another one without a word."""
        marked = {"synthetic": frozenset({LAST, MARK}), "replay": frozenset({LAST})}
        monkeypatch.setattr(price_kinds, "FEEDS", marked)
        one = ONE_BOT + FUTURES + 'trigger_price = "mark"\n'
        other = (
            '[feeds.files]\nkind = "replay"\npath = "*.csv"\nspeed = 60\n'
            '[[symbols]]\nsymbol = "ETHUSDT"\nfeeds = ["files"]\nvenue = "paper"\n'
        )

        row = "2022-03-01T00:00:00Z,100,100,100,100,1"
        (tmp_path / "ETHUSDT_1m.csv").write_text(f"ts,open,high,low,close,volume\n{row}\n")

        def said(text: str) -> list[str]:
            config = load_config(written(tmp_path, text))
            warnings = stop_price_warnings(config)
            assert all(each.kind is WarningKind.STOP_BY_LAST for each in warnings)
            return [str(each) for each in stop_price_warnings(config)]

        assert said(one) == []
        (warning,) = said(one + other)
        place, words = warning.split(": ", 1)
        assert place == "bots[0].trigger_price"
        assert (
            words == "its stop rests at 'paper' by the last price: ETHUSDT there has no mark price"
        )
        assert said(one.replace('"mark"', '"bid_ask"') + other) == []
        no_stops = (one + other).replace('kind = "paper"', 'kind = "paper"\nresting_stops = false')
        assert said(no_stops) == []
        without = 'trigger_price = "mark"\n[bots.exits]\nstop_loss = "none"\n'
        assert said(one.replace('trigger_price = "mark"\n', without) + other) == []
        trailing = without + 'trailing_stop = "2%"\n'
        assert len(said(one.replace('trigger_price = "mark"\n', trailing) + other)) == 1

    def test_check_refuses_a_price_that_nobody_tells(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """M4.7: 78, by name, with the way out."""
        config = written(tmp_path, ONE_BOT + FUTURES + 'trigger_price = "mark"\n')
        assert main.main(["check", "--config", str(config)]) == 78
        said = capsys.readouterr().err
        assert "bots[0].trigger_price" in said
        assert '"last" or "bid_ask" can be had' in said
