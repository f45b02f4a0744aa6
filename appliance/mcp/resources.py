"""The notebook's files as resources: listed, read, and followed as they change."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Annotations,
    EmptyResult,
    ListResourcesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from appliance.clock import iso
from appliance.errors import MemboxError, NotFoundError, UnavailableError
from appliance.mcp.callers import Callers, bearer_of

Context = ServerRequestContext[Any, Any]
Versions = dict[str, int]

SCHEME = "membox://notebook/"
MARKDOWN = "text/markdown"
_LOOK_SECONDS = 2.0
_MOST_LISTENERS = 32

log = logging.getLogger(__name__)


class NotebookFiles:
    """What the server does about resources.

    A client of the protocol since 2026 listens on a stream of its own; an older one is told by the connection, where
    that lasts (`follows`). Either way the box is looked at every few seconds, and only while somebody wants to know.
    """

    def __init__(self, callers: Callers, follows: bool) -> None:
        self._callers, self._follows = callers, follows
        self._written = anyio.Event()
        self._listeners = 0
        self._subscribed: set[str] = set()
        self._is_following = False

    def handlers(self) -> dict[str, Any]:
        """The SDK's arguments for a server that has them."""
        always = {
            "on_list_resources": self.listing,
            "on_read_resource": self.reading,
            "on_subscriptions_listen": self.listening,
        }
        lasting = {
            "on_subscribe_resource": self.subscribing,
            "on_unsubscribe_resource": self.unsubscribing,
            "lifespan": _lifetime,
        }
        return always | (lasting if self._follows else {})

    def look_again(self) -> None:
        """Look at once: this server has written something."""
        self._written.set()
        self._written = anyio.Event()

    async def listing(self, ctx: Context, _params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Every file of the notebook."""
        documents = await self._asked(partial(self._documents, bearer_of(ctx.request)))
        self._follow_for(ctx, _versions(documents))
        return ListResourcesResult(resources=[_resource(each) for each in documents])

    async def reading(self, ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """One file's text."""
        text = await self._asked(partial(self._text, params.uri, bearer_of(ctx.request)), params.uri)
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, mime_type=MARKDOWN, text=text)])

    async def listening(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """One stream of changes, for as long as the client listens and its token is good."""
        token = bearer_of(ctx.request)
        before = _versions(await self._asked(partial(self._documents, token)))
        if self._listeners >= _MOST_LISTENERS:
            raise MCPError(INTERNAL_ERROR, "Too many clients listen already; close one.")
        bus = InMemorySubscriptionBus()
        stream = ListenHandler(bus)
        self._listeners += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow, token, before, bus.publish, stream.close)
                answer = await stream(ctx, params)
                tasks.cancel_scope.cancel()
        finally:
            self._listeners -= 1
        return answer

    async def subscribing(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Tell this connection of changes to one file."""
        self._subscribed.add(params.uri)
        if not self._is_following:
            self._follow_for(ctx, _versions(await self._asked(partial(self._documents, ""))))
        return EmptyResult()

    async def unsubscribing(self, _ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell no more of it."""
        self._subscribed.discard(params.uri)
        return EmptyResult()

    def _follow_for(self, ctx: Context, before: Versions) -> None:
        """Follow for a connection of the older protocol, once it showed that it looks at resources."""
        if not self._follows or self._is_following or ctx.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
            return
        self._is_following = True
        ctx.lifespan_context.start_soon(self._follow, "", before, partial(self._tell, ctx.session), self._stopped)

    def _stopped(self) -> None:
        self._is_following = False

    async def _tell(self, session: Any, event: ServerEvent) -> None:
        if isinstance(event, ResourcesListChanged):
            await session.send_resource_list_changed()
        elif isinstance(event, ResourceUpdated) and event.uri in self._subscribed:
            await session.send_resource_updated(event.uri)

    async def _follow(
        self, token: str, before: Versions, tell: Callable[[ServerEvent], Awaitable[None]], at_end: Callable[[], None]
    ) -> None:
        """Tell what differs from `before`, again and again, until the box refuses to say."""
        while True:
            written = self._written
            with anyio.move_on_after(_LOOK_SECONDS):
                await written.wait()
            # A home without a daemon is opened for nothing but what this server itself wrote there.
            if not written.is_set() and not self._callers.is_served():
                continue
            try:
                now = _versions(await to_thread.run_sync(self._documents, token))
            except UnavailableError:
                continue  # the daemon is being started again, say
            except MemboxError as error:
                log.warning("no more news of the notebook: %s", error.sentence)
                at_end()
                return
            for event in changes(before, now):
                await tell(event)
            before = now

    def _documents(self, token: str) -> list[dict[str, Any]]:
        with self._callers.client(token, {}) as box:
            return list(box.get("/v1/notebook/documents")["documents"])

    def _text(self, uri: str, token: str) -> str:
        if not uri.startswith(SCHEME):
            raise NotFoundError("document_not_found", f"{uri} is no file of the notebook.")
        with self._callers.client(token, {}) as box:
            return str(box.get("/v1/notebook/document", path=unquote(uri.removeprefix(SCHEME)))["text"])

    async def _asked[T](self, ask: Callable[[], T], uri: str = "") -> T:
        try:
            return await to_thread.run_sync(ask)
        except MemboxError as error:
            code = INVALID_PARAMS if isinstance(error, NotFoundError) else INTERNAL_ERROR
            data = {"uri": uri} if uri else None
            raise MCPError(code, f"{error.word}: {error.sentence}", data) from error


@asynccontextmanager
async def _lifetime(_server: Any) -> AsyncIterator[TaskGroup]:
    """What runs beside a connection, and ends with it."""
    async with anyio.create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()


def changes(before: Versions, now: Versions) -> Iterable[ServerEvent]:
    """What a client that knew `before` wants to know: that files came or went, and which have a new version."""
    if before.keys() != now.keys():
        yield ResourcesListChanged()
    for path in before.keys() & now.keys():
        if before[path] != now[path]:
            yield ResourceUpdated(uri=uri_of(path))


def uri_of(path: str) -> str:
    """The resource that a file of the notebook is."""
    return SCHEME + quote(path)


def _versions(documents: list[dict[str, Any]]) -> Versions:
    return {each["path"]: each["version"] for each in documents}


def _resource(document: dict[str, Any]) -> Resource:
    return Resource(
        uri=uri_of(document["path"]),
        name=document["path"],
        mime_type=MARKDOWN,
        size=document["bytes"],
        annotations=Annotations(last_modified=iso(document["changed_at"])),
    )
