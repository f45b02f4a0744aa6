"""Settings: defaults, file, environment; and one sentence for whatever is wrong with them."""

import json
import stat
from pathlib import Path

import pytest

from appliance.config import load_config
from appliance.config_file import set_value
from appliance.errors import NotConfiguredError
from appliance.home import default_home

KEYS = {"secret-key": {"tenant_id": "home", "agent_id": "phone", "role": "writer", "note": "theirs has more fields"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


def refusal(home: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(NotConfiguredError) as refused:
        load_config(home, environ or {})
    return refused.value.sentence


def test_without_a_file_everything_has_the_contracts_default(home: Path) -> None:
    config = load_config(home, {})
    assert (config.core.tenant, config.core.max_memory_lines, config.core.max_tokens) == ("home", 400, 16384)
    assert (config.daemon.web_ui_host, config.daemon.web_ui_port, config.daemon.capture_port) == ("127.0.0.1", 8080, 0)
    assert (config.daemon.backup_mirror_schedule, config.backups.keep_days) == ("hourly", 30)
    assert config.auth.mode == "api_key"
    assert config.mirror_path is None
    assert config.database_path == home / "membox.db"


def test_the_file_overrides_defaults(home: Path) -> None:
    write(home, '[daemon]\nweb_ui_port = 9000\nweb_hosts = ["box.example.ts.net"]\n[core]\ntimezone = "Asia/Tokyo"\n')
    config = load_config(home, {})
    assert (config.daemon.web_ui_port, config.daemon.web_hosts) == (9000, ("box.example.ts.net",))
    assert config.core.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[daemon]\nweb_ui_prot = 1\n", ["config.toml", "daemon.web_ui_prot", "1", "did you mean web_ui_port?"]),
        ("[deamon]\n", ["config.toml", "[deamon]", "did you mean daemon?"]),
        ("[xyzzy]\n", ["[xyzzy]", "allowed: core, auth"]),
        ('[daemon]\nweb_ui_port = "9000"\n', ['daemon.web_ui_port = "9000"', "a port from 1 to 65535"]),
        ("[daemon]\nweb_ui_port = true\n", ["daemon.web_ui_port = true", "a port from 1 to 65535"]),
        ("[daemon]\nweb_ui_port = 65536\n", ["daemon.web_ui_port = 65536", "a port from 1 to 65535"]),
        ("daemon = 3\n", ["daemon = 3", "[daemon]"]),
        ('[daemon]\nbackup_mirror_schedule = "soon"\n', ['"soon"', "hourly", "cron"]),
        ('[daemon]\nbackup_mirror_path = "usb"\n', ['"usb"', "absolute path"]),
        ('[core]\ntimezone = "Mars/Olympus"\n', ['"Mars/Olympus"', "Europe/Berlin"]),
        ('[core]\ntenant = ""\n', ["core.tenant", "1 to 128"]),
        ('[auth]\nmode = "off"\n', ['auth.mode = "off"', "api_key or disabled"]),
        ("[daemon\n", ["config.toml", "not valid TOML", "line 1"]),
        ("[paths]\ntargets = [3]\n", ["paths.targets", "list of texts"]),
        ('[tailnet]\nhostname = "https://box.example.ts.net"\n', ["tailnet.hostname", "such as"]),
        ('[tailnet]\nhostname = "box.example.ts.net."\n', ["tailnet.hostname", "such as"]),
        ('[tailnet]\nowners = "mine@example.com"\n', ["tailnet.owners", "a list"]),
        ('[tailnet]\nowners = [""]\n', ["tailnet.owners", "persons' logins"]),
        ('[tailnet]\nowners = ["a@example.com, b@example.com"]\n', ["tailnet.owners", "persons' logins"]),
        ('[tailnet]\nowners = ["Tagged-Devices"]\n', ["tailnet.owners", "persons' logins"]),
        ("[tailnet]\nserve = true\n", ["tailnet.serve", "needs tailnet.hostname"]),
        (
            '[tailnet]\nserve = true\nhostname = "box.example.ts.net"\n[auth]\nmode = "disabled"\n',
            ["auth.mode = disabled", "the whole tailnet"],
        ),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_value_and_what_is_allowed(
    home: Path, text: str, words: list[str]
) -> None:
    write(home, text)
    sentence = refusal(home)
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ('[daemon]\ncapture_token = "tok-123"\n', "membox secrets set capture-token"),
        ('[daemon]\ndigest_smtp_password = "tok-123"\n', "membox secrets"),
        ('[llm]\nanthropic_api_key = "tok-123"\n', "membox secrets"),
    ],
)
def test_a_secret_in_the_file_is_refused_without_being_shown(home: Path, text: str, remedy: str) -> None:
    write(home, text)
    sentence = refusal(home)
    assert remedy in sentence
    assert "tok-123" not in sentence


def test_a_mirror_inside_the_home_is_refused(home: Path) -> None:
    write(home, f'[daemon]\nbackup_mirror_path = "{home}/copies"\n')
    assert "inside the home" in refusal(home)


def test_the_environment_overrides_the_file_under_either_prefix(home: Path) -> None:
    write(home, '[auth]\nmode = "api_key"\n')
    assert load_config(home, {"BRAINSTEM_AUTH_MODE": "disabled"}).auth.mode == "disabled"
    assert load_config(home, {"MEMBOX_AUTH_MODE": "api_key", "BRAINSTEM_AUTH_MODE": "disabled"}).auth.mode == "api_key"
    assert load_config(home, {"MEMBOX_AUTH_MODE": ""}).auth.mode == "api_key"


def test_a_database_path_from_the_environment_starts_where_the_process_does(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    config = load_config(home / "box", {"BRAINSTEM_SQLITE_PATH": "data/store.db"})
    assert config.database_path == home / "data" / "store.db"


def test_a_wrong_variable_is_refused_by_its_name(home: Path) -> None:
    sentence = refusal(home, {"BRAINSTEM_AUTH_MODE": "token"})
    assert sentence.startswith("BRAINSTEM_AUTH_MODE=token")
    assert "api_key or disabled" in sentence


def test_given_keys_come_from_environment_and_file_and_are_never_shown(home: Path) -> None:
    (home / "keys.json").write_text(json.dumps({"file-key": KEYS["secret-key"]}))
    write(home, '[auth]\nkeys_file = "keys.json"\n')
    config = load_config(home, {"BRAINSTEM_API_KEYS": json.dumps(KEYS)})
    assert set(config.given_keys) == {"secret-key", "file-key"}
    assert config.given_keys["secret-key"].role == "writer"
    assert "secret-key" not in repr(config) + config.model_dump_json() + str(config.settings())


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"k": 1}', '{"secret-key": {"tenant_id": "a", "agent_id": "b", "role": "root"}}', '{"": {}}']
)
def test_ill_formed_keys_are_refused_without_being_shown(home: Path, text: str) -> None:
    sentence = refusal(home, {"MEMBOX_API_KEYS": text})
    assert sentence.startswith("MEMBOX_API_KEYS must be JSON")
    assert "secret-key" not in sentence


