"""Round trips of GetThingShadow with AWS's own client, one duration in ns a line."""

import os
import sys
import time

from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2()
thing = os.environ["AWS_IOT_THING_NAME"]
warm, calls = int(sys.argv[1]), int(sys.argv[2])
for i in range(warm + calls):
    start = time.perf_counter_ns()
    client.get_thing_shadow(thing_name=thing, shadow_name="bench")
    took = time.perf_counter_ns() - start
    if i >= warm:
        print(took)
client.close()
