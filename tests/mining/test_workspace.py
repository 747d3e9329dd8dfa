"""What a workspace has lent is nobody's any more once its block has ended."""

from __future__ import annotations

import torch

from nearkin.core.buffers import LEAST, Buffers
from nearkin.mining.workspace import Workspace


def test_a_name_has_one_place_while_it_is_lent_and_none_afterwards():
    space = Workspace(LEAST, torch.zeros(()))
    with space:
        one, other = (space.take(name, (2, 3), torch.float32) for name in ("one", "other"))
        assert space.take("one", (5,), torch.float32).data_ptr() == one.data_ptr() != other.data_ptr()
    with Buffers(torch.zeros(())) as buffers:
        elsewhere = [buffers.take((LEAST,)).data_ptr() for _ in range(2)]
        with space:
            assert space.take("one", (2, 3), torch.float32).data_ptr() not in elsewhere
