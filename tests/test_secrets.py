"""The keyring: what is set comes back, and nothing but what was set; whoever is in the way and whatever breaks."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import (
    InvalidError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    StorageError,
    StorageFullError,
    TooLargeError,
)
from appliance.secrets import MAX_VALUE_BYTES, NAME, Secrets

VALUE = "correct horse battery staple"
NAMES = st.from_regex(NAME, fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration directory of this test, not made yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path / "config" / "membox"


@pytest.fixture
def home(config: Path, tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


@pytest.fixture
def secrets(home: Path) -> Secrets:
    return Secrets(home)


@pytest.fixture(scope="module")
def shared() -> Iterator[Secrets]:
    """A keyring that many examples of a property share."""
    with tempfile.TemporaryDirectory() as directory:
        yield Secrets(Path(directory) / "home", environ={"XDG_CONFIG_HOME": directory})


def entry(home: Path, name: str) -> Path:
    """The file of a secret."""
    return home / "keyring" / f"{name}@membox"


def test_what_is_set_comes_back_also_to_another_process(secrets: Secrets, home: Path) -> None:
    secrets.set("restic-password", VALUE)
    secrets.set("tailscale-auth-key", "line\nline\n")
    program = "import sys; from appliance.secrets import Secrets; from pathlib import Path\n"
    program += "print(Secrets(Path(sys.argv[1])).get('restic-password'))"
    done = subprocess.run([sys.executable, "-c", program, str(home)], capture_output=True, text=True, check=True)
    assert done.stdout == VALUE + "\n"
    assert secrets.get("tailscale-auth-key") == "line\nline\n"
    assert secrets.names() == ["restic-password", "tailscale-auth-key"]


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_any_name_keeps_any_text(shared: Secrets, entries: dict[str, str]) -> None:
    for name, value in entries.items():
        shared.set(name, value)
    assert {name: shared.get(name) for name in shared.names()} == entries
    for name in entries:
        shared.remove(name)
    assert shared.names() == []


def test_a_second_value_replaces_the_first_and_a_removed_one_is_gone(secrets: Secrets) -> None:
    secrets.set("a", "1")
    secrets.set("a", "2")
    assert secrets.get("a") == "2"
    secrets.remove("a")
    for gone in (secrets.get, secrets.remove):
        with pytest.raises(NotFoundError, match="There is no secret a; set it with `membox secrets set a`"):
            gone("a")


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a/b", "../a", "a b", "a\n", "ä", "a" * 65, "a@b", "a\0"])
def test_a_name_that_could_be_more_than_a_name_is_refused(secrets: Secrets, name: str) -> None:
    for ask in (secrets.get, secrets.remove, lambda name: secrets.set(name, VALUE)):
        with pytest.raises(InvalidError, match="cannot be a secret's name"):
            ask(name)


def test_what_is_no_value_is_refused_and_the_old_one_stays(secrets: Secrets) -> None:
    secrets.set("a", "x" * MAX_VALUE_BYTES)
    for value, error in (
        ("", InvalidError),
        ("\ud800", InvalidError),
        ("a\0b", InvalidError),
        ("é" * MAX_VALUE_BYTES, TooLargeError),
    ):
        with pytest.raises(error):
            secrets.set("a", value)
    assert secrets.get("a") == "x" * MAX_VALUE_BYTES


def test_only_the_owner_can_read_and_nothing_holds_the_value_in_clear(
    secrets: Secrets, home: Path, config: Path
) -> None:
    old = os.umask(0)
    try:
        secrets.set("a", VALUE)
    finally:
        os.umask(old)
    made = [*home.rglob("*"), config, *config.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}
    assert not any(VALUE.encode() in path.read_bytes() for path in made if path.is_file())


def test_the_same_value_is_never_sealed_twice_alike(secrets: Secrets, home: Path) -> None:
    secrets.set("a", VALUE)
    first = entry(home, "a").read_bytes()
    secrets.set("a", VALUE)
    assert entry(home, "a").read_bytes() != first


def test_a_change_of_any_byte_is_noticed(secrets: Secrets, home: Path) -> None:
    secrets.set("a", VALUE)
    file = entry(home, "a")
    sealed = file.read_bytes()
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]
    for bad in (*changed, *cut, sealed + b"\n"):
        file.write_bytes(bad)
        with pytest.raises(StorageError) as told:
            secrets.get("a")
        assert VALUE not in str(told.value)
    file.write_bytes(sealed)
    assert secrets.get("a") == VALUE


def test_an_entry_in_anothers_place_does_not_open(secrets: Secrets, home: Path) -> None:
    secrets.set("a", "of a")
    secrets.set("b", "of b")
    shutil.copy(entry(home, "a"), entry(home, "b"))
    with pytest.raises(StorageError, match="not the entry that was written there"):
        secrets.get("b")
    entry(home, "a").rename(home / "keyring" / "a@other")
    with pytest.raises(StorageError):
        Secrets(home, "other").get("a")


def test_with_another_master_key_nothing_opens_and_nothing_is_mixed_in(
    secrets: Secrets, home: Path, config: Path
) -> None:
    secrets.set("a", VALUE)
    right = (config / "master.key").read_bytes()
    (config / "master.key").write_bytes(os.urandom(32))
    for ask in (lambda: secrets.get("a"), lambda: secrets.set("b", "x")):
        with pytest.raises(StorageError, match="sealed with another master key"):
            ask()
    assert secrets.names() == ["a"]
    (config / "master.key").write_bytes(right)
    assert secrets.get("a") == VALUE


def test_a_lost_master_key_is_told_and_not_replaced(secrets: Secrets, config: Path) -> None:
    secrets.set("a", VALUE)
    (config / "master.key").unlink()
    for ask in (lambda: secrets.get("a"), lambda: secrets.set("b", "x")):
        with pytest.raises(StorageError, match="is not at hand"):
            ask()
    assert not (config / "master.key").exists()
    secrets.remove("a")  # the way out when it is lost for good
    secrets.set("a", "anew")
    assert secrets.get("a") == "anew"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_master_key_of_another_length_is_refused(secrets: Secrets, config: Path, length: int) -> None:
    config.mkdir(parents=True)
    (config / "master.key").write_bytes(b"k" * length)
    (config / "master.key").chmod(0o600)
    with pytest.raises(StorageError, match="exactly 32 random bytes"):
        secrets.set("a", VALUE)


def test_a_master_key_that_others_can_read_is_refused(secrets: Secrets, config: Path) -> None:
    secrets.set("a", VALUE)
    (config / "master.key").chmod(0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        secrets.get("a")


def test_the_systemd_credential_comes_first(home: Path, tmp_path: Path, config: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "membox.master-key").write_bytes(os.urandom(32))
    in_unit = Secrets(home, environ={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    in_unit.set("a", VALUE)
    assert in_unit.get("a") == VALUE
    assert not config.exists()
    with pytest.raises(StorageError, match="on a box only the daemon has it"):
        Secrets(home).get("a")


def test_a_master_key_is_never_made_inside_the_home(home: Path) -> None:
    secrets = Secrets(home, environ={"XDG_CONFIG_HOME": str(home / ".config")})
    with pytest.raises(NotConfiguredError, match="inside the home it protects"):
        secrets.set("a", VALUE)
    assert not (home / ".config").exists()


def test_keyrings_own_choice_is_never_asked(secrets: Secrets, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("KEYRING_PROPERTY__DIRECTORY", "/nowhere")
    secrets.set("a", VALUE)
    assert secrets.get("a") == VALUE
    assert entry(home, "a").exists()


def test_of_many_that_only_add_one_wins_for_all(secrets: Secrets) -> None:
    def added(number: int) -> str:
        secrets.set("restic-password", f"key {number}", replace=False)
        return secrets.get("restic-password")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(added, range(8)))) == 1


def test_many_writers_lose_nothing(secrets: Secrets, home: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from appliance.secrets import Secrets\n"
        "for n in range(20):\n"
        "    for name in (sys.argv[2], 'both'):\n"
        "        Secrets(Path(sys.argv[1])).set(name, f'{sys.argv[2]}-{n}' * 1000)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(home), name]) for name in ("one", "two")]
    with ThreadPoolExecutor(4) as threads:  # and several in this process
        list(threads.map(lambda n: secrets.set(f"thread-{n}", str(n)), range(20)))
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert secrets.get("one") == "one-19" * 1000
    assert secrets.get("two") == "two-19" * 1000
    assert secrets.get("both") in ("one-19" * 1000, "two-19" * 1000)
    assert [secrets.get(f"thread-{n}") for n in range(20)] == [str(n) for n in range(20)]


STEPS = ("fsync", "replace", "after")


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_the_middle_the_old_or_the_new_is_there_whole(secrets: Secrets, home: Path, step: str) -> None:
    secrets.set("a", "old")
    program = (
        "import json, os, pathlib, signal, sys\n"
        "from appliance.secrets import Secrets\n"
        "home, step = sys.argv[1:]\n"
        "die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if step == 'fsync': os.fsync = die\n"
        "if step == 'replace': pathlib.Path.replace = die\n"
        "Secrets(pathlib.Path(home)).set('a', 'new')\n"
        "die()\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(home), step], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert secrets.get("a") == ("new" if step == "after" else "old")
    assert secrets.names() == ["a"]
    secrets.set("b", "next")
    assert sorted(file.name for file in (home / "keyring").iterdir()) == ["a@membox", "b@membox"]


def test_killed_while_the_master_key_is_made_the_next_makes_it(secrets: Secrets, home: Path, config: Path) -> None:
    config.mkdir(parents=True)
    (config / "master.key.partial").write_bytes(b"half")
    (config / "master.key.partial").chmod(0o600)
    secrets.set("a", VALUE)
    assert secrets.get("a") == VALUE
    assert len((config / "master.key").read_bytes()) == 32


def fail_with(number: int) -> Callable[..., None]:
    """A step that fails as the file system does."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [(errno.ENOSPC, StorageFullError, "is full"), (errno.EDQUOT, StorageFullError, "is full")]
    + [(number, StorageError, "correct its owner") for number in (errno.EACCES, errno.EIO, errno.EROFS)],
)
def test_what_the_disk_refuses_is_told_in_a_sentence_and_the_old_value_stays(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch, number: int, error: type[MemboxError], says: str
) -> None:
    secrets.set("a", VALUE)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail_with(number))
        with pytest.raises(error, match=says):
            secrets.set("a", "new")
    assert secrets.get("a") == VALUE


def test_looking_makes_nothing(secrets: Secrets, home: Path, config: Path) -> None:
    assert secrets.names() == []
    with pytest.raises(NotFoundError):
        secrets.get("a")
    assert list(home.iterdir()) == []
    assert not config.exists()
