"""Entries that could never be sold again, in view of the minimum notional, stop and fees."""

from collections.abc import Iterator
from decimal import Decimal

from tradebotd.config.exit_checks import stop_fractions
from tradebotd.config.problem_text import percent
from tradebotd.config.real_venue_facts import facts_of
from tradebotd.config.sections import BotSection, SymbolSection, VenueSection
from tradebotd.domain.decimals import ONE, ZERO, floor_to_step, plain


def way_out_problems(
    path: str,
    bot: BotSection,
    symbol: SymbolSection,
    venue: VenueSection | None,
    currency: str,
) -> Iterator[str]:
    """Yield only what is certain before any price is known; the rest is refused at the entry.

    *currency*: of the bot's capital, which is compared only with a quote asset in that currency.
    """
    base_fee = ZERO
    if venue is not None and _charges_in_base(venue) and bot.position_type == "spot":
        base_fee = max(venue.fees.maker, venue.fees.taker, ZERO)
    if bot.sizing.kind == "fixed_quantity":
        yield from _lots(path, bot, symbol, base_fee)
        return
    stops = [stop for stop in stop_fractions(bot.exits).values() if stop is not None]
    if bot.position_type == "futures" or len(stops) < len(stop_fractions(bot.exits)):
        return  # exits are reduce-only; or the tightest stop is only known at the entry
    stop = min(stops, default=ZERO)
    needed = symbol.min_notional / ((ONE - stop) * (ONE - base_fee))
    words = f"{bot.symbol}'s min_notional {plain(symbol.min_notional)}"
    if stop:
        words += f" at a stop of {percent(stop)}"
    if base_fee:
        words += f" after a base fee of {percent(base_fee)}"
    least = plain(needed.quantize(Decimal("0.01"), "ROUND_CEILING"))
    if bot.sizing.kind == "fixed_notional":
        if symbol.min_notional <= bot.sizing.value < needed:
            yield (
                f"{path}.sizing.value: {plain(bot.sizing.value)} bought could not be sold again:"
                f" {words} asks for {least} or more"
            )
    elif (symbol.quote_asset or currency) == currency and bot.initial_capital < needed:
        yield (
            f"{path}.initial_capital: whatever {plain(bot.initial_capital)} buys could not be sold"
            f" again: {words} asks for {least} or more"
        )


def _charges_in_base(venue: VenueSection) -> bool:
    facts = facts_of(venue.kind)
    return venue.fee_asset == "base" if facts is None else facts.charges_in_base


def _lots(path: str, bot: BotSection, symbol: SymbolSection, base_fee: Decimal) -> Iterator[str]:
    value, least = bot.sizing.value, max(symbol.min_quantity, symbol.lot_size)
    left = value * (ONE - base_fee)
    if value >= least > floor_to_step(left, symbol.lot_size):
        yield (
            f"{path}.sizing.value: {plain(value)} bought could not be sold again: a base fee of"
            f" {percent(base_fee)} leaves {plain(left)}, below {bot.symbol}'s least quantity,"
            f" {plain(least)}"
        )
