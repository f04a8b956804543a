"""What to do when memory runs out."""

from __future__ import annotations

from pydoc import ErrorDuringImport

import torch


def memory_advice(error: BaseException) -> str | None:
    """Say what to do if an error tells that memory ran out, of the machine or of a GPU; None for any other error."""
    if isinstance(error, ErrorDuringImport):  # of a part that a config names
        error = error.value or error
    signs = ("DefaultCPUAllocator", "Cannot allocate memory")  # the second one: a file that cannot be mapped
    of_the_machine = isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in signs)
    if not (of_the_machine or isinstance(error, MemoryError | torch.OutOfMemoryError)):
        return None
    place = "on the GPU" if isinstance(error, torch.OutOfMemoryError) else "in this machine"
    return f"there is not enough memory {place}; free some, or take a smaller batch size (results agree within 1e-5)"
