"""What can go wrong, as one tree.

GoldenpairError
├── InputError          the user's input is wrong: exit code 2, a message and no traceback
│   ├── SpecError       a spec file or an override
│   ├── DataError       a table, a folder or a picture; TableError for a table that cannot be read
│   └── CheckpointError a checkpoint that is missing, foreign, or of another shape
└── RunError            the input was fine and the work failed all the same: exit code 1
"""


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
