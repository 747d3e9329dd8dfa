"""Input that has no scores is refused in words: what was given, what is allowed, what to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluation.cases import random_case
from nearkin.core import InputError, InputTypeError
from nearkin.evaluation import evaluate

X, Y = random_case(0)
BROKEN = X.copy()
BROKEN[3, 1] = np.nan
INFINITE = X.astype(np.float32)
INFINITE[5] = np.inf

REFUSALS = {
    "NaN": ((BROKEN, Y), {}, "embeddings holds NaN or infinity in 1 of 18 rows, first in row 3"),
    "infinity": (
        (torch.from_numpy(INFINITE), Y),
        {},
        "embeddings holds NaN or infinity in 1 of 18 rows, first in row 5",
    ),
    "lengths": ((X, Y[:5]), {}, "labels has 5 entries for 18 rows"),
    "one class": ((X, np.zeros(18, int)), {}, "all 18 rows that could answer are of one class (0)"),
    "all lone": ((X, np.arange(18)), {}, "no query has a relevant reference"),
    "empty": ((X[:0], Y[:0]), {}, "embeddings is empty"),
    "no dimensions": ((X[:, :0], Y), {}, "embeddings is empty"),
    "a vector": ((X[:, 0], Y), {}, "must be floating numbers of shape (rows, dimensions)"),
    "two-dimensional labels": ((X, Y[:, None]), {}, "labels must have one entry for each of the 18 rows"),
    "support without labels": ((X, Y), {"support": X}, "support came without support_labels"),
    "labels without support": ((X, Y), {"support_labels": Y}, "support_labels came without support"),
    "reference ids alone": ((X, Y), {"reference_ids": Y}, "reference_ids came without references"),
    "ids of one side": (
        (X, Y),
        {"references": X, "reference_labels": Y, "ids": Y},
        "ids and reference_ids go together",
    ),
    "groups of one side": (
        (X, Y),
        {"references": X, "reference_labels": Y, "groups": Y},
        "groups and reference_groups go together",
    ),
    "another network's references": (
        (X, Y),
        {"references": X[:, :2], "reference_labels": Y},
        "embeddings have 5 dimensions and references 2",
    ),
    "another network's support": (
        (X, Y),
        {"support": X[:, :2], "support_labels": Y},
        "embeddings have 5 dimensions and support 2",
    ),
    "one group": ((X, Y), {"groups": np.zeros(18, int)}, "query 0 has nothing to be compared with"),
    "NaN in the support": ((X, Y), {"support": BROKEN, "support_labels": Y}, "support holds NaN"),
    "NaN in the references": ((X, Y), {"references": BROKEN, "reference_labels": Y}, "references holds NaN"),
    "unknown distance": ((X, Y), {"distance": "cosin"}, "did you mean 'cosine'"),
    "unknown lone": ((X, Y), {"lone": "mis"}, "did you mean 'miss'"),
    "K of 0": ((X, Y), {"at": (1, 0)}, "every number of at must be a whole number of at least 1"),
    "k of 0": ((X, Y), {"knn": (0,)}, "every number of knn must be a whole number of at least 1"),
    "block of 0": ((X, Y), {"block": 0}, "block must be a whole number of at least 1"),
    "overflow": ((X * 1e200, Y), {}, "overflows on these embeddings"),
    "a label too large": ((X, np.full(18, 2**63, dtype=np.uint64)), {}, "labels must fit into int64"),
}

WRONG_KINDS = {
    "float labels": ((X, Y.astype(float)), {}, "labels must be whole numbers (int64), got float64"),
    "text labels": ((X, [str(label) for label in Y]), {}, "labels must be whole numbers (int64)"),
    "boolean labels": ((X, Y > 0), {}, "labels must be whole numbers (int64), got bool"),
    "integer rows": ((X.astype(int), Y), {}, "embeddings must be floating numbers"),
    "a list": ((X.tolist(), Y), {}, "embeddings must be a tensor or an array"),
    "float ids": ((X, Y), {"ids": X[:, 0]}, "ids must be whole numbers or strings"),
    "a number for at": ((X, Y), {"at": 5}, "at must be a list of whole numbers"),
    "text for macro": ((X, Y), {"macro": "yes"}, "macro must be true or false"),
    "ids of two kinds": (
        (X, Y),
        {"references": X, "reference_labels": Y, "ids": Y, "reference_ids": [str(label) for label in Y]},
        "must be of one kind",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_input_without_a_score_is_refused_in_words(name):
    arguments, options, words = REFUSALS[name]
    with pytest.raises(InputError) as error:
        evaluate(*arguments, **options)
    assert words in str(error.value)


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_the_wrong_kind_of_thing_is_a_type_error_too(name):
    arguments, options, words = WRONG_KINDS[name]
    with pytest.raises(InputTypeError) as error:
        evaluate(*arguments, **options)
    assert words in str(error.value)


def test_a_link_that_gives_nan_is_refused():
    from nearkin.distances import Distance

    class Broken(Distance):
        order_is_euclidean = False

        def link(self, squared, anchor_norm, reference_norm):
            return (squared - 1).log()

    with pytest.raises(InputError, match="gives NaN or infinity"):
        evaluate(X, Y, distance=Broken())


def test_queries_of_one_class_are_retrieved_but_not_clustered():
    found = evaluate(X, np.zeros(18, int), references=X, reference_labels=Y, knn=())
    assert found.clustering is None
    assert "not clustered: the queries are of one class" in found.notes
    assert "nmi" not in found.scores
