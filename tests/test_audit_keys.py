"""Keys: where they come from, how they rotate, and that they are never shown or overwritten."""

from __future__ import annotations

import base64
import json
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from fixtures.audit import SealedLake, make_keys
from fixtures.kube import KubeApi
from fixtures.kube_objects import secret

from kubectl_argo_archive.audit import standalone
from kubectl_argo_archive.audit.digest import name_of
from kubectl_argo_archive.audit.dsse import Envelope, Signature, Subject, sign, statement
from kubectl_argo_archive.audit.keys import (
    KEY_VARIABLE,
    PASSPHRASE_VARIABLE,
    KeyRing,
    PublicKey,
    generate,
    load_keys,
    load_signer,
)
from kubectl_argo_archive.audit.seal.seal import Request, seal
from kubectl_argo_archive.audit.verify import verify
from kubectl_argo_archive.cluster.access import KubeOptions
from kubectl_argo_archive.connect import open_evidence, open_lake, secret_reader
from kubectl_argo_archive.errors import ArgoArchiveError, ClusterError, ConfigError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_pair_of_files(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"BEGIN PRIVATE KEY" in private.read_bytes(), "PKCS 8"
    signer = load_signer(str(private))
    (key,) = load_keys([str(public)]).keys
    assert key == signer.public
    assert key.verifies(signer.sign(b"x"), b"x")
    assert not key.verifies(signer.sign(b"x"), b"y")
    assert not key.verifies(b"", b"y")
    assert standalone.load_public_keys(str(public))[0][0] == key.key_id
    before = private.read_bytes()
    for taken in ((private, tmp_path / "new.pub"), (tmp_path / "new.key", public)):
        with pytest.raises(ConfigError, match="exists"):
            generate(*taken, None, None)
    assert private.read_bytes() == before
    assert before.decode().splitlines()[1] not in repr(signer)


def test_keys_come_from_files_the_environment_and_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = make_keys(tmp_path)
    expected = load_signer(str(private)).public
    with pytest.raises(ConfigError, match="no key to sign with"):
        load_signer()
    monkeypatch.setenv(KEY_VARIABLE, private.read_text())
    monkeypatch.setenv("OTHER", private.read_text())
    monkeypatch.setenv("PUBLIC", public.read_text())
    asked = []

    def secrets(*place: str) -> bytes:
        asked.append(place)
        return private.read_bytes()

    for spec in (None, "env:OTHER", "secret:argo/audit/key"):
        assert load_signer(spec, secrets=secrets).public == expected
    assert asked == [("argo", "audit", "key")]
    assert load_keys(["env:PUBLIC"]) == load_keys([str(public)]) == load_keys([public.read_text()])


def test_what_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = make_keys(tmp_path)
    other = generate_private_key(SECP256R1())
    elliptic = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ec.key").write_bytes(elliptic)
    (tmp_path / "ec.pub").write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    key = load_pem_private_key(private.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
    (tmp_path / "locked.key").write_bytes(locked)
    files = [str(tmp_path / name) for name in ("ec.key", "nothing", "locked.key")]
    for spec in (str(public), *files, "env:NOTHING", "secret:x", "secret:a/b/c"):
        with pytest.raises(ConfigError) as caught:
            load_signer(spec)
        assert "PRIVATE" not in caught.value.message
    for spec in (str(private), str(tmp_path / "ec.pub"), str(tmp_path / "nothing")):
        with pytest.raises(ConfigError):
            load_keys([spec])
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "pass")
    assert load_signer(str(tmp_path / "locked.key")).public == load_signer(str(private)).public


SIGNER = """
import base64, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
signature = load_pem_private_key(open(sys.argv[1], "rb").read(), None).sign(sys.stdin.buffer.read())
how = sys.argv[2]
sys.stdout.buffer.write({
    "raw": signature, "hex": signature.hex().encode() + b"\\n", "base64": base64.b64encode(signature) + b"\\n",
    "wrong": bytes(64), "rubbish": b"no signature",
}[how])
sys.exit(7 if how == "fails" else 0)
"""


def test_an_external_signer(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    script = tmp_path / "signer with space.py"
    script.write_text(SIGNER)
    own = load_signer(str(private))
    for how in ("raw", "hex", "base64"):
        signer = load_signer(command=f"'{sys.executable}' '{script}' {private} {how}", public=[str(public)])
        assert signer.sign(b"payload") == own.sign(b"payload")
        assert signer.public == own.public
    for how in ("wrong", "rubbish", "unknown"):
        signer = load_signer(command=f"'{sys.executable}' '{script}' {private} {how}", public=[str(public)])
        with pytest.raises(ArgoArchiveError, match="signer"):
            signer.sign(b"payload")
    with pytest.raises(ArgoArchiveError, match="cannot be run"):
        load_signer(command="/does/not/exist", public=[str(public)]).sign(b"")
    with pytest.raises(ConfigError, match="needs the public key"):
        load_signer(command="x")


def envelope(tmp_path: Path, *names: str) -> tuple[Envelope, dict[str, PublicKey]]:
    for name in ("one", "two"):
        if not (tmp_path / name).exists():
            make_keys(tmp_path, name)
    keys = {name: load_signer(str(tmp_path / name)).public for name in ("one", "two")}
    payload = statement([Subject("a", "0" * 64, 1)], "https://example.com/x", {"sealed_at": "2026-11-23T00:00:00Z"})
    return sign(payload, [load_signer(str(tmp_path / name)) for name in names]), keys


def test_an_envelope_needs_one_good_signature_and_no_bad_one(tmp_path: Path) -> None:
    made, keys = envelope(tmp_path, "one", "two")
    one, two = KeyRing((keys["one"],)), KeyRing((keys["two"],))
    assert made.check(one) == made.check(two) == "good"
    assert made.check(KeyRing()) == "unknown key"
    broken = Envelope(made.payload, (made.signatures[0], Signature(made.signatures[1].key_id, bytes(64))))
    assert broken.check(one) == "good", "the other key is not known to this verifier"
    assert broken.check(KeyRing((*one.keys, *two.keys))) == "bad"
    assert Envelope.parse(made.to_bytes()) == made
    for content in (b"", b"[]", b"{}", made.to_bytes().replace(b'"sig":"', b'"sig":"*')):
        with pytest.raises(ValueError, match="DSSE"):
            Envelope.parse(content)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(None, None, "good"), (0, 1, "good"), (1, None, "expired key"), (None, 0, "expired key"), (-9, -1, "expired key")],
)
def test_keys_have_a_validity(tmp_path: Path, since: int | None, until: int | None, expected: str) -> None:
    made, keys = envelope(tmp_path, "one")
    days = [None if day is None else NOW + timedelta(days=day) for day in (since, until)]
    key = PublicKey(keys["one"].raw, *days)
    path = tmp_path / "valid.pub"
    path.write_text("Comment: for 2026\n" + key.pem() + "\n" + keys["two"].pem())
    ring = load_keys([str(path)])
    assert ring.keys == (key, keys["two"])
    assert made.check(ring, NOW) == expected
    if expected == "good":
        assert standalone.check_envelope(made.to_bytes(), standalone.load_public_keys(str(path)))
    else:
        with pytest.raises(standalone.Wrong):
            standalone.check_envelope(made.to_bytes(), standalone.load_public_keys(str(path)))


