"""The table of the volume's faults says what the tests say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import fault_table
from tools.fault_table import FAULTS, Injection

ALL_BUT_TWO = "".join(
    f"@pytest.mark.fault({number})\ndef test_of_{number}(): ...\n"
    for number in range(3, len(FAULTS) + 1)
)


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A folder of tests for every fault."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_all.py").write_text(ALL_BUT_TWO)
    (folder / "test_module.py").write_text(
        "pytestmark = [pytest.mark.volume, pytest.mark.fault(1)]\n"
        "def helper(): ...\n"
        "def test_one_thing(): ...\n"
        "@pytest.mark.fault(2)\n@pytest.mark.parametrize('x', [1])\ndef test_another(x): ...\n"
    )
    (folder / "helper.py").write_text("@pytest.mark.fault(99)\ndef test_of_no_file(): ...\n")
    return folder


def test_marks_of_modules_and_of_functions_are_found(tests: Path) -> None:
    found = fault_table.collect(tests)
    one, another = (
        Injection("test_module.py", f"test_{name}") for name in ("one_thing", "another")
    )
    assert (found[1], found[2]) == ([one, another], [another])
    assert one.sentence == "one thing"
    assert found.keys() == set(range(1, len(FAULTS) + 1))
    assert "`test_module.py`: one thing; another |" in fault_table.table(found)


def test_a_stale_table_is_a_problem(tests: Path, tmp_path: Path) -> None:
    found, page = fault_table.collect(tests), tmp_path / "page.md"
    assert "is not what the tests say" in str(fault_table.problem(found, page))
    page.write_text(fault_table.table(found))
    assert fault_table.problem(found, page) is None
    page.write_text(page.read_text() + "more")
    assert "is not what the tests say" in str(fault_table.problem(found, page))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("fault(7)", "fault(8)", "no test injects fault 7"),
        ("fault(7)", "fault(7, 70)", "tests name fault 70"),
    ],
)
def test_a_fault_without_a_test_and_a_test_without_a_fault_are_problems(
    tests: Path, tmp_path: Path, old: str, new: str, text: str
) -> None:
    file = tests / "test_all.py"
    file.write_text(file.read_text().replace(old, new))
    found, page = fault_table.collect(tests), tmp_path / "page.md"
    page.write_text(fault_table.table(found))
    assert text in str(fault_table.problem(found, page))
