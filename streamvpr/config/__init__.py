"""Every option, declared once: flags, TOML keys, environment variables and docs come from here.

An option `exclude_recent` is the flag --exclude-recent (or --exclude_recent), the TOML key
`exclude-recent` (or `exclude_recent`) and the variable STREAMVPR_EXCLUDE_RECENT.

The annotations of these modules are objects and no strings (nothing is imported from __future__):
cyclopts reads those that a class inherits in the module of that class.
"""

from streamvpr.config.benching import BenchOptions
from streamvpr.config.calibrating import CalibrateOptions
from streamvpr.config.describing import DescribingOptions, Device, ModelOptions
from streamvpr.config.destinations import DestinationOptions
from streamvpr.config.reading import ReadingOptions
from streamvpr.config.rebuilding import RebuildOptions
from streamvpr.config.recognising import (
    Emit,
    RecognitionOptions,
    Records,
    require_network,
    require_sequence,
)
from streamvpr.config.running import (
    DEFAULT_EXCLUDE_RECENT,
    HEALTH_SECONDS,
    MatchOptions,
    RunOptions,
    require_clock,
)
from streamvpr.config.vocabulary import VocabularyOptions

__all__ = [
    "DEFAULT_EXCLUDE_RECENT",
    "HEALTH_SECONDS",
    "BenchOptions",
    "CalibrateOptions",
    "DescribingOptions",
    "DestinationOptions",
    "Device",
    "Emit",
    "MatchOptions",
    "ModelOptions",
    "ReadingOptions",
    "RebuildOptions",
    "RecognitionOptions",
    "Records",
    "RunOptions",
    "VocabularyOptions",
    "require_clock",
    "require_network",
    "require_sequence",
]
