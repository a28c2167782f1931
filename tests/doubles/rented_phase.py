"""A checkout whose `prod` is an S3 server of this machine and whose `phase-c` rents from the fake RunPod."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.doubles.runpod import FakeRunpod
from tests.doubles.s3_server import S3Server
from tests.infra.conftest import Checkout
from videogen import manifest as models
from videogen import mirror, project
from videogen.clouds.runpod import RunpodCloud
from videogen.ending import BILL_SETTLED
from videogen.pace import Pace
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret

MANIFEST = "models_manifest.dev.yaml"
PHASE = {
    "gpus": "[{gpu: A100-40GB, dollars_per_hour: 9}, {gpu: L40S, dollars_per_hour: 1.40}]",
    "workers": "1",
    "image": "me/video-gen-worker:1",
    "manifest": MANIFEST,
    "workflows": "[wan22-i2v]",
    "lease": "{total: 60, idle: 30, boot: 1}",
    "rent": "{creates: 2, wait: 0}",
    "cap": "{run: 3, month: 10}",
}


class RentedPhase(Checkout):
    """Stacks `prod` and `phase-c`; everything that RunPod needs is in the environment."""

    def __init__(self, folder: Path, s3: S3Server, runpod: FakeRunpod) -> None:
        super().__init__(folder)
        self.s3, self.runpod = s3, runpod
        self.environment |= runpod.environment
        place = s3.place
        self.set("prod", "foundation", "s3")
        self.set("prod", "store", json.dumps(place.model_dump()))
        for key, value in PHASE.items():
            self.set("phase-c", key, value)

    def found(self) -> None:
        """Brings up `prod`, with the models in its bucket."""
        self.init("prod")
        self.init("phase-c")
        keys = {"key": self.s3.access.key.reveal(), "secret": self.s3.access.secret.reveal()}
        said = self.pulumi("config", "set", "--secret", "videogen:storeAccess", json.dumps(keys), stack="prod")
        assert said.returncode == 0, said.stdout
        text = (self.folder / MANIFEST).read_text()
        mirror.mirror(text, models.parse(text, MANIFEST), self.s3.store(), project.root())
        done = self.pulumi("up", "--yes", "--skip-preview", stack="prod")
        assert done.returncode == 0, done.stdout

    def phase(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`pulumi up` of `phase-c`, or what the words say."""
        verb = words or ("up",)
        sure = () if verb[0] == "preview" else ("--yes", "--skip-preview")
        return self.pulumi(*verb, *sure, stack="phase-c")

    def exports(self) -> dict[str, Any]:
        """What `phase-c` exports, secrets in clear."""
        done = self.pulumi("stack", "output", "--json", "--show-secrets", "--stack", "phase-c")
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def settle(self) -> None:
        """Hours later the bill is whole, and what waited for it is closed."""
        cloud = RunpodCloud(RunpodApi(self.runpod.url, Secret(self.runpod.key)), self.s3.place)
        pace = Pace(clock=lambda: datetime.now(UTC) + BILL_SETTLED)
        for rent in self.books().open_rents():
            assert rent.unbilled, rent
            assert Renter(cloud, self.books(), by="test", pace=pace).closed(rent)

    def books(self) -> Receipts:
        """Records and receipts in the bucket, without those that only one machine has."""
        return Receipts(self.folder / "nowhere", self.s3.store())
