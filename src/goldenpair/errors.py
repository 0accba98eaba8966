"""What can go wrong, as one tree.

GoldenpairError
├── InputError          the user's input is wrong: exit code 2, a message and no traceback
│   ├── SpecError       a spec file or an override
│   ├── DataError       a table, a folder or a picture; TableError for a table that cannot be read
│   └── CheckpointError a checkpoint that is missing, foreign, or of another shape
└── RunError            the input was fine and the work failed all the same: exit code 1
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GoldenpairError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(GoldenpairError, ValueError):
    """The user's input is wrong. `status_prefix` is what TAO's status.json puts before such a message."""

    status_prefix = "Parameter validation error"


class SpecError(InputError):
    """A spec with mistakes; `problems` holds one line for each."""

    status_prefix = "Configuration error"

    def __init__(self, source: str, problems: list[str]):
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{count} in {source}:", *problems]))


class DataError(InputError):
    """A table, a folder or a picture that cannot be used."""

    status_prefix = "File system error"


class TableError(DataError):
    """A table that cannot be read; `problems` holds one line for each."""

    def __init__(self, source: object, problems: list[str]):
        self.problems = problems
        super().__init__(f"table {source}: " + "\n  ".join(problems))


class CheckpointError(InputError):
    """A checkpoint that is missing, is not one, or does not fit the spec."""

    status_prefix = "File system error"


class RunError(GoldenpairError, RuntimeError):
    """The work failed although the input was fine."""


@contextmanager
def writing_to(place: object) -> Iterator[None]:
    """Around the writing of a file or a folder: what the system refuses becomes an error that names `place`.

    Raises RunError where there is no room, DataError where nothing may be written.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(place, error) from None


def unwritable(place: object, error: OSError) -> GoldenpairError:
    """What `writing_to` raises."""
    said = f"{place}: it cannot be written to ({first_line(error)})"
    if no_room(error):
        return RunError(f"{said}; make room there, or write to another disk. What was complete before stays as it was")
    return DataError(f"{said}; see to the folder and its permissions, or name another one")


def no_room(error: OSError) -> bool:
    """Whether a disk or a quota is full."""
    return error.errno in _NO_ROOM


def first_few(lines: list[str], most: int = 8) -> list[str]:
    """The first of some lines, and one more that tells how many are left out."""
    return lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more"]


def first_line(error: BaseException) -> str:
    """What an error says, in one line, whatever it says."""
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error).strip() or type(error).__name__).splitlines()[0]
