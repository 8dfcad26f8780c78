"""The official SDKs' models as a second opinion on field names. Imports no SDK itself."""

from collections.abc import Iterator
from typing import Any

# Fields of the venue's documents that a model of the SDK misses: its generator reads examples, and
# those do not show every field that appears under a condition.
DOCUMENTED = frozenset({"stopPrice", "selfTradePreventionMode", "rateLimits"})


def strangers(model: Any, path: str = "") -> Iterator[str]:
    """Find fields that the simulator sends and the vendor's model does not know."""
    if isinstance(model, list):
        for each in model:
            yield from strangers(each, f"{path}[]")
        return
    if not hasattr(model, "model_fields_set"):
        return
    for name in getattr(model, "additional_properties", None) or {}:
        if name not in DOCUMENTED:
            yield f"{path}.{name}"
    for name in type(model).model_fields:
        if name != "additional_properties":
            yield from strangers(getattr(model, name, None), f"{path}.{name}")


def known(model: Any) -> Any:
    """Check that every field is the model's; raises AssertionError naming those that are not."""
    found = sorted(set(strangers(model)))
    assert not found, f"{type(model).__name__} does not know {found}"
    return model
