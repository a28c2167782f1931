"""The parts of a run without Pulumi: what may be spent, what stops it, what is told."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.doubles.runpod import Clock, FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import project, tag
from videogen.boundary import observed
from videogen.boundary_store import BoundaryStore
from videogen.clouds.runpod import RunpodCloud
from videogen.errors import InputError, Interrupted, Stopped
from videogen.ladder import ask_of, steps
from videogen.ledger import Ledger
from videogen.money import Cap, Receipt
from videogen.planner.jobs import works
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord
from videogen.renting import told
from videogen.run_order import RunOrder, order
from videogen.runpod_api import RunpodApi
from videogen.secret import Secret
from videogen.stops import Stops
from videogen.submission import Plan
from videogen.watch import Watch

ROOT = project.root()
BATCH = ROOT / "batches" / "demo-short.yaml"
H100 = "NVIDIA H100 80GB HBM3"


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout whose rented phases have the small models, all of them pinned."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("workflows", "templates", "Pulumi.yaml", "models_manifest.yaml", "models_manifest.dev.yaml"):
        (folder / name).symlink_to(ROOT / name)
    for path in ROOT.glob("Pulumi.?*.yaml"):
        text = path.read_text().replace("manifest: models_manifest.yaml", "manifest: models_manifest.dev.yaml")
        (folder / path.name).write_text(text)
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(folder))


def ordered(stack: str, cap: str | None = None) -> RunOrder:
    return order(BATCH, stack, cap=Decimal(cap) if cap else None, again=False, retry_failed=False, folder=None)


def test_a_cap_shortens_the_lease_to_what_it_pays() -> None:
    """Two workers at up to $5.10/h and a cent of traffic: $8 pays 47 minutes, and so long is the lease of each."""
    whole, capped = ordered("phase-c"), ordered("phase-c", "8")
    assert whole.lease
    assert capped.lease

    assert (whole.lease.total, whole.worst, whole.cap.run) == (480, Decimal("81.61"), Decimal(110))
    assert (capped.lease.total, capped.worst, capped.cap.run) == (47, Decimal("8.00"), Decimal(8))
    assert capped.environment == {
        "VIDEOGEN_RUN": capped.id,
        "VIDEOGEN_BATCH": "demo-short",
        "VIDEOGEN_RUN_CAP": "8",
        "VIDEOGEN_RUN_MINUTES": "47",
    }


def test_a_run_draws_shorter_segments_where_memory_ended_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `submit` does: nothing is rented to see memory end once more."""
    monkeypatch.setenv("VIDEOGEN_STATE", str(tmp_path / "state"))
    path = ROOT / "batches" / "demo-long.yaml"

    def plan() -> Plan:
        return order(path, "phase-a", cap=None, again=False, retry_failed=False, folder=None).plan

    long = plan()
    draw = next(job for job in long.jobs if job.step == "draw")
    ask = ask_of(draw.workflow, works(long.jobs)[draw.id])
    assert ask is not None
    rungs = [step.rung for step in steps(draw, long.workflow.doing("draw"), long.jobs)]
    with Ledger.open(project.state("phase-b") / "ledger.sqlite") as ledger:
        for gpu in ("L40S", "A100-80GB"):
            BoundaryStore(ledger.file).add(observed(ask, gpu, rung, works=False) for rung in rungs)
    cut = plan()

    assert (long.cuts, list(cut.cuts)) == ({}, ["draw"])
    assert len(cut.jobs) > len(long.jobs)


def test_a_cap_above_the_stacks_own_changes_nothing() -> None:
    """A run may spend less than its stack allows, never more."""
    assert ordered("phase-c", "500").cap.run == Decimal(110)


def test_the_models_way_is_paid_by_the_cap_too() -> None:
    """From AWS it is a price a gigabyte for each worker, from a store that takes nothing it is nothing."""
    text = (project.root() / "Pulumi.prod.yaml").read_text()
    charged = ordered("phase-c", "8").traffic
    (project.root() / "Pulumi.prod.yaml").write_text(text.replace('endpoint: ""', 'endpoint: "https://r2.example.com"'))

    assert (charged, ordered("phase-c", "8").traffic) == (Decimal("0.01"), Decimal(0))


