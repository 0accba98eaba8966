"""The options of `goldenpair simulate`."""

from typing import Any, Literal, get_args

from pydantic import ValidationInfo, field_validator

from goldenpair.specs.fields import Section, option

Light = Literal["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"]
LIGHTS: tuple[Light, ...] = get_args(Light)
Label = Literal[
    "MISSING",
    "SHIFTED",
    "ROTATED",
    "WRONG_POLARITY",
    "TOMBSTONE",
    "BILLBOARD",
    "FACE_DOWN",
    "WRONG_PART",
    "LIFTED_LEAD",
    "INSUFFICIENT",
    "EXCESS",
    "BRIDGE",
    "COLD",
    "SOLDER_BALL",
    "CONTAMINATION",
    "CRACK",
]
LABELS: tuple[Label, ...] = get_args(Label)


class SimulateSpec(Section):
    """A line that builds boards of a few designs, and photographs them."""

    boards: int = option(24, "Boards, divided into train, validation and test", ge=3)
    designs: int = option(1, "Designs that the boards are of, in turn; every second one is a panel of two boards", ge=1)
    parts_per_board: int = option(20, "Components on each board", ge=3)
    size: int = option(64, "Width and height of each picture, in pixels", ge=24)
    lights: list[Light] = option(
        list(LIGHTS),
        "How many of the four lights, from the first on, or their names; the spec's input_map has their order",
    )
    defect_rate: float = option(
        0.12, "Share of defective components in each split, which has one at least; 0 for none", ge=0, le=0.9
    )
    min_severity: float = option(
        0.0, "Severities are drawn from here to 1: 0 is barely visible, 1 is plain", ge=0, le=1
    )
    kinds: list[Label] = option(
        list(LABELS), "Which kinds of defects are drawn, each about as often as the parts allow"
    )
    validation_share: float = option(0.15, "Share of the boards for validation, one at least", gt=0, lt=1)
    test_share: float = option(0.25, "Share of the boards for the test, one at least", gt=0, lt=1)
    image_ext: Literal[".jpg", ".png"] = option(".jpg", "File format of the pictures")
    segment: Light | None = option(None, "Also write A, B, label and list for segmentation, with this light")
    board_pictures: bool = option(False, "Also write a picture of each whole board under each light")
    workers: int = option(1, "Processes that draw; the files are the same for any number", ge=1)
    seed: int = option(1234, "The same seed and options give the same files, byte for byte", ge=0)

    @field_validator("lights", mode="before")
    @classmethod
    def _a_number_or_names(cls, lights: Any) -> Any:
        if isinstance(lights, int) and not isinstance(lights, bool):
            if not 1 <= lights <= len(LIGHTS):
                raise ValueError(f"{lights} lights; there are 1 to {len(LIGHTS)}, or name them")
            return list(LIGHTS[:lights])
        return lights

    @field_validator("lights", "kinds", mode="before")
    @classmethod
    def _names_with_commas(cls, names: Any) -> Any:
        return [one.strip() for one in names.split(",")] if isinstance(names, str) else names

    @field_validator("lights", "kinds")
    @classmethod
    def _some_and_each_once(cls, names: list[str]) -> list[str]:
        if not names:
            raise ValueError("nothing is named; name at least one")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named more than once")
        return names

    @field_validator("designs")
    @classmethod
    def _a_board_of_each(cls, designs: int, info: ValidationInfo) -> int:
        boards = info.data.get("boards", designs)
        if designs > boards:
            raise ValueError(f"{designs} designs need as many boards at least, and boards is {boards}")
        return designs

    @field_validator("test_share")
    @classmethod
    def _some_are_left_to_train(cls, test: float, info: ValidationInfo) -> float:
        validation, boards = info.data.get("validation_share"), info.data.get("boards")
        if validation and boards and sum(held_out(boards, validation, test)) >= boards:
            raise ValueError(
                f"{test:g} and validation_share {validation:g} leave none of {boards} boards to train with"
            )
        return test

    @field_validator("segment")
    @classmethod
    def _one_of_the_lights(cls, segment: Light | None, info: ValidationInfo) -> Light | None:
        lights = info.data.get("lights", [segment])
        if segment and segment not in lights:
            raise ValueError(f"{segment} is none of the lights {', '.join(lights)}")
        return segment


def held_out(boards: int, validation_share: float, test_share: float) -> tuple[int, int]:
    """How many boards are for validation and how many for the test."""
    return max(1, round(validation_share * boards)), max(1, round(test_share * boards))
