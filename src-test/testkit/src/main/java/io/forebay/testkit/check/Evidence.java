package io.forebay.testkit.check;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A journal, sorted by what it speaks of: messages, places in queues, deliveries, faults. Moments are indexes into the journal; -1
 * is never. Filled once, then read.
 */
final class Evidence {
    static final int NEVER = -1;

    /** What says that a handle counts for nothing. */
    static final Set<Refusal.Code> BAD_HANDLE = EnumSet.of(
            Refusal.Code.STALE_HANDLE,
            Refusal.Code.FORGED_HANDLE,
            Refusal.Code.FOREIGN_HANDLE,
            Refusal.Code.WRONG_GROUP,
            Refusal.Code.ILLEGAL_HANDLE);

    record Place(int nodeId, String topic, int queue, long offset) {
        static Place of(Receipt receipt) {
            return new Place(
                    ReceiptHandle.nodeIdOf(receipt.node()), receipt.topic(), receipt.queue(), receipt.queueOffset());
        }

        static Place of(Fact.Popped popped) {
            return new Place(popped.handle().nodeId(), popped.topic(), popped.queue(), popped.queueOffset());
        }

        static Place of(Fact.Letter letter) {
            return new Place(letter.nodeId(), letter.topic(), letter.queue(), letter.queueOffset());
        }

        static Place of(Fact.Damaged damaged) {
            return new Place(damaged.nodeId(), damaged.topic(), damaged.queue(), damaged.queueOffset());
        }

        /** That stands for each of its queue. */
        Place any() {
            return new Place(nodeId, topic, queue, -1);
        }

        @Override
        public String toString() {
            return topic + "/" + queue + "/" + offset + " of node " + Integer.toHexString(nodeId);
        }
    }

    /** A message in a place, and when that was known. */
    record Sighting(Place place, int at, boolean isFlushed) {}

    /** What a breach is about. */
    interface Subject {
        Set<Place> places();

        Set<String> messageIds();
    }

    static final class Sent implements Subject {
        final Fact.Sending sending;
        final int at;
        final List<Sighting> sightings = new ArrayList<>();
        int storedAt = NEVER;
        Fact.Stored stored;
        int failedAt = NEVER;
        Refusal.Code failure;

        Sent(Fact.Sending sending, int at) {
            this.sending = sending;
            this.at = at;
        }

        @Override
        public Set<Place> places() {
            return sightings.stream().map(Sighting::place).collect(Collectors.toSet());
        }

        @Override
        public Set<String> messageIds() {
            return Set.of(sending.messageId());
        }

        boolean isAnswered() {
            return storedAt != NEVER || failedAt != NEVER;
        }

        boolean isFlushed() {
            return stored != null && stored.receipt().level().covers(Durability.FLUSHED);
        }

        @Override
        public String toString() {
            return "message " + sending.messageId();
        }
    }

    static final class Delivered implements Subject {
        final Fact.Popped popped;
        final int at;
        final Place place;
        int ackingAt = NEVER;
        int ackedAt = NEVER;
        Fact.Acked acked;
        int ackFailedAt = NEVER;
        Refusal.Code ackFailure;
        int nackingAt = NEVER;
        int nackedAt = NEVER;
        long dueMillis;
        int extendingAt = NEVER;
        int extendedAt = NEVER;
        int extensionsOpen;
        long untilMillis;
        int givingBackAt = NEVER;

        Delivered(Fact.Popped popped, int at) {
            this.popped = popped;
            this.at = at;
            place = Place.of(popped);
            untilMillis = popped.invisibleUntilMillis();
        }

        @Override
        public Set<Place> places() {
            return Set.of(place);
        }

        @Override
        public Set<String> messageIds() {
            return Set.of(popped.messageId());
        }

        boolean isAckedAnew() {
            return acked != null && acked.outcome() == AckOutcome.ACKED;
        }

        @Override
        public String toString() {
            return "message " + popped.messageId() + " at " + place + " for group " + popped.group() + ", attempt "
                    + popped.attempt() + " at " + popped.consumer();
        }
    }

    record FoundLetter(Fact.Letter letter, int at) implements Subject {
        @Override
        public Set<Place> places() {
            return Set.of(Place.of(letter));
        }

        @Override
        public Set<String> messageIds() {
            return Set.of(letter.messageId());
        }
    }

    /** One message for one group. */
    static final class Story implements Subject {
        final String group;
        final Place place;
        /** In the order in which they went out: by epoch and sequence of their handles. */
        final List<Delivered> deliveries = new ArrayList<>();

        final List<FoundLetter> letters = new ArrayList<>();

        Story(String group, Place place) {
            this.group = group;
            this.place = place;
        }

