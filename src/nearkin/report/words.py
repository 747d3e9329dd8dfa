"""What is said about a result, in plain sentences; the page and the terminal say the same."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.report.summary import ProtocolSummary, Summary
from nearkin.statistics import spoken

TITLES = {
    "map": "MAP",
    "r-precision": "R-precision",
    "recall": "Recall",
    "precision": "Precision",
    "knn": "kNN",
    "nmi": "NMI",
    "ami": "AMI",
    "pairwise-f1": "Pairwise F1",
}
MEANINGS = {
    "map": "mean over images of the average precision at R, R the number of other images of the class",
    "r-precision": "share of an image's R nearest that are of its class, R the number of other images of the class",
    "recall": "share of images with at least one of their class among the K nearest",
    "precision": "share of images whose nearest image is of their class",
    "knn": "share of images that a vote of their k nearest neighbours labels rightly",
    "nmi": "normalised mutual information between classes and k-means clusters",
    "ami": "mutual information between classes and k-means clusters, adjusted for chance",
    "pairwise-f1": "F1 of the pairs that k-means puts into one cluster",
}
DISTANCES = {
    "euclidean": "Euclidean distance",
    "squared-euclidean": "squared Euclidean distance",
    "cosine": "cosine distance",
    "inner-product": "negative inner product",
    "snr": "SNR distance",
}
PROTOCOLS = {
    "closed-set": "The test images are new, their classes are not: every class was there in training.",
    "class-disjoint": "The classes of the test images were never seen in training.",
    "official": "The split is the one that the data set was published with.",
}


def score_title(name: str) -> str:
    """How a score is written in a heading.

    >>> score_title("map@r"), score_title("recall@1"), score_title("nmi")
    ('MAP@R', 'Recall@1', 'NMI')
    """
    measure, at, rank = name.partition("@")
    return TITLES.get(measure, measure) + at + rank.upper()


def score_meaning(name: str) -> str:
    """What a score is, in one clause; empty for one that is not the library's own."""
    return MEANINGS.get(name.partition("@")[0], "")


def score_meanings(names: Sequence[str]) -> list[str]:
    """What several scores are, each measure once.

    >>> score_meanings(["knn@1", "knn@5"])
    ['kNN@k: share of images that a vote of their k nearest neighbours labels rightly']
    """
    ranks = {"map": "@R", "recall": "@K", "precision": "@1", "knn": "@k"}
    measures = dict.fromkeys(name.partition("@")[0] for name in names)
    return [
        f"{TITLES[measure]}{ranks.get(measure, '')}: {MEANINGS[measure]}" for measure in measures if measure in MEANINGS
    ]


def distance_title(name: str) -> str:
    """How a distance is written beside an axis.

    >>> distance_title("squared-euclidean"), distance_title("snr"), distance_title("my.module:distance")
    ('squared Euclidean distance', 'SNR distance', 'my.module:distance')
    """
    return DISTANCES.get(name, name)


