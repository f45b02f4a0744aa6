"""The web's listeners, as the daemon's life wants them: the daemon knows no door, and the web no daemon."""

import threading
from typing import TYPE_CHECKING

from appliance.home import serve_path, socket_path
from appliance.web.access_api import web_url
from appliance.web.server import Server

if TYPE_CHECKING:
    from appliance.box import Box


class BoxListeners:
    """All listeners of a box, served on a thread of their own (see `daemon.lifecycle.Listeners`)."""

    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self._server = server
        self._thread = threading.Thread(target=server.serve, name="listeners")

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the listeners still answer."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Take no more requests, and finish those that are running."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()


def make_listeners(box: "Box", host: str, port: int) -> BoxListeners:
    """Bind the sockets of `box`: the pages and the API unless they are switched off, a capture port where one is
    set, the box's own socket, and Tailscale Serve's where that is switched on.

    Raises:
        NotConfiguredError, OSError: an address or port cannot be had.
    """
    server, settings = Server(box), box.config.daemon
    url = f"unix:{socket_path(box.home)}"
    if settings.web_ui_enabled:
        url = web_url(host, server.listen(host, port))
    if settings.capture_port:
        server.listen(host, settings.capture_port, "capture")
    server.listen_unix(socket_path(box.home))
    if box.config.tailnet.serve:
        server.listen_serve(serve_path(box.home))
    return BoxListeners(server, url)
