"""One connection to a port of a pod, through the Kubernetes API.

The API's port-forward over WebSocket: messages of channel 0 are the port's bytes, channel 1 says what went wrong; the
first message of each channel repeats the port. ``kubernetes.stream.portforward`` does the same, but reads ahead
without a limit: an export through it would hold the archive in memory. It also forgets whom we impersonate.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubectl_argo_archive.cluster.client import CONNECT_PATIENCE_S, KubeClient
from kubectl_argo_archive.cluster.refusals import explain, no_answer
from kubectl_argo_archive.cluster.resources import RESOURCES
from kubectl_argo_archive.errors import ClusterError

if TYPE_CHECKING:
    from websocket import WebSocket

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PROXIES = ("http", "socks4", "socks4a", "socks5", "socks5h")
STALL_PATIENCE_S = 60
PING_S = 25
_READ_BYTES = 1 << 16
_AHEAD_BYTES = 1 << 20
"""How much of the pod's answer waits for a slow reader here; beyond that it waits in the pod."""


class Tunnel:
    """An open connection; :meth:`run` moves the bytes.

    Args:
        client: the cluster.
        namespace, pod, port: the other end.
        complain: is told what the other end says is wrong, such as that nobody listens there.

    Raises:
        ClusterForbidden, ClusterUnreachable, ClusterError: the API does not let us.
    """

    def __init__(
        self, client: KubeClient, namespace: str, pod: str, port: int, complain: Callable[[str], None]
    ) -> None:
        self._socket = _connect(client, namespace, pod, port)
        self._socket.settimeout(STALL_PATIENCE_S)
        self._local: socket.socket | None = None
        self._complain = complain
        self._opened = [False, False]
        self._waiting = bytearray()

    def run(self, local: socket.socket) -> None:
        """Move bytes both ways until either end closes. One thread does both: a TLS socket is not for two."""
        from websocket import WebSocketException

        self._local = local
        with suppress(OSError, WebSocketException), local:
            local.setblocking(False)
            while self._step(local):
                pass
        with suppress(OSError, WebSocketException):
            self._socket.close(timeout=1)

    def close(self) -> None:
        """End it from another thread: :meth:`run` sees its local end close, and returns."""
        if self._local is None:
            self._socket.close(timeout=1)
            return
        with suppress(OSError):
            self._local.shutdown(socket.SHUT_RDWR)

    def _step(self, local: socket.socket) -> bool:
        raw: Any = self._socket.sock
        remote_may_speak = len(self._waiting) < _AHEAD_BYTES
        if remote_may_speak and isinstance(raw, ssl.SSLSocket) and raw.pending():
            return self._from_remote(local)
        readers = [local, *([raw] if remote_may_speak else [])]
        readable, writable, _ = select.select(readers, [local] if self._waiting else [], [], PING_S)
        if not readable and not writable:
            # load balancers on the way cut connections on which nothing moves
            self._socket.ping()
        if local in writable:
            self._hand_over(local)
        if raw in readable and not self._from_remote(local):
            return False
        if local in readable:
            sent = local.recv(_READ_BYTES)
            if not sent:
                return False
            self._socket.send_binary(bytes([_DATA]) + sent)
        return True

    def _from_remote(self, local: socket.socket) -> bool:
        from websocket import ABNF

        opcode, frame = self._socket.recv_data_frame(True)
        if opcode == ABNF.OPCODE_CLOSE:
            self._flush(local)
            return False
        if opcode == ABNF.OPCODE_BINARY and frame.data:
            channel = frame.data[0]
            if not self._opened[channel]:
                self._opened[channel] = True
            elif channel == _ERROR:
                self._complain(frame.data[1:].decode(errors="replace"))
                return False
            else:
                self._waiting += frame.data[1:]
                self._hand_over(local)
        return True

    def _hand_over(self, local: socket.socket) -> None:
        with suppress(BlockingIOError):
            while self._waiting:
                del self._waiting[: local.send(self._waiting)]

    def _flush(self, local: socket.socket) -> None:
        local.setblocking(True)
        local.sendall(self._waiting)
        self._waiting.clear()


def _connect(client: KubeClient, namespace: str, pod: str, port: int) -> WebSocket:
    from websocket import WebSocketBadStatusException, WebSocketException, create_connection

    url = urlsplit(client.access.server)
    scheme = "ws" if url.scheme == "http" else "wss"
    path = RESOURCES["Pod"].path(namespace, pod, "portforward")
    target = f"{scheme}://{url.netloc}{url.path.rstrip('/')}{path}?ports={port}"
    try:
        return create_connection(
            target,
            timeout=CONNECT_PATIENCE_S,
            header=[f"{name}: {value}" for name, value in client.headers().items()],
            subprotocols=[_PROTOCOL],
            suppress_origin=True,
            sslopt=_tls(client),
            **_proxy(client),
        )
    except WebSocketBadStatusException as error:
        body = error.resp_body or b""
        raise explain(
            client.access, error.status_code, body, "get", "pods/portforward", namespace, pod
        ) from None  # the exception holds the headers of the request
    except (WebSocketException, OSError) as error:
        raise no_answer(client.access, error) from error


def _tls(client: KubeClient) -> dict[str, Any]:
    configuration = client.access.configuration
    if not configuration.verify_ssl:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False} | _certificate(configuration)
    options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED}
    if configuration.ssl_ca_cert:
        options["ca_certs"] = configuration.ssl_ca_cert
    if configuration.assert_hostname is False:
        options["check_hostname"] = False
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options | _certificate(configuration)


def _certificate(configuration: Any) -> dict[str, Any]:
    if not configuration.cert_file:
        return {}
    return {"certfile": configuration.cert_file, "keyfile": configuration.key_file}


def _proxy(client: KubeClient) -> dict[str, Any]:
    """The proxy that all other requests take."""
    from kubernetes.client.rest import should_bypass_proxies

    configuration: Any = client.access.configuration
    proxy = configuration.proxy
    if not proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        return {"http_no_proxy": ["*"]}  # or it would read the environment by itself
    url = urlsplit(proxy)
    if url.scheme not in _PROXIES:
        raise ClusterError(f"port-forward cannot go through a proxy of kind {url.scheme}", "give --source instead")
    options: dict[str, Any] = {"http_proxy_host": url.hostname, "http_proxy_port": url.port, "proxy_type": url.scheme}
    return options | ({"http_proxy_auth": (url.username, url.password or "")} if url.username else {})
