"""What an evaluation found: scores, the records of every query, and what a reader must know beside them."""

from __future__ import annotations

from dataclasses import dataclass

from nearkin.evaluation.inputs import Array
from nearkin.evaluation.k_means import Clusters
from nearkin.evaluation.ties import Bounds, Ties


@dataclass(frozen=True)
class Clustering:
    """k-means on the queries and how well it agrees with their classes.

    `what` says in words what was clustered. `scores` belong to the restart of lowest inertia; `restarts` holds the same
    scores and the inertia of every restart, lowest inertia first, and `spread` their smallest and largest values.
    """

    what: str
    best: Clusters
    scores: dict[str, float]
    restarts: tuple[dict[str, float], ...]

    @property
    def spread(self) -> dict[str, Bounds]:
        """Smallest and largest value over restarts, of each score and of the inertia."""
        names = self.restarts[0]
        return {
            name: Bounds(min(r[name] for r in self.restarts), max(r[name] for r in self.restarts)) for name in names
        }


@dataclass(frozen=True)
class Evaluation:
    """Scores of embeddings, and where they come from.

    `scores`    name -> number: recall@K, precision@1, r-precision, map@r; knn@k (uniform votes) and knn@k-weighted,
                each also with -top5; nmi, ami, pairwise-f1.
    `queries`   name -> one entry for each query, in the order given. `hit@K`, `r-precision`, `ap@r` (float64, NaN where
                a lone query does not count), `knn@k` and its forms (1.0 right, 0.0 wrong), `predicted@k` (the label that
                the uniform vote of k gives), `relevant` (R, the number of relevant references), and the nearest
                references, unless `records=False`: `neighbours` (Q, 10) their rows, -1 behind the last, `distances`
                (Q, 10), NaN there.
    `ties`      what equal distances leave open.
    `clustering` None where not asked for.
    `lone`      number of queries without a relevant reference.
    `notes`     sentences for the reader: lone queries, ties, clipped k, what was clustered.

    A score of retrieval or kNN is the mean of its column (of the columns' class means with `macro`).
    """

    scores: dict[str, float]
    queries: dict[str, Array]
    ties: Ties
    clustering: Clustering | None
    lone: int
    notes: tuple[str, ...]
