"""``kubectl argo-archive``: the root command, and how whatever happens becomes an exit code."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from kubectl_argo_archive.cli import diagnostics
from kubectl_argo_archive.cli.lazy import LazyGroup
from kubectl_argo_archive.errors import ArgoArchiveError, ExitCode, redact

if TYPE_CHECKING:
    from types import FrameType

PROG = "kubectl argo-archive"
DEBUG_VARIABLE = "KUBECTL_ARGO_ARCHIVE_DEBUG"
COMPLETE_VARIABLE = "_KUBECTL_ARGO_ARCHIVE_COMPLETE"
"""Set by the scripts that ``completion`` prints, to ask for candidates instead of running."""
_GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
LIBRARIES = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc" if _GLIBC else "system", "OPENBLAS_NUM_THREADS": "1"}
"""What libraries read when they are loaded, unless the user says otherwise. Arrow's wheels for glibc have jemalloc,
which keeps less free memory than what Arrow takes by itself (an export of 1.5 GB peaks at 510 MB instead of 670 MB).
No threads for linear algebra, of which there is none: starting them takes 40 ms."""
COLLECT_AFTER = 20_000
"""New objects before the collector looks for cycles: the libraries' modules are many objects, all there to stay."""
READER_GONE = 141
"""Exit code after a broken pipe: what a shell reports of any tool whose reader went away (128 + SIGPIPE)."""

_COMMANDS = "kubectl_argo_archive.cli.commands."
COMMANDS = {
    "export": (_COMMANDS + "export", "Copy the archived workflows into the lake."),
    "index": (_COMMANDS + "index", "Index the archived pod logs of the lake's workflows."),
    "query": (_COMMANDS + "query", "Ask the lake in SQL."),
    "tables": (_COMMANDS + "tables", "Explain the tables, views and columns of the lake."),
    "search": (_COMMANDS + "search", "Search the text of all indexed pod logs."),
    "logs": (_COMMANDS + "logs", "Print the logs of an archived workflow."),
    "log-patterns": (_COMMANDS + "log_patterns", "Cluster log lines into patterns."),
    "verify": (_COMMANDS + "verify", "Find what is wrong with the archive, before it is needed."),
    "setup": (_COMMANDS + "setup", "Write a set-up that archives, or find what is wrong with one."),
    "audit": (_COMMANDS + "audit", "Seal the lake, and check what was sealed."),
    "reconcile": (_COMMANDS + "reconcile", "Compare the database with the lake, day by day."),
    "demo": (_COMMANDS + "demo", "Run the whole pipeline on embedded servers."),
    "version": (_COMMANDS + "version", "Show the versions of this tool and its libraries."),
    "completion": (_COMMANDS + "completion", "Print the script that completes commands in a shell."),
}

SHARED = (
    click.Option(
        ["--config"],
        metavar="FILE",
        type=click.Path(dir_okay=False),
        expose_value=False,
        callback=lambda ctx, _param, value: _keep(ctx, "config", value),
        help="Configuration file.  [env: KUBECTL_ARGO_ARCHIVE_CONFIG;"
        " default: ~/.config/kubectl-argo-archive/config.toml]",
    ),
    click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _param, value: _keep(ctx, "debug", value),
        help=f"Show the traceback of an internal error ({DEBUG_VARIABLE}=1 does too).",
    ),
)


def _keep(ctx: click.Context, key: str, value: object) -> None:
    """Remember a shared option for the whole invocation; an option that was not given overwrites nothing."""
    if value:
        ctx.find_root().meta[f"{__name__}.{key}"] = value


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    shared=SHARED,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  kubectl argo-archive export --source postgresql://argo@db/argo --lake s3://bucket/lake
  kubectl argo-archive query --lake s3://bucket/lake "select phase, count(*) from workflows group by 1"
  kubectl argo-archive tables nodes""",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The archive of Argo Workflows as an open lake: Parquet on S3 or in a folder, answered in SQL."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """The console script: run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.update(LIBRARIES | os.environ)
    gc.set_threshold(COLLECT_AFTER)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_stdout()
    # what is alive dies with the process: looking through it for cycles on the way out takes up to 0.15 s
    gc.freeze()
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run one command line; every outcome is an exit code, nothing but a SystemExit is raised."""
    debug = bool(os.environ.get(DEBUG_VARIABLE)) or "--debug" in args
    try:
        code = _invoke(args)
        sys.stdout.flush()
        return code
    except ArgoArchiveError as error:
        if debug:
            diagnostics.traceback(error)
        diagnostics.error(error.message, error.hint)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        diagnostics.note("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except click.ClickException as error:
        diagnostics.error(_sentence(error.format_message()), _where_to_read(error))
        return error.exit_code
    except Exception as error:
        return _unexpected(error, debug)


def _invoke(args: list[str]) -> int:
    """Parse and run; a command returns None or an :class:`ExitCode`."""
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, PROG, COMPLETE_VARIABLE, instruction)
    try:
        with cli.make_context(PROG, list(args)) as ctx:
            return int(cli.invoke(ctx) or ExitCode.OK)
    except click.exceptions.Exit as done:
        return done.exit_code


def _unexpected(error: Exception, debug: bool) -> int:
    """What nobody foresaw is our bug; a full disk or an empty memory is not."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = f" ({error.filename})" if error.filename else ""
        diagnostics.error(f"no space left to write{what}", "free some space, or write somewhere else")
    elif isinstance(error, MemoryError):
        diagnostics.error("out of memory", "give the process more memory, or ask for less at once")
    else:
        if debug:
            diagnostics.traceback(error)
        first_line = redact(str(error)).partition("\n")[0]
        diagnostics.error(
            f"internal error: {type(error).__name__}: {first_line}",
            f"this is a bug: please report it with the output of the same command under {DEBUG_VARIABLE}=1"
            " and of `kubectl argo-archive version`",
        )
    return ExitCode.FAILED


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a command as Ctrl-C does, so that it cleans up in the same way."""
    raise KeyboardInterrupt


def _drop_stdout() -> None:
    """Let the interpreter's own flush at exit go nowhere: it could only complain a second time."""
    with suppress(OSError, ValueError):  # stdout has no descriptor (a test's buffer) or is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(text: str) -> str:
    """Click's messages in our style: lower case, no full stop."""
    return text[:1].lower() + text[1:].rstrip(".")


def _where_to_read(error: click.ClickException) -> str | None:
    ctx = getattr(error, "ctx", None)
    return f"see `{ctx.command_path} --help`" if ctx is not None else None
