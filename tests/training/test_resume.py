"""The same call on the same folder: goes on after an interruption, costs nothing when finished, refuses another run."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nearkin.core import InputError
from nearkin.losses import Triplet
from nearkin.networks import Network
from nearkin.training import History, Interrupted, StepReport, TrainingFailed, train
from training.setting import Remembering, Rounds, bits, images, labels, network, plan, separation

FILES = {"network.safetensors", "loss.safetensors", "curves.csv", "training.json"}


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal() -> Iterator[None]:
    """A shell starts background jobs with Ctrl-C ignored, and tests may run in one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def same_call(folder: Path | None, **options: Any) -> tuple[History, nn.Module, nn.Module]:
    net = options.pop("net", None) or network(dropout=0.2)
    loss = options.pop("loss", None) or Remembering(mining="random")
    settings = {"sampler": Rounds(), "validate": separation, "checkpoint_seconds": 0, **options}
    history = train(net, loss, images, labels, settings.pop("plan", plan()), folder=folder, **settings)
    return history, net, loss


def facts(history: History) -> tuple[Any, ...]:
    curves = {name: column.tobytes() for name, column in history.curves.items() if name != "seconds"}
    return curves, history.best_step, history.best_validation, history.stopped, history.notes


def stop_at(step: int, number: int = signal.SIGINT):
    def on_step(report: StepReport) -> None:
        if report.step == step:
            os.kill(os.getpid(), number)

    return on_step


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("pause", [0, 1000])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, pause: float, number: int) -> None:
    whole, net, loss = same_call(None)
    for step in (1, 2, 7, 8, 13, 19):
        with pytest.raises(Interrupted, match=f"after step {step} of 20; saved in .*the same call goes on") as caught:
            same_call(tmp_path / "run", on_step=stop_at(step, number), checkpoint_seconds=pause)
        assert (caught.value.step, caught.value.folder) == (step, tmp_path / "run")
    seen: list[int] = []
    history, again, own = same_call(tmp_path / "run", on_step=lambda report: seen.append(report.step))
    assert seen == [20]
    assert facts(history) == facts(whole)
    assert bits(again, own) == bits(net, loss)
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES


def test_an_interruption_is_no_ordinary_exception() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)


