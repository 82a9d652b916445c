"""From results to text: one table a scenario, and what became of the targets."""

import os
import platform
import statistics
import time
from dataclasses import dataclass

from .heat import median_of
from .processes import output

BASE = "nginx"  # ratios are to this one


class Results:
    """All results, by scenario and contestant."""

    def __init__(self):
        self.of = {}
        self.broken = []  # heats without a result, as text

    def add(self, scenario, contestant, result):
        """Keeps the result of one heat."""
        self.of.setdefault((scenario, contestant), []).append(result)

    def median(self, scenario, contestant, figure):
        """Median over rounds; None when it did not run."""
        rounds = self.of.get((scenario, contestant))
        return median_of(rounds, figure) if rounds else None

    def comparable(self):
        """Those of contestants for which nothing went wrong in any round."""
        kept = Results()
        kept.of = {key: rounds for key, rounds in self.of.items()
                   if not any(result.wrong for result in rounds)}
        return kept

    def ratio(self, scenario, figure, one, other):
        """Median by median; None when one of them is missing."""
        above, below = (self.median(scenario, name, figure) for name in (one, other))
        return above / below if above and below else None

    def more(self, scenario, figure, one, other):
        """What one needs over the other; the median of rounds, each against its own neighbour, for
        the machine is not the same from round to round."""
        rounds = zip(self.of.get((scenario, one), []), self.of.get((scenario, other), []))
        spans = [getattr(above, figure) - getattr(below, figure) for above, below in rounds]
        return statistics.median(spans) if spans else None

    def added(self, contestant, figure):
        """Latency at the fixed rate that the direct way does not have."""
        through, direct = (self.median("rate", name, figure) for name in (contestant, "direct"))
        return through - direct if None not in (through, direct) else None

    def peak_mb(self, scenario, contestant):
        """Largest resident memory of any round."""
        rounds = self.of.get((scenario, contestant), [])
        return max((megabytes(result.memory.rss_peak) for result in rounds), default=None)


def megabytes(count):
    """Bytes as megabytes, as the targets count."""
    return count / 1e6


@dataclass(frozen=True)
class Target:
    """A target of the design: a figure that must not exceed a limit."""

    name: str
    text: str
    figure: object  # function of Results
    limit: object  # number, or function of Results
    unit: str = ""


TARGETS = (
    Target("F1", "CPU per request, saturated: lbproxy ÷ nginx (aim 1.00)",
           lambda r: r.ratio("saturated", "cpu_us", "lbproxy", BASE), 1.10),
    Target("F1", "the same ÷ nginx that buffers its log",
           lambda r: r.ratio("saturated", "cpu_us", "lbproxy", "nginx-buffered"), 1.10),
    Target("F1", "CPU per request, saturated: lbproxy ÷ Envoy",
           lambda r: r.ratio("saturated", "cpu_us", "lbproxy", "envoy"), 0.45),
    Target("F2", "CPU per request, saturated: lbproxy shipping ÷ nginx with its log alone (aim 1.05)",
           lambda r: r.ratio("saturated", "cpu_us", "lbproxy-ship", BASE), 1.25),
    Target("F2", "the same ÷ nginx that buffers its log",
           lambda r: r.ratio("saturated", "cpu_us", "lbproxy-ship", "nginx-buffered"), 1.25),
    Target("F2", "CPU per request, fixed rate: lbproxy shipping ÷ nginx + rsyslog (aim 0.75)",
           lambda r: r.ratio("rate", "cpu_us", "lbproxy-ship", "nginx-rsyslog"), 0.90),
    Target("F2", "CPU per request, saturated: rollups, heartbeat, samples over records only",
           lambda r: r.more("saturated", "cpu_us", "lbproxy-ship", "lbproxy-records"), 1, " µs"),
    Target("F2", "the same with traces of 1 % over records only",
           lambda r: r.more("saturated", "cpu_us", "lbproxy-traces", "lbproxy-records"), 1, " µs"),
    Target("F3", "added p50 at the fixed rate, limit is nginx's",
           lambda r: r.added("lbproxy", "p50"), lambda r: r.added(BASE, "p50"), " µs"),
    Target("F3", "added p99 at the fixed rate, limit is nginx's",
           lambda r: r.added("lbproxy", "p99"), lambda r: r.added(BASE, "p99"), " µs"),
    Target("F4", "peak RSS, saturated",
           lambda r: r.peak_mb("saturated", "lbproxy"), 40, " MB"),
    Target("F4", "peak RSS, saturated and shipping",
           lambda r: r.peak_mb("saturated", "lbproxy-ship"), 40, " MB"),
    Target("F4", "the same with traces of 1 %",
           lambda r: r.peak_mb("saturated", "lbproxy-traces"), 40, " MB"),
    Target("F4", "peak RSS, 1000 busy connections",
           lambda r: r.peak_mb("thousand", "lbproxy"), 40, " MB"),
    Target("F4", "resident memory per idle connection",
           lambda r: kib(r.median("thousand", "lbproxy", "idle_bytes")), 12, " KiB"),
)


def kib(count):
    """Bytes as KiB."""
    return None if count is None else count / 1024


