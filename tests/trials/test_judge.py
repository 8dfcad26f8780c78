"""What a trouble explains, and what it does not: another place, another time, another order."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trials.causes import parts_of
from tests.trials.judge import Judge, intervals_of
from tests.trials.processes import MODULES

NOON = "2026-11-30T12:{:02}:{:06.3f}Z"
NOON_MS = 1_796_040_000_000
LOST, OTHER = "tb4vogd6ybaaaaaaaaaaaca", "tb4vogd6ybaaaaaaaaaaacc"


def at(seconds: float) -> str:
    return NOON.format(int(seconds // 60), seconds % 60)


def kept(
    folder: Path,
    events: list[dict[str, Any]],
    *,
    alerts: list[dict[str, Any]] | None = None,
    happened: list[dict[str, Any]] | None = None,
    met: dict[str, list[dict[str, Any]]] | None = None,
    payments: list[dict[str, Any]] | None = None,
) -> list[str]:
    """The violations of a run that has kept this. *met*: seconds after noon are `at`."""
    files: dict[str, list[dict[str, Any]]] = {
        "trial.log": events,
        "alerts.jsonl": alerts or [],
        "happened.jsonl": happened or [],
        "positions.jsonl": [{"id": 7, "venue": "usdm"}],
    }
    for name in MODULES:
        rows = (met or {}).get(name, [])
        files[f"{name}.met.jsonl"] = [{"at_ms": NOON_MS + 1000 * row["at"], **row} for row in rows]
    for name, rows in files.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "ledgers.json").write_text(json.dumps({"spot": {"payments": payments or []}}))
    return Judge(folder).violations()


def failed(seconds: float, error: str, job: str = "reconcile") -> dict[str, Any]:
    said = {"event": "job failed", "job": job, "level": "error", "error": error}
    return {"at": at(seconds), **said}


GONE = "1 of 1 failed: usdm: VenueUnavailableError: <html>Bad Gateway</html> (502)"
MET = [{"at": 10, "fault": "answer", "status": 502}]


@pytest.mark.parametrize(
    ("seconds", "where", "explained"),
    [(12, "usdm", True), (9, "usdm", False), (60, "usdm", False), (12, "spot", False)],
    ids=["it was met", "before it", "long after it", "elsewhere"],
)
def test_a_gateway_that_fails_explains_its_own_place_and_time(
    tmp_path: Path, seconds: float, where: str, *, explained: bool
) -> None:
    assert (kept(tmp_path, [failed(seconds, GONE)], met={where: MET}) == []) is explained


def test_each_part_of_a_failed_job_is_judged_by_itself(tmp_path: Path) -> None:
    """One of two has no cause."""
    error = f"2 of 2 failed: {GONE.partition('failed: ')[2]}; alpaca: TimeoutError: "
    assert len(kept(tmp_path, [failed(12, error)], met={"usdm": MET})) == 1
    assert parts_of("1 of 2 failed: a: refused; and why; b: away") == [
        "a: refused; and why",
        "b: away",
    ]


def lost_order() -> list[dict[str, Any]]:
    order = {"client_order_id": LOST, "symbol": "BTCPERP"}
    unknown = f"outcome of order {LOST} is unknown"
    return [
        {"at": at(10), "event": "order sent", "level": "info", **order},
        {"at": at(10.01), "event": "order unknown", "level": "error", "error": unknown, **order},
    ]


def outlives(seconds: float, order: str = LOST) -> dict[str, Any]:
    why = f"1 of 1 failed: position 7: an exit outlives its position: not known to be gone: {order}"
    return failed(seconds, why, "stop_loss_check")


def test_a_lost_answer_explains_its_order_until_its_outcome_is_known(tmp_path: Path) -> None:
    """What goes on naming it then is a fault of the daemon's."""
    met = {"usdm": [{"at": 10, "fault": "answer", "status": 503}]}
    known = {"at": at(40), "event": "order inferred absent", "level": "warning"}
    events = [*lost_order(), outlives(15), {**known, "client_order_id": LOST}, outlives(45)]

    assert kept(tmp_path, events, met=met) == []
    assert len(kept(tmp_path, [*events, outlives(60), outlives(65)], met=met)) == 2
    assert len(kept(tmp_path, [*events, outlives(20, OTHER)], met=met)) == 1
    assert len(kept(tmp_path, lost_order())) == 1, "nobody has had an answer lost"


@pytest.mark.parametrize(
    ("event", "why", "explained"),
    [
        ("exit refused", f"OutcomeUnknownError: outcome of order {LOST} is unknown", True),
        ("order still unknown", "the venue has never seen it", True),
        ("exit refused", f"{LOST}: insufficient balance", False),
        ("fill not applied", "it fits no position", False),
        ("exit refused", f"not known to be gone: {LOST}, {OTHER}", False),
    ],
)
def test_of_an_order_in_doubt_its_doubt_alone_is_explained(
    tmp_path: Path, event: str, why: str, *, explained: bool
) -> None:
    """What else goes wrong with it is a fault of the daemon's."""
    met = {"usdm": [{"at": 10, "fault": "answer", "status": 503}]}
    line = {"at": at(15), "event": event, "level": "error", "reason": why, "order": LOST}
    assert (kept(tmp_path, [*lost_order(), line], met=met) == []) is explained


