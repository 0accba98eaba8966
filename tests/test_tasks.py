import pytest
import torch
from torch import Tensor, nn

from goldenpair.errors import SpecError
from goldenpair.models.losses import contrastive_loss
from goldenpair.specs.load import default_spec, load_spec
from goldenpair.tasks import ChangenetTask, SiameseTask, create_task

GRID = ("dataset.concat_type=grid", "dataset.grid_map={x: 2, y: 1}")


def pair(task: SiameseTask, n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    lights, height, width = len(task.layout.suffixes), task.layout.height, task.layout.width
    return torch.randint(0, 256, (2, n, lights, 3, height, width), dtype=torch.uint8).unbind()


@pytest.mark.parametrize("overrides", [(), GRID])
@pytest.mark.parametrize("variant", ["Siamese_3", "Siamese_1", "Siamese"])
def test_the_model_fits_the_joined_pictures_of_the_spec(tao_set, variant, overrides):
    made = tao_set(lights=("a", "b"))
    task = create_task(made.spec(f"model.model_type={variant}", "model.embedding_vectors=3", *overrides))
    prepared = task.prepare(pair(task)[0])
    assert prepared.shape == ((4, 3, 8, 12) if overrides else (4, 3, 16, 6))
    (embedding,) = task.features(prepared)
    assert embedding.shape == (4, 3)
    assert task.model.fc1[0].in_features == 8 * 2 * 8 * 6
    assert task.model.fc1[0].out_features == (512 if variant == "Siamese_3" else 500)


def test_normalisation_and_augmentation_come_from_the_spec(tao_set):
    wish = ["rgb_input_mean=[0,0,0]", "rgb_input_std=[1,1,1]", "augment=true"]
    task = create_task(tao_set().spec(*(f"dataset.augmentation_config.{one}" for one in wish)))
    sample, golden = pair(task)
    assert torch.allclose(task.prepare(sample), sample[:, 0] / 255, atol=1e-6)
    assert task.augment(sample, golden, torch.Generator())[0].dtype == torch.float32


@torch.no_grad()
def test_the_score_is_the_distance_and_the_loss_is_contrastive_with_the_specs_margin(tao_set):
    task = create_task(tao_set().spec("model.margin=3"))
    task.model.eval()
    sample, golden = (task.prepare(pictures) for pictures in pair(task))
    label = torch.tensor([0.0, 1.0, 0.0, 1.0])
    loss, score = task.loss(sample, golden, label)
    wanted = (task.model.embed(sample) - task.model.embed(golden) + 1e-6).norm(dim=1)
    assert torch.allclose(score, wanted, atol=1e-6)
    assert torch.allclose(task.score(task.features(sample), task.features(golden)), wanted, atol=1e-6)
    assert loss == pytest.approx(float(contrastive_loss(wanted, label, 3.0)), rel=1e-5)


def test_adam_ignores_momentum_and_weight_decay_as_in_tao(tao_set):
    task = create_task(tao_set().spec("train.optim.lr=0.002", "train.optim.weight_decay=0.3"))
    optimizer = task.optimizer()
    assert type(optimizer) is torch.optim.Adam
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.002, 0, (0.9, 0.999))
    assert group["fused"]


def test_sgd_takes_momentum_and_weight_decay(tao_set):
    wish = ["type=SGD", "lr=0.01", "momentum=0.8", "weight_decay=0.001"]
    task = create_task(tao_set().spec(*(f"train.optim.{one}" for one in wish)))
    optimizer = task.optimizer()
    assert type(optimizer) is torch.optim.SGD
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.01, 0.8, 0.001)


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_the_optimiser_moves_every_parameter(tao_set, kind):
    task = create_task(tao_set().spec(f"train.optim.type={kind}", "train.optim.lr=0.01"))
    before = {name: value.detach().clone() for name, value in task.model.named_parameters()}
    sample, golden = (task.prepare(pictures) for pictures in pair(task))
    optimizer = task.optimizer()
    task.loss(sample, golden, torch.tensor([0.0, 1.0, 0.0, 1.0]))[0].backward()
    optimizer.step()
    # what both embeddings have in common, the last two shifts, their distance does not depend on
    still = {name for name, value in task.model.named_parameters() if torch.equal(value, before[name])}
    assert still <= {"fc1.5.bias", "fc1.6.bias"}


