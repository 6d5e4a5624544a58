package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of a consumer group on one queue. What is neither acked, in flight, waiting nor parked between floor and cursor has
 * never been out.
 * <pre> byte  0  u8   kind = 2
 * byte  1  u8   version = 2
 * byte  2  i64  floor            everything below is settled
 * byte 10  i64  cursor           the next offset that was not looked at
 * byte 18  offsets acked, at or above the floor, see {@link OffsetSet}
 *          i32 count of checkpoints, per checkpoint:
 *              i64 sequence · i64 epoch · i64 nonce · i64 sessionId · i64 requestId · i64 poppedMillis ·
 *              i64 deadlineMillis · i32 count of ranges, ranges as in {@link PopRecord} ·
 *              i32 count of moved deadlines, each: i64 deadlineMillis · u8 kind · offsets ·
 *              offsets given back from it
 *          i32 count of redeliveries, each: i64 offset · i64 dueMillis · i32 attempts ·
 *              i64 epoch · i64 sequence · i64 nonce of the last delivery ·
 *              i64 firstPoppedMillis · i64 lastPoppedMillis (not in version 1)
 *          from here on not in version 1:
 *          i64 staleBelow: handles of offsets below that are stale if nothing else is known of them
 *          i32 count of first pops, each: i64 offset · i64 firstPoppedMillis, of what is in flight not for the first time
 *          i32 count of reasons, each: text reason · offsets that were nacked for it
 *          i32 count of parked messages, each: a redelivery, its dueMillis being when it was parked ·
 *              text messageGroup · text reason
 *          i32 count of dead-letter queues whose letters were received, each: i32 queueId · offsets </pre>
 */
