"""NumPy's products of matrices: on the thread that asks for them, and no other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def products_on_one_thread() -> AsyncIterator[None]:
    """Keep NumPy's library from threads of its own; what was before is set again at the end.

    Each stage of the pipeline has its thread. Those that the library would add spin while they
    wait: they took more than half of the processor time where SIFT features are compared.
    """
    # Which libraries are loaded is read from a file.
    limits = await asyncio.to_thread(threadpool_limits, 1, "blas")
    try:
        yield
    finally:
        await asyncio.shield(asyncio.to_thread(limits.restore_original_limits))
