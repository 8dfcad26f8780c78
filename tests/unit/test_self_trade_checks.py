"""Two bots whose orders could meet at their venue are refused by `check`, with the ways out."""

from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.self_trade import (
    BotOrders,
    SelfTrade,
    entry_meets_exits,
    entry_meets_resting,
)

BOT = '[[bots]]\nname = "two"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\n'
LIMIT = 'entry = "limit"\n'
BARE = "resting_stops = false\n"


def problems(directory: Path, venue: str, second: str = BOT, first: str = "") -> list[str]:
    """What is refused of bots `btc-ema` (that *first* adds to) and *second*, at a *venue*."""
    text = ONE_BOT.replace('kind = "paper"\n', f'kind = "paper"\n{venue}\n') + first + second
    try:
        load_config(written(directory, text))
    except ConfigError as error:
        return error.problems
    return []


def kind(which: SelfTrade) -> str:
    return f'self_trade = "{which.value}"\n'


REFUSED: dict[SelfTrade, tuple[list[str], ...]] = {
    # with stops that rest, and without: an entry at the market, and a limit entry of the second bot
    SelfTrade.NEVER: ([], [], [], []),
    SelfTrade.TRADES: ([], ["bots[1].entry"], [], ["bots[1].entry"]),
    SelfTrade.EXPIRES_RESTING: ([], [], [], []),
    SelfTrade.EXPIRES_INCOMING: ([], ["bots[1].entry"], [], ["bots[1].entry"]),
    SelfTrade.REJECTS: (
        ["bots[0].symbol", "bots[1].symbol"],
        ["bots[0].symbol", "bots[1].entry", "bots[1].symbol"],
        [],
        ["bots[1].entry"],
    ),
}


@pytest.mark.parametrize("which", SelfTrade)
def test_what_can_meet_is_refused_by_the_kind_of_the_venue(
    tmp_path: Path, which: SelfTrade
) -> None:
    """M6.1: each combination of one symbol, at the bot whose entry it is."""
    found = [
        [each.split(":")[0] for each in problems(tmp_path, kind(which) + stops, BOT + entry)]
        for stops in ("", BARE)
        for entry in ("", LIMIT)
    ]
    assert found == list(REFUSED[which])


def test_the_ways_out_are_told_and_are_some(tmp_path: Path) -> None:
    """M6.1"""
    (problem,) = problems(tmp_path, kind(SelfTrade.REJECTS) + BARE, BOT + LIMIT)
    assert problem == (
        "bots[1].entry: while a limit order of 'two' rests at paper (self_trade = 'rejects'), an exit"
        " of 'btc-ema' in BTCUSDT would be refused, and the position stay open; say entry ="
        " \"market\", or let 'two' and 'btc-ema' trade different symbols or venues"
    )
    assert problems(tmp_path, kind(SelfTrade.REJECTS) + BARE) == []


def test_a_bot_that_is_not_active_enters_nothing_and_its_exits_go_on(tmp_path: Path) -> None:
    """M6.1: it may hold a position of before."""
    trades, idle = kind(SelfTrade.TRADES), "active = false\n"
    assert problems(tmp_path, trades, BOT + LIMIT + idle) == []
    assert len(problems(tmp_path, trades, BOT + idle, first=LIMIT)) == 1


def test_one_bot_and_two_symbols_never_meet(tmp_path: Path) -> None:
    symbol = '[[symbols]]\nsymbol = "ETHUSDT"\nfeeds = ["history"]\nvenue = "paper"\n'
    other = symbol + BOT.replace("BTCUSDT", "ETHUSDT") + LIMIT
    assert problems(tmp_path, kind(SelfTrade.REJECTS), other) == []
    assert problems(tmp_path, kind(SelfTrade.REJECTS), "", first=LIMIT) == []


@pytest.mark.parametrize(
    ("which", "harms"),
    [
        (SelfTrade.NEVER, False),
        (SelfTrade.TRADES, True),
        (SelfTrade.EXPIRES_RESTING, True),
        (SelfTrade.EXPIRES_INCOMING, False),
        (SelfTrade.REJECTS, True),
    ],
)
def test_a_target_on_the_book_meets_entries_where_it_would_be_lost(
    which: SelfTrade, *, harms: bool
) -> None:
    """M6.1: a venue whose targets are limit orders; a market entry is enough."""
    entry = BotOrders(enters=True, entry_rests=False, stops_rest=True)
    other = BotOrders(enters=True, entry_rests=False, stops_rest=True, targets_on_book=True)

    assert (entry_meets_resting(which, entry, other) is not None) is harms
    assert entry_meets_exits(which, entry) is None
