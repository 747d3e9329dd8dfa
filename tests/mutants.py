"""Small mistakes planted one at a time in a copy of the package; the tests of the room must notice each.

    python tests/mutants.py [--only TEXT] [--list]

Every mutant runs in a process of its own, forked after torch was loaded, on the fast tests of its file. Printed is what
became of it: killed, or survived. A survivor is a test that is missing, unless its `equivalent` says why nothing can
notice. The check values on disk are not used: the oracles must do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "nearkin"
LIMIT = 600
"""Seconds after which a mutant that does not end counts as killed."""

LOADED_ONCE = (
    "numpy",
    "torch",
    "torch.distributed",
    "torch._dynamo",
    "hypothesis.strategies",
    "pytest",
    "sklearn.metrics",
)
"""What all tests import, before the forks."""


@dataclass(frozen=True)
class Mutant:
    """One replacement in one file; `before` stands there exactly once."""

    file: str
    before: str
    after: str
    equivalent: str = ""

    @property
    def title(self) -> str:
        return f"{self.file}: {' '.join(self.before.split())[:60]} -> {' '.join(self.after.split())[:60]}"

    @property
    def tests(self) -> list[list[str]]:
        """Arguments of pytest, runs one after the other until one fails."""
        best = max((place for place in TESTS if self.file.startswith(place)), key=len)
        return TESTS[best]

    def mutated(self) -> str:
        """The file's text with the mistake in it."""
        text = (PACKAGE / self.file).read_text()
        return text.replace(self.before, self.after)

    @property
    def fits(self) -> bool:
        """Whether the line is still there; a mutant that does not fit must be written anew."""
        path = PACKAGE / self.file
        return path.exists() and path.read_text().count(self.before) == 1


FORMULAS = ["tests/losses/test_formulas.py", "tests/losses/test_known_defects.py"]
ENGINE = ["tests/losses/test_reductions.py", "tests/losses/test_engine.py", "tests/losses/test_call.py", *FORMULAS]
CLOSED_PAIRS = "tests/losses/test_pair_losses_closed.py"
SWEEP = "tests/sweeps/test_losses.py"
IN_PLACE = "tests/losses/test_in_place.py"
SOME_LOSSES = "contrastive or n-pair or network or liar or sweep"

TESTS: dict[str, list[list[str]]] = {
    "core/tensors.py": [[*ENGINE, "tests/mining/test_miners.py"], [SWEEP, "-k", SOME_LOSSES]],
    "distances/": [["tests/distances"], [SWEEP, "-k", "every_mode and contrastive"]],
    "pairs/": [["tests/pairs", "tests/losses/test_call.py"], [SWEEP, "-k", "n-pair"]],
    "mining/": [["tests/mining", "tests/losses/test_formulas.py"], [SWEEP, "-k", "triplet and not tuple"], [IN_PLACE]],
    "distances/in_place.py": [["tests/distances"], [IN_PLACE]],
    "losses/closed.py": [[IN_PLACE], [CLOSED_PAIRS]],
    "losses/kin.py": [["tests/losses/test_kin.py"]],
    "losses/cosine_matrix.py": [["tests/losses/test_proxies.py"]],
    "losses/class_rows.py": [["tests/losses/test_proxies.py"]],
    "losses/soft_triple.py": [["tests/losses/test_proxies.py"]],
    "losses/": [ENGINE, [SWEEP, "-k", SOME_LOSSES]],
    "losses/contrastive.py": [[*FORMULAS, "tests/losses/test_call.py", CLOSED_PAIRS], [SWEEP, "-k", "contrastive"]],
    "losses/ranked_list.py": [[CLOSED_PAIRS]],
    "losses/fast_ap.py": [["tests/losses/test_rankings.py"]],
    "losses/triplet.py": [[*FORMULAS, "tests/losses/test_call.py"], [SWEEP, "-k", "triplet and not network and not tuple"], [IN_PLACE]],
    "losses/closed_sweep.py": [["tests/losses/test_closed.py", "tests/losses/test_finite.py"], [IN_PLACE]],
    "losses/call.py": [["tests/losses/test_closed.py", "-k", "begin or lead or left_out or how_many"], ENGINE],
    "losses/closed_rows.py": [["tests/losses/test_mild.py"], ["tests/losses/test_closed.py", "-k", "begin or lead or left_out"]],
    "losses/engine.py": [["tests/losses/test_mild.py"], ENGINE, [SWEEP, "-k", SOME_LOSSES]],
    "losses/memory_bank.py": [["tests/losses/test_memory_bank.py"]],
    "core/buffers.py": [["tests/core/test_buffers.py"]],
    "losses/triplet_network.py": [FORMULAS, [SWEEP, "-k", "network"], [IN_PLACE]],
    "losses/n_pair.py": [FORMULAS, [SWEEP, "-k", "n-pair"]],
    "losses/tuple_triplet.py": [FORMULAS, [SWEEP, "-k", "tuple-triplet"]],
    "losses/combined_negatives.py": [FORMULAS, [SWEEP, "-k", "combined"]],
    "decision/": [["tests/decision"]],
    "decision/class_bound.py": [["tests/decision/test_promise.py"]],
    "decision/leaving_out.py": [["tests/decision/test_choosing.py", "tests/decision/test_probability.py"]],
    "decision/nearest.py": [["tests/decision/test_nearest.py"]],
    "decision/otsu.py": [["tests/decision/test_thresholds.py"]],
    "decision/probability.py": [["tests/decision/test_probability.py"]],
    "decision/promise.py": [["tests/decision/test_promise.py"]],
    "decision/reliability.py": [["tests/decision/test_reliability.py"]],
    "decision/rules.py": [["tests/decision/test_thresholds.py"]],
    "decision/votes.py": [["tests/evaluation/test_knn.py", "tests/gallery/test_answers.py"]],
    "embedding/": [["tests/embedding/test_preprocessing.py", "tests/embedding/test_descriptor.py", "tests/embedding/test_runners.py", "tests/embedding/test_model_folder.py"]],
    "gallery/": [["tests/gallery/test_store.py", "tests/gallery/test_revisions.py", "tests/gallery/test_vectors.py"]],
    "gallery/collecting.py": [["tests/gallery/test_collecting.py"]],
    "gallery/reading.py": [["tests/gallery/test_collecting.py"]],
    "gallery/deciding.py": [["tests/gallery/test_answers.py"]],
    "gallery/enrolling.py": [["tests/gallery/test_staging.py"]],
    "gallery/index.py": [["tests/gallery/test_index.py"]],
    "gallery/purging.py": [["tests/gallery/test_purging.py"]],
    "gallery/searching.py": [["tests/gallery/test_index.py"]],
    "gallery/staging.py": [["tests/gallery/test_staging.py"]],
    "evaluation/": [["tests/evaluation", "--deselect", "tests/evaluation/test_records.py::test_memory_stays_by_the_block_not_by_the_square"]],
}  # fmt: skip

