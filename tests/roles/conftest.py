"""The roles as data, and their templates rendered as Ansible renders them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> Path:
    """The directory of each role in turn."""
    return Path(request.param)


@pytest.fixture(scope="session")
def read_yaml() -> Callable[[Path], Any]:
    """The content of a YAML file; None when there is none."""
    return lambda path: yaml.safe_load(path.read_text("utf-8")) if path.exists() else None


@pytest.fixture(scope="session")
def render(read_yaml: Callable[[Path], Any]) -> Callable[..., str]:
    """`render("membox", "membox.service.j2", name=value…)`: a role's template with its defaults and `vars/`."""

    def rendered(role: str, template: str, **given: object) -> str:
        from ansible.parsing.dataloader import DataLoader
        from ansible.template import Templar, trust_as_template

        home = ROOT / "roles" / role
        variables: dict[str, Any] = {}
        for place in ("defaults", "vars"):
            variables |= _trusted(read_yaml(home / place / "main.yml") or {}, trust_as_template)
        text = (home / "templates" / template).read_text("utf-8")
        return str(Templar(DataLoader(), variables=variables | given).template(trust_as_template(text)))

    return rendered


def _trusted(value: Any, trust: Callable[[str], str]) -> Any:
    """Expressions in what we read are evaluated, as in a file that Ansible reads itself."""
    match value:
        case str():
            return trust(value)
        case list():
            return [_trusted(each, trust) for each in value]
        case dict():
            return {name: _trusted(each, trust) for name, each in value.items()}
    return value
