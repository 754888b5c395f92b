"""A run over the nodes of a Ray cluster: the parts of `run`, wired across processes.

    node: [ read ─> keyframes ─> describe ─> recognize ] ─decisions─> driver: order, sinks
              a StreamActor: one Pipeline         │
                     pictures │ descriptors       │ rows, similarities, places
                    EmbeddingActor (batches)    Shard of the map's places

The driver keeps standard output, the sinks, the one writer of the map, and how far each stream is.
"""

from streamvpr.cluster.opening import open_cluster

__all__ = ["open_cluster"]
