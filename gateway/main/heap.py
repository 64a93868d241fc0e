"""What a node takes of the machine's memory: one heap for all its threads, and what starting needed given back.

glibc gives every thread a heap of its own, and keeps what was freed. A node has few threads that rarely run at once, and
starting (loading code, checking the register, opening the databases) takes more than serving does.
"""

import ctypes
import gc
import sys

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # mallopt(3)
_LARGE = 128 * 1024
"""What is larger is given back when it is freed. It is what glibc begins with; by itself it raises it to megabytes."""


def one_heap() -> None:
    """Let threads share one heap. Before the first thread starts; nothing happens where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        for what in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(what, _LARGE)


def give_back() -> None:
    """Give freed memory back to the machine, as far as the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def without_rich() -> None:
    """Before the log's library is loaded: leave out what it takes, where it finds it, to draw on a terminal. Megabytes, and
    a served node writes JSON.
    """
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # what Python itself reads as: not to be imported
