"""A root directory that stands in for a Debian base image, and running things in it.

debootstrap makes the base; a mount and process namespace of its own makes sure that no mount and no
process outlives the check. Only for root on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools import host_settings

NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),  # a check that is killed takes everything with it
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SLIM = ("doc", "info", "locale", "man", "groff", "lintian/overrides", "linda")
"""Folders of /usr/share that Debian's -slim images leave out, copyright files excepted."""


def missing_requirement() -> str | None:
    """Why this machine cannot make a root, in one line; None where it can."""
    if os.geteuid() != 0:
        return "only root may make a root directory of another system (chroot, mount)"
    for program in ("debootstrap", "setpriv", "unshare", "chroot", "tar"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode else None


def make_base(suite: str, archive: Path) -> None:
    """Make a minimal Debian, slimmed like its -slim image, as a tar archive.

    Args:
        suite: Such as "bookworm".
        archive: Written last, by a rename.

    Raises:
        subprocess.CalledProcessError: debootstrap or tar failed; its output was shown.
    """
    staging, partial = archive.with_suffix(".staging"), archive.with_suffix(".partial")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        mirror = host_settings.mirror(suite)
        command = [
            "debootstrap",
            "--variant=minbase",
            suite,
            str(staging),
            *([mirror] if mirror else []),
        ]
        subprocess.run([*NAMESPACES, *command], check=True, stdout=subprocess.DEVNULL)
        _slim_down(staging)
        subprocess.run(["tar", "-C", str(staging), "-cf", str(partial), "."], check=True)
        partial.rename(archive)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        partial.unlink(missing_ok=True)


def _slim_down(root: Path) -> None:
    """Do what Debian's -slim images do, now and, through dpkg's settings, to later packages."""
    share = root / "usr/share"
    rules = [f"path-exclude /usr/share/{name}/*" for name in _SLIM]
    rules.append("path-include /usr/share/doc/*/copyright")
    rules.append("force-unsafe-io")  # as in Debian's images: no fsync for each file
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text("\n".join(rules) + "\n")
    (root / "etc/apt/apt.conf.d/slim").write_text(
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'
        'Acquire::Languages "none";\nAcquire::GzipIndexes "true";\n'
    )
    for name in _SLIM:
        for file in [path for path in (share / name).rglob("*") if not path.is_dir()]:
            if file.name != "copyright":
                file.unlink()
    for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        for file in [path for path in (root / folder).rglob("*") if path.is_file()]:
            file.unlink()


def unpack(archive: Path, root: Path) -> None:
    """A fresh root from the base."""
    root.mkdir()
    subprocess.run(["tar", "-C", str(root), "-xpf", str(archive)], check=True)


def mount_system(root: Path) -> None:
    """What a container engine mounts: /proc, a small /dev, and the name service's settings.

    To be called inside ``NAMESPACES``: these mounts end with the namespace.
    """
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("-t", "tmpfs", "-o", "mode=755", "dev", str(root / "dev"))
    for name in _DEVICES:
        _bind(Path("/dev") / name, root / "dev" / name)
    (root / "dev/fd").symlink_to("/proc/self/fd")
    (root / "dev/shm").mkdir()
    _mount("-t", "tmpfs", "-o", "mode=1777", "shm", str(root / "dev/shm"))
    for name in ("resolv.conf", "hosts"):
        (root / "etc" / name).unlink(missing_ok=True)
        _bind(Path("/etc") / name, root / "etc" / name)


@contextmanager
def lent_settings(root: Path, settings: host_settings.Settings) -> Iterator[None]:
    """Show this machine's registry settings in the root for the duration of the block."""
    place = root / host_settings.PLACE.lstrip("/")
    place.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", "mode=755", "settings", str(place))
    for name, content in settings.files.items():
        (place / name).write_text(content)
    (place / "mounts").mkdir()
    for source, seen in settings.mounts.items():
        _bind(source, root / seen.lstrip("/"))
    yield
    subprocess.run(["umount", "--recursive", str(place)], check=True)
    place.rmdir()


@contextmanager
def fresh_temporary(root: Path) -> Iterator[None]:
    """Empty /tmp and /var/tmp for the duration of the block."""
    places = [str(root / "tmp"), str(root / "var/tmp")]
    for place in places:
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmp", place)
    yield
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)


def in_root(root: Path, user: str, workdir: str, command: Sequence[str]) -> list[str]:
    """The command line that runs a command in the root, as docker would: user and directory."""
    group = "" if ":" in user else ":"  # "name:" stands for the name's own groups
    by_number = user.replace(":", "").isdigit()
    userspec = f"{user}:{user}" if by_number and group else f"{user}{group}"
    return [
        *("chroot", f"--userspec={userspec}", str(root)),
        *("/usr/bin/env", f"--chdir={workdir}", *command),
    ]


def run(
    root: Path, user: str, workdir: str, command: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Run a command in the root to its end.

    Raises:
        subprocess.CalledProcessError: It failed; its output is the error's ``stdout``.
    """
    subprocess.run(
        in_root(root, user, workdir, command),
        env=dict(environment),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def size_bytes(root: Path) -> int:
    """What the root's own files take on disk, mounts excepted."""
    command = ["du", "--summarize", "--one-file-system", "--block-size=1", str(root)]
    return int(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    )


def _mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)


def _bind(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    _mount("--bind", str(source), str(target))
