"""Whatever a language model's server does, it is an answer or one of our errors."""

import time

import pytest

from appliance.errors import MalformedReplyError, NoProviderError, ProviderError
from appliance.providers import Request
from tests.llm_server import Answer, LlmServer, cut, failed, fenced, good, in_prose, raw, truncated
from tests.providers.conftest import KEY, Setup, by_anthropic, by_openai

SCHEMA = {"type": "object", "properties": {"document": {"type": "string"}}, "required": ["document"]}
QUESTION = Request("Keep the memory.", "The note of today.", SCHEMA, max_tokens=500, purpose="refresh")
DOCUMENT = {"document": "# Memory\n\n- tea, not coffee ✓\n" * 20}


def test_an_answer_comes_whole_with_its_usage(asked: Setup, llm: LlmServer) -> None:
    llm.will(good(DOCUMENT, input_tokens=1200, output_tokens=340))
    reply = asked.providers.complete(QUESTION)
    assert reply.data() == DOCUMENT
    assert (reply.input_tokens, reply.output_tokens, reply.truncated) == (1200, 340, False)


def test_the_text_is_handed_over_while_it_comes(asked: Setup, llm: LlmServer) -> None:
    llm.will(good(DOCUMENT))
    pieces: list[str] = []
    reply = asked.providers.complete(QUESTION, pieces.append)
    assert len(pieces) > 3
    assert "".join(pieces) == reply.text
    assert reply.data() == DOCUMENT
    assert llm.asked[-1].body["stream"] is True


def test_what_is_asked_has_instructions_schema_and_limit(asked: Setup, llm: LlmServer) -> None:
    llm.will(good(DOCUMENT))
    asked.providers.complete(QUESTION)
    body = llm.asked[-1].body
    assert body["max_tokens"] == 500
    told = f"{body.get('system')}{body['messages']}"
    assert "Keep the memory." in told
    assert "The note of today." in told
    form = body["output_config"]["format"] if "output_config" in body else body["response_format"]["json_schema"]
    assert set(form["schema"]["properties"]) == {"document"}


def test_no_secret_leaves_the_box(asked: Setup, llm: LlmServer) -> None:
    asked.secrets.set("wifi", "correct horse battery")
    llm.will(good("fine"))
    asked.providers.complete(Request("Be kind.", "wifi: correct horse battery; key ghp_abcdefgh1234; me@example.com"))
    sent = llm.asked[-1].everything
    assert "correct horse" not in sent
    assert "ghp_" not in sent
    assert "me@example.com" in sent


@pytest.mark.parametrize(
    "answer",
    [
        failed(400),
        failed(401),
        failed(403),
        failed(404),
        failed(413),
        raw(b"<html>502 Bad Gateway</html>", 502, "text/html"),
        raw(b"<html>a captive portal</html>", 200, "text/html"),
        raw(b"[]"),
        raw(b"{}"),
        raw(b'{"content": "none", "choices": 1}'),
        raw(b"\xff\xfe\x00"),
        raw(b""),
        raw(b"", 302),
        cut(DOCUMENT, 0),
        cut(DOCUMENT, 300),
    ],
    ids=lambda answer: f"{answer.status}-{(answer.body or b'')[:12]!r}-{answer.cut_after}",
)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_failure_is_told_in_a_sentence_and_recorded(
    asked: Setup, llm: LlmServer, answer: Answer, is_streamed: bool
) -> None:
    llm.will(*[answer] * 3)
    with pytest.raises(ProviderError) as caught:
        asked.providers.complete(QUESTION, print if is_streamed else None)
    assert caught.value.word == "provider_failed"
    assert "not foreseen" not in caught.value.sentence
    assert KEY not in caught.value.sentence
    (spent,) = asked.providers.usage.since(1)
    assert (spent.calls, spent.failed) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_what_may_pass_is_tried_again(asked: Setup, llm: LlmServer, status: int) -> None:
    llm.will(failed(status), failed(status), good(DOCUMENT))
    assert asked.providers.complete(QUESTION).data() == DOCUMENT
    assert len(llm.asked) == 3


