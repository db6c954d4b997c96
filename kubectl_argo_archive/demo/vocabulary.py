"""Words, images and scripts of the generator's invented company."""

from __future__ import annotations

from random import Random
from typing import Any

TEAMS = (
    "risk", "pricing", "search", "growth", "fraud", "maps", "genomics", "weather", "billing", "ml-platform",
    "catalog", "vision",
)  # fmt: skip
TABLES = (
    "orders", "payments", "clicks", "sessions", "shipments", "customers", "invoices", "sensor_readings", "positions",
    "quotes", "variants", "alignments", "tiles", "forecasts", "impressions", "refunds", "tickets", "embeddings",
    "transcripts", "inventory", "returns", "ledger", "exposures", "trades",
)  # fmt: skip
COLUMNS = (
    "customer_id", "order_id", "amount_cents", "currency", "created_at", "updated_at", "country", "channel",
    "device", "status", "valid_from", "valid_to", "checksum", "source_system", "region", "quantity", "score",
    "latitude", "longitude", "model_version", "batch_id", "event_time", "ingested_at", "tenant",
)  # fmt: skip
SUFFIXES = ("nightly", "hourly", "backfill", "v2", "eu", "us", "apac", "full", "delta", "next")
PEOPLE = (
    "alice", "bob", "chandra", "dmitri", "eva-maria", "farid", "grace", "hiroshi", "ines", "jose", "katarzyna",
    "liam", "mei", "noor", "olu", "priya",
)  # fmt: skip
IMAGES = (
    "python:3.12-slim", "registry.company.example/data/etl-runner:2.14.3",
    "registry.company.example:5000/ml/trainer:1.9",
    "ghcr.io/company/dbt-runner@sha256:4f2d6c1b8a907e35c1d2b3a4f5e6978877665544332211ffeeddccbbaa998877",
    "eu-docker.pkg.dev/company-prod/batch/worker:v5.0.1", "alpine", "bitnami/kubectl:1.31", "amazon/aws-cli:2.17.9",
    "localhost:5000/tools/check", "quay.io/company/spark:3.5.1@sha256:"
    "9b1c0d2e3f405162738495a6b7c8d9eaf0b1c2d3e4f5061728394a5b6c7d8e9f",
)  # fmt: skip
NODES = tuple(f"ip-10-{a}-{b}-{c}.eu-central-1.compute.internal" for a in (12, 40) for b in (3, 77, 201)
              for c in (14, 58, 91, 133, 190, 244))  # fmt: skip
NOTES = (
    "first run after the schema change", "Überprüfung für Zürich abgeschlossen ✓", "再実行: 在庫の差分のみ",
    'said "do it again"\nand so we did', "C:\\data\\in\\2026", "rocket 🚀 release, <b>bold</b> & brave", "null", "007",
)  # fmt: skip

_LINES = (
    "df = spark.read.parquet(f\"{{args.source}}/{t}\")",
    "df = df.where(F.col(\"{c}\") >= args.since).dropDuplicates([\"{k}\", \"{c}\"])",
    "log.info(\"read %d rows of {t} for %s\", df.count(), args.date)",
    "bad = df.filter(F.col(\"{c}\").isNull() | (F.col(\"{k}\") < 0))",
    "if bad.count() > args.max_bad:",
    "    raise SystemExit(f\"{t}: {{bad.count()}} rows without {c}, limit {{args.max_bad}}\")",
    "rates = load_reference(\"{t}\", key=\"{k}\", as_of=args.date)",
    "joined = df.join(rates, on=[\"{k}\"], how=\"left\").withColumn(\"{c}\", F.coalesce(\"{c}\", F.lit(0)))",
    "for part in sorted(Path(args.source).glob(\"{t}/*.parquet\")):",
    "    with fs.open(part, \"rb\") as source, fs.open(args.target + part.name, \"wb\") as target:",
    "        shutil.copyfileobj(source, target, length={n} * 1024)",
    "metrics = {{\"{k}\": joined.agg(F.sum(\"{c}\")).first()[0], \"rows\": joined.count()}}",
    "Path(\"/tmp/outputs/{k}\").write_text(json.dumps(metrics[\"{k}\"]))",
    "assert set(df.columns) >= {{\"{c}\", \"{k}\"}}, f\"{t} lost a column: {{df.columns}}\"",
    "retry = Retrying(stop=stop_after_attempt({m}), wait=wait_exponential(max={n}))",
    "conn.execute(\"merge into {t} using staged on {t}.{k} = staged.{k} when matched update set {c} = staged.{c}\")",
    "#   {k} comes from the source system, {c} is filled in by the loader; see runbook {t}-{n}",
    "window = Window.partitionBy(\"{k}\").orderBy(F.desc(\"{c}\")).rowsBetween(-{n}, 0)",
    "features[\"{t}_{c}_{n}\"] = F.avg(\"{c}\").over(window)",
    "aws s3 cp --recursive --quiet \"s3://company-lake/raw/{t}/\" \"/data/{t}/\"",
    "psql \"$DATABASE_URL\" --set=ON_ERROR_STOP=1 --command=\"refresh materialized view {t}_by_{k}\"",
    "test \"$(wc -l < /data/{t}.csv)\" -gt {n} || {{ echo \"{t} is too short\" >&2; exit {m}; }}",
    "curl --fail --silent --max-time {n} \"https://catalog.company.example/v1/tables/{t}\" | jq -r .{c}",
)  # fmt: skip
_ENVIRONMENT = (
    "AWS_REGION", "DATABASE_URL", "SPARK_DRIVER_MEMORY", "OTEL_EXPORTER_OTLP_ENDPOINT", "PYTHONUNBUFFERED", "LOG_LEVEL",
    "FEATURE_STORE_URL", "MLFLOW_TRACKING_URI", "SENTRY_DSN", "TZ",
)  # fmt: skip


