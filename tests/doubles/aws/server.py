"""An AWS of a test's own, in a process of its own."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
import httpx
from botocore.config import Config

from tests.doubles.aws.gate import ADMIN
from videogen import project, stack_outputs
from videogen.secret import Secret

REGION = "eu-central-1"
BIN = Path(__file__).parent / "bin"
"""On PATH, Pulumi finds the stand-in plugin here."""


class AwsServer:
    """S3, SQS, IAM and STS; the test's own key may do everything, others what their policies say."""

    def __enter__(self) -> "AwsServer":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.aws"],
            cwd=project.root(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)

    @property
    def environment(self) -> dict[str, str]:
        """What leads every SDK of AWS here, as the account's owner."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ADMIN,
            "AWS_SECRET_ACCESS_KEY": "the-owner-keeps-this",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_RETRY_MODE": "standard",
        }

    def client(self, service: str, access: stack_outputs.StoreAccess | None = None) -> Any:
        """A client of boto3, with the owner's keys or others; nothing is tried twice."""
        keys = access or stack_outputs.StoreAccess(key=Secret(ADMIN), secret=Secret("the-owner-keeps-this"))
        return boto3.session.Session().client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=keys.key.reveal(),
            aws_secret_access_key=keys.secret.reveal(),
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def refuse(self, action: str, code: str, *, status: int = 400, times: int = 1000) -> None:
        """The next requests of an action, such as `sqs:CreateQueue`, are refused."""
        self._control("faults", [{"action": action, "code": code, "status": status, "times": times}])

    def behave(self) -> None:
        """No more faults."""
        self._control("faults", [])

    def seen(self) -> list[str]:
        """Every action that was asked for, in order."""
        found: list[str] = httpx.get(f"{self.url}/_control/seen", timeout=10, trust_env=False).json()
        return found

    def _control(self, what: str, said: Any) -> None:
        httpx.post(f"{self.url}/_control/{what}", json=said, timeout=10, trust_env=False).raise_for_status()
