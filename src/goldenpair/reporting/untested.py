"""What a page does not show, said on the page: computed from what is absent, so that nothing is left out silently."""

from collections.abc import Sequence

from goldenpair.quality.breakdown import SMALL, Breakdown
from goldenpair.quality.figures import Figures
from goldenpair.reporting.context import Context
from goldenpair.reporting.judged import Judged
from goldenpair.reporting.page import Section


def untested_section(found: Figures, broken: Sequence[Breakdown], judged: Judged, context: Context) -> Section:
    absent = [*_parts(found, broken), *_names(broken, context), *_cutoff(judged), *_run(context)]
    said = ["No page of figures is complete. This one does not show:"]
    return Section("untested", "What was not tested", said, listed=absent)


def _parts(found: Figures, broken: Sequence[Breakdown]) -> list[str]:
    said = []
    if found.errors:
        said.append(
            f"{found.errors:,} parts without a score (ERROR): they are in no figure. On a line they are stopped."
        )
    if found.unlabelled:
        said.append(f"{found.unlabelled:,} parts without a label: whether they were judged rightly is not known.")
    if not found.defects:
        said.append("Escapes: there is no defect among the parts.")
    elif found.defects < SMALL:
        said.append(f"Capture, to any purpose: {found.defects} defects prove next to nothing.")
    if not found.good:
        said.append("False calls: there is no good part.")
    if not found.boards:
        said.append(
            "Boards: the file has no column board and no folders in input_path, so intervals take parts as independent."
        )
    elif found.boards < SMALL:
        said.append(f"Many boards: the parts are of {found.boards} only, so figures of boards are rough.")
    kinds = {one.name: one for one in broken}
    if "component type" not in kinds:
        said.append("Component types: no column names them, and object names are no reference designators.")
    label = kinds.get("defect label")
    few = [cell.name for cell in label.cells if cell.few_defects] if label else []
    if few:
        named = ", ".join(few[:8]) + (f" and {len(few) - 8} more" if len(few) > 8 else "")
        said.append(f"Kinds of defects with fewer than {SMALL} examples: {named}.")
    return [*said, "Kinds of defects that the table has none of."]


def _names(broken: Sequence[Breakdown], context: Context) -> list[str]:
    labels = [cell.name for one in broken if one.name == "defect label" for cell in one.cells]
    if context.names is None or not (unmapped := context.names.unmapped(labels)):
        return []
    named = ", ".join(unmapped[:8]) + (f" and {len(unmapped) - 8} more" if len(unmapped) > 8 else "")
    return [f"Names of IPC-CFX for the labels {named}: {context.names.source} has none."]


def _cutoff(judged: Judged) -> list[str]:
    policy = judged.policy
    if policy is None or policy.calibration is None:
        return ["Probabilities: no calibrated policy was given (goldenpair policy makes one)."]
    return []


def _run(context: Context) -> list[str]:
    absent = [
        (context.show, "Pictures: none were given (--images-dir), so nobody can look at the escapes here."),
        (context.heatmaps, "Heatmaps: what the network looked at."),
        (context.odd_goldens, "Goldens: whether one of them is dark, misframed or unlike its siblings."),
        (context.better_goldens, "Swapped goldens: whether a good part looks more like the golden of another."),
        (
            context.robustness,
            "Robustness: what shift, rotation, light, blur and compression do (evaluate.robustness=true).",
        ),
        (context.shared, "Leakage: the pictures that the model learned from were not compared with these."),
        (
            context.facts,
            "The model: the file of scores does not say which one made them, with which seed and versions.",
        ),
        (context.latency, "Time: how long a verdict takes."),
    ]
    said = [sentence for thing, sentence in absent if not thing]
    return [
        *said,
        "Repeatability: whether the same part gets the same verdict twice (goldenpair gauge).",
        "Other seeds: how far a second training of the same network would be off.",
        "Wrong labels: the figures are only as good as the labels.",
    ]
