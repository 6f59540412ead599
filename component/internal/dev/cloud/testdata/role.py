"""The device and the application of the founding document, on the AWS IoT device SDK (MQTT 3 and its shadow client).

role.py device|application ENDPOINT PORT CA CERTIFICATE KEY THING SHADOW

SHADOW is the name of a named shadow, or empty for the classic one.
Prints a line for each thing that happens. A line KEY=JSON on standard input is a change: of the device itself, or of
what the application wants. The end of the input ends the program.
"""

import json
import sys
import threading
import uuid

from awscrt import mqtt
from awsiot import iotshadow, mqtt_connection_builder

role, endpoint, port, ca, certificate, key, thing, shadow = sys.argv[1:]
NAMES = {"thing_name": thing, **({"shadow_name": shadow} if shadow else {})}
QOS = mqtt.QoS.AT_LEAST_ONCE
TIMEOUT = 20
DEFAULTS = {"lights": "off", "locked": True, "level": 5}

lock = threading.Lock()
tokens = set()
local = {}
delta_seen = threading.Event()


def say(event, value=None):
    print(event, json.dumps(value, sort_keys=True), flush=True)


def shape(name, **members):
    """One of the SDK's, of the classic or of a named shadow."""
    return getattr(iotshadow, name.format("Named" if shadow else ""))(**NAMES, **members)


def operation(name):
    return getattr(client, name.format("named_" if shadow else ""))


def token():
    fresh = str(uuid.uuid4())
    with lock:
        tokens.add(fresh)
    return fresh


def ours(message):
    with lock:
        if message.client_token not in tokens:
            return False
        tokens.remove(message.client_token)
        return True


def apply(values):
    with lock:
        for name, value in values.items():
            if value is None:
                local.pop(name, None)
            else:
                local[name] = value


def update(desired=None, reported=None):
    """Not to be waited for in a callback, which keeps the connection from hearing the answer."""
    request = shape(
        "Update{}ShadowRequest",
        client_token=token(),
        state=iotshadow.ShadowState(desired=desired, reported=reported),
    )
    return operation("publish_update_{}shadow")(request, QOS)


def got(response):
    if not ours(response):
        return
    state = response.state
    if role == "device" and delta_seen.is_set():
        say("superseded")
    elif state.delta:
        say("got-delta", state.delta)
        apply(state.delta)
        if role == "device":
            update(reported=state.delta)
    elif state.reported:
        say("got-reported", state.reported)
        apply(state.reported)
    elif role == "device":
        say("got-empty")
        apply(DEFAULTS)
        update(desired=DEFAULTS, reported=DEFAULTS)


def get_rejected(error):
    if not ours(error):
        return
    say("get-rejected", [error.code, error.message])
    if error.code == 404 and role == "device":
        apply(DEFAULTS)
        update(desired=DEFAULTS, reported=DEFAULTS)


def delta(event):
    delta_seen.set()
    say("delta", event.state)
    apply(event.state)
    update(reported=event.state)


def accepted(response):
    if ours(response):
        say("accepted", [response.version, response.state.desired, response.state.reported])


def rejected(error):
    if ours(error):
        say("rejected", [error.code, error.message])


def documents(event):
    say("documents", event.current.state.reported)
    with lock:
        local.clear()
    apply(event.current.state.reported or {})


connection = mqtt_connection_builder.mtls_from_path(
    cert_filepath=certificate, pri_key_filepath=key, ca_filepath=ca, endpoint=endpoint, port=int(port),
    client_id=f"{thing}-{role}", clean_session=True, keep_alive_secs=30,
)
connection.connect().result(TIMEOUT)
client = iotshadow.IotShadowClient(connection)

update_request = shape("Update{}ShadowSubscriptionRequest")
get_request = shape("Get{}ShadowSubscriptionRequest")
subscriptions = [
    ("subscribe_to_update_{}shadow_accepted", update_request, accepted),
    ("subscribe_to_update_{}shadow_rejected", update_request, rejected),
    ("subscribe_to_get_{}shadow_accepted", get_request, got),
    ("subscribe_to_get_{}shadow_rejected", get_request, get_rejected),
]
if role == "device":
    request = shape("{}ShadowDeltaUpdatedSubscriptionRequest")
    subscriptions.append(("subscribe_to_{}shadow_delta_updated_events", request, delta))
else:
    request = shape("{}ShadowUpdatedSubscriptionRequest")
    subscriptions.insert(2, ("subscribe_to_{}shadow_updated_events", request, documents))
for subscribe, request, callback in subscriptions:
    subscribed, _ = operation(subscribe)(request, QOS, callback)
    subscribed.result(TIMEOUT)
request = shape("Get{}ShadowRequest", client_token=token())
operation("publish_get_{}shadow")(request, QOS).result(TIMEOUT)

for line in sys.stdin:
    name, _, text = line.strip().partition("=")
    change = {name: json.loads(text)}
    apply(change)
    if role == "device":
        update(desired=change, reported=change).result(TIMEOUT)
    else:
        update(desired=change).result(TIMEOUT)
connection.disconnect().result(TIMEOUT)
with lock:
    say("local", local)
