"""Several tests at once: Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.core import InputError


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values, in the order given.

    Equation:  with p(1) <= ... <= p(m):  adjusted(i) = max over j <= i of min(1, (m - j + 1) p(j))
    Edge:      None (a test that was refused) stays None and is not counted in m
    Source:    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979
    Errors:    InputError where a p-value lies outside [0, 1] or is NaN

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    for value in p:
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"a p-value must lie within 0 and 1, got {value!r}")
    adjusted: list[float | None] = [None] * len(p)
    order = sorted((value, place) for place, value in enumerate(p) if value is not None)
    largest = 0.0
    for rank, (value, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * value))
        adjusted[place] = largest
    return adjusted
