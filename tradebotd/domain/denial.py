"""Rules by which we deny an order before it leaves, named as in `tradebotctl` and the tables.

`docs/operations.md` shows them as a table generated from this file.
"""

from tradebotd.domain.meaning import MeaningEnum


class DenialRule(MeaningEnum):
    """Denial rules, each with its *meaning* for an operator.

    A bot that a rule keeps from entering waits under its name: `waiting (max_exposure)`.
    """

    # Entries: the account
    HALTED = "halted", "an operator has halted entries"
    ENTRIES_STOPPED = "entries_stopped", "entries are stopped: a disk, a start, a stop, a takeover"
    MAX_DAILY_LOSS = "max_daily_loss", "the account has lost its limit since its day began"
    MAX_DRAWDOWN = "max_drawdown", "the account is its limit below its highest equity"
    MAX_OPEN_POSITIONS = (
        "max_open_positions",
        "as many positions as allowed are open or on their way",
    )
    MAX_ORDERS_PER_MINUTE = (
        "max_orders_per_minute",
        "the account has made its orders of this minute",
    )
    MAX_EXPOSURE = "max_exposure", "with it, more of the equity would be at work than allowed"
    VENUE_SILENT = "venue_silent", "what the account is worth is not known: a venue does not answer"
    ACCOUNT_MOVING = (
        "account_moving",
        "exits have changed what the account is worth as often as it was asked for",
    )
    # Entries: the bot
    BOT_STOPPED = "bot_stopped", "the bot has left the configuration, or is not active"
    PAUSED_BY_USER = "paused_by_user", "an operator has paused the bot"
    DAILY_LIMIT = "daily_limit", "a limit of the bot's day is reached"
    COOLDOWN = "cooldown", "a stop closed its position a short while ago"
    BOT_MAX_ORDERS_PER_MINUTE = (
        "bot_max_orders_per_minute",
        "the bot has made its orders of this minute",
    )
    DECIDED_ALREADY = "decided_already", "a decision on this candle is stored"
    POSITION_OPEN = "position_open", "the bot holds a position"
    ENTRY_REVIVED = "entry_revived", "an entry of it that was taken for absent lives at its venue"
    EXIT_LEFT_OVER = (
        "exit_left_over",
        "an exit that rests has outlived its position, and would end the next",
    )
    ORDER_UNKNOWN = "order_unknown", "what became of an order in the symbol is not known"
    UNSETTLED_ENTRY = "order_one_unsettled_entry", "an entry of this bot is not settled yet"
    # Entries: the order
    NO_PRICE = "no fresh price", "no price is fresh enough to enter at"
    PRICE_COLLAR = "price_collar", "the price has left the one that was decided on"
    MAX_LEVERAGE = "max_leverage", "more leverage than the symbol allows"
    LEVERAGE_BRACKET = (
        "leverage_bracket",
        "a larger position than the symbol allows with the bot's leverage",
    )
    SETUP_REFUSED = (
        "setup_refused",
        "the venue refuses the leverage, margin or mode of the symbol: see the bot's error",
    )
    SETUP_WAITS = (
        "setup_waits",
        "the leverage of the symbol changes once nothing is held or ordered there",
    )
    STOP_BEYOND_LIQUIDATION = "stop_beyond_liquidation", "it would be liquidated before its stop"
    LIQUIDATED_AT_ONCE = "liquidated_at_once", "it would be liquidated where it is entered"
    SYMBOL_NOT_TRADING = "symbol_not_trading", "its symbol does not trade at the venue now"
    ORDER_TYPE = "order_type_not_taken", "its symbol takes no such orders"
    OUTSIDE_PERCENT_PRICE = "price_outside_percent", "a limit too far from the average price"
    BELOW_MIN_PRICE = "price_below_minimum", "a price below the symbol's least"
    ABOVE_MAX_PRICE = "price_above_maximum", "a price above the symbol's highest"
    TOO_MANY_ORDERS = "too_many_orders", "as many orders of the symbol rest as the venue takes"
    TOO_MANY_STOPS = (
        "too_many_stop_orders",
        "as many stop orders of the symbol rest as the venue takes",
    )
    BELOW_FILTERS = "quantity below filters", "less than the venue's minimum"
    ABOVE_FILTERS = "quantity above filters", "more than the venue's maximum"
    INSUFFICIENT_BALANCE = "insufficient balance", "not enough free cash"
    INSUFFICIENT_BUYING_POWER = (
        "insufficient_buying_power",
        "more than the venue lets new orders of this account have",
    )
    NOT_SHORTABLE = "not_shortable", "the venue lends nothing of it to sell"
    NO_STOP_DISTANCE = "no stop distance", "a size by risk needs a stop"
    WARMING_UP = "warming up", "not enough candles for its average true range"
    NO_RANGE = "no_range", "the average true range is nothing to measure by"
    EXIT_BELOW_ZERO = "exit_below_zero", "an exit would lie below zero, and never be met"
    PRICE_BELOW_TICK = "price_below_tick", "a price of less than a tick"
    STOP_WITHIN_TICK = "stop_within_tick", "the stop lies closer than a tick"
    EXIT_MET = (
        "exit_met",
        "the price that ends the bot's positions has met an exit already: it would end at once",
    )
    # Exits
    MARKET_CLOSED = "market_closed", "its market is closed"
    EXIT_WAITS = "exit_waits", "its symbol is paused, a stop of it rests, or no order may leave"
    POSITION_CLOSED = "position_closed", "the position is closed"
    POSITION_CHANGED = "position_changed", "the position has changed since it was judged"
    EXIT_GROUP_ACTIVE = "exit_group_active", "another exit of the position is being made"
    EXIT_GROUP_CHANGED = "exit_group_changed", "the exits of the position have changed meanwhile"
    EXIT_RETIRING = "exit_retiring", "an earlier exit of the position is still there"
    EXIT_UNKNOWN = "exit_unknown", "what became of an earlier exit is not known"
    ORDER_UNSETTLED = "order_unsettled", "an order of the position is not settled"
    BELOW_VENUE_MINIMUM = "below_venue_minimum", "less than the venue sells at this price"
    STOP_LIMIT_OUTSIDE = (
        "stop_limit_outside",
        "the limit of a stop-limit would lie beyond what the venue takes: the daemon guards",
    )
    LADDER_STEP_TOO_SMALL = (
        "ladder_step_too_small",
        "less than the venue sells: it joins the next step",
    )
