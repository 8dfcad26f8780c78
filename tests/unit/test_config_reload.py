"""What a new file changes, and what of it needs a restart."""

from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.config.reload import Change, changes


def between(directory: Path, old: str, new: str) -> list[Change]:
    return changes(
        load_config(written(directory, old, "old.toml")),
        load_config(written(directory, new, "new.toml")),
    )


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    assert between(tmp_path, ONE_BOT, ONE_BOT + "# a remark") == []


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("active = false", "bots.btc-ema.active"),
        ("[risk]\nmax_open_positions = 3", "risk.max_open_positions"),
        ('[health]\nmin_free_disk = "2 GB"', "health.min_free_disk"),
        ('[jobs.ping]\nevery = "1h"', "jobs.ping"),
        ('[daemon]\nlog_level = "debug"', "daemon.log_level"),
    ],
)
def test_what_can_change_while_running_is_told_by_its_path(
    more: str, path: str, tmp_path: Path
) -> None:
    (change,) = between(tmp_path, ONE_BOT, f"{ONE_BOT}\n{more}")

    assert (change.path, change.needs_restart) == (path, False)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("[database]\npool_max = 20", "database.pool_max"),
        ('[daemon]\naccount = "other"', "daemon.account"),
        ('[daemon]\nsocket = "x.sock"', "daemon.socket"),
        ('position_type = "futures"', "bots.btc-ema.position_type"),
        ('[feeds.other]\nkind = "synthetic"', "feeds.other"),
        ('[risk]\ncurrency = "EUR"', "risk.currency"),
    ],
)
def test_what_is_built_once_needs_a_restart(more: str, path: str, tmp_path: Path) -> None:
    base = ONE_BOT.replace('venue = "paper"\n', 'venue = "paper"\nquote_asset = "USDT"\n')
    euro = '[[symbols]]\nsymbol = "EURUSDT"\nquote_asset = "USDT"\nfeeds = ["history"]\n'
    base = base.replace("[[bots]]", f'{euro}venue = "paper"\n[[bots]]')
    (change,) = between(tmp_path, base, f"{base}\n{more}")

    assert (change.path, change.needs_restart) == (path, True)


def test_bots_are_told_apart_by_their_names_not_by_their_place(tmp_path: Path) -> None:
    bot = '[[bots]]\nname = "{name}"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\n'
    first, second = bot.format(name="a"), bot.format(name="b")
    base = ONE_BOT

    assert between(tmp_path, base + first + second, base + second + first) == []
    gone = between(tmp_path, base + first + second, base + second)
    assert [(change.path, change.new) for change in gone] == [("bots.a", None)]
