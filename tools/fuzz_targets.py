"""What is done with a mutated input: the program's own commands and readers, one a target."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import fuzz_seeds
from mutations import mutated
from rich.console import Console
from squares_model import write_model

from streamvpr import bench, cli
from streamvpr.config import RunOptions
from streamvpr.config.recognising import Records
from streamvpr.credentials import encode_userinfo, fill_in, redact, redact_arguments
from streamvpr.errors import StreamVPRError
from streamvpr.execution import execute
from streamvpr.geometry import Geometry
from streamvpr.geometry.camera_file import read_camera
from streamvpr.running import open_run
from streamvpr.sources import Decoding, name_sources
from streamvpr.sources.address import parse_address
from streamvpr.sources.hosts import Hosts, spelled
from streamvpr.sources.positions import read_exif
from streamvpr.sources.positions.dji import read_srt
from streamvpr.sources.positions.gpmf import read_payload
from streamvpr.sources.positions.track import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
CONSOLE = Console(stderr=True)
# Of a source that is served to the program: then nothing more is there.
MOST_CONNECTIONS = 4
SERVED_SECONDS = 8.0
# How a film is read.
WAYS: tuple[dict[str, object], ...] = (
    {},
    {},
    {"start": 1.0},
    {"decode": Decoding.KEYFRAMES},
    {"fps": 0.0},
)
PATIENCE = {"reconnect_for": 0.2, "read_timeout": 0.5, "connect_timeout": 0.5}


@dataclass(slots=True)
class Workshop:
    """What inputs are tried with: good parts, of which one is exchanged."""

    folder: Path
    model: Path
    film: Path
    picture: Path
    records: Path
    positives: Path
    map: Path
    results: Path
    page: int = 0
    """The port of the live page; 0 where it is not tried."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input, and what it is tried with."""

    workshop: Workshop
    folder: Path
    """Empty, and the one to be in."""
    chance: random.Random
    ending: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A way in."""

    name: str
    share: int
    """Of 100 inputs."""
    text: bool
    seeds: Mapping[str, Sequence[bytes]] = field(repr=False)
    """By ending."""
    attempt: Callable[[Case], int] = field(repr=False)
    """Gives the exit code that the program would have."""

    def make(self, seed: int, number: int) -> tuple[random.Random, str, bytes]:
        """The input of that number, its ending, and the chance that goes on from there."""
        chance = random.Random(f"{seed}/{self.name}/{number}")
        ending = chance.choice(sorted(self.seeds))
        seeds = self.seeds[ending]
        if chance.random() < 0.05:
            seeds = [seed for each in self.seeds.values() for seed in each]
        return chance, ending, mutated(chance, seeds, text=self.text or ending in TEXTS)


# What is also sent as a stream.
SENT = frozenset({"ts", "mkv", "nut", "y4m", "mjpeg", "mp4"})
TEXTS = frozenset({"m3u8", "ffconcat", "sdp", "rtsp", "toml", "jsonl", "json", "srt", "netrc"})


def make_targets(workshop: Workshop, own: Sequence[Path]) -> list[Target]:
    """All of them; `own` are files of the user's that are mutated as well."""
    endings = {"m3u8": 0, "ffconcat": 2, "sdp": 3}
    films: dict[str, list[bytes]] = {}
    for path in fuzz_seeds.make_videos(workshop.folder):
        films.setdefault(path.suffix[1:], []).append(path.read_bytes())
    pictures = fuzz_seeds.images()
    for path in own:
        kind = path.suffix[1:].lower()
        if kind in pictures:
            pictures[kind].append(path.read_bytes())
        else:
            films.setdefault(kind, []).append(fuzz_seeds.cut_video(path, workshop.folder))
    lists = {kind: [fuzz_seeds.PLAYLISTS[at].encode()] for kind, at in endings.items()}
    lists["m3u8"].append(fuzz_seeds.PLAYLISTS[1].encode())
    sent = {kind: films[kind] for kind in films if kind in SENT}
    results = {
        path.name: [path.read_bytes()]
        for path in workshop.results.iterdir()
        if path.suffix in (".json", ".jsonl", ".toml")
    }
    texts = {
        "srt": [text.encode() for text in fuzz_seeds.SUBTITLES],
        "gpmf": [fuzz_seeds.gopro_payload()],
        "exif": [pictures["jpg"][1]],
    }
    urls = {
        "url": [text.encode() for text in fuzz_seeds.URLS],
        "netrc": [fuzz_seeds.NETRC.encode()],
    }
    card = workshop.model.with_suffix(".toml").read_bytes()
    made = [
        Target("video", 20, False, films | lists, _video),
        Target("streams", 11, False, sent | lists | {"rtsp": [fuzz_seeds.RTSP.encode()]}, _stream),
        Target("images", 11, False, pictures, _image),
        Target("url", 5, True, urls, _url),
        Target("settings", 7, True, _texts("toml", fuzz_seeds.SETTINGS), _settings),
        Target("card", 5, True, {"toml": [card]}, _card),
        Target("model", 5, False, {"onnx": [workshop.model.read_bytes()]}, _model),
        Target("camera", 5, True, _texts("yaml", fuzz_seeds.CAMERAS), _camera),
        Target("records", 7, True, {"jsonl": [fuzz_seeds.records()]}, _records),
        Target("truth", 3, True, {"csv": [fuzz_seeds.positives()]}, _truth),
        Target("map", 8, False, {"vpr": [workshop.map.read_bytes()]}, _map),
        Target("positions", 4, False, texts, _positions),
        Target("report", 4, True, results, _report),
    ]
    if workshop.page:
        made.append(Target("http", 5, True, _texts("http", fuzz_seeds.REQUESTS), _http))
    return made


