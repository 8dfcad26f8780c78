"""Whatever stands in a file, `check` answers in lines with a place, and never with a traceback."""

import re
import tomllib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.unit.config_text import ONE_BOT
from tradebotd.config.model import Config
from tradebotd.daemon.commands import main

FILES = 500
BATCH = 25
STRANGE = ("zzz", '"a b"', '"a: b"', '"é"', "names.x")
KEY = r"""(\w[\w-]*|"[^"]*"|a b|a: b|A: b)"""
PLACE = re.compile(rf"^(warning: )?{KEY}(\.{KEY}|\[\d+\])*( \(('.*', )?line \d+\)| \('.*'\))?: \S")
# What may stand anywhere: right, nearly right, of another type, far too large.
WORDS = (
    *('""', '"x"', '"0"', '"1"', '"-1"', '"0.5"', '"1e9"', '"1e-30"', '"NaN"', '"Infinity"'),
    *('"5s"', '"0s"', '"1d"', '"36500d"', '"99999999d"', '"0.5%"', '"0%"', '"99%"', '"150%"'),
    *('"1e5%"', '"-3%"', '"2 atr"', '"0 atr"', '"none"', '"BTCUSDT"', '"btc-ema"', '"history"'),
    *('"paper"', '"EUR"', '"Europe/Berlin"', '"20:59"', '"24:00"', '"mon-fri"', '"fri-mon"'),
    *('"1m"', '"1h"', '"1 GB"', '"spot"', '"futures"', '"limit"', '"risk_percent"', '"atr"'),
    *('"fixed_notional"', '"fixed_quantity"', '"percent_equity"', '"ema_rsi"', '"pivot_levels"'),
    *('"./none.py:Class"', '"no.such:Class"', '"../x*.csv"', '"\\u0000"', '"é\\n: x"', '"replay"'),
    *("0", "1", "-1", "3", "200", "99999999999999999999", "0.5", "-0.0", "1e400", "nan", "inf"),
    *("true", "false", "2026-01-01", "2026-01-01T00:00:00Z", "07:32:00", "[]", "{}", "[[]]"),
    *('["1m"]', '["history", "history"]', "[1, 2]", "[{}]", '{ a = "b" }', '{ env = "NO_SUCH" }'),
    *('{ file = "none" }', '{ USDT = "10000" }', '{ USD = "1" }', '{ stop_loss = "0.0001%" }'),
    *('{ kind = "risk_percent", value = "50" }', '{ at = "0.01%", lock = "5%" }'),
    *('[{ at = "1%", share = "60%" }, { at = "1%", share = "60%" }]', '[{ at = "1%" }]'),
    *('{ fast = "3", slow = true }', "{ fast = 30, slow = 20 }", '{ maker = "1.5" }'),
    *('{ max_daily_loss = "100%" }', '{ kind = "fixed_notional", value = "50000" }'),
)
TABLES = (
    *("daemon", "database", "feeds.history", "feeds.other", "venues.paper", "venues.real", "risk"),
    *("jobs.run_bots", "jobs.stop_loss_check", "jobs.daily_close", "jobs.nope", "health"),
    *("alerts", "[symbols]", "[bots]", "[bots]", "[bots]", "nonsense"),
)


def known_keys() -> dict[str, list[str]]:
    """Of each table, and of the tables below it, as the schema has them."""
    schema = Config.model_json_schema()
    keys: dict[str, list[str]] = {}

    def look(table: str, node: dict[str, Any]) -> None:
        for branch in (node, node.get("additionalProperties"), node.get("items")):
            if isinstance(branch, dict) and "$ref" in branch:
                section = schema["$defs"][branch["$ref"].rpartition("/")[2]]
                keys.setdefault(table, sorted(section["properties"]))

    for name, node in schema["properties"].items():
        look(name, node)
    return keys


KEYS = known_keys()


def tables_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """Headings and, as they are written, the values below them."""
    tables: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if line.startswith("["):
            tables.append((line.strip(), {}))
        elif equals and not line.startswith("#"):
            tables[-1][1][key.strip()] = value.split("  #")[0].strip()
    return tables


