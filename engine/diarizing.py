"""The diarizers' rounds: recordings that wait together are diarized side by side.

There are two: pyannote, and Sortformer, which takes its place where its weights cannot be had
(docs/decisions/0007-diarizer-without-a-token.md).
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from engine import weights
from engine.batches import cut
from engine.cores import Cores
from engine.faults import IMPORT_ERRORS
from engine.job import Job
from engine.light_imports import import_pyannote
from speech.errors import EngineError
from speech.protocol import EngineSettings
from speech.types import Progress

if TYPE_CHECKING:
    from engine.diarizer import Diarizer, Recording
    from engine.sortformer import Sortformer

log = logging.getLogger(__name__)

SHARED_DIARIZATION_S: Final = 600.0
"""Recordings up to so much together are diarized side by side. Longer ones fill their batches."""

Kind = Literal["pyannote", "sortformer"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which diarizer a recording gets."""

    kind: Kind
    diarizer: Diarizer | Sortformer
    warnings: tuple[str, ...] = ()
    """What the caller is told of the choice."""


class Diarizing:
    """Works on rounds of jobs.

    Args:
        settings: What to load.
        cores: Shared with the speech model.
        device: ``cuda`` or ``cpu``.
    """

    def __init__(self, settings: EngineSettings, cores: Cores, device: str) -> None:
        self._settings, self._cores, self._device = settings, cores, device
        self._loaded: dict[Kind, Diarizer | Sortformer | EngineError] = {}

    def load(self) -> None:
        """Load what most jobs will use; called in the lane's thread before its first round."""
        self._find(usual_kind(self._settings))
        gc.enable()

    def work(self, jobs: list[Job]) -> None:
        """A round of the diarizers."""
        chosen: dict[Kind, list[tuple[Job, Choice]]] = {"pyannote": [], "sortformer": []}
        for job in jobs:
            try:
                choice = self._choose(job)
                chosen[choice.kind].append((job, choice))
            except EngineError as error:
                job.fail(error)
        together = chosen["pyannote"]
        for batch in cut([job.duration_s for job, _ in together], SHARED_DIARIZATION_S):
            self._diarize_batch([together[index] for index in batch])
        for one in chosen["sortformer"]:  # it hears one at a time: none waits for the others
            self._diarize_batch([one])

    def _choose(self, job: Job) -> Choice:
        """The diarizer that a job asks for.

        Raises:
            EngineError: It cannot be had, or what can be had cannot do what the job asks for.
        """
        wanted = job.options.diarizer
        if wanted != "auto":
            return Choice(wanted, self._get(wanted))
        pyannote = self._find("pyannote")
        if not isinstance(pyannote, EngineError):
            return Choice("pyannote", pyannote)
        sortformer = self._find("sortformer")
        if isinstance(sortformer, EngineError):
            raise EngineError(
                pyannote.code,
                f"{pyannote.message}. Nor can Sortformer take its place: {sortformer.message}",
                retryable=pyannote.retryable or sortformer.retryable,
            )
        if job.voices or job.options.speaker_embeddings:
            raise EngineError(
                pyannote.code,
                "known_speakers and speaker_embeddings need pyannote, and this worker has only "
                f"Sortformer: {pyannote.message}",
                retryable=pyannote.retryable,
            )
        warning = f"Sortformer told the speakers apart, four at most, because {pyannote.message}"
        return Choice("sortformer", sortformer, (warning,))

    def _get(self, kind: Kind) -> Diarizer | Sortformer:
        """A diarizer; raises why there is none."""
        found = self._find(kind)
        if isinstance(found, EngineError):
            raise EngineError(found.code, found.message, retryable=found.retryable)
        return found

    def _find(self, kind: Kind) -> Diarizer | Sortformer | EngineError:
        """A diarizer, loaded when it is first asked for, or why there is none."""
        if kind not in self._loaded:
            load = load_diarizer if kind == "pyannote" else load_sortformer
            try:
                self._loaded[kind] = load(self._settings, self._device)
            except EngineError as error:
                log.warning("no %s: %s", kind, error.message)
                self._loaded[kind] = error
            gc.freeze()  # libraries and models stay for good
        return self._loaded[kind]

    def _diarize_batch(self, chosen: Sequence[tuple[Job, Choice]]) -> None:
        chosen = [(job, choice) for job, choice in chosen if job.begin()]
        if not chosen:
            return
        (_, first), jobs = chosen[0], [job for job, _ in chosen]
        begin_s = time.monotonic()
        with self._cores.turn():
            outcomes = first.diarizer.diarize_all([self._recording(job) for job in jobs])
        seconds = time.monotonic() - begin_s
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.fail(outcome)
                continue
            diarization, warnings = outcome
            job.models = {**job.models, "diarization": name_of(self._settings, first.kind)}
            job.diarized(diarization, (*first.warnings, *warnings), seconds)

    def _recording(self, job: Job) -> Recording:
        from engine.diarizer import Recording  # the libraries are imported by now

        def report(progress: Progress) -> None:
            self._cores.take_share()  # the other lane may be at rest by now
            job.diarizing(progress)

        options = job.options
        return Recording(
            job.samples,
            num_speakers=options.num_speakers,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            voices=job.voices,
            voiceprints=options.speaker_embeddings,
            report=report,
        )


def usual_kind(settings: EngineSettings) -> Kind:
    """The diarizer of jobs that do not choose one."""
    lacks_pyannote = settings.diarization_model is None or settings.diarization_problem is not None
    return "sortformer" if lacks_pyannote and settings.sortformer_model else "pyannote"


def name_of(settings: EngineSettings, kind: Kind) -> str:
    """What the envelope calls a diarizer."""
    return settings.diarization_name if kind == "pyannote" else settings.sortformer_name


def load_diarizer(settings: EngineSettings, device: str) -> Diarizer:
    """The diarizer of pyannote, with pyannote, whose import takes longer than the first words.

    Raises:
        EngineError: ``diarization_unavailable``, ``engine_out_of_memory``.
    """
    directory = weights.diarization_directory(settings)
    try:
        import_pyannote()
        from engine.diarizer import Diarizer
    except IMPORT_ERRORS as error:
        raise EngineError(
            "diarization_unavailable", f"pyannote.audio cannot be imported: {type(error).__name__}"
        ) from error
    return Diarizer.load(directory, device)


def load_sortformer(settings: EngineSettings, device: str) -> Sortformer:
    """The diarizer that needs no token, with NeMo, whose import takes even longer.

    Raises:
        EngineError: ``diarization_unavailable``, ``engine_out_of_memory``.
    """
    checkpoint = weights.sortformer_checkpoint(settings)
    try:
        from engine.sortformer import Sortformer
    except IMPORT_ERRORS as error:
        raise EngineError(
            "diarization_unavailable", f"NeMo cannot be imported: {type(error).__name__}"
        ) from error
    return Sortformer.load(checkpoint, device)
