"""The build context: which files of the repository a COPY gets, by .dockerignore's rules.

Reference: https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of .dockerignore."""

    text: str
    pattern: re.Pattern[str]
    keeps: bool
    """The line began with an exclamation mark."""


@dataclass(frozen=True, slots=True)
class Context:
    """A directory and what of it is ignored."""

    root: Path
    rules: tuple[Rule, ...]

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether a path, relative to the root, stays out.

        The last rule that matches decides; a rule also matches everything below what it names.
        """
        names = [str(path), *(str(parent) for parent in path.parents if parent.name)]
        ignored = False
        for rule in self.rules:
            if any(rule.pattern.fullmatch(name) for name in names):
                ignored = not rule.keeps
        return ignored

    def opens(self, folder: PurePosixPath) -> bool:
        """Whether a folder can hold anything that is not ignored."""
        return not self.ignores(folder) or any(
            rule.keeps and ("*" in rule.text or rule.text.startswith(f"{folder}/"))
            for rule in self.rules
        )

    def files(self) -> Iterator[PurePosixPath]:
        """Every file that is not ignored."""
        for folder, folders, names in os.walk(self.root):
            here = PurePosixPath(Path(folder).relative_to(self.root))
            folders[:] = sorted(name for name in folders if self.opens(here / name))
            for name in sorted(names):
                if not self.ignores(here / name):
                    yield here / name


def load(root: Path) -> Context:
    """The context of a repository's root."""
    lines = (root / ".dockerignore").read_text().splitlines()
    return Context(root, tuple(_rule(line) for line in map(str.strip, lines) if _counts(line)))


def _counts(line: str) -> bool:
    return bool(line) and not line.startswith("#")


def _rule(line: str) -> Rule:
    keeps = line.startswith("!")
    pattern = line.removeprefix("!").strip().strip("/")
    return Rule(pattern, re.compile(_regex(pattern)), keeps)


def _regex(pattern: str) -> str:
    """``**`` is any number of folders, ``*`` and ``?`` stay within one name, as in Docker."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", pattern)
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        wild.get(part, part if part.startswith("[") else re.escape(part)) for part in parts
    )


def copied(context: Context, sources: Sequence[str], target: str) -> dict[PurePosixPath, str]:
    """What COPY puts where: {file of the context: path in the image}.

    Args:
        context: The repository.
        sources: Files, folders or patterns. Of a folder, its content is copied.
        target: Absolute path in the image; a folder where it ends in a slash.

    Raises:
        FileNotFoundError: A source names nothing, or only what .dockerignore keeps out.
        ValueError: Several files for one path.
    """
    plan: dict[PurePosixPath, str] = {}
    available = list(context.files())
    for source in sources:
        name = PurePosixPath(source)
        pattern = re.compile(_regex(str(name)))
        found: dict[PurePosixPath, str] = {}
        for path in available:
            if pattern.fullmatch(str(path)):
                found[path] = f"{target}{path.name}" if target.endswith("/") else target
                continue
            for parent in path.parents:
                if parent.name and pattern.fullmatch(str(parent)):
                    found[path] = f"{target.rstrip('/')}/{path.relative_to(parent)}"
        if not found:
            raise FileNotFoundError(f"COPY {source}: not in the build context")
        plan.update(found)
    if len(set(plan.values())) < len(plan):
        raise ValueError(f"COPY {' '.join(sources)}: several files for one path; end it in a slash")
    return plan


def copy(context: Context, sources: Sequence[str], target: str, image_root: Path) -> None:
    """Do a COPY: contents, modes and times, owned by root as in Docker."""
    for path, place in copied(context, sources, target).items():
        destination = image_root / place.lstrip("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(context.root / path, destination, follow_symlinks=False)
        os.chown(destination, 0, 0, follow_symlinks=False)
