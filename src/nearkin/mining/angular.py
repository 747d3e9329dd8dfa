"""Triplets with a wide angle."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nearkin.core import InputError, within
from nearkin.core.tensors import Block
from nearkin.mining.directions import unit_rows
from nearkin.mining.triplet_filter import Keep, TripletFilter


class AngularMiner(TripletFilter):
    """Angular [MIN-AN]: all triplets whose angle at the negative is wide, counted and never listed.

    Equation:  atan(|a - p| / (2 |n - c|)) > angle_deg, c = (a + p) / 2, of normalised embeddings; n = c is 90 degrees, and
               where a, p and n are one point there is no angle
    angle_deg: in degrees, within 0..90, default 20
    Cost:      a matrix product a positive of an anchor: O(P b R D)
    Source:    the angle of Wang et al. 2017. pytorch-metric-learning's miner moves c to the sphere, which makes the angle
               another one
    """

    directions = True

    def __init__(self, angle_deg: float = 20.0) -> None:
        self.angle_deg = within("angle_deg", angle_deg, 0, 90)
        if self.angle_deg == 90:
            raise InputError("angle_deg must be below 90: no angle is wider")

    def keeps(self, block: Block) -> Keep:
        rows, slope = unit_rows(block), 4 * math.tan(math.radians(self.angle_deg)) ** 2

        def keep(index: Tensor) -> Tensor:
            with torch.no_grad():
                positives, anchors = rows.columns(index), rows.anchors[:, None]
                apart = (positives - anchors).square().sum(2, keepdim=True)
                return apart > slope * rows.squared_distances((positives + anchors) / 2)

        return keep
