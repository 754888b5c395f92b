"""Places that outlast a run: a map is one SQLite file, searched from the start and added to."""

from streamvpr.maps.file import is_map
from streamvpr.maps.history import History
from streamvpr.maps.model import MapModel
from streamvpr.maps.opening import MapReader, open_reader, open_writer
from streamvpr.maps.prior import Prior, open_prior
from streamvpr.maps.session import NewSession
from streamvpr.maps.writer import MapWriter

__all__ = [
    "History",
    "MapModel",
    "MapReader",
    "MapWriter",
    "NewSession",
    "Prior",
    "is_map",
    "open_prior",
    "open_reader",
    "open_writer",
]
