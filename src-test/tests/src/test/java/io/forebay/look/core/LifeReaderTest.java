package io.forebay.look.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LifeEvent.Kind;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.MessageLife.State;
import io.forebay.protocol.MessagePlace;
import io.forebay.queue.DeadLetterForm;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.RedriveReceivedRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.SnapshotRecord;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What records tell of one message, and what follows from it: by hand, record after record. */
class LifeReaderTest {
    private static final int QUEUE = 7;
    private static final int OTHER_QUEUE = 8;
    private static final int GROUP = 3;
    private static final long OFFSET = 10;

    private final List<LifeEvent> events = new ArrayList<>();
    private LifeReader reader = reader(LifeReader.Subject.NOT_STORED);
    private long sequence;
    private long millis = 1_000;

    private LifeReader reader(long ownSequence) {
        LifeReader.Subject subject = new LifeReader.Subject(QUEUE, OFFSET, "key", ownSequence);
        return new LifeReader(subject, 5, LifeNames.UNKNOWN, events::add);
    }

    private void queue(LogRecord record) {
        take(QUEUE, 0, record);
    }

    private void group(LogRecord record) {
        take(QUEUE, GROUP, record);
    }

    private void take(int queueId, int groupId, LogRecord record) {
        try {
            reader.record(new LifeReader.Origin(queueId, groupId, ++sequence, millis += 100), record);
        } catch (CorruptRecordException e) {
            throw new AssertionError(e);
        }
    }

    private void popped(int attempt, long deadlineMillis) {
        group(new PopRecord(1, 99, 77, 5, millis, deadlineMillis, List.of(new DeliveryRange(OFFSET - 2, 5, attempt))));
    }

    private static OffsetSet here() {
        return OffsetSet.range(OFFSET - 1, 3);
    }

    private static OffsetSet elsewhere() {
        return OffsetSet.of(OFFSET - 1, OFFSET + 1);
    }

    private List<Kind> kinds() {
        return events.stream().map(LifeEvent::kind).toList();
    }

    private MessageLife life(long nowMillis) {
        return new MessageLife.Builder()
                .add(new LookReply.LifePage(
                        1,
                        new MessagePlace("n", "t", 0, OFFSET),
                        null,
                        List.of("idle"),
                        events,
                        List.of(),
                        0,
                        0,
                        nowMillis,
                        ""))
                .build();
    }

    private State stateOf(String group, long nowMillis) {
        return life(nowMillis).groups().stream()
                .filter(one -> one.group().equals(group))
                .findFirst()
                .orElseThrow()
                .state();
    }

