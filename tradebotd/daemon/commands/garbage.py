"""The search for cyclic garbage, put off while modules are imported and files are read.

Hardly anything of that is garbage, and looking for it again and again takes a tenth of the start.
"""

import gc


def put_off_search() -> None:
    """For a process that is ours alone."""
    gc.disable()


def search_from_now_on() -> None:
    """Before a loop begins: what is there by now is kept, and what comes is searched as ever.

    Nothing changes where the search was not put off. What is kept is not gone through again, so
    the full searches of a running daemon are short.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def leave_the_rest() -> None:
    """At the end of a command without a loop: the process ends, and its memory with it."""
    if not gc.isenabled():
        gc.freeze()
