"""`goldenpair synthesize`: files, tables and masks, and what it refuses."""

import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from drawn_parts import part
from goldenpair import DataError, cli
from goldenpair.data.table import read_table
from goldenpair.errors import SpecError, TableError
from goldenpair.specs.load import load_section
from goldenpair.specs.synthetic import KINDS, LABELS, SynthesizeSpec
from goldenpair.synthesis import writing
from goldenpair.synthesis.writing import encoded_like, synthesize

LIGHTS = ("Solder", "White")
KINDS_OF_PARTS = {"R1": (52, 44, 40), "C1": (190, 150, 110)}
TABLES = [[3 + n % 29 for n in range(64)], [5 + n % 31 for n in range(64)]]


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {"qtables": TABLES, "subsampling": 2} if path.suffix == ".jpg" else {}
    Image.fromarray(picture).save(path, **extra)


def write_set(root: Path, ext: str = ".jpg", rows: int = 8, header: str = "board") -> tuple[Path, Path]:
    """A table of two parts on some boards, every fourth row a defect, with a column of its own."""
    images, lines = root / "images", []
    for number in range(rows):
        name = list(KINDS_OF_PARTS)[number % 2]
        label = "SHIFT" if number % 4 == 3 else "PASS"
        lines.append((f"b{number}", "golden", label, name, f"board {number:03d}"))
    for folder, name, seed in [(line[0], line[3], at) for at, line in enumerate(lines)] + [
        ("golden", name, 99) for name in KINDS_OF_PARTS
    ]:
        for light, picture in zip(LIGHTS, part(48, KINDS_OF_PARTS[name], seed=seed), strict=True):
            save(images / folder / f"{name}_{light}{ext}", picture)
    table = root / "train.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("input_path", "golden_path", "label", "object_name", header), *lines])
    return table, images


