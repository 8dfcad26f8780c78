"""What may stand in a file and hardly means what it says: `check` says so, and goes on."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.architecture.tree import ROOT
from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tradebotd.config.all_warnings import config_warnings
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.daemon.commands import main
from tradebotd.daemon.doubtful import config_facts, log_warnings
from tradebotd.daemon.wiring import files as wired_files
from tradebotd.daemon.wiring.files import load
from tradebotd.health.report import Code, Facts, Health, Severity, health_of, problems_of

FUTURES = 'position_type = "futures"\nleverage = 10\n'
FREE = 'slippage_bps = 0\nspread_bps = 0\nfees = { maker = "0", taker = "0" }'


def bot(text: str) -> str:
    return f"{ONE_BOT}\n{text}\n"


def venue(text: str, base: str = ONE_BOT) -> str:
    return base.replace('kind = "paper"', f'kind = "paper"\n{text}')


def symbol(text: str) -> str:
    return ONE_BOT.replace('venue = "paper"', f'venue = "paper"\n{text}')


EURO = SMALLEST.replace('"BTCUSDT"', '"BTCEUR"\nquote_asset = "EUR"') + (
    '[[symbols]]\nsymbol = "USDTEUR"\nquote_asset = "EUR"\nfeeds = ["history"]\nvenue = "paper"\n'
    '[[bots]]\nname = "euro"\nsymbol = "BTCEUR"\nstrategy = "ema_rsi"\n'
)
SIMULATED_AT = ONE_BOT.replace(
    'kind = "paper"',
    'kind = "binance_spot"\nbase_url = "http://127.0.0.1:1"\nws_url = "ws://127.0.0.1:1/ws-api/v3"\n'
    'api_key = { env = "PATH" }\napi_secret = { env = "PATH" }',
)
K = WarningKind
WARNED = [
    (SIMULATED_AT, K.CLOCKS_DIFFER, "venues.paper", "its own clock, and the feeds are simulated"),
    # the file, the kind, the place, some of the words
    (bot('exits = { stop_loss = "none" }'), K.NO_STOP, "bots[0].exits.stop_loss", "no stop at all"),
    (bot('exits = { stop_loss = "0.0001%" }'), K.STOP_WITHIN_COSTS, "bots[0].exits.stop_loss",
     "it is met by the entry itself, and an entry and its exit cost 0.11%"),
    (bot('exits = { trailing_stop = "0.11%" }'), K.STOP_WITHIN_COSTS,
     "bots[0].exits.trailing_stop", "0.11% is within the costs: an entry"),
    (bot('exits = { stop_loss = "1%", take_profit = "0.11%" }'), K.TARGET_WITHIN_COSTS,
     "bots[0].exits.take_profit", "nothing is gained"),
    (bot("exits = { stop_loss = '1%', ladder = [{ at = '0.1%', share = '10%' }] }"),
     K.TARGET_WITHIN_COSTS, "bots[0].exits.ladder[0].at", "nothing is gained"),
    (bot("exits = { stop_loss = '1%', break_even = { at = '0.1%' } }"),
     K.TARGET_WITHIN_COSTS, "bots[0].exits.break_even.at", "nothing is gained"),
    (bot('timeframe = "1h"\nexits = { stop_loss = "1%", max_holding = "59m" }'),
     K.HOLDING_WITHIN_CANDLE, "bots[0].exits.max_holding", "59 min are over before"),
    (venue('order_types = ["limit", "take_profit_market"]'), K.NO_RESTING_STOP,
     "venues.paper.order_types", "neither stop_market nor stop_limit"),
    (symbol('order_types = ["market", "limit"]'), K.NO_RESTING_STOP, "symbols[0].order_types",
     "the daemon alone guards"),
    (venue('stop_time_in_force = "day"'), K.STOP_ENDS_DAILY, "venues.paper.stop_time_in_force",
     "can sell nothing before the market opens"),
    (bot('cooldown = "25h"'), K.COOLDOWN_LONG, "bots[0].cooldown", "1.04 days"),
    (bot('sizing = { kind = "percent_equity", value = "100" }\nexits = { stop_loss = "3.1%" }'),
     K.STOP_ABOVE_DAILY_LOSS, "bots[0].limits.max_daily_loss", "loses 3.1% of the capital"),
    (bot(FUTURES + 'sizing = { kind = "percent_equity", value = "1000" }\n'
         'exits = { stop_loss = "1%", trailing_stop = "0.31%" }'),
     K.STOP_ABOVE_DAILY_LOSS, "bots[0].limits.max_daily_loss", "loses 3.1% of"),
    (bot('sizing = { kind = "risk_percent", value = "3.5" }'),
     K.STOP_ABOVE_DAILY_LOSS, "bots[0].limits.max_daily_loss", "loses 3.5% of"),
    (bot('sizing = { kind = "atr", value = "10.5" }'),
     K.RISK_HIGH, "bots[0].sizing.value", "10.5 % of the bot's equity"),
    (bot('sizing = { kind = "percent_equity", value = "0.1" }'),
     K.SIZE_TINY, "bots[0].sizing.value", 'a share of 0.1 would be "10"'),
    (bot('sizing = { kind = "fixed_notional", value = "1000.01" }'),
     K.SIZE_ABOVE_CAPITAL, "bots[0].sizing.value", "pays for, 1000: no entry is made before"),
    (bot(FUTURES + 'sizing = { kind = "fixed_notional", value = "10001" }'),
     K.SIZE_ABOVE_CAPITAL, "bots[0].sizing.value", "at leverage 10 pays for, 10000"),
    (bot('initial_capital = "9000"\nsizing = { kind = "fixed_notional", value = "6000" }\n'
         '[risk]\nmax_exposure = "50%"'),
     K.SIZE_ABOVE_EXPOSURE, "bots[0].sizing.value", "all USDT there is, 5000"),
    (bot('initial_capital = "10001"'), K.CAPITAL_ABOVE_CASH, "venues.paper.starting_cash",
     "10000 USDT is less than the initial_capital of its bots, 10001"),
    (EURO, K.CASH_MISSING, "venues.paper.starting_cash", "no EUR, which euro would pay with"),
    (venue('starting_cash = { USDT = "10000", DOGE = "5" }'), K.CASH_UNUSED,
     "venues.paper.starting_cash.DOGE", "counts for nothing"),
    (venue('slippage_bps = "0.0005"'), K.COSTS_TINY, "venues.paper.slippage_bps", "0.000005%"),
    (venue('spread_bps = "0.0001"'), K.COSTS_TINY, "venues.paper.spread_bps", "basis points"),
    (bot('[risk]\nmax_drawdown = "100%"'), K.LIMIT_OFF, "risk.max_drawdown", "all is lost before"),
    (bot('[risk]\nmax_daily_loss = "100%"'), K.LIMIT_OFF, "risk.max_daily_loss", "all is lost"),
    (bot('[risk]\nbad_tick = "100%"'), K.LIMIT_OFF, "risk.bad_tick", "no fall is ever doubted"),
    (bot('[risk]\nprice_collar = "100%"'), K.LIMIT_OFF, "risk.price_collar", "too far below"),
    (bot('limits = { max_daily_loss = "100%" }'), K.LIMIT_OFF,
     "bots[0].limits.max_daily_loss", "all is lost before"),
    (bot('[health]\nmin_free_disk = "49 MB"'), K.LIMIT_OFF, "health.min_free_disk", "49 MB"),
    (bot("[jobs.stop_loss_check]\nenabled = false"), K.GUARD_DISABLED,
     "jobs.stop_loss_check.enabled", "switched off: nothing sweeps"),
    (bot('[jobs.stop_loss_check]\nevery = "1d"'), K.GUARD_SLOW,
     "jobs.stop_loss_check.every", "for 1d nothing sweeps"),
    (bot('[jobs.reconcile]\nat = "9:00"\ndays = "mon,fri"'), K.GUARD_SLOW,
     "jobs.reconcile.at", "for 4d nothing compares"),
    (bot("[jobs.equity_snapshot]\nenabled = false"), K.JOB_DISABLED,
     "jobs.equity_snapshot.enabled", "are not judged"),
    (bot('[jobs.run_bots]\nevery = "61s"'), K.JOB_SLOW, "jobs.run_bots.every", "at most 1m"),
    (bot('[jobs.daily_reset]\nat = "0:00"\ndays = "mon-fri"'), K.JOB_SLOW,
     "jobs.daily_reset.at", "for 3d a bot"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "place", "words"), WARNED, ids=[f"{w[1]}-{w[2]}" for w in WARNED]
)
def test_what_hardly_is_meant_is_told_with_its_place(
    text: str, kind: WarningKind, place: str, words: str, tmp_path: Path
) -> None:
    """N30, N33, N34, N35, M9: one mistake, one warning."""
    (warning,) = config_warnings(load_config(written(tmp_path, text)))

    assert (warning.kind, warning.place) == (kind, place)
    assert words in warning.words


MEANT = [
    bot('exits = { stop_loss = "0.12%", take_profit = "0.12%" }'),
    venue(FREE, bot('exits = { stop_loss = "0.0001%", take_profit = "0.0001%" }')),
    venue(
        'fees = { maker = "-0.01" }',
        bot('entry = "limit"\nexits = { stop_loss = "0.01%", take_profit = "0.01%" }'),
    ),
    bot('exits = { stop_loss = "2 atr", take_profit = "1 atr" }'),
    bot('timeframe = "1h"\nexits = { stop_loss = "1%", max_holding = "1h" }'),
    bot('cooldown = "1d"'),
    bot('sizing = { kind = "percent_equity", value = "100" }\nexits = { stop_loss = "3%" }'),
    bot('sizing = { kind = "percent_equity", value = "1" }'),
    bot('sizing = { kind = "risk_percent", value = "0.5" }'),
    bot('sizing = { kind = "fixed_notional", value = "1000" }'),
    bot('sizing = { kind = "fixed_quantity", value = "1000" }'),  # no price is known
    bot(FUTURES + 'sizing = { kind = "fixed_notional", value = "5000" }'),
    bot('initial_capital = "10000"'),
    bot('initial_capital = "20000"\nactive = false'),
    venue('slippage_bps = "0.01"\nspread_bps = 0'),
    venue('starting_cash = { USDT = "1000", BTC = "1" }'),
    bot('[risk]\nmax_drawdown = "99%"'),
    bot('[health]\nmin_free_disk = "50 MB"'),
    bot('[jobs.stop_loss_check]\nevery = "5m"\n[jobs.reconcile]\nevery = "15m"'),
    bot('[jobs.run_bots]\nevery = "60s"\n[jobs.daily_reset]\nat = "0:00"'),
    bot('timeframe = "1h"\n[jobs.run_bots]\nevery = "1h"\n[jobs.realtime_pull]\nevery = "5m"'),
]


@pytest.mark.parametrize("text", [SMALLEST, ONE_BOT, *MEANT])
def test_what_may_well_be_meant_needs_no_word(text: str, tmp_path: Path) -> None:
    assert config_warnings(load_config(written(tmp_path, text))) == []


def test_the_example_warns_of_nothing() -> None:
    config, files = load(ROOT / "config.example.toml")

    assert config_warnings(config, files.prices()) == []


def recorded(directory: Path, text: str) -> Path:
    (directory / "BTCUSDT_1m.csv").write_text(
        "ts,open,high,low,close,volume\n"
        "2026-01-01T00:00:00Z,100,101,99,100,1\n"
        "2026-01-01T00:01:00Z,100,101,49,50,1\n"
    )
    replay = 'kind = "replay"\npath = "*.csv"'
    return written(directory, text.replace('kind = "synthetic"', replay))


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            venue(FREE, bot('exits = { stop_loss = "0.019%" }')),
            K.STOP_WITHIN_TICK,
            "0.019% of 50 is less than a tick of BTCUSDT, 0.01",
        ),
        (
            bot('sizing = { kind = "fixed_quantity", value = "20.1" }'),
            K.SIZE_ABOVE_CAPITAL,
            "1005 is more than initial_capital pays for, 1000",
        ),
    ],
)
def test_a_recording_tells_a_price(
    text: str, kind: WarningKind, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """N30, N34: what needs a price is told where there is one."""
    config, files = load(recorded(tmp_path, text))

    (warning,) = config_warnings(config, files.prices())

    assert (warning.kind, config_warnings(config)) == (kind, [])
    assert words in warning.words
    assert main.main(["check", "--config", str(config.source)]) == 0
    assert words in capsys.readouterr().out


def test_what_is_doubtful_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the files that the prices come from; `check`, the log and `status` take it from there."""
    looked: list[object] = []

    def looking(config: Config, prices: Mapping[str, Decimal]) -> list[ConfigWarning]:
        looked.append(config)
        return config_warnings(config, prices)

    monkeypatch.setattr(wired_files, "config_warnings", looking)
    path = recorded(tmp_path, bot('sizing = { kind = "fixed_quantity", value = "20.1" }'))
    _, files = load(path)

    assert [warning.kind for warning in files.warnings] == [K.SIZE_ABOVE_CAPITAL]
    assert len(looked) == 1
    assert main.main(["check", "--config", str(path)]) == 0
    assert len(looked) == 2
    assert "1005 is more than initial_capital" in capsys.readouterr().out