def test_an_interruption_at_the_last_step_finishes_and_still_stops_the_caller(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after step 20 of 20"):
        same_call(tmp_path, on_step=stop_at(20))
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_an_interruption_without_a_folder_says_that_nothing_is_saved() -> None:
    with pytest.raises(Interrupted, match="nothing is saved without a folder"):
        same_call(None, on_step=stop_at(3))


def test_a_second_interruption_stops_at_once(tmp_path: Path) -> None:
    def twice(report: StepReport) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        same_call(tmp_path, on_step=twice)
    assert not isinstance(caught.value, Interrupted)


def test_signals_are_handled_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    same_call(None)
    with pytest.raises(Interrupted):
        same_call(None, on_step=stop_at(3))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_the_process_ignores_stays_ignored(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    history, _, _ = same_call(tmp_path, on_step=stop_at(3))
    assert history.steps == 20


def test_a_run_in_another_thread_leaves_signals_alone() -> None:
    done: list[History] = []
    thread = threading.Thread(target=lambda: done.append(same_call(None)[0]))
    thread.start()
    thread.join()
    assert facts(done[0]) == facts(same_call(None)[0])


def test_patience_counts_on_after_a_pause(tmp_path: Path) -> None:
    settings = plan(validate_every=2, patience=3)
    level = {"plan": settings, "validate": lambda _: 1.0}
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(6), **level)
    history, _, _ = same_call(tmp_path, **level)
    assert (history.stopped, history.steps, history.best_step) == ("patience", 8, 2)


@pytest.mark.filterwarnings("ignore:Remembering")
def test_what_was_said_before_a_pause_is_not_said_again(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(6), sampler=Rounds(images=1))
    history, _, _ = same_call(tmp_path, sampler=Rounds(images=1))
    assert [note.split(",")[0] for note in history.notes] == ["step 1: no image of the batch has another of its class"]


def test_a_finished_run_is_read_back_without_a_step_or_a_validation(tmp_path: Path) -> None:
    def never(_: object) -> float:
        raise RuntimeError("a finished run was asked to work")

    history, net, loss = same_call(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again, other, own = same_call(tmp_path, validate=never, on_step=never)
    assert facts(again) == facts(history)
    assert again.curves["seconds"].tolist() == history.curves["seconds"].tolist()
    assert again.seconds == history.seconds
    assert bits(other, own) == bits(net, loss)
    assert not other.training
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_the_network_that_was_interrupted_may_be_given_again(tmp_path: Path) -> None:
    whole, expected, _ = same_call(None)
    net, loss = network(dropout=0.2), Remembering(mining="random")
    with pytest.raises(Interrupted):
        same_call(tmp_path, net=net, loss=loss, on_step=stop_at(9))
    history, _, _ = same_call(tmp_path, net=net, loss=loss)
    assert bits(net) == bits(expected)
    assert facts(history) == facts(whole) == facts(same_call(tmp_path, net=net, loss=loss)[0])
    assert facts(same_call(tmp_path)[0]) == facts(whole)  # a network built anew


def test_the_saved_weights_are_the_network_s(tmp_path: Path) -> None:
    _, net, loss = same_call(tmp_path)
    for name, module in (("network", net), ("loss", loss)):
        saved = load_file(tmp_path / f"{name}.safetensors")
        assert saved.keys() == module.state_dict().keys()
        assert all(torch.equal(saved[key], value) for key, value in module.state_dict().items())


def test_the_folder_alone_builds_the_network_again(tmp_path: Path) -> None:
    _, net, _ = same_call(tmp_path, net=network())
    record = json.loads((tmp_path / "training.json").read_text())
    again = Network.from_configuration(record["architecture"])
    again.load_state_dict(load_file(tmp_path / "network.safetensors"))
    assert bits(again) == bits(net)


def test_a_loss_without_weights_writes_no_file(tmp_path: Path) -> None:
    same_call(tmp_path, loss=Triplet())
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"loss.safetensors"}
    same_call(tmp_path, loss=Triplet())


def stretched(factor: float) -> nn.Module:
    loss = Remembering(mining="random")
    with torch.no_grad():
        loss.distance.stretch *= factor
    return loss


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"plan": plan(learning_rate=0.02)}, "learning_rate was 0.01, now 0.02"),
        ({"plan": plan(steps=30, seed=4)}, "seed was 3, now 4; steps was 20, now 30"),
        ({"net": network(seed=2, dropout=0.2)}, "initial weights differ"),
        ({"net": network(seed=1)}, "network differs"),
        ({"loss": stretched(2.0)}, "initial weights differ"),
        ({"loss": Remembering(mining="random", margin=0.3)}, "loss was .*margin=0.2.*now .*margin=0.3"),
        ({"sampler": Rounds(seed=1)}, "first batch differs"),
        ({"data": "digits of another day"}, "data was , now digits of another day"),
    ],
)
def test_another_run_in_the_folder_is_refused_with_the_difference(
    tmp_path: Path, options: dict[str, Any], words: str, finished: bool
) -> None:
    if finished:
        same_call(tmp_path)
    else:
        with pytest.raises(Interrupted):
            same_call(tmp_path, on_step=stop_at(9))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"holds another run: .*{words}.*Use another folder"):
        same_call(tmp_path, **options)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_statistics_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    net = network(dropout=0.2)

    def poison(report: StepReport) -> None:
        if report.step == 5:
            net[1].running_mean += torch.nan

    with pytest.raises(TrainingFailed, match="no longer finite, at step 5 of 20 .*step 4 is kept in"):
        same_call(tmp_path, net=net, on_step=poison)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        content[len(content) * 2 // 3] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(b"" if how == "empty" else b"\x00" * len(content))


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "zeros"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(tmp_path: Path, how: str) -> None:
    whole, net, loss = same_call(None)
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(9))
    damage(tmp_path / "checkpoint.ckpt", how)
    history, again, own = same_call(tmp_path)
    (note,) = history.notes
    assert note.startswith("checkpoint.ckpt is damaged (")
    assert note.endswith("went on from checkpoint-previous.ckpt, step 8")
    assert bits(again, own) == bits(net, loss)
    assert facts(history)[:4] == facts(whole)[:4]


def test_two_damaged_checkpoints_are_said_and_the_run_starts_again(tmp_path: Path) -> None:
    _, net, loss = same_call(None)
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(9))
    damage(tmp_path / "checkpoint.ckpt", "flipped")
    damage(tmp_path / "checkpoint-previous.ckpt", "cut")
    history, again, own = same_call(tmp_path)
    assert [note.split(" ")[0] for note in history.notes] == ["checkpoint.ckpt", "checkpoint-previous.ckpt"]
    assert all(note.endswith("started again from the first step") for note in history.notes)
    assert bits(again, own) == bits(net, loss)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name in sorted(FILES)
        for how in ("cut", "flipped", "gone")
        if (name, how) != ("training.json", "gone")
    ],
)
def test_a_damaged_outcome_is_said_and_the_run_repeated(tmp_path: Path, name: str, how: str) -> None:
    quick = {"plan": plan(steps=8), "checkpoint_seconds": 1000}
    _, net, loss = same_call(tmp_path, **quick)
    if how == "gone":
        (tmp_path / name).unlink()
    else:
        damage(tmp_path / name, how)
    history, again, own = same_call(tmp_path, **quick)
    assert len(history.notes) == 1
    assert history.notes[0].startswith(name)
    assert history.notes[0].endswith("; the run was trained again")
    assert bits(again, own) == bits(net, loss)


