"""The command line: verbs and flags. A mistake of the user ends it with a sentence and exit status 2.

Every verb imports what it needs when it runs, so that ``--help`` and ``status`` are there at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from nsg_cluster import __version__
from nsg_cluster.cli.control import cancel, clean, resubmit
from nsg_cluster.cli.data import data
from nsg_cluster.cli.fetch import fetch
from nsg_cluster.cli.image import image
from nsg_cluster.cli.look import doctor, logs, report, status
from nsg_cluster.cli.submit import script, submit
from nsg_cluster.cli.view import view
from nsg_cluster.cli.work import evaluate, export, render, train
from nsg_cluster.core.errors import NsgError, refusals_told

__all__ = ["command", "main"]

PROGRAM = "python launch.py"
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WORKFLOW = (
    submit,
    script,
    train,
    evaluate,
    render,
    export,
    view,
    status,
    logs,
    fetch,
    cancel,
    resubmit,
    clean,
    report,
    data,
    image,
    doctor,
)


class _Verbs(click.Group):
    """A group whose first argument, where it is no verb, is what ``submit`` is to work on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``submit`` before anything that is neither a verb nor an option of the group itself."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0] not in self.commands and args[0] not in own:
            args = ["submit", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """List the verbs in the order in which they are used."""
        return [verb.name or "" for verb in WORKFLOW]


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nsg_cluster", message="%(prog)s %(version)s")
def command() -> None:
    r"""Train, evaluate and render radiance fields from one YAML file.

    \b
      python launch.py configs/quickstart.yaml                  # train, evaluate, render, report
      python launch.py configs/quickstart.yaml train.steps=500  # the same with one setting changed
      python launch.py status                                   # what became of all runs
      python launch.py logs @last -f                            # what the newest one says

    An experiment is what to compute: a YAML file. A run is an experiment that was submitted: a folder under
    <storage>/runs, named by its id, a unique prefix of it, its folder, or @last. The storage is the folder in which the
    command runs, unless a site (--site), NSG_STORAGE or ~/.config/nsg_cluster/config.yaml names another one.

    Exit status of every verb: 0 done, 1 a task failed, 2 a mistake that you can correct, 130 interrupted.
    """


for _verb in (command, *WORKFLOW, *data.commands.values(), *image.commands.values()):
    # The paragraph after this mark is shown as it stands; docstrings that hold a backslash are raw.
    _verb.help = (_verb.help or "").replace("\\b\n", "\b\n")
for _verb in WORKFLOW:
    command.add_command(_verb)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return NsgError.exit_status
    except NsgError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_status
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        click.echo("\ninterrupted", err=True)  # below the terminal's ^C
        return INTERRUPTED
    except OSError as error:
        return _unwritten(error)
    return status


def _run(argv: list[str]) -> int:
    # Click's own `main` ends the program with status 1 where the reader of our output has gone.
    try:
        with refusals_told(), command.make_context(PROGRAM, argv) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _unwritten(error: OSError) -> int:
    """Return the exit status where standard output cannot be written; any other error is a fault of ours."""
    if not isinstance(error, BrokenPipeError) and (error.errno not in FULL or error.filename):
        raise error
    # Python would complain once more when it closes the stream.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):  # whoever read our output has enough of it
        return 0
    click.echo(f"error: standard output cannot be written: {error.strerror}; write it to another place", err=True)
    return NsgError.exit_status