def _texts(ending: str, texts: Sequence[str]) -> dict[str, list[bytes]]:
    return {ending: [text.encode() for text in texts]}


def make_workshop(folder: Path) -> Workshop:
    """The good parts. Each run here must end well."""
    folder.mkdir()
    model = write_model(folder, "tiny", side=32, square=8, threshold=0.5, alone=0.5)
    film = fuzz_seeds.make_videos(folder)[0]
    workshop = Workshop(
        folder=folder,
        model=model,
        film=film,
        picture=fuzz_seeds.make_picture(folder),
        records=folder / "records.jsonl",
        positives=folder / "positives.csv",
        map=folder / "places.vpr",
        results=folder / "results",
    )
    workshop.records.write_bytes(fuzz_seeds.records())
    workshop.positives.write_bytes(fuzz_seeds.positives())
    return workshop


def fill_workshop(workshop: Workshop) -> None:
    """Let the program make what it makes: a map and a folder of results."""
    for options in (
        ["--map", str(workshop.map), "--fps", "2"],
        ["--output-dir", str(workshop.results), "--exclude-recent", "1"],
    ):
        code = cli.run_command(_run(workshop, workshop.film, *options))
        if code:
            raise SystemExit(f"a good run ended with {code}")


def _run(workshop: Workshop, source: object, *options: str) -> list[str]:
    known = ["--model", str(workshop.model), "--threads", "1", "--device", "cpu"]
    return ["run", str(source), *known, "--records", "queries", *options]


def _record(workshop: Workshop, source: object, **options: object) -> int:
    """What `streamvpr run` does, without the tenth of a second in which its options are parsed."""
    known = {"model": str(workshop.model), "threads": 1, "device": "cpu", **options}
    chosen = RunOptions(records=Records.QUERIES, **known)  # type: ignore[arg-type]
    return execute(
        lambda sinks: open_run([str(source)], chosen, sinks), chosen, CONSOLE, progress=False
    )


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _video(case: Case) -> int:
    path = _written(case.folder, f"film.{case.ending}", case.data)
    if case.chance.random() < 0.03:
        return cli.run_command(_run(case.workshop, path))
    options = case.chance.choice(WAYS)
    return _record(case.workshop, path, **options)


def _image(case: Case) -> int:
    shown = case.folder / "pictures"
    shown.mkdir()
    _written(shown, f"1.{case.ending}", case.data)
    if case.chance.random() < 0.5:
        shutil.copy(case.workshop.picture, shown / "2.png")
    return _record(case.workshop, shown)


def _stream(case: Case) -> int:
    if case.ending == "rtsp":
        return _served(case.workshop, case.data, "rtsp", case.ending)
    way = case.chance.choice(("stdin", "stdin", "http", "tcp"))
    if way != "stdin":
        return _served(case.workshop, case.data, way, case.ending)
    with _written(case.folder, "input", case.data).open("rb") as file:
        os.dup2(file.fileno(), 0)
    return _record(case.workshop, "-")


def _served(workshop: Workshop, data: bytes, way: str, ending: str) -> int:
    server = socket.create_server((LOOPBACK, 0))
    serve = {"http": _serve_http, "tcp": _serve_tcp, "rtsp": _serve_rtsp}[way]
    most = 1 if way == "tcp" else MOST_CONNECTIONS

    def accept() -> None:
        with contextlib.suppress(OSError):
            server.settimeout(SERVED_SECONDS)
            for _ in range(most):
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(2.0)
                    serve(connection, data)
        server.close()

    threading.Thread(target=accept, daemon=True).start()
    url = f"{way}://{LOOPBACK}:{server.getsockname()[1]}/film.{ending}"
    return _record(workshop, url, duration=3.0, **PATIENCE)


def _serve_http(connection: socket.socket, data: bytes) -> None:
    connection.recv(65536)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + data)


def _serve_tcp(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)


