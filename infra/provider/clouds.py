"""Who rents out workers, by the name in a stack file."""

from collections.abc import Callable, Mapping

from videogen import project
from videogen.clouds import Cloud
from videogen.clouds.local import here
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient

CLOUDS: Mapping[str, Callable[[str], Cloud]] = {"local": here}
"""Name → the cloud as a stack sees it."""


def renter(cloud: str, stack: str, place: Store, access: StoreAccess) -> Renter:
    """Rents and ends in the engine's name."""
    # An end must not wait long for a store that is down: the receipt is kept on this machine then.
    store = StoreClient(place, access, patience_seconds=3)
    return Renter(CLOUDS[cloud](stack), Receipts(project.state(stack), store), by="pulumi")
