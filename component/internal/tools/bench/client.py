"""AWS's own client: round trips of GetThingShadow, one duration in ns a line, or a line for so many events."""

import os
import sys
import threading
import time

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import ReceiveMode


def round_trips(client, warm, calls):
    thing = os.environ["AWS_IOT_THING_NAME"]
    for i in range(warm + calls):
        start = time.perf_counter_ns()
        client.get_thing_shadow(thing_name=thing, shadow_name="bench")
        took = time.perf_counter_ns() - start
        if i >= warm:
            print(took)


def events(client, subscriptions, batch, count):
    taken = 0
    done = threading.Event()
    lock = threading.Lock()

    def take(event):
        nonlocal taken
        with lock:  # the client's workers are many
            taken += 1
            if taken % batch == 0:
                print(taken, flush=True)
            if taken == count:
                done.set()

    for _ in range(subscriptions):
        client.subscribe_to_topic(
            topic="bench/events", receive_mode=ReceiveMode.RECEIVE_ALL_MESSAGES, on_stream_event=take)
    print("ready", flush=True)
    done.wait()


client = GreengrassCoreIPCClientV2()
{"calls": round_trips, "events": events}[sys.argv[1]](client, *map(int, sys.argv[2:]))
client.close()
