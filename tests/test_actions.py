"""evaluate and inference end to end: what they write, against scikit-learn and the table itself."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

import goldenpair
from goldenpair import DataError, InputError, Policy, RunError, SpecError, audit, evaluate, inference, load_spec, train
from goldenpair.quality.fitting import fit_policy
from goldenpair.quality.policy import CaptureRule
from goldenpair.quality.scored import read_scored

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def trained(boards, tmp_path_factory):
    results = tmp_path_factory.mktemp("trained")
    wish = [f"results_dir={results}", "train.num_epochs=3", "dataset.batch_size=8"]
    return train(load_spec("optical_inspection", boards.spec_path, wish, "train")).checkpoint


@pytest.fixture
def spec_of(boards, trained, tmp_path):
    def load(action, *overrides):
        fixed = [f"{action}.checkpoint={trained}", f"results_dir={tmp_path / 'results'}", "dataset.batch_size=8"]
        return load_spec("optical_inspection", boards.spec_path, [*fixed, *overrides], action)

    return load


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def without_label(table, target, columns=("input_path", "golden_path", "object_name")):
    rows = rows_of(table)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return target


def near_pass(boards, target):
    """A table of one good row whose label is written in small letters."""
    good = next(row for row in rows_of(boards.train_csv) if row["label"] == "PASS")
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(good))
        writer.writeheader()
        writer.writerow({**good, "label": "pass"})


def test_inference_keeps_the_table_and_adds_score_verdict_and_error(spec_of, boards):
    result = inference(spec_of("inference", "inference.cutoff=0.4"))
    given, written = rows_of(boards.test_csv), rows_of(result.csv_path)
    assert list(written[0]) == [*given[0], "siamese_score", "verdict", "error"]
    assert [{key: row[key] for key in given[0]} for row in written] == given
    for row, verdict in zip(written, result.verdicts, strict=True):
        assert float(row["siamese_score"]) == pytest.approx(verdict.score)
        assert row["verdict"] == ("FAIL" if float(row["siamese_score"]) > 0.4 else "PASS")
        assert row["error"] == ""
    assert result.count("PASS") + result.count("FAIL") == len(given)


def test_inference_needs_no_label(spec_of, boards, tmp_path):
    table = without_label(boards.test_csv, tmp_path / "unlabelled.csv")
    result = inference(spec_of("inference", f"dataset.infer_dataset.csv_path={table}"))
    assert "label" not in rows_of(result.csv_path)[0] and len(result.verdicts) == len(rows_of(table))


def test_a_broken_missing_or_black_picture_is_an_error_and_never_a_pass(spec_of, boards_copy):
    rows = rows_of(boards_copy.test_csv)
    hurt = {}
    for i, harm in ((0, "cut"), (2, "gone"), (3, "black")):
        path = next((boards_copy.images_dir / rows[i]["input_path"]).glob(f"{rows[i]['object_name']}_*"))
        if harm == "cut":
            path.write_bytes(path.read_bytes()[:60])
        elif harm == "gone":
            path.unlink()
        else:
            Image.new("RGB", (24, 24)).save(path)
        hurt[i] = path.name
    images = f"dataset.infer_dataset.images_dir={boards_copy.images_dir}"
    written = rows_of(inference(spec_of("inference", images, "inference.cutoff=1e9")).csv_path)
    for i, row in enumerate(written):
        if i in hurt:
            assert (row["verdict"], row["siamese_score"]) == ("ERROR", "") and hurt[i] in row["error"]
        else:
            assert row["verdict"] == "PASS"


def test_columns_of_the_same_names_are_kept(spec_of, boards, tmp_path):
    rows = rows_of(boards.test_csv)
    table = tmp_path / "own.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "verdict"])
        writer.writeheader()
        writer.writerows({**row, "verdict": f"operator {i}"} for i, row in enumerate(rows))
    written = rows_of(inference(spec_of("inference", f"dataset.infer_dataset.csv_path={table}")).csv_path)
    assert [row["verdict_before"] for row in written] == [f"operator {i}" for i in range(len(rows))]
    assert {row["verdict"] for row in written} <= {"PASS", "FAIL"}


def test_a_broken_golden_costs_every_row_that_shares_it(spec_of, boards_copy):
    rows = rows_of(boards_copy.test_csv)
    golden = next((boards_copy.images_dir / rows[0]["golden_path"]).glob(f"{rows[0]['object_name']}_*"))
    golden.write_bytes(b"no picture")
    images = f"dataset.infer_dataset.images_dir={boards_copy.images_dir}"
    written = rows_of(inference(spec_of("inference", images)).csv_path)
    shared = [row["object_name"] == rows[0]["object_name"] for row in rows]
    assert sum(shared) > 1
    assert [row["verdict"] == "ERROR" for row in written] == shared


def test_when_nothing_can_be_scored_the_run_fails(spec_of, boards_copy):
    for path in boards_copy.images_dir.glob("golden/*/*/*"):
        path.write_bytes(b"no picture")
    with pytest.raises(RunError, match="none of the"):
        inference(spec_of("inference", f"dataset.infer_dataset.images_dir={boards_copy.images_dir}"))


def test_all_faults_of_all_tables_in_one_message(boards, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("input_path,golden_path,label,object_name\nboard_001,golden,pass,R1\nboard_001,golden,,nothing\n")
    wish = [
        f"results_dir={tmp_path / 'r'}",
        f"dataset.train_dataset.csv_path={bad}",
        f"dataset.validation_dataset.csv_path={tmp_path / 'none.csv'}",
    ]
    with pytest.raises(DataError) as caught:
        train(load_spec("optical_inspection", boards.spec_path, wish, "train"))
    said = str(caught.value)
    for part in ("nearly PASS ('pass')", "label is empty", "picture missing", "none.csv", "line 2: R1 in board_001"):
        assert part in said
    status = json.loads((tmp_path / "r" / "train" / "status.json").read_text().splitlines()[-1])
    assert status["status"] == "FAILURE"


# the audit


@pytest.fixture
def broken_after_the_audit(monkeypatch, boards_copy):
    """A function that cuts off the first sample of a table as soon as the audit has seen it; returns the file."""

    def prepare(table):
        first = rows_of(table)[0]
        path = next((boards_copy.images_dir / first["input_path"]).glob(f"{first['object_name']}_*"))
        before = goldenpair.actions.audit_splits

        def audit_and_cut(*arguments):
            found = before(*arguments)
            path.write_bytes(path.read_bytes()[:-200])
            return found

        monkeypatch.setattr(goldenpair.actions, "audit_splits", audit_and_cut)
        return path

    return prepare


def audited(folder):
    return json.loads((Path(folder) / "audit.json").read_text())


@pytest.mark.parametrize("action", ["evaluate", "inference"])
def test_a_picture_cut_off_after_the_audit_is_an_error(spec_of, boards_copy, broken_after_the_audit, action):
    path = broken_after_the_audit(boards_copy.test_csv)
    split = "test" if action == "evaluate" else "infer"
    wish = [f"dataset.{split}_dataset.images_dir={boards_copy.images_dir}", f"{action}.cutoff=1e9"]
    result = getattr(goldenpair, action)(spec_of(action, *wish))
    folder = result.folder if action == "evaluate" else result.csv_path.parent
    assert audited(folder)["faults"] == []
    written = rows_of(folder / f"{action}.csv")
    assert [row["verdict"] for row in written] == ["ERROR"] + ["PASS"] * (len(written) - 1)
    assert path.name in written[0]["error"] and written[0]["siamese_score"] == ""
    if action == "evaluate":
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["errors"] == 1
        (listed,) = metrics["error_list"]
        assert listed["row"] == 0 and path.name in listed["error"]


@pytest.mark.parametrize("cache", ["true", "false"])
def test_training_leaves_out_what_is_cut_off_after_the_audit(
    boards, boards_copy, broken_after_the_audit, tmp_path, caplog, cache
):
    path = broken_after_the_audit(boards.images_dir.parent / "train.csv")
    wish = [
        *(f"dataset.{split}_dataset.images_dir={boards_copy.images_dir}" for split in ("train", "validation")),
        f"results_dir={tmp_path / 'r'}",
        f"dataset.cache.enable={cache}",
        "train.num_epochs=1",
        "dataset.batch_size=8",
    ]
    result = train(load_spec("optical_inspection", boards.spec_path, wish, "train"))
    assert result.checkpoint.exists() and np.isfinite(result.metrics["train_loss"])
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    (said,) = [text for text in warnings if "left out of training" in text]
    assert "train_dataset: 1 could not be used" in said and path.name in said


def test_warnings_of_the_audit_are_logged_and_written_and_stop_nothing(spec_of, boards, tmp_path, caplog):
    table = tmp_path / "twice.csv"
    lines = boards.test_csv.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    result = inference(spec_of("inference", f"dataset.infer_dataset.csv_path={table}"))
    assert "row that stands there before" in caplog.text and f"line {len(lines) + 1}: " in caplog.text
    told = audited(result.csv_path.parent)
    assert told["fatal"] is False and told["spec"] == str(result.csv_path.parent / "experiment.yaml")
    assert [(fault["code"], fault["count"]) for fault in told["faults"]] == [("row_again", 1)]
    assert len(rows_of(result.csv_path)) == len(lines)


def test_what_refuses_a_run_stands_in_its_folder(boards, tmp_path):
    bad = tmp_path / "bad.csv"
    near_pass(boards, bad)
    wish = [f"results_dir={tmp_path / 'r'}", f"dataset.train_dataset.csv_path={bad}"]
    with pytest.raises(DataError, match="nearly PASS"):
        train(load_spec("optical_inspection", boards.spec_path, wish, "train"))
    told = audited(tmp_path / "r" / "train")
    assert told["fatal"] and "label_near_pass" in [fault["code"] for fault in told["faults"]]


def test_audit_tells_misfits_of_the_spec_and_faults_of_all_tables_at_once(boards, tmp_path):
    bad = tmp_path / "bad.csv"
    near_pass(boards, bad)
    wish = [
        f"results_dir={tmp_path / 'r'}",
        "dataset.num_input=3",
        "dataset.concat_type=grid",
        f"dataset.train_dataset.csv_path={bad}",
        f"dataset.test_dataset.csv_path={tmp_path / 'none.csv'}",
    ]
    report = audit(load_spec("optical_inspection", boards.spec_path, wish), boards.spec_path)
    assert report.fatal
    misfit, *others = report.faults
    assert misfit.code == "spec_misfit" and misfit.count == 2
    assert "dataset.num_input: it is 3" in misfit.examples[0] and "dataset.grid_map" in misfit.examples[1]
    kinds = {(fault.split, fault.code) for fault in others}
    assert {("train_dataset", "label_near_pass"), ("test_dataset", "table_unreadable")} <= kinds
    assert [table.split for table in report.tables] == ["train_dataset", "validation_dataset", "infer_dataset"]
    told = audited(tmp_path / "r" / "audit")
    assert told["goldenpair"] == goldenpair.__version__ and told["spec"] == str(boards.spec_path)
    assert {key: told[key] for key in ("fatal", "tables", "faults")} == json.loads(
        json.dumps({key: report.as_dict()[key] for key in ("fatal", "tables", "faults")})
    )


def test_audit_of_splits_that_are_set_only(tao_set):
    made = tao_set(height=9, width=9)
    unset = ["dataset.train_dataset.csv_path=???", "dataset.validation_dataset.csv_path=''"]
    report = audit(made.spec(*unset))
    assert [table.split for table in report.tables] == ["test_dataset", "infer_dataset"]
    assert not report.faults and not (made.csv_path.parent / "audit").exists()
    everything = [f"dataset.{split}_dataset.csv_path=''" for split in ("train", "validation", "test", "infer")]
    with pytest.raises(SpecError, match="no split has a csv_path"):
        audit(made.spec(*everything))


def test_audit_says_before_it_works_that_its_folder_cannot_be_written(tao_set, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written to"):
        audit(tao_set().spec(f"results_dir={tmp_path / 'file'}"))


# figures


def test_evaluate_measures_what_scikit_learn_measures(spec_of, boards):
    result = evaluate(spec_of("evaluate", "evaluate.cutoff=0.5"))
    scored = rows_of(result.folder / "evaluate.csv")
    score = np.array([float(row["siamese_score"]) for row in scored])
    defect = np.array([row["label"] != "PASS" for row in scored])
    written = json.loads((result.folder / "metrics.json").read_text())
    assert written["auroc"] == pytest.approx(roc_auc_score(defect, score), abs=1e-12)
    assert written["average_precision"] == pytest.approx(average_precision_score(defect, score), abs=1e-12)
    point = written["point"]
    assert (point["capture"]["count"], point["capture"]["of"]) == (int((score[defect] > 0.5).sum()), int(defect.sum()))
    assert point["false_calls"]["ppm"] == pytest.approx(1e6 * (score[~defect] > 0.5).mean())
    assert point["escapes"]["count"] == int((score[defect] <= 0.5).sum())
    every = written["at_capture"][0]["point"]
    assert every["capture"]["value"] == 1.0
    assert every["false_calls"]["value"] == pytest.approx((score[~defect] >= score[defect].min()).mean())
    assert [line["cutoff"] for line in written["table"]][2] == 0.3
    with Image.open(result.folder / "contact_sheet.png") as sheet:
        assert sheet.width > 500 and sheet.height > 200


def test_evaluate_says_of_boards_and_targets_what_is_proven(spec_of):
    wish = ["evaluate.cutoff=0", "evaluate.targets.capture=0.5", "evaluate.targets.false_calls_ppm=1"]
    result = evaluate(spec_of("evaluate", *wish))
    scored = rows_of(result.folder / "evaluate.csv")
    written = json.loads((result.folder / "metrics.json").read_text())
    boards = {row["board"] for row in scored}
    clean = boards - {row["board"] for row in scored if row["label"] != "PASS"}
    assert written["boards"] == len(boards) and written["board_source"] == "column board"
    assert written["false_fails"]["of"] == (len(clean) or len(boards))
    assert written["escapes_of_parts"]["of"] == len(scored)
    # every score is above 0, so all is captured and all good parts are false calls
    assert [one["result"] for one in written["targets"]["findings"]] == [
        "MET" if written["defects"] >= 10 else "NOT PROVABLE",
        "NOT MET",
    ]
    assert written["targets"]["result"] == result.targets.result == "NOT MET"


def test_taos_line_and_records_with_each_share_over_its_own_class(spec_of, caplog):
    with caplog.at_level("INFO", logger="goldenpair"):
        result = evaluate(spec_of("evaluate"))
    scored = rows_of(result.folder / "evaluate.csv")
    score = np.array([float(row["siamese_score"]) for row in scored])
    defect = np.array([row["label"] != "PASS" for row in scored])
    fail = score > 2.0  # the margin, because no cutoff is set
    total, missed = 100 * (fail == defect).mean(), 100 * (~fail[defect]).mean()
    alarm, caught = 100 * fail[~defect].mean(), 100 * fail[defect].mean()
    line = (
        f"Tot Comp {len(score)} Total Accuracy {total:.2f} False Negative {missed:.2f} False Alarm {alarm:.2f} "
        f"Defect Correctly Captured {caught:.2f} for Margin 2.0"
    )
    assert line in caplog.text
    assert "model.margin (2.0) serves" in caplog.text
    records = [json.loads(line) for line in (result.folder / "status.json").read_text().splitlines()]
    kpi = next(record["kpi"] for record in records if record["message"] == "Test metrics generated.")
    assert kpi == pytest.approx({"test_acc": total, "test_fpr": alarm, "test_fnr": missed, "defect_acc": caught})


def test_cutoff_of_inference_falls_back_to_evaluate_and_then_to_the_margin(spec_of):
    assert spec_of("inference").cutoff("inference") == (2.0, "model.margin")
    assert spec_of("inference", "evaluate.cutoff=0.3").cutoff("inference") == (0.3, "evaluate.cutoff")
    both = spec_of("inference", "evaluate.cutoff=0.3", "inference.cutoff=0.2")
    assert both.cutoff("inference") == (0.2, "inference.cutoff")
    assert both.cutoff("evaluate") == (0.3, "evaluate.cutoff")


# policies


@pytest.fixture
def fitted(spec_of, boards, tmp_path):
    """A function that fits a policy on the validation boards and returns its file."""

    def fit(*words):
        wish = [f"dataset.test_dataset.csv_path={boards.validation_csv}", f"evaluate.results_dir={tmp_path / 'chosen'}"]
        table = read_scored(evaluate(spec_of("evaluate", *wish)).folder / "evaluate.csv")
        policy = fit_policy(
            table, CaptureRule(share=1.0), fail_false_call_ppm=0, **dict(word.split("=") for word in words)
        )
        policy.save(tmp_path / "policy.json")
        return tmp_path / "policy.json"

    return fit


def judged_by_hand(policy, rows):
    """The verdict of each row by the numbers in the file."""
    found = []
    for row in rows:
        band = policy["types"].get(row.get(policy["column"]), policy["band"])
        score = np.float32(row["siamese_score"])
        found.append("FAIL" if score > band["fail"] else "REVIEW" if score > band["review"] else "PASS")
    return found


def binned_error(probability, defect):
    """The mean distance from what 15 bins of equally many parts say to what they hold, by size."""
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, min(15, len(order)))
    return sum(abs(np.array(probability)[one].mean() - defect[one].mean()) * len(one) for one in bins) / len(order)


@pytest.mark.parametrize("types", [[], ["type_column=component_type"]])
def test_a_policy_drives_evaluate_and_inference(spec_of, boards, fitted, caplog, types):
    path = fitted(*types)
    policy = json.loads(path.read_text())
    with caplog.at_level("INFO", logger="goldenpair"):
        given = inference(spec_of("inference", f"inference.policy={path}"))
    rows = rows_of(given.csv_path)
    assert {row["policy_mark"] for row in rows} == {""}
    wanted = judged_by_hand(policy, rows)
    assert [row["verdict"] for row in rows] == wanted and given.count("REVIEW") == wanted.count("REVIEW") > 0
    assert (
        f"{given.count('PASS')} PASS, {given.count('REVIEW')} REVIEW, {given.count('FAIL')} FAIL, 0 ERROR"
        in caplog.text
    )
    assert [float(row["probability"]) for row in rows] == pytest.approx(
        [one.probability for one in given.verdicts], 1e-4
    )
    assert all(0 < one.probability < 1 for one in given.verdicts)
    result = evaluate(spec_of("evaluate", f"evaluate.policy={path}"))
    assert [row["verdict"] for row in rows_of(result.folder / "evaluate.csv")] == wanted
    told = json.loads((result.folder / "metrics.json").read_text())
    stopped = np.array([one != "PASS" for one in wanted])
    defect = np.array([row["label"] != "PASS" for row in rows])
    assert told["point"]["false_calls"]["count"] == int((stopped & ~defect).sum())
    assert told["point"]["capture"]["count"] == int((stopped & defect).sum())
    decided = told["policy"]
    assert decided["verdicts"] == {one: wanted.count(one) for one in ("PASS", "REVIEW", "FAIL", "ERROR")}
    assert (
        decided["marks"] == []
        and decided["fitted_on"]["name"] == "evaluate.csv"
        and decided["ece"] == pytest.approx(binned_error([float(row["probability"]) for row in rows], defect), abs=1e-5)
    )
    assert result.policy.source == f"evaluate.policy: {path}"


def test_a_policy_is_not_reported_on_its_own_parts(spec_of, boards, fitted, tmp_path, caplog):
    path = fitted()
    own = [f"evaluate.policy={path}", f"dataset.test_dataset.csv_path={boards.validation_csv}"]
    with pytest.raises(InputError, match="it was fitted on parts that it would be reported on"):
        evaluate(spec_of("evaluate", *own))
    assert not (tmp_path / "results" / "evaluate" / "metrics.json").exists()
    mixed = tmp_path / "mixed.csv"
    lines = boards.test_csv.read_text().splitlines()
    mixed.write_text("\n".join([*lines, boards.validation_csv.read_text().splitlines()[1]]) + "\n")
    with pytest.raises(InputError, match="1 part of them"):
        evaluate(spec_of("evaluate", own[0], f"dataset.test_dataset.csv_path={mixed}"))
    result = evaluate(spec_of("evaluate", *own, "evaluate.policy_forced=true"))
    (mark,) = result.policy.marks
    assert mark.startswith("fitted on the split it is reported on") and mark in caplog.text
    assert json.loads((result.folder / "metrics.json").read_text())["policy"]["marks"] == [mark]
    assert {row["policy_mark"] for row in rows_of(result.folder / "evaluate.csv")} == {mark}
    judged = inference(
        spec_of("inference", f"inference.policy={path}", own[1].replace("test_dataset", "infer_dataset"))
    )
    (told,) = {row["policy_mark"] for row in rows_of(judged.csv_path)}
    assert told.startswith("fitted on the split it is reported on") and "parts of them" in told


def test_a_policy_of_a_table_without_names_is_marked_and_refused_on_its_own_file(spec_of, boards, fitted, caplog):
    path = fitted()
    content = json.loads(path.read_text())
    content["fitted_on"]["parts"] = None
    path.write_text(json.dumps(content))
    (mark,) = evaluate(spec_of("evaluate", f"evaluate.policy={path}")).policy.marks
    assert mark.startswith("not known to be fitted on other parts") and mark in caplog.text
    content["fitted_on"]["sha256"] = hashlib.sha256(boards.test_csv.read_bytes()).hexdigest()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="the same file"):
        evaluate(spec_of("evaluate", f"evaluate.policy={path}"))


def test_names_of_cfx_in_the_scores(spec_of, boards, tmp_path):
    names = tmp_path / "map.yaml"
    labels = {row["label"] for row in rows_of(boards.test_csv)} - {"PASS"}
    names.write_text("".join(f"{label}: Miscellaneous\n" for label in labels), encoding="utf-8")
    wish = ["evaluate.cutoff=0.5", f"evaluate.label_map={names}"]
    result = evaluate(spec_of("evaluate", *wish))
    rows = rows_of(result.folder / "scores.csv")
    assert {row["cfx_category"] for row in rows if row["label"] != "PASS"} == {"Miscellaneous"}
    states = {"captured": "DefectConfirmed", "false call": "DefectRejected"}
    assert [row["verification"] for row in rows] == [states.get(row["kind"], "") for row in rows]
    names.write_text("OPEN: Opened\n", encoding="utf-8")
    with pytest.raises(InputError, match="no category of CFX"):
        evaluate(spec_of("evaluate", *wish))


def test_a_plain_cutoff_adds_no_column_and_no_review(spec_of, caplog):
    with caplog.at_level("INFO", logger="goldenpair"):
        result = inference(spec_of("inference", "inference.cutoff=0.4"))
    assert "probability" not in rows_of(result.csv_path)[0] and "REVIEW" not in caplog.text


def test_a_table_without_the_types_of_the_policy_is_refused_before_it_is_scored(spec_of, boards, fitted, tmp_path):
    path = fitted("type_column=component_type")
    table = without_label(boards.test_csv, tmp_path / "untyped.csv")
    with pytest.raises(DataError, match="it has no column 'component_type', by which the policy"):
        inference(spec_of("inference", f"inference.policy={path}", f"dataset.infer_dataset.csv_path={table}"))
    assert not (tmp_path / "results" / "inference" / "inference.csv").exists()


def test_unknown_types_are_said(spec_of, boards, fitted, tmp_path, caplog):
    path = fitted("type_column=component_type")
    table = tmp_path / "unknown.csv"
    lines = boards.test_csv.read_text().splitlines()
    kind = rows_of(boards.test_csv)[0]["component_type"]
    table.write_text("\n".join(line.replace(kind, "NEW") for line in lines) + "\n")
    wish = [f"evaluate.policy={path}", f"dataset.test_dataset.csv_path={table}"]
    result = evaluate(spec_of("evaluate", *wish))
    count = sum(row["component_type"] == "NEW" for row in rows_of(table))
    said = f"the global cutoffs served for {count} of types that the policy does not know: 'NEW' ({count})"
    assert said in caplog.text
    assert json.loads((result.folder / "metrics.json").read_text())["policy"]["without_type"] == said


def test_a_policy_that_is_not_there_is_said_before_any_work(spec_of, tmp_path):
    with pytest.raises(DataError, match=r"policy .*gone.json: there is no such file"):
        evaluate(spec_of("evaluate", f"evaluate.policy={tmp_path / 'gone.json'}"))
    assert not (tmp_path / "results" / "evaluate" / "audit.json").exists()


def test_export_takes_the_policy_along(spec_of, fitted, boards, trained, tmp_path):
    path = fitted("type_column=component_type")
    wish = [f"inference.policy={path}", f"export.onnx_file={tmp_path / 'out' / 'model.onnx'}"]
    result = goldenpair.export(spec_of("export", *wish))
    assert result.note.policy == Policy.load(path).model_copy(update={"source": f"inference.policy: {path}"})
    there = inference(spec_of("inference", f"inference.checkpoint={result.onnx_file.parent}"))
    ours = inference(spec_of("inference", f"inference.policy={path}"))
    assert [one.verdict for one in there.verdicts] == [one.verdict for one in ours.verdicts]
    assert {one.verdict for one in ours.verdicts} > {"REVIEW"}
    with pytest.raises(InputError, match="it was fitted on parts"):  # the law holds for what is embedded too
        given = [f"evaluate.checkpoint={result.onnx_file}", f"dataset.test_dataset.csv_path={boards.validation_csv}"]
        evaluate(spec_of("evaluate", *given))


def test_evaluate_does_not_take_the_cutoff_of_inference(spec_of):
    result = evaluate(spec_of("evaluate", "inference.cutoff=0.1"))
    assert result.policy == Policy.of_cutoff(2.0, "model.margin")


def test_an_inspector_takes_a_policy_or_a_cutoff(trained, fitted):
    path = fitted()
    assert goldenpair.Inspector(trained, policy=path).policy == Policy.load(path)
    assert goldenpair.Inspector(trained, policy=Policy.of_cutoff(0.3, "mine")).cutoff == 0.3
    with pytest.raises(InputError, match=r"cutoff \(0.5\) and policy are both given"):
        goldenpair.Inspector(trained, cutoff=0.5, policy=path)


def test_the_same_scores_whatever_the_batch_size_and_the_workers(spec_of):
    scores = [
        [
            one.score
            for one in inference(spec_of("inference", f"dataset.batch_size={size}", f"dataset.workers={n}")).verdicts
        ]
        for size, n in ((1, 0), (3, 2), (64, 1))
    ]
    assert np.allclose(scores[0], scores[1], atol=1e-5) and np.allclose(scores[0], scores[2], atol=1e-5)


def test_taos_checkpoint_gives_taos_scores(real_data, tmp_path, monkeypatch):
    monkeypatch.chdir(real_data / "tao-checkpoint")
    wish = [f"results_dir={tmp_path}", "inference.checkpoint=oi/oi_model.pth"]
    result = inference(load_spec("optical_inspection", "oi/spec.yaml", wish, "inference"))
    theirs = [float(row["siamese_score"]) for row in rows_of("oi/scores.csv")]
    ours = [float(row["siamese_score"]) for row in rows_of(result.csv_path)]
    assert len(ours) == 160
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-4


def test_the_inspector_says_what_the_table_says(spec_of, boards, trained):
    result = inference(spec_of("inference", "inference.cutoff=0.5"))
    inspector = goldenpair.Inspector(trained, cutoff=0.5)
    row = rows_of(boards.test_csv)[0]
    sample, golden = (
        [boards.images_dir / row[column] / f"{row['object_name']}_{light}.jpg" for light in inspector.lights]
        for column in ("input_path", "golden_path")
    )
    verdict = inspector.inspect(sample, golden)
    assert verdict.score == pytest.approx(result.verdicts[0].score, abs=1e-5)
    assert verdict.verdict == result.verdicts[0].verdict
