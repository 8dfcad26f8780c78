"""Warnings of `check` in the running daemon: in its log and its status."""

from collections.abc import Iterable
from typing import Final

import structlog

from tradebotd.config.model import Config
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.health.report import ConfigFact

log = structlog.get_logger(__name__)

# Reported in status under codes of their own while they apply.
TOLD_OTHERWISE: Final = frozenset({WarningKind.NO_STOP, WarningKind.GUARD_DISABLED})
# Money may be unguarded meanwhile: not OK.
SERIOUS: Final = frozenset({WarningKind.GUARD_SLOW})


def log_warnings(config: Config, warnings: Iterable[ConfigWarning]) -> None:
    """Log each warning with its place in *config*."""
    for warning in warnings:
        place, _, why = config.told(str(warning)).partition(": ")
        log.warning("setting doubted", kind=warning.kind.value, place=place, why=why)


def config_facts(config: Config, warnings: Iterable[ConfigWarning]) -> list[ConfigFact]:
    """Return the warnings that no other problem of the status covers."""
    facts = []
    for warning in warnings:
        if warning.kind not in TOLD_OTHERWISE:
            place, _, why = config.told(str(warning)).partition(": ")
            facts.append(ConfigFact(place=place, why=why, serious=warning.kind in SERIOUS))
    return facts
