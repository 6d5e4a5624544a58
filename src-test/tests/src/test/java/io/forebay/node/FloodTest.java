package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * A node with a small heap under ten times what it may hold, from clients that keep to no rule: they take nothing of what they are
 * sent, they send the largest that there may be and larger, they wait by the hundred thousand; and then they are gone without a
 * word. One client beside them does as it should. I1 nothing confirmed is missing; every refusal has a reason; whoever asks how the
 * node is, by its protocol or over HTTP, gets an answer all the while, and none that it is to be started again; I8 within 10 s of
 * its end everything is taken again, also from a client that has just come; what the node holds is then what it held before; and it
 * has never been out of memory. {@code -Dforebay.flood=300} has it last that many seconds; if these are more than 10, with a million
 * Pops.
 */
@Tag("proof")
class FloodTest {
    private static final int SECONDS = Integer.getInteger("forebay.flood", 10);
    private static final boolean IS_LONG = SECONDS > 10;
    private static final int TIMES = 10;

    private static final int POPS_MAX = IS_LONG ? 100_000 : 20_000;
    private static final long NODE_BYTES_MAX = 32 << 20;
    private static final int REQUESTS_MAX = 1024;
    private static final int LINE_BYTES_MAX = 256 << 10;
    /** When what those who are gone hold is free, so it has to be well below {@link #SERVED_AFTER}. */
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(4);

    private static final Duration SERVED_AFTER = Duration.ofSeconds(10);
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    /** As whoever is refused waits; else what it has stored piles up before it. */
    private static final Duration RETRY_AFTER = Duration.ofMillis(100);

    private static final Duration HEARTBEAT = Duration.ofMillis(400);
    private static final long MINUTE = 60_000;
    private static final long HOUR = 60 * MINUTE;

    private static final int BAIT_COUNT = 300;
    private static final int BAIT_BYTES = 100_000;
    /** Each has the whole bait for itself: together many times the heap. */
    private static final int DEAF_SESSIONS = 8;
    /** Of work before the flood, and after it. */
    private static final int ROUNDS = 20;

    private static final int IGNORING_SESSIONS = 8;
    private static final int GIANT_SESSIONS = 10;
    private static final int UNFINISHED_SESSIONS = 40;
    private static final int POLLS_OF_A_SESSION = REQUESTS_MAX + 76;
    private static final int POLLING_SESSIONS = TIMES * POPS_MAX / 1000;

    /**
     * What a transport may still keep for those who read nothing, for as long as it hopes for them, and as much again for what a
     * node that has seen its first stranger keeps for good.
     */
    private static final long HEAP_MARGIN_BYTES = 2L * DEAF_SESSIONS * LINE_BYTES_MAX;

    private static final Map<String, String> SETTINGS = Map.ofEntries(
            Map.entry("forebay.session.heartbeat-interval", HEARTBEAT.toMillis() + " ms"),
            Map.entry("forebay.session.timeout", SESSION_TIMEOUT.toMillis() + " ms"),
            Map.entry("forebay.session.node-bytes-max", NODE_BYTES_MAX + " B"),
            Map.entry("forebay.session.node-pops-max", String.valueOf(POPS_MAX)),
            Map.entry("forebay.session.requests-max", String.valueOf(REQUESTS_MAX)),
            Map.entry("forebay.session.chunk-bytes-max", LINE_BYTES_MAX + " B"),
            Map.entry("forebay.group.waiting-pops-max", "1000000"),
            Map.entry("forebay.watch.enabled", "on"),
            Map.entry("forebay.store.max-unflushed", "32 MiB"));

    /** Whatever a node answers to a client that keeps to no rule. */
    private static final Set<Refusal.Code> REASONS = EnumSet.of(
            Refusal.Code.BUSY,
            Refusal.Code.LIMIT,
            Refusal.Code.TOO_LARGE,
            Refusal.Code.ILLEGAL_ARGUMENT,
            Refusal.Code.FOREIGN_HANDLE,
            Refusal.Code.FORGED_HANDLE,
            Refusal.Code.TIMED_OUT,
            Refusal.Code.CLOSED);

