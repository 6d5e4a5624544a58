package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.LittleEndian;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Logs that are damaged and repaired again and again, with what a node writes in between: also what earlier repairs have written is
 * damaged. Invariants: I1 every message that was not damaged is there, and no repair puts it in quarantine; I2 no offset is given a
 * second time, as long as anything of its queue is left; a repair passes over no more offsets than records are given up, and names none
 * that an earlier one has put in quarantine; I8 it can be repaired. The faults: flipped bits and zeros in what was durable.
 */
@Tag("proof")
class RepeatedRepairsTest {
    private static final int LIVES = 200;
    /** No bit that is flipped makes one of another. */
    private static final int[] QUEUES = {1, 6, 24};

    private static final Owner GROUP = Owner.group(1, 5);

    @Test
    void noOffsetIsGivenASecondTime() {
        SeededRun.run("repeated repairs", (random, progress) -> {
            for (int life = 0; life < LIVES; life++) {
                progress.at(life);
                new Life(random, progress).live();
            }
        });
    }

    private static final class Life {
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private final MemoryDisk disk = new MemoryDisk();
        /** By queue and offset, what is there: the message's id. */
        private final Map<Integer, TreeMap<Long, String>> sound = new HashMap<>();
        /** By queue, behind the last offset that was ever given. */
        private final Map<Integer, Long> given = new HashMap<>();

        /** By queue, behind the last offset that was given or passed over before the last damage. */
        private final Map<Integer, Long> reached = new HashMap<>();
        /** By queue, offsets that earlier repairs have put in quarantine by notes that are not damaged. */
        private final Map<Integer, OffsetSet> noted = new HashMap<>();
        /** By owner, sequence and own number of the last record since the node has started. */
        private final Map<Long, long[]> newest = new HashMap<>();

        private int messages;

        Life(RandomGenerator random, SeededRun.Progress progress) {
            this.random = random;
            this.progress = progress;
            for (int queueId : QUEUES) {
                sound.put(queueId, new TreeMap<>());
                given.put(queueId, 0L);
            }
        }

        void live() throws IOException {
            int repairs = 2 + random.nextInt(3);
            write(3 + random.nextInt(8));
            for (int repair = 0; repair < repairs; repair++) {
                Set<LogCensus.Piece> hits = damage();
                if (!hits.isEmpty()) {
                    repair(hits);
                }
                write(random.nextInt(5));
            }
        }

        // ---- what a node writes -----------------------------------------------------------------------------------

        private void write(int frames) throws IOException {
            newest.clear();
            try (StripeLog log = open()) {
                for (int frame = 0; frame < frames; frame++) {
                    append(log);
                    if (random.nextInt(12) == 0) {
                        checkpoint(log);
                    }
                }
                for (int queueId : QUEUES) {
                    reached.put(queueId, log.nextOffset(queueId));
                }
                log.close(true);
            }
        }

        private StripeLog open() throws IOException {
            return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring());
        }

        private void append(StripeLog log) throws IOException {
            Frame.Builder builder = Frame.builder(256);
            Map<Integer, List<String>> sent = new TreeMap<>();
            for (int count = 1 + random.nextInt(3); count > 0; count--) {
                int queueId = QUEUES[random.nextInt(QUEUES.length)];
                switch (random.nextInt(5)) {
                    case 0 -> builder.add(GROUP, new AckRecord(OffsetSet.of(random.nextInt(10))));
                    case 1 -> builder.add(Owner.queue(queueId), new DeduplicationRecord(SendWindow.Kind.OFF, 1_000));
                    default -> {
                        String id = "m" + messages++;
                        builder.add(
                                Owner.queue(queueId),
                                MessageRecord.builder()
                                        .id(id)
                                        .body(id.getBytes(StandardCharsets.US_ASCII))
                                        .build());
                        sent.computeIfAbsent(queueId, absent -> new ArrayList<>())
                                .add(id);
                    }
                }
            }
            sent.forEach((queueId, ids) -> {
                long next = log.nextOffset(queueId);
                assertThat(next).as("I2: next offset of queue %d", queueId).isGreaterThanOrEqualTo(given.get(queueId));
                for (String id : ids) {
                    sound.get(queueId).put(next++, id);
                }
                given.put(queueId, next);
            });
            Frame frame = builder.build();
            log.append(frame, 2_000);
            for (int index = 0; index < frame.recordCount(); index++) {
                newest.put(
                        frame.owner(index).key(), new long[] {frame.firstSequence() + index, frame.ownerNumber(index)});
            }
        }

