package io.forebay.storage.log;

import io.forebay.storage.log.GroupSnapshot.CheckpointState;
import io.forebay.storage.log.GroupSnapshot.MovedDeadline;
import io.forebay.storage.log.GroupSnapshot.Redelivery;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * At least one record of every type, with plain and with full fields. The golden files are made of these, so they do not
 * change; a new type adds its own at the end.
 */
public final class RecordSamples {
    private RecordSamples() {}

    public static List<LogRecord> all() {
        return List.of(
                message(),
                MessageRecord.builder().id("m-1").body(bytes("hello")).build(),
                new EntryRecord(-1, 7, 1234, 98765, MessageRecord.tagHash("red"), map("dead-letter-reason", "poison")),
                new EntryRecord(12, 7, 1234, 98765, 0, Map.of()),
                new PopRecord(
                        3,
                        0x0123_4567_89AB_CDEFL,
                        42,
                        7,
                        1_800_000_000_000L,
                        1_800_000_030_000L,
                        List.of(new DeliveryRange(100, 16, 1), new DeliveryRange(17, 1, 3))),
                new AckRecord(OffsetSet.range(100, 16)),
                new AckRecord(everyOther(1000, 200)),
                new DeadlineRecord(OffsetSet.of(100, 102), 1_800_000_060_000L, DeadlineRecord.Kind.EXTENDED, ""),
                new DeadlineRecord(
                        OffsetSet.of(17), 1_800_000_005_000L, DeadlineRecord.Kind.NACKED, "no room on the truck"),
                new GivenBackRecord(OffsetSet.range(104, 4), false, GivenBackRecord.Cause.RETURNED, 1_800_000_001_000L),
                new GivenBackRecord(OffsetSet.of(108), true, GivenBackRecord.Cause.CONSUMER_GONE, 1_800_000_002_000L),
                new GivenBackRecord(OffsetSet.of(110), false, GivenBackRecord.Cause.BREAKER_OPEN, 1_800_000_003_000L),
                new DeadLetteredRecord(17, 9, 16, "attempts exhausted"),
                new SnapshotRecord(500, 77, 1234, 0, 1, goldenPayload("QUEUE 1")),
                new SnapshotRecord(501, 78, 0, 0, 2, goldenPayload("GROUP 1")),
                new SnapshotRecord(502, 79, 0, 1, 2, goldenPayload("REGISTRY 1")),
                manifest(),
                topic(),
                new TopicDeletedRecord(4, 1_800_000_000_001L),
                new GroupRecord(5, "billing", map("max-attempts", "16"), 1_800_000_000_002L),
                new GroupDeletedRecord(5, 1_800_000_000_003L),
                new SubscriptionRecord(4, 5, new long[] {0, 17}, map("filter", "red || blue"), 1_800_000_000_004L),
                new SubscriptionEndedRecord(4, 5, 1_800_000_000_005L),
                new PurgeRecord(1000, 1_800_000_000_006L),
                new SeekRecord(900, 1_800_000_000_007L, 1_799_999_000_000L),
                new SettingsChangedRecord(
                        SettingsChangedRecord.Scope.SUBSCRIPTION,
                        4,
                        5,
                        1_800_000_000_008L,
                        map("max-attempts", ""),
                        ""),
                new SettingsChangedRecord(
                        SettingsChangedRecord.Scope.TOPIC, 4, 0, 1_800_000_000_008L, map("max-age", "3 d"), "ann@shop"),
                new QuarantinedRecord(
                        600,
                        3,
                        8_388_608,
                        -1,
                        1_800_000_000_009L,
                        QuarantinedRecord.Cause.MISSING_SEGMENT,
                        "",
                        "segment 12 is not there"),
                quarantined(),
                new FilteredRecord(OffsetSet.range(700, 9)),
                new RedrivenRecord(17, 7),
                new RedriveReceivedRecord(9, 17, 3, 7),
                new TimerScheduledRecord(11, 1_800_003_600_000L, 7, 8, 1235, 98766, "0 0 * * *", "Europe/Zürich"),
                new TimerFiredRecord(11, 1_800_003_600_000L, -1, 1_800_003_600_004L),
                new TimerRecalledRecord(12, 1_800_000_000_010L, "order cancelled"),
                new TransactionHalfRecord(21, 7, 8, 1236, 98767, 1_800_000_060_000L, "payments"),
                new TransactionCommittedRecord(21, 1_800_000_000_011L),
                new TransactionRolledBackRecord(
                        22, 1_800_000_000_012L, TransactionRolledBackRecord.Cause.CHECKS_EXHAUSTED, "15 checks"),
                new TransactionCheckedRecord(22, 2, 1_800_000_120_000L),
                new PersistenceIdRecord(31, 1_800_000_000_013L, "Order|o-1", "Order", 512),
                new PersistenceEventRecord(
                        17,
                        33,
                        31,
                        1,
                        1_800_000_000_014L,
                        -1,
                        0,
                        "8c2f6f0e-writer",
                        "",
                        "OrderPlaced",
                        "",
                        List.of("orders", "new"),
                        new byte[0],
                        new byte[] {3, 1},
                        bytes("{\"id\":1}")),
                new PersistenceEventsDeletedRecord(31, 10, 12),
                new PersistenceSnapshotRecord(
                        18, 31, 12, 1_800_000_000_015L, 33, 34, 0, 1, "Order", "Meta", bytes("meta"), bytes("state")),
                new PersistenceSnapshotsDeletedRecord(31, 0, 11, 0, Long.MAX_VALUE),
                new DurableStateRecord(
                        19, 32, 5, 1_800_000_000_016L, 33, 0, 1, false, "Cart", "carts", bytes("{\"items\":[]}")),
                new DurableStateRecord(20, 32, 6, 1_800_000_000_017L, 0, 0, 1, true, "", "", new byte[0]),
                new KeyParkedRecord(700, 16, 1_800_000_000_018L, "customer-7", "always fails"),
                new KeyUnparkedRecord(700, 701, 1_800_000_000_019L, KeyUnparkedRecord.How.SKIPPED, "customer-7"),
                new ProducerWindowRecord(
                        0x5EED,
                        10,
                        1_800_000_000_020L,
                        List.of(
                                new ProducerWindowRecord.Sent(10, 1237, 98768),
                                new ProducerWindowRecord.Sent(12, 1238, 98769))),
                new DeduplicationRecord(SendWindow.Kind.MESSAGE_ID, 1_800_000_000_021L),
                new ExpiredRecord(1000, 1_800_000_000_022L, 17, ExpiredRecord.Cause.MAX_AGE),
                new ExpiredRecord(1001, 1_800_000_000_023L, 0, ExpiredRecord.Cause.MAX_BYTES),
                new LostRecord(0),
                new LostRecord(12));
    }

