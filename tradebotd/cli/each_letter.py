"""One act on every open dead letter: one that is refused keeps no other from its turn."""

from collections.abc import Callable, Sequence
from typing import Any

from tradebotd.cli.errors import EXIT_DONE, EXIT_UNREACHABLE, CommandError

Json = dict[str, Any]
GONE = "unknown_dead_letter"


def act_on_each(
    letters: Sequence[int], act: Callable[[int], Json], tell: Callable[[str], None]
) -> tuple[list[Json], list[Json], int]:
    """Answers, refusals as JSON, and the exit code of the first that was refused.

    A daemon that is gone ends it. A letter that is gone was settled by a good run of its job.
    """
    answers: list[Json] = []
    refusals: list[Json] = []
    code = EXIT_DONE
    for number, letter in enumerate(letters):
        try:
            answers.append(act(letter))
        except CommandError as error:
            said = {"code": error.code, "message": error.message, "hint": error.hint}
            refusals.append({"dead_letter": letter, "error": said})
            is_gone = error.code == GONE
            tell(f"dead letter {letter}: {'settled meanwhile' if is_gone else error.message}")
            if error.exit_code == EXIT_UNREACHABLE:
                if rest := letters[number + 1 :]:
                    tell(f"not tried: {', '.join(map(str, rest))}")
                return answers, refusals, EXIT_UNREACHABLE
            code = code if code or is_gone else error.exit_code
    return answers, refusals, code
