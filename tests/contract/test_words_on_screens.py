"""What `tradebotctl` draws: on terminals of several sizes, and whole where it is piped."""

import json
import os
import pty
import re
import select
import subprocess
import termios
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest

from tests.contract.test_control import ACTS, READS, Ended, ctl
from tests.contract.test_control import CTL as PROGRAM
from tests.fakes.control import LONG, FakeControl
from tradebotd.cli.each_letter import act_on_each
from tradebotd.cli.errors import CommandError
from tradebotd.clocks.host import host_now
from tradebotd.control.server import serve
from tradebotd.domain.errors import DatabaseUnavailableError, RefusedError
from tradebotd.domain.refusal import RefusalCode

LONGEST_SECONDS = 30.0  # without a word of it
MOST_BYTES = 20_000
COLOURS = re.compile("\x1b\\[[0-9;]*[A-Za-z]")
TALKS = (["bots", "pause"], ["positions", "close"], ["positions", "set"], ["positions", "adopt"])


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:  # pytest's own paths are too long for a socket
        yield Path(short) / "tradebotd.sock"


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
async def served(control: FakeControl, socket_path: Path) -> AsyncIterator[Path]:
    async with serve(control, socket_path):
        yield socket_path


def _drawn(words: list[str], columns: int, lines: int, until: str | None) -> Ended:
    """On a terminal of that size; *until* such a text is on it, else to the end."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (lines, columns))
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [*PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
    )
    os.close(slave)
    seen = b""
    try:
        while until is None or until not in seen.decode(errors="ignore"):
            if not select.select([master], [], [], LONGEST_SECONDS)[0] or len(seen) > MOST_BYTES:
                break
            try:
                more = os.read(master, 65_536)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            seen += more
        if until is not None:
            process.kill()
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(master)
    text = COLOURS.sub("", seen.decode().replace("\r\n", "\n"))
    return Ended(process.returncode, text, complaint.decode())


async def draw(
    *words: str | Path, columns: int = 100, lines: int = 50, until: str | None = None
) -> Ended:
    told = [str(word) for word in words]
    return await anyio.to_thread.run_sync(_drawn, told, columns, lines, until)


@pytest.mark.parametrize("command", [*READS, *ACTS])
async def test_words_fit_a_hundred_columns_without_colours(socket_path: Path, command: str) -> None:
    """Interface 3.1: tables fit the 100 columns of a terminal; no colour where none is wanted."""
    async with serve(FakeControl(LONG), socket_path):
        words = command.replace("btc-ema", LONG).split()
        ended = await draw("--socket", socket_path, *words)

    assert (ended.code, ended.err) == (0, "")
    if words[0] not in {"halt", "reload"} and words[:2] not in TALKS:
        assert max(len(line.rstrip()) for line in ended.out.splitlines()) <= 100, ended.out


@pytest.mark.parametrize("command", READS)
async def test_what_is_piped_is_whole(socket_path: Path, command: str) -> None:
    """N26: `grep` sees every name, type and reason to its end, and no colour."""
    async with serve(FakeControl(LONG), socket_path):
        words = command.replace("btc-ema", LONG).split()
        ended = await ctl("--socket", socket_path, *words, COLUMNS="40")

    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    cut = [line for line in ended.out.splitlines() if line.rstrip().endswith("…")]
    assert [line for line in cut if not line.startswith("Traceback")] == []
    if words[0] in {"bots", "positions", "orders", "fills", "trades", "status"}:
        assert LONG in ended.out


async def test_the_words_that_matter_are_cut_last(served: Path) -> None:
    """N26: on a narrow terminal dates are told short, figures give way whole, and it is said."""
    ended = await draw("--socket", served, "orders", columns=94)

    assert "take_profit_market" in ended.out
    assert "partially_filled" in ended.out
    assert "EMA 8 crossed above EMA" in ended.out
    assert "123456789.12" not in ended.out
    assert "no room for filled" in ended.out
    wide = await draw("--socket", served, "orders", columns=180)
    assert "no room" not in wide.out
    assert "12 min ago" in wide.out


async def test_a_watch_in_a_short_window_keeps_health_and_problems(served: Path) -> None:
    """N27: it is cut at its bottom, and says so."""
    ended = await draw("--socket", served, "status", "--watch", lines=12, until="more lines")

    screen = ended.out.splitlines()
    assert len(screen) == 12
    assert "DEGRADED" in screen[0]
    assert any("problems (1)" in line for line in screen)
    assert screen[-1].startswith("… ")


@pytest.mark.parametrize(("health", "code"), [("ok", 0), ("degraded", 0), ("critical", 1)])
@pytest.mark.parametrize("json_too", [(), ("--json",)])
async def test_a_check_ends_with_one_when_health_is_critical(
    served: Path, control: FakeControl, health: str, code: int, json_too: tuple[str, ...]
) -> None:
    """N20: for cron and Nagios; without --check it is 0, as it was; 3 stays "no daemon"."""
    control.health_now = health  # type: ignore[assignment]

    assert (await ctl("--socket", served, "status", "--check", *json_too)).code == code
    assert (await ctl("--socket", served, "status", *json_too)).code == 0


async def test_what_is_not_verified_yet_says_what_it_waits_for(
    served: Path, control: FakeControl
) -> None:
    """N17: quietly while all is well; loudly when something is wrong."""
    wrong = await ctl("--socket", served, "status")
    control.health_now = "ok"
    well = await ctl("--socket", served, "status")

    assert "UNVERIFIED (health is degraded)" in wrong.out
    assert "UNVERIFIED" not in well.out
    waits = "waits for: daily_close at 20:59Z, retention at 2022-01-15 07:32Z"
    assert f"not verified yet ({waits})" in well.out


async def test_host_time_is_marked_beside_a_clock_that_is_not_the_hosts(served: Path) -> None:
    """N28: `up` and how long a run took are the host's; the rest is market time."""
    status = await ctl("--socket", served, "status")
    order = await ctl("--socket", served, "orders", "show", "9")
    history = await ctl("--socket", served, "jobs", "history", "ping")
    screen = await draw("--socket", served, "jobs", "history", "ping")

    assert "up 3 min (host time)" in status.out
    assert re.search(r"send_by +\S+Z \(host time\)", order.out)
    assert re.search(r"began_at +\S+Z \(host time\)", order.out)
    assert not re.search(r"created_at .*host", order.out)
    assert "took (host)" in history.out
    assert "market time" not in history.out
    assert "times are market time" in screen.out


