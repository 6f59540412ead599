"""Conversation of the official AWS client with a development core.

Connects with the Greengrass IPC client V2 of awsiotsdk by the environment
variables that a nucleus sets, goes through the operations of the core and
their errors, and exits with 0 if every answer was as it should be.
"""

import json
import os
import queue
import sys

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc import model

THING = "gateway"
TIMEOUT = 20

checks = 0


def check(what, got, want):
    global checks
    checks += 1
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def refused(what, kind, text, call):
    try:
        result = call()
    except kind as e:
        if text is not None:
            check(what, e.message, text)
        check(what + ": kind", type(e).__name__, kind.__name__)
        return e
    except Exception as e:
        sys.exit(f"{what}: got {type(e).__name__} {e!r}, want {kind.__name__}")
    sys.exit(f"{what}: got {result!r}, want {kind.__name__}")


def document(response):
    return json.loads(response.payload)


class Inbox:
    """The events of one subscription, in order."""

    def __init__(self, client, topic, mode=model.ReceiveMode.RECEIVE_ALL_MESSAGES):
        self.events = queue.Queue()
        response, self.operation = client.subscribe_to_topic(
            topic=topic,
            receive_mode=mode,
            on_stream_event=self.events.put,
            on_stream_error=self.failed,
        )
        check("subscribe response", type(response).__name__, "SubscribeToTopicResponse")

    def failed(self, error):
        self.events.put(error)
        return True

    def take(self):
        event = self.events.get(timeout=TIMEOUT)
        if isinstance(event, Exception):
            sys.exit(f"stream error: {event!r}")
        if event.binary_message is not None:
            message = event.binary_message
            return message.context.topic, bytes(message.message)
        message = event.json_message
        return message.context.topic, message.message

    def close(self):
        self.operation.close().result(TIMEOUT)


def shadows(client):
    for name in ["", "gpio"]:
        prefix = f"$aws/things/{THING}/shadow" + (f"/name/{name}" if name else "")
        inbox = Inbox(client, prefix + "/update/+")
        refused("get of a missing shadow", model.ResourceNotFoundError, "No shadow found",
                lambda: client.get_thing_shadow(thing_name=THING, shadow_name=name))
        update = {"state": {"desired": {"relay": True}}, "clientToken": "one"}
        accepted = document(client.update_thing_shadow(
            thing_name=THING, shadow_name=name, payload=json.dumps(update)))
        check("accepted version", accepted["version"], 1)
        check("accepted state", accepted["state"], update["state"])
        check("accepted token", accepted["clientToken"], "one")
        order = []
        for _ in range(3):
            topic, payload = inbox.take()
            order.append(topic[len(prefix):])
            if topic.endswith("delta"):
                check("delta", json.loads(payload)["state"], {"relay": True})
        check("topics", order, ["/update/delta", "/update/documents", "/update/accepted"])
        client.update_thing_shadow(thing_name=THING, shadow_name=name,
                                   payload=json.dumps({"state": {"reported": {"relay": False}}, "version": 1}))
        got = document(client.get_thing_shadow(thing_name=THING, shadow_name=name))
        check("get", got["state"], {"desired": {"relay": True}, "reported": {"relay": False}, "delta": {"relay": True}})
        check("get version", got["version"], 2)
        refused("old version", model.ConflictError, "Version conflict",
                lambda: client.update_thing_shadow(thing_name=THING, shadow_name=name,
                                                   payload=json.dumps({"state": {}, "version": 1})))
        refused("no payload", model.InvalidArgumentsError, "Missing update payload",
                lambda: client.update_thing_shadow(thing_name=THING, shadow_name=name, payload=b""))
        refused("no JSON", model.ServiceError, None,
                lambda: client.update_thing_shadow(thing_name=THING, shadow_name=name, payload=b"{state"))
        refused("no state", model.InvalidArgumentsError, "Invalid JSON: state: is missing but it is required",
                lambda: client.update_thing_shadow(thing_name=THING, shadow_name=name, payload=b'{"a":1}'))
        if name:
            page = client.list_named_shadows_for_thing(thing_name=THING)
            check("list", page.results, [name])
            check("list token", page.next_token, None)
            full = client.list_named_shadows_for_thing(thing_name=THING, page_size=1)
            rest = client.list_named_shadows_for_thing(thing_name=THING, page_size=1, next_token=full.next_token)
            check("second page", rest.results, [])
            refused("page size", model.InvalidArgumentsError, "pageSize argument must be between 1 and 100",
                    lambda: client.list_named_shadows_for_thing(thing_name=THING, page_size=101))
        deleted = client.delete_thing_shadow(thing_name=THING, shadow_name=name)
        check("delete", bytes(deleted.payload), b"")
        refused("delete again", model.ResourceNotFoundError, "No shadow found",
                lambda: client.delete_thing_shadow(thing_name=THING, shadow_name=name))
        inbox.close()
    refused("thing name", model.InvalidArgumentsError, "ThingName must match pattern [a-zA-Z0-9:_-]+",
            lambda: client.get_thing_shadow(thing_name="no.thing", shadow_name=""))
    refused("policy", model.UnauthorizedError, None,
            lambda: client.get_thing_shadow(thing_name="forbidden", shadow_name=""))


