import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goldenpair.data.audit import audit
from goldenpair.data.augment import Augmentation, Preparation
from goldenpair.data.table import Layout
from goldenpair.errors import DataError, InputError
from goldenpair.explain import CELLS, GOOD_PARTS, Heatmap, explain_pair, explain_rows, fit_scale
from goldenpair.specs.load import load_spec
from goldenpair.tasks import Features, Task, create_task
from masked_pairs import spec_of

CPU = torch.device("cpu")
LIGHTS = ("Solder", "White")


@dataclass(frozen=True)
class Linear(Task):
    """The evidence is a weighted sum of the prepared pixels of the sample less those of the golden."""

    weights: Tensor

    def features(self, pictures: Tensor) -> Features:
        return ((pictures.double() * self.weights).flatten(1),)

    def score(self, sample: Features, golden: Features) -> Tensor:
        return (sample[0] - golden[0]).sum(dim=1)

    def loss(self, sample, golden, truth):
        raise NotImplementedError

    optimizer = pair_score = loss


@dataclass(frozen=True)
class Either(Linear):
    """No more than 1 however many pixels differ: each defect alone is enough."""

    def score(self, sample: Features, golden: Features) -> Tensor:
        return (sample[0] != golden[0]).any(dim=1).double()


@dataclass(frozen=True)
class Odd(Linear):
    def score(self, sample: Features, golden: Features) -> Tensor:
        return super().score(sample, golden) * math.nan


@pytest.fixture
def linear(tao_set):
    """A function that gives a linear task of pictures of a size and lights, with random positive weights."""

    def make(lights=LIGHTS, height=16, width=24, kind=Linear):
        data = tao_set(lights=lights, height=height, width=width).spec().dataset
        layout, config = Layout.of(data), data.augmentation_config
        prepare = Preparation(layout, config.rgb_input_mean, config.rgb_input_std)
        shape = (3, layout.joined_height, layout.joined_width)
        weights = torch.rand(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        return kind(nn.Identity(), layout, prepare, Augmentation(config, layout), weights)

    return make


def random_pair(lights=2, height=16, width=24, seed=0):
    rng = np.random.default_rng(seed)
    sample, golden = rng.integers(1, 256, (2, lights, 3, height, width), dtype=np.uint8)
    return sample, golden


def heat_of(task, sample, golden, batch_size=32):
    return explain_pair(task, sample, golden, CPU, batch_size, 1.0)[0]


def by_hand(task, sample, golden):
    """Of a linear network: what the pixels of each window weigh, and cells that have the mean of their windows."""
    lights, _, height, width = sample.shape
    joined = (task.prepare(torch.from_numpy(sample)[None]) - task.prepare(torch.from_numpy(golden)[None]))[0].double()
    worth = (joined * task.weights).sum(dim=0).numpy().reshape(lights, height, width)  # one column: lights are stacked
    high, wide = height // CELLS, width // CELLS
    sums = worth.reshape(lights, CELLS, high, CELLS, wide).sum(axis=(2, 4))
    effect = np.maximum(sums[:, :-1, :-1] + sums[:, 1:, :-1] + sums[:, :-1, 1:] + sums[:, 1:, 1:], 0)
    cells = np.zeros((lights, CELLS, CELLS))
    for i in range(CELLS):
        for j in range(CELLS):
            cells[:, i, j] = effect[:, max(0, i - 1) : i + 1, max(0, j - 1) : j + 1].mean(axis=(1, 2))
    return cells


def test_of_a_linear_network_the_heat_is_what_its_pixels_weigh(linear):
    task, (sample, golden) = linear(), random_pair()
    found = heat_of(task, sample, golden).heat
    wanted = by_hand(task, sample, golden)
    assert found.shape == (2, 16, 24) and found.dtype == np.float32
    # nothing is blended across in the middle of a cell of three columns; of two rows together an eighth of the next
    rows = (found[:, 0::2, 1::3] + found[:, 1::2, 1::3]) / 2
    above, below = np.roll(wanted, 1, 1), np.roll(wanted, -1, 1)
    above[:, 0], below[:, -1] = wanted[:, 0], wanted[:, -1]
    np.testing.assert_allclose(rows, 0.75 * wanted + 0.125 * (above + below), rtol=1e-4, atol=1e-5)


def test_of_a_linear_network_the_effects_add_up_to_the_score(linear):
    """Completeness: the cell of the corner has only one window, and so the whole effect of what lies in it."""
    task, golden = linear(), np.minimum(random_pair()[1], 200)
    only = golden.copy()
    only[1, :, :2, :3] = 255
    with torch.inference_mode():
        whole = [task.features(task.prepare(torch.from_numpy(one)[None])) for one in (only, golden)]
        score = float(task.score(*whole)[0])
    assert score > 0
    assert heat_of(task, only, golden).heat[1, 0, 0] == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (8, 8), (30, 17), (128, 64)])
def test_pictures_of_any_size(linear, size):
    task, (sample, golden) = linear((), *size), random_pair(1, *size)
    found = heat_of(task, np.maximum(sample, golden), np.minimum(sample, golden))
    assert found.heat.shape == (1, *size)
    assert found.peak > 0 and np.isfinite(found.heat).all()


