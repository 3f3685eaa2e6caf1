"""The project's own sign-in and vendors, behind TLS."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from local import parameters
from local.issuer import Issuer
from local.twins import twins

if TYPE_CHECKING:
    from tests.deploy.tls import Fronts


class StandIns:
    """A context manager. issuer: signs callers in. twins: by vendor.

    urls: of the vendors, by the environment variable that a function reads.
    """

    def __init__(self, fronts: "Fronts") -> None:
        self._fronts = fronts
        self.issuer = Issuer(parameters.AUDIENCE)
        self.urls: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self.issuer.start()
            exits.callback(self.issuer.stop)
            self.issuer.url = self._fronts.url(self.issuer.url)
            self.twins = {name: make() for name, make in twins().items()}
            for twin in self.twins.values():
                twin.start()
                exits.callback(twin.stop)
                self.urls |= {name: self._fronts.url(url) for name, url in twin.environment().items()}
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def url_parameters(self, template: dict[str, Any]) -> dict[str, str]:
        """The template's parameters with which the functions call the stand-ins."""
        refs = _refs(template)
        return {refs[variable]: url for variable, url in self.urls.items()}


def _refs(template: dict[str, Any]) -> dict[str, str]:
    """The parameter of each environment variable that is one."""
    functions = [resource.get("Properties", {}) for resource in template["Resources"].values()]
    variables = [function.get("Environment", {}).get("Variables", {}) for function in functions]
    return {
        name: value["Ref"]
        for environment in variables
        for name, value in environment.items()
        if isinstance(value, dict) and "Ref" in value
    }
