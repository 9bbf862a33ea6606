"""Blind signatures: what the issuer's care costs beside the bare power, and what wallets spend."""

import os

import gmpy2

from bench.ciphers import interleaved, seconds_per_call
from veilmart.crypto.blind_issuer import IssuerKey, blind_sign, crt_power
from veilmart.crypto.token_key import generate_token_key, token_public_key
from veilmart.protocol.token import blind_token, check_token, finish_token, parse_token
from veilmart.protocol.wallet_derivations import token_secrets

PACK = 32  # tokens of one withdrawal


def bare_crt_seconds(key: IssuerKey, calls: int) -> float:
    """Seconds of one private operation: two powers with `powmod_sec`, and nothing else."""
    base = gmpy2.mpz.from_bytes(os.urandom(255), "big")
    return seconds_per_call(lambda: crt_power(key, base), calls)


def rows() -> list[dict[str, object]]:
    """One core; ratios from turns that alternate."""
    key = generate_token_key()
    public = token_public_key(key)
    seed = os.urandom(32)
    secrets = token_secrets(seed, public, 0)
    blinded = blind_token(public, secrets)
    base = gmpy2.mpz.from_bytes(blinded, "big")
    ours, bare = interleaved(
        lambda: blind_sign(key, [blinded] * PACK, os.urandom),
        lambda: [crt_power(key, base) for _ in range(PACK)],
        1,
    )
    [answer] = blind_sign(key, [blinded], os.urandom)
    token = finish_token(public, secrets, answer)
    asking = seconds_per_call(lambda: blind_token(public, token_secrets(seed, public, 1)), 200)
    finishing = seconds_per_call(lambda: finish_token(public, secrets, answer), 200)
    checking = seconds_per_call(lambda: check_token(public, parse_token(token)), 200)
    return [
        {
            "name": "blind signatures, against the bare CRT power",
            "ratio": round(bare / ours, 3),
            "reach": 0.9,
            "ours_per_s": round(PACK / ours),
            "bare_per_s": round(PACK / bare),
        },
        {
            "name": "wallet's part of a token: derive, blind, finish",
            "figure": round((asking + finishing) * 1000, 3),
            "unit": "ms",
            "reach": 1,
            "at_most": True,
            "check_us": round(checking * 1e6, 1),
        },
    ]
