"""Memory that is free between what is kept goes back to the system."""

import ctypes
import os
from pathlib import Path

from exporter.client.memory_budget import return_memory

MIB = 1024 * 1024
BLOCK = 64 * 1024
"""Of the size of an answer: the C library takes it from a heap."""


def resident() -> int:
    """Return the bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_what_is_free_between_blocks_that_are_kept_is_returned() -> None:
    answers = []
    kept = []
    for _ in range(64 * MIB // BLOCK):
        answers.append(b"x" * BLOCK)
        kept.append(b"y" * 8 * 1024)
    full = resident()
    answers.clear()
    return_memory()
    # The C libraries of some systems have no such call.
    expected = 32 * MIB if hasattr(ctypes.CDLL(None), "malloc_trim") else 0
    assert full - resident() >= expected
    assert len(kept) == 64 * MIB // BLOCK
