"""What task segment of `visual_changenet` adds: folders of pairs with masks, and lists of their names.

A list is to the rest of the package what a table is to the other networks: `SegmentDataset.pairs` says it in the words
of a `Dataset`, so that audit, cache, loaders and scoring are the same.
"""

from typing import ClassVar, Literal

from pydantic import field_validator, model_validator

from goldenpair.specs.augmentation import AugmentationConfig, RandomColor, RandomFlip, RandomRotate
from goldenpair.specs.common import Cache, Dataset, SplitFiles
from goldenpair.specs.fields import MISSING, Section, option, section

_SPLIT_OF = {"train": "train_split", "evaluate": "test_split", "inference": "predict_split"}
IGNORED = 255
"""The value of a mask's pixel that nothing is said of."""


class MaskRule(Section):
    """Where the masks of a list's pairs are, and what the numbers in them mean."""

    folder: str
    suffix: str
    transform: Literal["norm", "None"]
    classes: int


class ListFiles(SplitFiles):
    """A split as a list of names: `csv_path` is the list, `images_dir` the folder that holds all others.

    `masks` is None where nobody needs the truth.
    """

    sample_folder: str
    golden_folder: str
    masks: MaskRule | None


class ListedPairs(Dataset):
    """A `Dataset` whose splits are lists; what does not fit together, SegmentDataset tells under its own names."""

    scale_range: tuple[float, float] | None

    def problems(self, action: str, at: str) -> list[str]:
        return []


class ScaleCrop(Section):
    scale_range: list[float] = option([1.0, 1.2], "Smallest and largest enlargement", length=2)
    enable: bool = option(True, "Switch of this step", automl=True)

    @model_validator(mode="after")
    def _enlarges(self) -> "ScaleCrop":
        if self.enable and not 1 <= self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range is {self.scale_range}; give two factors from 1 on, the smaller one first")
        return self


class SegmentAugmentation(Section):
    random_flip: RandomFlip = section(RandomFlip, "Flips, the same for both pictures and the mask")
    random_rotate: RandomRotate = section(RandomRotate, "Turns, the same for both pictures and the mask")
    random_color: RandomColor = section(RandomColor, "Colour changes, the same for both pictures")
    with_scale_random_crop: ScaleCrop = section(ScaleCrop, "Enlarge, and crop a random part of the picture's size")
    with_random_blur: bool = option(True, "Blur half of the pairs with a Gaussian of up to 1 pixel")
    with_random_crop: bool = option(True, "Enlarge a random part (80 to 100 % of the area) of half of the pairs")
    mean: list[float] = option([0.5, 0.5, 0.5], "Mean of each colour channel, in every split", length=3)
    std: list[float] = option([0.5, 0.5, 0.5], "Standard deviation of each colour channel, in every split", length=3)

    @field_validator("std")
    @classmethod
    def _std_is_positive(cls, std: list[float]) -> list[float]:
        if any(value <= 0 for value in std):
            raise ValueError(f"std is {std}; every value must be greater than 0")
        return std


class CalibrationImages(Section):
    images_dir: str = option("", "Folder of the pictures that quantize looks at")


