"""Work goes on when nobody reads what is printed any more, as in `goldenpair report x.csv | head`."""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar, cast

_GONE = {errno.EPIPE, errno.EINVAL}  # Windows says EINVAL of a closed pipe
_T = TypeVar("_T")


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """Within, what is printed after the reader of stdout has left is dropped: files are written, and nothing fails."""
    printed = sys.stdout
    sys.stdout = patient = cast(TextIO, _Patient(printed))
    try:
        yield
    finally:
        patient.flush()
        sys.stdout = printed


class _Patient(io.TextIOBase):
    def __init__(self, printed: TextIO):
        self._printed = printed

    def write(self, text: str) -> int:
        self._unless_gone(lambda: self._printed.write(text))
        return len(text)

    def flush(self) -> None:
        self._unless_gone(self._printed.flush)

    def isatty(self) -> bool:
        return self._printed.isatty()

    def fileno(self) -> int:
        return self._printed.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._printed.encoding

    def _unless_gone(self, do: Callable[[], object]) -> None:
        try:
            do()
        except OSError as error:
            if error.errno not in _GONE:
                raise
            # what waits to be written goes nowhere, also when Python ends
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._printed.fileno())
            os.close(nowhere)
