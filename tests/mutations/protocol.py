"""What holds the money together: the order protocol, its locks and its indexes."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

PROTOCOL: Final = (
    Mutation(
        name="the row of an order is written after the venue has answered",
        edits=(
            Edit(
                "tradebotd/trading/execution/placement.py",
                "            await insert_entry(connection, self._lease, order, decision, limit)\n",
                "            pass\n",
            ),
            Edit(
                "tradebotd/trading/execution/placement.py",
                "                group_id = await exit_rows.insert(\n"
                "                    connection, lease.account, lease.token, order, use.kind, first\n"
                "                )\n",
                "",
            ),
            Edit(
                "tradebotd/trading/execution/placement.py",
                "        await self._recorder.record(report, *others)\n        return report\n",
                "        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:\n"
                "            await insert_entry(connection, self._lease, prepared.order, None, None)\n"
                "        await self._recorder.record(report, *others)\n        return report\n",
            ),
        ),
        tests=(
            "tests/integration/test_order_protocol.py::test_the_row_is_committed_before_a_byte_is_sent",
        ),
    ),
    Mutation(
        name="a fill that comes again is applied again",
        edits=(
            Edit(
                "tradebotd/trading/execution/fill_ledger.py",
                "        if recorded is not None:\n",
                "        if False:\n",
            ),
            Edit(
                "migrations/0001_foundation.sql",
                "    executed_at timestamptz NOT NULL,\n    CONSTRAINT fill_once UNIQUE (venue, symbol, trade_id)\n",
                "    executed_at timestamptz NOT NULL,\n"
                "    CONSTRAINT fill_once UNIQUE (id, venue, symbol, trade_id)\n",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_fills_in_any_order_and_number_leave_the_same_books",
        ),
    ),
    Mutation(
        name="the lease is not locked: a takeover may commit between the check and the order",
        edits=(Edit("tradebotd/storage/leadership.py", "           FOR SHARE\n", ""),),
        tests=(
            "tests/integration/test_leadership.py::test_no_takeover_commits_between_an_orders_lease_and_its_commit",
        ),
    ),
    Mutation(
        name="an order is settled when its status says so, whatever its fills are",
        edits=(
            Edit(
                "migrations/0004_excess_of_exits.sql",
                "        AND coalesce(venue_filled_quantity, 0) = filled_quantity + excess_quantity\n",
                "",
            ),
        ),
        tests=(
            "tests/integration/test_fills.py::test_filled_is_not_settled_before_its_fills_are_here",
            "tests/integration/test_schema.py::test_an_entry_makes_room_only_once_its_fills_are_applied",
        ),
    ),
    Mutation(
        name="a position may have several exit groups of a kind",
        edits=(
            Edit(
                "migrations/0001_foundation.sql",
                "CREATE UNIQUE INDEX exit_group_active ON",
                "CREATE INDEX exit_group_active ON",
            ),
            Edit(
                "migrations/0001_foundation.sql",
                "CREATE UNIQUE INDEX exit_group_retiring ON",
                "CREATE INDEX exit_group_retiring ON",
            ),
        ),
        tests=("tests/integration/test_schema.py::test_one_exit_group_of_a_kind_for_a_position",),
    ),
    Mutation(
        name="the account that was taken over is acted on before the fence has passed",
        edits=(
            Edit(
                "tradebotd/trading/execution/lease.py",
                "        return max(0.0, self._fenced_until - self._host.monotonic())\n",
                "        return 0.0\n",
            ),
        ),
        tests=(
            "tests/integration/test_lease.py::test_a_silent_holder_elsewhere_is_taken_over_after_its_lease_behind_a_fence",
        ),
    ),
    Mutation(
        name="sending has no limit of time",
        edits=(
            Edit(
                "tradebotd/trading/execution/placement.py",
                "with anyio.fail_after(SEND_SECONDS):",
                "with anyio.fail_after(None):",
            ),
        ),
        tests=(
            "tests/integration/test_bounds.py::test_an_entry_that_is_not_answered_is_unknown_when_its_time_is_over",
            "tests/integration/test_bounds.py::test_an_exit_that_is_not_answered_is_unknown_when_its_time_is_over",
        ),
    ),
    Mutation(
        name="an entry is sent though entries were stopped after its row was written",
        edits=(
            Edit(
                "tradebotd/trading/entries/entries.py",
                "self._placement.send(prepared, send_blocked_by=permit.send_blocked_by)",
                "self._placement.send(prepared)",
            ),
        ),
        tests=(
            "tests/integration/test_entries_under_way.py::test_an_entry_under_way_is_not_sent_once_entries_are_stopped",
        ),
    ),
    Mutation(
        name="the row of an entry is written whatever halt the database knows of",
        edits=(
            Edit(
                "tradebotd/trading/execution/entry_obstacles.py",
                "    if held.halt is not None:",
                "    if held.halt is not None and not held.halt:",
            ),
        ),
        tests=(
            "tests/integration/test_entries_under_way.py::test_what_the_database_says_stops_an_entry_that_memory_would_let_in",
        ),
    ),
    Mutation(
        name="an exit by signal is not decided with its order",
        edits=(
            Edit(
                "tradebotd/trading/bots/decision_executor.py",
                "close_now(position, CloseReason.SIGNAL, record)",
                "close_now(position, CloseReason.SIGNAL)",
            ),
        ),
        tests=(
            "tests/integration/test_signal_exits.py::test_a_process_killed_with_the_exit_under_way_does_not_turn_round_either",
        ),
    ),
    Mutation(
        name="absence counts by our clock alone",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/rules.py",
                "if min(answer.venue_time, asked_at) <= speaks_from:",
                "if asked_at <= speaks_from:",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_orders.py::test_a_venue_whose_clock_is_behind_has_not_said_it_yet",
        ),
    ),
    Mutation(
        name="absence is inferred though the holdings have moved",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/rules.py",
                "if often_enough and widely_enough and not moved\n",
                "if often_enough and widely_enough\n",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_orders.py::test_a_false_never_seen_for_forty_minutes_ends_in_the_fill",
        ),
    ),
    Mutation(
        name="what was inferred absent is asked about for an hour, not a day",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/rules.py",
                "ASK_ON: Final = timedelta(hours=24)",
                "ASK_ON: Final = timedelta(hours=1)",
            ),
        ),
        tests=("tests/integration/test_unknown_orders.py::test_the_asking_ends_after_a_day",),
    ),
    Mutation(
        name="two adoptions run at once",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/adoption.py",
                "        async with self._one_at_a_time:\n            return",
                "        if self._one_at_a_time:\n            return",
            ),
        ),
        tests=(
            "tests/integration/test_adoptions.py::test_what_two_bots_are_given_at_once_goes_to_one_of_them",
        ),
    ),
    Mutation(
        name="what no exit could sell is adopted",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/adoption.py",
                "    if not sellable(",
                "    if spec is None and not sellable(",
            ),
        ),
        tests=("tests/integration/test_adoptions.py::test_what_no_exit_could_sell_is_not_adopted",),
    ),
)
