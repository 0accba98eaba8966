"""The spec of `optical_inspection` (SiameseOI): TAO's fields and defaults, and ours beside them."""

from typing import ClassVar, Literal

from goldenpair.specs.common import Dataset, NetworkSpec, TrainCommon
from goldenpair.specs.deploy import GenTrtEngine
from goldenpair.specs.fields import Section, option, section
from goldenpair.specs.scoring import EvaluateCommon, ScoringCommon


class Model(Section):
    model_type: Literal["Siamese", "Siamese_1", "Siamese_3"] = option(
        "Siamese_3", "Siamese_3 has batch norms between its linear layers; Siamese and Siamese_1 have none"
    )
    margin: float = option(
        2.0,
        "Distance that training pushes defects beyond; also the cutoff where none is set",
        ge=1,
        automl=True,
    )
    model_backbone: Literal["custom"] = option("custom", "The only backbone there is")
    embedding_vectors: int = option(5, "Length of the embedding", ge=1)
    imagenet_pretrained: bool = option(False, "Start from ImageNet weights", no_effect="TAO never read it")


class Optim(Section):
    type: Literal["Adam", "SGD"] = option("Adam", "Optimiser")
    lr: float = option(0.0005, "Learning rate", ge=0, automl=True)
    momentum: float = option(0.9, "Momentum, for SGD only", ge=0, le=1, automl=True, math_cond="> 0.0")
    weight_decay: float = option(0.0005, "Weight decay, for SGD only", ge=0)


class Train(TrainCommon):
    optim: Optim = section(Optim, "The optimiser")
    loss: str | None = option(
        None,
        "The loss is always contrastive",
        tao_template="contrastive",
        no_effect="there is only this loss",
    )


class Evaluate(EvaluateCommon):
    batch_size: int = option(-1, "Batch size", ge=-1, tao_template=8, no_effect="as in TAO, dataset.batch_size counts")


class Inference(ScoringCommon):
    batch_size: int = option(1, "Batch size", ge=-1, no_effect="as in TAO, dataset.batch_size counts")


class DatasetConvert(Section):
    root_dataset_dir: str | None = option(None, "Root folder", path="folder")
    data_convert_output_dir: str | None = option(None, "Folder of the two tables", path="results")
    train_pcb_dataset_dir: str | None = option(None, "Folder of the training boards' tables", path="folder")
    val_pcb_dataset_dir: str | None = option(None, "Folder of the validation boards' tables", path="folder")
    all_pcb_dataset_dir: str | None = option(None, "Folder of all boards' tables", path="folder")
    golden_csv_dir: str | None = option(None, "Folder of the goldens' tables", path="folder")
    project_name: str | None = option(None, "One project, or all")
    bot_top: str | None = option(None, "TOP, BOT or all")


class OpticalInspectionSpec(NetworkSpec):
    """SiameseOI: two pictures, one network, a distance."""

    network: ClassVar[str] = "optical_inspection"
    title: ClassVar[str] = "Optical Inspection"

    model: Model = section(Model, "The network")
    dataset: Dataset = section(Dataset, "Tables, pictures, lights and augmentation")
    train: Train = section(Train, "Training")
    evaluate: Evaluate = section(Evaluate, "Evaluation", needed_by=("evaluate",))
    inference: Inference = section(Inference, "Inference", needed_by=("inference",))
    dataset_convert: DatasetConvert = section(DatasetConvert, "Conversion of a factory's tables (not offered yet)")
    gen_trt_engine: GenTrtEngine = section(GenTrtEngine, "Building a TensorRT engine (not offered yet)")

    @property
    def latest_checkpoint(self) -> str:
        return "oi_model_latest.pth"

    @property
    def pairs(self) -> Dataset:
        return self.dataset

    @property
    def pairs_path(self) -> str:
        return "dataset"

    def idle(self) -> dict[str, str]:
        unread = self.train.optim.changed("momentum", "weight_decay") if self.train.optim.type == "Adam" else []
        return self.dataset.idle(self.pairs_path) | {
            f"train.optim.{name}": "Adam here does not use it" for name in unread
        }

    @property
    def margin(self) -> tuple[float, str]:
        return self.model.margin, "model.margin"
