"""Heatmaps as pictures: of each light golden, sample, and the sample with what the network sees there over it."""

import json
import logging
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from goldenpair.data.audit import audit
from goldenpair.data.table import Layout, PairTable
from goldenpair.errors import InputError
from goldenpair.pages import GREY, Line, draw_page
from goldenpair.progress import progress_bar
from goldenpair.report import COLOURS, kind_of
from goldenpair.run import Run, whole_file, write_text
from goldenpair.specs.common import SCALING
from goldenpair.specs.scoring import ScoringCommon

if TYPE_CHECKING:
    from goldenpair.explain import ExplainedPart
    from goldenpair.inspection import Inspector, Verdict

log = logging.getLogger(__name__)
FOLDER, SCALE_FILE = "heatmaps", "heatmap.json"
FULL = 3.0
"""Heat of the brightest colour: so many times what good parts reach. Up to 1.0 a picture stays bare."""
_BAR = 140  # width of the bar of colours, in pixels
_TILE = 192  # height of a picture on a page, in pixels
_DARKEST, _OPAQUE = 0.4, 0.85  # where the colours begin, and how much they hide at most


def heated(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """A picture, uint8 [3, H, W], with the heat of one light, float32 [h, w], over it.

    The colours are those of matplotlib's inferno, which get lighter with the heat and so can be read in grey.
    """
    from matplotlib import colormaps  # slow to import

    size = (picture.shape[2], picture.shape[1])
    even = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))
    shown = np.clip((even - 1) / (FULL - 1), 0, 1)
    colours = colormaps["inferno"](_DARKEST + (1 - _DARKEST) * shown)[..., :3] * 255
    hides = (_OPAQUE * np.sqrt(shown))[..., None]  # it sets in without an edge
    mixed = (1 - hides) * picture.transpose(1, 2, 0) + hides * colours
    return Image.fromarray(mixed.round().astype(np.uint8))


def heatmap_page(part: "ExplainedPart", name: str, label: str, verdict: "Verdict") -> Image.Image:
    """A line for each light: golden, sample, heat over the sample, and how hot its hottest place is."""
    heatmap, kind = part.heatmap, kind_of(label, verdict.verdict)
    lines = []
    for number, heat in enumerate(heatmap.heat):
        light = heatmap.lights[number] if heatmap.lights else "heat"
        pictures = [Image.fromarray(one[number].transpose(1, 2, 0)) for one in (part.golden, part.sample)]
        level = float(heat.max())
        said = [(light, COLOURS["right"]), (f"{level:.2f} times what good parts reach", GREY)]
        if level <= 1:
            said.append(("below the level of good parts: explains nothing", GREY))
        elif len(heatmap.heat) > 1 and light == heatmap.light:
            said.append(("this light saw most", COLOURS["right"]))
        lines.append(Line([[pictures[0]], [pictures[1]], [heated(part.sample[number], heat)]], said))
    told = f"; {kind.upper()}" if kind != "right" else ""
    title = f"{name}: {verdict.verdict}, score {verdict.score:.4g}{f', labelled {label}' if label else ''}{told}"
    headings = ("golden", "sample", "heat over the sample", f"colour from 1 to {FULL:g}")
    _, _, height, width = part.sample.shape
    page = draw_page(title, headings, lines, (max(1, round(width * _TILE / height)), _TILE))
    bar = heated(np.full((3, 12, _BAR), 128, np.uint8), np.tile(np.linspace(1, FULL, _BAR, dtype=np.float32), (12, 1)))
    page.paste(bar, (page.width - _BAR - 24, 38))
    return page


def level_told(level: float) -> str:
    """The hottest place of a light in words."""
    beyond = "" if level > 1 else ": below the level of good parts"
    return f"{level:.2f} times what good parts reach{beyond}"


def rows_to_explain(verdicts: Sequence["Verdict"], labels: Sequence[str], limit: int) -> list[int]:
    """Up to `limit` rows: escapes, the lowest scores first, then parts that are neither PASS nor ERROR, the highest
    first: so each begins with the worst."""
    scores = [-math.inf if one.score is None else one.score for one in verdicts]
    escapes = [row for row, one in enumerate(verdicts) if kind_of(labels[row], one.verdict) == "escape"]
    stopped = [row for row, one in enumerate(verdicts) if one.verdict not in ("PASS", "ERROR")]
    worst = [*sorted(escapes, key=lambda row: scores[row]), *sorted(stopped, key=lambda row: -scores[row])]
    return worst[:limit]


class Heatmaps:
    """Explains rows of tables by `inspector`, on the `scale` that the spec gives or that its good parts do.

    A fitted scale is written to SCALE_FILE in the run's folder. Raises InputError where neither gives one.
    """

    def __init__(self, run: Run, inspector: "Inspector"):
        self._run, self._inspector = run, inspector
        self._wish: ScoringCommon = getattr(run.spec, run.action)
        self.scale = self._wish.heatmap_scale or self._fitted()

    def _fitted(self) -> float:
        pairs, path = self._run.spec.pairs, self._run.spec.pairs_path
        splits = {name: getattr(pairs, name) for name in SCALING}
        split = next((name for name, files in splits.items() if files.given), None)
        if split is None:
            named = " or ".join(f"{path}.{name}" for name in SCALING)
            raise InputError(
                f"{self._run.action}.explain: nothing says what is normal in a good part; name a labelled table in "
                f"{named}, or set {self._run.action}.heatmap_scale"
            )
        tables, report = audit({split: splits[split]}, Layout.of(pairs))
        report.refuse()
        with progress_bar("Scaling heatmaps") as progress:
            scale = self._inspector.heatmap_scale(tables[split], progress)
        write_text(self._run.folder / SCALE_FILE, json.dumps(scale.as_dict(), indent=1))
        log.info(
            f"Heatmaps: 1.0 is {scale.level:.4g}, by {scale.good_parts} good parts of {split}; "
            f"{self._run.action}.heatmap_scale={scale.level:.4g} keeps it and saves the time"
        )
        return scale.level

    def write(self, table: PairTable, verdicts: Sequence["Verdict"]) -> dict[str, list[str]]:
        """Write a page for each row that is worth it, and return the column of their paths in the run's folder."""
        names, labels = table.cells["object_name"], table.cells.get("label", [""] * len(table))
        every = rows_to_explain(verdicts, labels, len(table))
        rows, column = every[: self._wish.heatmap_limit], [""] * len(table)
        with progress_bar("Explaining") as progress:
            for part in self._inspector.explain_rows(table, rows, self.scale, progress):
                row = part.row
                plain = re.sub(r"[^\w.-]+", "_", names[row])[:80]
                place = f"{FOLDER}/{row}_{plain}.jpg"
                name = f"{names[row]} in {table.cells['input_path'][row]}"
                with whole_file(self._run.folder / place) as made:
                    heatmap_page(part, name, labels[row], verdicts[row]).save(made, "JPEG", quality=90)
                column[row] = place
        cut = (
            f"; {self._run.action}.heatmap_limit leaves out {len(every) - len(rows)}" if len(every) > len(rows) else ""
        )
        written = sum(map(bool, column))
        log.info(f"Wrote {written} heatmaps of parts that are not PASS, and of escapes, to {FOLDER}{cut}")
        return {"heatmap": column}


def heatmaps_of(run: Run, inspector: "Inspector") -> Heatmaps | None:
    """What writes the heatmaps that the spec asks for; None if it does not."""
    wish: ScoringCommon = getattr(run.spec, run.action)
    return Heatmaps(run, inspector) if wish.explain else None
