"""Options: where they come from, which one wins, and what is said of bad ones."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr import cli as cli_module
from streamvpr.config import RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


@pytest.fixture
def options(cli: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The options that a command line amounts to; nothing is opened or run."""
    seen: list[RunOptions] = []

    def execute(_: object, chosen: RunOptions, *__: object, **___: object) -> int:
        seen.append(chosen)
        return 0

    monkeypatch.setattr(cli_module, "execute", execute)

    def parse(*arguments: object) -> RunOptions:
        result = cli("run", "a.mp4", *arguments)
        assert (result.code, result.err) == (0, "")
        return seen[-1]

    return parse


class TestPrecedence:
    def test_defaults_then_the_file_then_variables_then_flags(
        self, options: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "a.toml"
        config.write_text("top-k = 7\nmin-inliers = 33\nseed = 4\n")
        assert options() == RunOptions()
        chosen = options("--config", config)
        assert (chosen.top_k, chosen.min_inliers, chosen.seed) == (7, 33, 4)
        monkeypatch.setenv("STREAMVPR_TOP_K", "8")
        monkeypatch.setenv("STREAMVPR_MIN_INLIERS", "44")
        chosen = options("--config", config)
        assert (chosen.top_k, chosen.min_inliers, chosen.seed) == (8, 44, 4)
        chosen = options("--config", config, "--top-k", 9)
        assert (chosen.top_k, chosen.min_inliers, chosen.seed) == (9, 44, 4)

    def test_a_variable_names_the_file_too(
        self, options: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.toml").write_text("top-k = 7\n")
        monkeypatch.setenv("STREAMVPR_CONFIG", str(tmp_path / "a.toml"))
        assert options().top_k == 7

    def test_false_and_zero_are_values(
        self, options: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "a.toml"
        config.write_text("verify-geom = false\nfps = 0\n")
        chosen = options("--config", config)
        assert (chosen.verify_geom, chosen.fps) == (False, 0)
        assert options("--config", config, "--verify-geom").verify_geom is True
        monkeypatch.setenv("STREAMVPR_VERIFY_GEOM", "false")
        assert options().verify_geom is False

    def test_keys_of_the_file_are_written_either_way(self, options: Make, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text("exclude_recent = 5\nmin-loop-gap = 6\n")
        chosen = options("--config", config)
        assert (chosen.exclude_recent, chosen.min_loop_gap) == (5, 6)

    def test_a_key_may_be_called_like_a_command(self, options: Make, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text('map = "campus.vpr"\n')
        assert options("--config", config).map == Path("campus.vpr")

    def test_the_file_is_for_commands_of_commands_too(self, cli: Make, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text("measure = true\nmosst = 3\n")
        result = cli("map", "prune", tmp_path / "a.vpr", "--config", config)
        assert result.code == 2
        assert "mosst" in result.error

    def test_the_models_folder_is_no_option(
        self, options: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(tmp_path))
        assert options() == RunOptions()

    def test_a_file_for_every_command(self, cli: Make, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text('log-level = "error"\nquiet = true\n')
        (tmp_path / "empty").touch()
        line = ("eval", tmp_path / "empty", "--ground-truth", tmp_path / "empty")
        assert cli(*line, "--config", config).code == 0


@pytest.mark.parametrize(
    ("flag", "value", "field", "expected"),
    [
        ("--sim_threshold", "0.6", "sim_threshold", 0.6),
        ("--exclude_recent", "7", "exclude_recent", 7),
        ("--min_loop_gap", "8", "min_loop_gap", 8),
        ("--top_k", "3", "top_k", 3),
        ("--output_dir", "there", "output_dir", "there"),
        ("--min-inliers", "12", "min_inliers", 12),
        ("--reproj-thresh", "2.5", "reproj_thresh", 2.5),
        ("--start", "1:30", "start", 90.0),
        ("--duration", "2.5", "duration", 2.5),
        ("--exclude-seconds", "20", "exclude_seconds", 20.0),
        ("--capacity", "99", "capacity", 99),
        ("--device", "cpu", "device", "cpu"),
        ("--records", "queries", "records", "queries"),
        ("--video-stream", "1", "video_stream", 1),
        ("--decode", "keyframes", "decode", "keyframes"),
        ("--hwaccel", "vaapi", "hwaccel", "vaapi"),
        ("--av-option", "a=b=c", "av_option", ("a=b=c",)),
        ("--credentials", "logins", "credentials", "logins"),
        ("--connect-timeout", "2.5", "connect_timeout", 2.5),
        ("--read-timeout", "2.5", "read_timeout", 2.5),
        ("--rtsp-transport", "udp", "rtsp_transport", "udp"),
        ("--on-overload", "drop-oldest", "on_overload", "drop-oldest"),
        ("--reconnect-delay", "0.5", "reconnect_delay", 0.5),
        ("--reconnect-for", "0", "reconnect_for", 0.0),
        ("--health-every", "10", "health_every", 10.0),
    ],
)
def test_flags(options: Make, flag: str, value: str, field: str, expected: object) -> None:
    found = getattr(options(flag, value), field)
    assert (str(found) if isinstance(expected, str) else found) == expected
    assert options(f"{flag}={value}") == options(flag, value)


def test_options_of_ffmpeg_add_up(options: Make) -> None:
    assert options("--av-option", "a=b", "--av-option", "c=d").av_option == ("a=b", "c=d")


def test_shared_places_is_a_switch(options: Make) -> None:
    assert options("--shared-places").shared_places is True
    assert options("--no-shared-places").shared_places is False


@pytest.mark.parametrize(("flag", "value"), [("--verify_geom", True), ("--no-verify-geom", False)])
def test_geometry_is_a_switch(options: Make, flag: str, value: bool) -> None:
    assert options(flag).verify_geom is value


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--no-such-option", "1"], "--no-such-option"),
        (["--top-k", "many"], "many"),
        (["--top-k", "0"], "--top-k"),
        (["--top-k"], "--top-k"),
        (["--sim-threshold", "nan"], "--sim-threshold"),
        (["--sim-threshold", "inf"], "--sim-threshold"),
        (["--sim-threshold", "1.5"], "--sim-threshold"),
        (["--sim-threshold", "warm"], "warm"),
        (["--fps", "-1"], "--fps"),
        (["--fps", "nan"], "--fps"),
        (["--exclude-recent", "-1"], "--exclude-recent"),
        (["--min-inliers", "3"], "--min-inliers"),
        (["--reproj-thresh", "0"], "--reproj-thresh"),
        (["--capacity", "0"], "--capacity"),
        (["--start", "noon"], "noon"),
        (["--duration", "0"], "--duration"),
        (["--device", "abacus"], "abacus"),
        (["--records", "some"], "some"),
        (["--batch-size", "0"], "--batch-size"),
        (["--seed", "-1"], "--seed"),
        (["--log-level", "loud"], "loud"),
        (["--decode", "some"], "some"),
        (["--av-option", "novalue"], "novalue"),
        (["--connect-timeout", "0"], "--connect-timeout"),
        (["--read-timeout", "nan"], "--read-timeout"),
        (["--rtsp-transport", "pigeon"], "pigeon"),
        (["--on-overload", "panic"], "panic"),
        (["--reconnect-delay", "0"], "--reconnect-delay"),
        (["--reconnect-for", "-1"], "--reconnect-for"),
        (["--health-every", "-1"], "--health-every"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(
    cli: Make, arguments: list[str], named: str
) -> None:
    result = cli("run", "a.mp4", *arguments)
    assert (result.code, result.out) == (2, b"")
    assert named in result.error
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no-such-key = 1", "no-such-key"),
        ("[table]\na = 1", "table"),
        ("top-k = 'many'", "many"),
        ("top-k = 0", "top-k"),
        ("sim-threshold = nan", "sim-threshold"),
        ("top-k = [1, 2]", "top-k"),
        ("log-level = 'loud'", "loud"),
        ("log-level = 3", "log-level"),
        ("quiet = 'perhaps'", "quiet"),
        ("top-k = ", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(
    cli: Make, tmp_path: Path, text: str, named: str
) -> None:
    config = tmp_path / "a.toml"
    config.write_text(text)
    result = cli("run", "a.mp4", "--config", config)
    assert (result.code, result.out) == (2, b"")
    assert named in result.error


class TestSourcesInTheFile:
    @pytest.fixture
    def sources(self, cli: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
        """The sources that a command line amounts to."""
        seen: list[list[str]] = []

        def execute(opened: Any, *_: object, **__: object) -> int:
            opened([])
            return 0

        monkeypatch.setattr(cli_module, "execute", execute)
        monkeypatch.setattr(cli_module, "open_run", lambda names, *_: seen.append(names))

        def parse(*arguments: object) -> list[str]:
            result = cli("run", *arguments)
            assert (result.code, result.err) == (0, "")
            return seen[-1]

        return parse

    def test_they_are_read_where_the_command_line_names_none(
        self, sources: Make, tmp_path: Path
    ) -> None:
        config = tmp_path / "a.toml"
        config.write_text('sources = ["door=rtsp://${U}:${P}@host/a", "b.mp4"]\ntop-k = 3\n')
        assert sources("--config", config) == ["door=rtsp://${U}:${P}@host/a", "b.mp4"]
        assert sources("c.mp4", "--config", config) == ["c.mp4"]

    @pytest.mark.parametrize("text", ['sources = "a.mp4"', "sources = [1]", "sources = {a = 1}"])
    def test_a_list_of_something_else_is_one_line_and_exit_code_2(
        self, cli: Make, tmp_path: Path, text: str
    ) -> None:
        config = tmp_path / "a.toml"
        config.write_text(text)
        result = cli("run", "--config", config)
        assert (result.code, result.out) == (2, b"")
        assert "sources" in result.error


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "folder"], ids=["missing", "bytes", "dir"])
def test_a_file_that_cannot_be_read_is_exit_code_2(
    cli: Make, tmp_path: Path, content: bytes | str | None
) -> None:
    config = tmp_path / "a.toml"
    if isinstance(content, bytes):
        config.write_bytes(content)
    elif content:
        config.mkdir()
    result = cli("run", "a.mp4", "--config", config)
    assert result.code == 2
    assert str(config) in result.error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STREAMVPR_TOP_K", "many"),
        ("STREAMVPR_SIM_THRESHOLD", "nan"),
        ("STREAMVPR_VERIFY_GEOM", "perhaps"),
        ("STREAMVPR_LOG_LEVEL", "loud"),
        ("STREAMVPR_CONFIG", "/no/such/file.toml"),
    ],
)
def test_a_bad_variable_is_one_line_and_exit_code_2(
    cli: Make, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    result = cli("run", "a.mp4")
    assert result.code == 2
    assert value in result.error or name in result.error


class TestUsage:
    def test_no_source(self, cli: Make) -> None:
        result = cli("run")
        assert result.code == 2
        assert "source" in result.error

    @pytest.mark.parametrize(
        "arguments", [["fly"], ["match", "a.mp4"], ["match"], ["eval", "a.jsonl"], ["eval"]]
    )
    def test_a_command_that_is_none_or_lacks_something(
        self, cli: Make, arguments: list[str]
    ) -> None:
        result = cli(*arguments)
        assert (result.code, result.out) == (2, b"")
        assert result.error

    def test_seconds_for_a_folder_of_images(self, run: Make, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        result = run(tmp_path, "--exclude-seconds", 5)
        assert result.code == 2
        assert "--exclude-seconds 5" in result.error

    def test_help_lists_every_option(self, cli: Make) -> None:
        result = cli("run", "--help")
        text = (result.out.decode() + result.err).replace("_", "-")
        assert result.code == 0
        for field in RunOptions.__dataclass_fields__:
            assert f"--{field.replace('_', '-')}" in text, field
        for flag in ("--no-verify-geom", "--config", "--log-level", "--quiet"):
            assert flag in text

    def test_help_lists_every_command(self, cli: Make) -> None:
        result = cli("--help")
        text = result.out.decode() + result.err
        assert result.code == 0
        for name in ("run", "match", "eval", "models", "doctor", "demo"):
            assert f" {name} " in text

    def test_the_version(self, cli: Make) -> None:
        from streamvpr import __version__

        result = cli("--version")
        assert (result.code, result.out.decode().strip()) == (0, __version__)


def test_run_toml_can_be_read(quick: Make, flight: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert quick(flight.path, "--output-dir", out, "--exclude_recent", 20).code == 0
    settings = tomllib.loads((out / "run.toml").read_text())
    assert settings["exclude-recent"] == 20
    assert settings["sim-threshold"] == 0.9
    assert settings["device"] in ("cpu", "cuda")
    assert settings["output-dir"] == str(out)


class TestSources:
    """What is read may stand in the file: a service's command line is the same for all cameras."""

    def test_in_the_file(self, quick: Make, flight: Any, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text(
            f'sources = ["one={flight.path}", "{flight.path}"]\nrecords = "queries"\n'
        )
        result = quick("--config", config)
        assert result.code == 0
        assert {line["stream"] for line in result.lines} == {"one", "flight"}

    def test_the_command_line_comes_first(self, quick: Make, flight: Any, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text('sources = ["missing.mp4"]\nrecords = "queries"\n')
        result = quick(f"one={flight.path}", "--config", config)
        assert {line["stream"] for line in result.lines} == {"one"}

    @pytest.mark.parametrize("value", ['"a.mp4"', "[1]", "3"])
    def test_what_is_no_list_of_them(self, cli: Make, tmp_path: Path, value: str) -> None:
        config = tmp_path / "a.toml"
        config.write_text(f"sources = {value}\n")
        result = cli("run", "--config", config)
        assert (result.code, result.out) == (2, b"")
        assert "sources in --config" in result.error

    def test_standard_input_only_once(self, cli: Make) -> None:
        result = cli("run", "-", "again=-")
        assert (result.code, result.out) == (2, b"")
        assert "only once" in result.error


def test_a_secret_option_for_ffmpeg_is_saved_nowhere(
    quick: Make, flight: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    secret = ("--av-option", "headers=Authorization: Bearer abc123")
    assert quick(flight.path, "--output-dir", out, *secret, "--av-option", "framerate=9").code == 0
    settings = tomllib.loads((out / "run.toml").read_text())
    assert settings["av-option"] == ["headers=***", "framerate=9"]
