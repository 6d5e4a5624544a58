package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.GroupSnapshot.CheckpointState;
import io.forebay.storage.log.GroupSnapshot.MovedDeadline;
import io.forebay.storage.log.GroupSnapshot.Redelivery;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Random records of the types with many shapes are read back as they were. */
class RecordPropertyTest {
    private static Arbitrary<String> texts() {
        return Arbitraries.strings().ofMaxLength(40).filter(RecordPropertyTest::isText);
    }

    /** Unpaired surrogates are no text and are written as question marks. */
    private static boolean isText(String value) {
        return value.codePoints().noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private static Arbitrary<String> optional() {
        return texts().injectNull(0.5);
    }

    private static Arbitrary<OffsetSet> offsets(int sizeMin) {
        return Arbitraries.longs()
                .between(0, 5000)
                .array(long[].class)
                .ofMinSize(sizeMin)
                .ofMaxSize(100)
                .map(OffsetSet::of);
    }

    private static Arbitrary<List<DeliveryRange>> ranges() {
        return Combinators.combine(
                        Arbitraries.longs().between(0, 1L << 60),
                        Arbitraries.integers().between(1, 1000),
                        Arbitraries.integers().between(1, 100))
                .as(DeliveryRange::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(20);
    }

    @Provide
    Arbitrary<MessageRecord> messages() {
        Arbitrary<MessageRecord.Builder> names = Combinators.combine(
                        texts(), optional(), optional(), optional(), optional(), optional(), optional())
                .as((id, tag, keys, group, lane, host, trace) -> MessageRecord.builder()
                        .id(id)
                        .tag(tag)
                        .keys(keys)
                        .messageGroup(group)
                        .lane(lane)
                        .bornHost(host)
                        .traceContext(trace));
        Arbitrary<Map<String, String>> properties =
                Arbitraries.maps(texts(), texts()).ofMaxSize(5);
        return Combinators.combine(
                        names,
                        properties,
                        Arbitraries.longs().between(-1, Long.MAX_VALUE),
                        Arbitraries.longs().between(0, Long.MAX_VALUE).injectDuplicates(0.3),
                        Arbitraries.integers(),
                        Arbitraries.longs(),
                        Arbitraries.bytes().array(byte[].class).ofMaxSize(300))
                .as((builder, map, offset, deliverAt, priority, producer, body) -> builder.properties(map)
                        .queueOffset(offset)
                        .deliverAtMillis(deliverAt)
                        .priority(priority)
                        .bornMillis(producer ^ deliverAt)
                        .producer(producer, offset)
                        .body(body)
                        .build());
    }

    @Property(tries = 500)
    void messagesAreReadBack(@ForAll("messages") MessageRecord message) throws Exception {
        assertReadBack(message);
        assertThat(message.payloadCrc()).isEqualTo(MessageRecord.payloadCrc(message.body(), 0, message.body().length));
    }

    @Property(tries = 300)
    void popsAreReadBack(@ForAll("pops") PopRecord pop) throws Exception {
        assertReadBack(pop);
    }

    @Provide
    Arbitrary<PopRecord> pops() {
        Arbitrary<Long> any = Arbitraries.longs();
        return Combinators.combine(any.filter(epoch -> epoch >= 0), any, any, any, any, any, ranges())
                .as(PopRecord::new);
    }

    @Property(tries = 300)
    void smallGroupRecordsAreReadBack(@ForAll("groupRecords") LogRecord record) throws Exception {
        assertReadBack(record);
    }

    @Provide
    Arbitrary<LogRecord> groupRecords() {
        Arbitrary<OffsetSet> some = offsets(1);
        Arbitrary<Long> millis = Arbitraries.longs();
        return Arbitraries.oneOf(
                some.map(AckRecord::new),
                Combinators.combine(some, millis, Arbitraries.of(DeadlineRecord.Kind.class), texts())
                        .as(DeadlineRecord::new),
                Combinators.combine(
                                some, Arbitraries.of(true, false), Arbitraries.of(GivenBackRecord.Cause.class), millis)
                        .as(GivenBackRecord::new));
    }

    @Property(tries = 200)
    void groupSnapshotsAreReadBack(@ForAll("groups") GroupSnapshot snapshot) throws Exception {
        assertThat(GroupSnapshot.decode(snapshot.encode())).isEqualTo(snapshot);
    }

    @Provide
    Arbitrary<GroupSnapshot> groups() {
        Arbitrary<Long> any = Arbitraries.longs();
        Arbitrary<MovedDeadline> moved = Combinators.combine(any, Arbitraries.of(DeadlineRecord.Kind.class), offsets(0))
                .as(MovedDeadline::new);
        Arbitrary<CheckpointState> checkpoint = Combinators.combine(
                        any, any, any, any, ranges(), moved.list().ofMaxSize(3), offsets(0))
                .as((sequence, nonce, session, deadline, ranges, deadlines, returned) ->
                        new CheckpointState(sequence, 3, nonce, session, 9, 10, deadline, ranges, deadlines, returned));
        Arbitrary<Redelivery> redelivery = Combinators.combine(
                        Arbitraries.longs().between(0, Long.MAX_VALUE),
                        any,
                        Arbitraries.integers().between(0, 99))
                .as((offset, due, attempts) -> new Redelivery(offset, due, attempts, 4, 5, due, due - 9, due - 3));
        return Combinators.combine(
                        Arbitraries.longs().between(0, 1L << 50),
                        Arbitraries.longs().between(0, 5000),
                        offsets(0),
                        checkpoint.list().ofMaxSize(6),
                        redelivery.list().ofMaxSize(6))
                .as((floor, ahead, acked, checkpoints, redeliveries) -> new GroupSnapshot(
                        floor,
                        floor + ahead,
                        acked,
                        checkpoints,
                        redeliveries,
                        floor / 2,
                        List.of(new GroupSnapshot.FirstPop(floor, ahead)),
                        List.of(new GroupSnapshot.Reason("r" + ahead, acked)),
                        redeliveries.stream()
                                .map(one -> new GroupSnapshot.Parked(one, "key", "reason"))
                                .toList(),
                        List.of(new GroupSnapshot.Received(9, acked))));
    }

    private static void assertReadBack(LogRecord record) throws CorruptRecordException {
        byte[] body = RecordSamples.encode(record);
        LogRecord read = LogRecord.decode(record.type(), record.type().version(), body, 0, body.length);
        assertThat(read).isEqualTo(record);
        assertThat(RecordSamples.encode(read)).isEqualTo(body);
    }
}
