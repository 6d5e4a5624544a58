package io.forebay.topic;

import akka.actor.typed.ActorRef;
import io.forebay.queue.GroupMarks;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.TopicPolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Fills a directory with actors of a test's own. */
public final class DirectoryForTests {
    private DirectoryForTests() {}

    /** A topic whose queues have the ids 1, 2, … */
    public static void putTopic(TopicDirectory directory, String name, List<ActorRef<Queue.Command>> queues) {
        putTopic(directory, name, queues, Policies.topic());
    }

    public static void putTopic(
            TopicDirectory directory, String name, List<ActorRef<Queue.Command>> queues, TopicPolicy policy) {
        List<TopicDirectory.QueueRoute> routes = new ArrayList<>();
        for (int number = 0; number < queues.size(); number++) {
            routes.add(new TopicDirectory.QueueRoute(
                    number + 1, number, 0, queues.get(number), new io.forebay.queue.QueueMarks()));
        }
        directory.put(new TopicDirectory.TopicRoute(1, name, routes, policy, Map.of(), 0));
    }

    public static void putGroup(
            TopicDirectory directory, String topic, String group, ActorRef<Dispatcher.Command> dispatcher) {
        directory.put(topic, group, new TopicDirectory.GroupRoute(1, dispatcher, Policies.group()));
    }

    public static void putGroupQueue(
            TopicDirectory directory, String topic, String group, int queueId, ActorRef<GroupQueue.Command> queue) {
        directory.put(
                queueId,
                1,
                new TopicDirectory.GroupQueueRoute(topic, group, queue, Policies.group(), new GroupMarks(queueId, 1)));
    }
}
