"""The device and the application of the founding document, on the AWS IoT device SDK (MQTT 3 and its shadow client).

role.py device|application ENDPOINT PORT CA CERTIFICATE KEY THING

Prints a line for each thing that happens. A line KEY=JSON on standard input is a change: of the device itself, or of
what the application wants. The end of the input ends the program.
"""

import json
import sys
import threading
import uuid

from awscrt import mqtt
from awsiot import iotshadow, mqtt_connection_builder

role, endpoint, port, ca, certificate, key, thing = sys.argv[1:]
QOS = mqtt.QoS.AT_LEAST_ONCE
TIMEOUT = 20
DEFAULTS = {"lights": "off", "locked": True, "level": 5}

lock = threading.Lock()
tokens = set()
local = {}
delta_seen = threading.Event()


def say(event, value=None):
    print(event, json.dumps(value, sort_keys=True), flush=True)


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
    request = iotshadow.UpdateShadowRequest(
        thing_name=thing,
        client_token=token(),
        state=iotshadow.ShadowState(desired=desired, reported=reported),
    )
    return client.publish_update_shadow(request, QOS)


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

update_request = iotshadow.UpdateShadowSubscriptionRequest(thing_name=thing)
get_request = iotshadow.GetShadowSubscriptionRequest(thing_name=thing)
subscriptions = [
    (client.subscribe_to_update_shadow_accepted, update_request, accepted),
    (client.subscribe_to_update_shadow_rejected, update_request, rejected),
    (client.subscribe_to_get_shadow_accepted, get_request, got),
    (client.subscribe_to_get_shadow_rejected, get_request, get_rejected),
]
if role == "device":
    request = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=thing)
    subscriptions.append((client.subscribe_to_shadow_delta_updated_events, request, delta))
else:
    request = iotshadow.ShadowUpdatedSubscriptionRequest(thing_name=thing)
    subscriptions.insert(2, (client.subscribe_to_shadow_updated_events, request, documents))
for subscribe, request, callback in subscriptions:
    subscribed, _ = subscribe(request, QOS, callback)
    subscribed.result(TIMEOUT)
client.publish_get_shadow(iotshadow.GetShadowRequest(thing_name=thing, client_token=token()), QOS).result(TIMEOUT)

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