    static MessageRecord message() {
        return MessageRecord.builder()
                .queueOffset(41)
                .id("01HZX3K7-ärger")
                .tag("red")
                .keys("order-1 order-2")
                .messageGroup("customer-7")
                .deliverAtMillis(1_800_000_100_000L)
                .lane("gold.eu")
                .priority(-3)
                .properties(map("a", "1", "empty", "", "ключ", "значение 🚰"))
                .bornMillis(1_800_000_000_000L)
                .bornHost("10.0.0.7:5312")
                .traceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
                .producer(0x5EED, 12)
                .body(bytes("a body of some words"))
                .build();
    }

    static QuarantinedRecord quarantined() {
        return new QuarantinedRecord(
                700,
                1,
                12_288,
                -1,
                1_800_000_000_010L,
                QuarantinedRecord.Cause.READ_ERROR,
                "segment-0000000000000000.log",
                "the device does not give it");
    }

    static QueueSnapshot queue(SendWindow window) {
        return new QueueSnapshot(
                1234,
                100,
                17,
                List.of(
                        new QueueSnapshot.Mark(90, 1_800_000_000_000L, 9_000),
                        new QueueSnapshot.Mark(1234, 1_800_000_060_000L, 123_400)),
                List.of(
                        new QueueSnapshot.Settled(500, 1_800_000_061_000L),
                        new QueueSnapshot.Settled(600, 1_800_000_062_000L)),
                OffsetSet.of(700, 703),
                List.of(quarantined()),
                window);
    }

    static SendWindow producerWindow() {
        return new SendWindow.Builder(SendWindow.Kind.PRODUCER, 4)
                .add(0x5EED, 10, 1200, 98_000, 1_800_000_000_000L, 0xCAFE)
                .add(-7, Long.MIN_VALUE, 1201, 98_001, 1_800_000_000_000L, -1)
                .add(0x5EED, 9, 1203, 98_003, 1_800_000_000_001L, 0)
                .add(-7, Long.MAX_VALUE, 1233, 98_123, 1_800_000_060_000L, 1)
                .build();
    }

