"""`goldenpair policy`: a policy fitted on validation data, as a file of its own or within an exported model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from goldenpair.arguments import add_columns, add_debug
from goldenpair.data.boards import TYPE_COLUMNS
from goldenpair.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from goldenpair.quality.policy import Policy, Rule
    from goldenpair.quality.scored import ScoredTable

_COSTS = ("miss", "false_call", "review")
_KNOWN = "*"
"""Any of TYPE_COLUMNS."""
_SHOWN = 20


def add_policy(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Sets `run`, which takes what was given and a console."""
    command = commands.add_parser(
        "policy", help="choose cutoffs on validation data, for evaluate, inference and export"
    )
    command.add_argument("source", help="CSV of validation data with labels and scores, or a policy.json for --into")
    command.add_argument("--out", metavar="FILE", help="policy file to write")
    command.add_argument("--into", metavar="MODEL", help="exported model (folder or .onnx) to write the policy into")
    rule = command.add_mutually_exclusive_group()
    rule.add_argument("--capture", type=float, metavar="SHARE", help="stop this share of the defects: 1.0, 0.97")
    rule.add_argument(
        "--miss-risk", type=float, metavar="SHARE", help="let the next defect pass at most this often: 0.05"
    )
    rule.add_argument(
        "--false-call-ppm", type=float, metavar="PPM", help="stop at most so many of a million good parts"
    )
    rule.add_argument("--cost", nargs="+", metavar="KIND=COST", help="lowest cost: miss=1000 false_call=1 [review=0.2]")
    command.add_argument(
        "--fail-false-call-ppm",
        type=float,
        metavar="PPM",
        help="REVIEW what is stopped, and FAIL only beyond so many of a million good parts",
    )
    command.add_argument(
        "--type-column",
        nargs="?",
        const=_KNOWN,
        default="",
        metavar="COLUMN",
        help=f"cutoffs by this component type (without COLUMN: the first there is of {', '.join(TYPE_COLUMNS)})",
    )
    command.add_argument("--package-column", default="", metavar="COLUMN", help="package class of the types")
    add_columns(command)
    command.add_argument("--force", action="store_true", help="replace the file of --out if it is there")
    add_debug(command)
    command.set_defaults(run=_policy)


def _policy(given: argparse.Namespace, console: "Console") -> None:
    """Raises InputError for whatever cannot be done; then nothing was written."""
    from goldenpair.quality.fitting import fit_policy
    from goldenpair.quality.policy import Policy
    from goldenpair.quality.scored import read_scored

    _refuse(given)
    if _is_policy(given):
        policy = Policy.load(given.source)
    else:
        rule = _rule(given)
        table = read_scored(
            given.source,
            labels=given.labels,
            score_column=given.score,
            label_column=given.label,
            board_column=given.board,
        )
        policy = fit_policy(
            table,
            rule,
            fail_false_call_ppm=given.fail_false_call_ppm,
            type_column=_type_column(given.type_column, table),
            package_column=given.package_column,
        )
        print(f"{policy.told()}: {policy.rule}")
        print("On the parts it was fitted on, so on other parts it will do worse:")
        console.print(verdict_table(policy, table))
        if policy.types:
            console.print(type_table(policy))
        _say(policy)
    _write(policy, given)


def _type_column(wish: str, table: "ScoredTable") -> str:
    found = next((one for one in TYPE_COLUMNS if one in table.cells), None)
    if wish == _KNOWN and found is None:
        raise InputError(
            f"table {table.source}: it has none of {', '.join(TYPE_COLUMNS)}, but {', '.join(table.cells)}; "
            "name its column of component types: --type-column COLUMN"
        )
    return found if wish == _KNOWN and found else wish


def _is_policy(given: argparse.Namespace) -> bool:
    return Path(given.source).suffix.lower() == ".json"


def _refuse(given: argparse.Namespace) -> None:
    fits = (given.capture, given.miss_risk, given.false_call_ppm, given.cost)
    if _is_policy(given):
        others = (*fits, given.fail_false_call_ppm, given.labels, given.score, given.board, given.out)
        if any(one is not None for one in others) or given.type_column or given.package_column or not given.into:
            raise InputError(f"{given.source} is a policy already: give --into MODEL, and nothing else")
        return
    if all(one is None for one in fits):
        raise InputError("no rule: give one of --capture, --miss-risk, --false-call-ppm and --cost")
    if not given.out and not given.into:
        raise InputError("nowhere to write: give --out policy.json, or --into an exported model")
    if given.out and Path(given.out).is_dir():
        raise InputError(f"--out {given.out}: that is a folder; name a file in it, such as policy.json")
    if given.out and Path(given.out).exists() and not given.force:
        raise InputError(f"{given.out}: there already; --force replaces it")


