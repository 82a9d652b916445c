"""Load on a contestant: wrk as fast as it can, `pace` at a fixed rate, idle connections by hand."""

import http.client
import json
import re
import socket
import subprocess
from dataclasses import dataclass

from .processes import RaceError

BODY = b"x" * 1024  # what the upstream answers
CONNECTIONS = 100


@dataclass(frozen=True)
class Load:
    """What a load tool saw. Latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    surplus: int  # entries that a log may have beyond `requests`


def ask(port):
    """One request on a connection of its own. True for the right answer, None for no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"User-Agent": "race"})
        answer = connection.getresponse()
        return answer.status == 200 and answer.read() == BODY
    except (ConnectionError, TimeoutError):
        return None
    finally:
        connection.close()


def wrk(port, seconds, connections=CONNECTIONS):
    """As fast as answers come, one thread. When time is up it hangs up on what is under way, which
    the proxy logs all the same; and its first connection only looks whether somebody is there."""
    url = f"http://127.0.0.1:{port}/"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    text = run(["wrk", *options, url], seconds + 30)
    total = re.search(r"(\d+) requests in ([\d.]+)(m?s), ([\d.]+)(K|M|G)B read", text)
    if not total:
        raise RaceError(f"wrk answered what is not understood:\n{text}")
    if "Non-2xx" in text or "Socket errors" in text:
        raise RaceError(f"wrk saw wrong answers:\n{text}")
    requests, read_bytes = int(total[1]), float(total[4]) * 1024 ** (" KMG".index(total[5]))
    # The right body and at least a status line each; wrk rounds to three digits.
    if read_bytes < requests * len(BODY):
        raise RaceError(f"wrk read bodies that are too short:\n{text}")
    spans = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}
    at = {p: float(n) * spans[u] for p, n, u in re.findall(r" (\d+)%\s+([\d.]+)(us|ms|s|m)", text)}
    duration = float(total[2]) / (1000 if total[3] == "ms" else 1)
    return Load(requests, duration, at["50"], at["99"], connections + 1)


def pace(tool, port, rate, seconds):
    """Evenly spaced requests, timed from when they fall due."""
    requests = rate * seconds
    words = [f"127.0.0.1:{port}", rate, CONNECTIONS, requests, len(BODY)]
    seen = json.loads(run([tool, *words], seconds + 60))
    if seen["failure"] or seen["answered"] != requests:
        raise RaceError(f"pace: {seen['failure'] or seen}")
    if seen["seconds"] > seconds * 1.02 + 0.1:
        raise RaceError(f"the rate of {rate}/s was not kept: {seen}")
    return Load(requests, seen["seconds"], seen["p50_us"], seen["p99_us"], 0)


def warm_up(tool, port, requests=2000):
    """Fills pools and caches; gives the number of requests."""
    seen = json.loads(run([tool, f"127.0.0.1:{port}", 10_000, 50, requests, len(BODY)], 60))
    if seen["failure"]:
        raise RaceError(f"warm-up: {seen['failure']}")
    return seen["answered"]


def run(command, timeout):
    """Runs a load tool and gives what it printed."""
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RaceError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class IdleConnections:
    """Connections that have carried one request each and stay open."""

    def __init__(self, port, count):
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: race\r\n\r\n".encode()
        self.sockets = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            self.sockets.append(connection)
            connection.sendall(request)
            answer = b""
            while not answer.endswith(BODY):
                part = connection.recv(8192)
                if not part:
                    raise RaceError("an idle connection was closed before its answer")
                answer += part

    def still_open(self):
        """How many the contestant has not closed."""
        count = 0
        for connection in self.sockets:
            connection.setblocking(False)
            try:
                count += bool(connection.recv(1))
            except BlockingIOError:
                count += 1
        return count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()
