"""The training loop: seeded, resumable to the bit, watched; plain PyTorch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from nearkin.core import InputTypeError, derived_seed
from nearkin.distances import is_shapeless
from nearkin.generation import Adversarial, WithMetricNetwork
from nearkin.training.augmentation import Augmentation
from nearkin.training.batches import Array, Batches, ImageSource, Sampler
from nearkin.training.generated_groups import prepare_generation
from nearkin.training.generated_step import take_generated_step
from nearkin.training.history import History
from nearkin.training.identity import identity_of
from nearkin.training.interruption import Interrupted, StopRequests
from nearkin.training.plan import TrainingPlan
from nearkin.training.progress import StepReport
from nearkin.training.run import Run
from nearkin.training.saving import Saver
from nearkin.training.shapes import give_shapes
from nearkin.training.step import Stepped, TrainingFailed, take_step
from nearkin.training.stopwatch import Stopwatch
from nearkin.training.unfreezing import Unfreezing, backbone_of, freeze

Validate = Callable[[nn.Module], float]
OnStep = Callable[[StepReport], None]


def train(
    network: nn.Module,
    loss: nn.Module,
    images: ImageSource,
    labels: Array,
    plan: TrainingPlan,
    *,
    sampler: Sampler | None = None,
    validate: Validate | None = None,
    folder: Path | str | None = None,
    data: str = "",
    on_step: OnStep | None = None,
    checkpoint_seconds: float = 20.0,
) -> History:
    """Train network and loss in place and return the history; both then have the best weights.

    network, loss: modules; the loss is one of nearkin's (`loss.measure(embeddings, labels, generator=...)`). The
                   parameters of both are trained, those of the loss's distance too. With
                   `nearkin.generation.Adversarial` the network is `loss.network(features, dimensions)`, and the steps are
                   those of `take_generated_step`
    images:        the training images, floating, (N, C, H, W), or a pure function from positions (B,) to (B, C, H, W)
    labels:        (N,) integers
    sampler:       None: `nearkin.data.PKSampler` with the plan's P and K; one of your own draws positions of `plan.labels_of(labels)`
    validate:      network (in evaluation mode) -> a number, larger is better, on images that are neither trained on
                   nor tested on. Without it the last weights are the result
    folder:        where checkpoints and the outcome live. The same call on the same folder goes on after a Ctrl-C,
                   a SIGTERM or a kill and ends with the bits of a run that was never stopped (on a CPU, with as many
                   threads); a finished run is read back. Without a folder nothing is written. One process at a time
    data:          a name or hash of the data and of how it is validated, part of what makes a run the same run;
                   beside it the plan, the texts and initial weights of network and loss, the labels and the first
                   batch are compared
    on_step:       called after every step, e.g. a `ProgressBar`
    checkpoint_seconds: least time between two checkpoints, longer where writing is slow, so that it takes at most
                   2 % of the time. A run shorter than this writes none: it is repeated instead. 0 writes one a step

    Files:   network.safetensors, loss.safetensors (where the loss has weights), curves.csv, training.json; on the
             way checkpoint.ckpt and checkpoint-previous.ckpt
    Random:  one seed makes the run. Miners' numbers, the plan's augmentation, and what a network draws from torch's
             global stream (dropout) are seeded from (plan.seed, step); the global stream is given back as it was
    Errors:  InputError for what does not fit, and for another run in the folder; TrainingFailed when loss or weights
             are no longer finite, the last good checkpoint kept; Interrupted (a KeyboardInterrupt) after Ctrl-C or
             SIGTERM, everything saved
    """
    if not callable(getattr(loss, "measure", None)):
        raise InputTypeError(f"loss must be a loss of nearkin, with a measure(embeddings, labels), got {loss!r}")
    batches = Batches(images, labels, sampler, plan)
    if isinstance(loss, Adversarial):
        prepare_generation(network, loss, torch.from_numpy(batches.labels))
    if isinstance(plan.unfreeze, Unfreezing):
        freeze(network, plan.unfreeze, validated=validate is not None)
    network.to(batches.device)
    loss.to(batches.device)
    if is_shapeless(loss):
        give_shapes(network, loss, batches.first())
    saver = None
    if folder is not None:
        identity = identity_of(network, loss, batches.labels, batches.first(), plan, data)
        saver = Saver(folder, checkpoint_seconds, identity)
    history = None if saver is None else saver.finished(network, loss)
    if history is None:
        history = _trained(Run(network, loss, plan), batches, validate, saver, on_step)
    elif history.unfrozen_at is not None:
        backbone_of(network).unfreeze()
    network.eval()
    loss.eval()
    return history


def _trained(
    run: Run, batches: Batches, validate: Validate | None, saver: Saver | None, on_step: OnStep | None
) -> History:
    with StopRequests() as requests, _own_random_stream(batches.device):
        if saver is not None:
            saver.resume(run)
        _loop(run, batches, validate, saver, on_step, requests)
        run.take_best()
        history = run.history()
        if saver is not None:
            saver.finish(run, history)
    if requests.requested:
        raise _interrupted(run, saver)
    return history


def _loop(
    run: Run,
    batches: Batches,
    validate: Validate | None,
    saver: Saver | None,
    on_step: OnStep | None,
    requests: StopRequests,
) -> None:
    """Steps until the run is over; after each one the run can be left and taken up again."""
    clock, watch = _Clock(run), Stopwatch(batches.device, run.spent)
    upcoming = batches.after(run.epoch, run.position)
    run.network.train()
    run.loss.train()
    while run.stopped is None:
        number = run.step + 1
        try:
            watch.begin(number)
            report = _advance(run, batches, next(upcoming), validate, clock, watch)
            if on_step is not None:
                on_step(report)
            leaving = requests.requested and run.stopped is None
            if saver is not None:
                saver.save_when_due(run, at_once=leaving)
        except TrainingFailed as error:
            raise _explained(error, number, run, saver) from None
        if leaving:
            raise _interrupted(run, saver)


def _advance(
    run: Run,
    batches: Batches,
    upcoming: tuple[int, int, Array],
    validate: Validate | None,
    clock: _Clock,
    watch: Stopwatch,
) -> StepReport:
    epoch, place, positions = upcoming
    found = _step(run, batches, positions, watch)
    run.step, run.epoch, run.position = run.step + 1, epoch, place + 1
    notes = run.health.look(run.step, batches.labels[positions], found, run.loss)
    run.notes += notes
    run.record(
        step=run.step, epoch=epoch, loss=found.loss, active=found.active,
        positive=found.positive, negative=found.negative, **found.extra,
    )  # fmt: skip
    watch.ends("other")
    validation = _validation(run, validate)
    changes = run.unfreeze_when_due()
    run.notes += changes
    run.seconds = run.rows["seconds"][-1] = clock.seconds()
    return StepReport(
        step=run.step,
        steps=run.plan.steps,
        epoch=epoch,
        loss=found.loss,
        active=found.active,
        positive=found.positive,
        negative=found.negative,
        validation=validation,
        seconds_left=clock.left(),
        notes=(*notes, *changes),
    )


def _step(run: Run, batches: Batches, positions: Array, watch: Stopwatch) -> Stepped:
    step = run.step + 1
    _seed_global_stream(batches.device, derived_seed(run.plan.seed, "network", step))
    generator = torch.Generator().manual_seed(derived_seed(run.plan.seed, "loss", step))
    images, labels = batches.load(positions)
    if isinstance(run.plan.augmentation, Augmentation):
        drawing = torch.Generator().manual_seed(derived_seed(run.plan.seed, "augmentation", step))
        images = run.plan.augmentation(images, drawing)
    watch.ends("input")
    if isinstance(run.loss, Adversarial) and isinstance(run.network, WithMetricNetwork):
        found = take_generated_step(
            run.network, run.loss, images, labels, run.optimizer, run.plan, step, generator=generator
        )
        watch.ends("network and loss")
        return found
    return take_step(
        run.network, run.loss, images, labels, run.optimizer, run.plan, step,
        generator=generator, watch=watch, positions=torch.as_tensor(positions),
    )  # fmt: skip


def _validation(run: Run, validate: Validate | None) -> float | None:
    """The validation due at this step, if any; the weights must be finite then, validation or not."""
    if run.step % run.plan.validate_every and run.step != run.plan.steps:
        return None
    if not run.is_finite():
        raise TrainingFailed("the weights are no longer finite")
    if validate is None:
        return None
    run.network.eval()
    with torch.no_grad():
        value = float(validate(run.network))
    run.network.train()
    if not math.isfinite(value):
        raise TrainingFailed(f"the validation is {value}")
    run.validated(value)
    return value


def _explained(error: TrainingFailed, number: int, run: Run, saver: Saver | None) -> TrainingFailed:
    """The failure of step `number` in full."""
    kept = "nothing is saved without a folder" if saver is None else saver.failed(run)
    return TrainingFailed(
        f"{error}, at step {number} of {run.plan.steps} (learning rate {run.plan.learning_rate:g}); {kept}. "
        "A lower learning_rate or a gradient_clip may help"
    )


def _interrupted(run: Run, saver: Saver | None) -> Interrupted:
    return Interrupted(run.step, run.plan.steps, None if saver is None else saver.folder)


class _Clock:
    """Time spent on a run, in this session and before, and an estimate of what is left."""

    def __init__(self, run: Run) -> None:
        self.run, self.before, self.first = run, run.seconds, run.step
        self.begun = time.perf_counter()

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.begun

    def left(self) -> float:
        here = time.perf_counter() - self.begun
        return here / max(self.run.step - self.first, 1) * (self.run.plan.steps - self.run.step)


def _seed_global_stream(device: torch.device, seed: int) -> None:
    """Seed what dropout draws from; only inside `_own_random_stream`."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def _own_random_stream(device: torch.device) -> Iterator[None]:
    """Whatever is drawn from torch's global stream inside leaves it outside as it was."""
    cuda = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield
