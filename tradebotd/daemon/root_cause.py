"""What really went wrong, out of the groups that task groups wrap around it."""


def first_cause(error: BaseException) -> BaseException:
    """The first leaf of *error*: task groups raise groups, an operator wants the one reason."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