CONTRASTIVE = [
    Mutant("losses/contrastive.py", "block.distances.square() / 2, push", "block.distances.square(), push"),
    Mutant("losses/contrastive.py", "push.square() / 2", "push / 2"),
    Mutant(
        "losses/contrastive.py",
        "torch.relu((self.margin - block.distances) +",
        "((self.margin - block.distances) +",
    ),
    Mutant(
        "losses/contrastive.py",
        "torch.relu((block.distances - self.positive_margin)",
        "torch.relu((block.distances + self.positive_margin)",
    ),
    Mutant("losses/contrastive.py", "gap.add_(torch.sign(", "gap.sub_(torch.sign("),
    Mutant(
        "losses/contrastive.py",
        ".sub_(unrounded(self.positive_margin, near.dtype))",
        ".add_(unrounded(self.positive_margin, near.dtype))",
    ),
    Mutant("losses/ranked_list.py", "(d - inner) - nearer", "(d - inner) + nearer"),
    Mutant("losses/ranked_list.py", "alpha=unrounded(border, peak.dtype)", "alpha=-unrounded(border, peak.dtype)"),
    Mutant("losses/ranked_list.py", "sub_(torch.sign(beyond)", "sub_(torch.ones_like(beyond)"),
    Mutant("losses/fast_ap.py", "torch.where(there, centre, middle)", "middle"),
    Mutant("losses/fast_ap.py", "exact.floor() + 0.5", "exact.floor()"),
    Mutant("losses/fast_ap.py", "0.5 - self.bins * ROUNDING[torch.float32]", "0.5"),
    Mutant(
        "losses/contrastive.py",
        "_terms(pull, block.positives, weights), _terms(push, block.negatives, block.negatives)",
        "_terms(pull, block.negatives, block.negatives), _terms(push, block.positives, weights)",
    ),
    Mutant(
        "losses/contrastive.py", "kept = torch.where(mask, values * weights, 0)", "kept = torch.where(mask, values, 0)"
    ),
    Mutant(
        "losses/contrastive.py",
        "added(torch.where(kept > 0, weights, 0).sum(1))",
        "added(torch.where(kept >= 0, weights, 0).sum(1))",
    ),
    Mutant("losses/contrastive.py", "return totals.sum() / 2", "return totals.sum()"),
    Mutant(
        "losses/contrastive.py", "kin = (given != 0) == (different is None)", "kin = (given != 0) == (same is None)"
    ),
    Mutant("losses/contrastive.py", '"mean_nonzero" if linear else "mean"', '"mean"'),
]
TRIPLET = [
    Mutant("losses/triplet.py", "excess = z + self.margin", "excess = z - self.margin"),
    Mutant("losses/triplet.py", "return hinge, hinge.sign()", "return hinge, (excess >= 0).to(z.dtype)"),
    Mutant("losses/triplet.py", "Pairs(negative, -push)", "Pairs(negative, push)"),
    Mutant("losses/triplet.py", "added(z > -torch.inf)", "z.numel()"),
    Mutant("losses/triplet.py", "excess = torch.where(z < 0, excess, -1)", "excess = torch.where(z <= 0, excess, -1)"),
    Mutant("losses/triplet.py", "return hinge.square(), 2 * hinge", "return hinge.square(), hinge"),
    Mutant(
        "losses/triplet.py",
        "return log1p_exp(z), torch.sigmoid(z)",
        "return log1p_exp(z), torch.sigmoid(-z)",
    ),
    Mutant("losses/triplet.py", "            count = active\n", "            pass\n"),
    Mutant(
        "losses/triplet.py",
        "z = block.distances.gather(1, positive) - block.distances.gather(1, negative)",
        "z = block.distances.gather(1, negative) - block.distances.gather(1, positive)",
    ),
    Mutant(
        "losses/triplet.py", "- block.distances.gather(1, negative)", "- block.distances.detach().gather(1, negative)"
    ),
    Mutant(
        "losses/triplet.py",
        "valid if block.weights is None else block.weights.gather(1, positive) * valid",
        "valid if block.weights is None else block.weights.gather(1, negative) * valid",
    ),
    Mutant("losses/triplet.py", "added(torch.where(kept > 0, weights, 0).sum(1))", "added((kept > 0).sum(1))"),
    Mutant(
        "losses/triplet.py",
        "kept = torch.where(valid, self.term(z)[0] * weights, 0)",
        "kept = self.term(z)[0] * weights.clamp(min=1)",
    ),
]
OTHER_LOSSES = [
    Mutant("losses/triplet_network.py", "value = self.scale * share.square()", "value = self.scale * share"),
    Mutant("losses/triplet_network.py", "2 * value * (1 - share)", "2 * value * share"),
    Mutant("losses/triplet_network.py", "share = torch.sigmoid(z)", "share = torch.sigmoid(-z)"),
    Mutant("losses/triplet_network.py", "scale: float = 2.0", "scale: float = 1.0"),
    Mutant("losses/n_pair.py", "masked_logsumexp(-block.distances, block.negatives)", "masked_logsumexp(-block.distances, block.negatives | block.positives)"),
    Mutant("losses/n_pair.py", "z = block.distances + torch.where", "z = -block.distances + torch.where"),
    Mutant("losses/n_pair.py", "log1p_exp(torch.where(valid, z, 0))", "torch.where(valid, z, 0)"),
    Mutant("losses/n_pair.py", "Terms(added(kept.sum(1)), added((valid * weights).sum(1)))", "Terms(added(kept.sum(1)), added(weights.sum(1)))"),
    Mutant("losses/n_pair.py", "both * weights * (self.l2 / 2)", "both * weights * (self.l2 / 4)"),
    Mutant("losses/n_pair.py", "block.anchors.square().sum(1, keepdim=True) + norms", "norms"),
    Mutant("losses/n_pair.py", "norms = torch.cat([norms, block.own.square().sum(2)], 1)", "norms = torch.cat([norms, block.own.sum(2)], 1)"),
    Mutant("losses/tuple_triplet.py", "Triplet(self.margin)", "Triplet()"),
    Mutant("losses/tuple_triplet.py", "    tuples = True", "    tuples = False"),
    Mutant("losses/combined_negatives.py", "sign = 1 if self.printed else -1", "sign = -1 if self.printed else 1"),
    Mutant("losses/combined_negatives.py", "valid = block.positives & some", "valid = block.positives"),
    Mutant("losses/combined_negatives.py", "torch.sigmoid(-z if self.printed else z)", "torch.sigmoid(z)"),
    Mutant("losses/combined_negatives.py", "distances = self.scale * block.distances", "distances = block.distances"),
]  # fmt: skip
ENGINE_ROOM = [
    Mutant("losses/engine.py", "term.count.detach().to", "term.count.to", "the divisor is detached once more where it divides"),
    Mutant("losses/engine.py", "sums[2] if self.reduction", "sums[1] if self.reduction"),
    Mutant("losses/engine.py", 'if self.reduction == "sum":\n            return totals.sum()', 'if self.reduction == "sum":\n            return totals.mean()'),
    Mutant("losses/engine.py", "eager = self.parts == 1 and row is None", "eager = self.parts == 1", "one total may have its gradient made early after a first sweep too: a matter of when"),
    Mutant("losses/engine.py", "eager = self.parts == 1 and row is None", "eager = row is None"),
    Mutant("losses/engine.py", "+ attached for term in several", "for term in several"),
    Mutant("losses/engine.py", "if int(self.block_size) < anchors else None", "if int(self.block_size) <= anchors else None", "a block of all anchors is the dense form either way"),
    Mutant("losses/block_sweep.py", "positives = torch.cat([positives, call.own.positives[start:stop]], 1)", "positives = torch.cat([positives, call.own.positives[: stop - start]], 1)"),
    Mutant("losses/block_sweep.py", "call.noise[start:stop]", "call.noise[: stop - start]"),
    Mutant("losses/block_sweep.py", "weights.new_ones(own.shape[:2])", "weights.new_zeros(own.shape[:2])"),
    Mutant("losses/block_sweep.py", "distance.link(squared, views.norms[:, None], views.reference_norms[None])", "distance.link(squared, views.reference_norms[None], views.norms[:, None])"),
    Mutant("losses/engine.py", "distances = block.distances.detach()\n        columns", "distances = block.distances\n        columns", "the engine reads only the first total of measured sums back into the graph"),
    Mutant("losses/blocks.py", "CUT = 5", "CUT = 4"),
    Mutant("losses/blocks.py", "g * scale.to(g.dtype)", "g"),
    Mutant("losses/blocks.py", "raise RuntimeError(\"the blocked form", "pass\n        if False:\n            raise RuntimeError(\"the blocked form"),
    Mutant("losses/blocks.py", "outer[0][start : start + len(result)] if rows", "outer[0][: len(result)] if rows"),
    Mutant("losses/blocks.py", "range(0, count, self.size)", "range(0, count - 1, self.size)"),
    Mutant("losses/blocks.py", "(total[start:stop] if i < CUT else total)", "(total[: stop - start] if i < CUT else total)"),
    Mutant("losses/call.py", "other = ids[start:stop, None] != others", "other = ids[start:stop, None] == others"),
    Mutant("losses/call.py", "negatives=relation.negatives & other", "negatives=relation.negatives"),
    Mutant("losses/call.py", "positives=relation.positives & other", "positives=relation.positives"),
    Mutant("losses/call.py", " and torch.equal(self.embeddings, others[:count])", ""),
    Mutant("losses/call.py", "return torch.equal(ids, other_ids[:count]) and ", "return "),
    Mutant("losses/call.py", "2 * others.shape[0]", "others.shape[0]"),
    Mutant("core/buffers.py", ' or self.like.device.type != "cpu"', ""),
    Mutant("losses/closed_rows.py", "first = 0 if call.leads else None", "first = 0"),
    Mutant("losses/memory_bank.py", "start = (batch.written + count - kept) % self.size", "start = batch.written % self.size"),
    Mutant("losses/memory_bank.py", "memory[: kept - head] = seen[count - kept + head :]", "pass"),
    Mutant("losses/memory_bank.py", "-1 - self.written", "-1"),
    Mutant("core/buffers.py", "if each.numel() >= size", "if each.numel() >= 0"),
    Mutant("core/buffers.py", "self.idle.pop(", "self.idle.__getitem__("),
    Mutant("core/buffers.py", "with torch.inference_mode(False):", "if True:"),
    Mutant("core/buffers.py", "            self._lent = []", "            pass"),
    Mutant("core/buffers.py", "> KEPT", "> 2 * KEPT"),
    Mutant("mining/workspace.py", "self._buffers.clear()", "pass"),
    Mutant("losses/call.py", "ids = others[self.first : self.first + len(self.anchors)]", "ids = others[self.first : self.first + len(self.anchors)] + 1"),
    Mutant("losses/given.py", "return embeddings[anchor], Own.triplets(columns[positive], columns[negative])", "return embeddings[anchor], Own.triplets(columns[negative], columns[positive])"),
    Mutant("losses/given.py", "columns = embeddings if references is None else references", "columns = embeddings"),
    Mutant("core/tensors.py", "masked_fill(~mask, -torch.inf).masked_fill(~some[:, None], 0)", "masked_fill(~mask, -torch.inf)", "recent torch gives the logarithm of an empty sum a slope of 0 by itself"),
    Mutant("core/tensors.py", "torch.where(best & mask, order, best.shape[1]).amin(1)", "torch.where(best & mask, order, -1).amax(1)"),
    Mutant("core/tensors.py", "return values.sum(dtype=torch.float32 if", "return values.sum(dtype=values.dtype if values.is_floating_point() else torch.float32 if"),
]  # fmt: skip
MINING = [
    Mutant("mining/nearest.py", "place = torch.searchsorted(ordered, border.contiguous(), right=True)", "place = torch.searchsorted(ordered, border.contiguous(), right=False)"),
    Mutant("mining/nearest.py", "far.sort(dim=1, stable=True)", "far.sort(dim=1, stable=False)"),
    Mutant("mining/nearest.py", "_ordered(near, None).add_(1)", "_ordered(near, None)"),
    Mutant("mining/nearest.py", "(chosen > near) & (chosen < torch.inf)", "chosen > near"),
    Mutant("mining/semi_hard.py", "farthest, some = masked_argmax(distances, negatives)", "farthest, some = masked_argmax(-distances, negatives)"),
    Mutant("mining/semi_hard.py", "valid & some[:, None]", "valid"),
    Mutant("mining/semi_hard.py", 'self.fallback == "skip" or bool(farther.all())', "bool(farther.all())"),
    Mutant("mining/semi_hard.py", 'self.fallback == "skip" or bool(farther.all())', 'self.fallback == "skip"', "where every positive has a farther negative nobody falls back"),
    Mutant("mining/semi_hard.py", "far.masked_fill_(far == torch.inf, -torch.inf)", "far"),
    Mutant("mining/semi_hard.py", "torch.where(z < torch.inf, z, -torch.inf)", "z"),
    Mutant("mining/batch_hard.py", "highest(near)", "lowest(near)"),
    Mutant("mining/batch_hard.py", "lowest(far)", "lowest(-far)"),
    Mutant("mining/batch_hard.py", "masked_argmax(distances, positives)", "masked_argmin(distances, positives)"),
    Mutant("mining/batch_hard.py", "masked_argmin(distances, negatives)", "masked_argmax(distances, negatives)"),
    Mutant("mining/batch_hard.py", "(has_positive & has_negative)", "(has_positive | has_negative)"),
    Mutant("mining/random.py", "_drawn(negatives, noise[:, self.triplets :])", "_drawn(negatives, noise[:, : self.triplets])"),
    Mutant("mining/random.py", "rank + 1)", "rank)"),
    Mutant("mining/all_triplets.py", "to_far -= slope", "to_far += slope"),
    Mutant("mining/all_triplets.py", "to_near[:, k] = slope.sum(1)", "to_near[:, k] = slope.mean(1)"),
    Mutant("mining/all_triplets.py", "torch.gt(value, 0, out=flags)", "torch.ge(value, 0, out=flags)"),
    Mutant("mining/all_triplets.py", "value = torch.where(positives[:, :, None] & negatives[:, None, :], value, 0)", "value = torch.where(positives[:, :, None], value, 0)"),
    Mutant("mining/counted.py", "-added(values) - added(moved * below)", "-added(values)"),
    Mutant("mining/counted.py", "found.active + missing.active()", "found.active"),
    Mutant("mining/counted.py", "found.total + missing.total(squared)", "found.total"),
    Mutant("mining/counted.py", "numbers.after(start)", "numbers"),
    Mutant("mining/counted.py", "positives=torch.empty_like(near).index_copy_(0, order, found.positives)", "positives=found.positives"),
    Mutant("mining/counted.py", "near, index = near[order], index[order]", "near = near[order]"),
    Mutant("mining/doubts.py", "pushed = -moved if link is None else link(-moved[:, None], far[:, None])[:, 0]", "pushed = -moved"),
    Mutant("mining/doubts.py", "_add(positives, self.numbers, self.slots, moved)", "_add(positives, self.rows, self.slots, moved)"),
    Mutant("mining/doubts.py", "_add(slope, self.rows, self.columns, pushed)", "_add(slope, self.numbers, self.columns, pushed)"),
    Mutant("mining/doubts.py", "np.zeros(len(which)) if sure else", "np.zeros(len(which)) if not sure else"),
    Mutant("mining/doubts.py", "2 * self.weight * self.excess if squared", "self.weight * self.excess if squared"),
    Mutant("mining/doubts.py", "np.square(self.excess) if squared", "self.excess if squared"),
    Mutant("mining/doubts.py", "rows = number if order is None else order.cpu().numpy()[number]", "rows = number"),
    Mutant("mining/doubts.py", "number, columns, far = (each[part] for each in several)", "number, columns, far = several"),
    Mutant("mining/doubts.py", "self.slack[start:stop]", "self.slack[: stop - start]"),
    Mutant("mining/doubts.py", "self.top[start:stop]", "self.top[: stop - start]"),
    Mutant("mining/doubts.py", "top.masked_fill_(top == -torch.inf, 0)", "top"),
    Mutant("mining/doubts.py", "exact.masked_fill_(exact == torch.inf, 0)", "exact"),
    Mutant("mining/rows.py", "slope = self.link(slope, far)", "slope = slope"),
    Mutant("mining/rows.py", "                    self.slope[some] = slope\n", "                    pass\n"),
    Mutant("mining/rows.py", "self.slope.index_copy_(0, self.order[some], slope)", "self.slope[some] = slope"),
    Mutant("mining/rows.py", "torch.index_select(self.far, 0, self.order[some], out=far)", "far.copy_(self.far[some])"),
    Mutant("mining/places.py", "edges[:, 1:].ravel() if self.full", "edges.ravel() if self.full", "a row's first edge is no cell of any number but those below all thresholds, which are looked at once more"),
    Mutant("mining/places.py", "if self.full else edges[self.rising[rows] > -np.inf]", "if True else edges[self.rising[rows] > -np.inf]", "cells too many are looked at once more"),
    Mutant("mining/places.py", "low = low - self.slack", "low = low + 0"),
    Mutant("losses/closed.py", "far.view(-1).index_fill_(0, self.kin, torch.inf)", "far.view(-1).index_fill_(0, self.kin, 0)"),
    Mutant("losses/closed_sweep.py", "self.measured or distances.form.relative", "distances.form.relative"),
    Mutant("losses/closed_sweep.py", "self.measured or distances.form.relative", "self.measured"),
    Mutant("losses/triplet_network.py", "found.slope.mul_(self.scale)", "pass"),
    Mutant("distances/groups.py", "close = found <= (norms", "close = found < (norms"),
    Mutant("distances/groups.py", "found.amin() > share", "found.amin() >= share"),
    Mutant("distances/in_place.py", "distances.add_(distances == 0)  # padding", "pass"),
    Mutant("distances/in_place.py", "distances.add_(distances == 0)  # rows that are alike", "pass  #"),
    Mutant("distances/in_place.py", "self.near[0].shape[0] or self.kernel.extremes[0] == 0", "self.kernel.extremes[0] == 0"),
    Mutant("distances/in_place.py", "or self.kernel.extremes[0] == 0:", "or False:"),
    Mutant("distances/in_place.py", "if self.near is None or self.near[0].shape[0] or", "if self.near is not None and self.near[0].shape[0] or"),
    Mutant("distances/in_place.py", "distances.masked_fill_(distances == 0, 1)", "pass"),
    Mutant("distances/in_place.py", "near.add_(near == 0)", "near"),
    Mutant("distances/in_place.py", "columns.copy_(rows.clone().T.contiguous())", "pass"),
    Mutant("mining/passes.py", "-added(self.values) - added(self.counts.T * hinge.below(hinge.near))", "-added(self.values)"),
    Mutant("mining/passes.py", "slope.sub_(flags)", "slope.add_(flags)"),
    Mutant("mining/passes.py", "mul_(-2 if hinge.squared else -1)", "mul_(-1)"),
    Mutant("mining/passes.py", "if not torch.equal(maybe, flags):", "if False:"),
    Mutant("mining/doubts.py", "(apart < hinge.margin) & (apart > 0) if hinge.band", "(apart < hinge.margin) if hinge.band"),
    Mutant("distances/rows.py", "cast(_as_wide(rows, dtype) - shift, dtype)", "cast(rows - shift, dtype)"),
    Mutant("distances/groups.py", "both = taken + taken.mT", "both = 2 * taken"),
    Mutant("losses/closed_sweep.py", "if abs(self.value) > self.most", "if abs(self.value) > math.inf"),
    Mutant("mining/settling.py", "several = close.sum(1)[rows] > 1", "several = close.sum(1)[rows] > 2"),
    Mutant("mining/settling.py", "first = found == least[rows]", "first = found >= least[rows]"),
    Mutant("mining/settling.py", "exact <= border[asked]", "exact < border[asked]"),
    Mutant("mining/settling.py", "values[left] <= best * step", "values[left] <= best"),
    Mutant("mining/settling.py", "left = left[~found[left]]", "left = left[:0]"),
    Mutant("mining/settling.py", "most -= len(pairs)", "most -= 0"),
    Mutant("mining/nearest.py", "keys - ULPS[near.dtype], keys)", "keys, keys)"),
    Mutant("mining/nearest.py", "(found.least < 2 * ulps)", "(found.least < 0)"),
    Mutant("mining/nearest.py", "(found.following - found.least <= ulps)", "(found.following - found.least < 0)"),
    Mutant("mining/nearest.py", "alike = (following <= answer * step)", "alike = (following < answer)"),
    Mutant("mining/doubts.py", "torch.float64: 2.0**-40", "torch.float64: 0.0"),
    Mutant("mining/doubts.py", "plain.narrowed(slack), plain, plain.narrowed(-slack)", "plain, plain, plain"),
    Mutant("mining/places.py", "place -= rising[place] > values", "place -= rising[place] >= values"),
    Mutant("mining/all_triplets.py", "weighted.sum(1).to(torch.float64) * negative_counts", "weighted.sum(1).to(torch.float64) * (negative_counts + 1)"),
    Mutant("mining/all_triplets.py", "slope * share[:, k : k + 1]", "slope"),
    Mutant("mining/all_triplets.py", "value = torch.where(negatives & valid[:, k : k + 1], value, 0)", "value = torch.where(negatives, value, 0)"),
    Mutant("mining/counts.py", "distances < positive", "distances <= positive"),
    Mutant("mining/counts.py", "distances >= positive + margin", "distances > positive + margin"),
]  # fmt: skip
DISTANCES_AND_PAIRS = [
    Mutant("distances/base.py", "apart = squared > 0", "apart = squared >= 0"),
    Mutant("distances/base.py", "if z is None and self.self_is_zero:", "if z is None:"),
    Mutant("distances/cosine.py", "_missing(anchor_norm) + _missing(reference_norm)", "_missing(anchor_norm)"),
    Mutant("distances/cosine.py", "x.detach() / SHORTEST", "x / SHORTEST"),
    Mutant("distances/inner_product.py", "(squared - anchor_norm - reference_norm) / 2", "(squared - anchor_norm - reference_norm)"),
    Mutant("distances/snr.py", "anchor_norm > self.eps, anchor_norm", "reference_norm > self.eps, reference_norm"),
    Mutant("distances/snr.py", "x - x.mean(-1, keepdim=True)", "x"),
    Mutant("distances/snr.py", "torch.where(anchor_norm > self.eps, anchor_norm, self.eps)", "(anchor_norm + self.eps)"),
    Mutant("distances/squared.py", "torch.float32: 0.05", "torch.float32: 0.0005"),
    Mutant("distances/squared.py", "far = gradient.index_put(near, gradient.new_zeros(()))", "far = gradient"),
    Mutant("distances/squared.py", "to_references.index_add(0, j, -pull)", "to_references.index_add(0, j, pull)"),
    Mutant("distances/groups.py", "(anchors[i] - references[j])", "(anchors[i].float() - references[j].float())"),
    Mutant("distances/groups.py", "torch.cat([outer[0], inner[0]]), torch.cat([outer[1], inner[1]])", "outer[0], outer[1]"),
    Mutant("distances/groups.py", "every.index_fill_(0, self.places, 0)", "pass"),
    Mutant("distances/groups.py", "(self.rows.rows + self.first)", "self.rows.rows"),
    Mutant("distances/rows.py", "rows.detach().sum(0).div_(", "rows.detach().sum(0).mul_(0).div_("),
    Mutant("distances/crowds.py", "found.append((some[rows], columns))", "found.append((rows, columns))"),
    Mutant("distances/directions.py", "< SHORT * count", "< 2 * count"),
    Mutant("distances/directions.py", "float(distances.amin()) >= self.near", "float(distances.amin()) >= 0"),
    Mutant("distances/directions.py", "rows[0] / self.lengths if", "rows[0] if"),
    Mutant("distances/directions.py", "return across(self[:], slopes", "return across(self[:], 2 * slopes"),
    Mutant("losses/cosine_matrix.py", "FEW and least >= APART", "FEW"),
    Mutant("losses/cosine_matrix.py", "-by / lengths", "-1 / lengths"),
    Mutant("losses/class_rows.py", "self.scale * (widened - least)", "self.scale * widened"),
    Mutant("losses/class_rows.py", "near.scatter_(1, own, torch.inf).amin", "near.amin"),
    Mutant("losses/class_rows.py", "several.zero_().scatter_", "several.scatter_"),
    Mutant("losses/soft_triple.py", "further + least[:, :, 0]", "further"),
    Mutant("losses/kin.py", "steps[:-1] >= (self.place", "steps[:-1] > (self.place"),
    Mutant("losses/kin.py", "            number = number - 1\n", ""),
    Mutant("losses/closed_rows.py", "width <= MANY", "width < 0"),
    Mutant("losses/closed_rows.py", "first + row + 1", "first + row"),
    Mutant("losses/closed_rows.py", "* norms, TINY)).all()", "* norms, TINY)).any()"),
    Mutant("losses/closed_rows.py", "TINY = 1e-30", "TINY = 1e-80"),
    Mutant("losses/closed_rows.py", ".double().numpy()[rows]", ".double().numpy()[: len(rows)]"),
    Mutant("losses/closed_rows.py", "        if not rows:\n            return True\n", ""),
    Mutant("losses/closed_rows.py", "mild and call.dtype != call.answer and", "call.dtype != call.answer and"),
    Mutant("losses/engine.py", "self.mild and self.precise is not True", "self.mild"),
    Mutant("losses/kin.py", "as_tensor(~self._listed", "as_tensor(self._listed"),
    Mutant("evaluation/points.py", "return mean(norms <= median) if", "return mean(norms > median) if"),
    Mutant("evaluation/points.py", "> PULLED * median else every", "< PULLED * median else every"),
    Mutant("losses/kin.py", "columns[columns != rows + (start + self.first)]", "columns[columns >= 0]"),
    Mutant("losses/kin.py", "np.maximum(self.counts.near(), 1)", "np.maximum(self.counts.near(), 2)"),
    Mutant("losses/kin.py", "self.counts.near()[:, None] > 0", "self.counts.near()[:, None] > 1"),
    Mutant("losses/closed.py", "return terms.count_nonzero() if self._active else None", "return None"),
    Mutant("losses/closed_sweep.py", "active=self.measured or self.loss.active", "active=self.loss.active"),
    Mutant("losses/closed_sweep.py", "active=self.measured or self.loss.active", "active=self.measured"),
    Mutant("losses/closed_sweep.py", "spare=not (whole or", "spare=not (False or"),
    Mutant("losses/closed_sweep.py", "spare=not (whole or needed or form.divides)", "spare=True"),
    Mutant("pairs/rules.py", "same = anchors[:, None] == references[None]\n        return Relation(same, ~same)", "same = anchors[:, None] == references[None]\n        return Relation(same, torch.ones_like(same))"),
    Mutant("pairs/rules.py", "> 0.5", "> 1.5"),
    Mutant("pairs/rules.py", "return Relation(said > 0, said == 0, said)", "return Relation(said > 0, said == 0)"),
    Mutant("pairs/rules.py", "return Relation(said > 0, said == 0, said)", "return Relation(said >= 0, said == 0, said)"),
    Mutant("pairs/rules.py", "self.negatives[rows] & ~relation.positives", "self.negatives[rows]"),
    Mutant("pairs/rules.py", "anchors[:, None, 1] == 0", "anchors[:, None, 1] == 1"),
    Mutant("pairs/rules.py", "torch.where(alone, -1, ", "torch.where(alone, 0, "),
]  # fmt: skip
EVALUATION = [
    Mutant("evaluation/episode_draw.py", "number += number >= taken", "number += number > taken"),
    Mutant("evaluation/episode_draw.py", "rng.integers(0, sizes - place)", "rng.integers(0, sizes - count + 1)"),
    Mutant("evaluation/episode_draw.py", "enough = counts >= ways", "enough = counts > ways"),
    Mutant("evaluation/episode_scores.py", "isinstance(distance, Cosine)", "False"),
    Mutant("evaluation/retrieval.py", "counted.sum(1) / divisor", "counted.sum(1) / counted.sum(1).clip(1)"),
    Mutant("evaluation/retrieval.py", "counted = relevant & (rank <= divisor[:, None])", "counted = relevant & (rank < divisor[:, None])"),
    Mutant("evaluation/retrieval.py", "counted = relevant & (rank <= divisor[:, None])", "counted = relevant"),
    Mutant("evaluation/retrieval.py", "np.where(counted, precision, 0.0).sum(1) / divisor", "np.where(counted, precision, 0.0).sum(1) / relevant.sum(1).clip(1)"),
    Mutant("evaluation/retrieval.py", "np.where(counted, precision, 0.0)", "np.where(rank <= divisor[:, None], precision, 0.0)"),
    Mutant("evaluation/retrieval.py", "rank = np.arange(1, relevant.shape[1] + 1)", "rank = np.arange(relevant.shape[1]) + 2"),
    Mutant("evaluation/retrieval.py", "relevant[:, :k].any(1)", "relevant[:, : k + 1].any(1)"),
    Mutant("evaluation/retrieval.py", "== query_codes[:, None]) & window.present", "== query_codes[:, None])"),
    Mutant("evaluation/retrieval.py", "relevant[:, 1:] != relevant[:, :-1])).any(1) | equal[:, depth - 1 :].any(1)", "relevant[:, 1:] != relevant[:, :-1])).any(1)"),
    Mutant("evaluation/retrieval.py", "((low, worst), (high, best))", "((low, best), (high, worst))"),
    Mutant("evaluation/retrieval.py", " & (last[line] != window.excluded_level)", ""),
    Mutant("evaluation/neighbours.py", "self.levels != self.excluded_level", "self.levels >= 0"),
    Mutant("evaluation/neighbours.py", "array.partition(count - 1, axis=1)", "array.partition(count, axis=1) if count < 1 else None"),
    Mutant("evaluation/neighbours.py", "largest=False", "largest=True"),
    Mutant("evaluation/space.py", "keys[row, column] = self.excluded_level << self.bits | column", "keys[row, column] = column"),
    Mutant("evaluation/space.py", "self.queries.norms[queries, None], self.references.norms[None])\n            keys", "self.references.norms[None], self.queries.norms[queries, None])\n            keys"),
    Mutant("evaluation/space.py", "norms = self.queries.norms[queries, None], self.references.norms[columns]", "norms = self.references.norms[columns], self.queries.norms[queries, None]"),
    Mutant("evaluation/space.py", "close = squared.amin(1) < near", "close = squared.amin(1) < 0"),
    Mutant("evaluation/space.py", "keys.add_(1 << (self.bits - 1)).bitwise_and_", "keys.bitwise_and_"),
    Mutant("evaluation/space.py", "if self.distance.order_is_euclidean:", "if True:"),
    Mutant("evaluation/space.py", "bitwise_or_(self._index)\n\n    def levels", "bitwise_or_(self._index.flip(0))\n\n    def levels"),
    Mutant("evaluation/bounds.py", "(1 - 2 * bounds.error) * scaled", "(1 + 2 * bounds.error) * scaled"),
    Mutant("evaluation/bounds.py", "(4 * bounds.error * scaled", "(0 * bounds.error * scaled"),
    Mutant("evaluation/candidates.py", "excluded.hide(made, low, tile.start)", "pass"),
    Mutant("evaluation/candidates.py", "best.offer(made[: tile.start - low], tile.start, low, 1)", "pass"),
    Mutant("evaluation/candidates.py", "self._crowded[query] |= crowded", "pass"),
    Mutant("evaluation/settled.py", ".any(1))\n\n\ndef _overlapping", ".all(1))\n\n\ndef _overlapping"),
    Mutant("evaluation/settled.py", "parted[:, 1:] = (lower.cummin(1).values[:, :-1] > upper[:, 1:]) | ~there[:, 1:]", "parted[:, 1:] = True"),
    Mutant("evaluation/settled.py", "(same & (level[:, 1:] == level[:, :-1]))", "same"),
    Mutant("evaluation/starts.py", "self._uniform * self._then < now", "self._uniform < 2"),
    Mutant("evaluation/exclusions.py", "row, column = both // width, both % width", "row, column = both % width, both // width"),
    Mutant("evaluation/exclusions.py", "number = self.start[self.query[rows] + 1] - first", "number = np.minimum(self.start[self.query[rows] + 1] - first, 1)"),
    Mutant("evaluation/task.py", "relevant[rows] -= np.bincount(row[kin], minlength=len(rows))", "relevant[rows] -= np.bincount(row, minlength=len(rows))"),
    Mutant("evaluation/task.py", "relevant[rows] -= np.bincount(row[kin], minlength=len(rows))", "relevant[rows] -= 1"),
    Mutant("evaluation/task.py", "own = np.arange(len(queries)) if queries.ids is None else queries.ids", "own = np.arange(len(queries))"),
    Mutant("evaluation/task.py", "[*named, (queries.groups, queries.groups)]", "named"),
    Mutant("evaluation/sweep.py", "deepest = np.maximum(divisor + 1, max(neighbours, max(at) + 1))", "deepest = np.maximum(divisor - 1, max(neighbours, 1))"),
    Mutant("evaluation/sweep.py", "task.query_codes[window.queries], task.reference_codes, divisor[window.queries]", "task.query_codes[window.queries], task.reference_codes, divisor[: len(window.queries)]"),
    Mutant("evaluation/sweep.py", "np.where(present, columns, -1)", "columns"),
    Mutant("decision/votes.py", "nearest / distances, zero", "distances / nearest, zero"),
    Mutant("decision/votes.py", "zero = np.where(distances == 0, 1.0, 0.0)", "zero = np.ones_like(distances)"),
    Mutant("decision/votes.py", "& (own[:, 0] > 0) &", "&"),
    Mutant("decision/votes.py", "(before.sum(1) < top)", "(before.sum(1) <= top)"),
    Mutant("decision/votes.py", "np.arange(scores.shape[1]) < truth[:, None])", "np.arange(scores.shape[1]) > truth[:, None])"),
    Mutant("decision/votes.py", "where(voters >= 0, weight, 0.0)\n    rows", "where(voters >= -1, weight, 0.0)\n    rows"),
    Mutant("decision/votes.py", "(voters < truth[:, None])", "(voters > truth[:, None])"),
    Mutant("decision/votes.py", "before = first & (", "before = (first | True) & ("),
    Mutant("evaluation/voting.py", "truth_codes = np.where(classes[truth_codes] == truth, truth_codes, -1)", "truth_codes = truth_codes"),
    Mutant("evaluation/voting.py", "nearest.distances[part, :k], votes[part, :k]", "nearest.distances[part, : k + 1], votes[part, : k + 1]"),
    Mutant("evaluation/partitions.py", "_entropy(table.sum(1)) + _entropy(table.sum(0))) / 2", "_entropy(table.sum(1)) + _entropy(table.sum(0)))"),
    Mutant("evaluation/partitions.py", "n * (n - 1) // 2", "n * n // 2"),
    Mutant("evaluation/partitions.py", "return 2 * both / (classes + clusters_)", "return both / (classes + clusters_)"),
    Mutant("evaluation/partitions.py", "_information(table) - expected, _mean_entropy(table) - expected", "_information(table) - expected, _mean_entropy(table)"),
    Mutant("evaluation/partitions.py", "max(1, a + b - total), min(a, b) + 1", "max(1, a + b - total), min(a, b)"),
    Mutant("evaluation/starts.py", "left.sum(1).argmax()", "left.sum(1).argmin()"),
    Mutant("evaluation/assignment.py", "self.halves = self.scaled.square().sum(1) / 2", "self.halves = self.scaled.square().sum(1)"),
    Mutant("evaluation/k_means.py", "key=lambda each: each.inertia", "key=lambda each: -each.inertia"),
    Mutant("evaluation/lloyd.py", "        _fill_empty(x, centres, found)\n", ""),
    Mutant("evaluation/averages.py", "np.bincount(self._classes, weights=values) / np.bincount(self._classes)", "np.bincount(self._classes, weights=values) / len(values)"),
    Mutant("evaluation/averages.py", "values = values[self.counted]", "values = values"),
    Mutant("evaluation/single_pass.py", "counted = np.arange(len(queries)) if missed else np.flatnonzero(~task.lone)", "counted = np.arange(len(queries))"),
    Mutant("evaluation/single_pass.py", "over_all = Average(queries.labels, np.arange(len(queries)), macro=macro)", "over_all = average"),
    Mutant("evaluation/single_pass.py", 'labels = (voters or gallery or queries).labels', 'labels = (gallery or queries).labels'),
    Mutant("evaluation/ties.py", "ties.at_cut > TIED_SHARE * counted", "ties.at_cut > counted"),
]  # fmt: skip

