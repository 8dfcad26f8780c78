"""A bot that asks for what its symbol, its venue or its account cannot do is refused at `check`."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.daemon.commands import main
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.instrument import MarginBracket

FUTURES = 'position_type = "futures"\n'
SHORTS = FUTURES + "allow_short = true\n"
SELLS_HALF = "ladder = [{ at = '1%', share = '50%' }]"
SELLS_ALL = "ladder = [{ at = '1%', share = '50%' }, { at = '2%', share = '50%' }]"


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(directory, text))
    return caught.value.problems


IMPOSSIBLE = [
    # what the bot says, the path it is told with, some words of the reason
    ('entry_offset = "1%"', "entry_offset", 'belongs to entry = "limit"'),
    ('entry_lifetime = "1m"', "entry_lifetime", 'belongs to entry = "limit"'),
    ('entry = "limit"\nentry_offset = "6%"', "entry_offset", "at most 5% is allowed"),
    ('sizing = { kind = "risk_percent", value = "101" }', "sizing.value", "at most 100"),
    ('sizing = { kind = "atr", value = "101" }', "sizing.value", "at most 100"),
    (
        'sizing = { kind = "risk_percent", value = "1" }\nexits = { trailing_stop = "1%" }',
        "sizing.kind",
        "exits.stop_loss is needed",
    ),
    (
        'sizing = { kind = "percent_equity", value = "1", period = 20 }',
        "sizing.period",
        'belongs to kind = "atr"',
    ),
    (
        'sizing = { kind = "risk_percent", value = "1", multiple = "3" }',
        "sizing.multiple",
        'belongs to kind = "atr"',
    ),
    ('sizing = { kind = "fixed_notional", value = "4" }', "sizing.value", "min_notional, 5"),
    ('sizing = { kind = "fixed_quantity", value = "0.000001" }', "sizing.value", "least quantity"),
    ('sizing = { kind = "fixed_quantity", value = "0.100001" }', "sizing.value", "whole lots"),
    (
        'sizing = { kind = "fixed_quantity", value = "101" }',
        "sizing.value",
        "above BTCUSDT's max_quantity, 100",
    ),
    ('trigger_price = "mark"', "trigger_price", 'tell mark prices; "last" or "bid_ask" can be had'),
    (FUTURES + 'trigger_price = "mark"', "trigger_price", "neither the feeds of BTCUSDT nor its"),
    (
        'cooldown = "5m"\nexits = { stop_loss = "none", take_profit = "1%" }',
        "cooldown",
        "`exits` has none",
    ),
    (FUTURES + "leverage = 51", "leverage", "at most 50 is allowed"),
    (FUTURES + 'leverage = 50\nexits = { stop_loss = "1.51%" }', "exits.stop_loss", "below 1.5%"),
    (SHORTS + 'leverage = 50\nexits = { stop_loss = "1.5%" }', "exits.stop_loss", "below 1.49%"),
    (SHORTS + 'exits = { stop_loss = "99.01%" }', "exits.stop_loss", "below 99% is allowed"),
    (
        FUTURES + 'leverage = 50\nexits = { trailing_stop = "2%" }',
        "exits.trailing_stop",
        "beyond the liquidation",
    ),
    ('exits = { stop_loss = "1%", atr_period = 7 }', "exits.atr_period", "leave it out"),
    (
        "exits = { stop_loss = 'none', ladder = [{ at = '1%', share = '101%' }] }",
        "exits.ladder[0].share",
        "at most",
    ),
    (
        "exits = { stop_loss = 'none', ladder = [{ at = '1%', share = '60%' }, { at = '2%', share = '41%' }] }",
        "exits.ladder",
        "its shares are 101%",
    ),
    (
        "exits = { stop_loss = 'none', ladder = [{ at = '1%', share = '10%' }, { at = '1%', share = '20%' }] }",
        "exits.ladder",
        "1% stands there 2 times",
    ),
    (
        "exits = { stop_loss = 'none', ladder = [{ at = '-1%', share = '10%' }] }",
        "exits.ladder[0].at",
        "above 0",
    ),
    (
        f"exits = {{ stop_loss = 'none', take_profit = '1%', {SELLS_HALF} }}",
        "exits.take_profit",
        "above 1% is allowed",
    ),
    (
        f"exits = {{ stop_loss = 'none', take_profit = '3%', {SELLS_ALL} }}",
        "exits.take_profit",
        "leave one of them",
    ),
    (
        "exits = { stop_loss = 'none', break_even = { at = '1%', lock = '1%' } }",
        "exits.break_even.lock",
        "not below `at` (1%)",
    ),
    (
        "exits = { stop_loss = 'none', take_profit = '1%', break_even = { at = '1%' } }",
        "exits.break_even.at",
        "never reached",
    ),
    ('exits = { stop_loss = "none", take_profit = "-1%" }', "exits.take_profit", "above 0%"),
    (
        SHORTS + 'exits = { stop_loss = "none", take_profit = "100%" }',
        "exits.take_profit",
        "below 100% is allowed",
    ),
    (
        SHORTS + "exits = { stop_loss = 'none', break_even = { at = '100%' } }",
        "exits.break_even.at",
        "below 100%",
    ),
    (
        SHORTS + "exits = { stop_loss = 'none', ladder = [{ at = '120%', share = '10%' }] }",
        "exits.ladder[0].at",
        "below 100%",
    ),
]
NARROW = ONE_BOT.replace(
    'venue = "paper"', 'venue = "paper"\nmax_leverage = 50\nmax_quantity = 100'
)


@pytest.mark.parametrize(
    ("text", "path", "reason"), IMPOSSIBLE, ids=[each[0] for each in IMPOSSIBLE]
)
def test_what_cannot_be_done_is_told_with_its_path_and_what_is_allowed(
    text: str, path: str, reason: str, tmp_path: Path
) -> None:
    """M4.1, M4.4a, M4.6, M4.7: refused where it can be known, never clamped, never ignored."""
    (problem,) = problems(tmp_path, f"{NARROW}\n{text}\n")

    assert problem.startswith(f"bots[0].{path}: ")
    assert reason in problem


NO_STOPS = [
    "exits = {}",
    'exits = { take_profit = "1%" }',
    'exits = { max_holding = "1h" }',
    "exits = { break_even = { at = '1%' } }",
    f"exits = {{ {SELLS_HALF} }}",
]


@pytest.mark.parametrize("text", NO_STOPS)
def test_a_bot_without_any_stop_says_so(text: str, tmp_path: Path) -> None:
    """M4.4: leaving out the usual stop with the rest of its table is no wish to have none."""
    (problem,) = problems(tmp_path, f"{ONE_BOT}\n{text}\n")

    assert problem.startswith("bots[0].exits.stop_loss: this bot would have no stop at all")
    assert 'stop_loss = "none"' in problem
    spelled = text.replace("exits = {", 'exits = { stop_loss = "none",').replace(",}", " }")
    (bot,) = load_config(written(tmp_path, f"{ONE_BOT}\n{spelled}\n")).bot_specs()
    assert not bot.exits.has_stop


@pytest.mark.parametrize(
    "stop", ["stop_loss = '1%'", "stop_loss = '2 atr'", "trailing_stop = '1%'"]
)
def test_a_bot_with_one_stop_has_one(stop: str, tmp_path: Path) -> None:
    (bot,) = load_config(written(tmp_path, f"{ONE_BOT}\nexits = {{ {stop} }}\n")).bot_specs()

    assert bot.exits.has_stop


def test_risking_a_share_needs_a_stop_that_is_one(tmp_path: Path) -> None:
    """M4.6: what is lost at no stop is nothing that can be counted."""
    text = 'sizing = { kind = "risk_percent", value = "1" }\nexits = { stop_loss = "none" }'

    (problem,) = problems(tmp_path, f"{ONE_BOT}\n{text}\n")

    assert problem.startswith("bots[0].sizing.kind: 'risk_percent' counts to the stop")


def test_check_warns_of_a_bot_that_wants_no_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M4.4: good, but said each time; the bots beside it are not named."""
    text = ONE_BOT + '[[bots]]\nname = "bare"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\n'
    config = written(tmp_path, text + 'exits = { stop_loss = "none" }\n')

    assert main.main(["check", "--config", str(config)]) == 0

    good, warning = capsys.readouterr().out.splitlines()
    assert good.startswith(f"{config}: good: ")
    assert warning.startswith(
        "  warning: bots[1].exits.stop_loss ('bare', line 19): bare has no stop at all"
    )


