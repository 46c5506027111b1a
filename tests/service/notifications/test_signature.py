"""Signatures: as an independent computation has them, and refused where anything differs."""

import shutil
import subprocess

import pytest

from service.notifications.signature import sign, verify

SECRET = b"0123456789abcdef"
BODY = '{"event":"study_completed","name":"Größe"}'.encode()
AT = 1_767_355_200


def test_the_signature_is_known() -> None:
    # printf '1000.{}' | openssl dgst -sha256 -hmac secret
    known = "026360fb6284f077f1148b1ae7c62679730497810a6a0321574de01e8b009e7a"
    assert sign(b"secret", b"{}", 1000) == f"t=1000,v1={known}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_signs_the_same() -> None:
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET.decode(), "-r"],
        input=b"%d." % AT + BODY,
        capture_output=True,
        check=True,
    )
    assert sign(SECRET, BODY, AT) == f"t={AT},v1={said.stdout.split()[0].decode()}"


def test_what_was_signed_is_verified_within_the_tolerance() -> None:
    header = sign(SECRET, BODY, AT)
    for now, good in ((AT, True), (AT + 300, True), (AT - 300, True), (AT + 301, False)):
        assert verify(SECRET, BODY, header, now=now) is good
    assert verify(SECRET, BODY, header, now=AT + 9, tolerance_seconds=8) is False


def test_one_of_several_signatures_is_enough() -> None:
    other = sign(b"another secret", BODY, AT).split(",")[1]
    assert verify(SECRET, BODY, f"{sign(SECRET, BODY, AT)},{other}", now=AT)
    assert verify(SECRET, BODY, f"t={AT}, {other}, {sign(SECRET, BODY, AT).split(',')[1]}", now=AT)


@pytest.mark.parametrize(
    "header",
    [
        "", "t=1", "v1=00", f"t={AT}", f"t={AT},v1=", f"t={AT},v1={'0' * 64}", "t=x,v1=y", ",,,",
        f"t={AT},v2={sign(SECRET, BODY, AT).split('=')[2]}",
        sign(SECRET, BODY, AT).replace(str(AT), str(AT + 1)),
        sign(SECRET, BODY, AT).upper(),
        f"t={AT},t={AT},{sign(SECRET, BODY, AT).split(',')[1]}",
        f"t={'9' * 5000},v1=0", f"t={AT},v1=\udcff", f"t=١٢٣,v1={'0' * 64}",
    ],
)  # fmt: skip
def test_any_other_header_is_refused(header: str) -> None:
    assert verify(SECRET, BODY, header, now=AT) is False


def test_another_body_or_secret_is_refused() -> None:
    header = sign(SECRET, BODY, AT)
    assert not verify(SECRET, BODY + b" ", header, now=AT)
    assert not verify(SECRET + b"0", BODY, header, now=AT)
