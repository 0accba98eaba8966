"""Which parts can stand in a table, and why the others cannot: every part gets one reason or none."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from goldenpair.converting.naming import bare
from goldenpair.converting.raw_tables import GoldenTable, Part
from goldenpair.data.goldens import listed
from goldenpair.data.labels import near_pass, no_value, sounds_good
from goldenpair.data.table import PASS
from goldenpair.progress import Progress

LEFT_OUT = {
    "cell_empty": "a cell that names the part is empty",
    "side_unknown": "TOP_BOT is neither TOP nor BOT",
    "directory_odd": "directory leaves images_dir, or has a drive and not the project's folder",
    "image_name_odd": "image_name does not end in _<LightingCondition> and an extension, or names two parts",
    "light_missing": "a light is missing",
    "verdict_missing": "no verdict (ConfirmDefect): nobody has said that it is good",
    "verdict_near_pass": "verdict is nearly PASS; if it means good, add it to dataset_convert.pass_texts",
    "golden_missing": "no golden",
    "verdicts_contradict": "the same part stands in two tables, with different verdicts",
    "pictures_shared": "two parts have the same pictures, so one's were lost",
    "row_again": "the same part stands in two tables, with the same verdict; the first serves",
    "picture_missing": "picture missing",
    "golden_picture_missing": "golden picture missing",
}
"""Reasons in the order in which they are looked for."""
_OFTEN = 0.5
_HINTS = 100  # looking for what is there instead takes its time, and a report shows ten
Goldens = Mapping[tuple[str, str], "GoldenTable | str"]
"""By project and side; a text says why there is no table."""


def common_lights(parts: Sequence[Part]) -> tuple[list[str], list[str]]:
    """The lights that at least half of the parts have, and what to say of the others."""
    counts = Counter(light for part in parts for light in part.lights)
    often = sorted(light for light, count in counts.items() if count >= _OFTEN * len(parts))
    rare = [f"{light or '(none)'}: {count} of {len(parts)} parts" for light, count in sorted(counts.items())]
    return often, [one for light, one in zip(sorted(counts), rare, strict=True) if light not in often]


def need_lights(parts: Iterable[Part], lights: Sequence[str]) -> None:
    """Parts without one of these lights are left out."""
    lacking: dict[tuple[str, ...], str] = {}  # many parts have the same lights
    for part in parts:
        if part.cause:
            continue
        if part.lights not in lacking:
            there = set(part.lights)
            lacking[part.lights] = ", ".join(light or "(none)" for light in lights if light not in there)
        if absent := lacking[part.lights]:
            part.leave_out("light_missing", f"no {absent}")


class Verdicts:
    """Gives parts their labels, and keeps what there is to say of the texts."""

    def __init__(self, pass_texts: Iterable[str], by_machine: bool):
        self._good = {PASS, *pass_texts}
        self._by_machine = by_machine
        self._merged: dict[tuple[str, ...], tuple[str, str]] = {}

    def merged(self, texts: tuple[str, ...]) -> tuple[str, str]:
        """The verdict of a part from those of its rows, and the code of what is wrong with it.

        As in TAO: PASS if all are, else the others, sorted, each once, joined with `_`. Not PASS but "" if some are
        missing, or nearly PASS.
        """
        if texts not in self._merged:
            self._merged[texts] = self._merge(set(texts))
        return self._merged[texts]

    def _merge(self, texts: set[str]) -> tuple[str, str]:
        near = {text for text in texts - self._good if near_pass(text)}
        empty = {text for text in texts - self._good if no_value(text)}
        defects = sorted({text.strip() for text in texts - self._good - near - empty})
        if defects:
            return "_".join(defects), ""
        return ("", "verdict_near_pass") if near else ("", "verdict_missing") if empty else (PASS, "")

    def judge(self, parts: Iterable[Part]) -> None:
        """Set `label`, also of parts that are out already; leave out parts without one."""
        for part in parts:
            part.machine_verdict, part.machine_status = self._told(part.machine), self._told(part.status)
            part.label, cause = self.merged(part.verdicts)
            if cause == "verdict_missing" and self._by_machine:
                part.label, of_machine = self.merged(part.machine)
                part.by_machine, cause = True, of_machine
            if cause and not part.cause:
                texts = sorted({text for text in part.verdicts if text not in self._good})
                part.leave_out(cause, ", ".join(map(repr, texts)))

    def _told(self, texts: tuple[str, ...]) -> str:
        """What the machine said: the same, but whatever is not good is kept as it is."""
        different = set(texts)
        others = sorted({text.strip() for text in different - self._good} - {""})
        return "_".join(others) if others else PASS if different <= self._good else ""

    def doubtful(self) -> list[str]:
        """Texts that count as defects although they sound good, and those with blanks around them."""
        texts = sorted({text for texts in self._merged for text in texts} - self._good)
        good = [f"{text!r} sounds good, but counts as a defect" for text in texts if sounds_good(text)]
        defects = [text for text in texts if not near_pass(text) and not no_value(text)]
        return good + [f"{text!r}: blanks around it are taken off" for text in defects if text != text.strip()]


def give_goldens(parts: Iterable[Part], goldens: Goldens) -> None:
    """Set `golden`, the folder of a part's golden; parts without one are left out."""
    for part in parts:
        if part.cause:
            continue
        table = goldens[part.design, part.side]
        if isinstance(table, str):
            part.leave_out("golden_missing", table)
            continue
        part.golden = table.folders.get((part.comp_name, part.panel), "")
        if not part.golden:
            panel = f" with TB_Panel {part.panel}" if part.panel else ""
            part.leave_out("golden_missing", f"{table.path.name} has no {part.comp_name}{panel}")


