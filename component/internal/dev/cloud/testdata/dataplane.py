"""The data plane with boto3: prints what each call answered, a line each."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

client = boto3.client(
    "iot-data", endpoint_url=sys.argv[1], region_name="eu-central-1",
    aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3],
)


def call(operation, show, **arguments):
    try:
        answer = show(getattr(client, operation)(**arguments))
    except ClientError as e:
        answer = [type(e).__name__, e.response["Error"]["Message"], e.response["ResponseMetadata"]["HTTPStatusCode"]]
    print(operation, json.dumps(answer, sort_keys=True), flush=True)


def state(response):
    document = json.load(response["payload"])
    return [document.get("version"), document.get("state")]


def update(thing, payload, **arguments):
    call("update_thing_shadow", state, thingName=thing, payload=json.dumps(payload), **arguments)


call("get_thing_shadow", state, thingName="lamp")
update("lamp", {"state": {"desired": {"on": True}}})
update("lamp", {"state": {"reported": {"on": False}}, "version": 1})
update("lamp", {"state": {}, "version": 1})
update("lamp", {"state": {"wanted": {}}})
update("lamp", {"state": {"desired": {"text": "x" * 9000}}})
call("get_thing_shadow", state, thingName="lamp")
for name in ["b", "$a", "c"]:
    update("lamp", {"state": {}}, shadowName=name)
pages = []
token = None
while True:
    page = client.list_named_shadows_for_thing(thingName="lamp", pageSize=2, **({"nextToken": token} if token else {}))
    pages.append(page["results"])
    token = page.get("nextToken")
    if not token:
        break
print("pages", json.dumps(pages), flush=True)
call("delete_thing_shadow", state, thingName="lamp")
call("get_thing_shadow", state, thingName="lamp")
call("publish", lambda r: r["ResponseMetadata"]["HTTPStatusCode"], topic="a/b c", qos=1, retain=True, payload=b"hello")
call("get_retained_message", lambda r: [r["topic"], r["payload"].decode(), r["qos"]], topic="a/b c")
call("list_retained_messages", lambda r: [[t["topic"], t["payloadSize"]] for t in r["retainedTopics"]])
call("get_retained_message", str, topic="nothing")
