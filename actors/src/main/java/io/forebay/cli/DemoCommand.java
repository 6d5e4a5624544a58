package io.forebay.cli;

import akka.actor.typed.ActorSystem;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogVerifier;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay demo}: a node, real lines, a kill -9 in the middle, and a judge. */
@Command(
        name = "demo",
        description = {
            "Watch a node work, and survive a kill -9.",
            "Starts a node in a process of its own on a temporary directory, sends it every line of the files, pops"
                    + " and acks",
            "them, kills the node half-way, starts it again, and compares what came out with what went in. Exit code 0"
                    + " only",
            "when nothing is lost and nothing is altered."
        })
final class DemoCommand implements Callable<Integer> {
    private static final String TOPIC = "demo";
    private static final String GROUP = "readers";
    private static final int CONSUMER_COUNT = 3;
    /** Messages of one pop: small enough that several consumers share what there is. */
    private static final int POP_COUNT = 256;
    /** Sent and not yet acked: what makes the time from send to pop that of the node, not that of a backlog. */
    private static final int UNDER_WAY_MAX = 1024;

    private static final Duration NODE_PATIENCE = Duration.ofSeconds(60);
    private static final Duration STALL_PATIENCE = Duration.ofSeconds(40);
    private static final long TICK_MILLIS = 100;

    private final Shell shell;

    @Parameters(
            paramLabel = "FILE",
            arity = "0..*",
            description =
                    "Send the lines of these files, once. Default: the text files of this checkout and of the JDK, in"
                            + " as many passes as give 100,000 messages.")
    private List<String> files = new ArrayList<>();

    @Option(
            names = "--messages",
            paramLabel = "N",
            description = "Send at least N messages, in as many passes as that needs.")
    private Integer messageCountMin;

    @Option(
            names = "--durability",
            paramLabel = "LEVEL",
            defaultValue = "written",
            description =
                    "What a confirmed Send proves: written (survives kill -9) or flushed. Default: ${DEFAULT-VALUE}.")
    private String durabilityText;

    @Option(names = "--json", description = "Print the summary as JSON.")
    private boolean isJson;

    DemoCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (messageCountMin != null && (messageCountMin < 1 || messageCountMin > DemoInput.MESSAGE_COUNT_MAX)) {
            throw CliException.usage(
                    "--messages is " + messageCountMin + "; allowed is 1 to " + DemoInput.MESSAGE_COUNT_MAX);
        }
        Durability durability = SendCommand.durability("--durability", durabilityText);
        DemoInput input = input();
        Path directory = LocalFiles.createTemporaryDirectory("forebay-demo-");
        DemoNode node = new DemoNode(
                directory,
                Map.of(
                        "forebay.topic.auto-create", "on",
                        "forebay.node.name", "demo",
                        // Clients notice the kill by its silence; half a minute of that would be a dull demo.
                        "forebay.session.heartbeat-interval", "500 ms",
                        "forebay.session.timeout", "3 s",
                        // A short life needs no large files made ahead, nor a large reserve.
                        "forebay.storage.segment-size", "16 MiB",
                        "forebay.storage.low-space", "64 MiB"));
        Thread cleaner = new Thread(
                () -> {
                    node.destroyNow();
                    LocalFiles.deleteTree(directory);
                },
                "forebay-demo-cleaner");
        Runtime.getRuntime().addShutdownHook(cleaner);
        try {
            return new Run(input, node, durability).run();
        } finally {
            cleaner.run();
            forget(cleaner);
        }
    }

    private static void forget(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is going down: the hook runs, and finds nothing left to do.
            return;
        }
    }

    private DemoInput input() {
        if (!files.isEmpty()) {
            return DemoInput.of(files, messageCountMin == null ? 1 : messageCountMin);
        }
        String home = System.getProperty("forebay-launcher.home");
        return DemoInput.ofTexts(
                home == null ? null : Path.of(home),
                Path.of(System.getProperty("java.home")),
                messageCountMin == null ? DemoInput.DEFAULT_MESSAGE_COUNT : messageCountMin);
    }

    /** One run: a producer and several consumers on threads of their own, the command's thread watches and kills. */
    private final class Run {
        private final DemoInput input;
        private final DemoNode node;
        private final Durability durability;
        private final DemoJudge judge;
        private final DemoTable table = new DemoTable();
        private final Semaphore underWay = new Semaphore(UNDER_WAY_MAX);
        private final AtomicReference<Throwable> failure = new AtomicReference<>();
        private final List<Thread> threads = new ArrayList<>();
        private volatile boolean isSent;
        private volatile boolean isOver;
        private long beganNanos;
        private long rowNanos;
        private String nodeState = "starting";
        private int confirmedAtKill;
        private long awayNanos;

        Run(DemoInput input, DemoNode node, Durability durability) {
            this.input = input;
            this.node = node;
            this.durability = durability;
            this.judge = new DemoJudge(input.messageCount());
        }

        int run() throws InterruptedException {
            say(String.format(
                    Locale.ROOT,
                    "%,d messages: %,d lines of %,d files%s",
                    input.messageCount(),
                    input.linesPerPass(),
                    input.sources().size(),
                    input.passCount() == 1 ? "" : ", in " + input.passCount() + " passes"));
            node.start(NODE_PATIENCE);
            say("node at " + node.address() + ", data in " + node.data());
            ActorSystem<Void> system = NodeLink.outside(node.address(), "forebay-demo");
            List<ForebayClient> clients = new ArrayList<>();
            try {
                work(system, clients);
            } finally {
                isOver = true;
                for (Thread thread : threads) {
                    thread.interrupt();
                }
                shell.console().endProgress();
                for (ForebayClient client : clients) {
                    client.close();
                }
                NodeLink.end(system);
            }
            boolean isCleanStop = node.stop(Duration.ofSeconds(30));
            return summary(isCleanStop, verifyLog());
        }

        private void work(ActorSystem<Void> system, List<ForebayClient> clients) throws InterruptedException {
            ForebayClient producer = NodeLink.patientClient(system, node.address());
            clients.add(producer);
            NodeLink.awaitStage(producer.whenConnected());
            // Made before the first message, so that no consumer asks for a topic that is not there yet.
            NodeLink.awaitStage(producer.createTopic(TOPIC, 0, Map.of()));
            NodeLink.awaitStage(producer.createGroup(GROUP, TOPIC, Map.of()));
            for (int index = 0; index < CONSUMER_COUNT; index++) {
                ForebayClient consumer = NodeLink.patientClient(system, node.address());
                clients.add(consumer);
                startThread("forebay-demo-consumer-" + index, () -> consume(consumer));
            }
            nodeState = "serving";
            beganNanos = shell.nanos();
            rowNanos = beganNanos;
            say(table.heading());
            startThread("forebay-demo-producer", () -> produce(producer));
            watch();
        }

        /** Until every message is acked, or nothing moves any more. */
        private void watch() throws InterruptedException {
            boolean isKilled = false;
            long movedNanos = shell.nanos();
            long moved = -1;
            while (true) {
                TimeUnit.MILLISECONDS.sleep(TICK_MILLIS);
                throwFailure();
                tick();
                if (!isKilled && judge.confirmedCount() >= input.messageCount() / 2) {
                    isKilled = true;
                    killAndStart();
                    movedNanos = shell.nanos();
                }
                long now = shell.nanos();
                long sum = (long) judge.sentCount() + judge.confirmedCount() + judge.poppedCount() + judge.ackedCount();
                if (sum != moved) {
                    moved = sum;
                    movedNanos = now;
                }
                if (isSent && judge.isWhole()) {
                    break;
                }
                if (now - movedNanos > STALL_PATIENCE.toNanos()) {
                    say("nothing has moved for " + Durations.print(STALL_PATIENCE) + ", giving up");
                    break;
                }
            }
            // What comes again after everything was acked would come now.
            TimeUnit.MILLISECONDS.sleep(500);
            tick();
            keepRow();
        }

        private void killAndStart() throws InterruptedException {
            confirmedAtKill = judge.confirmedCount();
            long killedNanos = shell.nanos();
            judge.nodeKilled();
            node.kill();
            nodeState = "killed with -9";
            keepRow();
            nodeState = "starting again";
            CompletableFuture<Void> serving = new CompletableFuture<>();
            startThread("forebay-demo-restart", () -> {
                try {
                    node.start(NODE_PATIENCE);
                    serving.complete(null);
                } catch (RuntimeException e) {
                    serving.completeExceptionally(e);
                }
            });
            while (!serving.isDone()) {
                TimeUnit.MILLISECONDS.sleep(TICK_MILLIS);
                tick();
            }
            NodeLink.awaitStage(serving);
            judge.nodeBack();
            awayNanos = shell.nanos() - killedNanos;
            nodeState = "serving";
            keepRow();
        }

        private void tick() {
            long now = shell.nanos();
            if (nodeState.equals("serving") && !node.isAlive()) {
                throw new CliException(ExitCode.LOCAL, "the node's process has ended by itself");
            }
            if (now - rowNanos >= 1_000_000_000L) {
                keepRow();
            } else if (shell.console().isErrTerminal()) {
                shell.console().progress(table.line(row()));
            }
        }

        private void keepRow() {
            DemoTable.Row row = row();
            say(table.line(row));
            table.keep(row);
            rowNanos = shell.nanos();
        }

        private DemoTable.Row row() {
            return new DemoTable.Row(
                    (shell.nanos() - beganNanos) / 1e9,
                    judge.sentCount(),
                    judge.confirmedCount(),
                    judge.poppedCount(),
                    judge.ackedCount(),
                    judge.inFlightCount(),
                    node.unflushedBytes(),
                    node.durableSequence(),
                    nodeState);
        }

        private void produce(ForebayClient client) throws InterruptedException, IOException {
            for (int pass = 0; pass < input.passCount(); pass++) {
                for (int index = 0; index < input.sources().size(); index++) {
                    DemoInput.Source source = input.sources().get(index);
                    String before = pass + "." + index + ".";
                    // The file is the key: its lines stay in order.
                    Message.Builder builder = Message.builder(TOPIC).messageGroup("file-" + index);
                    Map<String, String> properties = new LinkedHashMap<>();
                    properties.put("file", source.file().name());
                    properties.put("pass", String.valueOf(pass));
                    int current = pass;
                    DemoInput.forEachLine(source, (line, body) -> {
                        underWay.acquire();
                        int number = input.number(current, source, line);
                        properties.put("line", String.valueOf(line + 1));
                        Message message = builder.id(before + line)
                                .body(body)
                                .properties(properties)
                                .build();
                        judge.sent(number, Message.crcOf(body), shell.nanos());
                        client.send(message, durability).whenComplete((receipt, thrown) -> {
                            if (thrown == null) {
                                judge.confirmed(number);
                            } else {
                                failure.compareAndSet(null, thrown);
                            }
                        });
                        return !isOver;
                    });
                }
            }
            isSent = true;
        }

        private void consume(ForebayClient client) throws InterruptedException {
            PopRequest request = PopRequest.of(TOPIC, GROUP, POP_COUNT).withWaitMax(Duration.ofSeconds(2));
            while (!isOver) {
                List<Delivery> deliveries = NodeLink.awaitStage(client.pop(request));
                long now = shell.nanos();
                List<ReceiptHandle> handles = new ArrayList<>(deliveries.size());
                int[] numbers = new int[deliveries.size()];
                for (int index = 0; index < numbers.length; index++) {
                    Delivery delivery = deliveries.get(index);
                    numbers[index] = numberOf(delivery.message());
                    judge.popped(
                            numbers[index],
                            Message.crcOf(delivery.body()),
                            delivery.queue(),
                            delivery.queueOffset(),
                            now);
                    handles.add(delivery.handle());
                }
                if (!handles.isEmpty()) {
                    client.ackBatch(GROUP, handles, null).whenComplete((results, thrown) -> {
                        if (thrown != null) {
                            failure.compareAndSet(null, thrown);
                            return;
                        }
                        settled(numbers, results);
                    });
                }
            }
        }

        private void settled(int[] numbers, List<AckResult> results) {
            for (int index = 0; index < numbers.length; index++) {
                // A refused ack is one of an attempt that has been overtaken: the message comes again, and is judged
                // then.
                if (results.get(index) instanceof AckOutcome && judge.acked(numbers[index])) {
                    underWay.release();
                }
            }
        }

        /** The number the message's id stands for, -1 if its parts do not fit together. */
        private int numberOf(Message message) {
            String[] parts = message.id().split("\\.", -1);
            try {
                int pass = Integer.parseInt(parts[0]);
                int line = Integer.parseInt(parts[2]);
                DemoInput.Source source = input.sources().get(Integer.parseInt(parts[1]));
                Map<String, String> properties = message.properties();
                boolean isWhole = parts.length == 3
                        && source.file().name().equals(properties.get("file"))
                        && String.valueOf(pass).equals(properties.get("pass"))
                        && String.valueOf(line + 1).equals(properties.get("line"));
                return isWhole ? input.number(pass, source, line) : -1;
            } catch (NumberFormatException | IndexOutOfBoundsException e) {
                return -1;
            }
        }

        private void startThread(String name, Task task) {
            Thread thread = new Thread(
                    () -> {
                        try {
                            task.run();
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        } catch (Exception | AssertionError e) {
                            if (!isOver) {
                                failure.compareAndSet(null, e);
                            }
                        }
                    },
                    name);
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }

        private void throwFailure() {
            Throwable thrown = failure.get();
            if (thrown == null) {
                return;
            }
            if (Refusals.of(thrown) != null) {
                throw Refusals.toException("the demo was refused something: ", Refusals.of(thrown));
            }
            if (thrown instanceof IOException) {
                throw new CliException(
                        ExitCode.LOCAL, "a file cannot be read any more: " + CliException.reasonOf(thrown), thrown);
            }
            throw new AssertionError(thrown);
        }

        private LogVerifier.Report verifyLog() {
            try (StorageDirectory root = FileStorageDirectory.at(node.data().toString())) {
                for (String name : root.children()) {
                    try (StorageDirectory stripe = root.child(name)) {
                        if (LogVerifier.isStripe(stripe)) {
                            return LogVerifier.verify(stripe);
                        }
                    }
                }
                return null;
            } catch (IOException e) {
                throw new CliException(ExitCode.LOCAL, "the log cannot be read: " + CliException.reasonOf(e), e);
            }
        }

        private int summary(boolean isCleanStop, LogVerifier.Report log) {
            DemoJudge.Verdict verdict = judge.verdict(input);
            boolean isLogSound = log != null && log.isSound();
            boolean isGood = verdict.isGood() && isLogSound;
            LatencyHistogram durable = node.writtenToDurable();
            if (isJson) {
                shell.console().println(Json.write(json(verdict, isGood, isLogSound, isCleanStop)));
                return isGood ? ExitCode.OK : ExitCode.CHECK_FAILED;
            }
            Console console = shell.console();
            console.println(line("sent", "%,d (confirmed %,d)", verdict.sentCount(), verdict.confirmedCount()));
            console.println(line("acked", "%,d", verdict.ackedCount()));
            console.println(line("lost", "%,d", verdict.lostCount()));
            console.println(line("altered", "%,d", verdict.alteredCount()));
            console.println(line(
                    "duplicated",
                    "%,d in flight at the kill, %,d otherwise, %,d after their ack",
                    verdict.duplicateAtKillCount(),
                    verdict.duplicateElsewhereCount(),
                    verdict.afterAckCount()));
            console.println(
                    verdict.orderBreakCount() == 0
                            ? line(
                                    "order",
                                    "kept in each of %,d files",
                                    input.sources().size())
                            : line("order", "BROKEN %,d times", verdict.orderBreakCount()));
            console.println(line(
                    "send to pop",
                    "p50 %s, p99 %s",
                    Durations.glance(verdict.sendToPopP50Nanos()),
                    Durations.glance(verdict.sendToPopP99Nanos())));
            console.println(line(
                    "written to durable",
                    "p50 %s, p99 %s (looked at each ms)",
                    Durations.glance(durable.percentileNanos(0.50)),
                    Durations.glance(durable.percentileNanos(0.99))));
            console.println(line(
                    "killed with -9",
                    "after %,d confirmed messages; served again %s later",
                    confirmedAtKill,
                    Durations.glance(awayNanos)));
            console.println(line(
                    "log",
                    "%s%s",
                    log == null
                            ? "MISSING"
                            : isLogSound
                                    ? "sound"
                                    : "DAMAGED: " + log.problems().get(0).reason(),
                    log == null ? "" : String.format(Locale.ROOT, ", %,d records", log.records())));
            console.println(isGood ? "Nothing lost, nothing altered." : "NOT GOOD: see above.");
            return isGood ? ExitCode.OK : ExitCode.CHECK_FAILED;
        }

        private Map<String, Object> json(
                DemoJudge.Verdict verdict, boolean isGood, boolean isLogSound, boolean isCleanStop) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("good", isGood);
            json.put("sent", verdict.sentCount());
            json.put("confirmed", verdict.confirmedCount());
            json.put("popped", verdict.poppedCount());
            json.put("acked", verdict.ackedCount());
            json.put("lost", verdict.lostCount());
            json.put("altered", verdict.alteredCount());
            json.put("duplicatedAtKill", verdict.duplicateAtKillCount());
            json.put("duplicatedOtherwise", verdict.duplicateElsewhereCount());
            json.put("backAfterAck", verdict.afterAckCount());
            json.put("orderBreaks", verdict.orderBreakCount());
            json.put("sendToPopP50Micros", verdict.sendToPopP50Nanos() / 1000);
            json.put("sendToPopP99Micros", verdict.sendToPopP99Nanos() / 1000);
            json.put("writtenToDurableP50Micros", node.writtenToDurable().percentileNanos(0.50) / 1000);
            json.put("writtenToDurableP99Micros", node.writtenToDurable().percentileNanos(0.99) / 1000);
            json.put("confirmedAtKill", confirmedAtKill);
            json.put("awayMillis", awayNanos / 1_000_000);
            json.put("logSound", isLogSound);
            json.put("cleanStop", isCleanStop);
            return json;
        }

        private String line(String what, String form, Object... values) {
            return String.format(Locale.ROOT, "%-20s", what) + String.format(Locale.ROOT, form, values);
        }

        private void say(String line) {
            shell.console().say(line);
        }
    }

    private interface Task {
        void run() throws InterruptedException, IOException;
    }
}
