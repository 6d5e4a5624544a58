package io.forebay.storage.log;

/**
 * One fact in a frame: the body behind the record header. Immutable values; what an actor decides <em>is</em> one of
 * these, and recovery gives the same values back. Layouts: {@code docs/record-types.md}.
 */
public sealed interface LogRecord
        permits MessageRecord,
                EntryRecord,
                PopRecord,
                AckRecord,
                DeadlineRecord,
                GivenBackRecord,
                DeadLetteredRecord,
                SnapshotRecord,
                ManifestRecord,
                TopicRecord,
                TopicDeletedRecord,
                GroupRecord,
                GroupDeletedRecord,
                SubscriptionRecord,
                SubscriptionEndedRecord,
                PurgeRecord,
                SeekRecord,
                SettingsChangedRecord,
                QuarantinedRecord,
                FilteredRecord,
                RedrivenRecord,
                RedriveReceivedRecord,
                LostRecord,
                TimerScheduledRecord,
                TimerFiredRecord,
                TimerRecalledRecord,
                TransactionHalfRecord,
                TransactionCommittedRecord,
                TransactionRolledBackRecord,
                TransactionCheckedRecord,
                PersistenceIdRecord,
                PersistenceEventRecord,
                PersistenceEventsDeletedRecord,
                PersistenceSnapshotRecord,
                PersistenceSnapshotsDeletedRecord,
                DurableStateRecord,
                KeyParkedRecord,
                KeyUnparkedRecord,
                ProducerWindowRecord,
                DeduplicationRecord,
                ExpiredRecord {

    RecordType type();

    /** Exact size of the encoded body, without header and padding. */
    int bodyBytes();

    /** Writes exactly {@link #bodyBytes()} bytes at {@code at}; the caller has made room. */
    void encodeBody(byte[] target, int at);

    /**
     * Reads a body that a frame's checksum has vouched for; still checks every length, count and code before use.
     *
     * @param length bytes of the body without padding
     * @throws UnknownRecordException if the version is not known
     * @throws CorruptRecordException if the bytes do not follow the layout; nothing else is thrown for any input
     */
    static LogRecord decode(RecordType type, int version, byte[] source, int at, int length)
            throws CorruptRecordException {
        if (version < 1 || version > type.version()) {
            throw new UnknownRecordException(type + " record of version " + version + " is not known, highest known is "
                    + type.version() + ": written by a newer version, or damaged");
        }
        BodyReader in = new BodyReader(type.name(), source, at, length);
        try {
            LogRecord record = decode(type, version, in);
            in.end();
            return record;
        } catch (IllegalArgumentException e) {
            // a constructor refused a value: the same bound that is checked before a write
            CorruptRecordException corrupt = in.corrupt(e.getMessage());
            corrupt.initCause(e);
            throw corrupt;
        }
    }

    private static LogRecord decode(RecordType type, int version, BodyReader in) throws CorruptRecordException {
        return switch (type) {
            case MESSAGE -> MessageRecord.decode(in);
            case ENTRY -> EntryRecord.decode(in);
            case POP -> PopRecord.decode(in);
            case ACK -> AckRecord.decode(in);
            case DEADLINE -> DeadlineRecord.decode(in);
            case GIVEN_BACK -> GivenBackRecord.decode(in);
            case DEAD_LETTERED -> DeadLetteredRecord.decode(in);
            case SNAPSHOT -> SnapshotRecord.decode(in);
            case MANIFEST -> ManifestRecord.decode(in);
            case TOPIC -> TopicRecord.decode(in);
            case TOPIC_DELETED -> TopicDeletedRecord.decode(in);
            case GROUP -> GroupRecord.decode(in);
            case GROUP_DELETED -> GroupDeletedRecord.decode(in);
            case SUBSCRIPTION -> SubscriptionRecord.decode(in);
            case SUBSCRIPTION_ENDED -> SubscriptionEndedRecord.decode(in);
            case PURGE -> PurgeRecord.decode(in);
            case SEEK -> SeekRecord.decode(in);
            case SETTINGS_CHANGED -> SettingsChangedRecord.decode(in, version);
            case QUARANTINED -> QuarantinedRecord.decode(in, version);
            case FILTERED -> FilteredRecord.decode(in);
            case REDRIVEN -> RedrivenRecord.decode(in);
            case REDRIVE_RECEIVED -> RedriveReceivedRecord.decode(in);
            case LOST -> LostRecord.decode(in);
            case TIMER_SCHEDULED -> TimerScheduledRecord.decode(in);
            case TIMER_FIRED -> TimerFiredRecord.decode(in);
            case TIMER_RECALLED -> TimerRecalledRecord.decode(in);
            case TRANSACTION_HALF -> TransactionHalfRecord.decode(in);
            case TRANSACTION_COMMITTED -> TransactionCommittedRecord.decode(in);
            case TRANSACTION_ROLLED_BACK -> TransactionRolledBackRecord.decode(in);
            case TRANSACTION_CHECKED -> TransactionCheckedRecord.decode(in);
            case PERSISTENCE_ID -> PersistenceIdRecord.decode(in);
            case PERSISTENCE_EVENT -> PersistenceEventRecord.decode(in);
            case PERSISTENCE_EVENTS_DELETED -> PersistenceEventsDeletedRecord.decode(in);
            case PERSISTENCE_SNAPSHOT -> PersistenceSnapshotRecord.decode(in);
            case PERSISTENCE_SNAPSHOTS_DELETED -> PersistenceSnapshotsDeletedRecord.decode(in);
            case DURABLE_STATE -> DurableStateRecord.decode(in);
            case KEY_PARKED -> KeyParkedRecord.decode(in);
            case KEY_UNPARKED -> KeyUnparkedRecord.decode(in);
            case PRODUCER_WINDOW -> ProducerWindowRecord.decode(in);
            case DEDUPLICATION -> DeduplicationRecord.decode(in);
            case EXPIRED -> ExpiredRecord.decode(in);
        };
    }
}
