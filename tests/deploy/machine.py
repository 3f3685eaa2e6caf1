"""The operator's machine: a copy of the sources, the SAM CLI, the AWS CLI, and an account in the emulator."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
NOT_KEPT = ("AWS_", "SAM_CLI_", "PYTHONPATH", "VIRTUAL_ENV", "MAKE", "MFLAGS")
"""What the names of variables begin with that are meant for real AWS, or for this process."""

LONGEST = 300
"""Seconds that a command may take."""

BIN = (ROOT / ".venv-sam/bin", ROOT / ".venv-deploy/bin")


TRUST = ROOT / "tests/deploy/emulator/trust/sitecustomize.py"


class CommandError(Exception):
    """A command that a story cannot go on without. `args` are what it was and what it printed."""


class Machine:
    """folder: gets the copy of the sources, with the installed packages. endpoint: the emulator's URL.

    certificate: what the commands trust besides certifi's roots.
    """

    def __init__(self, folder: Path, endpoint: str, certificate: Path) -> None:
        self.sources = folder / "sources"
        self.endpoint = endpoint
        self.environment = environment(folder) | {
            "AWS_ENDPOINT_URL": endpoint,
            "DEPLOY_CHECK_CERTIFICATE": str(certificate),
        }
        _copy_sources(self.sources)
        (self.sources / ".venv").symlink_to(ROOT / ".venv")
        shutil.copy(TRUST, self.sources)  # so that the commands trust the vendors' stand-ins, as the functions do

    def run(self, *command: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the sources; it has no terminal."""
        return subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd=self.sources,
            env=self.environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )

    def must(self, *command: str, stdin: str = "", **variables: str) -> str:
        """What the command prints. Raises CommandError."""
        done = self.run(*command, stdin=stdin, **variables)
        if done.returncode:
            raise CommandError(" ".join(command), done.stdout[-3000:] + done.stderr[-3000:])
        return done.stdout

    def shell(self, script: str, stdin: str = "", **variables: str) -> str:
        """Runs lines of a document. Raises CommandError as soon as one of them fails."""
        return self.must("bash", "-euo", "pipefail", "-c", script, stdin=stdin, **variables)


def environment(folder: Path) -> dict[str, str]:
    """Variables with which no profile, credentials or AWS settings of this machine are used."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_KEPT)}
    return kept | {
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "NO_PROXY": f"127.0.0.1,localhost,{os.environ.get('NO_PROXY', '')}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",
        "PATH": os.pathsep.join([*map(str, BIN), os.environ["PATH"]]),
    }


def blocks(page: str, heading: str) -> list[str]:
    """The shell commands below a heading of a page, one text for each block."""
    text = (ROOT / page).read_text()
    section = re.split(r"^#+ ", text, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    return re.findall(r"^```sh\n(.*?)^```$", found, re.MULTILINE | re.DOTALL)


def _copy_sources(target: Path) -> None:
    """The working tree as it is, committed or not, without what git ignores."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
