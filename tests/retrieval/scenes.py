"""Descriptors of made-up pictures, few and quick, and encoders that are learned of them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from streamvpr.embedding.catalog import bundled_folder
from streamvpr.features.orb import OrbExtractor
from streamvpr.features.sift import SiftExtractor
from streamvpr.frames import FeatureKind, Features
from streamvpr.retrieval.bow import BagOfWords
from streamvpr.retrieval.encoders import Encoder, read_encoder
from streamvpr.retrieval.fisher import Fisher
from streamvpr.retrieval.vlad import Vlad

WIDTH, HEIGHT = 240, 180
MOST = 200
SIZES = {
    "vlad": {"centres": 16, "local_axes": 16},
    "fisher": {"components": 8, "local_axes": 16, "axes": 63},
    "bow": {"words": 100, "local_axes": 16},
}
LEARNERS = {learner.name: learner for learner in (Vlad, Fisher, BagOfWords)}
NAMES = sorted(LEARNERS)
# Those that make a descriptor: bow gives words.
DESCRIBING = ["fisher", "vlad"]
SEEN = range(12)
UNSEEN = range(100, 110)


def picture(scene: int, view: int = 0) -> np.ndarray:
    """(HEIGHT, WIDTH) uint8 blocks of some sizes; other views are turned, moved and noisy."""
    chance = np.random.default_rng(scene)
    luma = np.zeros((HEIGHT, WIDTH), np.float32)
    for cell in (8, 20, 50):
        coarse = chance.integers(0, 256, (HEIGHT // cell + 1, WIDTH // cell + 1)).astype(np.float32)
        # Slanted, by another angle in each scene, so that scenes differ in what they consist of.
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), float(chance.uniform(0, 90)), 1)
        blocks = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        weight = float(chance.uniform(0.1, 1))
        luma += weight * cv2.warpAffine(blocks, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_WRAP)
    luma = cv2.GaussianBlur(255 * luma / luma.max(), (0, 0), 1.0)
    if view:
        chance = np.random.default_rng((scene, view))
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 4.0 * view, 1 + 0.03 * view)
        luma = cv2.warpAffine(luma, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        luma += chance.normal(0, 3, luma.shape)
    return np.clip(luma, 0, 255).astype(np.uint8)


@cache
def features(scene: int, view: int = 0, kind: FeatureKind = FeatureKind.SIFT) -> Features:
    extractor = SiftExtractor(MOST) if kind is FeatureKind.SIFT else OrbExtractor(MOST)
    return extractor.extract(picture(scene, view), WIDTH)


def described(kind: FeatureKind = FeatureKind.SIFT) -> list[np.ndarray]:
    return [features(scene, view, kind).descriptors for scene in SEEN for view in (0, 1)]


def learn(name: str, kind: FeatureKind = FeatureKind.SIFT, seed: int = 3) -> Encoder:
    return LEARNERS[name].learn(described(kind), kind, seed, **SIZES[name])


@cache
def learned(name: str, kind: FeatureKind = FeatureKind.SIFT) -> Encoder:
    return learn(name, kind)


@cache
def bundled(name: str) -> Encoder:
    return read_encoder(bundled_folder() / f"{name}.npz")


def featureless(kind: FeatureKind = FeatureKind.SIFT) -> Features:
    extractor = SiftExtractor() if kind is FeatureKind.SIFT else OrbExtractor()
    return extractor.extract(np.full((HEIGHT, WIDTH), 90, np.uint8), WIDTH)


def with_descriptors(descriptors: np.ndarray, kind: FeatureKind = FeatureKind.SIFT) -> Features:
    return Features(np.zeros((len(descriptors), 2), np.float32), descriptors, 1.0, kind)
