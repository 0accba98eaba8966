import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom
from torch import Tensor

from goldenpair.data.augment import Augmentation, Preparation, join
from goldenpair.data.table import Layout
from goldenpair.specs.augmentation import AugmentationConfig

LUMA = torch.tensor([0.299, 0.587, 0.114])
ALIKE = 0.01  # grey levels of 255: the rounding of float32 places


def layout_of(height: int, width: int, rows: int = 1, columns: int = 1) -> Layout:
    return Layout(tuple(f"light{i}" for i in range(rows * columns)), height, width, rows, columns, ".jpg")


def only(**steps) -> AugmentationConfig:
    """All steps off but these."""
    off = {name: {"enable": False} for name in ("random_flip", "random_rotate", "random_color", "relative_jitter")}
    return AugmentationConfig(**{"augment": True, "with_random_blur": False, "with_random_crop": False, **off, **steps})


def everything(**steps) -> AugmentationConfig:
    jitter = {"enable": True, "jitter_probability": 1, "max_shift": 0.1, "max_rotation": 10.0, "max_exposure": 0.3}
    return AugmentationConfig(**{"augment": True, "relative_jitter": jitter, **steps})


def random_pictures(
    n: int, lights: int = 2, height: int = 16, width: int = 16, low: int = 0, high: int = 256
) -> Tensor:
    shape = (n, lights, 3, height, width)
    return torch.randint(low, high, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def augmented(config: AugmentationConfig, sample: Tensor, golden: Tensor | None = None, seed: int = 0):
    layout = layout_of(*sample.shape[3:], rows=sample.shape[1])
    return Augmentation(config, layout)(
        sample, sample if golden is None else golden, torch.Generator().manual_seed(seed)
    )


def assert_alike(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < ALIKE


# joining and normalising


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 1), (2, 2), (2, 3), (3, 2), (1, 4)])
def test_lights_are_joined_row_by_row(rows, columns):
    height, width = 5, 7
    pictures = random_pictures(3, rows * columns, height, width)
    joined = join(pictures, layout_of(height, width, rows, columns))
    assert joined.shape == (3, 3, rows * height, columns * width)
    for light in range(rows * columns):
        top, left = light // columns * height, light % columns * width
        assert torch.equal(joined[:, :, top : top + height, left : left + width], pictures[:, light])


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_normalising_is_scaling_to_1_then_mean_then_deviation(kind):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    layout = layout_of(4, 5, 2)
    pictures = random_pictures(2, 2, 4, 5)
    found = Preparation(layout, mean, std)(pictures.to(kind))
    assert found.dtype == torch.float32
    joined = join(pictures, layout).numpy().astype(np.float64)
    wanted = (joined / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert np.abs(found.numpy() - wanted).max() < 2e-6


# switches


def test_off_it_hands_the_pictures_through():
    sample, golden = random_pictures(3), random_pictures(3) // 2
    found = augmented(AugmentationConfig(augment=False), sample, golden)
    assert found[0] is sample and found[1] is golden


def test_with_all_steps_off_only_the_type_changes():
    sample, golden = random_pictures(3), random_pictures(3) // 2
    found = augmented(only(), sample, golden)
    assert torch.equal(found[0], sample.float()) and torch.equal(found[1], golden.float())


@pytest.mark.parametrize(
    "never",
    [
        {"random_flip": {"hflip_probability": 0, "vflip_probability": 0}},
        {"random_rotate": {"rotate_probability": 0}},
        {"random_color": {"color_probability": 0}},
        {"random_color": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "color_probability": 1}},
        {"relative_jitter": {"enable": True, "max_shift": 0, "max_rotation": 0, "max_exposure": 0}},
    ],
)
def test_what_never_happens_or_reaches_nowhere_leaves_the_pictures(never):
    sample = random_pictures(20)
    for found in augmented(only(**never), sample):
        assert_alike(found, sample.float())


# flips and turns


@pytest.mark.parametrize(("height", "width"), [(16, 16), (15, 15), (10, 24)])
@pytest.mark.parametrize(("horizontal", "vertical", "dims"), [(1, 0, [4]), (0, 1, [3]), (1, 1, [3, 4])])
def test_flips_are_torchs(height, width, horizontal, vertical, dims):
    config = only(random_flip={"hflip_probability": horizontal, "vflip_probability": vertical})
    sample = random_pictures(3, height=height, width=width)
    assert_alike(augmented(config, sample)[0], torch.flip(sample, dims).float())


