"""Errors that end a command, and the exit codes."""

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
    """Failure with one line for the operator and a hint at what to do."""

    def __init__(self, exit_code: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(Exception):
    """Wrong arguments; `usage` is the usage text of the command they were given to."""

    def __init__(self, usage: str, message: str) -> None:
        super().__init__(message)
        self.usage = usage
        self.message = message
