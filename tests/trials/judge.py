"""`python -m tests.trials.judge FOLDER`: what a trial's daemon said, line by line and alert by alert.

Each error line and each alert is explained by a trouble of the trial's own, at that place and time and
of a kind that has such an effect, or it is a violation. A lost answer leaves one order in doubt: that it
is, is explained until its outcome is known.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from tests.trials import told
from tests.trials.causes import ORDER_NAME, SHOWS, Cause, Row, causes, parts_of, places_of
from tests.trials.processes import MODULES
from tests.trials.settings import SYMBOLS
from tradebotd.config.values import parse_duration
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.domain.job import Every
from tradebotd.jobs.default_schedule import default_specs

DOUBT_SECONDS: Final = 90.0  # in which the outcome of an order is known at the latest
GRACE_SECONDS: Final = 10.0  # a job that had begun before ends with what it saw
SOON_SECONDS: Final = 3.0  # between a lost answer and the line that says so
MINUTE_SECONDS: Final = 90.0  # in which a stream of candles tells one at the latest

# What a text says, and the kinds of troubles that have it said.
EFFECTS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (r"\b502\b|Bad Gateway", frozenset({"failure"})),
    (
        r"asked again at|not asked until|rate limit|IP banned|weight used",
        frozenset({"ban", "banned"}),
    ),
    (r"no fresh|no price", frozenset({"failure", "mute", "cut", "ban", "banned"})),
    (r"was not there any more", frozenset({"cancelled outside"})),
    (r"interrupted since", frozenset({"cut", "ban", "banned"})),
    (r"nothing was told", frozenset({"mute", "cut", "ban", "banned"})),
    (r"outcome of order \w+ is unknown", frozenset({"failure"})),  # it was looked up, in vain
)
# What is said of an order in doubt: that it is, or what waits for it.
DOUBTFUL: Final = re.compile(
    r"outcome of order \w+ is unknown|not known to be gone: |the venue has never seen it"
)
EVENTS: Final = {"venue banned": frozenset({"ban", "banned"})}
CODES: Final = {
    "venue_banned": frozenset({"ban", "banned"}),
    "order_stream_lost": frozenset({"cut", "ban", "banned"}),
    "price_stream_silent": frozenset({"mute", "cut", "ban", "banned"}),
}
OF_JOBS: Final = frozenset({"dead_letters", "job_failed", "job_outcome", "job_partial"})
OVER: Final = frozenset({"order inferred absent", "order resolved"})


@dataclass
class Doubt:
    """An order whose answer was lost by a trouble: that it is in doubt is explained until *over_ms*."""

    since_ms: int
    over_ms: int


@dataclass
class Judge:
    """What was found in *folder*: `lines` and `alerts` that nothing explains."""

    folder: Path
    events: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    untold: set[str] = field(default_factory=set)  # purses that have jumped, nobody knows why
    jobs: dict[str, list[int]] = field(default_factory=dict)  # failures that are explained
    intervals: dict[str, float] = field(default_factory=dict)  # seconds, of jobs that have one
    payments: list[Row] = field(default_factory=list)  # at spot, that no jump has been yet

    def __post_init__(self) -> None:
        self.events = told.lines_of(self.folder / "trial.log")
        self.alerts = rows_of(self.folder / "alerts.jsonl")
        met = {name: rows_of(self.folder / f"{name}.met.jsonl") for name in MODULES}
        self.causes = causes(rows_of(self.folder / "happened.jsonl"), met)
        places = {each.symbol: each.venue for each in SYMBOLS}
        for row in rows_of(self.folder / "positions.jsonl"):
            self.positions[str(row["id"])] = row["venue"]
        for event in self.events:
            if event.get("event") == "order sent":
                self.orders[event["client_order_id"]] = places[event["symbol"]]
        self.intervals = intervals_of(self.folder / "trial.toml")
        ledgers = self.folder / "ledgers.json"
        paid = json.loads(ledgers.read_text())["spot"]["payments"] if ledgers.exists() else []
        self.payments = [each for each in paid if each["asset"] == "USDT"]
        self._doubt()

    def violations(self) -> list[str]:
        """Return what nothing explains: lines first, then alerts, in their order."""
        found = [f"log: {json.dumps(each)[:600]}" for each in self.lines()]
        for row in self.alerts:
            if row["severity"] != "info" and not self._explains_alert(row):
                what = f"{row['code']} ({row['severity']}, {row['count']}x) {row['subject']}"
                found.append(f"alert {what}, {row['raised_at']}: {row['message']}")
        return found

    def lines(self) -> Iterator[Row]:
        """Yield errors that nothing explains, and tracebacks of whatever level."""
        for event in self.events:
            if "exception" in event or "traceback" in event:
                yield event
            elif event.get("event") == "cash jumped":
                if not self._is_paid(event):
                    self.untold.add(f"{event['venue']} {event['asset']}")
                    yield event
            elif event.get("level") in {"error", "critical"}:
                if not self._explains_line(event):
                    yield event
                elif event.get("event") == "job failed":
                    self.jobs.setdefault(event["job"], []).append(_ms(event["at"]))

    def _doubt(self) -> None:
        """Find which order each lost answer was of: the first that is said to be unknown then."""
        lost = [each for each in self.causes if each.kind == "unanswered"]
        for event in self.events:
            name = event.get("client_order_id", "")
            at_ms = _ms(event["at"]) if "at" in event else 0
            if event.get("event") == "order unknown":
                for cause in lost:
                    within = 0 <= at_ms - cause.at_ms <= 1000 * SOON_SECONDS
                    if within and cause.place == self.orders.get(name):
                        lost.remove(cause)
                        self.doubts[name] = Doubt(at_ms, at_ms + round(1000 * DOUBT_SECONDS))
                        break
            elif event.get("event") in OVER and name in self.doubts:
                doubt = self.doubts[name]
                doubt.over_ms = max(doubt.since_ms, at_ms) + round(1000 * GRACE_SECONDS)

    def _explains_line(self, event: Row) -> bool:
        at_ms, name = _ms(event["at"]), str(event.get("event"))
        whole = json.dumps({key: each for key, each in event.items() if key not in {"at", "job"}})
        if name in EVENTS:
            return self._has(EVENTS[name], places_of(whole, {}, {}), at_ms)
        if name == "job failed":
            return all(self._explains(each, each, at_ms) for each in parts_of(event["error"]))
        text = " ".join(
            str(event[key]) for key in ("reason", "error", "detail", "why") if key in event
        )
        subject = str(event.get("subject", ""))
        about = {*ORDER_NAME.findall(whole)}
        return self._explains(f"{subject} {text}", f"{subject} {whole} {' '.join(about)}", at_ms)

    def _explains_alert(self, row: Row) -> bool:
        code, subject = row["code"], row["subject"]
        moments = [_ms(row["raised_at"]), _ms(row["last_seen_at"])]
        if code == "cash_jumped":
            return subject not in self.untold  # each time it was told is a line of the log
        if code in OF_JOBS:
            return all(self._has_failed(subject.split()[0], each) for each in moments)
        text = f"{subject} {row['message']}"
        if code in CODES:
            places = places_of(text, self.positions, self.orders)
            return all(self._has(CODES[code], places, each, text) for each in moments)
        return all(self._explains(text, text, each) for each in moments)

    def _has_failed(self, job: str, at_ms: int) -> bool:
        """Return whether an explained failure was the job's latest run, or may have been, then."""
        within = 1000 * (self.intervals.get(job, 0.0) + SHOWS["failure"])
        return any(0 <= at_ms - each <= within for each in self.jobs.get(job, []))

    def explains_failure(self, said: str, at_ms: int) -> bool:
        """Return whether each part of what a command has *said* is explained."""
        return all(self._explains(each, each, at_ms) for each in said_parts(said))

    def _explains(self, text: str, about: str, at_ms: int) -> bool:
        """Return whether *text* is an effect of a trouble that was at the place of what it is *about*."""
        names = {*ORDER_NAME.findall(about)}
        if names and DOUBTFUL.search(text) and all(self._doubts(each, at_ms) for each in names):
            return True
        places = places_of(about, self.positions, self.orders)
        kinds = [kinds for pattern, kinds in EFFECTS if re.search(pattern, text)]
        return any(self._has(each, places, at_ms, text) for each in kinds)

    def _doubts(self, name: str, at_ms: int) -> bool:
        doubt = self.doubts.get(name)
        return doubt is not None and doubt.since_ms <= at_ms <= doubt.over_ms

    def _has(self, kinds: frozenset[str], places: set[str], at_ms: int, text: str = "") -> bool:
        late = MINUTE_SECONDS if "candles are asked for" in text else 0.0
        return any(
            cause.kind in kinds and cause.place in places and cause.covers(at_ms, late)
            for cause in self.causes
        )

    def _is_paid(self, event: Row) -> bool:
        """Return whether the jump is the sum of the latest payments at spot: its demo tells none.

        They are used up then, and those before them with them.
        """
        if (event["venue"], event["asset"]) != ("spot", "USDT"):
            return False
        paid, at_ms = Fraction(0), _ms(event["at"])
        for each in reversed([each for each in self.payments if each["time_ms"] <= at_ms]):
            paid += Fraction(each["amount"]) * (-1 if each["kind"] == "withdrawal" else 1)
            if paid == Fraction(event["amount"]):
                self.payments = [each for each in self.payments if each["time_ms"] > at_ms]
                return True
        return False


def intervals_of(config: Path) -> dict[str, float]:
    """Return the seconds between two runs, by job: the daemon's own, or those of the file."""
    intervals = {}
    for spec in default_specs(calendars=[ALWAYS_OPEN], zones=[]):
        every = [slot.interval for slot in spec.slots if isinstance(slot, Every)]
        if every:
            intervals[str(spec.name)] = max(every).total_seconds()
    told = tomllib.loads(config.read_text()) if config.exists() else {}
    for name, job in told.get("jobs", {}).items():
        if "every" in job:
            intervals[name] = parse_duration(job["every"]).total_seconds()
    return intervals


def said_parts(said: str) -> list[str]:
    """Return what a command has *said* in JSON: of its error, or of each thing that it left."""
    try:
        told = json.loads(said)
    except ValueError:
        return [said]
    left = [f"{each['kind']} {each['subject']}: {each['why']}" for each in told.get("left", [])]
    return left or [told["error"]["message"] if "error" in told else said]


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.judge", description=__doc__)
    parser.add_argument("folder", type=Path, help="what `--keep` of the hour has kept")
    judge = Judge(parser.parse_args().folder)
    found = judge.violations()
    print("\n".join(found) or "all is explained")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