def _rule(given: argparse.Namespace) -> "Rule":
    from pydantic import ValidationError

    from goldenpair.quality.policy import CaptureRule, CostRule, FalseCallRule, MissRule

    try:
        if given.capture is not None:
            return CaptureRule(share=given.capture)
        if given.miss_risk is not None:
            return MissRule(risk=given.miss_risk)
        if given.false_call_ppm is not None:
            return FalseCallRule(ppm=given.false_call_ppm)
        return CostRule.model_validate(_costs(given.cost))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}, not {one['input']!r}" for one in error.errors()]
        raise InputError("\n  ".join(["the rule cannot be used:", *lines])) from None


def _costs(words: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    wrong = [word for word, (name, _, cost) in zip(words, pairs, strict=True) if name not in _COSTS or not cost]
    if wrong:
        raise InputError(f"--cost {' '.join(wrong)}: give {', '.join(f'{one}=COST' for one in _COSTS)}")
    return {name: cost for name, _, cost in pairs}


def verdict_table(policy: "Policy", table: "ScoredTable") -> "Table":
    """What a policy decides on the parts it was fitted on."""
    from rich.box import SIMPLE
    from rich.table import Table

    from goldenpair.metrics import Rate
    from goldenpair.quality.policy import ERROR, REVIEW, VERDICTS

    found = policy.decide(table.score, policy.kinds_of(table.cells, table.source))
    made = Table(box=SIMPLE)
    for column in ("verdict", "good parts", "share", "defects", "share"):
        made.add_column(column, justify="left" if column == "verdict" else "right")
    kinds = [table.labelled & ~table.is_defect, table.labelled & table.is_defect]
    for code, name in enumerate(VERDICTS):
        cells = [Rate.measured(int((found.code[of] == code).sum()), int(of.sum())) for of in kinds]
        if code not in (REVIEW, ERROR) or any(one.count for one in cells):
            shares = ["" if one.value is None else f"{one.value:.4%}" for one in cells]
            made.add_row(name, f"{cells[0].count:,}", shares[0], f"{cells[1].count:,}", shares[1])
    return made


def type_table(policy: "Policy") -> "Table":
    """The bands of the component types with most good parts."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(f"By {policy.column}"), title_justify="left", box=SIMPLE)
    for column in ("type", "package", "REVIEW above", "FAIL above", "good parts", "defects", "own weight"):
        made.add_column(column, justify="left" if column in ("type", "package") else "right", overflow="fold")
    for kind, band in sorted(policy.types.items(), key=lambda one: -one[1].goods)[:_SHOWN]:
        counts = (f"{band.goods:,}", f"{band.defects:,}", f"{band.weight:.0%}")
        made.add_row(Text(kind), Text(band.package), f"{band.review:.6g}", f"{band.fail:.6g}", *counts)
    if len(policy.types) > _SHOWN:
        made.add_row(f"... and {len(policy.types) - _SHOWN} more types", "", "", "", "", "", "")
    made.add_row("any other", "", f"{policy.band.review:.6g}", f"{policy.band.fail:.6g}", "", "", "")
    return made


def _say(policy: "Policy") -> None:
    from goldenpair.quality.conformal import CONDITION

    print(f"Fitted on {policy.fitted_on}")
    print(f"{CONDITION}:")
    for proof in policy.guarantees:
        print(f"  {proof}")
    if policy.calibration:
        curve = policy.calibration
        print(f"Probabilities: {curve.method}, of {curve.defects:,} defects; off by {curve.ece:.4f} on average here")
    for note in policy.notes:
        print(f"Note: {note}")


def _write(policy: "Policy", given: argparse.Namespace) -> None:
    if given.into:
        from goldenpair.deployment import model_for_policy, replace_policy

        model_for_policy(given.into, policy)  # if it cannot be used, nothing is written
    if given.out:
        policy.save(Path(given.out))
        print(f"Wrote {given.out}")
    if given.into:
        print(f"Wrote the policy into {replace_policy(given.into, policy)}; the network is as it was")
    if policy.fitted_on and given.out:
        print(f"Next: evaluate.policy={given.out} on other parts, then inference.policy={given.out}")