def test_rotation_with_an_overlap(sealed: SealedLake, tmp_path: Path) -> None:
    """old, old + new, new: whoever has both keys verifies all; whoever has the old one, up to the overlap."""
    lake = sealed.copy(tmp_path / "lake")
    private, public = make_keys(tmp_path, "new.key")
    new = load_signer(str(private))
    seal(open_lake(str(lake)), [sealed.signer, new])
    seal(open_lake(str(lake)), [new])
    both = load_keys([str(sealed.public), str(public)])
    assert verify(open_evidence(str(lake)), both).ok
    found = verify(open_evidence(str(lake)), sealed.ring).findings
    assert [(f.kind, f.object) for f in found][:1] == [("re-signed", name_of("digests", "default", 6))]
    assert "give both public keys" in found[0].message
    end = datetime.now(UTC) - timedelta(days=1)
    retired = KeyRing((PublicKey(sealed.signer.public.raw, None, end), new.public))
    assert verify(open_evidence(str(lake)), retired).findings[0].kind == "wrong key"
    assert seal(open_lake(str(lake)), [new], Request(trusted=both))[0].number == 7


def test_secrets_of_a_cluster_are_read_where_they_are_used(tmp_path: Path, kube: KubeApi) -> None:
    """`secret:…` goes through `cluster/`; without one, without the Secret or the entry it says so."""
    private, _ = make_keys(tmp_path)
    with pytest.raises(ConfigError, match="no cluster is configured"):
        load_signer("secret:argo/audit/key", secrets=secret_reader())
    kube.apply(secret("argo", "audit", key=private.read_text()))
    options = KubeOptions(kubeconfig=str(kube.kubeconfig(tmp_path / "kubeconfig")))
    found = load_signer("secret:argo/audit/key", secrets=secret_reader(options))
    assert found.public == load_signer(str(private)).public
    for spec in ("secret:argo/audit/other", "secret:argo/nothing/key"):
        with pytest.raises(ClusterError, match="no "):
            load_signer(spec, secrets=secret_reader(options))


def test_signatures_are_dsse(tmp_path: Path) -> None:
    """The pre-authentication encoding of the DSSE specification, by hand."""
    made, keys = envelope(tmp_path, "one")
    value = json.loads(made.to_bytes())
    payload = base64.b64decode(value["payload"])
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload
    assert keys["one"].verifies(base64.b64decode(value["signatures"][0]["sig"]), signed)
