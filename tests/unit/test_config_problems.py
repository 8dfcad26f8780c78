"""What is wrong with a file: every problem at once, each with its path and what is allowed."""

from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.daemon.commands import main
from tradebotd.domain.errors import ConfigError


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(directory, text))
    return caught.value.problems


WRONG_VALUES = [
    # what to append, the path it is told with, some words of the reason
    ('[daemon]\ntimezon = "UTC"', "daemon.timezon", "did you mean 'timezone'?"),
    ("[daemon]\nzzz = 1", "daemon.zzz", "known are account,"),
    ("[nonsense]\na = 1", "nonsense", "unknown key"),
    ('[daemon]\ntimezone = "Europe/Atlantis"', "daemon.timezone", "no time zone"),
    ("[daemon]\ntimezone = 1", "daemon.timezone", "not a time zone"),
    ('[daemon]\nlog_level = "loud"', "daemon.log_level", "one of 'debug', 'info'"),
    ("[daemon]\nsocket = 5", "daemon.socket", "must be text in quotes"),
    ('[daemon]\naccount = "a b"', "daemon.account", "letters, digits"),
    ('[database]\npool_max = "ten"', "database.pool_max", "must be a whole number"),
    ("[database]\npool_max = 3", "database.pool_max", "at least 4"),
    ("[database]\nmigrate_on_start = 1", "database.migrate_on_start", "true or false"),
    ("[database]\npool_min = 11", "database.pool_min", "is above pool_max (10)"),
    ('[database]\nurl = "mysql://host/x"', "database.url", 'write "embedded" or "postgresql:'),
    ('[database]\nurl = "postgresql://u:canary@h/d"', "database.url", "never stands in this file"),
    (
        '[database]\nurl = "postgresql://h/d?password=canary"',
        "database.url",
        "never stands in this file",
    ),
    ('[database]\npassword = "inline"', "database.password", "must be a table"),
    ('[database]\npassword = "canary"', "database.password", '{ file = "…" } (chmod 600), { env ='),
    ('[alerts]\nurls = ["canary"]', "alerts.urls[0]", '{ credential = "NAME" }'),
    ("[jobs.run_bots]\nevery = true", "jobs.run_bots.every", "not a duration"),
    ('[risk]\nmax_exposure = "50"', "risk.max_exposure", "not a percentage"),
    ("[risk]\nmax_exposure = 0.5", "risk.max_exposure", "with its sign"),
    ('[risk]\nmax_drawdown = "0%"', "risk.max_drawdown", "above 0%"),
    ("[risk]\nmax_open_positions = 0", "risk.max_open_positions", "at least 1"),
    ('[health]\nbuy_sell_for = "an hour"', "health.buy_sell_for", "not a duration"),
    ('[health]\nbuy_sell_for = "0s"', "health.buy_sell_for", "not a duration"),
    ('[health]\nmin_free_disk = "plenty"', "health.min_free_disk", "not a size"),
    ('[alerts]\nurls = ["https://user:pass@host"]', "alerts.urls[0]", "must be a table"),
    ('[alerts]\nurls = [{ env = "HOME" }]', "alerts.urls", "not delivered in this version"),
    ('[daemon]\nlog_format = "journald"', "daemon.log_format", "auto, console, json are"),
    ("[jobs.ping]\nretries = 11", "jobs.ping.retries", "at most 10"),
    ('[jobs.ping]\nat = "24:00"', "jobs.ping.at", "not a time of day"),
    ('[jobs.ping]\nat = "9:00"\ndays = "1-5"', "jobs.ping.days", "the names are mon, tue"),
    ('[jobs.ping]\nat = "9:00"\ndays = "fri-mon"', "jobs.ping.days", "forward in the week"),
    ('[jobs.ping]\nevery = "5s"\nat = "9:00"', "jobs.ping", "exclude each other"),
    ('[jobs.ping]\nevery = "5s"\ndays = "mon"', "jobs.ping", "belong to `at`"),
]


@pytest.mark.parametrize(("text", "path", "reason"), WRONG_VALUES, ids=[w[0] for w in WRONG_VALUES])
def test_a_mistake_is_told_with_its_path_and_what_is_allowed(
    text: str, path: str, reason: str, tmp_path: Path
) -> None:
    (problem,) = problems(tmp_path, f"{SMALLEST}\n{text}\n")

    assert problem.startswith(f"{path}: ")
    assert reason in problem
    assert "canary" not in problem