    @TempDir
    Path directory;

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(120, TimeUnit.SECONDS).join();
    }

    // ---- those who keep to no rule ----------------------------------------------------------------------------------

    /** All of them, and what they are told. */
    private static final class Flood {
        final Map<String, LongAdder> told = new ConcurrentSkipListMap<>();
        final AtomicLong polls = new AtomicLong();
        /** Because as many waited as may wait in the whole node. */
        final AtomicLong pollsRefused = new AtomicLong();

        final AtomicReference<String> wrong = new AtomicReference<>();
        private final String address;
        private final List<ActorSystem<Void>> systems = new ArrayList<>();
        private final AtomicLong lastSession = new AtomicLong(1_000_000);
        private final byte[] piece = new byte[200_000];
        private volatile DeafProxy proxy;
        private volatile boolean isOver;

        Flood(String address) {
            this.address = address;
        }

        private ActorSystem<Void> system(String name, String settings) {
            ActorSystem<Void> system = WireClient.system(
                    name, settings + "\nakka.remote.artery.advanced.outbound-message-queue-size = 500000");
            systems.add(system);
            return system;
        }

        private WireClient open(
                ActorSystem<?> system,
                WireClient.Manners manners,
                java.util.function.BiConsumer<WireClient, SessionEvent> onEvent) {
            AtomicReference<WireClient> client = new AtomicReference<>();
            client.set(new WireClient(system, address, lastSession.incrementAndGet(), HEARTBEAT, manners, event -> {
                note(event);
                if (!isOver && client.get() != null) {
                    onEvent.accept(client.get(), event);
                }
            }));
            return client.get();
        }

        private void note(SessionEvent event) {
            if (event instanceof SessionEvent.Refused refused) {
                refusal(refused.refusal());
            } else if (event instanceof SessionEvent.SendReply reply) {
                reply.results().forEach(result -> {
                    if (result instanceof Refusal refusal) {
                        refusal(refusal);
                    }
                });
            } else if (event instanceof SessionEvent.AckReply reply) {
                reply.results().forEach(result -> {
                    if (result instanceof Refusal refusal) {
                        refusal(refusal);
                    }
                });
            } else if (event instanceof SessionEvent.SessionClosed closed) {
                refusal(closed.reason());
            } else if (event instanceof SessionEvent.OpenRefused refused) {
                refusal(refused.refusal());
            }
        }

        private void refusal(Refusal refusal) {
            told.computeIfAbsent(refusal.code().name(), code -> new LongAdder()).increment();
            if (refusal.text().contains("forebay.session.node-pops-max")) {
                pollsRefused.incrementAndGet();
            }
            if (!REASONS.contains(refusal.code()) || refusal.text().isBlank()) {
                wrong.compareAndSet(null, refusal.toString());
            }
        }

        /**
         * Begins all of it; returns when all have begun. Those who take nothing come last: with them the node has no room for anybody
         * else, and says so.
         */
        void begin() {
            beginPolls();
            Awaitility.await("that as many Pops wait as may").atMost(PATIENCE).until(() -> pollsRefused.get() > 0);
            beginGiants();
            beginUnfinished();
            Awaitility.await("what those who ask for too much are told")
                    .atMost(PATIENCE)
                    .until(() -> told.keySet().containsAll(List.of("LIMIT", "TOO_LARGE", "ILLEGAL_ARGUMENT")));
            try {
                beginDeaf();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            beginIgnoring();
            Awaitility.await("that there is no room any more").atMost(PATIENCE).until(() -> told.containsKey("BUSY"));
        }

        /** Their process lives, and asks, and takes not one byte. What they ask for fits a frame. */
        private void beginDeaf() throws IOException {
            int port = DeafProxy.freePort();
            proxy = new DeafProxy(port);
            ActorSystem<Void> system = system(
                    "deaf",
                    "akka.remote.artery { canonical.port = " + proxy.port() + ", bind { hostname = 127.0.0.1, port = "
                            + port + " } }");
            List<WireClient> clients = new ArrayList<>();
            for (int i = 0; i < DEAF_SESSIONS; i++) {
                clients.add(open(system, WireClient.Manners.READS, (client, event) -> {}));
            }
            clients.forEach(WireClient::awaitOpened);
            proxy.readNoMore();
            for (int i = 0; i < DEAF_SESSIONS; i++) {
                for (int pop = 0; pop < BAIT_COUNT / 2; pop++) {
                    pop(clients.get(i), "deaf-" + i, 2 * BAIT_BYTES);
                }
            }
        }

        /** They read, and acknowledge nothing. What they ask for has to be cut. */
        private void beginIgnoring() {
            ActorSystem<Void> system = system("ignoring", "");
            List<WireClient> clients = new ArrayList<>();
            for (int i = 0; i < IGNORING_SESSIONS; i++) {
                String group = "ignoring-" + i;
                clients.add(open(system, WireClient.Manners.IGNORES, (client, event) -> {
                    if (event instanceof SessionEvent.Refused) {
                        pop(client, group, 8 << 20);
                    }
                }));
            }
            clients.forEach(WireClient::awaitOpened);
            for (int i = 0; i < IGNORING_SESSIONS; i++) {
                for (int pop = 0; pop < 64; pop++) {
                    pop(clients.get(i), "ignoring-" + i, 8 << 20);
                }
            }
        }

        private static void pop(WireClient client, String group, int bytes) {
            client.tell(new SessionCommand.Pop(client.nextId(), "bait", group, 4096, bytes, HOUR, 1000));
        }

        /** The largest that there may be, and larger, again as soon as it is answered, whatever the answer says. */
        private void beginGiants() {
            ActorSystem<Void> system = system("giants", "");
            List<WireClient> clients = new ArrayList<>();
            for (int i = 0; i < GIANT_SESSIONS; i++) {
                clients.add(open(system, WireClient.Manners.READS, (client, event) -> {
                    if (event instanceof SessionEvent.Reply) {
                        giant(client);
                    }
                }));
            }
            for (WireClient client : clients) {
                client.awaitOpened();
                giant(client);
                giant(client);
            }
        }

        private void giant(WireClient client) {
            SessionLimits limits = client.awaitOpened().limits();
            long id = client.nextId();
            int kind = (int) (id % 8);
            if (kind == 5) {
                send(client, id, limits.batchCountMax() + 1, 10);
            } else if (kind == 6) {
                send(client, id, 1, limits.bodyBytesMax() + 1);
            } else if (kind == 7) {
                ReceiptHandle forged = new ReceiptHandle(1, 2, 3, 4, 5, 6, 7, 8);
                client.tell(new SessionCommand.Ack(
                        id, "g", Collections.nCopies(limits.batchCountMax() + 1, forged), Durability.FLUSHED));
            } else {
                int excess = kind == 4 ? 1 : 0;
                send(client, id, limits.batchBytesMax() / (BAIT_BYTES + 400) + excess, BAIT_BYTES);
            }
        }

        private static void send(WireClient client, long id, int count, int bodyBytes) {
            byte[] body = new byte[bodyBytes];
            List<Message> messages = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                messages.add(Message.of("giant", body));
            }
            client.tell(new SessionCommand.Send(
                    id, "giant", -1, messages, id % 2 == 0 ? Durability.WRITTEN : Durability.FLUSHED));
        }

        /** They begin what is as large as it may be and never end it, without waiting for credits; or larger. */
        private void beginUnfinished() {
            ActorSystem<Void> system = system("unfinished", "");
            List<WireClient> clients = new ArrayList<>();
            for (int i = 0; i < UNFINISHED_SESSIONS; i++) {
                clients.add(open(system, WireClient.Manners.READS, (client, event) -> {}));
            }
            clients.forEach(WireClient::awaitOpened);
            for (int i = 0; i < UNFINISHED_SESSIONS; i++) {
                WireClient client = clients.get(i);
                int total =
                        i % 10 == 9 ? 1 << 30 : client.awaitOpened().limits().bytesInFlightMax();
                for (int index = 0; index < total / piece.length && index < 80; index++) {
                    client.tellUnasked(new Chunk(1, index, total, piece));
                }
            }
        }

        /** They wait for what never comes; who is refused asks again at once. */
        private void beginPolls() {
            ActorSystem<Void> system = system("polls", "");
            List<WireClient> clients = new ArrayList<>();
            for (int i = 0; i < POLLING_SESSIONS; i++) {
                clients.add(open(system, WireClient.Manners.READS, (client, event) -> {
                    if (event instanceof SessionEvent.Refused) {
                        poll(client);
                    }
                }));
            }
            for (WireClient client : clients) {
                client.awaitOpened();
                for (int i = 0; i < POLLS_OF_A_SESSION; i++) {
                    poll(client);
                }
            }
        }

        private void poll(WireClient client) {
            polls.incrementAndGet();
            client.tell(new SessionCommand.Pop(client.nextId(), "idle", "g", 10, 1 << 20, MINUTE, 5 * MINUTE));
        }

        /** They are gone without a word. */
        void end() throws IOException {
            isOver = true;
            systems.forEach(ActorSystem::terminate);
            if (proxy != null) {
                proxy.close();
            }
            systems.forEach(system -> join(system.getWhenTerminated()));
        }

        Map<String, Long> seen() {
            Map<String, Long> sums = new TreeMap<>();
            told.forEach((code, sum) -> sums.put(code, sum.sum()));
            return sums;
        }
    }

    // ---- the one that does as it should -----------------------------------------------------------------------------

    /** A message every few milliseconds, and what comes is acked. */
    private static final class Service {
        final Set<String> confirmed = ConcurrentHashMap.newKeySet();
        final Set<String> acked = ConcurrentHashMap.newKeySet();
        final AtomicReference<Throwable> failure = new AtomicReference<>();
        final LongAdder refused = new LongAdder();
        private final AtomicLong lastNumber = new AtomicLong();
        private final AtomicLong unanswered = new AtomicLong();
        private final ForebayClient client;
        private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        private volatile boolean isOver;

        Service(ForebayClient client) {
            this.client = client;
            clock.scheduleWithFixedDelay(this::send, 0, 10, TimeUnit.MILLISECONDS);
            consume();
        }

        private void send() {
            String id = "service-" + lastNumber.incrementAndGet();
            unanswered.incrementAndGet();
            client.send(Message.builder("service").id(id).body(new byte[300]).build())
                    .whenComplete((receipt, thrown) -> {
                        unanswered.decrementAndGet();
                        if (thrown == null) {
                            confirmed.add(id);
                        } else if (!isRefusal(thrown)) {
                            failure.compareAndSet(null, thrown);
                        }
                    });
        }

        private boolean isRefusal(Throwable thrown) {
            Throwable cause = thrown instanceof CompletionException ? thrown.getCause() : thrown;
            boolean isRefusal = cause instanceof ForebayException refusal && REASONS.contains(refusal.code());
            if (isRefusal) {
                refused.increment();
            }
            return isRefusal;
        }

        private void consume() {
            client.pop(PopRequest.of("service", "g", 100).withWaitMax(Duration.ofSeconds(1)))
                    .whenComplete((deliveries, thrown) -> {
                        if (thrown != null && !isRefusal(thrown)) {
                            failure.compareAndSet(null, thrown);
                            return;
                        }
                        for (Delivery delivery : thrown == null ? deliveries : List.<Delivery>of()) {
                            client.ack(delivery).whenComplete((outcome, ackCause) -> {
                                if (ackCause == null) {
                                    acked.add(delivery.message().id());
                                }
                                // Otherwise it comes again.
                            });
                        }
                        if (!isOver) {
                            consume();
                        }
                    });
        }

        /** Sends nothing any more, and waits until everything is through. */
        void finish() {
            clock.shutdown();
            Awaitility.await("the service's messages")
                    .atMost(Duration.ofSeconds(90))
                    .pollInterval(Duration.ofMillis(50))
                    .until(() -> failure.get() != null || (unanswered.get() == 0 && acked.containsAll(confirmed)));
            isOver = true;
            assertThat(failure.get()).isNull();
            Set<String> missing = new HashSet<>(confirmed);
            missing.removeAll(acked);
            assertThat(missing).as("I1").isEmpty();
        }
    }

    // ---- whoever asks how the node is -------------------------------------------------------------------------------

    /** Asks over HTTP without end, as what looks after a process does. */
    private static final class Watcher implements AutoCloseable {
        private static final long PAUSE_MILLIS = 20;

        private final HttpClient http = HttpClient.newHttpClient();
        private final int port;
        private final Thread thread = new Thread(this::watch, "watcher");
        private final AtomicReference<Throwable> failure = new AtomicReference<>();
        private final CountDownLatch over = new CountDownLatch(1);
        private volatile long answers;
        private volatile long notReady;
        private final AtomicLong slowestNanos = new AtomicLong();

        Watcher(int port) {
            this.port = port;
            thread.start();
        }

        private void watch() {
            try {
                do {
                    HttpResponse<String> alive = get("/alive");
                    assertThat(alive.statusCode()).as("I8: %s", alive.body()).isEqualTo(200);
                    HttpResponse<String> ready = get("/ready");
                    if (ready.statusCode() != 200) {
                        assertThat(ready.body()).as("I8: it says why").contains("\"code\":");
                        notReady++;
                    }
                    answers += 2;
                    // With pauses, so that it is not a flood of its own.
                } while (!over.await(PAUSE_MILLIS, TimeUnit.MILLISECONDS));
            } catch (Throwable e) {
                failure.set(e);
            }
        }

        private HttpResponse<String> get(String path) throws IOException, InterruptedException {
            long asked = System.nanoTime();
            HttpResponse<String> response = http.send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                            .timeout(PATIENCE)
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            slowestNanos.accumulateAndGet(System.nanoTime() - asked, Math::max);
            return response;
        }

        boolean isReady() throws IOException, InterruptedException {
            return get("/ready").statusCode() == 200;
        }

        @Override
        public void close() {
            end();
        }

        /** Asks no more. */
        void end() {
            over.countDown();
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Sends, pops and acks. @return null if nothing was refused, else what was */
    private static String round(WireClient client, int number) {
        int count = 50;
        Set<String> ids = new HashSet<>();
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String id = "round-" + number + "-" + i;
            ids.add(id);
            messages.add(Message.builder("round")
                    .id(id)
                    .body(id.getBytes(StandardCharsets.UTF_8))
                    .build());
        }
        SessionEvent.Reply sent = join(client.begin(id -> new SessionCommand.Send(
                id, "round", -1, messages, number % 2 == 0 ? Durability.WRITTEN : Durability.FLUSHED)));
        if (!(sent instanceof SessionEvent.SendReply reply)
                || !reply.results().stream().allMatch(Receipt.class::isInstance)) {
            return sent.toString();
        }
        while (!ids.isEmpty()) {
            SessionEvent.Reply popped =
                    join(client.begin(id -> new SessionCommand.Pop(id, "round", "g", count, 1 << 20, MINUTE, 10_000)));
            if (!(popped instanceof SessionEvent.Popped some)
                    || some.deliveries().isEmpty()) {
                return popped + ", " + ids.size() + " to come";
            }
            List<ReceiptHandle> handles = NodeFixture.handles(some.deliveries());
            SessionEvent.Reply acked =
                    join(client.begin(id -> new SessionCommand.Ack(id, "g", handles, Durability.WRITTEN)));
            if (!(acked instanceof SessionEvent.AckReply all)
                    || !all.results().stream().allMatch(AckOutcome.ACKED::equals)) {
                return acked.toString();
            }
            some.deliveries().forEach(delivery -> ids.remove(delivery.message().id()));
        }
        return null;
    }

    // ---- what the node holds ----------------------------------------------------------------------------------------

    /** After a full collection: the last line of a class histogram is its sum. */
    private static long liveBytes(ForkedNode node, Path histogram) throws Exception {
        Process jcmd = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                        String.valueOf(node.pid()),
                        "GC.class_histogram")
                .redirectErrorStream(true)
                .redirectOutput(histogram.toFile())
                .start();
        assertThat(jcmd.waitFor(60, TimeUnit.SECONDS)).isTrue();
        List<String> lines = Files.readAllLines(histogram);
        String[] words = lines.get(lines.size() - 1).trim().split("\\s+");
        assertThat(words[0]).as("the end of %s", lines).isEqualTo("Total");
        return Long.parseLong(words[2]);
    }

    private static String top(Path histogram) throws IOException {
        return String.join(
                "\n", Files.readAllLines(histogram).stream().limit(25).toList());
    }

    // ---- the flood --------------------------------------------------------------------------------------------------

    /** Works as long as it is refused something, but not longer than after a flood it may. */
    private static void awaitService(WireClient client, AtomicInteger lastRound, long endedNanos) {
        Awaitility.await("service")
                .atMost(PATIENCE)
                .pollInterval(RETRY_AFTER)
                .pollInSameThread()
                .until(() -> {
                    String refused = round(client, lastRound.incrementAndGet());
                    assertThat(System.nanoTime() - endedNanos)
                            .as("I8: nanoseconds after the flood; refused is %s", refused)
                            .isLessThan(SERVED_AFTER.toNanos());
                    return refused == null;
                });
    }

    @Test
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    @EnabledOnOs(OS.LINUX)
    void aNodeIsAfterTheFloodWhatItWasBefore() throws Exception {
        Path log = directory.resolve("node.log");
        Path histogram = directory.resolve("histogram");
        Map<String, String> settings = new HashMap<>(SETTINGS);
        int watchPort = DeafProxy.freePort();
        settings.put("forebay.watch.port", String.valueOf(watchPort));
        ActorSystem<Void> system = WireClient.system("good", "");
        try (ForkedNode node = ForkedNode.start(
                        directory.resolve("data"),
                        0,
                        settings,
                        // Whoever catches that error does not hide it.
                        List.of("-Xmx256m", "-XX:+ExitOnOutOfMemoryError"),
                        log);
                Watcher watcher = new Watcher(watchPort)) {
            ForebayClient client = ForebayClient.connect(
                    system, Target.contact(node.address()), ClientSettings.of(system), notice -> {});
            WireClient doctor =
                    new WireClient(system, node.address(), 1, HEARTBEAT, WireClient.Manners.READS, event -> {});
            doctor.awaitOpened();
            // So that the disk is not what ends it.
            join(client.createTopic("giant", 2, Map.of("max-bytes", "32 MiB")));
            join(client.createTopic("bait", 1, Map.of()));
            join(client.createTopic("idle", 4, Map.of()));
            join(client.createGroup("g", "idle", Map.of()));
            List<CompletionStage<?>> bait = new ArrayList<>();
            for (int i = 0; i < BAIT_COUNT; i++) {
                bait.add(client.send(Message.of("bait", new byte[BAIT_BYTES]), Durability.WRITTEN));
                if (i % 100 == 99) {
                    bait.forEach(FloodTest::join);
                }
            }
            for (int number = -ROUNDS; number < 0; number++) {
                assertThat(round(doctor, number)).isNull();
            }
            Service service = new Service(client);
            Awaitility.await("it serves").until(() -> service.acked.size() > 20);
            long before = liveBytes(node, histogram);

            Flood flood = new Flood(node.address());
            long slowest = 0;
            int waitingPops = 0;
            long began = System.nanoTime();
            try {
                CompletableFuture<Void> begun = CompletableFuture.runAsync(flood::begin);
                do {
                    long asked = System.nanoTime();
                    waitingPops = Math.max(
                            waitingPops,
                            doctor.ask(
                                            id -> new SessionCommand.DescribeGroup(id, "g", "idle"),
                                            SessionEvent.GroupDescribed.class)
                                    .topics()
                                    .get(0)
                                    .waitingPops());
                    doctor.ask(id -> new SessionCommand.DescribeTopic(id, "giant"), SessionEvent.TopicDescribed.class);
                    slowest = Math.max(slowest, System.nanoTime() - asked);
                } while (!begun.isDone() || System.nanoTime() - began < TimeUnit.SECONDS.toNanos(SECONDS));
                begun.join();
            } catch (CompletionException | AssertionError e) {
                throw new AssertionError(
                        "in the flood; the node " + (node.isAlive() ? "lives" : "is gone") + ", its log: "
                                + Files.readString(log),
                        e);
            } finally {
                flood.end();
            }
            long ended = System.nanoTime();
            assertThat(node.isAlive()).as("the node's process lives").isTrue();

            AtomicInteger lastRound = new AtomicInteger();
            awaitService(doctor, lastRound, ended);
            long servedAfterMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - ended);
            WireClient newcomer =
                    new WireClient(system, node.address(), 2, HEARTBEAT, WireClient.Manners.READS, event -> {});
            newcomer.awaitOpened();
            awaitService(newcomer, lastRound, ended);
            assertThat(watcher.isReady()).as("I8: it says that it is ready").isTrue();
            for (int more = 0; more < ROUNDS; more++) {
                assertThat(round(more % 2 == 0 ? doctor : newcomer, lastRound.incrementAndGet()))
                        .as("I8")
                        .isNull();
            }
            service.finish();
            watcher.end();
            assertThat(watcher.failure.get()).isNull();
            long[] after = {0};
            try {
                Awaitility.await("what it holds")
                        .atMost(Duration.ofSeconds(60))
                        .pollDelay(Duration.ZERO)
                        .pollInterval(Duration.ofSeconds(1))
                        .until(() -> (after[0] = liveBytes(node, histogram)) <= before + HEAP_MARGIN_BYTES);
            } finally {
                System.out.println("flood of " + SECONDS + " s: " + flood.polls + " long polls of which " + waitingPops
                        + " waited and " + flood.pollsRefused + " were refused for as many, refusals " + flood.seen()
                        + "; " + service.confirmed.size()
                        + " messages confirmed beside it, " + service.refused
                        + " refused, none lost; slowest description "
                        + TimeUnit.NANOSECONDS.toMillis(slowest) + " ms, slowest of " + watcher.answers
                        + " answers over HTTP " + TimeUnit.NANOSECONDS.toMillis(watcher.slowestNanos.get()) + " ms, "
                        + watcher.notReady + " not ready; served again after " + servedAfterMillis
                        + " ms; heap " + before + " bytes before, " + after[0] + " after");
                if (after[0] > before + HEAP_MARGIN_BYTES) {
                    System.out.println(top(histogram));
                }
            }
            assertThat(flood.wrong.get())
                    .as("a refusal without a reason of its own")
                    .isNull();
            assertThat(flood.polls.get()).isGreaterThanOrEqualTo((long) TIMES * POPS_MAX);
            assertThat(waitingPops).isBetween(POPS_MAX / 2, POPS_MAX);
            assertThat(slowest)
                    .as("nanoseconds that a description took; after this a client takes a node for gone")
                    .isLessThan(SESSION_TIMEOUT.toNanos());
            assertThat(watcher.slowestNanos.get())
                    .as("nanoseconds that an answer over HTTP took")
                    .isLessThan(SESSION_TIMEOUT.toNanos());
            assertThat(node.isAlive()).isTrue();
            assertThat(Files.readString(log)).doesNotContain("OutOfMemoryError");
            join(client.close());
        } finally {
            system.terminate();
            join(system.getWhenTerminated());
        }
    }
}
