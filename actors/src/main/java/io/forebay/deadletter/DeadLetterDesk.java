package io.forebay.deadletter;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.config.QueueSettings;
import io.forebay.config.StoreSettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.UnparkHow;
import io.forebay.queue.GroupQueue;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.store.Asker;
import io.forebay.store.StripeHandle;
import io.forebay.topic.GroupQuestions;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** Takes what sessions ask about messages that have failed too often, and has the groups answer it. */
public final class DeadLetterDesk extends AbstractBehavior<DeadLetterDesk.Command> {
    /** What the desk understands. */
    public sealed interface Command permits Ask, Heard {}

    /** Answered by {@link RegistryReply.Answer}, with a refusal or the answer the command names. */
    public record Ask(PoisonCommand request, ActorRef<? super RegistryReply.Answer> replyTo) implements Command {}

    /** What somebody else was to answer is there. */
    private record Heard(Runnable then) implements Command {}

    /**
     * What the desk works with.
     *
     * @param stripes by id
     */
    public record Environment(
            String nodeName,
            TopicDirectory directory,
            List<StripeHandle> stripes,
            ActorRef<Registry.Command> registry) {}

    private final String nodeName;
    private final TopicDirectory directory;
    private final GroupQuestions questions;
    private final Asker asker;
    private final LetterPages letters;

    public static Behavior<Command> create(Environment environment) {
        // It holds nothing but questions: what an exception loses is asked again, or times out at the client.
        return Behaviors.supervise(Behaviors.<Command>setup(context -> new DeadLetterDesk(context, environment)))
                .onFailure(Exception.class, SupervisorStrategy.restart());
    }