NAMES = [
    # what stands in the file, what in its place, the path it is told with
    ('name = "btc-ema"', 'name = "{}"', "bots[0].name"),
    ("[feeds.history]", '[feeds.history]\nkind = "synthetic"\n[feeds."{}"]', 'feeds."{}"'),
    ("[venues.paper]", '[venues.paper]\nkind = "paper"\n[venues."{}"]', 'venues."{}"'),
    (
        "[[symbols]]",
        "[[symbols]]\nsymbol = '{}'\nfeeds = ['history']\nvenue = 'paper'\nquote_asset = 'X'\n[[symbols]]",
        "symbols[0].symbol",
    ),
]


@pytest.mark.parametrize("name", ["btc/ema", "..", "../c", ".b", "-b", "b c", "é", ""])
@pytest.mark.parametrize(("old", "new", "path"), NAMES, ids=[each[2] for each in NAMES])
def test_a_name_that_cannot_be_addressed_is_refused(
    old: str, new: str, path: str, name: str, tmp_path: Path
) -> None:
    """Interface 3.2: each name is a part of a URL, and a symbol's of a file's name, too."""
    (problem,) = problems(tmp_path, ONE_BOT.replace(old, new.format(name)))

    assert problem.startswith(f"{path.format(name)}: letters, digits and . _ - only")


@pytest.mark.parametrize(("old", "new"), [each[:2] for each in NAMES])
def test_a_name_that_can_be_addressed_is_not_refused(old: str, new: str, tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ONE_BOT.replace(old, new.format("b.C_d-9"))))

    assert config.bots


WRONG_IN_A_BOT = [
    ('timeframe = "2m"', "timeframe", "one of '1m'"),
    ('timeframe = "4h"', "timeframe", "its timeframes are 1m, 5m, 15m, 1h"),
    ("leverage = 126", "leverage", "at most 125"),
    ("leverage = 5", "leverage", "spot has none"),
    ("allow_short = true", "allow_short", "cannot be sold short"),
    ("initial_capital = 1000.5", "initial_capital", 'written as text: "1000.5"'),
    ('initial_capital = "0"', "initial_capital", "above 0"),
    ('initial_capital = "NaN"', "initial_capital", "not an amount"),
    ('sizing = { kind = "percent_equity", value = "101" }', "sizing.value", "more leverage"),
    ('sizing = { kind = "fixed_quantity" }', "sizing.value", "required, and not there"),
    ('exits = { stop_loss = "100%" }', "exits.stop_loss", "below 100%"),
    ('exits = { stop_loss = "-1%" }', "exits.stop_loss", "above 0%"),
    ("exits = { stop_loss = 0.5 }", "exits.stop_loss", "with its sign"),
    ('exits = { stop = "1%" }', "exits.stop", "did you mean 'stop_loss'?"),
    ("limits = { max_daily_trades = 0 }", "limits.max_daily_trades", "at least 1"),
    ("params = { fast = 21, slow = 8 }", "params", "slow must be more than fast"),
    ("params = { fsat = 3 }", "params.fsat", "unknown key"),
]


