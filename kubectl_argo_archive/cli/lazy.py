"""A group that knows its commands' names and help lines, and imports a command only to run it.

Heavy libraries (DuckDB, PyArrow, …) cost up to a second of imports; ``--help`` and completion ask only for names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A click group over modules that are imported on first use.

    Args:
        lazy: name of the command → (module, one line of help). The module holds the command under its own name
            (with underscores for dashes).
        shared: options that every command takes too, so that they may stand before or after its name.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]],
        shared: tuple[click.Parameter, ...] = (),
        params: list[click.Parameter] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, params=[*(params or ()), *shared], **kwargs)
        self.lazy = dict(lazy)
        self.shared = shared

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy and cmd_name not in self.commands:
            module, _ = self.lazy[cmd_name]
            command: click.Command = getattr(import_module(module), cmd_name.replace("-", "_"))
            command.params.extend(param for param in self.shared if param not in command.params)
            if isinstance(command, LazyGroup):  # its own commands take them too
                command.shared = command.shared or self.shared
            self.commands[cmd_name] = command
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.lazy and args[0][:1] != "-" and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.lazy, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"no command '{args[0]}'{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in self.lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=line) for name, (_, line) in self.lazy.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)
