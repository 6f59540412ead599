"""Holds the conversations it is given with AWS's Python client, and tells what it got.

One line of JSON on standard input has all of them; one line on standard output is
the outcome of each. See doc.go for the steps.
"""

import json
import os
import queue
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import awsiot.greengrasscoreipc
from awsiot.eventstreamrpc import LifecycleHandler
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

TIMEOUT = 20
QUIET = 0.3


def say(value):
    print(json.dumps(value), flush=True)


class Disconnection(LifecycleHandler):
    def __init__(self):
        self.noticed = threading.Event()

    def on_disconnect(self, reason):
        self.noticed.set()


class Conversation:
    def __init__(self):
        self.client = None
        self.inboxes = {}
        self.operations = {}

    def connect(self, which):
        self.disconnect()
        self.disconnection = Disconnection()
        token = os.environ["SVCUID"] if which == "right" else "WRONGWRONGWRONGW"
        try:
            connection = awsiot.greengrasscoreipc.connect(authtoken=token, lifecycle_handler=self.disconnection)
        except Exception as e:
            return {"connected": False, "detail": repr(e)}
        # One worker, for with the client's own many events overtake each other.
        self.client = GreengrassCoreIPCClientV2(connection, ThreadPoolExecutor(max_workers=1))
        return {"connected": True}

    def disconnect(self):
        if self.client is not None:
            try:
                self.client.close().result(TIMEOUT)
            except Exception:
                pass  # its connection was lost before
            self.client = None

    def call(self, step, **handlers):
        name = step["call"]
        request = getattr(model, name + "Request")._from_payload(step["request"])
        method = getattr(self.client, re.sub(r"(?<!^)(?=[A-Z])", "_", name.replace("IoT", "Iot")).lower())
        arguments = {k: v for k, v in vars(request).items() if v is not None}
        try:
            return method(**arguments, **handlers)
        except model.GreengrassCoreIPCError as e:
            return {"error": type(e).__name__, "message": e.message}
        except Exception as e:
            return {"error": type(e).__name__, "message": str(e)}

    def step(self, step):
        if "connect" in step:
            return self.connect(step["connect"])
        if "subscribe" in step:
            inbox = self.inboxes[step["subscribe"]] = queue.Queue()
            got = self.call(step, on_stream_event=lambda e: inbox.put(e._to_payload()), on_stream_error=lambda e: True)
            if isinstance(got, dict):
                return got
            response, self.operations[step["subscribe"]] = got
            return {"response": response._to_payload()}
        if "events" in step:
            inbox, events = self.inboxes[step["events"]], []
            if step["count"] == 0:
                time.sleep(QUIET)
                return {"events": list(inbox.queue)}
            try:
                for _ in range(step["count"]):
                    events.append(inbox.get(timeout=TIMEOUT))
            except queue.Empty:
                pass
            return {"events": events}
        if "close" in step:
            self.operations[step["close"]].close().result(TIMEOUT)
            return {"closed": True}
        if "ask" in step:
            say({"ask": step["ask"]})
            return {"answer": sys.stdin.readline().strip()}
        if "restart" in step:
            say({"ask": "restart"})
            sys.stdin.readline()
            return {"noticed": self.disconnection.noticed.wait(TIMEOUT)}
        first = got = self.call(step)
        for _ in range(step.get("repeat", 0)):
            if got != first:
                break
            got = self.call(step)
        return got if isinstance(got, dict) else {"response": got._to_payload()}

    def hold(self, steps):
        if "connect" not in steps[0]:
            self.connect("right")
        try:
            return [self.step(step) for step in steps]
        finally:
            self.disconnect()


for conversation in json.loads(sys.stdin.readline()):
    try:
        say({"name": conversation["name"], "got": Conversation().hold(conversation["steps"])})
    except Exception as e:
        say({"name": conversation["name"], "failure": repr(e)})
