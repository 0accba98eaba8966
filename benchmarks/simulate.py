"""How long `goldenpair simulate` takes for a part, and in how much memory; and the whole of the model card's scale.

python benchmarks/simulate.py               a smaller set of the same boards by one process, and what it says of all
python benchmarks/simulate.py --whole OUT   all of it by two processes: about 63,420 parts under 4 lights
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import resource
except ImportError:
    raise SystemExit("Windows does not tell what a process has used; run this on Linux or macOS") from None

BOARDS, HELD_OUT, PARTS = 105, 35, 604
WHOLE = [
    "--boards", str(BOARDS), "--designs", "4", "--parts-per-board", str(PARTS), "--size", "128", "--lights", "4",
    "--defect-rate", "0.0016", "--validation-share", "0.05", "--test-share", f"{HELD_OUT / BOARDS:.4f}",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--whole", type=Path, metavar="OUT", help="draw all of it there")
    parser.add_argument("--workers", type=int, default=2, help="processes of --whole (default: 2)")
    given = parser.parse_args()
    if given.whole:
        told = run([str(given.whole), *WHOLE, "--workers", str(given.workers)], (BOARDS + 4) * PARTS)
    else:
        with tempfile.TemporaryDirectory() as folder:
            few = [*WHOLE[6:], "--boards", "4", "--designs", "2", "--parts-per-board", "200"]
            told = run([f"{folder}/set", *few], (4 + 2) * 200)
    print(told)


def run(words: list[str], parts: int) -> str:
    """A line of the table in benchmarks/README.md; goldens count as parts."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "goldenpair", "simulate", *words], check=True)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    memory = used.ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)
    whole = seconds / parts * (BOARDS + 4) * PARTS / 60
    return (
        f"{parts} parts: {wall / 60:.1f} min, {1000 * seconds / parts:.1f} ms of a core for a part, at most "
        f"{memory:.2f} GB in one process; the model card's scale takes {whole:.0f} min of one core"
    )


if __name__ == "__main__":
    main()
