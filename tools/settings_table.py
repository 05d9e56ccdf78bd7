"""The worker's settings as config.py has them: variable, default and meaning, read from its source.

A setting is an assignment that calls one of config's readers with a variable's name. The docstring
after it is its meaning; settings that follow each other without one share the next. The comments
``# ---- NAME`` part config.py into sections, of which those that say so are not for the README.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(__file__).resolve().parent.parent / "config.py"
READERS = ("_text", "_optional", "_number", "_flag")
LEFT_OUT = "README leaves these out"
_SECTION = re.compile(r"^# ---- (.*)$", re.MULTILINE)
_REVISION = re.compile(r"[0-9a-f]{40}")
_ARITHMETIC = (ast.BinOp, ast.Constant, ast.operator)


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable."""

    name: str
    default: str | None
    """As an operator would write it; empty where there is none, None where it is computed."""


@dataclass(frozen=True, slots=True)
class Row:
    """Settings that are explained together."""

    settings: tuple[Setting, ...]
    meaning: str
    section: str


def rows(source: str | None = None) -> list[Row]:
    """All settings, in their order.

    Args:
        source: Of config.py; None reads it.

    Raises:
        ValueError: A setting has no docstring.
    """
    text = CONFIG.read_text() if source is None else source
    found: list[Row] = []
    waiting: list[Setting] = []
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(value=value) if setting := _setting(value):
                waiting.append(setting)
            case ast.Expr(value=ast.Constant(value=str(docstring))) if waiting:
                section = _section(text, node.lineno)
                found.append(Row(tuple(waiting), " ".join(docstring.split()), section))
                waiting = []
            case ast.Assign() | ast.FunctionDef() if waiting:
                break
    if waiting:
        raise ValueError(f"config.py does not say what {waiting[0].name} means")
    return found


def table(source: str | None = None) -> Iterator[tuple[str, str, str]]:
    """The README's rows: variables, defaults, meaning."""
    for row in rows(source):
        if LEFT_OUT not in row.section:
            names = ", ".join(f"`{setting.name}`" for setting in row.settings)
            defaults = ", ".join(filter(None, map(_shown, row.settings)))
            yield names, defaults, row.meaning.replace("``", "`")


def _shown(setting: Setting) -> str:
    if not setting.default:
        return ""
    return "pinned" if _REVISION.fullmatch(setting.default) else f"`{setting.default}`"


def _setting(value: ast.expr) -> Setting | None:
    """The reader's call, however deep in the expression; the outermost where they nest."""
    for node in ast.walk(value):
        match node:
            case ast.Call(
                func=ast.Name(id=reader), args=[ast.Constant(value=str(name)), *rest]
            ) if reader in READERS:
                given = [*rest, *(keyword.value for keyword in node.keywords)]
                return Setting(name, _default(given[0]) if given else "")
    return None


def _default(node: ast.expr) -> str | None:
    if not all(isinstance(inner, _ARITHMETIC) for inner in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "config.py", "eval"), {})
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def _section(text: str, line: int) -> str:
    above = "\n".join(text.splitlines()[:line])
    titles = _SECTION.findall(above)
    return titles[-1] if titles else ""
