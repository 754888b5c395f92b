"""Options of every command that reads the frames of sources."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streamvpr.credentials import redact
from streamvpr.parsing import av_options, hosts, parse_av_option, to_seconds, within
from streamvpr.sources import Clip, Decoding, SourceOptions, Transport


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Which frames of the sources are processed, and how they are read."""

    fps: Annotated[
        float | None,
        Parameter(
            help="Frames a second of stream time that are processed; 0 is every frame. "
            "Default: 2 for video, 0 for image folders.",
            validator=within(0),
        ),
    ] = None
    start: Annotated[
        float,
        Parameter(
            help="Skip this much of the beginning of each video: seconds or HH:MM:SS.",
            converter=to_seconds,
        ),
    ] = 0.0
    duration: Annotated[
        float | None,
        Parameter(
            help="Process only this much of each video: seconds or HH:MM:SS.",
            converter=to_seconds,
            validator=within(above=0),
        ),
    ] = None
    video_stream: Annotated[
        int | None,
        Parameter(
            help="Index of the video track, as ffprobe counts. Default: FFmpeg's best.",
            validator=within(0),
        ),
    ] = None
    decode: Annotated[
        Decoding,
        Parameter(
            help="Pictures that are decoded. auto: keyframes alone of a live stream that has them "
            "as often as --fps picks frames, else all."
        ),
    ] = Decoding.AUTO
    hwaccel: Annotated[
        str | None,
        Parameter(
            help="Decode with this device of FFmpeg (cuda, vaapi ...). Fails where it cannot."
        ),
    ] = None
    av_option: Annotated[
        tuple[str, ...],
        Parameter(
            help="key=value for FFmpeg, as often as needed.", negative=(), validator=av_options
        ),
    ] = ()
    credentials: Annotated[
        Path | None,
        Parameter(help="File of logins for hosts, in the format of .netrc."),
    ] = None
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(
            help="HOST or HOST:PORT that an http(s) source may send on to, or name in a playlist, "
            "as often as needed. Default: its own alone.",
            negative=(),
            validator=hosts,
        ),
    ] = ()
    connect_timeout: Annotated[
        float,
        Parameter(help="Seconds in which a network source must answer.", validator=within(above=0)),
    ] = 5.0
    read_timeout: Annotated[
        float,
        Parameter(
            help="Seconds without anything new after which a live stream is lost, or frozen.",
            validator=within(above=0),
        ),
    ] = 5.0
    rtsp_transport: Annotated[
        Transport, Parameter(help="What RTSP sends its packets over: tcp, udp.")
    ] = Transport.TCP

    def source_options(self) -> SourceOptions:
        """How the sources are opened and read."""
        return SourceOptions(
            clip=Clip(self.start, self.duration),
            fps=self.fps,
            video_stream=self.video_stream,
            decoding=self.decode,
            hwaccel=self.hwaccel,
            av_options=tuple(parse_av_option(option) for option in self.av_option),
            credentials=self.credentials,
            allow_hosts=self.allow_host,
            rtsp_transport=self.rtsp_transport,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
        )

    def effective(self) -> dict[str, Any]:
        """Settings as TOML takes them, those that are None left out, and without secrets."""
        shown = replace(self, av_option=tuple(redact(option) for option in self.av_option))
        plain = {key.replace("_", "-"): value for key, value in asdict(shown).items()}
        return {key: _toml_value(v) for key, v in plain.items() if v is not None}


def _toml_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path | StrEnum) else value
