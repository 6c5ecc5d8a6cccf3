"""How the C library's allocator is told to behave in a process that lives for months.

Left alone, glibc has an arena for each of up to 16 threads, and keeps ever larger buffers in them once one was freed:
in nine busy minutes of a daemon what was free and not given back grew from 5 to 15 MB, in pieces. So it stays below 1.
"""

import ctypes
import os
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
"""Of malloc.h. Setting it also ends its growing."""
_ARENAS, _LARGE = 2, 1 << 20
"""Python's threads allocate one at a time; a buffer of 1 MiB goes back to the kernel when it is freed."""


def settle_allocator(arenas: int = _ARENAS) -> None:
    """Before there are threads. Does nothing with another C library, or where the environment says how it is to be."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    set_option(_ARENA_MAX, arenas)
    set_option(_MMAP_THRESHOLD, _LARGE)
