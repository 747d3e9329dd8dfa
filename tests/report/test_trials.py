"""The trials of a tuned study: their spread in the results and on the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from nearkin.core import InputError
from nearkin.report import summarise, to_html, write_report
from nearkin.report.html_folded import TRIALS

HEADER = ("kind", "method", "protocol", "seed", "trial", "best_step", "validation", "settings")
SCORES = {"siamese": [0.5, 0.25, "", 0.75, 0.75], "triplet": ["", ""]}


def write_trials(study: Path, protocol: str, scores: dict) -> None:
    with open(study / "validation.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for name, values in scores.items():
            for number, score in enumerate(values):
                settings = {"loss": {"name": "x", "margin": number / 4}, **({"training": {"rate": "<b>fast</b>"}} if number == 3 else {})}
                table.writerow(["trial", name, protocol, 0, number, 3, score, json.dumps(settings)])
            table.writerow(["run", name, protocol, 0, "", 3, 0.99, "{}"])


@pytest.fixture
def tuned(small: Path) -> Path:
    write_trials(small, protocols(small)[0], SCORES)
    return small


def protocols(study: Path) -> list[str]:
    return json.loads((study / "study.json").read_text())["protocols"]


def test_the_spread_of_every_methods_trials_is_in_the_results(tuned: Path) -> None:
    write_report(summarise(tuned), tables=False)
    first, *others = json.loads((tuned / "results.json").read_text())["protocols"]
    siamese, triplet = sorted(first["trials"], key=lambda trials: trials["method"])
    assert siamese == {
        "method": "siamese",
        "scores": {"0": 0.5, "1": 0.25, "2": None, "3": 0.75, "4": 0.75},
        "failed": 1,
        "lowest": 0.25,
        "median": 0.625,
        "highest": 0.75,
        "chosen": 3,
        "settings": {"loss.margin": "0.75", "training.rate": "<b>fast</b>"},
    }
    assert (triplet["failed"], triplet["chosen"], triplet["highest"]) == (2, None, None)
    assert all(protocol["trials"] == [] for protocol in others)


def test_the_page_shows_them_and_runs_no_name(tuned: Path) -> None:
    page = to_html(summarise(tuned))
    for words in (TRIALS.split(";")[0], "1 broke off", "0.625", "trial 3", "&lt;b&gt;fast&lt;/b&gt;"):
        assert words in page
    assert "<b>fast" not in page


def test_a_study_that_was_not_tuned_says_nothing_of_trials(small: Path) -> None:
    (small / "validation.csv").unlink(missing_ok=True)
    assert TRIALS.split(";")[0] not in to_html(summarise(small))
    write_trials(small, "another protocol", SCORES)
    assert all(protocol.trials == () for protocol in summarise(small).protocols)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("trial,best_step", "number,best_step", "has no column 'trial'"),
        (",0.25,", ",many,", "a trial of 'siamese'.*many"),
        ("trial,siamese", "trial,siamese,", "row 2: 9 cells"),
        ('{""loss""', "[", "a trial of 'siamese'"),
    ],
)
def test_a_damaged_table_of_trials_is_named(tuned: Path, old: str, new: str, words: str) -> None:
    text = (tuned / "validation.csv").read_text()
    assert old in text
    (tuned / "validation.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"validation\.csv.*{words}"):
        summarise(tuned)
