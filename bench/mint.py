"""Cold start, warm CPU and memory of every function, beside bare boto3 + requests and bundled Node, in turn, in one run.

All of them reach AWS and the vendor over TLS. `counted` is the bare handler with one conditional write to DynamoDB, the
least that any limit needs. Node has no limits. The bare handler starts before each of the others, and ratios are taken of
both: the machine's speed drifts, they much less. Needs `make build` and Node 20. Usage: python -m bench.mint [ROUNDS]
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distribution
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import certifi

from bench import tls
from bench.runtime import Program, Timing, python, run
from local.bundle import Bundle

BUILT = Path(".aws-sam/build").resolve()
AWS = ["boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"]
RUNTIME = ["awslambdaric", "simplejson", "snapshot-restore-py", *AWS]
BARE = ["requests", "certifi", "idna", "charset-normalizer", "urllib3"]
NODE = Path("bench/node").resolve()
WARM = {"bare": 60, "counted": 60, "node": 60, "trulience": 60}
"""How often these are asked again. Others are asked twice."""
EVENTS = {"spatialgen": "spatialgen-lease", "catalogue": "catalogue-list"}
"""Where a function has no event called mint."""
PLENTY = dict.fromkeys(("CALLER_PER_HOUR", "VENDOR_PER_DAY", "ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"), "1000000")


class Pair(NamedTuple):
    """One row, and the bare handler just before it."""

    own: Timing
    bare: Timing


type Round = dict[str, Pair]
"""All rows, one after the other."""


class Row(NamedTuple):
    """What is timed, and the event that it gets."""

    program: Program
    event: str


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 13
    with Bundle(given=PLENTY) as bundle, _rows(bundle) as rows:
        _round(rows, bundle)  # the first one reads the files from the disk
        timed = [_round(rows, bundle) for _ in range(rounds)]
    _report(timed)
    _judge(timed)


def _round(rows: dict[str, Row], bundle: Bundle) -> Round:
    for twin in bundle.twins.values():
        twin.reset()  # a session's slot is free again
    timed = {}
    for name, row in rows.items():
        bare = run(rows["bare"].program, bundle.event(rows["bare"].event), 1)
        timed[name] = Pair(run(row.program, bundle.event(row.event), WARM.get(name, 1)), bare)
    return timed


@contextmanager
def _rows(bundle: Bundle) -> Iterator[dict[str, Row]]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        environments = {name: bundle.environment(name) for name in bundle.functions}
        ports = exits.enter_context(tls.fronts(folder, environments.values()))
        yield _programs(folder, {name: tls.secured(each, ports) for name, each in environments.items()})


def _programs(folder: Path, environments: dict[str, dict[str, str]]) -> dict[str, Row]:
    """All rows. Import paths are in Lambda's order: function, layer, runtime. All have bytecode, the yardstick too."""
    site, runtime, layer = folder / "site", folder / "runtime", folder / "layer"
    _copy(RUNTIME, runtime)
    _copy(BARE, site)
    shutil.copy("bench/bare/app.py", site)
    _trust(folder, site, layer)
    for each in (site, runtime):
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", each], check=True
        )
    bare = environments["trulience"]
    node = ["node", str(NODE / "runtime.mjs"), str(NODE / "dist/index.cjs")]
    rows = {
        "bare": Row(python([site, runtime], "app.handler", bare), "trulience-mint"),
        "counted": Row(python([site, runtime], "app.handler", bare | {"COUNTED": "yes"}), "trulience-mint"),
        "node": Row(
            Program(node, NODE, bare | {"NODE_EXTRA_CA_CERTS": str(folder / "ca.pem"), "NODE_NO_WARNINGS": "1"}),
            "trulience-mint",
        ),
    }
    for name, environment in sorted(environments.items(), key=lambda each: each[0] != "trulience"):  # beside Node
        path = [BUILT / f"{_folder(name)}Function", layer, runtime]
        rows[name] = Row(python(path, f"{name}.app.handler", environment), EVENTS.get(name, f"{name}-mint"))
    return rows


def _folder(name: str) -> str:
    """The beginning of the function's name in template.yaml, such as LiveKit."""
    return next(
        each.name.removesuffix("Function") for each in BUILT.glob("*Function") if each.name.lower() == f"{name}function"
    )


def _trust(folder: Path, site: Path, layer: Path) -> None:
    """Adds the run's authority to the roots of the bare handler and to those of the layer, as the layer's build does it."""
    roots = site / "certifi/cacert.pem"
    roots.write_text(Path(certifi.where()).read_text() + (folder / "ca.pem").read_text())
    shutil.copytree(BUILT / "MintingLayer/python", layer)
    shutil.rmtree(layer / "minting/roots")
    subprocess.run([sys.executable, "layers/minting/roots.py", roots, layer / "minting/roots"], check=True)


def _copy(names: list[str], target: Path) -> None:
    for name in names:
        for file in distribution(name).files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target / file)


def _report(rounds: list[Round]) -> None:
    print(f"{len(rounds)} rounds; median, and quartiles in brackets")
    print(f"{'':12}{'cold start':>18}{'/ bare':>20}{'CPU / bare':>20}{'peak':>10}{'CPU a later mint':>24}")
    for name in rounds[0]:
        row = [each[name].own for each in rounds]
        cpu = [each[name].own.cold_cpu / each[name].bare.cold_cpu for each in rounds]
        warm = _spread([each.warm_cpu * 1000 for each in row], 2) + " ms" if name in WARM else ""
        print(
            f"{name:12}{_spread([each.cold * 1000 for each in row], 0) + ' ms':>18}"
            f"{_spread(_to_bare(rounds, name), 2):>20}{_spread(cpu, 2):>20}"
            f"{max(each.peak for each in row):>7.0f} MB{warm:>24}"
        )


def _judge(rounds: list[Round]) -> None:
    """What is asked of this version, and whether the run shows it."""
    ours = [name for name in rounds[0] if name not in {"bare", "counted", "node"}]
    to_node = [each["trulience"].own.cold / each["node"].own.cold for each in rounds]
    warm = [each["trulience"].own.warm_cpu / each["counted"].own.warm_cpu for each in rounds]
    claims = [
        ("Trulience's cold start / bare", median(_to_bare(rounds, "trulience")), 0.55),
        ("Trulience's cold start / Node", median(to_node), 1.0),
        ("the slowest function's cold start / bare", max(median(_to_bare(rounds, name)) for name in ours), 0.65),
        ("the most memory, MB", max(each[name].own.peak for each in rounds for name in ours), 40),
        ("Trulience's warm CPU / counted", median(warm), 1.0),
    ]
    for claim, figure, most in claims:
        print(f"{claim:45}{figure:6.2f}, at most {most:<5} {'yes' if figure <= most else 'NO'}")


def _to_bare(rounds: list[Round], name: str) -> list[float]:
    return [each[name].own.cold / each[name].bare.cold for each in rounds]


def _spread(values: list[float], digits: int) -> str:
    low, middle, high = quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


if __name__ == "__main__":
    main()
