"""The command line: the only owner of standard output, logging and exit codes."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
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
from streamvpr.completion import Shell  # noqa: TC001 - read by cyclopts at run time
from streamvpr.config import (
    BenchOptions,
    CalibrateOptions,
    DestinationOptions,
    MatchOptions,
    ModelOptions,
    RunOptions,
)
from streamvpr.credentials import redact, redact_arguments
from streamvpr.errors import ConfigError, StreamVPRError
from streamvpr.eval_command import evaluate
from streamvpr.execution import (
    INTERRUPTED,
    execute,
    leave,
    open_stoppably,
    print_text,
    stopped_by_signals,
)
from streamvpr.export import ExportOptions, export_model
from streamvpr.map_commands import maps
from streamvpr.report_command import report
from streamvpr.running import open_run
from streamvpr.session import open_offline
from streamvpr.settings_file import read_quiet, read_settings, read_sources
from streamvpr.sources.address import READ_AS, STANDARD_INPUT, as_text
from streamvpr.vocabulary_command import vocabularies

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"
# Commands that may read standard input.
READING = ("run", "match", "calibrate", "eval", "bench", "vocabulary")

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
app.command(evaluate, name="eval")
app.command(report)
app.command(vocabularies)

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
    destinations: Annotated[DestinationOptions | None, Parameter(name="*")] = None,
) -> int:
    """Online: each frame against the past only."""
    chosen = options or RunOptions()
    return execute(
        lambda sinks: open_run(list(sources), chosen, sinks),
        chosen,
        console,
        progress=logger.isEnabledFor(logging.INFO),
        destinations=destinations,
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
    destinations: Annotated[DestinationOptions | None, Parameter(name="*")] = None,
) -> int:
    """Offline: each frame of QUERY against all of DATABASE."""
    chosen = options or MatchOptions()
    return execute(
        lambda sinks: open_offline(database, query, chosen, sinks),
        chosen,
        console,
        progress=logger.isEnabledFor(logging.INFO),
        destinations=destinations,
    )


@app.command
def calibrate(
    *sources: SourceArgument,
    options: Annotated[CalibrateOptions | None, Parameter(name="*")] = None,
) -> int:
    """Thresholds for a model from your own recording, without labels, as JSON."""
    from streamvpr import calibrating

    chosen = options or CalibrateOptions()
    calibrator = open_stoppably(lambda: calibrating.open_calibrator(list(sources), chosen))
    if calibrator is None:
        return 0
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
    with workbench.own_folder() as folder:
        opened = open_stoppably(lambda: workbench.Bench(list(sources), chosen, folder))
        if opened is None:
            return 0
        with stopped_by_signals(opened.stop, saying="going on with what was measured"):
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


@app.command
def completion(
    shell: Annotated[Shell, Parameter(help="bash, zsh or fish.")],
    /,
    *,
    install: Annotated[
        bool,
        Parameter(help="Put it where your shell finds it, instead of printing it.", negative=()),
    ] = False,
) -> int:
    """What lets a shell complete commands, options and files: print it, or install it."""
    from streamvpr import completion as shells

    if not install:
        print_text(shells.script(app, shell).rstrip("\n"))
        return 0
    logger.info("wrote %s; begin a new %s", shells.install(app, shell), shell.value)
    return 0


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="TOML file with any of the options.")] = None,
    log_level: Annotated[
        LogLevel | None, Parameter(help="Least severity of what goes to stderr. Default: info.")
    ] = None,
    quiet: Annotated[
        bool | None,
        # Said for completion, which takes a flag that may be None for one with a value.
        Parameter(help="Only errors go to stderr.", negative=(), n_tokens=0),
    ] = None,
) -> int:
    """Set up logging and settings, then run the command."""
    settings = {} if config is None else read_settings(config)
    sources = read_sources(settings.pop("sources", []), config)
    _set_up_logging(
        log_level or settings.pop("log-level", None) or LogLevel.INFO,
        quiet=read_quiet(settings.pop("quiet", False)) if quiet is None else quiet,
    )
    # A lone - is no option: it is standard input, under a name that does not look like one.
    reads_input = bool(tokens) and tokens[0] in (
        "run",
        "match",
        "calibrate",
        "eval",
        "bench",
        "vocabulary",
    )
    plain = [READ_AS if reads_input and t == STANDARD_INPUT else t for t in tokens]
    # The first found wins: variables before the file; flags come before both.
    app.config = (Env("STREAMVPR_", command=False), _as_config(settings, plain, config))
    command, bound, _ = app.parse_args(plain, exit_on_error=False, print_error=False)
    if command in (run, calibrate, bench) and not bound.args:
        bound.arguments["sources"] = tuple(sources)
    code = command(*bound.args, **bound.kwargs)
    return code if isinstance(code, int) else 0


def _as_config(settings: dict[str, Any], tokens: list[str], config: Path | None) -> Dict:
    """The keys of the file as those of the command that the tokens name.

    Of keys for any command cyclopts drops without a word those that are called like one, as `map`.
    """
    command, _, _ = app.parse_commands(tokens)
    nested: dict[str, Any] = settings
    for name in reversed(command):
        nested = {name: nested}
    return Dict(nested, source=str(config))


def main() -> None:
    """Entry point of the `streamvpr` command."""
    _hide_passwords(sys.argv)
    leave(run_command(sys.argv[1:]))


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
    shown = redact_arguments(command_line)
    if shown != command_line:
        setproctitle.setproctitle(shlex.join(shown))


def _report(error: StreamVPRError) -> int:
    console.print(f"streamvpr: error: {_one_line(str(error))}")
    return error.exit_code


def _one_line(text: str) -> str:
    """A message without line breaks, and without a password that a library may have quoted."""
    return as_text(" ".join(redact(word) for word in text.split()))


def _set_up_logging(level: str, *, quiet: bool) -> None:
    names = [known.value for known in LogLevel]
    if level not in names:
        raise ConfigError(f"log-level {level!r} is none of {', '.join(names)}")
    root = logging.getLogger("streamvpr")
    root.setLevel(logging.ERROR if quiet else level.upper())
    root.handlers = [_ConsoleHandler()]
    root.propagate = False


class _ConsoleHandler(logging.Handler):
    """Log lines on stderr, above the progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        message = record.getMessage()
        # What is to be read as it is, such as a token that was made up for the reader.
        shown = message if getattr(record, "verbatim", False) else _one_line(message)
        console.print(f"streamvpr: {level}{shown}")
