"""An argparse parser that asks for the width of the terminal when it prints, and not before.

Argparse makes a formatter for each argument that it is given, to look at its metavar; a formatter
without a width asks for the terminal's, with a module that takes longer than the parser itself.
"""

import argparse
from typing import Any


def _unprinted(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, width=80)


class QuickParser(argparse.ArgumentParser):
    def __init__(self, **words: Any) -> None:
        super().__init__(formatter_class=_unprinted, **words)

    def format_usage(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_usage()

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()
