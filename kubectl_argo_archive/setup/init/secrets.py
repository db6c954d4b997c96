"""How credentials come into the cluster without ever standing in a file."""

from __future__ import annotations

from typing import Any

from kubectl_argo_archive.setup.init.database import chart
from kubectl_argo_archive.setup.init.plan import DATABASE, OWNER, READER, READER_SECRET, S3_SECRET, SUPERUSER, Plan
from kubectl_argo_archive.setup.init.yaml_text import dump

_SCRIPT = """\
#!/bin/sh
# Makes the Secrets from what it reads on standard input, one line each, in this order:
{order}
# Nothing of it is in a file, on a command line or in the shell's history. Run it again to change a value.
# Good passwords:  openssl rand -base64 30
set -eu

read_line() {{
  if [ -t 0 ]; then printf '%s: ' "$1" >&2; stty -echo; fi
  line=
  IFS= read -r line || true
  if [ -t 0 ]; then stty echo; echo >&2; fi
  [ -n "$line" ] || {{ echo "no $1 given" >&2; exit 1; }}
}}

apply() {{ # NAMESPACE SECRET, lines of KEY=VALUE on standard input
  kubectl create secret generic "$2" --namespace "$1" --from-env-file=/dev/stdin --dry-run=client --output yaml |
    kubectl apply --server-side --force-conflicts --field-manager argo-archive-setup --filename -
}}

{steps}"""


def files(plan: Plan) -> dict[str, str]:
    """Scripts or manifests, as the plan says."""
    made: dict[str, str] = {}
    if plan.secret == "external-secrets":
        made["secrets/Chart.yaml"] = chart("argo-archive-secrets", "Credentials from AWS Secrets Manager")
        made["secrets/templates/store.yaml"] = _stores(plan)
        made["secrets/templates/secrets.yaml"] = _external(plan)
    elif plan.database_token:
        made["secrets/Chart.yaml"] = chart("argo-archive-secrets", "The name of the database's role")
        made["secrets/templates/role-name.yaml"] = _role_name()
    else:
        made["secrets/create.sh"] = _script(plan)
    if plan.secret == "irsa":
        made["iam/policy.json"] = _policy(plan)
    return made


def passwords(plan: Plan) -> list[tuple[str, str, str]]:
    """Secrets of the database: (name, role, what it is for)."""
    if plan.database_token:
        return []
    own = [
        (DATABASE, OWNER, "password of the controller, role"),
        (READER_SECRET, READER, "password of the reader, role"),
    ]
    return [(SUPERUSER, "postgres", "password of the superuser, role"), *own] if plan.in_cluster else own


def s3_namespaces(plan: Plan) -> list[str]:
    """Where Argo and the exporter read the bucket's keys: Argo takes them from the workflow's namespace."""
    return list(dict.fromkeys((plan.namespace, *plan.namespaces)))


def _script(plan: Plan) -> str:
    order, steps = [], []
    for name, role, what in passwords(plan):
        order.append(f"#   {what} {role}")
        steps.append(
            f"read_line '{what} {role}'\n"
            f"printf 'username={role}\\npassword=%s\\n' \"$line\" | apply {plan.namespace} {name}\n"
        )
    if plan.static_keys:
        order += ["#   access key of the bucket", "#   secret key of the bucket"]
        applies = "".join(
            f'printf \'accesskey=%s\\nsecretkey=%s\\n\' "$access" "$line" | apply {each} {S3_SECRET}\n'
            for each in s3_namespaces(plan)
        )
        steps.append(
            f"read_line 'access key of the bucket'\naccess=$line\nread_line 'secret key of the bucket'\n{applies}"
        )
    return _SCRIPT.format(order="\n".join(order), steps="\n".join(steps))


def _stores(plan: Plan) -> str:
    """A store and the service account it reads with, in each namespace that needs a Secret."""
    parts = [
        "# External Secrets has to run in the cluster. The role may read the values under the names in secrets.yaml.\n"
    ]
    for namespace in s3_namespaces(plan):
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": "argo-archive-secrets",
                "namespace": namespace,
                "annotations": {"eks.amazonaws.com/role-arn": plan.role_arn},
            },
        }
        store = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "SecretStore",
            "metadata": {"name": "argo-archive", "namespace": namespace},
            "spec": {
                "provider": {
                    "aws": {
                        "service": "SecretsManager",
                        "region": plan.region,
                        "auth": {"jwt": {"serviceAccountRef": {"name": "argo-archive-secrets"}}},
                    }
                }
            },
        }
        parts += ["---\n", dump(account), "---\n", dump(store)]
    return "".join(parts)


def _external(plan: Plan) -> str:
    parts = ["# Each value is a JSON object in AWS Secrets Manager with the two keys that stand here.\n"]
    for name, _, _ in passwords(plan):
        parts += ["---\n", dump(_external_secret(plan, plan.namespace, name, ("username", "password")))]
    for namespace in s3_namespaces(plan):
        parts += ["---\n", dump(_external_secret(plan, namespace, S3_SECRET, ("accesskey", "secretkey")))]
    return "".join(parts)


def _external_secret(plan: Plan, namespace: str, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    remote = f"{plan.secret_path}/{name.removeprefix('argo-archive-')}"
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": "argo-archive"},
            "target": {"name": name, "creationPolicy": "Owner"},
            "data": [{"secretKey": key, "remoteRef": {"key": remote, "property": key}} for key in keys],
        },
    }


def _role_name() -> str:
    about = (
        "# Argo takes the role's name from a Secret; it is no secret. There is no password: the controller logs in\n"
        "# with tokens of RDS IAM. Argo's chart wants a Secret for one to be named; it is never read.\n"
    )
    metadata = {"name": DATABASE}
    data = {"username": OWNER}
    return about + dump(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data}
    )


def _policy(plan: Plan) -> str:
    """What the role of ``--role-arn`` has to be allowed."""
    import json

    lake_bucket = plan.lake_location.removeprefix("s3://").partition("/")[0]
    buckets = sorted({plan.bucket, lake_bucket})
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    statements: list[dict[str, Any]] = [
        {
            "Sid": "List",
            "Effect": "Allow",
            "Action": [
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetBucketVersioning",
                "s3:GetLifecycleConfiguration",
            ],
            "Resource": [f"arn:aws:s3:::{each}" for each in buckets],
        },
        {
            "Sid": "ReadAndWrite",
            "Effect": "Allow",
            "Action": objects,
            "Resource": [f"arn:aws:s3:::{each}/*" for each in buckets],
        },
    ]
    if plan.database_token:
        resource = f"arn:aws:rds-db:{plan.region}:*:dbuser:*/{OWNER}"
        statements.append(
            {
                "Sid": "LogIn",
                "Effect": "Allow",
                "Action": "rds-db:connect",
                "Resource": [resource, f"arn:aws:rds-db:{plan.region}:*:dbuser:*/{READER}"],
            }
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"
