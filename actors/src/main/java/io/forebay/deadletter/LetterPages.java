package io.forebay.deadletter;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Names;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.topic.GroupQuestions;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * Lists dead letters and moves them back, a page at a time: asks the node's own group which of them are still there, has them read, and
 * has that group move them. Confined to the desk.
 */
final class LetterPages {
    /** Letters looked at for one page, at most. */
    private static final int OFFSETS_MAX = 2000;
    /** Bytes that one page moves, at most, but for one letter that is larger. */
    private static final long MOVED_BYTES_MAX = 1 << 20;
    /** Pages that are read at the same time: the threads for that are others', too. */
    private static final int RUNNING_MAX = 2;

    private static final int WAITING_MAX = 64;
    private static final long RETRY_MILLIS = 200;
    private static final Duration REGISTRY_TIMEOUT = Duration.ofSeconds(10);

    /** What both commands are about. */
    private record Page(
            DeadLetterDesk.Ask ask,
            String group,
            DeadLetterFilter filter,
            TopicDirectory.TopicRoute topic,
            LetterCursor cursor,
            int countMax,
            long bytesMax,
            Runnable ended) {
        TopicDirectory.QueueRoute queue() {
            return topic.queues().get(cursor.queue());
        }

        long requestId() {
            return ask.request().requestId();
        }
    }

    private final DeadLetterDesk desk;
    private final DeadLetterDesk.Environment environment;
    private final TopicDirectory directory;
    private final GroupQuestions questions;
    private final Executor readers;
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
    private int runningCount;
    /** By topic of dead letters that are being moved: who comes next. */
    private final Map<String, ArrayDeque<Consumer<Runnable>>> moving = new HashMap<>();

    LetterPages(
            DeadLetterDesk desk, DeadLetterDesk.Environment environment, GroupQuestions questions, Executor readers) {
        this.desk = desk;
        this.environment = environment;
        this.questions = questions;
        this.readers = readers;
        directory = environment.directory();
    }

    // ---- what is asked --------------------------------------------------------------------------------------------

    void list(DeadLetterDesk.Ask ask, PoisonCommand.ListLetters list) {
        Refusal refusal = check(list.group(), list.filter(), list.countMax());
        if (refusal == null && list.bytesMax() < 1) {
            refusal = Refusal.illegalArgument("the number of bytes of a page", list.bytesMax(), "1 or more");
        }
        TopicDirectory.TopicRoute topic = refusal == null ? directory.deadLettersOf(list.group()) : null;
        LetterCursor cursor = refusal == null ? cursorOrNull(list.cursor(), topic) : null;
        refusal = refusal != null || cursor != null ? refusal : illegalCursor(list.cursor());
        if (refusal != null) {
            desk.refuse(ask, refusal);
        } else if (topic == null) {
            desk.answer(
                    ask,
                    new LookReply.MessagePage(
                            list.requestId(), environment.nodeName(), List.of(), List.of(), 0, 0, ""));
        } else {
            Page page = new Page(
                    ask,
                    list.group(),
                    list.filter(),
                    topic,
                    begun(cursor, topic),
                    list.countMax(),
                    list.bytesMax(),
                    () -> {});
            whenThere(page, there -> read(page, there, null, found -> answer(page, there, found)));
        }
    }

    void redrive(DeadLetterDesk.Ask ask, PoisonCommand.Redrive redrive) {
        String to = redrive.toTopic();
        Refusal refusal = check(redrive.group(), redrive.filter(), redrive.countMax());
        refusal = refusal != null || to.isEmpty() ? refusal : checkTarget(to);
        if (refusal == null && to.isEmpty() && !redrive.filter().topic().isEmpty()) {
            refusal = checkTarget(redrive.filter().topic());
        }
        TopicDirectory.TopicRoute topic = refusal == null ? directory.deadLettersOf(redrive.group()) : null;
        LetterCursor cursor = refusal == null ? cursorOrNull(redrive.cursor(), topic) : null;
        refusal = refusal != null || cursor != null ? refusal : illegalCursor(redrive.cursor());
        if (refusal != null) {
            desk.refuse(ask, refusal);
        } else if (topic == null) {
            desk.answer(
                    ask,
                    new PoisonReply.Redriven(
                            redrive.requestId(), environment.nodeName(), List.of(), 0, List.of(), 0, 0, "", ""));
        } else if (redrive.isDryRun()) {
            proceed(ask, redrive, topic, cursor, () -> {});
        } else if (isReady(topic)) {
            inTurn(topic.name(), ended -> proceed(ask, redrive, topic, cursor, ended));
        } else {
            makeReady(ask, topic.name(), () -> {
                TopicDirectory.TopicRoute ready = directory.topic(topic.name());
                if (ready == null) {
                    desk.refuse(ask, Refusal.unknownTopic(topic.name()));
                } else {
                    inTurn(topic.name(), ended -> proceed(ask, redrive, ready, cursor, ended));
                }
            });
        }
    }

