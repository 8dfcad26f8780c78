"""NamedTuples, which are made a good deal faster than dataclasses, but cannot insist on keywords."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.tree import modules, name_of, parsed

AMOUNTS = 2  # as many can change places unnoticed


def of_money(tree: ast.Module) -> Iterator[str]:
    """Names of NamedTuples that hold several amounts."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or "NamedTuple" not in map(ast.unparse, node.bases):
            continue
        fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
        if sum("Decimal" in ast.unparse(field.annotation) for field in fields) >= AMOUNTS:
            yield node.name


def made_by_place(tree: ast.Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) > 1:
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in names:
                yield f"{name}, line {node.lineno}"


def by_module(trees: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    names = {name for tree in trees.values() for name in of_money(tree)}
    assert names
    found = {module: list(made_by_place(tree, names)) for module, tree in trees.items()}
    return {module: places for module, places in found.items() if places}


def test_amounts_are_given_by_name() -> None:
    assert not by_module({name_of(path): parsed(path) for path in modules("tradebotd")})


@pytest.mark.parametrize(("made", "found"), [("(1, 2)", 1), ("(free=1, total=2)", 0)])
def test_the_check_sees_amounts_given_by_place(made: str, found: int) -> None:
    text = "class Cash(NamedTuple):\n    free: Decimal\n    total: Decimal | None\n"

    assert len(by_module({"cash": ast.parse(f"{text}\nheld = Cash{made}\n")})) == found
