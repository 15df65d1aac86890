"""A language server in a process of its own, spoken to over its standard input and output."""

import json
import os
import queue
import subprocess
import threading
import time


class Server:
    def __init__(self, command, root, environment, settings):
        self.settings = settings
        self.process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(os.path.join(root, "stderr.txt"), "wb"), env=environment)
        self.messages = queue.Queue()
        self.last_id = 0
        self.versions = {}
        self.diagnostics = {}
        self.is_quiet = False
        self.checks_begun = 0
        self.checks_ended = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.request("initialize", {
            "processId": os.getpid(),
            "rootUri": uri(root),
            "workspaceFolders": [{"uri": uri(root), "name": "sample"}],
            "initializationOptions": settings,
            "capabilities": {
                "window": {"workDoneProgress": True},
                "workspace": {"configuration": True, "workspaceEdit": {"documentChanges": True}},
                "textDocument": {
                    "synchronization": {"didSave": True},
                    "completion": {"completionItem": {"snippetSupport": True, "labelDetailsSupport": True}},
                    "hover": {"contentFormat": ["plaintext"]},
                    "definition": {"linkSupport": False},
                    "publishDiagnostics": {"relatedInformation": True},
                    "rename": {"prepareSupport": True},
                },
                "experimental": {"serverStatusNotification": True},
            },
        })
        self.notify("initialized", {})

    def _read(self):
        stream = self.process.stdout
        while True:
            length = None
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if length is None:
                self.messages.put(None)
                return
            self.messages.put(json.loads(stream.read(length)))

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _next(self, seconds):
        """Handles one message of the server and returns it. `None` if none came in time."""
        try:
            message = self.messages.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            raise RuntimeError("the server has ended; its stderr is in the folder of the sample")
        method, params = message.get("method"), message.get("params")
        if method and "id" in message:
            sections = len(params["items"]) if method == "workspace/configuration" else 0
            self._send({"id": message["id"], "result": [self.settings] * sections if sections else None})
        elif method == "experimental/serverStatus":
            self.is_quiet = params["quiescent"]
        elif method == "textDocument/publishDiagnostics":
            self.diagnostics[params["uri"]] = params["diagnostics"]
        elif method == "$/progress" and "flycheck" in str(params["token"]):
            kind = params["value"]["kind"]
            self.checks_begun += kind == "begin"
            self.checks_ended += kind == "end"
        return message

    def request(self, method, params, seconds=120):
        self.last_id += 1
        self._send({"id": self.last_id, "method": method, "params": params})
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self._next(1)
            if message and message.get("id") == self.last_id and "method" not in message:
                error = message.get("error")
                if error and error["code"] in (-32801, -32802):  # The content was modified: ask again.
                    return self.request(method, params, seconds)
                if error:
                    raise Refused(error["message"])
                return message["result"]
        raise TimeoutError(method)

    def notify(self, method, params):
        self._send({"method": method, "params": params})

    def wait(self, condition, what, seconds=900):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(what)
            self._next(1)

    def wait_until_silent(self, seconds=1.5):
        """Until the server has said nothing for a while."""
        while self._next(seconds):
            pass

    def open(self, path, text):
        self.versions[path] = 1
        self.notify("textDocument/didOpen", {"textDocument": {
            "uri": uri(path), "languageId": "rust", "version": 1, "text": text}})

    def change(self, path, text):
        self.versions[path] += 1
        self.notify("textDocument/didChange", {
            "textDocument": {"uri": uri(path), "version": self.versions[path]},
            "contentChanges": [{"text": text}]})

    def save(self, path):
        """Saves, and waits for the end of the `cargo check` that follows."""
        ended = self.checks_ended
        self.notify("textDocument/didSave", {"textDocument": {"uri": uri(path)}})
        self.wait(lambda: self.checks_ended > ended and self.checks_ended == self.checks_begun, "cargo check")

    def close(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        self.process.wait(20)


class Refused(Exception):
    """The server has answered with an error."""


def uri(path):
    return "file://" + path