def test_variables_without_effect_are_named(home: Path) -> None:
    environ = {"BRAINSTEM_JOB_BACKEND": "sqlite", "MEMBOX_REGISTRY_PATH": "x", "MEMBOX_HOME": "/h", "PATH": "/bin"}
    assert load_config(home, environ).unused_environment == ("BRAINSTEM_JOB_BACKEND", "MEMBOX_REGISTRY_PATH")


def test_an_existing_deployments_environment_works_as_it_is(home: Path) -> None:
    environ = {
        "BRAINSTEM_GRAPH_ENABLED": "true",
        "BRAINSTEM_GRAPH_MAX_EXPANSION": "7",
        "BRAINSTEM_GRAPH_HALF_LIFE_HOURS": "24",
        "BRAINSTEM_JOB_WORKER_ENABLED": "false",
        "BRAINSTEM_MODEL_REGISTRY_SIGNAL_WINDOW": "50",
        "BRAINSTEM_MCP_AUTH_MODE": "disabled",
        "BRAINSTEM_MCP_TOKENS": json.dumps(KEYS),
        "BRAINSTEM_POSTGRES_DSN": "postgresql://me:secret@db/memory",
    }
    config = load_config(home, environ)
    assert (config.graph.enabled, config.graph.max_expansion, config.graph.half_life_hours) == (True, 7, 24.0)
    assert (config.jobs.worker_enabled, config.models.signal_window, config.mcp.auth_mode) == (False, 50, "disabled")
    assert config.mcp_tokens["secret-key"].role == "writer"
    assert config.postgres_dsn == "postgresql://me:secret@db/memory"
    assert config.unused_environment == ()
    assert "secret" not in repr(config) + config.model_dump_json() + str(config.settings())


