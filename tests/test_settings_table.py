"""The README's table of variables is config.py's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.config_names import names_read_by_config
from tests.test_hub_files import inputs
from tools import settings_table

NOT_OURS = {"TMPDIR"}
"""Read where ours is missing."""


def shown() -> dict[str, str | None]:
    return {s.name: s.default for row in settings_table.rows() for s in row.settings}


def in_readme() -> str:
    return "\n".join(names for names, _, _ in settings_table.table())


def test_every_setting_is_there() -> None:
    assert set(shown()) == names_read_by_config() - NOT_OURS


def settings(environment: dict[str, str]) -> str:
    """All that config holds under these variables."""
    code = "import config; print({k: v for k, v in vars(config).items() if k.isupper()})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings_table.CONFIG.parent,
        env={"PATH": os.environ["PATH"], **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_defaults_are_what_config_reads_without_variables() -> None:
    """Each is given to config as a variable, and must change nothing."""
    given = {name: default for name, default in shown().items() if default}
    assert len(given) > 20
    assert settings(given) == settings({})
    assert settings({**given, "PARAKEET_CONCURRENCY": "9"}) != settings({})


def test_what_the_hub_offers_is_in_the_readme() -> None:
    assert [key for key in inputs() if f"`{key}`" not in in_readme()] == []


def test_what_is_seldom_changed_is_left_out() -> None:
    assert "PARAKEET_CONCURRENCY" in in_readme()
    assert "PARAKEET_ENGINE_IMPORTS" not in in_readme()
    assert "PARAKEET_ENGINE_IMPORTS" in shown()


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ('A = _text("X", "a")\n"""What\nit is."""', ("`X`", "`a`", "What it is.")),
        ('A = int(_number("X", 4 << 30))\n"""Y."""', ("`X`", "`4294967296`", "Y.")),
        ('A = _flag("X", default=True)\n"""``Y``."""', ("`X`", "`true`", "`Y`.")),
        ('A = Path(_text("X", str(ROOT)))\n"""Y."""', ("`X`", "", "Y.")),
        ('A = _optional("X")\nB = _number("Z", 2.5)\n"""Y."""', ("`X`, `Z`", "`2.5`", "Y.")),
        (f'A = _text("X", "{"0f" * 20}")\n"""Y."""', ("`X`", "pinned", "Y.")),
    ],
)
def test_a_row(source: str, row: tuple[str, str, str]) -> None:
    assert list(settings_table.table(source)) == [row]


def test_a_setting_without_a_meaning_is_refused() -> None:
    for source in ('A = _text("X", "a")', 'A = _text("X", "a")\nB = 1\n"""Of B."""'):
        with pytest.raises(ValueError, match="X"):
            settings_table.rows(source)
