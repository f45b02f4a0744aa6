"""A real local server that speaks Anthropic's Messages API and OpenAI's chat completions, and replays what a test says.

    llm.will(good({"document": "…"}))         the next answer; several are given one after the other
    llm.will(failed(429, retry_after=0), good("fine"))
    llm.asked[-1].body["messages"]            what came

`llm.url` is the base URL for both kinds: `llm.anthropic_base_url = llm.url`, `llm.openai_base_url = llm.url + "/v1"`.
Whoever asks when nothing is left to answer gets a 400, which nobody tries again.
"""

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

MODEL = "claude-sonnet-5-5"
_PIECE = 40  # characters of a streamed piece of text


@dataclass(frozen=True)
class Answer:
    """One answer. `body` goes out as it is; else `text`, in the form of the API and with the usage given.

    `cut_after`: so many bytes of the body are sent before the connection breaks. `hangs`: nothing ever comes.
    """

    text: str = ""
    status: int = 200
    stop: str = "end_turn"
    input_tokens: int = 1000
    output_tokens: int = 100
    retry_after: float | None = None
    cut_after: int | None = None
    hangs: bool = False
    body: bytes | None = None
    content_type: str = "application/json"


def good(content: Any, input_tokens: int = 1000, output_tokens: int = 100) -> Answer:
    """A whole answer: a text, or what becomes a JSON text."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return Answer(text, input_tokens=input_tokens, output_tokens=output_tokens)


def truncated(content: Any) -> Answer:
    """An answer that ends at the limit of tokens, in the middle of its text."""
    whole = good(content)
    return replace(whole, text=whole.text[: len(whole.text) // 2], stop="max_tokens")


def fenced(content: Any) -> Answer:
    """The JSON in a fence of Markdown."""
    return good(f"```json\n{good(content).text}\n```")


def in_prose(content: Any) -> Answer:
    """The JSON with words around it."""
    return good(f"Here is the new document:\n\n{good(content).text}\n\nI hope this helps!")


def failed(status: int, retry_after: float | None = 0, sentence: str = "not now") -> Answer:
    """An error of the API; by default it may be tried again at once."""
    return Answer(sentence, status=status, retry_after=retry_after)


def cut(content: Any, after: int = 400) -> Answer:
    """The connection breaks after so many bytes."""
    return replace(good(content), cut_after=after)


def hanging() -> Answer:
    """Nothing comes, and the connection stays open until the server is closed."""
    return Answer(hangs=True)


def raw(body: bytes, status: int = 200, content_type: str = "application/json") -> Answer:
    """Whatever a broken proxy may send."""
    return Answer(status=status, body=body, content_type=content_type)


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any]

    @property
    def everything(self) -> str:
        """All that left the box: headers but for the key, and the body."""
        headers = {name: value for name, value in self.headers.items() if name not in ("x-api-key", "authorization")}
        return json.dumps([headers, self.body], ensure_ascii=False)


class LlmServer:
    """Listens on 127.0.0.1 until closed."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.models = [MODEL, "claude-haiku-5-5"]
        self._answers: deque[Answer] = deque()
        self._closing = threading.Event()
        self._server = _listener(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def will(self, *answers: Answer) -> None:
        """Have `answers` given next, one a request, instead of those that were still to come."""
        self._answers = deque(answers)

    def next(self) -> Answer:
        """The answer to the request that has just come."""
        return self._answers.popleft() if self._answers else failed(400, None, "no answer is left")

    def wait_for_closing(self) -> None:
        """Return when the server is being closed."""
        self._closing.wait()

    def close(self) -> None:
        """Let go of those who hang, and stop."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _listener(server: LlmServer) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            models = [{"id": name, "type": "model", "object": "model"} for name in server.models]
            self._send(Answer(body=json.dumps({"data": models, "has_more": False}).encode()), {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(self.path, headers, body))
            answer = server.next()
            if answer.hangs:
                server.wait_for_closing()
                return
            self._send(answer, body)

        def _send(self, answer: Answer, asked: dict[str, Any]) -> None:
            is_streamed = bool(asked.get("stream")) and answer.status == 200 and answer.body is None
            body = answer.body if answer.body is not None else _body(answer, asked, self.path)
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/event-stream" if is_streamed else answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            if answer.retry_after is not None:
                self.send_header("Retry-After", f"{answer.retry_after:g}")
            self.end_headers()
            self.wfile.write(body[: answer.cut_after])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # who asked has hung up

    return Listener(("127.0.0.1", 0), Handler)


def _body(answer: Answer, asked: dict[str, Any], path: str) -> bytes:
    is_anthropic = path.split("?")[0].endswith("/messages")
    if answer.status != 200:
        fault = {"type": "error", "error": {"type": "api_error", "message": answer.text}}
        return json.dumps(fault).encode()
    form = _of_anthropic if is_anthropic else _of_openai
    return form(answer, str(asked.get("model") or MODEL), bool(asked.get("stream")))


def _of_anthropic(answer: Answer, model: str, is_streamed: bool) -> bytes:
    usage = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "stop_sequence": None,
    }
    if not is_streamed:
        content = [{"type": "text", "text": answer.text}]
        return json.dumps({**message, "content": content, "stop_reason": answer.stop, "usage": usage}).encode()
    start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": start}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *(
            ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
            for piece in _pieces(answer.text)
        ),
        ("content_block_stop", {"index": 0}),
        (
            "message_delta",
            {
                "delta": {"stop_reason": answer.stop, "stop_sequence": None},
                "usage": {"output_tokens": answer.output_tokens},
            },
        ),
        ("message_stop", {}),
    ]
    lines = (f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n" for name, fields in events)
    return "".join(lines).encode()


def _of_openai(answer: Answer, model: str, is_streamed: bool) -> bytes:
    usage = {"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens}
    reason = {"end_turn": "stop", "max_tokens": "length"}.get(answer.stop, answer.stop)
    about = {"id": "chat_1", "model": model}
    if not is_streamed:
        choice = {"index": 0, "message": {"role": "assistant", "content": answer.text}, "finish_reason": reason}
        return json.dumps({**about, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    deltas = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in _pieces(answer.text)]
    last = {"index": 0, "delta": {}, "finish_reason": reason}
    chunks = [*({**about, "choices": [each]} for each in [*deltas, last]), {**about, "choices": [], "usage": usage}]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    """A language model's server without answers yet."""
    server = LlmServer()
    yield server
    server.close()
