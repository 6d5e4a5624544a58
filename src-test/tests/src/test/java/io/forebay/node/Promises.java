package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * What a node of one stripe has answered about messages of one topic and one group, and what therefore must hold of whatever is
 * left of its disk: of the log itself ({@link #judgeLog}) and of what a node that starts on it gives out ({@link #judgeNode}).
 * {@link #copy} is what was promised at a moment. Confined to its run.
 *
 * <p>The topic deduplicates by message id, so that whoever repeats a Send gets the receipt of the first one. A group
 * {@link #AUDIT}, which settles nothing, has seen the topic from its beginning; it keeps every message and shows it.
 */
final class Promises {
    static final String TOPIC = "t";
    static final String GROUP = "g";
    static final String AUDIT = "audit";
    static final int ATTEMPTS_MAX = 2;

    static final int SEGMENT_BYTES = 128 * 1024;
    static final int INDEX_EXTENT_ENTRIES = 64;
    static final int INDEX_FILE_BYTES = 64 * 1024;

    private static final long HOUR_MILLIS = 3_600_000;

    /** Settings of a node that is judged here. */
    static final String SETTINGS = """
        forebay {
          topic { default-queues = 2, max-age = 0 s, dead-letter-max-age = 0 s }
          store { max-unflushed = 256 KiB, flush-bytes = 32 KiB, flush-interval = 20 ms, checkpoint-bytes = 64 KiB,
            checkpoint-idle-interval = 500 ms, retry-backoff = 20 ms, rewrite-timeout = 50 ms, rewrite-attempts-max = 2 }
          storage { stripes = 1, segment-size = 128 KiB, index-extent-entries = 64, index-file-size = 64 KiB }
          queue { body-max = 16 KiB, batch-bytes-max = 64 KiB }
          group.pop-bytes-max = 64 KiB
        }
        """;

    static final Map<String, String> TOPIC_SETTINGS = Map.of("deduplication", "message-id");
    static final Map<String, String> GROUP_SETTINGS =
            Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "none");

    private static final class Item {
        private final int number;
        private final Message message;
        private Receipt receipt;
        private boolean isFlushed;

        private int attempts;
        /** Below it nobody else gets the message, in log time. */
        private long untilMillis;

        private boolean isAckAsked;
        private boolean isAcked;
        private boolean isAckFlushed;
        /** It was settled before it was acked: it may be a dead letter. */
        private boolean mayBeDead;

        Item(int number, Message message) {
            this.number = number;
            this.message = message;
        }

        Item(Item other) {
            this(other.number, other.message);
            receipt = other.receipt;
            isFlushed = other.isFlushed;
            attempts = other.attempts;
            untilMillis = other.untilMillis;
            isAckAsked = other.isAckAsked;
            isAcked = other.isAcked;
            isAckFlushed = other.isAckFlushed;
            mayBeDead = other.mayBeDead;
        }

        @Override
        public String toString() {
            return message.id() + (receipt == null ? ", not answered" : ", " + receipt);
        }
    }

    private final Map<String, Item> items = new LinkedHashMap<>();
    private final Map<String, Item> places = new HashMap<>();
    private final Map<Long, Item> sequences = new HashMap<>();
    private boolean isTopicThere;
    /** Everything up to it is on the device: a receipt has said so. */
    private long flushedTo;

    /** When the last deadline that was ever given, or may have been, is over, in log time. */
    private long lastDeadlineMillis;

    /** Pops that were not answered: each may have taken an attempt of any message. */
    private int unknownPops;

    private boolean isAfterPowerCut;

    /**
     * While the kernel has dropped pages of failed forces that are not known to be written again: how many messages had been
     * thought of then. Else −1.
     */
    private int droppedBefore = -1;

    Promises() {}

    // ---- what was asked and answered --------------------------------------------------------------------------------

    /** As it is now. */
    Promises copy() {
        Promises copy = new Promises();
        items.forEach((id, item) -> {
            Item same = new Item(item);
            copy.items.put(id, same);
            if (item.receipt != null) {
                copy.places.put(place(item.receipt), same);
                copy.sequences.put(item.receipt.sequence(), same);
            }
        });
        copy.isTopicThere = isTopicThere;
        copy.flushedTo = flushedTo;
        copy.lastDeadlineMillis = lastDeadlineMillis;
        copy.unknownPops = unknownPops;
        copy.isAfterPowerCut = isAfterPowerCut;
        copy.droppedBefore = droppedBefore;
        return copy;
    }

    /** Topic and groups are there, which is answered when it is flushed. */
    void topicCreated() {
        isTopicThere = true;
    }

    /** A message that nobody has sent before, to be sent now. */
    Message next(int bodyBytes, String keyOrNull) {
        int number = items.size();
        String id = String.format("m%05d", number);
        Message message = Message.builder(TOPIC)
                .id(id)
                .messageGroup(keyOrNull == null ? "" : keyOrNull)
                .body((id + "-".repeat(Math.max(0, bodyBytes - id.length()))).getBytes(StandardCharsets.UTF_8))
                .build();
        items.put(id, new Item(number, message));
        return message;
    }

    /** A Send is answered, for the first time or again. */
    void stored(Message message, Receipt receipt) {
        Item item = items.get(message.id());
        assertThat(receipt.payloadCrc()).as("I2: %s", receipt).isEqualTo(Message.crcOf(message.body()));
        boolean isFirst = item.receipt == null;
        if (isFirst) {
            assertThat(places.put(place(receipt), item))
                    .as("an offset is given again: %s", receipt)
                    .isNull();
            assertThat(sequences.put(receipt.sequence(), item))
                    .as("a sequence is given again: %s", receipt)
                    .isNull();
            item.receipt = receipt;
        } else {
            assertThat(place(receipt) + ", sequence " + receipt.sequence())
                    .as("the receipt of %s is another one", item)
                    .isEqualTo(place(item.receipt) + ", sequence " + item.receipt.sequence());
        }
        if (receipt.level() == Durability.FLUSHED) {
            if (droppedBefore >= 0 && isFirst && item.number >= droppedBefore) {
                // It was sent behind all that was answered before the pages were dropped, so that lies below it in the
                // log.
                droppedBefore = -1;
            }
            item.isFlushed = true;
            flushedTo = Math.max(flushedTo, receipt.sequence());
        }
    }

    private static String place(Receipt receipt) {
        return "stripe " + receipt.stripe() + ", queue " + receipt.queue() + ", offset " + receipt.queueOffset();
    }

    /**
     * A Pop of the group was not answered with what it may have taken.
     *
     * @param untilMillis until when that may be out at the latest, in log time
     */
    void popUnknown(long untilMillis) {
        unknownPops++;
        lastDeadlineMillis = Math.max(lastDeadlineMillis, untilMillis);
    }

    /**
     * The kernel has dropped pages of the log whose force had failed. From now on until they are written again elsewhere, which
     * the first force of something newer proves, the process alone has what was answered WRITTEN and not FLUSHED.
     */
    void pagesDropped() {
        droppedBefore = items.size();
    }

    /**
     * The process is killed, and everything goes on with what the kernel has. That is everything written; but if the device had
     * failed and the kernel had dropped the pages before the process could write them again, only what was FLUSHED is promised:
     * the log ends at the hole, and behind it sequences and offsets are given anew, to other messages.
     *
     * @return whether that is so
     */
    boolean killed() {
        boolean isDropped = droppedBefore >= 0;
        droppedBefore = -1;
        if (isDropped) {
            for (Item item : items.values()) {
                if (item.receipt != null && !isFlushed(item)) {
                    places.remove(place(item.receipt));
                    sequences.remove(item.receipt.sequence());
                    item.receipt = null;
                }
            }
            forgetWritten();
            unknownPops += ATTEMPTS_MAX;
        }
        return isDropped;
    }

    /** A message has come out, of the group or, behind a fault, of the group on what is left. */
    void delivered(Delivery delivery, long invisibleMillis) {
        Item item = sound(delivery);
        assertThat(item.isAcked)
                .as("I4: %s was acked and comes again, attempt %d", item, delivery.attempt())
                .isFalse();
        assertThat(delivery.attempt())
                .as("I6: attempt of %s", item)
                .isGreaterThan(item.attempts)
                .isLessThanOrEqualTo(
                        Math.min(ATTEMPTS_MAX, isAfterPowerCut ? ATTEMPTS_MAX : item.attempts + 1 + unknownPops));
        assertThat(delivery.poppedMillis()).as("I5, I7: %s is out", item).isGreaterThanOrEqualTo(item.untilMillis);
        item.attempts = delivery.attempt();
        isOutUntil(item, delivery.poppedMillis() + invisibleMillis);
    }

    private void isOutUntil(Item item, long untilMillis) {
        item.untilMillis = untilMillis;
        lastDeadlineMillis = Math.max(lastDeadlineMillis, untilMillis);
    }

    /** Sent by somebody, and as it was sent. */
    private Item sound(Delivery delivery) {
        Item item = items.get(delivery.message().id());
        check(
                item != null && Arrays.equals(delivery.body(), item.message.body()),
                Proof.altered,
                "I2: nobody sent %s",
                delivery.message());
        return item;
    }

    private static void check(boolean isRight, LongAdder wrong, String text, Object... values) {
        if (!isRight) {
            wrong.increment();
            throw new AssertionError(String.format(text, values));
        }
    }

    /** An attempt is asked to end: the message may go out again, when that is answered or before. */
    void ended(Delivery delivery) {
        items.get(delivery.message().id()).untilMillis = 0;
    }

    /** Its deadline is moved. */
    void extended(Delivery delivery, long untilMillis) {
        isOutUntil(items.get(delivery.message().id()), untilMillis);
    }

    /** It is asked to be given back: it may go out again, and the attempt does not count, when that is answered or before. */
    void givenBack(Delivery delivery) {
        ended(delivery);
        items.get(delivery.message().id()).attempts--;
    }

    /** The answer was another one. */
    void notGivenBack(Delivery delivery) {
        items.get(delivery.message().id()).attempts++;
    }

    void ackAsked(Delivery delivery) {
        items.get(delivery.message().id()).isAckAsked = true;
    }

    void acked(Delivery delivery, AckOutcome outcome, Durability level) {
        Item item = items.get(delivery.message().id());
        item.isAcked = true;
        item.mayBeDead |= outcome == AckOutcome.ALREADY_SETTLED;
        item.isAckFlushed |= level == Durability.FLUSHED;
    }

    /** Something was answered FLUSHED before which all else had been answered: so that is, too. */
    void allFlushed() {
        for (Item item : items.values()) {
            item.isFlushed |= item.receipt != null;
            item.isAckFlushed |= item.isAcked;
        }
    }

    /** The node is gone, and what it had only written may be as well. */
    void powerWasCut() {
        isAfterPowerCut = true;
        forgetWritten();
    }

    private void forgetWritten() {
        for (Item item : items.values()) {
            item.isAcked = item.isAckFlushed;
            item.untilMillis = 0;
            item.attempts = 0;
        }
    }

    /** Whether it has to be there. */
    private boolean isPromised(Item item) {
        return item.receipt != null && (!isAfterPowerCut || isFlushed(item));
    }

    /** Whether it is on the device: its receipt says so, or that of something behind it. */
    private boolean isFlushed(Item item) {
        return item.receipt != null && (item.isFlushed || item.receipt.sequence() <= flushedTo);
    }

    // ---- the log ----------------------------------------------------------------------------------------------------

    /**
     * Recovers the stripe and holds every receipt against it: the record with that sequence is there, of that message, at that
     * offset, and its body has that checksum.
     *
     * @param root changed as by a node that starts and is killed
     */
    void judgeLog(StorageDirectory root) throws IOException {
        StorageDirectory directory = root.child("stripe-0");
        try (StripeLog log = StripeLog.open(
                directory,
                new StripeOptions(0, SEGMENT_BYTES, INDEX_EXTENT_ENTRIES, INDEX_FILE_BYTES, 2),
                HOUR_MILLIS,
                new RecoverySink() {
                    @Override
                    public void snapshot(RecordView part) {}

                    @Override
                    public void record(RecordView record) {}
                })) {
            assertThat(log.report().stoppedOwners()).as("%s", log.report()).isEmpty();
            Set<Long> found = new HashSet<>();
            Map<Integer, TreeMap<Long, Long>> byQueue = new TreeMap<>();
            LogWalker.Result walked = log.newWalker().walk(LogWalker.Span.everything(), record -> {
                judge(record, found, byQueue);
                return true;
            });
            assertThat(walked.problems()).isEmpty();
            assertThat(walked.isComplete()).isTrue();
            for (Item item : items.values()) {
                if (isPromised(item)) {
                    Proof.messagesAcknowledged.increment();
                    check(
                            found.contains(item.receipt.sequence()),
                            Proof.lost,
                            "I1: lost %s, of %s",
                            item,
                            log.report());
                }
            }
            for (Map.Entry<Integer, TreeMap<Long, Long>> queue : byQueue.entrySet()) {
                long last = 0;
                for (Map.Entry<Long, Long> each : queue.getValue().entrySet()) {
                    check(
                            each.getValue() > last,
                            Proof.orderBreaks,
                            "I3: queue %d, offset %d has sequence %d, the one before %d",
                            queue.getKey(),
                            each.getKey(),
                            each.getValue(),
                            last);
                    last = each.getValue();
                }
            }
        }
        LogVerifier.Report report = LogVerifier.verify(directory);
        assertThat(report.problems()).isEmpty();
    }

    private void judge(RecordView record, Set<Long> found, Map<Integer, TreeMap<Long, Long>> byQueue)
            throws IOException {
        if (record.type() != RecordType.MESSAGE && record.type() != RecordType.ENTRY) {
            return;
        }
        assertThat(byQueue.computeIfAbsent(record.queueId(), absent -> new TreeMap<>())
                        .put(record.queueOffset(), record.sequence()))
                .as("queue %d has offset %d twice", record.queueId(), record.queueOffset())
                .isNull();
        if (record.type() == RecordType.ENTRY) {
            assertThat(record.decode()).isInstanceOf(EntryRecord.class);
            return;
        }
        MessageRecord message = (MessageRecord) record.decode();
        Item item = items.get(message.id());
        check(
                item != null
                        && Message.crcOf(message.body()) == Message.crcOf(item.message.body())
                        && message.payloadCrc() == Message.crcOf(item.message.body()),
                Proof.altered,
                "I2: nobody sent %s",
                message);
        found.add(record.sequence());
        Item promised = sequences.get(record.sequence());
        if (promised != null && isPromised(promised)) {
            check(
                    promised == item && record.queueOffset() == item.receipt.queueOffset(),
                    Proof.altered,
                    "I2: %s is at offset %d, promised was %s",
                    item,
                    record.queueOffset(),
                    promised);
        }
    }

    // ---- what a node gives out --------------------------------------------------------------------------------------

    /**
     * Consumes what there is, and holds it against what was promised: each message that has to be there and was not settled comes
     * again or is a dead letter, once; what is stored lies in the order in which it was sent, where the receipts say.
     *
     * @return how many are dead letters
     */
    int judgeNode(SteppedNode node, SteppedNode.Client client) {
        if (isTopicThere) {
            // It answers only when all that was stored is known to be there.
            client.describe(GROUP, TOPIC);
        }
        long allOverMillis = lastDeadlineMillis + 1;
        Set<String> again = new HashSet<>();
        pop(client, again);
        node.pass(Math.max(0, allOverMillis - node.time.millis()));
        pop(client, again);
        Set<String> dead = new HashSet<>();
        for (Delivery letter : client.popAll("%DLQ%" + GROUP, "undertaker", 10, HOUR_MILLIS)) {
            Item item = sound(letter);
            assertThat(dead.add(item.message.id()))
                    .as("I2: %s is dead twice", item)
                    .isTrue();
            assertThat(letter.message().properties())
                    .as("I6: %s", item)
                    .containsEntry("dead-letter.attempts", String.valueOf(ATTEMPTS_MAX));
            if (!isAfterPowerCut) {
                assertThat(item.attempts)
                        .as("I6: attempts of %s, which is dead", item)
                        .isGreaterThanOrEqualTo(ATTEMPTS_MAX - unknownPops);
            }
        }
        for (Item item : items.values()) {
            boolean comesAgain = again.contains(item.message.id());
            boolean isDead = dead.contains(item.message.id());
            assertThat(comesAgain && isDead)
                    .as("I2: %s comes again and is dead", item)
                    .isFalse();
            if (item.isAcked) {
                assertThat(isDead && !item.mayBeDead)
                        .as("I4: %s was acked and is dead", item)
                        .isFalse();
            } else if (isPromised(item) && !item.isAckAsked) {
                check(comesAgain || isDead, Proof.lost, "I1: lost %s", item);
            }
        }
        judgeAudit(client);
        return dead.size();
    }

    private void pop(SteppedNode.Client client, Set<String> again) {
        for (Delivery delivery : client.popAll(TOPIC, GROUP, 10, HOUR_MILLIS)) {
            delivered(delivery, HOUR_MILLIS);
            assertThat(again.add(delivery.message().id()))
                    .as("I5: %s comes twice", delivery.message())
                    .isTrue();
        }
    }

    /** What is stored: what was promised, where it was promised, and of the rest the beginning. */
    private void judgeAudit(SteppedNode.Client client) {
        Map<Integer, TreeMap<Long, Item>> byQueue = new TreeMap<>();
        Set<Item> stored = new HashSet<>();
        long last = 0;
        for (Delivery delivery : client.popAll(TOPIC, AUDIT, 10, HOUR_MILLIS)) {
            Item item = sound(delivery);
            assertThat(stored.add(item)).as("I2: %s is stored twice", item).isTrue();
            byQueue.computeIfAbsent(delivery.queue(), absent -> new TreeMap<>()).put(delivery.queueOffset(), item);
            if (item.receipt != null) {
                last = Math.max(last, item.receipt.sequence());
                check(
                        delivery.queue() == item.receipt.queue()
                                && delivery.queueOffset() == item.receipt.queueOffset(),
                        Proof.altered,
                        "I2: %s is in queue %d at offset %d",
                        item,
                        delivery.queue(),
                        delivery.queueOffset());
            }
        }
        for (Item item : items.values()) {
            if (isPromised(item)) {
                Proof.messagesAcknowledged.increment();
                check(stored.contains(item), Proof.lost, "I1: lost %s", item);
            }
            check(
                    item.receipt == null || item.receipt.sequence() > last || stored.contains(item),
                    Proof.orderBreaks,
                    "I3: %s is missing, sequence %d is there",
                    item,
                    last);
        }
        for (Map.Entry<Integer, TreeMap<Long, Item>> queue : byQueue.entrySet()) {
            Map<String, Integer> newest = new HashMap<>();
            long expected = 0;
            for (Map.Entry<Long, Item> each : queue.getValue().entrySet()) {
                assertThat(each.getKey())
                        .as("offsets of queue %d have no holes", queue.getKey())
                        .isEqualTo(expected++);
                Item item = each.getValue();
                Integer before = newest.put(String.valueOf(item.message.messageGroup()), item.number);
                check(
                        !item.message.isKeyed() || before == null || before < item.number,
                        Proof.orderBreaks,
                        "I3: %s lies behind number %d, which was sent after it",
                        item,
                        before);
            }
        }
    }
}
