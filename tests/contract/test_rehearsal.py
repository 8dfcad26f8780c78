"""What only the rehearsal venue has: fees in a third asset, forced orders, bans, noon; and its wire.

The numbered cases run for it as for the others. These say that its adapter passes on what they do
not ask for, and guesses nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from tests.contract.conftest import FIRST, FUTURES, NOW, SECOND, UNMET, Case
from tests.fakes.venue import Behaviour, ScriptedVenue
from tests.rehearsal import adapter
from tests.rehearsal.stage import NAME, Staged
from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Forced
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Venue

BUY, SELL, STOP = Side.BUY, Side.SELL, OrderType.STOP_MARKET
LONGEST = 300  # lines of an adapter


@pytest.fixture
def venue_name() -> str:
    return str(NAME)


@pytest.fixture
def venue(case: Case) -> Staged:
    assert isinstance(case.venue, Staged)
    return case.venue


@pytest.fixture
def books(venue: Staged) -> ScriptedVenue:
    return venue.books


def test_an_adapter_has_three_hundred_lines_at_most() -> None:
    """S5: the port fits a venue if what lies between them is small."""
    assert adapter.__file__ is not None
    assert len(Path(adapter.__file__).read_text().splitlines()) <= LONGEST


def test_what_is_left_out_is_a_case(request: pytest.FixtureRequest) -> None:
    """A name that no case has any more leaves out nothing, or some day another case."""
    unmet = request.config.stash[UNMET]
    if unmet is None:
        pytest.skip("only some of the cases were collected")
    assert unmet == frozenset()


def as_venue(staged: adapter.RehearsalVenue) -> Venue:
    """Mypy's proof that it has the port's shape."""
    return staged


async def test_markets_have_the_venues_own_names_on_the_wire(case: Case, venue: Staged) -> None:
    """And ours in what is answered; a market that is none of ours keeps its own."""
    asked: list[bytes] = []
    answer = venue.exchange.answer

    async def overheard(line: bytes, *rest: object) -> bytes | None:
        asked.append(line)
        return await answer(line)

    venue.exchange.answer = overheard  # type: ignore[method-assign,assignment]
    report = await venue.submit(FIRST, case.order(BUY, "2"))

    assert orjson.loads(asked[0])["orders"][0]["mkt"] == "BTC/USDT"
    assert report.asked is not None
    assert (report.asked.symbol, report.fills[0].symbol) == ("BTCUSDT", "BTCUSDT")


async def test_a_fee_in_a_third_asset_is_told_wherever_the_fill_is(
    case: Case, books: ScriptedVenue
) -> None:
    """M4.11: in its own units; neither what was bought nor what it was paid with is less by it."""
    books.fee_taken_in = "BNB"
    books.balances["BNB"] = Decimal(1)
    report = await case.venue.submit(FIRST, case.order(BUY, "2"))

    (fill,) = report.fills
    assert (fill.fee, fill.fee_asset) == (Decimal("0.08"), "BNB")
    assert list(await case.venue.fills_since(NOW)) == [fill]
    assert await case.balance("BTC") == 2
    assert await case.balance("USDT") == 800
    assert await case.balance("BNB") == Decimal("0.92")
    rate = (await case.venue.commissions([case.symbol]))["BTCUSDT"]
    assert (rate.asset, rate.in_base) == ("BNB", False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("autoclose-1", Forced.LIQUIDATION),
        ("adl_autoclose", Forced.ADL),
        ("settlement_autoclose-1", Forced.SETTLEMENT),
    ],
)
async def test_a_forced_order_has_no_id_of_ours_and_says_why_it_was_made(
    case: Case, books: ScriptedVenue, name: str, kind: Forced
) -> None:
    """M4.10: the stream and the list of fills say so; it is found by the venue's id."""
    await case.bought("2", position_type=FUTURES)
    await books.trade_by_hand("BTCUSDT", SELL, "2", name)
    await case.venue.account()

    (heard,) = case.heard
    fill = (await case.venue.fills_since(NOW))[-1]
    assert (heard.forced, fill.forced) == (kind, kind)
    assert heard.client_order_id == f"venue-{heard.venue_order_id}"
    assert (fill.client_order_id, fill.venue_order_id) == (None, heard.venue_order_id)
    assert (await case.venue.account()).positions == {}


