"""A worker that does nothing but live: with `stubborn` on its disk it ignores SIGTERM, with `broken` it exits.

It starts a child, as a real one does, and hands it the lock.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

disk = Path(os.environ["VIDEOGEN_WORKSPACE"])
if (disk / "broken").exists():
    sys.exit("the disk says broken")
if (disk / "stubborn").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = int(os.environ["VIDEOGEN_LOCK_FD"])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=(lock,))
(disk / "child").write_text(str(child.pid))
(disk / "ready").write_text(os.environ["VIDEOGEN_TOKEN"])
time.sleep(600)