def number(value, digits=1):
    """A figure, or a dash for one that is missing."""
    return "–" if value is None else f"{value:.{digits}f}"


def spread(rounds, figure, digits=1):
    """Median, and least to most beside it; a dash for what a contestant does not have."""
    values = [getattr(result, figure) for result in rounds]
    if not any(values):
        return "–"
    text = number(median_of(rounds, figure), digits)
    least, most = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return f"{text} ({least}–{most})" if len(values) > 1 else text


def columns(scenario, results):
    """Heads and cells of a scenario's table; a cell is a function of contestant and its rounds."""
    mb = lambda name: lambda c, rounds: number(
        megabytes(max(getattr(result.memory, name) for result in rounds))
    )
    ratio = lambda c, rounds: number(results.ratio(scenario, "cpu_us", c, BASE), 2)
    cpu = [("CPU µs/request", lambda c, rounds: spread(rounds, "cpu_us")), (f"÷ {BASE}", ratio)]
    rate = [("requests/s", lambda c, rounds: spread(rounds, "rate", 0))]
    times = [(f"{name} µs", lambda c, rounds, name=name: spread(rounds, name, 0))
             for name in ("p50", "p99")]
    added = [(f"added {name} µs", lambda c, rounds, name=name: number(results.added(c, name), 0))
             for name in ("p50", "p99")]
    memory = [("PSS MB", mb("pss")), ("peak RSS MB", mb("rss_peak"))]
    checks = [("checks", lambda c, rounds: ", ".join(
        sorted({result.wrong for result in rounds if result.wrong})) or "passed")]
    drain = [("drained after s", lambda c, rounds: spread(rounds, "drain_seconds"))]
    idle = [("KiB per idle connection",
             lambda c, rounds: number(kib(results.median(scenario, c, "idle_bytes"))))]
    return {
        "saturated": rate + cpu + times + memory + drain + checks,
        "rate": cpu + times + added + memory + checks,
        "thousand": idle + memory + rate + checks,
    }[scenario]


def table(scenario, contestants, results):
    """One scenario as Markdown."""
    ran = [c for c in contestants if (scenario, c.name) in results.of]
    if not ran:
        return ""
    shown = columns(scenario, results)
    lines = ["| | " + " | ".join(title for title, _ in shown) + " |",
             "|---" * (len(shown) + 1) + "|"]
    for contestant in ran:
        rounds = results.of[(scenario, contestant.name)]
        cells = (cell(contestant.name, rounds) for _, cell in shown)
        lines.append(f"| {contestant.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def threads(scenario, contestants, results):
    """What each of lbproxy's threads takes, as Markdown: µs of CPU per request, medians."""
    rows = [(c.title, results.of.get((scenario.name, c.name), [])) for c in contestants]
    rows = [(title, rounds) for title, rounds in rows if any(r.threads for r in rounds)]
    names = sorted({name for _, rounds in rows for r in rounds for name in r.threads})
    if not rows:
        return ""
    lines = ["| CPU µs/request by thread | " + " | ".join(names) + " |",
             "|---" * (len(names) + 1) + "|"]
    for title, rounds in rows:
        spans = ([r.threads[name] for r in rounds if name in r.threads] for name in names)
        cells = (number(statistics.median(own), 2) if own else "–" for own in spans)
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def targets(results):
    """The targets as Markdown; those without figures that can be compared say so."""
    results = results.comparable()
    lines = ["| # | target | measured | limit | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        figure = target.figure(results)
        limit = target.limit(results) if callable(target.limit) else target.limit
        word = "not measured" if None in (figure, limit) else "met" if figure <= limit else "MISSED"
        cells = (f"{number(value, 2)}{target.unit}" for value in (figure, limit))
        lines.append(f"| {target.name} | {target.text} | " + " | ".join(cells) + f" | {word} |")
    return "\n".join(lines) + "\n"


def machine():
    """What it ran on."""
    facts = dict(line.split(":", 1) for line in output(["lscpu"]).splitlines() if ":" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} × {facts.get('Model name', '?').strip()}"
            f" ({facts.get('Hypervisor vendor', 'no').strip()} hypervisor), {memory:.0f} GiB,"
            f" Linux {platform.release()}")


def page(scenarios, contestants, results, facts):
    """The whole report. `facts`: lines of what, where and when, as pairs."""
    lines = ["# Results of the race\n",
             "Written by `bench/race`; what the columns mean stands in `README.md` beside it."
             " Medians, least to most in parentheses; memory is the most of all rounds.\n"]
    lines += [f"- {name}: {value}" for name, value in facts]
    lines += ["", "## Targets", "", targets(results)]
    if results.broken:
        lines += ["Heats without a result:", "", *(f"- {text}" for text in results.broken), ""]
    for scenario in scenarios:
        text = table(scenario.name, contestants, results)
        if text:
            lines += [f"## {scenario.title[0].upper()}{scenario.title[1:]}", "", text]
            lines += [threads(scenario, contestants, results)]
    return "\n".join(lines)


def now():
    """Date and time of the report."""
    return time.strftime("%Y-%m-%d %H:%M %Z")
