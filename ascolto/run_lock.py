"""One `ascolto run` per database: two would request everything from every platform twice."""

import os
import tempfile
from io import TextIOWrapper
from pathlib import Path

from models.errors import OperatorError


class RunLock:
    """Held by the operating system, so that a killed program leaves none behind."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: TextIOWrapper | None = None

    def acquire(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows has no flock: there the operator takes care
            return
        path = self._lock_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise OperatorError(
                f"Another Ascolto (process {holder}) is running on this database.",
                "Stop it first, or use its web desk.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def _lock_path(self) -> Path:
        """Beside the file that the path leads to, named for the file itself: another name for it is the same lock."""
        resolved = self._database.resolve()
        if not resolved.exists():
            resolved.parent.mkdir(parents=True, exist_ok=True)
            resolved.touch(mode=0o600)
        file = resolved.stat()
        name = f".ascolto-{file.st_dev:x}-{file.st_ino:x}.lock"
        return (resolved.parent if file.st_nlink == 1 else Path(tempfile.gettempdir())) / name

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
