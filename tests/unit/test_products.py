"""NumPy's library has no threads of its own while a run goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from streamvpr.products import products_on_one_thread


def threads() -> set[int]:
    """Of NumPy's library of products; others that are loaded count each thread's by itself."""
    found = ThreadpoolController().select(user_api="blas").info()
    near = Path(np.__file__).parent.name
    return {library["num_threads"] for library in found if near in library["filepath"]}


@pytest.mark.parametrize("fails", [False, True])
def test_one_thread_during_a_run_and_what_was_before_afterwards(*, fails: bool) -> None:
    seen: list[set[int]] = []

    async def run() -> None:
        async with products_on_one_thread():
            seen.append(await asyncio.to_thread(threads))
            if fails:
                raise LookupError

    before = threads()
    if fails:
        with pytest.raises(LookupError):
            asyncio.run(run())
    else:
        asyncio.run(run())
    assert seen == [{1}]
    assert threads() == before