def test_it_is_not_tried_for_ever(asked: Setup, llm: LlmServer) -> None:
    llm.will(*[failed(529)] * 9)
    with pytest.raises(ProviderError):
        asked.providers.complete(QUESTION)
    assert len(llm.asked) == 3


def test_a_wait_that_is_asked_for_is_kept_or_given_up(asked: Setup, llm: LlmServer) -> None:
    llm.will(failed(429, retry_after=0.4), good("fine"), failed(429, retry_after=7200))
    began = time.monotonic()
    asked.providers.complete(QUESTION)
    assert time.monotonic() - began >= 0.4
    with pytest.raises(ProviderError, match="7200 s"):
        asked.providers.complete(QUESTION)


def test_the_next_one_is_asked_when_the_first_fails(setup: Setup, llm: LlmServer) -> None:
    by_openai(by_anthropic(setup, llm), llm)
    setup.set("llm.providers", "anthropic, openai")
    llm.will(failed(401), good(DOCUMENT))
    assert setup.providers.complete(QUESTION).provider == "openai"
    assert [asked.path for asked in llm.asked] == ["/v1/messages", "/v1/chat/completions"]


def test_one_that_cannot_be_used_is_passed_over(setup: Setup, llm: LlmServer) -> None:
    by_openai(setup, llm)
    setup.set("llm.providers", "anthropic, openai")
    llm.will(good(DOCUMENT))
    assert setup.providers.complete(QUESTION).provider == "openai"


def test_without_any_it_says_what_to_do(setup: Setup) -> None:
    with pytest.raises(NoProviderError, match="membox secrets set anthropic-api-key") as caught:
        setup.providers.complete(QUESTION)
    assert caught.value.word == "no_provider"


@pytest.mark.parametrize(
    "answer",
    [
        *(fenced(DOCUMENT), in_prose(DOCUMENT)),
        *(good("[]"), good(""), good("[" * 100_000), good('{"document": "\\ud83d half of a character"}')),
    ],
)
def test_a_reply_that_is_not_the_json_asked_for_is_malformed(asked: Setup, llm: LlmServer, answer: Answer) -> None:
    llm.will(answer)
    with pytest.raises(MalformedReplyError):
        asked.providers.complete(QUESTION).data()


@pytest.mark.parametrize("tokens", [-5, 10**30])
def test_what_a_server_says_of_itself_may_be_anything(asked: Setup, llm: LlmServer, tokens: int) -> None:
    llm.will(good("\ud83d fine", input_tokens=tokens, output_tokens=tokens))
    with pytest.raises(ProviderError, match="not possible"):
        asked.providers.complete(QUESTION)
    assert asked.providers.usage.since(1)[0].failed == 1


def test_half_of_a_character_is_no_text(asked: Setup, llm: LlmServer) -> None:
    llm.will(good("\ud83d fine"))
    assert asked.providers.complete(QUESTION).text == "? fine"


def test_a_truncated_reply_says_so(asked: Setup, llm: LlmServer) -> None:
    llm.will(truncated(DOCUMENT))
    reply = asked.providers.complete(QUESTION, print)
    assert reply.truncated
    with pytest.raises(ProviderError, match="broke off"):
        reply.data()


def test_a_refusal_of_the_model_is_a_failure(setup: Setup, llm: LlmServer) -> None:
    by_anthropic(setup, llm)
    llm.will(Answer("I would rather not.", stop="refusal"))
    with pytest.raises(ProviderError, match="declined"):
        setup.providers.complete(QUESTION)


def test_a_stream_that_ends_too_early_is_no_answer(asked: Setup, llm: LlmServer) -> None:
    whole = good("x" * 400)
    for after in (500, 900, 1300):
        llm.will(*[Answer(whole.text, cut_after=after)] * 3)
        with pytest.raises(ProviderError):
            asked.providers.complete(QUESTION, print)


def test_the_models_of_a_provider_are_listed(asked: Setup, llm: LlmServer) -> None:
    (name,) = [standing.name for standing in asked.providers.standing() if standing.is_chosen]
    assert asked.providers.models(name) == llm.models
