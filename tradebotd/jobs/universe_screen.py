"""Screening of a venue's assets into a ranked watchlist."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final

from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import FeedError, RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.public_market import DayFigures
from tradebotd.domain.refusal import RefusalCode
from tradebotd.market.screening import ScreenRules, draw, screen
from tradebotd.ports.clock import Clock
from tradebotd.ports.public_market import ScreenedAssets
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import universe
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("universe_screen")
LARGEST_SEED: Final = 2**63 - 1  # of the column
TOO_OLD: Final = timedelta(days=5)  # a daily list, over a long weekend


@dataclass(frozen=True, slots=True, kw_only=True)
class UniverseScreen:
    """Job of one source of assets; *assets* None: nothing can be screened."""

    database: Database
    clock: Clock
    assets: ScreenedAssets | None
    rules: ScreenRules
    random: Random

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        """Screen. Parameter: `seed`, that of the sample; without it one is drawn, and recorded.

        Raises FeedError, also where fewer than half of the sample have figures; RefusedError.
        """
        self.check(context.params)
        assets = self._assets()
        told = context.params.get("seed")
        seed = self.random.randrange(LARGEST_SEED) if told is None else int(told)
        sample = draw(await assets.candidates(), self.rules.sample, seed)
        if not sample:
            raise FeedError(f"{assets.name}: it lists nothing that may be screened")
        figures = await assets.day_figures(sample)
        found = screen(figures, self.rules)
        summary = Summary(attempted=len(sample), acted=1)
        summary.counts["sample_seed"] = seed
        without = summary.counts["without_figures"] = len(sample) - len(figures)
        summary.counts.update(found.refused)
        if 2 * len(figures) < len(sample):
            raise FeedError(
                f"{assets.name}: only {len(figures)} of {len(sample)} assets have figures;"
                " the watchlist before it stays"
            )
        if not found.ranked:
            raise FeedError(
                f"{assets.name}: none of {len(sample)} assets passes the limits of [universe]"
                f" ({_in_words(summary.counts)}); the watchlist before it stays"
            )
        rows = [(name, _reasons(day, assets.name)) for name, day in found.ranked]
        async with self.database.connection() as connection:
            summary.inserted = await universe.insert(connection, context.now, seed, rows)
        summary.skipped = len(sample) - summary.inserted - without
        if without:  # no failed items: the ranking is of the whole sample
            summary.failed = without
            told = f"{without} of {len(sample)} have no figures, and are not ranked"
            summary.items["figures"] = {"error": told}
        return summary

    async def outcome(self) -> Outcome:
        """Check that there is a watchlist of these days, ranked without a gap."""
        async with self.database.connection() as connection:
            rows = await universe.latest(connection)
        if not rows:
            return Outcome(ok=False, message="no watchlist yet")
        source = rows[0].reasons.get("source")
        if self.assets is not None and source != self.assets.name:
            message = f"the watchlist is of {source}, and is not used for {self.assets.name}"
            return Outcome(ok=False, message=message)
        age = self.clock.now() - rows[0].screened_at
        if [row.rank for row in rows] != list(range(1, len(rows) + 1)):
            return Outcome(ok=False, message="the ranks of the watchlist have gaps")
        if age > TOO_OLD:
            return Outcome(ok=False, message=f"the watchlist is {spoken(age)} old")
        best = ", ".join(row.symbol for row in rows[:3])
        return Outcome(ok=True, message=f"{len(rows)} symbols, {spoken(age)} old, first: {best}")

    def check(self, params: Mapping[str, str]) -> None:
        unknown = sorted(set(params) - {"seed"})
        if unknown:
            raise RefusedError(
                RefusalCode.USAGE, f"unknown parameter {', '.join(unknown)}",
                "universe_screen takes seed", ("seed",),
            )  # fmt: skip
        seed = params.get("seed")
        if seed is not None and not _is_seed(seed):
            raise RefusedError(RefusalCode.USAGE, f"seed is 0 to {LARGEST_SEED}, was {seed}")
        self._assets()

    def _assets(self) -> ScreenedAssets:
        if self.assets is None:
            raise RefusedError(
                RefusalCode.USAGE,
                "there is nothing to screen",
                "[universe] source names a venue or feed of Binance spot, or a venue of Alpaca",
            )
        return self.assets


def _is_seed(told: str) -> bool:
    return told.isascii() and told.isdecimal() and len(told) < 20 and int(told) <= LARGEST_SEED


def _reasons(day: DayFigures, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "price": day.price,
        "turnover": day.turnover,
        "volatility": f"{day.volatility:.6f}",
        "high": day.high,
        "low": day.low,
        "ranked_by": "turnover",
    }


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count} {word}" for word, count in counts.items() if count and word != "sample_seed"
    )
