"""What a reload says: the file's language, and what becomes of positions."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tests.unit.test_exit_view import position
from tradebotd.config.load import load_config
from tradebotd.config.reload import changes
from tradebotd.daemon.reload_words import describe_changes
from tradebotd.domain.ids import BotName
from tradebotd.domain.position import Position

EXITS = '[bots.exits]\nstop_loss = "0.5%"\nmax_holding = "30m"\n'
OTHER = '[[bots]]\nname = "other"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\n'


def lines(directory: Path, old: str, new: str, *held: Position) -> list[str]:
    before = load_config(written(directory, ONE_BOT + old, "old.toml"))
    after = load_config(written(directory, ONE_BOT + new, "new.toml"))
    return describe_changes(changes(before, after), held, {})


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (EXITS, EXITS.replace("30m", "45m"), "bots.btc-ema.exits.max_holding: 30m -> 45m"),
        (EXITS, EXITS.replace("0.5%", "1%"), "bots.btc-ema.exits.stop_loss: 0.5% -> 1%"),
        (EXITS, EXITS.replace("0.5%", "2 atr"), "bots.btc-ema.exits.stop_loss: 0.5% -> 2 atr"),
        (
            EXITS,
            EXITS + 'ladder = [{ at = "0.4%", share = "50%" }]\n',
            "bots.btc-ema.exits.ladder: [] -> [{ at = 0.4%, share = 50% }]",
        ),
        (
            EXITS,
            EXITS + 'break_even = { at = "1%" }\n',
            "bots.btc-ema.exits.break_even: added { at = 1%, lock = 0% }",
        ),
        ("", "[risk]\nmax_open_positions = 5\n", "risk.max_open_positions: 10 -> 5"),
        ("", '[risk]\nmax_drawdown = "12.5%"\n', "risk.max_drawdown: 20% -> 12.5%"),
        ("", '[health]\nmin_free_disk = "2 GB"\n', "health.min_free_disk: 1 GB -> 2 GB"),
        ("", '[jobs.ping]\nevery = "90s"\n', "jobs.ping: added { every = 90s }"),
        (
            '[jobs.ping]\nat = "20:59"\n',
            '[jobs.ping]\nat = "20:58"\n',
            "jobs.ping.at: 20:59 -> 20:58",
        ),
        ("", 'cooldown = "15m"\n', "bots.btc-ema.cooldown: not set -> 15m"),
        ("", "active = false\n", "bots.btc-ema.active: true -> false"),
        ("", OTHER, "bots.other: added, ema_rsi on BTCUSDT"),
        (OTHER, "", "bots.other: removed"),
    ],
)
def test_a_reload_speaks_the_language_of_the_file(
    old: str, new: str, line: str, tmp_path: Path
) -> None:
    """N21: `30m`, `0.5%`, `2 GB`: neither ISO durations, nor fractions, nor Python."""
    assert lines(tmp_path, old, new) == [line]


def test_a_bot_that_goes_says_what_it_holds(tmp_path: Path) -> None:
    """N21: its exits go on, and nobody has to guess so."""
    held = position(bot=BotName("other"))
    assert lines(tmp_path, OTHER, "", held) == [
        "bots.other: removed; it holds position 5, whose exits go on"
    ]
    stopped = lines(tmp_path, "", "active = false\n", position(bot=BotName("btc-ema")))
    assert stopped == ["bots.btc-ema.active: true -> false; it holds position 5, whose exits go on"]


def test_changed_exits_name_the_positions_that_keep_theirs_and_the_command(tmp_path: Path) -> None:
    """N21: the plan of a position is stored with it; a command moves it."""
    held = position(bot=BotName("btc-ema"))
    others = position(bot=BotName("other"), stop_loss=Decimal(1))
    new = EXITS.replace("0.5%", "1%").replace('max_holding = "30m"\n', "")

    assert lines(tmp_path, EXITS, new, held, others)[-1] == (
        "position 5 of btc-ema keeps the exits that it has; to move them:"
        " tradebotctl positions set 5 --max-holding none --stop-loss 1%"
    )
    laddered = EXITS + 'ladder = [{ at = "0.4%", share = "50%" }]\n'
    assert lines(tmp_path, EXITS, laddered, held)[-1] == (
        "position 5 of btc-ema keeps the exits that it has; its ladder cannot be moved"
    )


def test_another_trigger_price_leaves_open_positions_as_they_are_and_names_the_command(
    tmp_path: Path,
) -> None:
    """M4.7, N21: the price that ends a position is stored with it."""
    held = position(bot=BotName("btc-ema"))
    before = load_config(written(tmp_path, ONE_BOT, "old.toml"))
    after = load_config(written(tmp_path, ONE_BOT + 'trigger_price = "bid_ask"\n', "new.toml"))
    bid_ask, last = (
        {spec.name: spec.exits.trigger_price for spec in each.bot_specs()}
        for each in (after, before)
    )

    assert describe_changes(changes(before, after), [held], bid_ask) == [
        "bots.btc-ema.trigger_price: not set -> bid_ask",
        (
            "position 5 of btc-ema keeps the exits that it has; to move them:"
            " tradebotctl positions set 5 --trigger-price bid_ask"
        ),
    ]
    # Back to the default, which that position has.
    assert describe_changes(changes(after, before), [held], last) == [
        "bots.btc-ema.trigger_price: bid_ask -> not set"
    ]


def test_a_bot_with_a_dot_in_its_name_is_told_of_like_any_other(tmp_path: Path) -> None:
    """N22: it is removed, and what it holds keeps its exits."""
    dotted = OTHER.replace('"other"', '"my.bot"')

    (line,) = lines(tmp_path, dotted, "", position(bot=BotName("my.bot")))

    assert line.startswith("bots.my.bot: removed; it holds position 5")
