"""A workspace: the folder in which one niftyflow keeps everything. Demo and replay have workspaces of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from niftyflow.model import Misconfigured

VARIABLE = "NIFTYFLOW_WORKSPACE"
DEFAULT = "~/.niftyflow"
PROCESSES = "processes"


class Workspace:
    """Where things are; nothing is made before `create`."""

    def __init__(self, path: Path | str, process: str = "") -> None:
        """Name the folder; `process` names one of several that share it, each with a journal of its own."""
        self.path = Path(path).expanduser().absolute()
        self.process = process
        self.own = self.path / PROCESSES / process if process else self.path

    @classmethod
    def default(cls) -> Workspace:
        """Return the workspace of `NIFTYFLOW_WORKSPACE`, or `~/.niftyflow`."""
        return cls(os.environ.get(VARIABLE) or DEFAULT)

    @property
    def settings_file(self) -> Path:
        """The settings, when there are any."""
        return self.path / "niftyflow.toml"

    @property
    def log(self) -> Path:
        """The embedded log; with Kafka, ingestion's journal."""
        return self.own / "log"

    @property
    def market_db(self) -> Path:
        """Candles, instruments, gaps."""
        return self.path / "market.db"

    @property
    def book_db(self) -> Path:
        """Orders, fills, positions."""
        return self.path / "book.db"

    @property
    def key_file(self) -> Path:
        """The text of the gateway's first key, for its owner alone; commands of this machine find it here."""
        return self.path / "api-key"

    @property
    def cards(self) -> Path:
        """What came of the conformance cases of brokers, a file for each broker and ground."""
        return self.path / "cards"

    @property
    def leases(self) -> Path:
        """Who owns what."""
        return self.path / "leases"

    @property
    def address_file(self) -> Path:
        """Where this process answers others, as long as it runs; commands of this machine find it here."""
        return self.own / "address"

    def addresses(self) -> dict[str, str]:
        """Return where the processes of this machine answer, by name; one that was killed, until another is there."""
        written = []
        for file in self.path.glob(f"{PROCESSES}/*/address"):
            with suppress(FileNotFoundError):  # it ends at this moment
                written.append((file.stat().st_mtime_ns, file.parent.name, file.read_text().strip()))
        names = {address: name for _, name, address in sorted(written)}
        return dict(sorted((name, address) for address, name in names.items()))

    @contextmanager
    def told_address(self, address: str) -> Iterator[None]:
        """Have the address of this process in its file for the time of a `with`."""
        self.address_file.write_text(address)
        try:
            yield
        finally:
            self.address_file.unlink(missing_ok=True)

    def create(self) -> Workspace:
        """Make the folder, for its owner alone, when it is not there.

        Raises:
            Misconfigured: it cannot be made or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.own.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"the workspace {self.path} cannot be made ({error.strerror}): choose another with --workspace"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Misconfigured(f"the workspace {self.path} is read-only: choose another with --workspace")
        return self
