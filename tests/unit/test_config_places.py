"""Where in the file something stands: the lines of tables and keys, and how they are told."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tradebotd.config.file_lines import Location, lines_of
from tradebotd.config.load import load_config
from tradebotd.config.told_places import ToldPlaces
from tradebotd.daemon.commands import main
from tradebotd.domain.errors import ConfigError

TRICKY = '''
top = 1
[x."y.z"]  # a comment with [[bots]]
text = """
[not.a.table]
a = 1  \\""" still text
"""
raw = \'\'\'
[[bots]]
\'\'\'
ends = """quote""""
lists = [
  [1],
[2],  # [x]
]
d . e = 3
[[ bots ]]
name = "a [b] = # c"
[bots.exits]
stop = '[x]'
[[bots.exits.ladder]]
at = 1
[[bots.exits.ladder]]
at = 2
[[bots]]
name = 'b'
exits = { at = [
  1 ] }
  indented = true
'''


def test_each_table_and_key_has_its_line() -> None:
    """N40: what looks like a table in a text, a list or a comment is none."""
    tomllib.loads(TRICKY)

    assert {".".join(map(str, at)): line for at, line in lines_of(TRICKY).items()} == {
        "top": 2,
        "x.y.z": 3,
        "x.y.z.text": 4,
        "x.y.z.raw": 8,
        "x.y.z.ends": 11,
        "x.y.z.lists": 12,
        "x.y.z.d.e": 16,
        "bots.0": 17,
        "bots.0.name": 18,
        "bots.0.exits": 19,
        "bots.0.exits.stop": 20,
        "bots.0.exits.ladder.0": 21,
        "bots.0.exits.ladder.0.at": 22,
        "bots.0.exits.ladder.1": 23,
        "bots.0.exits.ladder.1.at": 24,
        "bots.1": 25,
        "bots.1.name": 26,
        "bots.1.exits": 27,
        "bots.1.indented": 29,
    }


texts = st.text(alphabet=st.sampled_from("ab[]{}=#'\n \té"), max_size=12)


def quoted(text: str) -> str:
    return "".join({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}.get(c, c) for c in text)


VALUES = st.one_of(
    texts.map(lambda text: f'"{quoted(text)}"'),
    texts.map(lambda text: '"""\n' + text.replace("\\", "") + '"""'),
    texts.map(lambda text: f"'''{text.replace(chr(39), '')}'''"),
    texts.map(lambda text: f'[ # {quoted(text)}\n"{quoted(text)}",\n[1],\n[2]]'),
    texts.map(lambda text: f'{{ a = "{quoted(text)}", b = [1,\n2] }}'),
    st.just("1"),
)


@given(st.lists(st.lists(VALUES, max_size=4), max_size=5), st.sampled_from(["", "  ", "# [[b]]\n"]))
def test_no_text_misleads_it(tables: list[list[str]], before: str) -> None:
    """N40: the line is that of the key, whatever stands in the values before it."""
    text = "".join(
        f"{before}[[b]]\n" + "".join(f"{before}k{n} = {value}\n" for n, value in enumerate(values))
        for values in tables
    )
    raw = tomllib.loads(text)
    lines = text.split("\n")

    found = lines_of(text)

    assert set(found) == set(every_key(raw))
    for at, line in found.items():
        said = "[[b]]" if len(at) == 2 else f"{at[-1]} = "
        assert lines[line - 1].strip().startswith(said)


def every_key(raw: dict[str, Any]) -> list[Location]:
    found: list[Location] = []
    for number, table in enumerate(raw.get("b", [])):
        found += [("b", number), *(("b", number, key) for key in table)]
    return found


THREE = ONE_BOT + (
    '[[bots]]\nname = "btc-cross"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\n'
    '[bots.exits]\nstop_loss = "100%"\n'
    '[[bots]]\nname = "btc-ema"\nsymbol = "ETHUSDT"\nstrategy = "ema_rsi"\nlevrage = 1\n'
    '[[bots]]\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\nexits = { ladder = [{ at = "0%" }] }\n'
)


def test_an_index_is_told_with_name_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """N40: with twenty bots nobody counts."""
    file = written(tmp_path, THREE)

    assert main.main(["check", "--config", str(file)]) == 78

    told = [line.strip().split(": ")[0] for line in capsys.readouterr().err.splitlines()[1:]]
    assert sorted(told) == [
        "bots[1].exits.stop_loss ('btc-cross', line 20)",
        "bots[2].levrage ('btc-ema', line 25)",
        "bots[2].name ('btc-ema', line 22)",
        "bots[2].symbol ('btc-ema', line 23)",
        "bots[3].exits.ladder[0].at (line 29)",
        "bots[3].exits.ladder[0].share (line 29)",
        "bots[3].exits.stop_loss (line 29)",
        "bots[3].name (line 26)",
    ]


def test_what_is_taken_is_told_with_both_places(tmp_path: Path) -> None:
    """N40: a duplicate says where the first one is."""
    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, THREE))

    assert "bots[2].name ('btc-ema', line 22): 'btc-ema' is taken by bots[0] (line 11)" in (
        refused.value.told
    )
    assert str(refused.value) == "\n".join(refused.value.told)
    assert [problem for problem in refused.value.problems if "(" in problem.split(": ")[0]] == []


def test_a_key_without_an_index_is_found_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, f"[daemon]\nsurprise = 1\n{SMALLEST}"))

    assert refused.value.told == refused.value.problems


@pytest.mark.parametrize(
    "problem", ["no path", "bots[0].x: words", "bots[9].name: words", "bots[x]: w", "bots[0][0]: w"]
)
def test_what_is_in_no_file_is_told_as_it_is(problem: str) -> None:
    assert ToldPlaces().told(problem) == problem


def test_one_mistake_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """N40: nor is what points to a mistake another one."""
    replay = SMALLEST.replace('"synthetic"', '"replay"\npath = "none/*.csv"')
    nameless = ONE_BOT.replace('symbol = "BTCUSDT"\nfeeds', 'symbol = "BTC/USDT"\nfeeds')
    no_table = "feeds.history = 1\n" + ONE_BOT.replace('[feeds.history]\nkind = "synthetic"', "")
    for text, place in (
        (replay, "feeds.history.path"),
        (nameless, "symbols[0].symbol ('BTC/USDT', line 7)"),
        (no_table, "feeds.history"),
    ):
        assert main.main(["check", "--config", str(written(tmp_path, text))]) == 78
        (problem,) = capsys.readouterr().err.splitlines()[1:]
        assert problem.strip().startswith(f"{place}: ")
