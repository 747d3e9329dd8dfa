"""The checks that a user runs on a loss of their own pass on every row loss of the library."""

from __future__ import annotations

import pytest

from nearkin.losses import Angular, RankedList, RowLoss, make_loss
from nearkin.testing import check_loss
from sweeps.variants import ROW_LOSSES

CASES: dict[str, RowLoss] = {
    **{name: make_loss(name) for name in ROW_LOSSES},
    "angular, tuples": Angular(form="tuples"),
    "angular, triplet": Angular(form="triplet"),
    "ranked list, all in the graph": RankedList(detach=False, positive_temperature=2.0),
}


@pytest.mark.parametrize("name", CASES)
def test_every_row_loss_passes_the_checks(name):
    results = {result.check: result.passed for result in check_loss(CASES[name], quiet=True)}
    skipped = {check for check, passed in results.items() if passed is None}
    assert ("gradient is the slope" in skipped) == (name in {"circle", "ranked-list"})
    if not CASES[name].tuples:
        assert skipped <= {"gradient is the slope", *(["own columns = shared columns"] if name == "lifted" else [])}
