"""The composition root: one box from one home, its parts introduced to each other here and nowhere else."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from appliance import hold
from appliance.access import Access
from appliance.backup import Backup
from appliance.clock import Clock, system_clock
from appliance.config import Config, load_config
from appliance.home import DATABASE_FILE, NOTEBOOK_DIRECTORY
from appliance.jobs import Jobs
from appliance.memory import Memory, NotebookSections, Registry, Work
from appliance.metrics import Metrics
from appliance.notebook import Notebook, write_notebook
from appliance.secrets import Secrets
from appliance.storage import Database, open_database
from appliance.storage.opening import known_versions, schema_version


@dataclass(frozen=True)
class Box:
    """An open box. Whoever opens it holds the home's lease (`appliance.lease`), and closes it."""

    home: Path
    config: Config
    clock: Clock
    database: Database
    access: Access
    memory: Memory
    registry: Registry
    jobs: Jobs
    work: Work
    notebook: Notebook
    backup: Backup
    secrets: Secrets
    metrics: Metrics
    _at_end: ExitStack = field(repr=False)

    def hold(self, why: str, seconds: float) -> hold.Hold:
        """Take no more writes for `seconds` (`appliance.hold`).

        When this returns, every write that was accepted is done, in the database and in its file, and none comes in.
        """
        with self.notebook.at_rest():
            held = hold.hold(self.home, why, seconds)
            self.database.finish_writes()
        return held

    def close(self) -> None:
        """Finish what was accepted and release the files."""
        self._at_end.close()


def open_box(home: Path, clock: Clock = system_clock, config: Config | None = None) -> Box:
    """Open the box of `home`, bringing its database to the newest schema and its notebook in step.

    `config` are other settings than those that `home` and the environment give.

    Raises:
        NotConfiguredError: a setting is wrong, or the database is another program's.
        StorageError: the database is damaged, or from a newer membox.
        StorageFullError: no room on the disk.
        UnavailableError: writes are held, and the database cannot be opened without one.
    """
    config = config or load_config(home)
    with ExitStack() as at_end:
        database = open_database(_database_path(config, at_end), lambda: hold.admit_write(home))
        at_end.callback(database.close)
        access = Access(database, clock, config.auth.mode, config.given_keys, config.core.tenant)
        metrics = Metrics(clock)
        memory = Memory(database, clock, metrics, config.graph, config.memory.embedding)
        at_end.callback(memory.close)
        registry = Registry(database, clock, config.models.signal_window, memory.traces.judged)
        jobs = Jobs(database, clock)
        work = Work(database, clock, jobs, registry)
        sections = NotebookSections(config.core.tenant, clock)
        core = config.core
        notebook = Notebook(home / NOTEBOOK_DIRECTORY, database, sections, core.timezone, clock, core.tenant)
        memory.forget_section = notebook.forget_item
        notebook.settle()
        at_end.callback(notebook.close)
        backup = Backup(home, database, clock, write_notebook)
        secrets = Secrets(home)
        return Box(
            home,
            config,
            clock,
            database,
            access,
            memory,
            registry,
            jobs,
            work,
            notebook,
            backup,
            secrets,
            metrics,
            at_end.pop_all(),
        )


@dataclass(frozen=True)
class Schema:
    """The schema of a home's database: the file, its version (None: not made yet), and the newest known here."""

    path: str
    version: str | None
    newest: str

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to upgrade."""
        return self.version == self.newest


def schema_of(home: Path) -> Schema:
    """Look at the schema of `home`'s database without opening the box; changes nothing.

    Raises:
        NotConfiguredError: a setting is wrong, or the database is another program's.
        StorageError: it is no readable database.
    """
    path = load_config(home).database_path
    return Schema(str(path), schema_version(path), known_versions()[-1])


def _database_path(config: Config, at_end: ExitStack) -> Path:
    if config.store.backend != "inmemory":
        return config.database_path
    return Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="membox-"))) / DATABASE_FILE