def test_every_kind_has_a_case_and_a_line_in_the_documentation() -> None:
    told = {case[1] for case in WARNED} | {K.STOP_WITHIN_TICK, K.STOP_BY_LAST}
    page = (ROOT / "docs" / "configuration.md").read_text()
    table = page[page.index("## Warnings") : page.index("## Reload")]

    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) == set(WarningKind) == told


def test_the_same_words_are_in_the_log_and_in_the_status(tmp_path: Path) -> None:
    """M8.1: information, but for a guard that looks too seldom; no stop has a code of its own."""
    text = bot('cooldown = "2d"\nexits = { stop_loss = "none", break_even = { at = "1%" } }')
    text += '[jobs.stop_loss_check]\nevery = "1d"\n[jobs.reconcile]\nenabled = false\n'
    config = load_config(written(tmp_path, text))
    warnings = config_warnings(config)

    with capture_logs() as logs:
        log_warnings(config, warnings)
    facts = config_facts(config, warnings)
    problems = problems_of(Facts(database_ok=True, config=facts))

    assert {entry["kind"] for entry in logs} == {
        "no_stop",
        "cooldown_long",
        "guard_slow",
        "guard_disabled",
    }
    assert {(entry["event"], entry["log_level"]) for entry in logs} == {
        ("setting doubted", "warning")
    }
    assert {problem.code for problem in problems} == {Code.CONFIG_DOUBTFUL}
    assert [(problem.severity, problem.subject) for problem in problems] == [
        (Severity.WARNING, "jobs.stop_loss_check.every"),
        (Severity.INFO, "bots[0].cooldown ('btc-ema', line 16)"),
    ]
    assert health_of(problems) is Health.DEGRADED
    assert health_of(problems[1:]) is Health.OK


def test_a_warning_is_its_place_and_its_words() -> None:
    assert str(ConfigWarning(K.NO_STOP, "a.b", "words")) == "a.b: words"