    private DeadLetterDesk(ActorContext<Command> context, Environment environment) {
        super(context);
        nodeName = environment.nodeName;
        directory = environment.directory;
        questions = new GroupQuestions(context.getSystem(), directory);
        asker = new Asker(
                context.getSystem(),
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        letters = new LetterPages(
                this,
                environment,
                questions,
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(StoreSettings.READ_DISPATCHER)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Ask.class, this::onAsk)
                .onMessage(Heard.class, this::onHeard)
                .build();
    }

    private Behavior<Command> onAsk(Ask ask) {
        if (ask.request instanceof PoisonCommand.ListParked list) {
            onListParked(ask, list);
        } else if (ask.request instanceof PoisonCommand.Unpark unpark) {
            onUnpark(ask, unpark);
        } else if (ask.request instanceof PoisonCommand.ListLetters list) {
            letters.list(ask, list);
        } else if (ask.request instanceof PoisonCommand.Redrive redrive) {
            letters.redrive(ask, redrive);
        } else {
            throw new AssertionError(ask.request);
        }
        return this;
    }

    private Behavior<Command> onHeard(Heard heard) {
        heard.then.run();
        return this;
    }

    // ---- parked keys ----------------------------------------------------------------------------------------------

    private void onListParked(Ask ask, PoisonCommand.ListParked list) {
        Place after = Place.parseOrNull(list.cursor());
        Refusal refusal = list.topic().isEmpty() ? checkGroup(list.group()) : checkGroup(list.topic(), list.group());
        if (refusal == null && (list.countMax() < 1 || list.countMax() > PoisonCommand.PAGE_COUNT_MAX)) {
            refusal = Refusal.illegalArgument(
                    "the number of keys of a page", list.countMax(), "1 to " + PoisonCommand.PAGE_COUNT_MAX);
        }
        if (refusal == null && after == null && !list.cursor().isEmpty()) {
            refusal = Refusal.illegalArgument("cursor", list.cursor(), "empty, or as the last page gave it");
        }
        if (refusal != null) {
            refuse(ask, refusal);
            return;
        }
        List<TopicDirectory.TopicRoute> topics =
                list.topic().isEmpty() ? directory.topicsOf(list.group()) : List.of(directory.topic(list.topic()));
        List<Place> places = new ArrayList<>();
        List<CompletionStage<Object>> answers = new ArrayList<>();
        for (TopicDirectory.TopicRoute topic : topics) {
            TopicDirectory.GroupRoute group = directory.group(topic.name(), list.group());
            for (TopicDirectory.QueueRoute queue : topic.queues()) {
                if (group != null) {
                    places.add(new Place(topic.name(), queue.number(), 0));
                    answers.add(questions.ask(queue.queueId(), group.groupId(), GroupQueue.ListParked::new));
                }
            }
        }
        whenAll(answers, all -> answerParked(ask, list, after, places, all));
    }

    private void answerParked(
            Ask ask, PoisonCommand.ListParked list, Place after, List<Place> places, List<Object> answers) {
        List<ParkedKey> page = new ArrayList<>();
        int totalCount = 0;
        Place last = null;
        boolean isMore = false;
        for (int i = 0; i < places.size(); i++) {
            Place queue = places.get(i);
            Refusal refusal = GroupQuestions.refusalOf(answers.get(i));
            if (refusal != null) {
                refuse(ask, queue.refused(refusal));
                return;
            }
            for (GroupQueue.ParkedKey key : ((GroupQueue.ParkedKeys) answers.get(i)).keys()) {
                totalCount++;
                Place place = new Place(queue.topic(), queue.queue(), key.blockedOffset());
                if (after != null && !place.isBehind(after)) {
                    continue;
                }
                if (page.size() == list.countMax()) {
                    isMore = true;
                    continue;
                }
                last = place;
                page.add(new ParkedKey(
                        nodeName,
                        place.topic(),
                        place.queue(),
                        key.messageGroup(),
                        key.blockedOffset(),
                        key.attempts(),
                        key.parkedMillis(),
                        key.reason(),
                        key.waitingCount()));
            }
        }
        answer(ask, new PoisonReply.ParkedPage(list.requestId(), page, totalCount, isMore ? last.toString() : ""));
    }

    private void onUnpark(Ask ask, PoisonCommand.Unpark unpark) {
        Refusal refusal = checkGroup(unpark.topic(), unpark.group());
        if (refusal != null) {
            refuse(ask, refusal);
            return;
        }
        TopicDirectory.TopicRoute topic = directory.topic(unpark.topic());
        TopicDirectory.GroupRoute group = directory.group(unpark.topic(), unpark.group());
        List<CompletionStage<Object>> answers = new ArrayList<>();
        for (TopicDirectory.QueueRoute queue : topic.queues()) {
            answers.add(questions.ask(
                    queue.queueId(),
                    group.groupId(),
                    replyTo -> new GroupQueue.Unpark(unpark.messageGroup(), how(unpark.how()), replyTo, replyTo)));
        }
        whenAll(answers, all -> {
            int count = 0;
            Refusal failed = null;
            for (int i = 0; i < all.size(); i++) {
                if (all.get(i) instanceof GroupQueue.UnparkDone done) {
                    count += done.count();
                } else {
                    failed = new Place(topic.name(), i, 0).refused(GroupQuestions.refusalOf(all.get(i)));
                }
            }
            if (failed == null && count == 0) {
                failed = nothingParked(unpark, group.policy().isOrdered());
            }
            if (failed != null) {
                refuse(ask, failed);
            } else {
                answer(ask, new PoisonReply.Unparked(unpark.requestId(), count));
            }
        });
    }

    private static KeyUnparkedRecord.How how(UnparkHow how) {
        return switch (how) {
            case RETRY -> KeyUnparkedRecord.How.TRIED_AGAIN;
            case DROP -> KeyUnparkedRecord.How.SKIPPED;
            case DEAD_LETTER -> KeyUnparkedRecord.How.DEAD_LETTERED;
        };
    }

    /** Null if that is as good as done. */
    private static Refusal nothingParked(PoisonCommand.Unpark unpark, boolean isOrdered) {
        if (!isOrdered) {
            return Refusal.of(
                    Refusal.Code.ILLEGAL_ARGUMENT,
                    "group '" + unpark.group() + "' keeps no order (ordered is off), so none of its keys is parked");
        }
        return unpark.messageGroup().isEmpty()
                ? null
                : Refusal.illegalArgument(
                        "key",
                        unpark.messageGroup(),
                        "one that is parked for group '" + unpark.group() + "' in topic '" + unpark.topic() + "'");
    }

    // ---- checks ---------------------------------------------------------------------------------------------------

    private Refusal checkGroup(String topic, String group) {
        Refusal refusal = Names.check("topic", topic);
        refusal = refusal != null ? refusal : Names.check("group", group);
        refusal = refusal != null || directory.topic(topic) != null ? refusal : Refusal.unknownTopic(topic);
        return refusal != null || directory.group(topic, group) != null
                ? refusal
                : Refusal.of(Refusal.Code.UNKNOWN_GROUP, "no group '" + group + "' consumes topic '" + topic + "'");
    }

    private Refusal checkGroup(String group) {
        Refusal refusal = Names.check("group", group);
        return refusal != null || !directory.topicsOf(group).isEmpty()
                ? refusal
                : Refusal.of(Refusal.Code.UNKNOWN_GROUP, "no group '" + group + "' consumes a topic of this node");
    }

    // ---- answers --------------------------------------------------------------------------------------------------

    private void whenAll(List<CompletionStage<Object>> answers, Consumer<List<Object>> next) {
        then(GroupQuestions.all(answers), (all, failure) -> next.accept(all));
    }

    Asker asker() {
        return asker;
    }

    /** Goes on, in this actor, with what somebody else was to answer or to read. */
    <T> void then(CompletionStage<T> stage, BiConsumer<T, Throwable> next) {
        getContext().pipeToSelf(stage, (result, failure) -> new Heard(() -> next.accept(result, failure)));
    }

    void warn(Ask ask, Throwable failure) {
        getContext().getLog().warn("dead letters cannot be read: {}", ask.request, failure);
    }

    void answer(Ask ask, SessionEvent.Reply reply) {
        ask.replyTo.tell(new RegistryReply.Answer(reply));
    }

    void refuse(Ask ask, Refusal refusal) {
        answer(ask, new SessionEvent.Refused(ask.request.requestId(), refusal));
    }
}
