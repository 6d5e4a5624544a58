package io.forebay.client;

import akka.actor.typed.ActorSystem;
import com.typesafe.config.Config;
import io.forebay.protocol.Refusal;
import java.time.Duration;

/**
 * {@code forebay.client} as values; what each means is told in {@code reference.conf}. Immutable.
 *
 * @param name {@code name}, never empty
 * @param bornHost {@code born-host}
 * @param noAnswerAfter {@code lookup.no-answer-after}
 * @param retryMin {@code lookup.retry-min}
 * @param retryMax {@code lookup.retry-max}
 * @param requestTimeout {@code request-timeout}
 * @param sendBatchCountMax {@code send.batch-count-max}
 * @param sendBatchBytesMax {@code send.batch-bytes-max}
 * @param sendPipeline {@code send.pipeline}
 * @param sendPendingBytesMax {@code send.pending-bytes-max}
 * @param sendTimeout {@code send.timeout}
 * @param sendDeduplicated {@code send.deduplicated}
 * @param ackBatchCountMax {@code ack.batch-count-max}
 * @param ackPipeline {@code ack.pipeline}
 * @param ackTimeout {@code ack.timeout}
 * @param adminTimeout {@code admin-timeout}
 * @param popInvisible {@code pop.invisible}
 * @param popWait {@code pop.wait}
 * @param maxHold {@code max-hold}
 * @param closeTimeout {@code close-timeout}
 * @param streamPrefetch {@code stream.prefetch}
 * @param streamParallelism {@code stream.parallelism}
 */
public record ClientSettings(
        String name,
        String bornHost,
        Duration noAnswerAfter,
        Duration retryMin,
        Duration retryMax,
        Duration requestTimeout,
        int sendBatchCountMax,
        int sendBatchBytesMax,
        int sendPipeline,
        long sendPendingBytesMax,
        Duration sendTimeout,
        boolean sendDeduplicated,
        int ackBatchCountMax,
        int ackPipeline,
        Duration ackTimeout,
        Duration adminTimeout,
        Duration popInvisible,
        Duration popWait,
        Duration maxHold,
        Duration closeTimeout,
        int streamPrefetch,
        int streamParallelism) {

    private static final int BYTES_MAX = 1 << 30;

    public ClientSettings {
        check(!name.isEmpty() && name.length() <= 127, "name", name, "1 to 127 characters");
        atLeast(noAnswerAfter, "lookup.no-answer-after", 1);
        atLeast(retryMin, "lookup.retry-min", 1);
        check(
                retryMax.compareTo(retryMin) >= 0,
                "lookup.retry-max",
                retryMax,
                "at least lookup.retry-min, which is " + retryMin);
        atLeast(requestTimeout, "request-timeout", 100);
        range(sendBatchCountMax, "send.batch-count-max", 1, 65536);
        range(sendBatchBytesMax, "send.batch-bytes-max", 1024, BYTES_MAX);
        range(sendPipeline, "send.pipeline", 1, 64);
        check(sendPendingBytesMax >= 1024, "send.pending-bytes-max", sendPendingBytesMax, "at least 1024 bytes");
        atLeast(sendTimeout, "send.timeout", 1);
        range(ackBatchCountMax, "ack.batch-count-max", 1, 65536);
        range(ackPipeline, "ack.pipeline", 1, 64);
        atLeast(ackTimeout, "ack.timeout", 1);
        atLeast(adminTimeout, "admin-timeout", 1);
        atLeast(popInvisible, "pop.invisible", 1);
        atLeast(popWait, "pop.wait", 0);
        atLeast(maxHold, "max-hold", 0);
        atLeast(closeTimeout, "close-timeout", 1);
        range(streamPrefetch, "stream.prefetch", 1, 1 << 20);
        range(streamParallelism, "stream.parallelism", 1, 1 << 20);
    }

    /** The settings of an actor system. */
    public static ClientSettings of(ActorSystem<?> system) {
        return from(system.settings().config().getConfig("forebay.client"), system.name());
    }

    /**
     * @param section {@code forebay.client}, or a section with the same keys
     * @param defaultName the name if the section has none
     * @throws io.forebay.protocol.ForebayException that names the key, its value and what is allowed
     */
    public static ClientSettings from(Config section, String defaultName) {
        String name = section.getString("name");
        return new ClientSettings(
                name.isEmpty() ? defaultName : name,
                section.getString("born-host"),
                section.getDuration("lookup.no-answer-after"),
                section.getDuration("lookup.retry-min"),
                section.getDuration("lookup.retry-max"),
                section.getDuration("request-timeout"),
                section.getInt("send.batch-count-max"),
                bytes(section, "send.batch-bytes-max"),
                section.getInt("send.pipeline"),
                section.getBytes("send.pending-bytes-max"),
                section.getDuration("send.timeout"),
                section.getBoolean("send.deduplicated"),
                section.getInt("ack.batch-count-max"),
                section.getInt("ack.pipeline"),
                section.getDuration("ack.timeout"),
                section.getDuration("admin-timeout"),
                section.getDuration("pop.invisible"),
                section.getDuration("pop.wait"),
                section.getDuration("max-hold"),
                section.getDuration("close-timeout"),
                section.getInt("stream.prefetch"),
                section.getInt("stream.parallelism"));
    }

    private static int bytes(Config section, String key) {
        long value = section.getBytes(key);
        check(value >= 0 && value <= BYTES_MAX, key, value, "at most 1 GiB");
        return (int) value;
    }

    private static void range(int value, String key, int min, int max) {
        check(value >= min && value <= max, key, value, min + " to " + max);
    }

    private static void atLeast(Duration value, String key, long millis) {
        check(
                value.toMillis() >= millis && value.toDays() <= 3650,
                key,
                value,
                "at least " + millis + " ms and at most ten years");
    }

    private static void check(boolean holds, String key, Object value, String allowed) {
        if (!holds) {
            throw Refusal.illegalArgument("forebay.client." + key, value, allowed)
                    .toException();
        }
    }
}