async def test_an_order_is_told_in_plain_words(served: Path) -> None:
    """N45: neither `False` nor `{'level': '57914'}`."""
    told = (await ctl("--socket", served, "orders", "show", "9")).out

    assert re.search(r"reduce_only +no\n", told)
    assert "by venue" in told
    assert not re.search(r"False|True|None|[{}\[\]']", told)


async def test_every_exit_of_a_position_is_shown(served: Path) -> None:
    """N25: which stop it is, how far, what is at risk; max_holding with the time left."""
    shown = (await ctl("--socket", served, "bots", "show", "btc-ema")).out
    listed = (await ctl("--socket", served, "positions")).out

    assert "at its stop-loss, 0.62 % from the last price: -0.3" in shown
    assert re.search(r"max-holding +- +2 h +no +3d", shown)
    assert re.search(r"stop-loss +0.62 % +0.30", listed)


async def test_flatten_tells_what_it_brought(served: Path) -> None:
    """N24: price and P&L of what was closed, and what was cancelled."""
    told = (await ctl("--socket", served, "flatten", "--yes")).out

    assert "closed 5 btc-ema long at 123456789.123456789, P&L +1,000.00 USDT" in told
    assert "cancelled tb1" in told


async def test_a_dead_letter_is_shown_with_its_whole_error(served: Path) -> None:
    """N26, N44: the table has the error's own line, `show` all of them."""
    listed = await ctl("--socket", served, "dead-letters")
    shown = await ctl("--socket", served, "dead-letters", "show", "3")
    missing = await ctl("--socket", served, "dead-letters", "show", "4")
    both = await ctl("--socket", served, "dead-letters", "discard", "3", "--all")
    neither = await ctl("--socket", served, "dead-letters", "retry")

    assert "FeedError: the feed is gone" in listed.out
    assert "Traceback" not in listed.out
    assert "Traceback" in shown.out
    assert "symbol BTCUSDT" in shown.out
    assert (missing.code, "known: 3" in missing.err) == (4, True)
    assert (both.code, neither.code) == (2, 2)


