"""Memory that is lent is nobody else's until it is given back, and no more of it is kept than was said."""

from __future__ import annotations

import threading

import pytest
import torch

from nearkin.core import buffers
from nearkin.core.buffers import KEPT, LEAST, Buffers

LARGE = (LEAST // 4, 2)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "_kept", buffers._Kept())


def lent(shape=LARGE, dtype=torch.float32) -> int:
    """The place in memory of a buffer that was lent and given back."""
    with Buffers(torch.zeros(())) as lender:
        taken = lender.take(shape, dtype)
        assert taken.shape == shape
        assert taken.dtype == dtype
        taken.fill_(1)
        return taken.data_ptr()


def test_memory_is_used_again_whatever_the_dtype_and_by_less():
    place = lent()
    assert lent() == place
    assert lent((LEAST // 8, 1), torch.float64) == place
    assert [each.numel() for each in buffers._kept.idle] == [2 * LEAST]


def test_what_is_lent_at_once_does_not_overlap():
    lent()
    with Buffers(torch.zeros(())) as outer, Buffers(torch.zeros((), dtype=torch.float64)) as inner:
        taken = [outer.take(LARGE), outer.take(LARGE), inner.take(LARGE)]
        for number, each in enumerate(taken):
            each.fill_(number)
        assert [each.unique().tolist() for each in taken] == [[0], [1], [2]]
        assert taken[2].dtype == torch.float64
    assert len(buffers._kept.idle) == 3


def test_the_smallest_that_fits_is_taken():
    with Buffers(torch.zeros(())) as lender:
        large, small = lender.take((LEAST // 2,)).data_ptr(), lender.take((LEAST // 4,)).data_ptr()
    assert lent((LEAST // 4,)) == small
    assert lent((LEAST // 2,)) == large


def test_no_more_is_kept_than_was_said_and_the_latest_stays():
    with Buffers(torch.zeros(())) as lender:
        for _ in range(5):
            last = lender.take((KEPT // 16,)).data_ptr()
    assert sum(each.numel() for each in buffers._kept.idle) == KEPT
    assert buffers._kept.idle[-1].data_ptr() == last
    lent((KEPT // 2,))
    assert not buffers._kept.idle


def test_small_ones_are_not_kept():
    with Buffers(torch.zeros(())) as lender:
        assert lender.take((LEAST // 4 - 1,)).shape == (LEAST // 4 - 1,)
    assert not buffers._kept.idle


def test_other_devices_keep_their_own():
    with Buffers(torch.zeros((), device="meta")) as lender:
        assert lender.take(LARGE).device.type == "meta"
    assert not buffers._kept.idle


def fail() -> None:
    with Buffers(torch.zeros(())) as lender:
        lender.take(LARGE)
        raise KeyError


def test_an_error_gives_memory_back():
    with pytest.raises(KeyError):
        fail()
    assert len(buffers._kept.idle) == 1


def test_memory_that_inference_took_serves_training():
    with torch.inference_mode():
        place = lent()
    assert not buffers._kept.idle[0].is_inference()
    assert lent() == place


def test_who_lends_twice_gives_back_once():
    lender = Buffers(torch.zeros(()))
    for _ in range(2):
        with lender:
            lender.take(LARGE)
    assert len(buffers._kept.idle) == 1


def test_each_thread_keeps_its_own():
    places = [lent()]
    thread = threading.Thread(target=lambda: places.append(len(buffers._kept.idle)))
    thread.start()
    thread.join()
    assert places[1] == 0
