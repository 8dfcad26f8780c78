"""Cash check: the cash of a venue of our own is what our books make it, to the last digit."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage import cash, settings
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.reconciliation.holdings import Holdings

BASELINES: Final = "cash_baselines"  # an account's cash before us, by asset
ROUNDED: Final = Decimal("1e-12")  # an average of several entries is kept to 28 digits

CashKey = tuple[VenueName, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CashDifference:
    venue: VenueName
    asset: str
    ours: Decimal
    theirs: Decimal

    def __str__(self) -> str:
        excess = self.theirs - self.ours
        return (
            f"our books make it {self.ours:f} {self.asset}, {self.venue} says {self.theirs:f}:"
            f" {abs(excess):f} {'more' if excess > 0 else 'less'}"
        )


class CashCheck:
    """Cash check of venues where only we trade (`traits.cash_is_ours`).

    A difference is reported when two checks in a row see the same one: what the venue has just
    booked, and funding that was not asked for yet, is no difference.
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        holdings: Holdings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._venues = venues
        self._symbols = symbols
        self._holdings = holdings
        self._alerts = ConditionAlerts(database, clock, AlertCode.CASH_DIFFERS)
        self._baselines: dict[VenueName, dict[str, Decimal]] | None = None
        self._seen: dict[CashKey, Decimal] = {}

    async def compare(self, accounts: Mapping[VenueName, VenueAccount]) -> list[CashDifference]:
        """Compare the cash; return the differences that are reported.

        *accounts*: where nothing changed around the venue's answer. Nothing is known of the others,
        and what was seen and reported of them stays so. Raises DatabaseUnavailableError.
        """
        differences: list[CashDifference] = []
        for name, account in sorted(accounts.items()):
            if self._venues[name].traits.cash_is_ours:
                differences += await self._compare(name, account)
        before = self._seen
        self._seen = {
            cash_key: excess for cash_key, excess in before.items() if cash_key[0] not in accounts
        }
        self._seen |= {
            (difference.venue, difference.asset): difference.theirs - difference.ours
            for difference in differences
        }
        confirmed = [
            difference for difference in differences if self._is_the_same(difference, before)
        ]
        conditions = {
            f"{difference.venue} {difference.asset}": str(difference) for difference in confirmed
        }
        await self._alerts.update(conditions, self._venues.keys() - accounts.keys())
        return confirmed

    @property
    def suspects(self) -> bool:
        """Return whether the last check saw a difference, reported or not."""
        return bool(self._seen)

    def _is_the_same(self, difference: CashDifference, before: Mapping[CashKey, Decimal]) -> bool:
        return (
            before.get((difference.venue, difference.asset)) == difference.theirs - difference.ours
        )

    async def _compare(self, name: VenueName, account: VenueAccount) -> list[CashDifference]:
        assets = sorted(
            symbol.instrument.quote_asset
            for symbol in self._symbols.values()
            if symbol.instrument.venue == name
        )
        async with self._database.connection() as connection:
            expected = await cash.select_expected(connection, name, sorted(set(assets)))
        theirs = {asset: await self._held(asset, account) for asset in expected}
        baseline = await self._baseline(name, expected, theirs)
        return [
            CashDifference(
                venue=name, asset=asset, ours=amount + baseline[asset], theirs=theirs[asset]
            )
            for asset, amount in sorted(expected.items())
            if abs(theirs[asset] - amount - baseline[asset]) >= ROUNDED
        ]

    async def _held(self, asset: str, account: VenueAccount) -> Decimal:
        """Return the cash as if held futures had been paid for, also of symbols that are gone."""
        held = account.balances.get(asset, ZERO)
        for symbol, quantity in account.positions.items():
            if (await self._holdings.pair(symbol)).quote_asset == asset:
                held -= quantity * account.entry_prices.get(symbol, ZERO)
        return held

    async def _baseline(
        self, name: VenueName, expected: Mapping[str, Decimal], theirs: Mapping[str, Decimal]
    ) -> dict[str, Decimal]:
        """Return the cash from before us, stored at the first check."""
        if self._baselines is None:
            async with self._database.connection() as connection:
                stored: Any = await settings.get(connection, BASELINES) or {}
            self._baselines = {
                VenueName(venue): {asset: Decimal(amount) for asset, amount in assets.items()}
                for venue, assets in stored.items()
            }
        baseline = self._baselines.get(name, {})
        new = [asset for asset in expected if asset not in baseline]
        if new:
            baseline = baseline | {asset: theirs[asset] - expected[asset] for asset in new}
            every = self._baselines | {name: baseline}
            written = {
                venue: {asset: str(amount) for asset, amount in assets.items()}
                for venue, assets in every.items()
            }
            async with self._database.transaction(durable=True) as connection:
                await settings.put(connection, BASELINES, written)
            self._baselines = every
        return baseline