def keep_apart(parts: Iterable[Part]) -> None:
    """Leave out parts whose pictures are those of another part, and what stands there once more."""
    holders: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for part in parts:
        if not part.cause:
            holders[part.folder, part.object_name].append(part)
    for held in holders.values():
        if len(held) == 1:
            continue
        first, *others = held
        if any(part.key != first.key for part in others):
            names = " and ".join(dict.fromkeys(f"{part.comp_name}, panel {part.panel or '-'}" for part in held))
            for part in held:
                part.leave_out("pictures_shared", f"{part.folder}/{part.object_name} is of {names}")
        elif any(part.label != first.label for part in others):
            for part in held:
                part.leave_out("verdicts_contradict", " and ".join(f"{one.label} ({one.file})" for one in held))
        else:
            for part in others:
                part.leave_out("row_again", f"as in {first.file}")


def need_pictures(parts: Sequence[Part], images_dir: Path, lights: Sequence[str], progress: Progress) -> None:
    """Leave out parts without one of their pictures or their golden's; each folder is listed once."""
    suffixes = [f"_{light}" if light else "" for light in lights]
    sought: dict[str, list[tuple[Part, str]]] = defaultdict(list)
    for part in parts:
        if not part.cause:
            sought[part.folder].append((part, "picture_missing"))
            sought[part.golden].append((part, "golden_picture_missing"))
    told = 0
    for done, (folder, needs) in enumerate(sorted(sought.items())):
        place = os.path.join(images_dir, folder)
        there = set(listed(place))
        small = {leaf.lower() for leaf in there}
        for part, cause in needs:
            for leaf in [part.object_name + suffix + part.extension for suffix in suffixes]:
                # some systems do not tell R1.jpg from R1.JPG
                found = leaf in there or (leaf.lower() in small and os.path.exists(os.path.join(place, leaf)))
                if not found and not part.cause:
                    hint = _instead(part.object_name, there) if told < _HINTS else ""
                    part.leave_out(cause, os.path.join(place, leaf) + hint)
                    told += 1
        progress(done + 1, len(sought))


def _instead(name: str, there: set[str]) -> str:
    if not there:
        return "  (the folder is missing or empty)"
    others = sorted(leaf for leaf in there if leaf.startswith((f"{name}.", f"{name}_")))
    return f"  (there is {', '.join(others[:3])})" if others else ""


def boards_in_two(parts: Iterable[Part]) -> list[str]:
    """Boards that stand in the tables of two splits."""
    splits: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for part in parts:
        splits[part.design, part.board].setdefault(part.split, part.file)
    return [
        f"{board} of {design}: " + " and ".join(f"{split} ({file})" for split, file in files.items())
        for (design, board), files in sorted(splits.items())
        if len(files) > 1
    ]


def shared_numbers(parts: Iterable[Part]) -> set[str]:
    """Board numbers that several projects use."""
    designs = defaultdict(set)
    for part in parts:
        designs[part.board].add(part.design)
    return {board for board, names in designs.items() if len(names) > 1}


def same_name(wanted: str, there: Iterable[str]) -> str | None:
    """A file name that differs from the wanted one in cases, blanks or `_` only."""
    return next((name for name in sorted(there) if bare(name) == bare(wanted)), None)