DECISION = [
    Mutant("decision/nearest.py", "count if bounded else count + SPARE) + slack", "count if bounded else count + SPARE)"),
    Mutant("decision/nearest.py", "groups[0][part, None] == groups[1][None]", "groups[0][: len(roughly), None] == groups[1][None]"),
    Mutant("decision/nearest.py", "distances[row, : len(order)], places[row, : len(order)] = exact[order], chosen[order]", "distances[row, : len(order)], places[row, : len(order)] = exact[order], order"),
    Mutant("decision/leaving_out.py", "share = 1 - together[", "share = together["),
    Mutant("decision/promise.py", "np.nextafter(following, -np.inf)", "np.nextafter(following, np.inf)"),
    Mutant("decision/promise.py", 'share("rate", rate) / at_least_one("room", room)', 'share("rate", rate) * at_least_one("room", room)'),
    Mutant("decision/class_bound.py", "shapes = np.append(independent * classes.times, 1.0)", "shapes = np.append(classes.times, 1.0)"),
    Mutant("decision/class_bound.py", "weights * (classes.accepted / classes.photos - rate)", "classes.accepted / classes.photos - rate"),
    Mutant("decision/otsu.py", "moment**2 / (below * above)", "moment**2 / (below + above)"),
    Mutant("decision/reliability.py", "constant=accuracy * (1 - accuracy)", "constant=accuracy"),
    Mutant("decision/rules.py", "(1 - share) * roc.far[1:]\n    square", "share * roc.far[1:]\n    square"),
    Mutant("decision/probability.py", "slopes[:2] *= (1 / kept) ** GROWTH", "slopes[:2] *= kept**GROWTH"),
]  # fmt: skip
EMBEDDING = [
    Mutant("embedding/preprocessing.py", "values /= np.float32(high - low)", "values /= np.float32(high)"),
    Mutant("embedding/preprocessing.py", "values * np.float32(257) if", "values * np.float32(256) if"),
    Mutant("embedding/preprocessing.py", "sized = padded if self.pad else resized", "sized = resized"),
    Mutant("embedding/descriptor.py", "for _ in range(3):", "for _ in range(2):"),
    Mutant("embedding/descriptor.py", "grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue", "grey = np.tensordot(_LUMA, images, (0, 1))"),
    Mutant("embedding/running.py", "exported.on_gpu or not _torch_has_gpu()", "exported.on_gpu"),
    Mutant("embedding/running.py", 'wanted == "onnx" or exported.on_gpu or', 'wanted == "onnx" or'),
    Mutant("embedding/torch_runner.py", "allow_tf32=False", "allow_tf32=True"),
    Mutant("embedding/onnx_runner.py", "self.on_gpu = CUDA in self._session.get_providers()", "self.on_gpu = CUDA in known"),
    Mutant("embedding/model_folder.py", 'content_hash("nearkin model", _canonical(self.configuration()), self.weights or b"")', 'content_hash("nearkin model", _canonical(self.configuration()))'),
]  # fmt: skip
GALLERY = [
    Mutant("gallery/schema.py", "(table.c.closed > revision)", "(table.c.closed >= revision)"),
    Mutant("gallery/changes.py", "elif label == entry.label:", "elif label != entry.label:"),
    Mutant("gallery/changes.py", "memberships.c.closed.is_(None), memberships.c.label != code", "memberships.c.closed.is_(None)"),
    Mutant("gallery/changes.py", "memberships.c.closed.is_(None), memberships.c.opened < number", "memberships.c.closed.is_(None)"),
    Mutant("gallery/changes.py", "new = [entry for entry in fresh.values() if entry.hash not in known]", "new = list(fresh.values())"),
    Mutant("gallery/revisions.py", "added=opened - moved, removed=closed - moved", "added=opened, removed=closed"),
    Mutant("gallery/enrolled.py", "memberships.c.label).where(when).order_by(memberships.c.image)", "memberships.c.label).where(when).order_by(memberships.c.label)"),
    Mutant("gallery/enrolled.py", "!= 4 * dimension or zlib.crc32(vector) != total:", "!= 4 * dimension:"),
    Mutant("gallery/deciding.py", "if distance[place] <= threshold else", "if distance[place] < threshold else"),
    Mutant("gallery/staging.py", "self._file.seek(self._places[number])", "pass"),
    Mutant("gallery/enrolling.py", "for row in read_rows(collection, embedder, thumbnails=True, on_progress=on_progress):", "for row in list(read_rows(collection, embedder, thumbnails=True, on_progress=on_progress)):"),
    Mutant("gallery/reading.py", "not (collection.skip_bad and kept)", "not collection.skip_bad"),
    Mutant("gallery/collecting.py", "return [as_label(path[0]) for path in inner]", "return [as_label(path[-2]) for path in inner]"),
    Mutant("gallery/index.py", "rows[places[places != place]]", "rows[places]"),
    Mutant("gallery/index.py", "fifth = RECALL_5TH if DEAR", "fifth = ENOUGH_5TH if DEAR"),
    Mutant("gallery/searching.py", "chosen = np.concatenate([chosen, self.lacking[new[row][new[row] >= 0]]])", "pass"),
    Mutant("gallery/purging.py", "    caching.clear(database.folder)\n", ""),
    Mutant("gallery/purging.py", '        connection.execute("VACUUM")\n', ""),
    Mutant("gallery/purging.py", "    _erase_from_calibrations(connection, names | dropped)\n", ""),
]  # fmt: skip

