"""Guard: what surrounds every command. An error becomes one line that says what is wrong and what to do, and an exit
code; signals end the command; the garbage collector is off during its imports."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from arpent.domain.errors import ArpentError, InvalidRequest, ScriptError

if TYPE_CHECKING:
    from arpent.settings import Settings

FAULT, MISUSE = 1, 2
"""Exit codes. FAULT: the script or arpent itself is at fault; MISUSE: the caller, the settings or the environment."""
GRACE_SECONDS, INTERRUPTED = 15.0, 130
"""Seconds after which a command that was asked to end is ended by force, and its exit code."""
_asked = threading.Event()
"""Set once this process has been asked to end."""
_dropped = threading.Event()
"""Set while a KeyboardInterrupt that Python dropped waits to be raised again."""
AGAIN_SECONDS = 0.05
"""Pause before it is raised again: the code that dropped it may make many calls in a row."""
_loading = threading.Event()
"""Set while the modules of a command are imported."""
WAYS_OUT = (typer.Exit, typer.Abort, typer.TyperException, KeyboardInterrupt, SystemExit, BrokenPipeError)
"""Exceptions that end a command normally, raised by the framework or the user."""


EXTRAS = {
    **dict.fromkeys(
        ("alembic", "cryptography", "fastapi", "h11", "joserfc", "multipart", "oauthlib", "prometheus_client",
         "python_multipart", "requests_oauthlib", "sqlalchemy", "starlette", "uvicorn"),
        "server",
    ),
    **dict.fromkeys(("dask", "distributed"), "dask"), **dict.fromkeys(("geopandas", "pandas", "xarray"), "frames"),
    "psycopg": "postgres", "botocore": "aws", "sentinelhub": "conformance", "opentelemetry": "otel",
}  # fmt: skip
"""Module → the extra of arpent that installs it; all other modules belong to a plain install."""


class Guarded(TyperGroup):
    """A command group that handles the errors of all its commands, including those of nested groups."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WAYS_OUT:
            raise
        except BaseException as error:  # a panic in a Rust library is not an Exception
            if _asked.is_set():  # a library turned the interrupt into another error
                raise KeyboardInterrupt from None
            if _shows_traceback():
                raise
            line, code = line_and_code(error)
            Console(stderr=True).print(f"[red]arpent:[/] {escape(line)}", soft_wrap=True, highlight=False)
            raise typer.Exit(code) from None


NUMBA_CACHE = ("numba", "core", "caching.py")
"""The file of numba that raises a RuntimeError if neither the package's folder nor the home folder is writable."""
NO_CACHE = "there is no folder for compiled kernels that this user may write: set NUMBA_CACHE_DIR to one"


def line_and_code(error: BaseException) -> tuple[str, int]:
    """The message and exit code of an error."""
    text = next((each for each in (error, error.__cause__) if isinstance(each, UnicodeEncodeError)), None)
    if text is not None:
        return f"{text.object!r:.80} cannot be written as UTF-8: arguments and variables must be text", MISUSE
    if isinstance(error, ArpentError):
        return _one_line(str(error)), FAULT if isinstance(error, ScriptError) else MISUSE
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
        return f"this command needs {error.name}, which is not installed: pip install 'arpent[{extra}]'", MISUSE
    if isinstance(error, OSError) and error.strerror:
        files = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return f"{files or 'the system'}: {error.strerror}", MISUSE
    frames = traceback.extract_tb(error.__traceback__)
    if frames and isinstance(error, RuntimeError) and Path(frames[-1].filename).parts[-3:] == NUMBA_CACHE:
        return NO_CACHE, MISUSE
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    words = _one_line(f"{type(error).__name__}: {error}")
    return f"unexpected {words} ({place}). Run it again with ARPENT_TRACEBACK=true, and report what it shows", FAULT


def read_text(path: Path, what: str) -> str:
    """The text of a file named by the user. Raises InvalidRequest if it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{what} {path} is not UTF-8: see byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{what} {path} cannot be read: {getattr(error, 'strerror', error)}") from None


def check_target(path: Path | None, option: str) -> None:
    """Refuse an output file that cannot be written, before the work that it is for. Raises InvalidRequest."""
    if path is None:
        return
    if path.is_dir():
        raise InvalidRequest(f"{option} {path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise InvalidRequest(f"{option} {path}: there is no folder {path.absolute().parent}; create it")
    if path.exists() and not os.access(path, os.W_OK):
        raise InvalidRequest(f"{option} {path}: it may not be written by this user")
    folder = Path(os.path.realpath(path)).parent  # where a new file replaces the old one
    if (path.is_file() or not path.exists()) and not os.access(folder, os.W_OK):
        raise InvalidRequest(f"{option} {path}: it may not be written by this user: see the permissions of {folder}")


@contextmanager
def loading() -> Iterator[None]:
    """Wrap a block of imports: garbage collection is off, and later collections skip the imported objects, which saves
    a command that computes a fifth of a second. If the process is asked to end meanwhile, it ends at once and without a
    traceback, since there is nothing to clean up."""
    gc.disable()
    _loading.set()
    try:
        yield
    finally:
        _loading.clear()
        gc.freeze()
        gc.enable()


def settings_of(executor: str | None = None, catalog: str | None = None) -> Settings:
    """The settings; what the command line says takes precedence. Raises InvalidSetting."""
    with loading():
        from arpent.settings import load

    return load(executor=executor, catalog=catalog)


def interrupt_on_signals(*, hang_up: bool) -> None:
    """Treat signals that ask this process to end like Ctrl-C: what was begun is cleaned up, and further signals do not
    disturb that. `hang_up`: also when its terminal closes, unless that signal is ignored, as under nohup."""
    if sys.unraisablehook is sys.__unraisablehook__:  # otherwise somebody else, such as pytest, has set the hook
        sys.unraisablehook = _unraisable
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt if hang_up else signal.SIG_DFL)


def stop_on_signals() -> threading.Event:
    """An event set when this process is asked to end, or was before: that exception may have been lost."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if _asked.is_set():
        stop.set()
    return stop


def _interrupt(*_: object) -> None:
    """Raise KeyboardInterrupt, and force the end later: Python drops what is raised in its own callbacks, and a library
    may drop it, too, or wait for what it interrupted."""
    if _loading.is_set():
        os._exit(INTERRUPTED)
    if _dropped.is_set():
        _dropped.clear()
        raise KeyboardInterrupt
    if _asked.is_set():
        return
    _asked.set()
    end = threading.Timer(GRACE_SECONDS, os._exit, (INTERRUPTED,))
    end.daemon = True
    end.start()
    raise KeyboardInterrupt


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """What Python drops, as an interrupt in a finaliser or in a callback of a library, is raised again a moment later.
    What is dropped while the process ends follows from that, and helps nobody."""
    if not _asked.is_set():
        sys.__unraisablehook__(dropped)
    elif isinstance(dropped.exc_value, KeyboardInterrupt):
        main = threading.main_thread().ident
        assert main is not None, "it runs"
        _dropped.set()
        again = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGTERM))
        again.daemon = True
        again.start()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shows_traceback() -> bool:
    from arpent.settings import TRACEBACK

    return os.environ.get(TRACEBACK, "").lower() in ("1", "true", "yes", "on")
