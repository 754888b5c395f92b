"""A video on standard input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.sources.video import VideoSource

if TYPE_CHECKING:
    from streamvpr.sources.base import Clip, Decoding
    from streamvpr.sources.opening import Opening
    from streamvpr.sources.standard_input import StandardInput


class PipeSource(VideoSource):
    """What another program writes; it waits for us, and we for it."""

    def __init__(
        self, opening: Opening, pipe: StandardInput, *, name: str, clip: Clip, decoding: Decoding
    ) -> None:
        super().__init__(opening, name=name, clip=clip, decoding=decoding, on_disk=False)
        self._pipe = pipe

    def stop(self) -> None:
        """Read no more, also where a read waits for the other program."""
        super().stop()
        self._pipe.stop()

    def close(self) -> None:
        """Close what reads from it."""
        super().close()
        self._pipe.close()
