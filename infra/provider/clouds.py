"""Who rents out workers and who keeps the books, as a stack sees them."""

from videogen import project, pulumi_backend
from videogen.clouds.choose import choose
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient

_PATIENCE_SECONDS = 3.0
"""An end must not wait long for a store that is down: the receipt is kept on this machine then."""


def renter(cloud: str, stack: str, place: Store, access: StoreAccess) -> Renter:
    """Rents and ends in the engine's name; raises `CloudError` without the cloud's key."""
    landlord = choose(cloud, stack, place), books(stack, place, access)
    return Renter(*landlord, by="pulumi", backend=pulumi_backend.identity())


def books(stack: str, place: Store, access: StoreAccess) -> Receipts:
    """Records and receipts of a stack."""
    return Receipts(project.state(stack), StoreClient(place, access, patience_seconds=_PATIENCE_SECONDS))
