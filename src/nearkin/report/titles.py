"""How scores and distances are called, and what a score means in one clause."""

from __future__ import annotations

from collections.abc import Sequence

TITLES = {
    "map": "MAP",
    "r-precision": "R-precision",
    "recall": "Recall",
    "precision": "Precision",
    "knn": "kNN",
    "nmi": "NMI",
    "ami": "AMI",
    "pairwise-f1": "Pairwise F1",
    "episodes": "N-way K-shot",
    "verification-auc": "Verification AUC",
    "eer": "EER",
    "tar": "TAR",
    "auroc": "AUROC of unknowns",
    "fpr": "FPR of unknowns",
    "oscr": "OSCR",
    "tpr-at-threshold": "TPR at threshold",
    "tnr-at-threshold": "TNR at threshold",
    "accuracy": "Accuracy",
    "class-accuracy": "Class accuracy",
    "accuracy-top5": "Accuracy top-5",
    **{
        name.format(top): title.format(top)
        for top in (1, 5)
        for name, title in {
            "top-{}": "Top-{}",
            "knn-top-{}": "kNN top-{}",
            "means-top-{}": "Class means top-{}",
            "train-top-{}": "Known images top-{}",
            "train-knn-top-{}": "Known images kNN top-{}, each left out",
            "train-knn-top-{}-in-index": "Known images kNN top-{}, each in the index",
            "all-classes-top-{}": "Top-{} (all)",
            "all-classes-known-top-{}": "Top-{} (known in all)",
            "all-classes-novel-top-{}": "Top-{} (novel in all)",
            "novel-top-{}": "Top-{} (among novel)",
        }.items()
    },
}
MEANINGS = {
    "map": "mean over images of the average precision at R, R the number of other images of the class",
    "r-precision": "share of an image's R nearest that are of its class, R the number of other images of the class",
    "recall": "share of images with at least one of their class among the K nearest",
    "precision": "share of images whose nearest image is of their class",
    "knn": "share of images that a vote of their k nearest neighbours labels rightly (weighted: votes count by 1/distance; "
    "top-5: the class is among the five with the most votes)",
    "nmi": "normalised mutual information between classes and k-means clusters",
    "ami": "mutual information between classes and k-means clusters, adjusted for chance",
    "pairwise-f1": "F1 of the pairs that k-means puts into one cluster",
    "episodes": "share of an episode's queries that are named rightly by the nearest class mean: N classes are drawn, of each K "
    "images to learn it from and others to name; within a group or a family, all classes of an episode are of the same one",
    "verification-auc": "chance that a pair of one class is nearer than a pair of two",
    "eer": "equal error rate: as many pairs of two classes accepted as pairs of one refused; lower is better",
    "tar": "share of pairs of one class accepted where that share of pairs of two is",
    "auroc": "chance that an image of a known class lies nearer to its nearest known image than one of a novel class that nobody "
    "enrolled",
    "fpr": "share of images of novel, unenrolled classes accepted by the threshold that accepts 95 % of those of known classes; "
    "lower is better",
    "oscr": "area under the share of known images accepted and answered rightly over the share of unknown ones accepted",
    "tpr-at-threshold": "share of test pairs of one class within the threshold of equal error of the training pairs",
    "tnr-at-threshold": "share of test pairs of two classes beyond that threshold",
    "accuracy": "share of images that the method's own classifier labels rightly",
    "class-accuracy": "mean over classes of the classifier's accuracy",
    "accuracy-top5": "share of images whose class is among the five first of the method's own classifier",
    **{
        name.format(top): meaning.format("first" if top == 1 else "among the first five")
        for top in (1, 5)
        for name, meaning in {
            "top-{}": "share of images of known classes whose class the method's own answer has {}: its classifier's where it has "
            "one, else the vote of the k nearest known images, weighted by 1/distance, k chosen by folds of the known images",
            "knn-top-{}": "the same, by that vote for every method: share with the class {}",
            "means-top-{}": "share of images of known classes for which the mean of their class's known images is {} of the nearest",
            "train-top-{}": "share of known images whose class the method's own answer has {}; kNN leaves each image out of its search",
            "train-knn-top-{}": "share of known images whose class the vote of the others has {}",
            "all-classes-top-{}": "share of images, of known and of novel classes, whose class the vote has {}, the novel classes "
            "enrolled beside the known ones and never trained on",
            "all-classes-known-top-{}": "the same of the images of known classes: share with the class {}",
            "all-classes-novel-top-{}": "the same of the images of novel classes: share with the class {}",
            "novel-top-{}": "share of images of novel classes whose class the vote of enrolled images of novel classes alone has {}",
        }.items()
    },
    "train-knn-top-1-in-index": "the same where each image answers itself: 1 by construction, what comes of not leaving it out",
}
DISTANCES = {
    "euclidean": "Euclidean distance",
    "squared-euclidean": "squared Euclidean distance",
    "cosine": "cosine distance",
    "inner-product": "negative inner product",
    "snr": "SNR distance",
    "snr-symmetric": "symmetric SNR distance",
    "mahalanobis": "Mahalanobis distance",
    "relative-mahalanobis": "relative Mahalanobis distance",
}


def score_title(name: str) -> str:
    """How a score is written in a heading.

    >>> score_title("map@r"), score_title("nmi"), score_title("knn@5-weighted-top5"), score_title("all-classes-top-5")
    ('MAP@R', 'NMI', 'kNN@5 weighted top-5', 'Top-5 (all)')
    >>> score_title("episodes@20x1"), score_title("episodes@5x1-within-family")
    ('20-way 1-shot', '5-way 1-shot within a family')
    """
    measure, at, rest = name.partition("@")
    rank, _, form = rest.partition("-")
    if measure == "episodes":
        ways, _, shots = rank.partition("x")
        return f"{ways}-way {shots}-shot" + (f" {form.replace('-', ' a ')}" if form else "")
    words = form.replace("-", " ").replace("top5", "top-5")
    return f"{TITLES.get(measure, measure)}{at}{rank.upper()} {words}".rstrip()


def score_meaning(name: str) -> str:
    """What a score is, in one clause; empty for one that is not the library's own."""
    return MEANINGS.get(name.partition("@")[0], "")


def score_meanings(names: Sequence[str]) -> list[str]:
    """What several scores are, each measure once.

    >>> score_meanings(["recall@1", "recall@2"])
    ['Recall@K: share of images with at least one of their class among the K nearest']
    """
    ranks = {"tar": "@FAR", "fpr": "@95TPR", "map": "@R", "recall": "@K", "precision": "@1", "knn": "@k"}
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
    """The scores of the short table: the primary one, Recall@1, kNN accuracy with the largest k, NMI; of a few-shot study its own."""
    ranks = sorted(int(name[4:]) for name in names if name.startswith("knn@") and name[4:].isdigit())
    if "knn-top-1" in names:
        few_shot = (names[0], "top-5", "all-classes-top-1", "all-classes-novel-top-1")
        return tuple(dict.fromkeys(name for name in few_shot if name in names))
    wanted = [names[0], "recall@1", *(f"knn@{rank}" for rank in ranks[-1:]), "nmi"]
    return tuple(dict.fromkeys(name for name in wanted if name in names))
