"""A recording's way through the speech model: its parts, and what to do if one fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine import plan, repair
from engine.attention import Reach
from engine.faults import is_out_of_memory
from engine.job import Job
from engine.passes import Part, cut, stitch
from engine.plan import NeededBytes, Way
from engine.recorded import Samples
from speech import timeline
from speech.coverage import Span
from speech.types import Plan, Transcript


class Whole(Protocol):
    """What a task is a part of: a ``Course`` or a ``LookBack``."""

    job: Job

    def done(self, task: Task, transcript: Transcript, seconds: float) -> None:
        """Take what was heard in a part, and how long that took.

        Raises:
            CancelledError: Nobody wants the rest.
        """

    def failed(self, task: Task, error: Exception) -> Sequence[Task]:
        """A part could not be heard. What is to be heard instead."""

    def wants(self, task: Task) -> bool:
        """Whether the part is still to be heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One part to be heard."""

    whole: Whole
    number: int
    """Among its parts."""
    part: Part
    reach: Reach
    on_cpu: bool = False
    """Whether the GPU has no memory for it."""

    @property
    def job(self) -> Job:
        """Whose it is."""
        return self.whole.job

    def samples(self) -> Samples:
        """Its sound."""
        return self.job.samples[self.part.begin : self.part.end]


class Course:
    """A job's recording, from its plan to its transcript.

    Args:
        job: The job.
        free_bytes: What one pass may take.
        needed: What a pass takes.
        cpu_too: Whether the processor's own memory is the last resort.
    """

    def __init__(
        self, job: Job, free_bytes: int, needed: NeededBytes, *, cpu_too: bool = False
    ) -> None:
        self.job = job
        self._needed = needed
        self._ways = plan.ways(job.duration_s, job.options.attention, cpu_too=cpu_too)
        self._step, self._reason = plan.first_fitting(
            self._ways, job.duration_s, free_bytes, needed
        )
        self._tasks: Sequence[Task] = ()
        self._heard: dict[int, Transcript] = {}
        self._told = 0
        self._told_until_s = 0.0
        self._seconds = 0.0

    def begin(self) -> Sequence[Task]:
        """The parts of the way that is taken now. What was heard before does not count."""
        way = self._ways[self._step]
        parts = cut(self.job.samples, way.longest_s)
        self._tasks = [Task(self, n, part, way.reach, way.on_cpu) for n, part in enumerate(parts)]
        self._heard = {}
        self._told = 0
        return self._tasks

    def wants(self, task: Task) -> bool:
        """Not what belongs to a way that was given up."""
        return task in self._tasks

    def done(self, task: Task, transcript: Transcript, seconds: float) -> None:
        """See ``Whole``; the last part makes it whole."""
        self._heard[task.number] = transcript
        self._seconds += seconds
        self._tell()
        if len(self._heard) < len(self._tasks):
            self.job.heard(len(self._heard) / len(self._tasks))
            return
        parts = [each.part for each in self._tasks]
        heard = [self._heard[number] for number in range(len(parts))]
        way = self._ways[self._step]
        self.job.transcribed(stitch(parts, heard, way.attention, self._plan(way)), self._seconds)

    def _tell(self) -> None:
        """Hand on the words of the parts from the beginning that are there by now.

        Where parts overlap, the middle of the overlap decides; the transcript will know better
        (``passes.seam``). After a step down parts are heard again, and nothing is told twice.
        """
        while self._told < len(self._tasks) and self._told in self._heard:
            number, since_s = self._told, self._told_until_s
            part = self._tasks[number].part
            until_s = float("inf")
            if number + 1 < len(self._tasks):
                until_s = (part.end_s + self._tasks[number + 1].part.begin_s) / 2
            words = timeline.later(self._heard[number].words, part.begin_s)
            self._told += 1
            self._told_until_s = max(since_s, until_s)
            self.job.tell_words([word for word in words if since_s <= word.start_s < until_s])

    def failed(self, task: Task, error: Exception) -> Sequence[Task]:
        """Without enough memory, the parts of the next way that needs less."""
        if not self.wants(task):
            return ()
        before = self._ways[self._step]
        if not is_out_of_memory(error) or not self._step_down():
            self._tasks = ()
            self.job.fail(error)
            return ()
        after = self._ways[self._step]
        self._reason = f"{after.why.capitalize()}: memory ran out with {before.why}."
        self.job.warn(f"Memory ran out with {before.why}; heard with {after.why} instead.")
        return self.begin()

    def _step_down(self) -> bool:
        """Take the next way that needs less memory, if there is one."""
        limit = self._bytes(self._ways[self._step])
        for step in range(self._step + 1, len(self._ways)):
            if self._bytes(self._ways[step]) < limit:
                self._step = step
                return True
        return False

    def _bytes(self, way: Way) -> int:
        if way.on_cpu:
            return 0
        return self._needed(min(self.job.duration_s, way.longest_s), way.reach)

    def _plan(self, way: Way) -> Plan:
        longest_s = max(task.part.duration_s for task in self._tasks)
        needed = self._needed(longest_s, way.reach)
        return Plan(len(self._tasks), longest_s, self._reason, needed)


class LookBack:
    """Speech without words, heard once more.

    Args:
        job: Whose it is.
        heard: What was heard first.
        holes: Start and end of each stretch, in seconds.
    """

    def __init__(self, job: Job, heard: Transcript, holes: Sequence[Span]) -> None:
        self.job = job
        self._transcript = heard
        self._holes = [piece for hole in holes for piece in repair.pieces(hole)]
        windows = [repair.windows(hole, job.samples.size) for hole in self._holes]
        parts = [(number, part) for number, some in enumerate(windows) for part in some]
        self.tasks = [Task(self, number, part, "full") for number, part in parts]
        self._left = len(self.tasks)
        self._found: list[list[repair.Attempt]] = [[] for _ in self._holes]
        self._seconds = 0.0

    def wants(self, _task: Task) -> bool:
        """Always."""
        return True

    def done(self, task: Task, transcript: Transcript, seconds: float) -> None:
        """See ``Whole``; after the last part the job gets its transcript, mended."""
        found = repair.attempt(self._holes[task.number], task.part, transcript)
        self._found[task.number].append(found)
        self._seconds += seconds
        self._count()

    def failed(self, _task: Task, _error: Exception) -> Sequence[Task]:
        """The gap stays, and the answer tells of it."""
        self._count()
        return ()

    def _count(self) -> None:
        self._left -= 1
        if self._left:
            return
        mended = self._transcript
        for hole, attempts in zip(self._holes, self._found, strict=True):
            if attempts:
                mended = repair.mend(mended, hole, repair.best(attempts))
        self.job.repaired(mended, self._seconds)
