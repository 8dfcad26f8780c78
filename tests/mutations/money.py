"""What is counted: fees, averages, P&L, days, sizes, margins, limits."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

MONEY: Final = (
    Mutation(
        name="the fees of exits are income",
        edits=(
            Edit(
                "tradebotd/domain/position.py",
                "            exit_proceeds=self.exit_proceeds + fill.price * gone,\n"
                "            fees=self.fees + fee_in_quote(",
                "            exit_proceeds=self.exit_proceeds + fill.price * gone,\n"
                "            fees=self.fees - fee_in_quote(",
            ),
        ),
        tests=(
            "tests/unit/test_position_totals.py::test_a_base_fee_beyond_what_is_held_is_a_cost_and_goes_below_nothing",
        ),
    ),
    Mutation(
        name="an entry in pieces costs the last of its prices",
        edits=(
            Edit(
                "tradebotd/domain/position.py",
                "            entry_cost=self.entry_cost + fill.price * received,\n",
                "            entry_cost=fill.price * (self.entry_quantity + received),\n",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_a_split_entry_grows_one_position_from_average_to_average",
        ),
    ),
    Mutation(
        name="the daily reset resumes a bot that its user has paused",
        edits=(
            Edit(
                "tradebotd/storage/bots.py",
                "paused_by = CASE WHEN s.paused_by = 'limit' THEN NULL ELSE s.paused_by END",
                "paused_by = NULL",
            ),
        ),
        tests=(
            "tests/integration/test_bot_cycle.py::test_the_reset_reactivates_whom_a_limit_paused_and_nobody_else",
        ),
    ),
    Mutation(
        name="the daily limits compare two currencies",
        edits=(
            Edit(
                "tradebotd/trading/account/bot_days.py",
                "pnl=Decimal(0) if rate is None else pnl * rate",
                "pnl=pnl",
            ),
            Edit(
                "tradebotd/trading/execution/report_booking.py",
                "gains = [gain * rate for gain in draft.gains]",
                "gains = list(draft.gains)",
            ),
        ),
        tests=(
            "tests/integration/test_one_currency.py::test_daily_limits_compare_the_accounts_currency",
        ),
    ),
    Mutation(
        name="an entry is sized for its price alone, not for its stop",
        edits=(
            Edit(
                "tradebotd/risk/sizing.py",
                "way_out = price if stop is None else stop",
                "way_out = price",
            ),
        ),
        tests=("tests/unit/test_sizing.py::test_what_could_not_be_sold_at_its_stop_is_not_bought",),
    ),
    Mutation(
        name="a fee in the base asset leaves as much to sell",
        edits=(
            Edit(
                "tradebotd/risk/sellable.py",
                "held = quantity * (ONE - base_fee) if is_spot else quantity",
                "held = quantity",
            ),
        ),
        tests=(
            "tests/unit/test_sizing.py::test_one_lot_is_not_bought_where_the_fee_is_taken_out_of_it",
        ),
    ),
    Mutation(
        name="the paper venue takes exits of any notional",
        edits=(
            Edit(
                "tradebotd/domain/order_filters.py",
                "if request.reduce_only:\n        return",
                "if request.side.sign < 0:\n        return",
            ),
        ),
        tests=(
            "tests/contract/test_venue_filters.py::test_what_a_filter_refuses_is_rejected_by_name_and_trades_nothing",
        ),
    ),
    Mutation(
        name="an entry is sized by its own lot alone",
        edits=(
            Edit(
                "tradebotd/risk/round_trip.py",
                "            step = common_step(step, sold.lot_size)\n",
                "            pass\n",
            ),
        ),
        tests=(
            "tests/unit/test_round_trip.py::test_an_entry_meets_its_own_lot_and_those_of_its_exits",
        ),
    ),
    Mutation(
        name="an entry is judged by the filters that were in force when it was wanted",
        edits=(
            Edit(
                "tradebotd/trading/entries/entries.py",
                "self._filters.in_force(wanted.symbol), wanted.now",
                "wanted.symbol, wanted.now",
            ),
        ),
        tests=(
            "tests/integration/test_entry_filters.py::test_an_entry_that_waited_is_judged_by_the_filters_of_its_turn",
        ),
    ),
    Mutation(
        name="filters that cannot be so come into force",
        edits=(
            Edit(
                "tradebotd/trading/instruments/refresh.py",
                "        reason = why_not_so(told, now_in_force, specs)\n",
                "        reason = None if specs else why_not_so(told, now_in_force, specs)\n",
            ),
        ),
        tests=(
            "tests/integration/test_instruments.py::test_nonsense_is_said_and_the_last_good_one_stays",
        ),
    ),
    Mutation(
        name="exits of a halted symbol are sent",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_holds.py",
                "symbol is None or symbol.instrument.status is SymbolStatus.TRADING",
                "symbol is None or symbol.instrument.status is not SymbolStatus.DELISTED",
            ),
        ),
        tests=(
            "tests/integration/test_instruments.py::test_exits_of_a_halted_symbol_wait_and_are_made_when_it_trades",
        ),
    ),
    Mutation(
        name="a target that rests as a limit counts as a stop",
        edits=(
            Edit(
                "tradebotd/trading/exits/resting_room.py",
                "stops=2 if pair.types.target in CONDITIONAL else 1",
                "stops=2",
            ),
        ),
        tests=(
            "tests/integration/test_entry_filters.py::test_a_pair_is_counted_by_the_types_that_it_rests_in",
        ),
    ),
    Mutation(
        name="stops on their way are not counted",
        edits=(
            Edit(
                "tradebotd/trading/exits/resting_room.py",
                "            stops=there.stops + sum(each.stops for each in others.values()),\n",
                "            stops=there.stops,\n",
            ),
        ),
        tests=(
            "tests/integration/test_entry_filters.py::test_a_stop_without_room_leaves_the_daemon_alone_on_guard",
        ),
    ),
    Mutation(
        name="a fill counts on the day it was heard of",
        edits=(
            Edit(
                "tradebotd/trading/execution/fill_ledger.py",
                "            fill.executed_at,\n            pnl,\n",
                "            self._clock.now(),\n            pnl,\n",
            ),
            Edit(
                "tradebotd/trading/execution/report_booking.py",
                "day=self._days.of(stored.order.bot, first.executed_at)",
                "day=self._days.of(stored.order.bot, self._clock.now())",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_a_fill_counts_in_the_bots_day_in_which_it_was_made",
        ),
    ),
    Mutation(
        name="a late fill of an earlier day counts today",
        edits=(
            Edit(
                "tradebotd/storage/bots.py",
                "CASE WHEN day > $2 THEN daily_pnl WHEN",
                "CASE WHEN day > $2 THEN daily_pnl + $3 WHEN",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_a_fill_counts_in_the_bots_day_in_which_it_was_made",
        ),
    ),
    Mutation(
        name="no cooldown follows a trailing stop",
        edits=(
            Edit(
                "tradebotd/storage/entry_facts.py",
                "close_reason IN ('stop_loss', 'trailing_stop')",
                "close_reason IN ('stop_loss')",
            ),
        ),
        tests=(
            "tests/integration/test_entry_rules.py::test_a_bot_cools_down_after_a_stop_also_across_a_restart",
        ),
    ),
    Mutation(
        name="the exposure of an entry is not converted",
        edits=(
            Edit(
                "tradebotd/risk/limits.py",
                "intent.request.quantity * price * terms.rate",
                "intent.request.quantity * price",
            ),
        ),
        tests=("tests/integration/test_one_currency.py::test_an_entry_in_euros_counts_in_dollars",),
    ),
    Mutation(
        name="the margin of futures is free cash",
        edits=(
            Edit(
                "tradebotd/trading/account/buying_power.py",
                "held[holding.venue, holding.quote_asset] += margin",
                "held[holding.venue, holding.quote_asset] += ZERO * margin",
            ),
        ),
        tests=("tests/integration/test_one_currency.py::test_a_margin_is_not_free",),
    ),
    Mutation(
        name="pending entries hold no cash",
        edits=(
            Edit(
                "tradebotd/trading/account/buying_power.py",
                "            free[cash_key] -= cost\n",
                "            free[cash_key] -= ZERO * cost\n",
            ),
        ),
        tests=(
            "tests/integration/test_limit_entries.py::test_what_rests_holds_cash_and_counts_as_exposure",
        ),
    ),
    Mutation(
        name="funding belongs to nobody once its position is closed",
        edits=(
            Edit(
                "tradebotd/storage/funding.py",
                "AND (closed_at IS NULL OR closed_at >= $3)",
                "AND closed_at IS NULL",
            ),
        ),
        tests=(
            "tests/integration/test_funding_payments.py::test_a_payment_told_after_the_close_goes_to_what_was_held_then",
        ),
    ),
    Mutation(
        name="a risk is sized by twice the distance of the stop",
        edits=(
            Edit(
                "tradebotd/risk/sizing.py",
                "return share / stop_distance",
                "return share / (2 * stop_distance)",
            ),
        ),
        tests=(
            "tests/integration/test_entry_rules.py::test_risk_percent_loses_its_share_at_the_stop",
        ),
    ),
    Mutation(
        name="no cash is kept for the fee",
        edits=(Edit("tradebotd/risk/sizing.py", "/ (margin + cost_buffer)", "/ margin"),),
        tests=(
            "tests/unit/test_sizing.py::test_percent_of_equity_is_reduced_to_what_cash_pays_for",
        ),
    ),
    Mutation(
        name="the maintenance margin moves the liquidation away",
        edits=(
            Edit(
                "tradebotd/risk/liquidation.py",
                "(leverage * quantity * (ONE - sign * bracket.rate))",
                "(leverage * quantity * (ONE + sign * bracket.rate))",
            ),
        ),
        tests=(
            "tests/integration/test_entry_rules.py::test_a_stop_beyond_the_liquidation_is_denied",
        ),
    ),
    Mutation(
        name="the price collar holds above only",
        edits=(
            Edit(
                "tradebotd/risk/limits.py",
                "abs(asked - reference) > limits.price_collar * reference",
                "asked - reference > limits.price_collar * reference",
            ),
        ),
        tests=("tests/unit/test_limits.py::test_each_term_of_an_entry_denies_it_by_its_name",),
    ),
    Mutation(
        name="a drawdown ends with the day",
        edits=(
            Edit(
                "tradebotd/trading/account/loss_halts.py",
                "until = day_ends(now, zone) if rule == DenialRule.MAX_DAILY_LOSS else None",
                "until = day_ends(now, zone)",
            ),
        ),
        tests=("tests/integration/test_account_halts.py::test_a_drawdown_outlasts_a_daily_loss",),
    ),
    Mutation(
        name="a transfer moves what losses are measured from by its amount",
        edits=(
            Edit(
                "tradebotd/risk/account_units.py",
                "units.units * after / before",
                "units.units + (after - before) / 1_000_000",
            ),
        ),
        tests=(
            "tests/integration/test_transfers.py::test_a_withdrawal_alone_reaches_no_limit",
            "tests/integration/test_transfers.py::test_a_deposit_gives_no_room_for_loss",
        ),
    ),
    Mutation(
        name="what was lost before an account was empty is forgiven",
        edits=(
            Edit(
                "tradebotd/risk/account_units.py",
                "peak > 0 and peak + worth > 0",
                "peak > peak + abs(worth)",
            ),
        ),
        tests=(
            "tests/integration/test_transfers.py::test_what_comes_into_an_account_that_has_lost_all_forgives_nothing",
        ),
    ),
    Mutation(
        name="what is paid back is taken for what had never left",
        edits=(
            Edit(
                "tradebotd/trading/account/cash_jumps.py",
                "same = part.amount * late > 0",
                "same, remaining = True, abs(part.amount)",
            ),
        ),
        tests=(
            "tests/integration/test_transfers.py::test_what_is_paid_back_is_weighed_by_what_is_there_then",
        ),
    ),
    Mutation(
        name="the highest equity is that of the snapshots, without the present",
        edits=(Edit("tradebotd/trading/account/valuation.py", "max(peak, current)", "peak"),),
        equivalent="above the peak there is no drawdown either way",
    ),
    Mutation(
        name="what a bot that its limit has paused wants to enter goes on resting",
        edits=(
            Edit(
                "tradebotd/trading/entries/resting_entries.py",
                'return None if limit is None else f"its bot is paused ({limit})"',
                "return None if limit else None",
            ),
        ),
        tests=(
            "tests/integration/test_stopped_entries.py::test_a_bot_whose_limit_is_reached_keeps_no_entry_resting",
            "tests/integration/test_stopped_entries.py::test_a_limit_that_a_fill_reaches_takes_back_what_rests",
        ),
    ),
    Mutation(
        name="a pause by a limit of yesterday outlives the reset when a fill came first",
        edits=(
            Edit(
                "tradebotd/jobs/daily_reset.py",
                "lifted = paused is None and await self._lift(name, context.now)",
                "lifted = False",
            ),
        ),
        tests=(
            "tests/integration/test_bot_cycle.py::test_the_reset_lifts_a_pause_of_yesterday_though_a_fill_came_first",
        ),
    ),
    Mutation(
        name="an entry is made where an exit has outlived its position",
        edits=(
            Edit(
                "tradebotd/storage/entry_rows.py",
                '    "left_over": DenialRule.EXIT_LEFT_OVER,\n',
                "",
            ),
            Edit("tradebotd/storage/entry_rows.py", " OR b.left_over", ""),
        ),
        tests=(
            "tests/integration/test_orphaned_exits.py::test_nobody_enters_where_an_exit_has_outlived_its_position",
        ),
    ),
)
