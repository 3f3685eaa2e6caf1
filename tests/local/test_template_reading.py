"""`local.template` reads a template as CloudFormation does."""

from pathlib import Path
from typing import Any

import pytest

from local.template import Template, read

TEXT = """
Parameters:
  Stage: {Type: String, Default: dev}
  Issuer: {Type: String}
  Origins: {Type: CommaDelimitedList, Default: "https://a.example, https://b.example"}
  Seconds: {Type: Number, Default: 5}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition IsDev]
  Either: !Or [!Condition IsProd, !Condition IsDev]
Globals:
  Function: {Timeout: 25}
Resources:
  Key: {Type: "AWS::SecretsManager::Secret", Properties: {Name: !Sub "${AWS::StackName}/key"}}
  Gone: {Type: "AWS::SecretsManager::Secret", Condition: IsProd}
  Kept: {Type: "AWS::SecretsManager::Secret", Condition: IsDev}
Try:
  ref: !Ref Issuer
  number: !Ref Seconds
  list: !Ref Origins
  long form: {Ref: Stage}
  pseudo: !Ref AWS::Region
  resource: !Ref Key
  attribute: !GetAtt Key.Arn
  attribute as a list: !GetAtt [Key, Arn]
  uncreated: !GetAtt Elsewhere.Arn
  sub: !Sub "${Stage}-${Key.Arn}-${!Stage}-${AWS::StackName}"
  sub with variables: !Sub ["${a}/${Stage}", {a: !Ref Issuer}]
  if: !If [IsProd, yes it is, !Ref Stage]
  either: !If [Either, 1, 2]
  both: !If [Both, 1, 2]
  join: !Join ["-", [a, !Ref Stage]]
  select: !Select [1, !Split [",", "a,b,c"]]
  no value: !If [IsProd, 1, !Ref AWS::NoValue]
  no member: [1, !Ref AWS::NoValue]
Unknown: !Base64 x
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    (tmp_path / "template.yaml").write_text(TEXT)
    template = Template(read(tmp_path / "template.yaml"), {"Issuer": "https://i.example", "AWS::StackName": "mint"})
    template.attributes["Key"] = {"Ref": "arn:key", "Arn": "arn:of-key"}
    return template


@pytest.fixture
def written(tmp_path: Path, template: Template) -> dict[str, Any]:
    return read(tmp_path / "template.yaml")


def test_intrinsic_functions_are_resolved(template: Template, written: dict[str, Any]) -> None:
    assert template.resolve(written["Try"]) == {
        "ref": "https://i.example",
        "number": "5",
        "list": ["https://a.example", "https://b.example"],
        "long form": "dev",
        "pseudo": "us-east-1",
        "resource": "arn:key",
        "attribute": "arn:of-key",
        "attribute as a list": "arn:of-key",
        "uncreated": "Elsewhere",
        "sub": "dev-arn:of-key-${Stage}-mint",
        "sub with variables": "https://i.example/dev",
        "if": "dev",
        "either": 1,
        "both": 2,
        "join": "a-dev",
        "select": "b",
        "no member": [1],
    }


def test_an_error_names_an_unsupported_intrinsic_function(template: Template, written: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Fn::Base64 is not supported here"):
        template.resolve(written["Unknown"])


def test_a_resource_whose_condition_is_false_is_absent(template: Template) -> None:
    assert template.resources("AWS::SecretsManager::Secret") == ["Key", "Kept"]


def test_a_given_parameter_wins_over_its_default(written: dict[str, Any]) -> None:
    template = Template(written, {"Stage": "prod"})
    assert template.resources("AWS::SecretsManager::Secret") == ["Key", "Gone"]
