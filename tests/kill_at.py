"""Run the command line in a process that dies at the n-th call of a function.

The target is module:name or module:class.name; `how` is a signal's name, or "limit": no file may grow any more.
"""

import os
import signal
from functools import reduce
from importlib import import_module


def main(target: str, nth: str, how: str, *words: str) -> int:
    module, path = target.split(":")
    *owners, name = path.split(".")
    owner = reduce(getattr, owners, import_module(module))
    original = getattr(owner, name)
    calls = 0

    def hooked(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == int(nth):
            if target == "torch:save":  # in the middle of it
                args[1].write(b"half a checkpoint")
                args[1].flush()
            if how == "limit":
                resource = import_module("resource")
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
            else:
                os.kill(os.getpid(), getattr(signal, how))
        return original(*args, **kwargs)

    setattr(owner, name, hooked)
    return import_module("goldenpair.cli").main(words)
