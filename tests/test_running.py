import shutil

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import nn

import goldenpair.running
from goldenpair.errors import InputError
from goldenpair.models.backbone import Backbone
from goldenpair.models.changenet import EuclideanChangenet
from goldenpair.models.norms import PairBatchNorm1d, PairBatchNorm2d, PairBatchNormAct2d
from goldenpair.running import SyncNorms, SyncPairBatchNorm, SyncPairBatchNormAct, norm_plugins, precision, run_as
from goldenpair.specs.load import default_spec
from test_changenet import BOTH, HEIGHT, WIDTH, euclidean, learnable, pictures, used

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def section(action: str, *overrides: str):
    return getattr(default_spec("visual_changenet", ["task=classify", *overrides]), action)


class Squares(Backbone):
    def __init__(self):
        super().__init__((4, 4, 4, 4), (16, 16, 16, 16))
        self.convolution = nn.Conv2d(3, 4, 16, stride=16)

    def forward(self, given: torch.Tensor) -> list[torch.Tensor]:
        return [self.convolution(given)] * 4


@BOTH
@torch.no_grad()
def test_channels_last_changes_no_score(kind):
    plain, other = used(kind()), used(kind())
    other.load_state_dict(plain.state_dict())
    run_as(other, section("evaluate", "evaluate.channels_last=true"), "evaluate", CPU)
    assert other.backbone.patch_embed.backbone.stem[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(other(pictures(1), pictures(2)), plain(pictures(1), pictures(2)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.filterwarnings("ignore")
def test_compiling_changes_no_score():
    """Of a backbone that is compiled in seconds."""
    network = used(EuclideanChangenet(Squares(), HEIGHT, WIDTH, embedding=5))
    with torch.inference_mode():
        wanted = network(pictures(1), pictures(2))
    names = list(network.state_dict())
    run_as(network, section("inference", "inference.compile=true"), "inference", CPU)
    with torch.inference_mode():
        found = network(pictures(1), pictures(2))
    assert wanted.std() > 0 and (found - wanted).abs().max() < 1e-3
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2
    assert list(network.state_dict()) == names


def test_without_a_compiler_one_sentence(monkeypatch):
    monkeypatch.setattr(goldenpair.running.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"train.compile: it needs a C\+\+ compiler"):
        run_as(euclidean(), section("train", "train.compile=true"), "train", CPU)


def test_nothing_is_done_unasked(monkeypatch):
    network = euclidean()
    monkeypatch.setattr(nn.Module, "compile", lambda self: pytest.fail("compiled"))
    monkeypatch.setattr(nn.Module, "to", lambda self, **_: pytest.fail("laid out"))
    run_as(network, section("train"), "train", CPU)
    run_as(network, default_spec("optical_inspection", []).train, "train", CPU)


@pytest.mark.parametrize(
    ("wish", "device", "wanted"),
    [
        ("32-true", CPU, "32-true"),
        ("32", GPU, "32-true"),
        ("bf16", CPU, "bf16-mixed"),
        ("bf16-mixed", GPU, "bf16-mixed"),
        ("16", GPU, "16-mixed"),
    ],
)
def test_number_formats(wish, device, wanted):
    assert precision(section("train", f"train.precision={wish}"), device) == wanted


def test_half_precision_needs_a_gpu():
    with pytest.raises(InputError, match="train.precision: 16-mixed needs a GPU"):
        precision(section("train", "train.precision=16-mixed"), CPU)
    assert precision(default_spec("optical_inspection", []).train, CPU) == "32-true"


class _Whole(LightningModule):
    def __init__(self):
        super().__init__()
        self.model = learnable()


def test_synchronised_norms_stay_norms_of_pairs_with_the_same_weights():
    module = _Whole()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    norms = (PairBatchNorm2d, nn.BatchNorm1d, nn.BatchNorm2d)
    kinds = {name: type(one) for name, one in module.named_modules() if isinstance(one, norms)}
    parameters = set(map(id, module.parameters()))
    made = SyncNorms().apply(module)
    for name, kind in kinds.items():
        of_pairs = kind in (PairBatchNorm1d, PairBatchNorm2d)
        assert type(made.get_submodule(name)) is (SyncPairBatchNorm if of_pairs else nn.SyncBatchNorm), name
    assert set(kinds.values()) == set(norms)
    assert set(map(id, made.parameters())) == parameters  # as the optimiser knows them
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    with torch.no_grad():
        made.eval().model(pictures(1), pictures(2))  # in eval mode it runs anywhere


def test_a_synchronised_norm_sees_samples_and_goldens_apart(monkeypatch):
    seen = []
    monkeypatch.setattr(nn.SyncBatchNorm, "forward", lambda self, x: seen.append(x.clone()) or x + len(seen))
    found = SyncPairBatchNorm(3)(x := torch.randn(4, 3, 2, 2))
    assert [torch.equal(one, half) for one, half in zip(seen, (x[:2], x[2:]), strict=True)] == [True, True]
    assert torch.equal(found, torch.cat([x[:2] + 1, x[2:] + 2]))


def test_a_synchronised_norm_keeps_its_number_of_goldens_and_what_follows_it(monkeypatch):
    norm = PairBatchNormAct2d(3)
    norm.drop, norm.act, norm.goldens = nn.Identity(), nn.ReLU(), 2
    made = SyncNorms().apply(nn.Sequential(norm))[0]
    assert type(made) is SyncPairBatchNormAct and made.goldens == 2
    seen = []
    monkeypatch.setattr(nn.SyncBatchNorm, "forward", lambda self, x: seen.append(len(x)) or x)
    assert torch.equal(made(x := torch.randn(6, 3, 2, 2)), x.relu())
    assert seen == [2, 4]


def test_norms_are_synchronised_on_gpus_only(caplog):
    wish = section("train", "train.sync_batchnorm=true")
    assert [type(one) for one in norm_plugins(wish, GPU)] == [SyncNorms]
    assert norm_plugins(wish, CPU) == [] and "no effect" in caplog.text
    assert norm_plugins(section("train"), GPU) == norm_plugins(default_spec("optical_inspection", []).train, GPU) == []
