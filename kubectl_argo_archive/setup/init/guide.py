"""The README of a rendered folder: the steps, in their order."""

from __future__ import annotations

from kubectl_argo_archive.setup.init.plan import ARGO_VERSION, CHART_VERSION, POSTGRES_IMAGE, RELEASE, Plan
from kubectl_argo_archive.setup.init.secrets import passwords, s3_namespaces


def guide(plan: Plan) -> str:
    """``README.md``."""
    steps = [_secrets(plan)]
    if not plan.in_cluster:
        steps.append(_external(plan))
    steps += [_install(plan), _look(plan)]
    numbered = "\n".join(f"## {number}. {text}" for number, text in enumerate(steps, 1))
    return f"""\
# Argo Workflows with an archive

Argo {ARGO_VERSION} (chart argo/argo-workflows {CHART_VERSION}) in namespace `{plan.namespace}`, {_database(plan)},
artifacts and logs in bucket `{plan.bucket}`, a lake at `{plan.lake_location}`.
No file here holds a password: the folder may go into git as it is.

{numbered}"""


def _database(plan: Plan) -> str:
    return f"`{POSTGRES_IMAGE}` in the cluster" if plan.in_cluster else f"Postgres at `{plan.external_host}`"


def _secrets(plan: Plan) -> str:
    spaces = " ".join(s3_namespaces(plan))
    each = 'kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f -'
    namespaces = f"for namespace in {spaces}; do {each}; done"
    if plan.secret == "external-secrets":
        names = [name for name, _, _ in passwords(plan)] + ["argo-archive-s3"]
        rows = "\n".join(f"- `{plan.secret_path}/{name.removeprefix('argo-archive-')}`" for name in names)
        return f"""\
Put the credentials into AWS Secrets Manager

Names in {plan.region}, each a JSON object with the keys that `secrets/templates/secrets.yaml` lists:

{rows}

External Secrets reads them with the role `{plan.role_arn}`, in namespaces that have to exist:

```sh
{namespaces}
```
"""
    if plan.database_token:
        return f"""\
Give the role its rights

`iam/policy.json` is what `{plan.role_arn}` needs; its trust policy names the service accounts `argo-workflow`
({", ".join(f"`{each}`" for each in plan.namespaces)}), `{RELEASE}-workflow-controller`, `{RELEASE}-server` and
`argo-archive-exporter` (`{plan.namespace}`). There is no password anywhere.
"""
    extra = f"\n`iam/policy.json` is what the role `{plan.role_arn}` needs.\n" if plan.secret == "irsa" else ""
    return f"""\
Make the secrets

```sh
{namespaces}
sh secrets/create.sh    # asks for each one; or reads one line each from a password manager's pipe
```
{extra}"""


def _external(plan: Plan) -> str:
    login = "log in with tokens (GRANT rds_iam TO argo)" if plan.database_token else "have the password from step 1"
    return f"""\
Prepare the database

The role `argo` has to own database `{plan.database}` (or have CREATE and USAGE on its schema `public`) and {login}.
Then make the reader: `psql -f sql/reader.sql`, its head says how. Sessions should be in UTC:
`ALTER DATABASE "{plan.database}" SET timezone = 'UTC';`
"""


def _install(plan: Plan) -> str:
    return f"""\
Install

```sh
helmfile apply
```

After each change `helmfile apply` restarts controller and server, see `hooks` in `helmfile.yaml`. By hand:
`kubectl -n {plan.namespace} rollout restart deployment/{RELEASE}-workflow-controller deployment/{RELEASE}-server`
"""


def _look(plan: Plan) -> str:
    job = "cronjob/argo-archive-exporter" if plan.runner == "cronjob" else "cronworkflow/argo-archive-exporter"
    return f"""\
See that it works

```sh
kubectl argo-archive setup lint .
kubectl argo-archive verify -n {plan.namespace}
kubectl -n {plan.namespace} get {job}
```
"""
