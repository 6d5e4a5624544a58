package io.forebay.persistence.samples;

import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.AskPattern;
import akka.actor.typed.javadsl.Behaviors;
import akka.japi.function.Function;
import akka.pattern.StatusReply;
import akka.persistence.query.PersistenceQuery;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.ForebayReadJournal;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;

/** One life of an application that names the plugins, on a disk that loses what was not forced. */
final class SampleApp {
    static final Duration PATIENCE = Duration.ofSeconds(60);

    /** What the application sets; storage is made small. */
    private static final Config CONFIG = ConfigFactory.parseString("""
        akka {
          loglevel = WARNING
          log-dead-letters = off
          coordinated-shutdown.run-by-jvm-shutdown-hook = off
          coordinated-shutdown.run-by-actor-system-terminate = off
          coordinated-shutdown.exit-jvm = off
          persistence.journal.plugin = "forebay.persistence.journal"
          persistence.snapshot-store.plugin = "forebay.persistence.snapshot-store"
          persistence.state.plugin = "forebay.persistence.state-store"
          actor {
            serializers.samples = "io.forebay.persistence.samples.SampleSerializer"
            serialization-bindings."io.forebay.persistence.samples.Stored" = samples
          }
        }
        forebay {
          storage { segment-size = 4 MiB, low-space = 0 B }
          store { checkpoint-bytes = 64 KiB, flush-bytes = 256 KiB, max-unflushed = 32 MiB, flush-interval = 20 ms }
          queue { body-max = 1 MiB, batch-bytes-max = 2 MiB }
        }
        """);

    final MemoryDisk disk;
    final ActorSystem<Void> system;
    final ForebayReadJournal journal;

    SampleApp(MemoryDisk disk, String settings) {
        this.disk = disk;
        system = ActorSystem.create(
                Behaviors.empty(),
                "app",
                ConfigFactory.parseString(settings).withFallback(CONFIG).withFallback(ConfigFactory.load()));
        ForebayStorage.get(system).use(StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime));
        journal =
                PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER);
    }

    <M> ActorRef<M> spawn(Behavior<M> behavior, String name) {
        return system.systemActorOf(behavior, name, Props.empty());
    }

    <M, R> CompletionStage<R> ask(ActorRef<M> actor, Function<ActorRef<StatusReply<R>>, M> message) {
        return AskPattern.askWithStatus(actor, message, PATIENCE, system.scheduler());
    }

    static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    <T> List<T> all(Source<T, ?> source) throws Exception {
        return get(source.runWith(Sink.seq(), system));
    }

    /** @return what is left when the process is killed now */
    MemoryDisk kill() throws Exception {
        disk.crash();
        MemoryDisk left = disk.killImage();
        end();
        return left;
    }

    /** @return what is left when the power goes now */
    MemoryDisk cutPower(RandomGenerator random) throws Exception {
        disk.crash();
        MemoryDisk left = disk.powerCutImage(random);
        end();
        return left;
    }

    /** Without a word to anybody. */
    private void end() throws Exception {
        system.terminate();
        get(system.getWhenTerminated());
        Proof.kills.increment();
    }

    /** In an orderly way. */
    void stop() throws Exception {
        get(CoordinatedShutdown.get(system).runAll(CoordinatedShutdown.unknownReason()));
        get(system.getWhenTerminated());
    }
}
