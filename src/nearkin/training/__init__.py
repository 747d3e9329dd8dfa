"""Training: one seeded loop in plain PyTorch that can be stopped anywhere and goes on with the same bits."""

from nearkin.training.augmentation import Augmentation
from nearkin.training.batches import Sampler
from nearkin.training.generated_step import gradient_table
from nearkin.training.history import History
from nearkin.training.interruption import Interrupted
from nearkin.training.plan import TrainingPlan
from nearkin.training.progress import ProgressBar, StepReport
from nearkin.training.step import TrainingFailed
from nearkin.training.train import train
from nearkin.training.unfreezing import Unfreezing

__all__ = [
    "Augmentation",
    "History",
    "Interrupted",
    "ProgressBar",
    "Sampler",
    "StepReport",
    "TrainingFailed",
    "TrainingPlan",
    "Unfreezing",
    "gradient_table",
    "train",
]
