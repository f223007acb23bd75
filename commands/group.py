"""A group of commands whose modules are loaded when they are called: `--help` and a wrong name load none of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

MISUSED = 2
"""The exit code of bad usage."""
_ARGUMENTS = "dakuan.arguments"
LONGEST = 1_000
"""Characters of a sentence of help."""
LANGUAGE: ContextVar[str] = ContextVar("language", default="en")
"""The language in which a refusal is said: the `--lang` before a command's name, else that of the person's terminal."""


LOCALE = ["LC_ALL", "LC_MESSAGES", "LANG"]
"""Where a terminal says its language: the first of these that is set."""


def language_of_locale(locale: str | None) -> str:
    """The language of a locale such as `zh_CN.UTF-8`; `en` where it is none of ours."""
    return "zh" if (locale or "").lower().startswith("zh") else "en"


class Unloaded(TyperCommand):
    """A command known by its name and one sentence. Its module is `commands.NAME`, and its function has the name too.

    The parser asks a command for a context first, and goes on with the command that the context names: the loaded one.
    """

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(name, help=sentence, short_help=sentence)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The loaded command's own context."""
        return load(str(self.name)).make_context(info_name, args, parent=parent, **extra)


@cache
def load(name: str) -> Any:
    """The command of this name, its module loaded: a function, or a group of its own (`accounts`).

    Made once: its parameters are read from signatures, which a process that runs many commands need not repeat.
    """
    module = name.replace("-", "_")
    made = getattr(import_module(f"commands.{module}"), module)
    if isinstance(made, typer.Typer):
        return get_command(made)
    alone = plain_app()
    alone.command(name)(made)
    return get_command(alone)


def group_of(sentences: Mapping[str, str]) -> type[TyperGroup]:
    """A group of these commands, in this order."""

    class Commands(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = {name: Unloaded(name, sentence) for name, sentence in sentences.items()}

        def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
            """The context of a run; see `_said_in`."""
            # A wrong option before the command is refused in the terminal's language: no other is known yet.
            (locale,) = (option for option in self.params if option.name == "locale")
            LANGUAGE.set(language_of_locale(locale.resolve_envvar_value(self.context_class(self))))
            with _said_in(args):
                found = super().make_context(info_name, list(args), parent=parent, **extra)
            found.meta[_ARGUMENTS] = list(args)
            return found

        def invoke(self, ctx: Any) -> Any:
            """Run the command that is named; see `_said_in`."""
            with _said_in(ctx.meta[_ARGUMENTS]):
                return super().invoke(ctx)

    return Commands


@contextmanager
def _said_in(arguments: Sequence[str]) -> Iterator[None]:
    """Say what is wrong with an option plainly, and in Chinese where these arguments ask for that."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise  # nothing is wrong: help was shown, or a command has its exit code
    except Exception as error:  # click raises its own kinds; all others go on
        from commands import usage  # only here: most runs have nothing wrong

        if not usage.is_wrong(error):
            raise
        usage.say_plainly(error)
        if not usage.wants_chinese(arguments):
            raise
        usage.show_in_chinese(error)
        raise typer.Exit(MISUSED) from None


class WholeSentences(TyperGroup):
    """A group whose help says what each of its commands does, to the end: by default it is cut at the line's end."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence about it."""
        known = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, one.get_short_help_str(LONGEST)) for name, one in known if one is not None and not one.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def plain_app(**settings: Any) -> typer.Typer:
    """An app whose help shows text as it is written: markup would swallow `[keep]`."""
    return typer.Typer(
        cls=WholeSentences, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, **settings
    )
