"""What a numbered case asks of a venue that this one is not: what a user would be told."""

from typing import Final

OF_SPOT: Final = "it keeps positions, and no balance of what is traded"
NOT_LINKED: Final = "it links no orders: what reduces may overlap, VC-32"
NOT_REPLACED: Final = "it replaces no stop in one call: what reduces may overlap, VC-32"
ITS_OWN: Final = "its traits are its own: every type, stops that are GTC, by last or mark price"
OUTSIDE: Final = "its market trades with whatever rests: tests/binance_usdm"
WHEN_MET: Final = "a stop is judged by its notional and its limit's distance when it is met"
NO_FILTER: Final = "it has no such filter"
BOUND_ONCE: Final = "a buy is bounded from above alone, a sale from below"
BY_CLAIM: Final = "stops are compared with the last or the mark price"

EXCLUDED: Final[dict[str, str]] = {
    "test_venue_promises": NOT_REPLACED,
    "test_venue_thin_market": OUTSIDE,
    "test_venue_self_trades": OUTSIDE,
    # Balances of spot
    "test_fills_move_the_balances_by_price_quantity_and_fee": OF_SPOT,
    "sell-1": "it sells what is not held: a short",
    "test_what_a_resting_sell_holds_is_owned_and_not_free": OF_SPOT,
    "test_a_resting_buy_holds_its_cash_until_it_is_filled": OF_SPOT,
    "test_the_balances_follow_a_fill_of_what_rested": OF_SPOT,
    "test_margin_is_what_positions_and_the_orders_that_open_them_hold": (
        "it has no spot beside: tests/binance_usdm/test_orders.py"
    ),
    "test_resting_buys_hold_the_cash": "an order holds its margin, and no fee",
    "test_what_rests_partly_leaves_the_rest_to_others": NOT_LINKED,
    "test_a_fee_in_the_base_asset_leaves_less_than_was_bought": OF_SPOT,
    "base": "fees are charged in the quote asset, or in BNB",
    # Pairs and replacements
    "submit_linked": NOT_LINKED,
    "replace": NOT_REPLACED,
    "test_a_pair_holds_what_it_sells_once": NOT_LINKED,
    "test_a_stop_limit_and_a_limit_target_are_linked_like_others": NOT_LINKED,
    "test_one_of_two_linked_orders_fills_and_the_other_is_cancelled": NOT_LINKED,
    "test_linked_orders_are_taken_together_or_not_at_all": NOT_LINKED,
    "test_a_linked_order_that_would_fill_at_once_is_refused": NOT_LINKED,
    "test_linked_orders_hold_the_inventory_once_and_nobody_else_can_sell_it": NOT_LINKED,
    "test_cancelling_one_cancels_what_is_linked_and_frees_the_inventory": NOT_LINKED,
    "test_doubled_ids_are_refused_in_linked_orders_and_replacements_too": NOT_LINKED,
    "test_linked_orders_that_waited_too_long_never_left": NOT_LINKED,
    "test_a_linked_order_or_a_replacement_is_filtered_like_any_other": NOT_LINKED,
    "test_a_replacement_takes_over_the_inventory_in_one_call": NOT_REPLACED,
    "test_a_refused_replacement_leaves_the_old_one": NOT_REPLACED,
    "test_what_has_filled_cannot_be_replaced_and_nothing_new_is_placed": NOT_REPLACED,
    "test_a_replacement_that_waited_too_long_cancelled_nothing": NOT_REPLACED,
    "test_what_rests_says_by_which_price_and_keeps_it": NOT_REPLACED,
    # Its own words and prices
    "test_a_doubled_client_order_id_is_refused_and_trades_nothing": (
        "an id is taken again once its order is closed: no order is sent twice"
    ),
    "test_without_a_price_an_order_never_reached_the_venue": "what it knows of prices is its own",
    "test_quotes_are_the_last_prices": "its quotes have mark, bid and ask as well",
    "test_a_quote_has_each_kind_that_is_claimed_and_no_other": "it tells all kinds",
    "test_the_clock_is_the_venues_at_the_moment_of_the_call": "its clock is the case's here",
    "True": "it tells no buying power; and the leverage may change beside an order that rests",
    "test_a_day_order_ends_with_its_session": ITS_OWN,
    "test_what_is_not_claimed_is_refused_by_name": ITS_OWN,
    "test_a_working_price_that_is_not_claimed_is_refused_by_name": ITS_OWN,
    "stop_market-95-94-bid": BY_CLAIM,
    "stop_market-95-94-ask": BY_CLAIM,
    "take_profit_market-105-106-bid": BY_CLAIM,
    "take_profit_market-105-106-ask": BY_CLAIM,
    "test_a_stop_by_a_price_that_is_not_known_yet_is_refused": "it has a mark price always",
    # Filters
    "test_filters_are_told_as_they_are_in_force": "it has more filters than a case",
    "test_an_order_type_that_the_symbol_does_not_take_is_refused": "each symbol takes all types",
    "test_orders_that_rest_are_counted_by_symbol": "stops are counted over all symbols (F4)",
    "test_the_notional_at_the_market_is_judged_by_the_average_price": NO_FILTER,
    "sell-0.105-stop_market-95-None-notional_below_minimum-filters": WHEN_MET,
    "sell-0.090-take_profit_market-110-None-notional_below_minimum-filters": WHEN_MET,
    "filters2-1-95-89.99-price_outside_percent": WHEN_MET,
    "filters4-1-95.5-94.99-notional_below_minimum": WHEN_MET,
    "min_notional-stop_market-0.6": WHEN_MET,
    "filters1-1.5-95-94-quantity_off_lot": NO_FILTER,
    "filters8-1-95-94-too_many_stop_orders": NO_FILTER,
    "filters9-1-95-94-order_type_not_taken": NO_FILTER,
    "market_lot-market-0.015": "the lot at the market differs by its maximum alone",
    "market_lot-market-0.01": "the lot at the market differs by its maximum alone",
    "market_lot-stop_market-0.015": "the lot at the market differs by its maximum alone",
    "market_lot-take_profit_market-0.015": "the lot at the market differs by its maximum alone",
    "stop_lot-stop_market-1.5": NO_FILTER,
    "stop_lot-take_profit_market-1.5": NO_FILTER,
    "max_notional-market-1.501": NO_FILTER,
    "max_notional-limit-1.7": NO_FILTER,
    "min_notional-market-0.5": "the notional is asked of market orders, too",
    "buy-limit-49.99-price_outside_percent-percent": BOUND_ONCE,
    "sell-limit-200.01-price_outside_percent-percent": BOUND_ONCE,
}
