"""The real `tradebotctl` asks the real server; every answer is checked against the messages."""

import csv
import io
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import pytest
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from tests.fakes.control import NOW, FakeControl
from tradebotd.cli.client import Client
from tradebotd.cli.errors import CommandError
from tradebotd.control import server
from tradebotd.control.messages.bots import Bot, BotDetail
from tradebotd.control.messages.daemon import EntryGateState, Flattened, Left, Reloaded
from tradebotd.control.messages.jobs import DeadLetter, Discarded, Job, JobRun, Switched
from tradebotd.control.messages.market import (
    Candle,
    FeedCredits,
    Levels,
    Symbol,
    SymbolResumed,
    WatchlistEntry,
)
from tradebotd.control.messages.orders import Fill, Order, OrderDetail
from tradebotd.control.messages.positions import Position, Trade
from tradebotd.control.messages.status import Held, Status
from tradebotd.control.server import answers, bind, serve
from tradebotd.domain.errors import AccountTakenError, ConfigError, DatabaseUnavailableError

CTL = (sys.executable, "-m", "tradebotd.cli.main")
READS = {
    "status": Status,
    "jobs": list[Job],
    "jobs history ping": list[JobRun],
    "dead-letters": list[DeadLetter],
    "dead-letters show 3": DeadLetter,
    "status --check": Status,
    "bots": list[Bot],
    "bots show btc-ema": BotDetail,
    "positions": list[Position],
    "orders": list[Order],
    "orders --open": list[Order],
    "orders show 9": OrderDetail,
    "fills": list[Fill],
    "trades": list[Trade],
    "trades --since 2022-01-01": list[Trade],
    "symbols": list[Symbol],
    "budget": list[FeedCredits],
    "candles BTCUSDT 1m -n 5": list[Candle],
    "levels BTCUSDT": Levels,
    "universe": list[WatchlistEntry],
}
ACTS = {
    "jobs run ping": JobRun,
    "jobs run ping -p symbol=BTCUSDT --detach": JobRun,
    "jobs enable ping": Switched,
    "jobs disable ping": Switched,
    "dead-letters retry 3": JobRun,
    "dead-letters discard 3": Discarded,
    "dead-letters retry --all": list[JobRun],
    "dead-letters discard --all": list[Discarded],
    "bots run btc-ema": JobRun,
    "bots pause btc-ema": Bot,
    "positions close 5": Trade,
    "seed BTCUSDT --interval 1h --days 7": JobRun,
    "halt --reason lunch": EntryGateState,
    "resume": EntryGateState,
    "positions set 5 --stop-loss 2% --take-profit 61000": Position,
    "positions adopt paper BTCUSDT --bot btc-ema": Position,
    "symbols resume BTCUSDT": SymbolResumed,
    "flatten --yes": Flattened,
    "reload": Reloaded,
}


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


async def ctl(*arguments: str | Path, **environment: str) -> Ended:
    process = await anyio.run_process(
        [*CTL, *(str(word) for word in arguments)],
        check=False,
        env={**os.environ, "COLUMNS": "300", **environment},
    )
    return Ended(process.returncode, process.stdout.decode(), process.stderr.decode())


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


