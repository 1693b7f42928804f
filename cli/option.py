"""An option of the command: its heading, and what the library's table knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lucid.stream.options import Option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LATER = "lucid_cli.later"  # in the context's dictionary: whether a manifest says what is missing


class Checked(click.ParamType):  # type: ignore[type-arg]  # generic in newer click
    """A value that the library's check of the argument takes."""

    def __init__(self, name: str, option: Option) -> None:
        self.name, self._option = name, option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the checked value, or end with a usage error."""
        try:
            return self._option.check(self._option.read(value) if type(value) is str else value)
        except (TypeError, ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the words that the option takes, or have the shell look for files."""
        from click.shell_completion import CompletionItem

        choices = (self._option.metavar or "").split("|")
        said = [word for word in choices if word.isalnum() and not word.isupper()]
        words = self._option.words() if self._option.words else said
        found = [CompletionItem(word) for word in words if word.startswith(incomplete)]
        paths = any(kind in choice for choice in choices for kind in ("PATH", "FILE"))
        return found + [CompletionItem(incomplete, type="file")] * paths


class GroupedOption(click.Option):
    """An option that help shows under a heading."""

    def __init__(
        self,
        *flags: Any,
        group: str,
        entry: Option | None = None,
        of_environment: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(*flags, **more)
        self.group, self.entry = group, entry
        self.of_environment = entry.of_environment if entry else of_environment

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the checked value; None if it is required, but may be said later."""
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            if ctx.meta.get(LATER):
                return None
            raise

    @property
    def word(self) -> str:
        """What files and variables call it: in Python it has the same name."""
        return self.opts[-1].lstrip("-").replace("-", "_")
