"""Running a session on pictures: in any number, or in numbers that are fixed beforehand."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from streamvpr.embedding.preprocess import PixelForm
    from streamvpr.frames import Image


class Runner(Protocol):
    """What turns pictures into whatever the graph puts out for them."""

    def run(self, images: Sequence[Image]) -> NDArray[Any]:
        """(N, ...) of N pictures, 1 or more."""
        ...

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """A call of the runtime alone on those pictures, which lie ready for it.

        What it gives goes nowhere: it is for measuring, while nothing else runs here.
        """
        ...


class PlainRunner:
    """One picture after the other, as is best on a CPU.

    Larger batches gain nothing there and fall out of its caches: of EfficientNet-Lite0 at 384
    pixels, eight at once take a sixth more processor time a picture.
    """

    def __init__(self, session: Any, input_name: str, output_name: str, form: PixelForm) -> None:
        self._session = session
        self._input = input_name
        self._outputs = [output_name]
        self._form = form

    def run(self, images: Sequence[Image]) -> NDArray[Any]:
        """(N, ...) of N pictures."""
        return np.concatenate([self._run(image) for image in images])

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """The session alone on a batch that is made once."""
        return partial(self._session.run, self._outputs, {self._input: self._form.batch(images)})

    def _run(self, image: Image) -> NDArray[Any]:
        found: NDArray[Any] = self._session.run(
            self._outputs, {self._input: self._form.batch([image])}
        )[0]
        return found


class BoundRunner:
    """Batches of a few sizes, each in buffers of its own that are allocated once.

    A GPU plans anew for every shape that it sees first, which takes from milliseconds to minutes;
    here all shapes are seen at opening. What is short of a size is padded, and the padding's rows
    are cut off. On the CPU it serves graphs with a fixed batch.

    Host memory is not pinned: the Python side of ONNX Runtime (1.32) reaches pinned memory through
    `OrtEpDevice.memory_info(HOST_ACCESSIBLE)` only, and `get_ep_devices()` lists none for the CUDA
    provider that is built into onnxruntime-gpu. CUDA graphs are left out as well: a session that
    has a single node on the CPU does not open with them, and no graph says so beforehand.
    """

    def __init__(
        self,
        runtime: ModuleType,
        session: Any,
        input_name: str,
        output_name: str,
        form: PixelForm,
        *,
        sizes: Sequence[int],
        device: str = "cpu",
    ) -> None:
        self._largest = max(sizes)
        # Smallest and largest first: TensorRT, where it has no profile, makes one that spans them.
        order = sorted(sizes, key=lambda size: (size not in (min(sizes), max(sizes)), size))
        bound = [
            _Bucket(runtime, session, input_name, output_name, form, size, device) for size in order
        ]
        self._buckets = sorted(bound, key=lambda bucket: bucket.size)
        self._lock = threading.Lock()

    def run(self, images: Sequence[Image]) -> NDArray[Any]:
        """(N, ...) of N pictures; from one thread at a time, others wait."""
        with self._lock:
            return np.concatenate(
                [self._bucket(len(part)).run(part) for part in _parts(images, self._largest)]
            )

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """The session alone on buffers that are filled once, and copied to the device."""
        calls = [self._bucket(len(part)).bare(part) for part in _parts(images, self._largest)]
        return lambda: [call() for call in calls]

    def _bucket(self, count: int) -> _Bucket:
        return next(bucket for bucket in self._buckets if bucket.size >= count)


class _Bucket:
    """Buffers for `size` pictures, and a first run."""

    def __init__(
        self,
        runtime: ModuleType,
        session: Any,
        input_name: str,
        output_name: str,
        form: PixelForm,
        size: int,
        device: str,
    ) -> None:
        self.size = size
        self._session = session
        self._form = form
        self._host = np.zeros((size, *form.shape), form.dtype)
        (found,) = session.run([output_name], {input_name: self._host})
        if not found.shape or found.shape[0] != size:
            raise ModelError(
                f"the model gives {found.shape} for a batch of {size}; it must give one row each"
            )
        allocate = runtime.OrtValue.ortvalue_from_shape_and_type
        self._input = allocate(self._host.shape, self._host.dtype.type, device, 0)
        self._output = allocate(found.shape, found.dtype.type, device, 0)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(input_name, self._input)
        self._binding.bind_ortvalue_output(output_name, self._output)
        self._session.run_with_iobinding(self._binding)

    def run(self, images: Sequence[Image]) -> NDArray[Any]:
        """(N, ...) of N pictures, N at most `size`, in memory of its own."""
        self._fill(images)
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        # On the CPU numpy() is a view of the buffer that the next run writes to.
        return np.array(self._output.numpy()[: len(images)])

    def bare(self, images: Sequence[Image]) -> Callable[[], object]:
        """The session alone on these pictures, put into the buffers now."""
        self._fill(images)
        return partial(self._session.run_with_iobinding, self._binding)

    def _fill(self, images: Sequence[Image]) -> None:
        self._form.write(images, self._host)
        self._input.update_inplace(self._host)
        # Copies and the session's kernels are on different streams of a GPU; no-ops on the CPU.
        self._binding.synchronize_inputs()


def bucket_sizes(most: int) -> tuple[int, ...]:
    """1, 2, 4, 8 ... and `most` itself: nothing is padded to more than twice its number."""
    powers = [1 << power for power in range(most.bit_length())]
    return tuple(sorted({*powers, most}))


def _parts(images: Sequence[Image], most: int) -> Iterator[Sequence[Image]]:
    for start in range(0, len(images), most):
        yield images[start : start + most]