@pytest.mark.parametrize(
    ("job", "raised", "seen", "explained"),
    [
        ("reconcile", 15, 15, True),
        ("reconcile", 15, 80, True),  # a minute between its runs, and what a failure takes to show
        ("reconcile", 15, 100, False),
        ("reconcile", 11, 80, False),
        ("stop_loss_check", 15, 30, True),
        ("stop_loss_check", 15, 45, False),
        ("run_bots", 15, 15, False),
    ],
)
def test_a_job_that_failed_with_a_cause_explains_its_alert_until_it_has_run_again(
    tmp_path: Path, job: str, raised: int, seen: int, *, explained: bool
) -> None:
    row = {
        "code": "job_failed",
        "severity": "warning",
        "subject": job,
        "message": "its last run ended as failed",
        "count": 1,
        "raised_at": at(raised),
        "last_seen_at": at(seen),
    }
    events = [] if job == "run_bots" else [failed(12, GONE, job)]
    assert (kept(tmp_path, events, alerts=[row], met={"usdm": MET}) == []) is explained


def test_a_job_has_the_interval_of_the_file(tmp_path: Path) -> None:
    """Without one of its own there, or where there is no file, it has the daemon's."""
    file = tmp_path / "trial.toml"
    assert intervals_of(file)["reconcile"] == 60
    file.write_text('[jobs.reconcile]\nevery = "5s"\n')
    assert [intervals_of(file)[job] for job in ("reconcile", "stop_loss_check")] == [5, 5]


def test_a_flatten_that_fails_needs_a_cause(tmp_path: Path) -> None:
    """Each thing that it leaves needs one."""
    kept(tmp_path, [], met={"usdm": MET})
    judge = Judge(tmp_path)
    left = [{"kind": "position", "subject": "0.02 BTCPERP of perp-btc", "why": "502 Bad Gateway"}]
    other = {"kind": "position", "subject": "1 ETHUSD of alpaca-eth", "why": "502 Bad Gateway"}
    error = {"error": {"code": "venue_unavailable", "message": "usdm: Bad Gateway (502)"}}
    for said, second, explained in (
        ({"left": left}, 12, True),
        ({"left": left}, 60, False),
        ({"left": [*left, other]}, 12, False),
        (error, 12, True),
        ("no answer", 12, False),
    ):
        text = said if isinstance(said, str) else json.dumps(said)
        assert judge.explains_failure(text, NOON_MS + 1000 * second) is explained, said


def test_an_alert_needs_a_cause_as_long_as_it_is_raised_again(tmp_path: Path) -> None:
    row = {
        "code": "price_stream_silent",
        "severity": "warning",
        "subject": "binance btcusdt@aggTrade",
        "message": "nothing was told for 5.1 s: prices are asked for meanwhile",
        "count": 2,
        "raised_at": at(15),
        "last_seen_at": at(25),
    }
    cut = {"kind": "cut", "name": "streams of spot"}
    happened = [{**cut, "began_ms": NOON_MS + 10_000, "at_ms": NOON_MS + 10_100}]
    assert kept(tmp_path, [], alerts=[row], happened=happened) == []
    later = {**row, "last_seen_at": at(300)}
    assert len(kept(tmp_path, [], alerts=[later], happened=happened)) == 1
    futures = {**row, "subject": "futures btcusdt@aggTrade"}
    assert len(kept(tmp_path, [], alerts=[futures], happened=happened)) == 1


def test_cash_that_jumps_is_that_of_payments_which_nobody_tells(tmp_path: Path) -> None:
    """To the cent; at another venue it is told, so it may not jump."""
    payments = [
        {"kind": "withdrawal", "asset": "USDT", "amount": "115.13", "time_ms": NOON_MS + 1_000},
        {"kind": "deposit", "asset": "USDT", "amount": "360.06", "time_ms": NOON_MS + 2_000},
    ]
    jump = {"at": at(60), "event": "cash jumped", "level": "warning", "asset": "USDT"}
    twice = [{**jump, "venue": "spot", "amount": "360.06", "at": at(second)} for second in (5, 60)]
    assert len(kept(tmp_path, twice, payments=payments)) == 1, "it was paid once"
    for venue, amount, count in (
        ("spot", "244.93", 0),
        ("spot", "360.06", 0),
        ("spot", "244.94", 1),
        ("usdm", "244.93", 1),
    ):
        event = {**jump, "venue": venue, "amount": amount}
        assert len(kept(tmp_path, [event], payments=payments)) == count


def test_a_traceback_is_never_explained(tmp_path: Path) -> None:
    event = {**failed(12, GONE), "exception": "Traceback (most recent call last): …"}
    assert len(kept(tmp_path, [event], met={"usdm": MET})) == 1
