"""A Socket.IO client in Python, moved by lines of JSON.

What comes in on standard input:
  {"do": "connect", "url": ..., "auth": {...}}
  {"do": "send", "id": 1, "command": "message:send", "payload": {...}}
  {"do": "disconnect"}
What goes out on standard output:
  {"event": "message:new", "payload": {...}}   every event of the server, and connect, connect_error, disconnect
  {"ack": 1, "answer": {...}}
Bytes are written as {"$bytes": "<base64>"} in both directions. The end of the input ends the process.
"""

import base64
import json
import sys
import threading

import socketio

output = threading.Lock()
# One for each connection: python-socketio 5.7 does not enter the namespace again after a disconnect.
client = None


def from_line(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: from_line(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [from_line(inner) for inner in value]
    return value


def as_bytes(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"not JSON: {type(value).__name__}")


def say(**line):
    text = json.dumps(line, default=as_bytes)
    # Events come on threads of the library's own.
    with output:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def new_client():
    made = socketio.Client(reconnection=False, handle_sigint=False)
    made.on("*", lambda event, payload=None: say(event=event, payload=payload))
    made.on("connect", lambda: say(event="connect"))
    made.on("connect_error", lambda error=None: say(event="connect_error", payload=error))
    made.on("disconnect", lambda: say(event="disconnect"))
    return made


def connect(line):
    global client
    client = new_client()
    try:
        client.connect(line["url"], auth=line["auth"], transports=["websocket"], wait_timeout=10)
    except socketio.exceptions.ConnectionError as error:
        say(event="not_connected", payload=str(error))


def send(line):
    number = line["id"]
    client.emit(line["command"], from_line(line["payload"]), callback=lambda answer: say(ack=number, answer=answer))


actions = {"connect": connect, "send": send, "disconnect": lambda _line: client.disconnect()}

for text in sys.stdin:
    instruction = json.loads(text)
    actions[instruction["do"]](instruction)
if client is not None:
    client.disconnect()
