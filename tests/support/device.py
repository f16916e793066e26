"""A peer behind a port whose answers a test decides."""

import socket
import threading

from pyaed.link import packets
from pyaed.link.messages import protocol


class Device:
    """A peer on a socket whose answers a test decides: `answer(header, body)` gives bytes for the wire, or None to hang up."""

    def __init__(self, answer):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.server.getsockname()[1]}"
        self.answer = answer
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.server.accept()
        receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
        with connection:
            while data := connection.recv(4096):
                for payload in receiver.feed(data):
                    header = protocol().header.unpack(payload[:8])
                    reply = self.answer(header, payload[8:])
                    if reply is None:
                        return
                    connection.sendall(reply)

    def close(self):
        self.server.close()
        self.thread.join(5)


def reply(header, body=b"", **changes) -> bytes:
    fields = {**header, "type": header["type"] | 0x80, **changes}
    return packets.encode(protocol().header.pack(**fields) + body)


def identity(**changes) -> bytes:
    body = protocol()["identify"].reply
    values = {f.name: b"" if f.type == "char" else (1,) * f.count if f.count > 1 else 1 for f in body.fields}
    values |= {"protocol_version": protocol().protocol_version}
    values |= {"n_classes": 0, "n_nodes": 0, "input_type": 0, "output_type": 0, "garbage_class": -1} | changes
    return body.pack(**values)
