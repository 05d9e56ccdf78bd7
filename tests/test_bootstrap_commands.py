"""What ``python bootstrap.py`` says: its flags, its JSON, its progress."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstraps import checked, new_machine
from tests.environments import ROOT
from tests.small_environment import Machine, make_lock


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, str]:
    """A machine with an environment, and what its installation said."""
    folder = tmp_path_factory.mktemp("installed")
    machine = new_machine(folder, make_lock(folder / "wheels"))
    done = machine.run()
    assert done.returncode == 0, done.stderr
    return machine, done.stderr


def test_a_check_of_an_empty_volume_names_what_is_missing(tmp_path: Path) -> None:
    machine = new_machine(tmp_path, make_lock(tmp_path / "wheels"))
    status, said = checked(machine)
    assert (status, said["state"]) == (1, "missing")
    done = machine.run("--check")
    assert done.returncode == 1
    assert re.search(rf"^missing +{said['name']}$", done.stdout, re.MULTILINE)
    assert "made by `python bootstrap.py`" in done.stdout
    assert list(machine.volume.iterdir()) == [], "it changes nothing"
    assert not (machine.disk / "local").exists()


def test_a_check_of_what_is_there_names_it(installed: tuple[Machine, str]) -> None:
    machine, _ = installed
    status, said = checked(machine)
    assert (status, said["state"]) == (0, "ready")
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    text = machine.run("--check").stdout
    assert re.search(rf"^ready +{said['name']} +0\.00 GB$", text, re.MULTILINE)
    assert said["found"] in text
    assert "given       speech.nemo" in text


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("name", "is_gone"),
    [("code.tar.gz", False), ("index.json", True), ("files/0000-large.so", False)],
)
def test_a_check_of_what_is_damaged_says_so(
    installed: tuple[Machine, str], name: str, is_gone: bool
) -> None:
    machine, _ = installed
    (place,) = machine.home.glob("venvs/*")
    path, kept = place / name, place.parent.parent / "kept"
    path.rename(kept)
    try:
        if not is_gone:
            path.write_bytes(kept.read_bytes()[:-1])
        status, said = checked(machine)
    finally:
        kept.rename(path)
    assert (status, said["state"]) == (1, "damaged")
    assert path.name in said["found"]
    assert checked(machine)[0] == 0


def test_progress_names_its_steps_with_percent(installed: tuple[Machine, str]) -> None:
    steps = re.findall(r"^ *(\d+) %  (.+)$", installed[1], re.MULTILINE)
    assert len(steps) >= 4
    percents = [int(percent) for percent, _ in steps]
    assert percents == sorted(percents)
    assert percents[-1] <= 100
    assert "downloading and installing packages" in steps[0][1]
    assert "publishing" in [name for _, name in steps]


@pytest.mark.parametrize("flag", ["", "--check", "--doctor", "--gc"])
def test_json_is_one_line_and_all_that_is_on_stdout(
    installed: tuple[Machine, str], flag: str
) -> None:
    machine, _ = installed
    done = machine.run(*filter(None, [flag]), "--json")
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    if flag in ("", "--check"):
        assert (done.returncode, answer["ready"]) == (0, True)
        assert {thing["state"] for thing in answer["things"]} == {"ready", "given"}
    elif flag == "--gc":
        assert (done.returncode, answer) == (0, [])
        assert machine.run("--gc").stdout == "0 removed, 0.00 GB\n"
    else:
        problems = [finding for finding in answer if finding["state"] == "problem"]
        assert done.returncode == (1 if problems else 0)


@pytest.mark.parametrize(
    "arguments", [["--chekc"], ["--check", "--gc"], ["--doctor", "--check"], ["now"]]
)
def test_wrong_arguments_are_refused_with_the_usage(tmp_path: Path, arguments: list[str]) -> None:
    machine = new_machine(tmp_path, tmp_path / "no lock is looked for")
    done = machine.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: bootstrap.py [-h] [--check | --doctor | --gc] [--json]")
    assert list(machine.volume.iterdir()) == []


def test_it_runs_under_a_bare_python(tmp_path: Path) -> None:
    # -S: no site-packages, as on a machine that has nothing installed.
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "bootstrap.py"), "--check"],
        env={"PATH": os.environ["PATH"], "PARAKEET_VOLUME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "`python bootstrap.py`" in done.stdout
    assert "Traceback" not in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "][:3] == [
        "missing"
    ] * 3
