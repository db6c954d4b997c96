"""``docs/cli.md``, written from the commands themselves: ``python -m kubectl_argo_archive.cli.reference``."""

from __future__ import annotations

import click

from kubectl_argo_archive.cli.main import COMMANDS, PROG, READER_GONE, cli
from kubectl_argo_archive.errors import ExitCode

_WIDTH = 100

_HEAD = f"""# The command line

Written by `make docs` from the commands' own help. Data goes to standard output, messages and progress to standard
error. Flags stand behind `{PROG}`, not behind `kubectl`.

## Exit codes

| code | meaning |
| ---: | --- |
"""

_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed; the message says why, the hint what to do",
    ExitCode.USAGE: "wrong options, configuration or location",
    ExitCode.FOUND_PROBLEMS: "done, and found problems that need a look",
    ExitCode.UNREACHABLE: "the database or the storage does not answer",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C or SIGTERM",
}

_SETTINGS = """
## Environment and configuration file

A flag goes before its environment variable, and that before the configuration file.

| variable | in the file | meaning |
| --- | --- | --- |
| `KUBECTL_ARGO_ARCHIVE_SOURCE` | `source` | the archive: `--source` |
| `KUBECTL_ARGO_ARCHIVE_LAKE` | `lake` | the lake: `--lake` |
| `KUBECTL_ARGO_ARCHIVE_CONFIG` | | the file: `--config`, else `~/.config/kubectl-argo-archive/config.toml` |
| `KUBECTL_ARGO_ARCHIVE_DEBUG` | | `1` shows tracebacks |
| `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | `s3.endpoint_url` | the S3 server, if it is not AWS |
| `AWS_REGION`, `AWS_DEFAULT_REGION` | `s3.region` | the region of the bucket |
| `AWS_PROFILE` | `s3.profile` | the profile in `~/.aws/config` |
| | `s3.addressing_style` | `path`, `virtual` or `auto`: path for a server of your own |
| `AWS_CA_BUNDLE` | `s3.ca_bundle` | PEM file of the authorities to trust |
| | `s3.verify` | `false` trusts every certificate |
| `AWS_NO_SIGN_REQUEST` | `s3.anonymous` | send no credentials, for public buckets |
| | `query.memory_limit` | memory that a query may take, for example `2GB` |
| | `query.timeout` | seconds until a query is stopped |
| `NO_COLOR` | | no colours |

Credentials come from AWS' own chain (environment, profiles, SSO, web identity, container, instance), never from the
file. All other variables and profile keys of AWS that concern credentials, endpoints and certificates work as usual.
"""


def markdown() -> str:
    """The whole document."""
    codes = [f"| {code.value} | {meaning} |" for code, meaning in _MEANINGS.items()]
    codes.append(f"| {READER_GONE} | whoever read the output went away (`… \\| head`) |")
    sections = [_section(PROG, cli, [])] + [_section(f"{PROG} {name}", _command(name), [name]) for name in COMMANDS]
    return _HEAD + "\n".join(codes) + "\n" + _SETTINGS + "".join(sections)


def _command(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    return command


def _section(title: str, command: click.Command, path: list[str]) -> str:
    ctx = click.Context(cli, info_name=PROG, help_option_names=["-h", "--help"])
    for name in path:
        ctx = click.Context(command, parent=ctx, info_name=name)
    ctx.terminal_width = ctx.max_content_width = _WIDTH
    help_text = "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
    return f"\n## {title}\n\n```text\n{help_text}\n```\n"


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