async def test_a_withdrawal_includes_its_cost(case: Case, venue: Staged) -> None:
    """M4.8: it is told beside the amount."""
    venue.transfer(-200)
    line = orjson.dumps({"do": "moves", "since": 0})
    (told,) = orjson.loads(await venue.exchange.answer(line) or b"")["data"]["moves"]
    assert (told["amt"], told["cost"]) == ("-199", "1")
    assert [each.amount for each in await case.venue.transfers_since(NOW)] == [-200]


async def test_a_ban_that_is_told_as_a_duration_ends_by_the_hosts_clock(
    case: Case, venue: Staged
) -> None:
    """M6.1: counted from when the answer came, and never to an instant before the venue's."""
    venue.exchange.by_duration = host_now
    until = host_now() + timedelta(minutes=5)
    venue.away = VenueUnavailableError("429 slow down", until)

    with pytest.raises(VenueUnavailableError) as raised:
        await case.venue.account()

    assert raised.value.until is not None
    assert until <= raised.value.until <= host_now() + timedelta(minutes=5, seconds=1)


async def test_a_venue_that_is_away_but_bans_nobody_is_asked_again(
    case: Case, venue: Staged
) -> None:
    """M6.1: no end is made up."""
    venue.away = VenueUnavailableError("503")
    with pytest.raises(VenueUnavailableError) as raised:
        await case.venue.account()
    assert (raised.value.until, raised.value.is_ban) == (None, False)


async def test_the_lot_that_changes_at_noon_is_told_and_asked_for(
    case: Case, books: ScriptedVenue
) -> None:
    """M6.1: what rested by the former one rests on."""
    await case.bought("1.555")
    await case.venue.submit(FIRST, case.order(SELL, "1.555", STOP, "95"))
    known = books.filters["BTCUSDT"]
    books.filters["BTCUSDT"] = replace(known, lot_size=Decimal("0.01"), max_quantity=Decimal(9))

    told = (await case.venue.instruments([case.symbol]))["BTCUSDT"]

    assert (told.lot_size, told.max_quantity) == (Decimal("0.01"), Decimal(9))
    assert told.tick_size == known.tick_size
    assert await case.rests() == [FIRST]
    with pytest.raises(OrderRejectedError, match=r"^quantity_off_lot"):
        await case.venue.submit(SECOND, case.order(BUY, "0.111"))


@pytest.mark.parametrize("status", [each for each in SymbolStatus if each != "trading"])
async def test_a_market_that_is_paused_or_gone_is_told(
    case: Case, books: ScriptedVenue, status: SymbolStatus
) -> None:
    """M6.1: by its own word for each, with the filters that it has all the same."""
    known = books.filters["BTCUSDT"]
    books.filters["BTCUSDT"] = replace(known, status=status)
    told = (await case.venue.instruments([case.symbol]))["BTCUSDT"]
    assert (told.status, told.lot_size) == (status, known.lot_size)


async def test_only_orders_for_the_day_with_a_limit_wait_for_their_stop(case: Case) -> None:
    """VC-69: as its traits say."""
    await case.bought("2")
    with pytest.raises(OrderRejectedError, match=r"^time_in_force_not_taken"):
        await case.venue.submit(
            FIRST,
            case.order(
                SELL,
                "2",
                OrderType.STOP_LIMIT,
                "95",
                limit_price=Decimal(94),
                time_in_force=TimeInForce.GTC,
            ),
        )
    stop = case.order(SELL, "2", STOP, "95", time_in_force=TimeInForce.GTC)
    with pytest.raises(OrderRejectedError, match=r"^order_type_not_taken"):
        await case.venue.submit(SECOND, stop)
    assert await case.rests() == []


