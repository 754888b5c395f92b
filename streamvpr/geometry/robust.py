"""How every model of two views is fitted among matches of which many are wrong."""

from __future__ import annotations

import cv2


def magsac(threshold: float, seed: int) -> cv2.UsacParams:
    """MAGSAC++ (Barath et al., CVPR 2020). Same points, same seed, same model.

    `threshold`: most error of an inlier, in the unit of the points.
    """
    params = cv2.UsacParams()
    params.threshold = threshold
    params.confidence = 0.999
    params.maxIterations = 2000
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.sampler = cv2.SAMPLING_UNIFORM
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.final_polisher = cv2.MAGSAC
    params.final_polisher_iterations = 3
    params.randomGeneratorState = seed
    params.isParallel = False
    return params
