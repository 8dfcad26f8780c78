"""The words of `tradebotctl`: arguments, where the socket is, how numbers and times read."""

import argparse
import io
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd import __version__
from tradebotd.cli import locate
from tradebotd.cli.commands import COMMANDS
from tradebotd.cli.completion import DAEMON, script, words_of
from tradebotd.cli.errors import CommandError, UsageError
from tradebotd.cli.formatting import (
    ago,
    ago_short,
    cut,
    even_figures,
    even_money,
    fit,
    money,
    percent,
    plain,
    rounded,
)
from tradebotd.cli.locate import find_socket
from tradebotd.cli.main import main
from tradebotd.cli.parser import build_parser, parse
from tradebotd.cli.progress import LiveLine, progress_text
from tradebotd.cli.tables import last_line
from tradebotd.daemon.commands import main as daemon_main

NOW = datetime(2022, 1, 14, 7, 32, tzinfo=UTC)
LATER = {"preflight", "health", "alerts", "report"}


def paths(parser: argparse.ArgumentParser) -> list[str]:
    return [path for path in words_of(parser) if path]


@pytest.mark.parametrize("path", paths(build_parser()))
def test_wrong_arguments_show_the_usage_of_the_very_command(path: str) -> None:
    """Interface 3.1: wrong arguments, exit 2 and the right usage."""
    with pytest.raises(UsageError) as caught:
        parse([*path.split(), "--no-such-option"])

    assert caught.value.usage.startswith(f"usage: tradebotctl {path} ")


def test_usage_errors_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Interface 3.1: 2 usage."""
    for words in ([], ["nonsense"], ["candles", "BTCUSDT"], ["jobs", "run", "x", "-p", "y"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("usage: tradebotctl")


def test_every_command_of_the_parser_is_carried_out_and_none_is_offered_early() -> None:
    """Interface 3.1 and its issue: the commands of later issues are not offered."""
    offered = set(paths(build_parser()))

    assert offered - {"completion"} == set(COMMANDS)
    assert not offered & LATER


@pytest.mark.parametrize(
    "words", ["--json jobs", "jobs --json", "jobs history ping --json", "--json jobs history ping"]
)
def test_common_options_stand_before_or_after_the_command(words: str) -> None:
    options = parse(words.split())

    assert options.json
    assert options.socket is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_of_both_programs(shell: str) -> None:
    """Issue 2.11: shell completion."""
    text = script(shell, build_parser())

    for word in ("dead-letters", "discard", "candles", "migrate", "status"):
        assert word in text


def test_the_bash_completion_completes(tmp_path: Path) -> None:
    """Issue 2.11: shell completion, tried in a real bash."""
    file = tmp_path / "completion.bash"
    file.write_text(script("bash", build_parser()))
    subprocess.run(["bash", "-n", file], check=True)
    asking = (
        f"source {file}; COMP_WORDS=(tradebotctl --json jobs hi); COMP_CWORD=3;"
        " _tradebotctl; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", asking], check=True, capture_output=True, text=True)

    assert done.stdout.split() == ["history"]


def test_completion_knows_the_words_of_the_daemon() -> None:
    """The CLI imports nothing of the daemon, so its words are kept twice and compared here."""
    real = words_of(daemon_main._parser())

    assert {path: sorted(set(words) - {"-h"}) for path, words in real.items()} == {
        path: sorted(words) for path, words in DAEMON.items()
    }


@pytest.mark.parametrize(
    ("given_socket", "given_config", "environment", "expected"),
    [
        ("here.sock", "c.toml", {"TRADEBOTD_SOCKET": "/env.sock"}, "here.sock"),
        (None, None, {"TRADEBOTD_SOCKET": "/env.sock"}, "/env.sock"),
        (None, "c.toml", {"TRADEBOTD_SOCKET": "/env.sock"}, "{dir}/var/t.sock"),
        (None, None, {"TRADEBOTD_CONFIG": "c.toml"}, "{dir}/var/t.sock"),
        (None, "state.toml", {}, "{dir}/state/tradebotd.sock"),
        (None, "state.toml", {"RUNTIME_DIRECTORY": "/run/tb"}, "/run/tb/tradebotd.sock"),
        (None, "bare.toml", {"STATE_DIRECTORY": "/s1:/s2"}, "/s1/tradebotd.sock"),
        (None, "bare.toml", {"XDG_STATE_HOME": "/x"}, "/x/tradebotd/tradebotd.sock"),
    ],
)
def test_the_socket_is_where_the_daemon_puts_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given_socket: str | None,
    given_config: str | None,
    environment: dict[str, str],
    expected: str,
) -> None:
    """Interface 3.1, 3.3: `--socket`, `$TRADEBOTD_SOCKET`, then the config's; the same defaults."""
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('[daemon]\nsocket = "var/t.sock"\n')
    Path("state.toml").write_text('[daemon]\nstate_dir = "state"\n')
    Path("bare.toml").write_text("")

    found = find_socket(given_socket, given_config, environment)

    assert str(found) == expected.format(dir=tmp_path)


