"""`eval` of several runs: each against an oracle that reads the files by itself, and their mean."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]
    Figures = dict[str, float | None]

SHARES = (
    "recall_at_1",
    "average_precision",
    "max_recall_at_100_precision",
    "precision",
    "recall",
)
COUNTS = ("queries", "queries_with_positives", "stationary", "accepted")


def write_run(folder: Path, name: str, seed: int, frames: int = 40) -> tuple[Path, Path]:
    """Records with many ties and some pauses, and what was right in them."""
    rng = random.Random(seed)
    lines = ['{"type":"loop_closure","stream":"a"}']
    pairs = ["query_idx,match_idx"]
    for index in range(frames):
        record: dict[str, Any] = {"type": "query", "stream": "zoö", "query_idx": index}
        if index % 20 == 7:
            record["decision"] = "stationary"
        elif rng.random() < 0.9:
            verdict = rng.choice(["accepted", "below_threshold", "too_few_inliers"])
            match = max(0, index - rng.choice([0, 3, 5, 9, 12]))
            record |= {"decision": verdict, "match_idx": match, "score": rng.random()}
            record |= {"confidence": rng.randint(0, 6) / 6, "inliers": rng.randint(0, 50)}
        lines.append(json.dumps(record, ensure_ascii=False))
        if rng.random() < 0.7:
            pairs += [f"{index},{max(0, index - step)}" for step in (3, 5, 9)]
    records, truth = folder / f"{name}.jsonl", folder / f"{name}.csv"
    records.write_text("\n".join(lines) + "\n", encoding="utf-8")
    truth.write_text("\n".join(pairs) + "\n", encoding="utf-8")
    return records, truth


def oracle(records: Path, truth: Path, exclude: int | None) -> Figures:
    """The definitions over plain dictionaries, one least confidence at a time."""
    frames = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    frames = [frame for frame in frames if frame["type"] == "query"]
    pairs = {
        tuple(map(int, line.split(",")))
        for line in truth.read_text(encoding="utf-8").splitlines()[1:]
    }
    asked = [frame for frame in frames if frame.get("decision") != "stationary"]
    still = {frame["query_idx"] for frame in frames} - {frame["query_idx"] for frame in asked}
    pairs = {(q, m) for q, m in pairs if exclude is None or q - m > exclude}
    findable = {q for q, _ in pairs} - still

    def hits(believed: list[dict[str, Any]]) -> int:
        return sum((frame["query_idx"], frame.get("match_idx")) in pairs for frame in believed)

    named = [frame for frame in asked if frame.get("match_idx") is not None]
    area = clean = reached = 0.0
    for least in sorted({frame["confidence"] for frame in named}, reverse=True):
        believed = [frame for frame in named if frame["confidence"] >= least]
        recall = hits(believed) / len(findable)
        area, reached = area + (recall - reached) * hits(believed) / len(believed), recall
        clean = recall if hits(believed) == len(believed) else clean
    accepted = [frame for frame in asked if frame.get("decision") == "accepted"]
    return {
        "queries": len(asked),
        "queries_with_positives": len(findable),
        "stationary": len(still),
        "accepted": len(accepted),
        "recall_at_1": hits(asked) / len(findable),
        "average_precision": area,
        "max_recall_at_100_precision": clean,
        "precision": hits(accepted) / len(accepted),
        "recall": hits(accepted) / len(findable),
    }


@pytest.fixture
def three(tmp_path: Path) -> list[tuple[Path, Path]]:
    return [write_run(tmp_path, name, seed) for seed, name in enumerate(("a", "b", "c"))]


@pytest.mark.parametrize("exclude", [None, 4])
def test_each_line_says_what_the_oracle_says(
    cli: Make, three: list[tuple[Path, Path]], exclude: int | None
) -> None:
    records, truths = zip(*three, strict=True)
    options = [] if exclude is None else ["--exclude", exclude]
    result = cli("eval", *records, "--ground-truth", *truths, *options)
    assert (result.code, result.err) == (0, "")
    assert [line.pop("run") for line in result.lines[:-1]] == list(map(str, records))
    for line, (run, truth) in zip(result.lines[:-1], three, strict=True):
        expected = oracle(run, truth, exclude)
        assert line.keys() - {"run"} == expected.keys()
        for name, value in expected.items():
            assert line[name] == pytest.approx(value, abs=2e-6), name
    assert len({line["average_precision"] for line in result.lines}) == 4


def test_the_last_line_is_the_mean_of_shares_and_the_sum_of_counts(
    cli: Make, three: list[tuple[Path, Path]]
) -> None:
    records, truths = zip(*three, strict=True)
    *lines, mean = cli("eval", *records, "--ground-truth", *truths).lines
    assert mean.pop("mean_of") == 3
    assert mean.keys() == {*SHARES, *COUNTS}
    for name in SHARES:
        assert mean[name] == pytest.approx(sum(line[name] for line in lines) / 3, abs=2e-6)
    for name in COUNTS:
        assert mean[name] == sum(line[name] for line in lines)


def test_a_run_that_has_no_share_is_left_out_of_its_mean(cli: Make, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("query_idx,match_idx\n0,0\n")
    found, nothing = tmp_path / "found.jsonl", tmp_path / "nothing.jsonl"
    found.write_text('{"type":"query","query_idx":0,"match_idx":0,"decision":"accepted"}\n')
    nothing.write_text('{"type":"query","query_idx":0,"decision":"empty_database"}\n')
    mean = cli("eval", found, nothing, "--ground-truth", truth).lines[-1]
    assert (mean["precision"], mean["recall"]) == (1, 0.5)
    mean = cli("eval", nothing, nothing, "--ground-truth", truth).lines[-1]
    assert (mean["precision"], mean["recall"]) == (None, 0)


def test_one_run_is_the_same_object_alone(cli: Make, three: list[tuple[Path, Path]]) -> None:
    records, truth = three[0]
    (alone,) = cli("eval", records, "--ground-truth", truth).lines
    first = cli("eval", records, three[1][0], "--ground-truth", truth).lines[0]
    assert {"run": str(records), **alone} == first
    assert set(alone) == {*SHARES, *COUNTS}


def test_one_truth_serves_all_and_exclusions_may_differ(
    cli: Make, three: list[tuple[Path, Path]]
) -> None:
    (one, truth), (two, _), _ = three
    excluded = ("--exclude", 2, "--exclude", 6)
    lines = cli("eval", one, two, "--ground-truth", truth, *excluded).lines
    for line, records, exclude in zip(lines, (one, two), (2, 6), strict=False):
        assert line["recall"] == pytest.approx(oracle(records, truth, exclude)["recall"], abs=2e-6)


def test_the_option_may_come_first(cli: Make, three: list[tuple[Path, Path]]) -> None:
    (one, truth), (two, _), _ = three
    usual = cli("eval", one, two, "--ground-truth", truth)
    assert cli("eval", "--ground-truth", truth, one, two).out == usual.out
    assert cli("eval", "--ground-truth", truth, "--", one, two).out == usual.out


def test_standard_input_may_be_one_of_the_runs(
    process: Make, three: list[tuple[Path, Path]]
) -> None:
    (one, truth), (two, _), _ = three
    files = process("eval", one, two, "--ground-truth", truth)
    piped = process("eval", one, "-", "--ground-truth", truth, input=two.read_bytes())
    assert (piped.code, piped.err) == (0, "")
    assert piped.lines[1] == {**files.lines[1], "run": "-"}
    assert piped.lines[2] == files.lines[2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("{a} {b} {c} --ground-truth {t} {t}", 2, "2 times --ground-truth for 3 runs"),
        ("{a} --ground-truth {t} {t}", 2, "2 times --ground-truth for 1 run;"),
        ("{a} {b} --ground-truth {t} --exclude 1 --exclude 2 --exclude 3", 2, "3 times --exclude"),
        ("{a} - - --ground-truth {t}", 2, "standard input"),
        ("{a} {b} --ground-truth", 2, "--ground-truth"),
        ("--ground-truth {t}", 2, "eval needs the records"),
        ("{a} {b} --ground-truth {t} --exlude 3", 2, "--exlude"),
        ("{a} {b} --ground-truth {t} --exclude three", 2, "three"),
        ("{a} {none} --ground-truth {t}", 5, "none.jsonl: No such file"),
        ("{a} {bad} --ground-truth {t}", 5, "bad.jsonl: line 1 is no record"),
        ("{a} {b} --ground-truth {t} {bad}", 5, "bad.jsonl is no ground truth"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_scored(
    cli: Make,
    three: list[tuple[Path, Path]],
    tmp_path: Path,
    arguments: str,
    code: int,
    said: str,
) -> None:
    (tmp_path / "bad.jsonl").write_text("no json\nat all\n")
    names = {letter: records for letter, (records, _) in zip("abc", three, strict=True)}
    names |= {name: tmp_path / f"{name}.jsonl" for name in ("bad", "none")}
    result = cli("eval", *arguments.format(t=three[0][1], **names).split())
    assert (result.code, result.out) == (code, b"")
    assert said in result.error


def test_what_is_no_text_is_an_error_also_from_standard_input(
    process: Make, three: list[tuple[Path, Path]]
) -> None:
    result = process("eval", "-", "--ground-truth", three[0][1], input=b"\xff\xfe\n")
    assert (result.code, result.out) == (5, b"")
    assert "no text" in result.error


def colours(path: Path) -> set[tuple[int, ...]]:
    """The pure colours of lines in a picture, where it is neither grey nor a blend."""
    pixels = np.asarray(cv2.imread(str(path))).reshape(-1, 3)
    found, counts = np.unique(pixels // 8, axis=0, return_counts=True)
    vivid = (found.max(axis=1) - found.min(axis=1) > 8) & (counts > 60)
    return {tuple(map(int, colour)) for colour in found[vivid]}


def test_a_picture_has_a_curve_for_each_run(
    cli: Make, three: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    records, truths = zip(*three, strict=True)
    pictures = [tmp_path / f"{count}.png" for count in (1, 3)]
    cli("eval", records[0], "--ground-truth", truths[0], "--plot", pictures[0])
    result = cli("eval", *records, "--ground-truth", *truths, "--plot", pictures[1])
    assert (result.code, result.err) == (0, "")
    one, three_colours = map(colours, pictures)
    assert one < three_colours
    heights = [cv2.imread(str(picture)).shape[0] for picture in pictures]
    assert heights[1] > heights[0], "the legend has room of its own"


def test_names_that_mean_something_to_the_plotter_are_only_names(cli: Make, tmp_path: Path) -> None:
    named = ("$x_{", "_hidden", "日本", "n" * 200, *(f"more{n}" for n in range(9)))
    runs = [write_run(tmp_path, name, seed)[0] for seed, name in enumerate(named)]
    truth = tmp_path / "more0.csv"
    plot = tmp_path / "curves.png"
    result = cli("eval", *runs, "--ground-truth", truth, "--plot", plot)
    assert (result.code, result.err) == (0, "")
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_runs_without_a_curve_are_drawn_too(cli: Make, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("query_idx,match_idx\n")
    (tmp_path / "empty.jsonl").touch()
    for runs in ([tmp_path / "empty.jsonl"], [tmp_path / "empty.jsonl"] * 2):
        plot = tmp_path / f"{len(runs)}.svg"
        assert cli("eval", *runs, "--ground-truth", truth, "--plot", plot).code == 0
        assert b"<svg" in plot.read_bytes()
