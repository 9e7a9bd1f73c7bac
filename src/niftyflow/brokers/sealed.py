"""A broker's session of the day in a file that only its owner's programs can use: encrypted, beside a key of mode 0600.

The key keeps the token out of backups and of files sent by mistake; whoever can read both files can trade.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from threading import get_ident
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.kit.files import write_whole
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured

log = get_logger(__name__)

KEY_FILE: Final = "sessions.key"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_OTHERS: Final = 0o077


class _Kept(msgspec.Struct):
    """A session as it stands in the file, token in the clear inside the seal."""

    broker: str
    user_id: str
    user_name: str
    api_key: str
    access_token: str
    logged_in_at: int
    dies_at: int


class SealedSessions:
    """The sealed session of one account in a folder; many accounts share the folder's key. It blocks: use a thread."""

    def __init__(self, folder: Path, broker: str, account: str) -> None:
        """Name the file.

        Raises:
            Misconfigured: broker or account cannot be part of a file name.
        """
        for name in (broker, account):
            if not _NAME.fullmatch(name):
                raise Misconfigured(f"{name!r} is no name: use letters, digits, - and _, at most 64")
        self._folder = folder
        self._file = folder / f"{broker}-{account}.session"

    def write(self, session: BrokerSession) -> None:
        """Seal a session in place of the last one.

        Raises:
            Misconfigured: the key may be read by others, or is damaged.
            OSError: the folder cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fields = {name: getattr(session, name) for name in _Kept.__struct_fields__}
        fields["access_token"] = session.access_token.get_secret_value()
        write_whole(self._file, self._seal().encrypt(msgspec.json.encode(_Kept(**fields))))

    def read(self) -> BrokerSession | None:
        """Return the sealed session; None when there is none, or it was sealed with another key.

        Raises:
            Misconfigured: a file may be read by others, or the key is damaged.
            OSError: a file is there and cannot be read.
        """
        if not self._file.exists():
            return None
        _refuse_open(self._file)
        try:
            kept = msgspec.json.decode(self._seal().decrypt(self._file.read_bytes()), type=_Kept)
        except (InvalidToken, msgspec.DecodeError):
            log.warning("sealed_session_unreadable", file=self._file.name)
            return None
        fields = {name: getattr(kept, name) for name in _Kept.__struct_fields__}
        return BrokerSession(**(fields | {"access_token": SecretStr(kept.access_token)}))

    def forget(self) -> None:
        """Remove the sealed session.

        Raises:
            OSError: it cannot be removed.
        """
        self._file.unlink(missing_ok=True)

    def _seal(self) -> Fernet:
        """Return the folder's key, made by whichever program is first."""
        file = self._folder / KEY_FILE
        if not file.exists():
            _make_key(file)
        _refuse_open(file)
        try:
            return Fernet(file.read_bytes())
        except ValueError as error:
            raise Misconfigured(f"{file.name} is damaged: remove it, and log in again") from error


def _make_key(file: Path) -> None:
    """Write a new key beside its place and link it there, so that two programs, or threads, end up with one."""
    beside = file.with_name(f"{file.name}.new-{os.getpid()}-{get_ident()}")
    write_whole(beside, Fernet.generate_key())
    try:
        os.link(beside, file)
    except FileExistsError:
        log.debug("sessions_key_was_made_by_another", file=file.name)
    finally:
        beside.unlink(missing_ok=True)


def _refuse_open(file: Path) -> None:
    if file.stat().st_mode & _OTHERS:
        raise Misconfigured(f"{file.name} may be read by others: chmod 600 it, or remove it and log in again")