POSSIBLE = [
    'entry = "limit"\nentry_offset = "5%"\nentry_lifetime = "1m"',
    'sizing = { kind = "atr", value = "1", multiple = "3", period = 20 }',
    'sizing = { kind = "risk_percent", value = "100" }',
    'sizing = { kind = "risk_percent", value = "1" }\nexits = { stop_loss = "2 atr", atr_period = 7 }',
    'sizing = { kind = "fixed_quantity", value = "100" }',
    'sizing = { kind = "fixed_notional", value = "5" }\nexits = { stop_loss = "none" }',
    FUTURES + 'leverage = 50\nexits = { stop_loss = "1.49%" }\ntrigger_price = "last"',
    FUTURES + "leverage = 50\nexits = { stop_loss = '2 atr' }",
    FUTURES + 'leverage = 50\nexits = { stop_loss = "1.5%", trailing_stop = "3%" }',
    FUTURES + 'exits = { stop_loss = "99.5%" }',
    'trigger_price = "bid_ask"',
    SHORTS + 'trigger_price = "bid_ask"',
    f"exits = {{ stop_loss = 'none', take_profit = '1.1%', {SELLS_HALF} }}",
    f"exits = {{ stop_loss = 'none', {SELLS_ALL}, break_even = {{ at = '1%', lock = '0.5%' }} }}",
    FUTURES + 'exits = { stop_loss = "none", take_profit = "150%" }',
    'cooldown = "5m"\nexits = { stop_loss = "none", break_even = { at = "1%" } }',
]


