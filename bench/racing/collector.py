"""The one real OpenTelemetry Collector that lbproxy sends spans to."""

from pathlib import Path

from .processes import Program, free_port, output, wait_for

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: basic}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
"""


def path():
    """Where `scripts/parts test` put it."""
    return output([ROOT / "scripts/parts", "where", "otelcol"])


class Collector:
    """Takes spans by gRPC on `port` and counts them."""

    def __init__(self, folder):
        folder.mkdir()
        self.port = free_port()
        config = folder / "collector.yaml"
        config.write_text(CONFIG.format(port=self.port))
        self.program = Program("collector", [path(), "--config", config], folder)

        def ready():
            self.program.check()
            return "Everything is ready" in self.program.log.read_text(errors="replace")

        try:
            wait_for(ready, START_SECONDS, "the OpenTelemetry Collector")
        except BaseException:
            self.program.stop()
            raise

    def stop(self):
        """Ends it."""
        self.program.stop()
