"""A results folder: the spec it was made with, a status file that programs read, a log, and whole files only."""

import errno
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from goldenpair.errors import DataError, GoldenpairError, InputError, RunError, SpecError, writing_to
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.load import without_effect
from goldenpair.stopping import sigterm_interrupts
from goldenpair.storage.fetching import Storage
from goldenpair.storage.mirror import Mirror
from goldenpair.storage.uris import canonical, is_uri, joined, local_path, without_secrets

log = logging.getLogger("goldenpair")
_LEFT_BEHIND = re.compile(r"\..+\.\d+\.tmp")  # by whole_file, in a run that was killed
Status = Literal["STARTED", "RUNNING", "SUCCESS", "FAILURE"]


class Run:
    """The folder of one action, open while the action works, and locked: two runs never mix in it.

    On entry it writes the first line of `status.json`, in TAO's format: one JSON object a line, appended over runs.
    On leaving it writes how the action ended, also after Ctrl-C and SIGTERM. Of several training processes only the
    first writes. Raises SpecError if the spec names no folder, DataError if it cannot be written to or another run
    works in it.
    """

    def __init__(self, spec: NetworkSpec, action: str):
        self.spec, self.action = spec, action
        self._place = results_place(spec, action)
        self.folder, self._mirror = working_folder(self._place)
        self._kpi: dict[str, float] = {}
        self._writes = os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"
        self._handler: logging.Handler = logging.NullHandler()
        self._open = ExitStack()

    def __enter__(self) -> "Run":
        with ExitStack() as stack:
            with writing_to(f"results folder {self.folder}"):
                self.folder.mkdir(parents=True, exist_ok=True)
                if self._writes:
                    stack.enter_context(alone_in(self.folder, f"results folder {self.folder}", "another results_dir"))
                if self._mirror and self._writes:
                    self._begin(self._mirror)
                self._handler = _LogFile(self.folder / "log.txt", encoding="utf-8")
            stack.callback(self._handler.close)
            self._handler.setFormatter(_WithoutSecrets("%(asctime)s %(levelname)s %(message)s"))
            log.addHandler(self._handler)
            stack.callback(log.removeHandler, self._handler)
            stack.enter_context(sigterm_interrupts())
            self.status(f"Starting {self.spec.title} {self.action}.", "STARTED")
            if self._mirror and self._writes:
                self._mirror.prove()  # now, not when a night's training is to be kept
            sections = {"encryption_key", "model", "dataset", "gen_trt_engine", self.action}
            for sentence in without_effect(self.spec, sections | ({"wandb"} if self.action == "train" else set())):
                log.warning(sentence)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if error is None:
                self._succeed()
                return
            if isinstance(error, KeyboardInterrupt):
                message = f"User/System interruption: {str(error) or 'stopped by the user'}"
            else:
                prefix = f"{error.status_prefix}: " if isinstance(error, InputError) else ""
                message = f"{prefix}{str(error) or type(error).__name__}"
                self._handler.handle(
                    log.makeRecord(
                        log.name, logging.ERROR, __file__, 0, "The action failed", (), (type(error), error, trace)
                    )
                )
            with suppress(GoldenpairError):  # a full disk must not hide why the action failed
                self.status(message, "FAILURE")
            self.share()

    def _succeed(self) -> None:
        if self._mirror and self._writes:
            try:
                self._mirror.send()
            except RunError as error:
                self.status(str(error), "FAILURE")
                raise
        self.status(f"{self.action.capitalize()} finished successfully.")
        self.status("Execution status: PASS", "SUCCESS")
        if self._mirror and self._writes:
            self._mirror.send()
            log.info("The results are in %s", self._mirror.told)

    @contextmanager
    def localised(self) -> Iterator[NetworkSpec]:
        """The spec that the action works with, which `spec` is from now on: all of its paths are on this machine.

        Raises what `localising.localised` does. What was fetched stays in the cache at least until the end.
        """
        from goldenpair.localising import localised  # it reads tables, which what only prints a spec does not need

        outputs = {self._place: self.folder} if self._mirror else {}
        with Storage(self.spec.storage.limits) as storage:
            self.spec = localised(self.spec, self.action, storage, outputs)
            yield self.spec

    def share(self) -> None:
        """Send what is new to a remote results_dir; where that fails a warning says so, and the next time tries again.

        Of a local one there is nothing to do.
        """
        if self._mirror and self._writes:
            try:
                self._mirror.send()
            except RunError as error:
                log.warning("%s", error)

    def discard(self, path: Path) -> None:
        """Remove a file of the results, there too if results_dir is remote; a failure there does no harm."""
        path.unlink(missing_ok=True)
        if self._mirror and self._writes and path.is_relative_to(self.folder):
            try:
                self._mirror.remove(path.relative_to(self.folder).as_posix())
            except DataError as error:
                log.warning("It could not be removed: %s", error)

    def _begin(self, mirror: Mirror) -> None:
        """Fetch what the action goes on from: log, status, the newest checkpoint, a file that it may replace."""
        there = mirror.there()
        wanted = {"log.txt", "status.json"}
        if self.action == "train":
            latest = self.spec.latest_checkpoint
            older = [name for name in there if fnmatch(name, latest.replace("_latest.pth", "_epoch=*.pth"))]
            wanted |= {latest} if latest in there or not older else {max(older, key=_numbers)}
        if self.action == "export":
            wanted |= {self.spec.export.target(self.folder).name}
        mirror.begin(there, wanted)
        try:
            last = (self.folder / "status.json").read_text(encoding="utf-8").splitlines()[-1:]
            record = json.loads(last[0]) if last else {}
        except (OSError, ValueError):
            return
        if isinstance(record, dict) and record.get("status") in ("STARTED", "RUNNING"):
            log.warning(
                f"{mirror.told}: its last record, of {record.get('date')} {record.get('time')}, says that a run is "
                "going on. If one is, on another machine, stop one of the two: they would overwrite each other's files."
            )

    def write_spec(self) -> None:
        """Write `experiment.yaml`: the complete spec, never a passphrase.

        It replaces that of an earlier run, so it is called when nothing can be refused any more.
        """
        if self._writes:
            write_text(self.folder / "experiment.yaml", as_yaml(self.spec))

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
            "message": without_secrets(message),
            **({"kpi": self._kpi} if self._kpi else {}),
        }
        if self._writes:
            _append(self.folder / "status.json", json.dumps(record) + "\n")


