"""The vendors' stand-ins. A module of this folder may hold one."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from local.twins.twin import Twin


@cache
def twins() -> dict[str, type[Twin]]:
    """Every twin, by vendor name. Imports the modules of this folder."""
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return {twin.vendor: twin for twin in Twin.__subclasses__()}
