"""A results folder: the spec it was made with, a status file that programs read, a log, and whole files only."""

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from omegaconf import OmegaConf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from goldenpair.errors import DataError, InputError, SpecError
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.load import without_effect

log = logging.getLogger("goldenpair")
ProgressCallback = Callable[[int, int], None]
"""Called with (done, total) now and then."""
Status = Literal["STARTED", "RUNNING", "SUCCESS", "FAILURE"]


class Run:
    """The folder of one action, open while the action works.

    On entry it writes `experiment.yaml` (the complete spec; never a passphrase) and the first line of
    `status.json`, in TAO's format: one JSON object a line, appended over runs. On leaving it writes how the
    action ended. Of several training processes only the first writes. Raises SpecError if the spec names no folder,
    DataError if it cannot be written to.
    """

    def __init__(self, spec: NetworkSpec, action: str):
        self.spec, self.action = spec, action
        self.folder = results_folder(spec, action)
        self._kpi: dict[str, float] = {}
        self._writes = os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._writes:
                write_text(self.folder / "experiment.yaml", as_yaml(spec))
            self._handler = logging.FileHandler(self.folder / "log.txt", encoding="utf-8")
        except OSError as error:
            raise DataError(f"results folder {self.folder}: it cannot be written to ({error})") from None
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def __enter__(self) -> "Run":
        log.addHandler(self._handler)
        self.status(f"Starting {self.spec.title} {self.action}.", "STARTED")
        sections = {"encryption_key", "model", "dataset", "gen_trt_engine", self.action}
        for sentence in without_effect(self.spec, sections | ({"wandb"} if self.action == "train" else set())):
            log.warning(sentence)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.status(f"{self.action.capitalize()} finished successfully.")
            self.status("Execution status: PASS", "SUCCESS")
        elif isinstance(error, KeyboardInterrupt):
            self.status("User/System interruption: stopped by the user", "FAILURE")
        else:
            prefix = f"{error.status_prefix}: " if isinstance(error, InputError) else ""
            self.status(f"{prefix}{str(error) or type(error).__name__}", "FAILURE")
            self._handler.handle(
                log.makeRecord(
                    log.name, logging.ERROR, __file__, 0, "The action failed", (), (type(error), error, trace)
                )
            )
        log.removeHandler(self._handler)
        self._handler.close()

    def status(
        self,
        message: str,
        status: Status = "RUNNING",
        kpi: Mapping[str, float] | None = None,
        progress: Mapping[str, int | str] | None = None,
    ) -> None:
        """Append a record. The last `kpi` is repeated in every later record, as programs that read TAO's expect."""
        if kpi is not None:
            self._kpi = {name: float(value) for name, value in kpi.items() if math.isfinite(value)}
        now = datetime.now()
        record: dict[str, Any] = {
            **(progress or {}),
            "date": f"{now.month}/{now.day}/{now.year}",
            "time": f"{now.hour}:{now.minute}:{now.second}",
            "status": status,
            "verbosity": "ERROR" if status == "FAILURE" else "INFO",
            "message": message,
            **({"kpi": self._kpi} if self._kpi else {}),
        }
        if not self._writes:
            return
        with (self.folder / "status.json").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def results_folder(spec: NetworkSpec, action: str) -> Path:
    """`<action>.results_dir`, or `<results_dir>/<action>`."""
    own = getattr(spec, action).results_dir
    if own:
        return Path(own)
    if spec.results_dir:
        return Path(spec.results_dir) / action
    raise SpecError("the spec", [f"results_dir: set it, or {action}.results_dir; {action} has nowhere to write"])


def without_passphrase(spec: NetworkSpec) -> dict[str, Any]:
    """The spec as plain data that may be written to a file."""
    return {**spec.model_dump(), "encryption_key": None}


def as_yaml(spec: NetworkSpec) -> str:
    # OmegaConf quotes texts that it would read as numbers
    return OmegaConf.to_yaml(OmegaConf.create(without_passphrase(spec)))


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the true name when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """A bar with the time left, on a terminal; elsewhere nothing."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    console = Console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