class _WithoutSecrets(logging.Formatter):
    """Also of what libraries say of the names of remote files, and of tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _LogFile(logging.FileHandler):
    """A log that never stands in the way: where the disk is full, what fails is the writing of a result."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def results_place(spec: NetworkSpec, action: str) -> str:
    """`<action>.results_dir`, or `<results_dir>/<action>`: a folder, or the URI of one."""
    own: str | None = getattr(spec, action).results_dir
    if own:
        return own
    if spec.results_dir:
        return _below(spec.results_dir, action)
    raise SpecError("the spec", [f"results_dir: set it, or {action}.results_dir; {action} has nowhere to write"])


@contextmanager
def plain_results(place: str | None, action: str) -> Iterator[Path | None]:
    """The folder `<place>/<action>` for results without a log of their own, None where no place is given.

    What was written to a remote one is sent at the end. Raises what `Mirror` and `whole_file` do.
    """
    if not place:
        yield None
        return
    folder, mirror = working_folder(_below(place, action))
    with writing_to(f"results folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    if mirror:
        mirror.begin(mirror.there(), ())
    yield folder
    if mirror:
        mirror.send()
        log.info("The results are in %s", mirror.told)


def _below(place: str, action: str) -> str:
    return joined(place, action) if is_uri(place) else str(Path(place) / action)


def working_folder(place: str) -> tuple[Path, Mirror | None]:
    """Where results for a place are written: into the folder itself, also if it is named by file://, or into the one
    that stands for a remote one, which sends them there."""
    if is_uri(place) and not canonical(place).startswith("file://"):
        mirror = Mirror(place)
        return mirror.folder, mirror
    return Path(local_path(place) if is_uri(place) else place), None


def without_passphrase(spec: NetworkSpec) -> dict[str, Any]:
    """The spec as plain data that may be written to a file: as it was written, without secrets."""
    return {**spec.as_written(), "encryption_key": None}


def as_yaml(spec: NetworkSpec) -> str:
    # OmegaConf quotes texts that it would read as numbers
    return OmegaConf.to_yaml(OmegaConf.create(without_passphrase(spec)))


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all; raises what `whole_file` raises."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _append(path: Path, line: str) -> None:
    content = line.encode()
    with writing_to(path), path.open("ab", buffering=0) as file:
        end = file.tell()
        if file.write(content) < len(content):  # the disk is full, and half a line would spoil the file
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


@contextmanager
def alone_in(folder: Path, name: str, another: str) -> Iterator[None]:
    """Hold the folder's lock, which the system gives back however a process ends, and clear up after killed runs.

    Raises DataError, with the folder's `name` and what `another` is called, where somebody else holds it.
    """
    lock = FileLock(folder / ".lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(f"{name}: another run works in it; wait for its end, or give {another}") from None
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        log.warning("%s cannot be locked on this file system: take care that one run at a time works in it.", folder)
        yield
        return
    try:
        for left in folder.glob(".*.tmp"):
            if _LEFT_BEHIND.fullmatch(left.name) and left.is_file():
                left.unlink()
        yield
    finally:
        lock.release()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the true name when the block ends well.

    Folders above it are made. Raises RunError where the disk is full and DataError where nothing may be written; then
    what was there before stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
