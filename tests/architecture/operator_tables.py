"""The tables of docs/operations.md that are made from the code.

`python -m tests.architecture.operator_tables` writes them anew; a test compares.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.architecture.tree import ROOT
from tradebotd.cli.errors import BY_STATUS
from tradebotd.control.errors import explain
from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.bot_status import BotStatusKind
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.meaning import MeaningEnum
from tradebotd.domain.refusal import RefusalCode

PAGE = ROOT / "docs" / "operations.md"


def tables() -> dict[str, str]:
    """By the name between the marks."""
    return {
        "statuses": _table(("status of a bot", "means"), meanings(BotStatusKind)),
        "alerts": _table(("alert", "open while"), alerts(lasting=True)),
        "events": _table(("alert", "for a day after"), alerts(lasting=False)),
        "denials": _table(("rule", "an order was denied because"), meanings(DenialRule)),
        "refusals": _table(("code", "exit", "a command was refused because"), refusals()),
    }


def meanings(of: Iterable[MeaningEnum]) -> Iterable[tuple[str, str]]:
    return ((f"`{each}`", each.meaning) for each in of)


def alerts(*, lasting: bool) -> Iterable[tuple[str, str]]:
    """Each with a link to its page."""
    return (
        (f"[`{code}`](runbooks/{code}.md)", code.meaning)
        for code in AlertCode
        if code.lasting is lasting
    )


def refusals() -> Iterable[tuple[str, str, str]]:
    """Each with the exit code of `tradebotctl`."""
    for code in RefusalCode:
        status, _ = explain(RefusedError(code, ""))
        yield f"`{code}`", str(BY_STATUS[status]), code.meaning


def filled(text: str, made: Mapping[str, str]) -> str:
    """*text* with each table between its marks. Raises ValueError where marks are missing."""
    for name, table in made.items():
        begin, end = f"<!-- {name}: made from the code -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, ends, after = rest.partition(end)
        if not (found and ends):
            raise ValueError(f"{PAGE.name} has no place for the table of {name}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(page: Path = PAGE) -> None:
    page.write_text(filled(page.read_text(), tables()))


if __name__ == "__main__":
    write()
