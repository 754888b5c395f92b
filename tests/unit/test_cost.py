"""What must not become dear again: ratios of processor time within one run, with wide margins."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from streamvpr.database import PlaceDatabase
from streamvpr.features import OrbExtractor
from streamvpr.frames import Place
from streamvpr.geometry import Verifier, glance
from streamvpr.sources.images import ImagePicture
from streamvpr.sources.jpeg import JpegDecoder

from .textures import about_the_middle, half, texture, warped

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.frames import Features, Picture

TURNS = 7


def cpu_ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """Median, over turns that both take, of how many times the other's time the one's is."""
    one()
    other()
    return median(_seconds(one) / _seconds(other) for _ in range(TURNS))


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    for _ in range(3):
        work()
    return time.thread_time() - began


def features(seed: int, *, moved: bool = False) -> Features:
    picture = texture(seed)
    if moved:
        picture = warped(picture, about_the_middle(10, 0.9))
    return OrbExtractor().extract(half(picture), picture.shape[1])


def test_a_first_look_costs_a_part_of_comparing_all_features() -> None:
    """A fifth where this was written."""
    query, match, verifier = features(0), features(0, moved=True), Verifier()
    assert len(query.points) > 900
    assert cpu_ratio(lambda: glance(query, match), lambda: verifier.verify(query, match)) < 0.6


def test_a_wrong_pair_is_rejected_for_less_than_finding_its_features() -> None:
    """A seventh where this was written."""
    query, match = features(1), features(51)
    gray = half(texture(1))
    extractor = OrbExtractor()
    assert cpu_ratio(lambda: glance(query, match), lambda: extractor.extract(gray, 960)) < 0.5


def test_comparing_bits_costs_less_than_a_product_of_as_many_numbers() -> None:
    """A third where this was written."""
    query, match = features(2), features(52)
    verifier = Verifier(least_matches=10_000)
    numbers = np.ones((1000, 256), np.float32)
    with threadpool_limits(1, user_api="blas"):
        ratio = cpu_ratio(lambda: verifier.verify(query, match), lambda: numbers @ numbers.T)
    assert ratio < 1.5


def filled(places: int, dimension: int) -> PlaceDatabase:
    views = np.random.default_rng(0).normal(size=(1000, dimension)).astype(np.float32)
    database = PlaceDatabase(places, dimension)
    for index in range(places):
        database.add(Place("cam", index, None, "", 1, None, None), views[index % len(views)])
    return database


def test_searching_very_many_places_costs_less_than_reading_them() -> None:
    """A tenth where this was written."""
    database, query = filled(100_000, 512), np.ones(512, np.float32)
    with threadpool_limits(1, user_api="blas"):
        ratio = cpu_ratio(
            lambda: database.search(query, most=5, before=90_000), lambda: database.scores(query)
        )
    assert ratio < 0.5


def test_keeping_a_place_costs_the_same_however_many_there_are() -> None:
    """The ring is full: each drops the oldest."""
    few, many, view = filled(1000, 64), filled(30_000, 64), np.ones(64, np.float32)
    coming = iter(range(1_000_000, 2_000_000))

    def keep(database: PlaceDatabase) -> None:
        for _ in range(1000):
            database.add(Place("cam", next(coming), None, "", 1, None, None), view)

    assert cpu_ratio(lambda: keep(many), lambda: keep(few)) < 2


def test_a_jpeg_file_costs_less_than_its_colours_in_full_size() -> None:
    """A third where this was written."""
    picture = cv2.cvtColor(cv2.resize(texture(3), (1600, 1200)), cv2.COLOR_GRAY2BGR)
    data = cv2.imencode(".jpg", picture)[1]
    decoder = JpegDecoder()

    def forms(picture: Picture | None) -> None:
        assert picture is not None
        picture.rgb(384, 384)
        picture.gray(640, 480)

    def colours() -> None:
        bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        forms(ImagePicture(bgr))

    jpeg = bytes(data)
    assert cpu_ratio(lambda: forms(decoder.decode(jpeg)), colours) < 0.75
