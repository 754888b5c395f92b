"""The command line: the only owner of standard output, logging and exit codes."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import tomllib
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cv2
import cyclopts
import setproctitle
from cyclopts import App, Parameter
from cyclopts.config import Dict, Env
from rich.console import Console
from threadpoolctl import threadpool_limits

from streamvpr import __version__
from streamvpr.config import BenchOptions, CalibrateOptions, MatchOptions, ModelOptions, RunOptions
from streamvpr.credentials import has_secret, redact
from streamvpr.errors import ConfigError, StoreError, StreamVPRError
from streamvpr.execution import INTERRUPTED, execute, print_text, stopped_by_signals
from streamvpr.export import ExportOptions, export_model
from streamvpr.map_commands import maps
from streamvpr.parsing import within
from streamvpr.running import open_run
from streamvpr.session import open_offline
from streamvpr.sources.address import STANDARD_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

# What stands for - among options, which it would look like.
_READ_AS = "/dev/stdin"
OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"

logger = logging.getLogger(__name__)
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


class LogLevel(StrEnum):
    """Least severity that goes to stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


app = App(
    name="streamvpr",
    version=__version__,
    help="Have I been here before? Verified loop closures from video, as JSON lines.",
    help_format="plaintext",
    # A command's exit code comes back here, where errors are reported too.
    result_action="return_value",
)

app.command(maps)

SourceArgument = Annotated[
    str,
    Parameter(
        help="A video file, a folder of images, - for standard input, rtsp:// http:// udp:// ... "
        "or /dev/video0; NAME=SOURCE names the stream."
    ),
]
JsonFlag = Annotated[bool, Parameter(name="--json", help="JSON for machines.", negative=())]


@app.command
def run(
    *sources: SourceArgument,
    options: Annotated[RunOptions | None, Parameter(name="*")] = None,
) -> int:
    """Online: each frame against the past only."""
    chosen = options or RunOptions()
    return execute(
        lambda sinks: open_run(list(sources), chosen, sinks),
        chosen,
        console,
        progress=logger.isEnabledFor(logging.INFO),
    )


@app.command
def match(
    database: Annotated[
        str,
        Parameter(help="A video file or a folder of images, or a map that `run --map` made."),
    ],
    query: SourceArgument,
    /,
    *,
    options: Annotated[MatchOptions | None, Parameter(name="*")] = None,
) -> int:
    """Offline: each frame of QUERY against all of DATABASE."""
    chosen = options or MatchOptions()
    return execute(
        lambda sinks: open_offline(database, query, chosen, sinks),
        chosen,
        console,
        progress=logger.isEnabledFor(logging.INFO),
    )


@app.command(name="eval")
def evaluate(
    *records: Annotated[
        str,
        Parameter(help="Output of --records queries, one or several runs; - is standard input."),
    ],
    ground_truth: Annotated[
        list[Path] | None,
        Parameter(
            help="CSV with query_idx,match_idx: right pairs. One for all runs, or one each.",
            consume_multiple=True,
            negative=(),
        ),
    ] = None,
    gps_radius: Annotated[
        float | None,
        Parameter(
            help="Instead: right are frames of a run within METRES of each other by their own "
            "positions; with --exclude as in the run.",
            validator=within(above=0.0),
        ),
    ] = None,
    exclude: Annotated[
        list[int] | None,
        Parameter(
            help="Only pairs with query_idx - match_idx > N count; again and again, one for each "
            "run, where they differ.",
            negative=(),
        ),
    ] = None,
    stream: Annotated[str | None, Parameter(help="Score this stream only.")] = None,
    plot: Annotated[Path | None, Parameter(help="Draw the precision-recall curves there.")] = None,
) -> int:
    """Score records against ground truth: recall@1, average precision and more, as JSON."""
    from streamvpr import runs

    # The option takes all names that follow it: where it came first, only one of them is its own.
    files = ground_truth or []
    sources, files = (records, files) if records else (files[1:], files[:1])
    if not sources:
        raise ConfigError(
            "eval needs the records of a run, and --ground-truth with the right pairs or "
            "--gps-radius METRES"
        )
    if list(map(str, sources)).count(_READ_AS) > 1:
        raise ConfigError("only one run can come through standard input; name files for the others")
    truths = runs.truths(len(sources), files, gps_radius, exclude or [])
    scored = [
        runs.score_run(
            STANDARD_INPUT if str(source) == _READ_AS else str(source),
            _lines(str(source)),
            truth,
            stream=stream,
        )
        for source, truth in zip(sources, truths, strict=True)
    ]
    if plot is not None:
        from streamvpr.sinks.plot import draw_precision_recall

        draw_precision_recall(scored, plot)
    print_text("\n".join(map(json.dumps, runs.as_json(scored))))
    return 0


