package io.forebay.cli;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Receipt;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay send}: a message for each line of stdin. */
@Command(
        name = "send",
        description = {
            "Send each line of stdin as one message: its bytes without the newline; an empty line is an empty body.",
            "Ends when every line is confirmed. Waits for a node that is away and repeats what was not confirmed, so a",
            "line may be stored twice when the node dies in between, but none is left out."
        })
final class SendCommand implements Callable<Integer> {
    /** Memory for lines that wait for their confirmation; one line larger than this may wait alone. */
    private static final int PENDING_BYTES_MAX = 32 << 20;
    /** What a waiting line costs besides its bytes. */
    private static final int LINE_OVERHEAD_BYTES = 512;

    private static final long TICK_MILLIS = 200;

    private final Shell shell;

    @Parameters(paramLabel = "TOPIC", description = "The topic to send to.")
    private String topic;

    @Mixin
    private ConnectOptions connect;

    @Option(
            names = "--durability",
            paramLabel = "LEVEL",
            description =
                    "What a confirmation must prove: written (survives kill -9) or flushed (survives a power cut)."
                            + " Default: the topic's own.")
    private String durabilityText;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "Most messages of one request, 1 to 65536. Default: 512.")
    private Integer batchCount;

    @Option(
            names = "--message-group",
            paramLabel = "KEY",
            description =
                    "Keep the lines in order: they all go to the queue of this key. Default: spread over all queues.")
    private String messageGroup;

    @Option(names = "--json", description = "Print a receipt for each confirmed line, in the order of confirmation.")
    private boolean isJson;

    @Option(names = "--progress", description = "Tell the progress on stderr even when that is not a terminal.")
    private boolean isProgressAsked;

    SendCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Refusals.checkName("topic", topic);
        Durability durability = durability("--durability", durabilityText);
        if (batchCount != null && (batchCount < 1 || batchCount > 65536)) {
            throw CliException.usage("--batch is " + batchCount + "; allowed is 1 to 65536");
        }
        // Fails here, before anything is connected, when the key is not allowed.
        Message.Builder prototype = Message.builder(topic).messageGroup(messageGroup == null ? "" : messageGroup);
        prototype.build();

        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("forebay.client.send.pending-bytes-max", "256 MiB");
        if (batchCount != null) {
            settings.put("forebay.client.send.batch-count-max", batchCount.toString());
        }
        try (NodeLink link = NodeLink.lasting(shell, connect, settings)) {
            Sending sending = new Sending(link, durability, prototype);
            Thread reader = new Thread(sending::readAll, "forebay-stdin");
            reader.setDaemon(true);
            reader.start();
            sending.awaitEnd();
        }
        return ExitCode.OK;
    }

    /** Null stands for the default of whoever is asked. */
    static Durability durability(String option, String text) {
        if (text == null) {
            return null;
        }
        return switch (text.toLowerCase(java.util.Locale.ROOT)) {
            case "written" -> Durability.WRITTEN;
            case "flushed" -> Durability.FLUSHED;
            default -> throw CliException.usage(option + " is '" + text + "'; allowed is written or flushed");
        };
    }

    /**
     * Lines on their way. One thread reads, callbacks of the client count, the command's thread waits and tells the progress.
     */
    private final class Sending {
        private final NodeLink link;
        private final Durability durability;
        private final Message.Builder prototype;
        private final Semaphore pendingBytes = new Semaphore(PENDING_BYTES_MAX);
        private final CompletableFuture<Void> end = new CompletableFuture<>();
        private final long beganNanos = shell.nanos();
        private long readCount;
        private long confirmedCount;
        private long confirmedBytes;
        private boolean isEndOfInput;

        Sending(NodeLink link, Durability durability, Message.Builder prototype) {
            this.link = link;
            this.durability = durability;
            this.prototype = prototype;
        }

        void readAll() {
            LineReader reader = new LineReader(shell.in(), MessageLimits.BODY_BYTES_MAX);
            try {
                for (byte[] line = reader.next(); line != null && !end.isDone(); line = reader.next()) {
                    send(reader.lineCount(), line);
                }
                synchronized (this) {
                    isEndOfInput = true;
                    endWhenWhole();
                }
            } catch (LineReader.TooLongException e) {
                end.completeExceptionally(CliException.usage("stdin: " + e.getMessage() + ", the most any node takes"));
            } catch (IOException e) {
                end.completeExceptionally(
                        new CliException(ExitCode.LOCAL, "stdin cannot be read on: " + CliException.reasonOf(e), e));
            } catch (Throwable e) {
                end.completeExceptionally(e);
            }
        }

        private void send(long lineNumber, byte[] body) throws InterruptedException {
            int cost = Math.min(PENDING_BYTES_MAX, body.length + LINE_OVERHEAD_BYTES);
            pendingBytes.acquire(cost);
            synchronized (this) {
                readCount++;
            }
            link.client().send(prototype.body(body).build(), durability).whenComplete((receipt, failure) -> {
                pendingBytes.release(cost);
                if (failure == null) {
                    confirmed(lineNumber, body.length, receipt);
                } else {
                    refused(lineNumber, failure);
                }
            });
        }

        private synchronized void confirmed(long lineNumber, int bytes, Receipt receipt) {
            confirmedCount++;
            confirmedBytes += bytes;
            if (isJson) {
                Map<String, Object> json = new LinkedHashMap<>();
                json.put("line", lineNumber);
                json.put("level", receipt.level().name().toLowerCase(java.util.Locale.ROOT));
                json.put("node", receipt.node());
                json.put("stripe", receipt.stripe());
                json.put("sequence", receipt.sequence());
                json.put("topic", receipt.topic());
                json.put("queue", receipt.queue());
                json.put("offset", receipt.queueOffset());
                json.put("crc32c", String.format("%08x", receipt.payloadCrc()));
                try {
                    shell.console().println(Json.write(json));
                } catch (Console.OutputGoneException e) {
                    end.completeExceptionally(e);
                }
            }
            endWhenWhole();
        }

        private synchronized void refused(long lineNumber, Throwable failure) {
            if (Refusals.of(failure) == null) {
                end.completeExceptionally(failure);
                return;
            }
            CliException line = Refusals.toException("line " + lineNumber + " of stdin: ", Refusals.of(failure));
            end.completeExceptionally(new CliException(
                    line.exitCode(), line.getMessage() + " (" + confirmedCount + " lines were confirmed before)"));
        }

        private void endWhenWhole() {
            if (isEndOfInput && confirmedCount == readCount) {
                end.complete(null);
            }
        }

        void awaitEnd() throws InterruptedException {
            ProgressLine progress = new ProgressLine(shell, isProgressAsked);
            while (true) {
                try {
                    end.get(TICK_MILLIS, TimeUnit.MILLISECONDS);
                    shell.console().flush();
                    progress.end(this::progressLine);
                    return;
                } catch (TimeoutException e) {
                    shell.console().flush();
                    progress.tell(this::progressLine);
                } catch (java.util.concurrent.ExecutionException e) {
                    if (e.getCause() instanceof RuntimeException cause) {
                        throw cause;
                    }
                    throw new AssertionError(e.getCause());
                } catch (InterruptedException e) {
                    synchronized (this) {
                        shell.console()
                                .say("forebay: stopped; " + confirmedCount + " lines were confirmed, "
                                        + (readCount - confirmedCount)
                                        + " more were read and may or may not be stored");
                    }
                    throw e;
                }
            }
        }

        private synchronized String progressLine() {
            double seconds = Math.max(1e-3, (shell.nanos() - beganNanos) / 1e9);
            return String.format(
                    java.util.Locale.ROOT,
                    "%,d lines confirmed (%.1f MiB), %,d under way, %,.0f/s",
                    confirmedCount,
                    confirmedBytes / 1048576.0,
                    readCount - confirmedCount,
                    confirmedCount / seconds);
        }
    }
}
