package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.IndexOptions;
import io.forebay.storage.index.QueueIndex;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Entries of the index of a stopped log are damaged, behind a checkpoint, so that no replay puts them again; the log itself is sound.
 * Invariants: I1 every message is read, also what an entry of another queue names as its body; I2 as it was stored. The faults: zeroed
 * pages, flipped bytes.
 */
@Tag("proof")
class DamagedIndexTest {
    private static final int QUEUES = 2;
    private static final int MESSAGES = 400;
    private static final int LETTERS = 3;
    private static final boolean IS_FULL = "full".equals(System.getProperty("forebay.sweep"));

    private static MemoryDisk stopped;

    @BeforeAll
    static void write() throws IOException {
        stopped = new MemoryDisk();
        try (StripeLog log = open(stopped)) {
            for (int i = 0; i < MESSAGES; i++) {
                append(log, Owner.queue(1 + i % QUEUES), message(i));
            }
            append(log, Owner.queue(LETTERS), new EntryRecord(-1, 1, 3, 7, 0, Map.of()));
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                long next = owner.isQueue() ? log.nextOffset(owner.queueId()) : 0;
                append(
                        log,
                        owner,
                        new SnapshotRecord(
                                log.writtenSequence(),
                                lastNumber(owner),
                                next,
                                0,
                                1,
                                LogModel.encode(LogModel.State.EMPTY, 0)));
            }
            log.writeManifest(checkpoint);
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            log.finishCheckpoint(checkpoint);
            log.close(true);
        }
        LogCensus census = LogCensus.of(stopped);
        long replayed = census.pieces.stream()
                .filter(census::isReplayed)
                .flatMap(piece -> piece.entries().stream())
                .filter(LogCensus.Entry::hasOffset)
                .count();
        assertThat(replayed).as("messages whose entries are put again").isZero();
    }

    private static long lastNumber(Owner owner) {
        return owner.queueId() == LETTERS ? 1 : MESSAGES / QUEUES;
    }

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring());
    }

    private static MessageRecord message(int number) {
        return MessageRecord.builder().id("m" + number).body(new byte[500]).build();
    }

    private static void append(StripeLog log, Owner owner, LogRecord record) throws IOException {
        if (log.isPreparationNeeded()) {
            log.prepareNext();
        }
        log.append(Frame.builder(1024).add(owner, record).build(), 2_000);
    }

    private static void assertAllIsRead(MemoryDisk disk, String what) throws IOException {
        try (StripeLog log = open(disk)) {
            assertThat(log.report().stoppedOwners()).isEmpty();
            // Nobody but the letter needs it any more.
            log.releaseBelow(1, 5);
            for (int queue = 1; queue <= QUEUES; queue++) {
                QueueReader reader = log.newReader(queue);
                int first = queue == 1 ? 5 : 0;
                for (int offset = first; offset < MESSAGES / QUEUES; offset++) {
                    String id = "m" + (offset * QUEUES + queue - 1);
                    QueueReader.Result result = reader.read(
                            offset,
                            1,
                            Long.MAX_VALUE,
                            (at, message, body) -> assertThat(((MessageRecord) body.decode()).id())
                                    .as("I2: %s, queue", what)
                                    .isEqualTo(id));
                    assertThat(result.count())
                            .as("I1: %s, queue %d offset %d: %s", what, queue, offset, result)
                            .isOne();
                }
            }
            QueueReader.Result letter = log.newReader(LETTERS).read(0, 1, Long.MAX_VALUE, (at, message, body) -> {
                assertThat(body).as("I1: %s, the letter's body", what).isNotNull();
                assertThat(((MessageRecord) body.decode()).id()).isEqualTo("m6");
            });
            assertThat(letter.count()).as("I1: %s, %s", what, letter).isOne();
        }
    }

    private static List<String> files() {
        return stopped.files().stream()
                .filter(name -> name.startsWith("index/index-0"))
                .toList();
    }

    @Test
    void aZeroedPageOfAnIndexCostsNothingButTime() throws IOException {
        int pages = 0;
        for (String file : files()) {
            for (int page = 0; page < stopped.pages(file); page++) {
                MemoryDisk damaged = stopped.killImage();
                int changed = damaged.zeroPage(file, page);
                Proof.corruptBytes.add(changed);
                if (changed > 0) {
                    pages++;
                    assertAllIsRead(damaged, file + " page " + page + " zeroed");
                }
            }
        }
        assertThat(pages).isGreaterThan(2);
    }

    @Test
    void aFlippedByteOfAnIndexCostsNothingButTime() throws IOException {
        for (String file : files()) {
            for (long at = 0; at < stopped.sizeBytes(file); at += IS_FULL ? 1 : 97) {
                MemoryDisk damaged = stopped.killImage();
                damaged.flip(file, at, 1 << (at % 8));
                Proof.corruptBytes.increment();
                assertAllIsRead(damaged, file + " flipped at " + at);
            }
        }
    }

    /** What was found once is not looked for again. */
    @Test
    void whatWasFoundIsInTheIndexAgain() throws IOException {
        MemoryDisk damaged = stopped.killImage();
        // The first entries of the first extent, behind the headers of file and extent.
        damaged.overwrite(files().get(0), 512 + 64, new byte[20 * 24]);
        MemoryDisk killed;
        try (StripeLog log = open(damaged)) {
            QueueReader.Result result = log.newReader(1).read(7, 1, Long.MAX_VALUE, (at, message, body) -> {});
            assertThat(result.count()).as("%s", result).isOne();
            killed = damaged.killImage();
        }
        StripeOptions options = LogDriver.OPTIONS;
        try (QueueIndex index = QueueIndex.open(
                killed.child(StripeLog.INDEX_DIRECTORY),
                options.stripeId(),
                new IndexOptions(options.indexFileBytes(), options.indexExtentEntries()))) {
            assertThat(index.lookup(1, 7, new IndexEntry())).as("read").isTrue();
            assertThat(index.lookup(1, 8, new IndexEntry())).as("not read").isFalse();
        }
    }
}