@asynccontextmanager
async def http(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://tradebotd") as client:
        yield client


@pytest.mark.parametrize("command", [*READS, *ACTS])
async def test_every_answer_has_the_shape_of_the_document(served: Path, command: str) -> None:
    """Interface 3.1, 3.2: `--json` prints one JSON document and nothing else."""
    ended = await ctl("--socket", served, *command.split(), "--json")

    assert (ended.code, ended.err) == (0, "")
    shape: Any = {**READS, **ACTS}[command]
    TypeAdapter(shape).validate_json(ended.out)


async def test_money_and_times_are_strings_without_exponent_and_with_z(served: Path) -> None:
    """Interface 3.1, 3.2: decimals never in exponent form; ISO 8601 UTC with Z."""
    status = json.loads((await ctl("--socket", served, "status", "--json")).out)
    trades = json.loads((await ctl("--socket", served, "trades", "--json")).out)

    assert status["bots"][0]["unrealized_pnl"] == "0.00000001"
    assert status["clock"]["now"] == "2022-01-14T07:32:00Z"
    assert trades[0]["realized_pnl"] == "1000"


async def test_status_says_health_first_and_money_last(served: Path) -> None:
    """Interface 3.1: health, problems, jobs, bots, positions, P&L; the simulation is said loudly."""
    text = (await ctl("--socket", served, "status")).out
    marks = ("DEGRADED", "SYNTHETIC DATA", "problems (1)", "\njobs", "\nbots", "\nposition", "P&L")
    places = [text.index(mark) for mark in marks]

    assert places == sorted(places)
    assert "UNVERIFIED" in text
    assert "3 min ago" in text


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        ("jobs run bad", 1, "failed"),
        ("jobs run surprise", 1, "internal"),
        ("trades --since yesterday", 2, "usage"),
        ("jobs run nothing", 4, "unknown_job"),
        ("jobs disable slow", 4, "already_disabled"),
        ("bots resume btc-ema", 4, "not_paused"),
        ("bots show nobody", 4, "unknown_bot"),
        ("jobs run away", 69, "database_unavailable"),
        ("positions close 6", 69, "venue_unavailable"),
    ],
)
async def test_exit_codes_say_what_went_wrong(
    served: Path, command: str, code: int, word: str
) -> None:
    """Interface 3.1: 1 a negative answer, 2 usage, 4 refused, 69 database or venue unavailable."""
    ended = await ctl("--socket", served, *command.split(), "--json")
    answer = json.loads(ended.out)

    assert ended.code == code
    assert word == (answer["status"] if "status" in answer else answer["error"]["code"])


@pytest.mark.parametrize("name", ["btc/ema", "b/../c", "..", "a?b#c", "a%2Fb", "é", "show"])
async def test_a_name_arrives_as_it_was_written(served: Path, name: str) -> None:
    """Interface 3.2: whatever name is asked for, the answer is about it, not about its path."""
    client = Client(served)
    asked: list[Callable[[], object]] = [
        lambda: client.get("bots", name),
        lambda: client.post("bots", name, "pause"),
        lambda: client.post("bots", name, "resume"),
        lambda: client.follow("bots", name, "run", progress=print),
        lambda: client.get("jobs", name, "history"),
        lambda: client.follow("jobs", name, "run", progress=print),
        lambda: client.post("jobs", name, "disable"),
        lambda: client.get("levels", name),
        lambda: client.get("candles", name, "1m"),
        lambda: client.post("symbols", name, "resume"),
    ]
    for ask in asked:
        with pytest.raises(CommandError) as refused:
            await anyio.to_thread.run_sync(ask)
        assert refused.value.code.startswith("unknown_")
        assert refused.value.message.endswith(f" {name}")


async def test_an_error_without_json_is_one_line_that_lists_the_known_names(served: Path) -> None:
    """Interface 3.1, 3.2: an unknown name also lists the known ones, on stderr."""
    ended = await ctl("--socket", served, "bots", "show", "nobody")

    assert (ended.code, ended.out) == (4, "")
    assert ended.err.count("\n") == 1
    assert "btc-ema" in ended.err


async def test_a_database_that_is_away_ends_reads_with_69(
    served: Path, control: FakeControl
) -> None:
    control.trouble = DatabaseUnavailableError("connection refused")

    ended = await ctl("--socket", served, "jobs")

    assert ended.code == 69
    assert "connection refused" in ended.err


async def test_a_bad_configuration_ends_reload_with_78(served: Path, control: FakeControl) -> None:
    control.health_now = "critical"

    ended = await ctl("--socket", served, "reload")

    assert ended.code == 78
    assert "bots[0].symbol" in ended.err


