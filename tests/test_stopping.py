import os
import signal
import sys
import threading

import pytest

from goldenpair.stopping import PutOff, sigterm_interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal to oneself ends the process there")
BOTH = [(signal.SIGINT, "stopped by the user"), (signal.SIGTERM, "stopped by signal SIGTERM")]


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def handlers():
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_are_given_back():
    before = handlers()
    yield
    assert handlers() == before


def test_sigterm_interrupts():
    with pytest.raises(KeyboardInterrupt, match="stopped by signal SIGTERM"), sigterm_interrupts():
        send(signal.SIGTERM)
        pytest.fail("the signal did nothing")


@pytest.mark.parametrize(("number", "text"), BOTH)
def test_the_first_signal_is_put_off_and_the_second_interrupts(number, text, caplog):
    stop = PutOff()
    with sigterm_interrupts(), stop.open():
        stop.interrupt_if_asked()
        send(number)
        assert stop.asked == text and "once more stops at once" in caplog.text
        with pytest.raises(KeyboardInterrupt, match=text):
            stop.interrupt_if_asked()
        with pytest.raises(KeyboardInterrupt, match=text):
            send(number)
            pytest.fail("the signal did nothing")


def test_the_second_may_be_another():
    stop = PutOff()
    with sigterm_interrupts(), stop.open(), pytest.raises(KeyboardInterrupt, match="stopped by the user"):
        send(signal.SIGTERM)
        send(signal.SIGINT)
        pytest.fail("the signal did nothing")


def test_it_takes_the_signals_back_from_a_library():
    stop = PutOff()
    with sigterm_interrupts(), stop.open():
        signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the library's handler was called"))
        stop.take_over()
        send(signal.SIGTERM)
        assert stop.asked


def test_the_handler_of_a_host_program_stays():
    got, stop = [], PutOff()
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    try:
        with sigterm_interrupts(), stop.open():
            stop.take_over()
            send(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got == [signal.SIGTERM] and not stop.asked


def test_in_another_thread_nothing_is_handled_and_nothing_breaks():
    seen = []

    def work():
        stop = PutOff()
        with sigterm_interrupts(), stop.open():
            stop.take_over()
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handlers()]