def _serve_rtsp(connection: socket.socket, data: bytes) -> None:
    first, *rest = data.split(b"RTSP/1.0")
    for part in [first, *(b"RTSP/1.0" + part for part in rest)]:
        if part and not connection.recv(65536):
            return
        connection.sendall(part)


def _url(case: Case) -> int:
    if case.ending == "netrc":
        fill_in("rtsp://camera.lan/a", _written(case.folder, "logins", case.data))
        return 0
    # Arguments come as the system's bytes, and have no NUL.
    text = os.fsdecode(case.data.replace(b"\0", b""))
    address = parse_address(text)
    str((address.scheme, address.host, address.is_served_file, address.default_name))
    name_sources([text, text, "a.mp4"])
    redact_arguments(
        ["run", text, f"--webhook={text}", "--webhook", text, f"--av-option=headers={text}"]
    )
    encoded = encode_userinfo(text)
    Hosts.of(encoded).allow(encoded)
    spelled(redact(text))
    fill_in(text, None)
    return 0


def _settings(case: Case) -> int:
    path = _written(case.folder, f"settings.{case.ending}", case.data)
    return cli.run_command(["run", str(case.workshop.film), "--config", str(path)])


def _card(case: Case) -> int:
    model = case.folder / "tiny.onnx"
    model.symlink_to(case.workshop.model)
    _written(case.folder, f"tiny.{case.ending}", case.data)
    return _record(case.workshop, case.workshop.film, model=str(model))


def _model(case: Case) -> int:
    model = _written(case.folder, f"tiny.{case.ending}", case.data)
    shutil.copy(case.workshop.model.with_suffix(".toml"), case.folder)
    return _record(case.workshop, case.workshop.film, model=str(model))


def _camera(case: Case) -> int:
    path = _written(case.folder, f"camera.{case.ending}", case.data)
    if case.chance.random() < 0.7:
        read_camera(str(path))
        return 0
    return _record(case.workshop, case.workshop.film, camera=str(path), geometry=Geometry.ESSENTIAL)


def _records(case: Case) -> int:
    path = _written(case.folder, f"records.{case.ending}", case.data)
    truth = case.chance.choice(
        (["--ground-truth", str(case.workshop.positives)], ["--gps-radius", "20", "--exclude", "3"])
    )
    return cli.run_command(["eval", str(path), *truth])


def _truth(case: Case) -> int:
    path = _written(case.folder, f"positives.{case.ending}", case.data)
    return cli.run_command(["eval", str(case.workshop.records), "--ground-truth", str(path)])


def _map(case: Case) -> int:
    path = _written(case.folder, f"places.{case.ending}", case.data)
    way = case.chance.choice(("info", "verify", "run", "read", "match", "merge", "prune"))
    if way in ("run", "read"):
        read_only = way == "read"
        return _record(case.workshop, case.workshop.film, map=path, map_read_only=read_only)
    if way == "match":
        known = ["--model", str(case.workshop.model), "--threads", "1"]
        return cli.run_command(["match", str(path), str(case.workshop.film), *known])
    if way == "merge":
        others = [str(path), str(case.workshop.map)]
        return cli.run_command(["map", "merge", str(case.folder / "all.vpr"), *others])
    least = ["--most", "3"] if way == "prune" else []
    return cli.run_command(["map", way, str(path), *least])


def _positions(case: Case) -> int:
    if case.ending == "exif":
        read_exif(case.data)
        return 0
    if case.ending == "srt":
        samples = read_srt(case.data.decode("utf-8", "replace"))
    else:
        samples = read_payload(case.data, begin=0.0, duration=1.0)
    track = Track(samples)
    for step in range(20):
        track.at(step / 4)
    return 0


def _report(case: Case) -> int:
    results = case.folder / "results"
    shutil.copytree(case.workshop.results, results)
    _written(results, case.ending, case.data)
    if case.ending.endswith(".json") and case.chance.random() < 0.1:
        bench.read_report(results / case.ending)
        return 0
    return cli.run_command(["report", str(results)])


def _http(case: Case) -> int:
    with contextlib.suppress(OSError), _asked(case.workshop.page, case.data) as connection:
        while connection.recv(65536):
            pass
    with _asked(case.workshop.page, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as connection:
        answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"the page answers {answer[:60]!r} to a good request")
    return 0


def _asked(port: int, data: bytes) -> socket.socket:
    connection = socket.create_connection((LOOPBACK, port), timeout=5.0)
    connection.settimeout(0.3)
    with contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    connection.settimeout(5.0)
    return connection


def attempt(target: Target, workshop: Workshop, folder: Path, seed: int, number: int) -> int:
    """Try one input in this process, whose folder is `folder`; the exit code that it would have."""
    chance, ending, data = target.make(seed, number)
    try:
        return target.attempt(Case(workshop, folder, chance, ending, data))
    except StreamVPRError as error:
        print(f"streamvpr: error: {error}", file=sys.stderr)
        return error.exit_code
