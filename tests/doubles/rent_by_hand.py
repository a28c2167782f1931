"""What Pulumi's plugin would do, in a few lines, for a `tests.doubles.pulumi_double` on a fake RunPod.

`python -m tests.doubles.rent_by_hand up|destroy FOLDER`: `up` writes down and plants a pod for each worker in
`FOLDER/outputs.json` and puts them into `FOLDER/state.json`; `destroy` ends each machine of the stack, with a receipt.
The environment has what `FakeRunpod.environment` says, and `FAKE_RUNPOD_CONTROL`.
"""

import json
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx

from tests.doubles.pulumi_double import EMPTY
from videogen import project, stack, tag
from videogen.clouds.choose import choose
from videogen.money import Cap
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.rent_record import RentRecord
from videogen.stack_outputs import StackOutputs
from videogen.store import Store

GPU = "NVIDIA H100 80GB HBM3"


def main() -> None:
    """Carries out the verb."""
    verb, folder = sys.argv[1], Path(sys.argv[2])
    outputs = stack.read_file(folder / "outputs.json")
    books = Receipts(project.state(outputs.stack), Store(outputs.store, outputs.store_access))
    if verb == "up":
        _up(folder, outputs, books)
        return
    cloud = choose("runpod", outputs.stack, outputs.store)
    for machine in cloud.machines(outputs.stack):
        Renter(cloud, books, by="pulumi").end(machine, "destroyed")
    (folder / "state.json").write_text(json.dumps(EMPTY))


def _up(folder: Path, outputs: StackOutputs, books: Receipts) -> None:
    owner = tag.owner(outputs.store)
    cloud = choose("runpod", outputs.stack, outputs.store)
    resources = []
    for worker in outputs.workers:
        record = RentRecord(
            machine=worker.name,
            cloud="runpod",
            owner=owner,
            stack=outputs.stack,
            slot="1",
            phase=outputs.phase,
            run=os.environ["VIDEOGEN_RUN"],
            batch=os.environ["VIDEOGEN_BATCH"],
            gpu="H100-80GB",
            dollars_per_hour=Decimal(worker.dollars_per_hour),
            rented=datetime.now(UTC),
            lease_minutes=float(os.environ["VIDEOGEN_RUN_MINUTES"]),
            boot_minutes=1,
            cap=Cap(run=Decimal(os.environ["VIDEOGEN_RUN_CAP"]), month=Decimal(400)),
        )
        books.open(record)
        pod = {"name": tag.tagged(owner, worker.name), "env": {"VIDEOGEN_WORKER": worker.name}, "gpu": GPU}
        control = os.environ["VIDEOGEN_RUNPOD_URL"].removesuffix("/v2") + "/_control/plant"
        headers = {"Authorization": f"Bearer {os.environ['FAKE_RUNPOD_CONTROL']}"}
        made = httpx.post(control, json=pod, headers=headers).raise_for_status().json()
        machine = cloud.get(worker.name)
        assert machine
        books.open(record.model_copy(update={"id": machine.id, "dollars_per_hour": machine.dollars_per_hour}))
        resources.append(
            {"type": "videogen:index:GpuWorker", "id": worker.name, "outputs": {"id": made["id"]}},
        )
    (folder / "state.json").write_text(json.dumps({"deployment": {"resources": resources}}))


if __name__ == "__main__":
    main()