def test_equal_pictures_are_exactly_dark(tao_set):
    made = tao_set(lights=LIGHTS, height=12, width=12)
    torch.manual_seed(0)
    task = create_task(made.spec())
    task.model.eval()
    sample, _ = random_pair(2, 12, 12)
    assert not heat_of(task, sample, sample).heat.any()


def test_what_is_equal_to_its_golden_is_exactly_dark(linear):
    task, (sample, golden) = linear(), random_pair()
    sample[0] = golden[0]
    sample[1, :, :, 12:] = golden[1, :, :, 12:]
    heat = heat_of(task, sample, golden).heat
    assert not heat[0].any() and heat[1].any()
    # windows reach a cell (3 pixels) further than the difference, and the smooth enlargement half of one
    assert not heat[1, :, 12 + 3 + 2 :].any()


@pytest.mark.parametrize("light", [0, 1])
@pytest.mark.parametrize("corner", [(0, 0), (0, 20), (12, 0), (6, 9)])
def test_a_planted_defect_is_found_in_its_place_and_its_light(linear, light, corner):
    task, (_, golden) = linear(), random_pair()
    golden = np.minimum(golden, 100)
    sample, (y, x) = golden.copy(), corner
    sample[light, :, y : y + 4, x : x + 4] = 255
    found = heat_of(task, sample, golden)
    assert found.light == LIGHTS[light]
    where = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert where[0] == light and y - 2 <= where[1] < y + 6 and x - 3 <= where[2] < x + 7
    assert found.heat[1 - light].max() == 0
    assert np.array_equal(found.combined, found.heat[light])


def test_each_of_two_defects_is_seen_where_one_alone_is_enough(linear):
    task, (_, golden) = linear(kind=Either), random_pair()
    sample = golden.copy()
    sample[0, :, :2, :3] ^= 1
    sample[1, :, -2:, -3:] ^= 1
    found = heat_of(task, sample, golden).heat
    assert found[0, 0, 0] > 0.4 and found[1, -1, -1] > 0.4


def test_what_makes_a_part_better_than_its_golden_is_dark(linear):
    task, (sample, golden) = linear(), random_pair()
    assert not heat_of(task, np.minimum(sample, golden), np.maximum(sample, golden)).heat.any()


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_the_batch_size_changes_nothing(tao_set, batch_size):
    made = tao_set(lights=LIGHTS, height=12, width=12)
    torch.manual_seed(0)
    task = create_task(made.spec())
    task.model.eval()
    sample, golden = random_pair(2, 12, 12)
    wanted = heat_of(task, sample, golden).heat
    np.testing.assert_allclose(heat_of(task, sample, golden, batch_size).heat, wanted, atol=1e-5 * wanted.max())
    assert np.array_equal(heat_of(task, sample, golden).heat, wanted)


def test_the_scale_divides(linear):
    task, pair = linear(), random_pair()
    once, twice = (explain_pair(task, *pair, CPU, 32, scale)[0].heat for scale in (1.0, 2.0))
    np.testing.assert_array_equal(once, 2 * twice)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf])
def test_a_scale_that_is_no_level_is_refused(linear, scale):
    with pytest.raises(InputError, match="heatmap scale: .* is no level; give a positive number"):
        explain_pair(linear(), *random_pair(), CPU, 32, scale)


def test_no_number_is_no_heat(linear):
    with pytest.raises(DataError, match="the network gave no number"):
        heat_of(linear(kind=Odd), *random_pair())


def test_a_heatmap_of_one_picture_names_no_light():
    assert Heatmap(np.ones((1, 2, 2), np.float32)).light == ""


# tables


def read(made, task):
    tables, report = audit({"test_dataset": made.spec().dataset.test_dataset}, task.layout)
    report.refuse()
    return tables["test_dataset"]


def scaled(task, table, **wish):
    return fit_scale(task, table, CPU, **{"batch_size": 8, "workers": 0, **wish})


def rows_of(task, table, rows):
    return list(explain_rows(task, table, rows, CPU, scale=1.0, batch_size=8, workers=0))


def test_rows_are_explained_in_the_order_in_which_they_are_asked_for(linear, tao_set):
    task, made = linear(LIGHTS, 8, 6), tao_set(lights=LIGHTS)
    table = read(made, task)
    found = rows_of(task, table, [3, 0])
    assert [one.row for one in found] == [3, 0]
    for one in found:
        assert one.sample.shape == one.golden.shape == (2, 3, 8, 6)
        np.testing.assert_array_equal(one.heatmap.heat, heat_of(task, one.sample, one.golden, 8).heat)


def test_a_row_that_cannot_be_read_is_left_out(linear, tao_set):
    task, made = linear((), 8, 6), tao_set()
    table = read(made, task)
    made.files("b2", "R1")[0].write_bytes(b"no picture")
    assert [one.row for one in rows_of(task, table, [0, 2, 4])] == [0, 4]


