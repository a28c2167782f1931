"""What there is to rent: GPUs with prices, data centers with stock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass
class GpuType:
    """A GPU in the price list; `stock`: data center → how many are free."""

    id: str
    name: str
    memory: int
    secure: Decimal
    community: Decimal
    pool: str | None
    stock: dict[str, int] = field(default_factory=dict)

    def price(self, tier: str) -> Decimal:
        """Dollars an hour of one."""
        return self.secure if tier == "SECURE" else self.community


REGIONS = {
    "EU-CZ-1": ("Czechia 1", "EUROPE"),
    "EU-RO-1": ("Romania 1", "EUROPE"),
    "EUR-IS-1": ("Iceland 1", "EUROPE"),
    "US-CA-2": ("California 2", "NORTH_AMERICA"),
    "US-KS-2": ("Kansas 2", "NORTH_AMERICA"),
    "US-TX-3": ("Texas 3", "NORTH_AMERICA"),
}
WITHOUT_VOLUMES = ("US-TX-3",)
MOST_OF_ONE = 8


def _gpus() -> Iterator[GpuType]:
    # prices as of November 2026, or a plausible one where none is known
    for line in """
        NVIDIA GeForce RTX 4090|RTX 4090|24|0.69|0.34|ADA_24
        NVIDIA L40S|L40S|48|0.86|0.79|ADA_48_PRO
        NVIDIA A100 80GB PCIe|A100 PCIe|80|1.79|1.19|AMPERE_80
        NVIDIA A100-SXM4-80GB|A100 SXM|80|1.79|1.39|AMPERE_80
        NVIDIA H100 PCIe|H100 PCIe|80|2.89|1.99|ADA_80_PRO
        NVIDIA H100 NVL|H100 NVL|94|3.19|2.59|
        NVIDIA H100 80GB HBM3|H100 SXM|80|3.99|2.69|ADA_80_PRO
        NVIDIA H200|H200 SXM|141|4.59|3.59|HOPPER_141
    """.strip().splitlines():
        number, name, memory, secure, community, pool = line.strip().split("|")
        yield GpuType(
            number, name, int(memory), Decimal(secure), Decimal(community), pool or None, dict.fromkeys(REGIONS, 10)
        )


class Catalog:
    """Prices and stock, which tests may change at any time."""

    def __init__(self) -> None:
        self.gpus = {gpu.id: gpu for gpu in _gpus()}

    def level(self, free: int) -> str:
        """The catalog's word for so many."""
        return "NONE" if free <= 0 else "LOW" if free < 3 else "MEDIUM" if free < 8 else "HIGH"

    def gpu(self, gpu: GpuType, count: int, *, available: bool) -> dict[str, Any]:
        """A GPU type as the catalog shows it."""
        shown: dict[str, Any] = {
            "id": gpu.id,
            "name": gpu.name,
            "pool": gpu.pool,
            "manufacturer": "NVIDIA",
            "memory": gpu.memory,
            "secure": True,
            "community": True,
            "price": {"secure": float(gpu.secure), "community": float(gpu.community)},
            "maxCount": {"secure": MOST_OF_ONE, "community": MOST_OF_ONE},
        }
        if not available:
            return shown
        free = {place: left // count for place, left in gpu.stock.items()}
        shown["availability"] = self.level(max(free.values(), default=0))
        places = [
            {"id": place, "name": REGIONS[place][0], "availability": self.level(left)}
            for place, left in free.items()
            if left > 0
        ]
        return shown | ({"dataCenters": places} if places else {})

    def data_center(self, place: str, *, available: bool) -> dict[str, Any]:
        """A data center as the catalog shows it."""
        name, region = REGIONS[place]
        shown: dict[str, Any] = {
            "id": place,
            "name": name,
            "region": region,
            "globalNetwork": place.startswith("EU"),
            "networkVolumeTypes": [] if place in WITHOUT_VOLUMES else ["STANDARD"],
            "compliance": ["GDPR"] if region == "EUROPE" else [],
        }
        if available:
            shown["gpuAvailability"] = [
                {"id": gpu.id, "name": gpu.name, "availability": self.level(gpu.stock.get(place, 0))}
                for gpu in self.gpus.values()
            ]
        return shown
