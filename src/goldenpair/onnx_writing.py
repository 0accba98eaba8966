"""Writing a network as an ONNX file."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from goldenpair.deployment import FEATURES, GOLDEN, KEPT, PICTURES, SAMPLE, numbered
from goldenpair.models.changenet import PairNetwork
from goldenpair.specs.deploy import ExportCommon
from goldenpair.tasks import Graph, Task

if TYPE_CHECKING:
    import onnx

NEWER_EXPORTER = 18
"""The lowest opset that PyTorch's newer exporter writes."""
_SPLIT_WANTS_A_NUMBER = 18  # the lowest opset where it does


def write_onnx(task: Task, file: Path, wish: ExportCommon) -> int | None:
    """The network as an ONNX file, checked by onnx's own checker.

    A PairNetwork of one golden and one output is written so that it can be taken apart again, by
    `deployment.open_parts`: then the number of tensors that its `encode` gives is returned, else None.
    """
    import onnx

    layout, graph, batch = task.layout, task.graph, wish.fixed_batch
    pairs, picture = batch or 2, (3, layout.joined_height, layout.joined_width)
    # two tensors, not one twice, which would make them one input
    example = (torch.rand(pairs, *picture), torch.rand(pairs, *layout.golden_axis, *picture))
    features = None
    with torch.inference_mode():
        if isinstance(task.model, PairNetwork) and layout.goldens == 1 and len(graph.outputs) == 1:
            model, features = _of_parts(task.model, example, graph, wish)
            onnx.save(model, str(file))
        else:
            _export(task.model, example, graph.inputs, graph.outputs, file, wish, graph.axis)
            if batch:
                _fix_outputs(file, batch)
    onnx.checker.check_model(str(file), full_check=True)
    return features


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    file: Path,
    wish: ExportCommon,
    axis: str = "batch",
) -> None:
    newer, batch = wish.opset_version >= NEWER_EXPORTER, wish.fixed_batch
    any_batch = {0: torch.export.Dim(axis, min=1)}
    axes = tuple(any_batch for _ in example)
    with _quiet():
        torch.onnx.export(
            module,
            example,
            file,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=wish.opset_version,
            dynamo=newer,
            dynamic_axes=None if newer or batch else {name: {0: axis} for name in (*inputs, *outputs)},
            dynamic_shapes=((axes,) if isinstance(module, _Part) else axes) if newer and not batch else None,
            do_constant_folding=wish.do_constant_folding,
            optimize=True,
            external_data=False,
            verbose=False,
        )


class _Part(nn.Module):
    """A method of a network with a name for each tensor that it takes."""

    def __init__(self, network: PairNetwork[Tensor], method: Callable[..., Sequence[Tensor] | Tensor]):
        super().__init__()
        self._network = network  # whose weights are to be found
        self._method = method
        self.eval()  # the exporters put all of a module into the mode that the outermost is in

    def forward(self, *given: Tensor) -> Sequence[Tensor] | Tensor:
        return self._method(*given)


def _of_parts(
    network: PairNetwork[Tensor], example: tuple[Tensor, Tensor], graph: Graph, wish: ExportCommon
) -> tuple["onnx.ModelProto", int]:
    """One model of three that are exported by themselves, so that the names between them are known."""
    import onnx
    from onnx.helper import make_graph, make_model, make_node, make_tensor_value_info

    pictures = torch.cat(example)
    found = network.encode(pictures)
    count, half = len(found), len(example[0])
    sample, golden = [one[:half] for one in found], [one[half:] for one in found]
    kept = network.keep(golden)
    names = {name: numbered(name, count) for name in (FEATURES, SAMPLE, GOLDEN, KEPT)}
    parts: list[tuple[Callable[..., Sequence[Tensor] | Tensor], Sequence[Tensor], list[str], list[str]]] = [
        (network.encode, (pictures,), [PICTURES], names[FEATURES]),
        (lambda *given: network.keep(given), golden, names[GOLDEN], names[KEPT]),
        (
            lambda *given: network.compare(given[:count], given[count:]),
            [*sample, *kept],
            [*names[SAMPLE], *names[KEPT]],
            list(graph.outputs),
        ),
    ]
    number = 2 if wish.opset_version >= _SPLIT_WANTS_A_NUMBER else None
    nodes = [make_node("Concat", graph.inputs, [PICTURES], axis=0)]
    weights: list[onnx.TensorProto] = []
    for place, (method, given, inputs, outputs) in enumerate(parts):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "part.onnx"
            _export(_Part(network, method), tuple(given), inputs, outputs, file, wish)
            part = onnx.load(str(file))
        _prefix(part.graph, f"part{place}/")
        nodes += part.graph.node
        weights += part.graph.initializer
        if outputs == names[FEATURES]:
            ends = zip(names[FEATURES], names[SAMPLE], names[GOLDEN], strict=True)
            nodes += [make_node("Split", [one], two, axis=0, num_outputs=number) for one, *two in ends]
    batch, output = wish.fixed_batch, network.compare(sample, kept)

    def described(names: Sequence[str], tensors: Sequence[Tensor], each: int = 1) -> list[onnx.ValueInfoProto]:
        first = each * batch if batch else "batch" if each == 1 else "pictures"
        pairs = zip(names, tensors, strict=True)
        return [make_tensor_value_info(name, onnx.TensorProto.FLOAT, [first, *one.shape[1:]]) for name, one in pairs]

    between = described([PICTURES, *names[FEATURES]], [pictures, *found], 2)
    for name, tensors in ((SAMPLE, sample), (GOLDEN, golden), (KEPT, kept)):
        between += described(names[name], tensors)
    ends_of_graph = described(graph.inputs, example), described(graph.outputs, [output])
    made = make_graph(nodes, "goldenpair", *ends_of_graph, weights, value_info=between)
    return make_model(made, opset_imports=part.opset_import, ir_version=part.ir_version), count


def _prefix(graph: "onnx.GraphProto", prefix: str) -> None:
    """Put a prefix before all names of a graph but those of its inputs and outputs."""
    ends = {one.name for one in (*graph.input, *graph.output)}

    def named(names: Sequence[str]) -> list[str]:
        return [name if not name or name in ends else prefix + name for name in names]

    for node in graph.node:
        node.name = prefix + node.name
        node.input[:], node.output[:] = named(node.input), named(node.output)
    for tensor in graph.initializer:
        tensor.name = prefix + tensor.name


def _fix_outputs(file: Path, batch: int) -> None:
    """The older exporter loses the number of pairs on the way to the outputs."""
    import onnx

    model = onnx.load(str(file))
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, str(file))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch says of its own exporters, which is nothing that a user could act on."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # "torchvision is not installed"
    try:
        with warnings.catch_warnings():
            for kind, message in (
                (DeprecationWarning, ".*legacy TorchScript-based ONNX export"),
                (DeprecationWarning, "The feature will be removed"),
                (TracerWarning, ""),  # of what might depend on the example: the proof finds that out
                (UserWarning, "Constant folding - Only steps=1"),
                (UserWarning, ".*The axis name"),
                (FutureWarning, r".*isinstance\(treespec, LeafSpec\)"),
            ):
                warnings.filterwarnings("ignore", message, kind)
            yield
    finally:
        registration.setLevel(level)
