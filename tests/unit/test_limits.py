from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.bot import AccountLimits
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.side import PositionSide, Side
from tradebotd.risk.limits import (
    AccountState,
    ApprovedOrder,
    EntryTerms,
    approve_entry,
    approve_exit,
    reached_account_limit,
)

LIMITS = AccountLimits(
    currency="USDT",
    max_orders_per_minute=30,
    max_open_positions=10,
    max_exposure=Decimal(1),
    max_daily_loss=Decimal("0.05"),
    max_drawdown=Decimal("0.2"),
)
STATE = AccountState(
    equity=Decimal(1000),
    exposure=Decimal(800),
    open_positions=9,
    orders_last_minute=29,
    day_start_equity=Decimal(1050),
    peak_equity=Decimal(1200),
)
ENTRY = OrderIntent(
    request=OrderRequest(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(2),
    ),
    bot=BotName("bot"),
    role=OrderRole.ENTRY,
    reason="test",
)
EXIT = replace(ENTRY, role=OrderRole.EXIT, position_id=PositionId(1))


def test_an_entry_at_the_edge_of_every_limit_is_approved() -> None:
    """M4.8"""
    assert approve_entry(ENTRY, Decimal(100), STATE, LIMITS).intent is ENTRY


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("max_open_positions", replace(STATE, open_positions=10)),
        ("max_orders_per_minute", replace(STATE, orders_last_minute=30)),
        ("max_exposure", replace(STATE, exposure=Decimal("800.01"))),
        ("max_daily_loss", replace(STATE, day_start_equity=Decimal(1053))),
        ("max_drawdown", replace(STATE, peak_equity=Decimal(1250))),
    ],
)
def test_each_limit_denies_entries_by_its_name_and_never_exits(
    rule: str, state: AccountState
) -> None:
    """M4.8: any of them halts entries, never exits."""
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(ENTRY, Decimal(100), state, LIMITS)
    assert denied.value.rule == rule
    assert approve_exit(EXIT).intent is EXIT


TERMS = EntryTerms(
    bot_orders_last_minute=2,
    max_bot_orders_per_minute=3,
    reference_price=Decimal(100),
    stop=Decimal(91),
    liquidation_price=Decimal("90.5"),
    max_leverage=1,
)


def test_an_entry_at_the_edge_of_its_own_terms_is_approved() -> None:
    """M4.8"""
    state = replace(STATE, exposure=Decimal(0))
    for price in ("95", "105"):
        assert approve_entry(ENTRY, Decimal(price), state, LIMITS, TERMS).intent is ENTRY


@pytest.mark.parametrize(
    ("rule", "price", "terms"),
    [
        ("price_collar", "105.01", TERMS),
        ("price_collar", "94.99", TERMS),
        ("bot_max_orders_per_minute", "100", replace(TERMS, bot_orders_last_minute=3)),
        ("stop_beyond_liquidation", "100", replace(TERMS, stop=Decimal("90.5"))),
        ("liquidated_at_once", "100", replace(TERMS, stop=None, liquidation_price=Decimal(100))),
        (
            "stop_beyond_liquidation",
            "100",
            replace(TERMS, side=PositionSide.SHORT, stop=Decimal(91)),
        ),
    ],
)
def test_each_term_of_an_entry_denies_it_by_its_name(
    rule: str, price: str, terms: EntryTerms
) -> None:
    """M4.8: price collar, the bot's own rate, a stop that would never be reached."""
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(ENTRY, Decimal(price), STATE, LIMITS, terms)
    assert denied.value.rule == rule


def test_a_limit_price_is_held_against_the_collar_in_place_of_the_market_price() -> None:
    """M4.8: what was asked for counts, wherever the market is."""
    far = replace(
        ENTRY,
        request=replace(ENTRY.request, type=OrderType.LIMIT, limit_price=Decimal(94)),
    )
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(far, Decimal(100), STATE, LIMITS, TERMS)
    assert denied.value.rule == "price_collar"


