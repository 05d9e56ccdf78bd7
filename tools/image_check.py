"""Proves the Dockerfile without a container engine: ``python -m tools.image_check`` (as root).

Follows the instructions in a root directory that debootstrap made, starts CMD in it with the
image's environment against a stand-in of RunPod's control plane, and expects a wrong request to be
answered as such, which needs no models. Then the same as a user that is not root. Prints times and
sizes.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

from tests.control_plane import serving, worker_environment
from tests.control_plane_state import Rules
from tools import build_context, dockerfile, host_settings, image_root

ROOT = Path(__file__).resolve().parent.parent
ANSWER_LIMIT_S = 300
"""From the worker's start to its answer: 3 s on an idle machine, mostly the import of runpod."""
CANNOT_RUN = 2
"""The exit status of a machine that is not able to make the check."""
OTHER_USER = "12345:12345"
"""Without an entry in /etc/passwd, as with ``docker run --user``."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Follows the Dockerfile and starts its worker.")
    parser.add_argument("--cache-dir", type=Path, default=ROOT / ".cache" / "image-check")
    parser.add_argument("--allow-skip", action="store_true", help="succeed where it cannot run")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        check_inside(arguments.inside)
        return
    if reason := image_root.missing_requirement():
        print(f"image-check: cannot run here: {reason}")
        sys.exit(0 if arguments.allow_skip else CANNOT_RUN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` cleans up
    sys.exit(check(arguments.cache_dir))


def check(cache: Path) -> int:
    """Make the root, check in namespaces of its own, remove the root. The exit status."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one check at a time; the kernel frees it in any case
        suite = base_suite(dockerfile.parse((ROOT / "Dockerfile").read_text())[0])
        base, root = cache / f"{suite}.tar", cache / "root"
        try:
            if root.exists():  # of a check that was killed
                shutil.rmtree(root)
            if not base.exists():
                started = time.monotonic()
                image_root.make_base(suite, base)
                report(f"debootstrap of {suite}", started)
            image_root.unpack(base, root)
            inside = [sys.executable, "-m", "tools.image_check", "--inside", str(root.resolve())]
            command = [*image_root.NAMESPACES, *inside]
            return subprocess.run(command, cwd=ROOT, check=False).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            if root.exists():
                shutil.rmtree(root)


def base_suite(first: dockerfile.Instruction) -> str:
    """The Debian release of a FROM.

    Raises:
        dockerfile.DockerfileError: The base is no slim Debian.
    """
    name, _, tag = first.text.partition(":")
    if name != "debian" or not tag.endswith("-slim"):
        raise first.error(f"only debian:SUITE-slim can be made here, not {first.text!r}")
    return tag.removesuffix("-slim")


def check_inside(root: Path) -> None:
    """Build, then start: what happens within the namespaces."""
    started = time.monotonic()
    instructions = dockerfile.parse((ROOT / "Dockerfile").read_text())
    image_root.mount_system(root)
    try:
        settings = build(root, instructions)
    except (dockerfile.DockerfileError, FileNotFoundError, ValueError) as error:
        sys.exit(f"image-check failed: {error}")
    print(f"image: {image_root.size_bytes(root) / 1e6:.0f} MB in files", flush=True)
    for user in (settings.user, OTHER_USER):
        with image_root.fresh_temporary(root):
            start(root, settings, user)
    report("image-check passed,", started)


def build(root: Path, instructions: tuple[dockerfile.Instruction, ...]) -> dockerfile.Settings:
    """Follow the instructions after the first one in the root."""
    lent = host_settings.collect(base_suite(instructions[0]), os.environ)
    context = build_context.load(ROOT)
    settings = dockerfile.Settings()
    size = image_root.size_bytes(root)
    print(f"{instructions[0].text}: {size / 1e6:.0f} MB", flush=True)
    with image_root.lent_settings(root, lent):
        for instruction in instructions[1:]:
            started = time.monotonic()
            settings = follow(root, instruction, settings, context, lent)
            if instruction.name in ("RUN", "COPY"):
                grown, size = image_root.size_bytes(root) - size, image_root.size_bytes(root)
                report(
                    f"{instruction.name} {instruction.text[:60]}: {grown / 1e6:+.1f} MB", started
                )
    if not settings.command:
        raise dockerfile.DockerfileError("the Dockerfile has no CMD")
    return settings


def follow(
    root: Path,
    instruction: dockerfile.Instruction,
    settings: dockerfile.Settings,
    context: build_context.Context,
    lent: host_settings.Settings,
) -> dockerfile.Settings:
    """Do one instruction. The settings after it."""
    match instruction.name:
        case "FROM":
            raise instruction.error("a second stage is not understood here")
        case "RUN":
            environment = {"HOME": "/root", **lent.variables, **settings.variables}
            words = dockerfile.command(instruction)
            try:
                image_root.run(root, settings.user, settings.workdir, words, environment)
            except subprocess.CalledProcessError as error:
                raise instruction.error(f"exit status {error.returncode}\n{error.stdout}") from None
            return settings
        case "COPY":
            *sources, target = dockerfile.expand(instruction.text, settings.variables).split()
            build_context.copy(context, sources, dockerfile.absolute(target, settings), root)
            return settings
        case _:
            after = dockerfile.settle(instruction, settings)
            (root / after.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
            return after


def start(root: Path, settings: dockerfile.Settings, user: str) -> None:
    """Start CMD, send a wrong request, and expect the answer that a caller is promised."""
    log = root / "tmp" / "worker.log"
    started = time.monotonic()
    with serving(Rules()) as url, log.open("wb") as output:
        worker = subprocess.Popen(
            image_root.in_root(root, user, settings.workdir, settings.command),
            env={
                **settings.env,
                **worker_environment("image-check", url),
                # Ready-made, so that nothing is installed; it has no models, and none are needed.
                "PARAKEET_ENGINE_PYTHON": "/opt/worker/bin/python",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            answer = submit_wrong_request(url, worker)
        finally:
            worker.kill()
            worker.wait()
    output_of_job = answer.get("output") or {}
    if answer["status"] != "FAILED" or output_of_job.get("error_code") != "invalid_input":
        fail(f"as {user}: expected FAILED with invalid_input, got {answer}", log)
    report(f"as {user}: started, and answered a wrong request with invalid_input", started)


def submit_wrong_request(url: str, worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Queue a job without a source of audio and poll it to its end, or until the limit."""
    endpoint = f"{url}/v2/{worker_environment('', url)['RUNPOD_ENDPOINT_ID']}"
    job = call(f"{endpoint}/run", {"input": {}})
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while time.monotonic() < deadline and worker.poll() is None:
        answer = call(f"{endpoint}/status/{job['id']}")
        if answer["status"] in ("COMPLETED", "FAILED"):
            return answer
        time.sleep(0.2)
    return {"status": f"no answer; the worker's exit status: {worker.poll()}"}


def call(url: str, body: object = None) -> dict[str, Any]:
    """One request to the control plane: POST with a body, else GET."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def report(what: str, started: float) -> None:
    """One line with the seconds since ``started``."""
    print(f"{what} {time.monotonic() - started:.1f} s", flush=True)


def fail(message: str, log: Path) -> NoReturn:
    """End the check with the worker's last lines."""
    print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
    sys.exit(f"image-check failed {message}")


if __name__ == "__main__":
    main()
