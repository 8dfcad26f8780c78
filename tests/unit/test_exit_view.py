"""Every way for a position to end, as an operator sees it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.trading import NOON, market_symbol
from tradebotd.control.messages.positions import PositionExit
from tradebotd.daemon.exit_view import ExitView
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide

INSTRUMENT = market_symbol("BTCUSDT").instrument
PLAN = ExitPlan(
    stop_loss=Decimal("0.05"),
    trailing_stop=Decimal("0.03"),
    take_profit=Decimal("0.1"),
    break_even=BreakEven(at=Decimal("0.02"), lock=Decimal("0.001")),
    ladder=(
        LadderStep(at=Decimal("0.04"), share=Decimal("0.25")),
        LadderStep(at=Decimal("0.06"), share=Decimal("0.5")),
    ),
    max_holding=timedelta(minutes=45),
)


def position(**changes: Any) -> Position:
    fields: dict[str, Any] = {
        "id": PositionId(5),
        "bot": BotName("b"),
        "venue": VenueName("paper"),
        "symbol": "BTCUSDT",
        "side": PositionSide.LONG,
        "position_type": PositionType.SPOT,
        "quantity": Decimal(2),
        "entry_quantity": Decimal(2),
        "entry_price": Decimal(100),
        "opened_at": NOON,
        "stop_loss": Decimal(95),
        "trailing_stop": Decimal(97),
        "take_profit": Decimal(104),
        "best_price": Decimal(100),
        "exits": PLAN,
        "version": 1,
    }
    return Position(**(fields | changes))


def view(held: Position, last: str | None = "100") -> dict[str, Any]:
    price = None if last is None else Decimal(last)
    return ExitView(held, INSTRUMENT, price, NOON + timedelta(minutes=30)).fields()


def by_kind(told: dict[str, Any]) -> dict[str, PositionExit]:
    return {each.kind: each for each in told["exits"]}


def test_every_exit_of_a_position_is_told() -> None:
    """N25: each with its place, how far it is, and its rule as the file writes it."""
    told = view(position())
    exits = told["exits"]

    assert [(each.kind, each.price, each.distance_percent, each.in_force) for each in exits] == [
        ("stop_loss", Decimal(95), Decimal("5.00"), False),
        ("trailing_stop", Decimal(97), Decimal("3.00"), True),
        ("break_even", Decimal(102), Decimal("2.00"), False),
        ("ladder", Decimal(104), Decimal("4.00"), True),
        ("ladder", Decimal(106), Decimal("6.00"), False),
        ("take_profit", Decimal(110), Decimal("10.00"), False),
        ("max_holding", None, None, True),
    ]
    assert [each.rule for each in exits] == [
        "5% from the entry",
        "3% behind the best price",
        "at 2%, to 0.1% beyond the entry",
        "step 1 of 2, 25% at 4%",
        "step 2 of 2, 50% at 6%",
        "10% from the entry",
        "45m",
    ]
    assert exits[-1].left_s == 15 * 60
    assert exits[-1].ends_at == NOON + timedelta(minutes=45)
    assert exits[2].moves_stop_to == Decimal("100.1")
    assert [each.share_percent for each in exits[3:5]] == [Decimal(25), Decimal(50)]


def test_the_stop_says_which_it_is_and_what_is_at_risk() -> None:
    """N25: the tighter of two, in money; behind the entry nothing is at risk any more."""
    trailing, fixed = view(position()), view(position(trailing_stop=Decimal(90)))
    bare = view(position(stop_loss=None, trailing_stop=None, exits=ExitPlan()))
    assert (trailing["stop_kind"], trailing["stop_distance_percent"]) == (
        "trailing_stop",
        Decimal("3.00"),
    )
    assert (trailing["pnl_at_stop"], trailing["at_risk"]) == (Decimal(-6), Decimal(6))
    assert (fixed["stop_kind"], fixed["at_risk"]) == ("stop_loss", Decimal(10))
    assert {name: bare[name] for name in bare if name != "exits"} == {
        "stop_kind": None,
        "stop_distance_percent": None,
        "pnl_at_stop": None,
        "at_risk": None,
    }

    short = position(
        side=PositionSide.SHORT, stop_loss=Decimal(105), trailing_stop=None, best_price=Decimal(98)
    )
    told = view(short, "98")
    assert (told["stop_kind"], told["stop_distance_percent"]) == ("stop_loss", Decimal("7.14"))
    assert (told["pnl_at_stop"], told["at_risk"]) == (Decimal(-10), Decimal(10))


def test_a_break_even_that_was_earned_names_the_stop() -> None:
    """N25: which stop it is, is a question of what moved it."""
    secured = position(best_price=Decimal(103), stop_loss=Decimal("100.1"))
    told = view(secured, "102")
    assert (told["stop_kind"], told["pnl_at_stop"], told["at_risk"]) == (
        "break_even",
        Decimal("0.2"),
        Decimal(0),
    )
    assert by_kind(told)["break_even"].earned
    assert by_kind(told)["break_even"].distance_percent is None


def test_steps_that_were_taken_are_told_no_more() -> None:
    """N25: what is left of a ladder; the target that ends it comes after its last step."""
    told = view(position(ladder_done=1, take_profit=Decimal(106)))
    assert [each.rule for each in told["exits"] if each.kind == "ladder"] == [
        "step 2 of 2, 50% at 6%"
    ]
    assert not by_kind(told)["take_profit"].in_force
    done = view(position(ladder_done=2, take_profit=Decimal(110)))
    assert by_kind(done)["take_profit"].in_force


def test_what_was_set_by_hand_or_measured_says_so() -> None:
    """N25: a price, or average true ranges."""
    plan = ExitPlan(stop_loss_price=Decimal(96), take_profit_atr=Decimal("2.50"), atr=Decimal(4))
    told = by_kind(view(position(exits=plan, stop_loss=Decimal(96), trailing_stop=None)))
    assert told["stop_loss"].rule == "a price set by hand"
    assert told["take_profit"].rule == "2.5 atr from the entry"


def test_without_a_price_or_a_symbol_the_rest_is_told() -> None:
    """N25: nothing is guessed."""
    told = view(position(), None)
    assert told["stop_distance_percent"] is None
    assert told["at_risk"] == Decimal(6)
    gone = ExitView(position(), None, Decimal(100), NOON).fields()
    assert by_kind(gone)["take_profit"].price == Decimal(104)
    assert by_kind(gone)["break_even"].price is None
    past = ExitView(
        replace(position(), opened_at=NOON - timedelta(days=1)), INSTRUMENT, None, NOON
    ).fields()
    assert by_kind(past)["max_holding"].left_s == 0


def test_a_stop_that_was_moved_to_break_even_is_the_break_evens() -> None:
    """N25: not the rule that it had at the entry."""
    plan = replace(PLAN, trailing_stop=None, ladder=())
    moved = position(
        exits=plan, stop_loss=Decimal("100.10"), trailing_stop=None, best_price=Decimal(103)
    )
    told = view(moved, "102")
    exits = by_kind(told)

    assert exits["break_even"].in_force
    assert not exits["stop_loss"].in_force
    assert told["stop_kind"] == "break_even"


def test_a_range_that_was_never_measured_keeps_no_position_from_being_shown() -> None:
    """N25: an old row may lack it."""
    plan = ExitPlan(stop_loss=Decimal("0.05"), take_profit_atr=Decimal(2))

    told = view(position(exits=plan, trailing_stop=None, take_profit=Decimal(110)))

    assert by_kind(told)["take_profit"].price == Decimal(110)
