"""Started programs: begin, what they cost (from /proc), end.

Nothing outlives the race: every program gets a SIGTERM when the race ends in any way, killed
included, and a SIGKILL when that is not enough.
"""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 15


class RaceError(Exception):
    """What went wrong, for people."""


def free_port():
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    """Looks every 20 ms until `condition()` is true and gives its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RaceError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


@dataclass(frozen=True)
class Memory:
    """Memory of some processes together, in bytes."""

    pss: int
    rss: int
    rss_peak: int


class Program:
    """A started program with all of its descendants."""

    def __init__(self, name, command, folder, stdout=None, stdin=None):
        """Starts `command` in `folder`; what it prints goes to files there."""
        self.name = name
        self.log = Path(folder, f"{name}.err")
        out = Path(folder, stdout or f"{name}.out")
        guard = ["setpriv", "--pdeathsig", "TERM", *map(str, command)]
        with open(out, "wb") as out_file, open(self.log, "wb") as err_file:
            self.process = subprocess.Popen(
                guard, cwd=folder, stdin=stdin or subprocess.DEVNULL,
                stdout=out_file, stderr=err_file, start_new_session=True,
            )

    def check(self):
        """Fails with the program's own words when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise RaceError(f"{self.name} ended with {code}:\n{self.last_words()}")

    def last_words(self):
        """The last lines it wrote to standard error."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-10:]
        return "".join(f"  {line}\n" for line in lines)

    def pids(self):
        """Its process and all below it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                todo.extend(map(int, read(children).split()))
        return found

    def cpu_seconds(self):
        """User and system time so far, of descendants that have ended too."""
        ticks = 0
        for pid in self.pids():
            fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime stime cutime cstime
        return ticks / TICKS_PER_SECOND

    def thread_seconds(self):
        """The same of its living threads, by name; numbered ones together."""
        found = {}
        for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            name, _, rest = read(stat).partition("(")[2].rpartition(")")
            if rest:
                name, ticks = name.rstrip("0123456789-"), sum(map(int, rest.split()[11:13]))
                found[name] = found.get(name, 0) + ticks / TICKS_PER_SECOND
        return found

    def memory(self):
        """Memory now, and the sum of each process's own peak."""
        pss = rss = peak = 0
        for pid in self.pids():
            rollup, status = read(f"/proc/{pid}/smaps_rollup"), read(f"/proc/{pid}/status")
            pss += kib(rollup, "Pss:")
            rss += kib(rollup, "Rss:")
            peak += kib(status, "VmHWM:")
        return Memory(pss * 1024, rss * 1024, peak * 1024)

    def stop(self):
        """Asks it to end, and makes sure of it."""
        if self.process.stdin:
            self.process.stdin.close()
        pids = self.pids()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()


def read(path):
    """A file of /proc, empty when the process has just ended."""
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kib(text, key):
    """The number behind `key` in a file of /proc that counts in KiB."""
    line = next((line for line in text.splitlines() if line.startswith(key)), "")
    return int(line.split()[1]) if line else 0


def output(command, **options):
    """What a short command prints, both outputs together; empty when it cannot be run."""
    try:
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60, check=False, text=True, errors="replace", **options,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
