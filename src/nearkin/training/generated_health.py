"""What goes wrong with generated negatives, seen in the log's columns and said in plain words [DML-14]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

COLLAPSED = 0.05
"""Share t of the way to the real negative under which generated negatives count as the anchor itself."""

UNCHANGED = 0.95
"""Share t above which they count as the real negative itself, if they also lie near the segment."""

NEAR = 0.05
"""Distance from the segment, in its lengths, that is still near it."""

NOISE = 0.5
CONSTANT = 0.98

Sign = Callable[[Mapping[str, float]], bool]

SIGNS: dict[str, tuple[Sign, str]] = {
    "collapse": (
        lambda seen: abs(seen["segment"]) < COLLAPSED and seen["off_segment"] < NOISE,
        "generated negatives are the anchor itself (t = {segment:.2f}), so they teach to push an image from itself: the "
        "generator has collapsed; raise lambda1 or lower lambda2",
    ),
    "unchanged": (
        lambda seen: seen["segment"] > UNCHANGED and seen["off_segment"] < NEAR,
        "generated negatives are the real ones (t = {segment:.2f}), so the generator has no effect; lower lambda1 or raise "
        "lambda2",
    ),
    "trivial": (
        lambda seen: seen["active_adversarial"] == 0,
        "J_adv was 0 in every row, so the generator is not asked for hard negatives at all; choose a margin well below a "
        "quarter of the typical squared distance of an anchor and a negative",
    ),
    "noise": (
        lambda seen: seen["off_segment"] > NOISE,
        "generated negatives lie {off_segment:.1f} times as far from the line between anchor and negative as these are "
        "apart: they are noise; raise lambda1, or use generator='residual'",
    ),
    "constant": (
        lambda seen: seen["cosine_generated"] > CONSTANT and seen["cosine_negatives"] < 0.9,
        "all generated negatives are almost one and the same vector (mean cosine {cosine_generated:.3f}, of the real ones "
        "{cosine_negatives:.3f}): the generator ignores its input",
    ),
    "useless": (
        lambda seen: seen["active_generated"] == 0,
        "no generated negative was hard enough to teach the metric anything; raise lambda2 or the margin of the base loss",
    ),
    "another class": (
        lambda seen: seen["kept_class"] < 0.5,
        "only a share of {kept_class:.2f} of the generated negatives still lie nearest to the class that they stand for; raise lambda1",
    ),
}
"""Signs of trouble by kind: when a step shows one, and what is said when it lasts."""


class GenerationHealth:
    """Watches generated negatives; a sign is spoken of once, when it has lasted `patience` steps in a row."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.lasting: dict[str, int] = {}

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return dict(self.lasting)

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.lasting = dict(state)

    def look(self, step: int, extra: Mapping[str, float]) -> list[tuple[str, str]]:
        """Kinds of trouble and their words after a step with the log's columns `extra`."""
        said = []
        for kind, (shows, words) in SIGNS.items():
            try:
                shown = shows(extra)
            except KeyError:  # not measured in this step
                shown = False
            self.lasting[kind] = self.lasting.get(kind, 0) + 1 if shown else 0
            if self.lasting[kind] >= self.patience:
                said.append(
                    (f"generated: {kind}", f"step {step}: for {self.lasting[kind]} steps {words.format(**extra)}")
                )
        return said
