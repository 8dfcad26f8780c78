"""Names that resemble a wrong one: what somebody may have meant."""

from collections.abc import Sequence


def hint(name: str, known: Sequence[str], *, nothing: str = "known are none") -> str:
    """Return the words after a wrong *name*: the nearest one, else all; *nothing* where none is."""
    near = near_names(name, known)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(known)}" if known else nothing


def near_names(name: str, known: Sequence[str], *, most: int = 1) -> list[str]:
    """Return at most so many of *known* that resemble *name*, the nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where a name is wrong

    return get_close_matches(name, known, n=most)
