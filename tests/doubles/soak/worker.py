"""What a pod does between its boot and its end, as far as money goes; its end is asked for by the product's own code."""

from datetime import datetime, timedelta

from tests.doubles.runpod.inside import injected
from tests.doubles.runpod.pod import Pod
from tests.doubles.soak.bucket import Bucket
from videogen import lease
from videogen.document import Schema
from videogen.errors import StoreError
from videogen.lease import LeaseTerms, WorkerClock
from videogen.life_signs import BEAT_SECONDS
from videogen.machine_end import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from videogen.pod_end import end_own_pod
from videogen.rent_record import Heartbeat, LastWord
from videogen.store import heartbeat_key, last_word_key


class Worker:
    """One pod's; `step` brings it to a moment, as often as somebody lets time pass."""

    def __init__(self, pod: Pod, bucket: Bucket, api: str, boot_seconds: float) -> None:
        self.pod, self.name, self.api = pod, pod.env["VIDEOGEN_WORKER"], api
        self.terms = LeaseTerms(
            total=float(pod.env["VIDEOGEN_LEASE_MINUTES"]),
            idle=float(pod.env["VIDEOGEN_IDLE_MINUTES"]),
            boot=float(pod.env["VIDEOGEN_BOOT_MINUTES"]),
        )
        self.agent_dead = False
        self.skew = 0.0
        """Seconds that its clock was set by."""
        self.ready: float | None = None
        self.last_busy = 0.0
        self._bucket, self._boot = bucket, boot_seconds
        self._last_beat: datetime | None = None
        self._ends: str | None = None
        self._told = False
        self._again, self._pause = 0.0, FIRST_PAUSE_SECONDS

    def runs(self, now: datetime) -> bool:
        """Whether its container does."""
        pod = self.pod
        gone = any(moment is not None and moment <= now for moment in (pod.gone_at, pod.exit_at))
        return not gone and pod.status(now) == "RUNNING"

    def step(self, now: datetime) -> None:
        """What it does at that moment."""
        if self.agent_dead or not self.runs(now):
            return
        if self._ends is not None:
            self._end(now)
            return
        clock = now.timestamp() + self.skew
        if self.ready is None and now >= self.pod.running_from + timedelta(seconds=self._boot):
            self.ready = clock
        if self._last_beat is None or (now - self._last_beat).total_seconds() >= BEAT_SECONDS:
            self._last_beat = now
            beat = Heartbeat(machine=self.name, id=self.pod.id, state="ready", idle_seconds=0, lease_seconds_left=0)
            self._put(heartbeat_key(self.name), beat)
        self._ends = lease.over(
            self.terms, WorkerClock(clock, self.pod.running_from.timestamp(), self.ready, self.last_busy)
        )

    def busy(self, now: datetime) -> None:
        """It renders."""
        self.last_busy = now.timestamp() + self.skew

    def _end(self, now: datetime) -> None:
        if now.timestamp() < self._again:
            return
        word = LastWord(machine=self.name, why=self._ends or "", code=0, lived_seconds=1)
        if self._pause == FIRST_PAUSE_SECONDS:
            self._put(last_word_key(self.name), word)
        environment = {**self.pod.env, **injected(self.pod), "VIDEOGEN_RUNPOD_URL": self.api}
        refused = end_own_pod(environment, 10)
        if refused and not self._told:
            self._told = self._put(last_word_key(self.name), word.model_copy(update={"refused": refused}))
        self._again = now.timestamp() + self._pause
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)

    def _put(self, key: str, said: Schema) -> bool:
        try:
            self._bucket.require_up()
        except StoreError:
            return False
        self._bucket.put(key, said.model_dump_json(by_alias=True).encode())
        return True
