"""The one real OpenSearch that contestants ship to."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .processes import Program, RaceError, output, wait_for

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180


class OpenSearch:
    """A single node, started by `scripts/server`, which stops it when its stdin closes."""

    def __init__(self, folder):
        folder.mkdir()
        command = [ROOT / "scripts/server", "opensearch", "--dir", folder / "node", "--heap", "1g"]
        self.program = Program("opensearch", command, folder, stdin=subprocess.PIPE)
        answer = folder / "opensearch.out"

        def ready():
            self.program.check()
            text = answer.read_text()
            return text.split()[1] if text.endswith("\n") else None

        try:
            self.url = wait_for(ready, START_SECONDS, "OpenSearch")
            self.port = int(self.url.rpartition(":")[2])
            self.version = self.request("GET", "/")["version"]["number"]
            self.install_template()
        except BaseException:
            self.program.stop()
            raise

    def request(self, method, path, body=None):
        """One request; the answer as JSON."""
        data = body.encode() if body else None
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "GET":
                return {}
            raise RaceError(f"{method} {path}: {error.code}: {error.read()[:300]!r}") from error

    def install_template(self):
        """For the indices of everybody but lbproxy, which installs its own: the same settings."""
        keyword = {"match_mapping_type": "string", "mapping": {"type": "keyword"}}
        date = {"@timestamp": {"type": "date"}}
        template = {
            "index_patterns": ["race.*"],
            "template": {
                "settings": {"number_of_shards": 1, "number_of_replicas": 0,
                             "index.codec": "best_compression"},
                "mappings": {"dynamic_templates": [{"strings": keyword}], "properties": date},
            },
        }
        self.request("PUT", "/_index_template/race-others", json.dumps(template))

    def indexed(self, pattern):
        """Documents taken so far, without making them searchable."""
        stats = self.request("GET", f"/{pattern}/_stats/indexing?expand_wildcards=all")
        return stats.get("_all", {}).get("primaries", {}).get("indexing", {}).get("index_total", 0)

    def count(self, pattern):
        """Documents that a search finds."""
        query = "expand_wildcards=all&ignore_unavailable=true"
        self.request("POST", f"/{pattern}/_refresh?{query}")
        return self.request("GET", f"/{pattern}/_count?{query}").get("count", 0)

    def delete(self, name):
        """Removes what one heat stored."""
        streams = f"/_data_stream/*-lbproxy.*-{name}"
        if self.request("GET", streams).get("data_streams"):
            self.request("DELETE", streams)
        self.request("DELETE", f"/{name}?ignore_unavailable=true")

    def stop(self):
        """Ends it."""
        self.program.stop()


def is_installed():
    """Whether `scripts/parts race` was run."""
    where = [ROOT / "scripts/parts", "where", "opensearch"]
    return os.path.isdir(output(where) or "/nonexistent")