@pytest.mark.parametrize(
    ("text", "path", "reason"), WRONG_IN_A_BOT, ids=[wrong[0] for wrong in WRONG_IN_A_BOT]
)
def test_a_mistake_in_a_bot_is_told_with_its_number(
    text: str, path: str, reason: str, tmp_path: Path
) -> None:
    """M4.1: what a bot may be is checked where it is declared."""
    (problem,) = problems(tmp_path, f"{ONE_BOT}\n{text}\n")

    assert problem.startswith(f"bots[0].{path}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'venue = "paper"',
            'venue = "papr"',
            "symbols[0].venue: there is no venue 'papr'; did you",
        ),
        ('["history"]', '["elsewhere"]', "symbols[0].feeds: there is no feed 'elsewhere'; known"),
        ('["history"]', "[]", "symbols[0].feeds: at least one is needed"),
        ('kind = "synthetic"', 'kind = "replay"', "feeds.history.path: required for a replay"),
        (
            'kind = "synthetic"',
            'kind = "replay"\npath = "none/*.csv"',
            "feeds.history.path: no file matches",
        ),
        ('symbol = "BTCUSDT"\n', "", "symbols[0].symbol: required, and not there"),
        ('venue = "paper"', 'venue = "paper"\nnames = { x = "y" }', "symbols[0].names.x: there is"),
    ],
)
def test_tables_are_checked_against_each_other(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    (found,) = problems(tmp_path, SMALLEST.replace(old, new))

    assert found.startswith(problem)


def test_a_standby_needs_a_database_that_two_can_reach(tmp_path: Path) -> None:
    """M1.6: an embedded database has one daemon; a second one beside it would trade on its own."""
    standby = '[daemon]\nwhen_taken = "standby"\n' + SMALLEST
    server = '[database]\nurl = "postgresql://bot@host/db"\n'

    (problem,) = problems(tmp_path, standby)

    assert problem.startswith('daemon.when_taken: "standby" waits at a server')
    assert load_config(written(tmp_path, server + standby)).daemon.when_taken == "standby"


def test_names_stand_once(tmp_path: Path) -> None:
    twice = ONE_BOT + ONE_BOT[len(SMALLEST) :]

    assert problems(tmp_path, twice) == ["bots[1].name: 'btc-ema' is taken by bots[0]"]


def test_feeds_of_one_clock_have_one_speed(tmp_path: Path) -> None:
    text = SMALLEST + '[feeds.other]\nkind = "synthetic"\nspeed = 1'

    assert problems(tmp_path, text) == [
        "feeds: one clock has one speed, but they say history 60, other 1"
    ]


def test_a_simulated_clock_never_trades_on_a_real_venue(tmp_path: Path) -> None:
    text = SMALLEST + '[venues.real]\nkind = "binance_spot"\nbase_url = "https://venue.invalid"'

    assert "venues.real: a simulated clock trades on paper or on loopback only" in problems(
        tmp_path, text
    )


def test_two_bots_on_one_futures_symbol_are_refused(tmp_path: Path) -> None:
    """M5.4: two bots on one futures symbol of one account are refused."""
    futures = ONE_BOT[len(SMALLEST) :] + 'position_type = "futures"\n'
    text = SMALLEST + futures + futures.replace("btc-ema", "other")

    assert problems(tmp_path, text) == [
        "bots[1].symbol: 'btc-ema' trades futures of BTCUSDT here already"
    ]


def test_a_socket_path_that_is_too_long_is_told_before_the_start(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f'[daemon]\nsocket = "{"x" * 120}"\n{SMALLEST}')

    assert problem.startswith("daemon.socket: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"[daemon\n", "not TOML"), (b"\xff\xfe", "not TOML"), (b"", "required, and not there")],
)
def test_what_is_no_configuration_at_all_is_said(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=reason):
        load_config(file)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load_config(tmp_path / "absent.toml")


EVERYTHING_WRONG = """
surprise = 1
[database]
password = { env = "TRADEBOTD_TEST_NOT_SET" }
[feeds.history]
kind = "replay"
path = "nothing/*.csv"
speed = "fast"
[venues.paper]
kind = "paper"
starting_cash = { USDT = 10.5 }
[[symbols]]
symbol = "BTCUSDT"
feeds = ["histroy"]
venue = "paper"
timeframes = ["1m", "7m"]
calendar = "NOWHERE"
[[bots]]
name = "one"
symbol = "BTCUSDT"
strategy = "nothing_known"
[[bots]]
symbol = "ETHUSDT"
leverage = 200
[jobs.stop_loss_chek]
every = "5s"
[jobs.daily_close]
at = "25:00"
[jobs.run_bots]
soft_limit = "10m"
"""
PLACES = [
    "surprise",
    "database.password",
    "feeds.history.path",
    "feeds.history.speed",
    "venues.paper.starting_cash.USDT",
    "symbols[0].feeds",
    "symbols[0].timeframes[1]",
    "symbols[0].calendar",
    "bots[0].strategy",
    "bots[1].name",
    "bots[1].strategy",
    "bots[1].symbol",
    "bots[1].leverage",
    "jobs.stop_loss_chek",
    "jobs.daily_close.at",
    "jobs.run_bots.soft_limit",
]


def test_check_lists_every_problem_at_once_and_exits_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, EVERYTHING_WRONG)

    code = main.main(["check", "--config", str(file)])

    lines = capsys.readouterr().err.splitlines()
    assert code == 78
    assert (
        lines[0]
        == f"tradebotd: {len(lines) - 1} problems in the configuration, nothing was started"
    )
    for place in PLACES:
        told = [line for line in lines[1:] if line.strip().startswith((f"{place}:", f"{place} "))]
        assert len(told) == 1, (place, lines)
    assert len(lines) - 1 == len(PLACES)


def test_run_refuses_what_check_refuses_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[daemon]\nstate_dir = "./state"\nsurprise = 1\n' + SMALLEST

    code = main.main(["run", "--config", str(written(tmp_path, text))])

    assert code == 78
    assert "daemon.surprise: unknown key" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml"]


def test_check_says_what_a_good_file_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, ONE_BOT)

    assert main.main(["check", "--config", str(file)]) == 0
    assert "good: 1 symbol, 1 bot, 18 jobs" in capsys.readouterr().out


def test_schema_prints_json_with_the_patterns_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["schema"]) == 0
    assert '"DaemonSection"' in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["launch"], ["run", "--confg", "x"]])
def test_wrong_arguments_exit_2_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(arguments)

    assert left.value.code == 2
    assert "usage: tradebotd" in capsys.readouterr().err
