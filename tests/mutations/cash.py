"""Whether money adds up: dust, fees of any asset, funding, losses by force, and the look at the cash."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

CASH: Final = (
    Mutation(
        name="dust costs nothing",
        edits=(
            Edit(
                "tradebotd/domain/position.py",
                "        open_quantity = self.quantity\n",
                "        open_quantity = self.quantity + self.dust\n",
            ),
        ),
        tests=(
            "tests/integration/test_dust.py::test_dust_is_a_loss_of_what_it_cost",
            "tests/integration/test_cash_check.py::test_spot_adds_up_while_it_is_open_and_when_it_is_closed",
        ),
    ),
    Mutation(
        name="two exits sell the same dust",
        edits=(
            Edit(
                "tradebotd/storage/dust.py",
                "AND o.sweeps > 0 AND NOT o.settled",
                "AND false",
            ),
        ),
        tests=("tests/integration/test_dust.py::test_what_two_exits_could_sweep_is_sold_once",),
    ),
    Mutation(
        name="an exit that was refused for dust that is gone asks for it again",
        edits=(
            Edit(
                "tradebotd/storage/dust.py",
                "e.role = 'exit' AND e.status = 'rejected'",
                "false",
            ),
        ),
        tests=("tests/integration/test_dust.py::test_dust_that_is_gone_keeps_no_exit",),
    ),
    Mutation(
        name="a fee in a third asset counts one for one",
        edits=(
            Edit(
                "tradebotd/trading/execution/fees.py",
                "self._currencies.between(fill.fee_asset, instrument.quote_asset)",
                "ONE",
            ),
        ),
        tests=(
            "tests/integration/test_fees.py::test_a_fee_in_a_third_asset_counts_at_its_worth",
            "tests/integration/test_fees.py::test_a_fee_that_nobody_can_value_is_said_and_counts_as_nothing",
        ),
    ),
    Mutation(
        name="a fee is worth what a lone print says",
        edits=(
            Edit(
                "tradebotd/trading/prices/bad_ticks.py",
                "return None if last is None else last.believed",
                "return None if last is None else last.current",
            ),
        ),
        tests=(
            "tests/integration/test_bad_rates.py::test_a_fee_is_not_worth_what_a_lone_print_says",
            "tests/integration/test_bad_rates.py::test_an_entry_is_not_sized_at_a_lone_print",
        ),
    ),
    Mutation(
        name="what fees took of an asset is not missed there",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/holdings.py",
                "return await asset_sums.select_flows(connection, venue)",
                "return {}",
            ),
        ),
        tests=(
            "tests/integration/test_fees.py::test_what_went_for_fees_is_no_difference",
            "tests/integration/test_fees.py::test_an_unknown_sale_of_bnb_can_be_inferred_absent",
        ),
    ),
    Mutation(
        name="the paper venue pays no funding into the cash",
        edits=(
            Edit(
                "tradebotd/venues/paper/futures_book.py",
                "self._name, {asset: amount})",
                "self._name, {asset: 0 * amount})",
            ),
        ),
        tests=("tests/integration/test_cash_check.py::test_futures_add_up_with_funding",),
    ),
    Mutation(
        name="the paper venue takes no loss of futures from the cash",
        edits=(
            Edit(
                "tradebotd/venues/paper/fill_model.py",
                "changes={instrument.quote_asset: realized - fee}",
                "changes={instrument.quote_asset: -fee}",
            ),
        ),
        tests=("tests/integration/test_cash_check.py::test_a_liquidation_adds_up",),
    ),
    Mutation(
        name="nobody looks at the cash",
        edits=(
            Edit(
                "tradebotd/venues/paper/capabilities.py",
                "cash_is_ours=True",
                "cash_is_ours=False",
            ),
        ),
        tests=(
            "tests/integration/test_cash_check.py::test_cash_that_is_not_accounted_for_is_said_once_it_lasts",
        ),
    ),
    Mutation(
        name="a forced close takes none of the dust",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/forced_closes.py",
                "return taken + await self._close_dust()",
                "return taken",
            ),
        ),
        tests=(
            "tests/integration/test_dust_of_futures.py::test_dust_of_several_positions_goes_the_oldest_first",
        ),
    ),
    Mutation(
        name="what closes the dust of futures realizes nothing",
        edits=(
            Edit(
                "tradebotd/domain/position.py",
                "            dust=self.dust - fill.quantity,",
                "            dust=self.dust - fill.quantity,\n            entry_cost=ZERO,",
            ),
        ),
        tests=(
            "tests/unit/test_position_totals.py::test_what_closes_the_dust_of_futures_realizes_its_share_of_the_cost",
        ),
    ),
    Mutation(
        name="nobody asks for the funding of dust",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/funding.py",
                "and (held_sum.open or held_sum.quantity)",
                "and held_sum.open",
            ),
        ),
        tests=(
            "tests/integration/test_dust_of_futures.py::test_funding_of_dust_is_of_what_has_left_it",
        ),
    ),
)