@pytest.mark.parametrize("side", [16, 15])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_of_squares_are_torchs_and_pillows(side, quarters):
    config = only(random_rotate={"rotate_probability": 1, "angle_list": [90.0 * quarters]})
    sample = random_pictures(3, height=side, width=side)
    found = augmented(config, sample)[0]
    assert_alike(found, torch.rot90(sample, quarters, (3, 4)).float())
    turned = Image.fromarray(sample[0, 0].permute(1, 2, 0).numpy()).rotate(90 * quarters)
    assert_alike(found[0, 0], torch.tensor(np.asarray(turned)).permute(2, 0, 1).float())


def test_half_a_turn_of_an_oblong_is_both_flips():
    config = only(random_rotate={"rotate_probability": 1, "angle_list": [180.0]})
    sample = random_pictures(3, height=10, width=24)
    assert_alike(augmented(config, sample)[0], torch.flip(sample, [3, 4]).float())


def test_a_quarter_turn_of_an_oblong_keeps_its_scale():
    """The middle square of the turned picture is the turned middle square: nothing is squeezed into the frame."""
    config = only(random_rotate={"rotate_probability": 1, "angle_list": [90.0]})
    sample = random_pictures(2, height=10, width=24)
    found = augmented(config, sample)[0]
    assert_alike(found[..., 7:17], torch.rot90(sample[..., 7:17], 1, (3, 4)).float())


def assert_share(happened: Tensor, probability: float) -> None:
    low, high = binom.interval(1 - 1e-6, len(happened), probability)
    assert low <= int(happened.sum()) <= high


def test_probabilities_are_what_they_say():
    n = 400
    sample = random_pictures(1, height=8, width=8).repeat(n, 1, 1, 1, 1)

    def changed(config: AugmentationConfig) -> Tensor:
        return (augmented(config, sample)[0] - sample).abs().flatten(1).amax(1) > 1

    assert_share(changed(only(random_flip={"hflip_probability": 0.2, "vflip_probability": 0})), 0.2)
    assert_share(changed(only(random_flip={"hflip_probability": 0, "vflip_probability": 0.7})), 0.7)
    assert_share(changed(only(random_rotate={"rotate_probability": 0.3})), 0.3)
    assert_share(changed(only(random_color={"color_probability": 0.25})), 0.25)
    assert_share(changed(only(with_random_crop=True)), 0.5)


def test_every_angle_of_the_list_is_drawn_equally_often():
    n, angles = 600, [90.0, 180.0, 270.0, 0.0]  # TAO would never draw the fourth
    sample = random_pictures(1, height=8, width=8).repeat(n, 1, 1, 1, 1)
    found = augmented(only(random_rotate={"rotate_probability": 1, "angle_list": angles}), sample)[0]
    for angle in angles:
        wanted = torch.rot90(sample, int(angle) // 90, (3, 4))
        assert_share((found - wanted).abs().flatten(1).amax(1) < ALIKE, 1 / len(angles))


# what belongs together changes together


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 30), (30, 12)])
def test_pictures_keep_their_size_and_have_no_black_corners(height, width):
    """A picture of one value keeps it wherever it is moved; black from outside would show."""
    sample = torch.full((40, 2, 3, height, width), 200, dtype=torch.uint8)
    jitter = {"enable": True, "max_shift": 0.5, "max_rotation": 45.0, "max_exposure": 0}
    turns = {"rotate_probability": 1, "angle_list": [90.0, 45.0, 13.0]}
    config = everything(random_color={"enable": False}, relative_jitter=jitter, random_rotate=turns)
    for found in augmented(config, sample):
        assert_alike(found, sample.float())


def test_golden_and_sample_change_alike_without_jitter():
    config = everything(relative_jitter={"enable": False})
    sample, golden = augmented(config, random_pictures(20))
    assert torch.equal(sample, golden)
    assert (sample - random_pictures(20)).abs().max() > 50


