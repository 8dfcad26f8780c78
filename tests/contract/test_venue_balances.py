"""What an account tells of each asset: all of it, and what of it resting orders hold."""

from decimal import Decimal

from tests.contract.conftest import CASH, FIRST, SECOND, Case
from tradebotd.domain.order import OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Balance


async def of(case: Case, asset: str) -> Balance:
    return (await case.venue.account()).balance(asset)


async def test_what_a_resting_sell_holds_is_owned_and_not_free(case: Case) -> None:
    """M5.4, M5.6 (VC-41): the total is what is compared with our books."""
    await case.bought("3")
    await case.venue.submit(FIRST, case.order(Side.SELL, "2", OrderType.LIMIT, "120"))

    btc = await of(case, "BTC")
    assert btc == Balance(total=Decimal(3), locked=Decimal(2))
    assert btc.free == 1

    await case.venue.cancel("BTCUSDT", FIRST)
    assert await of(case, "BTC") == Balance(total=Decimal(3))


async def test_a_pair_holds_what_it_sells_once(case: Case) -> None:
    """M5.7 (VC-42)."""
    await case.bought("2")
    await case.bracket("95", "105")

    assert await of(case, "BTC") == Balance(total=Decimal(2), locked=Decimal(2))


async def test_a_resting_buy_holds_its_cash_until_it_is_filled(case: Case) -> None:
    """M3.4 (VC-43): at its limit, with the fee that it may cost."""
    await case.venue.submit(FIRST, case.order(Side.BUY, "2", OrderType.LIMIT, "90"))

    usdt = await of(case, "USDT")
    assert usdt.total == CASH
    assert 180 <= usdt.locked <= 182
    assert usdt.free == CASH - usdt.locked

    await case.move("89")
    assert (await of(case, "USDT")).locked == 0
    assert (await of(case, "BTC")).total == 2


async def test_what_is_not_held_is_nothing(case: Case) -> None:
    """VC-44: and what has been locked and is gone is told no more."""
    assert await of(case, "DOGE") == Balance()
    await case.bought("1")
    await case.venue.submit(SECOND, case.order(Side.SELL, "1", OrderType.LIMIT, "120"))
    await case.move("121")

    account = await case.venue.account()
    assert (account.balance("BTC"), account.locked) == (Balance(), {})
