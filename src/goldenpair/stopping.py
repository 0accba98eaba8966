"""Ctrl-C and SIGTERM: both end a run as a KeyboardInterrupt that says which of them it was."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)
_Handler = Callable[[int, FrameType | None], None]


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """While it is open SIGTERM raises KeyboardInterrupt, as Ctrl-C does, so that a run can say how it ended."""
    with _handling(_interrupt, signal.SIGTERM):
        yield


class PutOff:
    """While it is open the first signal is only kept in `asked`, as text; a second one interrupts."""

    def __init__(self) -> None:
        self.asked = ""
        self._numbers: list[int] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        with _handling(self._keep, signal.SIGINT, signal.SIGTERM) as self._numbers:
            yield

    def take_over(self) -> None:
        """Handle the signals again, after a library has put a handler of its own in front."""
        for number in self._numbers:
            signal.signal(number, self._keep)

    def interrupt_if_asked(self) -> None:
        if self.asked:
            raise KeyboardInterrupt(self.asked)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            _interrupt(number, frame)
        self.asked = _text(number)
        log.warning(
            "Stopping after this step, or after the validation if one is going on, with a checkpoint; "
            "once more stops at once, without one."
        )


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(_text(number))


def _text(number: int) -> str:
    return "stopped by the user" if number == signal.SIGINT else f"stopped by signal {signal.Signals(number).name}"


@contextmanager
def _handling(handler: _Handler, *numbers: int) -> Iterator[list[int]]:
    """Handle signals while it is open: in the main thread only, and never instead of a host program's handler.

    Gives the numbers of those that it handles.
    """
    own = (signal.SIG_DFL, signal.default_int_handler, _interrupt)
    main = threading.current_thread() is threading.main_thread()
    before = {number: found for number in numbers if main and (found := signal.getsignal(number)) in own}
    try:
        for number in before:
            signal.signal(number, handler)
        yield list(before)
    finally:
        for number, found in before.items():
            signal.signal(number, found)
