"""Numbered facts of the venue that the adapter relies on, each against the simulator that has it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.binance_spot.scene import (
    ACCOUNT,
    BTC,
    ED25519_KEY,
    ETH,
    SimulatedHost,
    named,
    order,
    scene,
    symbol,
)
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.demo import HMAC_KEY, HMAC_SECRET
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.parts import USUAL_LIMITS

BUY, SELL = Side.BUY, Side.SELL
STOP, LIMIT, TAKE = OrderType.STOP_MARKET, OrderType.LIMIT, OrderType.TAKE_PROFIT_MARKET
NONE = "there is no such window"
WEIGHT, ORDERS = "REQUEST_WEIGHT_1M", "ORDERS_10S spot"


def spent(limits: Limits, name: str, now: float) -> int:
    window = limits.gate.limits.window(name)
    assert window is not None
    return window.own(now)


async def test_an_order_that_succeeds_costs_no_weight_and_one_that_fails_does() -> None:
    """S1: the limiter holds the weight ready, and gives it back."""
    async with scene() as spot:
        limits, now = spot.parts.limits, spot.clock.now_ms() / 1000
        await spot.venue.account()
        before = spent(limits, WEIGHT, now)
        await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        assert spent(limits, WEIGHT, now) == before
        with pytest.raises(OrderRejectedError, match="insufficient balance"):
            await spot.venue.submit(named("tb2"), order(SELL, "9"), send_blocked_by=not_blocked)
        assert spent(limits, WEIGHT, now) == before + 1


async def test_the_limits_are_those_of_exchange_info() -> None:
    """S2: 300,000 raw requests in five minutes, and whatever else is in force."""
    assert USUAL_LIMITS["RAW_REQUESTS_5M"] == 300_000
    async with scene() as spot:
        limits = spot.parts.limits.gate.limits
        assert (limits.window(ORDERS) or pytest.fail(NONE)).limit == 50
        await spot.venue.instruments([BTC])
        assert (limits.window(ORDERS) or pytest.fail(NONE)).limit == 100
        raw = limits.window("RAW_REQUESTS_5M") or pytest.fail(NONE)
        assert (raw.limit, raw.seconds) == (300_000, 300.0)


async def test_a_stop_beyond_the_price_range_has_expired_and_says_so() -> None:
    """S3: its position is bare; the stream says why it ended, and so does who asks."""
    async with scene(streams=True) as spot:
        rule = {
            "ruleType": "PRICE_RANGE",
            "bidLimitMultUp": "1.05",
            "bidLimitMultDown": "0.95",
            "askLimitMultUp": "1.05",
            "askLimitMultDown": "0.95",
        }
        await spot.venue.submit(
            named("tb1"), order(SELL, "0.5", STOP, "59000"), send_blocked_by=not_blocked
        )
        spot.held.change("BTCUSDT", execution_rule=rule)
        spot.held.set_reference("BTCUSDT", "60000")
        spot.held.quote("BTCUSDT", [("50000", "10")], [("50001", "10")])
        spot.held.print_trade("BTCUSDT", "58999")
        await spot.until(lambda: spot.heard and spot.heard[-1].status is OrderStatus.EXPIRED)

        found = (await spot.venue.find_order(BTC.symbol, named("tb1"))).report
        assert found is not None
        for report in (spot.heard[-1], found):
            assert report.status is OrderStatus.EXPIRED
            assert report.reason == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
        assert await spot.venue.open_orders([BTC.symbol]) == []


async def test_an_expiry_at_once_is_told_by_the_answer() -> None:
    """S4: FULL and RESULT have it, an ACK has not; no order is answered with an ACK."""
    async with scene() as spot:
        at_once = order(BUY, "0.1", LIMIT, "50000", time_in_force=TimeInForce.IOC)
        report = await spot.venue.submit(named("tb1"), at_once, send_blocked_by=not_blocked)
        assert report.status is OrderStatus.EXPIRED
        assert report.reason == "UNFILLED_IOC_QUANTITY_EXPIRED"


async def test_a_stop_that_would_trigger_is_refused_at_once() -> None:
    """S4: the answer to a placement is the whole truth about it."""
    async with scene() as spot:
        with pytest.raises(OrderRejectedError, match=r"^would trigger immediately"):
            await spot.venue.submit(
                named("tb1"), order(SELL, "0.1", STOP, "61000"), send_blocked_by=not_blocked
            )


async def test_the_legs_of_a_pair_are_told_with_their_results() -> None:
    """S4, S5: both rest; when one works the other is cancelled, which is no loss of a stop."""
    async with scene(streams=True) as spot:
        stop, target = order(SELL, "0.5", STOP, "59000"), order(SELL, "0.5", TAKE, "61000")
        reports = await spot.venue.submit_linked(
            [(named("tb1"), stop), (named("tb2"), target)], send_blocked_by=not_blocked
        )
        assert [each.client_order_id for each in reports] == ["tb1", "tb2"]
        assert {each.status for each in reports} == {OrderStatus.NEW}
        spot.held.move("BTCUSDT", "58900")
        told = {}
        await spot.until(lambda: any(each.status is OrderStatus.FILLED for each in spot.heard))
        for each in spot.heard:
            told[each.client_order_id] = (each.status, each.reason)
        assert told == {
            "tb1": (OrderStatus.FILLED, None),
            "tb2": (OrderStatus.CANCELED, "OCO_TRIGGER"),
        }


@pytest.mark.parametrize("ed25519", [True, False])
async def test_a_key_of_either_kind_signs_requests_and_the_stream(*, ed25519: bool) -> None:
    """S6: Ed25519 is the recommended one; both subscribe by a signature of their own."""
    async with scene(ed25519=ed25519, streams=True) as spot:
        await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        await spot.until(lambda: any(each.fills for each in spot.heard))


async def test_the_count_of_stops_that_may_rest_is_told_and_refused_by_name() -> None:
    """S9: five for each symbol and account."""
    async with scene() as spot:
        assert (await spot.venue.instruments([BTC]))[BTC.symbol].max_stops == 5
        for number in range(5):
            stop = order(SELL, "0.1", STOP, f"{50000 + number}")
            await spot.venue.submit(named(f"tb{number}"), stop, send_blocked_by=not_blocked)
        stop = order(SELL, "0.1", STOP, "49000")
        with pytest.raises(OrderRejectedError, match=r"^too_many_stop_orders"):
            await spot.venue.submit(named("tb9"), stop, send_blocked_by=not_blocked)


async def test_the_price_that_filters_judge_by_is_the_reference_price_where_there_is_one() -> None:
    """S10: else the average, weighted by what was traded."""
    averaged = symbol("BTC/USDT", "BTCUSDT", average_minutes=5)
    async with scene(symbols=[averaged]) as spot:
        average = (await spot.venue.quotes([averaged]))["BTC/USDT"].average
        assert average == 60000
        spot.held.set_reference("BTCUSDT", "61234.5")
        spot.clock.advance(timedelta(seconds=31))  # an average is asked for twice a minute
        quote = (await spot.venue.quotes([averaged]))["BTC/USDT"]
        assert (quote.last, quote.average) == (Decimal(60000), Decimal("61234.5"))


@pytest.mark.parametrize(
    ("word", "status"),
    [("CANCEL_ONLY", SymbolStatus.CANCEL_ONLY), ("BREAK", SymbolStatus.HALTED)],
)
async def test_a_symbol_may_let_orders_be_cancelled_only(word: str, status: SymbolStatus) -> None:
    """S11: since July 2026."""
    async with scene() as spot:
        spot.held.change("BTCUSDT", status=word)
        told = await spot.venue.instruments([BTC, ETH])
        assert told[BTC.symbol].status is status
        assert told[ETH.symbol].status is SymbolStatus.TRADING
        with pytest.raises(OrderRejectedError, match=r"^symbol_not_trading"):
            await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)


async def test_a_symbol_that_is_not_listed_any_more_spoils_no_other() -> None:
    """S11: one bad name is refused with all that were asked for beside it."""
    gone = symbol("OLD/USDT", "OLDUSDT", "OLD")
    async with scene(symbols=[BTC, gone]) as spot:
        told = await spot.venue.instruments([BTC, gone])
        assert told["OLD/USDT"].status is SymbolStatus.DELISTED
        assert told["OLD/USDT"].lot_size == gone.instrument.lot_size
        assert told[BTC.symbol].status is SymbolStatus.TRADING
        assert set(await spot.venue.quotes([BTC, gone])) == {BTC.symbol}


async def test_a_replacement_that_cannot_be_done_leaves_the_old_order() -> None:
    """S17, -2022: where there is nothing to cancel, nothing is placed."""
    async with scene() as spot:
        stop = order(SELL, "0.5", STOP, "59000")
        with pytest.raises(OrderRejectedError, match=r"^nothing to cancel"):
            await spot.venue.replace(
                BTC.symbol, named("tb1"), named("tb2"), stop, send_blocked_by=not_blocked
            )
        assert await spot.venue.open_orders([BTC.symbol]) == []


async def test_a_replacement_done_by_half_says_that_the_old_order_is_gone() -> None:
    """S17, -2021: the position is bare; who looks for the old order finds it cancelled."""
    async with scene() as spot:
        stop = order(SELL, "0.5", STOP, "59000")
        await spot.venue.submit(named("tb1"), stop, send_blocked_by=not_blocked)
        with pytest.raises(OrderRejectedError, match="order before it is cancelled"):
            await spot.venue.replace(
                BTC.symbol,
                named("tb1"),
                named("tb2"),
                order(SELL, "0.5", STOP, "61000"),
                send_blocked_by=not_blocked,
            )
        found = (await spot.venue.find_order(BTC.symbol, named("tb1"))).report
        assert found is not None
        assert found.status is OrderStatus.CANCELED
        assert (await spot.venue.find_order(BTC.symbol, named("tb2"))).report is None


async def test_too_many_orders_hold_orders_and_no_question() -> None:
    """S17, -1015: for as long as the venue says, by its own count."""
    async with scene() as spot:
        many = Fault(
            kind=Kind.ANSWER,
            operation="place",
            executed=Executed.NEVER,
            status=429,
            headers={"Retry-After": "7"},
            body={"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10s."},
        )
        await spot.venue.account()
        spot.server.faults.set(many)
        for name in ("tb1", "tb2"):
            with pytest.raises(VenueUnavailableError) as raised:
                await spot.venue.submit(named(name), order(BUY, "0.1"), send_blocked_by=not_blocked)
            assert not raised.value.is_ban
        assert spot.requests("/api/v3/order", "POST") == 1  # the second one never left
        await spot.venue.account()
        spot.clock.advance(timedelta(seconds=8))
        await spot.venue.submit(named("tb3"), order(BUY, "0.1"), send_blocked_by=not_blocked)


@pytest.mark.parametrize("seconds", [-3600, -3, 3, 3600])
async def test_a_clock_that_is_off_signs_by_the_venues_time(seconds: float) -> None:
    """S18: the timestamp is the venue's, whatever the host's clock says."""
    async with scene() as spot:
        assert isinstance(spot.parts._host, SimulatedHost)
        spot.parts._host.ahead = timedelta(seconds=seconds)
        await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)


@pytest.mark.parametrize("late", ["to_gateway_ms", "to_engine_ms"])
async def test_a_late_check_of_the_receive_window_refuses_and_executes_nothing(late: str) -> None:
    """S18: at the second or the third look; the time is asked for anew then."""
    async with scene() as spot:
        await spot.venue.account()
        asked = spot.requests("/api/v3/time")
        setattr(spot.held.slowness, late, 6000)
        with pytest.raises(VenueUnavailableError, match="recvWindow"):
            await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        setattr(spot.held.slowness, late, 0)
        assert (await spot.venue.find_order(BTC.symbol, named("tb1"))).report is None
        assert spot.requests("/api/v3/time") == asked + 1


async def test_the_header_says_how_many_orders_count() -> None:
    """S20: fills give some back, by numbers that no document promises."""
    async with scene() as spot:
        limits, now = spot.parts.limits, spot.clock.now_ms() / 1000
        for number in range(3):
            resting = order(BUY, "0.01", LIMIT, "50000")
            await spot.venue.submit(named(f"tb{number}"), resting, send_blocked_by=not_blocked)
        assert spent(limits, ORDERS, now) == 3
        await spot.venue.submit(named("tb8"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        await spot.venue.submit(named("tb9"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        assert spent(limits, ORDERS, now) < 5


async def test_nothing_is_asked_while_the_venue_bans_us() -> None:
    """S17, -1003: by 429 and 418, until the instant that the venue names; then all goes on."""
    async with scene() as spot:
        banned = Fault(
            kind=Kind.ANSWER,
            path="/api",
            executed=Executed.NEVER,
            status=418,
            headers={"Retry-After": "120"},
            body={"code": -1003, "msg": "Way too much request weight used; IP banned."},
            times=ALWAYS,
        )
        await spot.venue.account()
        spot.server.faults.set(banned)
        with pytest.raises(VenueUnavailableError) as raised:
            await spot.venue.account()
        assert raised.value.until == spot.clock.now() + timedelta(seconds=120)
        before = spot.requests("/")
        for ask in (
            spot.venue.account(),
            spot.venue.open_orders([BTC.symbol]),
            spot.venue.submit(named("tb1"), order(BUY, "1"), send_blocked_by=not_blocked),
            spot.venue.cancel(BTC.symbol, named("tb1")),
        ):
            with pytest.raises(VenueUnavailableError) as again:
                await ask
            assert again.value.until == raised.value.until
        assert spot.requests("/") == before
        spot.server.faults.clear()
        spot.clock.advance(timedelta(seconds=121))
        await spot.venue.account()


async def test_an_order_that_would_meet_another_of_ours_ends_the_one_that_rests() -> None:
    """VC-87, VC-89: EXPIRE_MAKER is set on each order."""
    async with scene(streams=True) as spot:
        spot.held.quote("BTCUSDT", [("59000", "10")], [("61000", "10")])
        resting = order(BUY, "0.1", LIMIT, "60000")
        await spot.venue.submit(named("tb1"), resting, send_blocked_by=not_blocked)
        sold = await spot.venue.submit(
            named("tb2"), order(SELL, "0.1"), send_blocked_by=not_blocked
        )
        assert [fill.price for fill in sold.fills] == [59000]
        await spot.until(lambda: any(each.reason == "self_trade" for each in spot.heard))
        found = (await spot.venue.find_order(BTC.symbol, named("tb1"))).report
        assert found is not None
        assert (found.status, found.reason) == (OrderStatus.EXPIRED, "self_trade")


def test_every_call_has_its_documented_weight() -> None:
    """S1: as the documents have them, for when an order fails."""
    weights = {(each.method, each.path): each.weight for each in paths.CALLS if each.acts}
    assert set(weights.values()) == {1}
    assert {each.weight for each in paths.CALLS if not each.acts} == {1, 2, 4, 5, 6, 20, 80}


async def test_transfers_of_the_account_are_told_from_all_three_lists() -> None:
    """M4.8: a deposit, a withdrawal with its cost, a move to another wallet."""
    async with scene() as spot:
        since = spot.clock.now()
        spot.held.deposit(ACCOUNT, "USDT", "5")
        spot.clock.advance(timedelta(seconds=1))
        spot.held.withdraw(ACCOUNT, "USDT", "3", "1")
        spot.clock.advance(timedelta(seconds=1))
        spot.held.move_out(ACCOUNT, "MAIN_UMFUTURE", "BTC", "0.25")
        told = await spot.venue.transfers_since(since)
        assert [(each.asset, each.amount) for each in told] == [
            ("USDT", Decimal(5)),
            ("USDT", Decimal(-4)),
            ("BTC", Decimal("-0.25")),
        ]
        assert len({each.transfer_id for each in told}) == 3


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ({}, None),
        ({"enableWithdrawals": True}, "withdraw"),
        ({"ipRestrict": False}, "any address"),
    ],
)
async def test_a_live_key_is_asked_what_it_may_do(
    rights: dict[str, bool], words: str | None
) -> None:
    """M8.3: by the wallet's call, which rehearsals do not have."""
    for live in (True, False):
        async with scene(live=live) as spot:
            key = spot.held.keys._keys[ED25519_KEY]
            key.restrictions.update({"ipRestrict": True} | rights)
            verdict = await spot.venue.vet_key()
            told = " ".join(verdict.refusals)
            assert (told == "") == (words is None or not live)
            assert live is False or (words or "") in told
            assert spot.requests("/sapi") == int(live)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(("secret", "code"), [("another", -1022), (None, -2015)])
