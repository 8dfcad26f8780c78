"""What no test of one module need see: the simulation's oracle does, each by one of its assertions."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

SEEDS: Final = tuple(range(40))

ORACLE: Final = (
    Mutation(
        name="funding counts twice",
        edits=(
            Edit(
                "tradebotd/storage/funding.py",
                "SET funding = funding + $2, realized_pnl = realized_pnl + $2,",
                "SET funding = funding + 2 * $2, realized_pnl = realized_pnl + 2 * $2,",
            ),
        ),
        seeds=SEEDS,
        draw=("landed", "funding"),
        says="I8",
    ),
    Mutation(
        name="an order is sent again when its answer is lost",
        edits=(
            Edit(
                "tradebotd/trading/execution/placement.py",
                "        except (OutcomeUnknownError, TimeoutError) as error:\n",
                "        except (OutcomeUnknownError, TimeoutError) as error:\n"
                "            try:\n"
                "                await self._venues[request.venue].submit(\n"
                "                    client_order_id, request, send_blocked_by=send_blocked_by)\n"
                "            except Exception:\n"
                "                log.info('sent again')\n",
            ),
        ),
        seeds=SEEDS,
        says="I1 ",
    ),
    Mutation(
        name="of several fills of a report the first is applied",
        edits=(
            Edit(
                "tradebotd/trading/execution/recorder.py",
                "replace(fill, client_order_id=name) for fill in fills]",
                "replace(fill, client_order_id=name) for fill in fills[:1]]",
            ),
        ),
        seeds=SEEDS,
        says="I3 fill of",
    ),
    Mutation(
        name="a lease that is lost keeps nothing back",
        edits=(
            Edit(
                "tradebotd/trading/execution/placement.py",
                "        return self._lease.send_blocked_by()\n",
                "        return None\n",
            ),
            # Of who stands still until another has taken over these two keep it back as well.
            Edit(
                "tradebotd/trading/execution/placement.py",
                "        if self._host.now() > prepared.order.send_by:\n",
                "        if self._host.now() > prepared.order.send_by + 600 * SEND_WITHIN:\n",
            ),
            Edit(
                "tradebotd/trading/execution/placement.py",
                "SEND_SECONDS: Final = 15.0\n",
                "SEND_SECONDS: Final = 1500.0\n",
            ),
        ),
        seeds=tuple(range(150)),
        says="I5",
    ),
    Mutation(
        name="nobody asks for orders in doubt",
        edits=(
            Edit(
                "tradebotd/storage/order_searches.py",
                "    return [(orders.from_row(row), _search(row)) for row in rows]\n",
                "    return [(orders.from_row(row), _search(row)) for row in rows[:0]]\n",
            ),
        ),
        seeds=SEEDS,
        says="I7",
    ),
    Mutation(
        name="half of what is held rests at the venue",
        edits=(
            Edit(
                "tradebotd/trading/exits/exit_intents.py",
                "    quantity = _sellable_by(types.stop, position, worth, instrument)\n",
                "    half = replace(position, quantity=position.quantity / 2)\n"
                "    quantity = _sellable_by(types.stop, half, worth, instrument)\n",
            ),
        ),
        seeds=SEEDS,
        says="I4",
    ),
    Mutation(
        name="a halt that is answered holds no entry back that is under way",
        edits=(
            Edit(
                "tradebotd/trading/entries/entry_gate.py",
                "            blocked_by=lambda: PAUSED if bot in self._paused else self.closed_because(venue),\n",
                "            blocked_by=lambda: None,\n",
            ),
            Edit(
                "tradebotd/trading/entries/entry_pass.py",
                "        if reason is None and self._stops() != self._begun_at:\n",
                "        if reason is None and self._stops() is None:\n",
            ),
            Edit(
                "tradebotd/trading/execution/entry_obstacles.py",
                "    held = await entry_rows.lock(connection, intent.bot)\n    if held.halt is not None:\n",
                "    held = await entry_rows.lock(connection, intent.bot)\n    if held is None:\n",
            ),
            Edit(
                "tradebotd/trading/execution/entry_obstacles.py",
                "    stored = held.account_halt\n",
                "    stored = None\n",
            ),
        ),
        seeds=tuple(range(150)),
        draw=("landed", "windows", "slow"),
        says="M5.8 entry",
    ),
    Mutation(
        name="nothing is left, says flatten whatever is",
        edits=(
            Edit(
                "tradebotd/trading/operator/flatten.py",
                "remaining=remaining + self.differences",
                "remaining=remaining[:0]",
            ),
        ),
        seeds=tuple(range(150)),
        draw=("landed", "windows"),
        says="M5.8 position",
    ),
    Mutation(
        name="a stop-loss lies twice as far away",
        edits=(
            Edit(
                "tradebotd/risk/exit_levels.py",
                "-side.sign * plan.stop_loss, tick_size",
                "-2 * side.sign * plan.stop_loss, tick_size",
            ),
        ),
        seeds=SEEDS,
        says="exits of",
    ),
    Mutation(
        name="a trailing stop is called a stop-loss",
        edits=(
            Edit(
                "tradebotd/risk/exit_levels.py",
                "        (CloseReason.TRAILING_STOP, levels.trailing_stop),\n",
                "        (CloseReason.STOP_LOSS, levels.trailing_stop),\n",
            ),
            Edit(
                "tradebotd/risk/trigger_book.py",
                "            self._push(stops, entry, 1, CloseReason.TRAILING_STOP, position.trailing_stop)\n",
                "            self._push(stops, entry, 1, CloseReason.STOP_LOSS, position.trailing_stop)\n",
            ),
        ),
        seeds=SEEDS,
        says="exits of",
    ),
    Mutation(
        name="a step of a ladder sells half as much again",
        edits=(
            Edit(
                "tradebotd/risk/exit_levels.py",
                "plan.ladder[step - 1].share * entry_quantity",
                "plan.ladder[step - 1].share * entry_quantity * 3 / 2",
            ),
        ),
        seeds=SEEDS,
        says="exits of",
    ),
    Mutation(
        name="half of the longest holding is enough",
        edits=(
            Edit(
                "tradebotd/risk/exit_levels.py",
                "now - opened_at >= plan.max_holding",
                "now - opened_at >= plan.max_holding / 2",
            ),
        ),
        seeds=SEEDS,
        says="exits of",
    ),
    Mutation(
        name="a bot that says nothing sells",
        edits=(
            Edit(
                "tradebotd/trading/bots/decision.py",
                "    if wanted is None:\n        return Decision(\n",
                "    if wanted is None and held is None:\n        return Decision(\n",
            ),
        ),
        tests=(
            (
                "tests/integration/test_signal_exits.py::"
                "test_a_bot_that_says_nothing_keeps_what_it_holds"
            ),
        ),
    ),
    Mutation(
        name="every position was closed by somebody else",
        edits=(
            Edit(
                "tradebotd/trading/execution/fill_rules.py",
                "    return CloseReason(word) if word in set(CloseReason) else CloseReason.EXTERNAL\n",
                "    return CloseReason.EXTERNAL\n",
            ),
        ),
        seeds=SEEDS,
        says="exits of",
    ),
    Mutation(
        name="a stop that ticks have met waits for eight seconds",
        edits=(
            Edit(
                "tradebotd/trading/exits/market_exits.py",
                "        position_id = exit_.position.id\n        key = str(position_id)\n",
                "        await anyio.sleep(8)\n"
                "        position_id = exit_.position.id\n        key = str(position_id)\n",
            ),
        ),
        seeds=tuple(range(150)),
        says="I4 position",
    ),
    Mutation(
        name="a takeover keeps everything back for longer than it must",
        edits=(
            Edit(
                "tradebotd/trading/execution/lease.py", "FENCE_MARGIN = 11.0", "FENCE_MARGIN = 26.0"
            ),
        ),
        tests=(
            (
                "tests/integration/test_lease.py::"
                "test_a_silent_holder_elsewhere_is_taken_over_after_its_lease_behind_a_fence"
            ),
        ),
    ),
    Mutation(
        name="dust is closed for what has met the rest",
        edits=(
            Edit(
                "tradebotd/trading/execution/dust_write_off.py",
                "        reason = close_reason(latest.exit_reason)\n",
                "        reason = CloseReason.TRAILING_STOP\n",
            ),
        ),
        tests=(
            (
                "tests/integration/test_sold_again.py::"
                "test_dust_bears_the_reason_for_which_the_last_of_it_was_sold"
            ),
        ),
    ),
    Mutation(
        name="a sweep looks at nothing that is short",
        edits=(
            Edit(
                "tradebotd/trading/exits/sweep.py",
                "        self._resting.on_position_changed(position)\n        market =",
                "        if position.side.sign < 0:\n"
                "            sweep.result.failed[str(position_id)] = 'short'\n"
                "            return None\n"
                "        self._resting.on_position_changed(position)\n        market =",
            ),
        ),
        seeds=tuple(range(150)),
        says="I4 position",
    ),
    Mutation(
        name="a reason that is over is said for ever",
        edits=(
            Edit(
                "tradebotd/trading/condition_alerts.py",
                "            await alerts.clear_others(connection, self._code, list(conditions), now, silent)\n",
                "",
            ),
        ),
        seeds=SEEDS,
        says="an alert that nothing",
    ),
    Mutation(
        name="what was there before us is looked at again each time",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/holdings.py",
                "            if asset not in measured\n",
                "            if asset\n",
            ),
        ),
        seeds=SEEDS,
        says="I2 ",
    ),
    Mutation(
        name="what a hand left of its trades is adopted at twice its price",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/adoption.py",
                "            price=plan.price,\n            fee=ZERO,\n",
                "            price=2 * plan.price,\n            fee=ZERO,\n",
            ),
        ),
        seeds=(7160, 8659),
        says="I3 fill adopted",
    ),
    Mutation(
        name="an exit by a signal reads what is not there",
        edits=(
            Edit(
                "tradebotd/trading/bots/decision_executor.py",
                "order_id = await self._exits.close_now(position, ",
                "order_id = await self._exits.close_now(position.nothing, ",
            ),
        ),
        seeds=SEEDS,
        says="a fault that a job contained",
    ),
)