@pytest.mark.parametrize("text", POSSIBLE)
def test_what_just_can_be_done_is_not_refused(text: str, tmp_path: Path) -> None:
    assert load_config(written(tmp_path, f"{NARROW}\n{text}\n")).bots


def test_a_margin_below_the_maintenance_is_refused_without_a_stop(tmp_path: Path) -> None:
    """M4.1: such a position would be liquidated at its entry."""
    text = ONE_BOT.replace('venue = "paper"', 'venue = "paper"\nmaintenance_margin = "2%"')

    (problem,) = problems(
        tmp_path, f"{text}\n{FUTURES}leverage = 50\nexits = {{ stop_loss = 'none' }}"
    )

    assert problem.startswith("bots[0].leverage: at 50 the margin is no more than")


def test_filters_that_leave_no_quantity_are_refused(tmp_path: Path) -> None:
    text = SMALLEST + 'min_quantity = "2"\nmax_quantity = "1"\n'

    assert problems(tmp_path, text) == [
        "symbols[0].min_quantity: 2 is above max_quantity (1); at most as much is allowed"
    ]


def told_of_a_way_out(directory: Path, bot: str, fee_asset: str) -> list[str]:
    fees = f'fee_asset = "{fee_asset}"\nfees = {{ taker = "0.01" }}'
    text = ONE_BOT.replace('kind = "paper"', f'kind = "paper"\n{fees}')
    text = text.replace('venue = "paper"', 'venue = "paper"\nmin_notional = "10"\nlot_size = "0.1"')
    text = f"{text}\n{bot}\n"
    try:
        load_config(written(directory, text))
    except ConfigError as error:
        return error.problems
    return []


NO_WAY_OUT = [
    # what the bot says, where fees are taken, the path it is told with, the least that is allowed
    ('sizing = { kind = "fixed_notional", value = "10" }\nexits = { stop_loss = "5%" }', "quote",
     "sizing.value", "asks for 10.53 or more"),
    ('sizing = { kind = "fixed_notional", value = "10.53" }\nexits = { stop_loss = "5%" }', "base",
     "sizing.value", "asks for 10.64 or more"),
    ('sizing = { kind = "fixed_quantity", value = "0.1" }', "base",
     "sizing.value", "leaves 0.099, below BTCUSDT's least quantity, 0.1"),
    ('initial_capital = "10.5"\nexits = { trailing_stop = "5%" }', "quote",
     "initial_capital", "asks for 10.53 or more"),
]  # fmt: skip


@pytest.mark.parametrize(("bot", "fee_asset", "path", "reason"), NO_WAY_OUT)
def test_what_could_never_be_sold_again_is_refused(
    bot: str, fee_asset: str, path: str, reason: str, tmp_path: Path
) -> None:
    """M4.6: a minimum notional, a stop and fees that cannot be met together."""
    (problem,) = told_of_a_way_out(tmp_path, bot, fee_asset)

    assert problem.startswith(f"bots[0].{path}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("bot", "fee_asset"),
    [
        ('sizing = { kind = "fixed_notional", value = "10.53" }\nexits = { stop_loss = "5%" }', "quote"),
        ('sizing = { kind = "fixed_notional", value = "10" }\nexits = { stop_loss = "5 atr" }', "base"),
        (FUTURES + 'sizing = { kind = "fixed_notional", value = "10" }', "base"),
        (FUTURES + 'sizing = { kind = "fixed_quantity", value = "0.1" }', "base"),
        ('sizing = { kind = "fixed_quantity", value = "0.2" }', "base"),
    ],
)  # fmt: skip
def test_what_can_just_be_sold_again_is_not_refused(
    bot: str, fee_asset: str, tmp_path: Path
) -> None:
    """M4.6: only what is certain before a price is known is refused."""
    assert told_of_a_way_out(tmp_path, bot, fee_asset) == []


