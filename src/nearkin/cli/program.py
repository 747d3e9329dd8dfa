"""The program `nearkin`: its commands, its first words, and how it ends."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Any, NoReturn

import click

from nearkin import __version__
from nearkin.cli import (
    classify,
    compare,
    data,
    doctor,
    evaluate,
    export,
    gallery,
    listing,
    report,
    search,
    train,
    verify,
)
from nearkin.cli.answers import OWN_IMAGES
from nearkin.core import InputError, MissingExtra, raise_on_signals

WELCOME = f"""\
nearkin learns, compares and uses image embeddings: vectors in which near means kin.

See it work (real handwritten digits, nothing to download, a few minutes):

    nearkin compare quickstart

Ask which method is best on your own images (a folder with one folder a class, a zip of one, or a CSV):

    {OWN_IMAGES}

nearkin --help lists the commands; nearkin COMMAND --help explains one.
"""


class Sentence(click.ClickException):
    """Ends the program with one sentence on stderr and an exit code: 2 the user's mistake, 1 a failure, 130 a stop."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the object

    def show(self, file: Any = None) -> None:
        """Print the sentence."""
        click.echo(f"nearkin: {self.message}", err=True, file=file)


class Program(click.Group):
    """The group of all commands; turns what they raise into a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except (InputError, MissingExtra) as error:
            raise Sentence(str(error), 2) from error
        except KeyboardInterrupt as stop:
            raise Sentence(str(stop) or _words_of_stop(ctx.invoked_subcommand), 130) from stop
        except BrokenPipeError:
            _hush_stdout()
            raise Sentence("the reader of the output went away", 1) from None
        except OSError as error:
            raise Sentence(_words_of(error), 1) from error
        except Exception as error:
            click.echo(traceback.format_exc(), err=True)
            raise Sentence(f"failed: {type(error).__name__}: {error}", 1) from error


def _words_of_stop(command: str | None) -> str:
    """What is left of a command that was stopped: studies and downloads go on from where they were."""
    goes_on = command in ("compare", "train", "data")
    return "stopped; what was finished is saved, and the same command goes on from there" if goes_on else "stopped"


def _words_of(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"failed: {error.strerror or error}{place}"


def _hush_stdout() -> None:
    """The interpreter flushes stdout at its end, which would fail again where the reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="nearkin")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Learn, compare and use image embeddings: vectors in which near means kin."""
    if ctx.invoked_subcommand is None:
        click.echo(WELCOME, nl=False)


for _command in (
    compare.compare,
    train.train,
    export.export,
    gallery.gallery,
    classify.classify,
    verify.verify,
    search.search,
    evaluate.evaluate,
    report.report,
    listing.list_names,
    data.data,
    doctor.doctor,
):
    program.add_command(_command)


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as a sentence on stderr, without the place in the code that gave it."""
    click.echo(f"nearkin: {message}", err=True)


def main() -> NoReturn:
    """Run the program with the arguments that were typed. A request to end (SIGTERM) is taken like Ctrl-C."""
    raise_on_signals()
    warnings.showwarning = _say
    program()
    sys.exit(0)
