"""The geometry of two views: which features correspond, and which of those one map explains."""

from streamvpr.geometry.correspondence import LEAST_MATCHES, mutual_matches
from streamvpr.geometry.verifier import Verifier

__all__ = ["LEAST_MATCHES", "Verifier", "mutual_matches"]
