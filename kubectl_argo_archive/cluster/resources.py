"""Kinds of objects that we ask the Kubernetes API for, and their addresses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind.

    Attributes:
        kind: ``Deployment``.
        plural: as in URLs and roles: ``deployments``.
        group: empty for the core.
    """

    kind: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def full(self) -> str:
        """As kubectl writes it: ``workflows.argoproj.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """Path of a list, an object, or something of it, such as its log."""
        parts = ["/api" if not self.group else f"/apis/{self.group}", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *(each for each in (name, sub) if each)])


_ARGO = "argoproj.io"
RESOURCES = {
    each.kind: each
    for each in (
        Resource("Pod", "pods"),
        Resource("Service", "services"),
        Resource("ConfigMap", "configmaps"),
        Resource("Secret", "secrets"),
        Resource("Event", "events"),
        Resource("ServiceAccount", "serviceaccounts"),
        Resource("PersistentVolumeClaim", "persistentvolumeclaims"),
        Resource("Namespace", "namespaces", namespaced=False),
        Resource("PersistentVolume", "persistentvolumes", namespaced=False),
        Resource("Deployment", "deployments", "apps"),
        Resource("StatefulSet", "statefulsets", "apps"),
        Resource("StorageClass", "storageclasses", "storage.k8s.io", namespaced=False),
        Resource("Role", "roles", "rbac.authorization.k8s.io"),
        Resource("RoleBinding", "rolebindings", "rbac.authorization.k8s.io"),
        Resource("Workflow", "workflows", _ARGO, "v1alpha1"),
        Resource("CronWorkflow", "cronworkflows", _ARGO, "v1alpha1"),
        Resource("WorkflowTemplate", "workflowtemplates", _ARGO, "v1alpha1"),
        Resource("ClusterWorkflowTemplate", "clusterworkflowtemplates", _ARGO, "v1alpha1", namespaced=False),
    )
}
"""By kind."""
