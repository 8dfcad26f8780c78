"""Codes of refused requests of an operator, as `tradebotctl --json` and the API name them.

`docs/operations.md` shows them as a table that is made from this file.
"""

from tradebotd.domain.meaning import MeaningEnum


class RefusalCode(MeaningEnum):
    """Each with its *meaning* for an operator. `control/errors.py` says which are wrong by
    themselves and which name what is not there; all others depend on the state of the daemon.
    """

    # Any command
    USAGE = "usage", "an argument or a parameter is wrong or missing"
    STARTING = "starting", "the daemon is starting"
    STOPPING = "stopping", "the daemon is stopping"
    STANDBY = "standby", "this daemon stands by; another one holds the account"
    # Names
    UNKNOWN_JOB = "unknown_job", "there is no job of that name"
    UNKNOWN_BOT = "unknown_bot", "there is no bot of that name"
    UNKNOWN_SYMBOL = "unknown_symbol", "the symbol is not configured"
    UNKNOWN_TIMEFRAME = "unknown_timeframe", "there is no such timeframe"
    UNKNOWN_LEVELS = "unknown_levels", "the symbol has had no completed session yet"
    UNKNOWN_POSITION = "unknown_position", "no open position has that id"
    UNKNOWN_ORDER = "unknown_order", "no order has that id"
    UNKNOWN_DEAD_LETTER = "unknown_dead_letter", "no open dead letter has that id"
    # Jobs
    ALREADY_RUNNING = "already_running", "the job is running"
    ALREADY_ENABLED = "already_enabled", "the job is enabled"
    ALREADY_DISABLED = "already_disabled", "the job is disabled"
    DISABLED_IN_CONFIG = "disabled_in_config", "the configuration disables the job: edit it there"
    # The configuration, halts and pauses
    NEEDS_RESTART = "needs_restart", "only a restart can change it; nothing was changed"
    NOT_HALTED = "not_halted", "no operator's halt and no drawdown is in force"
    ALREADY_PAUSED = "already_paused", "the bot is paused"
    NOT_PAUSED = "not_paused", "the bot, or the symbol, is not paused"
    # A position
    NO_SUCH_POSITION = "no_such_position", "no open position has that id any more"
    CLOSED = "closed", "it was done, and the position is closed by now: see `trades`"
    # The exits of a position
    BAD_LEVEL = "bad_level", "neither a price nor a percentage"
    BAD_DURATION = "bad_duration", "not a duration"
    BAD_TRIGGER_PRICE = "bad_trigger_price", "none of last, mark and bid_ask"
    NOTHING_TO_SET = "nothing_to_set", "no exit is named"
    NOT_ON_TICK = "not_on_tick", "the price is not a multiple of the symbol's tick"
    WRONG_SIDE = "wrong_side", "the trailing stop would not trail behind the best price"
    CLOSER_THAN_A_TICK = "closer_than_a_tick", "the trailing stop is less than a tick away"
    NO_STOP = "no_stop", "the position would be left without a stop"
    ALREADY_OVER = "already_over", "it has been held for longer than that: close it"
    ALREADY_MET = "already_met", "the price has met the level already: close it"
    STOP_BEYOND_LIQUIDATION = (
        "stop_beyond_liquidation",
        "the position would be liquidated before its stop",
    )
    NO_PRICE = "no_price", "the symbol has no price yet, or none of the kind that is asked for"
    # An adoption
    NO_SUCH_BOT = "no_such_bot", "there is no bot of that name to adopt for"
    OTHER_SYMBOL = "other_symbol", "the bot trades another symbol"
    OTHER_VENUE = "other_venue", "the symbol is traded at another venue"
    VENUE_UNAVAILABLE = (
        "venue_unavailable",
        "the venue does not say what it holds, or at what price",
    )
    NOTHING_TO_ADOPT = "nothing_to_adopt", "our books and the venue agree"
    ORDER_UNKNOWN = "order_unknown", "it may be an order of ours whose outcome is not known"
    CHANGED_MEANWHILE = "changed_meanwhile", "the symbol was traded at that moment: try again"
    POSITION_OPEN = "position_open", "the bot holds a position already"
    NOTHING_HELD = "nothing_held", "the bot holds nothing that could have become less"
    TOO_MUCH = "too_much", "more is gone than the bot holds"
    TOO_SMALL = "too_small", "less than a lot, or than an exit could sell"
    NEEDS_RANGE = "needs_range", "the bot's exits need a range that is measured at its own entry"
    SHORT_NOT_ALLOWED = "short_not_allowed", "the bot may not be short"
