"""Alert codes with their meanings for an operator; each has a page in `docs/runbooks/`.

An alert stays open while its condition lasts, or for a day after the event it reports.
`docs/operations.md` shows the codes as tables generated from this file.
"""

from typing import Final

from tradebotd.domain.meaning import MeaningEnum


class AlertCode(MeaningEnum):
    """Alert codes, each with its *meaning* for an operator."""

    @property
    def lasting(self) -> bool:
        """Return whether the alert ends with its condition; one about an event lasts a day."""
        return self not in _HAPPENED

    # Conditions: open while they last
    ACCOUNT_LIMIT_REACHED = "account_limit_reached", "the account has lost a limit: no entries"
    ACCOUNT_MODE = (
        "account_mode",
        "an account's margin or trading mode was changed: nothing is entered there",
    )
    BALANCE_CONTRADICTS = "balance_contradicts", "a venue tells a balance that cannot be so"
    CALENDAR_DISAGREES = (
        "calendar_disagrees",
        "a venue is open or closed at other times than our calendar says",
    )
    CALENDAR_ENDS = (
        "calendar_ends",
        "the sessions of a calendar are known for weeks only, or assumed already",
    )
    CASH_DIFFERS = "cash_differs", "the cash at a venue of our own is not what our books make it"
    CASH_JUMPED = "cash_jumped", "cash came or left, and no fill, funding or transfer says why"
    CLOCK_OFFSET = "clock_offset", "a venue's clock and this machine's are apart"
    EXIT_REFUSED = "exit_refused", "a venue refuses an exit; it is tried again"
    EXTERNAL_ORDER = "external_order", "an order rests at a venue that is not ours"
    EXTERNAL_POSITION = (
        "external_position",
        "external trades explain why a venue holds something else",
    )
    FUNDING_UNCLAIMED = "funding_unclaimed", "funding was paid that belongs to no position"
    INSTRUMENT_CONTRADICTS = (
        "instrument_contradicts",
        "a venue tells filters or fees of a symbol that cannot be so; the last good ones stay",
    )
    ORDER_UNKNOWN = "order_unknown", "what became of an order is not known; it is asked for"
    HEDGE_MODE = (
        "hedge_mode",
        "an account may hold both sides of a symbol: nothing is entered there",
    )
    PRICE_STREAM_SILENT = (
        "price_stream_silent",
        "a stream of prices or candles tells nothing; last prices and candles are asked for",
    )
    ORDER_STREAM_LOST = (
        "order_stream_lost",
        "a venue does not tell what becomes of orders; they are asked for",
    )
    POSITION_DIFFERS = "position_differs", "a venue holds something else than our books say"
    POSITION_UNPROTECTED = (
        "position_unprotected",
        "nothing can end a position: it is not configured, or its price has stopped coming",
    )
    RECORDING_INCOMPLETE = "recording_incomplete", "of a recorded file not everything could be read"
    RESTING_STOP_LOST = "resting_stop_lost", "a stop should rest at the venue, and does not"
    SPLIT_SUSPECTED = "split_suspected", "a price looks like a split: exits of the symbol wait"
    SYMBOL_NOT_TRADING = (
        "symbol_not_trading",
        "a venue takes no orders of a symbol: entries are denied, exits wait",
    )
    VENUE_BANNED = "venue_banned", "a venue bans us, or is away: it is asked nothing meanwhile"
    # Events: open for a day
    DUST_WRITTEN_OFF = (
        "dust_written_off",
        "a remainder was written off that its venue would have sold when it was bought",
    )
    EXIT_EXCEEDS_BALANCE = (
        "exit_exceeds_balance",
        "a venue has less to sell than our books hold: an exit was made for what it has",
    )
    FEE_UNVALUED = "fee_unvalued", "a fee in an asset that no price values"
    FILL_DIFFERS = "fill_differs", "a venue tells a fill again with other values"
    FILL_EXCEEDS_POSITION = "fill_exceeds_position", "an exit executed more than was held"
    FILL_NOT_APPLIED = "fill_not_applied", "a fill fits no position, and was kept aside"
    FORCED_CLOSE = (
        "forced_close",
        "a venue closed a position: liquidation, auto-deleveraging, settlement",
    )
    INSTRUMENT_CHANGED = "instrument_changed", "a venue has changed the filters of a symbol"
    ORDER_DIFFERS = "order_differs", "a venue tells another order under our name"
    ORDER_MOVED = "order_moved", "an order of ours has been moved at its venue, and not by us"
    STOP_LIMIT_UNFILLED = (
        "stop_limit_unfilled",
        "a price ran through a stop-limit: the daemon ends the position at the market",
    )
    VENUE_CONTRADICTS = "venue_contradicts", "a venue tells something that cannot be so"


_HAPPENED: Final = frozenset(
    {
        AlertCode.CASH_JUMPED,
        AlertCode.DUST_WRITTEN_OFF,
        AlertCode.EXIT_EXCEEDS_BALANCE,
        AlertCode.FEE_UNVALUED,
        AlertCode.FILL_DIFFERS,
        AlertCode.FILL_EXCEEDS_POSITION,
        AlertCode.FILL_NOT_APPLIED,
        AlertCode.FORCED_CLOSE,
        AlertCode.FUNDING_UNCLAIMED,
        AlertCode.INSTRUMENT_CHANGED,
        AlertCode.ORDER_DIFFERS,
        AlertCode.ORDER_MOVED,
        AlertCode.STOP_LIMIT_UNFILLED,
        AlertCode.VENUE_CONTRADICTS,
    }
)
