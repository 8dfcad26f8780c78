"""What ends a command other than well, with its exit code."""

EXIT_DONE = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_REFUSED = 4
EXIT_UNAVAILABLE = 69
EXIT_CONFIG = 78

BY_STATUS = {
    400: EXIT_USAGE,
    404: EXIT_REFUSED,
    409: EXIT_REFUSED,
    422: EXIT_CONFIG,
    503: EXIT_UNAVAILABLE,
}


class CommandError(Exception):
    """One line for an operator, and what they might do."""

    def __init__(self, exit_code: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(Exception):
    """Wrong arguments; `usage` is of the command they were meant for."""

    def __init__(self, usage: str, message: str) -> None:
        super().__init__(message)
        self.usage = usage
        self.message = message
