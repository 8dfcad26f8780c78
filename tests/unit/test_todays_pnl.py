"""What operators read of today is in the account's currency, or is not said."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.prices import FakePrices
from tests.fakes.trading import market_symbol, spec
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.domain.ids import BotName
from tradebotd.trading.account.conversion import CurrencyConverter

NOW = datetime(2022, 3, 1, 12, tzinfo=UTC)


def today(rate: str | None) -> TodaysPnl:
    symbols = {name: market_symbol(name) for name in ("BTCEUR", "BTCUSDT", "EURUSDT")}
    prices = FakePrices()
    if rate is not None:
        prices.move("EURUSDT", rate)
    return TodaysPnl(
        specs={BotName(name): spec(name) for name in ("one", "two")},
        symbols=symbols,
        currencies=CurrencyConverter(
            (each.instrument for each in symbols.values()), prices, "USDT"
        ),
    )


def row(name: str, pnl: str, *, day: int = 1, **waiting: str) -> dict[str, Any]:
    return {
        "name": name,
        "symbol": "BTCEUR",
        "day": date(2022, 3, day),
        "daily_pnl": Decimal(pnl),
        "daily_trades_count": 2,
        "daily_unconverted": waiting,
    }


def test_counters_are_added_up_in_one_currency() -> None:
    """M4.8: whatever the symbols' quote assets are."""
    rows = [row("one", "5"), row("two", "-7.5")]
    assert today(None).sum(rows, NOW) == Decimal("-2.5")
    assert today(None).of(rows[0], NOW) == (Decimal(5), 2)


@pytest.mark.parametrize(("rate", "total"), [("1.25", Decimal("-7.5")), (None, None)])
def test_what_waits_for_a_rate_makes_no_sum_until_there_is_one(
    rate: str | None, total: Decimal | None
) -> None:
    """M2.2: a wrong number is worse than none."""
    counters = today(rate)
    rows = [row("one", "5", EUR="-10"), row("two", "0", day=2 if rate else 1)]
    assert counters.sum(rows, NOW) == total
    assert counters.unconverted(rows[0], NOW) == ({} if rate else {"EUR": -10})


def test_yesterdays_counters_are_none_of_todays() -> None:
    """M4.8"""
    tomorrow = NOW.replace(day=2)
    old = row("one", "5", EUR="-10")
    assert today(None).sum([old], tomorrow) == 0
    assert today(None).of(old, tomorrow) == (Decimal(0), 0)


def test_an_amount_of_a_symbols_money_is_converted_or_unknown() -> None:
    """M2.2: of nothing no rate is asked."""
    assert today("1.25").in_currency("BTCEUR", Decimal(4)) == 5
    assert today("1.25").in_currency("BTCUSDT", Decimal(4)) == 4
    assert today(None).in_currency("BTCEUR", Decimal(4)) is None
    assert today(None).in_currency("BTCEUR", Decimal(0)) == 0
    assert today(None).in_currency("BTCEUR", None) is None
    assert today(None).in_currency("GONE", Decimal(4)) is None