    @Test
    void onlyWhatIsOfTheMessageIsTold() {
        queue(message(OFFSET));
        queue(message(OFFSET + 1));
        take(OTHER_QUEUE, 0, message(OFFSET));
        popped(1, 60_000);
        take(OTHER_QUEUE, GROUP, new AckRecord(here()));
        group(new AckRecord(elsewhere()));
        group(new DeadlineRecord(elsewhere(), 70_000, DeadlineRecord.Kind.NACKED, "not us"));
        group(new FilteredRecord(elsewhere()));
        group(new DeadLetteredRecord(OFFSET + 1, 5, 16, ""));
        group(new PurgeRecord(OFFSET, millis));
        queue(new ExpiredRecord(OFFSET, millis, 0, ExpiredRecord.Cause.MAX_AGE));
        group(new AckRecord(here()));
        assertThat(kinds()).containsExactly(Kind.SENT, Kind.POPPED, Kind.ACKED);
        assertThat(events.get(0).detail())
                .contains("message 'm'")
                .contains("3 bytes")
                .contains("key 'key'");
        assertThat(events.get(1).attempt()).isEqualTo(1);
        assertThat(events.get(1).sessionId()).isEqualTo(77);
        assertThat(events.stream().map(LifeEvent::isDurable)).containsExactly(true, true, false);
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.ACKED);
        assertThat(stateOf("idle", millis)).isEqualTo(State.NOT_POPPED);
    }

    private static MessageRecord message(long offset) {
        return MessageRecord.builder()
                .queueOffset(offset)
                .id("m")
                .messageGroup("key")
                .body(new byte[3])
                .build();
    }

    @Test
    void aFailingMessageEndsInTheDeadLetters() {
        queue(message(OFFSET));
        popped(1, 2_000);
        group(new DeadlineRecord(here(), 3_000, DeadlineRecord.Kind.EXTENDED, ""));
        group(new DeadlineRecord(here(), 1_500, DeadlineRecord.Kind.NACKED, "broken"));
        popped(2, 60_000);
        group(new GivenBackRecord(here(), true, GivenBackRecord.Cause.CONSUMER_GONE, millis));
        popped(3, millis + 50);
        take(OTHER_QUEUE, 0, new EntryRecord(4, QUEUE, OFFSET, 1, 0, Map.of()));
        group(new DeadLetteredRecord(OFFSET, OTHER_QUEUE, 3, "broken"));
        MessageLife life = life(millis);
        assertThat(life.events().stream().map(LifeEvent::kind))
                .containsExactly(
                        Kind.SENT,
                        Kind.POPPED,
                        Kind.EXTENDED,
                        Kind.NACKED,
                        Kind.POPPED,
                        Kind.CONSUMER_GONE,
                        Kind.POPPED,
                        Kind.ENTERED,
                        Kind.EXPIRED,
                        Kind.DEAD_LETTERED);
        assertThat(life.events().get(3).attempt())
                .as("the attempt a nack belongs to")
                .isEqualTo(1);
        assertThat(life.events().get(5).attempt()).isEqualTo(2);
        assertThat(life.events().get(7).detail()).isEqualTo("as queue id 8/4");
        assertThat(life.events().get(9).detail()).isEqualTo("to queue id 8/4: broken");
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.DEAD_LETTERED);
    }

    private static EntryRecord entry(long offset, int bodyQueue, long bodyOffset, Map<String, String> properties) {
        return new EntryRecord(offset, bodyQueue, bodyOffset, 1, 0, properties);
    }

    private static Map<String, String> letter(long offset) {
        return Map.of(
                "dead-letter.group", "g",
                "dead-letter.topic", "t",
                "dead-letter.queue", "0",
                "dead-letter.offset", Long.toString(offset),
                "dead-letter.attempts", "3",
                "dead-letter.reason", "no ink");
    }

    private List<String> details(Kind kind) {
        return events.stream()
                .filter(event -> event.kind() == kind)
                .map(LifeEvent::detail)
                .toList();
    }

    @Test
    void aLetterThatWentBackTellsWhereTo() {
        queue(entry(OFFSET, OTHER_QUEUE, 3, letter(3)));
        take(OTHER_QUEUE, 0, entry(4, OTHER_QUEUE, 2, Map.of()));
        group(new RedrivenRecord(OFFSET + 1, OTHER_QUEUE));
        take(OTHER_QUEUE, 0, entry(5, OTHER_QUEUE, 3, Map.of()));
        group(new RedrivenRecord(OFFSET, OTHER_QUEUE));
        assertThat(kinds()).containsExactly(Kind.SENT, Kind.REDRIVEN);
        assertThat(events.get(0).detail())
                .isEqualTo("as an entry of the message queue id 8/3, given up by group g as t/0/3");
        assertThat(events.get(1)).satisfies(event -> {
            assertThat(event.detail()).isEqualTo("to queue id 8/5");
            assertThat(event.group()).isEqualTo("group id " + GROUP);
            assertThat(event.atMillis()).isEqualTo(millis);
            assertThat(event.sequence()).isEqualTo(sequence);
        });
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.REDRIVEN);
        queue(new PurgeRecord(OFFSET + 1, millis));
        assertThat(stateOf("group id " + GROUP, millis))
                .as("it had gone before")
                .isEqualTo(State.REDRIVEN);
    }

    /** What lies at an offset is known only of the entry in the same frame. */
    @Test
    void aLetterThatWentToAnotherStripeTellsTheQueue() {
        take(OTHER_QUEUE, 0, entry(4, OTHER_QUEUE, 2, Map.of()));
        take(99, GROUP, new AckRecord(here()));
        group(new RedrivenRecord(OFFSET, OTHER_QUEUE));
        take(OTHER_QUEUE, 0, entry(5, OTHER_QUEUE, 2, Map.of()));
        group(new RedrivenRecord(OFFSET, 99));
        group(new RedrivenRecord(OFFSET, RedrivenRecord.QUEUE_NOT_KNOWN));
        assertThat(details(Kind.REDRIVEN))
                .containsExactly("to queue id 8", "to queue id 99", "to a queue of another stripe, before a crash");
    }

    @Test
    void aMessageThatCameBackNamesItsLetter() {
        Map<String, String> back = DeadLetterForm.redriven(letter(3), "%DLQ%g/0/12");
        queue(entry(OFFSET, OTHER_QUEUE, 3, back));
        assertThat(kinds()).containsExactly(Kind.SENT, Kind.REDRIVEN);
        assertThat(events.get(0).detail()).isEqualTo("as an entry of the message queue id 8/3");
        assertThat(events.get(1)).satisfies(event -> {
            assertThat(event.detail())
                    .isEqualTo("from the dead letter %DLQ%g/0/12, given up by group g after 3 attempts: no ink");
            assertThat(event.group()).isEmpty();
            assertThat(event.atMillis()).isEqualTo(millis);
        });
        assertThat(life(millis).groups())
                .extracting(MessageLife.GroupLife::group)
                .containsExactly("idle");
    }

    @Test
    void aLetterThatDiedAgainIsALetter() {
        Map<String, String> again = new HashMap<>(DeadLetterForm.redriven(letter(3), "%DLQ%g/0/12"));
        again.putAll(letter(20));
        queue(entry(OFFSET, OTHER_QUEUE, 3, again));
        assertThat(kinds()).containsExactly(Kind.SENT);
        assertThat(events.get(0).detail()).endsWith("queue id 8/3, given up by group g as t/0/20");
    }

    @Test
    void theFirstOfAllMessagesTellsOfBothEntries() {
        queue(message(OFFSET));
        take(OTHER_QUEUE, 0, entry(12, QUEUE, OFFSET, letter(OFFSET)));
        group(new DeadLetteredRecord(OFFSET, OTHER_QUEUE, 3, "no ink"));
        queue(entry(OFFSET + 2, QUEUE, OFFSET, DeadLetterForm.redriven(letter(OFFSET), "%DLQ%g/0/12")));
        assertThat(kinds()).containsExactly(Kind.SENT, Kind.ENTERED, Kind.DEAD_LETTERED, Kind.ENTERED);
        assertThat(details(Kind.ENTERED))
                .containsExactly("as queue id 8/12", "as queue id 7/12, sent back from the dead letter %DLQ%g/0/12");
        assertThat(details(Kind.DEAD_LETTERED)).containsExactly("to queue id 8/12: no ink");
    }

    @Test
    void aMessageFromAnotherStripeIsBelievedByTheRecordBehindIt() {
        int lettersHere = 30;
        int lettersThere = 31;
        MessageRecord message = MessageRecord.builder()
                .queueOffset(OFFSET)
                .id("m")
                .properties(DeadLetterForm.redriven(letter(3), "%DLQ%g/1/12"))
                .body(new byte[1])
                .build();
        reader = reader(8);
        reader.sent(new LifeReader.Origin(QUEUE, 0, 8, 900), message);
        assertThat(events.get(0).detail()).endsWith(", by its properties from the dead letter %DLQ%g/1/12");
        sequence = 7;
        take(OTHER_QUEUE, 0, message(3));
        take(lettersHere, GROUP, new RedriveReceivedRecord(lettersThere, 12, 0, OTHER_QUEUE));
        assertThat(details(Kind.REDRIVEN)).as("of another queue").isEmpty();
        take(lettersHere, GROUP, new RedriveReceivedRecord(lettersThere, 13, 0, QUEUE));
        assertThat(details(Kind.REDRIVEN)).as("of another message").isEmpty();
        sequence = 8;
        take(lettersHere, GROUP, new RedriveReceivedRecord(lettersThere, 12, 0, QUEUE));
        assertThat(kinds()).containsExactly(Kind.SENT, Kind.REDRIVEN);
        assertThat(events.get(1)).satisfies(event -> {
            assertThat(event.detail())
                    .isEqualTo("from the dead letter queue id 31/12, given up by group g after 3 attempts: no ink");
            assertThat(event.group()).isEmpty();
            assertThat(event.sequence()).isEqualTo(9);
        });
    }

    @Test
    void aKeyIsParkedWithWhatIsBehind() {
        group(new KeyParkedRecord(OFFSET - 4, 2, millis, "another", ""));
        group(new KeyParkedRecord(OFFSET + 4, 2, millis, "key", ""));
        assertThat(events).isEmpty();
        group(new KeyParkedRecord(OFFSET - 4, 2, millis, "key", "poison"));
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.PARKED);
        group(new KeyUnparkedRecord(OFFSET - 4, OFFSET - 4, millis, KeyUnparkedRecord.How.SKIPPED, "key"));
        group(new KeyParkedRecord(OFFSET, 3, millis, "key", "poison too"));
        group(new KeyUnparkedRecord(OFFSET, OFFSET, millis, KeyUnparkedRecord.How.TRIED_AGAIN, "key"));
        assertThat(kinds()).containsExactly(Kind.PARKED, Kind.UNPARKED, Kind.PARKED, Kind.UNPARKED);
        assertThat(events.get(0).detail()).isEqualTo("behind offset 6");
        assertThat(events.get(2).detail()).isEqualTo("poison too");
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.WAITING);
    }

    @Test
    void seeksAndPurgesChangeHowItStands() {
        String group = "group id " + GROUP;
        group(new SeekRecord(OFFSET, millis, SeekRecord.BEGINNING));
        popped(1, 60_000);
        group(new SeekRecord(OFFSET + 1, millis, SeekRecord.BY_OFFSET));
        assertThat(stateOf(group, millis)).isEqualTo(State.PASSED_OVER);
        group(new SeekRecord(OFFSET, millis, 500));
        assertThat(stateOf(group, millis)).isEqualTo(State.NOT_POPPED);
        assertThat(events.get(3).detail()).contains("1970-01-01T00:00:00.500Z");
        group(new PurgeRecord(OFFSET + 1, millis));
        assertThat(stateOf(group, millis)).isEqualTo(State.PURGED);
        queue(new ExpiredRecord(OFFSET + 5, millis, 3, ExpiredRecord.Cause.MAX_BYTES));
        assertThat(kinds())
                .containsExactly(Kind.BEGAN, Kind.POPPED, Kind.PASSED_OVER, Kind.SEEK, Kind.PURGED, Kind.PURGED);
        assertThat(events.get(5).group()).isEmpty();
        assertThat(stateOf("idle", millis)).as("gone for everyone").isEqualTo(State.PURGED);
    }

    @Test
    void aDeadlineThatPassedIsDerived() {
        popped(1, 5_000);
        assertThat(stateOf("group id " + GROUP, 4_999)).isEqualTo(State.IN_FLIGHT);
        assertThat(stateOf("group id " + GROUP, 5_001)).isEqualTo(State.WAITING);
        assertThat(life(5_001).events()).last().satisfies(event -> {
            assertThat(event.kind()).isEqualTo(Kind.EXPIRED);
            assertThat(event.atMillis()).isEqualTo(5_000);
            assertThat(event.attempt()).isEqualTo(1);
        });
    }

    @Test
    void aSnapshotSpeaksForRecordsThatAreGone() {
        String group = "group id " + GROUP;
        snapshot(OFFSET - 5, OffsetSet.of(OFFSET), List.of(), List.of());
        assertThat(stateOf(group, millis)).isEqualTo(State.SETTLED);
        snapshot(0, OffsetSet.empty(), List.of(), List.of());
        assertThat(events).as("only the first one of a group").hasSize(1);
        popped(2, 60_000);
        assertThat(stateOf(group, millis)).as("records tell more").isEqualTo(State.IN_FLIGHT);
    }

    @Test
    void aSnapshotTellsWhatIsInFlightAndWhatWaits() {
        GroupSnapshot.CheckpointState inFlight = new GroupSnapshot.CheckpointState(
                4, 1, 9, 77, 5, 900, 60_000, List.of(new DeliveryRange(OFFSET, 1, 4)), List.of(), OffsetSet.empty());
        snapshot(OFFSET, OffsetSet.empty(), List.of(inFlight), List.of());
        assertThat(life(millis).groups()).anySatisfy(one -> {
            assertThat(one.state()).isEqualTo(State.IN_FLIGHT);
            assertThat(one.attempts()).isEqualTo(4);
            assertThat(one.untilMillis()).isEqualTo(60_000);
        });
    }

    @Test
    void aSnapshotInPartsCountsWhenItIsWhole() throws CorruptRecordException {
        GroupSnapshot.Redelivery waiting = new GroupSnapshot.Redelivery(OFFSET, 70_000, 2, 1, 4, 9, 900, 950);
        byte[] payload = payload(OFFSET, OffsetSet.empty(), List.of(), List.of(waiting));
        List<SnapshotRecord> parts = SnapshotRecord.split(1, 1, 0, payload, payload.length / 3);
        assertThat(parts).hasSizeGreaterThan(2);
        group(parts.get(1));
        for (SnapshotRecord part : parts.subList(0, parts.size() - 1)) {
            group(part);
        }
        assertThat(events).isEmpty();
        group(parts.get(parts.size() - 1));
        assertThat(stateOf("group id " + GROUP, millis)).isEqualTo(State.WAITING);
        assertThat(events)
                .singleElement()
                .satisfies(event -> assertThat(event.attempt()).isEqualTo(2));
    }

    private void snapshot(
            long floor,
            OffsetSet acked,
            List<GroupSnapshot.CheckpointState> checkpoints,
            List<GroupSnapshot.Redelivery> redeliveries) {
        byte[] payload = payload(floor, acked, checkpoints, redeliveries);
        SnapshotRecord.split(1, 1, 0, payload, 1 << 16).forEach(this::group);
    }

    private static byte[] payload(
            long floor,
            OffsetSet acked,
            List<GroupSnapshot.CheckpointState> checkpoints,
            List<GroupSnapshot.Redelivery> redeliveries) {
        return new GroupSnapshot(
                        floor,
                        OFFSET + 5,
                        acked,
                        checkpoints,
                        redeliveries,
                        0,
                        List.of(),
                        List.of(),
                        List.of(),
                        List.of())
                .encode();
    }
}