@pytest.mark.parametrize("json_too", [True, False])
async def test_no_daemon_ends_with_3_and_a_way_out(socket_path: Path, *, json_too: bool) -> None:
    """Interface 3.1: 3 daemon not reachable."""
    ended = await ctl("--socket", socket_path, "status", *(["--json"] if json_too else []))

    assert ended.code == 3
    text = json.loads(ended.out)["error"]["message"] if json_too else ended.err
    assert str(socket_path) in text


async def test_trades_come_as_csv(served: Path, control: FakeControl) -> None:
    ended = await ctl("--socket", served, "trades", "--csv", "--since", "2022-01-14T08:00+01:00")
    rows = list(csv.DictReader(io.StringIO(ended.out)))

    assert rows[0]["realized_pnl"] == "1000"
    asked, since, _ = control.asked[-1]
    assert (asked, since) == ("trades", datetime(2022, 1, 14, 7, tzinfo=UTC))


async def test_the_socket_is_found_by_environment_and_by_the_config(
    served: Path, tmp_path: Path
) -> None:
    """Interface 3.1: `--socket`, then `$TRADEBOTD_SOCKET`, then the config's."""
    config = served.parent / "config.toml"
    await anyio.Path(config).write_text('[daemon]\nstate_dir = "."\n')

    for environment in ({"TRADEBOTD_SOCKET": str(served)}, {"TRADEBOTD_CONFIG": str(config)}):
        assert (await ctl("resume", **environment)).code == 0
    assert (await ctl("resume", "--config", config)).code == 0


async def test_a_run_streams_its_progress_and_ends_with_the_result(served: Path) -> None:
    """Interface 3.5: long actions stream progress as one JSON object a line."""
    async with http(served) as client:
        answer = await client.post("/v1/jobs/ping/run")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [line["progress"]["done"] for line in lines[:-1]] == [0.5, 1]
    JobRun.model_validate(lines[-1])


async def test_a_run_goes_on_when_the_operator_hangs_up(served: Path, control: FakeControl) -> None:
    """M2.9: a run is never cut because nobody listens any more."""
    async with http(served) as client, client.stream("POST", "/v1/jobs/slow/run") as answer:
        async for _ in answer.aiter_lines():
            break
    control.go_on.set()

    with anyio.fail_after(30):
        await control.slow_ended.wait()


async def test_the_server_ends_in_time_while_a_run_hangs(
    control: FakeControl, socket_path: Path
) -> None:
    with anyio.fail_after(30):
        async with serve(control, socket_path), http(socket_path) as client:
            request = client.build_request("POST", "/v1/jobs/slow/run")
            answer = await client.send(request, stream=True)
            await answer.aclose()

    assert not control.slow_ended.is_set()


async def test_probes_follow_health_and_state(served: Path, control: FakeControl) -> None:
    """Interface 3.5: /healthz is 200 only when health is not critical."""
    async with http(served) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        control.health_now, control.state_now = "critical", "stopping"
        assert (await client.get("/healthz")).status_code == 503
        assert (await client.get("/readyz")).status_code == 503


async def test_the_api_describes_itself(served: Path) -> None:
    """Interface 3.5: GET /v1/openapi.json; what is not there says so in the shape of errors."""
    async with http(served) as client:
        paths = (await client.get("/v1/openapi.json")).json()["paths"]
        missing = await client.get("/v1/nothing")
        wrong = await client.post("/v1/jobs/ping/run", json={"unknown": 1})

    assert {"/v1/status", "/v1/jobs/{name}/run", "/v1/trades"} <= set(paths)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_path")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "usage")


async def test_the_socket_is_for_owner_and_group_and_goes_away(
    control: FakeControl, socket_path: Path
) -> None:
    """Interface 3.5: mode 0660."""
    async with serve(control, socket_path):
        mode = (await anyio.Path(socket_path).stat()).st_mode
        assert stat.S_IMODE(mode) == 0o660

    assert not await anyio.Path(socket_path).exists()


