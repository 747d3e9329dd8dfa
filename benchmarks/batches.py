"""Batches with fixed seeds: unit rows in classes, and copies that almost coincide."""

from __future__ import annotations

from typing import NamedTuple

import torch
from placement import here, placed
from torch import Tensor

TINY = 132
"""Rows of the batch that warms a process up: just more than those whose distances are in float64, so that what large batches
take once (buffers of the float32 product, say) is not counted as theirs."""


class Batch(NamedTuple):
    """rows (N, D) float32, a leaf that asks for a gradient; labels (N,) int64, shuffled."""

    rows: Tensor
    labels: Tensor


def unit_rows(count: int, per_class: int, dimensions: int = 128, seed: int = 0) -> Batch:
    """Rows of length 1 around the centres of their classes: normalize(centre + noise), both standard normal."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) // per_class)[torch.randperm(count, generator=generator)]
    centres = torch.randn(int(labels.max()) + 1, dimensions, generator=generator)
    rows = centres[labels].add_(torch.randn(count, dimensions, generator=generator))
    return Batch(placed(torch.nn.functional.normalize(rows).requires_grad_()), labels.to(here()))


def unlike_rows(count: int, classes: int = 12, dimensions: int = 128, seed: int = 0) -> Batch:
    """Like `unit_rows`, with classes drawn for each row: they have unlike numbers of rows, two or more."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(classes).repeat(2), torch.randint(0, classes, (count - 2 * classes,), generator=generator)])
    rows = torch.randn(classes, dimensions, generator=generator)[labels]
    rows = torch.nn.functional.normalize(rows + torch.randn(count, dimensions, generator=generator))
    return Batch(placed(rows.requires_grad_()), labels.to(here()))


def tight_rows(count: int, classes: int = 10, dimensions: int = 128, seed: int = 0) -> Batch:
    """Rows of length 1 as a trained network makes them: two of one class have a cosine of 0.97."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count)[torch.randperm(count, generator=generator)] % classes
    unit = torch.nn.functional.normalize
    centres = unit(torch.randn(classes, dimensions, generator=generator))
    rows = unit(centres[labels] + (0.03 / dimensions) ** 0.5 * torch.randn(count, dimensions, generator=generator))
    return Batch(placed(rows.requires_grad_()), labels.to(here()))


def near_rows(count: int, per_class: int, dimensions: int, spread: float, seed: int = 0) -> Batch:
    """Rows around one common vector, `spread` apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) // per_class)[torch.randperm(count, generator=generator)]
    common = torch.randn(dimensions, generator=generator)
    rows = common + spread * torch.randn(count, dimensions, generator=generator)
    return Batch(placed(rows.requires_grad_()), labels.to(here()))
