"""What training's options do, for both families where they have them."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import goldenpair
import test_changenet_actions
from goldenpair import InputError, SpecError
from goldenpair.checkpoint import read_checkpoint
from goldenpair.cli import main
from goldenpair.run import as_yaml
from goldenpair.training import PairModule
from processes import ended

pytestmark = pytest.mark.usefixtures("small_fan")
spec_of = test_changenet_actions.spec_of


def validated(checkpoint) -> dict:
    return next(one["kpi"] for one in records(checkpoint) if one["message"] == "Eval metrics generated.")


def records(checkpoint) -> list[dict]:
    return [json.loads(line) for line in (checkpoint.parent / "status.json").read_text().splitlines()]


def test_a_changed_learning_rate_is_scheduled_as_if_it_had_been_there_from_the_start(spec_of, tmp_path, monkeypatch):
    rates = {}
    real = PairModule.training_step

    def watch(self, *given):
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        assert rates.setdefault(self.current_epoch, rate) == rate
        return real(self, *given)

    monkeypatch.setattr(PairModule, "training_step", watch)
    wish = ["train.num_epochs=3", "dataset.classify.batch_size=28"]
    made = goldenpair.train(spec_of("train", tmp_path, "euclidean", *wish)).checkpoint
    assert rates == {0: 1e-4, 1: pytest.approx(0.75e-4), 2: pytest.approx(0.5e-4)}
    first = next(made.parent.glob("model_epoch_000_*.pth"))
    rates.clear()
    wish += ["train.optim.lr=0.004", f"train.resume_training_checkpoint_path={first}"]
    goldenpair.train(spec_of("train", tmp_path / "again", "euclidean", *wish))
    assert rates == {1: pytest.approx(0.003), 2: pytest.approx(0.002)}


def test_training_in_bfloat16_keeps_weights_and_losses_in_float32(spec_of, tmp_path):
    made = {
        wish: goldenpair.train(
            spec_of("train", tmp_path / wish, "learnable", f"train.precision={wish}", "train.channels_last=true")
        ).checkpoint
        for wish in ("32-true", "bf16-mixed")
    }
    weights = {wish: read_checkpoint(path).weights for wish, path in made.items()}
    assert {value.dtype for value in weights["bf16-mixed"].values()} == {torch.float32, torch.int64}
    assert all(bool(value.isfinite().all()) for value in weights["bf16-mixed"].values())
    assert any(not torch.equal(value, weights["32-true"][name]) for name, value in weights["bf16-mixed"].items())
    losses = [records(path)[-1]["kpi"]["train_loss"] for path in made.values()]
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.2)


@pytest.mark.parametrize("kind", ["euclidean", "learnable"])
def test_the_false_call_rate_at_full_capture_can_be_monitored(kind, spec_of, tmp_path):
    wish = ["checkpointer.enable_topk=true", "checkpointer.monitor=val_far"]
    wish += ["early_stopping.enable=true", "early_stopping.monitor=val_far"]
    made = goldenpair.train(spec_of("train", tmp_path, kind, *(f"train.{one}" for one in wish))).checkpoint
    assert len(list(made.parent.glob("model_best_*.pth"))) == 1
    assert 0 <= validated(made)["val_far"] <= 100


def test_siameses_too(tao_set, tmp_path):
    wish = ["dataset.batch_size=2", "train.num_epochs=1", f"results_dir={tmp_path / 'results'}"]
    wish += ["train.checkpointer.enable_topk=true", "train.checkpointer.monitor=val_far"]
    made = goldenpair.train(tao_set(height=16, width=16).spec(*wish)).checkpoint
    assert len(list(made.parent.glob("model_best_*.pth"))) == 1 and "val_far" in validated(made)


def test_another_number_format_is_refused(spec_of, tmp_path):
    with pytest.raises(SpecError, match="train.precision: 64-true is not offered; there is 32-true"):
        spec_of("train", tmp_path, "euclidean", "train.precision=64-true")


def test_several_machines_want_to_know_of_each_other(spec_of, tmp_path):
    with pytest.raises(InputError, match=r"train.num_nodes: 2 machines asked for; start .* MASTER_ADDR"):
        goldenpair.train(spec_of("train", tmp_path, "euclidean", "train.num_nodes=2"))


def node(rank: str, port: str, *words: str) -> int:
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": rank})
    return main(words)


@pytest.mark.slow
def test_two_processes_share_the_rows_and_end_with_one_model(tao_set, tmp_path):
    """As two machines would, over gloo; without batch norms, whose batches would be others."""
    made = tao_set(height=16, width=16)
    fixed = ["model.model_type=Siamese_1", "train.num_epochs=2", "dataset.batch_size=2", "train.seed=3"]
    spec = made.spec(f"results_dir={tmp_path / 'results'}", "train.num_nodes=2", *fixed)
    (tmp_path / "spec.yaml").write_text(as_yaml(spec))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["optical_inspection", "train", "-e", str(tmp_path / "spec.yaml")]
    with ThreadPoolExecutor(2) as both:
        ends = [both.submit(ended, node, rank, str(port), *words, folder=tmp_path / f"said{rank}") for rank in "01"]
    assert [one.result().returncode for one in ends] == [0, 0], [one.result() for one in ends]
    last = records(tmp_path / "results" / "train" / "oi_model_latest.pth")
    assert last[-1]["message"] == "Execution status: PASS"
    progress = [one for one in last if one["message"] == "Training loop in progress"]
    assert [one["step"] for one in progress] == [1, 2]  # 5 rows: one batch of 2 for each of the two
    assert len([one for one in last if one["status"] == "SUCCESS"]) == 1  # one of them writes