def test_a_cap_that_pays_no_work_is_refused() -> None:
    """The error says what the sum pays."""
    with pytest.raises(
        InputError, match=r"\$1.99 of rent pays 2 workers at up to \$5.1.?/h for 11 minutes, a boot may take 20"
    ):
        ordered("phase-c", "2")


def test_a_stack_without_a_phase_rents_nothing() -> None:
    """The foundation is no place for a batch."""
    with pytest.raises(InputError, match="stack prod: rents nothing"):
        ordered("prod")


def test_dev_has_no_bill() -> None:
    """Nothing costs, no cap is told."""
    here = ordered("dev")

    assert (here.bills, here.worst) == (False, Decimal(0))
    assert here.environment == {"VIDEOGEN_RUN": here.id, "VIDEOGEN_BATCH": "demo-short"}


def test_the_first_reason_to_stop_counts() -> None:
    """A cap after a signal is still a signal; the second signal hurries, a cap does not."""
    stops = Stops()
    stops.signal("SIGTERM")
    stops.cap("the cap is reached")
    assert (stops.asked.is_set(), stops.hurry.is_set()) == (True, False)
    stops.signal("SIGINT")

    assert stops.hurry.is_set()
    assert isinstance(stops.why(), Interrupted)
    assert stops.why().message == "stopped by SIGTERM"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (" +  videogen:index:GpuWorker worker-1 creating (1s) trying H100", "worker-1: creating (1s) trying H100"),
        (" ~  pulumi:pulumi:Stack videogen-dev refreshing (0s) ", None),
        ("@ updating....", None),
        ("    + 5 created", None),
        ("", None),
        ("    error: update failed", "error: update failed"),
    ],
)
def test_a_line_of_pulumi_for_a_person(line: str, words: str | None) -> None:
    """The resource and what it does; noise is left out."""
    assert told(line) == words


class Meter:
    """A run of two H100 on a fake RunPod, with books in a store, and a watch on it."""

    def __init__(self, folder: Path, s3: S3Server, fake: FakeRunpod, cap: Cap) -> None:
        self.fake, self.stops, self.words, self.uses = fake, Stops(), list[str](), set[str]()
        store = s3.store(patience_seconds=1)
        self.books = Receipts(folder / "phase-c", store)
        self.owner = tag.owner(s3.place)
        self.watch = Watch(
            "r1",
            "phase-c",
            cap,
            Decimal("8.80"),
            uses=self.uses,
            cloud=RunpodCloud(RunpodApi(fake.url, Secret(fake.key), patience_seconds=1), s3.place),
            books=self.books,
            clock=fake.clock,
            stops=self.stops,
            say=self.words.append,
        )

    def rent(self, name: str, run: str = "r1") -> None:
        record = RentRecord(
            machine=name,
            cloud="runpod",
            owner=self.owner,
            stack="phase-c",
            slot="1",
            phase="c",
            run=run,
            gpu="H100-80GB",
            dollars_per_hour=Decimal("4.40"),
            rented=self.fake.clock(),
            lease_minutes=60,
            boot_minutes=5,
            cap=Cap(run=Decimal(8), month=Decimal(100)),
        )
        self.books.open(record)
        self.fake.plant(tag.tagged(self.owner, name), {"VIDEOGEN_WORKER": name}, gpu=H100)

    def after(self, minutes: float, *, look: bool = True) -> Decimal:
        self.fake.clock.advance(minutes * 60)
        if look:
            self.watch.look()
        self.watch.count()
        return self.watch.spent(self.fake.clock())


CAP = Cap(run=Decimal(8), month=Decimal(100))