@contextmanager
def listening(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield
    path.unlink()


def test_the_socket_of_the_service_is_found_where_nobody_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N11: `tradebotctl status` beside the service; never a guess between two that live."""
    with TemporaryDirectory(prefix="tb-") as short:  # pytest's paths are too long for a socket
        home, service = Path(short) / "home", Path(short) / "run/tradebotd.sock"
        own = home / "tradebotd/tradebotd.sock"
        bare, environment = Path(short) / "bare.toml", {"XDG_STATE_HOME": str(home)}
        bare.write_text("")
        monkeypatch.setattr(locate, "SERVICE_SOCKET", service)

        def found() -> Path:
            return find_socket(None, str(bare), environment)

        assert found() == own, "neither lives: the default is what is told"
        with listening(service):
            assert found() == service
            with listening(own), pytest.raises(CommandError, match="two daemons") as caught:
                found()
            assert caught.value.exit_code == 2
        with listening(own):
            assert found() == own


def test_a_broken_config_is_an_error_of_configuration(tmp_path: Path) -> None:
    """Interface 3.1: 78 configuration."""
    (tmp_path / "c.toml").write_text("[daemon")

    with pytest.raises(CommandError) as caught:
        find_socket(None, str(tmp_path / "c.toml"), {})
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "now"),
        (45, "45 s ago"),
        (200, "3 min ago"),
        (7_300, "2 h ago"),
        (-30, "in 30 s"),
        (400_000, "4 d ago"),
    ],
)
def test_times_are_told_as_a_distance(seconds: float, text: str) -> None:
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_money_never_shows_an_exponent(amount: Decimal) -> None:
    """Interface 3.1: decimals never in exponent form."""
    assert "E" not in money(format(amount, "f"), signed=True).upper()


def test_a_share_below_one_never_reads_as_all() -> None:
    assert percent(0.99999) == "99.9 %"
    assert percent(1) == "100 %"


@given(
    st.lists(st.lists(st.text(max_size=60), min_size=5, max_size=5), min_size=1, max_size=5),
    st.integers(min_value=40, max_value=100),
)
def test_columns_always_fit(rows: list[list[str]], width: int) -> None:
    """Interface 3.1: tables fit 100 columns."""
    widths = fit(rows, width, {1, 3})

    assert sum(widths) + 2 * 4 <= width


def test_words_give_way_before_figures() -> None:
    """A figure that is cut short is a lie."""
    widths = fit([["a-very-long-name-of-a-bot", "1234567.12345678"]], 30, {1})

    assert widths == [12, 16]


@given(st.text(), st.integers(min_value=1, max_value=100))
def test_what_is_cut_is_one_line(text: str, width: int) -> None:
    assert len(cut(text, width)) <= width
    assert "\n" not in cut(text, width)


def test_progress_shows_only_on_a_terminal() -> None:
    """Issue 2.11: on a terminal a seed shows its progress."""
    quiet = io.StringIO()
    LiveLine("seed", quiet)({"done": 0.5})

    assert quiet.getvalue() == ""
    assert "50%" in progress_text("seed", {"done": 0.5, "candles": 1200})
    assert "candles 1200" in progress_text("seed", {"done": 1, "total": 2, "candles": 1200})


@pytest.mark.parametrize(
    ("amounts", "told"),
    [
        (["-0.17603581", "1.18", "-12.16", None], ["-0.18", "+1.18", "-12.16", "-"]),
        (["0", "0"], ["0.00", "0.00"]),
        (["0.00012", "-1234.5"], ["+0.00012", "-1,234.50000"]),
        (["0.00000001", "1E+3"], ["+0.00000001", "+1,000.00000000"]),
    ],
)
def test_a_column_of_money_has_even_decimals(amounts: list[str | None], told: list[str]) -> None:
    """N45: as many in each row, and enough for the smallest."""
    assert even_money(amounts) == told


def test_a_column_of_figures_loses_nothing_and_is_even() -> None:
    """N45: prices and quantities can be compared; binary fractions of candles are not shown."""
    assert even_figures(["57363", "0.00174", None, "1E-8"]) == [
        "57363.00000000",
        "0.00174000",
        "-",
        "0.00000001",
    ]
    assert even_figures(["58000.00", "57363"]) == ["58000", "57363"]
    assert Decimal(rounded("1129.4989999999996") or "0") == Decimal("1129.499")
    assert rounded("0.00174") == "0.00174"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (False, "no"),
        ({"gap": {"level": "57914", "percent": "0.02"}}, "gap (level 57914, percent 0.02)"),
        ({"params": {"symbol": "BTCUSDT"}, "only": []}, "params (symbol BTCUSDT)"),
        ({"only": ["btc-cross", "btc-ema"]}, "only btc-cross, btc-ema"),
        ({"rate": 0, "counted_at": None}, "rate 0"),
        ({}, "-"),
    ],
)
def test_values_are_told_in_words(value: object, told: str) -> None:
    """N45: neither braces, nor quotes, nor `False`."""
    assert plain(value) == told


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Traceback …\n  File\nFeedError: gone", "FeedError: gone"),
        (
            "x.DiskFullError: No space left\nHINT:  Check free disk space.",
            "x.DiskFullError: No space left",
        ),
        ("one line", "one line"),
        (None, ""),
    ],
)
def test_an_error_is_told_by_what_was_raised(error: str | None, line: str) -> None:
    """N26: the hint stood there, not the error."""
    assert last_line(error) == line


def test_times_are_told_short_where_room_is_short() -> None:
    """N26: a date gives way before a name does."""
    told = [ago_short((NOW - timedelta(seconds=s)).isoformat(), NOW) for s in (29, 200, -30, 0.1)]
    assert told == ["29s", "3m", "in 30s", "now"]
    assert ago_short(None, NOW) == "-"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("positions close abc", "argument ID: a number like 17, was 'abc'"),
        ("orders show -5", "argument ID: a number like 17, was '-5'"),
        ("dead-letters retry 0", "argument ID: a number like 17, was '0'"),
        ("jobs history ping -n x", "argument -n: a number from 1 to 10000, was 'x'"),
        ("status --watch --json", "--watch draws a screen, --json prints one document: say one"),
    ],
)
def test_what_is_wrong_by_itself_is_said_in_plain_words(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """N42, N47: 2, without Python's words for it."""
    assert main(["--socket", "/nowhere/t.sock", *words.split()]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"tradebotctl: {message}"


def test_both_programs_tell_their_version_and_complain_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """N47: `tradebotctl --version`; `NAME: message` of both."""
    for name, program in (("tradebotctl", main), ("tradebotd", daemon_main.main)):
        with pytest.raises(SystemExit) as ended:
            program(["--version"])
        assert (ended.value.code, capsys.readouterr().out) == (0, f"{name} {__version__}\n")
    with pytest.raises(SystemExit) as refused:
        daemon_main.main(["check", "--nonsense"])
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert refused.value.code == 2
    assert complaint == "tradebotd: unrecognized arguments: --nonsense"
