"""Sections of what training changes at random, with TAO's names and command-line defaults."""

from pydantic import model_validator

from goldenpair.specs.fields import Section, option, section


class RandomFlip(Section):
    vflip_probability: float = option(0.5, "Chance of a vertical flip", ge=0, le=1, automl=True)
    hflip_probability: float = option(0.5, "Chance of a horizontal flip", ge=0, le=1, automl=True)
    enable: bool = option(True, "Switch of this step", automl=True)


class RandomRotate(Section):
    rotate_probability: float = option(0.5, "Chance of a rotation", ge=0, le=1, automl=True)
    angle_list: list[float] = option(
        [90.0, 180.0, 270.0], "Angles in degrees, one of which is drawn (TAO draws from the first three only)"
    )
    enable: bool = option(True, "Switch of this step", automl=True)

    @model_validator(mode="after")
    def _has_angles(self) -> "RandomRotate":
        if self.enable and not self.angle_list:
            raise ValueError("angle_list is empty; give at least one angle or set enable: false")
        return self


class RandomColor(Section):
    brightness: float = option(
        0.3, "Largest relative change of brightness", ge=0, le=2, automl=True, start=0.1, math_cond="> 0.0"
    )
    contrast: float = option(
        0.3, "Largest relative change of contrast", ge=0, le=2, automl=True, start=0.1, math_cond="> 0.0"
    )
    saturation: float = option(
        0.3, "Largest relative change of saturation", ge=0, le=2, automl=True, start=0.1, math_cond="> 0.0"
    )
    hue: float = option(
        0.3,
        "Largest turn of the colour circle, as a share of it",
        ge=0,
        le=0.5,
        automl=True,
        start=0.02,
        math_cond="> 0.0",
    )
    enable: bool = option(True, "Switch of this step", automl=True)
    color_probability: float = option(
        0.5, "Chance of a colour change (in TAO it is the chance of none)", ge=0, le=1, automl=True
    )


class RelativeJitter(Section):
    """Golden and sample changed apart from each other by a little, so that the network learns to forgive
    misregistration and exposure: not in TAO, and off unless asked for."""

    enable: bool = option(False, "Switch of this step (needs augment: true)", start=True)
    jitter_probability: float = option(0.5, "Chance that a pair is jittered", ge=0, le=1)
    max_shift: float = option(0.04, "Largest shift between the two, as a share of the picture's side", ge=0, le=0.5)
    max_rotation: float = option(2.0, "Largest turn between the two, in degrees", ge=0, le=45)
    max_exposure: float = option(0.1, "Largest relative difference of exposure", ge=0, lt=1)


class AugmentationConfig(Section):
    rgb_input_mean: list[float] = option(
        [0.485, 0.456, 0.406], "Mean of each colour channel, on a scale of 0 to 1", length=3
    )
    rgb_input_std: list[float] = option(
        [0.229, 0.224, 0.225],
        "Standard deviation of each colour channel",
        length=3,
        tao_template=[0.226, 0.226, 0.226],
    )
    random_flip: RandomFlip = section(RandomFlip, "Flips, the same for golden and sample")
    random_rotate: RandomRotate = section(RandomRotate, "Turns, the same for golden and sample")
    random_color: RandomColor = section(RandomColor, "Colour changes, the same for golden and sample")
    with_random_blur: bool = option(True, "Blur half of the pairs with a Gaussian of up to 1 pixel")
    with_random_crop: bool = option(True, "Enlarge a random part (80 to 100 % of the area) of half of the pairs")
    relative_jitter: RelativeJitter = section(
        RelativeJitter, "Move, turn and expose golden and sample apart by a little", not_in_tao=True
    )
    augment: bool = option(False, "Master switch of all augmentation", automl=True, start=True)

    @model_validator(mode="after")
    def _std_is_positive(self) -> "AugmentationConfig":
        if any(value <= 0 for value in self.rgb_input_std):
            raise ValueError(f"rgb_input_std is {self.rgb_input_std}; every value must be greater than 0")
        return self