    static SendWindow messageIdWindow() {
        return new SendWindow.Builder(SendWindow.Kind.MESSAGE_ID, 2)
                .add(0x0123_4567_89AB_CDEFL, -1, 1200, 98_000, 1_800_000_000_000L, 0xCAFE)
                .add(1, 2, 1233, 98_123, 1_800_000_060_000L, 1)
                .build();
    }

    static GroupSnapshot group() {
        return new GroupSnapshot(
                90,
                120,
                OffsetSet.builder().addRange(91, 5).add(99).build(),
                List.of(new CheckpointState(
                        480,
                        3,
                        0x1122_3344_5566_7788L,
                        42,
                        7,
                        1_800_000_000_000L,
                        1_800_000_030_000L,
                        List.of(new DeliveryRange(100, 16, 1), new DeliveryRange(97, 1, 2)),
                        List.of(new MovedDeadline(
                                1_800_000_060_000L, DeadlineRecord.Kind.EXTENDED, OffsetSet.range(100, 2))),
                        OffsetSet.of(104))),
                List.of(new Redelivery(
                        104, 1_800_000_001_000L, 0, 3, 480, 0x1122_3344_5566_7788L, 0, 1_800_000_000_000L)),
                100,
                List.of(new GroupSnapshot.FirstPop(97, 1_799_999_000_000L)),
                List.of(new GroupSnapshot.Reason("no room on the truck", OffsetSet.of(97, 104))),
                List.of(new GroupSnapshot.Parked(
                        new Redelivery(
                                116,
                                1_800_000_002_000L,
                                16,
                                3,
                                470,
                                0x1122_3344_5566_7788L,
                                1_799_999_000_000L,
                                1_799_999_900_000L),
                        "customer-7",
                        "always fails")),
                List.of(new GroupSnapshot.Received(9, OffsetSet.of(3, 17))));
    }

    /** A payload as version 1 of it was written; what a snapshot's payload holds is nothing to its record. */
    static byte[] goldenPayload(String kindAndVersion) {
        try (InputStream in = RecordSamples.class.getResourceAsStream("/golden/v1/snapshot-payloads.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .filter(line -> line.startsWith(kindAndVersion + " "))
                    .map(line -> HexFormat.of().parseHex(line.substring(kindAndVersion.length() + 1)))
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static RegistrySnapshot registry() {
        return new RegistrySnapshot(
                5,
                6,
                9,
                List.of(topic()),
                List.of(new GroupRecord(5, "billing", Map.of(), 1_800_000_000_002L)),
                List.of(new SubscriptionRecord(4, 5, new long[] {0, 17}, Map.of(), 1_800_000_000_004L)),
                List.of(new SettingsHistory(
                        SettingsChangedRecord.Scope.TOPIC,
                        4,
                        7,
                        List.of(new SettingsHistory.Change(
                                1_800_000_000_008L, "ann@shop", map("max-age", ""), map("max-age", "3 d"))))));
    }

    private static TopicRecord topic() {
        return new TopicRecord(
                4, "orders", new int[] {7, 8}, new int[] {0, 1}, map("readable", "durable"), 1_800_000_000_000L);
    }

    static ManifestRecord manifest() {
        return new ManifestRecord(
                6,
                65_536,
                400,
                503,
                1L << 40,
                1_800_000_000_000L,
                0,
                1,
                List.of(
                        new ManifestRecord.SegmentEntry(
                                1, 0, 65_000, 65_536, 2, 0, ManifestRecord.SegmentEntry.HOLDS_MOVED),
                        new ManifestRecord.SegmentEntry(2, 65_536, -1, 65_536, 3, 300, 0)),
                List.of(
                        new ManifestRecord.OwnerEntry(7, 0, 78, 1234, 500, 77, 70_000, 502, 100),
                        new ManifestRecord.OwnerEntry(7, 5, 79, 0, 501, 78, -1, -1, 0)));
    }

    static OffsetSet everyOther(long first, int count) {
        OffsetSet.Builder builder = OffsetSet.builder();
        for (int index = 0; index < count; index++) {
            builder.add(first + 2L * index);
        }
        return builder.build();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, String> map(String... pairs) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int index = 0; index < pairs.length; index += 2) {
            map.put(pairs[index], pairs[index + 1]);
        }
        return map;
    }

    /** The encoded body, exactly its size. */
    public static byte[] encode(LogRecord record) {
        byte[] body = new byte[record.bodyBytes()];
        record.encodeBody(body, 0);
        return body;
    }
}
