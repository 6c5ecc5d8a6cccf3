"""Starts one program and writes what it cost. Run as `python bench/launch.py FIGURES PROGRAM [ARG ...]`.

The kernel counts the memory of whoever starts a program to the program's peak, so this file imports next to nothing.
FIGURES gets seconds, processor seconds, and bytes resident at most.
"""

import os
import sys
import time

figures, *command = sys.argv[1:]
begin = time.perf_counter()
process = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
wall = time.perf_counter() - begin
with open(figures, "w") as file:
    file.write(f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss * 1024}")
sys.exit(1 if status else 0)
