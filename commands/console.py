"""The output of commands: tables for people, JSON for scripts, one sentence for a refusal, never a traceback.

Exit codes: 0 done · 1 refused, or something did not answer · 2 bad usage, or a setting is missing or wrong · 130
interrupted · 120 the output could not be written, as on a full disk.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from commands.group import LANGUAGE, MISUSED
from core.addresses import hide_passwords
from core.errors import BadInput, DakuanError, Misconfigured, Refused, Unavailable
from core.reason_details import detail_zh
from core.reason_texts import REASONS
from core.reasons import SENTENCES, Refusal, in_chinese
from core.texts import Language
from ending import CANNOT_WRITE, is_unwritten
from screens import clean, screen, write_anything

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")

REFUSED = 1
INTERRUPTED = 130
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})
"""What the machine does not let us do with a file: who runs the command puts that right."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Answer in JSON, for scripts.")]
"""The parameter that every command has, by the name `as_json`."""
LangOption = Annotated[
    str | None,
    typer.Option("--lang", help="Sentences and headings in `en` or `zh`; else as before the command."),
]

_as_json: ContextVar[bool] = ContextVar("as_json", default=False)
_in_chinese: ContextVar[bool] = ContextVar("in_chinese", default=False)


class Malformed(Refused):
    """The given text is not a well-formed message. `reasons` are all errors: `[{"field", "message"}]`."""

    def __init__(self, code: str, reasons: list[dict[str, str]]) -> None:
        problems = "; ".join(f"{reason['field']}: {reason['message']}" for reason in reasons[:10])
        more = f"; and {len(reasons) - 10} more" if len(reasons) > 10 else ""
        super().__init__(code, f"{SENTENCES[code]} {problems}{more}", reasons[0]["field"])
        self.reasons = reasons


class Failed(DakuanError):
    """The command failed, and has already printed why."""


def command(main: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """An asynchronous function as a command: runs it, and turns every failure into a sentence and an exit code."""

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        _as_json.set(bool(kwargs.get("as_json")))
        _in_chinese.set((kwargs.get("lang") or LANGUAGE.get()) == "zh")
        write_anything()
        code = _outcome(main(*args, **kwargs))
        if code:
            raise typer.Exit(code)

    return wrapped


def _outcome(main: Coroutine[Any, Any, None]) -> int:
    try:
        asyncio.run(main)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.BadParameter:
        raise  # bad usage: typer prints it and exits with 2
    except Failed:
        return REFUSED
    except KeyboardInterrupt:
        print_line("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has closed its end. Without this, Python prints another error while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except DakuanError as error:
        return _failed(error)
    except Exception as error:  # a full disk or a defect: said in one line, as every error of a command is
        if isinstance(error, OSError) and is_unwritten(error):
            print_line(f"The output could not be written: {error.strerror}. Look what was done before you try again.")
            return CANNOT_WRITE
        return _failed(_unforeseen(error))
    return 0


def _failed(error: DakuanError) -> int:
    """Print an error; the exit code."""
    print_error(error)
    return MISUSED if isinstance(error, Misconfigured) else REFUSED


def _unforeseen(error: Exception) -> DakuanError:
    """Any other exception: a person at a terminal gets a sentence and no traceback. What is left over is a defect."""
    from temporalio.service import RPCError  # only here: most commands do not load Temporal

    if isinstance(error, UnicodeEncodeError) or isinstance(error.__cause__, UnicodeEncodeError):
        # The shell passes any bytes on, and no database or wire takes them.
        return Refused("malformed", f"{SENTENCES['malformed']} What was typed is not UTF-8.")
    if isinstance(error, RPCError):
        return Unavailable(f"Temporal did not answer: {error.message}")
    if isinstance(error, OSError) and error.filename is not None and error.errno in _CLOSED:
        return Misconfigured(f"{error.filename} cannot be used: {error.strerror}")
    where = traceback.extract_tb(error.__traceback__)[-1]
    sentence = f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
    return Refused("internal_error", f"This is a defect of Dakuan: {' '.join(sentence.split())}")


def error_view(error: DakuanError) -> dict[str, Any]:
    """An error for scripts: `{"code", "message", "message_zh"?, "field", "reasons"?}`.

    The code is its class in words where it has none.
    """
    code = error.code if isinstance(error, Refused) else _snake(type(error).__name__)
    view: dict[str, Any] = {"code": code, "message": hide_passwords(str(error)), "field": getattr(error, "field", None)}
    if (chinese := in_chinese(code, view["message"])) is not None:
        view["message_zh"] = chinese
    if isinstance(error, Malformed):
        view["reasons"] = error.reasons
    return view


def print_error(error: DakuanError, about: str = "", **more: Any) -> None:
    """Print an error: on stderr for people, `{"error": …}` with `more` on stdout for scripts."""
    view = error_view(error)
    if _as_json.get():
        print_json({"error": view | more})
        return
    where = f"{about}: " if about else ""
    if isinstance(error, Malformed):
        said = REASONS[error.code]
        _write_line(f"{view['code']}: {where}{said.zh if _in_chinese.get() else said.en}")
        for reason in error.reasons:
            said_of_it = detail_zh(reason["message"]) if _in_chinese.get() else reason["message"]
            _write_line(f"  {reason['field']}: {said_of_it}")
    else:
        field = f" ({view['field']})" if view["field"] else ""
        said = (view.get("message_zh") if _in_chinese.get() else None) or view["message"]
        _write_line(f"{view['code']}{field}: {where}{said}")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def print_line(line: str) -> None:
    """Print one line on stderr, in the language of this run where it is a sentence of ours."""
    if speaks_chinese():
        from commands.said_in_chinese import sentence_zh  # only here: most runs are in English

        line = sentence_zh(line)
    _write_line(line)


def _write_line(line: str) -> None:
    print(clean(hide_passwords(line)), file=sys.stderr, flush=True)


# --- what people and scripts get -------------------------------------------------------------------------


def speaks_chinese() -> bool:
    """Whether this run speaks Chinese to a person."""
    return _in_chinese.get()


def said_of(refusal: Refusal) -> str:
    """A refusal's sentence, in the language of this run."""
    chinese = in_chinese(refusal.code, refusal.message) if speaks_chinese() else None
    return chinese or refusal.message


def language_of(lang: str | None) -> Language:
    """`en` or `zh`; None: that of the whole command line.

    Raises:
        BadInput: another language.
    """
    chosen = LANGUAGE.get() if lang is None else lang
    if chosen == "en":
        return "en"
    if chosen == "zh":
        return "zh"
    raise BadInput(f"--lang: {lang!r} is not a language we speak; en or zh")


def wants_json() -> bool:
    """Whether this run prints JSON for scripts."""
    return _as_json.get()


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def print_answer(value: Any, show: Callable[[Console], None]) -> None:
    """Print the value for scripts, or what `show` prints for people."""
    if _as_json.get():
        print_json(value)
    else:
        show(speaking_screen())


def speaking_screen() -> Console:
    """Where people read, in the language of this run."""
    if not speaks_chinese():
        return screen()
    from commands.chinese_screen import ChineseScreen  # only here: most runs are in English

    return screen(ChineseScreen)
