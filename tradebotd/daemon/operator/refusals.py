"""The refusal of a name that is not there."""

from collections.abc import Sequence

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.refusal import RefusalCode


def unknown(
    code: RefusalCode, kind: str, name: str, known: Sequence[str], latest: int | None = None
) -> RefusedError:
    """An error that lists the *known* names, or the *latest* id where they are too many."""
    hint = f"known: {', '.join(known)}" if known else f"there is no {kind} at present"
    if latest is not None:
        hint = f"the latest is {latest}"
    return RefusedError(code, f"there is no {kind} {name}", hint, tuple(known))
