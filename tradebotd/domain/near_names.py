"""Names that resemble a wrong one: what somebody may have meant."""

from collections.abc import Sequence


def near_names(name: str, known: Sequence[str], *, most: int = 1) -> list[str]:
    """Return at most so many of *known* that resemble *name*, the nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where a name is wrong

    return get_close_matches(name, known, n=most, cutoff=0.6)
