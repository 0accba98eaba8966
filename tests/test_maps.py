import numpy as np
import pytest
from PIL import Image

from goldenpair import maps as maps_module
from goldenpair.data.audit import audit
from goldenpair.data.decoding import decode_values
from goldenpair.data.table import Layout
from goldenpair.inspection import Verdict
from goldenpair.maps import ClassMaps, class_maps, file_names
from goldenpair.run import Run
from masked_pairs import draw, save, spec_of, write_list


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a.jpg", "b.png"], ["a.png", "b.png"]),
        (["a.jpg", "a.png", "a.bmp"], ["a.png", "a_2.png", "a_3.png"]),  # none overwrites another
        (["A.jpg", "a.jpg"], ["A.png", "a_2.png"]),  # not on Windows either
        (["a.jpg", "a.jpg"], ["a.png", "a.png"]),  # the same picture
        (["x/a.jpg", "y/a.jpg", "x_a.jpg"], ["x_a.png", "y_a.png", "x_a_3.png"]),
        (["a.jpg", "a.bmp", "a_2.jpg"], ["a.png", "a_2.png", "a_2_3.png"]),  # nor a name that was made up
        (["a_3.jpg", "a.jpg", "A.bmp", "A_3.BMP"], ["a_3.png", "a.png", "A_4.png", "A_3_4.png"]),
        (["../../etc/a.jpg", "C:\\a.jpg"], ["etc_a.png", "C_a.png"]),  # nothing leaves the folder
        (["board 1.2.jpg"], ["board 1.2.png"]),
    ],
)
def test_names_of_files(names, files):
    assert file_names(names) == files


def test_no_two_pictures_share_a_file():
    rng = np.random.default_rng(3)
    for _ in range(200):
        stems, ends = rng.choice(["a", "A", "a_2", "a_3", "a_2_3", "b/a"], 8), rng.choice([".jpg", ".png", ".bmp"], 8)
        names = [stem + end for stem, end in zip(stems, ends, strict=True)]
        assert len({file.lower() for file in file_names(names)}) == len(set(names))


def maps_of(root, results, action, *overrides):
    spec = spec_of(root, f"results_dir={results}", *overrides)
    run = Run(spec, action)
    run.folder.mkdir(parents=True, exist_ok=True)
    split = "test_dataset" if action == "evaluate" else "infer_dataset"
    tables, _ = audit({split: getattr(spec.pairs, split)}, Layout.of(spec.pairs))
    return ClassMaps(run, tables[split]), tables[split]


