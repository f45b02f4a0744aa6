"""Hooks in Claude Code's settings: put in without disturbing what stands there, and taken out again byte for byte."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.agents.hooks.installing import EVENTS, Place, install, key_in, remove, with_hooks, without_hooks
from appliance.agents.hooks.jsonc import parse
from appliance.errors import InvalidError, NotConfiguredError

COMMAND = "'/home/me/.config/membox/hooks/hook'"
OTHER = {"hooks": [{"type": "command", "command": "say done"}], "matcher": "x"}
SETTINGS = [
    "{}\n",
    "{}",
    '{\n  "model": "opus"\n}\n',
    '{"a":1,"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say"}]}]}}',
    '{\n\t"hooks": {\n\t\t"Stop": [\n\t\t\t{"hooks": []}\n\t\t]\n\t},\n\t// a note\n\t"b": [1, 2,],\n}\n',
    '{\r\n  "a": true\r\n}\r\n',
    '\ufeff{\n    "permissions": {"allow": ["Bash(ls)"]}, /* a note */\n    "env": {}\n}',
    '{\n  "a": 1 // a note behind\n}\n',
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    (tmp_path / "claude").mkdir()
    return Place.of_user()


def put(place: Place) -> bool:
    return install(place, "https://box.example.org", "mbx_key", "anvil")


def plain(text: str) -> Any:
    """A settings file without what JSON does not have."""
    lines = [
        line.partition("//")[0] if "://" not in line else line for line in text.removeprefix("\ufeff").splitlines()
    ]
    return json.loads("\n".join(lines).replace("/* a note */", "").replace(",]", "]").replace("],\n}", "]\n}"))


@pytest.mark.parametrize("text", SETTINGS)
def test_every_event_gets_its_hook_and_all_else_stays(text: str) -> None:
    before, after = plain(text), plain(with_hooks(text, COMMAND, Path("settings.json")))
    hooks = after.pop("hooks")
    theirs = before.pop("hooks", {})
    assert after == before
    assert list(hooks) == [*theirs, *(event for event in EVENTS if event not in theirs)]
    for event in EVENTS:
        *others, ours = hooks[event]
        assert others == theirs.get(event, [])
        assert ours["hooks"][0]["command"] == f"{COMMAND} {event}"
        assert ours["hooks"][0]["timeout"] == 5


@pytest.mark.parametrize("text", SETTINGS)
def test_taking_them_out_gives_the_same_bytes_again(text: str) -> None:
    assert without_hooks(with_hooks(text, COMMAND, Path("settings.json")), Path("settings.json")) == text


@pytest.mark.parametrize(
    "text", [*SETTINGS, '{\n  "hooks": {}\n}\n', '{ "hooks": { "Stop": [] } }', '{"a": 1, }', " \n"]
)
def test_install_and_remove_leave_the_file_as_it_was(place: Place, text: str) -> None:
    place.settings.write_bytes(text.encode())
    assert put(place)
    assert not put(place)
    assert remove(place)
    assert place.settings.read_bytes() == text.encode()
    assert not place.directory.exists()
    assert not remove(place)


def test_a_file_that_was_not_there_is_not_there_again(place: Place) -> None:
    put(place)
    assert set(json.loads(place.settings.read_text())["hooks"]) == set(EVENTS)
    remove(place)
    assert not place.settings.exists()


def test_what_was_changed_meanwhile_stays_changed(place: Place) -> None:
    place.settings.write_text('{"model": "opus"}')
    put(place)
    settings = json.loads(place.settings.read_text())
    settings["model"] = "sonnet"
    settings["hooks"]["Stop"].insert(0, OTHER)
    place.settings.write_text(json.dumps(settings))
    assert not put(place)
    remove(place)
    assert json.loads(place.settings.read_text()) == {"model": "sonnet", "hooks": {"Stop": [OTHER]}}


def test_a_hook_that_somebody_took_out_comes_back(place: Place) -> None:
    put(place)
    settings = json.loads(place.settings.read_text())
    del settings["hooks"]["Stop"]
    place.settings.write_text(json.dumps(settings))
    assert put(place)
    assert set(json.loads(place.settings.read_text())["hooks"]) == set(EVENTS)
    remove(place)
    assert json.loads(place.settings.read_text()) == {}


def test_mode_and_link_of_the_settings_stay(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    target.chmod(0o640)
    place.settings.symlink_to(target)
    put(place)
    assert place.settings.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "hooks" in json.loads(target.read_text())
    remove(place)
    assert target.read_text() == "{}"


def test_the_key_stands_in_a_file_of_its_own_and_nowhere_else(place: Place) -> None:
    put(place)
    assert key_in(place.curl) == "mbx_key"
    assert stat.S_IMODE(place.curl.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.directory.stat().st_mode) == 0o700
    assert "mbx_key" not in place.settings.read_text() + place.script.read_text()


@pytest.mark.parametrize("text", ["[]", "{", '{"hooks": []}', '{"hooks": {"Stop": {}}}', '{"a": }', "{} x", '{"a" 1}'])
def test_settings_of_another_form_are_left_alone(place: Place, text: str) -> None:
    place.settings.write_text(text)
    with pytest.raises(InvalidError, match="left as it is"):
        put(place)
    assert place.settings.read_text() == text
    assert not place.directory.exists()


def test_settings_that_are_no_text_are_left_alone(place: Place) -> None:
    place.settings.write_bytes(b"\xff{}")
    with pytest.raises(InvalidError, match="UTF-8"):
        put(place)
    assert place.settings.read_bytes() == b"\xff{}"


def test_without_curl_nothing_is_installed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(NotConfiguredError, match="curl"):
        put(place)
    assert not place.settings.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=8).filter(lambda name: name != "hooks"), JSON, max_size=4),
    st.sampled_from([None, 0, 1, 2, "\t"]),
    st.booleans(),
)
def test_any_settings_come_back_as_they_were(
    settings: dict[str, Any], indent: int | str | None, is_ascii: bool
) -> None:
    text = json.dumps(settings, indent=indent, ensure_ascii=is_ascii)
    installed = with_hooks(text, COMMAND, Path("s"))
    assert {name: value for name, value in json.loads(installed).items() if name != "hooks"} == settings
    assert without_hooks(installed, Path("s")) == text


@given(JSON)
def test_positions_are_those_of_the_values(value: Any) -> None:
    text = json.dumps({"a": [value, 1]}, indent=1)
    found = (parse(text).members or {})["a"]
    assert json.loads(text[found.start : found.end]) == [value, 1]
    assert json.loads(text[(found.elements or ())[0].start : (found.elements or ())[0].end]) == value