# Good for itself, and hardly meant: table, key, what stands there.
ODD = (
    ("[bots]", "exits", '{ stop_loss = "0.0001%", take_profit = "0.01%" }'),
    ("[bots]", "exits", '{ stop_loss = "none", max_holding = "5s" }'),
    ("[bots]", "exits", '{ stop_loss = "50%", break_even = { at = "0.01%" } }'),
    ("[bots]", "sizing", '{ kind = "percent_equity", value = "0.1" }'),
    ("[bots]", "sizing", '{ kind = "percent_equity", value = "100" }'),
    ("[bots]", "sizing", '{ kind = "risk_percent", value = "50" }'),
    ("[bots]", "sizing", '{ kind = "fixed_notional", value = "50000" }'),
    ("[bots]", "limits", '{ max_daily_loss = "100%" }'),
    ("[bots]", "initial_capital", '"1000000"'),
    ("[bots]", "cooldown", '"100d"'),
    ("[bots]", "timeframe", '"1h"'),
    ("venues.paper", "fees", '{ maker = "-0.01", taker = "0.1" }'),
    ("venues.paper", "starting_cash", '{ USDT = "1", "A: b" = "5" }'),
    ("venues.paper", "spread_bps", '"0.0001"'),
    ("risk", "max_exposure", '"0.01%"'),
    ("risk", "bad_tick", '"1000%"'),
    ("risk", "max_drawdown", '"100%"'),
    ("health", "min_free_disk", "0"),
    ("jobs.stop_loss_check", "every", '"1d"'),
    ("jobs.reconcile", "enabled", "false"),
    ("jobs.run_bots", "every", '"7d"'),
    ("jobs.daily_reset", "enabled", "false"),
)
BASES = (tables_of(ONE_BOT), tables_of((ROOT / "config.example.toml").read_text()))


def written(tables: list[tuple[str, dict[str, str]]]) -> list[str]:
    return [
        line
        for heading, values in tables
        for line in (heading, *(f"{key} = {value}" for key, value in values.items()))
    ]


def an_odd_file(chance: Random) -> str:
    """A good file but for what it means."""
    tables = [(heading, dict(values)) for heading, values in chance.choice(BASES)]
    for name, key, value in chance.sample(ODD, k=chance.randint(1, 6)):
        same = [values for heading, values in tables if heading == f"[{name}]"]
        if not same:
            tables.append((f"[{name}]", {}))
            same = [tables[-1][1]]
        chance.choice(same)[key] = value
    return "\n".join(written(tables)) + "\n"


def a_file(chance: Random) -> str:
    """A good file with some things changed, some gone and some beside them."""
    if chance.random() < 0.25:
        return an_odd_file(chance)
    tables = [(heading, dict(values)) for heading, values in chance.choice(BASES)]
    for _ in range(chance.randint(0, 2)):
        _, values = chance.choice(tables)
        if values and chance.random() < 0.5:
            del values[chance.choice(list(values))]
        elif values:
            values[chance.choice(list(values))] = chance.choice(WORDS)
    for _ in range(chance.randint(0, 3)):
        name = chance.choice(TABLES)
        heading = f"[{name}]"
        same = [values for other, values in tables if other == heading]
        if not same or (name.startswith("[") and chance.random() < 0.3):
            tables.append((heading, {}))
            same = [tables[-1][1]]
        keys = KEYS.get(name.strip("[]").split(".")[0], ["x"])
        for key in chance.sample(keys, k=min(chance.randint(1, 3), len(keys))):
            chance.choice(same)[key] = chance.choice(WORDS)
        if chance.random() < 0.1:
            chance.choice(same)[chance.choice(STRANGE)] = chance.choice(WORDS)
    lines = written(tables)
    if chance.random() < 0.02:
        del lines[chance.randrange(len(lines))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("batch", range(FILES // BATCH))
def test_check_never_ends_in_a_traceback_and_names_a_place(
    batch: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M8.2, interface 3.1: 0 or 78, every line with its place, whatever the file says."""
    file = tmp_path / "config.toml"
    codes, warnings = [], 0
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        text = a_file(Random(number))
        file.write_text(text)
        try:
            code = main.main(["check", "--config", str(file)])
        except BaseException as error:
            raise AssertionError(f"file {number}:\n{text}") from error
        codes.append(code)
        captured = capsys.readouterr()
        warnings += captured.out.count("  warning: ")
        told = (captured.err if code else captured.out).splitlines()[1:]
        assert code in {0, 78}, (number, text)
        assert bool(told) or code == 0, (number, text)
        for line in told:
            said = line.strip()
            assert said.startswith(f"{file}: ") or PLACE.match(said), (number, line, text)
            assert "Input should" not in line, (number, line)

    assert len(set(codes)) == 2  # both kinds of file were there
    assert warnings


def test_most_of_the_files_are_toml() -> None:
    """What is none says nothing of the checks."""
    good = 0
    for number in range(FILES):
        try:
            tomllib.loads(a_file(Random(number)))
        except tomllib.TOMLDecodeError:
            continue
        good += 1

    assert good > FILES * 0.9
