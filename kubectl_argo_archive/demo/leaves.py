"""What the leaves of a simulated run leave behind: parameter values, artifacts, outputs, failures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from time import gmtime, strftime
from typing import Any

from kubectl_argo_archive.demo import vocabulary as words
from kubectl_argo_archive.demo.templates import Json, Template

_FNV_OFFSET = 2166136261
_FNV_PRIME = 16777619

LITERAL = "@@{}@@"
"""A JSON value to be written as this very text (``1.10``): the generator replaces it after encoding."""

ODD_VALUES: tuple[Any, ...] = (
    LITERAL.format("1.10"), LITERAL.format("123456789012345678901234567890"), LITERAL.format("1e3"),
    LITERAL.format("0.1234567890123456789"), 42, -7, True, False, None, "", "null", "1.10",
    {"threshold": LITERAL.format("2.50"), "stages": ["train", "eval"], "é": None}, [1, "zwei", {"drei": 3.5}, []], {},
    "line one\nline two\ttab", 'quoted "text" and back\\slash', "日本語の値", "🚀🌍", "<b>&amp;</b>", " padded ",
    "\u2028separator", "{{workflow.parameters.date}}",
)  # fmt: skip
"""Values that a table must carry unharmed."""

FAILURES = (
    # weight, phase, message, exit code
    (30, "Failed", "Error (exit code 1)", "1"),
    (8, "Failed", "main: Error (exit code 2)", "2"),
    (14, "Failed", "OOMKilled (exit code 137)", "137"),
    (4, "Failed", "Error (exit code 143)", "143"),
    (6, "Failed", "Pod was active on the node longer than the specified deadline", None),
    (5, "Failed", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 92340Ki. Container main "
     "was using 7912344Ki, request is 4Gi, has larger consumption of memory. ", None),
    (4, "Failed", "Step exceeded its deadline", None),
    (7, "Error", "pod deleted", None),
    (4, "Error", "failed to save outputs: open /tmp/outputs/rows: no such file or directory", "0"),
    (3, "Error", "ImagePullBackOff: Back-off pulling image \"registry.company.example/data/etl-runner:2.14.3\"", None),
    (3, "Error", "pods \"worker\" is forbidden: exceeded quota: team, used: cpu=198, limited: cpu=200",
     None),
)  # fmt: skip
FAILURE_WEIGHTS = [failure[0] for failure in FAILURES]

SHUTDOWN = "workflow shutdown with strategy:  Terminate"

_OLD_REPOSITORY: Json = {
    "endpoint": "minio:9000",
    "bucket": "argo-artifacts",
    "insecure": True,
    "accessKeySecret": {"name": "minio-cred", "key": "accesskey"},
    "secretKeySecret": {"name": "minio-cred", "key": "secretkey"},
}


def fnv32a(text: str, state: int = _FNV_OFFSET) -> int:
    """FNV-1a with 32 bits; the hash of a text is the state from which the hash of a longer text goes on."""
    for byte in text.encode():
        state = ((state ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return state


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return strftime("%Y-%m-%dT", gmtime(number * 86400))


def stamp(at: int) -> str:
    """An instant in epoch seconds, as Argo writes it."""
    day, second = divmod(at, 86400)
    return f"{_day(day)}{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the parameters of one run are about.

    Attributes:
        odd: values that take the place of some inputs; usually none.
    """

    rng: Random
    team: str
    dataset: str
    date: str
    mode: str
    revision: str
    items: int
    odd: tuple[Any, ...]

    def inputs(self, template: Template, item: int) -> Json:
        """``inputs`` of one node."""
        inputs: Json = {}
        if template.inputs:
            inputs["parameters"] = [{"name": name, "value": self._value(name, item)} for name in template.inputs]
            if self.odd and self.rng.random() < 0.5:
                # never the first one: it may be an image, which is a text
                self._make_odd(inputs["parameters"][-1])
        if template.sources:
            inputs["artifacts"] = list(template.sources)
        return inputs

    def outputs(self, template: Template, item: int) -> list[Json]:
        """``outputs.parameters`` of one node."""
        return [
            {"name": name, "value": self._product(name, item), "valueFrom": {"path": f"/tmp/outputs/{name}"}}
            for name in template.outputs
        ]

    def source(self, item: int) -> str:
        """Where the data of an item lies."""
        return f"s3://company-lake/{self.team}/{self.dataset}/dt={self.date}/part-{item:05}.parquet"

    def _value(self, name: str, item: int) -> str:
        match name:
            case "date":
                return self.date
            case "source":
                return self.source(item)
            case "mode":
                return self.mode
            case "config":
                since = f'"since":"{self.date}T00:00:00Z","columns":["customer_id","amount_cents","created_at"]'
                return f'{{"shard":{item},"of":{self.items},"mode":"{self.mode}",{since},"strict":true}}'
            case "image":
                return words.IMAGES[item % len(words.IMAGES)]
            case "revision":
                return self.revision
            case "note":
                return self.rng.choice(words.NOTES)
            case _:
                return "0.85"

    def _product(self, name: str, item: int) -> str:
        match name:
            case "target":
                return f"s3://company-lake/{self.team}/{self.dataset}/dt={self.date}/"
            case "checksum":
                return f"{self.rng.getrandbits(128):032x}"
            case "loss" | "score":
                return str(round(self.rng.random(), 4))
            case "verdict" | "passed":
                return "true"
            case "version":
                return f"v{self.rng.randrange(1, 60)}"
            case "approver":
                return self.rng.choice(words.PEOPLE)
            case _:
                return str(self.rng.randrange(1_000, 90_000))

    def _make_odd(self, parameter: Json) -> None:
        value = self.rng.choice(self.odd)
        parameter["value"] = value
        if self.rng.random() < 0.3:
            parameter |= {"default": self.rng.choice(self.odd), "enum": ["a", "b"], "description": "see the wiki"}
        if value is None and self.rng.random() < 0.5:
            del parameter["value"]


def artifacts(template: Template, prefix: str, pod: str, *, full_location: bool, logs: bool) -> list[Json]:
    """``outputs.artifacts`` of a pod: its products, and the logs of its containers."""
    found: list[Json] = []
    for name, location in template.products:
        where = location or {"s3": {"key": f"{prefix}/{pod}/{name}.tgz"}}
        found.append({"name": name, "path": f"/tmp/outputs/{name}", **where})
    if logs:
        for container in template.containers or ("main",):
            key: Json = {"key": f"{prefix}/{pod}/{container}.log"}
            log: Json = {"name": f"{container}-logs", "s3": {**_OLD_REPOSITORY, **key} if full_location else key}
            found.append({"archiveLogs": True, **log} if full_location else log)
    return found
