"""The engine's recordings: read from their file piece by piece, so that no length fills memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np
import soundfile

SAMPLE_RATE_HZ: Final = 16000
SHORT_SAMPLES: Final = 600 * SAMPLE_RATE_HZ
"""Ten minutes are 38 MB: up to there a recording is read once, as a whole."""

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Waveform(Protocol):
    """Mono at 16 kHz, -1 to 1: an array, or a file that is read where it is looked at."""

    @property
    def size(self) -> int:
        """Samples."""

    def __getitem__(self, span: slice, /) -> Samples:
        """A stretch of it, like an array's."""


class RecordedFile:
    """A WAV file whose samples are read anew each time.

    Args:
        path: The file.
        size: Its samples.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self.size = size

    def __getitem__(self, span: slice, /) -> Samples:
        """Read a stretch.

        Raises:
            RuntimeError: The file is gone, or no longer what it was.
        """
        start, stop, _ = span.indices(self.size)
        samples: Samples
        samples, _ = soundfile.read(self._path, stop - start, start, dtype="float32")
        if samples.size != max(0, stop - start):
            raise RuntimeError("the recording has become shorter")
        return samples


def read(path: Path) -> Waveform:
    """The recording of a mono WAV file at 16 kHz.

    Raises:
        ValueError: It is none.
        RuntimeError: It cannot be read.
    """
    about = soundfile.info(path)
    if about.samplerate != SAMPLE_RATE_HZ or about.channels != 1:
        raise ValueError("the engine takes mono audio at 16 kHz")
    file = RecordedFile(path, int(about.frames))
    return file if file.size > SHORT_SAMPLES else file[:]
