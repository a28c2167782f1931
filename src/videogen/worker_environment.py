"""The environment variables of a worker: written by whoever starts it, read by its entrypoint. One list for both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from videogen.document import Schema, did_you_mean
from videogen.errors import Fault, InputError
from videogen.lease import LeaseTerms, Minutes
from videogen.manifest import PhaseName
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

PREFIX = "VIDEOGEN_"

Port = Annotated[int, Field(gt=0, lt=65536)]


class WorkerEnvironment(Schema):
    """Each field is the variable `VIDEOGEN_<FIELD>`; an empty variable counts as absent."""

    worker: str
    stack: str
    phase: PhaseName
    workspace: Path
    """Holds everything of the worker: `/workspace` in the image, a folder of its own for a local worker."""
    volume: bool = False
    """A persistent volume is mounted at `<workspace>/data`; what lies where then, `videogen.disk_plan` says."""
    manifest: str
    """Digest; the text is the object `manifests/<digest>.yaml` of the models bucket."""

    store_endpoint: str = ""
    store_region: str
    store_addressing: Literal["path", "virtual"] = "path"
    store_checksums: Literal["content-md5", "none"] = "content-md5"
    store_floor_mbit: float = Field(0, ge=0)
    store_models: str
    store_outputs: str
    store_key: Secret
    store_secret: Secret

    token: Secret
    """What a caller of the agent must present as bearer."""
    comfyui_port: Port
    agent_port: Port
    comfyui_dir: Path | None = None
    """A ComfyUI checkout to run; nothing: the stand-in."""
    comfyui_python: Path | None = None
    """Its interpreter; nothing: `<comfyui_dir>/.venv/bin/python`."""
    comfyui_custom_nodes: Path | None = None
    """A folder of custom nodes beside those of the checkout."""
    comfyui_arguments: str = ""
    """Further flags of ComfyUI, as in a shell."""

    gateway_port: Port | None = None
    """Where the gateway listens on all addresses, and with it the accounts `comfy` and `gateway` are used; nothing: a
    local worker, which has neither gateway nor sshd."""
    upload_limit_mb: int = Field(2048, ge=1)
    """The largest body that the gateway takes."""
    ssh_port: Port = 2222
    ssh_public_keys: str = ""
    """Who may log in, one key a line; nothing: no sshd."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """Both, for a gateway that speaks TLS itself; nothing: the provider's proxy does."""

    repository: str = ""
    """Address of the git repository that `<root>/repos/video-gen` is a checkout of; nothing: what the image holds."""
    repository_ref: str = ""
    """Its commit, tag or branch."""
    repository_key: Secret | None = None
    """A private key that may read it; line ends may be written as `\\n`."""
    repository_update: bool = False
    """Whether what is there already is fetched anew at each boot."""

    disk_floor_gb: float = Field(0.5, ge=0)
    """With less than this free for outputs, a worker fails before its jobs do."""
    log_ship_seconds: float = Field(60, ge=0)
    """How often what was logged goes to the bucket; 0: never."""
    drain_seconds: float = Field(4, ge=0)
    """At an end in order, how long the prompt that runs may go on. Docker kills after 10 seconds, RunPod after 5."""
    runpod_url: str = ""
    """Where a pod asks RunPod for its own end; nothing: RunPod's own address."""
    restarts_bill: bool = False
    """A container that exits is started again and costs on; so is it on RunPod, with or without this variable."""

    lease_minutes: Minutes
    idle_minutes: Minutes
    boot_minutes: Minutes
    floor_seconds: float = Field(30, gt=0)
    """How long the store may give less than its floor."""
    linger_seconds: float = Field(5, ge=0)
    """How long a worker that failed still answers, so that whoever waits for it can read why."""
    lock_fd: int | None = None
    """An open lock file, inherited from the starter: who holds it lives, so every process of the worker does."""

    @property
    def store(self) -> Store:
        """Where models and manifests come from."""
        return Store(
            endpoint=self.store_endpoint,
            region=self.store_region,
            addressing=self.store_addressing,
            models=self.store_models,
            outputs=self.store_outputs,
            checksums=self.store_checksums,
            floor_mbit=self.store_floor_mbit,
        )

    @property
    def store_access(self) -> StoreAccess:
        """Its keys."""
        return StoreAccess(key=self.store_key, secret=self.store_secret)

    @property
    def held(self) -> tuple[int, ...]:
        """The descriptors that every process of the worker keeps open."""
        return () if self.lock_fd is None else (self.lock_fd,)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Whatever no log may show."""
        return tuple(value for name in type(self).model_fields if isinstance(value := getattr(self, name), Secret))

    @property
    def lease(self) -> LeaseTerms:
        """What the worker is granted."""
        return LeaseTerms(total=self.lease_minutes, idle=self.idle_minutes, boot=self.boot_minutes)

    def variables(self) -> dict[str, str]:
        """The environment to start the worker with; secrets in clear, so hand it to nobody else."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None or value == "":
                continue
            text = (
                value.reveal() if isinstance(value, Secret) else str(int(value) if isinstance(value, bool) else value)
            )
            values[PREFIX + name.upper()] = text
        return values


def exits_bill(environment: Mapping[str, str]) -> bool:
    """Whether a container with this environment is started again when it exits; asked also where `read` has failed."""
    said = environment.get(f"{PREFIX}RESTARTS_BILL", "").lower()
    return bool(environment.get("RUNPOD_POD_ID")) or said not in ("", "0", "false", "no", "off")


def read(environment: Mapping[str, str]) -> WorkerEnvironment:
    """The worker's settings; raises `InputError` with every variable that is wrong, missing or misspelt."""
    ours = {key.removeprefix(PREFIX): value for key, value in environment.items() if key.startswith(PREFIX) and value}
    given = {key.lower(): value for key, value in ours.items()}
    try:
        return WorkerEnvironment.model_validate(given)
    except ValidationError as error:
        allowed = [PREFIX + name.upper() for name in WorkerEnvironment.model_fields]
        found = []
        for detail in error.errors(include_url=False, include_input=False):
            variable = PREFIX + str(detail["loc"][0]).upper()
            if detail["type"] == "extra_forbidden":
                found.append(Fault(f"environment: {variable}", "unknown variable", did_you_mean(variable, allowed)))
            else:
                found.append(Fault(f"environment: {variable}", detail["msg"]))
        raise InputError(found) from None
