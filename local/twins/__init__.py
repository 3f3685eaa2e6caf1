"""The vendors' stand-ins, by vendor name."""

from local.twins.convai import ConvaiTwin
from local.twins.odyssey import OdysseyTwin
from local.twins.spatialgen import SpatialGenTwin
from local.twins.spatius import SpatiusTwin
from local.twins.trulience import TrulienceTwin
from local.twins.twin import Twin

TWINS: dict[str, type[Twin]] = {
    twin.vendor: twin for twin in (SpatiusTwin, OdysseyTwin, SpatialGenTwin, ConvaiTwin, TrulienceTwin)
}
