"""What PostgreSQL's errors mean to the one who asked: try again, put the settings right, or a mistake of ours.

It knows the server's codes (SQLSTATE) and the driver's own errors, and opens nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from niftyflow.model import Misconfigured, NiftyflowError, Refused, Unavailable

TRANSIENT = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""Classes of trouble that pass: connection, read-only standby, rollback, resources, locks, operator, system."""
DISK_FULL = "53100"
BAD_DATA = "22"
PROTOCOL = "08P01"
"""What PgBouncer says of everything; its words tell what it refuses for good."""
PGBOUNCER_REFUSES = ("no such", "does not exist", "unsupported startup parameter", "password", "auth")
REFUSALS = (
    (
        "28",
        "refused the user or the password",
        "correct the database's url, or let the user in (pg_hba.conf, userlist)",
    ),
    ("3D", "has no such database", "create it, or correct the database's url"),
    (PROTOCOL, "refused the connection", "correct the database's url; if it is a PgBouncer, set through_pgbouncer"),
    ("42501", "does not allow it", "give the user of the url the right to do so"),
    ("42P01", "lacks a table", "run `niftyflow db upgrade`"),
    ("42P07", "holds a table of another program", "choose another database"),
    ("XX001", "is damaged", "stop, and restore a copy"),
    ("XX002", "is damaged", "stop, and restore a copy"),
)
"""Codes or their beginnings, what they mean, and what to do."""

DRIVER_ERRORS = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@contextlib.contextmanager
def told_as_ours(service: str) -> Iterator[None]:
    """Turn what the driver raises while connected into our errors; a mistake in a statement stays as it is.

    Raises:
        Unavailable: the server is away, stopping, full, or took too long.
        Misconfigured: it does not let this user do it, or has not the tables.
        Refused: it cannot hold a value.
    """
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(service, "every connection stayed busy") from error
    except TimeoutError as error:
        raise Unavailable(service, "a statement took longer than its limit") from error
    except DRIVER_ERRORS as error:
        told = meaning(error, service)
        if told is None:
            raise
        raise told from error


@contextlib.contextmanager
def told_at_connecting(service: str) -> Iterator[None]:
    """Turn what connecting raises into our errors: there also the network speaks.

    Raises:
        Unavailable: nobody answers there, or not now.
        Misconfigured: the address, the user or the password is wrong.
    """
    try:
        with told_as_ours(service):
            yield
    except OSError as error:
        raise Unavailable(service, error.strerror or str(error) or type(error).__name__) from error


def meaning(error: BaseException, service: str) -> NiftyflowError | None:
    """Return what an error of the driver means, None when it is a mistake of this program."""
    cause = _driver_error(error)
    if isinstance(cause, (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)):
        return Unavailable(service, "its tables were changed meanwhile")
    code = getattr(cause, "sqlstate", None)
    if code is None:
        return _of_the_driver(cause, service)
    text = _words(cause)
    refusal = _refusal(str(code), text, service)
    if refusal is not None:
        return refusal
    if str(code) == DISK_FULL:
        return Unavailable(service, f"its disk is full ({text}): free space on the server")
    return Unavailable(service, f"{text} ({code})") if str(code).startswith(TRANSIENT) else None


def _of_the_driver(cause: BaseException, service: str) -> NiftyflowError | None:
    """Return what an error means that the driver raised by itself."""
    if isinstance(cause, asyncpg.ClientConfigurationError):
        if "root certificate file" in str(cause):
            return Misconfigured(
                f"{service} is to be verified, and by whose certificate is not said: add sslrootcert=FILE to the "
                "database's url, with the certificate of the authority that signed the server's"
            )
        return Misconfigured(f"{service}: the address or its options cannot be used: correct the database's url")
    if isinstance(cause, asyncpg.DataError):
        return Refused(f"{service} cannot hold a value: {_words(cause)}")
    text = _words(cause)
    if isinstance(cause, asyncpg.InterfaceError) and "closed" not in text and "released" not in text:
        return None
    return Unavailable(service, text or type(cause).__name__)


def _refusal(code: str, text: str, service: str) -> NiftyflowError | None:
    """Return the refusal that a code stands for, with what to do about it."""
    if code.startswith(BAD_DATA):
        return Refused(f"{service} cannot hold a value: {text}")
    if code == PROTOCOL and not any(words in text for words in PGBOUNCER_REFUSES):
        return None
    for beginning, what, advice in REFUSALS:
        if code.startswith(beginning):
            return Misconfigured(f"{service} {what} ({text}): {advice}")
    return None


def _words(cause: BaseException) -> str:
    """Return what an error says, in one line and without the server's details, which may hold values."""
    return " ".join(str(getattr(cause, "message", None) or cause).split())


def _driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error below SQLAlchemy's wrapping."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
