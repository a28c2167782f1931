"""The inputs that other jobs made: found on this machine, or brought from the bucket."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from videogen.batch import InputFile, Job, Need, resolved
from videogen.collect import sha256_of
from videogen.errors import StoreError
from videogen.ledger import Ledger
from videogen.ledger_rows import OutputRow
from videogen.store import Store


@dataclass(frozen=True)
class Supply:
    """Finds what the done jobs of one batch made."""

    batch: str
    ledger: Ledger
    store: Store
    files: dict[str, Path]
    """SHA-256 → where the file lies; what is found is noted here."""
    place: Callable[[str, str], Path]
    """Where a file of a job belongs on this machine, which may not be where an earlier run put it."""
    _seen: dict[Path, str] = field(default_factory=dict)

    async def given(self, job: Job) -> Job:
        """The job with its needs' files as inputs, each of them the bytes that the bucket confirmed.

        Call it when all of the needs are done. Raises `StoreError` where a file is not here and does not come.
        """
        made = {need: await self._input(need) for need in job.needs}
        return resolved(job, made)

    async def _input(self, need: Need) -> InputFile:
        row = next(
            (one for one in self.ledger.done_outputs(self.batch, need.job) if one.name.startswith(need.output)), None
        )
        if row is None:
            raise StoreError(f"job {need.job} made no {need.output}", "submit the batch with `--again`")
        path = row.path
        if not await asyncio.to_thread(self._is_here, row, path):
            path = self.place(need.job, row.name)
            if not await asyncio.to_thread(self._is_here, row, path):
                await asyncio.to_thread(self.store.get_file, self.store.outputs, row.key, path)
                if not await asyncio.to_thread(self._is_here, row, path):
                    message = f"{row.key}: the bucket's bytes are not those that job {need.job} wrote"
                    raise StoreError(message, "submit the batch with `--again`")
        self.files[row.sha256] = path
        return InputFile(row.key, row.sha256)

    def _is_here(self, row: OutputRow, path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != row.size:
            return False
        if path not in self._seen:
            self._seen[path] = sha256_of(path)
        if self._seen[path] == row.sha256:
            return True
        del self._seen[path]
        return False