def test_golden_and_sample_change_apart_with_jitter():
    sample, golden = augmented(everything(), random_pictures(20))
    assert ((sample - golden).abs().flatten(1).amax(1) > 1).all()


@pytest.mark.parametrize("jitter", [False, True])
def test_all_lights_of_a_picture_change_alike(jitter):
    config = everything() if jitter else everything(relative_jitter={"enable": False})
    one = random_pictures(20, lights=1)
    other = random_pictures(20, lights=1).flip(0)
    for found in augmented(config, one.repeat(1, 3, 1, 1, 1), other.repeat(1, 3, 1, 1, 1)):
        assert torch.equal(found[:, :1].expand_as(found), found)


def test_a_pair_does_not_depend_on_its_neighbours_pixels():
    sample, golden = random_pictures(6), random_pictures(6).flip(0)
    others = torch.cat([sample[:1], 255 - sample[1:]])
    one, two = augmented(everything(), sample, golden), augmented(everything(), others, golden)
    assert torch.equal(one[0][0], two[0][0]) and torch.equal(one[1][0], two[1][0])
    assert not torch.equal(one[0][1], two[0][1])


def test_the_generator_determines_everything():
    sample = random_pictures(8)
    first, again, other = (augmented(everything(), sample, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_pairs_of_a_batch_and_batches_of_a_generator_differ():
    sample = random_pictures(1).repeat(2, 1, 1, 1, 1)
    step = Augmentation(everything(), layout_of(16, 16, 2))
    generator = torch.Generator().manual_seed(0)
    (first, _), (second, _) = step(sample, sample, generator), step(sample, sample, generator)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, second)


def test_values_stay_in_0_to_255():
    loud = {"brightness": 2, "contrast": 2, "saturation": 2, "hue": 0.5, "color_probability": 1}
    pictures = augmented(everything(random_color=loud), random_pictures(60))
    for found in pictures:
        assert found.dtype == torch.float32 and found.min() == 0 and found.max() == 255


# relative jitter, measured with a drawn dot

SIDE = 41
MIDDLE = SIDE // 2


def dot(n: int, right: int, down: int) -> Tensor:
    pictures = torch.zeros(n, 1, 3, SIDE, SIDE, dtype=torch.uint8)
    pictures[..., MIDDLE + down - 1 : MIDDLE + down + 2, MIDDLE + right - 1 : MIDDLE + right + 2] = 200
    return pictures


def place(pictures: Tensor) -> Tensor:
    """The dot's centre of mass, [N, (right, down)] of the middle."""
    weight = pictures[:, 0, 0]
    axis = torch.arange(SIDE) - MIDDLE
    total = weight.sum((1, 2))
    return torch.stack([(weight.sum(1) * axis).sum(1) / total, (weight.sum(2) * axis).sum(1) / total], 1)


def jitter_only(**values) -> AugmentationConfig:
    none = {"max_shift": 0, "max_rotation": 0, "max_exposure": 0}
    return only(relative_jitter={"enable": True, "jitter_probability": 1, **none, **values})


def test_jitter_shifts_the_two_apart_by_at_most_the_share_of_their_side():
    found = augmented(jitter_only(max_shift=0.1), dot(300, 0, 0))
    sample, golden = place(found[0]), place(found[1])
    for shift in (*sample.T, *golden.T):
        assert 0.045 * SIDE < shift.abs().max() <= 0.05 * SIDE + 0.01
        assert shift.min() < 0 < shift.max()
    assert 0.08 * SIDE < (sample - golden).abs().max() <= 0.1 * SIDE + 0.02
    assert abs(np.corrcoef(sample.flatten(), golden.flatten())[0, 1]) < 0.2


def test_jitter_shifts_an_oblong_by_shares_of_its_own_sides():
    pictures = torch.zeros(300, 1, 3, SIDE, 4 * SIDE, dtype=torch.uint8)
    pictures[..., MIDDLE - 1 : MIDDLE + 2, 2 * SIDE - 1 : 2 * SIDE + 2] = 200
    weight = augmented(jitter_only(max_shift=0.1), pictures)[0][:, 0, 0]
    total = weight.sum((1, 2))
    right = (weight.sum(1) * torch.arange(4 * SIDE)).sum(1) / total - 2 * SIDE
    down = (weight.sum(2) * torch.arange(SIDE)).sum(1) / total - MIDDLE
    assert 0.18 * SIDE < right.abs().max() <= 0.2 * SIDE + 0.01
    assert 0.045 * SIDE < down.abs().max() <= 0.05 * SIDE + 0.01


def test_jitter_turns_each_by_at_most_half_the_angle():
    found = augmented(jitter_only(max_rotation=10.0), dot(300, 12, 0))
    for x, y in (place(pictures).T for pictures in found):
        angle = torch.atan2(y, x) * 180 / math.pi
        assert 4.5 < angle.abs().max() <= 5.05
        assert torch.hypot(x, y) == pytest.approx(torch.full((300,), 12.0), abs=0.05)


def test_jitter_exposes_each_by_at_most_half_the_share_and_all_lights_alike():
    sample = random_pictures(300, high=180)
    factors = []
    for found in augmented(jitter_only(max_exposure=0.3), sample):
        factor = found.flatten(1).sum(1) / sample.flatten(1).sum(1)
        assert_alike(found, sample * factor[:, None, None, None, None])
        assert 0.85 <= factor.min() < 0.86 and 1.14 < factor.max() <= 1.15
        factors.append(factor)
    assert abs(np.corrcoef(*factors)[0, 1]) < 0.2


def test_jitter_leaves_the_other_pairs_as_they_were():
    config = only(relative_jitter={"enable": True, "jitter_probability": 0.25, "max_shift": 0.1})
    pictures = dot(400, 3, 5)
    moved = [(found - pictures.float()).abs().flatten(1).amax(1) > 1 for found in augmented(config, pictures)]
    assert torch.equal(moved[0], moved[1])
    assert 60 < int(moved[0].sum()) < 140  # of 400, a quarter expected: beyond four deviations of a fair draw


# crop


def test_crop_enlarges_a_part_of_80_to_100_percent_and_stays_inside():
    ramp = torch.arange(1, 201, dtype=torch.float32).repeat(20, 1).expand(400, 1, 3, 20, 200).to(torch.uint8)
    found = augmented(only(with_random_crop=True), ramp)[0][:, 0, 0, 0]
    step = found.diff(dim=1)[:, 1:-1]  # a row of the picture rises by the scale; mirrored it would fall
    assert step.min() > 0 and (step.amax(1) - step.amin(1)).max() < ALIKE
    side = step.mean(1)
    cropped = side[side < 1 - 1e-4]
    assert math.sqrt(0.8) - 1e-4 <= cropped.min() < 0.9 and cropped.max() > 0.99
    assert found.min() >= 1 and found.max() <= 200


# colour


def colour_only(**values) -> AugmentationConfig:
    still = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "color_probability": 1}
    return only(random_color={**still, **values})


