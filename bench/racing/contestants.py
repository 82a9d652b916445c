"""The table of contestants: what each one is, how it is started, how it keeps its log.

All of them: the same number of workers, keep-alive towards the same upstream without a limit, the
four forwarding fields set, one JSON line or record for each request with comparable fields.
"""

import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from .processes import output

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "bench/config"
WORKERS = 2


def envoy_path():
    """Where `scripts/parts race` put Envoy."""
    return output([ROOT / "scripts/parts", "where", "envoy"]) or "envoy"


@dataclass(frozen=True)
class Contestant:
    """One row. `commands` are started in order; the words and the configuration files may name
    the places of a heat as `@place@`, see `Heat.places`."""

    name: str
    title: str
    commands: tuple = ()
    configs: tuple = ()  # files of bench/config, copied to the heat's folder with places filled in
    log: str = "none"  # none, file (lines of access.log), journal, documents
    stdout: str | None = None  # where the first command's output goes, when that is the log
    places: dict = field(default_factory=dict)
    has_spans: bool = False  # sends them to the collector


# What lbproxy does beside the records of requests, and with them.
NOTHING_ELSE = """
  heartbeat: {every: off}
  process: {every: off}
  rollup: {every: off}"""
SHIPPING = """
  elasticsearch: {urls: ["http://127.0.0.1:@search_port@"]}"""
TRACES = """
  otlp: {endpoint: "http://127.0.0.1:@collector_port@", sample: 0.01}"""
NGINX = ("nginx", "-p", "@folder@", "-c", "@folder@/nginx.conf", "-e", "@folder@/error.log")
RSYSLOG = ("rsyslogd", "-n", "-f", "@folder@/rsyslog.conf", "-i", "@folder@/rsyslogd.pid")
HAPROXY = ("haproxy", "-db", "-f", "@folder@/haproxy.cfg")
ENVOY = (
    "@envoy@", "-c", "@folder@/envoy.yaml", "--concurrency", "@workers@", "--use-dynamic-base-id",
    "--file-flush-interval-msec", "1000", "--log-level", "warn",
)
LBPROXY = ("@lbproxy@", "run", "--config", "@folder@/lbproxy.yaml")

CONTESTANTS = (
    Contestant("direct", "no proxy: straight to the upstream"),
    Contestant(
        "nginx", "nginx, JSON log, a line written at each request", (NGINX,), ("nginx.conf",),
        "file", places={"log_options": ""},
    ),
    Contestant(
        "nginx-buffered", "nginx, JSON log, lines buffered for up to 1 s or 64 KiB",
        (NGINX,), ("nginx.conf",), "file", places={"log_options": " buffer=64k flush=1s"},
    ),
    Contestant(
        "haproxy", "HAProxy, JSON log", (HAPROXY,), ("haproxy.cfg",), "file", stdout="access.log",
    ),
    Contestant("envoy", "Envoy, JSON log, flushed each second", (ENVOY,), ("envoy.yaml",), "file"),
    Contestant(
        "lbproxy", "lbproxy, record and journal", (LBPROXY,), ("lbproxy.yaml",), "journal",
        places={"telemetry": NOTHING_ELSE},
    ),
    Contestant(
        "lbproxy-records", "lbproxy, every record shipped to OpenSearch and nothing else",
        (LBPROXY,), ("lbproxy.yaml",), "documents", places={"telemetry": SHIPPING + NOTHING_ELSE},
    ),
    Contestant(
        "lbproxy-ship", "the same with rollups, heartbeat and process samples (the default)",
        (LBPROXY,), ("lbproxy.yaml",), "documents", places={"telemetry": SHIPPING},
    ),
    Contestant(
        "lbproxy-traces", "the same with traces of 1 % to an OpenTelemetry Collector",
        (LBPROXY,), ("lbproxy.yaml",), "documents", places={"telemetry": SHIPPING + TRACES}, has_spans=True,
    ),
    Contestant(
        "nginx-rsyslog", "nginx, JSON log, and rsyslog shipping it to the same OpenSearch",
        (NGINX, RSYSLOG), ("nginx.conf", "rsyslog.conf"), "documents", places={"log_options": ""},
    ),
)


def metrics(port):
    """Samples of lbproxy's /metrics without labels, and the sums of those with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        found = {}
        for line in page.read().decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                found[name] = found.get(name, 0) + float(value)
        return found


def versions(lbproxy):
    """What ran, for the report."""
    first = lambda *command: (output(command).splitlines() or ["not installed"])[0]
    return {
        "lbproxy": f"{first(lbproxy, '--version')}, commit "
        + output(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"]),
        "nginx": first("nginx", "-v").removeprefix("nginx version: "),
        "HAProxy": first("haproxy", "-v").removeprefix("HAProxy version ").partition(" ")[0],
        "Envoy": "".join(output([envoy_path(), "--version"]).split("/")[-4:-3]),
        "rsyslog": first("rsyslogd", "-v").partition(" (aka")[0].removeprefix("rsyslogd  "),
        "wrk": first("wrk", "-v").partition(" [")[0],
    }
