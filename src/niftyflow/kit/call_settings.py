"""What can be set about calls between processes: where a process answers, whom it asks, and the secret they share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator

from niftyflow.kit.settings import Settings

SHORTEST_TOKEN: Final = 16


class CallSettings(Settings):
    """How a process asks others."""

    token: SecretStr = Field(
        default=SecretStr(""),
        description="Secret of 16 or more characters that processes show one another, the same in all; "
        "empty: this machine only",
    )  # fmt: skip
    authority_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the others' certificates; else the system's"
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Let addresses of other machines be http://, on a network that nobody else is on",
    )  # fmt: skip
    seconds: float = Field(default=5.0, gt=0, le=60, description="Longest time for a question, all attempts together")
    failures: int = Field(default=5, ge=1, description="Failures in a row after which an address is left alone")
    open_seconds: float = Field(default=10.0, gt=0, description="How long such an address is left alone")
    connections: int = Field(default=32, ge=1, description="Connections to one address; more questions wait their turn")

    answer_limit_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Largest answer that is read")

    @field_validator("token")
    @classmethod
    def _can_be_shown(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError(f"use {SHORTEST_TOKEN} or more letters, digits and signs, without spaces")
        return token


class InternalSettings(CallSettings):
    """Where a process answers others and tells its health, and where the others are. Addresses are http://host:port."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; others need a token")
    name: str = Field(
        default="",
        description="Name by which others reach this machine, as its certificate has it; else the address of `host`",
    )
    port: int = Field(default=8100, ge=0, le=65535, description="Port to listen on; 0: a free one")
    certificate_file: Path | None = Field(default=None, description="PEM certificate, to answer with https")
    key_file: Path | None = Field(default=None, description="PEM key of the certificate")
    question_limit_bytes: int = Field(default=1024 * 1024, ge=1024, description="Largest question that is read")
    read_seconds: float = Field(default=5.0, gt=0, le=60, description="Longest time for a question to come in")
    questions_at_once: int = Field(default=64, ge=1, description="Questions under way; more are asked to come again")
    trading: list[str] = Field(default=[], description="Addresses of processes that trade, which the gateway asks")
    processes: list[str] = Field(
        default=[], description="Addresses of all processes of the cluster, for the System page, `status` and `topics`"
    )
