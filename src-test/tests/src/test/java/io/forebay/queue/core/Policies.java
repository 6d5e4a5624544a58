package io.forebay.queue.core;

import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import java.util.function.Consumer;

/** Policies for tests: nothing is limited unless a test says so. */
public final class Policies {
    /** The fields of a {@link GroupPolicy}, to be set before it is made. */
    public static final class Group {
        public Durability popLevel = Durability.WRITTEN;
        public Durability ackLevel = Durability.WRITTEN;
        public long invisibleMillis = 30_000;
        public int maxAttempts;
        public RetryBackoff backoff = RetryBackoff.NONE;
        public boolean isOrdered;
        public PoisonPolicy poison = PoisonPolicy.DEAD_LETTER;
        public String filterText = "";
        public MessageFilter filter = MessageFilter.ALL;
        public int inFlightMax = 65_536;
        public int consumerInFlightMax;
        public int ratePerSecond;
        public boolean isPaused;
        public DeliveryMode delivery = DeliveryMode.POP;
        public int breakerPercent;
    }

    /** The fields of a {@link TopicPolicy}, to be set before it is made. */
    public static final class Topic {
        public Durability sendLevel = Durability.WRITTEN;
        public boolean isReadableWhenDurable;
        public long graceMillis;
        public long maxAgeMillis;
        public long maxBytes;
        public int ratePerSecond;
        public boolean isOrdered;
        public Deduplication deduplication = Deduplication.OFF;
        public long dedupWindowMillis = 600_000;
        public int dedupCountMax = 100_000;
    }

    private Policies() {}

    public static GroupPolicy group() {
        return group(fields -> {});
    }

    public static GroupPolicy group(Consumer<Group> changes) {
        Group fields = new Group();
        changes.accept(fields);
        return new GroupPolicy(
                fields.popLevel,
                fields.ackLevel,
                fields.invisibleMillis,
                fields.maxAttempts,
                fields.backoff,
                fields.isOrdered,
                fields.poison,
                fields.filterText,
                fields.filter,
                fields.inFlightMax,
                fields.consumerInFlightMax,
                fields.ratePerSecond,
                fields.isPaused,
                fields.delivery,
                fields.breakerPercent);
    }

    public static TopicPolicy topic() {
        return topic(fields -> {});
    }

    public static TopicPolicy topic(Consumer<Topic> changes) {
        Topic fields = new Topic();
        changes.accept(fields);
        return new TopicPolicy(
                fields.sendLevel,
                fields.isReadableWhenDurable,
                fields.graceMillis,
                fields.maxAgeMillis,
                fields.maxBytes,
                fields.ratePerSecond,
                fields.isOrdered,
                fields.deduplication,
                fields.dedupWindowMillis,
                fields.dedupCountMax);
    }
}
