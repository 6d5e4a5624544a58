package io.forebay.storage.log;

/**
 * Every kind of record a log may hold. Numbers are given once, documented in {@code docs/record-types.md} and never
 * used again for something else; a change of a layout takes a new {@link #version()}, and the old one stays readable.
 * Numbers from 32 on belong to capabilities beyond plain queues; their layouts are part of format version 1.
 */
public enum RecordType {
    MESSAGE(1),
    ENTRY(2),
    POP(3),
    ACK(4),
    DEADLINE(5),
    GIVEN_BACK(6),
    DEAD_LETTERED(7),
    /** Part of a snapshot of a queue, a group or the registry; the owner and the payload's first byte say which. */
    SNAPSHOT(8),
    MANIFEST(9),
    TOPIC(10),
    TOPIC_DELETED(11),
    GROUP(12),
    GROUP_DELETED(13),
    SUBSCRIPTION(14),
    PURGE(15),
    SEEK(16),
    SUBSCRIPTION_ENDED(17),
    SETTINGS_CHANGED(18, 2),
    QUARANTINED(19, 2),
    FILTERED(20),
    REDRIVEN(21),
    REDRIVE_RECEIVED(22),
    LOST(23),

    TIMER_SCHEDULED(32),
    TIMER_FIRED(33),
    TIMER_RECALLED(34),

    TRANSACTION_HALF(40),
    TRANSACTION_COMMITTED(41),
    TRANSACTION_ROLLED_BACK(42),
    TRANSACTION_CHECKED(43),

    PERSISTENCE_ID(48),
    PERSISTENCE_EVENT(49),
    PERSISTENCE_EVENTS_DELETED(50),
    PERSISTENCE_SNAPSHOT(51),
    PERSISTENCE_SNAPSHOTS_DELETED(52),
    DURABLE_STATE(53),

    KEY_PARKED(56),
    KEY_UNPARKED(57),
    PRODUCER_WINDOW(60),
    DEDUPLICATION(61),
    EXPIRED(62);

    private static final RecordType[] BY_NUMBER = new RecordType[256];

    static {
        for (RecordType type : values()) {
            if (BY_NUMBER[type.number] != null) {
                throw new AssertionError("record number " + type.number + " is given twice");
            }
            BY_NUMBER[type.number] = type;
        }
    }

    private final int number;
    private final int version;

    RecordType(int number) {
        this(number, 1);
    }

    RecordType(int number, int version) {
        this.number = number;
        this.version = version;
    }

    /** The number in the record header, 1 … 255. */
    public int number() {
        return number;
    }

    /** The version this code writes, and the highest it reads. */
    public int version() {
        return version;
    }

    /** The type with this number, or {@code null} if this code knows none. */
    public static RecordType ofNumberOrNull(int number) {
        return number < 0 || number >= BY_NUMBER.length ? null : BY_NUMBER[number];
    }

    /**
     * The type with this number.
     *
     * @throws UnknownRecordException if this code knows none: the record was written by newer code, or is damaged
     */
    public static RecordType ofNumber(int number) throws UnknownRecordException {
        RecordType type = ofNumberOrNull(number);
        if (type == null) {
            throw new UnknownRecordException(
                    "record type " + number + " is not known: written by a newer version, or damaged");
        }
        return type;
    }
}
