"""What CloudFormation makes of template.yaml: run by the SAM CLI's own Python.

Standard input is a JSON list of deploys: {"code": ..., "parameters": {...}}, where `code` names what `sam deploy` has uploaded,
the layer included. Prints the transformed template of each, as a JSON list.
"""

import json
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]

POLICIES = {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}


def transform(template: str, code: str, parameters: dict[str, str]) -> Any:
    document = yaml_parse(template)
    document["Globals"]["Function"]["CodeUri"] = f"s3://uploaded/{code}"
    document["Resources"]["MintingLayer"]["Properties"]["ContentUri"] = f"s3://uploaded/{code}"
    return Translator(POLICIES, Parser()).translate(document, parameters)


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text()
    json.dump([transform(text, **deploy) for deploy in json.load(sys.stdin)], sys.stdout)
