"""What is said about a result, in plain sentences; the page and the terminal say the same."""

from __future__ import annotations

from collections.abc import Sequence

from nearkin.report.summary import ProtocolSummary, Summary
from nearkin.report.titles import score_title
from nearkin.statistics import spoken

PROTOCOLS = {
    "closed-set": "The test images are new, their classes are not: every class was there in training.",
    "class-disjoint": "The classes of the test images were never seen in training.",
    "official": "The split is the one that the data set was published with.",
    "few-shot": "The test images are new. Most scores are of the classes that were there in training; those of novel classes say so.",
}


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
        few = f"; with {len(study.seeds)} seeds their intervals are wide" if len(study.seeds) < 5 else ""
        said.append(
            f"With all {len(protocol.pairs)} pairs of methods judged together, this study cannot tell it from: "
            f"{listed(protocol.level)}{few}."
        )
    elif protocol.pairs and all(pair.claimed for pair in protocol.pairs if protocol.best in (pair.a, pair.b)):
        said.append("It differs from every other method, all pairs taken together.")
    said += _against_baseline(summary, protocol) + _unknowns(protocol)
    return said + _unfinished(protocol) + _noticed(summary, protocol)


def covered(summary: Summary, protocol: ProtocolSummary) -> str:
    """What the intervals of the primary score take as samples, in words: "classes and seeds"; "" without intervals."""
    primary = summary.study.primary
    trained = (row for row in protocol.rows if row.method.kind == "trained")
    scopes = {row.scores[primary].over for row in trained if primary in row.scores}
    return listed(sorted(scopes - {"nothing"})) if scopes - {"nothing"} else ""


def _unknowns(protocol: ProtocolSummary) -> list[str]:
    """Who tells images of unknown classes best from the others, where a study asks for such."""
    rows = [row for row in protocol.rows if "auroc" in row.scores and "fpr@95tpr" in row.scores]
    if not rows:
        return []
    best = max(rows, key=lambda row: row.scores["auroc"].estimate)
    auroc, accepted = (best.scores[name] for name in ("auroc", "fpr@95tpr"))
    return [
        f"{best.method.name} tells images of novel classes that nobody enrolled best from those of known ones: AUROC "
        f"{spoken(auroc)}; where 95 % of the known are accepted, {accepted.estimate:.1%} of the unknown are too."
    ]


def _unfinished(protocol: ProtocolSummary) -> list[str]:
    names = [f"{method} (seed {seed})" for method, seed in protocol.missing]
    if not names:
        return []
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return [f"Not finished: {listed(names[:6])}{more}."]


def _noticed(summary: Summary, protocol: ProtocolSummary) -> list[str]:
    """What training noticed (its notes begin with their step), once a method; all notes stand in the table of runs."""
    first: dict[str, str] = {}
    for run in summary.study.runs:
        for note in run.notes:
            if run.protocol == protocol.split.protocol and note.startswith("step "):
                first.setdefault(run.method, f"{run.method}, seed {run.seed}, {note}")
    return list(first.values())


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
    untested = next((row for row in protocol.rows if row.verdict == "not tested" and summary.study.primary in row.scores), None)
    if untested:
        said.append(f"Not tested: {untested.difference.note if untested.difference else untested.detail}.")
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
        *(_confidence(over) for over in dict.fromkeys(covered(summary, p) for p in summary.protocols) if over),
        f"A method is called better or worse than {study.baseline} where its difference in "
        f"{score_title(study.primary)} stands after Holm's correction for the number of methods, equal where no "
        "difference was seen.",
    ]
    return said + [
        PROTOCOLS[p.split.protocol]
        for p in summary.protocols[:1]
        if len(summary.protocols) == 1 and p.split.protocol in PROTOCOLS
    ]


def _confidence(over: str) -> str:
    seeds = "seeds" in over
    if over.startswith("episodes"):
        more = " and other trainings" if seeds else ""
        return f"Intervals hold with 95 % confidence over {over}: they speak about other episodes of these images{more}, not about other classes."
    others = "other classes like these" if over.startswith("classes") else f"other {over.split()[0]} like these"
    reach = f"{others} and other trainings" if seeds and not over.startswith("seeds") else "other trainings" if seeds else others
    together = " together" if " and " in over else ""
    return f"Intervals hold with 95 % confidence over {over}{together}: they speak about {reach}, not only about these images."


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
        seeds = "One seed says" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds say"
        said.append(f"{seeds} little about how much one training differs from the next; five or more are better.")
    said.append(
        "A map has two dimensions. What lies together in it is often, but not always, near; judge by the table."
    )
    return said
