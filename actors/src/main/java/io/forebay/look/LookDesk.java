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
import io.forebay.config.StoreSettings;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.Names;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import io.forebay.store.StripeHandle;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * Takes what sessions ask about stored messages. Reads nothing itself: pages are read by {@link PageJob}s on the dispatcher of
 * cold reads, a few at a time, so that scans leave threads to the groups that read there, too.
 */
public final class LookDesk extends AbstractBehavior<LookDesk.Command> {
    /** What the desk understands. */
    public sealed interface Command permits Ask, Finished, RunAgain {}

    /** Answered by {@link RegistryReply.Answer}, with a refusal or the answer the command names. */
    public record Ask(LookCommand request, ActorRef<? super RegistryReply.Answer> replyTo) implements Command {}

    private record Finished(Task task, PageJob.Outcome outcome, Throwable failure) implements Command {}

    private record RunAgain(Task task) implements Command {}

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

    /** A job and who waits for it. Confined to the desk. */
    private static final class Task {
        final LookCommand request;
        final ActorRef<? super RegistryReply.Answer> replyTo;
        final PageJob job;
        int runs;

        Task(Ask ask, PageJob job) {
            this.request = ask.request;
            this.replyTo = ask.replyTo;
            this.job = job;
        }
    }

    private final Environment environment;
    private final TopicDirectory directory;
    private final TimerScheduler<Command> timers;
    private final Executor readers;
    private final ArrayDeque<Task> waiting = new ArrayDeque<>();
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
        readers =
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(StoreSettings.READ_DISPATCHER));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Ask.class, this::onAsk)
                .onMessage(Finished.class, this::onFinished)
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
        } else {
            refuse(ask, Refusal.of(Refusal.Code.UNSUPPORTED, "this node does not seek or purge yet"));
        }
        return this;
    }

    // ---- what is asked --------------------------------------------------------------------------------------------

    private void onPeek(Ask ask, LookCommand.Peek peek) {
        Refusal refusal = checkTopic(peek.topic());
        TopicDirectory.TopicRoute topic = refusal == null ? directory.topic(peek.topic()) : null;
        refusal = refusal != null ? refusal : PeekJob.check(peek, topic);
        if (refusal != null) {
            refuse(ask, refusal);
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

    private void enqueue(Ask ask, PageJob job) {
        if (waiting.size() >= WAITING_MAX) {
            refuse(
                    ask,
                    new Refusal(
                            Refusal.Code.LIMIT,
                            waiting.size() + " looks at stored messages wait already, allowed are " + WAITING_MAX,
                            CONGESTED_RETRY_MILLIS));
            return;
        }
        waiting.addLast(new Task(ask, job));
        runNext();
    }

    private void runNext() {
        while (runningCount < RUNNING_MAX && !waiting.isEmpty()) {
            run(waiting.pollFirst());
        }
    }

    private void run(Task task) {
        runningCount++;
        task.runs++;
        CompletableFuture<PageJob.Outcome> read = new CompletableFuture<>();
        getContext().pipeToSelf(read, (outcome, failure) -> new Finished(task, outcome, failure));
        readers.execute(() -> {
            try {
                read.complete(task.job.run());
            } catch (Exception | AssertionError e) {
                read.completeExceptionally(e);
            }
        });
    }

    private Behavior<Command> onFinished(Finished finished) {
        runningCount--;
        Task task = finished.task;
        if (finished.failure != null) {
            getContext().getLog().warn("a look at stored messages failed: {}", task.request, finished.failure);
            answer(
                    task,
                    new SessionEvent.Refused(
                            task.request.requestId(),
                            Refusal.of(Refusal.Code.FAILED, "it cannot be read: " + finished.failure.getMessage())));
        } else if (finished.outcome.isAgain()) {
            again(task);
        } else if (finished.outcome.refusal() != null) {
            answer(task, new SessionEvent.Refused(task.request.requestId(), finished.outcome.refusal()));
        } else {
            answer(task, finished.outcome.reply());
        }
        runNext();
        return this;
    }

    private void again(Task task) {
        if (task.runs < RUNS_MAX) {
            timers.startSingleTimer(task, new RunAgain(task), AGAIN_AFTER);
        } else {
            answer(
                    task,
                    new SessionEvent.Refused(
                            task.request.requestId(),
                            Refusal.busy("the stripe is writing again what its device has lost", 1000)));
        }
    }

    private Behavior<Command> onRunAgain(RunAgain again) {
        waiting.addFirst(again.task);
        runNext();
        return this;
    }

    private static void answer(Task task, SessionEvent.Reply reply) {
        task.replyTo.tell(new RegistryReply.Answer(reply));
    }

    private static void refuse(Ask ask, Refusal refusal) {
        ask.replyTo.tell(new RegistryReply.Answer(new SessionEvent.Refused(ask.request.requestId(), refusal)));
    }
}
