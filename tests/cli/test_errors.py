"""An error is one sentence on standard error, an exit code, and JSON where JSON was asked for."""

import errno
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from appliance.cli.errors import report
from appliance.cli.main import membox
from appliance.errors import (
    ConflictError,
    MalformedReplyError,
    MemboxError,
    NoProviderError,
    NotConfiguredError,
    NotFoundError,
    ProviderError,
    RefusedError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotConfiguredError("no_home", "There is no box."), 2),
        (NotFoundError("document_not_found", "There is no such file."), 3),
        (NoProviderError("no_provider", "No language model is set up."), 4),
        (ProviderError("provider_failed", "The model did not answer."), 5),
        (MalformedReplyError("malformed_reply", "That was no JSON."), 6),
        (RefusedError("refused", "A constraint was reversed."), 7),
        (NotFoundError("memory_not_found", "There is no such item."), 1),
        (UnavailableError("unreachable", "Nobody answers."), 1),
        (OSError(errno.ENOSPC, "No space left on device"), 1),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1),
        (click.UsageError("Wrong."), 2),
        (click.ClickException("Failed."), 1),
    ],
)
def test_an_error_has_its_exit_code_and_one_line(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, as_json=False) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("Error: ")


def test_with_json_an_error_is_json_with_word_sentence_and_detail(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ConflictError("edit_conflict", "Both changed.", {"merged": "x"}), as_json=True) == 1
    told = json.loads(capsys.readouterr().err)
    assert told == {"error": "edit_conflict", "message": "Both changed.", "detail": {"merged": "x"}}


def test_a_fault_of_ours_is_not_dressed_up_as_expected() -> None:
    with pytest.raises(ZeroDivisionError):
        report(ZeroDivisionError(), as_json=False)


@pytest.mark.parametrize("where", ["at work", "at a question"])
def test_an_interruption_is_130_and_silent(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    command = click.Command("x", callback=interrupt if where == "at work" else lambda: click.confirm("Sure?"))
    with pytest.raises(click.Abort) as caught:
        command.main([], standalone_mode=False)
    capsys.readouterr()
    assert report(caught.value, as_json=False) == 130
    assert capsys.readouterr().err == ""


def test_a_usage_error_is_json_too_when_json_is_asked_for() -> None:
    result = CliRunner().invoke(membox, ["inspect", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"] == "usage"


def test_words_after_a_double_dash_are_no_options() -> None:
    result = CliRunner().invoke(membox, ["inspect", "--", "--json", "--json"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage:")


def test_without_a_home_it_says_how_to_get_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(membox, ["--home", str(tmp_path / "none"), "note", "hi"])
    assert result.exit_code == 2
    assert "membox init" in result.stderr
    assert not (tmp_path / "none").exists()


def test_an_address_without_a_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBOX_URL", "http://box.example")
    monkeypatch.delenv("MEMBOX_API_KEY", raising=False)
    result = CliRunner().invoke(membox, ["note", "hi"])
    assert result.exit_code == 2
    assert "MEMBOX_API_KEY is not set" in result.stderr


def test_a_home_named_on_the_command_line_beats_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMBOX_URL", "http://box.example")
    result = CliRunner().invoke(membox, ["--home", str(tmp_path / "none"), "note", "hi"])
    assert "no memory box at" in result.stderr


@pytest.mark.parametrize("error", [NotFoundError("x", "y"), OSError(errno.EIO, "broken")])
def test_every_error_of_ours_can_be_told(error: MemboxError | OSError) -> None:
    assert report(error, as_json=True) == 1
