"""What CloudFormation makes of template.yaml: run by the SAM CLI's own Python, prints the transformed template as JSON."""

import json
import sys
from pathlib import Path

from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]

POLICIES = {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}


def main(path: str) -> None:
    document = yaml_parse(Path(path).read_text())
    for resource in document["Resources"].values():
        for source in {"CodeUri", "ContentUri"} & resource["Properties"].keys():
            resource["Properties"][source] = "s3://uploaded/by-sam-deploy"
    sys.stdout.write(json.dumps(Translator(POLICIES, Parser()).translate(document, {})))


if __name__ == "__main__":
    main(sys.argv[1])