def luma(pictures: Tensor) -> Tensor:
    return torch.einsum("nlchw,c->nlhw", pictures.float(), LUMA)[:, :, None]


def mild() -> Tensor:
    """Colours so near to grey that no change reaches 0 or 255."""
    return random_pictures(100, low=110, high=146)


def test_brightness_scales_all_pixels_of_a_pair():
    sample = mild()
    factor = []
    for found in augmented(colour_only(brightness=0.3), sample):
        one = found.flatten(1).sum(1) / sample.flatten(1).sum(1)
        assert_alike(found, sample * one[:, None, None, None, None])
        factor.append(one)
    assert torch.allclose(*factor)
    assert 0.7 <= factor[0].min() < 0.75 and 1.25 < factor[0].max() <= 1.3


def test_contrast_spreads_from_the_mean_grey_of_the_pair():
    sample, golden = mild(), mild().flip(0) - 20
    found = torch.stack(augmented(colour_only(contrast=0.3), sample, golden))
    pair = torch.stack([sample, golden]).float()
    grey = torch.stack([luma(sample), luma(golden)]).mean((0, 2, 3, 4, 5))[None, :, None, None, None, None]
    factor = ((found - grey) * (pair - grey)).sum((0, 2, 3, 4, 5)) / (pair - grey).square().sum((0, 2, 3, 4, 5))
    assert_alike(found, grey + (pair - grey) * factor[None, :, None, None, None, None])
    assert 0.7 <= factor.min() < 0.75 and 1.25 < factor.max() <= 1.3