def headline_scores(names: Sequence[str]) -> tuple[str, ...]:
    """The scores of the short table: the primary one, Recall@1, kNN accuracy with the largest k, NMI."""
    votes = sorted((name for name in names if name.startswith("knn@")), key=lambda name: int(name.partition("@")[2]))
    wanted = [names[0], "recall@1", *votes[-1:], "nmi"]
    return tuple(dict.fromkeys(name for name in wanted if name in names))


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them; with semicolons where a name has a comma of its own.

    >>> listed(["a", "b", "c"]), listed(["a, b", "c"])
    ('a, b and c', 'a, b; c')
    """
    if any("," in name for name in names):
        return "; ".join(names)
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def tuning(summary: Summary) -> str:
    """The heading that says how the settings came about."""
    return "tuned on validation data" if summary.study.tuned else "defaults, not tuned"


def findings(summary: Summary, protocol: ProtocolSummary) -> list[str]:
    """What the table of a protocol says: the best, its equals, who differs from the baseline, what could be seen."""
    study = summary.study
    title = score_title(study.primary)
    best = next(row for row in protocol.rows if row.method.name == protocol.best)
    said = [f"{protocol.best} has the highest {title}: {spoken(best.scores[study.primary])}."]
    if protocol.level:
        said.append(f"All pairs taken together, it cannot be told from: {listed(protocol.level)}.")
    elif any(protocol.best in (pair.a, pair.b) and pair.p is not None for pair in protocol.pairs):
        said.append("It differs from every other method, all pairs taken together.")
    said += _against_baseline(summary, protocol)
    if protocol.missing:
        names = [f"{method} (seed {seed})" for method, seed in protocol.missing]
        said.append(f"Not finished: {listed(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}.")
    return said + [
        f"{run.method}, seed {run.seed}: {note}"
        for run in study.runs
        if run.protocol == protocol.split.protocol
        for note in run.notes
    ]


def _against_baseline(summary: Summary, protocol: ProtocolSummary) -> list[str]:
    baseline = summary.study.baseline
    said = []
    for verdict, words in (
        ("better", "Better than"),
        ("worse", "Worse than"),
        ("equal", "Equal, as far as this study can see, to"),
    ):
        names = [row.method.name for row in protocol.rows if row.verdict == verdict]
        if names:
            said.append(f"{words} {baseline}: {listed(names)}.")
    unclear = [row.method.name for row in protocol.rows if row.verdict == "unclear"]
    if unclear:
        said.append(f"Unclear, an interval without 0 that does not stand after Holm's correction: {listed(unclear)}.")
    refused = next((row.detail for row in protocol.rows if row.verdict == "not tested"), "")
    if refused:
        said.append(f"Not tested: {refused}.")
    if protocol.detectable:
        low, high = (f"{value:.2f}" for value in protocol.detectable)
        span = low if low == high else f"{low} to {high}, depending on the method"
        said.append(f"The smallest difference to {baseline} that this design could have seen, with 80 % power: {span}.")
    return said


def shows(summary: Summary) -> list[str]:
    """What the study shows."""
    study = summary.study
    sizes = [
        f"{len(p.split.test):,} images of {len(p.classes):,} classes ({p.split.protocol})" for p in summary.protocols
    ]
    said = [
        f"How well {listed(sizes)} from {study.data.name} find images of their own class, under methods that were "
        "trained with the same budget and the same batches.",
        "Intervals hold with 95 % confidence over classes and seeds together: they speak about other classes like these "
        "and other trainings, not only about these images.",
        f"A method is called better or worse than {study.baseline} where its difference in {score_title(study.primary)} "
        "stands after Holm's correction for the number of methods, equal where no difference was seen.",
    ]
    return said + [
        PROTOCOLS[p.split.protocol]
        for p in summary.protocols[:1]
        if len(summary.protocols) == 1 and p.split.protocol in PROTOCOLS
    ]


def limits(summary: Summary) -> list[str]:
    """What the study does not show."""
    study = summary.study
    said = ["Equal means that no difference was seen, not that there is none; each row says what could have been seen."]
    if not study.tuned:
        said.append(
            "Every method ran with its default settings. A method that needs tuning may do better than it does here."
        )
    absent = [
        split.protocol for split in study.splits if split.protocol not in {p.split.protocol for p in summary.protocols}
    ]
    if absent:
        said.append(f"Nothing is finished yet under {listed(absent)}.")
    said.append(f"One data set, {study.data.name}, and one budget: the order of methods may be another elsewhere.")
    if len(study.seeds) < 5:
        count = len(study.seeds)
        said.append(
            f"{count} seed{'s say' if count > 1 else ' says'} little about how much one training differs from the next; five or more are better."
        )
    said.append(
        "A map is a picture in two dimensions. What lies together in it is often, but not always, near; judge by the table."
    )
    return said
