"""The search for cyclic garbage, put off while modules are imported and files are read.

Hardly anything of that is garbage, and looking for it again and again takes a tenth of the start.
"""

import gc


def put_off_search() -> None:
    """Search for no garbage in a process that is ours alone."""
    gc.disable()


def search_from_now_on() -> None:
    """Keep what is there before a loop begins, and search what comes as ever.

    Nothing changes where the search was not put off. What is kept is not gone through again, so
    the full searches of a running daemon are short.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def leave_the_rest() -> None:
    """Search for nothing at the end of a command without a loop: the memory ends with it."""
    if not gc.isenabled():
        gc.freeze()
