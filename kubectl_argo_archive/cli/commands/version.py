"""``version``: the versions of this tool and its libraries."""

from __future__ import annotations

from typing import Any

import click

from kubectl_argo_archive import __version__
from kubectl_argo_archive.cli.options import output_option

LIBRARIES = (
    "click",
    "deltalake",
    "duckdb",
    "duckdb-extension-httpfs",
    "kubernetes",
    "psycopg",
    "pyarrow",
    "s3fs",
    "botocore",
)


@click.command(short_help="Show the versions of this tool and its libraries.")
@output_option(("text", "json"), "text")
def version(output: str) -> None:
    """Show the versions of this tool, of Python and of the libraries it stands on.

    Nothing is loaded for it: the versions are those of the installed packages.
    """
    versions = collect()
    if output == "json":
        import json

        click.echo(json.dumps(versions, indent=2))
        return
    click.echo(f"kubectl argo-archive {versions['version']}")
    click.echo(f"python {versions['python']} on {versions['platform']}")
    for name, number in versions["libraries"].items():
        click.echo(f"  {name} {number or 'not installed'}")


def collect() -> dict[str, Any]:
    """All that ``version`` tells, as the object that ``-o json`` prints."""
    import platform
    from importlib import metadata

    libraries: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            libraries[name] = None
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": libraries,
    }
