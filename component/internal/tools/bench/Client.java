import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.LogManager;
import software.amazon.awssdk.aws.greengrass.GreengrassCoreIPCClientV2;
import software.amazon.awssdk.aws.greengrass.model.GetThingShadowRequest;
import software.amazon.awssdk.aws.greengrass.model.ReceiveMode;
import software.amazon.awssdk.aws.greengrass.model.SubscribeToTopicRequest;

/** AWS's own client: round trips of GetThingShadow, one duration in ns a line, or a line for so many events. */
public final class Client {
    public static void main(String[] args) throws Exception {
        LogManager.getLogManager().reset();
        GreengrassCoreIPCClientV2 client = GreengrassCoreIPCClientV2.builder().build();
        if (args[0].equals("calls")) {
            roundTrips(client, Integer.parseInt(args[1]), Integer.parseInt(args[2]));
        } else {
            events(client, Integer.parseInt(args[1]), Integer.parseInt(args[2]), Integer.parseInt(args[3]));
        }
        System.out.flush();
        System.exit(0); // the library's threads would keep it alive
    }

    private static void roundTrips(GreengrassCoreIPCClientV2 client, int warm, int calls) throws Exception {
        String thing = System.getenv("AWS_IOT_THING_NAME");
        for (int i = 0; i < warm + calls; i++) {
            long start = System.nanoTime();
            client.getThingShadow(new GetThingShadowRequest().withThingName(thing).withShadowName("bench"));
            long took = System.nanoTime() - start;
            if (i >= warm) {
                System.out.println(took);
            }
        }
    }

    private static void events(GreengrassCoreIPCClientV2 client, int subscriptions, int batch, int count)
            throws Exception {
        AtomicInteger taken = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(1);
        SubscribeToTopicRequest request = new SubscribeToTopicRequest()
                .withTopic("bench/events")
                .withReceiveMode(ReceiveMode.RECEIVE_ALL_MESSAGES);
        for (int i = 0; i < subscriptions; i++) {
            client.subscribeToTopic(request, event -> {
                int n = taken.incrementAndGet();
                if (n % batch == 0) {
                    System.out.println(n);
                }
                if (n == count) {
                    done.countDown();
                }
            }, Optional.empty(), Optional.empty());
        }
        System.out.println("ready");
        done.await();
    }
}
