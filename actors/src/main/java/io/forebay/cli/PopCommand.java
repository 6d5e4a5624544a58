package io.forebay.cli;

import io.forebay.client.PopRequest;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay pop}: a line of stdout for each message. */
@Command(
        name = "pop",
        description = {
            "Take messages and print each body as one line of stdout; a message is acked after its line was written.",
            "Waits for a node that is away. What was not printed goes back at once, also on an interrupt."
        })
final class PopCommand implements Callable<Integer> {
    /** Batches of acks that may be unanswered before the next messages are taken. */
    private static final int ACKS_PENDING_MAX = 16;

    private static final byte[] NEWLINE = {'\n'};

    private final Shell shell;

    @Parameters(paramLabel = "TOPIC", description = "The topic to take from.")
    private String topic;

    @Mixin
    private ConnectOptions connect;

    @Option(names = "--group", paramLabel = "G", required = true, description = "The consumer group.")
    private String group;

    @Option(
            names = "--max",
            paramLabel = "N",
            defaultValue = "256",
            description = "Most messages of one pop, 1 to 65535. Default: ${DEFAULT-VALUE}.")
    private int countMax;

    @Option(
            names = "--invisible",
            paramLabel = "TIME",
            defaultValue = "30s",
            description = "How long nobody else gets what was popped; extended by itself until it is printed and acked,"
                    + " but not with --no-ack. Default: ${DEFAULT-VALUE}.")
    private String invisibleText;

    @Option(
            names = "--wait",
            paramLabel = "TIME",
            defaultValue = "20s",
            description = "How long one pop waits for a first message. Default: ${DEFAULT-VALUE}.")
    private String waitText;

    @Option(
            names = "--no-ack",
            description =
                    "Ack nothing: print GROUP:HANDLE, a tab and the body, then detach, so that the deadlines hold."
                            + " Ends after the first pop unless --count or --idle-exit is given.")
    private boolean isNotAcking;

    @Option(names = "--count", paramLabel = "N", description = "End after N messages.")
    private Long count;

    @Option(names = "--idle-exit", paramLabel = "TIME", description = "End when nothing came for so long.")
    private String idleText;

    @Option(
            names = "--durability",
            paramLabel = "LEVEL",
            description = "What an ack must prove: written or flushed. Default: the group's own.")
    private String durabilityText;

    @Option(names = "--json", description = "Print a JSON object for each message, its body in base64.")
    private boolean isJson;

    @Option(names = "--progress", description = "Tell the progress on stderr even when that is not a terminal.")
    private boolean isProgressAsked;

    private final ArrayDeque<CompletableFuture<?>> acks = new ArrayDeque<>();
    private Durability durability;
    private long printedCount;
    private ProgressLine progress;
    private volatile long staleCount;

    PopCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Refusals.checkName("topic", topic);
        Refusals.checkName("group", group);
        if (countMax < 1 || countMax > 65535) {
            throw CliException.usage("--max is " + countMax + "; allowed is 1 to 65535");
        }
        if (count != null && count < 1) {
            throw CliException.usage("--count is " + count + "; allowed is 1 or more");
        }
        Duration invisible = Durations.parse("--invisible", invisibleText, Duration.ofMillis(1), Durations.MAX);
        Duration wait = Durations.parse("--wait", waitText, Duration.ZERO, Durations.MAX);
        Duration idle =
                idleText == null ? null : Durations.parse("--idle-exit", idleText, Duration.ofMillis(1), Durations.MAX);
        durability = SendCommand.durability("--durability", durabilityText);
        progress = new ProgressLine(shell, isProgressAsked);
        boolean isOnePop = isNotAcking && count == null && idle == null;
        PopRequest request = PopRequest.of(topic, group, countMax)
                .withInvisible(invisible)
                .withWaitMax(wait)
                .withExtend(!isNotAcking);
        try (NodeLink link = NodeLink.lasting(shell, connect, Map.of())) {
            if (isOnePop) {
                print(link, pop(link, request));
            } else {
                popUntilTheEnd(link, request, wait, idle);
            }
            while (!acks.isEmpty()) {
                NodeLink.awaitStage(acks.poll());
            }
            if (isNotAcking) {
                link.detach();
            }
        }
        progress.end(this::progressLine);
        return ExitCode.OK;
    }

    private void popUntilTheEnd(NodeLink link, PopRequest request, Duration wait, Duration idle)
            throws InterruptedException {
        long waitedMillis = 0;
        while (count == null || printedCount < count) {
            int countNow = count == null ? countMax : (int) Math.min(countMax, count - printedCount);
            // Only time in which the node could have given something counts as idle.
            long waitMillis = idle == null
                    ? wait.toMillis()
                    : Math.min(wait.toMillis(), Math.max(0, idle.toMillis() - waitedMillis));
            long beganNanos = shell.nanos();
            List<Delivery> deliveries =
                    pop(link, request.withCountMax(countNow).withWaitMax(Duration.ofMillis(waitMillis)));
            if (deliveries.isEmpty()) {
                long tookMillis = (shell.nanos() - beganNanos) / 1_000_000;
                waitedMillis += wait.isZero() ? tookMillis : Math.min(waitMillis, tookMillis);
                if (idle != null && waitedMillis >= idle.toMillis()) {
                    return;
                }
            } else {
                waitedMillis = 0;
                print(link, deliveries);
            }
            progress.tell(this::progressLine);
        }
    }

    private static List<Delivery> pop(NodeLink link, PopRequest request) throws InterruptedException {
        while (true) {
            try {
                return link.await(link.client().pop(request));
            } catch (io.forebay.protocol.ForebayException e) {
                // The client has no other promise for a pop whose node is busy or stopping: ask again.
                if (!e.refusal().isTransient() && e.code() != Refusal.Code.TIMED_OUT) {
                    throw e;
                }
                java.util.concurrent.TimeUnit.MILLISECONDS.sleep(
                        Math.min(5000, Math.max(50, e.refusal().retryAfterMillis())));
            }
        }
    }

    /** Prints, makes sure it is out, then acks; what cannot be printed is left for {@code close} to give back. */
    private void print(NodeLink link, List<Delivery> deliveries) throws InterruptedException {
        List<ReceiptHandle> printed = new ArrayList<>(deliveries.size());
        Delivery unprintable = null;
        for (Delivery delivery : deliveries) {
            if (!isJson && hasNewline(delivery.body())) {
                unprintable = delivery;
                break;
            }
            print(delivery);
            printed.add(delivery.handle());
        }
        shell.console().flush();
        printedCount += printed.size();
        if (!isNotAcking && !printed.isEmpty()) {
            acks.add(link.client()
                    .ackBatch(group, printed, durability)
                    .thenAccept(this::check)
                    .toCompletableFuture());
            while (acks.size() > ACKS_PENDING_MAX
                    || (!acks.isEmpty() && acks.peek().isDone())) {
                NodeLink.awaitStage(acks.poll());
            }
        }
        if (unprintable != null) {
            while (!acks.isEmpty()) {
                NodeLink.awaitStage(acks.poll());
            }
            throw new CliException(
                    ExitCode.REFUSED,
                    "message '" + unprintable.message().id() + "' (queue " + unprintable.queue() + ", offset "
                            + unprintable.queueOffset()
                            + ") has a newline in its body, and a line holds none; use --json."
                            + " It goes back to its queue");
        }
    }

    private void check(List<AckResult> results) {
        for (AckResult result : results) {
            if (result instanceof Refusal refusal) {
                staleCount++;
                if (staleCount <= 3) {
                    shell.console()
                            .say("forebay: a printed message was not acked and will come again: " + refusal.text());
                }
            }
        }
    }

    private void print(Delivery delivery) {
        if (isJson) {
            shell.console().println(Json.write(json(delivery)));
            return;
        }
        if (isNotAcking) {
            String handle = HandleText.of(delivery) + "\t";
            shell.console().print(handle.getBytes(StandardCharsets.ISO_8859_1));
        }
        shell.console().print(delivery.body());
        shell.console().print(NEWLINE);
    }

    private static Map<String, Object> json(Delivery delivery) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", delivery.message().id());
        json.put("topic", delivery.topic());
        json.put("queue", delivery.queue());
        json.put("offset", delivery.queueOffset());
        json.put("attempt", delivery.attempt());
        json.put("handle", HandleText.of(delivery));
        json.put("invisibleMillis", delivery.invisibleUntilMillis() - delivery.poppedMillis());
        json.put("bornMillis", delivery.message().bornMillis());
        if (delivery.message().isKeyed()) {
            json.put("messageGroup", delivery.message().messageGroup());
        }
        if (!delivery.message().tag().isEmpty()) {
            json.put("tag", delivery.message().tag());
        }
        if (!delivery.message().keys().isEmpty()) {
            json.put("keys", delivery.message().keys());
        }
        if (!delivery.message().properties().isEmpty()) {
            json.put("properties", delivery.message().properties());
        }
        json.put("body", Base64.getEncoder().encodeToString(delivery.body()));
        return json;
    }

    private static boolean hasNewline(byte[] body) {
        for (byte b : body) {
            if (b == '\n') {
                return true;
            }
        }
        return false;
    }

    private String progressLine() {
        return String.format(java.util.Locale.ROOT, "%,d messages", printedCount);
    }
}
