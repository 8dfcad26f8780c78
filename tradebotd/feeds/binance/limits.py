"""Limits of the address, in the gate that everything of this process at that address passes.

The windows have the names that the venue has for them, so that a venue's adapter and feeds at the
same address count in the same ones.
"""

import re
from datetime import UTC, datetime
from typing import Final

from tradebotd.feeds.binance.facts import Interface
from tradebotd.net.gate import Gate, Turn
from tradebotd.net.http import Answer
from tradebotd.net.limited import LONGEST, TOO_MANY, TakeNote, retry_after
from tradebotd.ports.clock import HostClock

_FIREWALL: Final = 403
_HEADER: Final = re.compile(r"x-mbx-used-weight-(\d{1,5}[smhd])", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_BANNED_UNTIL: Final = re.compile(rb"banned until (\d{13})\b")


def set_limits(gate: Gate, interface: Interface) -> None:
    """Say the usual limits, where nobody has said better: an adapter learns those in force."""
    for name, (limit, seconds) in interface.limits.items():
        if gate.limits.window(name) is None:
            gate.limits.set_limit(name, limit, seconds)


def note_limits(host: HostClock, *, weights: bool) -> TakeNote:
    """Return a reader of what answers say of limits. *weights*: their used weight is right."""

    def take_note(answer: Answer, turn: Turn) -> None:
        if answer.status in TOO_MANY or answer.status == _FIREWALL:
            turn.gate.ban(f"status {answer.status}", ban_end(answer, host.now()))
            return
        turn.answered()
        if not weights:
            return
        for header, value in answer.headers.items():
            found = _HEADER.fullmatch(header)
            if found is not None and _NUMBER.fullmatch(value):
                turn.gate.observe(f"REQUEST_WEIGHT_{found[1].upper()}", int(value))

    return take_note


def ban_end(answer: Answer, now: datetime) -> datetime | None:
    """Return until when nothing is to be asked: the later of header and text; None: untold."""
    ends = [] if (after := retry_after(answer, now)) is None else [after]
    if (told := _BANNED_UNTIL.search(answer.body)) is not None:
        until = datetime.fromtimestamp(int(told[1]) / 1000, UTC)
        ends += [until] if now < until <= now + LONGEST else []
    return max(ends, default=None)
