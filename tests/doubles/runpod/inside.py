"""What a pod finds inside: its own environment, what RunPod adds to it, and where this machine puts ports and paths."""

from collections.abc import Mapping
from pathlib import Path

from tests.doubles.runpod.pod import Pod
from videogen import port

WORKSPACE = "/workspace"
PORTS = ("COMFYUI", "AGENT", "GATEWAY", "SSH")
"""Each is a variable VIDEOGEN_<PORT>_PORT; where a pod does not say, its image has these."""
IMAGE_PORTS = {"SSH": 2222}


def injected(pod: Pod) -> dict[str, str]:
    """What RunPod adds; its key shadows a variable of that name."""
    found = {
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_API_KEY": pod.key,
        "RUNPOD_DC_ID": pod.place,
        "RUNPOD_POD_HOSTNAME": f"{pod.id}-{pod.place.lower()}",
        "RUNPOD_GPU_COUNT": str(pod.count),
        "RUNPOD_CPU_COUNT": "8",
        "RUNPOD_PUBLIC_IP": "127.0.0.1",
        "CUDA_VERSION": "12.8.1",
        "PYTORCH_VERSION": "2.8.0",
    }
    for mount in pod.shown["mounts"].get("network", []):
        found["RUNPOD_VOLUME_ID"] = mount["volumeId"]
    for inner in pod.exposed("tcp"):
        found[f"RUNPOD_TCP_PORT_{inner}"] = str(pod.public_ports[inner])
    return found


def take_ports(pod: Pod) -> dict[str, str]:
    """Gives each port of the pod one of this machine's loopback; the variables that tell the pod so.

    Pods share this machine's network, so also ports that nobody outside reaches need numbers of their own.
    """
    names = {}
    for name in PORTS:
        if said := pod.env.get(f"VIDEOGEN_{name}_PORT", str(IMAGE_PORTS.get(name, ""))):
            names[name] = int(said)
    outer = port.free([*names, *(str(inner) for inner in pod.exposed() if inner not in names.values())])
    pod.public_ports = {names.get(name) or int(name): number for name, number in outer.items()}
    return {f"VIDEOGEN_{name}_PORT": str(outer[name]) for name in names}


def paths(env: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """The variables whose value is a path below `/workspace`, with the folder that stands for it here."""
    below = {name: value for name, value in env.items() if value == WORKSPACE or value.startswith(f"{WORKSPACE}/")}
    return {name: f"{workspace}{value.removeprefix(WORKSPACE)}" for name, value in below.items()}
