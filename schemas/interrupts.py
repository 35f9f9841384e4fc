"""Ctrl-C while code is being loaded. It imports next to nothing, as Ctrl-C before it still shows a traceback."""

import os
import signal


class EndingAtOnce:
    """In this block Ctrl-C ends the process with one word: half imported modules catch exceptions, or show them.

    Where it is ignored, as after nohup, or handled by a program of somebody's, and in threads, nothing changes.
    """

    def __enter__(self) -> None:
        self._own = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, _leave)
                self._own = True
            except ValueError:  # not the main thread, the only one that sees Ctrl-C
                return

    def __exit__(self, *error: object) -> None:
        if self._own:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:  # noqa: ARG001, a signal's handler
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)