Call = Callable[[Case], Awaitable[object]]
SENDS: dict[str, Call] = {
    "submit": lambda case: case.venue.submit(SECOND, case.order(SELL, "1")),
    "replace": lambda case: case.venue.replace(
        "BTCUSDT", FIRST, SECOND, case.order(SELL, "1", STOP, "91")
    ),
    "cancel": lambda case: case.venue.cancel("BTCUSDT", FIRST),
}


@pytest.mark.parametrize("call", SENDS)
@pytest.mark.parametrize("lost", [Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])
async def test_an_order_whose_answer_is_lost_is_unknown(
    case: Case, books: ScriptedVenue, call: str, lost: Behaviour
) -> None:
    """I1: whether it arrived or not; nothing is sent again."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "1", STOP, "90"))
    (books.cancel_script if call == "cancel" else books.script).append(lost)
    with pytest.raises(OutcomeUnknownError):
        await SENDS[call](case)


async def cut(line: bytes, *_: object) -> bytes | None:
    return None


async def half(line: bytes, *_: object) -> bytes | None:
    return b'{"code":0,"data":{}}'


async def test_a_question_whose_answer_is_lost_is_asked_again(case: Case, venue: Staged) -> None:
    """2.3: it is no order, so nothing is unknown."""
    venue.exchange.answer = cut  # type: ignore[method-assign,assignment]
    for ask in (case.venue.account(), case.venue.open_orders(), case.venue.fills_since(NOW)):
        with pytest.raises(VenueUnavailableError, match="no answer"):
            await ask


async def test_half_an_answer_is_none(case: Case, venue: Staged) -> None:
    """2.3: no empty list, no balance of nothing, and no refusal either: whoever called is told."""
    venue.exchange.answer = half  # type: ignore[method-assign,assignment]
    for ask in (
        case.venue.account(),
        case.venue.open_orders(),
        case.venue.fills_since(NOW),
        case.venue.submit(FIRST, case.order(BUY, "1")),
        case.venue.cancel("BTCUSDT", FIRST),
    ):
        with pytest.raises(KeyError):
            await ask


async def test_a_venue_that_is_not_there_was_sent_nothing(case: Case, venue: Staged) -> None:
    """I1: whatever was to be sent, provably has not left."""
    venue.wire._port = 1
    with pytest.raises(VenueUnavailableError, match="no connection"):
        await case.venue.submit(FIRST, case.order(BUY, "1"))


async def test_the_gap_begins_with_what_the_stream_told_last(case: Case, venue: Staged) -> None:
    """M5.6: by the venue's time, and not when the loss was noticed."""
    states: list[object] = []

    async def on_stream(state: object) -> None:
        states.append(state)

    venue.listen(case.hear, on_stream)
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await case.move("94")
    told_at = case.clock.now()
    assert [each.status for each in case.heard] == [OrderStatus.FILLED]
    case.clock.advance(timedelta(minutes=3))
    await venue.lose_stream()
    assert getattr(states[-1], "gap_since", None) == told_at


def test_the_exchange_has_a_word_for_each_of_ours() -> None:
    """The two vocabularies are written down apart, and have the same words."""
    from tests.rehearsal import exchange  # noqa: PLC0415 - its tables, by their names

    tables = {
        "SIDES": "DIRECTIONS",
        "BOOKS": "BOOKS",
        "LASTS": "LASTS",
        "PRICES": "PRICES",
        "KINDS": "KINDS",
        "PHASES": "PHASES",
    }
    for ours, theirs in tables.items():
        assert getattr(adapter, ours) == getattr(exchange, theirs), ours
    named = {adapter.NAMES[code] for code in exchange.CODES.values() if code in adapter.NAMES}
    assert len(named) == len(set(exchange.CODES.values()))
