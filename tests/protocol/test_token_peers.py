"""Independent implementations accept our tokens and we theirs.

@cloudflare/blindrsa-ts and @cloudflare/privacypass-ts, installed by npm once a run into a temporary
folder, at the versions and hashes of token_peer/package-lock.json. Skipped, with the reason, where
there is no Node or the packages cannot be had.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.protocol_samples import flipped
from veilmart.crypto.blind_issuer import IssuerKey, blind_sign
from veilmart.crypto.blind_rsa import blind, choose_blinding, finalize, verify
from veilmart.crypto.token_key import (
    TokenPublicKey,
    generate_token_key,
    token_key_to_bytes,
    token_public_key,
)
from veilmart.errors import SignatureInvalid, TokenInvalid
from veilmart.protocol.token import (
    blind_token,
    challenge,
    check_token,
    finish_token,
    parse_token,
    token_input,
)
from veilmart.protocol.wallet_derivations import token_secrets

SOURCE = Path(__file__).parent / "token_peer"
pytestmark = pytest.mark.npm

INSTALL_SECONDS = 180
SEED = bytes(range(32))
MESSAGE = b"message"


class Peer:
    """A Node process that answers line by line; bytes travel as hexadecimal."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            ["node", "peer.mjs"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, action: str, **values: bytes) -> dict[str, bytes | bool]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {name: value.hex() for name, value in values.items()}
        self.process.stdin.write(json.dumps({"action": action, **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return {
            name: value if isinstance(value, bool) else bytes.fromhex(value)
            for name, value in answer.items()
        }

    def get(self, action: str, name: str, **values: bytes) -> bytes:
        value = self.ask(action, **values)[name]
        assert isinstance(value, bytes)
        return value

    def close(self) -> None:
        self.process.communicate(timeout=30)


class Refused(Exception):
    """A package said no."""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("The packages of token_peer/ need Node and npm, which are not here.")
    folder = tmp_path_factory.mktemp("token-peer")
    for name in ("package.json", "package-lock.json", "peer.mjs"):
        shutil.copy(SOURCE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    command.append("--fetch-retries=1")
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the packages of token_peer/ in {INSTALL_SECONDS} s.")
    if done.returncode:
        pytest.skip(f"npm cannot install the packages of token_peer/: {done.stderr[:200]}")
    running = Peer(folder)
    yield running
    running.close()


@pytest.fixture(scope="module")
def issuer() -> IssuerKey:
    return generate_token_key()


@pytest.fixture(scope="module")
def key(issuer: IssuerKey) -> TokenPublicKey:
    return token_public_key(issuer)


def blinding_for(key: TokenPublicKey) -> bytes:
    return choose_blinding(key.numbers, lambda _: os.urandom(256))


def test_the_key_has_their_encoding_and_id(
    peer: Peer, issuer: IssuerKey, key: TokenPublicKey
) -> None:
    told = peer.ask("key", pkcs8=token_key_to_bytes(issuer), spki=key.spki)
    assert told == {"spki": key.spki, "keyId": key.key_id}


def test_the_challenge_is_encoded_as_theirs(peer: Peer) -> None:
    assert peer.get("challenge", "challenge") == challenge()


def test_we_sign_what_they_blinded(peer: Peer, issuer: IssuerKey, key: TokenPublicKey) -> None:
    asked = peer.ask("blind", spki=key.spki, message=MESSAGE)
    blinded, inverse = asked["blinded"], asked["inverse"]
    assert isinstance(blinded, bytes)
    assert isinstance(inverse, bytes)
    [answer] = blind_sign(issuer, [blinded], os.urandom)
    values = {"spki": key.spki, "message": MESSAGE, "inverse": inverse}
    signature = peer.get("finalize", "signature", signature=answer, **values)
    verify(key.numbers, MESSAGE, signature)
    with pytest.raises(Refused):
        peer.get("finalize", "signature", signature=flipped(answer, 200), **values)


def test_they_sign_what_we_blinded(peer: Peer, issuer: IssuerKey, key: TokenPublicKey) -> None:
    blinding = blinding_for(key)
    blinded = blind(key.numbers, MESSAGE, bytes(48), blinding)
    answer = peer.get("blindSign", "signature", pkcs8=token_key_to_bytes(issuer), blinded=blinded)
    assert blind_sign(issuer, [blinded], os.urandom) == [answer]
    signature = finalize(key.numbers, MESSAGE, answer, blinding)
    assert peer.ask("verify", spki=key.spki, message=MESSAGE, signature=signature) == {"good": True}
    for changed in (flipped(signature, 255), signature[:-1], b"\0" + signature):
        told = peer.ask("verify", spki=key.spki, message=MESSAGE, signature=changed)
        assert told == {"good": False}
    with pytest.raises(SignatureInvalid):
        finalize(key.numbers, b"other", answer, blinding)


def test_they_make_a_token_with_our_signature(
    peer: Peer, issuer: IssuerKey, key: TokenPublicKey
) -> None:
    request = peer.get("request", "request", spki=key.spki)
    assert request[:3] == b"\x00\x02" + key.key_id[-1:]
    assert len(request) == 259
    [answer] = blind_sign(issuer, [request[3:]], os.urandom)
    token = peer.get("token", "token", response=answer)
    check_token(key, parse_token(token))
    with pytest.raises(TokenInvalid):
        check_token(key, parse_token(flipped(token, 300)))


def test_we_make_a_token_with_their_signature(
    peer: Peer, issuer: IssuerKey, key: TokenPublicKey
) -> None:
    secrets = token_secrets(SEED, key, 0)
    request = b"\x00\x02" + key.key_id[-1:] + blind_token(key, secrets)
    private = token_key_to_bytes(issuer)
    answer = peer.get("issue", "response", pkcs8=private, spki=key.spki, request=request)
    token = finish_token(key, secrets, answer)
    told = peer.ask("check", spki=key.spki, token=token)
    assert told == {
        "good": True,
        "nonce": secrets.nonce,
        "challengeDigest": token_input(secrets.nonce, key.key_id)[34:66],
        "keyId": key.key_id,
    }
    for index in (5, 40, 90, 98, 353):
        assert peer.ask("check", spki=key.spki, token=flipped(token, index))["good"] is False