async def test_a_wrong_secret_and_an_unknown_key_are_refused(
    secret: str | None, code: int, *, live: bool
) -> None:
    """M8.3: also where there is no wallet to ask: nothing would be traded, with nobody told."""
    async with scene(live=live, ed25519=False) as spot:
        if secret is None:
            del spot.held.keys._keys[HMAC_KEY]
        else:
            spot.held.add_key(ApiKey(HMAC_KEY, ACCOUNT, secret=secret))
        with pytest.raises(OrderRejectedError, match=rf"^auth: .*\({code}\)$") as told:
            await spot.venue.vet_key()
        assert HMAC_SECRET not in str(told.value)


async def test_a_venue_that_is_away_says_nothing_of_a_rehearsals_key() -> None:
    """M6.4: no refusal, so the daemon starts and enters nothing there."""
    async with scene(live=False) as spot:
        spot.server.faults.set(
            Fault(kind=Kind.ANSWER, path="/api/v3/account", status=503, body="", times=ALWAYS)
        )
        with pytest.raises(VenueUnavailableError):
            await spot.venue.vet_key()


@pytest.mark.parametrize(("seconds", "way"), [(-2, "behind"), (2, "ahead of"), (0.5, None)])
async def test_a_host_whose_clock_is_off_is_refused(seconds: float, way: str | None) -> None:
    """S18: by more than a second; what the adapter signs is right all the same."""
    async with scene(live=False) as spot:
        assert isinstance(spot.parts._host, SimulatedHost)
        spot.parts._host.ahead = timedelta(seconds=seconds)
        refusals = (await spot.venue.vet_key()).refusals
        assert [way in each for each in refusals if way] == ([True] if way else [])
        assert len(refusals) == (way is not None)


async def test_orders_find_a_connection_open() -> None:
    """B9: connecting is not part of the way from a tick to an order."""
    async with scene(streams=True) as spot:
        acts = spot.parts._clients[1]
        await spot.until(lambda: acts._idle)
        (wire,) = acts._idle
        await spot.venue.submit(named("tb1"), order(BUY, "0.1"), send_blocked_by=not_blocked)
        assert acts._idle == [wire]


async def test_a_thousand_symbols_are_asked_for_in_a_few_questions() -> None:
    """B8: prices of all there are weigh what those of many do."""
    many = [symbol(f"S{number}", f"S{number}USDT", f"S{number}") for number in range(150)]
    async with scene(symbols=[BTC, *many]) as spot:
        assert set(await spot.venue.quotes([BTC, *many])) == {BTC.symbol}
        assert spot.requests("/api/v3/ticker") == 2