@app.command
def calibrate(
    *sources: SourceArgument,
    options: Annotated[CalibrateOptions | None, Parameter(name="*")] = None,
) -> int:
    """Thresholds for a model from your own recording, without labels, as JSON."""
    from streamvpr import calibrating

    chosen = options or CalibrateOptions()
    calibrator = calibrating.open_calibrator(list(sources), chosen)
    with stopped_by_signals(calibrator.stop):
        calibration = calibrator.run()
    print_text(json.dumps(calibration.as_json()))
    if chosen.plot is not None:
        from streamvpr.sinks.plot import draw_calibration

        draw_calibration(calibration, chosen.plot)
    if chosen.write:
        calibrating.write_card(calibration)
    return 0


@app.command
def models(
    *,
    as_json: JsonFlag = False,
    build_engines: Annotated[
        bool,
        Parameter(
            help="First build the engines that --device tensorrt needs, which takes minutes.",
            negative=(),
        ),
    ] = False,
) -> int:
    """What models are here, what they cost on this machine, where they came from."""
    from streamvpr import embedding, inventory

    if build_engines:
        embedding.build_engines(map(str, embedding.list_models()))

    entries = inventory.take()
    print_text(inventory.as_json(entries) if as_json else inventory.as_text(entries))
    return 0


@app.command
def export(
    network: Annotated[str, Parameter(help="Which one; `streamvpr models` lists them.")],
    /,
    *,
    options: Annotated[ExportOptions | None, Parameter(name="*")] = None,
) -> int:
    """From trained weights to an ONNX file and its card, checked against torch."""
    made = export_model(network, options)
    found = {
        "model": str(made.model),
        "card": str(made.card),
        "dimension": made.dimension,
        "megabytes": made.megabytes,
        "max_difference": made.checks.torch.max_difference,
        "min_cosine": made.checks.torch.min_cosine,
    }
    print_text(json.dumps(found))
    return 0


@app.command
def doctor(
    *,
    options: Annotated[ModelOptions | None, Parameter(name="*")] = None,
    as_json: JsonFlag = False,
) -> int:
    """What works on this machine, proved by running it, and what brings the rest."""
    from streamvpr import doctor as clinic

    checks = clinic.examine(options)
    print_text(clinic.as_json(checks) if as_json else clinic.as_text(checks))
    return clinic.exit_code(checks)


