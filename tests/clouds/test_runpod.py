"""RunPod as a cloud: what it offers, whose pods are whose, and when one is gone."""

import dataclasses
from decimal import Decimal

import pytest

from tests.clouds.conftest import Quick
from videogen import worker_environment
from videogen.clouds import Candidate, Machine
from videogen.clouds.runpod_answers import Pod
from videogen.clouds.runpod_pods import PodReader
from videogen.errors import CloudError, CloudUnknown, NoCapacity
from videogen.gpu import Offer

H100, A100 = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"


def create(quick: Quick, name: str = "phase-c-1-a") -> Machine:
    """A machine of the first candidate."""
    return quick.cloud.create(quick.spec, quick.cloud.candidates(quick.spec)[0], name)


def test_one_gpu_of_ours_is_several_of_theirs(quick: Quick) -> None:
    """Offers come in order, each as all of its kinds with the catalog's price."""
    found = quick.cloud.candidates(quick.spec)

    assert [(one.gpu, one.id, one.price) for one in found] == [
        ("H100-80GB", H100, Decimal("3.99")),
        ("H100-80GB", "NVIDIA H100 NVL", Decimal("3.19")),
        ("H100-80GB", "NVIDIA H100 PCIe", Decimal("2.89")),
        ("A100-80GB", A100, Decimal("1.79")),
        ("A100-80GB", "NVIDIA A100 80GB PCIe", Decimal("1.79")),
    ]
    assert {one.ceiling for one in found} == {Decimal("4.40"), Decimal("2.20")}


def test_what_is_dear_is_left_out_and_what_is_gone_comes_last(quick: Quick) -> None:
    """A price above the ceiling is not tried; a place without stock is tried after all others."""
    quick.fake.price(H100, "4.41")
    quick.fake.stock("NVIDIA H100 NVL", 0, "EU-RO-1")
    quick.wants(places=("EU-RO-1", "US-KS-2"), offers=quick.spec.offers[:1])

    assert [(one.id.split()[-1], one.place) for one in quick.cloud.candidates(quick.spec)] == [
        ("NVL", "US-KS-2"), ("PCIe", "EU-RO-1"), ("PCIe", "US-KS-2"), ("NVL", "EU-RO-1"),
    ]  # fmt: skip


def test_no_candidate_has_words(quick: Quick) -> None:
    """When every price is too high, or RunPod has no such GPU, the error says so."""
    quick.wants(offers=(Offer(gpu="H200-141GB", dollars_per_hour=Decimal(1)),))
    with pytest.raises(NoCapacity, match=r"NVIDIA H200 at \$4.59/h, allowed \$1/h"):
        quick.cloud.candidates(quick.spec)

    quick.wants(offers=(Offer(gpu="A100-40GB", dollars_per_hour=Decimal(1)),))
    with pytest.raises(CloudError, match="rents out no A100-40GB"):
        quick.cloud.candidates(quick.spec)


def test_a_network_volume_decides_the_place(quick: Quick) -> None:
    """Only its data centre is tried; places without it are an error before anything is rented."""
    volume = quick.cloud._api.order("POST", "/network-volumes", {"name": "v", "size": 60, "dataCenter": "EU-CZ-1"}).body
    quick.wants(network_volume_id=volume["id"])
    assert {one.place for one in quick.cloud.candidates(quick.spec)} == {"EU-CZ-1"}

    made = create(quick)
    assert made.place == "EU-CZ-1"
    assert quick.fake.pod("phase-c").env["VIDEOGEN_VOLUME"] == "1"

    quick.wants(places=("US-KS-2",))
    with pytest.raises(CloudError, match="is in EU-CZ-1, not in US-KS-2"):
        quick.cloud.candidates(quick.spec)


