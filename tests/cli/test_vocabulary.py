"""`streamvpr vocabulary`: words of one's own recordings, and what a file of them holds."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.retrieval.vocabulary_file import bundled_vocabulary, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Cli = Any


@pytest.fixture(scope="session")
def tour(make_flight: Callable[..., Any]) -> Path:
    path: Path = make_flight(5, frames=30, lap=30).path
    return path


def test_one_line_says_what_was_made_of_what(cli: Cli, tour: Path, tmp_path: Path) -> None:
    made = tmp_path / "mine.npz"
    done = cli(
        "vocabulary", "train", tour, "--fps", 0, "--output", made, "--branching", 6, "--levels", 3
    )
    assert done.code == 0
    (said,) = done.lines
    assert said["sources"] == [str(tour)]
    assert (said["frames"], said["pictures"]) == (30, 30)
    assert said["descriptors"] > 1000
    tree = read_vocabulary(made)
    assert said["file"] == str(made)
    assert (said["k"], said["L"], said["words"]) == (6, 3, tree.words)
    assert 36 < tree.words <= 216
    assert said["bytes"] == made.stat().st_size
    assert said["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    # Pictures of one flight: some words are rarer than others.
    assert len(set(tree.weights.tolist())) > 5


def test_the_same_seed_makes_the_same_bytes(cli: Cli, tour: Path, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> bytes:
        path = tmp_path / name
        more = ("--branching", 4, "--levels", 2, "--seed", seed, "--fps", 2)
        assert cli("vocabulary", "train", tour, "--output", path, *more).code == 0
        return path.read_bytes()

    assert made("a.npz", 0) == made("b.npz", 0) != made("c.npz", 1)


def test_info_says_what_the_bundled_one_holds(cli: Cli) -> None:
    done = cli("vocabulary", "info", bundled_vocabulary())
    assert done.code == 0
    (said,) = done.lines
    assert (said["k"], said["L"], said["weighting"]) == (10, 5, "tf-idf")
    assert said["words"] > 90_000


def test_dbow2s_text_is_written_and_described(cli: Cli, tour: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    done = cli("vocabulary", "train", tour, "--output", path, "--branching", 4, "--levels", 2)
    assert done.code == 0
    assert path.read_text().splitlines()[0] == "4 2 0 0"
    assert cli("vocabulary", "info", path).lines[0]["words"] == done.lines[0]["words"]


@pytest.mark.parametrize(
    ("retriever", "more", "words"), [("vlad", (), 256), ("vlad", ("orb",), 256), ("fisher", (), 64)]
)
def test_what_sums_features_up_learns_of_recordings_too(
    retriever: str, more: tuple[str, ...], words: int, cli: Cli, tour: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.npz"
    chosen = ["--retriever", retriever, *(["--local-features", *more] if more else [])]
    made = cli("vocabulary", "train", tour, "--fps", 0, "--output", path, *chosen)
    assert made.code == 0, made.err
    (said,) = made.lines
    assert (said["retriever"], said["features"]) == (retriever, *(more or ("sift",)))
    assert (said["frames"], said["words"]) == (30, words)
    assert said["dimension"] > 1000
    about = cli("vocabulary", "info", path).lines[0]
    assert about.items() <= said.items()
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.npz"]
    known = ["--vocabulary", path, "--fps", 0, "--exclude-recent", 15]
    found = cli("run", tour, tour, "--concat", *known, *chosen)
    assert found.code == 0, found.err
    assert found.lines


def test_words_of_sift_are_learned_and_counted(
    cli: Cli, make_flight: Callable[..., Any], tmp_path: Path
) -> None:
    flight = make_flight(7, frames=150, lap=150).path
    path = tmp_path / "words.npz"
    made = cli("vocabulary", "train", flight, "--fps", 0, "--output", path, "--retriever", "bow")
    assert made.code == 0, made.err
    assert made.lines[0]["words"] == 8000
    assert cli("vocabulary", "info", path).lines[0]["dimension"] == 0
    found = cli(
        "run", flight, flight, "--concat", "--retriever", "bow", "--vocabulary", path, "--fps", 0
    )
    assert found.code == 0, found.err
    assert found.lines


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("train",), 2, "no source given"),
        (("train", "TOUR", "--retriever", "hbst"), 2, "--retriever hbst learns nothing"),
        (("train", "TOUR", "--local-features", "sift"), 2, "learned of orb features, not of sift"),
        (("train", "TOUR", "--retriever", "vlad", "--output", "v.txt"), 2, "written as .npz"),
        (("train", "TOUR", "--retriever", "bow"), 2, "too few for 8000 centres"),
        (("train", "TOUR", "--retriever", "vlad", "--output", "no/v.npz"), 5, "cannot write"),
        (("train", "TOUR", "--output", "voc.yml"), 2, ".npz or .txt"),
        (("train", "TOUR", "--branching", "1"), 2, "branching"),
        (("train", "TOUR", "--levels", "11"), 2, "levels"),
        (("train", "TOUR", "--branching", "20", "--duration", "0.01"), 2, "longer recording"),
        (("train", "nowhere.mp4"), 4, "nowhere.mp4"),
        (("train", "TOUR", "--output", "nowhere/voc.npz"), 5, "cannot write"),
        (("info", "nowhere.npz"), 3, "cannot read"),
        (("info", "TOUR"), 3, "neither"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    cli: Cli,
    tour: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    named = [tour if argument == "TOUR" else argument for argument in arguments]
    done = cli("vocabulary", *named)
    assert done.code == code, done.err
    assert said in done.error
    assert done.out == b""
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_goes_on_with_what_was_read(make_flight: Callable[..., Any], tmp_path: Path) -> None:
    long = make_flight(6, frames=400, lap=400).path
    code = (
        "import os, signal, sys\n"
        "from streamvpr import vocabulary_training\n"
        "from streamvpr.cli import main\n"
        "add = vocabulary_training.PictureSample.add\n"
        "def stopping(self, descriptors):\n"
        "    add(self, descriptors)\n"
        "    if self.pictures == 20:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "vocabulary_training.PictureSample.add = stopping\n"
        "main()\n"
    )
    made = tmp_path / "made.npz"
    arguments = ["vocabulary", "train", str(long), "--fps", "0", "--levels", "2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--output", str(made)],
        capture_output=True,
        timeout=50,
        env={k: v for k, v in os.environ.items() if not k.startswith("STREAMVPR_")},
    )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout)
    assert 20 <= said["frames"] < 400
    assert signal.Signals.SIGINT.name in done.stderr.decode()
    assert read_vocabulary(made).words == said["words"]
