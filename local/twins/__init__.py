"""The vendors' stand-ins, by vendor name: each module of this folder may hold one."""

from importlib import import_module
from pkgutil import iter_modules

from local.twins.twin import Twin

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)

TWINS: dict[str, type[Twin]] = {twin.vendor: twin for twin in Twin.__subclasses__()}
