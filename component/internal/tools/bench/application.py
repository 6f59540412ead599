"""Desires a value through boto3 and polls until the device has answered, as scripts do.

    application.py ENDPOINT THING PROPERTY COUNT PAUSE BETWEEN

PAUSE is the pause between two questions, BETWEEN that between two values, in s. Prints how long each took, in s, as JSON, and the number of requests.
"""

import json
import sys
import time

import boto3

endpoint, thing, key, count, pause, between = sys.argv[1:]
client = boto3.client("iot-data", endpoint_url=endpoint)
took, requests = [], 0


def ask(value):
    global requests
    client.update_thing_shadow(thingName=thing, payload=json.dumps({"state": {"desired": {key: value}}}))
    requests += 1
    while True:
        document = json.load(client.get_thing_shadow(thingName=thing)["payload"])
        requests += 1
        if document["state"]["reported"].get(key) == value:
            return
        time.sleep(float(pause))


ask("on")
requests = 0
for i in range(int(count)):
    time.sleep(float(between))
    started = time.monotonic()
    ask("on" if i % 2 else "off")
    took.append(time.monotonic() - started)
print(json.dumps({"took": took, "requests": requests}))