async def test_all_dead_letters_are_retried_or_discarded_at_once(served: Path) -> None:
    """N44: nine letters of one full disk are one decision."""
    retried = await ctl("--socket", served, "dead-letters", "retry", "--all")
    discarded = await ctl("--socket", served, "dead-letters", "discard", "--all")

    assert (retried.code, retried.out.startswith("seed_history run 7: ok")) == (0, True)
    assert (discarded.code, discarded.out) == (0, "discarded: 3\n")


@pytest.mark.parametrize("verb", ["retry", "discard"])
@pytest.mark.parametrize(
    ("refusal", "said", "code"),
    [
        (
            RefusedError(RefusalCode.ALREADY_RUNNING, "it is running already"),
            "it is running already",
            4,
        ),
        (DatabaseUnavailableError("gone"), "the database is not available: gone", 69),
        (RefusedError(RefusalCode.UNKNOWN_DEAD_LETTER, "no such letter"), "settled meanwhile", 0),
    ],
)
async def test_one_letter_that_is_refused_keeps_no_other_from_its_turn(
    served: Path, control: FakeControl, verb: str, refusal: Exception, said: str, code: int
) -> None:
    """N44: each letter has its word, and the exit code is that of the first refusal."""
    control.open_letters = [3, 4, 5]
    control.letter_refusals = {4: refusal}

    ended = await ctl("--socket", served, "dead-letters", verb, "--all")
    in_json = await ctl("--socket", served, "dead-letters", verb, "--all", "--json")

    good = "seed_history run 7: ok" if verb == "retry" else "discarded: "
    assert (ended.code, ended.out.count(good)) == (code, 2), ended
    assert f"dead letter 4: {said}\n" in ended.out
    assert in_json.code == code
    assert [each.get("dead_letter") for each in json.loads(in_json.out)] == [None, None, 4]


async def test_a_letter_that_fails_again_is_a_no(served: Path, control: FakeControl) -> None:
    """N44: 1 as for one alone, whatever was refused beside it."""
    control.open_letters = [3, 4]
    control.letter_refusals = {
        3: RefusedError(RefusalCode.ALREADY_RUNNING, "it is running already")
    }
    control.retried_status = "failed"

    ended = await ctl("--socket", served, "dead-letters", "retry", "--all")

    assert ended.code == 1


def test_a_daemon_that_is_gone_ends_it_and_what_is_left_is_named() -> None:
    """N44: 3, and not one attempt more."""
    asked: list[int] = []
    told: list[str] = []

    def act(letter: int) -> dict[str, Any]:
        asked.append(letter)
        if letter == 4:
            raise CommandError(3, "not_reachable", "no daemon is running")
        return {"id": letter}

    answers, _, code = act_on_each([3, 4, 5, 6], act, told.append)

    assert (len(answers), asked, code) == (1, [3, 4], 3)
    assert told == ["dead letter 4: no daemon is running", "not tried: 5, 6"]


async def test_a_superseded_letter_names_the_run(served: Path, control: FakeControl) -> None:
    """N44: kept in the history."""
    control.superseded_by = 812

    listed = await ctl("--socket", served, "dead-letters")
    shown = await ctl("--socket", served, "dead-letters", "show", "3")

    assert "superseded by run 812" in listed.out
    assert "superseded by run 812" in shown.out


@pytest.mark.parametrize("simulated", [False, True])
async def test_the_daemon_says_whether_its_clock_is_the_hosts(
    served: Path, control: FakeControl, *, simulated: bool
) -> None:
    """N28: by its word, whatever the clock shows: a replay may be passing by the present."""
    control.simulated = simulated
    control.now_is = host_now()

    shown = await ctl("--socket", served, "orders", "show", "17")

    assert ("(host time)" in shown.out) is simulated
