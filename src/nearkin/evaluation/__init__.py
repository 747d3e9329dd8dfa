"""Embeddings and labels to scores: retrieval, kNN, clustering, episodes, verification and open sets."""

from nearkin.decision.votes import class_scores
from nearkin.evaluation.clustering import cluster
from nearkin.evaluation.episode_draw import Draw, draw_episodes, given_episodes
from nearkin.evaluation.episode_scores import Episodes, episodes, judge_episodes
from nearkin.evaluation.k_means import Clusters, kmeans
from nearkin.evaluation.open_set import open_set_scores
from nearkin.evaluation.partitions import adjusted_mutual_information, normalized_mutual_information, pairwise_f1
from nearkin.evaluation.result import Clustering, Evaluation
from nearkin.evaluation.single_pass import evaluate
from nearkin.evaluation.ties import Bounds, Ties
from nearkin.evaluation.verification import verification_scores

__all__ = [
    "Bounds",
    "Clustering",
    "Clusters",
    "Draw",
    "Episodes",
    "Evaluation",
    "Ties",
    "adjusted_mutual_information",
    "class_scores",
    "cluster",
    "draw_episodes",
    "episodes",
    "evaluate",
    "given_episodes",
    "judge_episodes",
    "kmeans",
    "normalized_mutual_information",
    "open_set_scores",
    "pairwise_f1",
    "verification_scores",
]
