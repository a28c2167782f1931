"""The client of a worker's ComfyUI."""

from videogen.comfy.answers import HistoryEntry, Place, Queue, RemoteFile, versions
from videogen.comfy.client import Comfy, Downloaded
from videogen.comfy.events import Event, Events

__all__ = ["Comfy", "Downloaded", "Event", "Events", "HistoryEntry", "Place", "Queue", "RemoteFile", "versions"]
