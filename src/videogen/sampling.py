"""Looks at the machine: memory as the system or the container's limit has it, free disk, GPUs as `nvidia-smi` tells."""

import csv
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from videogen.process import bare_environment
from videogen.worker_sample import GpuSample, Sample

_QUERY = ("name", "memory.used", "memory.total", "utilization.gpu", "temperature.gpu", "power.draw")
_NVIDIA_SECONDS = 5.0
"""A driver in trouble lets its tool hang."""
_MIB = 1 << 20


class Sampler:
    """Takes samples of this machine, and of the disk that holds `folder`."""

    def __init__(self, folder: Path, system: Path = Path("/"), environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._system = folder, system
        self._environment = dict(environment or bare_environment())

    def take(self, at: float) -> Sample:
        """The machine now. Raises `OSError` when the disk does not answer; everything else may be unknown."""
        used, total = self._memory()
        free = shutil.disk_usage(self._folder).free
        return Sample(at=at, memory_used=used, memory_total=total, disk_free=free, gpus=tuple(self._gpus()))

    def _memory(self) -> tuple[int, int]:
        """Used and total, of the container where it has less than the machine."""
        found: dict[str, int] = {}
        for line in self._text("proc/meminfo").splitlines():
            name, _, value = line.partition(":")
            found[name] = int(value.split()[0]) * 1024
        total = found.get("MemTotal", 0)
        used = total - found.get("MemAvailable", total)
        for usage, most, stat in (
            ("memory.current", "memory.max", "memory.stat"),  # the two versions of cgroups
            ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes", "memory/memory.stat"),
        ):
            limit, now = (self._text(f"sys/fs/cgroup/{name}").strip() for name in (most, usage))
            if limit.isdigit() and now.isdigit() and 0 < int(limit) < total:
                return int(now) - self._reclaimable(stat), int(limit)
        return used, total

    def _reclaimable(self, stat: str) -> int:
        """Of the container's memory, the cache of files that the system takes back when it needs room."""
        rows = (line.split() for line in self._text(f"sys/fs/cgroup/{stat}").splitlines())
        return int(next((row[1] for row in rows if row[0] in ("inactive_file", "total_inactive_file")), "0"))

    def _gpus(self) -> Iterator[GpuSample]:
        tool = shutil.which("nvidia-smi", path=self._environment.get("PATH"))
        if tool is None:
            return
        try:
            told = subprocess.run(
                [tool, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_NVIDIA_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return
        if told.returncode:
            return
        for row in csv.reader(told.stdout.splitlines(), skipinitialspace=True):
            numbers = [_number(text) for text in row[1:]]
            if len(row) == len(_QUERY) and numbers[0] is not None and numbers[1] is not None:
                used, total = (int(value * _MIB) for value in numbers[:2] if value is not None)
                busy, celsius, watts = numbers[2:]
                yield GpuSample(
                    name=row[0], memory_used=used, memory_total=total, busy_percent=busy, celsius=celsius, watts=watts
                )

    def _text(self, path: str) -> str:
        try:
            return (self._system / path).read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""


def _number(text: str) -> float | None:
    """What the driver does not know it calls `[N/A]` or `[Not Supported]`."""
    try:
        return float(text)
    except ValueError:
        return None
