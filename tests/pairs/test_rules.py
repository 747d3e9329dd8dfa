"""Who is kin to whom: every rule against pair-by-pair loops, blocks equal to the whole, mistakes refused in words."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from nearkin.core import InputError, InputTypeError
from nearkin.pairs import FirstTwo, Matrix, PairRule, Related, Relation, SameLabel, SharedLabel, as_rule, as_values

CPU = torch.device("cpu")


def whole(rule: PairRule, references: Tensor | None = None) -> Relation:
    columns = rule.columns(rule.values) if references is None else rule.columns(references)
    anchors = rule.columns(rule.values)
    return rule.relate(anchors, columns, slice(0, len(rule)))


def pairs(mask: Tensor) -> set[tuple[int, int]]:
    return {(i, j) for i, j in mask.nonzero().tolist()}


labels_of = some.lists(some.integers(-3, 3), min_size=1, max_size=9)


@given(labels=labels_of, others=labels_of)
def test_the_same_label_is_kin_and_every_other_pair_is_not(labels, others):
    relation = SameLabel(torch.tensor(labels)).relate(torch.tensor(labels), torch.tensor(others), slice(0, len(labels)))
    wanted = {(i, j) for i, a in enumerate(labels) for j, b in enumerate(others) if a == b}
    assert pairs(relation.positives) == wanted
    assert torch.equal(relation.negatives, ~relation.positives)
    assert relation.weights is None


@given(rows=some.lists(some.lists(some.integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_samples_that_share_a_label_are_kin(rows):
    relation = whole(SharedLabel(torch.tensor(rows)))
    wanted = {
        (i, j)
        for i, a in enumerate(rows)
        for j, b in enumerate(rows)
        if any(x and y for x, y in zip(a, b, strict=True))
    }
    assert pairs(relation.positives) == wanted
    assert torch.equal(relation.negatives, ~relation.positives)


def test_a_sample_without_labels_is_kin_of_nobody():
    relation = whole(SharedLabel(torch.tensor([[0, 0], [1, 0], [1, 1]])))
    assert not relation.positives[0].any()
    assert relation.negatives[0].all()


def test_many_shared_labels_are_still_one_relation():
    relation = whole(SharedLabel(torch.ones(2, 5000, dtype=torch.int64)))
    assert relation.positives.all()
    assert relation.positives.dtype == torch.bool


def test_a_function_of_two_values_says_who_is_kin():
    ages = torch.tensor([3, 4, 30])
    rule = Related(lambda a, r: (a[:, None] - r[None]).abs() <= 2, ages)
    assert pairs(whole(rule).positives) == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)}
    assert pairs(whole(rule, torch.tensor([5])).positives) == {(0, 0), (1, 0)}


def test_a_function_may_be_asymmetric_row_is_anchor():
    rule = Related(lambda a, r: a[:, None] > r[None], torch.tensor([1, 2]))
    assert pairs(whole(rule).positives) == {(1, 0)}


def test_weights_above_zero_are_positive_pairs_of_that_weight_and_zero_is_negative():
    given = torch.tensor([[0.0, 0.5, 2.0], [1e-9, 0.0, 0.0]])
    for rule in (Matrix(given), Related(lambda a, r: given, torch.tensor([0, 1]))):
        relation = rule.relate(torch.tensor([0, 1]), torch.tensor([0, 1, 2]), slice(0, 2))
        assert torch.equal(relation.positives, given > 0)
        assert torch.equal(relation.negatives, given == 0)
        assert torch.equal(relation.weights, given)


def test_negatives_of_a_matrix_may_be_narrowed_and_never_overlap_the_positives():
    positives = torch.tensor([[True, False, False], [False, True, False]])
    negatives = torch.tensor([[True, True, False], [True, False, False]])
    relation = Matrix(positives, negatives).relate(None, None, slice(0, 2))
    assert pairs(relation.positives) == {(0, 0), (1, 1)}
    assert pairs(relation.negatives) == {(0, 1), (1, 0)}


@given(labels=some.lists(some.integers(0, 4), min_size=0, max_size=10))
def test_first_two_pairs_the_first_two_members_of_each_class_in_batch_order(labels):
    relation = whole(FirstTwo(SameLabel(torch.tensor(labels, dtype=torch.int64))))
    places = {label: [i for i, other in enumerate(labels) if other == label] for label in labels}
    couples = {members[0]: members[1] for members in places.values() if len(members) >= 2}
    assert pairs(relation.positives) == set(couples.items())
    assert pairs(relation.negatives) == {(i, n) for i in couples for m, n in couples.items() if m != i}


def blocks(rule: PairRule, size: int) -> list[Relation]:
    values = rule.columns(rule.values)
    starts = range(0, len(rule), size)
    return [rule.relate(None if values is None else values[s : s + size], values, slice(s, s + size)) for s in starts]


GRADED = torch.tensor([[0.0, 0.5, 0], [1, 0, 0.25], [0, 2, 0]])
RULES = [
    SameLabel(torch.tensor([0, 1, 0])),
    SharedLabel(torch.tensor([[1, 0], [1, 1], [0, 1]])),
    Related(lambda a, r: (a[:, None] - r[None]).abs() / 4.0, torch.tensor([1, 2, 3])),
    Matrix(GRADED),
    Matrix(GRADED > 0, GRADED == 0),
    FirstTwo(SameLabel(torch.tensor([0, 1, 0]))),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("size", [1, 2])
def test_blocks_of_a_rule_are_the_rows_of_the_whole(rule, size):
    entire = whole(rule)
    for i, part in enumerate(entire):
        cut = [block[i] for block in blocks(rule, size)]
        assert all(one is None for one in cut) if part is None else torch.equal(torch.cat(cut), part)


def test_only_rules_of_class_indices_know_classes():
    labels = torch.tensor([4, 4, 1])
    assert torch.equal(SameLabel(labels).classes(), labels)
    assert torch.equal(FirstTwo(SameLabel(labels)).classes(), labels)
    assert SharedLabel(torch.tensor([[1, 0]])).classes() is None
    assert Related(lambda a, r: a[:, None] == r, labels).classes() is None
    assert Matrix(GRADED).classes() is None


def test_a_rule_of_labels_can_be_cut_to_some_anchors():
    picked = SameLabel(torch.tensor([4, 5, 6])).pick(torch.tensor([2, 0]))
    assert torch.equal(picked.values, torch.tensor([6, 4]))
    assert Matrix(GRADED).pick(torch.tensor([0])) is None


# Mistakes


@pytest.mark.parametrize("bad", [-0.1, float("nan")])
def test_weights_below_zero_or_nan_are_refused(bad):
    given = torch.tensor([[0.0, bad], [1.0, 0.0]])
    with pytest.raises(InputError, match="weights of pairs must be at least 0 and not NaN"):
        Matrix(given).relate(None, None, slice(0, 2))
    with pytest.raises(InputError, match="weights of pairs must be at least 0 and not NaN"):
        whole(Related(lambda a, r: given, torch.tensor([0, 1])))


def test_a_function_of_the_wrong_shape_is_refused():
    with pytest.raises(InputError, match=r"must return a tensor of shape \(2, 2\), got \(2,\)"):
        whole(Related(lambda a, r: a == r, torch.tensor([0, 1])))
    with pytest.raises(InputError, match=r"must return a tensor of shape \(2, 2\), got bool"):
        whole(Related(lambda a, r: True, torch.tensor([0, 1])))


def test_a_matrix_of_the_wrong_shape_or_kind_is_refused():
    with pytest.raises(InputError, match=r"has shape \(anchors, references\); got \(3,\)"):
        Matrix(torch.zeros(3, dtype=torch.bool))
    with pytest.raises(InputError, match=r"got \(2, 3\) with negatives \(2, 2\)"):
        Matrix(torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool))
    with pytest.raises(InputTypeError, match=r"negatives of a matrix of pairs must be boolean, got torch.float32"):
        Matrix(torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 3))


def test_a_rule_without_values_says_that_it_needs_them():
    with pytest.raises(InputError, match="needs a value of each sample"):
        SameLabel(torch.tensor([0])).relate(torch.tensor([0]), None, slice(0, 1))
    with pytest.raises(NotImplementedError):
        PairRule().relate(None, None, slice(0, 0))


# Labels as users give them


def test_labels_of_every_integer_kind_become_class_indices():
    for labels in ([0, 1, 0], (0, 1, 0), torch.tensor([0, 1, 0], dtype=torch.uint8), torch.tensor([0, 1, 0]).numpy()):
        assert torch.equal(as_values("labels", labels, 3, CPU), torch.tensor([0, 1, 0]))
    assert isinstance(as_rule([0, 1, 0], 3, CPU), SameLabel)
    assert isinstance(as_rule([[0, 1], [1, 0]], 2, CPU), SharedLabel)
    assert isinstance(as_rule(torch.tensor([[True, False]]), 1, CPU), SharedLabel)
    rule = Matrix(GRADED)
    assert as_rule(rule, 3, CPU) is rule


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([0.0, 1.0], r"must be integers \(class indices\), got torch.float32: use labels.long\(\)"),
        (torch.tensor([0, 1], dtype=torch.float16), "got torch.float16"),
        (torch.tensor([1j, 0]), "got torch.complex64"),
        ([True, False], "got booleans"),
        ("ab", "must be integers or a pairs rule, got str"),
        ({"a": 1}, "must be integers or a pairs rule, got dict"),
        ([[0, 1], [2]], "must be integers or a pairs rule, got list"),
        ([0, 1, 1], r"must have shape \(2,\) or \(2, classes\), got \(3,\)"),
        (torch.tensor(3), r"must have shape \(2,\) or \(2, classes\), got \(\)"),
        (torch.zeros(2, 2, 2, dtype=torch.int64), r"got \(2, 2, 2\)"),
        ([[0, 2], [1, 0]], r"must be multi-hot, 0 and 1; class indices are \(2,\)"),
        ([[0], [1]], r"of shape \(2, 1\) would be one tag, .*class indices are \(2,\): use labels.squeeze\(1\)"),
        (torch.zeros(2, dtype=torch.int64, device="meta"), "labels are on meta, the embeddings on cpu"),
    ],
)
def test_labels_that_are_no_labels_are_refused_in_words(given, words):
    with pytest.raises(InputError, match=words):
        as_rule(given, 2, CPU)


def test_a_rule_for_another_number_of_samples_is_refused():
    with pytest.raises(InputError, match="the pairs rule describes 3 samples, the embeddings are 2"):
        as_rule(Matrix(GRADED), 2, CPU)
