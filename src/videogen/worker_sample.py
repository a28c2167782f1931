"""What a worker's machine did at a moment: memory, disk, GPUs. All sizes are bytes."""

from videogen.document import Schema


class GpuSample(Schema):
    """One GPU, as its driver tells; nothing where it does not."""

    name: str
    memory_used: int
    memory_total: int
    busy_percent: float | None = None
    celsius: float | None = None
    watts: float | None = None


class Sample(Schema):
    """A moment, in seconds since the worker started."""

    at: float
    memory_used: int
    memory_total: int
    """Of the machine, or what the container may have of it when that is less."""
    disk_free: int
    """Where outputs go."""
    gpus: tuple[GpuSample, ...] = ()


class Peak(Schema):
    """The most that was used in any sample."""

    memory_used: int = 0
    gpu_memory_used: int = 0
    """Of the GPU that used most."""

    def with_sample(self, sample: Sample) -> "Peak":
        """The peak, with one sample more."""
        gpu = max((one.memory_used for one in sample.gpus), default=0)
        return Peak(
            memory_used=max(self.memory_used, sample.memory_used),
            gpu_memory_used=max(self.gpu_memory_used, gpu),
        )
