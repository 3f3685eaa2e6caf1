"""One emulated AWS, one operator's machine and the vendors' stand-ins for all stories.

A deploy takes seconds, so the stories share a stack. Each story names the state that it needs, and `Stack.ensure` deploys
only the difference. So every story passes alone and in any order.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.template import read
from tests.deploy.aws import Emulator
from tests.deploy.machine import ROOT, Machine
from tests.deploy.stack import Json, Stack
from tests.deploy.stand_ins import StandIns
from tests.deploy.tls import Fronts


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deploy")


@pytest.fixture(scope="session")
def template() -> Json:
    return read(ROOT / "template.yaml")


@pytest.fixture(scope="session")
def fronts(folder: Path) -> Iterator[Fronts]:
    with Fronts(folder) as fronts:
        yield fronts


@pytest.fixture(scope="session")
def stand_ins(fronts: Fronts) -> Iterator[StandIns]:
    with StandIns(fronts) as stand_ins:
        yield stand_ins


@pytest.fixture(scope="session")
def emulator(folder: Path, fronts: Fronts) -> Iterator[Emulator]:
    with Emulator(folder, fronts.certificate) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def machine(folder: Path, emulator: Emulator, fronts: Fronts) -> Machine:
    """With the sources built."""
    machine = Machine(folder, emulator.url, fronts.certificate)
    machine.must("sam", "build")
    return machine


@pytest.fixture(scope="session")
def any_stack(machine: Machine, emulator: Emulator, stand_ins: StandIns, template: Json) -> Stack:
    """In any state, or not there."""
    return Stack(machine, emulator, stand_ins, template)


@pytest.fixture
def stack(any_stack: Stack) -> Stack:
    """Every vendor deployed, with a key."""
    any_stack.ensure()
    return any_stack
