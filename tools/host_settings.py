"""Lends this machine's way to its package registries to a root in which an image is built.

A machine behind a mirror or a proxy has it in apt's, pip's and uv's settings, in variables, and in
its certificates. A build needs them; the image must not keep them. So they are mounted under one
folder of the root, named by variables, and gone with the mount namespace.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLACE = "/run/host-settings"
"""In the root: a memory file system that never becomes part of the image."""
_PASSED_ON = re.compile(r"(PIP|UV)_\w+|\w*_PROXY|\w*_proxy|SSL_CERT_\w+|\w*CA_(BUNDLE|CERT)\w*")
_PATH = re.compile(r"(?:(?<=file://)|(?<![\w:/.-]))/[^\s:'\",;]+")
_PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_UV_FILES = ("/etc/uv/uv.toml", "~/.config/uv/uv.toml")
_NOT_FOR_A_BUILD = (
    "UV_PROJECT_ENVIRONMENT",
    "UV_CACHE_DIR",
    "PIP_CACHE_DIR",
    "UV_PYTHON",
    "UV_CONFIG_FILE",
)


@dataclass(slots=True)
class Settings:
    """What to put into the root while it is being built."""

    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """{name below PLACE: content}."""
    mounts: dict[Path, str] = field(default_factory=dict)
    """{path of this machine: where it is seen in the root}."""

    def localise(self, text: str) -> str:
        """Replace each path of this machine by where the root will see it."""
        return _PATH.sub(lambda match: self._seen(match[0]), text)

    def _seen(self, path: str) -> str:
        source = Path(path).resolve()
        if not source.exists() or source == Path("/"):
            return path
        return self.mounts.setdefault(source, f"{PLACE}/mounts/{len(self.mounts)}")


def collect(suite: str, environment: Mapping[str, str]) -> Settings:
    """This machine's settings, as a build needs them; empty where it has none.

    Args:
        suite: The Debian release of the root, such as "bookworm".
        environment: This process's.
    """
    settings = Settings()
    for name, value in environment.items():
        if _PASSED_ON.fullmatch(name) and name not in _NOT_FOR_A_BUILD:
            settings.variables[name] = settings.localise(value)
    _collect_pip(settings)
    for name in (environment.get("UV_CONFIG_FILE", ""), *reversed(_UV_FILES)):
        path = Path(name).expanduser()
        if name and path.is_file():  # uv reads one file; the user's wins over the system's
            settings.files["uv.toml"] = settings.localise(path.read_text())
            settings.variables["UV_CONFIG_FILE"] = f"{PLACE}/uv.toml"
            break
    _collect_apt(settings, suite)
    return settings


def _collect_pip(settings: Settings) -> None:
    """Merge pip's files: only one can be named by a variable. Later ones win, as in pip."""
    merged = configparser.RawConfigParser()
    if merged.read([Path(name).expanduser() for name in _PIP_FILES]):
        text = io.StringIO()
        merged.write(text)
        settings.files["pip.conf"] = settings.localise(text.getvalue())
        settings.variables["PIP_CONFIG_FILE"] = f"{PLACE}/pip.conf"


def _collect_apt(settings: Settings, suite: str) -> None:
    """Apt's ways of fetching and, where this machine runs the same release, its Debian sources.

    Of apt's settings only scalars below ``Acquire`` are taken: the others name programs of this
    machine, and lists would be appended to the root's own.
    """
    lines = [
        line
        for line in _output("apt-config", "dump", "Acquire").splitlines()
        if re.match(r'Acquire::[\w:-]+\w "[^"]+";', line)
        and not re.match(
            r"Acquire::(IndexTargets|CompressionTypes|Languages|Gzip|Changelogs|cdrom)", line
        )
    ]
    content = settings.localise("".join(f"{line}\n" for line in lines))
    if sources := debian_sources(suite):
        settings.files["sources.list"] = settings.localise("".join(f"{line}\n" for line in sources))
        content += f'Dir::Etc::sourcelist "{PLACE}/sources.list";\n'
        content += 'Dir::Etc::sourceparts "/dev/null";\n'
    settings.files["apt.conf"] = content
    settings.variables["APT_CONFIG"] = f"{PLACE}/apt.conf"


def debian_sources(suite: str) -> list[str]:
    """This machine's sources of a Debian release, updates and security too, in one-line form.

    Empty where it runs another system or has no package lists: the root then keeps its own.
    """
    columns = "$(ORIGIN) $(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)"
    found: dict[str, None] = {}
    listing = _output("apt-get", "indextargets", "--format", columns, "Created-By: Packages")
    for line in listing.splitlines():
        words = line.split()
        if len(words) < 5 or words[0] != "Debian" or words[1].split("-")[0] != suite:
            continue
        _, _, uri, release, component, *key = words
        option = f"[signed-by={key[0]}] " if key and key[0].startswith("/") else ""
        found[f"deb {option}{uri} {release} {component}"] = None
    return list(found)


def mirror(suite: str) -> str | None:
    """The address of the release's main archive that this machine uses; None for the usual one."""
    for line in debian_sources(suite):
        *_, uri, release, component = line.split()
        if (release, component) == (suite, "main"):
            return uri
    return None


def _output(*command: str) -> str:
    """What a program prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
