"""The options of `goldenpair.data.simulate`."""

from typing import Literal

from pydantic import field_validator

from goldenpair.specs.fields import Section, option

Light = Literal["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"]


class SimulateSpec(Section):
    """A set of drawn boards, all of one design."""

    boards: int = option(24, "Boards, divided into train, validation and test (60, 15 and 25 %)", ge=3)
    parts_per_board: int = option(20, "Components on each board", ge=3)
    size: int = option(64, "Width and height of each picture, in pixels", ge=24)
    defect_share: float = option(0.12, "Share of defective components in each split", ge=0, le=0.9)
    lights: list[Light] = option(
        ["LowAngleLight", "SolderLight", "UniformLight", "WhiteLight"],
        "Lights, in the order of the spec's input_map; each gives one picture of each component",
    )
    image_ext: Literal[".jpg", ".png"] = option(".jpg", "File format of the pictures")
    seed: int = option(1234, "The same seed and options give the same files, byte for byte", ge=0)

    @field_validator("lights")
    @classmethod
    def _some_and_each_once(cls, lights: list[Light]) -> list[Light]:
        if not lights:
            raise ValueError("no light is named; name at least one")
        twice = sorted({light for light in lights if lights.count(light) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named more than once")
        return lights
