"""Section dataset_convert: what makes tables of the raw export of an AOI machine."""

from typing import Literal

from pydantic import field_validator, model_validator

from goldenpair.specs.fields import Section, option

_AT = "dataset_convert"
_FOLDERS = ("train_pcb_dataset_dir", "val_pcb_dataset_dir", "test_pcb_dataset_dir")
TABLE_FOLDERS = (*_FOLDERS, "all_pcb_dataset_dir", "golden_csv_dir")
"""The options that name folders of tables, from root_dataset_dir on."""
_EVERYTHING = (None, "", "all")


class BoardSplit(Section):
    """How boards are divided where no folders say it: not in TAO."""

    by: Literal["board"] = option("board", "What is never divided")
    val: float = option(0.2, "Share of validation", gt=0, lt=1)
    test: float = option(0.2, "Share of test; 0: no such table", ge=0, lt=1)
    seed: int = option(1234, "The same seed and boards give the same tables", ge=0)

    @model_validator(mode="after")
    def _something_to_train(self) -> "BoardSplit":
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val:g} and test {self.test:g} leave nothing to train with; make them smaller")
        return self


class DatasetConvert(Section):
    root_dataset_dir: str | None = option(None, "Folder that the others start from", path="folder")
    data_convert_output_dir: str | None = option(None, "Folder of the tables to write; needed", path="results")
    train_pcb_dataset_dir: str | None = option(
        None, "Folder of the training boards' tables; with all_pcb_dataset_dir only their names count", path="folder"
    )
    val_pcb_dataset_dir: str | None = option(None, "The same for validation", path="folder")
    test_pcb_dataset_dir: str | None = option(
        None, "The same for test; unset: no such table", not_in_tao=True, path="folder"
    )
    all_pcb_dataset_dir: str | None = option(None, "Folder of all boards' tables, which are read", path="folder")
    golden_csv_dir: str | None = option(
        None,
        "Folder of the goldens' tables, <project><TOP or BOT>.csv for each project and side; needed",
        path="folder",
    )
    project_name: str | None = option(None, "Only the boards of this project; unset or all: every one")
    bot_top: str | None = option(None, "Only this side: TOP or BOT; unset or all: both")
    split: BoardSplit | None = option(
        None,
        "Divide the boards of all_pcb_dataset_dir instead of naming folders: "
        "{by: board, val: 0.2, test: 0.2, seed: 1234}",
        not_in_tao=True,
    )
    lights: list[str] | None = option(
        None, "Lights that a part must have; unset: those that at least half of the parts have", not_in_tao=True
    )
    pass_texts: list[str] = option(
        ["PASS"], "Verdicts that mean a good part, exactly as they are written", not_in_tao=True
    )
    missing_verdict: Literal["leave_out", "machine"] = option(
        "leave_out", "Parts without ConfirmDefect: leave them out, or let MachineDefect decide", not_in_tao=True
    )
    unreadable_tables: Literal["refuse", "leave_out"] = option(
        "refuse", "Boards' tables that cannot be read: write nothing, or leave out what they hold", not_in_tao=True
    )
    check_pictures: bool = option(True, "Leave out parts whose pictures are not there", not_in_tao=True)
    images_dir: str | None = option(
        None,
        "Folder (or its archive) that the tables' paths start from; unset: images in root_dataset_dir",
        not_in_tao=True,
        path="images",
    )
    overwrite: bool = option(False, "Replace tables that are there already", not_in_tao=True)
    results_dir: str | None = option(
        None, "Folder of status.json and log.txt; unset: <results_dir>/dataset_convert, if there is a results_dir",
        not_in_tao=True, path="results",
    )  # fmt: skip

    @field_validator("pass_texts")
    @classmethod
    def _texts(cls, texts: list[str]) -> list[str]:
        if not all(text.strip() for text in texts):
            raise ValueError("an empty verdict is none; missing_verdict says what becomes of such parts")
        return texts

    @property
    def project(self) -> str | None:
        """The only project that is asked for; None for all."""
        name = (self.project_name or "").strip()
        return None if name.lower() in _EVERYTHING else name

    @property
    def side(self) -> str | None:
        """The only side that is asked for; None for both."""
        name = (self.bot_top or "").strip()
        return None if name.lower() in _EVERYTHING else name.upper()

    def problems(self) -> list[str]:
        """What is missing or no side, one sentence each."""
        needed = {
            "data_convert_output_dir": "the folder of the tables to write",
            "golden_csv_dir": "the folder of the goldens' tables",
        }
        if self.split:
            needed["all_pcb_dataset_dir"] = "the folder of the tables that split divides"
        else:
            needed["train_pcb_dataset_dir"] = "the training boards; or give split and all_pcb_dataset_dir"
            needed["val_pcb_dataset_dir"] = "the validation boards; or give split and all_pcb_dataset_dir"
        found = [f"{_AT}.{name}: {_AT} needs it ({what})" for name, what in needed.items() if not getattr(self, name)]
        if self.side not in (None, "TOP", "BOT"):
            found.append(f"{_AT}.bot_top: {self.bot_top!r} is no side; it must be all, TOP or BOT")
        return found

    def idle(self) -> dict[str, str]:
        """Options that do nothing as the others are set, as path -> reason."""
        unread = {name: "split divides the boards instead" for name in _FOLDERS if self.split and getattr(self, name)}
        if self.images_dir and not self.check_pictures:
            unread["images_dir"] = "check_pictures is false"
        return {f"{_AT}.{name}": reason for name, reason in unread.items()}
