import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import software.amazon.awssdk.aws.greengrass.GreengrassCoreIPCClient;
import software.amazon.awssdk.aws.greengrass.GreengrassCoreIPCClientV2;
import software.amazon.awssdk.aws.greengrass.GreengrassCoreIPCServiceModel;
import software.amazon.awssdk.crt.io.ClientBootstrap;
import software.amazon.awssdk.crt.io.EventLoopGroup;
import software.amazon.awssdk.crt.io.SocketOptions;
import software.amazon.awssdk.eventstreamrpc.EventStreamRPCConnection;
import software.amazon.awssdk.eventstreamrpc.EventStreamRPCConnectionConfig;
import software.amazon.awssdk.eventstreamrpc.GreengrassConnectMessageSupplier;
import software.amazon.awssdk.eventstreamrpc.StreamResponse;
import software.amazon.awssdk.eventstreamrpc.model.EventStreamJsonMessage;
import software.amazon.awssdk.eventstreamrpc.model.EventStreamOperationError;

/**
 * Holds the conversations it is given with AWS's Java client, and tells what it got.
 *
 * <p>One line of JSON on standard input has all of them; one line on standard output is the outcome of each. See
 * doc.go for the steps.
 */
public final class Client {
    private static final int TIMEOUT = 20;
    private static final int QUIET = 300;
    private static final Gson JSON = new GsonBuilder().serializeNulls().create();
    private static final GreengrassCoreIPCServiceModel MODEL = GreengrassCoreIPCServiceModel.getInstance();
    private static final BufferedReader IN =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    // The client's own has many threads, and events overtake each other there.
    private static final Executor IN_ORDER = Executors.newSingleThreadExecutor();

    private static EventLoopGroup group;
    private static ClientBootstrap bootstrap;

    private final Map<String, BlockingQueue<JsonElement>> inboxes = new HashMap<>();
    private final Map<String, StreamResponse<?, ?>> operations = new HashMap<>();
    private EventStreamRPCConnection connection;
    private GreengrassCoreIPCClientV2 client;
    private CompletableFuture<Boolean> disconnected;

    public static void main(String[] args) throws Exception {
        group = new EventLoopGroup(1);
        bootstrap = new ClientBootstrap(group, null);
        for (JsonElement each : JsonParser.parseString(IN.readLine()).getAsJsonArray()) {
            JsonObject conversation = each.getAsJsonObject();
            JsonObject outcome = new JsonObject();
            outcome.add("name", conversation.get("name"));
            try {
                outcome.add("got", new Client().hold(conversation.getAsJsonArray("steps")));
            } catch (Exception e) {
                outcome.addProperty("failure", e.toString());
            }
            say(outcome);
        }
        OUT.flush();
        System.exit(0); // the library's threads would keep it alive
    }

    private static void say(JsonObject value) {
        OUT.println(JSON.toJson(value));
    }

    private static JsonObject with(String name, Object value) {
        JsonObject object = new JsonObject();
        object.add(name, value instanceof JsonElement ? (JsonElement) value : JSON.toJsonTree(value));
        return object;
    }

    private JsonArray hold(JsonArray steps) throws Exception {
        JsonArray got = new JsonArray();
        if (!steps.get(0).getAsJsonObject().has("connect")) {
            connect("right");
        }
        try {
            for (JsonElement step : steps) {
                got.add(step(step.getAsJsonObject()));
            }
        } finally {
            disconnect();
        }
        return got;
    }

    private JsonObject step(JsonObject step) throws Exception {
        if (step.has("connect")) {
            return connect(step.get("connect").getAsString());
        }
        if (step.has("subscribe")) {
            return subscribe(step);
        }
        if (step.has("events")) {
            return events(inboxes.get(step.get("events").getAsString()), step.get("count").getAsInt());
        }
        if (step.has("close")) {
            operations.get(step.get("close").getAsString()).closeStream().get(TIMEOUT, TimeUnit.SECONDS);
            return with("closed", true);
        }
        if (step.has("ask")) {
            say(with("ask", step.get("ask").getAsString()));
            return with("answer", IN.readLine());
        }
        if (step.has("restart")) {
            say(with("ask", "restart"));
            IN.readLine();
            return with("noticed", disconnected.completeOnTimeout(false, TIMEOUT, TimeUnit.SECONDS).get());
        }
        JsonObject first = call(step);
        JsonObject got = first;
        int repeat = step.has("repeat") ? step.get("repeat").getAsInt() : 0;
        for (int i = 0; i < repeat && got.equals(first); i++) {
            got = call(step);
        }
        return got;
    }

