"""Makes torchvision importable beside a CPU build of PyTorch, in the virtual environment that runs this file.

Only for the development set-up (`make install` runs it); no part of the package. timm imports torchvision, and PyPI
carries it as one build, whose C++ half needs CUDA's libraries. Beside PyTorch's CPU build that half does not load, so
`import torchvision` ends with "operator torchvision::nms does not exist", which timm, Lightning and torchmetrics do not
survive. All that is missing for them are the *declarations* of two operators, which this file makes just before
torchvision is imported. With PyTorch from PyPI, CUDA build or not, nothing of this is needed, and nothing is done.

Run as a program it tries `import torchvision`, and only if that fails for this reason does it copy itself into
site-packages, with a .pth file beside it that Python reads at each start.
"""

import subprocess
import sys
import sysconfig
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

_NAME = "_torchvision_shim"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[object] = []  # declarations live as long as the object that made them


class _BeforeTorchvision(MetaPathFinder):
    """Finds nothing: it only sees that torchvision is about to be imported."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            from torch.library import Library

            library = Library("torchvision", "FRAGMENT")
            for schema in _SCHEMAS:
                library.define(schema)
            _kept.append(library)
        return None


def install() -> None:
    """Put this file where Python finds it at each start, if torchvision does not import without."""
    tried = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True)
    if "torchvision::nms does not exist" not in tried.stderr:
        return
    packages = Path(sysconfig.get_path("purelib"))
    (packages / f"{_NAME}.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (packages / f"{_NAME}.pth").write_text(f"import {_NAME}\n", encoding="utf-8")
    print(f"torchvision does not import beside this PyTorch: put {_NAME}.py into {packages}")


if __name__ == "__main__":
    install()
elif __name__ == _NAME:
    sys.meta_path.insert(0, _BeforeTorchvision())