        private void checkpoint(StripeLog log) throws IOException {
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                long[] last = newest.get(owner.key());
                if (last != null && random.nextInt(4) > 0) {
                    long next = owner.isQueue() ? log.nextOffset(owner.queueId()) : 0;
                    byte[] state = owner.isQueue() ? QueueSnapshot.of(next, 0).encode() : new byte[0];
                    Frame.Builder builder = Frame.builder(256);
                    builder.add(owner, new SnapshotRecord(last[0], last[1], next, 0, 1, state));
                    log.append(builder.build(), 2_000);
                }
            }
            log.writeManifest(checkpoint);
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            log.finishCheckpoint(checkpoint);
        }

        // ---- what goes wrong --------------------------------------------------------------------------------------

        /** @return the frames that are damaged: of each queue something is left */
        private Set<LogCensus.Piece> damage() throws IOException {
            LogCensus census = LogCensus.of(disk);
            List<LogCensus.Piece> candidates = census.pieces.stream()
                    .filter(piece -> piece.entries().stream().noneMatch(entry -> census.isState(piece, entry)))
                    .toList();
            Set<LogCensus.Piece> hits = new LinkedHashSet<>();
            for (int count = 1 + random.nextInt(3); count > 0 && !candidates.isEmpty(); count--) {
                List<LogCensus.Piece> notes = candidates.stream()
                        .filter(piece -> piece.entries().get(0).type() == RecordType.QUARANTINED)
                        .toList();
                List<LogCensus.Piece> drawn = notes.isEmpty() || random.nextBoolean() ? candidates : notes;
                LogCensus.Piece piece = drawn.get(random.nextInt(drawn.size()));
                hits.add(piece);
                if (!areQueuesKnown(census, hits)) {
                    hits.remove(piece);
                }
            }
            noted.clear();
            census.pieces.stream()
                    .filter(piece -> !hits.contains(piece))
                    .flatMap(piece -> piece.entries().stream())
                    .forEach(entry -> {
                        if (entry.content() instanceof QuarantinedRecord note) {
                            OffsetSet offsets = OffsetSet.range(note.firstOffset(), note.count());
                            noted.merge(entry.owner().queueId(), offsets, OffsetSet::union);
                        }
                    });
            progress.note("damaged " + told(hits) + " of " + told(census.pieces));
            for (LogCensus.Piece piece : hits) {
                if (random.nextInt(4) == 0) {
                    disk.overwrite(piece.file(), piece.at(), new byte[piece.lengthBytes()]);
                } else {
                    disk.flip(piece.file(), (int) piece.at() + anyByte(piece), 1 << random.nextInt(8));
                }
            }
            return hits;
        }

        /** For the message of a failure. */
        private static String told(Collection<LogCensus.Piece> pieces) {
            StringBuilder text = new StringBuilder();
            for (LogCensus.Piece piece : pieces) {
                text.append("\n  ").append(piece.position());
                for (LogCensus.Entry entry : piece.entries()) {
                    text.append(", ").append(entry.sequence()).append(": ").append(entry.owner());
                    text.append(" number ")
                            .append(entry.ownerNumber())
                            .append(' ')
                            .append(entry.type());
                    text.append(entry.hasOffset() ? " " + entry.queueOffset() : "");
                    if (entry.content() instanceof QuarantinedRecord note) {
                        text.append(' ').append(note.firstOffset()).append('+').append(note.count());
                    }
                }
            }
            return text.toString();
        }

        /** Not of those that say whose a record is: what is left of it is believed if that is somebody's next one. */
        private int anyByte(LogCensus.Piece piece) throws IOException {
            byte[] content = disk.content(piece.file());
            int drawn = random.nextInt(piece.lengthBytes());
            int recordAt = FrameCodec.HEADER_BYTES;
            while (recordAt < piece.lengthBytes()) {
                if (drawn >= recordAt + 8 && drawn < recordAt + FrameCodec.RECORD_HEADER_BYTES) {
                    return drawn % FrameCodec.HEADER_BYTES;
                }
                recordAt += LittleEndian.getInt(content, (int) piece.at() + recordAt);
            }
            return drawn;
        }

        private static boolean areQueuesKnown(LogCensus census, Set<LogCensus.Piece> hits) {
            Set<Owner> left = new TreeSet<>(Comparator.comparing(Owner::key));
            census.pieces.stream()
                    .filter(piece -> !hits.contains(piece))
                    .flatMap(piece -> piece.entries().stream())
                    .forEach(entry -> left.add(entry.owner()));
            return hits.stream()
                    .flatMap(piece -> piece.entries().stream())
                    .allMatch(entry -> !entry.owner().isQueue() || left.contains(entry.owner()));
        }

        private void repair(Set<LogCensus.Piece> hits) throws IOException {
            hits.stream().flatMap(piece -> piece.entries().stream()).forEach(entry -> {
                if (entry.hasOffset()) {
                    sound.get(entry.owner().queueId()).remove(entry.queueOffset());
                }
            });
            RepairPlan plan = LogRepair.apply(disk, LogRepair.nextNumber(disk), 3_000);
            assertThat(plan.refusalOrNull()).as("I8").isNull();
            assertThat(LogVerifier.verify(disk).problems()).isEmpty();
            plan.losses().stream()
                    .filter(loss ->
                            loss.ownerOrNull() != null && loss.ownerOrNull().isQueue())
                    .forEach(loss -> {
                        OffsetSet before = noted.getOrDefault(loss.ownerOrNull().queueId(), OffsetSet.empty());
                        assertThat(loss.offsets().minus(before))
                                .as("named again, %s", plan)
                                .isEqualTo(loss.offsets());
                    });
            Map<Integer, TreeMap<Long, String>> found = new HashMap<>();
            Map<Integer, OffsetSet> quarantined = new HashMap<>();
            long givenUp = 0;
            for (int queueId : QUEUES) {
                found.put(queueId, new TreeMap<>());
                quarantined.put(queueId, OffsetSet.empty());
            }
            for (LogCensus.Piece piece : LogCensus.of(disk).pieces) {
                for (LogCensus.Entry entry : piece.entries()) {
                    int queueId = entry.owner().queueId();
                    if (entry.content() instanceof MessageRecord message) {
                        found.get(queueId).put(entry.queueOffset(), message.id());
                    } else if (entry.content() instanceof QuarantinedRecord note) {
                        quarantined.merge(queueId, OffsetSet.range(note.firstOffset(), note.count()), OffsetSet::union);
                    } else if (entry.type() == RecordType.LOST) {
                        givenUp++; // whose it was may be mistaken
                    }
                }
            }
            assertThat(found).as("I1, I2").isEqualTo(sound);
            try (StripeLog log = open()) {
                assertThat(log.report().stoppedOwners()).isEmpty();
                for (int queueId : QUEUES) {
                    TreeMap<Long, String> there = sound.get(queueId);
                    long next = log.nextOffset(queueId);
                    assertThat(next)
                            .as("I2: next offset of queue %d, %s", queueId, plan)
                            .isGreaterThanOrEqualTo(given.get(queueId));
                    assertThat(there.keySet())
                            .as("I1: in quarantine, %s", plan)
                            .noneMatch(quarantined.get(queueId)::contains);
                    assertThat(next).as("passed over, %s", plan).isLessThanOrEqualTo(reached.get(queueId) + givenUp);
                }
            }
        }
    }
}