def test_a_pod_is_what_the_spec_says(quick: Quick) -> None:
    """Tagged name, image, ports and the worker's environment; the operator's keys stay here."""
    quick.wants(ssh_public_keys="ssh-ed25519 AAAA me", cuda="12.4")
    made = create(quick)
    pod = quick.fake.pod("phase-c-1-a")
    told = worker_environment.read({key: value for key, value in pod.env.items() if key.startswith("VIDEOGEN_")})

    assert (pod.name, pod.shown["image"]) == (quick.tagged("phase-c-1-a"), "ghcr.io/us/worker:1")
    assert pod.shown["ports"] == ["8080/http", "2222/tcp"]
    assert (told.worker, told.gateway_port, told.restarts_bill) == ("phase-c-1-a", 8080, True)
    assert "operator-secret" not in str(pod.env)
    assert (made.stack, made.slot, made.phase, made.gpu) == ("phase-c", "1", "c", "H100-80GB")
    assert (made.dollars_per_hour, made.id, made.lease_minutes) == (Decimal("3.99"), pod.id, 60)
    assert made.agent == f"{made.url}/videogen" == f"{quick.fake.proxy.format(pod=pod.id, port=8080)}/videogen"
    assert quick.cloud.machines("phase-c") == (made,)
    assert quick.cloud.machines("phase-b") == ()
    assert quick.cloud.get(made.name) == quick.cloud.get(made.name, made) == made


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, NoCapacity, "H100-80GB at"),
        (403, NoCapacity, "H100-80GB at"),
        (401, CloudError, "refuses"),
        (402, CloudError, "too little money"),
        (422, CloudError, "does not understand"),
        (500, CloudUnknown, "HTTP 500"),
    ],
)
def test_each_refusal_of_a_create_has_its_meaning(quick: Quick, status: int, kind: type, words: str) -> None:
    """Only what may go well elsewhere is for the next candidate; only a broken answer is unknown; nobody asks twice."""
    candidate = quick.cloud.candidates(quick.spec)[0]
    quick.fake.fault("refuse", status=status)

    with pytest.raises(kind, match=words) as caught:
        quick.cloud.create(quick.spec, candidate, "phase-c-1-a")
    assert isinstance(caught.value, CloudUnknown) == (status == 500)
    assert isinstance(caught.value, NoCapacity) == (status in (400, 403))
    assert quick.creates() == 1


def test_no_secret_is_in_an_error(quick: Quick) -> None:
    """An answer that quotes the key or the worker's secrets is shown without them."""
    candidate = quick.cloud.candidates(quick.spec)[0]
    quick.fake.fault("refuse", status=422, detail=f"bad: {quick.fake.key} the-secret the-token")

    with pytest.raises(CloudError, match="bad:") as caught:
        quick.cloud.create(quick.spec, candidate, "phase-c-1-a")
    for secret in (quick.fake.key, "the-secret", "the-token"):
        assert secret not in str(caught.value)
        assert secret not in str(caught.value.__cause__)

    quick.fake.heal()
    pod, _ = quick.cloud._pod(create(quick).id)
    assert "the-token" not in repr(pod)


@pytest.mark.parametrize("size", [None, 1, 2])
def test_a_list_is_complete_in_both_shapes(quick: Quick, size: int | None) -> None:
    """With cursors or without, every machine is listed."""
    made = {create(quick, f"phase-c-1-{n}").name for n in range(3)}
    quick.fake.paged(size)

    assert {one.name for one in quick.cloud.machines("phase-c")} == made


def test_half_a_list_is_unknown(quick: Quick) -> None:
    """A list that breaks off is no list."""
    create(quick, "phase-c-1-a")
    create(quick, "phase-c-1-b")
    quick.fake.fault("half-list")

    with pytest.raises(CloudUnknown):
        quick.cloud.machines()
    with pytest.raises(CloudUnknown):
        quick.cloud.get("phase-c-1-a")


def test_an_empty_list_hides_no_machine_whose_id_is_known(quick: Quick) -> None:
    """With the id it is there, and can be ended."""
    made = create(quick)
    quick.fake.fault("empty-list")

    assert quick.cloud.machines() == ()
    assert quick.cloud.get(made.name, made) == made
    assert quick.cloud.end(made.name, why="test", by="test", known=made) is not None
    assert quick.cloud.get(made.name, made) is None
    assert not quick.fake.alive()


def test_nobody_ends_a_stranger(quick: Quick) -> None:
    """Pods of others, also those that carry our tag, are not listed, not ended, and told of."""
    quick.fake.plant("their-training")
    quick.fake.plant("videogen-0badcafe-phase-c-1-x", env={"VIDEOGEN_WORKER": "phase-c-1-x"})
    quick.fake.plant(quick.tagged("phase-c-1-b"), env={"VIDEOGEN_WORKER": "another"})

    assert quick.cloud.machines() == ()
    said = quick.cloud.strangers()
    assert ["another owner's" in one for one in said] == [True, False]
    with pytest.raises(CloudError, match="is not phase-c-1-b"):
        quick.cloud.end("phase-c-1-b", why="test", by="test")
    ours = create(quick, "phase-c-1-c")
    stranger = dataclasses.replace(ours, id=quick.fake.pod("their-training").id)
    with pytest.raises(CloudError, match="their-training"):
        quick.cloud.end(ours.name, why="test", by="test", known=stranger)
    assert len(quick.fake.alive()) == 4


def test_an_end_is_told_by_the_clouds_clock(quick: Quick) -> None:
    """Begin and end of a machine are RunPod's own times."""
    made = create(quick)
    quick.fake.clock.advance(100)
    ended = quick.cloud.end(made.name, why="test", by="test", known=made)

    assert ended is not None
    assert (ended.ended - ended.machine.started).total_seconds() == 100
    assert quick.cloud.end(made.name, why="again", by="test", known=made) is None
    assert quick.cloud.end(made.name, why="again", by="test") is None