def throttled(client):
    """Asks until the limit of a window is reached."""
    for _ in range(100000):
        try:
            client.get_thing_shadow(thing_name="busy", shadow_name="")
        except model.ResourceNotFoundError:
            continue
        except model.ServiceError as e:
            check("throttled", e.message, "Too Many Requests")
            return
    sys.exit("never throttled")


def pubsub(client):
    plain = Inbox(client, "test/plain")
    wildcard = Inbox(client, "test/+")
    others = Inbox(client, "test/#", model.ReceiveMode.RECEIVE_MESSAGES_FROM_OTHERS)
    client.publish_to_topic(topic="test/plain", publish_message=model.PublishMessage(
        binary_message=model.BinaryMessage(message=b"\x00\xff bytes")))
    client.publish_to_topic(topic="test/plain", publish_message=model.PublishMessage(
        json_message=model.JsonMessage(message={"n": 1, "s": "text", "o": {"a": [True, None]}})))
    for inbox in (plain, wildcard):
        check("binary message", inbox.take(), ("test/plain", b"\x00\xff bytes"))
        check("JSON message", inbox.take(), ("test/plain", {"n": 1, "s": "text", "o": {"a": [True, None]}}))
    check("messages from others", others.events.empty(), True)
    plain.close()
    client.publish_to_topic(topic="test/plain", publish_message=model.PublishMessage(
        binary_message=model.BinaryMessage(message=b"after")))
    check("still subscribed", wildcard.take(), ("test/plain", b"after"))
    check("no longer subscribed", plain.events.empty(), True)
    wildcard.close()
    others.close()

    refused("publish to a wildcard", model.InvalidArgumentsError, "Publish topic must not contain a wildcard.",
            lambda: client.publish_to_topic(topic="test/+", publish_message=model.PublishMessage(
                binary_message=model.BinaryMessage(message=b"x"))))

    # A shadow request over topics is answered there.
    inbox = Inbox(client, f"$aws/things/{THING}/shadow/name/topic/update/accepted")
    client.publish_to_topic(topic=f"$aws/things/{THING}/shadow/name/topic/update", publish_message=model.PublishMessage(
        json_message=model.JsonMessage(message={"state": {"reported": {"by": "topic"}}, "clientToken": "t"})))
    _, payload = inbox.take()
    check("update over a topic", json.loads(payload)["state"], {"reported": {"by": "topic"}})
    inbox.close()


def rest(client):
    value = client.get_configuration(key_path=[])
    check("configuration", value.value, {"lines": {"lamp": {"line": "GPIO17"}}, "logLevel": "info"})
    check("configuration of", value.component_name, "test.Official")
    check("map", client.get_configuration(key_path=["lines", "lamp"]).value, {"line": "GPIO17"})
    check("leaf", client.get_configuration(key_path=["LOGLEVEL"]).value, {"logLevel": "info"})
    refused("missing key", model.ResourceNotFoundError, "Key not found",
            lambda: client.get_configuration(key_path=["nothing"]))
    refused("missing component", model.ResourceNotFoundError, "Key not found",
            lambda: client.get_configuration(component_name="test.Nobody", key_path=[]))
    client.update_state(state=model.ReportedLifecycleState.RUNNING)
    refused("absent operation", model.ServiceError,
            "Operation aws.greengrass#ListComponents is not supported by Greengrass", client.list_components)


def wrong_token():
    token = os.environ["SVCUID"]
    os.environ["SVCUID"] = "WRONGWRONGWRONGW"
    try:
        GreengrassCoreIPCClientV2()
    except Exception as e:
        check("wrong token", type(e).__name__, "AccessDeniedError")
    else:
        sys.exit("wrong token: connected")
    finally:
        os.environ["SVCUID"] = token


def main():
    wrong_token()
    client = GreengrassCoreIPCClientV2()
    try:
        shadows(client)
        throttled(client)
        pubsub(client)
        rest(client)
    finally:
        client.close().result(TIMEOUT)
    print(f"{checks} checks")


main()
