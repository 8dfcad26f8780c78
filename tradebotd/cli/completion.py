"""Completion scripts, made from the parser; `tradebotd`'s few words are listed here (tested)."""

import argparse
from collections.abc import Mapping, Sequence

DAEMON: Mapping[str, Sequence[str]] = {
    "": ("--help", "--version", "check", "flatten", "migrate", "run", "schema"),
    "check": ("--config", "--help"),
    "flatten": ("--config", "--help"),
    "migrate": ("--config", "--help", "--status"),
    "run": ("--config", "--help"),
    "schema": ("--help",),
}
FILE_OPTIONS = "--config|--socket"

BASH = """\
_{name}() {{
    local path="" word i
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    COMPREPLY=()
    case "$previous" in
        {file_options}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        case "${{path:+$path }}$word" in
            {paths}) path="${{path:+$path }}$word" ;;
        esac
    done
    case "$path" in
{cases}
    esac
}}
complete -F _{name} {name}
"""


def words_of(parser: argparse.ArgumentParser, path: str = "") -> dict[str, list[str]]:
    """Return the words that may follow each command path."""
    found: dict[str, list[str]] = {path: []}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be read
        found[path] += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, below in action.choices.items():
                found[path].append(name)
                found.update(words_of(below, f"{path} {name}".strip()))
        elif not action.option_strings and action.choices is not None:
            found[path] += [str(choice) for choice in action.choices]
    return found


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    programs = {"tradebotctl": words_of(parser), "tradebotd": DAEMON}
    if shell == "fish":
        return "\n".join(_fish(name, words) for name, words in programs.items())
    bodies = "\n".join(_bash(name, words) for name, words in programs.items())
    if shell == "zsh":
        names = " ".join(programs)
        return f"#compdef {names}\nautoload -U +X bashcompinit && bashcompinit\n{bodies}"
    return bodies


def _bash(name: str, words: Mapping[str, Sequence[str]]) -> str:
    paths = "|".join(f'"{path}"' for path in words if path)
    cases = "\n".join(
        f'        "{path}") COMPREPLY=($(compgen -W "{" ".join(sorted(follow))}" -- "$current")) ;;'
        for path, follow in words.items()
    )
    return BASH.format(name=name, paths=paths, cases=cases, file_options=FILE_OPTIONS)


def _fish(name: str, words: Mapping[str, Sequence[str]]) -> str:
    lines = [f"complete -c {name} -f"]
    for path, follow in words.items():
        known = {word for word in words.get(path, ()) if not word.startswith("-")}
        if path:
            tests = [f"__fish_seen_subcommand_from {word}" for word in path.split()]
        else:
            tests = ["__fish_use_subcommand"]
        if path and known:
            tests.append(f"not __fish_seen_subcommand_from {' '.join(sorted(known))}")
        condition = "; and ".join(tests)
        for word in sorted(follow):
            option = f"-l {word[2:]}" if word.startswith("--") else f"-a '{word}'"
            if word.startswith("--") or not word.startswith("-"):
                lines.append(f"complete -c {name} -n '{condition}' {option}")
    return "\n".join(lines) + "\n"
