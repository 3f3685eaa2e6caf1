"""What CloudFormation says about the bundle's stack, for the operators' commands. moto takes 1.5 s to make one."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from werkzeug.wrappers import Request, Response

from local.seed import CREATORS
from local.template import Template

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SIGNED_FOR = "/cloudformation/aws4_request"
"""In the Authorization header of a request to CloudFormation."""


class Stack(NamedTuple):
    """parameters, outputs: by name. resources: logical id -> (type, physical id)."""

    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]


def describing(aws: "WSGIApplication", stacks: Mapping[str, Stack]) -> "WSGIApplication":
    """The stand-in for AWS, which also answers DescribeStacks and ListStackResources for `stacks`, by name."""

    @Request.application
    def answer(request: Request) -> Response:
        if SIGNED_FOR not in request.headers.get("Authorization", ""):
            return Response.from_app(aws, request.environ)
        request.environ["wsgi.input"] = BytesIO(request.get_data())  # moto reads it again
        action, stack = ACTIONS.get(request.form.get("Action", "")), stacks.get(request.form.get("StackName", ""))
        if action is None or stack is None:
            return Response.from_app(aws, request.environ)
        return Response(tostring(action(request.form["StackName"], stack)), content_type="text/xml")

    return answer


def stack_of(template: Template, given: Mapping[str, str], variables: Mapping[str, str], url: str) -> Stack:
    """The stack of a running bundle. given: its parameters. variables: of its functions, where the bundle sets them itself."""
    own = {name: variables[variable] for variable, name in _refs(template) if variable in variables}
    made = {name: (kind, template.attributes[name]["Ref"]) for kind in CREATORS for name in template.resources(kind)}
    return Stack(dict(given) | own, {"ApiUrl": url}, made)


def _refs(template: Template) -> Iterator[tuple[str, str]]:
    """Each environment variable that is a parameter, and the parameter."""
    for function in template.resources("AWS::Serverless::Function"):
        for name, value in template.properties(function).get("Environment", {}).get("Variables", {}).items():
            if isinstance(value, dict) and "Ref" in value:
                yield name, value["Ref"]


def _described(name: str, stack: Stack) -> Element:
    pairs = {"Parameter": stack.parameters, "Output": stack.outputs}
    members = {
        f"{kind}s": [{f"{kind}Key": key, f"{kind}Value": value} for key, value in of.items()]
        for kind, of in pairs.items()
    }
    status = {"StackName": name, "StackStatus": "CREATE_COMPLETE", "CreationTime": "2026-01-01T00:00:00Z"}
    return _result("DescribeStacks", "Stacks", [status | members])


def _listed(_: str, stack: Stack) -> Element:
    members = [
        {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": kind}
        for logical, (kind, physical) in stack.resources.items()
    ]
    return _result("ListStackResources", "StackResourceSummaries", members)


ACTIONS = {"DescribeStacks": _described, "ListStackResources": _listed}


def _result(action: str, name: str, members: list[dict[str, Any]]) -> Element:
    """An answer in AWS's query protocol."""
    answer = Element(f"{action}Response", xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/")
    _append(SubElement(answer, f"{action}Result"), {name: members})
    return answer


def _append(parent: Element, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        child = SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        else:
            for each in value:
                _append(SubElement(child, "member"), each)
