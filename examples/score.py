"""How good answers are whose truth is the folder of each photo: `nearkin classify new/ --json | python examples/score.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

answers = json.load(sys.stdin)["answers"]
truth = [Path(answer["image"]).parent.name for answer in answers]
nearest = sum(answer["candidates"][0]["label"] == label for answer, label in zip(answers, truth, strict=True))
named = [(answer["label"], label) for answer, label in zip(answers, truth, strict=True) if answer["label"] is not None]
right = sum(given == label for given, label in named)
print(f"{len(answers):,} photos: the first candidate is right for {nearest:,}; {len(named):,} get a name, {right:,} the right one")