    /** One page at a time moves letters of a topic: what two of them took to different queues would be there twice. */
    private void inTurn(String topic, Consumer<Runnable> move) {
        ArrayDeque<Consumer<Runnable>> turns = moving.get(topic);
        if (turns != null) {
            turns.addLast(move);
            return;
        }
        moving.put(topic, new ArrayDeque<>());
        move.accept(() -> turnEnded(topic));
    }

    private void turnEnded(String topic) {
        Consumer<Runnable> next = moving.get(topic).pollFirst();
        if (next == null) {
            moving.remove(topic);
        } else {
            next.accept(() -> turnEnded(topic));
        }
    }

    private Refusal check(String group, DeadLetterFilter filter, int countMax) {
        Refusal refusal = Names.check("group", group);
        refusal = refusal != null || filter.topic().isEmpty() ? refusal : Names.check("topic", filter.topic());
        if (refusal == null && directory.topicsOf(group).isEmpty() && directory.deadLettersOf(group) == null) {
            refusal = Refusal.of(
                    Refusal.Code.UNKNOWN_GROUP,
                    "no group '" + group + "' consumes a topic of this node, and there are no dead letters of one");
        }
        return refusal != null || countMax >= 1 && countMax <= PoisonCommand.PAGE_COUNT_MAX
                ? refusal
                : Refusal.illegalArgument(
                        "the number of letters of a page", countMax, "1 to " + PoisonCommand.PAGE_COUNT_MAX);
    }

    private Refusal checkTarget(String topic) {
        Refusal refusal = Names.check("topic", topic);
        if (refusal == null && Names.isDeadLetterTopic(topic)) {
            refusal = Refusal.illegalArgument(
                    "the topic for dead letters to go to", topic, "one that holds no dead letters");
        }
        return refusal != null || directory.topic(topic) != null
                ? refusal
                : Refusal.of(
                        Refusal.Code.UNKNOWN_TOPIC,
                        "node '" + environment.nodeName() + "' has no topic '" + topic + "' for dead letters to go to");
    }

    private static LetterCursor cursorOrNull(String text, TopicDirectory.TopicRoute topicOrNull) {
        LetterCursor cursor = LetterCursor.parseOrNull(text);
        int queues =
                topicOrNull == null ? Integer.MAX_VALUE : topicOrNull.queues().size();
        return cursor == null || cursor.queue() >= queues ? null : cursor;
    }

    private static Refusal illegalCursor(String text) {
        return Refusal.illegalArgument("cursor", text, "empty, or as the last page gave it");
    }

    /** Whether the node's own group is there to note what is moved. */
    private boolean isReady(TopicDirectory.TopicRoute topic) {
        TopicDirectory.GroupRoute own = directory.group(topic.name(), Names.REDRIVE_GROUP);
        Set<Integer> stripes =
                topic.queues().stream().map(TopicDirectory.QueueRoute::stripeId).collect(Collectors.toSet());
        return own != null && stripes.size() >= environment.stripes().size();
    }

    private void makeReady(DeadLetterDesk.Ask ask, String topic, Runnable then) {
        CompletionStage<RegistryReply.Ensured> ensured = desk.asker()
                .ask(
                        environment.registry(),
                        (ActorRef<RegistryReply.Ensured> replyTo) -> new Registry.EnsureRedrive(topic, 0, replyTo),
                        REGISTRY_TIMEOUT);
        desk.then(ensured, (answer, failure) -> {
            if (failure != null) {
                desk.refuse(ask, Refusal.busy("the registry has not answered in time", RETRY_MILLIS));
            } else if (answer.refusal() != null) {
                desk.refuse(ask, answer.refusal());
            } else {
                then.run();
            }
        });
    }

