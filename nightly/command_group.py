"""A group of commands that knows what was probably meant."""

from __future__ import annotations

import click

from warehouse.phrases import did_you_mean


class CommandGroup(click.Group):
    """A click group whose commands may be typed in any case, and that suggests one for a misspelt name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        known = self.list_commands(ctx)
        name = args[0]
        if name not in known:
            if name.lower() in known:
                args = [name.lower(), *args[1:]]
            elif not name.startswith("-"):
                near = did_you_mean(name, known)
                guess = f" Did you mean {near}?" if near else ""
                ctx.fail(f"No such command {name!r}.{guess} There are: {', '.join(known)}.")
        return super().resolve_command(ctx, args)