def test_the_cap_is_reached_while_it_runs(tmp_path: Path, s3: S3Server) -> None:
    """It is counted at the clouds' own price and start, and stopped a minute before the cap: exit code 3."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        meter.rent("phase-c-1-aa")
        meter.rent("phase-c-2-bb")
        price = 2 * Decimal(fake.alive()[0].dollars_per_hour)
        half = meter.after(30)
        assert half == (price / 2).quantize(Decimal("0.0001"))
        assert not meter.stops.asked.is_set()
        last = float(Decimal(8) / price * 60) - 30 - 1
        meter.after(last - 0.1, look=False)
        assert not meter.stops.asked.is_set()
        spent = meter.after(0.2, look=False)

        assert meter.stops.asked.is_set()
        assert spent < 8
        assert type(meter.stops.why()) is Stopped
        assert meter.stops.why().exit_code == 3
        assert "the cap of a run is reached" in meter.stops.why().message
        assert meter.words


def test_the_months_cap_counts_what_others_spend(tmp_path: Path, s3: S3Server) -> None:
    """Another stack's receipts and open rents and this run's cost reach the month's cap together."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP.model_copy(update={"run": Decimal(90)}))
        now = fake.clock()
        paid = Receipt(
            machine="phase-a-1-cc",
            stack="phase-a",
            phase="a",
            cloud="runpod",
            gpu="L40S",
            started=now - timedelta(hours=1),
            ended=now,
            seconds=3600,
            dollars_per_hour=Decimal(97),
            dollars=Decimal(97),
            why="destroyed",
            ended_by="pulumi",
        )
        meter.books.keep(paid)
        meter.rent("phase-c-1-aa")
        meter.after(15)
        assert not meter.stops.asked.is_set()
        meter.after(40)

        assert "the cap of a month is reached" in meter.stops.why().message


def test_a_watch_that_sees_nothing_counts_the_most(tmp_path: Path, s3: S3Server) -> None:
    """Neither cloud nor store answer: the time alone is counted, at what all workers can cost."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        fake.fault("refuse", on="any", status=503)
        s3.kill()
        meter.watch.look()
        assert meter.after(53, look=False) < 8
        meter.after(1, look=False)

        assert meter.stops.asked.is_set()


def test_a_cloud_that_falls_silent_leaves_the_last_answer(tmp_path: Path, s3: S3Server) -> None:
    """What was seen goes on to cost; only money of this run is this run's."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        meter.rent("phase-c-1-aa")
        meter.rent("phase-c-9-zz", run="another")
        first = meter.after(10)
        fake.fault("refuse", on="list", status=503)

        assert meter.after(10) == 2 * first


def test_a_run_that_goes_on_pays_for_what_an_earlier_one_rented(tmp_path: Path, s3: S3Server) -> None:
    """The cap holds for every machine that the run uses, whoever rented it."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        meter.rent("phase-c-1-aa", run="killed")
        meter.uses.add("phase-c-1-aa")
        price = Decimal(fake.alive()[0].dollars_per_hour)
        assert meter.after(60) == price
        meter.after(62)

        assert "the cap of a run is reached" in meter.stops.why().message


def test_the_months_cap_holds_for_a_run_that_has_spent_nothing(tmp_path: Path, s3: S3Server) -> None:
    """What others spend alone reaches the month's cap."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP.model_copy(update={"month": Decimal(4)}))
        meter.rent("phase-c-9-zz", run="another")
        assert meter.after(61) == 0

        assert "the cap of a month is reached" in meter.stops.why().message


def test_a_machine_without_a_price_costs_what_was_accepted(tmp_path: Path, s3: S3Server) -> None:
    """An exited pod's price is shown as nothing, and it may cost all the same."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        meter.rent("phase-c-1-aa")
        fake.pod("phase-c-1-aa").exit_at = fake.clock()

        assert meter.after(60) == Decimal("4.40")
        assert meter.watch.hourly() == Decimal("4.40")


def test_a_cloud_that_is_silent_from_the_first_rent_on_leaves_the_books(tmp_path: Path, s3: S3Server) -> None:
    """What is written down costs what was accepted for it, and that the cloud is silent is said, once."""
    with fake_runpod(clock=Clock.quick()) as fake:
        meter = Meter(tmp_path, s3, fake, CAP)
        assert meter.after(1) == 0
        meter.rent("phase-c-1-aa")
        fake.fault("refuse", on="list", status=503)

        assert meter.after(60) == Decimal("4.40")
        meter.after(1)
        assert len([words for words in meter.words if "by the books alone" in words]) == 1
        meter.after(60)
        assert "the cap of a run is reached" in meter.stops.why().message
