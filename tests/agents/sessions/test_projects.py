"""Which project a directory is."""

import pytest

from appliance.agents.sessions.projects import is_own, project_of


@pytest.mark.parametrize(
    ("directory", "project"),
    [
        ("/home/me/shop", "shop"),
        ("/home/me/shop/", "shop"),
        ("shop", "shop"),
        ("C:\\work\\shop", "shop"),
        ("/home/me/My Shop · 2", "My-Shop-2"),
        ("/home/me/shop/.claude/worktrees/fix-login", "shop"),
        ("/home/me/店", "店"),
        ("", "home"),
        ("/", "home"),
        ("..", "home"),
        ("/x/" + "a" * 300, "a" * 64),
        ("/x/" + "店" * 300, "店" * 21),
    ],
)
def test_it_is_the_last_part_of_the_path(directory: str, project: str) -> None:
    assert project_of(directory) == project


def test_memboxs_own_sessions_are_known_by_their_directory() -> None:
    assert is_own("/home/agent/.cache/membox/own-sessions")
    assert not is_own("/home/agent/own-sessions")
