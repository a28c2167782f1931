"""Samples say what the machine says, and stay silent where it is silent."""

from pathlib import Path

from videogen.sampling import Sampler
from videogen.worker_sample import GpuSample, Peak, Sample

MEMINFO = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n"


def system(folder: Path, **files: str) -> Path:
    """A root folder with these files; `__` in a name is a slash, `_` stays."""
    for name, text in {"proc__meminfo": MEMINFO, **files}.items():
        path = folder / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def tool(folder: Path, script: str) -> dict[str, str]:
    """An environment in which `nvidia-smi` is this shell script."""
    folder.mkdir()
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    return {"PATH": str(folder)}


def test_machine(tmp_path: Path) -> None:
    """Without a limit it is the machine's memory; without the driver's tool there are no GPUs."""
    found = Sampler(tmp_path, system(tmp_path), {"PATH": ""}).take(1.5)

    assert (found.memory_used, found.memory_total) == (600 * 1024, 1000 * 1024)
    assert found.disk_free > 0
    assert (found.at, found.gpus) == (1.5, ())


def test_container(tmp_path: Path) -> None:
    """With a limit it is the container's, without the cache that can be given back; `max` is no limit."""
    two = system(
        tmp_path / "2",
        sys__fs__cgroup__memoryDOTmax="500000\n",
        sys__fs__cgroup__memoryDOTcurrent="300000\n",
        sys__fs__cgroup__memoryDOTstat="anon 1\ninactive_file 100000\n",
    )
    free = system(
        tmp_path / "free", sys__fs__cgroup__memoryDOTmax="max\n", sys__fs__cgroup__memoryDOTcurrent="300000\n"
    )

    found = Sampler(tmp_path, two, {"PATH": ""}).take(0)
    assert (found.memory_used, found.memory_total) == (200_000, 500_000)
    assert Sampler(tmp_path, free, {"PATH": ""}).take(0).memory_total == 1000 * 1024


def test_gpus(tmp_path: Path) -> None:
    """A row for each GPU; what the driver does not know is nothing."""
    path = tool(
        tmp_path / "bin", "echo 'NVIDIA A, 10, 100, 50, 40, 99.5'; echo 'NVIDIA B, 5, 100, [N/A], 1, [Not Supported]'"
    )
    first, second = Sampler(tmp_path, system(tmp_path), path).take(0).gpus

    assert first == GpuSample(
        name="NVIDIA A", memory_used=10 << 20, memory_total=100 << 20, busy_percent=50, celsius=40, watts=99.5
    )
    assert (second.busy_percent, second.celsius, second.watts) == (None, 1, None)


def test_driver_in_trouble(tmp_path: Path) -> None:
    """A tool that fails or says something else gives no GPUs and no error."""
    for number, script in enumerate(
        ("echo no devices; exit 9", "echo 'Unable to determine the device handle'", "kill -9 $$")
    ):
        assert Sampler(tmp_path, system(tmp_path), tool(tmp_path / str(number), script)).take(0).gpus == ()


def test_peak() -> None:
    """The peak is of all samples."""
    peak = Peak()
    for used, gpu in ((5, 1), (9, 3), (2, 2)):
        gpus = (GpuSample(name="x", memory_used=gpu, memory_total=9),)
        peak = peak.with_sample(Sample(at=0, memory_used=used, memory_total=9, disk_free=1, gpus=gpus))

    assert peak == Peak(memory_used=9, gpu_memory_used=3)