def test_more_leverage_than_the_symbol_allows_is_denied() -> None:
    """M4.8"""
    lent = replace(ENTRY, leverage=2)
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(lent, Decimal(100), STATE, LIMITS, TERMS)
    assert denied.value.rule == "max_leverage"
    allowed = replace(TERMS, max_leverage=2)
    assert approve_entry(lent, Decimal(100), STATE, LIMITS, allowed).intent is lent


def test_the_losses_of_the_account_are_named_when_met_and_not_a_cent_before() -> None:
    """M4.8: the day's loss goes first; an account that stands still has lost none."""
    day, peak = Decimal("1052.63"), Decimal(1250)
    assert reached_account_limit(STATE, LIMITS) is None
    assert reached_account_limit(replace(STATE, day_start_equity=day), LIMITS) is None
    for state, rule in (
        (replace(STATE, day_start_equity=day + Decimal("0.01")), "max_daily_loss"),
        (replace(STATE, equity=Decimal(950), day_start_equity=Decimal(1000)), "max_daily_loss"),
        (replace(STATE, peak_equity=peak), "max_drawdown"),
        (replace(STATE, day_start_equity=Decimal(1250), peak_equity=peak), "max_daily_loss"),
    ):
        reached = reached_account_limit(state, LIMITS)
        assert reached is not None
        assert reached[0] == rule
    assert reached_account_limit(replace(STATE, peak_equity=Decimal("1249.99")), LIMITS) is None
    never = replace(LIMITS, max_daily_loss=Decimal(0), max_drawdown=Decimal(0))
    still = replace(STATE, day_start_equity=STATE.equity, peak_equity=STATE.equity)
    assert reached_account_limit(still, never) is None


EQUITIES = st.decimals("1", "1000000", places=2)


@given(equity=EQUITIES, start=EQUITIES, peak=EQUITIES, exposure=EQUITIES, price=EQUITIES)
def test_no_approved_entry_breaks_a_limit_and_no_exit_is_ever_denied(
    equity: Decimal, start: Decimal, peak: Decimal, exposure: Decimal, price: Decimal
) -> None:
    """M4.8: entries stop, exits never do."""
    state = replace(
        STATE, equity=equity, day_start_equity=start, peak_equity=peak, exposure=exposure
    )
    assert approve_exit(EXIT).intent is EXIT
    try:
        terms = replace(TERMS, reference_price=None, stop=None, liquidation_price=None)
        approve_entry(ENTRY, price, state, LIMITS, terms)
        approved = True
    except OrderDeniedError:
        approved = False
    lost = equity <= start - start * LIMITS.max_daily_loss
    fallen = equity <= peak - peak * LIMITS.max_drawdown
    crowded = exposure + 2 * price > equity
    assert approved == (not lost and not fallen and not crowded)


def test_nobody_else_makes_an_approved_order() -> None:
    """M4.8: the type is the proof."""
    with pytest.raises(TypeError):
        ApprovedOrder(ENTRY, object())
    with pytest.raises(TypeError):
        replace(approve_exit(EXIT), proof=None)


def test_an_entry_cannot_pass_as_an_exit() -> None:
    """M4.8"""
    with pytest.raises(ValueError, match="not approved as an exit"):
        approve_exit(ENTRY)
    with pytest.raises(ValueError, match="not approved as an entry"):
        approve_entry(EXIT, Decimal(1), STATE, LIMITS)


@pytest.mark.parametrize(("most", "is_denied"), [("200", False), ("199.99", True)])
def test_a_position_has_its_leverage_brackets_notional_at_most(
    most: str, *, is_denied: bool
) -> None:
    """M4.6: refused by name, and not by the venue."""
    lent = replace(ENTRY, leverage=2)
    terms = replace(TERMS, max_leverage=2, max_notional=Decimal(most))
    state = replace(STATE, exposure=Decimal(0))
    if not is_denied:
        assert approve_entry(lent, Decimal(100), state, LIMITS, terms).intent is lent
        return
    with pytest.raises(OrderDeniedError) as denied:
        approve_entry(lent, Decimal(100), state, LIMITS, terms)
    assert denied.value.rule == "leverage_bracket"
