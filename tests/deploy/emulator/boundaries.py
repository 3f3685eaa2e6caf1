"""Permissions boundaries of roles: ministack drops them from AWS::IAM::Role, and its policy simulator knows none.

AWS::IAM::Role, PermissionsBoundary: "The ARN of the policy used to set the permissions boundary for the role."
SimulatePrincipalPolicy, PermissionsBoundaryPolicyInputList: "if a permissions boundary is attached to an entity and you pass
in a different permissions boundary policy using this parameter, then the new permissions boundary policy is used for the
simulation", so without one the attached boundary is.
"""

from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator  # type: ignore[import-not-found]
from ministack.services import iam  # type: ignore[import-not-found]
from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

type Json = dict[str, Any]


def mend() -> None:
    handler = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    handler |= {"create": _bounded(handler["create"], 1), "update": _bounded(handler["update"], 2)}
    iam_evaluator.evaluate = _evaluate_within_the_boundary(iam_evaluator.evaluate)


def _bounded(make: Callable[..., Any], properties: int) -> Callable[..., Any]:
    """`make` and then sets the role's boundary. properties: the place of the role's new properties in the arguments."""

    def make_bounded(*args: Any, **kwargs: Any) -> Any:
        made = make(*args, **kwargs)
        iam._roles[made[0]]["PermissionsBoundary"] = args[properties].get("PermissionsBoundary")
        return made

    return make_bounded


def _evaluate_within_the_boundary(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """A simulation is the one evaluation for the ARN of a role; a request is for the ARN of an assumed role."""

    def evaluate_within_the_boundary(context: Any, policies: Any, *limits: Any) -> Any:
        _, _, role = context.principal_arn.partition(":role/")
        if role:
            limits = (*limits, *iam_evaluator._permissions_boundary(iam._roles, role, context.principal_account))
        return evaluate(context, policies, *limits)

    return evaluate_within_the_boundary
