"""Targets as files: looked at, brought to the memory, and given back, on whichever machine they are.

A file is replaced whole or not at all, keeps its permissions, and a link stays a link: what it leads to is written.
One that changed between reading and writing is read again. A block that was changed by hand is put aside before it is
replaced. Needs no box: clients and the agent's errands use it as it is.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.durable import ChangedError, rewrite, sync, write_atomically
from appliance.errors import ConflictError, InvalidError
from appliance.managed_block import Block, State, block_hash, found, placed, taken_out

MAX_BYTES = 16 * 1024 * 1024
_LONGEST_PATH = 512
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """A target: its path as configured, its state, the hash of its block, and what there is to say of it."""

    path: str
    state: State
    hash: str | None = None
    said: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """For a check-in."""
        return asdict(self)


def expanded(path: str) -> Path:
    """Where a target is; InvalidError when the path leads nowhere."""
    file = Path(os.path.expanduser(path))  # unlike Path's, leaves a ~user whom there is not
    if not file.is_absolute() or "\0" in path or len(path) > _LONGEST_PATH:
        raise InvalidError("bad_target", f"{path[:80]!a} is no absolute path of at most {_LONGEST_PATH} characters.")
    return file


def do(how: str, paths: Iterable[str], memory: str, aside: Path) -> list[Seen]:
    """`check`, `sync`, `automatic` or `remove` (as `look`, `bring` and `give_back` say) for each of `paths`."""
    work: dict[str, Callable[[str], Seen]] = {
        "check": lambda path: look(path, memory),
        "sync": lambda path: bring(path, memory, aside),
        "automatic": lambda path: bring(path, memory, aside, automatic=True),
        "remove": lambda path: give_back(path, aside),
    }
    return [work[how](path) for path in paths]


def look(path: str, memory: str) -> Seen:
    """How the target is, against the memory."""
    return _told(path, lambda: _look(path, memory))


def bring(path: str, memory: str, aside: Path, automatic: bool = False) -> Seen:
    """Bring the target to the memory; how it is then.

    Args:
        aside: the directory that keeps what was changed by hand inside a block.
        automatic: nobody asked: what was changed by hand since this very text was written stays, and is told.
    """
    return _told(path, lambda: _again(lambda: _bring(path, memory, aside, automatic)))


def give_back(path: str, aside: Path) -> Seen:
    """Take the block out of the target again; MISSING then. A file that held nothing else goes."""
    return _told(path, lambda: _again(lambda: _give_back(path, aside)))


def kept_out(paths: Iterable[str], directory: Path) -> list[str]:
    """Those of `paths` that lie in `directory`, by links too: the notebook must not be written into itself."""
    inside = directory.resolve()
    return [path for path in paths if Path(os.path.realpath(os.path.expanduser(path))).is_relative_to(inside)]


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a user's own commands put aside what they replace."""
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "membox" / "replaced"


def _look(path: str, memory: str) -> Seen:
    content, _ = _read(_real(path))
    block = found(content) if content is not None else None
    if block is None:
        return Seen(path, State.MISSING, None, "There is no such file." if content is None else "It has no block yet.")
    state = block.state(block_hash(memory))
    said = "Changed by hand inside the block." if state is State.EDITED else ""
    return Seen(path, state, block.hash, said)


def _bring(path: str, memory: str, aside: Path, automatic: bool) -> Seen:
    file, wanted = _real(path), block_hash(memory)
    content, status = _read(file)
    block = found(content) if content is not None else None
    if block and block.hash == wanted == block.named:
        return Seen(path, State.CURRENT, wanted)
    if block and automatic and block.named == wanted:
        return _look(path, memory)
    kept = _put_aside(path, block, aside)
    _rewrite(file, placed(content or b"", memory), status)
    return Seen(path, State.CURRENT, wanted, kept)


def _give_back(path: str, aside: Path) -> Seen:
    file = _real(path)
    content, status = _read(file)
    block = found(content) if content is not None else None
    if content is None or block is None:
        return Seen(path, State.MISSING, None, "It had no block.")
    kept = _put_aside(path, block, aside)
    if left := taken_out(content):
        _rewrite(file, left, status)
    else:
        file.unlink()
        sync(file.parent)
    return Seen(path, State.MISSING, None, kept)


def _told(path: str, work: Callable[[], Seen]) -> Seen:
    """What comes of `work`, faults as the state they leave the target in."""
    try:
        return work()
    except ConflictError as fault:
        return Seen(path, State.DAMAGED, None, fault.sentence)
    except InvalidError as fault:
        return Seen(path, State.UNWRITABLE, None, fault.sentence)
    except ChangedError:
        return Seen(path, State.UNWRITABLE, None, "It keeps changing; try again.")
    except OSError as fault:
        return Seen(path, State.UNWRITABLE, None, f"It cannot be used ({fault.strerror or fault}).")


def _again(work: Callable[[], Seen]) -> Seen:
    for _ in range(_ATTEMPTS - 1):
        with suppress(ChangedError):
            return work()
    return work()


def _real(path: str) -> Path:
    """The file itself, where links lead to it."""
    return Path(os.path.realpath(expanded(path)))


def _read(file: Path) -> tuple[bytes | None, os.stat_result | None]:
    """What the file holds and how it looked before; nothing of either when there is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, None
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidError("bad_target", "It is no plain file.")
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InvalidError("bad_target", f"It is larger than {MAX_BYTES // 1024 // 1024} MB.")
    return content, status


def _rewrite(file: Path, content: bytes, before: os.stat_result | None) -> None:
    if before and before.st_nlink > 1:
        raise InvalidError("bad_target", "It has a second name (a hard link); make that a symbolic link.")
    rewrite(file, content, before)


def _put_aside(path: str, block: Block | None, aside: Path) -> str:
    """Keep the lines of a block that was changed by hand; what there is to say of that."""
    if block is None or block.hash == block.named:
        return ""
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{Path(path).name[:100]}.{hashlib.sha256(path.encode() + block.body).hexdigest()[:12]}"
    write_atomically(aside / name, block.body)
    return f"Its block had been changed by hand; what stood there is kept in {aside / name}."
