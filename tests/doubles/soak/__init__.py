"""Two operators, a sweeper, workers and a bucket around the fake RunPod, all by its quick clock, in one thread.

`Drill(seed)` is the whole of it: `drill.run(faults)` lets so many random faults strike while operators rent, render
and destroy; `drill.settle()` heals everything and lets the sweeper have the last word. The same seed does the same.
"""

from tests.doubles.soak.drill import Drill

__all__ = ["Drill"]
