"""Currencies: quote assets that are missing or ambiguous, and assets that nothing converts."""

from collections.abc import Iterator
from typing import Final

from tradebotd.config.model import Config
from tradebotd.config.sections import SymbolSection

# Currencies whose code ends with another's: BTCFDUSD is not quoted in USD.
LONGER_CODES: Final = ("AEUR", "BUSD", "FDUSD", "GUSD", "PYUSD", "RLUSD", "TUSD")


def currency_problems(config: Config) -> Iterator[str]:
    for number, symbol in enumerate(config.symbols):
        if symbol.quote_asset is None:
            yield from _unsaid(f"symbols[{number}].symbol", symbol, config.risk.currency)
    yield from _unconverted(config)


def _unsaid(path: str, symbol: SymbolSection, currency: str) -> Iterator[str]:
    """Require a quote asset unless the symbol's ending clearly names the account's currency."""
    name = symbol.symbol
    if not name.endswith(currency) or name == currency:
        yield f"{path}: {name} does not end with risk.currency, {currency}; say its quote_asset"
        return
    longer = next((code for code in LONGER_CODES if _may_be(code, name, currency)), None)
    if longer is not None:
        yield f"{path}: {name} may be quoted in {longer} or in {currency}; say its quote_asset"


def _may_be(longer: str, name: str, currency: str) -> bool:
    return longer != currency and longer.endswith(currency) and name.endswith(longer)


def _unconverted(config: Config) -> Iterator[str]:
    """Refuse traded quote assets that no symbol converts to the account's currency."""
    currency = config.risk.currency
    instruments = [symbol.instrument for symbol in config.market_symbols()]
    pairs = {frozenset((symbol.base_asset, symbol.quote_asset)) for symbol in instruments}
    traded = {bot.symbol for bot in config.bots}
    for number, instrument in enumerate(instruments):
        quote = instrument.quote_asset
        if instrument.symbol not in traded or quote == currency:
            continue
        if frozenset((quote, currency)) not in pairs:
            yield (
                f"symbols[{number}].quote_asset: nothing converts {quote} to risk.currency,"
                f" {currency}; a symbol of the two is needed, like {quote}{currency}"
            )
