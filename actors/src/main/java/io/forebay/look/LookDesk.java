package io.forebay.look;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.config.QueueSettings;
import io.forebay.config.StoreSettings;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.Names;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueRelease;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.storage.log.SeekRecord;
import io.forebay.store.Asker;
import io.forebay.store.StripeHandle;
import io.forebay.topic.GroupQuestions;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Takes what sessions ask about stored messages. Reads nothing itself: pages are read by {@link ReadJob}s on the dispatcher of
 * cold reads, a few at a time, so that scans leave threads to the groups that read there, too.
 */
public final class LookDesk extends AbstractBehavior<LookDesk.Command> {
    /** What the desk understands. */
    public sealed interface Command permits Ask, Heard, RunAgain {}

    /** Answered by {@link RegistryReply.Answer}, with a refusal or the answer the command names. */
    public record Ask(LookCommand request, ActorRef<? super RegistryReply.Answer> replyTo) implements Command {}

    /** What somebody else was to answer, or to read, is there. */
    private record Heard(Runnable then) implements Command {}

    private record RunAgain(Task<?> task) implements Command {}

    /**
     * What the desk works with.
     *
     * @param stripes by id
     */
    public record Environment(String nodeName, TopicDirectory directory, List<StripeHandle> stripes) {}

    /** Jobs under way at the same time: the dispatcher of cold reads has more threads. */
    private static final int RUNNING_MAX = 2;

    private static final int WAITING_MAX = 256;
    private static final long CONGESTED_RETRY_MILLIS = 200;
    private static final Duration AGAIN_AFTER = Duration.ofMillis(50);
    private static final int RUNS_MAX = 100;
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(10);

    /** A job and what becomes of what it reads. Confined to the desk. */
    private static final class Task<T> {
        final Ask ask;
        final ReadJob<T> job;
        final Consumer<T> then;
        int runs;

        Task(Ask ask, ReadJob<T> job, Consumer<T> then) {
            this.ask = ask;
            this.job = job;
            this.then = then;
        }
    }

    private final Environment environment;
    private final TopicDirectory directory;
    private final GroupQuestions questions;
    private final Asker asker;
    private final TimerScheduler<Command> timers;
    private final Executor readers;
    private final ArrayDeque<Task<?>> waiting = new ArrayDeque<>();
    private int runningCount;

    public static Behavior<Command> create(Environment environment) {
        // It holds nothing but questions: what an exception loses is asked again, or times out at the client.
        return Behaviors.supervise(Behaviors.<Command>setup(
                        context -> Behaviors.withTimers(timers -> new LookDesk(context, timers, environment))))
                .onFailure(Exception.class, SupervisorStrategy.restart());
    }

