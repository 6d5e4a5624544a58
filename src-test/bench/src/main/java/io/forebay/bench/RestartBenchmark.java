package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.SendResult;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;

/**
 * How long a node takes, after {@code kill -9} with many messages waiting, until it serves again: from the start of its JVM to its
 * ready line, and to the first message in a consumer's hands. Beside it: reading the same files from beginning to end. Both read from
 * the page cache, where the killed node's files still are. Checks that all messages are there.
 */
public final class RestartBenchmark {
    private static final int BODY_BYTES = 300;
    private static final int BATCH = 128;
    private static final int UNCONFIRMED_BATCHES = 32;
    private static final int QUEUES = 8;
    private static final int ROUNDS = 3;
    private static final int DEFAULT_COUNT = 5_000_000;
    private static final int READ_BYTES = 1 << 20;
    private static final long TIMEOUT_SECONDS = 120;
    private static final String TOPIC = "restart";
    private static final String GROUP = "restart-group";
    private static final Map<String, String> SETTINGS = Map.of("forebay.storage.low-space", "0 B");

    private final Path directory;
    private final int count;

    private RestartBenchmark(Path directory, int count) {
        this.directory = directory;
        this.count = count;
    }

    public static void main(String[] arguments) throws Exception {
        int count = DEFAULT_COUNT;
        Path directory = null;
        for (int i = 0; i < arguments.length; i++) {
            boolean hasValue = i + 1 < arguments.length;
            if (arguments[i].equals("--restart")) {
                continue;
            } else if (arguments[i].equals("--messages") && hasValue) {
                count = Integer.parseInt(arguments[++i]);
            } else if (arguments[i].equals("--dir") && hasValue) {
                directory = Path.of(arguments[++i]);
            } else {
                System.err.println(
                        "not understood: " + arguments[i] + "\nusage: --restart [--messages COUNT] [--dir DIRECTORY]");
                System.exit(2);
            }
        }
        boolean isOurs = directory == null;
        Path where = isOurs ? Files.createTempDirectory("forebay-bench") : Files.createDirectories(directory);
        boolean isGood;
        try {
            isGood = new RestartBenchmark(where, count).run();
        } finally {
            if (isOurs) {
                Directories.delete(where);
            }
        }
        System.exit(isGood ? 0 : 1);
    }

    private boolean run() throws Exception {
        System.out.println(Machine.describe(directory));
        NodeProcess node = start();
        ActorSystem<Void> system = ForebayContestant.system(ForebayContestant.OUTSIDE);
        boolean isGood = true;
        try {
            ForebayClient client = ForebayClient.connect(system, Target.contact(node.address()));
            get(client.createTopic(TOPIC, QUEUES, Map.of()));
            get(client.createGroup(GROUP, TOPIC, Map.of()));
            fill(client);
            get(client.close());
            for (int round = 0; round < ROUNDS; round++) {
                node.kill();
                long readFrom = System.nanoTime();
                long bytes = readAll();
                double readSeconds = secondsSince(readFrom);
                long from = System.nanoTime();
                node = start();
                double readySeconds = secondsSince(from);
                client = ForebayClient.connect(system, Target.contact(node.address()));
                List<Delivery> first = get(client.pop(
                        PopRequest.of(TOPIC, GROUP, 1).withWaitMax(Duration.ofSeconds(TIMEOUT_SECONDS / 2))));
                double deliveredSeconds = secondsSince(from);
                long depth = 0;
                for (GroupDescription description : get(client.describeGroup(GROUP, TOPIC))) {
                    depth += description.depth();
                }
                isGood &= depth == count && first.size() == 1;
                get(client.close()); // gives the message back
                System.out.printf(
                        Locale.ROOT,
                        "%,d messages waiting, %,d MB: raw read %.2f s, ready after %.2f s, first message after %.2f s;"
                                + " messages there: %,d%s%n",
                        count,
                        bytes >> 20,
                        readSeconds,
                        readySeconds,
                        deliveredSeconds,
                        depth,
                        depth == count ? "" : " WRONG");
            }
        } finally {
            node.kill();
            system.terminate();
        }
        return isGood;
    }

    private NodeProcess start() throws IOException {
        return NodeProcess.start(directory.resolve("data"), directory.resolve("node.log"), SETTINGS);
    }

    private void fill(ForebayClient client) throws Exception {
        Semaphore free = new Semaphore(UNCONFIRMED_BATCHES);
        AtomicReference<Object> failure = new AtomicReference<>();
        byte[] body = new byte[BODY_BYTES];
        for (int sent = 0; sent < count; sent += BATCH) {
            List<Message> messages = new ArrayList<>(BATCH);
            for (int i = sent; i < Math.min(count, sent + BATCH); i++) {
                messages.add(Message.of(TOPIC, body));
            }
            free.acquire();
            client.sendBatch(messages, Durability.WRITTEN).whenComplete((results, failed) -> {
                if (failed != null) {
                    failure.set(failed);
                } else {
                    results.stream().filter(RestartBenchmark::isFailed).forEach(failure::set);
                }
                free.release();
            });
            if (failure.get() != null) {
                throw new IllegalStateException("not sent: " + failure.get());
            }
        }
        free.acquire(UNCONFIRMED_BATCHES);
    }

    private static boolean isFailed(SendResult result) {
        return !(result instanceof Receipt);
    }

    private long readAll() throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
        long bytes = 0;
        try (Stream<Path> paths = Files.walk(directory.resolve("data"))) {
            for (Path path : paths.filter(Files::isRegularFile).toList()) {
                try (ReadableByteChannel file = FileChannel.open(path)) {
                    for (int read = file.read(buffer.clear()); read >= 0; read = file.read(buffer.clear())) {
                        bytes += read;
                    }
                }
            }
        }
        return bytes;
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }

    private static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    }
}
