"""AWS runs the SAM transform with the parameters' values, ministack with none; SAM needs them, for one in CorsConfiguration.

SAM resolves `Ref` of a parameter itself: Translator.translate in samtranslator/translator/translator.py.
"""

from typing import Any

import samtranslator.translator.transform as sam  # type: ignore[import-not-found]
from ministack.services.cloudformation import (  # type: ignore[import-not-found]
    changesets,
    engine,
    handlers,
    provisioners,
    stacks,
)

type Json = dict[str, Any]


def mend() -> None:
    values: dict[str, str] = {}
    transform, apply_transforms = sam.transform, engine._apply_transforms

    def transform_with_values(document: Json, _: Json, loader: Any) -> Any:
        return transform(document, dict(values), loader)

    def apply_with_values(template: Json, provided: Any = None, previous: Any = None) -> Any:
        values.clear()
        values.update(engine._transform_parameters(template, provided, previous))
        return apply_transforms(template, provided, previous)

    sam.transform = transform_with_values
    for module in (engine, handlers, changesets, stacks, provisioners):  # those that imported it by its name
        if hasattr(module, "_apply_transforms"):
            module._apply_transforms = apply_with_values