MUTANTS = CONTRASTIVE + TRIPLET + OTHER_LOSSES + ENGINE_ROOM + MINING + DISTANCES_AND_PAIRS + EVALUATION
MUTANTS += DECISION + EMBEDDING + GALLERY


@contextmanager
def planted(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the package with the mutant in it, in a folder of its own: put it first on the path."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        shutil.copytree(PACKAGE, Path(folder) / "nearkin")
        if mutant is not None:
            (Path(folder) / "nearkin" / mutant.file).write_text(mutant.mutated())
        yield Path(folder)


def survives(tests: list[list[str]], folder: Path) -> bool:
    """Whether all of `tests` pass in a forked process that imports the package from `folder`."""
    child = os.fork()
    if child == 0:
        os._exit(_run(tests, folder))
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _is_ours(module: object) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and any(Path(file).is_relative_to(ROOT / part) for part in ("src", "tests"))


def _run(tests: list[list[str]], folder: Path) -> int:
    import pytest

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1), os.dup2(sink, 2)
    os.chdir(ROOT)
    os.environ.pop("NEARKIN_VECTORS", None)
    for name in [name for name, module in sys.modules.items() if _is_ours(module)]:
        del sys.modules[name]  # imported from the sources before the fork
    sys.path.insert(0, str(folder))
    for arguments in tests:
        answer = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", *arguments])
        if answer != 0:
            return int(answer)
    import nearkin

    return 0 if Path(nearkin.__file__).is_relative_to(folder) else 99


