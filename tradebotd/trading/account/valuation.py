"""Valuation of the account and each bot, and how near they are to their limits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

import anyio

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ONE, ZERO
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.prices import BelievedPrices
from tradebotd.ports.venue import Venue
from tradebotd.risk.limits import AccountState
from tradebotd.risk.sizing import DEFAULT_COST_BUFFER
from tradebotd.storage import entry_facts, equity
from tradebotd.storage.entry_facts import AccountRecord, EntryFacts
from tradebotd.storage.equity import (
    BotFlows,
    CashKey,
    Flows,
    OpenHolding,
    PendingEntry,
    Snapshot,
)
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account import buying_power, venue_accounts
from tradebotd.trading.account.account_values import AccountStanding, Valuation
from tradebotd.trading.account.buying_power import (
    PricedEntry,
    each_once,
    free_cash,
    new_since,
)
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.account.shared_answers import NONE, Answers, SharedAnswers
from tradebotd.trading.account.trading_day import day_began
from tradebotd.trading.account.transfer_recorder import TransferRecorder, UntoldCash
from tradebotd.trading.account.unbooked_futures import (
    BoundedWait,
    FuturesDifference,
    futures_behind,
)
from tradebotd.trading.account.venue_accounts import VenueAccounts, VenueAnswer
from tradebotd.trading.venue_state.hedge_mode import HedgeMode

MINUTE: Final = timedelta(minutes=1)
VALUATION_ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 0.2
TOLD_SECONDS: Final = 2.0  # until transfers are asked for again: their list may be behind the cash


class Account:
    """The account in one currency; base assets count through open positions, quote assets are cash.

    *shares*: entries share a venue's answer for a moment; off where effects must repeat (speed 0).
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        prices: BelievedPrices,
        symbols: Mapping[str, MarketSymbol],
        specs: Mapping[BotName, BotSpec],
        name: str,
        currency: str,
        zone: tzinfo,
        hedge: HedgeMode,
        shares: bool = False,
    ) -> None:
        self._database = database
        self._venues = venues
        self._venue_accounts = VenueAccounts(venues, hedge.seen)
        self._answers = SharedAnswers(self._venue_accounts, venues, self._flows, shares=shares)
        self._unbooked = BoundedWait[FuturesDifference]()
        self._unreported = BoundedWait[UntoldCash]()
        self._read: tuple[int | None, Flows] | None = None
        self._prices = prices
        self._symbols = symbols
        self._specs = specs
        instruments = (symbol.instrument for symbol in symbols.values())
        self.currencies = CurrencyConverter(instruments, prices, currency)
        self.transfers = TransferRecorder(
            database=database, venues=venues, currencies=self.currencies, account=name
        )
        self.name = name
        self.zone = zone

    async def ask(self, venue: VenueName, overtaken: Answers = NONE) -> Answers:
        """Ask the venues for an entry at *venue*, before it is queued: no other waits for them.

        *overtaken*: answers that do not hold any more. Raises EntryPostponedError,
        DatabaseUnavailableError.
        """
        return await self._answers.ask(venue, overtaken)

    async def facts(self, bot: BotName, stops_since: datetime, now: datetime) -> EntryFacts:
        """Read what an entry of *bot* is judged by. *stops_since*: when its cooldown began.

        Raises DatabaseUnavailableError.
        """
        async with self._database.connection() as connection:
            return await entry_facts.select(
                connection,
                self.name,
                bot,
                day_began=day_began(now, self.zone),
                minute_ago=now - MINUTE,
                stops_since=stops_since,
            )

    def value_by(self, flows: Flows, answers: Answers) -> Valuation | None:
        """Return the valuation of *flows* by *answers* or by newer ones; nobody is asked.

        Returns None where an answer is too old, or something was sold since. Raises FeedError when
        something held has no price.
        """
        usable = self._answers.usable(flows, answers)
        silent = set(self._venues) - set(usable)
        if any(self._venue_accounts.silence_reason(name) is None for name in silent):
            return None
        exact = all(answer.exact for answer in usable.values())
        valuation = self._valuation(flows, flows, usable, same=exact and not flows.moving)
        calm = all(answer.calm for answer in usable.values())
        return replace(valuation, cautious=not calm)

    async def value(self, *, pause_seconds: float = 0.0) -> Valuation:
        """Return the valuation of this moment, for which every venue is asked.

        Raises FeedError when something held has no price, DatabaseUnavailableError.

        Cash is the venues' and positions are ours: they are of one moment only if no order was
        under way and no fill came in between. A venue may fill a resting order before it reports
        the fill; *pause_seconds* is how long we wait for the report.
        """
        before = await self._flows()
        asked = await self._venue_accounts.ask(self._venues, venue_accounts.ASK_SECONDS)
        if before.resting and pause_seconds:
            await anyio.sleep(pause_seconds)
        flows = await self._flows()
        heard = pause_seconds > 0
        answers = {
            name: self._venue_accounts.remember(name, account, before, flows, heard=heard)
            for name, account in asked.items()
        }
        same = not flows.moving and before == flows
        valuation = self._valuation(before, flows, answers, same=same, heard=heard)
        return replace(valuation, behind=futures_behind(asked, valuation.holdings, self._symbols))

    def _valuation(
        self,
        before: Flows,
        flows: Flows,
        answers: Mapping[VenueName, VenueAnswer],
        *,
        same: bool,
        heard: bool = False,
    ) -> Valuation:
        """Value by *answers*; a venue without one counts with the best that is known of it."""
        known, silent = dict(answers), dict[VenueName, str]()
        for name in sorted(set(self._venues) - set(answers)):
            silent[name] = self._venue_accounts.silence_reason(name) or "it was not asked"
            if (last := self._venue_accounts.last(name)) is not None:
                known[name] = last
        holdings = flows.holdings
        booked, bought = venue_accounts.booked_cash(flows), venue_accounts.bought_spot(holdings)
        cash = self._cash(known, booked, bought)
        bots = {
            flow.bot: self._bot_value(flow)
            for flow in flows.bots
            if all(self.currencies.converts(asset) for _, asset in flow.realized)
        }
        pending = each_once(before.pending, flows.pending)
        new = new_since(known, holdings, lambda: self._priced(pending))
        same = same and all(known[name].exact for name in silent if name in known)
        same = same and len(known) == len(self._venues)
        return Valuation(
            account=self._snapshot(None, self._sum(cash), holdings),
            bots=bots,
            cash=cash,
            booked={
                cash_key: booked.get(cash_key, ZERO) - bought.get(cash_key, ZERO)
                for cash_key in cash
            },
            holdings=holdings,
            pending=pending,
            cautious=before.pending != flows.pending,
            of_one_moment=same,
            certain=same and (heard or not flows.resting),
            silent=silent,
            unknown=frozenset(self._venues) - set(known),
            behind=frozenset(),
            powers=buying_power.powers(known, new),
            margins=buying_power.margins(known, new),
        )

    async def _flows(self) -> Flows:
        """Return the flows of our books, cached until something durable is written."""
        state = self._database.durable_state
        if self._read is not None and self._read[0] == state:
            return self._read[1]
        async with self._database.connection() as connection:
            flows = await equity.select_bot_flows(connection)
        still = state is not None and state == self._database.durable_state
        self._read = (state, flows) if still else None
        return flows

    async def standing(
        self, valuation: Valuation, now: datetime, record: AccountRecord | None = None
    ) -> AccountStanding:
        """Return the standing for the limits; without a snapshot yet, day and peak begin now.

        An equity that lacks a venue shows no loss. A transfer is no loss either, whether a venue
        has reported it or cash has jumped: day and peak are moved by its share of the equity.
        *record*: None reads it. Raises DatabaseUnavailableError.
        """
        if record is None:
            began = day_began(now, self.zone)
            async with self._database.connection() as connection:
                record = await entry_facts.select_record(connection, self.name, began, now - MINUTE)
        history, current = record.history, valuation.account.equity
        units = await self.transfers.units(
            record, valuation.cash, valuation.booked, current, now, silent=valuation.silent.keys()
        )
        day_start = peak = None
        if units is not None and not valuation.unknown:
            day_start, peak = units.money(history.day_start), units.money(history.peak)
        exposure = sum((self._notional(entry) for entry in valuation.pending), ZERO)
        state = AccountState(
            equity=current,
            exposure=valuation.account.exposure + exposure,
            open_positions=len(valuation.holdings)
            + sum(entry.opens for entry in valuation.pending),
            orders_last_minute=history.recent_entries,
            day_start_equity=current if day_start is None else day_start,
            peak_equity=current if peak is None else max(peak, current),
        )
        free = free_cash(
            valuation.cash, valuation.holdings, self._priced(valuation.pending), valuation.margins
        )
        return AccountStanding(state=state, free=free)

    async def snapshot(self, now: datetime, *, pause_seconds: float = 0.0) -> Valuation:
        """Store a snapshot of all values at *now*; a second one at the same instant is skipped.

        One that is not `of_one_moment`, because orders are under way, is not stored: a sale booked
        on one side only would be a false peak, with a drawdown from it ever after.
        """
        valuation = await self._value_of_one_moment(pause_seconds)
        untold = await self._untold(valuation, now)
        unheard: frozenset[UntoldCash] = frozenset()
        if untold:  # it may have come in between the list of transfers and the balances
            await anyio.sleep(TOLD_SECONDS if pause_seconds else 0)
            failed = await self.transfers.pull(now)
            valuation = await self._value_of_one_moment(pause_seconds)
            before, untold = untold, await self._untold(valuation, now)
            heard = frozenset(each for each in untold & before if each[0] not in failed)
            unheard = untold - heard
        waits = self._unbooked.should_wait(valuation.behind, now)
        if self._unreported.should_wait(unheard, now) or waits or not valuation.of_one_moment:
            return replace(valuation, of_one_moment=False)
        rows = [valuation.account, *valuation.bots.values()]
        async with self._database.transaction() as connection:
            history = await equity.select_history(
                connection, self.name, day_began(now, self.zone), now - MINUTE
            )
            units = await self.transfers.settle(
                connection,
                valuation.cash,
                valuation.booked,
                valuation.account.equity,
                history.peak,
                now,
                silent=valuation.silent.keys(),
            )
            value = units.value(valuation.account.equity)
            await equity.insert_snapshots(connection, now, self.name, rows, value)
        return valuation

    async def _value_of_one_moment(self, pause_seconds: float) -> Valuation:
        """Return the valuation of a moment without orders under way, if there soon is one."""
        valuation = await self.value(pause_seconds=pause_seconds)
        for _ in range(VALUATION_ATTEMPTS - 1):
            if valuation.of_one_moment or valuation.silent:
                break
            await anyio.sleep(RETRY_SECONDS)
            valuation = await self.value(pause_seconds=pause_seconds)
        return valuation

    async def _untold(self, valuation: Valuation, now: datetime) -> frozenset[UntoldCash]:
        """Return what a snapshot of *valuation* would infer though its venue tells transfers."""
        if not valuation.of_one_moment or valuation.behind:  # the latter explains it
            return frozenset()
        return await self.transfers.untold(
            valuation.cash,
            valuation.booked,
            valuation.account.equity,
            now,
            silent=valuation.silent.keys(),
        )

    def _cash(
        self,
        answers: Mapping[VenueName, VenueAnswer],
        booked: Mapping[CashKey, Decimal],
        bought: Mapping[CashKey, Decimal],
    ) -> dict[CashKey, Decimal]:
        return {
            (venue, asset): answer.balance((venue, asset), booked)
            - bought.get((venue, asset), ZERO)
            for venue, answer in sorted(answers.items())
            for asset in sorted(self.currencies.cash)
        }

    def _priced(self, pending: Sequence[PendingEntry]) -> Sequence[PricedEntry]:
        """Return entries with the purse that pays for each, and what a unit costs at most."""
        return [
            (entry, (entry.venue, symbol.instrument.quote_asset), self._most(entry))
            for entry in pending
            if (symbol := self._symbols.get(entry.symbol)) is not None
        ]

    def _most(self, entry: PendingEntry) -> Decimal:
        """Return the price with its costs: a venue holds the fee of what rests back, too."""
        price = self._price(entry.symbol) if entry.limit_price is None else entry.limit_price
        return price * (ONE + DEFAULT_COST_BUFFER)

    def _notional(self, pending: PendingEntry) -> Decimal:
        symbol = self._symbols.get(pending.symbol)
        if symbol is None:  # it left the configuration while its entry was under way
            return ZERO
        rate = self.currencies.rate(symbol.instrument.quote_asset)
        return pending.quantity * (pending.limit_price or self._price(pending.symbol)) * rate

    def _sum(self, cash: Mapping[CashKey, Decimal]) -> Decimal:
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for (_, asset), amount in cash.items():
            totals[asset] += amount
        return self.currencies.sum(totals)

    def _bot_value(self, flow: BotFlows) -> Snapshot:
        """Return the bot's initial capital and results; a spot holding was paid from its cash."""
        spec = self._specs.get(flow.bot)
        cash = ZERO if spec is None else spec.initial_capital
        cash += self._sum(flow.realized)
        for holding in flow.holdings:
            if holding.position_type is PositionType.SPOT:
                cash -= holding.cost * self.currencies.rate(holding.quote_asset)
        return self._snapshot(flow.bot, cash, flow.holdings)

    def _snapshot(
        self, bot: BotName | None, cash: Decimal, holdings: Sequence[OpenHolding]
    ) -> Snapshot:
        exposure, value, unrealized = ZERO, ZERO, ZERO
        for holding in holdings:
            price, rate = self._price(holding.symbol), self.currencies.rate(holding.quote_asset)
            gain = (price - holding.entry_price) * holding.quantity * rate
            exposure += abs(holding.quantity) * price * rate
            unrealized += gain
            spot = holding.position_type is PositionType.SPOT
            value += holding.quantity * price * rate if spot else gain
        return Snapshot(
            bot=bot,
            equity=cash + value,
            cash=cash,
            exposure=exposure,
            unrealized_pnl=unrealized,
        )

    def _price(self, symbol: str) -> Decimal:
        price = self._prices.price(symbol)
        if price is None:
            raise FeedError(f"{symbol} has no price yet")
        return price