def test_saturation_spreads_colours_from_their_own_grey():
    sample = mild()
    found = augmented(colour_only(saturation=0.3), sample)[0]
    colour = sample - luma(sample)
    factor = ((found - luma(sample)) * colour).flatten(1).sum(1) / colour.square().flatten(1).sum(1)
    assert_alike(found, luma(sample) + colour * factor[:, None, None, None, None])
    assert 0.7 <= factor.min() < 0.75 and 1.25 < factor.max() <= 1.3


def test_a_turn_of_the_hue_leaves_brightness_and_greys():
    sample = mild()
    sample[:, :, :, 0] = 128
    found = augmented(colour_only(hue=0.5), sample)[0]
    assert (luma(found) - luma(sample)).abs().max() < 0.05
    assert_alike(found[:, :, :, 0], sample[:, :, :, 0].float())
    assert ((found - sample).abs().flatten(1).amax(1) > 1).sum() > 90


def test_the_widest_turns_of_the_hue_go_all_the_way_round():
    """At 0.5 the redness of a red picture takes every value from one side to the other."""
    red = torch.tensor([150, 110, 110], dtype=torch.uint8)[None, None, :, None, None].expand(200, 1, 3, 4, 4)
    found = augmented(colour_only(hue=0.5), red)[0][:, 0, :, 0, 0]
    redness = found[:, 0] - found @ LUMA
    start = 150 - float(red[0, 0, :, 0, 0].float() @ LUMA)
    assert redness.max() > 0.95 * start and redness.min() < -0.9 * start
    assert (augmented(colour_only(hue=0.1), red)[0][:, 0, 0, 0, 0] - 122 > 0).all()


# blur


def test_blur_is_a_gaussian_of_up_to_one_pixel_for_half_of_the_pairs():
    """The first channel holds a dot that tells sigma; the others are compared with SciPy's filter of that sigma."""
    n = 200
    sample = random_pictures(n, lights=1, height=15, width=11)
    sample[:, :, 0] = 0
    sample[:, :, 0, 7, 5] = 250
    found = augmented(only(with_random_blur=True), sample)[0][:, 0].double()
    share = found[:, 0, 7, 6] / found[:, 0, 7, 5]
    blurred = share > 1e-6
    sigma = (-0.5 / share[blurred].log()).sqrt()
    assert sigma.max() <= 1.0 and sigma.max() > 0.9
    assert_share(blurred, 0.5 * (1 - 0.19))  # a sigma below 0.19 leaves less than a millionth to the neighbours
    assert torch.equal(found[~blurred].round(), sample[~blurred, 0].double())
    for i, one in zip(torch.where(blurred)[0].tolist(), sigma.tolist(), strict=True):
        for channel in (1, 2):
            wanted = gaussian_filter(sample[i, 0, channel].numpy().astype(float), one, mode="mirror", radius=3)
            assert np.abs(found[i, channel].numpy() - wanted).max() < 0.02


@pytest.mark.parametrize(("height", "width"), [(1, 9), (2, 2), (3, 3)])
def test_blur_does_not_darken_the_smallest_pictures(height, width):
    sample = torch.full((20, 1, 3, height, width), 100, dtype=torch.uint8)
    assert_alike(augmented(only(with_random_blur=True), sample)[0], sample.float())


# masks

CLEAN = only(random_rotate={"rotate_probability": 1.0, "angle_list": [90, 180, 270]}, random_flip={})