        @Override
        public Set<Place> places() {
            return Set.of(place);
        }

        @Override
        public Set<String> messageIds() {
            return Set.of(); // those that were seen in its place
        }

        /** The first moment at which it was known to be there. */
        int firstAt() {
            int first = Integer.MAX_VALUE;
            for (Delivered delivered : deliveries) {
                first = Math.min(first, delivered.at);
            }
            for (FoundLetter found : letters) {
                first = Math.min(first, found.at);
            }
            return first;
        }

        int lastAt() {
            int last = NEVER;
            for (Delivered delivered : deliveries) {
                last = Math.max(last, delivered.at);
            }
            return last;
        }
    }

    record GroupPlace(String group, Place place) {}

    /** A group in a queue. */
    private record GroupQueue(String group, int nodeId, String topic, int queue) {
        static GroupQueue of(String group, Place place) {
            return new GroupQueue(group, place.nodeId, place.topic, place.queue);
        }
    }

    /** The times between some moments: a moment lies in one of them, the first is 0. */
    static final class Spans {
        private final int[] cuts;

        private Spans(int[] cuts) {
            this.cuts = cuts;
        }

        int of(int at) {
            return -Arrays.binarySearch(cuts, at) - 1;
        }

        int count() {
            return cuts.length + 1;
        }

        /** The moment at which a span ends; {@link Integer#MAX_VALUE} of the last. */
        int end(int span) {
            return span < cuts.length ? cuts[span] : Integer.MAX_VALUE;
        }
    }

    private final List<Noted> journal;
    final Map<String, Sent> sent = new LinkedHashMap<>();
    final Map<GroupPlace, Story> stories = new LinkedHashMap<>();
    final Map<ReceiptHandle, Delivered> byHandle = new HashMap<>();
    /** A handle that has come to two consumers: the second time. */
    final List<Delivered> comeTwice = new ArrayList<>();
    /** Of messages that nobody sent, and of others as they came. */
    final List<Delivered> deliveries = new ArrayList<>();

    final List<FoundLetter> letters = new ArrayList<>();
    final List<Integer> drained = new ArrayList<>();
    final Map<String, Integer> gone = new HashMap<>();
    private final List<Integer> popsFailed = new ArrayList<>();
    private final int[] cuts;
    private final int[] faults;
    private final int[] downs;
    /** When a place was first known to be damaged; for certain, and perhaps. */
    private final Map<Place, Integer> damagedAt = new HashMap<>();

    private final Map<Place, Integer> doubtfulAt = new HashMap<>();
    private final Map<Place, Integer> passedOverAt = new HashMap<>();
    private final Set<Place> lettersDamaged = new HashSet<>();
    /** When what a group had noted was damaged; of one message, and of any in a queue. */
    private final Map<GroupPlace, List<Integer>> notesDamaged = new HashMap<>();

    private final Map<GroupQueue, List<Integer>> anyNotesDamaged = new HashMap<>();

    /** @throws IllegalArgumentException if the journal cannot be: something is answered that was never asked */
    Evidence(List<Noted> journal) {
        this.journal = journal;
        List<Integer> cutsFound = new ArrayList<>();
        List<Integer> faultsFound = new ArrayList<>();
        List<Integer> downsFound = new ArrayList<>();
        for (int at = 0; at < journal.size(); at++) {
            if (fact(at) instanceof Fact.Fault fault) {
                faultsFound.add(at);
                if (fault.kind() == Fact.Fault.Kind.POWER_CUT) {
                    cutsFound.add(at);
                }
                if (fault.kind().isDown()) {
                    downsFound.add(at);
                }
            } else {
                add(fact(at), at);
            }
        }
        cuts = cutsFound.stream().mapToInt(at -> at).toArray();
        faults = faultsFound.stream().mapToInt(at -> at).toArray();
        downs = downsFound.stream().mapToInt(at -> at).toArray();
        Comparator<Delivered> asTheyWentOut = Comparator.<Delivered>comparingLong(
                        delivered -> delivered.popped.handle().epoch())
                .thenComparingLong(delivered -> delivered.popped.handle().checkpointSequence());
        stories.values().forEach(story -> story.deliveries.sort(asTheyWentOut));
    }

