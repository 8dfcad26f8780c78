"""Exits: every open position against its stops, its target and its time.

Four callers may act on one position at the same time, independently of each other:

    a tick                `manager`, by the levels in the trigger book
    the sweep             `sweep`, by the table and its own prices: the safety net behind ticks
    resting stops         `resting_rounds` and `resting_stops` place, move and cancel stops
    an operator, a signal `manager.close_now`, `exit_changes`

All of them end in `market_exits` or `resting_stops`, and both send by `exit_placement` alone. That
a position is sold once rests on four things, from the outside in:

1. A level that was met is latched until its exit is settled (`risk/trigger_book`).
2. An exit carries the version and the step it was judged by (`exit_intents`); it is denied as
   `position_changed` where the position has moved.
3. Exits of a position are made one at a time (`exit_placement`); a second one at the market is
   denied.
4. The order is committed with the position locked, in that very version, and with its exit group;
   while an exit's outcome is unknown nothing is sent that could sell the same again
   (`exit_conflicts`).

`docs/architecture.md` describes it in full; tests/integration/test_one_owner_at_a_time.py drives
them against each other in pairs.
"""