    private LetterCursor begun(LetterCursor cursor, TopicDirectory.TopicRoute topic) {
        TopicDirectory.QueueRoute queue = topic.queues().get(cursor.queue());
        return cursor.endOffset() != LetterCursor.NOT_BEGUN
                ? cursor
                : new LetterCursor(
                        cursor.queue(),
                        Math.max(cursor.offset(), queue.marks().firstOffset()),
                        queue.marks().nextOffset());
    }

    // ---- what is still there, and what it is ----------------------------------------------------------------------

    /**
     * What is left of the letters from a page's beginning on.
     *
     * @param offsets in order
     * @param goneOffsets have gone to another stripe, and a crash has kept this one from noting it
     * @param nextOffset nothing was left out below
     * @param floor everything below is settled
     */
    private record There(long[] offsets, long[] goneOffsets, long nextOffset, long floor) {}

    /** The node's own group knows what has gone; where there is none yet nothing has. */
    private void whenThere(Page page, Consumer<There> then) {
        TopicDirectory.GroupRoute own = directory.group(page.topic.name(), Names.REDRIVE_GROUP);
        int queueId = page.queue().queueId();
        long from = page.cursor.offset();
        long end = page.cursor.stopOffset();
        if (own == null) {
            long until = Math.min(end, from + OFFSETS_MAX);
            long[] all = from < until ? LongStream.range(from, until).toArray() : new long[0];
            then.accept(new There(all, new long[0], Math.max(from, until), 0));
            return;
        }
        List<CompletionStage<Object>> answers = new ArrayList<>();
        answers.add(questions.ask(
                queueId, own.groupId(), replyTo -> new GroupQueue.ListUnsettled(from, end, OFFSETS_MAX, replyTo)));
        for (TopicDirectory.QueueRoute other : page.topic.queues()) {
            if (other.stripeId() != page.queue().stripeId()) {
                answers.add(questions.ask(
                        other.queueId(), own.groupId(), replyTo -> new GroupQueue.ListReceived(queueId, replyTo)));
            }
        }
        desk.then(GroupQuestions.all(answers), (all, failure) -> {
            OffsetSet gone = OffsetSet.empty();
            for (Object answer : all) {
                Refusal refusal = GroupQuestions.refusalOf(answer);
                if (refusal != null) {
                    refuse(page, refused(page, refusal));
                    return;
                }
                if (answer instanceof GroupQueue.ReceivedOffsets received) {
                    gone = gone.union(received.offsets());
                }
            }
            GroupQueue.UnsettledOffsets unsettled = (GroupQueue.UnsettledOffsets) all.get(0);
            OffsetSet had = gone;
            then.accept(new There(
                    LongStream.of(unsettled.offsets())
                            .filter(offset -> !had.contains(offset))
                            .toArray(),
                    LongStream.of(unsettled.offsets()).filter(had::contains).toArray(),
                    unsettled.nextOffset(),
                    unsettled.floor()));
        });
    }

    private static Refusal refused(Page page, Refusal refusal) {
        return new Place(page.topic.name(), page.queue().number(), 0).refused(refusal);
    }

    private void read(Page page, There there, LetterTargets targetsOrNull, Consumer<LetterJob.Found> then) {
        if (waiting.size() >= WAITING_MAX) {
            refuse(
                    page,
                    new Refusal(
                            Refusal.Code.LIMIT,
                            waiting.size() + " pages of dead letters wait already, allowed are " + WAITING_MAX,
                            RETRY_MILLIS));
            return;
        }
        LetterJob job = new LetterJob(
                new LetterJob.Question(
                        page.topic.name(),
                        page.queue(),
                        there.offsets(),
                        page.filter,
                        targetsOrNull,
                        page.countMax,
                        page.bytesMax),
                environment.stripes().get(page.queue().stripeId()));
        waiting.addLast(() -> desk.then(CompletableFuture.supplyAsync(job::run, readers), (found, failure) -> {
            runningCount--;
            runNext();
            if (failure != null) {
                failed(page, failure);
            } else if (found.isNotReadable() && found.letters().isEmpty() && isAtFirst(found, there)) {
                refuse(page, Refusal.busy("the stripe is writing again what its device has lost", RETRY_MILLIS));
            } else {
                then.accept(found);
            }
        }));
        runNext();
    }

    private static boolean isAtFirst(LetterJob.Found found, There there) {
        return there.offsets().length > 0 && found.nextOffset() == there.offsets()[0];
    }

