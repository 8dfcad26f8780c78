"""Filters, status and commissions as the venues tell them: compared, kept, and put in force.

Nonsense never comes into force: an alert says so, and what was good last stays.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import DatabaseUnavailableError, VenueError, describe_error
from tradebotd.domain.filters import FilterName, SymbolStatus
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Commission, Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.instruments.costs import TradingCosts, why_no_commission
from tradebotd.trading.instruments.kept_versions import KeptVersions
from tradebotd.trading.instruments.second_looks import Held, SecondLooks
from tradebotd.trading.instruments.told_filters import differences, why_not_so

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 20.0
LEAST_SECONDS: Final = 30.0  # between two looks that a refused order asks for
FIRST_PAUSE: Final = 5.0  # seconds, while a symbol does not trade: doubled up to the longest
LONGEST_PAUSE: Final = 60.0
LONGEST_SILENCE: Final = 1800.0  # between two looks, beside those of the job
_FILTERS: Final = tuple(FilterName)


@dataclass(slots=True, kw_only=True)
class Refreshed:
    """Result of one look. `changed`: what is new in force, in words by symbol; `refused`: what
    cannot be so; `failed`: why, by venue.
    """

    asked: int = 0
    changed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> tuple[tuple[str, str], ...]:
        """Venues that failed and what was refused, each with why."""
        return (*self.failed.items(), *self.refused.items())


class InstrumentRefresh:
    """Refresh of the instruments in force, *by_symbol*: shared with all others, who only read.

    *held*: the open positions, which no single answer may shut in.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        by_symbol: dict[str, MarketSymbol],
        specs: Mapping[BotName, BotSpec],
        held: Held,
    ) -> None:
        self._database = database
        self._clock = clock
        self._venues = venues
        self._symbols = by_symbol
        self._specs = specs
        self._second_looks = SecondLooks(clock, held)
        self.costs = TradingCosts(venues)
        self.last: Refreshed | None = None
        configured = {name: symbol.instrument for name, symbol in by_symbol.items()}
        self._versions = KeptVersions(database, clock, configured)
        self._heard: set[VenueName] = set()  # has answered since the start
        self._wanted = anyio.Event()
        self._one_at_a_time = anyio.Lock()
        self._nonsense = ConditionAlerts(
            database, clock, AlertCode.INSTRUMENT_CONTRADICTS, "warning"
        )
        self._halted = ConditionAlerts(database, clock, AlertCode.SYMBOL_NOT_TRADING)

    @property
    def not_trading(self) -> dict[str, SymbolStatus]:
        """Statuses of symbols that their venues take no orders of, by name."""
        every = ((name, symbol.instrument.status) for name, symbol in self._symbols.items())
        return {name: status for name, status in every if status is not SymbolStatus.TRADING}

    async def recall(self) -> None:
        """Put in force what was told last, before any venue is asked.

        Raises DatabaseUnavailableError.
        """
        for name, venue in self._venues.items():
            if venue.traits.tells_instruments:
                await self._fall_back(name, self._at(name))

    def _at(self, name: VenueName) -> list[MarketSymbol]:
        return [each for each in self._symbols.values() if each.instrument.venue == name]

    async def run(self) -> Refreshed:
        """Ask every venue that tells, side by side: within ASK_SECONDS all have answered, or not.

        What one does not answer keeps no other from it. Raises DatabaseUnavailableError,
        TimeoutError: then what was told is in force, and is stored next time.
        """
        async with self._one_at_a_time:
            result, stopped = Refreshed(), set(self.not_trading)
            away: list[Exception] = []
            try:
                async with anyio.create_task_group() as asking:
                    for name, venue in self._venues.items():
                        asking.start_soon(self._ask, name, venue, result, away)
                await self._tell(result)
            finally:
                self.last = result
                if self._second_looks.awaited or not stopped.issuperset(self.not_trading):
                    self._wanted.set()  # whoever asked: it is looked at again soon
            if away:
                raise away[0]
            return result

    # Soon after a refusal

    def on_refused(self, reason: str) -> None:
        """Ask for another look if a filter refused the order: it may have changed."""
        if reason.startswith(_FILTERS):
            self._wanted.set()

    async def attend(self) -> None:
        """Look, for ever: soon after a filter refused an order, and while a symbol is halted, or
        something is to be told a second time, whoever has found that out.
        """
        pause = FIRST_PAUSE
        while True:
            waiting = bool(self.not_trading) or self._second_looks.awaited
            pause = min(pause * 2, LONGEST_PAUSE) if waiting else FIRST_PAUSE
            with anyio.move_on_after(pause if waiting else LONGEST_SILENCE):
                await self._wanted.wait()
            self._wanted = anyio.Event()  # here alone: nobody else may wait on the one before
            await self.look_quietly()
            await anyio.sleep(FIRST_PAUSE if self.not_trading else LEAST_SECONDS)

    async def look_quietly(self) -> None:
        """Run; whatever fails is logged, and the next look is another one."""
        try:
            await self.run()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("instruments not stored", error=str(error))
        except Exception:
            log.exception("instruments not refreshed")

    # One venue

    async def _ask(
        self, name: VenueName, venue: Venue, result: Refreshed, away: list[Exception]
    ) -> None:
        """Ask for all that it tells, within ASK_SECONDS; whatever fails, fails here alone.

        *away*: why something was not stored.
        """
        mine = self._at(name)

        async def contained(step: Awaitable[None]) -> None:
            try:
                await step
            except Exception as error:  # unforeseen: the other venues go on
                log.exception("instruments not refreshed", venue=name)
                result.failed.setdefault(name, describe_error(error))

        async with anyio.create_task_group() as asking:
            if mine and venue.traits.tells_instruments:
                result.asked += len(mine)
                asking.start_soon(contained, self._instruments(name, venue, mine, result, away))
            if mine and venue.traits.tells_commissions:
                asking.start_soon(contained, self._commissions(name, venue, mine, result))

    async def _instruments(
        self,
        name: VenueName,
        venue: Venue,
        mine: Sequence[MarketSymbol],
        result: Refreshed,
        away: list[Exception],
    ) -> None:
        """Put in force what is told at once, and store it then: nothing waits for the database."""
        told: Mapping[str, Instrument] | None = None
        try:
            with anyio.fail_after(ASK_SECONDS):
                told = await venue.instruments(mine)
        except (VenueError, TimeoutError) as error:
            result.failed[name] = f"instruments: {type(error).__name__}: {error}"
        try:
            if told is None:
                await self._fall_back(name, mine)
                return
            is_first = name not in self._heard
            self._heard.add(name)
            taken = [self._take(symbol, told.get(symbol.symbol), result) for symbol in mine]
            self._log(name, mine, is_first=is_first)
            for symbol, is_new in filter(None, taken):
                if words := await self._versions.keep(symbol, is_new=is_new):
                    result.changed[symbol.symbol] = "; ".join(words)
        except (DatabaseUnavailableError, TimeoutError) as error:
            away.append(error)

    async def _fall_back(self, name: VenueName, mine: Sequence[MarketSymbol]) -> None:
        """Put in force what a silent venue told last: that is better than what the file says."""
        if name in self._heard:
            return
        stored = await self._versions.of(name)
        for symbol in mine:
            last = stored.get(symbol.symbol)
            if last is not None and why_not_so(last, symbol.instrument, ()) is None:
                # A status is of its moment: what was halted then must not lock exits now.
                status = symbol.instrument.status
                self._put_in_force(symbol, replace(last, status=status))

    def _take(
        self, known: MarketSymbol, told: Instrument | None, result: Refreshed
    ) -> tuple[MarketSymbol, bool] | None:
        """Put *told* in force; return what is now, and whether it is new. None: it was refused."""
        name, now_in_force = known.symbol, known.instrument
        if told is None:
            result.refused[self._subject(known)] = "its venue tells nothing of it"
            return None
        specs = [each for each in self._specs.values() if each.symbol == name]
        reason = why_not_so(told, now_in_force, specs)
        if reason is None:
            reason = self._second_looks.doubt(told, now_in_force)
        if reason is not None:
            result.refused[self._subject(known)] = reason
            log.error("instrument refused", symbol=name, reason=reason)
            if told.status is now_in_force.status or told.venue != now_in_force.venue:
                return None
            told = replace(now_in_force, status=told.status)  # it is true, whatever the rest is
        is_new = told != now_in_force
        return (self._put_in_force(known, told) if is_new else known), is_new

    def _put_in_force(self, known: MarketSymbol, told: Instrument) -> MarketSymbol:
        """Change the instrument, here alone: all others see it from here on."""
        self._symbols[known.symbol] = changed = replace(known, instrument=told)
        return changed

    def _log(self, name: VenueName, before: Sequence[MarketSymbol], *, is_first: bool) -> None:
        """Log what is new in force; the first reading of a process is one line."""
        if is_first:
            log.info("instruments read", venue=name, count=len(before))
            return
        for known in before:
            now = self._symbols[known.symbol].instrument
            if changes := differences(known.instrument, now):
                log.info("instrument put in force", symbol=known.symbol, changes=changes)

    async def _commissions(
        self,
        name: VenueName,
        venue: Venue,
        mine: Sequence[MarketSymbol],
        result: Refreshed,
    ) -> None:
        """Take what is told; the rest stays as it was, or as configured."""
        try:
            with anyio.fail_after(ASK_SECONDS):
                told: Mapping[str, Commission] = await venue.commissions(mine)
        except (VenueError, TimeoutError) as error:
            result.failed.setdefault(name, f"commissions: {type(error).__name__}: {error}")
            return
        for symbol in mine:
            commission = told.get(symbol.symbol)
            reason = None if commission is None else why_no_commission(commission)
            if reason is not None:
                result.refused.setdefault(self._subject(symbol), reason)
            elif commission is not None:
                self.costs.put(symbol.symbol, commission)

    async def _tell(self, result: Refreshed) -> None:
        silent = {VenueName(name) for name in result.failed}
        await self._nonsense.update(result.refused, silent)
        await self._halted.update(
            {
                self._subject(self._symbols[name]): f"{name} is {status}: entries are denied, exits"
                " wait and are made when it trades again"
                for name, status in self.not_trading.items()
            },
            silent,
        )

    @staticmethod
    def _subject(symbol: MarketSymbol) -> str:
        return f"{symbol.instrument.venue} {symbol.symbol}"
