"""Breaks of what is believed of a venue's answers: whose a trade is, what differs, what cannot be."""

from typing import Final

from tests.mutations.mutation import Edit, Mutation

ANSWERS: Final[tuple[Mutation, ...]] = (
    Mutation(
        name="a trade without a name is somebody else's while an order is in doubt",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/unknown_fills.py",
                "return total == doubt.missing if is_named else total <= doubt.missing",
                "return total == doubt.missing if is_named else False",
            ),
        ),
        tests=(
            "tests/integration/test_unnamed_trades.py::test_a_trade_of_nobody_knows_which_order_is_evidence_for_the_one_in_doubt",
        ),
    ),
    Mutation(
        name="an order is ours only if every word of it is told as it was sent",
        edits=(
            Edit(
                "tradebotd/trading/execution/order_identity.py",
                "        and asked.quantity == order.quantity\n",
                "        and asked.quantity == order.quantity\n"
                "        and not in_other_words(stored, report)\n",
            ),
        ),
        tests=(
            "tests/integration/test_what_was_asked.py::test_a_truthful_report_in_other_words_is_applied",
        ),
    ),
    Mutation(
        name="another quantity under our name is ours",
        edits=(
            Edit(
                "tradebotd/trading/execution/order_identity.py",
                "        and asked.quantity == order.quantity\n",
                "",
            ),
        ),
        tests=(
            "tests/integration/test_what_was_asked.py::test_what_trades_something_else_is_not_ours",
        ),
    ),
    Mutation(
        name="an unknown order of a venue that does not answer has no alert",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/unknown_order_alerts.py",
                "        unknown |= result.unanswered\n",
                "",
            ),
        ),
        tests=(
            "tests/integration/test_unknown_orders.py::test_a_venue_that_does_not_answer_leaves_an_order_unknown_with_an_alert",
        ),
    ),
    Mutation(
        name="what is missing at the first look is a baseline below nothing",
        edits=(
            Edit(
                "tradebotd/trading/reconciliation/holdings.py",
                "first = {asset: amount for asset, amount in new.items() if amount >= 0}",
                "first = dict(new)",
            ),
        ),
        tests=(
            "tests/integration/test_what_is_compared.py::test_less_than_our_books_is_no_baseline",
        ),
    ),
    Mutation(
        name="what a venue says is filled is believed though it was more than ordered",
        edits=(
            Edit(
                "tradebotd/trading/contradictions.py",
                "    if filled > asked:\n",
                "    if filled > asked * 2:\n",
            ),
        ),
        tests=("tests/integration/test_contradictions.py::test_a_report_that_cannot_be_so",),
    ),
    Mutation(
        name="a quote of nothing is a price",
        edits=(
            Edit(
                "tradebotd/trading/prices/fresh_prices.py",
                "return price.is_finite() and price > 0",
                "return price.is_finite() and price >= 0",
            ),
        ),
        tests=(
            "tests/integration/test_contradictions.py::test_a_quote_that_is_no_price_ends_nothing",
        ),
    ),
    Mutation(
        name="what went through an asset as money is not expected of it",
        edits=(
            Edit(
                "tradebotd/storage/asset_sums.py",
                "SELECT m.quote_asset, -p.cost\n",
                "SELECT m.quote_asset, 0\n",
            ),
        ),
        tests=(
            "tests/integration/test_money_that_is_traded.py::test_what_trades_pay_and_earn_is_expected",
        ),
    ),
)
