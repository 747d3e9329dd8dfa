"""One call: a study folder becomes its result files and its page."""

from __future__ import annotations

from pathlib import Path

from nearkin.core import write_atomically
from nearkin.report.html import to_html
from nearkin.report.make_summary import summarise
from nearkin.report.results import write_results
from nearkin.report.summary import Summary


def build_report(study_folder: Path | str, *, maps: str = "pca", tables: bool = False) -> Path:
    """Make results.json, results.csv and report.html from the folder alone; answer the path of the page.

    maps:    "pca" or "tsne", see `summarise`
    tables:  also write results.parquet (extra `tables`)
    Errors:  InputError where the folder is missing, damaged or without a finished run; nothing is written then
    Same:    the same folder gives the same bytes
    """
    return write_report(summarise(study_folder, maps=maps), tables=tables)


def write_report(summary: Summary, *, tables: bool = False) -> Path:
    """Write the files of a summary into its study folder, each whole or not at all; the page comes last."""
    page = to_html(summary)
    write_results(summary, summary.study.folder, tables=tables)
    return write_atomically(summary.study.folder / "report.html", page)
