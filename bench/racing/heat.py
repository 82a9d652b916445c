"""One heat: one contestant, one scenario, once. Start, warm up, load, drain, check, stop."""

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from . import load
from .contestants import CONFIG, WORKERS, envoy_path, metrics
from .processes import Memory, Program, RaceError, free_port, wait_for

DRAIN_SECONDS = 300
STALLED_SECONDS = 30  # without progress: what is missing by then was lost
STEADY_SECONDS = 1.5  # longer than anybody's batch or flush interval
IDLE_CONNECTIONS = 1000
AT_REST_S = 4  # how long they are idle before memory is read


@dataclass(frozen=True)
class Course:
    """What all heats share."""

    lbproxy: str
    pace: str
    folder: object
    upstream_port: int
    search: object  # OpenSearch or None
    collector: object  # OpenTelemetry Collector or None
    seconds: int
    rate: int


@dataclass(frozen=True)
class Scenario:
    """A row of the table below."""

    name: str
    title: str
    run: object  # function of a Heat, gives a Result
    contestants: tuple


@dataclass(frozen=True)
class Result:
    """What one heat gave."""

    requests: int = 0
    rate: float = 0
    cpu_us: float = 0  # CPU per request, all processes of the contestant, until all is logged
    p50: float = 0
    p99: float = 0
    memory: Memory = Memory(0, 0, 0)
    idle_bytes: float = 0  # resident memory per idle connection
    drain_seconds: float = 0
    threads: dict = field(default_factory=dict)  # CPU per request by name of thread
    wrong: str = ""  # why it cannot be compared with the others


