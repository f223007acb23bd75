"""How every program ends: with the exit code that it earned.

Python is torn down at the end, while threads of Temporal's client still call into it. Sometimes the process then aborts
(134 or 139), after its work was done and reported (sdk-python #300). A script would believe that a payment failed. So a
program here flushes its output, and leaves at once.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO

INTERRUPTED = 130
CANNOT_WRITE = 120
"""Python's own exit code where the last output could not be written."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def end_with(main: Callable[[], object]) -> NoReturn:
    """Run a program and end this process. Its code is what `main` exits with or returns: a number, or None for 0."""
    code = _code_of(main)
    atexit._run_exitfuncs()  # handlers that are registered for the exit: log handlers, temporary files, coverage
    written = [_flush(stream) for stream in (sys.stdout, sys.stderr)]
    os._exit(code if all(written) else code or CANNOT_WRITE)


def _code_of(main: Callable[[], object]) -> int:
    try:
        returned = main()
    except SystemExit as exited:
        return _code_from(exited.code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if not is_unwritten(error):
            traceback.print_exc()
            return 1
        print(f"The output could not be written: {error.strerror}.", file=sys.stderr)
        return CANNOT_WRITE
    except BaseException:  # any other end is a failure, and its trace is shown
        traceback.print_exc()
        return 1
    return _code_from(returned)


def is_unwritten(error: OSError) -> bool:
    """Whether a stream that is no named file, such as the output, took nothing: its disk is full."""
    return error.filename is None and error.errno in _NO_ROOM


def _code_from(said: object) -> int:
    """The exit code that `sys.exit` would derive from this."""
    if said is None:
        return 0
    if isinstance(said, int):
        return said & 0xFF
    print(said, file=sys.stderr)
    return 1


def _flush(stream: TextIO | None) -> bool:
    """Flush a stream; returns whether it worked. A reader that has gone (`| head`) has read what it wanted."""
    try:
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        return True
    except (OSError, ValueError):
        return False
    return True
