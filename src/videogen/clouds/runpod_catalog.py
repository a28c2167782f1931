"""Which pods may be tried: RunPod's catalog, seen through a stack's offers."""

from collections.abc import Mapping, Sequence

from videogen import gpu
from videogen.clouds import Candidate
from videogen.clouds.runpod_answers import GpuType
from videogen.errors import CloudError, NoCapacity
from videogen.gpu import Offer


def candidates(
    offers: Sequence[Offer], places: Sequence[str | None], catalog: Mapping[str, GpuType]
) -> tuple[Candidate, ...]:
    """Each GPU in each place, best first; those that the catalog has none of now come last.

    `catalog`: id → GPU. Raises `CloudError` when RunPod rents out none of the offers, `NoCapacity` when each is dearer
    than allowed.
    """
    wanted = [(offer, kind) for offer in offers for kind in gpu.RUNPOD[offer.gpu]]
    if not wanted:
        raise CloudError(f"RunPod rents out no {' and no '.join(offer.gpu for offer in offers) or 'GPU'}")
    found: list[tuple[bool, Candidate]] = []
    dear: list[str] = []
    for offer, name in wanted:
        kind = catalog.get(name)
        if kind is None or not kind.secure:
            continue
        price = kind.price.secure or None
        if price is not None and price > offer.dollars_per_hour:
            dear.append(f"{name} at ${price}/h, allowed ${offer.dollars_per_hour}/h")
            continue
        found += [
            (not kind.free(place), Candidate(offer.gpu, place, offer.dollars_per_hour, price, name)) for place in places
        ]
    if not found:
        said = f"each is dearer than allowed: {'; '.join(dear)}" if dear else "its catalog has none of the stack's GPUs"
        raise NoCapacity(f"RunPod: {said}", "a higher `dollars_per_hour`, or other `gpus`, in the stack file")
    return tuple(candidate for _, candidate in sorted(found, key=lambda one: one[0]))