def test_the_scale_is_that_of_the_good_parts(linear, tao_set):
    task, made = linear((), 8, 6), tao_set()
    table = read(made, task)
    peaks = sorted(one.heatmap.peak for one in rows_of(task, table, [0, 2, 4]))
    found = scaled(task, table)
    # between the last two of three: 95 % of the way to the third is 90 % of the way from the second
    assert found.level == pytest.approx(peaks[1] + 0.9 * (peaks[2] - peaks[1]))
    assert (found.good_parts, found.source) == (3, str(made.csv_path))
    assert found.as_dict() == {"level": found.level, "good_parts": 3, "source": found.source, "percent_below": 95}


def test_no_more_good_parts_are_looked_at_than_are_needed(linear, tao_set):
    rows = [(f"b{number}", "golden", "PASS" if number % 3 else "SHIFT", "R1") for number in range(90)]
    task, made = linear((), 8, 6), tao_set(rows)
    seen = []
    found = scaled(task, read(made, task), progress=lambda done, total: seen.append((done, total)))
    assert found.good_parts == GOOD_PARTS == seen[-1][1] == len(seen)


def test_a_table_without_good_parts_gives_no_scale(linear, tao_set):
    task, made = linear((), 8, 6), tao_set([("b1", "golden", "SHIFT", "R1")])
    with pytest.raises(InputError, match="it has no part labelled PASS that can be read; .* or set heatmap_scale"):
        scaled(task, read(made, task))


def test_good_parts_that_are_their_goldens_give_no_scale(linear, tao_set):
    task, made = linear((), 8, 6), tao_set([("golden", "golden", "PASS", "R1")])
    with pytest.raises(InputError, match="all its good parts are as their goldens"):
        scaled(task, read(made, task))


# several goldens


def test_of_several_goldens_the_closest_lends_its_pixels(linear):
    @dataclass(frozen=True)
    class Best(Linear):
        def score(self, sample: Features, golden: Features) -> Tensor:
            return (sample[0][:, None] - golden[0]).abs().sum(dim=2).amin(dim=1)

    one = linear((), 16, 16, Best)
    several = replace(one, layout=replace(one.layout, goldens=2))
    sample, other = random_pair(1, 16, 16)
    near = sample.copy()
    near[0, :, 4:6, 4:6] ^= 128
    found, reference = explain_pair(several, sample, np.stack([other, near]), CPU, 32, 1.0)
    assert np.array_equal(reference, near)
    y, x = np.unravel_index(found.combined.argmax(), found.combined.shape)
    assert 3 <= y <= 6 and 3 <= x <= 6
    assert not found.heat[0, 10:].any()


# networks


def visual(*overrides):
    """An untrained Visual ChangeNet for two lights of 32 x 32."""
    given = {"dataset": {"classify": {"num_input": 2, "input_map": {"Low": 0, "White": 1}, "image_height": 32,
             "image_width": 32}}}  # fmt: skip
    wish = ["task=classify", "model.backbone.type=resnet18", "model.decode_head.decoder_params.embed_dim=8"]
    torch.manual_seed(0)
    task = create_task(load_spec("visual_changenet", given, [*wish, *overrides]))
    task.model.eval()
    return task.for_scoring()


LEARNABLE, EUCLIDEAN = ("model.classify.difference_module=" + kind for kind in ("learnable", "euclidean"))


@pytest.mark.parametrize(("kind", "goldens"), [(LEARNABLE, 1), (EUCLIDEAN, 2)])
def test_every_architecture_is_explained(kind, goldens):
    task = visual(kind, f"dataset.classify.num_golden={goldens}")
    sample, golden = random_pair(2, 32, 32)
    several = np.stack([golden, np.roll(golden, 3, 3)]) if goldens == 2 else golden
    found = heat_of(task, sample, several)
    assert found.heat.shape == (2, 32, 32) and found.lights == ("Low", "White")
    assert found.peak > 0
    sample[0] = golden[0]
    assert not heat_of(visual(kind), sample, golden).heat[0].any()


@torch.no_grad()
def test_the_evidence_of_a_probability_is_the_logarithm_of_its_odds():
    task = visual(LEARNABLE)
    pictures = torch.randn(2, 3, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    sample, golden = task.features(pictures[0]), task.keep(task.features(pictures[1]))
    score = task.score(sample, golden).double()
    torch.testing.assert_close(
        task.evidence(sample, golden).double(), (score / (1 - score)).log(), atol=1e-4, rtol=1e-4
    )
    assert task.change(sample, golden) is None


@torch.no_grad()
def test_a_network_that_segments_is_taken_at_its_word():
    torch.manual_seed(0)
    task = create_task(spec_of("nowhere"))
    task.model.eval()
    sample, golden = random_pair(1, 32, 32)
    found = explain_pair(task, sample, golden, CPU, 4, 0.5)[0]
    one, other = (task.prepare(torch.from_numpy(picture)[None]) for picture in (sample, golden))
    wanted = task.model(one, other)[-1].softmax(dim=1)[:, 1].numpy()
    np.testing.assert_allclose(found.heat, wanted / 0.5, rtol=1e-4)
    assert found.lights == () and found.peak == pytest.approx(2 * float(task.pair_score(one, other)), rel=1e-4)
