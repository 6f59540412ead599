"""An application component on AWS's own Greengrass IPC client (V2).

It subscribes to the delta and documents topics of a classic and a named shadow,
desires a value in each, and prints one line of JSON for what it saw. It knows
nothing of ShadowGPIO but the shadows.
"""

import json
import os
import queue
import sys

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

PATIENCE = 30  # seconds
THING = os.environ["AWS_IOT_THING_NAME"]


def prefix(shadow):
    return f"$aws/things/{THING}/shadow" + (f"/name/{shadow}" if shadow else "")


def watch(client, shadow, suffix):
    """Returns a queue of the messages of one topic."""
    messages = queue.Queue()
    client.subscribe_to_topic(
        topic=prefix(shadow) + suffix,
        on_stream_event=lambda event: messages.put(json.loads(event.binary_message.message)),
    )
    return messages


def await_message(messages, what, wanted):
    """Returns the first message that is wanted."""
    seen = []
    while True:
        try:
            message = messages.get(timeout=PATIENCE)
        except queue.Empty:
            sys.exit(f"no {what}; saw {seen}")
        seen.append(message)
        if wanted(message):
            return message


def desire(client, shadow, key, value):
    deltas = watch(client, shadow, "/update/delta")
    documents = watch(client, shadow, "/update/documents")
    reply = client.update_thing_shadow(
        thing_name=THING,
        shadow_name=shadow,
        payload=json.dumps({"state": {"desired": {key: value}}}).encode(),
    )
    version = json.loads(reply.payload)["version"]
    delta = await_message(deltas, "delta", lambda m: m["version"] == version)
    document = await_message(
        documents,
        "answer",
        lambda m: m["current"]["state"].get("reported", {}).get("ack", {}).get(key, {}).get("version") == version,
    )
    # What is stored is what was published.
    stored = json.loads(client.get_thing_shadow(thing_name=THING, shadow_name=shadow).payload)
    return {
        "version": version,
        "delta": delta["state"],
        "reported": document["current"]["state"]["reported"],
        "open": stored["state"].get("delta"),
    }


def main():
    client = GreengrassCoreIPCClientV2()
    print(
        json.dumps(
            {
                "classic": desire(client, "", "lights", "on"),
                "refused": desire(client, "", "lights", "blue"),
                "named": desire(client, "room", "fan", True),
                "shadows": client.list_named_shadows_for_thing(thing_name=THING).results,
            }
        )
    )
    client.close()


main()
