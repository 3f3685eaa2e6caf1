"""Cold start of every function, and warm CPU of Trulience's, against a bare boto3 + requests handler, in turn, in one run.

`counted` is the bare handler with one conditional write to DynamoDB, the least that any limit needs.
Ratios and differences are taken round by round: the machine's speed drifts, they much less, and those of CPU seconds least.
Needs `make build`. Usage: python -m bench.mint [ROUNDS]
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from bench.runtime import Timing, run
from local.bundle import Bundle

BUILT = Path(".aws-sam/build").resolve()
AWS = ["boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"]
RUNTIME = ["awslambdaric", "simplejson", "snapshot-restore-py", *AWS]
BARE = ["requests", "certifi", "idna", "charset-normalizer", "urllib3"]
WARM = 200
TIMED = ("bare", "counted", "ours")
EVENTS = {"spatialgen": "spatialgen-lease", "catalogue": "catalogue-list"}
"""Where a function has no event called mint."""
PLENTY = dict.fromkeys(("CALLER_PER_HOUR", "VENDOR_PER_DAY", "ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"), "1000000")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder, Bundle(given=PLENTY) as bundle:
        paths = _paths(Path(folder), bundle)
        for name in paths:
            _cold(name, paths, bundle)
        _report([_round(paths, bundle) for _ in range(rounds)])


class Round(NamedTuple):
    """All of them, one after the other. `cold`: every other function, by its name, asked twice."""

    bare: Timing
    counted: Timing
    ours: Timing
    cold: dict[str, Timing]


def _round(paths: dict[str, list[Path]], bundle: Bundle) -> Round:
    for twin in bundle.twins.values():
        twin.reset()  # a session's slot is free again
    event, environment = bundle.event("trulience-mint"), bundle.environment("trulience")
    return Round(
        run(paths["bare"], handler("bare"), event, environment, WARM),
        run(paths["bare"], handler("bare"), event, environment | {"COUNTED": "yes"}, WARM),
        run(paths["trulience"], handler("trulience"), event, environment, WARM),
        {name: _cold(name, paths, bundle) for name in paths if name not in {"bare", "trulience"}},
    )


def _cold(name: str, paths: dict[str, list[Path]], bundle: Bundle) -> Timing:
    vendor = "trulience" if name == "bare" else name
    return run(
        paths[name], handler(name), bundle.event(EVENTS.get(vendor, f"{vendor}-mint")), bundle.environment(vendor), 1
    )


def _report(rounds: list[Round]) -> None:
    """Ratios of the cold start to the first answer; differences of the CPU time of later ones."""
    print(f"rounds                              {len(rounds)}")
    for name in TIMED:
        print(f"cold start, {name:8}                {_spread([getattr(r, name).cold * 1000 for r in rounds])} ms")
    print(f"cold start, ours / counted          {_spread([r.ours.cold / r.counted.cold for r in rounds], 2)}")
    for name in TIMED:
        print(
            f"CPU a mint, {name:8}                {_spread([getattr(r, name).warm_cpu * 1000 for r in rounds], 2)} ms"
        )
    print(
        f"CPU a mint, ours - bare             {_spread([(r.ours.warm_cpu - r.bare.warm_cpu) * 1000 for r in rounds], 2)} ms"
    )
    print(
        f"CPU a mint, ours - counted          {_spread([(r.ours.warm_cpu - r.counted.warm_cpu) * 1000 for r in rounds], 2)} ms"
    )

    for name in ("trulience", *rounds[0].cold):
        timed = [(r.cold.get(name, r.ours), r.bare) for r in rounds]
        seconds = [function.cold / bare.cold for function, bare in timed]
        cpu = [function.cold_cpu / bare.cold_cpu for function, bare in timed]
        print(f"cold start, {name:10} / bare       {_spread(seconds, 2)}; CPU {_spread(cpu, 2)}")


def handler(name: str) -> str:
    """What Lambda calls: the bare handler is a module, and each of ours a package."""
    return "app.handler" if name == "bare" else f"{name}.app.handler"


def _spread(values: list[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.{digits}f} / {middle:.{digits}f} / {high:.{digits}f} (min / median / max)"


def _paths(folder: Path, bundle: Bundle) -> dict[str, list[Path]]:
    """The import paths of all, in Lambda's order: function, layer, runtime. All with bytecode; the yardstick has it too."""
    runtime, site = folder / "runtime", folder / "site"
    _copy(RUNTIME, runtime)
    _copy(BARE, site)
    shutil.copy("bench/bare/app.py", site)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder], check=True
    )
    layer = BUILT / "MintingLayer" / "python"
    ours = {name: [BUILT / function.name, layer, runtime] for name, function in bundle.functions.items()}
    return {"bare": [site, runtime], **ours}


def _copy(names: list[str], target: Path) -> None:
    for name in names:
        for file in distribution(name).files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target / file)


if __name__ == "__main__":
    main()