IN_EURO = """
[[symbols]]
symbol = "BTCEUR"
quote_asset = "EUR"
feeds = ["history"]
venue = "paper"
[[bots]]
name = "euro"
symbol = "BTCEUR"
strategy = "ema_rsi"
"""


@pytest.mark.parametrize("pair", ['"EURUSDT"', '"USDTEUR"\nquote_asset = "EUR"'])
def test_a_traded_quote_asset_is_convertible_in_either_direction(pair: str, tmp_path: Path) -> None:
    """M4.8: equity is told in one currency; what nothing converts is refused."""
    text = SMALLEST + IN_EURO
    converting = f'[[symbols]]\nsymbol = {pair}\nfeeds = ["history"]\nvenue = "paper"\n'

    (problem,) = problems(tmp_path, text)

    assert problem.startswith("symbols[1].quote_asset: nothing converts EUR to risk.currency, USDT")
    assert load_config(written(tmp_path, text + converting)).bots


@pytest.mark.parametrize(
    ("symbol", "currency"),
    [
        ("BTCUSDT", "EUR"),
        ("BTCUSD", "USDT"),
        ("BTC-USD", "USDT"),
        ("SPY", "USDT"),
        ("USDT", "USDT"),
        ("BTCFDUSD", "USD"),
    ],
)
def test_no_quote_asset_is_taken_for_the_currency_of_the_account(
    symbol: str, currency: str, tmp_path: Path
) -> None:
    """M4.8: one USDT is not one EUR; a symbol that does not end with the currency says its own."""
    text = SMALLEST.replace("BTCUSDT", symbol)
    risk = f'[risk]\ncurrency = "{currency}"\n'

    (problem,) = problems(tmp_path, text + risk)

    assert problem.startswith(f"symbols[0].symbol: {symbol} ")
    assert currency in problem
    assert problem.endswith("; say its quote_asset")
    assert load_config(written(tmp_path, f'{text}quote_asset = "USDT"\n{risk}')).symbols


def test_a_symbol_that_ends_with_the_currency_needs_no_quote_asset(tmp_path: Path) -> None:
    """M4.8: the account's currency is what its last letters say."""
    text = SMALLEST.replace("BTCUSDT", "BTC-EUR") + '[risk]\ncurrency = "EUR"\n'

    (symbol,) = load_config(written(tmp_path, text)).market_symbols()

    assert (symbol.instrument.base_asset, symbol.instrument.quote_asset) == ("BTC", "EUR")


def test_a_quote_asset_that_nobody_trades_needs_no_conversion(tmp_path: Path) -> None:
    watched = IN_EURO[: IN_EURO.index("[[bots]]")]

    assert load_config(written(tmp_path, SMALLEST + watched)).symbols


@pytest.mark.parametrize(
    ("brackets", "problem"),
    [
        ('{ notional = "50000", maintenance_margin = "0.5%" }', "50000 at 0.5% follows 0 at 0.5%"),
        (
            '{ notional = "5", maintenance_margin = "1%" }, { notional = "5", maintenance_margin = "2%" }',
            "5 at 2% follows 5 at 1%",
        ),
    ],
)
def test_margin_brackets_must_rise(brackets: str, problem: str, tmp_path: Path) -> None:
    """M4.8: what more notional asks for."""
    text = ONE_BOT.replace('venue = "paper"', f'venue = "paper"\nmargin_brackets = [{brackets}]')

    (found,) = problems(tmp_path, text)

    assert problem in found


def test_margin_brackets_become_those_of_the_instrument(tmp_path: Path) -> None:
    """M4.8: 0.5 % of 50,000 less than 1 % of it is 250."""
    brackets = '[{ notional = "50000", maintenance_margin = "1%" }]'
    text = ONE_BOT.replace('venue = "paper"', f'venue = "paper"\nmargin_brackets = {brackets}')

    (symbol,) = load_config(written(tmp_path, text)).market_symbols()

    first, second = symbol.instrument.brackets
    assert first == MarginBracket(floor=Decimal(0), rate=Decimal("0.005"))
    assert second.amount == 250