class Heat:
    """A contestant that runs."""

    def __init__(self, course, contestant, label):
        self.course, self.contestant = course, contestant
        self.folder = course.folder / label
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.port, self.admin = free_port(), free_port()
        self.index = f"race.{label}".replace("-", ".")  # a namespace has no dash
        self.sent = 0  # requests that were answered, so far
        self.surplus = 0  # most requests that may be logged beyond those
        self.programs = []

    def places(self):
        """What `@place@` means in commands and configuration files."""
        course = self.course
        places = {
            "folder": self.folder, "port": self.port, "admin": self.admin, "index": self.index,
            "workers": WORKERS, "upstream": course.upstream_port, "lbproxy": course.lbproxy,
            "envoy": envoy_path(), "search_port": course.search.port if course.search else "",
            "collector_port": course.collector.port if course.collector else "",
        }
        return self.contestant.places | places

    def __enter__(self):
        with ExitStack() as stack:
            stack.callback(self.stop)
            places = self.places()
            for name in self.contestant.configs:
                text = fill((CONFIG / name).read_text(), places)
                (self.folder / name).write_text(text)
            for number, command in enumerate(self.contestant.commands):
                words = [fill(word, places) for word in command]
                name = words[0].rpartition("/")[2]
                stdout = self.contestant.stdout if number == 0 else None
                self.programs.append(Program(name, words, self.folder, stdout))
            if not self.programs:
                self.port = self.course.upstream_port
            wait_for(self.answers, 20, f"{self.contestant.name} answering")
            stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends its programs and removes what it stored."""
        for program in reversed(self.programs):
            program.stop()
        if self.contestant.log == "documents" and self.course.search:
            self.course.search.delete(self.index)

    def answers(self):
        """Sends one request; true for the right answer."""
        self.check()
        answer = load.ask(self.port)
        self.sent += answer is not None
        return answer

    def check(self):
        """Fails when a program has ended."""
        for program in self.programs:
            program.check()

    def cpu_seconds(self):
        """CPU of all its processes so far."""
        return sum(program.cpu_seconds() for program in self.programs)

    def thread_seconds(self):
        """The same by name of thread, of lbproxy."""
        is_lbproxy = self.contestant.name.startswith("lbproxy")
        return self.programs[0].thread_seconds() if is_lbproxy else {}

    def memory(self):
        """Memory of all its processes."""
        parts = [program.memory() for program in self.programs] or [Memory(0, 0, 0)]
        sums = (sum(getattr(part, name) for part in parts) for name in ("pss", "rss", "rss_peak"))
        return Memory(*sums)

    def logged(self):
        """Log lines, records or documents so far, and whether nothing is under way."""
        kind = self.contestant.log
        if kind == "file":
            return count_lines(self.folder / "access.log"), True
        if kind == "journal":
            return int(metrics(self.admin)["lbproxy_journal_appended_total"]), True
        if kind == "documents":
            is_drained = "lbproxy" not in self.contestant.name or (
                metrics(self.admin)["lbproxy_ship_pending"] == 0
            )
            return self.course.search.indexed(self.pattern()), is_drained
        return self.sent, True

    def pattern(self):
        """Names of the indices of this heat."""
        is_lbproxy = "lbproxy" in self.contestant.name
        return f"logs-lbproxy.access-{self.index}" if is_lbproxy else self.index

    def drain(self):
        """Waits until every request is logged and nothing more comes, or until it is plain that
        some never will be, which `not_logged` tells. Looks rarely, for some contestants spend CPU
        on being asked."""
        if self.contestant.log == "none":
            return
        steady = STEADY_SECONDS if self.contestant.log == "documents" else 0
        began = since = time.monotonic()
        last = -1
        while True:
            self.check()
            count, is_drained = self.logged()
            now = time.monotonic()
            if count != last:
                last, since = count, now
            elif count >= self.sent and is_drained and now - since > steady:
                return
            elif now - since > STALLED_SECONDS:
                return
            if now - began > DRAIN_SECONDS:
                words = "".join(program.last_words() for program in self.programs)
                raise RaceError(f"{count} of {self.sent} requests logged so far, too slow\n{words}")
            time.sleep(0.25)

    def not_logged(self):
        """What is wrong with the log, if anything: it has at least what was answered, and at most
        what was under way beside it when wrk hung up."""
        if self.contestant.log == "none":
            return ""
        count = self.logged()[0]
        if self.contestant.log == "documents":
            count = self.course.search.count(self.pattern())
        if self.sent <= count <= self.sent + self.surplus:
            return ""
        return f"{count} logged of {self.sent}"


def fill(text, places):
    """Replaces `@place@`; a place may name others."""
    for _ in range(2):
        for name, value in places.items():
            text = text.replace(f"@{name}@", str(value))
    return text


def count_lines(path):
    """Lines of a file; 0 without it."""
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


def measured(heat, run):
    """Warm up, then `run` with the meters on until all is logged."""
    heat.sent += load.warm_up(heat.course.pace, heat.port)
    heat.drain()
    cpu, threads = heat.cpu_seconds(), heat.thread_seconds()
    seen = run()
    ended = time.monotonic()
    heat.sent += seen.requests
    heat.surplus += seen.surplus
    heat.drain()
    cpu = heat.cpu_seconds() - cpu
    threads = {name: (seconds - threads.get(name, 0)) * 1e6 / seen.requests
               for name, seconds in heat.thread_seconds().items()}
    drain_seconds = time.monotonic() - ended
    memory = heat.memory()
    if not heat.answers():
        raise RaceError("a wrong answer after the load")
    heat.drain()
    return Result(
        seen.requests, seen.requests / seen.seconds, cpu * 1e6 / seen.requests, seen.p50, seen.p99,
        memory, drain_seconds=drain_seconds, threads=threads, wrong=seen.wrong or heat.not_logged(),
    )


def saturated(heat):
    """wrk -t1 -c100: CPU per request when there is no idle time to hide in."""
    return measured(heat, lambda: load.wrk(heat.port, heat.course.seconds))


def fixed_rate(heat):
    """The same number of requests for everybody: what a service at ease costs and adds."""
    course = heat.course
    return measured(heat, lambda: load.pace(course.pace, heat.port, course.rate, course.seconds))


def thousand(heat):
    """1000 idle connections in a fresh process; then, when they are gone, 1000 busy ones."""
    before = heat.memory().rss
    with load.IdleConnections(heat.port, IDLE_CONNECTIONS) as idle:
        heat.sent += IDLE_CONNECTIONS
        heat.drain()
        time.sleep(AT_REST_S)
        growth = heat.memory().rss - before
        if idle.still_open() != IDLE_CONNECTIONS:
            raise RaceError("idle connections were closed")
    seen = load.wrk(heat.port, heat.course.seconds, connections=IDLE_CONNECTIONS)
    heat.sent += seen.requests
    heat.surplus += seen.surplus
    heat.drain()
    return Result(
        seen.requests, seen.requests / seen.seconds, 0, seen.p50, seen.p99, heat.memory(),
        growth / IDLE_CONNECTIONS, wrong=heat.not_logged(),
    )


PROXIES = ("nginx", "nginx-buffered", "haproxy", "envoy", "lbproxy")
SHIPPERS = ("lbproxy-records", "lbproxy-ship", "lbproxy-traces", "nginx-rsyslog")

SCENARIOS = (
    Scenario("saturated", "as fast as it goes", saturated, (*PROXIES, *SHIPPERS)),
    Scenario("rate", "fixed rate", fixed_rate, ("direct", *PROXIES, *SHIPPERS)),
    Scenario("thousand", "1000 connections", thousand, (*PROXIES, "lbproxy-ship")),
)


def median_of(results, name):
    """Median of one figure over rounds."""
    return statistics.median(getattr(result, name) for result in results)
