"""python-socketio against the real binary: connects, sends, receives, is acknowledged, on both transports.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/pytest
"""

import base64
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import queue
import signal
import socket as sockets
import subprocess
import time

import pytest
import requests
import socketio

SECRET = "a-secret-for-tests-alone-0123456789abcdef"
API_KEY = "an-api-key-for-tests-alone-0123456789"
ids = itertools.count(1)


def binary():
    target = pathlib.Path(__file__).resolve().parents[3] / "target"
    candidates = [target / "release/doorbell", target / "debug/doorbell"]
    if os.environ.get("DOORBELL_BIN"):
        candidates.insert(0, pathlib.Path(os.environ["DOORBELL_BIN"]).resolve())
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise RuntimeError("no doorbell binary: build it, or set DOORBELL_BIN")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doorbell")
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DOORBELL_LISTEN": f"127.0.0.1:{port}",
        "DOORBELL_DATA_DIR": str(folder / "data"),
        "DOORBELL_JWT_SECRET": SECRET,
        "DOORBELL_API_KEY": API_KEY,
        "DOORBELL_RATE_LIMITS": "off",
    }
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen([binary(), "serve"], cwd=folder, env=env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                if requests.get(f"{base}/readyz", timeout=1).status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"doorbell did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(0.02)
        yield base
        server.send_signal(signal.SIGTERM)
        assert server.wait(11) == 0, log.read_text()[-3000:]
    finally:
        server.kill()
        server.wait()


def mint(user):
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps({"sub": user, "exp": int(time.time()) + 3600}).encode())
    return (body + b"." + part(hmac.new(SECRET.encode(), body, hashlib.sha256).digest())).decode()


class Person:
    """A user with one strict client: each handler takes one argument, as the contracts say."""

    EVENTS = ["connected", "connection:success", "conversation:messages", "message:received", "new-message", "new_message", "message_sent", "receive_message", "message_error", "error", "user_typing", "typing:update"]

    def __init__(self, url, name, transports, contract=None):
        self.id = f"{name}-{next(ids)}"
        self.token = mint(self.id)
        self.url = url
        self.seen = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        for event in self.EVENTS:
            self.client.on(event, self._recorder(event))
        auth = {"token": self.token} | ({"contract": contract} if contract else {})
        self.client.connect(url, auth=auth, transports=transports, wait_timeout=10)

    def _recorder(self, event):
        def handler(payload):
            self.seen.put((event, payload))

        return handler

    def wait(self, event, fits=lambda payload: True, timeout=5):
        deadline = time.monotonic() + timeout
        while True:
            name, payload = self.seen.get(timeout=max(0.01, deadline - time.monotonic()))
            if name == event and fits(payload):
                return payload

    def post(self, path, body, status):
        answer = requests.post(self.url + path, json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()


TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


@pytest.fixture
def people(url):
    made = []

    def person(*args, **kwargs):
        made.append(Person(url, *args, **kwargs))
        return made[-1]

    yield person
    for one in made:
        one.client.disconnect()


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_two_people_chat(people, transports):
    ann = people("ann", transports, contract="conversations")
    bob = people("bob", transports, contract="conversations")
    assert ann.wait("connection:success")["userId"] == ann.id
    conversation = ann.post("/api/conversations", {"otherUserId": bob.id}, 201)["conversation"]["id"]
    for one in (ann, bob):
        joined = one.client.call("conversation:join", {"conversationId": conversation}, timeout=5)
        assert joined == {"ok": True, "conversationId": conversation, "messages": [], "hasMore": False}
    for number in range(20):
        writer = (ann, bob)[number % 2]
        ack = writer.client.call("message:send", {"conversationId": conversation, "content": f"number {number} ☎"}, timeout=5)
        assert ack["ok"] is True
        assert ack["message"]["seq"] == number + 1
    for one in (ann, bob):
        got = [one.wait("message:received") for _ in range(20)]
        assert [m["seq"] for m in got] == list(range(1, 21))
        assert [m["content"] for m in got] == [f"number {n} ☎" for n in range(20)]


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_a_tenant_writes_to_an_owner(people, transports):
    tenant = people("tenant", transports)
    owner = people("owner", transports)
    ack = tenant.client.call("send_message", {"recipientId": owner.id, "content": "Hello!", "type": "text"}, timeout=5)
    assert ack["ok"] is True
    message = owner.wait("receive_message")
    assert message["_id"] == ack["message"]["_id"]
    assert message["sender"] == tenant.id
    owner.client.emit("typing", {"recipientId": tenant.id, "isTyping": True})
    assert tenant.wait("user_typing") == {"userId": owner.id, "conversationId": message["conversationId"], "isTyping": True}


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_a_refusal_is_told(people, transports):
    ann = people("ann", transports, contract="conversations")
    ack = ann.client.call("message:send", {"conversationId": "none", "content": "x"}, timeout=5)
    assert ack["ok"] is False
    assert ack["error"]["code"] == "NOT_FOUND"
    error = ann.wait("error")
    assert (error["code"], error["event"]) == ("NOT_FOUND", "message:send")


@pytest.mark.parametrize("transports", TRANSPORTS[:2], ids="+".join)
def test_a_bad_token_is_an_authentication_error(url, transports):
    seen = queue.Queue()
    client = socketio.Client(reconnection=False)
    client.on("connect_error", lambda error: seen.put(error))
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(url, auth={"token": "rubbish"}, transports=transports, wait_timeout=10)
    error = seen.get(timeout=5)
    assert error["message"] == "Authentication error"
    assert error["data"]["code"] == "TOKEN_INVALID"
