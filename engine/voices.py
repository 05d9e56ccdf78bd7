"""Voiceprints: of known speakers from their samples, and of the speakers of a recording.

A voiceprint is what the diarizer's embedding network makes of some seconds in which one person
speaks alone: whole chunks cut from them are embedded, and the mean of their directions, of length
1, is the voiceprint. Samples and recordings are treated the same way, so that the features of both
are centred over the same kind of chunk: that person's speech and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from engine import known_clusters, recorded
from engine.chunks import Array, Grid, Track
from engine.diarization_stages import Stages
from engine.recorded import SAMPLE_RATE_HZ, Samples, Waveform
from engine.shared_passes import SharedPasses, choose_sizes
from engine.speaker_turns import alone, merged
from engine.voice_matching import Rule, match
from engine.voice_speech import main_speaker, speech_of, unit, whole_windows
from speech.errors import RequestError
from speech.types import Diarization, Voice

LEAST_S: Final = 1.0
"""Of speech alone: less is no voice."""
SECOND_VOICE_SHARE: Final = 0.25
"""A sample in which others speak for more than this is not one person's."""
DECIMALS: Final = 5
"""Of a voiceprint's numbers."""


@dataclass(frozen=True, slots=True)
class Known:
    """Known speakers.

    Attributes:
        names: Of each.
        voiceprints: Of length 1, (names, dimension).
        warnings: About their samples.
    """

    names: tuple[str, ...]
    voiceprints: Array
    warnings: tuple[str, ...]


