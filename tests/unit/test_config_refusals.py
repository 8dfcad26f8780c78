"""What a file may not say, though each of its values looks right."""

from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.daemon.wiring.files import load
from tradebotd.domain.errors import ConfigError

CANARY = "canary-4711"


def problems_of(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(written(directory, ONE_BOT + text))
    return refused.value.problems


@pytest.mark.parametrize("speed", ["nan", "inf", "-inf", "-1", "true", '"60"'])
def test_a_speed_that_is_no_number_of_seconds_is_a_problem_not_a_crash(
    speed: str, tmp_path: Path
) -> None:
    text = f'[feeds.other]\nkind = "synthetic"\nspeed = {speed}'

    assert problems_of(tmp_path, text)[0].startswith("feeds.other.speed: not a speed")


@pytest.mark.parametrize("duration", ["36501d", "10000000000000d", "99999999999999999999s"])
def test_a_duration_beyond_all_dates_is_a_problem_not_a_crash(
    duration: str, tmp_path: Path
) -> None:
    assert problems_of(tmp_path, f'[jobs.ping]\nevery = "{duration}"') == [
        "jobs.ping.every: too long; at most 36500d"
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{CANARY}@host/db",
        f"postgres://user:{CANARY}@host/db",
        f"postgresql://user@host/db?password={CANARY}",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    """M6.3: keys come from files, environment or systemd credentials, never from this file."""
    (problem,) = problems_of(tmp_path, f'[database]\nurl = "{url}"')

    assert problem.startswith("database.url: a secret never stands in this file")
    assert CANARY not in problem


@pytest.mark.parametrize("url", ["mysql://host/db", "embeded", "", "postgresql://[host/db"])
def test_a_url_of_no_postgresql_is_refused(url: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f'[database]\nurl = "{url}"')

    assert problem.startswith("database.url: ")
    assert "postgresql://user@host/database" in problem


def test_a_pool_keeps_no_more_connections_than_it_may_have(tmp_path: Path) -> None:
    text = "[database]\npool_min = 20"

    assert problems_of(tmp_path, text)[0].startswith("database.pool_min: 20 is above pool_max (10)")


FEES = [
    # the key, what stands there, some words of the reason; None: it is taken
    ("fees", '{ maker = "1.5" }', "fees.maker", "1.5 is a fraction of the notional, 150%: at most"),
    ("fees", '{ taker = "0.11" }', "fees.taker", 'a tenth of a per cent is "0.001"'),
    ("fees", '{ taker = "0.1", maker = "0.1" }', None, ""),
    ("fees", '{ maker = "-0.5" }', "fees.maker", "a rebate of 50% of the notional: at most -0.01"),
    ("fees", '{ maker = "-0.01" }', None, ""),
    ("fees", '{ taker = "-0.001" }', "fees.taker", "must not be below 0"),
    ("funding_rate", '"0.2"', "funding_rate", "20% each time: from -0.1 to 0.1"),
    ("funding_rate", '"-0.2"', "funding_rate", "-20% each time"),
    ("funding_rate", '"-0.1"', None, ""),
]


@pytest.mark.parametrize(("key", "value", "place", "reason"), FEES)
def test_a_fraction_that_was_meant_as_per_cent_is_refused(
    key: str, value: str, place: str | None, reason: str, tmp_path: Path
) -> None:
    """N31: a fee of 150 % is a mistake; a maker's rebate is none."""
    text = ONE_BOT.replace('kind = "paper"', f'kind = "paper"\n{key} = {value}')
    if place is None:
        assert load_config(written(tmp_path, text)).venues
        return
    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, text))

    (problem,) = refused.value.problems
    assert problem.startswith(f"venues.paper.{place}: ")
    assert reason in problem


def test_cash_that_no_bot_can_pay_with_is_refused(tmp_path: Path) -> None:
    """N32: USD is not USDT: the bot would wait for ever, and the equity be nothing."""
    text = ONE_BOT.replace('kind = "paper"', 'kind = "paper"\nstarting_cash = { USD = "1000" }')

    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, text))

    assert refused.value.problems == [
        (
            "venues.paper.starting_cash: there is no USDT, which btc-ema would pay with, and equity"
            ' is told in; add USDT = "10000"'
        )
    ]
    assert load_config(written(tmp_path, text + "active = false\n")).bots


@pytest.mark.parametrize("name", ["run_bots", "ping"])
@pytest.mark.parametrize(("key", "value"), [("days", "mon-fri"), ("timezone", "Europe/Berlin")])
def test_days_of_a_job_without_a_time_of_day_are_refused(
    name: str, key: str, value: str, tmp_path: Path
) -> None:
    """M8.2: never ignored in silence."""
    file = written(tmp_path, f'{ONE_BOT}[jobs.{name}]\n{key} = "{value}"\n')

    with pytest.raises(ConfigError) as refused:
        load(file)

    assert refused.value.problems == [
        f"jobs.{name}.{key}: belongs to a time of day, and this job has none; say `at`, too"
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (
            "exits = { ladder = [{ at = '1%' }] }\nleverage = 200",
            ["exits.ladder[0].share", "leverage", "exits.stop_loss"],
        ),
        ("exits = { break_even = {} }\nsymbol_ = 1", ["exits.break_even.at", "symbol_"]),
    ],
)
def test_a_key_that_is_missing_below_hides_no_other_mistake(
    text: str, places: list[str], tmp_path: Path
) -> None:
    """Interface 3.1: every problem at once."""
    told = [problem.split(": ")[0] for problem in problems_of(tmp_path, text)]

    assert {f"bots[0].{place}" for place in places} <= set(told)