class SegmentDataset(Section):
    path: ClassVar[str] = "dataset.segment"

    root_dir: str = option(
        "", "Folder that holds the pictures' folders, or their archives, and the lists", start=MISSING, path="images"
    )
    label_transform: Literal["norm", "None"] = option("norm", "norm: masks are 0 and 255; None: class indices")
    data_name: Literal["LEVIR", "LandSCD", "custom"] = option("LEVIR", "Whose colours to draw masks in")
    dataset: Literal["CNDataset"] = option("CNDataset", "The only kind there is")
    multi_scale_train: bool = option(
        True, "Learn from the maps of all scales, by train.segment.weights (TAO never does)", automl=True
    )
    multi_scale_infer: bool = option(
        False, "Predict from the maps of all scales (TAO never does, and its coarse maps never learnt)"
    )
    num_classes: int = option(2, "Classes of the masks; class 0 is no change", ge=2, math_cond=">0")
    img_size: int = option(224, "Side that pictures are resized to, in pixels", ge=1)
    batch_size: int = option(8, "Pairs per step, in every action", ge=1)
    workers: int = option(8, "Threads that decode pictures", ge=0, tao_template=1)
    shuffle: bool = option(True, "Shuffle", no_effect="training always does, the rest never")
    image_folder_name: str = option("A", "Folder of the samples")
    change_image_folder_name: str = option("B", "Folder of the goldens")
    list_folder_name: str = option("list", "Folder of the lists of names")
    annotation_folder_name: str = option("label", "Folder of the masks")
    augmentation: SegmentAugmentation = section(SegmentAugmentation, "Normalisation and augmentation")
    train_split: str = option("train", "List of the pairs that training learns from")
    validation_split: str = option("val", "List of the pairs that training is checked on")
    test_split: str = option("test", "List of the pairs that evaluate reads")
    predict_split: str = option("test", "List of the pairs that inference reads; it needs no masks")
    label_suffix: str = option(".png", "What follows a mask's name in the place of the picture's extension")
    color_map: dict[str, list[int]] | None = option(
        None, "Colour of each class, as its index: [red, green, blue]", tao_leaves_open=True
    )
    quant_calibration_dataset: CalibrationImages = section(CalibrationImages, "What quantize looks at")
    cache: Cache = section(Cache, "Where decoded pictures are kept", not_in_tao=True)

    def list_path(self, name: str) -> str:
        return f"{self.root_dir}/{self.list_folder_name}/{name}.txt"

    @property
    def pairs(self) -> ListedPairs:
        """The same as tables of pairs."""
        given, crop = self.augmentation, self.augmentation.with_scale_random_crop
        return ListedPairs(
            train_dataset=self._split(self.train_split, truth=True),
            validation_dataset=self._split(self.validation_split, truth=True),
            test_dataset=self._split(self.test_split, truth=True),
            infer_dataset=self._split(self.predict_split, truth=False),
            image_ext="",
            num_input=1,
            batch_size=self.batch_size,
            workers=self.workers,
            image_width=self.img_size,
            image_height=self.img_size,
            augmentation_config=AugmentationConfig(
                rgb_input_mean=given.mean,
                rgb_input_std=given.std,
                random_flip=given.random_flip,
                random_rotate=given.random_rotate,
                random_color=given.random_color,
                with_random_blur=given.with_random_blur,
                with_random_crop=given.with_random_crop,
                augment=True,
            ),
            cache=self.cache,
            scale_range=(crop.scale_range[0], crop.scale_range[1]) if crop.enable else None,
        )

    def _split(self, name: str, truth: bool) -> SplitFiles:
        if not self.root_dir or not name:
            return SplitFiles()
        rule = MaskRule(
            folder=self.annotation_folder_name,
            suffix=self.label_suffix,
            transform=self.label_transform,
            classes=self.num_classes,
        )
        return ListFiles(
            csv_path=self.list_path(name),
            images_dir=self.root_dir,
            sample_folder=self.image_folder_name,
            golden_folder=self.change_image_folder_name,
            masks=rule if truth else None,
        )

    def problems(self, action: str) -> list[str]:
        """What does not fit together, as lines `path: sentence`."""
        found = []
        if not self.root_dir and action not in ("export", "import"):
            found.append(f"{self.path}.root_dir: {action} of task segment needs it")
        if self.multi_scale_infer and not self.multi_scale_train:
            found.append(
                f"{self.path}.multi_scale_infer: it predicts from maps that never learn while multi_scale_train is "
                "false; change one of the two"
            )
        wanted = [_SPLIT_OF[action]] if action in _SPLIT_OF else []
        if action == "train":
            wanted.append("validation_split")
        found += [
            f"{self.path}.{name}: {action} needs the name of a list" for name in wanted if not getattr(self, name)
        ]
        folders = ("image_folder_name", "change_image_folder_name")
        if self.image_folder_name == self.change_image_folder_name:
            found.append(f"{self.path}.{folders[1]}: it is {self.image_folder_name!r}, as {folders[0]} is")
        if action == "train" and self.batch_size < 2:
            found.append(f"{self.path}.batch_size: 1 is too small to train; batch norm needs at least 2 pairs")
        if self.num_classes > IGNORED:
            found.append(f"{self.path}.num_classes: it is {self.num_classes}; a mask has room for {IGNORED} classes")
        return found + self._wrong_colours()

    def _wrong_colours(self) -> list[str]:
        if self.color_map is None:
            return []
        at = f"{self.path}.color_map"
        classes = {str(number) for number in range(self.num_classes)}
        found = []
        if missing := sorted(classes - self.color_map.keys(), key=int):
            found.append(f"{at}: no colour for class {', '.join(missing)}; give one to each of {self.num_classes}")
        if strange := [name for name in self.color_map if name not in classes]:
            found.append(f"{at}: {', '.join(strange)} is no class; there are 0 to {self.num_classes - 1}")
        for name, colour in self.color_map.items():
            if len(colour) != 3 or not all(0 <= value <= 255 for value in colour):
                found.append(f"{at}.{name}: {colour} is no colour; give [red, green, blue], each 0 to 255")
        return found


class TrainSegment(Section):
    loss: Literal["ce", "mmiou"] = option("ce", "Cross entropy, or smallest and mean intersection over union")
    weights: list[float] = option(
        [0.5, 0.5, 0.5, 0.8, 1.0],
        "Weight of each scale in the loss, the coarsest first, the full size last; for multi_scale_train",
        length=5,
    )
