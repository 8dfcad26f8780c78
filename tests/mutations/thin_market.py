"""Breaks of the paper venue's market: orders on their way, and prices that trade a part."""

from tests.mutations.mutation import Edit, Mutation

CASES = "tests/contract/test_venue_thin_market.py"

THIN_MARKET = (
    Mutation(
        name="an order on its way meets the price before it arrives",
        edits=(
            Edit(
                "tradebotd/venues/paper/resting_orders.py",
                "        arrived_at = order.accepted_at + terms.latency\n",
                "        arrived_at = order.accepted_at\n",
            ),
        ),
        tests=(f"{CASES}::test_an_order_on_its_way_meets_the_first_price_after_it_arrived",),
    ),
    Mutation(
        name="what an order on its way may cost is free for others",
        edits=(
            Edit(
                "tradebotd/venues/paper/resting_orders.py",
                "        return market(request.symbol) or ZERO\n",
                "        return ZERO\n",
            ),
        ),
        tests=(f"{CASES}::test_an_order_on_its_way_meets_the_first_price_after_it_arrived",),
    ),
    Mutation(
        name="one price trades as often as it is asked",
        edits=(
            Edit(
                "tradebotd/venues/paper/depth.py",
                "        self._left[symbol] = (prices.at, left - notional)\n",
                "",
            ),
        ),
        tests=(f"{CASES}::test_the_rest_of_a_market_order_expires",),
    ),
    Mutation(
        name="a stop that was filled in part waits for its price again",
        edits=(
            Edit(
                "tradebotd/venues/paper/settlement.py",
                "    if asked.type in CONDITIONAL and not booked.triggered:\n",
                "    if False:\n",
            ),
        ),
        tests=(f"{CASES}::test_a_stop_that_a_price_fills_in_part_works_on_as_a_market_order",),
    ),
    Mutation(
        name="what ends at the price that fills a part is told without it",
        edits=(
            Edit(
                "tradebotd/venues/paper/settlement.py",
                "            now = replace(order, filled_quantity=ended[order.id])\n",
                "            now = order\n",
            ),
        ),
        tests=(
            "tests/integration/test_paper_resting.py::test_what_ends_at_the_price_that_fills_a_part_is_told_with_it",
        ),
    ),
)