    private void runNext() {
        while (runningCount < RUNNING_MAX && !waiting.isEmpty()) {
            runningCount++;
            waiting.pollFirst().run();
        }
    }

    private void answer(Page page, There there, LetterJob.Found found) {
        LetterCursor next = next(page, there, found);
        answer(
                page,
                new LookReply.MessagePage(
                        page.requestId(),
                        environment.nodeName(),
                        found.letters().stream().map(LetterJob.Letter::message).toList(),
                        found.notes(),
                        doneCount(page, next),
                        totalCount(page),
                        next == null ? "" : next.toString()));
    }

    /** The first one that was not looked at. */
    private static long nextOffset(There there, LetterJob.Found found) {
        return found.nextOffset() >= 0 ? found.nextOffset() : there.nextOffset();
    }

    /** Null if nothing is left. */
    private static LetterCursor next(Page page, There there, LetterJob.Found found) {
        long offset = nextOffset(there, found);
        if (offset < page.cursor.endOffset()) {
            return new LetterCursor(page.cursor.queue(), offset, page.cursor.endOffset());
        }
        return nextQueue(page);
    }

    private static LetterCursor nextQueue(Page page) {
        int queue = page.cursor.queue() + 1;
        return queue < page.topic.queues().size() ? new LetterCursor(queue, 0, LetterCursor.NOT_BEGUN) : null;
    }

    private static long doneCount(Page page, LetterCursor nextOrNull) {
        if (nextOrNull == null) {
            return totalCount(page);
        }
        long count = 0;
        for (int i = 0; i <= nextOrNull.queue(); i++) {
            TopicDirectory.QueueRoute queue = page.topic.queues().get(i);
            count += i < nextOrNull.queue()
                    ? countOf(queue)
                    : Math.max(0, nextOrNull.offset() - queue.marks().firstOffset());
        }
        return count;
    }

    private static long totalCount(Page page) {
        return page.topic.queues().stream().mapToLong(LetterPages::countOf).sum();
    }

    private static long countOf(TopicDirectory.QueueRoute queue) {
        return Math.max(0, queue.marks().nextOffset() - queue.marks().firstOffset());
    }

    // ---- moving ---------------------------------------------------------------------------------------------------

    private void proceed(
            DeadLetterDesk.Ask ask,
            PoisonCommand.Redrive redrive,
            TopicDirectory.TopicRoute topic,
            LetterCursor cursor,
            Runnable ended) {
        Page page = new Page(
                ask,
                redrive.group(),
                redrive.filter(),
                topic,
                begun(cursor, topic),
                redrive.countMax(),
                MOVED_BYTES_MAX,
                ended);
        LetterTargets targets =
                new LetterTargets(directory, redrive.toTopic(), page.queue().stripeId());
        whenThere(
                page,
                there -> read(page, there, targets, found -> {
                    if (redrive.isDryRun()) {
                        LetterCursor from = page.cursor;
                        LetterCursor range = new LetterCursor(
                                from.queue(), from.offset(), from.endOffset(), nextOffset(there, found));
                        redriven(page, found, found.letters(), List.of(), next(page, there, found), range.toString());
                    } else if (found.letters().isEmpty() && there.goneOffsets.length == 0) {
                        redriven(page, found, List.of(), List.of(), next(page, there, found), "");
                    } else {
                        handOver(page, there, found);
                    }
                }));
    }