class Script:
    """Writes the texts of one pipeline: scripts, container bodies, images.

    Attributes:
        unusual: whether its author likes the rarer features: inline templates, images by parameter.
    """

    def __init__(self, rng: Random, dataset: str, team: str) -> None:
        self.rng = rng
        self.dataset = dataset
        self.team = team
        self.unusual = rng.random() < 0.4

    def lines(self, count: int) -> str:
        """A script of so many lines, about this pipeline's tables."""
        rng = self.rng
        tables = (self.dataset, *rng.sample(TABLES, 2))
        return "\n".join(
            line.format(
                t=rng.choice(tables), c=rng.choice(COLUMNS), k=rng.choice(COLUMNS), n=rng.randrange(4, 900),
                m=rng.randrange(2, 9),
            )
            for line in rng.choices(_LINES, k=count)
        )  # fmt: skip

    def image(self) -> str:
        """An image reference: with tag, digest, both or neither, with and without registry and port."""
        return self.rng.choice(IMAGES)

    def container(self, *, image: str | None = None, lines: int = 12, gpu: int = 0) -> dict[str, Any]:
        """The template body of a container."""
        return {"container": self._container(image, gpu) | {"command": ["bash", "-euc"], "args": [self.lines(lines)]}}

    def script(self, *, image: str | None = None, lines: int = 20) -> dict[str, Any]:
        """The template body of a script."""
        source = "import json, os, sys\n" + self.lines(lines) + "\nprint(json.dumps(plan))\n"
        return {"script": self._container(image, 0) | {"command": ["python"], "source": source}}

    def extra(self, name: str, image: str) -> dict[str, Any]:
        """An init container or sidecar."""
        return {"name": name, "image": image, "command": ["sh", "-c", self.lines(2)], "resources": {}}

    def _container(self, image: str | None, gpu: int) -> dict[str, Any]:
        rng = self.rng
        limits = {"memory": f"{rng.choice((1, 2, 4, 8, 16))}Gi"} | ({"nvidia.com/gpu": str(gpu)} if gpu else {})
        requests = {"cpu": rng.choice(("100m", "500m", "1", "2", "4")), "memory": limits["memory"]}
        return {
            "name": "",
            "image": image or self.image(),
            "env": [self._variable(name) for name in rng.sample(_ENVIRONMENT, 4)],
            "resources": {"limits": limits, "requests": requests},
            "volumeMounts": [{"name": "tmp", "mountPath": "/work"}, {"name": "trust", "mountPath": "/etc/ssl/company"}],
            "imagePullPolicy": rng.choice(("IfNotPresent", "Always")),
        }

    def _variable(self, name: str) -> dict[str, Any]:
        if name.endswith(("URL", "DSN")):
            secret = f"{self.team}-{name.lower().replace('_', '-')}"
            return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}}
        return {"name": name, "value": f"{self.team}-{self.rng.choice(TABLES)}-{self.rng.randrange(100)}"}
