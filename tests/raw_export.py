"""Hand-made exports of an AOI machine, small enough to read: what tests of converting/ change one thing of."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from goldenpair.specs.dataset_convert import DatasetConvert
from goldenpair.specs.load import load_spec

LIGHTS = ("SolderLight", "WhiteLight")
HEADER = (
    "Project", "BoardSN", "TOP_BOT", "CompName", "TB_Panel", "directory", "LightingCondition", "ConfirmDefect",
    "MachineDefect", "Status", "image_name",
)  # fmt: skip
COMPONENTS = ("R1", "C_2", "U3")
TRAIN, VAL = ("B1", "B2", "B3"), ("B4", "B5")
DEFECTS = {("B1", "R1"): "MISSING", ("B4", "U3"): "SHIFT"}

Row = dict[str, str]


def rows_of(
    board: str,
    components: Sequence[str] = COMPONENTS,
    lights: Sequence[str] = LIGHTS,
    project: str = "P",
    side: str = "TOP",
    panel: str = "1",
) -> list[Row]:
    """The rows of a board, a row for each component and light; DEFECTS says which are none of PASS."""
    folder = f"{project}/AOI_{side[0]}/cap_{board}/PerComponent"
    return [
        {
            "Project": project,
            "BoardSN": board,
            "TOP_BOT": side,
            "CompName": name,
            "TB_Panel": panel,
            "directory": folder,
            "LightingCondition": light,
            "ConfirmDefect": DEFECTS.get((board, name), "PASS"),
            "MachineDefect": DEFECTS.get((board, name), "PASS"),
            "Status": "OK",
            "image_name": f"{name}@{panel}_{light}.jpg",
        }
        for name in components
        for light in lights
    ]


def write_table(path: Path, rows: Sequence[Mapping[str, str]], **options: Any) -> Path:
    """With the columns of the first row, or HEADER if there are no rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else HEADER, restval="", **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Export:
    """An export in TAO's layout below `root`: change `boards` and `goldens`, then `write`."""

    def __init__(self, root: Path):
        self.root = root
        self.boards = {board: rows_of(board) for board in (*TRAIN, *VAL)}
        self.splits = dict.fromkeys(TRAIN, "train") | dict.fromkeys(VAL, "val")
        self.goldens = {
            "PTOP": [
                {"CompName": name, "TOP_BOT": "TOP", "TB_Panel": "1", "directory": "golden/images/PTOP"}
                for name in COMPONENTS
            ]
        }
        self.names: dict[str, str] = {}
        """Of the files of boards that do not have the usual one."""

    def name(self, board: str) -> str:
        rows = self.boards[board]
        return self.names.get(board, f"L1_{rows[0]['Project']}_{rows[0]['TOP_BOT']}_{board}.csv")

    def change(self, board: str, component: str, light: str | None = None, **cells: str) -> None:
        """Set cells of a component, in all its rows or in that of one light."""
        found = [row for row in self.boards[board] if row["CompName"] == component]
        for row in found:
            if light in (None, row["LightingCondition"]):
                row.update(cells)

    def drop(self, board: str, component: str, light: str | None = None) -> None:
        self.boards[board] = [
            row
            for row in self.boards[board]
            if row["CompName"] != component or light not in (None, row["LightingCondition"])
        ]

    def write(self) -> "Export":
        for board, rows in self.boards.items():
            write_table(self.root / "export" / "all" / self.name(board), rows)
            for split in self.splits[board].split("+"):
                write_table(self.root / "export" / split / self.name(board), [])
        for name, rows in self.goldens.items():
            write_table(self.root / "export" / "golden" / f"{name}.csv", rows)
        return self

    def draw(self) -> "Export":
        """Tiny pictures for every row, and for every golden in every light."""
        picture = Image.linear_gradient("L").resize((16, 16)).convert("RGB")
        for rows in self.boards.values():
            for row in rows:
                _save(picture, self.root / "images" / row["directory"] / row["image_name"])
        for rows in self.goldens.values():
            for row in rows:
                for light in LIGHTS:
                    name = f"{row['CompName']}@{row['TB_Panel']}_{light}.jpg"
                    _save(picture, self.root / "images" / row["directory"] / name)
        return self

    @property
    def out(self) -> Path:
        return self.root / "tables"

    def overrides(self, *more: str) -> list[str]:
        fixed = {
            "root_dataset_dir": self.root,
            "data_convert_output_dir": self.out,
            "train_pcb_dataset_dir": "export/train/",
            "val_pcb_dataset_dir": "export/val/",
            "all_pcb_dataset_dir": "export/all/",
            "golden_csv_dir": "export/golden/",
        }
        return [f"dataset_convert.{key}={value}" for key, value in fixed.items()] + list(more)

    def wish(self, *more: str) -> DatasetConvert:
        spec = load_spec("optical_inspection", {}, self.overrides(*more), "dataset_convert")
        found: DatasetConvert = spec.dataset_convert  # type: ignore[attr-defined]
        return found

    def table(self, split: str) -> list[Row]:
        names = {"train": "train_combined.csv", "val": "valid_combined.csv", "test": "test_combined.csv"}
        return read(self.out / names[split])


def read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
