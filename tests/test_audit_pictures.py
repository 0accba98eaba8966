import itertools
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from goldenpair.data import audit_pictures
from goldenpair.data.audit_files import Numbering
from goldenpair.data.audit_pictures import headers_to_read, picture_faults, swapped_lights
from goldenpair.data.table import Layout, read_table
from goldenpair.simulation.line import simulate
from goldenpair.specs.load import load_section, load_spec
from goldenpair.specs.simulate import SimulateSpec

LIGHTS = ("Solder", "White")


def look(csv_path, images_dir, layout):
    """Faults by code, notes, and how many steps were counted."""
    rows = Numbering().rows(read_table(csv_path, images_dir))
    steps: list[int] = []
    faults, notes = picture_faults("train_dataset", rows, np.ones(len(rows.sample), np.bool_), layout, steps.append)
    assert not any(fault.fatal for fault in faults)
    assert all(fault.split == "train_dataset" for fault in faults)
    return {fault.code: fault for fault in faults}, notes, sum(steps)


@pytest.fixture
def made(tao_set):
    return tao_set(lights=LIGHTS, height=40, width=60)


def of(made):
    return look(made.csv_path, made.images_dir, made.layout)


def resize(path, width, height):
    with Image.open(path) as image:
        image.resize((width, height)).save(path)


def test_a_whole_set_has_no_faults_and_every_header_is_read_once(made):
    assert of(made) == ({}, [], 14)


def test_what_cannot_be_read_is_listed_once_however_many_rows_need_it(made):
    broken = made.files("golden", "R1")[0]
    broken.write_bytes(b"no picture")
    empty = made.files("b1", "C1")[1]
    empty.write_bytes(b"")
    faults, _, _ = of(made)
    assert list(faults) == ["picture_unreadable"]
    assert faults["picture_unreadable"].count == 2
    told = "\n".join(faults["picture_unreadable"].examples)
    assert str(broken) in told and str(empty) in told and "neither JPEG, PNG" in told


def test_more_than_8_bits_cannot_be_read(made):
    path = made.files("b1", "R1")[0]
    Image.fromarray(np.full((40, 60), 60000, np.uint16)).save(path)
    faults, _, _ = of(made)
    assert "more than 8 bits" in faults["picture_unreadable"].examples[0]


def test_a_folder_with_the_name_of_a_picture_cannot_be_read(made):
    path = made.files("b1", "R1")[0]
    path.unlink()
    path.mkdir()
    assert of(made)[0]["picture_unreadable"].count == 1


@pytest.mark.parametrize(
    ("width", "height", "odd"),
    [
        (60, 40, False),
        (62, 42, False),  # 5 % of a small picture is two pixels
        (64, 40, True),
        (60, 36, True),
        (120, 80, True),
        (40, 60, True),
    ],
)
def test_another_size_than_the_golden(made, width, height, odd):
    resize(made.files("b2", "C1")[0], width, height)
    faults, _, _ = of(made)
    assert list(faults) == (["picture_size_differs"] if odd else [])
    if odd:
        (example,) = faults["picture_size_differs"].examples
        assert example == f"line 5: C1 in b2: {width} x {height}, its golden 60 x 40"


def test_the_most_frequent_mismatch_of_sizes_is_named(made):
    for path in (*made.files("b1", "R1"), made.files("b2", "R1")[0]):
        resize(path, 40, 60)
    resize(made.files("b3", "R1")[0], 90, 40)
    fault = of(made)[0]["picture_size_differs"]
    assert fault.count == 4 and "(3 times 40 x 60 against 60 x 40)" in fault.what


def test_tiny_pictures(tao_set):
    made = tao_set(lights=LIGHTS, height=40, width=7)
    faults, _, _ = of(made)
    assert faults["picture_tiny"].count == 14 and "7 x 40" in faults["picture_tiny"].examples[0]


