"""From a study folder to facts, from facts to a page, tables and files. No torch: it can be made anywhere."""

from nearkin.report.build import build_report, write_report
from nearkin.report.html import to_html
from nearkin.report.make_summary import summarise
from nearkin.report.summary import Summary
from nearkin.report.terminal import to_table

__all__ = ["Summary", "build_report", "summarise", "to_html", "to_table", "write_report"]
