"""``completion``: the script that a shell loads to complete our commands."""

from __future__ import annotations

import click

PROGRAMS = ("kubectl-argo_archive", "kubectl-argo-archive")
SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes the commands and options of the program kubectl-argo_archive in SHELL.

    \b
    bash:  source <(kubectl argo-archive completion bash)
    zsh:   source <(kubectl argo-archive completion zsh)
    fish:  kubectl argo-archive completion fish | source

    Behind kubectl no script of ours is needed: kubectl's own completion (kubectl completion --help) asks
    kubectl_complete-argo_archive, which pip installs beside this command.
    """
    click.echo(script(shell), nl=False)


def script(shell: str) -> str:
    """The script for ``shell``: it asks our programs themselves, through an environment variable."""
    from click.shell_completion import get_completion_class

    from kubectl_argo_archive.cli.main import COMPLETE_VARIABLE, cli

    kind = get_completion_class(shell)
    assert kind is not None, shell
    return "\n".join(kind(cli, {}, program, COMPLETE_VARIABLE).source() for program in PROGRAMS)
