"""Every exception tradebotd raises on purpose, named by what the caller must do.

TradebotError
├─ ConfigError               the operator must act; exit 78, systemd must not restart
├─ OrderDeniedError          our own risk rule said no; nothing left this process
│  └─ EntryPostponedError    not now: it is asked again while the candle is the newest
├─ StrategyError             a strategy raised, or returned nonsense
├─ FeedError                 market data could not be had; the next feed may be asked
├─ VenueError
│  ├─ VenueUnavailableError  the request never reached the venue: safe to ask again later,
│  │                         and not before `until`, where the venue is away or bans us
│  ├─ OrderRejectedError     the venue answered no: final
│  └─ OutcomeUnknownError    the request may have reached the venue: never retry, reconcile
├─ StorageError
│  ├─ DatabaseUnavailableError  PostgreSQL is away: fail visibly, resume when it is back
│  │  ├─ RolledBackError     of this transaction alone nothing has happened: it may be run again
│  │  └─ NoDatabaseError     there is none to look at, and the command makes none
│  ├─ MigrationError         the schema is not what these files expect
│  └─ OpenedMeanwhileError   another order opened the bot's position in that moment: look again
├─ NetError                  of the network, below the adapters; its branches are in net/errors.py
├─ AccountTakenError         another daemon holds the account; exit 75
└─ RefusedError              an operator's wish does not fit the state; exit 4
"""

from datetime import datetime

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.refusal import RefusalCode


class TradebotError(Exception):
    """Root of the tree. Its text is one line, fit for an operator."""


class ConfigError(TradebotError):
    """Invalid configuration; carries every problem found, not only the first.

    `told`: the same problems worded for people, with help to find the place in the file.
    """

    def __init__(self, problems: list[str], told: list[str] | None = None) -> None:
        super().__init__("\n".join(problems if told is None else told))
        self.problems = problems
        self.told = problems if told is None else told


class OrderDeniedError(TradebotError):
    """Denial by one of our rules.

    *shown*: text for the bot's status in place of the rule's name, where more is known.
    """

    def __init__(self, rule: DenialRule, detail: str, *, shown: str | None = None) -> None:
        self.shown = rule.value if shown is None else shown
        super().__init__(f"{self.shown}: {detail}")
        self.rule = rule
        self.detail = detail


class EntryPostponedError(OrderDeniedError):
    """Denial for a reason that says nothing about the candle: no decision on it is recorded."""


class StrategyError(TradebotError):
    pass


class FeedError(TradebotError):
    pass


class VenueError(TradebotError):
    pass


class VenueUnavailableError(VenueError):
    """*until*: the venue is not to be asked before it, by the host's clock: Retry-After of a 429
    or 418, the end of a maintenance. *banned* without it: the venue does not say for how long.
    """

    def __init__(self, reason: str, until: datetime | None = None, *, banned: bool = False) -> None:
        super().__init__(reason)
        self.until = until
        self.is_ban = banned or until is not None


class OrderRejectedError(VenueError):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OutcomeUnknownError(VenueError):
    """The order may or may not be live. Only reconciliation may settle it."""

    def __init__(self, client_order_id: ClientOrderId) -> None:
        super().__init__(f"outcome of order {client_order_id} is unknown")
        self.client_order_id = client_order_id


class StorageError(TradebotError):
    pass


class DatabaseUnavailableError(StorageError):
    pass


class RolledBackError(DatabaseUnavailableError):
    """The server is there, and has rolled back one transaction: as the victim of a deadlock."""


class NoDatabaseError(DatabaseUnavailableError):
    pass


class MigrationError(StorageError):
    pass


class OpenedMeanwhileError(StorageError):
    pass


class AccountTakenError(TradebotError):
    pass


class RefusedError(TradebotError):
    """A request is refused: not now, or not this. *known* lists the names that would be understood.

    *code* is a DenialRule where an order that the act needs was denied.
    """

    def __init__(
        self,
        code: RefusalCode | DenialRule,
        message: str,
        hint: str = "",
        known: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.known = known


def describe_error(error: BaseException) -> str:
    """An error as one line: the name of its class, and its text."""
    return f"{type(error).__name__}: {error}"