class Voices:
    """Makes voiceprints, and compares them.

    Args:
        pipeline: A ``pyannote.audio.pipelines.SpeakerDiarization``.
        stages: Its networks in our way; None where only its own way is right.
        passes: On the networks' device.
        rule: When two voices are one person's.
    """

    def __init__(
        self, pipeline: Any, stages: Stages | None, passes: SharedPasses, rule: Rule
    ) -> None:
        self._pipeline, self._stages, self._passes, self._rule = pipeline, stages, passes, rule

    def enrol(self, voices: Sequence[Voice]) -> Known:
        """The voiceprints of known speakers.

        Raises:
            RequestError: A sample has too little speech, or a voiceprint is not of this network.
        """
        warnings: list[str] = []
        speeches: list[tuple[int, Samples]] = []
        for person, voice in enumerate(voices):
            for number, path in enumerate(voice.recordings):
                field = f"known_speakers[{person}].samples[{number}]"
                speech = self._speech_of_sample(field, recorded.read(path), warnings)
                speeches.append((person, speech))
        made = self.voiceprints([speech for _, speech in speeches])
        prints = []
        for person, voice in enumerate(voices):
            if voice.voiceprint is not None:
                prints.append(self._given(person, voice.voiceprint))
            else:
                own = [
                    one for (owner, _), one in zip(speeches, made, strict=True) if owner == person
                ]
                prints.append(unit(np.mean(own, axis=0)))
        return Known(tuple(voice.name for voice in voices), np.stack(prints), tuple(warnings))

    def knowing(self, pipeline: Any, known: Known) -> Any:
        """A copy of a pipeline that clusters with these voices in mind."""
        return known_clusters.knowing(pipeline, known.voiceprints, self._rule)

    def recognise(
        self, found: Diarization, samples: Waveform, known: Known | None, least: int = 1
    ) -> tuple[Diarization, tuple[str, ...]]:
        """Add the voiceprints of a recording's speakers, and the names of those that are known.

        Args:
            found: Who speaks when.
            samples: The recording.
            known: Who may be in it.
            least: So many speakers there are, or more.

        Returns:
            The same turns, but that two speakers who are one known person have become one; and
            warnings.
        """
        spoken = {
            speaker: speech_of(samples, spans) for speaker, spans in alone(found.turns).items()
        }
        heard = [who for who, own in spoken.items() if own.size >= LEAST_S * SAMPLE_RATE_HZ]
        made = self.voiceprints([spoken[speaker] for speaker in heard])
        finite = {who: one for who, one in zip(heard, made, strict=True) if np.isfinite(one).all()}
        speakers, prints = list(finite), list(finite.values())
        rounded = {
            speaker: tuple(round(float(number), DECIMALS) for number in one)
            for speaker, one in finite.items()
        }
        found = replace(found, voiceprints=rounded)
        if known is None or not speakers:
            return found, ()
        matches = match(np.stack(prints) @ known.voiceprints.T, self._rule)
        names = {speakers[speaker]: known.names[name] for speaker, name in matches.names.items()}
        whose = {name: speakers[speaker] for speaker, name in matches.names.items()}
        for speaker, name in matches.again.items():
            if len({turn.speaker for turn in found.turns}) > least:
                found = merged(found, speakers[speaker], whose[name])
        unclear = (
            f"a speaker sounds like {' and '.join(known.names[name] for name in alike)}, and was "
            "given no name"
            for alike in matches.unclear.values()
        )
        return replace(found, names=names), tuple(dict.fromkeys(unclear))

    def voiceprints(self, speeches: Sequence[Samples]) -> list[Array]:
        """The voiceprint of each speech, of length 1.

        Args:
            speeches: Somebody who speaks alone, not empty.
        """
        if not speeches:
            return []
        whole = [whole_windows(speech, self._window) for speech in speeches]
        if self._stages is None:
            windows = [one.reshape(-1, 1, self._window) for one in whole]
            rows = [np.asarray(self._pipeline._embedding(torch.from_numpy(w))) for w in windows]
        else:
            rows = self._embedded(self._stages, whole)
        return [unit(unit(row).mean(axis=0)) for row in rows]

    @property
    def _window(self) -> int:
        """The samples that the networks hear at once."""
        window_s: float = self._pipeline._segmentation.duration
        return round(window_s * SAMPLE_RATE_HZ)

    @property
    def _stride(self) -> int:
        """The chunks from one to the next that does not overlap it."""
        inference = self._pipeline._segmentation
        chunks: float = inference.duration / inference.step
        return round(chunks)

    def _embedded(self, stages: Stages, whole: Sequence[Samples]) -> list[Array]:
        """The embeddings of whole windows, (windows, dimension) of each recording."""
        tracks = self._cut(whole)
        wanted = {track: range(0, track.count, self._stride) for track in tracks}
        active = {track: np.ones((track.count, 1, 1), dtype=np.float32) for track in tracks}
        sizes = choose_sizes(stages.embeddings.device)
        forward = stages.embeddings.forward(active, sizes.embedded)
        found = self._passes.run("embeddings", wanted, forward, sizes.gathered)
        _raise_first(tracks)
        return [np.stack(found[track])[:, 0] for track in tracks]

    def _activity(self, whole: Samples) -> Array:
        """Who speaks in whole windows, (windows, frames, local speakers)."""
        if self._stages is None:
            file = {"waveform": torch.from_numpy(whole)[None], "sample_rate": SAMPLE_RATE_HZ}
            return np.asarray(self._pipeline.get_segmentations(file).data[:: self._stride])
        (track,) = self._cut([whole])
        wanted = {track: range(0, track.count, self._stride)}
        sizes = choose_sizes(self._stages.embeddings.device)
        found = self._passes.run("segmentation", wanted, self._stages.segmentation, sizes.segmented)
        _raise_first([track])
        return np.stack(found[track])

    def _cut(self, whole: Sequence[Samples]) -> list[Track]:
        tracks = [Track(_say_nothing) for _ in whole]
        for track, samples in zip(tracks, whole, strict=True):
            grid = Grid(self._window, self._window // self._stride)
            track.cut(samples, grid, torch.device(self._pipeline._embedding.device))
        return tracks

    def _speech_of_sample(self, field: str, samples: Waveform, warnings: list[str]) -> Samples:
        """What the person speaks alone in a sample.

        Raises:
            RequestError: It is too little.
        """
        whole = samples[:]
        speech_s = others_s = 0.0
        speech = whole[:0]
        if whole.size:
            active = self._activity(whole_windows(whole, self._window))
            own, others = main_speaker(active, self._window, whole.size)
            speech = whole[own]
            speech_s, others_s = speech.size / SAMPLE_RATE_HZ, others.sum() / SAMPLE_RATE_HZ
        if speech_s < LEAST_S:
            raise RequestError(
                f"{field} must hold at least {LEAST_S:g} s of one person's speech, better 5 s and "
                f"more; {speech_s:.1f} s were found in {whole.size / SAMPLE_RATE_HZ:.1f} s."
            )
        if others_s > SECOND_VOICE_SHARE * (speech_s + others_s):
            warnings.append(
                f"{field} seems to hold more than one voice: the one that speaks most was taken; "
                "send a sample in which one person speaks"
            )
        return speech

    def _given(self, person: int, voiceprint: tuple[float, ...]) -> Array:
        """A voiceprint of the request.

        Raises:
            RequestError: It has another length than those of this network.
        """
        dimension = int(self._pipeline._embedding.dimension)
        if len(voiceprint) != dimension:
            raise RequestError(
                f"known_speakers[{person}].voiceprint must have {dimension} numbers, as this "
                f"worker's diarizer makes them; {len(voiceprint)} came."
            )
        return unit(np.array(voiceprint))


def _raise_first(tracks: Sequence[Track]) -> None:
    for track in tracks:
        if track.error is not None:
            raise track.error


def _say_nothing(_step: str, _share: float) -> None:
    """A report that nobody reads."""
