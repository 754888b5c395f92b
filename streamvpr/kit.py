"""The parts of a run, made from its options."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from streamvpr.calibrated import of_camera, open_camera
from streamvpr.config import require_network, require_sequence
from streamvpr.database import PlaceDatabase
from streamvpr.embedding import find_model, open_embedder
from streamvpr.embedding.card import file_sha256
from streamvpr.embedding.runtime import is_installed
from streamvpr.errors import ConfigError
from streamvpr.features import open_extractor
from streamvpr.frames import Described
from streamvpr.geometry import Verifier
from streamvpr.geometry.chance import ChanceInliers
from streamvpr.judge import Judge
from streamvpr.keyframes import FrameReader, KeyframeForms, KeyframeMaker
from streamvpr.local_features import LocalDescriber
from streamvpr.maps import MapModel
from streamvpr.pipeline import Pipeline
from streamvpr.recognition import Recognizer, SearchOptions
from streamvpr.retrieval import RetrieverKind, open_retriever, vocabulary_of
from streamvpr.sampler import StillnessGate
from streamvpr.sinks import ClosureChooser, Fanout, FolderSink, Shown
from streamvpr.sinks.counter import ClosureCounter
from streamvpr.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streamvpr.channel import Overflow
    from streamvpr.config import RecognitionOptions
    from streamvpr.embedding import Embedder, ModelCard
    from streamvpr.frames import Decision, Frame
    from streamvpr.retrieval.base import LocalRetriever
    from streamvpr.sampler import Exclusion
    from streamvpr.sinks import Sink
    from streamvpr.sources import Source

# Every cosine similarity reaches it.
NO_THRESHOLD = -1.0
# Every place reaches it that has anything in common with the query by its local features.
NOTHING_IN_COMMON = 0.0

logger = logging.getLogger(__name__)


class Kit:
    """The parts of a run, made from its options; of one run after the other."""

    def __init__(self, options: RecognitionOptions, embedder: Embedder | None = None) -> None:
        """Open what they have in common, the model above all. Raises ConfigError, ModelError.

        `embedder` is the model where it is open already.
        """
        require_sequence(options)
        require_network(options)
        self._options = options
        self._camera = open_camera(options)
        self._retriever = _open_retriever(options)
        self._embedder = embedder or self._open_embedder()
        card = None if self._embedder is None else self._embedder.card
        self._sim_threshold = _sim_threshold(options, card)
        self._local = self._open_local()

    def _open_embedder(self) -> Embedder | None:
        options = self._options
        if options.retriever is RetrieverKind.HYBRID and not is_installed():
            logger.warning("no ONNX Runtime is installed: --retriever hybrid has no network")
            return None
        if not options.retriever.has_network:
            logger.info("places by their local features: %s", options.retriever)
            return None
        embedder = open_embedder(
            options.model,
            device=options.device,
            threads=options.threads,
            batch_size=options.batch_size,
        )
        why = f" (not on cuda: {embedder.note})" if embedder.note else ""
        logger.info("model %s on %s%s", embedder.card.name, embedder.device, why)
        return embedder

    def _open_local(self) -> LocalDescriber | None:
        options = self._options
        if not options.verify_geom and self._retriever is None:
            return None
        device = "cpu" if self._embedder is None else self._embedder.device
        extractor = open_extractor(
            options.feature_kind(),
            device=device,
            threads=options.threads,
            closely=options.looks_closely(),
        )
        return LocalDescriber(extractor, self._retriever, verified=options.verify_geom)

    @property
    def embedder(self) -> Embedder:
        """The model on its device. Raises ConfigError where places are found without one."""
        if self._embedder is None:
            raise ConfigError(
                f"--retriever {self._options.retriever} runs no network, and this command is about "
                "one: leave it out"
            )
        return self._embedder

    def map_model(self) -> MapModel:
        """What a map must have been made with to be searched by these parts. Raises ConfigError
        where places are found by words, which maps do not keep."""
        options, encoder = self._options, self._retriever
        features = options.feature_kind() if options.verify_geom else None
        if self._embedder is not None:
            card = self._embedder.card
            sha256 = card.sha256 or file_sha256(find_model(options.model))
            return MapModel(card.name, sha256, card.dimension, features)
        path = vocabulary_of(options.retriever, options.vocabulary)
        if encoder is None or path is None or not encoder.dimension:
            raise ConfigError(
                f"--map keeps descriptors, and --retriever {options.retriever} has none; take "
                "global, hybrid, vlad or fisher"
            )
        return MapModel(encoder.name, file_sha256(path), encoder.dimension, features)

    def recognizer(
        self,
        exclusion: Exclusion | None,
        *,
        database: PlaceDatabase | None = None,
        shown: Shown = Shown.NOTHING,
        knows_sessions: bool = False,
        first_loop: int = 0,
    ) -> Recognizer:
        """What decides on the frames of a new stream; `exclusion` None: of a fixed database.

        `database` None is an empty one; `shown` is what its places keep. `knows_sessions`: whether
        earlier ones are searched. `first_loop` is the next loop_id.
        """
        options = self._options
        verifier = Verifier(
            least_matches=options.min_inliers,
            reproj_thresh=options.reproj_thresh,
            seed=options.seed,
            geometry=options.geometry,
            camera=self._camera,
            closely=options.looks_closely(),
        )
        judge = Judge(
            sim_threshold=self._sim_threshold,
            min_inliers=options.min_inliers,
            verifier=verifier if options.verify_geom else None,
            min_overlap=options.min_overlap,
            chance=ChanceInliers(options.feature_kind()) if options.chance else None,
            weighs_features=options.retriever is not RetrieverKind.GLOBAL,
            trusts_similarity=options.retriever.has_network,
        )
        return Recognizer(
            database or self._database_with_room(),
            judge,
            exclusion=exclusion,
            thumbnails=shown >= Shown.PLACES,
            knows_sessions=knows_sessions,
            first_loop=first_loop,
            search=SearchOptions(
                top_k=options.top_k,
                sequence_length=options.sequence_length,
                bidirectional=options.bidirectional,
                centre=options.centre,
                normalise=options.normalise,
                neighbours=options.neighbours,
                support=options.support,
                gps_gate=options.gps_gate,
                seed=options.seed,
            ),
        )

    def _database_with_room(self) -> PlaceDatabase:
        try:
            return self._open_database()
        except MemoryError as error:
            capacity = self._options.capacity
            raise ConfigError(
                f"--capacity {capacity}: no memory for so many places ({error}); give less"
            ) from error

    def _open_database(self) -> PlaceDatabase:
        capacity, retriever = self._options.capacity, self._retriever
        if self._embedder is not None:
            words = None if retriever is None else retriever.open_index(capacity)
            return PlaceDatabase(capacity, self._embedder.card.dimension, words=words)
        assert retriever is not None
        return PlaceDatabase(capacity, retriever.dimension, retriever.open_index(capacity))

    def stream(
        self,
        source: Source,
        recognizer: Recognizer,
        observe: Callable[[Described], Decision | None],
        exclusion: Exclusion | None,
        *,
        shown: Shown,
        overflow: Overflow | None = None,
        first: int = 0,
    ) -> Stream:
        """A source on its way to what decides on its frames.

        `shown`: which of its frames get thumbnails. `first` is the index of its first frame.
        """
        options = self._options
        gate = None if exclusion is None else StillnessGate(exclusion)
        database = recognizer.database
        return Stream(
            FrameReader(source, fps=options.fps),
            KeyframeMaker(source.name, self._forms(shown), gate, first=first),
            of_camera(self._camera, observe),
            places=lambda: (len(database), database.nbytes),
            overflow=overflow,
        )

    def describe(self, frames: Sequence[Frame]) -> list[Described]:
        """Descriptors and local features of frames outside of any stream. Raises ModelError."""
        maker = KeyframeMaker("", self._forms(Shown.NOTHING), None)
        keyframes = [maker.make(frame) for frame in frames]
        images = [k.model_input for k in keyframes if k.model_input is not None]
        local = self._local
        return [
            Described(keyframe, descriptor, None if local is None else local.describe(keyframe)[0])
            for keyframe, descriptor in zip(keyframes, self.embedder.embed(images), strict=True)
        ]

    def shown(self, sinks: Iterable[Sink]) -> Shown:
        """What sinks, and the output folder, want to see."""
        folder = Shown.NOTHING if self._options.output_dir is None else FolderSink.shows
        return max([folder, *(sink.shows for sink in sinks)])

    def pipeline(
        self, streams: list[Stream], sink: ClosureChooser, *, health_every: float | None = None
    ) -> Pipeline:
        """Streams through the model to where decisions go."""
        return Pipeline(
            streams,
            embedder=self._embedder,
            local=self._local,
            sink=sink,
            batch_size=self._options.batch_size,
            health_every=health_every,
        )

    def output(
        self, sinks: Iterable[Sink], paths: list[str], *, past: PlaceDatabase | None = None
    ) -> tuple[ClosureChooser, ClosureCounter]:
        """Where decisions go: the sinks given, a counter, and the output folder.

        `past` are the places that queries are matched with, where that is not their own past.
        """
        counter = ClosureCounter()
        served: list[Sink] = [counter, *sinks]
        folder = self._options.output_dir
        if folder is not None:
            served.append(
                FolderSink(
                    folder,
                    settings=self.effective(),
                    sources=paths,
                    sim_threshold=self._sim_threshold,
                    past=past,
                )
            )
        return ClosureChooser(Fanout(served), self._options.emit), counter

    def _forms(self, shown: Shown) -> KeyframeForms:
        embedder, local = self._embedder, self._local
        size = None if embedder is None else embedder.card.input
        return KeyframeForms(
            None if size is None else (size.width, size.height),
            analysed_side=None if local is None else local.extractor.largest_side,
            thumbnail=shown >= Shown.PLACES,
            still_thumbnail=shown >= Shown.FRAMES,
        )

    def effective(self) -> dict[str, Any]:
        """The settings that hold, as TOML takes them."""
        settings = self._options.effective()
        if self._embedder is not None:
            settings["model"] = self._options.model or self._embedder.card.name
            settings["device"] = self._embedder.device
        settings["sim-threshold"] = self._sim_threshold
        return settings


def _open_retriever(options: RecognitionOptions) -> LocalRetriever | None:
    """Raises ConfigError where it takes other local features than those asked for."""
    retriever, kind = open_retriever(options.retriever, options.vocabulary), options.feature_kind()
    if retriever is not None and retriever.kind is not kind:
        raise ConfigError(
            f"--retriever {options.retriever} goes by {retriever.kind} features here, and {kind} "
            f"was asked for: give --local-features {retriever.kind}, without --rotation-invariant, "
            "or another retriever"
        )
    return retriever


def _sim_threshold(options: RecognitionOptions, card: ModelCard | None) -> float:
    """Least similarity of a candidate: what was asked for, else what the model's card says."""
    if options.sim_threshold is not None:
        return options.sim_threshold
    if card is None:
        return _words_threshold(options)
    threshold = card.threshold
    remedy = "`streamvpr calibrate` proposes one from your own video"
    if options.verify_geom:
        if threshold.value is None:
            logger.warning(
                "no threshold on the card of %s: geometry decides; %s", card.name, remedy
            )
        return NO_THRESHOLD if threshold.value is None else threshold.value
    if threshold.without_geometry is None:
        raise ConfigError(
            f"--no-verify-geom: the card of {card.name} has no threshold.without_geometry, and a "
            f"guess would make false loops; give --sim-threshold ({remedy})"
        )
    return threshold.without_geometry


def _words_threshold(options: RecognitionOptions) -> float:
    """Geometry decides, since similarity by words means little by itself."""
    if options.verify_geom:
        return NOTHING_IN_COMMON
    raise ConfigError(
        f"--no-verify-geom: how similar two views of one place are by --retriever "
        f"{options.retriever} differs from stream to stream, and a guess would make false loops; "
        "give --sim-threshold"
    )
