"""README says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import config
from tools import readme_tables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_tables_are_made_from_the_code() -> None:
    assert readme_tables.with_tables(README) == README, "run `python -m tools.readme_tables`"


def test_every_variable_named_is_one_that_config_reads() -> None:
    named = set(re.findall(r"`((?:PARAKEET|S3|HF)_[A-Z0-9_]+)`", README))
    source = Path(config.__file__).read_text()
    assert named, "the README names no variable"
    assert {name for name in named if f'"{name}"' not in source} == set()


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named <= targets, named - targets


def test_every_file_named_exists() -> None:
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(
        r"`((?:docs|training|tests|demo|tools|speech|utils)/[\w./-]*|[a-z]+\.py)`", text
    )
    made = {f"demo/out/result.{kind}" for kind in ("json", "srt", "html")}
    missing = {name for name in named if not (ROOT / name).exists()} - made
    assert missing == set()
