"""How a position ends: which order, how much of it, at which level."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

EXITS: Final = (
    Mutation(
        name="an exit is not compared with what is held when it is committed",
        edits=(
            Edit(
                "tradebotd/trading/execution/placement.py",
                "if intent.position_version != locked.position.version:",
                "if False:",
            ),
        ),
        tests=(
            "tests/integration/test_exit_owners.py::test_an_exit_is_made_from_the_position_as_it_is_committed",
        ),
    ),
    Mutation(
        name="a range's trailing stop of a short goes the wrong way",
        edits=(
            Edit("tradebotd/risk/exit_levels.py", "- side.sign * self.amount", "- self.amount"),
        ),
        tests=("tests/unit/test_trigger_book.py::test_a_range_is_followed_beside_fractions",),
    ),
    Mutation(
        name="the break-even stop of a short lies on the losing side",
        edits=(
            Edit(
                "tradebotd/risk/exit_levels.py",
                "side.sign * plan.break_even.lock",
                "plan.break_even.lock",
            ),
        ),
        tests=("tests/unit/test_trigger_book.py::TestBookAgainstTheNaiveModel",),
    ),
    Mutation(
        name="a trailing stop set by hand loosens at the second fill of the entry",
        edits=(
            Edit(
                "tradebotd/trading/execution/levels_after_fill.py",
                "        levels = replace(levels, trailing_stop=locked.position.trailing_stop)\n",
                "        levels = replace(levels)\n",
            ),
        ),
        tests=(
            "tests/integration/test_tightest_stops.py::test_a_second_entry_fill_loosens_no_trailing_stop",
        ),
    ),
    Mutation(
        name="the stops of shorts that have moved are stored loosened",
        edits=(
            Edit(
                "tradebotd/storage/positions.py",
                "ELSE least(p.stop_loss, m.stop_loss) END",
                "ELSE greatest(p.stop_loss, m.stop_loss) END",
            ),
        ),
        tests=("tests/integration/test_exit_owners.py::test_break_even_reaches_the_table",),
    ),
    Mutation(
        name="after a restart the best price of a short comes from the highs",
        edits=(
            Edit(
                "tradebotd/trading/exits/tracked_positions.py",
                "high if position.side.sign > 0 else low",
                "high",
            ),
        ),
        tests=(
            "tests/integration/test_tightest_stops.py::test_a_restart_takes_the_best_price_of_the_candles_since_the_entry",
        ),
    ),
    Mutation(
        name="a step of a ladder is taken again",
        edits=(
            Edit(
                "tradebotd/trading/execution/levels_after_fill.py",
                "    remaining = replace(remaining, step_sold=position.step_sold + sold)\n"
                "    return (\n"
                "        remaining\n"
                "        if still_to_sell(remaining, step, instrument)\n",
                "    return (\n        remaining\n        if True\n",
            ),
        ),
        tests=("tests/integration/test_ladder.py::test_a_ladder_is_climbed_step_by_step",),
    ),
    Mutation(
        name="a step of a ladder is taken by its first fill",
        edits=(
            Edit(
                "tradebotd/trading/execution/levels_after_fill.py",
                "        if still_to_sell(remaining, step, instrument)\n",
                "        if False\n",
            ),
        ),
        tests=(
            "tests/integration/test_ladder.py::test_a_step_is_taken_once_its_whole_quantity_is_sold",
        ),
    ),
    Mutation(
        name="a step too small to be sold is forgotten",
        edits=(
            Edit(
                "tradebotd/trading/execution/levels_after_fill.py",
                "step_sold=-carried",
                "step_sold=ZERO",
            ),
        ),
        tests=(
            "tests/integration/test_ladder.py::test_a_share_that_joined_the_next_step_is_sold_with_it",
        ),
    ),
    Mutation(
        name="what may still be added to is written off",
        edits=(
            Edit(
                "tradebotd/trading/execution/dust_write_off.py",
                "if await orders.is_position_unsettled(connection, position_id):",
                "if False:",
            ),
        ),
        tests=(
            "tests/integration/test_sold_again.py::test_dust_is_not_closed_while_an_order_may_still_add_to_it",
        ),
    ),
    Mutation(
        name="an unknown exit of spot is released, and sold again",
        edits=(
            Edit(
                "tradebotd/trading/exits/market_exits.py",
                "if unknown and (repeats or exit_.position.position_type is not PositionType.FUTURES):",
                "if False:",
            ),
        ),
        tests=(
            "tests/integration/test_exit_manager.py::test_an_unknown_exit_keeps_its_latch_until_it_is_resolved",
        ),
    ),
    Mutation(
        name="nothing was sold: balances are not asked",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/exit_evidence.py",
                "return await self._all_is_there(venue, subject, account, before)",
                "return True",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_exits.py::test_coins_that_were_there_before_us_prove_nothing",
        ),
    ),
    Mutation(
        name="a symbol that is paused for a split is sold",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_holds.py",
                "        if position.symbol in self._pauses.paused:\n            return SPLIT\n",
                "",
            ),
        ),
        tests=("tests/integration/test_exit_prices.py::test_a_split_never_fires_a_stop",),
    ),
    Mutation(
        name="the grace of a resting stop never ends",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_holds.py",
                "        if now < met.at + self._grace:\n",
                "        if True:\n",
            ),
        ),
        tests=(
            "tests/integration/test_resting_stops.py::test_a_stop_that_the_venue_leaves_lying_is_taken_over_by_the_daemon",
        ),
    ),
    Mutation(
        name="prices stay fresh for hours",
        edits=(
            Edit(
                "tradebotd/trading/prices/fresh_prices.py",
                "FRESH: Final = timedelta(seconds=90)",
                "FRESH: Final = timedelta(hours=9)",
            ),
        ),
        tests=(
            "tests/integration/test_bounds.py::test_the_sweep_asks_for_another_price_where_the_last_is_minutes_old",
            "tests/integration/test_bounds.py::test_a_tick_that_comes_minutes_late_sells_nothing",
        ),
    ),
    Mutation(
        name="of two stops the looser one rests at the venue",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_intents.py",
                "more_favourable(position.side, stop, trailing) != stop",
                "more_favourable(position.side, stop, trailing) == stop",
            ),
        ),
        tests=("tests/integration/test_tightest_stops.py::test_the_tightest_of_two_stops_rests",),
    ),
    Mutation(
        name="a step whose answer was lost is sold again where exits only reduce",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_conflicts.py",
                "    again = context.part",
                "    again = False",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_exits.py::test_a_step_whose_answer_is_lost_is_not_sold_twice",
        ),
    ),
    Mutation(
        name="a second exit is capped where another bot holds the symbol",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_placement.py",
                "PositionType.FUTURES and not shared",
                "PositionType.FUTURES",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_exits.py::test_reduce_only_caps_nothing_where_another_bot_holds_the_symbol",
        ),
    ),
    Mutation(
        name="no absence is doubted where the holdings can say nothing",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/rules.py",
                "if silent and lasted",
                "if False and lasted",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_orders.py::test_one_bought_and_one_sold_prove_no_absence_of_either",
        ),
    ),
    Mutation(
        name="an exit that the fence holds back counts as refused",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_holds.py",
                "        if held_back is None:\n            return None\n",
                "        if True:\n            return None\n",
            ),
        ),
        tests=(
            "tests/integration/test_exits_behind_the_fence.py::test_a_stop_that_is_met_behind_the_fence_leaves_as_soon_as_it_may",
        ),
    ),
    Mutation(
        name="a step in doubt silences the stops, too",
        edits=(
            Edit(
                "tradebotd/trading/exits/market_exits.py",
                "            self._tracked.release_stops(exit_.position.id)",
                "            pass",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_exits.py::test_a_tick_meets_the_stop_though_nobody_knows_what_became_of_a_step",
        ),
    ),
    Mutation(
        name="a close is named by the exit that was told last",
        edits=(
            Edit(
                "tradebotd/trading/execution/fill_rules.py",
                "if latest.exited_at is not None and latest.exited_at > at:",
                "if False:",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_a_close_bears_the_reason_and_the_time_of_the_same_latest_fill",
        ),
    ),
)
