"""Root cause of an error, out of the groups that task groups wrap around it."""


def first_cause(error: BaseException) -> BaseException:
    """Return the first leaf of *error*: task groups raise groups, an operator wants one reason."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
