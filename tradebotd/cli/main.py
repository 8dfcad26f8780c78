"""`tradebotctl`: talks to the running daemon over its socket; imports none of the daemon's code."""

import gc
import os
import sys
from collections.abc import Sequence

from tradebotd.cli.client import Client
from tradebotd.cli.commands import COMMANDS, print_json
from tradebotd.cli.errors import EXIT_DONE, EXIT_USAGE, CommandError, UsageError
from tradebotd.cli.locate import find_socket
from tradebotd.cli.parser import build_parser, parse

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code (docs/operations.md).

    Without *arguments* the process is ours, and ends without a last search for garbage.
    """
    if arguments is not None:
        return _main(list(arguments))
    try:
        return _main(sys.argv[1:])
    finally:
        gc.freeze()


def _main(arguments: Sequence[str]) -> int:
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except KeyboardInterrupt:
        return EXIT_DONE if "--watch" in arguments else INTERRUPTED
    return code


def _run(arguments: Sequence[str]) -> int:
    in_json = "--json" in arguments
    try:
        options = parse(arguments)
        if options.path == "completion":
            from tradebotd.cli.completion import script  # noqa: PLC0415

            print(script(options.shell, build_parser()))
            return EXIT_DONE
        client = Client(find_socket(options.socket, options.config))
        return COMMANDS[options.path](client, options)
    except UsageError as error:
        if in_json:
            _complain_in_json("usage", error.message, error.usage.strip())
        sys.stderr.write(f"{error.usage}tradebotctl: {error.message}\n")
        return EXIT_USAGE
    except CommandError as error:
        if in_json:
            _complain_in_json(error.code, error.message, error.hint)
        else:
            hint = f" ({error.hint})" if error.hint else ""
            sys.stderr.write(f"tradebotctl: {error.message}{hint}\n")
        return error.exit_code


def _complain_in_json(code: str, message: str, hint: str) -> None:
    print_json({"error": {"code": code, "message": message, "hint": hint}})


if __name__ == "__main__":
    sys.exit(main())