def png_header(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_huge_pictures(tao_set):
    made = tao_set([("b1", "golden", "PASS", "R1"), ("b2", "golden", "PASS", "R1")])
    for folder in ("b1", "b2", "golden"):
        made.files(folder, "R1")[0].write_bytes(png_header(6000, 9000))
    faults, _, _ = of(made)
    assert list(faults) == ["picture_huge"] and faults["picture_huge"].count == 3


def test_too_large_pictures_get_the_advice_of_decoding(tao_set):
    made = tao_set([("b1", "golden", "PASS", "R1")], height=9, width=9)
    path = made.files("b1", "R1")[0]
    path.write_bytes(png_header(21_000, 9_000))  # Pillow by itself would speak of a bomb
    faults, _, _ = of(made)
    assert list(faults) == ["picture_unreadable"]
    (said,) = faults["picture_unreadable"].examples
    assert said.startswith(f"{path}: 21000 x 9000 pixels are more than 100 megapixels; save a smaller one")


def test_what_decoding_would_refuse_is_told_before(made):
    """The pictures that a reviewer hid behind good headers, all but those that only their pixels give away."""
    image = Image.effect_noise((60, 40), 60).convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    image.convert("CMYK").save(made.files("b1", "R1")[0], "JPEG")
    image.save(made.files("b1", "C1")[0], "JPEG", exif=turned)
    image.save(made.files("b2", "R1")[0], "GIF", save_all=True, append_images=[image.rotate(180)])
    image.save(made.files("b2", "C1")[0], "JPEG", quality=95)
    cut = made.files("b2", "C1")[0].read_bytes()
    made.files("b2", "C1")[0].write_bytes(cut[: len(cut) // 2])
    fault = of(made)[0]["picture_unreadable"]
    told = "\n".join(fault.examples)
    assert fault.count == 4
    for said in ("its colours are CMYK", "Orientation is 6", "several pictures", "cut off"):
        assert told.count(said) == 1


def test_of_many_pictures_an_even_sample_is_read(tao_set, monkeypatch):
    made = tao_set([(f"b{i}", "golden", "PASS", "R1") for i in range(200)], height=9, width=9)
    monkeypatch.setattr(audit_pictures, "HEADERS", 40)
    for i in range(200):
        if i % 2:
            resize(made.files(f"b{i}", "R1")[0], 18, 9)
    faults, notes, steps = of(made)
    assert notes == ["train_dataset: headers of 21 of 201 pictures were read, evenly spread"]
    assert steps == 21
    places = [int(line.split("in b")[1].split(":")[0]) for line in faults["picture_size_differs"].examples]
    assert places[0] < 40 and np.ptp(places) > 100
    rows = Numbering().rows(read_table(made.csv_path, made.images_dir))
    assert headers_to_read(rows, made.layout) == 40


def test_rows_that_share_pictures_are_one(tao_set, monkeypatch):
    made = tao_set(height=9, width=9)
    text = made.csv_path.read_text().splitlines()
    made.csv_path.write_text("\n".join(text + text[1:] * 50) + "\n")
    monkeypatch.setattr(audit_pictures, "HEADERS", 10)
    assert of(made) == ({}, [], 7)


def test_only_rows_with_all_pictures_are_looked_at(made):
    made.files("b3", "R1")[0].unlink()
    rows = Numbering().rows(read_table(made.csv_path, made.images_dir))
    whole = np.array([True, True, True, True, False])
    assert picture_faults("train_dataset", rows, whole, made.layout, lambda count: None) == ([], [])
    assert picture_faults("train_dataset", rows, whole & False, made.layout, lambda count: None) == ([], [])


# lights


def test_a_light_that_is_the_same_file_as_another(made):
    first, second = made.files("golden", "C1")
    second.write_bytes(first.read_bytes())
    faults, _, _ = of(made)
    assert faults["lights_identical"].count == 1  # though two rows share it
    assert (
        str(first) in faults["lights_identical"].examples[0] and second.name in faults["lights_identical"].examples[0]
    )


def test_what_only_decoding_shows_to_be_broken_is_listed_too(made):
    cut = made.files("b2", "R1")[1]
    cut.write_bytes(cut.read_bytes()[:-3000])
    black = made.files("b3", "R1")[0]
    Image.new("RGB", (60, 40)).save(black)
    fault = of(made)[0]["picture_unreadable"]
    assert fault.count == 2 and str(cut) in fault.examples[0] and "entirely black" in fault.examples[1]


def drawn(folder, seed, lights="[LowAngleLight,SolderLight,UniformLight,WhiteLight]"):
    wish = ["boards=5", "parts_per_board=12", "size=32", "defect_rate=0.5", f"seed={seed}", f"lights={lights}"]
    boards = simulate(folder / f"boards{seed}", load_section(SimulateSpec, wish))
    pairs = load_spec("optical_inspection", boards.spec_path).pairs
    return boards, pairs.train_dataset.csv_path, Layout.of(pairs)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_false_alarm_on_drawn_boards_half_of_them_defects(tmp_path, seed):
    boards, table, layout = drawn(tmp_path, seed)
    assert look(table, boards.images_dir, layout)[0] == {}


def test_lights_in_another_order_in_the_spec_are_no_fault(tmp_path):
    boards, table, layout = drawn(tmp_path, 0)
    assert look(table, boards.images_dir, replace(layout, lights=layout.lights[::-1]))[0] == {}


def swap(folder, one, other):
    for path in list(folder.glob(f"*_{one}.*")):
        partner = path.with_name(path.name.replace(one, other))
        aside = path.with_name("aside")
        path.rename(aside)
        partner.rename(path)
        aside.rename(partner)


def test_a_board_with_swapped_lights_is_found_with_its_order(tmp_path):
    boards, table, layout = drawn(tmp_path, 1)
    board = read_table(table, boards.images_dir).cells["input_path"][0]
    cells = read_table(table, boards.images_dir).cells
    assert board in cells["input_path"]
    swap(boards.images_dir / board, "SolderLight", "WhiteLight")
    fault = look(table, boards.images_dir, layout)[0]["lights_swapped"]
    wanted = cells["input_path"].count(board)
    assert 0.8 * wanted <= fault.count <= wanted
    assert all(f" in {board}: " in example for example in fault.examples)
    order = "SolderLight looks like WhiteLight, WhiteLight looks like SolderLight"
    assert fault.examples[0].endswith(order) and order in fault.what


def test_swapped_goldens_are_found_in_almost_every_part(tmp_path):
    boards, table, layout = drawn(tmp_path, 2, "[SolderLight,WhiteLight]")
    swap(boards.images_dir / "golden/images/GP100TOP", "SolderLight", "WhiteLight")
    fault = look(table, boards.images_dir, layout)[0]["lights_swapped"]
    assert fault.count > 0.8 * len(read_table(table, boards.images_dir))


def test_every_order_of_lights_that_differ_is_recognised():
    golden = np.stack([np.full((3, 16, 16), level, np.float32) for level in (20, 90, 160, 230)])
    for order in itertools.permutations(range(4)):
        found = swapped_lights(golden[list(order)] + 2, golden)
        assert found == (None if order == (0, 1, 2, 3) else list(order))


def test_lights_that_look_alike_and_parts_that_look_like_nothing_are_no_fault():
    rng = np.random.default_rng(0)
    base = rng.uniform(50, 200, (3, 16, 16))
    alike = np.stack([base + rng.normal(0, 1, base.shape) for _ in range(3)]).astype(np.float32)
    assert swapped_lights(alike[[1, 2, 0]], alike) is None
    for _ in range(20):
        one, other = rng.uniform(0, 255, (2, 3, 3, 16, 16)).astype(np.float32)
        assert swapped_lights(one, other) is None