def main() -> int:
    """Run the mutants, print what became of each, and answer 1 if one survived that should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose title matches this expression")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    named = [mutant for mutant in MUTANTS if re.search(options.only, mutant.title)]
    chosen = [mutant for mutant in named if mutant.fits]
    print(*(f"does not fit the source any more: {mutant.title}" for mutant in named if not mutant.fits), sep="\n")
    if options.list:
        print(*(mutant.title for mutant in chosen), sep="\n")
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for module in LOADED_ONCE:
        importlib.import_module(module)
    for tests in {str(mutant.tests): mutant.tests for mutant in chosen}.values():
        with planted(None) as folder:
            if not survives(tests, folder):
                print(f"the sources as they are fail: pytest {tests}")
                return 2
    survived = []
    for number, mutant in enumerate(chosen, 1):
        started = time.monotonic()
        with planted(mutant) as folder:
            lives = survives(mutant.tests, folder)
        word = ("survived" if not mutant.equivalent else "equivalent") if lives else "killed"
        print(f"{number:3}/{len(chosen)} {word:10} {time.monotonic() - started:5.0f} s  {mutant.title}", flush=True)
        survived += [mutant] * (word == "survived")
    print(f"{len(chosen) - len(survived)} of {len(chosen)} killed or equivalent")
    return 1 if survived else 0


if __name__ == "__main__":
    raise SystemExit(main())
