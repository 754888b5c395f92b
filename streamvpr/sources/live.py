"""A source that goes on without us, and that comes back when it was lost."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from streamvpr.backoff import Backoff
from streamvpr.errors import ConfigError, DeviceError, SourceLost, SourceOpenError
from streamvpr.frames import Arrival, Frame, StreamEvent, StreamState
from streamvpr.sources.base import Decoding, SourceOptions, report_nothing
from streamvpr.sources.clock import LiveClock, SendingClock
from streamvpr.sources.container import DecodeError, ReadError, VideoContainer
from streamvpr.sources.freeze import FreezeDetector
from streamvpr.sources.keyframes_only import KeyframePolicy
from streamvpr.sources.picture import Scalers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from streamvpr.sources.base import Report
    from streamvpr.sources.container import Decoded, Packet
    from streamvpr.sources.opening import Opening

logger = logging.getLogger(__name__)

# A stream whose packets cannot be decoded for so long, as after its parameters changed unseen, is
# opened anew. Cameras set keyframes up to ten seconds apart.
UNDECODABLE_SECONDS = 30.0
# A connection that lasted for so long was none that fails as soon as it is made.
STEADY_SECONDS = 5.0
# A login that was right once and is refused now: cameras lock out who knocks each second.
REFUSED_LOGIN_SECONDS = 30.0


class LiveSource:
    """A camera or network stream, opened again for as long as it takes.

    Its clean end is an outage too. The first connection fails for good only where waiting can't
    mend it: a wrong login, a path that is not there, a host that nobody knows.
    """

    has_clock = True
    default_fps = 2.0
    live = True
    on_disk = False

    def __init__(
        self,
        opening: Opening,
        *,
        name: str,
        options: SourceOptions | None = None,
        host: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        open_container: Callable[[Opening, Scalers], VideoContainer] = VideoContainer,
    ) -> None:
        """Nothing is opened before `frames`. `host` is looked up before the first try."""
        options = options or SourceOptions()
        self.name = name
        self.path = opening.shown
        self.skipped = 0
        self.undecoded = 0
        self.report: Report = report_nothing
        self._opening = opening
        self._options = options
        self._host = host
        self._now = clock
        self._open_container = open_container
        self._scalers = Scalers()
        self._stop = threading.Event()
        self._clock = LiveClock()
        self._sending = SendingClock()
        self._backoff = Backoff(options.reconnect_delay)
        fps = self.default_fps if options.fps is None else options.fps
        self._policy = KeyframePolicy(
            fps if options.decoding == Decoding.AUTO else 0.0,
            forced=options.decoding == Decoding.KEYFRAMES,
        )
        self._freeze = FreezeDetector(options.read_timeout)
        self._frozen = False
        self._connected = False
        self._connected_at = 0.0
        # Why the present outage goes on: each reason is logged once.
        self._causes: set[str] = set()
        self._lost_at: float | None = None
        # When the present connection last brought what it should.
        self._progress = 0.0
        # On the monotonic clock, when stream time was 0; of sources that come in bursts.
        self._pace_from: float | None = None
        self._began: float | None = None

    @property
    def span(self) -> float | None:
        """Seconds that will be read, where the user set an end."""
        return self._options.clip.duration

    def frames(self) -> Iterator[Frame]:
        """All frames, across outages. Raises SourceOpenError, SourceLost."""
        start, end = self._options.clip.within(0.0)
        for frame in self._all_frames(end):
            if frame.time is not None and frame.time >= end:
                return
            if frame.time is not None and frame.time >= start:
                yield frame

    def stop(self) -> None:
        """End the pause between two tries at once, and a read at its time-out."""
        self._stop.set()

    def close(self) -> None:
        """Nothing stays open once `frames` was left."""

    @property
    def _on_first_try(self) -> bool:
        """Whether it was neither connected nor out of reach yet; later a camera may be starting."""
        return not self._connected and self._lost_at is None

    def _all_frames(self, end: float) -> Iterator[Frame]:
        self._began = self._now()
        while not self._stop.is_set():
            slow = False
            try:
                self._look_up_host()
                with closing(self._open_container(self._opening, self._scalers)) as container:
                    yield from self._connection(container)
                cause = "the other side ended the stream"
            except SourceOpenError as error:
                if error.hopeless and self._on_first_try:
                    raise
                slow, cause = error.login_refused, str(error)
            except (ConfigError, DeviceError) as error:
                if self._on_first_try:
                    raise
                cause = str(error)
            except ReadError as error:
                cause = str(error)
            if self._stop.is_set():
                return
            self._take_loss(cause)
            if self._time_now() >= end:
                return
            self._pause(slow=slow, end=end)

    def _connection(self, container: VideoContainer) -> Generator[Frame]:
        """The frames of one connection, to its end. Raises ReadError."""
        self._clock.connect(container.frame_seconds)
        self._sending.connect()
        self._policy.forget()
        self._freeze.forget()
        self._pace_from = None
        here = False
        asked = self._progress = self._now()
        while not self._stop.is_set() and (packet := container.read()) is not None:
            arrival = self._now()
            for decoded in self._decode(container, packet):
                frame = self._frame(container, decoded, arrival)
                if container.comes_in_bursts:
                    frame = self._pace(frame)
                if not here:
                    here = True
                    self._pace_from = self._now() - (frame.time or 0.0)
                    self._take_connection(container, decoded, frame, arrival)
                try:
                    self._watch_picture(frame, decoded)
                except MemoryError:
                    self._skip("no memory for a picture of its size")
                    continue
                yield frame
                # Whoever takes the frames may take their time.
                self._progress = self._now()
            self._check_progress(arrival, asked)
            asked = self._now()

    def _check_progress(self, arrival: float, asked: float) -> None:
        """Raise ReadError for a connection that is open and delivers nothing."""
        # At the time-out FFmpeg first hands out the picture that it was still putting together.
        if arrival - asked >= self._options.read_timeout:
            raise ReadError(f"nothing came for {self._options.read_timeout:g} s", silent=True)
        stuck = arrival - self._progress
        if stuck >= max(UNDECODABLE_SECONDS, self._options.read_timeout):
            raise ReadError(f"no picture could be decoded for {stuck:.0f} s")

    def _decode(self, container: VideoContainer, packet: Packet) -> list[Decoded]:
        was_active = self._policy.active
        wanted = packet.is_flush or self._policy.wants(
            packet.seconds, is_keyframe=packet.is_keyframe
        )
        if self._policy.active is not was_active:
            self._report(StreamState.DECODING)
        if not wanted:
            self.undecoded += 1
            self._progress = self._now()
            return []
        try:
            alone = self._policy.active
            found = container.decode_alone(packet) if alone else container.decode(packet)
        except DecodeError as error:
            self._skip(str(error))
            return []
        # Where packets were lost the decoder makes up what is missing from older pictures.
        whole = [decoded for decoded in found if not decoded.is_corrupt]
        for _ in range(len(found) - len(whole)):
            self._skip("damaged on the way")
        return whole

    def _skip(self, reason: str) -> None:
        self.skipped += 1
        if self.skipped == 1:
            logger.warning(
                "%s: skipped a bad picture (%s); more are only counted", self.path, reason
            )

    def _frame(self, container: VideoContainer, decoded: Decoded, arrival: float) -> Frame:
        seconds = decoded.seconds if container.has_timestamps else None
        at = self._clock.time(seconds, arrival)
        ago = self._now() - self._sending.sent(at, arrival)
        return Frame(
            time=at,
            path=self.path,
            picture=decoded.picture,
            arrival=Arrival(monotonic=arrival, taken=time.time() - ago),
        )

    def _pace(self, frame: Frame) -> Frame:
        """Hold a frame back until its time: what comes in bursts is no reason to drop frames."""
        if self._pace_from is None or frame.time is None or frame.arrival is None:
            return frame
        self._stop.wait(max(0.0, self._pace_from + frame.time - self._now()))
        return replace(frame, arrival=replace(frame.arrival, monotonic=self._now()))

    def _take_connection(
        self, container: VideoContainer, decoded: Decoded, frame: Frame, arrival: float
    ) -> None:
        """The first frame of a connection is here."""
        lost_at, self._lost_at = self._lost_at, None
        self._connected_at = arrival
        self._causes.clear()
        again, self._connected = self._connected, True
        seconds = None if lost_at is None else arrival - lost_at
        if again:
            logger.info("%s is back after %.1f s", self.name, seconds or 0.0)
        else:
            logger.info("%s: connected to %s", self.name, self.path)
        self._report(
            StreamState.RECONNECTED if again else StreamState.CONNECTED,
            time=frame.time,
            seconds=seconds if again else None,
            track=container.track(decoded.picture),
        )

    def _take_loss(self, cause: str) -> None:
        """A connection ended or could not be made; what comes next is an outage."""
        now = self._now()
        began = self._began if self._began is not None else now
        if self._lost_at is None:
            if self._connected and now - self._connected_at >= STEADY_SECONDS:
                self._backoff.reset()
            self._lost_at = now if self._connected else began
            self._frozen = False
            logger.warning("%s is lost: %s; trying again", self.name, cause)
            self._report(StreamState.LOST, cause=cause)
        elif cause not in self._causes:
            logger.warning("%s is still lost: %s", self.name, cause)
        self._causes.add(cause)
        patience = self._options.reconnect_for
        if patience is not None and now - self._lost_at >= patience:
            raise SourceLost(
                f"{self.path} was given up after {now - self._lost_at:.0f} s "
                f"(--reconnect-for {patience:g}): {cause}",
                url=self.path,
            )

    def _pause(self, *, slow: bool, end: float) -> None:
        """Wait before the next try, at most until the clip ends or the source is given up."""
        delay = self._backoff.delay()
        if slow:
            delay = max(delay, REFUSED_LOGIN_SECONDS)
        patience = self._options.reconnect_for
        if patience is not None and self._lost_at is not None:
            delay = min(delay, self._lost_at + patience - self._now())
        self._stop.wait(max(0.0, min(delay, end - self._time_now())))

    def _time_now(self) -> float:
        """Stream time that has come during an outage; -inf before the first frame."""
        return self._clock.at(self._now())

    def _watch_picture(self, frame: Frame, decoded: Decoded) -> None:
        """Say when the picture stops changing, and when it goes on."""
        at = frame.time or 0.0
        before = self._freeze.since
        frozen = self._freeze.observe(at, decoded.picture)
        if frozen is self._frozen:
            return
        self._frozen = frozen
        since = self._freeze.since if frozen else before
        seconds = at - (at if since is None else since)
        state = StreamState.FROZEN if frozen else StreamState.THAWED
        logger.warning(
            "%s %s: the same picture for %.0f s",
            self.name,
            "is frozen" if frozen else "goes on",
            seconds,
        )
        cause = "the same picture came again and again" if frozen else None
        self._report(state, time=at, seconds=seconds, cause=cause)

    def _report(self, state: StreamState, **fields: object) -> None:
        known = {"time": self._clock.last, **fields}
        self.report(
            StreamEvent(
                state,
                wall_time=time.time(),
                keyframes_only=self._policy.active,
                **known,  # type: ignore[arg-type]
            )
        )

    def _look_up_host(self) -> None:
        """Raise SourceOpenError where nobody knows the host: FFmpeg would say no more than EIO."""
        if self._host is None:
            return
        try:
            socket.getaddrinfo(self._host, None)
        except socket.gaierror as error:
            unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
            raise SourceOpenError(
                f"cannot open {self.path}: no such host as {self._host} ({error.strerror}); "
                "check the address",
                url=self.path,
                hopeless=unknown,
            ) from None
        except UnicodeError:
            raise SourceOpenError(
                f"cannot open {self.path}: {self._host!r} is no name of a host",
                url=self.path,
                hopeless=True,
            ) from None
