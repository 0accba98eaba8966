"""Speed of Visual ChangeNet beside NVIDIA's way of running the same network; all ratios are of one run.

    python benchmarks/changenet.py [--backbones fan_tiny fan_small efficientnet_lite0 ...]
        [--heads learnable euclidean] [--size 512 128]
        [--batches 1 16] [--rounds 5] [--threads N] [--bf16]

As TAO: PyTorch, golden and sample one after the other, everything anew for each pair. Ours: `Inspector`'s task with a
golden for each pair, and with one for all; the same through the exported folder. Pictures are noise and prepared
beforehand. In every round each way runs once, so that a slow minute hits all alike; shown are medians, and medians of
the ratios of a round. `limit` is what TAO's way would gain if nothing but the multiplications counted.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as goldenpair does

import torch
from torch.utils.flop_counter import FlopCounterMode

from goldenpair import default_spec
from goldenpair.deployment import around, open_parts
from goldenpair.models.changenet import Changenet
from goldenpair.onnx_writing import write_onnx
from goldenpair.specs.common import NetworkSpec
from goldenpair.tasks import Task, create_task

# backbone, and width of the decoder
NETWORKS = {
    "fan_tiny": ("fan_tiny_8_p4_hybrid", 256),
    "fan_small": ("fan_small_12_p4_hybrid", 256),
    "efficientnet_lite0": ("tf_efficientnet_lite0", 32),
    "mobilenetv4_small": ("mobilenetv4_conv_small", 32),
}
LOSSES = {"learnable": "ce", "euclidean": "contrastive"}
TRAIN_BATCH = 4
Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbones", nargs="+", choices=NETWORKS, default=list(NETWORKS)[:2])
    parser.add_argument("--heads", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--size", nargs=2, type=int, default=[512, 128], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="also train in bf16-mixed; slow on old processors")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, {given.size[0]} x {given.size[1]}, {given.rounds} rounds")
    for backbone in given.backbones:
        for head in given.heads:
            with tempfile.TemporaryDirectory() as folder:
                spec = spec_of(Path(folder), *NETWORKS[backbone], head, given.size)
                scoring(spec, Path(folder), f"{backbone}, {head}", given.batches, given.rounds)
                if not given.no_training:
                    training(spec, given.rounds, given.bf16)


def spec_of(folder: Path, backbone: str, width: int, head: str, size: list[int]) -> NetworkSpec:
    return default_spec(
        "visual_changenet",
        [
            "task=classify",
            f"results_dir={folder}",
            f"model.backbone.type={backbone}",
            f"model.decode_head.decoder_params.embed_dim={width}",
            f"model.classify.difference_module={head}",
            "model.classify.eval_margin=0.5",
            f"train.classify.loss={LOSSES[head]}",
            "dataset.classify.num_input=1",
            f"dataset.classify.image_height={size[0]}",
            f"dataset.classify.image_width={size[1]}",
        ],
    )


def scoring(spec: NetworkSpec, folder: Path, title: str, batches: list[int], rounds: int) -> None:
    torch.manual_seed(0)
    plain = create_task(spec)
    plain.model.eval()
    folded, file = plain.for_scoring(), folder / "model.onnx"
    features = write_onnx(folded, file, spec.export)  # as `export` does, without the proof
    assert features
    tasks = {"PyTorch": folded, "exported": around(open_parts(file, features), spec, file)}
    print(f"\n## {title}\n\n| scoring | batch | pairs/s | times TAO | limit |\n|---|---|---|---|---|")
    for batch in batches:
        sample, golden = torch.randn(2, batch, 3, plain.layout.joined_height, plain.layout.joined_width).unbind()
        ways: dict[str, Work] = {"as TAO": lambda s=sample, g=golden: as_tao(plain, s, g)}
        for name, task in tasks.items():
            ways[f"{name}, a golden each"] = lambda t=task, s=sample, g=golden: own(t, s, g)
            with torch.no_grad():
                kept = task.keep(task.features(golden[:1]))
            ways[f"{name}, one golden for all"] = lambda t=task, s=sample, k=kept: shared(t, s, k)
        with torch.no_grad():
            spent = interleaved(ways, rounds)
            work = {name: multiplications(ways[name]) for name in ways if not name.startswith("exported")}
        for name, seconds in spent.items():
            ratio = median(tao / one for tao, one in zip(spent["as TAO"], seconds, strict=True))
            limit = work["as TAO"] / work[name.replace("exported", "PyTorch")]
            print(f"| {name} | {batch} | {batch / median(seconds):.2f} | {ratio:.2f} | {limit:.2f} |", flush=True)


def as_tao(task: Task, sample: torch.Tensor, golden: torch.Tensor) -> torch.Tensor:
    network = task.model
    assert isinstance(network, Changenet)
    backbone = network.backbone
    if hasattr(network, "fc1"):
        found = [[network.fc1(backbone(one)[-1].flatten(1))] for one in (sample, golden)]
    else:
        found = [backbone(one) for one in (sample, golden)]
    return network.compare(*found)


def own(task: Task, sample: torch.Tensor, golden: torch.Tensor) -> torch.Tensor:
    count = len(sample)
    found = task.features(torch.cat([sample, golden]))
    return task.score(tuple(one[:count] for one in found), task.keep(tuple(one[count:] for one in found)))


def shared(task: Task, sample: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
    again = tuple(one.expand(len(sample), *one.shape[1:]) for one in kept)
    return task.score(task.features(sample), again)


def training(spec: NetworkSpec, rounds: int, bf16: bool) -> None:
    """Steps on prepared pictures: forward, backward, optimiser."""
    task = create_task(spec)
    task.model.train()
    optimizer = task.optimizer()
    sample, golden = torch.randn(2, TRAIN_BATCH, 3, task.layout.joined_height, task.layout.joined_width).unbind()
    label = (torch.arange(TRAIN_BATCH) % 2).float()

    def step(two_passes: bool = False, low: bool = False) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            if two_passes:  # the norms take the halves of either pass for samples and goldens: the work is the same
                as_tao(task, sample, golden).float().square().mean().backward()
            else:
                task.loss(sample, golden, label)[0].backward()
        optimizer.step()
        optimizer.zero_grad()

    ways: dict[str, Work] = {"as TAO": lambda: step(two_passes=True), "ours": step}
    if bf16:
        ways["ours, bf16-mixed"] = lambda: step(low=True)
    spent = interleaved(ways, rounds)
    print(f"\n| training, batch {TRAIN_BATCH} | pairs/s | times TAO |\n|---|---|---|")
    for name, seconds in spent.items():
        ratio = median(tao / one for tao, one in zip(spent["as TAO"], seconds, strict=True))
        print(f"| {name} | {TRAIN_BATCH / median(seconds):.2f} | {ratio:.2f} |", flush=True)


def interleaved(ways: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one that does not count."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            began = perf_counter()
            work()
            if number:
                spent[name].append(perf_counter() - began)
    return spent


def multiplications(work: Work) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 2


if __name__ == "__main__":
    main()
