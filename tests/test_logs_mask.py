"""Secrets in logs: known formats are masked, everything else and every length stays."""

from __future__ import annotations

import random

import pytest

from kubectl_argo_archive.logs.mask import RULES, Mask, Masked

PLANTED = {
    "aws-access-key-id": "AKIA" + "QWERTY2345ASDFGH",
    "github-token": "ghp_" + "aB3" * 12,
    "gitlab-token": "glpat-" + "x1Y2z3A4b5C6d7E8f9G0",
    "slack-token": "xoxb-" + "123456789012-abcdefABCDEF",
    "google-api-key": "AIza" + "Sy0123456789abcdefghijklmnopqrstuvw",
    "stripe-key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "npm-token": "npm_" + "a1B2" * 9,
    "pypi-token": "pypi-AgE" + "IcHlwaS5vcmc" * 6,
    "openai-key": "sk-proj-" + "abcDEF123_-" * 5,
    "huggingface-token": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "sendgrid-key": "SG." + "a" * 22 + "." + "b" * 43,
    "hashicorp-token": "hvs." + "CAESIJ" * 6,
    "google-oauth": "ya29." + "a0AfH6SMBx" * 4,
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}  # fmt: skip
IN_CONTEXT = {
    "aws-secret-access-key": ("AWS_SECRET_ACCESS_KEY=", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz"),
    "slack-webhook": ("https://hooks.slack.com/services/", "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"),
    "azure-storage-key": ("DefaultEndpointsProtocol=https;AccountKey=", "a" * 86 + "=="),
    "url-password": ("postgresql://argo:", "hunter2"),
    "authorization-header": ("Authorization: Bearer ", "abcdef0123456789"),
}
AFTER = {"url-password": "@db/argo"}


def masked(data: bytes, cut: int | None = None) -> tuple[bytes, Masked]:
    found = Masked()
    pieces = [data] if cut is None else [data[i : i + cut] for i in range(0, len(data), cut)]
    return b"".join(Mask().apply(pieces, found)), found


def test_every_rule_is_tried_here() -> None:
    assert {rule.name for rule in RULES} == PLANTED.keys() | IN_CONTEXT.keys()


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
@pytest.mark.parametrize("cut", [None, 7])
def test_a_known_format_is_masked_and_keeps_its_length(rule: str, cut: int | None) -> None:
    before, secret = ("token ", PLANTED[rule]) if rule in PLANTED else IN_CONTEXT[rule]
    line = f"2026-03-01 INFO {before}{secret}{AFTER.get(rule, '')} was used\nnext line\n".encode()
    out, found = masked(line, cut)
    assert secret.encode() not in out
    assert len(out) == len(line)
    assert out == line.replace(secret.encode(), b"*" * len(secret))
    assert found.rules == {rule: 1}


def test_private_keys_are_masked_between_their_marks() -> None:
    body = "MIIEpAIBAAKCAQEA\n" * 20
    text = f"a\n-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\nb\n".encode()
    for cut in (None, 30):
        out, found = masked(text, cut)
        assert found.rules == {"private-key": 1}
        assert len(out) == len(text)
        assert out.split(b"\n")[2:22] == [b"*" * 16] * 20
        assert out.endswith(b"-----END RSA PRIVATE KEY-----\nb\n")


def test_a_key_without_end_does_not_swallow_the_log() -> None:
    text = b"-----BEGIN PRIVATE KEY-----\n" + b"line\n" * 5000
    out, _ = masked(text, 1000)
    assert len(out) == len(text)
    assert out.endswith(b"line\n" * 4000)


def test_what_is_no_secret_stays() -> None:
    text = (
        b"the task-sk-1 took 3 s; https://example.com:8080/a@b; eyes only; npm_config_cache=/x; SG.short.x\n"
        b"authorization: none; user:pass@host; postgres://me@db/x; AKIA is a prefix; hf_hub_download\n" * 50
    )
    assert masked(text, 333) == (text, Masked())


def test_any_cut_gives_the_same() -> None:
    rng = random.Random(7)
    lines = [f"line {i} {rng.choice([*PLANTED.values(), 'nothing'])}" for i in range(300)]
    text = "\n".join(lines).encode()
    whole, found = masked(text)
    for _ in range(20):
        again, counted = masked(text, rng.randrange(1, 5000))
        assert again == whole
        assert counted == found


def test_one_line_of_many_megabytes_is_masked_in_bounded_memory() -> None:
    secret = PLANTED["aws-access-key-id"].encode()
    chunk = b"x" * 999_000 + b" " + secret + b" "
    found = Masked()
    largest = total = 0
    for piece in Mask().apply((chunk for _ in range(20)), found):
        largest, total = max(largest, len(piece)), total + len(piece)
        assert secret not in piece
    assert total == 20 * len(chunk)
    assert largest < 8 << 20
    assert found.count == 20
