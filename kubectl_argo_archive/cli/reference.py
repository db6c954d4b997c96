"""``docs/cli.md``, written from the commands themselves: ``python -m kubectl_argo_archive.cli.reference``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kubectl_argo_archive.cli.main import PROG, READER_GONE, cli
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
| | `audit.seal` | `true` seals the lake after each export |
| `KUBECTL_ARGO_ARCHIVE_AUDIT_KEY` | `audit.key` | who signs: the variable holds the PEM, the file its place: `--key` |
| `KUBECTL_ARGO_ARCHIVE_AUDIT_PASSPHRASE` | | passphrase of an encrypted private key |
| | `audit.signer` | a command that signs instead: `--signer` |
| | `audit.public_key` | PEM file of the keys that may have signed: `--public-key` |
| | `audit.interval` | how often digests are expected, for example `1h`; longer is recorded as a gap |
| | `audit.access_log` | `false` stops recording who reads and exports audit data |
| `NO_COLOR` | | no colours |

Credentials come from AWS' own chain (environment, profiles, SSO, web identity, container, instance), never from the
file. All other variables and profile keys of AWS that concern credentials, endpoints and certificates work as usual.
"""


def markdown() -> str:
    """The whole document."""
    codes = [f"| {code.value} | {meaning} |" for code, meaning in _MEANINGS.items()]
    codes.append(f"| {READER_GONE} | whoever read the output went away (`… \\| head`) |")
    return _HEAD + "\n".join(codes) + "\n" + _SETTINGS + "".join(_sections(cli, []))


def _sections(command: click.Command, path: list[str]) -> Iterator[str]:
    """A command and those below it, each with its help."""
    ctx = click.Context(cli, info_name=PROG, help_option_names=["-h", "--help"])
    for name in path:
        ctx = click.Context(command, parent=ctx, info_name=name)
    ctx.terminal_width = ctx.max_content_width = _WIDTH
    help_text = "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
    yield f"\n## {' '.join([PROG, *path])}\n\n```text\n{help_text}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None, name
            yield from _sections(below, [*path, name])


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
