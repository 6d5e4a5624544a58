package io.forebay.persistence.samples;

import akka.actor.typed.ActorSystem;
import akka.cluster.sharding.typed.javadsl.ShardedDaemonProcess;
import akka.japi.Pair;
import akka.persistence.query.Offset;
import akka.projection.Projection;
import akka.projection.ProjectionBehavior;
import akka.projection.ProjectionId;
import akka.projection.eventsourced.EventEnvelope;
import akka.projection.eventsourced.javadsl.EventSourcedProvider;
import akka.projection.javadsl.SourceProvider;
import akka.projection.jdbc.javadsl.JdbcHandler;
import akka.projection.jdbc.javadsl.JdbcProjection;
import io.forebay.persistence.ForebayReadJournal;
import java.time.Duration;
import java.util.List;

/** How popular each item is, exactly once by tag; and which events there are, at least once by slices. */
final class CartProjections {
    private static final int SLICE_RANGES = 2;

    private static final class Popularity extends JdbcHandler<EventEnvelope<ShoppingCart.Event>, CartDatabase.Session> {
        @Override
        public void process(CartDatabase.Session session, EventEnvelope<ShoppingCart.Event> envelope) throws Exception {
            boolean isAdded = envelope.event() instanceof ShoppingCart.ItemAdded;
            session.add(
                    isAdded ? ((ShoppingCart.ItemAdded) envelope.event()).item() : "-",
                    isAdded ? ((ShoppingCart.ItemAdded) envelope.event()).quantity() : 1,
                    envelope.persistenceId(),
                    envelope.sequenceNr());
        }
    }

    private static final class Seen
            extends JdbcHandler<akka.persistence.query.typed.EventEnvelope<ShoppingCart.Event>, CartDatabase.Session> {
        @Override
        public void process(
                CartDatabase.Session session, akka.persistence.query.typed.EventEnvelope<ShoppingCart.Event> envelope)
                throws Exception {
            session.see(envelope.persistenceId(), envelope.sequenceNr());
        }
    }

    private CartProjections() {}

    static void init(ActorSystem<?> system) {
        JdbcProjection.createTablesIfNotExists(CartDatabase.Session::new, system)
                .toCompletableFuture()
                .join();
        CartDatabase.widenOffsets();
        run(
                system,
                "popularity",
                ShoppingCart.TAGS.stream()
                        .<Projection<?>>map(tag -> popularity(system, tag))
                        .toList());
        run(
                system,
                "seen",
                EventSourcedProvider.sliceRanges(system, ForebayReadJournal.IDENTIFIER, SLICE_RANGES).stream()
                        .<Projection<?>>map(range -> seen(system, range))
                        .toList());
    }

    private static void run(ActorSystem<?> system, String name, List<Projection<?>> projections) {
        ShardedDaemonProcess.get(system)
                .init(
                        ProjectionBehavior.Command.class,
                        name,
                        projections.size(),
                        number -> ProjectionBehavior.create(projections.get(number)),
                        ProjectionBehavior.stopMessage());
    }

    private static Projection<?> popularity(ActorSystem<?> system, String tag) {
        SourceProvider<Offset, EventEnvelope<ShoppingCart.Event>> source =
                EventSourcedProvider.eventsByTag(system, ForebayReadJournal.IDENTIFIER, tag);
        return JdbcProjection.exactlyOnce(
                ProjectionId.of("popularity", tag), source, CartDatabase.Session::new, Popularity::new, system);
    }

    private static Projection<?> seen(ActorSystem<?> system, Pair<Integer, Integer> slices) {
        SourceProvider<Offset, akka.persistence.query.typed.EventEnvelope<ShoppingCart.Event>> source =
                EventSourcedProvider.eventsBySlices(
                        system,
                        ForebayReadJournal.IDENTIFIER,
                        ShoppingCart.KEY.name(),
                        slices.first(),
                        slices.second());
        return JdbcProjection.atLeastOnce(
                        ProjectionId.of("seen", slices.first() + "-" + slices.second()),
                        source,
                        CartDatabase.Session::new,
                        Seen::new,
                        system)
                .withSaveOffset(5, Duration.ofMillis(50));
    }
}