@pytest.mark.parametrize("reads", [3, 12])
def test_a_deleted_pod_that_lives_on_is_deleted_again(quick: Quick, reads: int) -> None:
    """A 204 is no proof; it is asked for again, and the end is when it was really gone."""
    made = create(quick)
    quick.fake.fault("lives-on", reads=reads, times=1)
    ended = quick.cloud.end(made.name, why="test", by="test", known=made)

    assert ended is not None
    assert not quick.fake.alive()
    gone = quick.fake.pod(made.name).ended
    assert gone is not None
    assert ended.ended == gone.replace(microsecond=0)


def test_a_pod_that_lives_on_for_ever_is_unknown(quick: Quick) -> None:
    """After its deadline the error says what to do; it was asked for more than once."""
    made = create(quick)
    quick.fake.fault("lives-on")

    with pytest.raises(CloudUnknown, match="not proven gone") as caught:
        quick.cloud.end(made.name, why="test", by="test", known=made)
    assert made.id in caught.value.message
    assert "console" in (caught.value.hint or "")
    assert sum(method == "DELETE" for method, _, _ in quick.fake.calls) > 3


def test_404_to_a_delete_is_no_proof_while_it_is_shown(quick: Quick) -> None:
    """Only the question for the pod itself proves it gone."""
    made = create(quick)
    lie = quick.fake.fault("refuse", on="delete", status=404)

    with pytest.raises(CloudUnknown):
        quick.cloud.end(made.name, why="test", by="test", known=made)
    quick.fake.heal(lie)
    assert quick.cloud.end(made.name, why="test", by="test", known=made) is not None
    assert not quick.fake.alive()


def test_an_exited_pod_is_a_machine_still(quick: Quick) -> None:
    """It costs on, so it is listed as exited until it is ended."""
    quick.fake.fault("exit", seconds=5)
    made = create(quick)
    quick.fake.clock.advance(60)

    assert [one.state for one in quick.cloud.machines()] == ["exited"]
    found = quick.cloud.get(made.name, made)
    assert found is not None
    assert (found.state, found.dollars_per_hour) == ("exited", made.dollars_per_hour)


@pytest.mark.parametrize(
    ("status", "state"), [("PROVISIONING", "running"), ("ERROR", "exited"), ("EXITED", "exited"), ("PAUSED", "running")]
)
def test_what_may_bill_runs(status: str, state: str) -> None:
    """A word that RunPod does not use yet is no end; a pod whose environment is not shown is known by its name."""
    reader = PodReader("0badcafe", "outputs", "https://{pod}-{port}.example")
    pod = Pod.model_validate(
        {"id": "x", "name": "videogen-0badcafe-phase-c-12-a1", "status": status, "cost": 1, "env": None}
        | {"createdAt": "2026-11-10T12:00:00Z"}
    )
    found = reader.machine(pod)

    assert reader.ours(pod)
    assert (found.state, found.stack, found.slot, found.url) == (state, "phase-c", "12", "https://x-8080.example")


def test_a_pod_that_vanished_is_gone(quick: Quick) -> None:
    """By its id that is proven, whoever ended it."""
    quick.fake.fault("gone", seconds=5)
    made = create(quick)
    quick.fake.clock.advance(60)

    assert quick.cloud.get(made.name, made) is None
    assert quick.cloud.machines() == ()


def test_the_bill_is_asked_by_id(quick: Quick) -> None:
    """It names the pod's dollars, or nothing yet."""
    made = create(quick)
    late = quick.fake.fault("late-bill", seconds=3600)
    quick.fake.clock.advance(1800)
    quick.cloud.end(made.name, why="test", by="test", known=made)

    assert quick.cloud.billed(made) is None
    quick.fake.heal(late)
    assert quick.cloud.billed(made) == Decimal("1.995")
    assert quick.cloud.billed(dataclasses.replace(made, id="")) is None


def test_volumes_are_this_owners(quick: Quick) -> None:
    """Those with our tag, with their price a month."""
    for name in (quick.tagged("models"), "theirs"):
        quick.cloud._api.order("POST", "/network-volumes", {"name": name, "size": 1100, "dataCenter": "EU-CZ-1"})
    (found,) = quick.cloud.volumes()

    assert (found.name, found.size_gb, found.place) == ("models", 1100, "EU-CZ-1")
    assert found.dollars_per_month == Decimal(75)


def test_a_candidate_has_words() -> None:
    """What is tried is said with its place and price."""
    assert str(Candidate("H100-80GB", "EU-RO-1", Decimal(4), Decimal("2.99"))) == "H100-80GB in EU-RO-1 at $2.99/h"