def truth_of(root, count=5):
    return np.stack([decode_values(root / "label" / f"test{n}.png") // 255 for n in range(count)])


def test_figures_are_of_all_pixels_in_whatever_order_they_come(tmp_path):
    root = draw(tmp_path / "pairs")
    maps, _ = maps_of(root, tmp_path, "evaluate")
    truth = truth_of(root)
    maps(np.array([3, 1]), truth[[3, 1]])
    said = truth[[0, 2, 4]].copy()
    said[0, 0, :8] = 1
    maps(np.array([0, 2, 4]), said)
    wrong, changed = 8, int(truth.sum())
    assert maps.pixels.accuracy == pytest.approx(1 - wrong / truth.size)
    assert maps.pixels.classes[1].iou == pytest.approx(changed / (changed + wrong))
    assert maps.kpi["test_acc"] == maps.pixels.accuracy and len(maps.kpi) == 5
    assert maps.columns["changed_pixels"] == ["8", *(str(int(one.sum())) for one in truth[1:])]
    with Image.open(tmp_path / "evaluate" / "prediction" / "test0.png") as written:
        assert np.array_equal(np.asarray(written), said[0])
    maps.write_sheet(tmp_path / "sheet.png", "title", [Verdict("FAIL", 0.7, 0.5)] * 5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 100
    assert maps.mask_errors == []


def test_the_sheet_gets_verdicts_labels_and_what_has_no_score(tmp_path, monkeypatch):
    """The masks of 0 and 3 are empty; 1 escapes although its change was marked, 4 cannot be read."""
    root = draw(tmp_path / "pairs")
    maps, _ = maps_of(root, tmp_path, "evaluate")
    truth = truth_of(root)
    maps(np.arange(4), truth[:4])
    (root / "A" / "test4.png").write_bytes(b"")
    said = [("FAIL", 0.9), ("PASS", 0.55), ("FAIL", 0.8), ("PASS", 0.1)]
    verdicts = [Verdict(verdict, score, 0.6) for verdict, score in said] + [Verdict("ERROR", None, 0.6, "it is empty")]
    drawn, draw_sheet = [], maps_module.mask_sheet
    monkeypatch.setattr(maps_module, "mask_sheet", lambda pairs, *rest: drawn.extend(pairs) or draw_sheet(pairs, *rest))
    maps.write_sheet(tmp_path / "sheet.png", "title", verdicts)
    said = [(one.pair.name, one.label, one.verdict, one.score, one.error) for one in drawn]
    assert said == [
        ("test1.png", "CHANGED", "PASS", 0.55, ""),
        ("test0.png", "PASS", "FAIL", 0.9, ""),
        ("test4.png", "CHANGED", "ERROR", None, "it is empty"),
        ("test2.png", "CHANGED", "FAIL", 0.8, ""),
        ("test3.png", "PASS", "PASS", 0.1, ""),
    ]
    lost, golden = drawn[2].pair, np.asarray(Image.open(root / "B" / "test4.png")).transpose(2, 0, 1)
    assert (lost.sample == 128).all() and np.array_equal(lost.golden, golden)
    assert (lost.prediction == 255).all() and np.array_equal(lost.truth, truth[4])
    assert np.array_equal(drawn[0].pair.prediction, truth[1]) and maps.pixels.pixels == 4 * 32 * 32


def test_what_inference_knows(tmp_path):
    root = draw(tmp_path / "pairs")
    maps, _ = maps_of(root, tmp_path, "inference")
    maps(np.arange(5), truth_of(root))
    assert maps.pixels is None and maps.kpi == {}
    assert "class maps of 5 pairs" in maps.told() and "vis_after" not in maps.told()


def test_a_choice_of_pictures_is_told(tmp_path):
    wish = ["inference.vis_after_n_batches=2", "dataset.segment.batch_size=2"]
    maps, _ = maps_of(draw(tmp_path / "pairs"), tmp_path, "inference", *wish)
    assert "pictures of 3 of them, as vis_after_n_batches asks for" in maps.told()


def test_colours_of_classes_are_the_specs(tmp_path):
    root = draw(tmp_path / "pairs")
    wish = "dataset.segment.color_map={0: [10, 20, 30], 1: [200, 0, 9]}"
    maps, _ = maps_of(root, tmp_path, "evaluate", wish)
    maps(np.arange(5), truth_of(root))
    with Image.open(tmp_path / "evaluate" / "prediction" / "test1.png") as image:
        assert image.getpalette()[:6] == [10, 20, 30, 200, 0, 9]


def test_a_mask_that_breaks_meanwhile_is_told_and_not_counted(tmp_path):
    root = draw(tmp_path / "pairs")
    maps, _ = maps_of(root, tmp_path, "evaluate")
    truth = truth_of(root)
    (root / "label" / "test2.png").write_bytes(b"")
    maps(np.arange(5), truth)
    assert maps.pixels.pixels == 4 * 32 * 32
    (error,) = maps.mask_errors
    assert "test2.png" in error


def test_pairs_of_one_name_and_two_extensions_have_a_file_each(tmp_path):
    root = draw(tmp_path / "pairs")
    for folder in "AB":
        save(root / folder / "test1.bmp", np.full((32, 32, 3), 77, np.uint8))
    write_list(root, "test", ["test1.png", "test1.bmp"])
    maps, table = maps_of(root, tmp_path, "inference")
    maps(np.arange(2), np.stack([np.zeros((32, 32), np.uint8), np.ones((32, 32), np.uint8)]))
    found = {}
    for path in (tmp_path / "inference" / "prediction").iterdir():
        with Image.open(path) as image:
            found[path.name] = np.asarray(image).max()
    assert found == {"test1.png": 0, "test1_2.png": 1} and len(table) == 2


def test_networks_that_classify_make_none(tao_set, tmp_path):
    run = Run(tao_set().spec(f"results_dir={tmp_path}"), "evaluate")
    table, _ = maps_of(draw(tmp_path / "pairs"), tmp_path, "inference")
    assert class_maps(run, table) is None
