package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.forebay.support.RandomRecords;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/**
 * Records of every type, and the payloads of every kind of snapshot, with anything in them that their constructors let pass: what is
 * written is read back; cut short anywhere, or longer, it is refused by {@link CorruptRecordException}.
 */
class EveryRecordPropertyTest {
    private static RandomRecords values(Random random) {
        RandomRecords values = new RandomRecords(random);
        return values.with(MessageRecord.class, () -> message(random, values))
                .with(OffsetSet.class, () -> offsets(random, values))
                .with(LostRecord.class, () -> new LostRecord(random.nextInt(200)))
                .with(SendWindow.class, () -> window(random, values))
                .with(QueueSnapshot.class, "marks", () -> marks(random, values))
                .with(QueueSnapshot.class, "settled", () -> settled(random, values))
                .with(SettingsHistory.Change.class, () -> change(values));
    }

    private static MessageRecord message(Random random, RandomRecords values) {
        MessageRecord.Builder builder = MessageRecord.builder()
                .queueOffset(values.notNegative() - 1)
                .id(values.text())
                .body(values.bytes())
                .bornMillis(values.number())
                .deliverAtMillis(values.notNegative())
                .priority((int) values.number());
        if (random.nextBoolean()) {
            builder.tag(values.text()).keys(values.text()).messageGroup(values.text());
        }
        if (random.nextBoolean()) {
            builder.lane(values.text()).bornHost(values.text()).traceContext(values.text());
        }
        if (random.nextBoolean()) {
            builder.properties(Map.of(values.text(), values.text())).producer(values.number(), values.number());
        }
        return builder.build();
    }

    /** Dense, sparse, far apart and none. */
    private static OffsetSet offsets(Random random, RandomRecords values) {
        OffsetSet.Builder builder = OffsetSet.builder();
        long next = values.notNegative() >>> 2;
        for (int ranges = random.nextInt(40); ranges > 0; ranges--) {
            long count = 1 + random.nextInt(random.nextBoolean() ? 1 : 100);
            builder.addRange(next, count);
            next += count + 1 + (random.nextInt(10) == 0 ? values.notNegative() >>> 10 : random.nextInt(3));
        }
        return builder.build();
    }

    private static SendWindow window(Random random, RandomRecords values) {
        SendWindow.Kind kind = values.next(SendWindow.Kind.class);
        if (kind == SendWindow.Kind.OFF) {
            return SendWindow.NONE;
        }
        int count = random.nextInt(20);
        long[] producers = {values.number(), values.number(), values.number()};
        SendWindow.Builder builder = new SendWindow.Builder(kind, count);
        long offset = values.notNegative() >>> 6;
        long sequence = values.notNegative() >>> 6;
        long millis = values.notNegative() >>> 6;
        for (int i = 0; i < count; i++) {
            builder.add(
                    producers[random.nextInt(producers.length)],
                    random.nextLong(),
                    offset,
                    sequence,
                    millis,
                    random.nextInt());
            offset += 1 + step(random, values);
            sequence += 1 + step(random, values);
            millis += step(random, values);
        }
        return builder.build();
    }

    private static long step(Random random, RandomRecords values) {
        return random.nextInt(4) == 0 ? values.notNegative() >>> 8 : random.nextInt(2);
    }

    private static List<QueueSnapshot.Mark> marks(Random random, RandomRecords values) {
        List<QueueSnapshot.Mark> marks = new ArrayList<>();
        QueueSnapshot.Mark last = new QueueSnapshot.Mark(0, 0, 0);
        for (int count = random.nextInt(10); count > 0; count--) {
            last = new QueueSnapshot.Mark(
                    last.offset() + step(random, values),
                    last.logMillis() + step(random, values),
                    last.bytes() + step(random, values));
            marks.add(last);
        }
        return marks;
    }

