"""Requests and their answers on the second shadow client of the AWS IoT device SDK, which pairs them by client token.

requests.py ENDPOINT PORT CA CERTIFICATE KEY THING SHADOW

SHADOW is the name of a named shadow, or empty for the classic one. Prints what each request answered, and the events that
it made, a line each.
"""

import json
import os
import queue
import sys

import awsiot
from awscrt import mqtt5, mqtt_request_response
from awsiot import iotshadow, mqtt5_client_builder

endpoint, port, ca, certificate, key, thing, shadow = sys.argv[1:]
NAMES = {"thing_name": thing, **({"shadow_name": shadow} if shadow else {})}
TIMEOUT = 20

up, down = queue.Queue(), queue.Queue()
connection = mqtt5_client_builder.mtls_from_path(
    cert_filepath=certificate, pri_key_filepath=key, ca_filepath=ca, endpoint=endpoint, port=int(port),
    client_id=f"{thing}-requests", on_lifecycle_connection_success=up.put, on_lifecycle_stopped=down.put,
)
connection.start()
up.get(timeout=TIMEOUT)
client = iotshadow.IotShadowClientV2(
    connection, mqtt_request_response.ClientOptions(max_request_response_subscriptions=4, max_streaming_subscriptions=2),
)


def shape(name, **members):
    return getattr(iotshadow, name.format("Named" if shadow else ""))(**NAMES, **members)


def operation(name):
    return getattr(client, name.format("named_" if shadow else ""))


def stream(create, request):
    events, active = queue.Queue(), queue.Queue()
    options = awsiot.ServiceStreamOptions(incoming_event_listener=events.put, subscription_status_listener=active.put)
    opened = operation(create)(shape(request), options)
    opened.open()
    active.get(timeout=TIMEOUT)
    return events, opened  # which ends with its last reference


def say(event, *values):
    print(event, json.dumps(values, sort_keys=True), flush=True)


def ask(name, request, show):
    try:
        say(name, *show(operation(name + "_{}shadow")(request).result(TIMEOUT)))
    except awsiot.V2ServiceException as e:
        say(name, e.modeled_error.code, e.modeled_error.message)


def get():
    def show(r):
        return r.version, r.state.desired, r.state.reported, r.state.delta
    ask("get", shape("Get{}ShadowRequest"), show)


def update(version=None, **state):
    request = shape("Update{}ShadowRequest", state=iotshadow.ShadowState(**state), version=version)
    ask("update", request, lambda r: (r.version, r.state.desired, r.state.reported))


deltas, kept = stream("create_{}shadow_delta_updated_stream", "{}ShadowDeltaUpdatedSubscriptionRequest")
documents, kept2 = stream("create_{}shadow_updated_stream", "{}ShadowUpdatedSubscriptionRequest")
get()
update(desired={"lights": "on"}, reported={"lights": "off"})
event = deltas.get(timeout=TIMEOUT)
say("delta", event.version, event.state)
event = documents.get(timeout=TIMEOUT)
say("documents", event.previous and event.previous.version, event.current.version, event.current.state.reported)
get()
update(version=7, reported={"lights": "on"})
update(version=1, reported={"lights": "on"})
event = documents.get(timeout=TIMEOUT)
say("documents", event.previous.state.reported, event.current.state.reported)
update(desired={"list": [1, None]})
get()
ask("delete", shape("Delete{}ShadowRequest"), lambda r: (r.version,))
ask("delete", shape("Delete{}ShadowRequest"), lambda r: (r.version,))
connection.stop()
down.get(timeout=TIMEOUT)
os._exit(0)  # The streams' native parts abort now and then when the interpreter tears them down.
