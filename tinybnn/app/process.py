"""What surrounds a program: signals that end it, and standard streams that fail."""

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after Ctrl-C."""


@contextmanager
def signals() -> Iterator[list[int]]:
    """Let TERM and HUP interrupt as Ctrl-C does, unless they are ignored (``nohup``); yield a list of the last."""
    last: list[int] = [signal.SIGINT]

    def interrupt(number: int, _: Any) -> None:
        last[0] = number
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no HUP
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set them
        numbers = []
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield last
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


class Output:
    """A standard stream that takes every character, and whose reader may leave early (``| head -1``).

    A character that it cannot encode is written as its escape. After the reader has left, the program goes on. Any
    other fault, such as a full disk, is an error if what is written is ``needed``: results are, a progress bar is not.
    """

    def __init__(self, stream: Any, *, needed: bool) -> None:
        self.stream, self.needed = stream, needed
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> None:
        self._call("write", text)

    def flush(self) -> None:
        self._call("flush")

    def _call(self, name: str, *args: str) -> None:
        try:
            getattr(self.stream, name, str)(*args)  # the stream is None if it was closed before the program started
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())  # what is left to write goes nowhere
            left = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
            if self.needed and not left:
                raise OSError(error.errno, error.strerror, self.stream.name) from None


def message_of(error: BaseException) -> str:
    """The message of an error in one line; that of the system without its number."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        text = f"not enough memory: {text}"
    return " ".join(text.split())
