package io.forebay.store;

import akka.Done;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import io.forebay.config.ForebaySettings;
import io.forebay.config.StorageSettings;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeOptions;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.ServiceLoader;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The stripes of a node inside an application's {@code ActorSystem}: opens them, recovers them, closes them in coordinated
 * shutdown. Does nothing before {@link #open()}. Thread-safe. Its completion stages complete on {@code forebay.store.flush-dispatcher},
 * where threads may block; what is added to them runs there, or, if they have completed, in the thread that adds it.
 */
public final class ForebayStorage implements Extension {
    private static final Id ID = new Id();
    private static final Pattern STRIPE_NAME = Pattern.compile("stripe-(0|[1-9][0-9]{0,5})");
    /** Left of the time that coordinated shutdown gives, for closing files and for the answer to arrive. */
    private static final Duration SHUTDOWN_MARGIN = Duration.ofMillis(500);

    private record Stripe(StripeHandle handle, StorageDirectory directory) {}

    private final ActorSystem<?> system;
    private final Executor blocking;
    private final Asker asker;
    private final CompletableFuture<List<StripeHandle>> ready = new CompletableFuture<>();
    private final List<StripeRecovery> recoveries = new ArrayList<>();
    /** Those of the capabilities that are on the class path. */
    private volatile List<StripeRecovery> found = List.of();

    private StorageEnvironment environment = StorageEnvironment.real();
    private boolean isOpening;
    private CompletableFuture<Done> stopped;
    private ForebaySettings settings;

    // Written by the thread that opens, read by others when ready has completed.
    private StorageEnvironment.Root root;
    private final List<Stripe> stripes = new ArrayList<>();

    private ForebayStorage(ActorSystem<?> system) {
        this.system = system;
        this.blocking = StripeSystem.blocking(system);
        this.asker = new Asker(system, blocking);
    }

    /** The one of this system; creating it starts nothing and waits for nothing. */
    public static ForebayStorage get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /** The directory in which a stripe's files lie, within the node's. */
    public static String directoryName(int stripeId) {
        return "stripe-" + stripeId;
    }

    /**
     * Registers one that is given what is recovered.
     *
     * @throws IllegalStateException after {@link #open()}
     */
    public synchronized void register(StripeRecovery recovery) {
        checkNotOpening();
        recoveries.add(Objects.requireNonNull(recovery));
    }

    /**
     * Has the stripes work on another disk, or by other clocks; for tests and simulations.
     *
     * @throws IllegalStateException after {@link #open()}
     */
    public synchronized void use(StorageEnvironment other) {
        checkNotOpening();
        environment = Objects.requireNonNull(other);
    }

    /** Where the nonces of receipt handles come from. */
    public synchronized RandomGenerator random() {
        return environment.random();
    }

    /** The monotonic clock that the stripes measure by. */
    public synchronized LongSupplier nanoTime() {
        return environment.nanoTime();
    }

    private void checkNotOpening() {
        if (isOpening) {
            throw new IllegalStateException("the stripes are opened already");
        }
    }

    /**
     * Locks the directory, opens every stripe on a blocking dispatcher and replays it into the registered sinks. Idempotent: later
     * calls return the same stage.
     *
     * @return the stripes in the order of their ids; fails with a typed exception (settings, directory locked or foreign,
     *     corrupt, newer format), then nothing is left open
     */
    public CompletionStage<List<StripeHandle>> open() {
        List<StripeRecovery> to;
        synchronized (this) {
            if (isOpening) {
                return ready.minimalCompletionStage();
            }
            isOpening = true;
            to = new ArrayList<>(recoveries);
        }
        CoordinatedShutdown shutdown = CoordinatedShutdown.get(system);
        shutdown.addTask(CoordinatedShutdown.PhaseBeforeActorSystemTerminate(), "forebay-storage", this::stop);
        CompletableFuture.runAsync(() -> openRoot(), blocking)
                .thenCompose(done -> {
                    found = findRecoveries();
                    to.addAll(found);
                    return openStripes(to);
                })
                .whenComplete((handles, failure) -> {
                    if (failure == null) {
                        ready.complete(handles);
                    } else {
                        // The other stripes may have been opened.
                        stopStripes(
                                        settings == null
                                                ? Duration.ZERO
                                                : settings.store().stopTimeout())
                                .whenCompleteAsync(
                                        (areClosed, timeout) -> {
                                            closeFiles(timeout == null && areClosed);
                                            ready.completeExceptionally(causeOf(failure));
                                        },
                                        blocking);
                    }
                });
        return ready.minimalCompletionStage();
    }

    private List<StripeRecovery> findRecoveries() {
        List<StripeRecovery> all = new ArrayList<>();
        ServiceLoader.load(StripeRecoveryFactory.class, ForebayStorage.class.getClassLoader())
                .forEach(factory -> all.add(factory.create(settings)));
        return List.copyOf(all);
    }

    /**
     * What a capability has recovered, once {@link #open()} has completed.
     *
     * @param type that its {@link StripeRecoveryFactory} makes
     */
    public <T extends StripeRecovery> T recovered(Class<T> type) {
        for (StripeRecovery recovery : found) {
            if (type.isInstance(recovery)) {
                return type.cast(recovery);
            }
        }
        throw new IllegalStateException("nothing recovers a " + type.getName()
                + ": does META-INF/services/" + StripeRecoveryFactory.class.getName()
                + " of forebay-node lie on the class path, or has it been left out when jars were merged into one?");
    }

    /** As {@link #open()} when somebody else calls it; starts nothing. */
    public CompletionStage<List<StripeHandle>> whenReady() {
        return ready.minimalCompletionStage();
    }

    /** The open stripes, by id; empty before {@link #whenReady()}, and if that has failed. */
    public List<StripeHandle> stripes() {
        return ready.isDone() && !ready.isCompletedExceptionally() ? ready.join() : List.of();
    }

    /** How each open stripe is. */
    public List<StripeHealth> health() {
        return stripes().stream().map(StripeHandle::health).toList();
    }

    private void openRoot() {
        settings = ForebaySettings.from(system.settings().config());
        try {
            root = environment
                    .opener()
                    .open(settings.storage().directory(), settings.node().name());
        } catch (IOException e) {
            throw new CompletionException(e);
        }
    }

    private CompletionStage<List<StripeHandle>> openStripes(List<StripeRecovery> to) {
        StorageSettings storage = settings.storage();
        var clock = new LogClock(environment.wall(), environment.nanoTime());
        var parts = new StripeSystem(
                system, settings.store(), storage.lowSpaceBytes(), clock, environment.nanoTime(), environment.random());
        List<CompletableFuture<Stripe>> opening = new ArrayList<>();
        int count = countOfStripes(storage); // before the first one makes its directory
        for (int id = 0; id < count; id++) {
            int stripeId = id;
            opening.add(CompletableFuture.supplyAsync(() -> openStripe(parts, storage, stripeId, to), blocking));
        }
        // Not the first failure but the last end: what is still opening cannot be closed.
        return CompletableFuture.allOf(opening.toArray(CompletableFuture[]::new))
                .handle((done, failure) -> {
                    for (CompletableFuture<Stripe> one : opening) {
                        if (!one.isCompletedExceptionally()) {
                            stripes.add(one.join());
                        }
                    }
                    if (failure != null) {
                        throw new CompletionException(causeOf(failure));
                    }
                    return stripes.stream().map(Stripe::handle).toList();
                });
    }

    /** As many as there are, should the setting have become smaller: queues live in them. */
    private int countOfStripes(StorageSettings storage) {
        var ids = new TreeSet<Integer>();
        try {
            for (String name : root.directory().children()) {
                Matcher matcher = STRIPE_NAME.matcher(name);
                if (matcher.matches()) {
                    ids.add(Integer.valueOf(matcher.group(1)));
                }
            }
        } catch (IOException e) {
            throw new CompletionException(e);
        }
        if (!ids.isEmpty() && ids.last() != ids.size() - 1) {
            int missing = 0;
            while (ids.contains(missing)) {
                missing++;
            }
            throw new CompletionException(new IOException(root.directory().path() + ": " + directoryName(missing)
                    + " is missing, though " + directoryName(ids.last())
                    + " is there; bring it back before the node is started"));
        }
        return Math.max(ids.size(), storage.stripes());
    }

    private Stripe openStripe(StripeSystem parts, StorageSettings storage, int stripeId, List<StripeRecovery> to) {
        var options = new StripeOptions(
                stripeId,
                storage.segmentBytes(),
                storage.indexExtentEntries(),
                storage.indexFileBytes(),
                storage.spareSegments(),
                storage.spareSegmentsMax());
        List<RecoverySink> sinks = new ArrayList<>();
        to.forEach(recovery -> sinks.add(recovery.sink(stripeId)));
        StorageDirectory directory = null;
        try {
            directory = root.directory().child(directoryName(stripeId));
            return new Stripe(parts.open(directory, options, new SinkOfAll(sinks)), directory);
        } catch (IOException | RuntimeException | AssertionError e) {
            if (directory != null) {
                closeQuietly(directory);
            }
            throw new CompletionException(e);
        }
    }

    /** Drains, takes a checkpoint, forces and closes every stripe. Part of coordinated shutdown; idempotent. */
    public CompletionStage<Done> stop() {
        synchronized (this) {
            if (stopped != null) {
                return stopped.minimalCompletionStage();
            }
            stopped = new CompletableFuture<>();
            if (!isOpening) {
                isOpening = true;
                ready.completeExceptionally(new IllegalStateException("stopped before it was opened"));
            }
        }
        ready.handle((handles, failure) -> failure == null)
                .thenCompose(isOpen -> isOpen ? stopStripes(stopLimit()) : CompletableFuture.completedFuture(true))
                .whenComplete((areClosed, failure) -> blocking.execute(() -> {
                    closeFiles(failure == null && areClosed);
                    stopped.complete(Done.getInstance());
                }));
        return stopped.minimalCompletionStage();
    }

    private Duration stopLimit() {
        Duration phase = Duration.ofNanos(CoordinatedShutdown.get(system)
                .timeout(CoordinatedShutdown.PhaseBeforeActorSystemTerminate())
                .toNanos());
        Duration limit = phase.minus(SHUTDOWN_MARGIN);
        Duration setting = settings.store().stopTimeout();
        return limit.compareTo(setting) < 0 ? limit : setting;
    }

    /** Completes with whether every stripe has closed its files. */
    private CompletionStage<Boolean> stopStripes(Duration limit) {
        CompletableFuture<Boolean> all = CompletableFuture.completedFuture(true);
        for (Stripe stripe : stripes) {
            CompletionStage<Boolean> one = asker.<StoreWriter.Command, Done>ask(
                            stripe.handle.writer(),
                            replyTo -> new StoreWriter.Stop(limit, replyTo),
                            limit.plus(SHUTDOWN_MARGIN))
                    .handle((done, failure) -> failure == null);
            all = all.thenCombine(one, Boolean::logicalAnd);
        }
        return all;
    }

    /** Files of a stripe that has not ended are left to the end of the process; so is the lock, which guards them. */
    private void closeFiles(boolean areStripesClosed) {
        if (root == null || (!areStripesClosed && !stripes.isEmpty())) {
            return;
        }
        stripes.forEach(stripe -> closeQuietly(stripe.directory));
        closeQuietly(root.directory());
        closeQuietly(root.lock());
    }

    private void closeQuietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            system.log().warn("could not close {}: {}", resource, e.toString());
        }
    }

    private static Throwable causeOf(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null
                ? causeOf(failure.getCause())
                : failure;
    }

    /** Hands everything to several. */
    private record SinkOfAll(List<RecoverySink> sinks) implements RecoverySink {
        @Override
        public void snapshot(RecordView part) throws CorruptRecordException {
            for (RecoverySink sink : sinks) {
                sink.snapshot(part);
            }
        }

        @Override
        public void record(RecordView record) throws CorruptRecordException {
            for (RecoverySink sink : sinks) {
                sink.record(record);
            }
        }
    }

    /** For {@code akka.actor.typed.extensions}. */
    public static final class Id extends ExtensionId<ForebayStorage> {
        @Override
        public ForebayStorage createExtension(ActorSystem<?> system) {
            return new ForebayStorage(system);
        }
    }
}