@app.command
def bench(
    *sources: SourceArgument,
    options: Annotated[BenchOptions | None, Parameter(name="*")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Where the time of a frame goes, of SOURCE or of a flight that is made for it."""
    from streamvpr import bench as workbench

    chosen = options or BenchOptions()
    before = None if chosen.against is None else workbench.read_report(chosen.against)
    with workbench.open_bench(list(sources), chosen) as opened:
        with stopped_by_signals(opened.stop, left="what was measured"):
            turns = opened.turns()
        if not turns:
            return INTERRUPTED
        report = workbench.make_report(opened, turns)
    against = None if before is None else workbench.compare(before, report)
    show = workbench.as_json if as_json else workbench.as_table
    print_text(show(report, against))
    return 0


@app.command
def demo(
    *,
    output_dir: Annotated[Path, Parameter(help="Where the video and the pictures go.")] = Path(
        "streamvpr-demo"
    ),
) -> int:
    """Make a short flight that comes back, and find its loop closures."""
    from streamvpr import demo as flight

    return flight.run_demo(output_dir, console)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="TOML file with any of the options.")] = None,
    log_level: Annotated[
        LogLevel | None, Parameter(help="Least severity of what goes to stderr. Default: info.")
    ] = None,
    quiet: Annotated[bool | None, Parameter(help="Only errors go to stderr.", negative=())] = None,
) -> int:
    """Set up logging and settings, then run the command."""
    settings = {} if config is None else _read_settings(config)
    sources = _sources(settings.pop("sources", []), config)
    _set_up_logging(
        log_level or settings.pop("log-level", None) or LogLevel.INFO,
        quiet=_quiet(settings.pop("quiet", False)) if quiet is None else quiet,
    )
    # The first found wins: variables before the file; flags come before both.
    app.config = (
        Env("STREAMVPR_", command=False),
        Dict(settings, source=str(config), use_commands_as_keys=False),
    )
    # A lone - is no option: it is standard input, under a name that does not look like one.
    reads_input = bool(tokens) and tokens[0] in ("run", "match", "calibrate", "eval", "bench")
    plain = [_READ_AS if reads_input and t == STANDARD_INPUT else t for t in tokens]
    command, bound, _ = app.parse_args(plain, exit_on_error=False, print_error=False)
    if command in (run, calibrate, bench) and not bound.args:
        bound.arguments["sources"] = tuple(sources)
    code = command(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the `streamvpr` command."""
    _hide_passwords(sys.argv)
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run a command line and say on stderr, in one line, what was wrong; the exit code."""
    app.meta.config = (Env("STREAMVPR_", command=False),)
    try:
        with _no_more_threads():
            code = app.meta(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        return _report(ConfigError(str(error)))
    except StreamVPRError as error:
        return _report(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


@contextmanager
def _no_more_threads() -> Iterator[None]:
    """Let NumPy's and OpenCV's libraries work on the threads that call them.

    Each stage of the pipeline has its thread. Those that libraries add spin while they wait: more
    than half of the processor time where SIFT features are compared. Who would rather have OpenCV's
    threads says so in OpenCV's own variable.
    """
    before = cv2.getNumThreads()
    if OPENCV_THREADS not in os.environ:
        cv2.setNumThreads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(before)


def _hide_passwords(command_line: list[str]) -> None:
    """Take passwords out of what `ps` shows of this process to everybody on the machine."""
    if any(has_secret(argument) for argument in command_line):
        setproctitle.setproctitle(shlex.join(redact(argument) for argument in command_line))


def _report(error: StreamVPRError) -> int:
    console.print(f"streamvpr: error: {_one_line(str(error))}")
    return error.exit_code


def _one_line(text: str) -> str:
    """A message without line breaks, and without a password that a library may have quoted."""
    return " ".join(redact(word) for word in text.split())


def _set_up_logging(level: str, *, quiet: bool) -> None:
    names = [known.value for known in LogLevel]
    if level not in names:
        raise ConfigError(f"log-level {level!r} is none of {', '.join(names)}")
    root = logging.getLogger("streamvpr")
    root.setLevel(logging.ERROR if quiet else level.upper())
    root.handlers = [_ConsoleHandler()]
    root.propagate = False


def _quiet(value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"quiet = {value!r}: write true or false")
    return value


class _ConsoleHandler(logging.Handler):
    """Log lines on stderr, above the progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        console.print(f"streamvpr: {level}{_one_line(record.getMessage())}")


def _read_settings(path: Path) -> dict[str, Any]:
    """The keys of a TOML file as options write them. Raises ConfigError."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read --config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path} is no TOML: {error}") from error
    return {key.replace("_", "-"): value for key, value in settings.items()}


def _sources(value: object, config: Path | None) -> list[str]:
    """What the file says is to be read, where the command line names nothing."""
    if not isinstance(value, list) or not all(isinstance(source, str) for source in value):
        raise ConfigError(f'sources in --config {config}: write ["door=rtsp://...", "a.mp4"]')
    return value


def _lines(source: str) -> list[str]:
    """The lines of a text file, or of standard input. Raises StoreError."""
    try:
        # Only line feeds end a record: a name in it may hold others of Unicode's line ends.
        return _bytes(source).decode().split("\n")
    except OSError as error:
        raise StoreError(f"cannot read {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{source} is no text: {error}") from error


def _bytes(source: str) -> bytes:
    if source != _READ_AS:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise StoreError("standard input is closed; name a file with the records instead")
    return sys.stdin.buffer.read()