    private void add(Fact fact, int at) {
        if (fact instanceof Fact.Sending sending) {
            require(sent.put(sending.messageId(), new Sent(sending, at)) == null, "sent twice", fact);
        } else if (fact instanceof Fact.Stored stored) {
            Sent message = asked(sent.get(stored.messageId()), fact);
            require(!message.isAnswered(), "answered twice", fact);
            message.stored = stored;
            message.storedAt = at;
            message.sightings.add(new Sighting(Place.of(stored.receipt()), at, message.isFlushed()));
        } else if (fact instanceof Fact.NotStored failed) {
            Sent message = asked(sent.get(failed.messageId()), fact);
            require(!message.isAnswered(), "answered twice", fact);
            message.failure = failed.code();
            message.failedAt = at;
        } else if (fact instanceof Fact.Popped popped) {
            add(new Delivered(popped, at));
        } else if (fact instanceof Fact.PopFailed) {
            popsFailed.add(at);
        } else if (fact instanceof Fact.Letter letter) {
            addLetter(new FoundLetter(letter, at));
        } else if (fact instanceof Fact.Gone goneConsumer) {
            gone.putIfAbsent(goneConsumer.consumer(), at);
        } else if (fact instanceof Fact.Drained) {
            drained.add(at);
        } else if (fact instanceof Fact.Damaged damaged) {
            addDamage(damaged, at);
        } else if (!(fact instanceof Fact.Serving)
                && !(fact instanceof Fact.NotServing)
                && !(fact instanceof Fact.Remark)) {
            addSettlement(fact, at);
        }
    }

    private void addDamage(Fact.Damaged damaged, int at) {
        Place place = Place.of(damaged);
        switch (damaged.what()) {
            case MESSAGE -> damagedAt.putIfAbsent(place, at);
            case DOUBTFUL_MESSAGE -> doubtfulAt.putIfAbsent(place, at);
            case MENDED_MESSAGE -> {
                Integer since = damagedAt.remove(place);
                doubtfulAt.putIfAbsent(place, since == null ? at : since);
            }
            case PASSED_OVER -> passedOverAt.putIfAbsent(place, at);
            case LETTER -> lettersDamaged.add(place);
            case NOTES -> {
                notesDamaged
                        .computeIfAbsent(new GroupPlace(damaged.group(), place), absent -> new ArrayList<>())
                        .add(at);
                anyNotesDamaged
                        .computeIfAbsent(GroupQueue.of(damaged.group(), place), absent -> new ArrayList<>())
                        .add(at);
            }
        }
    }

    private void add(Delivered delivered) {
        deliveries.add(delivered);
        Delivered before = byHandle.putIfAbsent(delivered.popped.handle(), delivered);
        if (before != null) {
            if (!before.popped.consumer().equals(delivered.popped.consumer())) {
                comeTwice.add(delivered);
            }
            return;
        }
        story(delivered.popped.group(), delivered.place).deliveries.add(delivered);
        Sent message = sent.get(delivered.popped.messageId());
        if (message != null) {
            message.sightings.add(new Sighting(delivered.place, delivered.at, false));
        }
    }

    private void addLetter(FoundLetter found) {
        letters.add(found);
        Place place = Place.of(found.letter);
        story(found.letter.group(), place).letters.add(found);
        Sent message = sent.get(found.letter.messageId());
        if (message != null) {
            message.sightings.add(new Sighting(place, found.at, false));
        }
    }

    private void addSettlement(Fact fact, int at) {
        if (fact instanceof Fact.Acking acking) {
            Delivered delivered = asked(byHandle.get(acking.handle()), fact);
            delivered.ackingAt = delivered.ackingAt == NEVER ? at : delivered.ackingAt;
        } else if (fact instanceof Fact.Acked acked) {
            Delivered delivered = asked(byHandle.get(acked.handle()), fact);
            require(delivered.ackingAt != NEVER, "never asked for", fact);
            if (delivered.acked == null) {
                delivered.acked = acked;
                delivered.ackedAt = at;
            }
        } else if (fact instanceof Fact.NotAcked failed) {
            Delivered delivered = asked(byHandle.get(failed.handle()), fact);
            delivered.ackFailure = failed.code();
            delivered.ackFailedAt = at;
        } else if (fact instanceof Fact.Nacking nacking) {
            Delivered delivered = asked(byHandle.get(nacking.handle()), fact);
            delivered.nackingAt = delivered.nackingAt == NEVER ? at : delivered.nackingAt;
        } else if (fact instanceof Fact.Nacked nacked) {
            Delivered delivered = asked(byHandle.get(nacked.handle()), fact);
            delivered.nackedAt = at;
            delivered.dueMillis = nacked.dueMillis();
        } else if (fact instanceof Fact.Extending extending) {
            Delivered delivered = asked(byHandle.get(extending.handle()), fact);
            delivered.extendingAt = at;
            delivered.extensionsOpen++;
        } else if (fact instanceof Fact.Extended extended) {
            Delivered delivered = asked(byHandle.get(extended.handle()), fact);
            delivered.extendedAt = at;
            delivered.extensionsOpen--;
            delivered.untilMillis = extended.invisibleUntilMillis();
        } else if (fact instanceof Fact.GivingBack givingBack) {
            Delivered delivered = asked(byHandle.get(givingBack.handle()), fact);
            delivered.givingBackAt = delivered.givingBackAt == NEVER ? at : delivered.givingBackAt;
        } else {
            throw new AssertionError(fact);
        }
    }

