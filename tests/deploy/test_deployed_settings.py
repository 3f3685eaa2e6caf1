"""What is changed in a stack that is there: it holds as soon as the deploy command returns."""

from typing import TYPE_CHECKING

import pytest

from tests.deploy.machine import blocks

if TYPE_CHECKING:
    from tests.deploy.stack import Stack


@pytest.fixture
def changed(any_stack: "Stack") -> "Stack":
    """After a second deploy, with other settings than the first."""
    changes = {"ConvaiCallerPerHour": "2", "TrulienceAvatarIds": "another-avatar", "MemorySize": "1024"}
    if any_stack.differs(**changes):
        any_stack.ensure()
        any_stack.ensure(**changes)
    return any_stack


def test_a_lower_limit_holds_at_once(changed: "Stack") -> None:
    assert [changed.mint("convai", "gail").status for _ in range(4)] == [201, 201, 429, 429]
    assert changed.mint("convai", "gwen").status == 201


def test_a_sign_in_without_the_required_scope_or_claims_is_refused_at_once(any_stack: "Stack") -> None:
    any_stack.ensure(RequiredScope="avatars", RequiredClaims="email_verified=true,provider_id!=anonymous")
    user = {"email_verified": True, "provider_id": "password"}

    def mint(**claims: object) -> tuple[int, str]:
        answer = any_stack.mint_with("convai", any_stack.token("gail", **claims))
        return answer.status, answer.body.get("code") or answer.body.get("message", "")

    assert mint(**user) == (403, "Forbidden")
    assert mint(scope="avatars") == (403, "not_allowed")
    assert mint(scope="avatars", **user | {"provider_id": "anonymous"}) == (403, "not_allowed")
    assert mint(scope="email avatars", **user) == (201, "")


def test_an_avatar_that_was_taken_off_the_list_is_refused_at_once(changed: "Stack") -> None:
    refused = changed.mint("trulience", "gail")
    assert (refused.status, refused.body["code"]) == (403, "not_allowed")


def test_the_called_functions_have_the_new_memory_at_once(changed: "Stack") -> None:
    assert {function["MemorySize"] for function in changed.functions().values()} == {1024}


def test_a_changed_layer_runs_at_once(stack: "Stack") -> None:
    """The change stays in the copy of the sources: no other story looks at this metric."""
    audit = stack.machine.sources / "layers/minting/minting/audit.py"
    source = audit.read_text()
    assert '"vendor_duration"' in source
    audit.write_text(source.replace('"vendor_duration"', '"changed_duration"'))
    stack.build_and_deploy()
    stack.mint("convai", "hugh")
    assert "changed_duration" in {datum.name for datum in stack.data()}


def test_a_deploy_of_nothing_new_is_no_failure(stack: "Stack") -> None:
    done = stack.deploy()
    assert "No changes to deploy" in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_a_deploy_that_names_some_parameters_keeps_the_others(stack: "Stack") -> None:
    """And empties a list, and keeps a space in a name, as docs/operating.md says."""
    changes = {"TrulienceAvatarIds": "", "SpatialGenFolders": "My Folder,Other"}
    documented = blocks("docs/operating.md", "Change a setting")[-1]
    stack.machine.shell(documented, stdin="y\n")
    assert stack.parameters() == stack.everything | changes
    variables = stack.function("spatialgen")["Environment"]["Variables"]
    assert variables["SPATIALGEN_FOLDERS"] == "My Folder,Other"


def test_a_list_that_lambda_has_no_room_for_is_refused_before_anything_is_changed(stack: "Stack") -> None:
    before = stack.describe()
    done = stack.deploy(TrulienceAvatarIds=",".join(["4386676996480451678"] * 100))
    assert done.returncode == 1
    assert "TrulienceAvatarIds" in done.stderr
    assert "must be at most" in done.stderr
    assert stack.describe() == before


def test_an_issuer_that_cannot_be_reached_fails_the_deploy_and_the_routes_stay(stack: "Stack") -> None:
    before = stack.routes()
    done = stack.deploy(JwtIssuer="https://localhost:9/nobody")
    assert done.returncode == 1
    assert "Invalid issuer" in " ".join(done.stdout.split())
    assert [route["RouteKey"] for route in stack.routes()] == [route["RouteKey"] for route in before]
    assert stack.mint("convai", "hal").status == 201