    private static List<QueueSnapshot.Settled> settled(Random random, RandomRecords values) {
        List<QueueSnapshot.Settled> settled = new ArrayList<>();
        QueueSnapshot.Settled last = new QueueSnapshot.Settled(0, 0);
        for (int count = random.nextInt(10); count > 0; count--) {
            last = new QueueSnapshot.Settled(
                    last.offset() + step(random, values), last.millis() + step(random, values));
            settled.add(last);
        }
        return settled;
    }

    private static SettingsHistory.Change change(RandomRecords values) {
        Map<String, String> before = new LinkedHashMap<>();
        Map<String, String> after = new LinkedHashMap<>();
        for (String key : List.of(values.text(), values.text())) {
            before.put(key, values.text());
            after.put(key, values.text());
        }
        return new SettingsHistory.Change(values.number(), values.text(), before, after);
    }

    @Provide
    Arbitrary<LogRecord> records() {
        return Arbitraries.randomValue(random -> values(random).next(LogRecord.class));
    }

    @Provide
    Arbitrary<Record> snapshots() {
        return Arbitraries.randomValue(random -> {
            RandomRecords values = values(random);
            return switch (random.nextInt(3)) {
                case 0 -> values.next(QueueSnapshot.class);
                case 1 -> values.next(GroupSnapshot.class);
                default -> values.next(RegistrySnapshot.class);
            };
        });
    }

    @Property(tries = 4_000)
    void recordsOfEveryTypeAreReadBack(@ForAll("records") LogRecord record) throws Exception {
        byte[] body = RecordSamples.encode(record);
        LogRecord read = decode(record, body, body.length);
        assertThat(read).isEqualTo(record).hasSameHashCodeAs(record);
        assertThat(RecordSamples.encode(read)).isEqualTo(body);
    }

    @Property(tries = 600)
    void recordsOfEveryOtherLengthAreRefused(@ForAll("records") LogRecord record) {
        byte[] body = RecordSamples.encode(record);
        byte[] longer = Arrays.copyOf(body, body.length + 8);
        for (int length = 0; length <= longer.length; length++) {
            if (length != body.length) {
                int other = length;
                assertCorrupt(length, body.length, () -> decode(record, longer, other));
            }
        }
    }

    private static LogRecord decode(LogRecord record, byte[] source, int length) throws CorruptRecordException {
        return LogRecord.decode(record.type(), record.type().version(), source, 0, length);
    }

    @Property(tries = 1_500)
    void snapshotsOfEveryKindAreReadBack(@ForAll("snapshots") Record snapshot) throws Exception {
        byte[] payload = encode(snapshot);
        Record read = decode(snapshot, payload);
        assertThat(read).isEqualTo(snapshot).hasSameHashCodeAs(snapshot);
        assertThat(encode(read)).isEqualTo(payload);
    }

    @Property(tries = 300)
    void snapshotsOfEveryOtherLengthAreRefused(@ForAll("snapshots") Record snapshot) {
        byte[] payload = encode(snapshot);
        for (int length = 0; length < payload.length + 8; length++) {
            if (length != payload.length) {
                byte[] other = Arrays.copyOf(payload, length);
                assertCorrupt(length, payload.length, () -> decode(snapshot, other));
            }
        }
    }

    private static byte[] encode(Record snapshot) {
        if (snapshot instanceof QueueSnapshot queue) {
            return queue.encode();
        }
        return snapshot instanceof GroupSnapshot group ? group.encode() : ((RegistrySnapshot) snapshot).encode();
    }

    private static Record decode(Record likeIt, byte[] payload) throws CorruptRecordException {
        if (likeIt instanceof QueueSnapshot) {
            return QueueSnapshot.decode(payload);
        }
        return likeIt instanceof GroupSnapshot ? GroupSnapshot.decode(payload) : RegistrySnapshot.decode(payload);
    }

    private static void assertCorrupt(int length, int right, ThrowingCallable reading) {
        assertThatExceptionOfType(CorruptRecordException.class)
                .as("%d of %d bytes", length, right)
                .isThrownBy(reading);
    }
}