def test_a_newer_format_is_refused_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        same_call(tmp_path / "half", on_step=stop_at(9))
    path = tmp_path / "half" / "checkpoint.ckpt"
    path.write_bytes(path.read_bytes().replace(b"nearkin checkpoint 1\n", b"nearkin checkpoint 2\n", 1))
    with pytest.raises(InputError, match="has the format 'nearkin checkpoint 2'; this version reads 1"):
        same_call(tmp_path / "half")
    same_call(tmp_path / "done")
    record = tmp_path / "done" / "training.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 2}))
    with pytest.raises(InputError, match="has the schema 2; this version reads 1"):
        same_call(tmp_path / "done")


def test_a_short_run_writes_no_checkpoint(tmp_path: Path, monkeypatch) -> None:
    written = []
    monkeypatch.setattr("nearkin.training.saving.write_checkpoint", lambda *_: written.append(1))
    same_call(tmp_path / "short", checkpoint_seconds=20)
    assert not written
    same_call(tmp_path / "forced", checkpoint_seconds=0)
    assert len(written) == 20


def test_checkpoints_that_take_long_become_rarer(tmp_path: Path, monkeypatch) -> None:
    now = [0.0]
    written: list[float] = []

    def write(*_: object) -> None:
        written.append(now[0])
        now[0] += 2.0

    def step(_: StepReport) -> None:
        now[0] += 5.0

    monkeypatch.setattr("nearkin.training.saving.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("nearkin.training.saving.write_checkpoint", write)
    same_call(tmp_path, checkpoint_seconds=20, on_step=step, plan=plan(steps=60))
    assert written[0] == 20
    assert np.diff(written).min() >= 2.0 / 0.02


def test_after_a_failure_the_last_good_checkpoint_is_kept(tmp_path: Path) -> None:
    def breaks_at(call: int) -> nn.Module:
        class Breaks(Triplet):
            calls = 0

            def measure(self, *arguments: Any, **keywords: Any) -> Any:
                self.calls += 1
                found = super().measure(*arguments, **keywords)
                return found._replace(value=found.value * float("nan")) if self.calls == call else found

        return Breaks()

    _, expected, _ = same_call(None, loss=breaks_at(99))
    words = r"the loss is nan, at step 6 of 20 .*; last good checkpoint: step 5 is kept in"
    with pytest.raises(TrainingFailed, match=words):
        same_call(tmp_path, loss=breaks_at(6))
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 5
    seen: list[int] = []
    _, net, _ = same_call(tmp_path, loss=breaks_at(99), on_step=lambda report: seen.append(report.step))
    assert seen[0] == 6
    assert bits(net) == bits(expected)


def test_a_failed_validation_is_tried_again(tmp_path: Path) -> None:
    _, expected, _ = same_call(None)
    with pytest.raises(
        TrainingFailed, match=r"the validation is nan, at step 7 of 20 .*; last good checkpoint: none had been written"
    ):
        same_call(tmp_path, validate=lambda _: float("nan"), checkpoint_seconds=1000)
    assert bits(same_call(tmp_path)[1]) == bits(expected)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    def poison(report: StepReport) -> None:
        if report.step == 5:
            with torch.no_grad():
                net[0].output.bias += torch.inf

    net = network(dropout=0.2)
    with pytest.raises(TrainingFailed, match="no longer finite, at step 5 of 20 .*step 4 is kept in"):
        same_call(tmp_path, net=net, on_step=poison)
    assert bits(same_call(tmp_path)[1]) == bits(same_call(None)[1])


def test_the_beginnings_that_a_kill_left_are_removed(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(9))
    (tmp_path / ".checkpoint.ckpt.0123.part").write_bytes(b"half")
    with pytest.raises(Interrupted):
        same_call(tmp_path, on_step=stop_at(12))
    assert not list(tmp_path.glob(".*"))
    (tmp_path / ".checkpoint.ckpt.4567.part").write_bytes(b"half")
    same_call(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
