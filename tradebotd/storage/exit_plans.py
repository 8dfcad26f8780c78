"""Exit plans as JSON: columns `exits` of positions and orders."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.exit_plan import USUAL_ATR_PERIOD, BreakEven, ExitPlan, LadderStep
from tradebotd.domain.quote import TriggerPrice

_ALWAYS: Final = ("stop_loss", "take_profit", "trailing_stop", "max_holding")
_DECIMALS: Final = (
    *("stop_loss", "take_profit", "trailing_stop"),
    *("stop_loss_atr", "take_profit_atr", "trailing_stop_atr"),
    *("stop_loss_price", "take_profit_price", "atr"),
)


def exits_as_json(plan: ExitPlan) -> dict[str, Any]:
    """Return the JSON of column `exits`: decimals as text, the holding time in seconds."""
    stored: dict[str, Any] = {name: _text(getattr(plan, name)) for name in _DECIMALS}
    stored["max_holding"] = None if plan.max_holding is None else plan.max_holding.total_seconds()
    if plan.trigger_price is not TriggerPrice.LAST:
        stored["trigger_price"] = plan.trigger_price
    if plan.needs_atr:
        stored["atr_period"] = plan.atr_period
    if plan.break_even is not None:
        stored["break_even"] = {"at": str(plan.break_even.at), "lock": str(plan.break_even.lock)}
    if plan.ladder:
        stored["ladder"] = [{"at": str(step.at), "share": str(step.share)} for step in plan.ladder]
    return {name: value for name, value in stored.items() if value is not None or name in _ALWAYS}


def exits_from_json(stored: dict[str, Any]) -> ExitPlan:
    holding = stored.get("max_holding")
    break_even = stored.get("break_even")
    return ExitPlan(
        **{name: _decimal(stored.get(name)) for name in _DECIMALS},
        atr_period=stored.get("atr_period", USUAL_ATR_PERIOD),
        break_even=None
        if break_even is None
        else BreakEven(at=Decimal(break_even["at"]), lock=Decimal(break_even["lock"])),
        ladder=tuple(
            LadderStep(at=Decimal(step["at"]), share=Decimal(step["share"]))
            for step in stored.get("ladder", ())
        ),
        max_holding=None if holding is None else timedelta(seconds=holding),
        trigger_price=TriggerPrice(stored.get("trigger_price", TriggerPrice.LAST)),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
