"""`make configure` on the terminal: what it asks, and what it makes of the answers."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from local.issuer import Issuer
from tools import stages
from tools.configure.__main__ import main

type Typed = Callable[..., None]

SKIP = ""


def first_run(issuer: Issuer) -> list[str]:
    """Region, vendors, who, issuer, audience, claims, three of the sign-in, no token, Convai, e-mail, operation."""
    return ["eu-west-1", "convai", "other", issuer.url, "my-app", SKIP, SKIP, SKIP, SKIP, SKIP, "no", SKIP, "no"]


def test_the_answers_make_a_stage(root: Path, issuer: Issuer, typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed(*first_run(issuer))
    main(["--stage", "prod"], root)
    stage = stages.read("prod", root)
    deployed = {name for name, value in stage.parameters.items() if name.startswith("Deploy") and value == "true"}
    assert deployed == {"DeployConvai"}
    assert (stage.region, stage.parameters["JwtIssuer"], stage.parameters["JwtAudience"]) == (
        "eu-west-1",
        issuer.url,
        "my-app",
    )
    told = capsys.readouterr().out
    assert "The issuer answers, with 1 RSA key." in told
    assert "sam deploy --config-env prod\n  make set-key VENDOR=convai STAGE=prod\n  make smoke STAGE=prod" in told


def test_of_a_vendor_that_is_not_wanted_nothing_is_asked(
    root: Path, issuer: Issuer, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(*first_run(issuer))
    main(["--stage", "prod"], root)
    told = capsys.readouterr().out
    assert "ConvaiPerDay=2000" in told
    assert "LiveKit" not in told.partition("Who signs")[2]
    assert "Spatius" not in told.partition("Who signs")[2]


def test_a_second_run_with_enter_alone_changes_nothing(root: Path, issuer: Issuer, typed: Typed) -> None:
    typed(*first_run(issuer))
    main(["--stage", "prod"], root)
    before = {file: (root / file).read_text() for file in ("stages/prod.yaml", "samconfig.toml")}
    typed(*[SKIP] * 12)
    main(["--stage", "prod"], root)
    assert {file: (root / file).read_text() for file in before} == before


def test_a_dash_empties_a_value_and_a_limit_is_asked_on_request(root: Path, issuer: Issuer, typed: Typed) -> None:
    typed(*first_run(issuer))
    main(["--stage", "prod"], root)
    main(["--stage", "prod", "--set", "AlarmEmail=a@b.example"], root)
    convai = ["yes", SKIP, "20", SKIP, "0", "500"]  # its URL, an hour, a day of one caller, a wrong day, a day
    typed(*[SKIP] * 9, *convai, "-", "no")
    main(["--stage", "prod"], root)
    after = stages.read("prod", root).parameters
    assert (after["ConvaiCallerPerHour"], after["ConvaiPerDay"], after["AlarmEmail"]) == ("20", "500", "")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["Ireland"], "Region must be one such as eu-west-1"),
        (["eu-west-1", "convay"], "There is no vendor convay. There are: spatius, odyssey"),
        (["eu-west-1", ""], "Deploy at least one vendor."),
        (["eu-west-1", "convai", "okta"], "Answer one of cognito, firebase"),
        (["eu-west-1", "convai", "firebase", "my project"], "Answer one word"),
        (["eu-west-1", "convai", "7", "http://a.example"], "must be an https:// URL"),
    ],
)
def test_a_wrong_answer_is_told_and_asked_again_and_a_closed_input_writes_nothing(
    root: Path, typed: Typed, capsys: pytest.CaptureFixture[str], wrong: list[str], told: str
) -> None:
    typed(*wrong)
    with pytest.raises(SystemExit) as end:
        main(["--stage", "prod"], root)
    assert str(end.value.code).strip().startswith("configure: the input ended, so nothing was written")
    printed = " ".join(capsys.readouterr().out.split())
    assert told in printed
    assert not (root / "stages").exists()


def test_an_issuer_that_cannot_be_reached_is_asked_again(
    root: Path, typed: Typed, capsys: pytest.CaptureFixture[str], nowhere: str
) -> None:
    typed("eu-west-1", "convai", "7", nowhere)
    with pytest.raises(SystemExit):
        main(["--stage", "prod"], root)
    assert "cannot be reached. API Gateway would refuse" in " ".join(capsys.readouterr().out.split())


def test_an_input_that_is_no_text_writes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8"))
    with pytest.raises(SystemExit, match="the input is not in UTF-8, so nothing was written"):
        main(["--stage", "prod"], root)


def test_ctrl_c_writes_nothing_and_prints_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    with pytest.raises(SystemExit, match="configure: stopped, and nothing was written"):
        main(["--stage", "prod"], root)
    assert not (root / "stages").exists()


def test_livekit_is_not_left_without_its_url(
    root: Path, issuer: Issuer, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["eu-west-1", "livekit", *first_run(issuer)[2:10]]
    typed(*start, SKIP, "wss://x.livekit.cloud", *[SKIP] * 4, "no", SKIP, "no")
    main(["--stage", "prod"], root)
    assert stages.read("prod", root).parameters["LiveKitUrl"] == "wss://x.livekit.cloud"
    assert "LiveKit needs LiveKitUrl." in capsys.readouterr().out


def test_firebase_needs_the_project_alone(root: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.discovery.keys", lambda _: {"1": None})
    typed("eu-west-1", "convai", "firebase", "my-project", *[SKIP] * 7, "no", SKIP, "no")
    main(["--stage", "prod"], root)
    after = stages.read("prod", root).parameters
    assert after["JwtIssuer"] == "https://securetoken.google.com/my-project"
    assert (after["JwtAudience"], after["RequiredClaims"]) == ("my-project", "email_verified=true")


def test_a_pasted_token_is_tried_and_is_neither_printed_nor_written(
    root: Path, issuer: Issuer, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    good, guest = issuer.token("alice", email_verified=True), issuer.token("bob", email_verified=False)
    start = first_run(issuer)
    start[5] = "email_verified=true"
    typed(*start[:9], guest, good, *start[9:])
    main(["--stage", "prod"], root)
    printed = capsys.readouterr()
    told = " ".join(printed.out.split())
    assert "It would be refused, 403: This deployment requires the claim email_verified=true, not 'false'" in told
    assert f"The caller is sub 'alice' of {issuer.url}." in told
    everything = printed.out + printed.err + "".join(file.read_text() for file in root.rglob("*") if file.is_file())
    assert not [part for token in (good, guest) for part in token.split(".")[1:] if part in everything]
