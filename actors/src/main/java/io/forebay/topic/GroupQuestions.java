package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import io.forebay.config.QueueSettings;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.store.Asker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Asks groups, where they stand in queues, for what an operator wants to know or do. Thread-safe. */
public final class GroupQuestions {
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(10);

    /** Makes a command whose answers, and refusals, go to one place. */
    public interface Question {
        GroupQueue.Command of(ActorRef<Object> replyTo);
    }

    private final Asker asker;
    private final TopicDirectory directory;

    public GroupQuestions(ActorSystem<?> system, TopicDirectory directory) {
        this.asker =
                new Asker(system, system.dispatchers().lookup(DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        this.directory = directory;
    }

    /**
     * Completes in the queues' dispatcher, or is complete already. Never fails: what cannot be asked, or does not answer, is a {@link
     * Refusal}; see {@link #refusalOf}.
     */
    public CompletionStage<Object> ask(int queueId, int groupId, Question question) {
        TopicDirectory.GroupQueueRoute route = directory.groupQueue(queueId, groupId);
        if (route == null) {
            Refusal why = directory.whyUnserved(queueId, groupId);
            return CompletableFuture.completedFuture(
                    why != null
                            ? why
                            : Refusal.of(
                                    Refusal.Code.FAILED,
                                    "the queue is not served for this group because of a fault; the node's log says more"));
        }
        return asker.ask(route.groupQueue(), question::of, ANSWER_TIMEOUT)
                .exceptionally(failure ->
                        Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the queue has not answered in time; ask again"));
    }

    /** All answers, in the order of the questions; completes where the last of them does. */
    public static CompletionStage<List<Object>> all(List<CompletionStage<Object>> questions) {
        List<CompletableFuture<Object>> answers = new ArrayList<>();
        questions.forEach(question -> answers.add(question.toCompletableFuture()));
        return CompletableFuture.allOf(answers.toArray(new CompletableFuture<?>[0]))
                .thenApply(
                        nothing -> answers.stream().map(CompletableFuture::join).toList());
    }

    /** Null if the answer is what was asked for. */
    public static Refusal refusalOf(Object answer) {
        if (answer instanceof GroupQueue.OperatorRefused refused) {
            return refused.refusal();
        }
        return answer instanceof Refusal refusal ? refusal : null;
    }
}
