"""Which environment variables config.py reads, from its source."""

from __future__ import annotations

import ast
from pathlib import Path

CONFIG = Path(__file__).resolve().parent.parent / "config.py"


def names_read_by_config() -> set[str]:
    """The first argument of every call of one of config's readers, or of os.environ.get."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(CONFIG.read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id="_text" | "_optional" | "_number" | "_flag")
                | ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                names.add(name)
    return names
