"""What leaves the box holds none of its secrets, and what is no secret stays."""

import pytest

from appliance.redaction import REMOVED, Redactor

REDACTOR = Redactor(["correct horse battery", "hunter2secret"])


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("the wifi is correct horse battery, upstairs", f"the wifi is {REMOVED}, upstairs"),
        ('{"p": "HUNTER2SECRET"}', f'{{"p": "{REMOVED}"}}'),
        ("key sk-ant-api03-abcdefgh12 works", f"key {REMOVED} works"),
        ("password: hunter3!x", f"password: {REMOVED}"),
        ("**Password:** `s3cr3t-word`, ask Ann", f"**Password:** `{REMOVED}`, ask Ann"),
        ("export API_TOKEN=4f9d8e77aa", f"export API_TOKEN={REMOVED}"),
        ("the token is a1b2c3d4e5", f"the token is {REMOVED}"),
        ("Authorization: Bearer abc123def456", f"Authorization: Bearer {REMOVED}"),
        ("https://me:pw1@example.com/x", f"https://{REMOVED}example.com/x"),
        (
            "a\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhki\n-----END PRIVATE KEY-----\nb",
            f"a\n{REMOVED}\nb",
        ),
        ("a\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhki\n- buy milk", f"a\n{REMOVED}\n- buy milk"),
    ],
)
def test_a_secret_is_taken_out(text: str, redacted: str) -> None:
    assert REDACTOR.text(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "the password is with the landlord",
        "Password: ask the office",
        "commit 0847207d7d13c488d71f63ac5e1b9a0c4d2f7e6b is good",
        "write to me@example.com about order 5f2b8c1e-9d3a-4b7c-8e6f-1a2b3c4d5e6f",
        "-----BEGIN NOTES-----\n- buy milk",
        "Authorization: the landlord gave it\nCookie: chocolate",
        "basic rules: be kind",
        "task-force meets, risk-free",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_what_would_be_taken_out_can_be_listed_each_once() -> None:
    text = "door: hunter2secret. password: b33tle!. again hunter2secret, and ‹secret 3›"
    assert REDACTOR.found(text) == ["hunter2secret", "b33tle!."]
    assert "b33tle" not in REDACTOR.text(text)
