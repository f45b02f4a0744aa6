"""What every role holds to: it says what it takes, can be undone, uses only what Ansible itself has, and no secrets lie
about.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ReadYaml = Callable[[Path], Any]
SECRET = re.compile(r"(_key|_token|_password|_secret)$")
TASK_KEYWORDS = {"block", "rescue", "always"}
INCLUDE, IMPORT = "ansible.builtin.include_tasks", "ansible.builtin.import_role"
ROOT = Path(__file__).parents[2]


def tasks_in(steps: list[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    """Every task, those within blocks too."""
    for step in steps or []:
        if not TASK_KEYWORDS.isdisjoint(step):
            for keyword in TASK_KEYWORDS & set(step):
                yield from tasks_in(step[keyword])
        else:
            yield step


def all_tasks(*places: Path) -> Iterator[dict[str, Any]]:
    for place in places:
        for path in sorted(place.glob("*.yml")):
            yield from tasks_in(yaml.safe_load(path.read_text("utf-8")))


@pytest.fixture
def options(role: Path, read_yaml: ReadYaml) -> dict[str, Any]:
    return dict(read_yaml(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def test_the_defaults_are_those_that_the_specification_tells(
    role: Path, options: dict[str, Any], read_yaml: ReadYaml
) -> None:
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert read_yaml(role / "defaults/main.yml") == specified


def test_a_variable_without_a_default_is_required(options: dict[str, Any]) -> None:
    assert [name for name, option in options.items() if ("default" in option) == option.get("required", False)] == []


def test_each_variable_bears_its_role_s_name(role: Path, options: dict[str, Any], read_yaml: ReadYaml) -> None:
    own = read_yaml(role / "vars/main.yml") or {}
    assert [name for name in options | own if not name.startswith(f"{role.name}_")] == []


def test_the_readme_tells_every_variable_with_its_default(role: Path, options: dict[str, Any]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", (role / "README.md").read_text("utf-8"), re.MULTILINE))
    assert sorted(rows) == sorted(options)
    simple = {name: option.get("default") for name, option in options.items() if "see" not in rows[name]}
    assert {name: shown for name, shown in rows.items() if name in simple and not _tells(shown, simple[name])} == {}


def _tells(shown: str, default: object) -> bool:
    plain = shown.strip("`")
    return default is None or plain == str(default) or bool(yaml.safe_load(plain) == default)


def test_a_role_can_be_undone(role: Path, options: dict[str, Any]) -> None:
    state = options[f"{role.name}_state"]
    assert (state["choices"], state["default"])[0] == ["present", "absent"]
    assert (role / "tasks/present.yml").exists()
    assert (role / "tasks/absent.yml").exists()


def test_handlers_are_called_by_a_topic_that_somebody_listens_to(role: Path, read_yaml: ReadYaml) -> None:
    handlers = [handler for path in role.parent.glob("*/handlers/*.yml") for handler in read_yaml(path) or []]
    assert [handler["name"] for handler in handlers if "listen" not in handler] == []
    topics = {handler["listen"] for handler in handlers}
    for task in all_tasks(role / "tasks", role / "handlers"):
        called = task.get("notify", [])
        assert set([called] if isinstance(called, str) else called) <= topics


def test_what_a_role_leaves_to_the_playbook_the_playbook_does_before_the_roles_turn(
    role: Path, read_yaml: ReadYaml
) -> None:
    left = "not membox_begun | default(false)"
    tasks = {task[INCLUDE] for task in read_yaml(role / "tasks/present.yml") if task.get("when") == left}
    steps = [step for step in read_yaml(ROOT / "playbooks/site.yml")[0]["pre_tasks"] if IMPORT in step]
    ours = [step for step in steps if step[IMPORT]["name"] == role.name]
    assert sorted(tasks) == sorted(step[IMPORT]["tasks_from"] for step in ours)
    assert {step["when"] for step in ours} <= {f"{role.name}_state == 'present'"}


def modules(task: dict[str, Any]) -> list[str]:
    return [name for name in task if "." in name or name == "action"]


def test_roles_and_playbooks_use_only_what_ansible_itself_has(role: Path) -> None:
    found = list(all_tasks(role / "tasks", role / "handlers", ROOT / "playbooks/tasks"))
    assert len(found) > 1
    assert [task for task in found if not all(name.startswith("ansible.builtin.") for name in modules(task))] == []
    assert [task for task in found if len(modules(task)) != 1] == []


def test_a_variable_that_carries_a_secret_is_never_logged(options: dict[str, Any]) -> None:
    assert [name for name in options if SECRET.search(name) and options[name].get("no_log") is not True] == []


def test_no_template_writes_a_secret(role: Path) -> None:
    for template in (role / "templates").glob("*"):
        named = re.findall(r"\b(membox_\w+)\b", " ".join(re.findall(r"{[{%].*?[%}]}", template.read_text("utf-8"))))
        assert [name for name in named if SECRET.search(name)] == [], template


def test_a_task_that_handles_a_secret_says_nothing(role: Path) -> None:
    for task in all_tasks(role / "tasks", role / "handlers"):
        given = {module: task[module] for module in modules(task)}
        if "ansible.builtin.assert" in given or "ansible.builtin.fail" in given:
            continue  # these look whether there is one
        named = re.findall(r"\bmembox_\w+", str(given | {"environment": task.get("environment")}))
        if any(SECRET.search(name) for name in named):
            assert task.get("no_log") is True, task["name"]