    private LookDesk(ActorContext<Command> context, TimerScheduler<Command> timers, Environment environment) {
        super(context);
        this.environment = environment;
        this.timers = timers;
        directory = environment.directory;
        questions = new GroupQuestions(context.getSystem(), directory);
        asker = new Asker(
                context.getSystem(),
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        readers =
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(StoreSettings.READ_DISPATCHER));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Ask.class, this::onAsk)
                .onMessage(Heard.class, this::onHeard)
                .onMessage(RunAgain.class, this::onRunAgain)
                .build();
    }

    private Behavior<Command> onAsk(Ask ask) {
        LookCommand request = ask.request;
        if (request instanceof LookCommand.Peek peek) {
            onPeek(ask, peek);
        } else if (request instanceof LookCommand.Find find) {
            onFind(ask, find);
        } else if (request instanceof LookCommand.Explain explain) {
            onExplain(ask, explain);
        } else if (request instanceof LookCommand.Seek seek) {
            onSeek(ask, seek);
        } else if (request instanceof LookCommand.Purge purge) {
            onPurge(ask, purge);
        } else if (request instanceof LookCommand.Release release) {
            onRelease(ask, release);
        } else {
            throw new AssertionError(request);
        }
        return this;
    }

    // ---- what is asked --------------------------------------------------------------------------------------------

    private void onPeek(Ask ask, LookCommand.Peek peek) {
        Refusal refusal = checkTopic(peek.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(peek.topic()) : null;
        refusal = refusal != null ? refusal : PeekJob.check(peek, topic);
        refusal = refusal != null || peek.group().isEmpty() ? refusal : checkGroup(topic, peek.group());
        if (refusal != null) {
            refuse(ask, refusal);
        } else if (!peek.group().isEmpty()) {
            peekNext(ask, peek, topic);
        } else {
            enqueue(ask, new PeekJob(peek, environment.nodeName, topic, environment.stripes));
        }
    }

    private void onFind(Ask ask, LookCommand.Find find) {
        Refusal refusal = checkTopic(find.topic());
        refusal = refusal != null ? refusal : FindJob.check(find);
        if (refusal != null) {
            refuse(ask, refusal);
        } else {
            TopicDirectory.TopicRoute topic = directory.topic(find.topic());
            enqueue(ask, new FindJob(find, environment.nodeName, topic, environment.stripes));
        }
    }

    private void onExplain(Ask ask, LookCommand.Explain explain) {
        ReceiptHandle handle = explain.handle();
        if (handle != null) {
            onExplain(ask, explain, handle);
            return;
        }
        Refusal refusal = checkTopic(explain.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(explain.topic()) : null;
        if (refusal == null && explain.queue() < 0) {
            refusal = Refusal.illegalArgument("queue", explain.queue(), "the number of a queue");
        }
        refusal = refusal != null ? refusal : checkQueue(explain.queue(), topic);
        if (refusal != null) {
            refuse(ask, refusal);
        } else {
            explain(ask, explain, topic, topic.queues().get(explain.queue()), explain.offset());
        }
    }

    private void onExplain(Ask ask, LookCommand.Explain explain, ReceiptHandle handle) {
        TopicDirectory.TopicRoute topic = directory.topicOfQueue(handle.queueId());
        if (handle.nodeId() != ReceiptHandle.nodeIdOf(environment.nodeName)) {
            refuse(ask, Refusal.of(Refusal.Code.FOREIGN_HANDLE, "the handle was made by another node than this one"));
        } else if (topic == null) {
            refuse(
                    ask,
                    Refusal.of(Refusal.Code.FOREIGN_HANDLE, "the handle is of a queue that this node does not have"));
        } else {
            topic.queues().stream()
                    .filter(queue -> queue.queueId() == handle.queueId())
                    .forEach(queue -> explain(ask, explain, topic, queue, handle.queueOffset()));
        }
    }

    private void explain(
            Ask ask,
            LookCommand.Explain explain,
            TopicDirectory.TopicRoute topic,
            TopicDirectory.QueueRoute queue,
            long offset) {
        long next = queue.marks().nextOffset();
        if (offset < 0 || offset >= next) {
            String allowed = next == 0 ? "none: queue " + queue.number() + " is empty" : "0 to " + (next - 1);
            refuse(ask, Refusal.illegalArgument("offset", offset, allowed));
            return;
        }
        MessagePlace place = new MessagePlace(environment.nodeName, topic.name(), queue.number(), offset);
        enqueue(ask, new ExplainJob(explain, place, directory, queue, environment.stripes.get(queue.stripeId())));
    }

    // ---- what queues and groups are asked for -----------------------------------------------------------------------

    private void peekNext(Ask ask, LookCommand.Peek peek, TopicDirectory.TopicRoute topic) {
        int groupId = directory.group(topic.name(), peek.group()).groupId();
        List<TopicDirectory.QueueRoute> queues = queuesOf(topic, peek.queue());
        askEach(
                queues,
                i -> questions.ask(
                        queues.get(i).queueId(), groupId, replyTo -> new GroupQueue.Peek(peek.countMax(), replyTo)),
                answers -> {
                    List<String> notes = new ArrayList<>();
                    List<NextMessagesJob.Place> places = new ArrayList<>();
                    // In turns, as a dispatcher would.
                    boolean isMore = true;
                    for (int turn = 0; isMore && places.size() < peek.countMax(); turn++) {
                        isMore = false;
                        for (int i = 0; i < queues.size() && places.size() < peek.countMax(); i++) {
                            if (answers.get(i) instanceof GroupQueue.NextOffsets next && next.offsets().length > turn) {
                                isMore = true;
                                places.add(new NextMessagesJob.Place(queues.get(i), next.offsets()[turn]));
                            } else if (turn == 0 && answers.get(i) instanceof Refusal refusal) {
                                notes.add("queue " + queues.get(i).number() + ": " + refusal.text());
                            }
                        }
                    }
                    enqueue(ask, new NextMessagesJob(peek, environment.nodeName, places, notes, environment.stripes));
                });
    }

    private void onSeek(Ask ask, LookCommand.Seek seek) {
        Refusal refusal = checkTopic(seek.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(seek.topic()) : null;
        refusal = refusal != null ? refusal : checkGroup(topic, seek.group());
        refusal = refusal != null ? refusal : checkQueue(seek.queue(), topic);
        refusal = refusal != null ? refusal : checkPlace(seek);
        if (refusal != null) {
            refuse(ask, refusal);
            return;
        }
        List<TopicDirectory.QueueRoute> queues = queuesOf(topic, seek.queue());
        long[] offsets = new long[queues.size()];
        switch (seek.place().kind()) {
            case EARLIEST -> seek(ask, seek, queues, offsets);
            case LATEST -> {
                Arrays.fill(offsets, Long.MAX_VALUE);
                seek(ask, seek, queues, offsets);
            }
            case OFFSET -> {
                Arrays.fill(offsets, seek.place().value());
                seek(ask, seek, queues, offsets);
            }
            case TIME -> {
                long millis = seek.place().value();
                askEach(
                        queues,
                        i -> askQueue(queues.get(i), replyTo -> new Queue.OffsetAt(millis, replyTo)),
                        ranges -> enqueue(
                                ask,
                                new OffsetsJob(queues, ranges, environment.stripes, millis),
                                found -> seek(ask, seek, queues, found)));
            }
        }
    }

    private static Refusal checkPlace(LookCommand.Seek seek) {
        long value = seek.place().value();
        return switch (seek.place().kind()) {
            case EARLIEST, LATEST -> null;
            case OFFSET ->
                value < 0
                        ? Refusal.illegalArgument("offset", value, "0 or more")
                        : seek.queue() < 0
                                ? Refusal.of(
                                        Refusal.Code.ILLEGAL_ARGUMENT,
                                        "an offset to seek to needs the number of a queue")
                                : null;
            case TIME ->
                value < 0 ? Refusal.illegalArgument("time", value, "milliseconds since 1970, at least 0") : null;
        };
    }

    private void seek(Ask ask, LookCommand.Seek seek, List<TopicDirectory.QueueRoute> queues, long[] offsets) {
        TopicDirectory.GroupRoute group = directory.group(seek.topic(), seek.group());
        if (group == null) {
            refuse(ask, unknownGroup(seek.topic(), seek.group()));
            return;
        }
        boolean isTime = seek.place().kind() == SeekPlace.Kind.TIME;
        long askedMillis = isTime ? seek.place().value() : SeekRecord.BY_OFFSET;
        askEach(
                queues,
                i -> questions.ask(
                        queues.get(i).queueId(),
                        group.groupId(),
                        replyTo -> new GroupQueue.Seek(offsets[i], askedMillis, seek.isDryRun(), replyTo, replyTo)),
                answers -> {
                    List<QueueSeek> seeks = new ArrayList<>();
                    for (int i = 0; i < queues.size(); i++) {
                        seeks.add(seekOf(seek, queues.get(i).number(), answers.get(i)));
                    }
                    answer(ask, new LookReply.Seeked(seek.requestId(), seeks));
                });
    }

    private QueueSeek seekOf(LookCommand.Seek seek, int queue, Object answer) {
        if (answer instanceof GroupQueue.SeekDone done) {
            long skipped = Math.max(0, done.toOffset() - done.fromOffset());
            long repeated = Math.max(0, done.cursor() - done.toOffset());
            boolean isClamped = done.isClamped() && seek.place().kind() == SeekPlace.Kind.OFFSET;
            return new QueueSeek(
                    environment.nodeName, queue, done.cursor(), done.toOffset(), skipped, repeated, isClamped, null);
        }
        return new QueueSeek(environment.nodeName, queue, 0, 0, 0, 0, false, refusalOf(answer));
    }

    private void onPurge(Ask ask, LookCommand.Purge purge) {
        Refusal refusal = checkTopic(purge.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(purge.topic()) : null;
        refusal = refusal != null || purge.group().isEmpty() ? refusal : checkGroup(topic, purge.group());
        refusal = refusal != null ? refusal : checkQueue(purge.queue(), topic);
        if (refusal == null && purge.belowOffset() < -1) {
            refusal = Refusal.illegalArgument("offset", purge.belowOffset(), "0 or more, or -1 for everything stored");
        }
        if (refusal == null && purge.belowOffset() >= 0 && purge.queue() < 0) {
            refusal = Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, "an offset to purge below needs the number of a queue");
        }
        if (refusal != null) {
            refuse(ask, refusal);
        } else if (purge.group().isEmpty()) {
            purgeTopic(ask, purge, queuesOf(topic, purge.queue()));
        } else {
            purgeGroup(ask, purge, topic, queuesOf(topic, purge.queue()));
        }
    }

    private void purgeGroup(
            Ask ask, LookCommand.Purge purge, TopicDirectory.TopicRoute topic, List<TopicDirectory.QueueRoute> queues) {
        int groupId = directory.group(topic.name(), purge.group()).groupId();
        long below = purge.belowOffset() < 0 ? Long.MAX_VALUE : purge.belowOffset();
        askEach(
                queues,
                i -> questions.ask(
                        queues.get(i).queueId(),
                        groupId,
                        replyTo -> new GroupQueue.PurgeBelow(below, purge.isDryRun(), replyTo, replyTo)),
                answers -> {
                    List<QueuePurge> purges = new ArrayList<>();
                    for (int i = 0; i < queues.size(); i++) {
                        int number = queues.get(i).number();
                        purges.add(
                                answers.get(i) instanceof GroupQueue.PurgeDone done
                                        ? purged(purge, number, done.belowOffset(), done.count())
                                        : notPurged(number, answers.get(i)));
                    }
                    answer(ask, new LookReply.Purged(purge.requestId(), purges));
                });
    }

    private QueuePurge purged(LookCommand.Purge purge, int queue, long belowOffset, long count) {
        boolean isClamped = purge.belowOffset() >= 0 && purge.belowOffset() != belowOffset;
        return new QueuePurge(environment.nodeName, queue, belowOffset, count, isClamped, null);
    }

    private QueuePurge notPurged(int queue, Object answer) {
        return new QueuePurge(environment.nodeName, queue, 0, 0, false, refusalOf(answer));
    }

    private void purgeTopic(Ask ask, LookCommand.Purge purge, List<TopicDirectory.QueueRoute> queues) {
        long[] firsts =
                queues.stream().mapToLong(queue -> queue.marks().firstOffset()).toArray();
        long below = purge.belowOffset() < 0 ? Long.MAX_VALUE : purge.belowOffset();
        askEach(
                queues,
                i -> purge.isDryRun()
                        ? CompletableFuture.completedFuture(wouldPurge(queues.get(i), firsts[i], below))
                        : askQueue(queues.get(i), replyTo -> new Queue.Purge(below, replyTo)),
                answers -> {
                    List<QueuePurge> purges = new ArrayList<>();
                    for (int i = 0; i < queues.size(); i++) {
                        int number = queues.get(i).number();
                        boolean isDone = answers.get(i) instanceof Queue.Purged done && done.refusal() == null;
                        if (isDone) {
                            long first = ((Queue.Purged) answers.get(i)).firstOffset();
                            purges.add(purged(purge, number, first, Math.max(0, first - firsts[i])));
                        } else {
                            purges.add(notPurged(number, answers.get(i)));
                        }
                    }
                    answer(ask, new LookReply.Purged(purge.requestId(), purges));
                });
    }

    private static Object wouldPurge(TopicDirectory.QueueRoute queue, long first, long below) {
        return new Queue.Purged(
                queue.queueId(), Math.max(first, Math.min(below, queue.marks().nextOffset())), null);
    }

    private void onRelease(Ask ask, LookCommand.Release release) {
        Refusal refusal = checkTopic(release.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(release.topic()) : null;
        refusal = refusal != null ? refusal : checkQueue(release.queue(), topic);
        if (refusal == null && release.offset() < -1) {
            refusal = Refusal.illegalArgument(
                    "offset", release.offset(), "0 or more, or -1 for everything that is quarantined");
        }
        if (refusal == null && release.offset() >= 0 && release.queue() < 0) {
            refusal = Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, "an offset to release needs the number of a queue");
        }
        if (refusal != null) {
            refuse(ask, refusal);
            return;
        }
        List<TopicDirectory.QueueRoute> queues = queuesOf(topic, release.queue());
        long first = Math.max(0, release.offset());
        long count = release.offset() < 0 ? Long.MAX_VALUE : 1;
        askEach(
                queues,
                i -> askQueue(
                        queues.get(i),
                        replyTo -> new Queue.ReleaseQuarantine(first, count, release.isDryRun(), replyTo)),
                answers -> {
                    List<QueueRelease> releases = new ArrayList<>();
                    for (int i = 0; i < queues.size(); i++) {
                        int number = queues.get(i).number();
                        boolean isDone =
                                answers.get(i) instanceof Queue.QuarantineReleased done && done.refusal() == null;
                        releases.add(
                                isDone
                                        ? new QueueRelease(
                                                environment.nodeName,
                                                number,
                                                ((Queue.QuarantineReleased) answers.get(i)).count(),
                                                null)
                                        : new QueueRelease(environment.nodeName, number, 0, refusalOf(answers.get(i))));
                    }
                    answer(ask, new LookReply.Released(release.requestId(), releases));
                });
    }

    private static List<TopicDirectory.QueueRoute> queuesOf(TopicDirectory.TopicRoute topic, int number) {
        return number < 0 ? topic.queues() : List.of(topic.queues().get(number));
    }

    /** Makes a command for a queue, whose answer goes there. */
    private interface QueueCommand {
        Queue.Command of(ActorRef<Object> replyTo);
    }

    private CompletionStage<Object> askQueue(TopicDirectory.QueueRoute queue, QueueCommand command) {
        if (queue.queue() == null) {
            Refusal why = directory.whyUnserved(queue.queueId(), 0);
            return CompletableFuture.completedFuture(
                    why != null
                            ? why
                            : Refusal.of(
                                    Refusal.Code.FAILED,
                                    "the queue is not served because of a fault; the node's log says more"));
        }
        return asker.ask(queue.queue(), command::of, ANSWER_TIMEOUT)
                .exceptionally(failure ->
                        Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the queue has not answered in time; ask again"));
    }

    /** Asks for every queue and goes on, in this actor, with an answer or a refusal for each. */
    private void askEach(
            List<TopicDirectory.QueueRoute> queues,
            IntFunction<CompletionStage<Object>> asker,
            Consumer<List<Object>> then) {
        getContext()
                .pipeToSelf(
                        GroupQuestions.all(IntStream.range(0, queues.size())
                                .mapToObj(asker)
                                .toList()),
                        (answers, failure) -> new Heard(() -> then.accept(answers)));
    }

    private static Refusal refusalOf(Object answer) {
        Refusal refusal = answer instanceof Queue.Purged purged
                ? purged.refusal()
                : answer instanceof Queue.QuarantineReleased released
                        ? released.refusal()
                        : GroupQuestions.refusalOf(answer);
        if (refusal == null) {
            throw new AssertionError(answer);
        }
        return refusal;
    }

    // ---- checks ---------------------------------------------------------------------------------------------------

    private Refusal checkGroup(TopicDirectory.TopicRoute topic, String group) {
        Refusal refusal = Names.check("group", group);
        return refusal != null
                ? refusal
                : directory.group(topic.name(), group) == null ? unknownGroup(topic.name(), group) : null;
    }

    private static Refusal unknownGroup(String topic, String group) {
        return Refusal.of(Refusal.Code.UNKNOWN_GROUP, "no group '" + group + "' consumes topic '" + topic + "'");
    }

    private Refusal checkTopic(String name) {
        Refusal refusal = Names.check("topic", name);
        return refusal != null ? refusal : directory.topic(name) == null ? Refusal.unknownTopic(name) : null;
    }

    /** Null for the number of a queue of that topic, and for every queue. */
    static Refusal checkQueue(int number, TopicDirectory.TopicRoute topic) {
        int count = topic.queues().size();
        return number >= LookCommand.EVERY_QUEUE && number < count
                ? null
                : Refusal.illegalArgument(
                        "queue",
                        number,
                        (count == 1 ? "0" : "0 to " + (count - 1)) + " for topic '" + topic.name()
                                + "', or -1 for all");
    }

    static Refusal checkCount(int count) {
        return count >= 1 && count <= LookCommand.PAGE_COUNT_MAX
                ? null
                : Refusal.illegalArgument(
                        "the number of messages of a page", count, "1 to " + LookCommand.PAGE_COUNT_MAX);
    }

    // ---- jobs -----------------------------------------------------------------------------------------------------

    private void enqueue(Ask ask, ReadJob<LookReply> job) {
        enqueue(ask, job, reply -> answer(ask, reply));
    }

    private <T> void enqueue(Ask ask, ReadJob<T> job, Consumer<T> then) {
        if (waiting.size() >= WAITING_MAX) {
            refuse(
                    ask,
                    new Refusal(
                            Refusal.Code.LIMIT,
                            waiting.size() + " looks at stored messages wait already, allowed are " + WAITING_MAX,
                            CONGESTED_RETRY_MILLIS));
            return;
        }
        waiting.addLast(new Task<>(ask, job, then));
        runNext();
    }

    private void runNext() {
        while (runningCount < RUNNING_MAX && !waiting.isEmpty()) {
            run(waiting.pollFirst());
        }
    }

    private <T> void run(Task<T> task) {
        runningCount++;
        task.runs++;
        CompletableFuture<ReadJob.Outcome<T>> read = new CompletableFuture<>();
        getContext().pipeToSelf(read, (outcome, failure) -> new Heard(() -> finished(task, outcome, failure)));
        readers.execute(() -> {
            try {
                read.complete(task.job.run());
            } catch (Exception | AssertionError e) {
                read.completeExceptionally(e);
            }
        });
    }

    private <T> void finished(Task<T> task, ReadJob.Outcome<T> outcome, Throwable failure) {
        runningCount--;
        if (failure != null) {
            getContext().getLog().warn("a look at stored messages failed: {}", task.ask.request, failure);
            refuse(task.ask, Refusal.of(Refusal.Code.FAILED, "it cannot be read: " + failure.getMessage()));
        } else if (outcome.isAgain() && task.runs < RUNS_MAX) {
            timers.startSingleTimer(task, new RunAgain(task), AGAIN_AFTER);
        } else if (outcome.isAgain()) {
            refuse(task.ask, Refusal.busy("the stripe is writing again what its device has lost", 1000));
        } else if (outcome.refusal() != null) {
            refuse(task.ask, outcome.refusal());
        } else {
            task.then.accept(outcome.result());
        }
        runNext();
    }

    private Behavior<Command> onRunAgain(RunAgain again) {
        waiting.addFirst(again.task);
        runNext();
        return this;
    }

    private Behavior<Command> onHeard(Heard heard) {
        heard.then.run();
        return this;
    }

    private static void answer(Ask ask, SessionEvent.Reply reply) {
        ask.replyTo.tell(new RegistryReply.Answer(reply));
    }

    private static void refuse(Ask ask, Refusal refusal) {
        answer(ask, new SessionEvent.Refused(ask.request.requestId(), refusal));
    }
}