def test_weights_are_the_seeds(tao_set):
    spec = tao_set().spec()

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return create_task(spec).model.fc1[0].weight

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


def test_a_network_that_is_not_offered_is_refused():
    with pytest.raises(SpecError, match="task: say classify or segment"):
        create_task(default_spec("visual_changenet", ["task=null"]))


# Visual ChangeNet

VCN = {
    "task": "classify",
    "model": {
        "backbone": {"type": "fan_tiny_8_p4_hybrid"},
        "decode_head": {"decoder_params": {"embed_dim": 8}},
        "classify": {"train_margin_euclid": 3.0},
    },
    "dataset": {"classify": {"image_height": 16, "image_width": 16, "num_input": 1}},
    "train": {"num_epochs": 9, "optim": {"lr": 0.01}, "classify": {"cls_weight": [1.0, 4.0]}},
}
BOTH = pytest.mark.parametrize("kind", ["euclidean", "learnable"])


def changenet(kind: str, *overrides: str) -> ChangenetTask:
    torch.manual_seed(0)
    return create_task(load_spec("visual_changenet", VCN, [f"model.classify.difference_module={kind}", *overrides]))


class Exported(nn.Module):
    """Called as an exported network is: both pictures at once, and a tuple comes back."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.inner = model

    def forward(self, sample: Tensor, golden: Tensor) -> tuple[Tensor, ...]:
        return (self.inner(sample, golden),)


@BOTH
@torch.no_grad()
def test_an_exported_changenet_scores_as_its_origin(kind):
    task = changenet(kind)
    task.model.eval()
    sample, golden = torch.randn(2, 3, 3, 16, 16)
    wanted = task.model(sample, golden)
    wanted = wanted if kind == "euclidean" else 1 / (1 + torch.exp(wanted[:, 0] - wanted[:, 1]))
    given = load_spec("visual_changenet", VCN, [f"model.classify.difference_module={kind}"])
    for one in (task, create_task(given, Exported(task.model))):
        assert torch.allclose(one.pair_score(sample, golden), wanted, atol=1e-5)
        assert torch.allclose(one.score(one.features(sample), one.features(golden)), wanted, atol=1e-5)


@BOTH
@torch.no_grad()
def test_permuted_labels_change_the_loss_of_a_changenet(kind):
    """TAO's loss of architecture 1 is the same for each order of the labels."""
    task = changenet(kind)
    task.model.eval()
    sample, golden = torch.randn(2, 4, 3, 16, 16)
    golden[:2] = sample[:2]
    label = torch.tensor([0.0, 0.0, 1.0, 1.0])
    losses = [float(task.loss(sample, golden, labels)[0]) for labels in (label, label.flip(0))]
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)
    _, score = task.loss(sample, golden, label)
    if kind == "euclidean":
        assert losses[0] == pytest.approx(float(contrastive_loss(score, label, 3.0)), rel=1e-5)
    else:
        each = -torch.where(label == 1, score, 1 - score).log()
        weights = torch.tensor([1.0, 1.0, 4.0, 4.0])
        assert losses[0] == pytest.approx(float((each * weights).sum() / weights.sum()), rel=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
def test_changenets_adams_decay_weights_but_have_no_momentum(name, kind):
    optimizer = changenet("euclidean", f"train.optim.optim={name}", "train.optim.weight_decay=0.2").optimizer()
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.01, 0.2, (0.9, 0.999))


def test_changenets_sgd_has_both():
    optimizer = changenet("euclidean", "train.optim.optim=sgd", "train.optim.momentum=0.8").optimizer()
    (group,) = optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.01, 0.8, 0.01)


@pytest.mark.parametrize(
    ("policy", "epochs", "wanted"),
    [
        ("linear", 4, [0.01, 0.008, 0.006, 0.004]),
        ("step", 9, [*[0.01] * 3, *[0.001] * 3, *[0.0001] * 3]),
        ("step", 2, [0.01, 0.001]),  # TAO divides by zero
    ],
)
def test_the_learning_rate_of_each_epoch(policy, epochs, wanted):
    task = changenet("euclidean", f"train.optim.policy={policy}", f"train.num_epochs={epochs}")
    optimizer = task.optimizer()
    schedule, found = task.schedule(optimizer), []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found == pytest.approx(wanted)


def test_siamese_has_no_schedule(tao_set):
    task = create_task(tao_set().spec())
    assert task.schedule(task.optimizer()) is None