    private Story story(String group, Place place) {
        return stories.computeIfAbsent(new GroupPlace(group, place), absent -> new Story(group, place));
    }

    private static <T> T asked(T asked, Fact fact) {
        require(asked != null, "never asked for", fact);
        return asked;
    }

    private static void require(boolean holds, String what, Fact fact) {
        if (!holds) {
            throw new IllegalArgumentException(what + ", says the journal: " + fact);
        }
    }

    Fact fact(int at) {
        return journal.get(at).fact();
    }

    long millis(int at) {
        return journal.get(at).atMillis();
    }

    int size() {
        return journal.size();
    }

    // ---- what a fault allows ----------------------------------------------------------------------------------------

    /** Whether the power was cut after the one moment and before the other. */
    boolean isCutBetween(int from, int to) {
        return isAnyBetween(cuts, from, to);
    }

    boolean isCutAfter(int from) {
        return isAnyBetween(cuts, from, Integer.MAX_VALUE);
    }

    /** Between the cuts of the power, and whatever else a group may have forgotten of something in that queue. */
    Spans spans(String group, Place somePlace) {
        List<Integer> forgotten = anyNotesDamaged.getOrDefault(GroupQueue.of(group, somePlace), List.of());
        return new Spans(
                IntStream.concat(Arrays.stream(cuts), forgotten.stream().mapToInt(at -> at))
                        .sorted()
                        .toArray());
    }

    /** Whether what the group had noted of the message in that place was damaged after the one moment and before the other. */
    boolean areNotesDamagedBetween(String group, Place place, int from, int to) {
        return isAnyOf(notesDamaged.get(new GroupPlace(group, place)), from, to)
                || isAnyOf(notesDamaged.get(new GroupPlace(group, place.any())), from, to);
    }

    private static boolean isAnyOf(List<Integer> momentsOrNull, int from, int to) {
        return momentsOrNull != null && momentsOrNull.stream().anyMatch(at -> at > from && at < to);
    }

    /** From when on what is in that place need not come; {@link Integer#MAX_VALUE} if it is sound. */
    int damagedAt(Place place) {
        return Math.min(
                damagedAt.getOrDefault(place, Integer.MAX_VALUE), doubtfulAt.getOrDefault(place, Integer.MAX_VALUE));
    }

    /** From when on nobody in that place is waited for; {@link Integer#MAX_VALUE} if somebody is. */
    int heldUpUntil(Place place) {
        return Math.min(damagedAt(place), passedOverAt.getOrDefault(place, Integer.MAX_VALUE));
    }

    /** When everything in the queue of that place had come to the group; {@link #NEVER} if not. */
    int drainedAt(String group, Place place) {
        int last = NEVER;
        for (int at : drained) {
            Fact.Drained fact = (Fact.Drained) fact(at);
            last = fact.group().equals(group) && fact.topic().equals(place.topic) ? at : last;
        }
        return last;
    }

    /** Whether what is in that place cannot be there at that moment: it was damaged, and the node has started since. */
    boolean isGone(Place place, int at) {
        Integer since = damagedAt.get(place);
        return since != null && isAnyBetween(downs, since, at);
    }

    /** Whether the dead letter that the message in that place became may be gone. */
    boolean isLetterDamaged(Place place) {
        return lettersDamaged.contains(place);
    }

    boolean isFaultBetween(int from, int to) {
        return isAnyBetween(faults, from, to);
    }

    private static boolean isAnyBetween(int[] moments, int from, int to) {
        int index = Arrays.binarySearch(moments, from);
        int next = index >= 0 ? index + 1 : -index - 1;
        return next < moments.length && moments[next] < to;
    }

    /** Whether a delivery that went out after the one moment and before the other may be unknown to everybody. */
    boolean mayHideDelivery(String topic, String group, int from, int to) {
        if (isFaultBetween(from, to)) {
            return true;
        }
        for (int at : popsFailed) {
            Fact.PopFailed failed = (Fact.PopFailed) fact(at);
            if (at > from && failed.topic().equals(topic) && failed.group().equals(group)) {
                return true;
            }
        }
        return false;
    }

    /** As {@link #mayHideDelivery}, because a consumer was gone to whom the node went on delivering. */
    boolean mayBeAtTheGone(int from, int to, long goneAfterMillis) {
        for (int at : gone.values()) {
            if (at < to && millis(from) <= millis(at) + goneAfterMillis) {
                return true;
            }
        }
        return false;
    }
}
