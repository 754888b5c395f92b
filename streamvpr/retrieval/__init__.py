"""Places from local features: one retriever a file, one small interface (`base.py`)."""