def test_weights_of_some_relations_leave_the_others_as_they_are(home: Path) -> None:
    graph = load_config(home, {"BRAINSTEM_GRAPH_RELATION_WEIGHTS": '{"phrase": 2, "temporal": 0.5}'}).graph
    weights = (graph.keyword_weight, graph.phrase_weight, graph.temporal_weight, graph.reference_weight)
    assert weights == (1.0, 2.0, 0.5, 1.6)


@pytest.mark.parametrize("value", ["{", "[]", '{"kinship": 1}', '{"phrase": -1}', '{"phrase": "high"}'])
def test_ill_formed_weights_are_refused(home: Path, value: str) -> None:
    assert refusal(home, {"MEMBOX_GRAPH_RELATION_WEIGHTS": value}).startswith("MEMBOX_GRAPH_RELATION_WEIGHTS=")


@pytest.mark.parametrize("dsn", ["postgresql://me:hush@db/memory", "postgresql://me@/memory?host=db&password=hush"])
def test_a_database_address_with_a_password_is_refused_in_the_file(home: Path, dsn: str) -> None:
    write(home, f'[store]\npostgres_dsn = "{dsn}"\n')
    sentence = refusal(home)
    assert "postgres-password" in sentence
    assert "hush" not in sentence


def test_setting_a_value_keeps_comments_and_order(home: Path) -> None:
    write(home, "# mine\n[daemon]  # the service\nweb_ui_port = 8080 # the port\n\n[core]\ntenant = 'home'\n")
    config = set_value(home, "daemon.web_ui_port", "9000", {})
    assert config.daemon.web_ui_port == 9000
    assert (home / "config.toml").read_text() == (
        "# mine\n[daemon]  # the service\nweb_ui_port = 9000 # the port\n\n[core]\ntenant = 'home'\n"
    )


def test_setting_in_an_empty_home_makes_a_private_file(home: Path) -> None:
    set_value(home, "paths.targets", "~/CLAUDE.md, /srv/AGENTS.md", {})
    assert load_config(home, {}).paths.targets == ("~/CLAUDE.md", "/srv/AGENTS.md")
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("daemon.web_ui_port", "soon", "a port from 1 to 65535"),
        ("daemon.web_ui_prot", "9000", "did you mean web_ui_port?"),
        ("web_ui_port", "9000", "there is no section"),
        ("daemon.capture_enabled", "perhaps", "true or false"),
        ("capture_token", "x", "membox secrets set capture-token"),
        ("llm.anthropic_api_key", "x", "membox secrets"),
        ("daemon.backup_mirror_path", "{home}/copies", "inside the home"),
        ("daemon.backup_mirror_path", "~nobody-of-that-name/copies", "an absolute path"),
    ],
)
def test_a_value_that_is_not_possible_changes_nothing(home: Path, key: str, value: str, words: str) -> None:
    write(home, "[daemon]\nweb_ui_port = 8081\n")
    with pytest.raises(NotConfiguredError) as refused:
        set_value(home, key, value.format(home=home), {})
    assert words in refused.value.sentence
    assert (home / "config.toml").read_text() == "[daemon]\nweb_ui_port = 8081\n"


def test_the_home_is_the_named_one_else_the_users_data_directory() -> None:
    assert default_home({"MEMBOX_HOME": "/srv/box"}) == Path("/srv/box")
    assert default_home({"XDG_DATA_HOME": "/data"}).name == "membox"


def test_a_home_of_a_user_who_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(NotConfiguredError, match="~nobody-of-that-name is nobody here"):
        default_home({"MEMBOX_HOME": "~nobody-of-that-name/box"})
