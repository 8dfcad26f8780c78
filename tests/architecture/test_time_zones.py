"""One database of time zones: nothing of ours reads a zone beside it."""

import ast

from tests.architecture.tree import modules, name_of, parsed

CHOOSER = "tradebotd.config.zone_database"
READERS = {"ZoneInfo", "gettz", "get_localzone", "available_timezones"}


def calls(tree: ast.Module) -> set[str]:
    """Names of what is called, `ZoneInfo` as well as `zoneinfo.ZoneInfo`."""
    return {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }


def test_zones_come_from_the_database_in_force() -> None:
    """`ZoneInfo` by itself takes the system's before the newer one was chosen."""
    found = {name_of(path) for path in modules("tradebotd") if READERS & calls(parsed(path))}

    assert found == {CHOOSER}
