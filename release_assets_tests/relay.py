"""Lead the containers of a network to servers on loopback: at the network's gateway, by the same ports."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def relayed(gateways: Iterable[str], ports: Iterable[int]) -> Iterator[None]:
    """Inside the block each port of loopback is reached at the same port of every gateway."""
    with contextlib.ExitStack() as stack:
        for gateway in gateways:
            for port in ports:
                listener = stack.enter_context(socket.create_server((gateway, port)))
                # Closing alone does not end an accept that waits.
                stack.callback(listener.shutdown, socket.SHUT_RDWR)
                threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
        yield


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, port), daemon=True).start()


def _relay(client: socket.socket, port: int) -> None:
    with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
