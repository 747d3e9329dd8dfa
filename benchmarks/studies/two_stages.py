"""A pretrained backbone, frozen against frozen-then-unfrozen, on photos with seven images of each class to learn from.

Document 002's pipeline with the backbone at hand: MobileNetV2 with ImageNet weights, a linear embedding of 256 dimensions and
unit length, semi-hard triplets with margin 1, Euclidean distance. Of each class 7 images are trained on and vote (k = 7, weights
1/d), 3 others choose weights and the end of the first stage by the loss of their triplets, and 10 others ask.

    features      the backbone as it is, without a head
    frozen        the head alone, for as many steps as the other has in both stages; the best step by validation
    two stages    the head until the validation loss has not fallen by 0.1 % in `--patience` validations, then backbone and
                  head at a rate of their own; batch-norm statistics stay; the best step by validation

Both are the same run up to the end of the first stage. The split is the same for every seed; a seed draws the head's first
weights and the batches. Intervals are over classes and seeds.

    python benchmarks/studies/two_stages.py --data caltech101 --folder runs/two-stages
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nearkin.core import derived_seed, write_json
from nearkin.data import ImageSet, Split, data_root, load_images, make_split
from nearkin.evaluation import evaluate
from nearkin.losses import Triplet
from nearkin.networks import Backbone, EmbeddingHead, FineTuned, embed
from nearkin.statistics import difference, interval
from nearkin.training import History, ProgressBar, TrainingPlan, train

Array = np.ndarray
WEIGHTS = "weights/mobilenet_v2_imagenet_fp16.safetensors"
DIMENSIONS, KNOWN, HELD, ASKED, K = 256, 7, 3, 10, 7
SCORES = (f"knn@{K}-weighted", f"knn@{K}-weighted-top5")


def votes(rows: Array, images: ImageSet, split: Split) -> dict[str, Array]:
    """Whether each test image is named rightly, first and among five, by the votes of the training images."""
    found = evaluate(
        rows[split.test], images.labels[split.test], support=rows[split.train], support_labels=images.labels[split.train],
        at=(1,), knn=(K,), clustering=False,
    )  # fmt: skip
    return {name: found.queries[name] for name in SCORES}


def validated(rows: Array, labels: Array) -> float:
    """Minus the loss of all triplets of the validation images: it ends the first stage and chooses the weights."""
    found = Triplet(1.0, mining="all").measure(torch.from_numpy(rows), torch.from_numpy(labels))
    return -float(found.value)


def head_of(backbone: Backbone, features: Array, seed: int) -> EmbeddingHead:
    """The head with its first weights, on features standardised by the training images."""
    head = EmbeddingHead(backbone.features_size, DIMENSIONS, normalize=True, seed=derived_seed(seed, "head"))
    return head.standardise(features.mean(0).tolist(), (features.std(0) + 1e-6).tolist())


def made(
    options: argparse.Namespace, backbone: Backbone, pixels: Array, images: ImageSet, split: Split, seed: int
) -> dict[str, Any]:
    """Both arms of one seed: rows (N, 256) of all images of the split, and their histories."""
    held = images.labels[split.validation]
    features = embed(backbone.freeze(), pixels, batch_size=64)
    plan = TrainingPlan(
        steps=options.steps,
        classes_per_batch=options.classes_per_batch,
        images_per_class=4,
        learning_rate=options.learning_rate,
        validate_every=options.validate_every,
        seed=derived_seed(seed, "training"),
    )
    stages = replace(
        plan,
        unfreeze={"patience": options.patience, "learning_rate": options.second_rate, "latest": options.steps // 2},
    )
    labels = images.labels[split.train]
    head = head_of(backbone, features[split.train], seed)
    frozen = train(
        head, Triplet(1.0, mining="semi-hard"), features[split.train], labels, plan,
        validate=lambda net: validated(embed(net, features[split.validation]), held),
    )  # fmt: skip
    tuned = FineTuned(backbone, head_of(backbone, features[split.train], seed))
    folder = options.folder / f"{options.data}-{seed}"
    with ProgressBar(f"{options.data}, seed {seed}") as bar:
        both = train(
            tuned, Triplet(1.0, mining="semi-hard"), lambda places: pixels[split.train[places]], labels, stages,
            validate=lambda net: validated(embed(net, pixels[split.validation], batch_size=64), held),
            folder=folder, data="two stages", on_step=bar,
        )  # fmt: skip
    return {
        "features": (features, None),
        "frozen": (embed(head, features), frozen),
        "two stages": (embed(tuned, pixels, batch_size=64), both),
    }


def course(history: History | None) -> dict[str, Any]:
    """What a run did, as plain values."""
    if history is None:
        return {}
    return {
        "steps": history.steps,
        "best_step": history.best_step,
        "best_validation": history.best_validation,
        "unfrozen_at": history.unfrozen_at,
        "notes": list(history.notes),
        "seconds": history.seconds,
    }


def summed_up(tables: dict[str, dict[str, list[Array]]], classes: Array) -> dict[str, Any]:
    """Every arm with its interval, and the gains, over the seeds so far; printed."""
    found: dict[str, Any] = {}
    for score in SCORES:
        rows = {arm: np.stack(values[score]) for arm, values in tables.items()}
        for arm, table in rows.items():
            one = interval(table if arm != "features" else table[0], classes)
            found[f"{score}, {arm}"] = one.as_dict() if hasattr(one, "as_dict") else vars(one)
            print(
                f"{score:20s} {arm:12s} {one.estimate:.4f} [{one.low:.4f}, {one.high:.4f}]  by seed {table.mean(1).round(4).tolist()}",
                flush=True,
            )
        for a, b in (("two stages", "frozen"), ("frozen", "features")):
            gain = difference(rows[a], rows[b], classes, names=(a, b))
            found[f"{score}, {a} - {b}"] = vars(gain)
            p = "" if gain.p is None else f", p = {gain.p:.4f}"
            print(f"{score:20s} {a} - {b}: {gain.estimate:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]{p}", flush=True)
    return found


def main() -> None:
    """Run the seeds one after the other; the table is printed after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="caltech101", help="caltech101 or cub200-2010")
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--classes-per-batch", type=int, default=12)
    parser.add_argument("--validate-every", type=int, default=20)
    parser.add_argument("--patience", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="of the head, in the first stage")
    parser.add_argument("--second-rate", type=float, default=3e-4, help="of backbone and head, in the second")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/two-stages"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = load_images(options.data, size=(options.size, options.size))
    few = {
        "classes": options.classes,
        "images_per_class": KNOWN + HELD + ASKED,
        "train_per_class": KNOWN + HELD,
        "validation_per_class": HELD,
    }
    drawn = make_split(whole, "few-shot", seed=0, few_shot=few)
    chosen = np.concatenate([drawn.train, drawn.validation, drawn.test])
    images, ends = whole.take(chosen), np.cumsum([len(drawn.train), len(drawn.validation)])
    split = replace(drawn, train=np.arange(ends[0]), validation=np.arange(*ends), test=np.arange(ends[1], len(chosen)))
    pixels, classes = images.scaled(), images.labels[split.test]
    tables: dict[str, dict[str, list[Array]]] = {}
    courses = []
    for seed in options.seeds:
        started = time.process_time()
        backbone = Backbone("mobilenet_v2", data_root() / WEIGHTS, size=options.size)
        arms = made(options, backbone, pixels, images, split, seed)
        for arm, (rows, history) in arms.items():
            for score, values in votes(rows, images, split).items():
                tables.setdefault(arm, {}).setdefault(score, []).append(values)
            courses.append({"seed": seed, "arm": arm, **course(history)})
            print(json.dumps(courses[-1]), flush=True)
        print(f"{options.data}, seed {seed}: {time.process_time() - started:.0f} s of CPU", flush=True)
        found = {"options": {key: str(value) for key, value in vars(options).items()}, "courses": courses}
        found["scores"] = json.loads(json.dumps(summed_up(tables, classes), default=str))
        write_json(options.folder / f"{options.data}.json", found)


if __name__ == "__main__":
    main()
