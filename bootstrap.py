"""Provides the models' environment and the models on the volume, and looks after them.

    python bootstrap.py            provide what is missing, before the first worker does
    python bootstrap.py --check    what is there, and whether it is whole
    python bootstrap.py --doctor   what this machine and its volume lack for production
    python bootstrap.py --gc       remove what nobody needs

Standard library only, so that it runs under a bare Python. Exit status 0: all is well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final, NoReturn

import config
from volume import (
    configured,
    doctor,
    environment,
    fast_model,
    garbage,
    homes,
    machine,
    models,
    programs,
    provide,
    provide_models,
    publish,
    state,
)
from volume.errors import BootstrapError
from volume.homes import Homes
from volume.lease import Timing
from volume.publish import Place
from volume.steps import Step, Tell

SAY_EVERY_S: Final = 5.0


def main() -> None:
    """One of the four commands above."""
    arguments = parse_arguments()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        sys.exit(arguments.command(arguments.json))
    except BootstrapError as error:
        if arguments.json:
            print(json.dumps({"error": error.message, "error_code": error.code}))
        sys.exit(f"bootstrap failed: {error.message}")
    except OSError as error:
        if arguments.json:
            print(json.dumps({"error": str(error), "error_code": "bootstrap_failed"}))
        sys.exit(f"bootstrap failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def interrupt(*_: object) -> NoReturn:
    """End what runs, so that what is half made is removed before the end."""
    programs.end_all()
    raise KeyboardInterrupt


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description="Provides the models' environment and the models."
    )
    commands = parser.add_mutually_exclusive_group()
    for name, command, text in (
        ("--check", check, "say what is there, change nothing"),
        ("--doctor", examine, "say what this machine and its volume lack, and what to do"),
        ("--gc", collect, "remove what nobody needs"),
    ):
        commands.add_argument(name, dest="command", action="store_const", const=command, help=text)
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.set_defaults(command=install)
    return parser.parse_args()


def install(as_json: bool) -> int:
    """Provide what is missing, and say what is there."""
    where = homes.find()
    problem = machine.gpu_problem(config.DEVICE)
    if problem:
        print(f"warning: {problem}", file=sys.stderr)
    tell = teller()
    for place in configured_places(where):
        publish.forget_failure(place)
    python = Path(config.ENGINE_PYTHON) if config.ENGINE_PYTHON else None
    if python is None:
        python = provide.provide_tree(where, tell)[0].python
    missing = []
    speech = configured.speech_model()
    try:
        folder = provide_models.provide_model(where, speech, python, tell)
        weights = models.weights(folder, speech)
        provide_models.provide_fast_model(where, speech, weights, python, tell)
    except BootstrapError as error:
        missing.append(error.message)
    missing += provide_diarizers(where, python, tell)
    status = say(state.look(where), as_json)
    for message in missing:
        print(f"problem: {message}", file=sys.stderr)
    return status


def provide_diarizers(where: Homes, python: Path, tell: Tell) -> list[str]:
    """Provide what tells speakers apart; why what is to be there is not."""
    found = provide_models.provide_diarizers(where, python, tell)
    wanted = {"pyannote": found.pyannote_problem, "sortformer": found.sortformer_problem}
    if config.DIARIZER == "auto" and found.sortformer is not None and found.pyannote_problem:
        print(f"Sortformer is used: {found.pyannote_problem.message}", file=sys.stderr)
        return []
    if config.DIARIZER == "auto" and found.pyannote is not None:
        return []
    return [
        problem.message
        for name, problem in wanted.items()
        if problem is not None and config.DIARIZER in (name, "both", "auto")
    ]


def check(as_json: bool) -> int:
    """Say what is there."""
    return say(state.look(homes.find()), as_json)


def say(things: tuple[state.Thing, ...], as_json: bool) -> int:
    """Print the things; the exit status."""
    ready = all(thing.is_ready for thing in things)
    if as_json:
        print(json.dumps({"ready": ready, "things": state.as_json(things)}))
    else:
        print(state.as_text(things))
        if not ready:
            print("What is missing is made by `python bootstrap.py`, or by the first worker.")
    return 0 if ready else 1


def examine(as_json: bool) -> int:
    """Say what is wrong and what to do."""
    things: tuple[state.Thing, ...] = ()
    with contextlib.suppress(BootstrapError):  # a volume that does not answer: the doctor sees it
        things = state.look(homes.find())
    findings = doctor.examine(
        volume=config.VOLUME_DIR,
        home=config.HOME_DIR,
        local_home=config.LOCAL_HOME_DIR,
        device=config.DEVICE,
        installed=bool(things) and all(thing.is_ready for thing in things),
    )
    findings += state.findings(things)
    print(json.dumps(doctor.as_json(findings)) if as_json else doctor.as_text(findings))
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def collect(as_json: bool) -> int:
    """Remove what nobody needs."""
    where = homes.find()
    wanted = [place.name for place in configured_places(where)]
    removed = garbage.collect(
        where.write,
        where.scratch,
        wanted,
        unused_s=config.GC_UNUSED_S,
        timing=Timing.of(config.LEASE_TTL_S),
        say=lambda text: print(text, file=sys.stderr),
    )
    if as_json:
        print(json.dumps([asdict(thing) for thing in removed]))
    else:
        for thing in removed:
            print(f"removed {thing.name}  {thing.bytes / 1e9:.2f} GB")
        print(f"{len(removed)} removed, {sum(t.bytes for t in removed) / 1e9:.2f} GB")
    return 0


def configured_places(where: Homes) -> list[Place]:
    """Where this configuration's environment and models are, or will be."""
    places = [models.place(where.write, model) for model in configured.hub_models()]
    fast_name = configured.fast_model_name()
    if fast_name is not None:
        places.append(fast_model.place(where.write, fast_name))
    return [environment.place(where.write, configured.recipe()), *places]


def teller() -> Tell:
    """Prints each new step, and the same one every few seconds."""
    last: list[tuple[str, float]] = [("", 0.0)]

    def tell(step: Step) -> None:
        name, said_s = last[0]
        now_s = time.monotonic()
        if step.name == name and now_s - said_s < SAY_EVERY_S:
            return
        last[0] = (step.name, now_s)
        percent = "" if step.fraction is None else f"{100 * step.fraction:3.0f} %  "
        by = f" (by {step.worker})" if step.worker else ""
        size = f"  {step.done_bytes / 1e9:.1f} GB" if step.done_bytes else ""
        print(f"{percent}{step.name}{by}{size}", file=sys.stderr)

    return tell


if __name__ == "__main__":
    main()
