"""What `check` warns of, in the log of a daemon that runs with it, and in its status."""

from collections.abc import Iterable
from typing import Final

import structlog

from tradebotd.config.model import Config
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.health.report import ConfigFact

log = structlog.get_logger(__name__)

# A problem of status with a code of their own, for as long as they are so.
TOLD_OTHERWISE: Final = frozenset({WarningKind.NO_STOP, WarningKind.GUARD_DISABLED})
# Money may be unguarded meanwhile: not OK.
SERIOUS: Final = frozenset({WarningKind.GUARD_SLOW})


def log_warnings(config: Config, warnings: Iterable[ConfigWarning]) -> None:
    """One line each; *config* says where they stand."""
    for warning in warnings:
        place, _, why = config.told(str(warning)).partition(": ")
        log.warning("setting doubted", kind=warning.kind.value, place=place, why=why)


def config_facts(config: Config, warnings: Iterable[ConfigWarning]) -> list[ConfigFact]:
    """Those that no other problem of status tells."""
    facts = []
    for warning in warnings:
        if warning.kind not in TOLD_OTHERWISE:
            place, _, why = config.told(str(warning)).partition(": ")
            facts.append(ConfigFact(place=place, why=why, serious=warning.kind in SERIOUS))
    return facts