public record GroupSnapshot(
        long floor,
        long cursor,
        OffsetSet acked,
        List<CheckpointState> checkpoints,
        List<Redelivery> redeliveries,
        long staleBelow,
        List<FirstPop> firstPops,
        List<Reason> reasons,
        List<Parked> parked,
        List<Received> received) {
    /**
     * A Pop of which something may still be in flight.
     *
     * @param sequence of its {@link PopRecord}
     * @param deadlineMillis granted at first; what was moved since is in {@code moved}
     * @param ranges everything that went out with it, settled since or not
     * @param moved deadlines of offsets that were moved, each offset at most once
     * @param returned offsets of it that came back and are not its any more: in {@code redeliveries} or out again
     */
    public record CheckpointState(
            long sequence,
            long epoch,
            long nonce,
            long sessionId,
            long requestId,
            long poppedMillis,
            long deadlineMillis,
            List<DeliveryRange> ranges,
            List<MovedDeadline> moved,
            OffsetSet returned) {
        private static final int BYTES_MIN = 7 * 8 + 4 + 4 + 1;

        public CheckpointState {
            ranges = List.copyOf(ranges);
            moved = List.copyOf(moved);
        }

        private int encodedBytes() {
            int bytes = 7 * 8 + DeliveryRange.encodedBytes(ranges) + 4 + returned.encodedBytes();
            for (MovedDeadline deadline : moved) {
                bytes += 9 + deadline.offsets.encodedBytes();
            }
            return bytes;
        }

        private void encode(BodyWriter out) {
            out.i64(sequence).i64(epoch).i64(nonce).i64(sessionId).i64(requestId);
            out.i64(poppedMillis).i64(deadlineMillis);
            DeliveryRange.encode(out, ranges);
            out.i32(moved.size());
            for (MovedDeadline deadline : moved) {
                out.i64(deadline.deadlineMillis).u8(deadline.kind.ordinal() + 1).offsets(deadline.offsets);
            }
            out.offsets(returned);
        }

        private static CheckpointState decode(BodyReader in) throws CorruptRecordException {
            long sequence = in.i64();
            long epoch = in.i64();
            long nonce = in.i64();
            long sessionId = in.i64();
            long requestId = in.i64();
            long poppedMillis = in.i64();
            long deadlineMillis = in.i64();
            List<DeliveryRange> ranges = DeliveryRange.decode(in);
            int count = in.count(10);
            List<MovedDeadline> moved = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                moved.add(new MovedDeadline(in.i64(), in.code(MovedDeadline.KINDS), in.offsets()));
            }
            return new CheckpointState(
                    sequence,
                    epoch,
                    nonce,
                    sessionId,
                    requestId,
                    poppedMillis,
                    deadlineMillis,
                    ranges,
                    moved,
                    in.offsets());
        }
    }

    /** A deadline that was moved, by an extension or a nack, for some offsets of a checkpoint. */
    public record MovedDeadline(long deadlineMillis, DeadlineRecord.Kind kind, OffsetSet offsets) {
        private static final DeadlineRecord.Kind[] KINDS = DeadlineRecord.Kind.values();
    }

    /**
     * A message that waits to go out again.
     *
     * @param attempts deliveries that count so far; 0 if the only one was given back uncounted
     * @param epoch with {@code sequence} and {@code nonce} the token of the last delivery, whose late ack is taken
     * @param firstPoppedMillis of its first attempt that counts, 0 if not known
     * @param lastPoppedMillis of its last attempt, 0 if not known
     */
    public record Redelivery(
            long offset,
            long dueMillis,
            int attempts,
            long epoch,
            long sequence,
            long nonce,
            long firstPoppedMillis,
            long lastPoppedMillis) {
        private static final int BYTES_OF_VERSION_1 = 44;
        private static final int BYTES = 60;

        public Redelivery {
            Fields.notNegative("offset", offset);
            Fields.notNegative("attempts", attempts);
        }

        private void encode(BodyWriter out) {
            out.i64(offset).i64(dueMillis).i32(attempts);
            out.i64(epoch).i64(sequence).i64(nonce);
            out.i64(firstPoppedMillis).i64(lastPoppedMillis);
        }

        private static Redelivery decode(BodyReader in, int version) throws CorruptRecordException {
            long offset = in.i64();
            long dueMillis = in.i64();
            int attempts = in.i32();
            long epoch = in.i64();
            long sequence = in.i64();
            long nonce = in.i64();
            return version == 1
                    ? new Redelivery(offset, dueMillis, attempts, epoch, sequence, nonce, 0, 0)
                    : new Redelivery(offset, dueMillis, attempts, epoch, sequence, nonce, in.i64(), in.i64());
        }
    }

    /** When a message that is in flight was first out. */
    public record FirstPop(long offset, long firstPoppedMillis) {
        private static final int BYTES = 16;
    }

    /** Why messages failed the last time. */
    public record Reason(String reason, OffsetSet offsets) {
        public Reason {
            Fields.text("reason", reason);
        }

        private int encodedBytes() {
            return BodyWriter.textBytes(reason) + offsets.encodedBytes();
        }
    }

    /** A message that holds its key back; {@code delivery.dueMillis} is when that began. */
    public record Parked(Redelivery delivery, String messageGroup, String reason) {
        public Parked {
            Fields.text("messageGroup", messageGroup);
            Fields.text("reason", reason);
        }

        private int encodedBytes() {
            return Redelivery.BYTES + BodyWriter.textBytes(messageGroup) + BodyWriter.textBytes(reason);
        }
    }

    /** Letters of a dead-letter queue of another stripe, see {@link RedriveReceivedRecord}. */
    public record Received(int queueId, OffsetSet offsets) {}

    public GroupSnapshot {
        Fields.notNegative("floor", floor);
        Fields.check(cursor >= floor, "cursor", cursor, floor + " or more");
        checkpoints = List.copyOf(checkpoints);
        redeliveries = List.copyOf(redeliveries);
        firstPops = List.copyOf(firstPops);
        reasons = List.copyOf(reasons);
        parked = List.copyOf(parked);
        received = List.copyOf(received);
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        int bytes = SnapshotKind.HEADER_BYTES + 16 + acked.encodedBytes() + 4 + 4;
        for (CheckpointState checkpoint : checkpoints) {
            bytes += checkpoint.encodedBytes();
        }
        bytes += Redelivery.BYTES * redeliveries.size();
        bytes += 8 + 4 + FirstPop.BYTES * firstPops.size() + 4 + 4;
        for (Reason reason : reasons) {
            bytes += reason.encodedBytes();
        }
        for (Parked one : parked) {
            bytes += one.encodedBytes();
        }
        bytes += 4;
        for (Received one : received) {
            bytes += 4 + one.offsets.encodedBytes();
        }
        byte[] payload = new byte[bytes];
        BodyWriter out =
                SnapshotKind.GROUP.begin(payload).i64(floor).i64(cursor).offsets(acked);
        out.i32(checkpoints.size());
        for (CheckpointState checkpoint : checkpoints) {
            checkpoint.encode(out);
        }
        out.i32(redeliveries.size());
        for (Redelivery redelivery : redeliveries) {
            redelivery.encode(out);
        }
        out.i64(staleBelow).i32(firstPops.size());
        for (FirstPop first : firstPops) {
            out.i64(first.offset).i64(first.firstPoppedMillis);
        }
        out.i32(reasons.size());
        for (Reason reason : reasons) {
            out.text(reason.reason).offsets(reason.offsets);
        }
        out.i32(parked.size());
        for (Parked one : parked) {
            one.delivery.encode(out);
            out.text(one.messageGroup).text(one.reason);
        }
        out.i32(received.size());
        for (Received one : received) {
            out.i32(one.queueId).offsets(one.offsets);
        }
        SnapshotKind.finished(payload, out);
        return payload;
    }

    public static GroupSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.GROUP.open(payload);
        int version = SnapshotKind.versionOf(payload);
        try {
            long floor = in.i64();
            long cursor = in.i64();
            OffsetSet acked = in.offsets();
            int count = in.count(CheckpointState.BYTES_MIN);
            List<CheckpointState> checkpoints = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                checkpoints.add(CheckpointState.decode(in));
            }
            count = in.count(version == 1 ? Redelivery.BYTES_OF_VERSION_1 : Redelivery.BYTES);
            List<Redelivery> redeliveries = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                redeliveries.add(Redelivery.decode(in, version));
            }
            if (version == 1) {
                in.end();
                return new GroupSnapshot(
                        floor, cursor, acked, checkpoints, redeliveries, 0, List.of(), List.of(), List.of(), List.of());
            }
            long staleBelow = in.i64();
            count = in.count(FirstPop.BYTES);
            List<FirstPop> firstPops = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                firstPops.add(new FirstPop(in.i64(), in.i64()));
            }
            count = in.count(3);
            List<Reason> reasons = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                reasons.add(new Reason(in.text(), in.offsets()));
            }
            count = in.count(Redelivery.BYTES + 4);
            List<Parked> parked = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                parked.add(new Parked(Redelivery.decode(in, version), in.text(), in.text()));
            }
            count = in.count(5);
            List<Received> received = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                received.add(new Received(in.i32(), in.offsets()));
            }
            in.end();
            return new GroupSnapshot(
                    floor, cursor, acked, checkpoints, redeliveries, staleBelow, firstPops, reasons, parked, received);
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }
}
