package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogCensus;
import io.forebay.storage.log.LogCensus.Entry;
import io.forebay.storage.log.LogCensus.Piece;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogRepair;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.storage.log.RepairPlan;
import io.forebay.storage.log.TopicRecord;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;

/**
 * Damage to the logs of a node: bytes that read differently from what was forced. It is done where something else states that the place
 * was durable, and with what lies there it knows what must follow, by {@code docs/guarantees.md}: whom a start stops, or that it
 * refuses, which messages are gone, which notes of groups are forgotten, and what a repair has to say of it. Confined to its world.
 */
final class Wounds {
    private static final long ALL_OFFSETS = -1;

    /** Bytes of a segment, as they were and as they are. */
    private record Wound(int stripe, String path, long from, byte[] before, byte[] after) {
        long to() {
            return from + before.length;
        }

        String file() {
            return path.substring(path.indexOf('/') + 1);
        }
    }

    /** A queue, as clients know it. */
    record QueueName(String topic, int number) {}

    /** The damaged frames of a stripe's log. */
    record Diagnosis(int stripe, LogCensus census, List<Piece> hits) {
        /** Those that a start misses. */
        List<Piece> replayed() {
            return hits.stream().filter(census::isReplayed).toList();
        }

        /** Records that a start misses. */
        List<Entry> missing() {
            return replayed().stream()
                    .filter(piece -> !piece.isMoved())
                    .flatMap(piece -> piece.entries().stream())
                    .toList();
        }

        /** Whether a start can tell whose they are: each of their owners has a record behind. */
        boolean isAttributable() {
            for (Piece hit : replayed()) {
                for (Entry entry : hit.isMoved() ? List.<Entry>of() : hit.entries()) {
                    boolean isKnown = census.pieces.stream()
                            .filter(piece ->
                                    piece.position() > hit.position() && !piece.isMoved() && !hits.contains(piece))
                            .flatMap(piece -> piece.entries().stream())
                            .anyMatch(later -> later.owner().equals(entry.owner()));
                    if (!isKnown) {
                        return false;
                    }
                }
            }
            return true;
        }

        /** Whether a start gives up and waits for a repair. */
        boolean isRefused() {
            return !isAttributable() || owners().contains(Owner.STRIPE);
        }

        /** Whether the reason of a refused start names the damage: its stripe, and the first damaged place. */
        boolean isNamedBy(String why) {
            return why.contains(directory(stripe) + "/")
                    && replayed().stream().anyMatch(piece -> why.contains("position " + piece.position()));
        }

        @Override
        public String toString() {
            return "stripe " + stripe + ", replayed from " + census.replayPosition + ": " + hits;
        }

        /** Whose records a start misses. */
        Set<Owner> owners() {
            return missing().stream().map(Entry::owner).collect(Collectors.toSet());
        }

        /** Address of the first frame in each damaged place. */
        Set<Long> places() {
            Set<Long> places = new TreeSet<>();
            Piece before = null;
            for (Piece piece : census.pieces) {
                if (hits.contains(piece)
                        && (before == null || !hits.contains(before) || before.end() != piece.position())) {
                    places.add(piece.position());
                }
                before = piece;
            }
            return places;
        }
    }

    private final RandomGenerator random;
    private final int stripes;
    private final List<Wound> wounds = new ArrayList<>();
    private final Map<Integer, QueueName> queues = new HashMap<>();
    private final Map<Integer, String> groups = new HashMap<>();
    private final Set<Integer> spared = new HashSet<>();
    /** What is no damage any more, and may be read. */
    private final List<Fact.Damaged> mended = new ArrayList<>();
    /** Places that repairs have given up, and that nobody is in. */
    private final List<Fact.Damaged> passedOver = new ArrayList<>();
    /** What was done, for the message of a failure. */
    private final List<RepairPlan> repairs = new ArrayList<>();

    private final int nodeId;

