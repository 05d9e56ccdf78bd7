"""Writes docs/volume-faults.md: which tests inject which fault; with ``--check`` it only compares.

A test says so itself: ``@pytest.mark.fault(4)``, or its module's ``pytestmark``.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.readme_tables import markdown

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = ROOT / "docs" / "volume-faults.md"

FAULTS: Final = (
    "The installer is killed (`kill -9`), at any moment",
    "The installer is stopped for longer than its lease lives, and wakes up",
    "Twelve workers on two hosts start at once",
    "The volume fills up, is over its quota, or turns read-only in the middle",
    "The volume answers wrongly once (ESTALE, EIO), or always, or hangs",
    "`flock` is not there, lies, or holds on one host only",
    "Clocks that differ: of the volume, of its files, of the workers",
    "A host's caches: it sees late what another one did",
    "The environment is marked as ready and is broken",
    "The lock file changes while workers use the old environment",
    "Leavings of dead installers: staging folders, trash, claims without a beat",
    "No volume, or a plain folder in its place",
    "A volume without hard links",
    "Two installers publish at once: a rename onto a folder that is there",
    "No room on local disk, or an archive that is damaged",
    "A model that is half there, or that the hub refuses",
    "The engine dies, hangs or prints junk at its start",
    "A driver that is too old, or no GPU",
    "An image's variables: `PYTHON*`, `UV_*`, `PIP_*`",
    "The package index is down, breaks off, or serves something else",
    "Two jobs at once in one worker",
    "The kernel kills the engine for memory",
)
"""Numbered from 1, as the marks number them."""

HEAD: Final = """# The volume's faults and their tests

What can go wrong with a network volume, and the tests that make it go wrong. Written by `python -m
tools.fault_table`; run them with `make test-volume`.

"""


@dataclass(frozen=True, slots=True)
class Injection:
    """A test function that injects a fault."""

    file: str
    name: str

    @property
    def sentence(self) -> str:
        """What it says."""
        return self.name.removeprefix("test_").replace("_", " ")


def collect(folder: Path) -> dict[int, list[Injection]]:
    """The tests of each fault, in the order of their files and lines."""
    found: defaultdict[int, list[Injection]] = defaultdict(list)
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text())
        of_module = [number for node in tree.body for number in module_marks(node)]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = [number for mark in node.decorator_list for number in marks(mark)]
                for number in sorted({*of_module, *own}):
                    found[number].append(Injection(path.name, node.name))
    return dict(found)


def module_marks(node: ast.stmt) -> Iterator[int]:
    """The faults that a ``pytestmark = ...`` names."""
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
        yield from marks(node.value)


def marks(node: ast.expr) -> Iterator[int]:
    """The numbers of the ``pytest.mark.fault(N)`` in an expression."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "pytest.mark.fault":
            yield from (ast.literal_eval(argument) for argument in inner.args)


def table(tests: Mapping[int, Sequence[Injection]]) -> str:
    """The page."""
    rows = []
    for number, fault in enumerate(FAULTS, 1):
        files: dict[str, list[str]] = {}
        for test in tests.get(number, ()):
            files.setdefault(test.file, []).append(test.sentence)
        cells = (f"`{file}`: " + "; ".join(sentences) for file, sentences in files.items())
        rows.append((str(number), fault, "<br>".join(cells)))
    return HEAD + markdown(("number", "fault", "tests"), rows) + "\n"


def problem(tests: Mapping[int, Sequence[Injection]], page: Path) -> str | None:
    """Why the page or the tests are not as they should be; None where they are."""
    numbers = range(1, len(FAULTS) + 1)
    if without := [number for number in numbers if number not in tests]:
        return f"no test injects fault {', '.join(map(str, without))}"
    if unknown := sorted(tests.keys() - set(numbers)):
        return f"tests name fault {', '.join(map(str, unknown))}, which tools/fault_table.py lacks"
    if not page.exists() or page.read_text() != table(tests):
        return f"{page.name} is not what the tests say: run `python -m tools.fault_table`"
    return None


def main() -> None:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    arguments = parser.parse_args()
    tests = collect(ROOT / "tests")
    if not arguments.check:
        TABLE.write_text(table(tests))
    sys.exit(problem(tests, TABLE))


if __name__ == "__main__":
    main()
