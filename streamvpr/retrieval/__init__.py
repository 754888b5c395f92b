"""Places from local features: one retriever a file, one small interface (`base.py`)."""

from streamvpr.retrieval.kind import RetrieverKind
from streamvpr.retrieval.opening import open_retriever, vocabulary_of

__all__ = ["RetrieverKind", "open_retriever", "vocabulary_of"]
