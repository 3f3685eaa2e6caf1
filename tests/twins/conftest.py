"""Running twins, and a client for them."""

from collections.abc import Iterator

import pytest
import requests

from local.twins.convai import ConvaiTwin
from local.twins.odyssey import OdysseyTwin
from local.twins.spatialgen import SpatialGenTwin
from local.twins.spatius import SpatiusTwin
from local.twins.trulience import TrulienceTwin
from local.twins.twin import Twin


def running[T: Twin](kind: type[T]) -> Iterator[T]:
    twin = kind()
    twin.start()
    yield twin
    twin.stop()


@pytest.fixture
def spatius() -> Iterator[SpatiusTwin]:
    yield from running(SpatiusTwin)


@pytest.fixture
def odyssey() -> Iterator[OdysseyTwin]:
    yield from running(OdysseyTwin)


@pytest.fixture
def spatialgen() -> Iterator[SpatialGenTwin]:
    yield from running(SpatialGenTwin)


@pytest.fixture
def convai() -> Iterator[ConvaiTwin]:
    yield from running(ConvaiTwin)


@pytest.fixture
def trulience() -> Iterator[TrulienceTwin]:
    yield from running(TrulienceTwin)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
