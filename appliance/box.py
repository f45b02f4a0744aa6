"""The composition root: one box from one home, its parts introduced to each other here and nowhere else."""

import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from appliance import hold
from appliance.access import Access
from appliance.agents.harvest.service import Harvest
from appliance.agents.sessions.service import AgentSessions
from appliance.agents.sessions.store import Sessions
from appliance.backup import Backup
from appliance.clock import Clock, system_clock
from appliance.config import Config, load_config, validated
from appliance.config_file import set_value
from appliance.errors import ConflictError, MemboxError, NotFoundError
from appliance.home import DATABASE_FILE, NOTEBOOK_DIRECTORY
from appliance.jobs import Jobs
from appliance.memory import Memory, NotebookSections, Registry, Work
from appliance.metrics import Metrics
from appliance.notebook import Notebook, write_notebook
from appliance.notebook.digest import Digest
from appliance.notebook.finds import Finds
from appliance.notebook.journal import with_entry
from appliance.notebook.refresh.service import Refresh
from appliance.notebook.targets import Targets
from appliance.notify import Notifier
from appliance.providers import Providers
from appliance.secrets import Secrets
from appliance.storage import Database, open_database, open_postgres
from appliance.storage.moving import Moved, move
from appliance.storage.opening import known_versions, postgres_schema, schema_version

POSTGRES = "postgres"


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
    sessions: AgentSessions
    targets: Targets
    harvest: Harvest
    backup: Backup
    secrets: Secrets
    providers: Providers
    notifier: Notifier
    digest: Digest
    refresh: Refresh
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


def open_box(home: Path, clock: Clock = system_clock, config: Config | None = None, keeps: bool = True) -> Box:
    """Open the box of `home`, bringing its database to the newest schema and its notebook in step.

    `config` are other settings than those that `home` and the environment give. On a database that several processes
    share, one of them keeps the notebook and the beat; without `keeps` this one leaves that to others.

    Raises:
        NotConfiguredError: a setting is wrong, or the database is another program's.
        StorageError: the database is damaged, or from a newer membox.
        StorageFullError: no room on the disk.
        UnavailableError: the database's server cannot be reached; or writes are held, and it cannot be opened without
            one.
    """
    given, config = config, config or load_config(home)
    with ExitStack() as at_end:
        database = _open_database(home, config, at_end, keeps)
        at_end.callback(database.close)
        secrets = Secrets(home)
        auth = config.auth.mode, config.given_keys, config.core.tenant
        access = Access(database, clock, *auth, lambda: _capture_token(secrets))
        metrics = Metrics(clock)
        current = lambda: given or load_config(home)  # noqa: E731 - the settings as they are now
        notifier = Notifier(current, secrets, home, clock)
        memory = Memory(database, clock, metrics, config.graph, config.memory.embedding, config.core.timezone)
        at_end.callback(memory.close)
        models = config.models
        registry = Registry(database, clock, models.signal_window, memory.traces.judged, models.signals_kept)
        jobs = Jobs(database, clock)
        work = Work(database, clock, jobs, registry, memory.vectors)
        sections = NotebookSections(config.core.tenant, clock)
        core = config.core
        notebook = Notebook(home / NOTEBOOK_DIRECTORY, database, sections, core.timezone, clock, core.tenant)
        memory.forget_section = notebook.forget_item
        sessions = AgentSessions(
            Sessions(database), notebook, with_entry, config.session, core.timezone, clock, metrics, notifier.send
        )
        notebook.settle()
        at_end.callback(notebook.close)
        targets = Targets(home, notebook, database, clock, notifier.send)
        backup = Backup(home, database, clock, write_notebook)
        providers = Providers(current, secrets, database, clock)
        digest = Digest(notebook, providers, notifier, current, clock)
        finds = Finds(notebook, "harvest", core.timezone, clock)
        harvest = Harvest(finds, database, clock, core.timezone, providers, providers.redactor)
        refresh = Refresh(notebook, database, providers, providers.redactor, core, clock)
        at_end.callback(refresh.close)
        at_end.callback(providers.stop)  # first, so that nobody waits for an answer
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
            sessions,
            targets,
            harvest,
            backup,
            secrets,
            providers,
            notifier,
            digest,
            refresh,
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
        UnavailableError: the database's server cannot be reached.
        NotConfiguredError: a setting is wrong, or the database is another program's.
        StorageError: it is no readable database.
    """
    config = load_config(home)
    if config.store.backend == POSTGRES:
        place, version = postgres_schema(config.postgres_dsn, _postgres_password(home))
        return Schema(place, version, known_versions()[-1])
    path = config.database_path
    return Schema(str(path), schema_version(path), known_versions()[-1])


def move_to_postgres(home: Path, dsn: str) -> Moved:
    """Move everything that the box of `home` keeps in its database to the empty one on a server, and use that from now.

    The caller holds the home's lease. The file stays as it was at that moment.

    Raises:
        ConflictError: the box's database is on a server already, or that one there is not empty.
        NotConfiguredError: `dsn` is no address, holds a password, or the server refuses us.
        UnavailableError, StorageError: the server cannot be reached, or what it gives back is not what was put there.
    """
    with ExitStack() as at_end:
        box = at_end.enter_context(closing(open_box(home)))
        if box.database.backend == POSTGRES:
            raise ConflictError("moved_already", f"The database of {home} is on a server already.")
        validated({"store": {"postgres_dsn": dsn}}, "--to")
        target = at_end.enter_context(closing(open_postgres(dsn, _postgres_password(home), keeps=False)))
        moved = move(box.database, target, "The database named with --to")
        set_value(home, "store.postgres_dsn", dsn)
        set_value(home, "store.backend", POSTGRES)
    return moved


def _open_database(home: Path, config: Config, at_end: ExitStack, keeps: bool) -> Database:
    if config.store.backend == POSTGRES:
        return open_postgres(config.postgres_dsn, _postgres_password(home), lambda: hold.admit_write(home), keeps)
    return open_database(_database_path(config, at_end), lambda: hold.admit_write(home))


def _capture_token(secrets: Secrets) -> str:
    """The token kept by `membox config set capture_token`; "" where there is none that can be read."""
    try:
        return secrets.get("capture-token")
    except MemboxError:
        return ""


def _postgres_password(home: Path) -> str:
    """The server's password, where it is a secret of the box; else libpq looks for one where it always does."""
    try:
        return Secrets(home).get("postgres-password")
    except NotFoundError:
        return ""


def _database_path(config: Config, at_end: ExitStack) -> Path:
    if config.store.backend != "inmemory":
        return config.database_path
    return Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="membox-"))) / DATABASE_FILE