def blocks(n: int, size: int = 32, block: int = 4) -> Tensor:
    """Masks of two classes in blocks, so that most pixels have neighbours of their own class."""
    coarse = torch.randint(0, 2, (n, size // block, size // block), generator=torch.Generator().manual_seed(5))
    return coarse.repeat_interleave(block, 1).repeat_interleave(block, 2).to(torch.uint8)


def moved_with(config: AugmentationConfig, mask: Tensor, scale_range=None, seed: int = 0):
    """A mask's own picture as sample and golden: where the mask goes, its picture must go."""
    pictures = (mask * 200)[:, None, None].expand(-1, 1, 3, -1, -1)
    augment = Augmentation(config, layout_of(*mask.shape[1:]), scale_range)
    sample, golden, found = augment.with_mask(pictures, pictures, mask, torch.Generator().manual_seed(seed))
    assert torch.equal(sample, golden) and found.dtype == torch.uint8
    return sample[:, 0, 0], found


def test_flips_and_quarter_turns_move_masks_exactly_with_their_pictures():
    mask = blocks(64)
    picture, found = moved_with(CLEAN, mask)
    assert_alike(picture, found * 200.0)
    assert sum(not torch.equal(one, other) for one, other in zip(found, mask, strict=True)) > 32


@pytest.mark.parametrize("scale_range", [None, (1.0, 1.2), (1.5, 1.5)])
def test_crops_and_turns_move_masks_with_their_pictures(scale_range):
    config = only(random_rotate={"rotate_probability": 1.0, "angle_list": [30.0]}, with_random_crop=True)
    picture, found = moved_with(config, blocks(32, 64, 8), scale_range)
    # between the centres of two pixels of different classes bilinear says neither
    clear = (picture < 20) | (picture > 180)
    assert clear.float().mean() > 0.7
    assert torch.equal(found[clear] == 1, picture[clear] > 100)


def test_the_scale_range_enlarges_by_a_factor_from_it():
    mask = torch.zeros(200, 40, 40, dtype=torch.uint8)
    mask[:, 18:22, 18:22] = 1  # 16 pixels in the middle, which crops of at least 1 / 1.5 keep mostly
    _, found = moved_with(only(), mask, (1.5, 1.5))
    sizes = found.sum(dim=(1, 2)).float()
    assert sizes.max() <= 49 and abs(sizes.mean() - 16 * 1.5**2) < 1.5
    _, same = moved_with(only(), mask, (1.0, 1.0))
    assert torch.equal(same, mask)


def test_pictures_are_changed_alike_with_and_without_a_mask():
    config, layout = everything(relative_jitter={"enable": False}), layout_of(16, 16)
    sample, golden = random_pictures(8, 1), random_pictures(8, 1).flip(0)
    augment = Augmentation(config, layout)
    alone = augment(sample, golden, torch.Generator().manual_seed(3))
    both = augment.with_mask(sample, golden, sample[:, 0, 0], torch.Generator().manual_seed(3))
    assert torch.equal(alone[0], both[0]) and torch.equal(alone[1], both[1])


def test_ignored_pixels_stay_ignored_and_no_class_is_invented():
    mask = blocks(16) * 255
    _, found = moved_with(only(random_rotate={"rotate_probability": 1.0, "angle_list": [17.0]}), mask)
    assert set(found.unique().tolist()) == {0, 255}


def test_off_hands_masks_through():
    pictures, mask = random_pictures(2, 1), blocks(2, 16)
    handed = Augmentation(AugmentationConfig(), layout_of(16, 16)).with_mask(
        pictures, pictures, mask, torch.Generator()
    )
    assert handed[0] is pictures and handed[2] is mask


# several goldens


@pytest.mark.parametrize("lights", [1, 2])
def test_all_goldens_of_a_sample_change_as_it_does(lights):
    pictures = random_pictures(4, lights)
    config = everything(relative_jitter={"enable": False})
    sample, golden = augmented(config, pictures, pictures[:, None].expand(-1, 3, -1, -1, -1, -1))
    one, other = augmented(config, pictures, pictures)
    assert_alike(golden, sample[:, None].expand(-1, 3, -1, -1, -1, -1))
    assert_alike(sample, one)
    assert_alike(golden[:, 1], other)
    assert float((sample - pictures).abs().max()) > 10


def test_each_golden_is_moved_and_exposed_by_itself():
    pictures = random_pictures(2)
    _, golden = augmented(everything(), pictures, pictures[:, None].expand(-1, 3, -1, -1, -1, -1))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert float((golden[:, one] - golden[:, other]).abs().mean()) > 1


def test_several_goldens_are_joined_and_normalised_as_one_is():
    pictures = random_pictures(6, 4).reshape(2, 3, 4, 3, 16, 16)
    prepare = Preparation(layout_of(16, 16, 2, 2), [0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    found = prepare(pictures)
    assert found.shape == (2, 3, 3, 32, 32)
    for i in range(2):
        assert torch.equal(found[i], prepare(pictures[i]))
