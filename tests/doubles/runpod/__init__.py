"""A fake RunPod: a real server on loopback that speaks REST v2 for one account, and misbehaves on command.

    with fake_runpod(clock=Clock.quick()) as fake:
        environment = fake.environment      # RUNPOD_API_KEY, VIDEOGEN_RUNPOD_URL, VIDEOGEN_RUNPOD_PROXY
        fake.fault("no-capacity", gpu="NVIDIA L40S", times=2)
        ...
        assert not fake.alive() and fake.bill().total == Decimal("0.43")

As a program: `python -m tests.doubles.runpod --port 8200`; the same by HTTP: `POST /_control/<verb>` with the bearer
`fake.control_token` and a JSON object (`fault`, `heal`, `advance`, `stock`, `price`, `plant`, `set`, `alive`, `bill`,
`calls`). Strict: keys, types and parameters that RunPod does not know get 422, broken rules between fields 400.

Time. `Clock()` is real, `Clock.quick()` stands still; `clock.advance(seconds)` moves either, `clock()` is the time,
`clock.wait(seconds)` can be injected where something waits. By it pods go PROVISIONING → STARTING → RUNNING
(`provisioning=`, `starting=` seconds), `createdAt` and the `Date` of every answer are told, and money is counted: whole
seconds from creation to the moment the pod is really gone, at the price of the time (`fake.bill()`, and `/billing/*`).
Pods' disks cost nothing beside their `cost`; network volumes do.

Pods. `pods="records"` (the default): nothing runs; `fake.answers_at(pod, 8080, port)` lets a server of the test answer.
`pods="processes"`: each runs `images/comfyui/entrypoint.py` on this machine (root, nginx; `process_box.unable()` says why
not), in namespaces of its own, with its own environment and what RunPod adds; `/workspace` and ports are mapped;
`world=` variables lead it to stand-ins of what has a name in the real world.
`pods="containers", image=tag`: the same in Docker, in the network of this machine, whatever image the pod asks for.
A container that exits is started again, and costs on; what is deleted gets SIGTERM, 5 s later SIGKILL; `fake.box(pod)`
is what runs (`.said()`, `.kill()`), `fake.swept()` waits until nothing is left of ended pods, `fake.volume(id)` is a
network volume's folder. `VIDEOGEN_RUNPOD_PROXY` leads to them, WebSockets too: 502 for whoever does not run, 100 s limit.

The account. `fake.alive()` what costs now · `fake.pod(part of a name)` also ended ones, with `.id .key .env .ended` ·
`fake.calls` what was asked · `fake.stock(gpu, free, place)` · `fake.price(gpu, secure)` · `fake.balance(dollars)` (402) ·
`fake.plant(name, env)` somebody else's pod · `fake.paged(size)` lists with cursors · `fake.quota(minute=60)` (429) ·
`fake.another_account()` a key that sees nothing of this one.
GPUs and data centers: `catalog.py`. A pod's key (`fake.pod(...).key`) may stop and terminate its own pod, nothing else.

Faults: `fake.fault(kind, …)`, `fake.heal()`. Scope, all optional: `gpu`, `place`, `name` (part of the pod's name),
`key` ("account", "pod"), `skip` (so many go well first), `times` (then it is over; without: for ever).

    what happens                                  fault
    no capacity (400, in free text)               "no-capacity", gpu=…, place=…   or fake.stock(gpu, 0)
    402 · 403 · 409 · 5xx, nothing created        "refuse", status=402            (on="create" is what it means unless told)
    429 with Retry-After                          "refuse", status=429, retry_after=7
    500 though the pod was created                "refuse", status=500, done=True
    no answer, the pod was not / was created      "hold" or "drop", done=False / True
                                                  (hold: silent, for `seconds` of real time or until the end)
    stuck in starting                             "stuck", state="STARTING"       (or "PROVISIONING")
    ready, then gone / exited                     "gone" / "exit", seconds=60     (after it runs)
    dearer than the catalog says                  "dearer", dollars="9.99"        (without: twice the price)
    no price until it starts                      "late-price"
    another price later                           "price-change", seconds=60, dollars="9.99"
    an empty list                                 "empty-list"
    a list that breaks off after its first page   "half-list"
    a list without some pods                      "missing", name=…
    a pod with our tag that is not ours           fake.plant("videogen-…", env={…})
    delete says 204, the pod lives on             "lives-on", reads=3             (gone at the 4th reading; without: never)
    delete says 404, the pod lives                "refuse", on="delete", status=404
    the pod's own key is refused                  "refuse", on="any", key="pod", status=403
    the whole API away / retired / silent         "refuse" / "refuse" / "hold", on="any", status=503 / 410
    the bill names a pod late                     "late-bill", seconds=3600       (after its end)
    the bill has not the last hours yet           "half-bill", seconds=7200

`on`: any create list get patch delete action catalog billing volumes templates registries.
"""

from tests.doubles.runpod.clock import Clock
from tests.doubles.runpod.faults import Fault
from tests.doubles.runpod.server import KEY, FakeRunpod, fake_runpod

__all__ = ["KEY", "Clock", "FakeRunpod", "Fault", "fake_runpod"]