    private JsonObject connect(String which) throws Exception {
        disconnect();
        String token = which.equals("right") ? System.getenv("SVCUID") : "WRONGWRONGWRONGW";
        SocketOptions options = new SocketOptions();
        options.domain = SocketOptions.SocketDomain.LOCAL;
        options.type = SocketOptions.SocketType.STREAM;
        options.connectTimeoutMs = 3000;
        connection = new EventStreamRPCConnection(new EventStreamRPCConnectionConfig(bootstrap, group, options, null,
                System.getenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"), 0,
                GreengrassConnectMessageSupplier.connectMessageSupplier(token)));
        CompletableFuture<Void> connected = new CompletableFuture<>();
        CompletableFuture<Boolean> lost = new CompletableFuture<>();
        disconnected = lost;
        connection.connect(new EventStreamRPCConnection.LifecycleHandler() {
            @Override
            public void onConnect() {
                connected.complete(null);
            }

            @Override
            public void onDisconnect(int error) {
                connected.completeExceptionally(new Exception("disconnected, error " + error));
                lost.complete(true);
            }

            @Override
            public boolean onError(Throwable failure) {
                connected.completeExceptionally(failure);
                return true;
            }
        });
        try {
            connected.get(TIMEOUT, TimeUnit.SECONDS);
        } catch (Exception e) {
            JsonObject got = with("connected", false);
            got.addProperty("detail", e.toString());
            return got;
        }
        client = GreengrassCoreIPCClientV2.builder()
                .withClient(new GreengrassCoreIPCClient(connection))
                .withExecutor(IN_ORDER)
                .build();
        return with("connected", true);
    }

    private void disconnect() throws Exception {
        if (client != null) {
            client.close();
        }
        if (connection != null) {
            connection.close();
        }
        client = null;
        connection = null;
    }

    private static String method(String operation) {
        return Character.toLowerCase(operation.charAt(0)) + operation.substring(1);
    }

    private static EventStreamJsonMessage request(JsonObject step) throws Exception {
        Class<?> type = Class.forName(
                "software.amazon.awssdk.aws.greengrass.model." + step.get("call").getAsString() + "Request");
        byte[] text = JSON.toJson(step.get("request")).getBytes(StandardCharsets.UTF_8);
        return MODEL.fromJson(type.asSubclass(EventStreamJsonMessage.class), text);
    }

    private static JsonElement wire(Object message) {
        return JsonParser.parseString(MODEL.toJsonString((EventStreamJsonMessage) message));
    }

    private static JsonObject refusal(Throwable failure) {
        while (failure.getCause() != null && !(failure instanceof EventStreamOperationError)) {
            failure = failure.getCause();
        }
        JsonObject got = with("error", failure.getClass().getSimpleName());
        got.addProperty("message", failure.getMessage());
        return got;
    }

    private JsonObject call(JsonObject step) throws Exception {
        EventStreamJsonMessage request = request(step);
        Method method = client.getClass().getMethod(method(step.get("call").getAsString()), request.getClass());
        try {
            return with("response", wire(method.invoke(client, request)));
        } catch (InvocationTargetException e) {
            return refusal(e);
        }
    }

    private JsonObject subscribe(JsonObject step) throws Exception {
        String name = step.get("subscribe").getAsString();
        BlockingQueue<JsonElement> inbox = new LinkedBlockingQueue<>();
        inboxes.put(name, inbox);
        EventStreamJsonMessage request = request(step);
        Method method = client.getClass().getMethod(method(step.get("call").getAsString()), request.getClass(),
                Consumer.class, Optional.class, Optional.class);
        Consumer<Object> event = e -> inbox.add(wire(e));
        Function<Throwable, Boolean> error = e -> true;
        try {
            Object response = method.invoke(client, request, event, Optional.of(error), Optional.empty());
            GreengrassCoreIPCClientV2.StreamingResponse<?, ?> streaming =
                    (GreengrassCoreIPCClientV2.StreamingResponse<?, ?>) response;
            operations.put(name, (StreamResponse<?, ?>) streaming.getHandler());
            return with("response", wire(streaming.getResponse()));
        } catch (InvocationTargetException e) {
            return refusal(e);
        }
    }

    private static JsonObject events(BlockingQueue<JsonElement> inbox, int count) throws InterruptedException {
        JsonArray got = new JsonArray();
        if (count == 0) {
            Thread.sleep(QUIET);
            inbox.forEach(got::add);
        }
        for (int i = 0; i < count; i++) {
            JsonElement event = inbox.poll(TIMEOUT, TimeUnit.SECONDS);
            if (event == null) {
                break;
            }
            got.add(event);
        }
        return with("events", got);
    }
}
