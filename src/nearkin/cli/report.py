"""`nearkin report`: every number and the page, made again from a study's folder alone. No torch needed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nearkin.cli.answers import json_option, print_json


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--maps", type=click.Choice(["pca", "tsne"]), default="pca", show_default=True, help="How maps of more than two dimensions are drawn.")
@click.option("--tables", is_flag=True, help="Also write results.parquet (extra tables).")
@json_option
def report(study: Path, maps: str, tables: bool, as_json: bool) -> None:
    """Make the results and the page of a STUDY folder again."""
    from rich.console import Console

    from nearkin.report import summarise, to_table, write_report

    summary = summarise(study, maps=maps)
    page = write_report(summary, tables=tables)
    if as_json:
        print_json({**json.loads((study / "results.json").read_text("utf-8")), "report": str(page)})
        return
    Console().print(to_table(summary))
    click.echo(f"The page with maps, neighbours, curves and every number:  {page}")
