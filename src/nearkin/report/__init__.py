"""From a study folder to facts, from facts to a page, tables and files. No torch: a report can be made anywhere again."""

from nearkin.report.summarise import summarise
from nearkin.report.summary import Summary
from nearkin.report.terminal import to_table

__all__ = ["Summary", "summarise", "to_table"]
