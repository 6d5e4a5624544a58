package io.forebay.topic;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.QueueSettings;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.support.PatientTestKits;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What asks groups goes on in the node's dispatcher: no thread of the application's, and none made for it. */
class GroupQuestionsTest {
    private static ActorTestKit kit;

    @BeforeAll
    static void start() {
        kit = PatientTestKits.create("group-questions", ConfigFactory.load());
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    private static String threadOf(CompletionStage<?> stage) throws Exception {
        return stage.thenApply(answer -> Thread.currentThread().getName())
                .toCompletableFuture()
                .get(10, TimeUnit.SECONDS);
    }

    @Test
    void answersAreGoneOnWithInTheNodesDispatcher() throws Exception {
        TopicDirectory directory = new TopicDirectory();
        TestProbe<GroupQueue.Command> group = kit.createTestProbe(GroupQueue.Command.class);
        DirectoryForTests.putGroupQueue(directory, "t", "g", 1, group.ref());
        GroupQuestions questions = new GroupQuestions(kit.system(), directory);
        CompletionStage<Object> one = questions.ask(1, 1, GroupQueue.ListParked::new);
        CompletionStage<Object> other = questions.ask(1, 1, GroupQueue.ListParked::new);
        // They have begun, and nobody has answered yet.
        CompletionStage<String> thread =
                one.thenApply(answer -> Thread.currentThread().getName());
        CompletionStage<String> threadOfAll = GroupQuestions.all(List.of(one, other))
                .thenApply(answers -> Thread.currentThread().getName());
        for (int i = 0; i < 2; i++) {
            GroupQueue.ListParked asked = group.expectMessageClass(GroupQueue.ListParked.class);
            asked.replyTo().tell(new GroupQueue.ParkedKeys(1, List.of()));
        }
        assertThat(thread.toCompletableFuture().get(10, TimeUnit.SECONDS)).contains(QueueSettings.DISPATCHER);
        assertThat(threadOfAll.toCompletableFuture().get(10, TimeUnit.SECONDS)).contains(QueueSettings.DISPATCHER);
        assertThat(one.toCompletableFuture().join()).isInstanceOf(GroupQueue.ParkedKeys.class);
    }

    @Test
    void groupThatIsNotServedIsARefusalAtOnce() throws Exception {
        CompletionStage<Object> asked =
                new GroupQuestions(kit.system(), new TopicDirectory()).ask(1, 1, GroupQueue.ListParked::new);
        assertThat(GroupQuestions.refusalOf(asked.toCompletableFuture().getNow(null)))
                .extracting(Refusal::code)
                .isEqualTo(Refusal.Code.FAILED);
        assertThat(threadOf(asked)).isEqualTo(Thread.currentThread().getName());
        assertThat(threadOf(GroupQuestions.all(List.of(asked, CompletableFuture.completedFuture("x")))))
                .isEqualTo(Thread.currentThread().getName());
    }
}
