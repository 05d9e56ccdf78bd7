"""What fields of a request go together."""

from __future__ import annotations

from collections.abc import Mapping

from speech.errors import RequestError
from speech.request import Options
from utils.presentation_table import PRESENTATION
from utils.request_fields import SORTFORMER_SPEAKERS

_COUNTS = ("num_speakers", "min_speakers", "max_speakers")
_OF_THE_DIARIZER = ("diarizer", "known_speakers", "speaker_embeddings")
_WITHOUT_RECORDING = {
    *("transcript", "timestamps", "num_speakers", "max_speakers"),
    *(field.name for field in PRESENTATION if field.name != "stream"),
}
"""What an earlier result can be asked for."""


def check(values: Mapping[str, object], options: Options) -> None:
    """Compare the fields with one another.

    Args:
        values: What came, by each field's first name.
        options: The same, with the defaults.

    Raises:
        RequestError: Two of them contradict each other.
    """
    if options.end_s is not None and options.end_s <= options.start_s:
        raise RequestError(
            f"end must be greater than start; start is {options.start_s:g} s and "
            f"end is {options.end_s:g} s."
        )
    _check_speakers(options)
    _check_diarizer(values, options)
    if "transcript" in values:
        _check_earlier(values)


def _check_earlier(values: Mapping[str, object]) -> None:
    for name in values:
        if name not in _WITHOUT_RECORDING:
            raise RequestError(
                f"{name} needs the recording, and transcript came instead of it; an earlier result "
                f"can be asked for {', '.join(sorted(_WITHOUT_RECORDING - {'transcript'}))}."
            )


def _check_speakers(options: Options) -> None:
    counts = {
        "num_speakers": options.num_speakers,
        "min_speakers": options.min_speakers,
        "max_speakers": options.max_speakers,
    }
    given = [name for name, count in counts.items() if count is not None]
    if given and not options.diarize:
        raise RequestError(f"{given[0]} needs diarize to be true, and diarize is false.")
    if options.num_speakers is not None and len(given) > 1:
        raise RequestError(
            f"num_speakers is the exact number and excludes {given[1]}; send one or the other."
        )
    low, high = options.min_speakers, options.max_speakers
    if low is not None and high is not None and low > high:
        raise RequestError(
            f"min_speakers must not be greater than max_speakers; {low} and {high} came."
        )


def _check_diarizer(values: Mapping[str, object], options: Options) -> None:
    """What belongs to the diarizer needs one that can do it."""
    given = [name for name in _OF_THE_DIARIZER if values.get(name) not in (None, False)]
    if given and not options.diarize:
        raise RequestError(f"{given[0]} needs diarize to be true, and diarize is false.")
    if options.channels == "separate":
        given += [name for name in _COUNTS if name in values]
        if given:
            raise RequestError(
                f"{given[0]} is not used where channels is separate: speakers are the channels. "
                "Send one or the other."
            )
    if options.diarizer == "sortformer":
        _check_sortformer(values)


def _check_sortformer(values: Mapping[str, object]) -> None:
    for name in ("known_speakers", "speaker_embeddings"):
        if values.get(name):
            raise RequestError(
                f"{name} needs voiceprints, which diarizer sortformer does not have; take "
                "pyannote or auto."
            )
    for name in ("num_speakers", "min_speakers"):
        count = values.get(name)
        if isinstance(count, int) and count > SORTFORMER_SPEAKERS:
            raise RequestError(
                f"{name} must be at most {SORTFORMER_SPEAKERS} with diarizer sortformer, and "
                f"{count} came; take pyannote."
            )
