"""What a map file holds.

    map        the model that made the descriptors, and what kind the local features are: one row
    session    one run that added places: name, UUID, when, with which settings
    stream     one source of a session
    place      a keyframe: index, time, where it was seen if known, descriptor
    local      its local features, read when it is verified
    thumbnail  its picture as a small JPEG, read when it is shown

Numbers in blobs are little-endian. Descriptors are float16 of length 1: their products differ by
some 1e-4 from those of float32.
"""

from __future__ import annotations

# What `file` and SQLite's own tools tell a map by: "vprm".
APPLICATION_ID = 0x7670726D
# Raised whenever an older program could not read what a newer one writes.
VERSION = 1
# Local features take 42 kB: of larger pages a place needs few.
PAGE_BYTES = 16384

STATEMENTS = (
    """
    CREATE TABLE map (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        model TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        dimension INTEGER NOT NULL,
        features TEXT
    ) STRICT
    """,
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        began REAL NOT NULL,
        ended REAL,
        program TEXT NOT NULL,
        settings TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE stream (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        name TEXT NOT NULL,
        UNIQUE (session, name)
    ) STRICT
    """,
    """
    CREATE TABLE place (
        id INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES stream ON DELETE CASCADE,
        idx INTEGER NOT NULL,
        time REAL,
        wall_time REAL,
        latitude REAL,
        longitude REAL,
        altitude REAL,
        path TEXT NOT NULL,
        width INTEGER NOT NULL,
        descriptor BLOB NOT NULL,
        UNIQUE (stream, idx)
    ) STRICT
    """,
    """
    CREATE TABLE local (
        place INTEGER PRIMARY KEY REFERENCES place ON DELETE CASCADE,
        kind TEXT NOT NULL,
        scale REAL NOT NULL,
        width INTEGER,
        height INTEGER,
        points BLOB NOT NULL,
        descriptors BLOB NOT NULL,
        poses BLOB
    ) STRICT
    """,
    """
    CREATE TABLE thumbnail (
        place INTEGER PRIMARY KEY REFERENCES place ON DELETE CASCADE,
        jpeg BLOB NOT NULL
    ) STRICT
    """,
)