def spec_of(*overrides: str) -> SynthesizeSpec:
    return load_section(SynthesizeSpec, [f"lights=[{','.join(LIGHTS)}]", *overrides])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Each kind once, of JPEGs, with what was told of the progress."""
    root = tmp_path_factory.mktemp("synthesize")
    table, images = write_set(root)
    told: list[tuple[int, int]] = []
    spec = spec_of(f"kinds=[{','.join(KINDS)}]", f"count={len(KINDS)}", "min_severity=0.3")
    return synthesize(table, images, root / "out", spec, lambda *step: told.append(step)), table, images, told


def test_the_table_has_all_real_rows_as_they_were_and_then_the_synthetic_ones(made):
    result, table, _, told = made
    rows, before = rows_of(result.csv_path), rows_of(table)
    assert list(rows[0]) == ["input_path", "golden_path", "label", "object_name", "board", "synthetic", "mask"]
    assert [{**row, "synthetic": "", "mask": ""} for row in before] == rows[: len(before)]
    new = rows[len(before) :]
    assert [row["synthetic"] for row in new] == list(KINDS) and dict(result.counts) == dict.fromkeys(KINDS, 1)
    assert [row["label"] for row in new] == [LABELS[kind] for kind in KINDS]
    assert all(row["board"].startswith("board 0") and row["golden_path"] == "golden" for row in new)
    assert told == [(n, len(KINDS)) for n in range(1, len(KINDS) + 1)]


def test_one_images_dir_leads_to_all_pictures(made):
    result, _, images, _ = made
    for row in rows_of(result.csv_path):
        for light in LIGHTS:
            assert (images / row["input_path"] / f"{row['object_name']}_{light}.jpg").is_file()
            assert (images / row["golden_path"] / f"{row['object_name']}_{light}.jpg").is_file()


def test_masks_hold_what_differs_from_the_good_part(made):
    result, table, images, _ = made
    boards = {row["board"]: row for row in rows_of(table)}
    for row in rows_of(result.csv_path):
        if not row["synthetic"]:
            assert not row["mask"]
            continue
        base = boards[row["board"]]
        assert base["label"] == "PASS"  # it was made of a good part
        mask = np.asarray(Image.open(row["mask"]))
        assert mask.shape == (48, 48) and set(np.unique(mask)) == {0, 255}
        gaps = []
        for light in LIGHTS:
            paths = (Path(row["input_path"]), images / base["input_path"])
            new, old = (np.asarray(Image.open(at / f"{row['object_name']}_{light}.jpg")).astype(int) for at in paths)
            gaps.append(np.abs(new - old).max(axis=2))
        gap = np.max(gaps, axis=0)
        assert (gap > 28).sum() >= 5, row["synthetic"]  # never a good picture with the label of a defect
        assert gap[mask == 255].mean() > 3 * gap[mask == 0].mean(), row["synthetic"]


def test_pictures_are_encoded_as_those_they_were_made_of(made):
    result, _, images, _ = made
    with Image.open(images / "b0" / "R1_Solder.jpg") as real:
        real_tables = real.quantization
    assert [list(real_tables[n]) for n in (0, 1)] == TABLES
    for path in (result.out / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            assert image.quantization == real_tables
            assert JpegImagePlugin.get_sampling(image) == 2


def test_nothing_but_the_defect_is_changed_by_encoding(made):
    result, table, images, _ = made
    (row,) = [row for row in rows_of(result.csv_path) if row["synthetic"] == "solder_ball"]
    base = next(one for one in rows_of(table) if one["board"] == row["board"])
    name = f"{row['object_name']}_Solder.jpg"
    new, old = (np.asarray(Image.open(at / name)).astype(int) for at in (
        Path(row["input_path"]), images / base["input_path"]))  # fmt: skip
    where = np.argwhere(np.asarray(Image.open(row["mask"])))
    away = np.ones((48, 48), bool)
    away[tuple(slice(max(0, low - 16), high + 17) for low, high in zip(where.min(0), where.max(0), strict=True))] = 0
    assert away.sum() > 300 and np.abs(new - old)[away].mean() < 2  # another quality would differ everywhere


def test_the_same_seed_gives_the_same_files(tmp_path):
    table, images = write_set(tmp_path)
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        synthesize(table, images, tmp_path / name, spec_of("count=4", "kinds=[scratch,shift]", f"seed={seed}"))
    one, two, three = (contents(tmp_path / name) for name in ("one", "two", "three"))
    one["train.csv"] = one["train.csv"].replace(b"/one/", b"/two/")
    assert one == two
    assert set(one) != set(three) or one != three


def test_more_of_them_begin_with_the_same_ones(tmp_path):
    table, images = write_set(tmp_path)
    for name, count in (("few", 2), ("more", 4)):
        synthesize(table, images, tmp_path / name, spec_of(f"count={count}", "kinds=[scratch]"))
    few, more = contents(tmp_path / "few" / "images"), contents(tmp_path / "more" / "images")
    assert len(more) == 2 * len(few) and all(more[name] == content for name, content in few.items())


@pytest.mark.parametrize("ext", [".png", ".bmp"])
def test_lossless_pictures_stay_lossless(tmp_path, ext):
    table, images = write_set(tmp_path, ext)
    result = synthesize(table, images, tmp_path / "out", spec_of("count=1", "kinds=[scratch]", f"image_ext={ext}"))
    (row,) = [row for row in rows_of(result.csv_path) if row["synthetic"]]
    base = next(one for one in rows_of(table) if one["board"] == row["board"])
    name = f"{row['object_name']}_White{ext}"
    new, old = (np.asarray(Image.open(at / name)) for at in (Path(row["input_path"]), images / base["input_path"]))
    assert (new != old).any(axis=2).sum() < 0.3 * 48 * 48  # all else is the same to the bit


def test_grey_pictures_stay_grey():
    picture = part(48)[0]
    for form, extra in (("JPEG", {"quality": 60}), ("PNG", {})):
        content = BytesIO()
        Image.fromarray(picture).convert("L").save(content, form, **extra)
        with Image.open(BytesIO(encoded_like(picture, content.getvalue(), "x"))) as image:
            assert (image.mode, image.format) == ("L", form)


def test_a_format_that_cannot_be_written_again_is_refused():
    content = BytesIO()
    Image.fromarray(part(48)[0]).save(content, "WEBP")
    with pytest.raises(DataError, match="R1_White.webp: WEBP is not written"):
        encoded_like(part(48)[0], content.getvalue(), "R1_White.webp")


def test_the_share_is_of_the_good_parts(tmp_path):
    table, images = write_set(tmp_path)  # 6 good ones
    result = synthesize(table, images, tmp_path / "out", spec_of("share=0.5", "kinds=[scratch]"))
    assert result.wanted == sum(result.counts.values()) == 3


def test_synthetic_rows_are_kept_and_no_bases(tmp_path):
    table, images = write_set(tmp_path)
    first = synthesize(table, images, tmp_path / "one", spec_of("count=2", "kinds=[scratch]"))
    second = synthesize(first.csv_path, images, tmp_path / "two", spec_of("count=2", "kinds=[shift]"))
    rows = rows_of(second.csv_path)
    assert [row["synthetic"] for row in rows[8:]] == ["scratch"] * 2 + ["shift"] * 2
    assert list(rows[0])[-2:] == ["synthetic", "mask"]


def test_broken_pictures_are_told_and_left_out(tmp_path):
    table, images = write_set(tmp_path)
    (images / "b0" / "R1_Solder.jpg").write_bytes(b"broken")
    Image.fromarray(part(40)[0]).save(images / "b1" / "C1_White.jpg")
    result = synthesize(table, images, tmp_path / "out", spec_of("count=6", "kinds=[scratch]"))
    assert sum(result.counts.values()) == 6
    told = " ".join(result.unreadable.values())
    assert "R1_Solder.jpg" in told and "differ in size" in told


def test_what_cannot_be_made_is_refused_and_nothing_written(tmp_path):
    table, images = write_set(tmp_path)
    for path in images.rglob("*.jpg"):
        save(path, np.full((48, 48, 3), 90, np.uint8))
    with pytest.raises(DataError, match="no defect could be made of missing, shift: none of the good parts can have"):
        synthesize(table, images, tmp_path / "out", spec_of("count=2", "kinds=[missing,shift]"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "train.csv"]


def test_wrong_tables_and_folders_are_refused(tmp_path):
    table, images = write_set(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(DataError, match="full exists and is not an empty folder"):
        synthesize(table, images, tmp_path / "full", spec_of())
    bad = tmp_path / "bad.csv"
    bad.write_text("input_path,golden_path,object_name\nb0,golden,R1\n")
    with pytest.raises(TableError, match="no column 'label'"):
        synthesize(bad, images, tmp_path / "out", spec_of())
    bad.write_text("input_path,golden_path,label,object_name\nb0,golden,SHIFT,R1\n")
    with pytest.raises(TableError, match="none of its 1 rows has the label PASS"):
        synthesize(bad, images, tmp_path / "out", spec_of())
    assert not (tmp_path / "out").exists()


def test_a_stop_leaves_nothing_behind(tmp_path, monkeypatch):
    table, images = write_set(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_write_table", stop)
    with pytest.raises(KeyboardInterrupt):
        synthesize(table, images, tmp_path / "out", spec_of("count=1", "kinds=[scratch]"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "train.csv"]


def test_the_folder_that_paths_start_from_is_found_as_in_training(tmp_path):
    table, images = write_set(tmp_path / "wrap")
    result = synthesize(table, images.parent, tmp_path / "out", spec_of("count=1", "kinds=[scratch]"))
    assert sum(result.counts.values()) == 1 and not result.unreadable


def test_an_object_name_may_have_folders_of_its_own(tmp_path):
    table, images = write_set(tmp_path)
    for path in list(images.rglob("*.jpg")):
        (path.parent / "sub").mkdir(exist_ok=True)
        path.rename(path.parent / "sub" / path.name)
    table.write_text(table.read_text().replace(",R1,", ",sub/R1,").replace(",C1,", ",sub/C1,"))
    result = synthesize(table, images, tmp_path / "out", spec_of("count=2", "kinds=[scratch]"))
    new = [row for row in rows_of(result.csv_path) if row["synthetic"]]
    assert len(new) == 2 and all(row["object_name"].startswith("sub/") for row in new)
    for row in new:
        assert Path(row["mask"]).is_file()
        assert all((Path(row["input_path"]) / f"{row['object_name']}_{light}.jpg").is_file() for light in LIGHTS)


@pytest.mark.parametrize("name", ["../R1", "sub/../../R1", "/R1"])
def test_an_object_name_that_leads_elsewhere_is_refused_before_any_work(tmp_path, name):
    table, images = write_set(tmp_path)
    table.write_text(table.read_text().replace(",R1,", f",{name},"))
    with pytest.raises(TableError, match=f"object_name leads out of the folder of its row .line 2: {name} in b0"):
        synthesize(table, images, tmp_path / "out", spec_of("count=2", "kinds=[scratch]"))
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_may_be_there(tmp_path):
    table, images = write_set(tmp_path)
    (tmp_path / "out").mkdir()
    assert synthesize(table, images, tmp_path / "out", spec_of("count=1", "kinds=[scratch]")).csv_path.is_file()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["kinds=[tombstone]"], "kinds"),
        (["kinds=[]"], "no kind is named"),
        (["kinds=[shift,shift]"], "shift named more than once"),
        (["count=0"], "count"),
        (["share=0"], "share"),
        (["min_severity=0.9", "max_severity=0.1"], "more than max_severity"),
        (["max_severity=2"], "max_severity"),
        (["image_ext=jpg"], "image_ext"),
    ],
)
def test_wrong_options_are_refused(overrides, said):
    with pytest.raises(SpecError, match=said):
        spec_of(*overrides)


def run(*words: str) -> int:
    return cli.main(["synthesize", *words])


def test_the_command_tells_what_was_made_and_what_comes_next(tmp_path, capsys):
    table, images = write_set(tmp_path)
    words = ["--csv", str(table), "--images-dir", str(images), "--out", str(tmp_path / "out")]
    assert run(*words, "--lights", "Solder,White", "--kinds", "scratch,shift", "--count", "3", "--seed", "2") == 0
    out = capsys.readouterr().out
    assert "SCRATCH: 2" in out and "SHIFTED: 1" in out and f"csv_path={tmp_path / 'out' / 'train.csv'}" in out
    with Image.open(tmp_path / "out" / "contact_sheet.png") as sheet:
        assert sheet.width > 400 and sheet.height > 3 * 90
    assert len(read_table(tmp_path / "out" / "train.csv", images).synthetic) == 3


def test_the_command_tells_what_falls_short(tmp_path, capsys):
    table, images = write_set(tmp_path)
    for path in images.rglob("*.jpg"):
        save(path, np.full((48, 48, 3), 90, np.uint8))
    (images / "b0" / "R1_White.jpg").write_bytes(b"")
    words = ["--csv", str(table), "--images-dir", str(images), "--out", str(tmp_path / "out")]
    assert run(*words, "--lights", "Solder,White", "--kinds", "missing,scratch", "--count", "4") == 0
    out = capsys.readouterr().out
    assert "MISSING: 0 of 2: too few good parts here can have it" in out and "SCRATCH: 2\n" in out
    assert "1 good parts could not be used; the first:" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kinds", "scrach"], "kinds"),
        (["--share", "-1"], "share"),
        (["--min-severity", "x"], "min_severity"),
        (["--lights", "Nolight"], "there is R1_Solder.jpg, R1_White.jpg: see to --lights and --ext"),
        (["--csv", "s3://factory/train.csv"], "--csv s3://factory/train.csv: synthesize works on local files only"),
        (["--images-dir", "gs://factory/images"], "--images-dir gs://factory/images: synthesize works on local"),
        (["--out", "s3://factory/out"], "--out s3://factory/out: synthesize works on local files only"),
        (["--images-dir", "nowhere"], "nowhere: there is no such folder of pictures"),
    ],
)
def test_the_command_refuses_with_exit_code_2(tmp_path, capsys, words, said):
    table, images = write_set(tmp_path)
    fixed = ["--csv", str(table), "--images-dir", str(images), "--out", str(tmp_path / "out")]
    assert run(*fixed, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["report", "FILE"],
        ["policy", "FILE", "--capture", "1.0", "--out", "policy.json"],
        ["compare", "FILE", "FILE"],
        ["gauge", "FILE", "--part", "label"],
    ],
    ids=lambda words: words[0],
)
def test_no_command_measures_by_made_defects(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    lines = [f"b{n},R{n},{'MISSING' if n % 3 else 'PASS'},{n / 9},FAIL,{'missing' * (n == 4)}" for n in range(9)]
    text = "input_path,object_name,label,siamese_score,verdict,synthetic\n" + "\n".join(lines) + "\n"
    Path("scores.csv").write_text(text)
    Path("real.csv").write_text(text.replace(",missing", ","))
    assert cli.main([word.replace("FILE", "scores.csv") for word in words]) == 2
    assert "1 row is synthetic defects" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real.csv", "scores.csv"]
    assert cli.main([word.replace("FILE", "real.csv") for word in words]) == 0