async def test_a_second_server_respects_the_first(served: Path) -> None:
    """M1.6: 75, and the first goes on answering."""
    with pytest.raises(AccountTakenError):
        async with serve(FakeControl(), served):
            pass

    assert (await ctl("--socket", served, "resume")).code == 0


async def test_the_socket_of_a_dead_daemon_is_replaced(
    control: FakeControl, socket_path: Path
) -> None:
    left_behind = await anyio.to_thread.run_sync(bind, socket_path)
    left_behind.close()

    async with serve(control, socket_path):
        assert (await ctl("--socket", socket_path, "resume")).code == 0


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def made_again(path: Path) -> None:
    with anyio.fail_after(60):
        while not await anyio.to_thread.run_sync(answers, path):
            await anyio.lowlevel.checkpoint()


async def test_a_socket_that_was_deleted_is_made_again(
    served: Path, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M8.4, Interface 3.5: a daemon that nobody can reach cannot be halted; and it is said."""
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    with capture_logs() as said:
        for deleted in (served, served.parent):
            await anyio.run_process(["rm", "-r", deleted])
            await made_again(served)
            ended = await ctl("--socket", served, "halt", "--reason", "a look")
            assert (ended.code, control.asked[-1]) == (0, ("halt", "a look"))

    made = [each for each in said if each["event"] == "control socket recreated"]
    assert [each["log_level"] for each in made] == ["warning", "warning"]
    assert stat.S_IMODE((await anyio.Path(served).stat()).st_mode) == 0o660


async def test_what_was_being_answered_is_answered_though_the_socket_is_made_again(
    served: Path, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interface 3.1: a job that is followed over the old socket, while the new one answers."""
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    ended: list[Ended] = []

    async def follow() -> None:
        ended.append(await ctl("--socket", served, "jobs", "run", "slow"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await until(lambda: ("run", "slow", {}) in control.asked)
        await anyio.run_process(["rm", served])
        await made_again(served)
        again = await ctl("--socket", served, "resume")
        control.go_on.set()
    assert again.code == 0
    assert ended[0].code == 0, ended[0].err


async def test_a_file_in_its_place_is_left_alone_and_the_socket_comes_back_behind_it(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M8.4: it is no socket of ours to remove; said once, and tried again."""
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)
    tries: list[Path] = []

    def counted(path: Path) -> socket.socket:
        tries.append(path)
        return bind(path)

    monkeypatch.setattr(server, "bind", counted)
    with capture_logs() as said:
        await anyio.run_process(["bash", "-c", f"rm {served}; echo mine > {served}"])
        await until(lambda: len(tries) > 2)
        assert await anyio.Path(served).read_text() == "mine\n"
        await anyio.run_process(["rm", served])
        await made_again(served)

    assert [(each["event"], each["log_level"]) for each in said] == [
        ("control socket lost", "error"),
        ("control socket recreated", "warning"),
    ]


async def test_no_socket_is_told_from_no_daemon(served: Path) -> None:
    """Interface 3.1: 3 in both cases, but the account is held, and by whom."""
    await anyio.run_process(["rm", served])

    gone = await ctl("--socket", served, "status")
    other = await ctl("--socket", served.with_name("other.sock"), "status")

    assert (gone.code, other.code) == (3, 3)
    assert f"no socket on {served}, but process {os.getpid()} holds the account" in gone.err
    assert "no daemon is running" in other.err


@pytest.mark.parametrize("directory", ["/proc/nope", "/dev/null"])
def test_a_place_where_no_socket_can_be_is_a_problem_of_the_configuration(directory: str) -> None:
    """Interface 3.1: one line, 78."""
    with pytest.raises(ConfigError) as refused:
        bind(Path(directory) / "tradebotd.sock")

    (problem,) = refused.value.problems
    assert problem.startswith(f"daemon.socket: {directory}/tradebotd.sock: ")


def test_a_file_that_is_no_socket_is_left_alone(socket_path: Path) -> None:
    socket_path.write_text("mine")

    with pytest.raises(ConfigError):
        bind(socket_path)
    assert socket_path.read_text() == "mine"


async def test_serving_leaves_the_signal_handlers_alone(
    control: FakeControl, socket_path: Path
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async with serve(control, socket_path):
        await ctl("--socket", socket_path, "resume")
        now = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    assert now == before


async def test_the_journal_learns_from_the_kernel_who_asked(
    served: Path, control: FakeControl
) -> None:
    """M8.6: every line that is logged on behalf of a request carries it."""
    await anyio.to_thread.run_sync(lambda: Client(served).post("halt"))
    await ctl("--socket", served, "halt")

    (ours, other) = control.asked_by
    assert ours == f"uid {os.getuid()}, pid {os.getpid()}"
    assert other is not None
    assert other.startswith(f"uid {os.getuid()}, pid ")
    assert other != ours


async def test_a_reader_that_leaves_early_is_no_error(served: Path) -> None:
    words = " ".join([*CTL, "--socket", str(served), "jobs"])
    ended = await anyio.run_process(["bash", "-c", f"set -o pipefail; {words} | true"], check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


async def test_relative_times_follow_the_daemons_clock(served: Path) -> None:
    """3.1: market times in tables are relative to market time, not to the host's."""
    ended = await ctl("--socket", served, "dead-letters")

    assert "ago" in ended.out
    assert "60 min ago" in ended.out or "1 h ago" in ended.out, (ended.out, NOW)


def test_no_shape_takes_money_as_a_number() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Held)

    with pytest.raises(ValueError, match="strings"):
        adapter.validate_python({"id": 1, "side": "long", "quantity": 0.1, "entry_price": "1"})


async def test_flatten_off_a_terminal_needs_yes_and_asks_nothing_of_the_daemon(
    served: Path, control: FakeControl
) -> None:
    """Interface 3.1: `flatten [--yes]`; a script must say what it means."""
    ended = await ctl("--socket", served, "flatten")

    assert ended.code == 2
    assert "--yes" in ended.err
    assert ("flatten",) not in control.asked


async def test_flatten_says_what_is_left_and_ends_with_one(
    served: Path, control: FakeControl
) -> None:
    """Interface 3.1: 1 is a negative answer, with a table of what is left and why."""
    control.left = [Left(kind="position", subject="7 eq long 3 AAA", why="market_closed: AAA")]

    ended = await ctl("--socket", served, "flatten", "--yes")

    assert (ended.code, ended.err) == (1, "")
    assert "closed 5 btc-ema long" in ended.out
    assert "7 eq long 3 AAA" in ended.out
    assert "market_closed" in ended.out


async def test_an_exit_is_set_as_it_was_written_and_refused_in_the_daemons_words(
    served: Path, control: FakeControl
) -> None:
    """Interface 3.1, N42: `positions set`; what is wrong by itself is usage, 2."""
    wish = ("--stop-loss", "0.5%", "--trigger-price", "mark")
    done = await ctl("--socket", served, "positions", "set", "5", *wish)
    refused = await ctl("--socket", served, "positions", "set", "5", "--stop-loss", "nonsense")
    nothing = await ctl("--socket", served, "positions", "set", "5")

    assert done.code == 0, done.err
    assert control.asked[0] == (
        "exits",
        5,
        {
            "stop_loss": "0.5%",
            "take_profit": None,
            "trailing_stop": None,
            "max_holding": None,
            "trigger_price": "mark",
        },
    )
    assert (refused.code, "neither a price" in refused.err) == (2, True)
    assert nothing.code == 2


async def test_a_position_without_a_stop_is_told_so_when_its_exits_are_set(
    served: Path, control: FakeControl
) -> None:
    """M4.4: what is set for it may be a target; that nothing ends a loss is said beside it."""
    words = ("--socket", served, "positions", "set", "5", "--take-profit", "3%")
    guarded = await ctl(*words)
    control.stop = None
    bare = await ctl(*words)

    assert "no stop" not in guarded.out
    assert bare.out.endswith("; it has no stop\n")
