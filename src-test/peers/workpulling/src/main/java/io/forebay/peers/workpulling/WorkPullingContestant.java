package io.forebay.peers.workpulling;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.SpawnProtocol;
import akka.actor.typed.delivery.ConsumerController;
import akka.actor.typed.javadsl.AskPattern;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.receptionist.ServiceKey;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Akka's own work pulling: for each queue a {@code WorkPullingProducerController} with an {@code EventSourcedProducerQueue}, and
 * workers with a {@code ConsumerController} each, all in this process; the events are in LevelDB journals.
 *
 * <p>What a confirmation means: the durable queue has stored the event of the message, and the controller has answered {@code
 * askNextTo} ("work pulling" in Akka's manual). The journal's files are mapped: written, with {@code fsync = off}, that is the page
 * cache; flushed, with {@code on}, the journal syncs for each event. It has no group commit: a queue stores one event at a time,
 * and a journal writes for one queue at a time. So there are several of them when flushed, whose syncs run beside each other; one
 * is as fast, for less, when written. What a worker confirms is stored behind that, as another event. The snapshots of a queue are
 * not synced; events are deleted once two newer snapshots are there.
 *
 * <p>A message is taken only when a worker asks for it, and none is stored before: work pulling keeps no backlog. What a producer
 * sends beyond that waits in memory, unstored, up to {@code buffer-size}, and one more than that is a failure; here it waits in
 * front of the controller instead, unconfirmed. So a run that fills before anybody receives stands still.
 *
 * <p>Options: {@code journals}, over all queues; {@code workers}, of each queue and receiver that takes from it (two and four were
 * no faster than one); {@code window}, the {@code flow-control-window}; {@code snapshotEvery}, events; {@code throughput}, of the
 * dispatcher (100 was slower than Akka's 5); {@code onlyFlowControl}, {@code on} or {@code off}. Those that are not named were no
 * faster at other values than at Akka's. Keeps no order, and nothing can be given back.
 */
public final class WorkPullingContestant implements Contestant {
    private static final Duration SPAWN_TIMEOUT = Duration.ofSeconds(30);

    private final Map<String, String> settings = new LinkedHashMap<>();
    private ActorSystem<SpawnProtocol.Command> system;
    private int journals;
    private int workers;

    @Override
    public void start(Setup setup) {
        journals = Integer.parseInt(setup.option("journals", setup.isFlushed() ? "8" : "1"));
        workers = Integer.parseInt(setup.option("workers", "1"));
        settings.put("journals", Integer.toString(journals));
        settings.put("workers of each queue", Integer.toString(workers));
        Map<String, String> values = new LinkedHashMap<>();
        values.put("akka.persistence.journal.leveldb.native", "on");
        values.put("akka.persistence.journal.leveldb.fsync", setup.isFlushed() ? "on" : "off");
        values.put(
                "akka.reliable-delivery.producer-controller.event-sourced-durable-queue.snapshot-every",
                setup.option("snapshotEvery", "1000"));
        values.put("akka.reliable-delivery.consumer-controller.flow-control-window", setup.option("window", "50"));
        values.put(
                "akka.reliable-delivery.consumer-controller.only-flow-control", setup.option("onlyFlowControl", "off"));
        values.put("akka.actor.default-dispatcher.throughput", setup.option("throughput", "5"));
        values.forEach((path, value) -> settings.put(path.substring(path.indexOf('.') + 1), value));
        system = ActorSystem.create(
                Behaviors.setup(context -> SpawnProtocol.create()),
                "work-pulling",
                config(values, setup.directory().toAbsolutePath()));
    }

    private Config config(Map<String, String> values, Path directory) {
        Map<String, Object> all = new LinkedHashMap<>(values);
        all.put("akka.loglevel", "WARNING");
        all.put("akka.log-dead-letters", "off");
        all.put("akka.jvm-shutdown-hooks", "off");
        all.put("akka.actor.provider", "local");
        all.put("akka.persistence.journal.plugin", "akka.persistence.journal.leveldb");
        all.put("akka.persistence.snapshot-store.plugin", "akka.persistence.snapshot-store.local");
        all.put(
                "akka.persistence.snapshot-store.local.dir",
                directory.resolve("snapshots").toString());
        Config config = ConfigFactory.parseMap(all).withFallback(ConfigFactory.load());
        Config journal = config.getConfig("akka.persistence.journal.leveldb");
        for (int number = 0; number < journals; number++) {
            String place = directory.resolve("journal-" + number).toString();
            config = ConfigFactory.parseMap(Map.of("dir", place))
                    .withFallback(journal)
                    .atPath(journalOf(number))
                    .withFallback(config);
        }
        return config;
    }

    private String journalOf(int queue) {
        return "work-pulling.journal-" + queue % journals;
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public Channel open(Shape shape) throws Exception {
        if (shape.isOrdered()) {
            throw new UnsupportedOperationException("work pulling keeps no order");
        }
        return new Queues(shape);
    }

    @Override
    public void close() throws Exception {
        if (system != null) {
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(30, TimeUnit.SECONDS);
        }
    }

    private <T> ActorRef<T> spawn(Behavior<T> behavior, String name) throws Exception {
        return AskPattern.<SpawnProtocol.Command, ActorRef<T>>ask(
                        system,
                        replyTo -> new SpawnProtocol.Spawn<>(behavior, name, Props.empty(), replyTo),
                        SPAWN_TIMEOUT,
                        system.scheduler())
                .toCompletableFuture()
                .get();
    }

    private final class Queues implements Channel {
        private final Shape shape;
        private final List<ActorRef<WorkManager.Command>> managers = new ArrayList<>();

        Queues(Shape shape) throws Exception {
            this.shape = shape;
            for (int queue = 0; queue < shape.queues(); queue++) {
                String name = name(queue);
                managers.add(spawn(WorkManager.create(name, workersOf(queue), journalOf(queue)), name));
            }
        }

        private String name(int queue) {
            return shape.name() + "-queue-" + queue;
        }

        private ServiceKey<ConsumerController.Command<byte[]>> workersOf(int queue) {
            return ServiceKey.create(ConsumerController.serviceKeyClass(), name(queue));
        }

        @Override
        public Sender sender(int index) {
            return batch -> managers.get(batch.queue()).tell(new WorkManager.Submit(batch));
        }

        @Override
        public void receive(int index, Intake intake) throws Exception {
            List<ActorRef<Worker.Command>> mine = new ArrayList<>();
            for (int place = index; place < Math.max(shape.queues(), shape.receivers()); place += shape.receivers()) {
                int queue = place % shape.queues();
                for (int number = 0; number < workers; number++) {
                    String name = name(queue) + "-worker-" + index + "-" + number;
                    mine.add(spawn(Worker.create(workersOf(queue), intake), name));
                }
            }
            while (!intake.isOver()) {
                TimeUnit.MILLISECONDS.sleep(20); // the actors do the work
            }
            mine.forEach(worker -> worker.tell(Worker.Stop.INSTANCE));
        }

        @Override
        public void close() {
            managers.forEach(manager -> manager.tell(WorkManager.Stop.INSTANCE));
        }
    }
}