    Wounds(RandomGenerator random, int stripes, int nodeId) {
        this.random = random;
        this.stripes = stripes;
        this.nodeId = nodeId;
    }

    private static String directory(int stripe) {
        return "stripe-" + stripe;
    }

    private static LogCensus census(MemoryDisk disk, int stripe) {
        try {
            return LogCensus.of(disk.child(directory(stripe)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Reads who is who, from a log in which that is still written. */
    void learnNames(MemoryDisk disk) {
        definitions(disk).forEach(this::learnName);
        assertThat(queues).as("names of queues").isNotEmpty();
    }

    /** Nothing of the queues of that topic, or of groups in them, is damaged from now on. */
    void spare(MemoryDisk disk, String name) {
        for (LogRecord defined : definitions(disk)) {
            if (defined instanceof TopicRecord topic && topic.name().equals(name)) {
                Arrays.stream(topic.queueIds()).forEach(spared::add);
            }
        }
        assertThat(spared).as("queues of %s", name).isNotEmpty();
    }

    private static List<LogRecord> definitions(MemoryDisk disk) {
        List<LogRecord> all = new ArrayList<>();
        for (Piece piece : census(disk, 0).pieces) {
            for (Entry entry : piece.entries()) {
                if (entry.owner().queueId() == Owner.REGISTRY_QUEUE
                        && entry.content() instanceof PersistenceEventRecord event) {
                    try {
                        all.add(RegistryEvents.decode(event.serializerManifest(), event.payload()));
                    } catch (CorruptRecordException e) {
                        throw new AssertionError(e);
                    }
                }
            }
        }
        return all;
    }

    private void learnName(LogRecord defined) {
        if (defined instanceof TopicRecord topic) {
            for (int number = 0; number < topic.queueIds().length; number++) {
                queues.put(topic.queueIds()[number], new QueueName(topic.name(), number));
            }
        } else if (defined instanceof GroupRecord group) {
            groups.put(group.groupId(), group.name());
        }
    }

    /** Null if it is none of those whose names were learned. */
    QueueName queue(int queueId) {
        return queues.get(queueId);
    }

    String group(int groupId) {
        return groups.get(groupId);
    }

    boolean areThere() {
        return !wounds.isEmpty();
    }

    // ---- what is damaged --------------------------------------------------------------------------------------------

    /** What is damaged now, by stripe. What is not there any more, or what nothing states to have been durable, is no damage any more. */
    List<Diagnosis> diagnose(MemoryDisk disk) {
        try {
            MemoryDisk sound = sound(disk);
            List<Diagnosis> all = new ArrayList<>();
            for (int stripe = 0; stripe < stripes; stripe++) {
                int number = stripe;
                if (wounds.stream().anyMatch(wound -> wound.stripe == number)) {
                    all.add(diagnose(disk, stripe, census(sound, stripe)));
                }
            }
            all.removeIf(diagnosis -> diagnosis.hits.isEmpty());
            return all;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** A copy without the damage. Forgets what was written over meanwhile. */
    private MemoryDisk sound(MemoryDisk disk) throws IOException {
        MemoryDisk sound = disk.killImage();
        List<String> files = disk.files();
        for (Wound wound : List.copyOf(wounds)) {
            if (files.contains(wound.path)
                    && Arrays.equals(bytes(disk, wound.path, wound.from, wound.to()), wound.after)) {
                sound.overwrite(wound.path, wound.from, wound.before);
            } else {
                wounds.remove(wound);
            }
        }
        return sound;
    }

    private static byte[] bytes(MemoryDisk disk, String path, long from, long to) throws IOException {
        byte[] all = disk.content(path);
        return to > all.length ? new byte[0] : Arrays.copyOfRange(all, (int) from, (int) to);
    }

    private Diagnosis diagnose(MemoryDisk disk, int stripe, LogCensus census) throws IOException {
        for (boolean isSettled = false; !isSettled; ) {
            isSettled = true;
            List<Piece> hits = hits(stripe, census);
            for (Wound wound : List.copyOf(wounds)) {
                boolean isOfLog = census.pieces.stream().anyMatch(piece -> isHit(wound, piece));
                if (wound.stripe == stripe
                        && (!isOfLog
                                || hits.stream().anyMatch(hit -> isHit(wound, hit) && !isStated(census, hits, hit)))) {
                    // Nobody could tell it from the end of a log: see docs/guarantees.md, "What recovery cannot know".
                    disk.overwrite(wound.path, wound.from, wound.before);
                    wounds.remove(wound);
                    hits.stream()
                            .filter(hit -> isHit(wound, hit))
                            .flatMap(hit -> hit.entries().stream())
                            .filter(entry -> entry.type() == RecordType.MESSAGE)
                            .forEach(entry -> add(
                                    mended,
                                    Fact.Damaged.What.MENDED_MESSAGE,
                                    "",
                                    entry.owner().queueId(),
                                    entry.queueOffset()));
                    isSettled = false;
                }
            }
        }
        return new Diagnosis(stripe, census, hits(stripe, census));
    }

    /** Whether a byte of the frame is another one now: zeros may have been zeros before. */
    private static boolean isHit(Wound wound, Piece piece) {
        if (!wound.file().equals(piece.file()) || !piece.overlaps(wound.from, wound.to())) {
            return false;
        }
        int from = (int) (Math.max(piece.at(), wound.from) - wound.from);
        int to = (int) (Math.min(piece.at() + piece.lengthBytes(), wound.to()) - wound.from);
        return Arrays.mismatch(wound.before, from, to, wound.after, from, to) >= 0;
    }

    private List<Piece> hits(int stripe, LogCensus census) {
        return census.pieces.stream()
                .filter(piece -> wounds.stream().anyMatch(wound -> wound.stripe == stripe && isHit(wound, piece)))
                .toList();
    }

    /** Whether something that is not damaged says that it was durable, and something sound follows. */
    private static boolean isStated(LogCensus census, List<Piece> hits, Piece hit) {
        long stated = census.durableBySlot;
        boolean isFollowed = false;
        for (Piece piece : census.pieces) {
            if (!hits.contains(piece)) {
                stated = Math.max(stated, piece.durablePosition());
                isFollowed |= piece.position() > hit.position() && !piece.isMoved();
            }
        }
        return isFollowed && stated >= hit.end();
    }

    // ---- damaging ---------------------------------------------------------------------------------------------------

    /**
     * Damages something durable of one of the logs, if there is anything that may be damaged.
     *
     * @param isRunning whether a node is at work on it: then it is a frame of messages that a checkpoint states to be durable
     * @return what was done, or null if nothing was
     */
    String strike(MemoryDisk disk, boolean isRunning) {
        try {
            int stripe = random.nextInt(stripes);
            LogCensus census = census(sound(disk), stripe);
            List<Piece> before = hits(stripe, census);
            List<Piece> candidates = census.pieces.stream()
                    .filter(piece -> !before.contains(piece) && mayBeHit(census, piece))
                    .filter(piece -> !isRunning || isOfMessages(piece) && piece.end() <= census.durableBySlot)
                    .toList();
            if (candidates.isEmpty()) {
                return null;
            }
            Piece piece = draw(stripe, census, candidates);
            boolean isPage = !isRunning && random.nextInt(3) == 0;
            Wound wound =
                    isPage ? zeroedPage(disk, stripe, census, piece, candidates) : flippedByte(disk, stripe, piece);
            List<Piece> hits = census.pieces.stream()
                    .filter(other -> before.contains(other) || isHit(wound, other))
                    .toList();
            if (hits.stream().anyMatch(hit -> !isStated(census, hits, hit)) || !areQueuesKnown(census, hits)) {
                return null;
            }
            for (int at = 0; at < wound.before.length; at++) {
                Proof.corruptBytes.add(wound.before[at] == wound.after[at] ? 0 : 1);
            }
            disk.overwrite(wound.path, wound.from, wound.after);
            wounds.add(wound);
            return isPage ? "page zeroed" : isRunning ? "byte flipped while it runs" : "byte flipped";
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Where nothing else tells of a queue nobody can know that offsets of it were given: see docs/guarantees.md. */
    private static boolean areQueuesKnown(LogCensus census, List<Piece> hits) {
        Set<Owner> known = census.pieces.stream()
                .filter(piece -> !hits.contains(piece) && !piece.isMoved())
                .flatMap(piece -> piece.entries().stream())
                .map(Entry::owner)
                .collect(Collectors.toSet());
        return hits.stream()
                .flatMap(piece -> piece.entries().stream())
                .map(Entry::owner)
                .allMatch(owner -> !owner.isQueue() || known.contains(owner));
    }

    /** What a start replays is little beside what it does not, and what has nothing of its owner behind it is less. */
    private Piece draw(int stripe, LogCensus census, List<Piece> candidates) {
        int dice = random.nextInt(6);
        // What clients of the application want, rather than what a flood has left.
        boolean isOfNamed = random.nextInt(4) > 0;
        List<Piece> drawn = candidates.stream()
                .filter(piece -> !isOfNamed
                        || piece.entries().stream()
                                .anyMatch(entry ->
                                        queues.containsKey(entry.owner().queueId())))
                .filter(piece -> dice == 0
                        || census.isReplayed(piece)
                                && new Diagnosis(stripe, census, List.of(piece)).isRefused() == dice > 2)
                .toList();
        drawn = drawn.isEmpty() ? candidates : drawn;
        return drawn.get(random.nextInt(drawn.size()));
    }

    private static boolean isOfMessages(Piece piece) {
        return !piece.isMoved() && piece.entries().stream().allMatch(entry -> entry.type() == RecordType.MESSAGE);
    }

    /** Not what tells of the names, or of the state, of others: with that more is lost than what lies there. */
    private boolean mayBeHit(LogCensus census, Piece piece) {
        return piece.entries().stream().allMatch(entry -> {
            if (spared.contains(entry.owner().queueId())) {
                return false;
            }
            boolean isOfNames = entry.owner().equals(Owner.STRIPE) && entry.type() != RecordType.MANIFEST
                    || Owner.isReserved(entry.owner().queueId());
            // Alone tells of offsets whose records a repair could not give back to anybody.
            boolean isOfRepair = entry.content() instanceof QuarantinedRecord note && note.position() < 0;
            boolean isOfNobody = entry.type() == RecordType.LOST && entry.ownerNumber() == 0;
            return !isOfNames
                    && !isOfRepair
                    && !isOfNobody
                    && !census.isState(piece, entry)
                    && !(entry.hasOffset() && census.isTwice(entry));
        });
    }

    private Wound flippedByte(MemoryDisk disk, int stripe, Piece piece) throws IOException {
        String path = directory(stripe) + "/" + piece.file();
        byte[] before = bytes(disk, path, piece.at(), piece.at() + piece.lengthBytes());
        byte[] after = before.clone();
        after[random.nextInt(after.length)] ^= (byte) (1 << random.nextInt(8));
        return new Wound(stripe, path, piece.at(), before, after);
    }

    /** As much of a page as may be hit, around one frame. */
    private Wound zeroedPage(MemoryDisk disk, int stripe, LogCensus census, Piece piece, List<Piece> candidates)
            throws IOException {
        String path = directory(stripe) + "/" + piece.file();
        long page = (piece.at() + random.nextInt(piece.lengthBytes())) / MemoryDisk.PAGE_BYTES * MemoryDisk.PAGE_BYTES;
        long from = Math.max(page, piece.at());
        long to = Math.min(page + MemoryDisk.PAGE_BYTES, piece.at() + piece.lengthBytes());
        for (Piece other :
                neighbours(census, piece, Comparator.comparingLong(Piece::at).reversed())) {
            boolean isNext = candidates.contains(other) && other.at() + other.lengthBytes() == from;
            from = isNext ? Math.max(page, other.at()) : from;
        }
        for (Piece other : neighbours(census, piece, Comparator.comparingLong(Piece::at))) {
            boolean isNext = candidates.contains(other) && other.at() == to;
            to = isNext ? Math.min(page + MemoryDisk.PAGE_BYTES, other.at() + other.lengthBytes()) : to;
        }
        byte[] before = bytes(disk, path, from, to);
        return new Wound(stripe, path, from, before, new byte[before.length]);
    }

    private static List<Piece> neighbours(LogCensus census, Piece piece, Comparator<Piece> order) {
        return census.pieces.stream()
                .filter(other -> other.file().equals(piece.file()))
                .sorted(order)
                .toList();
    }

    /**
     * Damages a file of an index: nothing is lost with it.
     *
     * @return what was done, or null if there is none
     */
    String strikeIndex(MemoryDisk disk) {
        try {
            List<String> files = disk.files().stream()
                    .filter(path -> path.matches("stripe-\\d+/index/.*"))
                    .toList();
            String path = files.get(random.nextInt(files.size()));
            int size = (int) disk.sizeBytes(path);
            switch (size == 0 ? 3 : random.nextInt(4)) {
                case 0 -> {
                    int page = random.nextInt(disk.pages(path));
                    Proof.corruptBytes.add(disk.zeroPage(path, page));
                }
                case 1 -> {
                    // Headers are few, and say more.
                    disk.flip(path, random.nextInt(Math.min(size, 4096 + 256)), 1 << random.nextInt(8));
                    Proof.corruptBytes.increment();
                }
                case 2 -> {
                    // Where something is written.
                    byte[] content = disk.content(path);
                    int flips = 0;
                    for (int at = random.nextInt(300); at < size; at += 1 + random.nextInt(300)) {
                        if (content[at] != 0) {
                            disk.flip(path, at, 1 << random.nextInt(8));
                            flips++;
                        }
                    }
                    Proof.corruptBytes.add(flips);
                }
                default -> {
                    String[] parts = path.split("/");
                    disk.child(parts[0]).child(parts[1]).delete(parts[2]);
                }
            }
            return "index damaged";
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    // ---- what follows -----------------------------------------------------------------------------------------------

    /** How health begins to say that somebody's records are missing. */
    String notServed(Owner owner) {
        QueueName queue = queues.get(owner.queueId());
        String what = queue == null ? "topic " : "topic " + queue.topic + " queue " + queue.number + " is not served";
        return owner.isQueue() || queue == null ? what : what + " for group " + groups.get(owner.groupId());
    }

    /**
     * What the damage takes along, as far as clients can see it.
     *
     * @param isStarted whether a node starts with it, which cannot have read anything before
     */
    List<Fact.Damaged> facts(Diagnosis diagnosis, boolean isStarted) {
        List<Fact.Damaged> facts = new ArrayList<>();
        for (Piece hit : diagnosis.hits) {
            for (Entry entry : hit.entries()) {
                if (entry.type() == RecordType.MESSAGE) {
                    // Cleaning had read it before and has written a copy since: either may be found.
                    boolean isGone = isStarted && !diagnosis.census.isTwice(entry);
                    add(
                            facts,
                            isGone ? Fact.Damaged.What.MESSAGE : Fact.Damaged.What.DOUBTFUL_MESSAGE,
                            "",
                            entry.owner().queueId(),
                            entry.queueOffset());
                } else if (entry.content() instanceof EntryRecord letter) {
                    add(facts, Fact.Damaged.What.LETTER, "", letter.bodyQueueId(), letter.bodyOffset());
                } else if (diagnosis.census.isReplayed(hit)
                        && !hit.isMoved()
                        && entry.owner().isGroup()) {
                    String group = groups.get(entry.owner().groupId());
                    for (long offset : noted(entry.content())) {
                        add(facts, Fact.Damaged.What.NOTES, group, entry.owner().queueId(), offset);
                    }
                }
            }
        }
        return facts;
    }

    /** What has been made whole since this was asked last. */
    List<Fact.Damaged> takeMended() {
        List<Fact.Damaged> taken = List.copyOf(mended);
        mended.clear();
        return taken;
    }

    private void add(List<Fact.Damaged> facts, Fact.Damaged.What what, String group, int queueId, long offset) {
        QueueName queue = queues.get(queueId);
        if (queue != null && group != null) {
            facts.add(new Fact.Damaged(what, group, nodeId, queue.topic, queue.number, offset));
        }
    }

    /** Offsets of the messages that a group's record speaks of. */
    private static List<Long> noted(LogRecord record) {
        List<Long> offsets = new ArrayList<>();
        if (record instanceof PopRecord pop) {
            pop.deliveries().forEach(range -> {
                for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                    offsets.add(offset);
                }
            });
        } else if (record instanceof AckRecord ack) {
            ack.offsets().forEach(offsets::add);
        } else if (record instanceof DeadlineRecord deadline) {
            deadline.offsets().forEach(offsets::add);
        } else if (record instanceof GivenBackRecord givenBack) {
            givenBack.offsets().forEach(offsets::add);
        } else if (record instanceof DeadLetteredRecord dead) {
            offsets.add(dead.offset());
        } else if (record.type() != RecordType.LOST) {
            offsets.add(ALL_OFFSETS);
        }
        return offsets;
    }

    @Override
    public String toString() {
        return "wounds " + wounds.size() + ", queues " + queues + ", repairs " + repairs;
    }

    // ---- repair -----------------------------------------------------------------------------------------------------

    /**
     * Repairs the logs, as {@code forebay log repair --apply} does, and holds what that says it gives up against what is damaged.
     *
     * @return how many records were given up
     */
    long repair(MemoryDisk disk, List<Diagnosis> diagnoses, long nowMillis) {
        try {
            long lost = 0;
            for (Diagnosis diagnosis : diagnoses) {
                var directory = disk.child(directory(diagnosis.stripe));
                RepairPlan plan = LogRepair.apply(directory, LogRepair.nextNumber(directory), nowMillis);
                repairs.add(plan);
                check(diagnosis, plan);
                passOver(diagnosis.census, plan);
                assertThat(LogVerifier.verify(directory).problems())
                        .as("I8: of a repaired log, %s", plan)
                        .isEmpty();
                wounds.removeIf(wound -> wound.stripe == diagnosis.stripe);
                lost += plan.lostRecords();
            }
            return lost;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void passOver(LogCensus census, RepairPlan plan) {
        for (RepairPlan.Loss loss : plan.losses()) {
            loss.offsets().forEach(offset -> {
                int queueId = loss.ownerOrNull().queueId();
                boolean isThere = census.pieces.stream()
                        .flatMap(piece -> piece.entries().stream())
                        .anyMatch(entry -> entry.owner().equals(Owner.queue(queueId)) && entry.queueOffset() == offset);
                if (!isThere) {
                    add(passedOver, Fact.Damaged.What.PASSED_OVER, "", queueId, offset);
                }
            });
        }
    }

    /** What repairs have passed over since this was asked last. */
    List<Fact.Damaged> takePassedOver() {
        List<Fact.Damaged> taken = List.copyOf(passedOver);
        passedOver.clear();
        return taken;
    }

    private static void check(Diagnosis diagnosis, RepairPlan plan) {
        assertThat(plan.refusalOrNull()).as("I8: %s", plan).isNull();
        Set<Long> named = plan.damages().stream()
                .map(LogVerifier.Problem::position)
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(named)
                .as("the places that are named, %s, %s", plan, diagnosis)
                .isEqualTo(diagnosis.places());
        assertThat(plan.lostRecords())
                .as("records given up, %s", plan)
                .isEqualTo(diagnosis.missing().size());
        if (diagnosis.isAttributable()) {
            assertThat(count(plan)).as("whose they are, %s", plan).isEqualTo(count(diagnosis));
            assertThat(offsets(plan).keySet())
                    .as("queues with offsets in quarantine, %s", plan)
                    .containsAll(offsets(diagnosis).keySet());
            offsets(plan).forEach((queueId, range) -> {
                List<Long> lost = offsets(diagnosis).getOrDefault(queueId, List.of(0L, 0L));
                // All that was lost of a queue may have been messages, if nothing behind says how far they had
                // come; and one of it may be the note of what an earlier repair has given up.
                assertThat(range.get(1))
                        .as("offsets of queue %d in quarantine, lost are %s, %s", queueId, lost, plan)
                        .isBetween(
                                lost.get(1),
                                count(diagnosis).getOrDefault("queue " + queueId, 0L) + givenUp(diagnosis, queueId));
            });
        }
    }

    /**
     * Records that earlier repairs have given up, of a queue or of nobody. If nothing that a start replays tells how far the queue had come,
     * a repair goes by the manifest and may be mistaken in whose they were: any that a start replays.
     */
    private static long givenUp(Diagnosis diagnosis, int queueId) {
        Owner queue = Owner.queue(queueId);
        List<Piece> sound = diagnosis.census.pieces.stream()
                .filter(piece -> !diagnosis.hits.contains(piece) && !piece.isMoved())
                .toList();
        boolean isTold = sound.stream()
                .filter(diagnosis.census::isReplayed)
                .flatMap(piece -> piece.entries().stream())
                .anyMatch(entry -> entry.hasOffset() && entry.owner().equals(queue));
        return sound.stream()
                .flatMap(piece -> piece.entries().stream()
                        .filter(entry -> entry.type() == RecordType.LOST)
                        .filter(entry -> entry.ownerNumber() == 0
                                || entry.owner().equals(queue)
                                || !isTold && diagnosis.census.isReplayed(piece)))
                .count();
    }

    private static Map<String, Long> count(RepairPlan plan) {
        Map<String, Long> counts = new TreeMap<>();
        plan.losses().stream()
                .filter(loss -> loss.records() > 0)
                .forEach(loss -> counts.merge(String.valueOf(loss.ownerOrNull()), loss.records(), Long::sum));
        return counts;
    }

    private static Map<String, Long> count(Diagnosis diagnosis) {
        return diagnosis.missing().stream()
                .collect(Collectors.groupingBy(entry -> entry.owner().toString(), TreeMap::new, Collectors.counting()));
    }

    /** First offset and count, by queue. */
    private static Map<Integer, List<Long>> offsets(RepairPlan plan) {
        return plan.losses().stream()
                .filter(loss -> loss.offsetCount() > 0)
                .collect(Collectors.toMap(
                        loss -> loss.ownerOrNull().queueId(), loss -> List.of(loss.firstOffset(), loss.offsetCount())));
    }

    private static Map<Integer, List<Long>> offsets(Diagnosis diagnosis) {
        Map<Integer, List<Long>> offsets = new HashMap<>();
        diagnosis.missing().stream()
                .filter(Entry::hasOffset)
                .collect(Collectors.groupingBy(entry -> entry.owner().queueId()))
                .forEach((queueId, entries) -> offsets.put(
                        queueId,
                        List.of(
                                entries.stream()
                                        .mapToLong(Entry::queueOffset)
                                        .min()
                                        .orElseThrow(),
                                (long) entries.size())));
        return offsets;
    }
}
