"""Whether a loss of one's own can train anything: its value must have a gradient to the embeddings."""

from __future__ import annotations

from typing import Any

import torch

from nearkin.comparison.fingerprint import PROBE_CLASSES, miner_stream, probe, probe_labels
from nearkin.comparison.objects import build_loss, losses_within
from nearkin.core import InputError

SCALES = (1.0, 0.01, 100.0)
"""Sizes of the probed embeddings: a margin may have nothing to say at one of them, not at all."""


def check_gradients(section: Any, embedding_size: int) -> None:
    """Raise InputError where a loss named by an import path, in `section` or within it, moves no embedding.

    The library's own losses are not asked: they are tested, and a weight of 0 may be meant.
    """
    for part in losses_within(section):
        name = part["name"]
        if ":" in name and not moves(part, embedding_size):
            raise InputError(
                f"the loss {name!r} gives the embeddings no gradient, so nothing would be trained: for "
                f"{len(probe_labels())} random embeddings of {PROBE_CLASSES} classes, at {len(SCALES)} sizes, it is missing "
                "or 0 everywhere. Its value must come from the embeddings by torch operations, without detach(), item() "
                "or numpy"
            )


def moves(section: Any, embedding_size: int) -> bool:
    """Whether the loss of a checked section has a gradient other than 0 on the fixed batch, at one of its sizes."""
    loss = build_loss(section, dimensions=embedding_size, classes=PROBE_CLASSES, anyway=True).double()
    for scale in SCALES:
        embeddings = (probe(embedding_size) * scale).requires_grad_()
        value = loss.measure(embeddings, probe_labels(), generator=miner_stream()).value
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value, embeddings, allow_unused=True)
            if gradient is not None and bool(gradient.any()):
                return True
    return False