    /** Letters for other stripes are received there first; when all are, this one settles them with its own. */
    private void handOver(Page page, There there, LetterJob.Found found) {
        TopicDirectory.GroupRoute own = directory.group(page.topic.name(), Names.REDRIVE_GROUP);
        if (own == null) {
            refuse(page, Refusal.unknownGroup(Names.REDRIVE_GROUP));
            return;
        }
        TreeMap<Integer, List<GroupQueue.Received>> byStripe = new TreeMap<>();
        for (LetterJob.Letter letter : found.letters()) {
            TopicDirectory.QueueRoute to = letter.target().queue();
            if (letter.moved() instanceof MessageRecord message) {
                byStripe.computeIfAbsent(to.stripeId(), stripe -> new ArrayList<>())
                        .add(new GroupQueue.Received(letter.offset(), message, to.queueId(), to.queue()));
            }
        }
        List<CompletionStage<Object>> answers = new ArrayList<>();
        byStripe.forEach((stripe, letters) -> answers.add(page.topic.queues().stream()
                .filter(queue -> queue.stripeId() == stripe)
                .findFirst()
                .map(queue -> questions.ask(
                        queue.queueId(),
                        own.groupId(),
                        replyTo -> new GroupQueue.ReceiveLetters(
                                page.queue().queueId(), there.floor(), letters, replyTo, replyTo)))
                .orElseGet(() -> CompletableFuture.completedFuture(Refusal.of(
                        Refusal.Code.FAILED,
                        "topic " + page.topic.name() + " has no queue in stripe " + stripe
                                + ", from where letters could go on; it comes with the group's next dead letter")))));
        desk.then(GroupQuestions.all(answers), (received, failure) -> {
            for (Object answer : received) {
                Refusal refusal = GroupQuestions.refusalOf(answer);
                if (refusal != null) {
                    refuse(page, refused(page, refusal));
                    return;
                }
            }
            settle(page, own.groupId(), there, found);
        });
    }

    private void settle(Page page, int ownGroupId, There there, LetterJob.Found found) {
        List<GroupQueue.Redriven> letters = new ArrayList<>();
        for (long gone : there.goneOffsets) {
            letters.add(new GroupQueue.Redriven(gone, null, RedrivenRecord.QUEUE_NOT_KNOWN, null));
        }
        for (LetterJob.Letter letter : found.letters()) {
            TopicDirectory.QueueRoute to = letter.target().queue();
            letters.add(
                    letter.moved() instanceof EntryRecord entry
                            ? new GroupQueue.Redriven(letter.offset(), entry, to.queueId(), to.queue())
                            : new GroupQueue.Redriven(letter.offset(), null, to.queueId(), null));
        }
        CompletionStage<Object> answer = questions.ask(
                page.queue().queueId(), ownGroupId, replyTo -> new GroupQueue.Redrive(letters, replyTo, replyTo));
        desk.then(answer, (done, failure) -> {
            Refusal refusal = GroupQuestions.refusalOf(done);
            if (refusal != null) {
                refuse(page, refused(page, refusal));
            } else {
                settled(page, there, found, (GroupQueue.RedriveDone) done);
            }
        });
    }

    private void settled(Page page, There there, LetterJob.Found found, GroupQueue.RedriveDone done) {
        List<LetterJob.Letter> moved = found.letters().stream()
                .filter(letter -> Arrays.binarySearch(done.offsets(), letter.offset()) >= 0)
                .toList();
        if (done.tooFarOffset() < 0) {
            redriven(page, found, moved, List.of(), next(page, there, found), "");
            return;
        }
        String note = "queue " + page.queue().number() + ": letters from offset " + done.tooFarOffset()
                + " on stay, they lie too far behind the oldest one that stays, offset " + done.floor()
                + " (forebay.group.look-ahead-max); redrive or purge that one first";
        redriven(page, found, moved, List.of(note), nextQueue(page), "");
    }

    private void redriven(
            Page page,
            LetterJob.Found found,
            List<LetterJob.Letter> moved,
            List<String> notes,
            LetterCursor next,
            String range) {
        List<String> all = new ArrayList<>(found.notes());
        all.addAll(notes);
        int queue = page.queue().number();
        answer(
                page,
                new PoisonReply.Redriven(
                        page.requestId(),
                        environment.nodeName(),
                        moved.stream()
                                .map(letter -> new RedrivenLetter(
                                        queue,
                                        letter.offset(),
                                        letter.messageId(),
                                        letter.target().topic(),
                                        letter.target().queue().number()))
                                .toList(),
                        found.stayedCount()
                                + (notes.isEmpty() ? 0 : found.letters().size() - moved.size()),
                        all,
                        doneCount(page, next),
                        totalCount(page),
                        next == null ? "" : next.toString(),
                        range));
    }

    // ---- answers --------------------------------------------------------------------------------------------------

    private void answer(Page page, SessionEvent.Reply reply) {
        desk.answer(page.ask, reply);
        page.ended.run();
    }

    private void refuse(Page page, Refusal refusal) {
        answer(page, new SessionEvent.Refused(page.requestId(), refusal));
    }

    private void failed(Page page, Throwable failure) {
        desk.warn(page.ask, failure);
        refuse(page, Refusal.of(Refusal.Code.FAILED, "it cannot be read: " + failure.getMessage()));
    }
}
