package io.forebay.queue;

import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Poison;
import io.forebay.queue.core.PoisonPolicy;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.store.StripeBudget;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * What becomes of a group's messages after their last attempt: they are dead-lettered, or their keys parked. Their messages
 * have to be read first; until it is decided they can still be acked. What there is no room for, or no queue, waits and is
 * tried again. Confined to its actor.
 */
final class GroupBurial {
    /** Before poison is dealt with again for which there was no room, or no dead-letter queue. */
    private static final Duration RETRY = Duration.ofMillis(200);
    /** Messages dead-lettered or parked in one go. */
    private static final int COUNT = 64;

    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupQueue.DeadLetterSource source;
    private MessageScanner scanner;
    private final ReadTrouble trouble;
    private boolean isReading;
    private boolean isPaused;
    private GroupQueue.DeadLetterQueue letters;
    private boolean isQueueAsked;
    /** Parked messages on their way to the dead letters, in order of the commands. */
    private final ArrayDeque<GivenUp> givenUp = new ArrayDeque<>();

    /** Parked messages that an operator gives up. What was parked later is none of its business. */
    private final class GivenUp {
        final Waiting waiting;
        private final ArrayDeque<KeyParkedRecord> parked;
        int count;

        GivenUp(List<KeyParkedRecord> parked, IntConsumer done, Consumer<Refusal> refused) {
            this.parked = new ArrayDeque<>(parked);
            waiting = new Waiting.Told(() -> done.accept(count), refused);
        }

        /** Those to be read next, as far as they are still parked; empty when all are gone. */
        List<Poison> next() {
            parked.removeIf(record -> environment.state.parkedAt(record.blockedOffset()) != record);
            return parked.stream().limit(COUNT).map(this::poison).toList();
        }

        private Poison poison(KeyParkedRecord record) {
            Poison known = environment.state.poisonAt(record.blockedOffset());
            return new Poison(
                    record.blockedOffset(),
                    record.attempts(),
                    known.firstPoppedMillis(),
                    known.lastPoppedMillis(),
                    record.reason());
        }
    }

    GroupBurial(GroupEnvironment environment, GroupAppender appender, GroupQueue.DeadLetterSource source) {
        this.environment = environment;
        this.appender = appender;
        this.source = source;
        trouble = new ReadTrouble(environment);
    }

    /** Begins with what has become poison; to be called after every decision. */
    void proceed() {
        if (isReading || isPaused || !environment.mayDecide()) {
            return;
        }
        if (givenUp.isEmpty() && !environment.state.hasPoisoned()) {
            return;
        }
        boolean isQueueNeeded = environment.policy().poison() == PoisonPolicy.DEAD_LETTER || !givenUp.isEmpty();
        if (letters == null && isQueueNeeded) {
            askForQueue();
            return;
        }
        while (!givenUp.isEmpty()) {
            List<Poison> parked = givenUp.peekFirst().next();
            if (!parked.isEmpty()) {
                read(parked);
                return;
            }
            appender.waitForWritten(givenUp.pollFirst().waiting, false);
        }
        List<Poison> poison = environment.state.takePoisoned(COUNT);
        if (!poison.isEmpty()) {
            read(poison);
        }
    }

    /**
     * Moves parked messages to the dead letters, and lets their keys go on.
     *
     * @param parked at least one, as the state has it
     * @param done told how many it were when that is written
     */
    void giveUp(List<KeyParkedRecord> parked, IntConsumer done, Consumer<Refusal> refused) {
        GivenUp one = new GivenUp(parked, done, refused);
        givenUp.addLast(one);
        appender.awaits(one.waiting);
    }

    /** Nothing more can be decided; whoever waits has been told. */
    void forget() {
        givenUp.clear();
    }

    /** A pause is over. */
    void goOn() {
        isPaused = false;
    }

    private void pause(Duration duration) {
        isPaused = true;
        environment.timers.startSingleTimer(GroupQueue.GoOn.INSTANCE, duration);
    }

    // ---- the queue of the dead letters ------------------------------------------------------------------------------

    private void askForQueue() {
        if (!isQueueAsked) {
            isQueueAsked = true;
            source.ask(environment.context.getSelf());
        }
    }

    void onQueue(GroupQueue.DeadLetterQueue found) {
        isQueueAsked = false;
        if (found.queue() == null) {
            Refusal refusal = found.refusal();
            givenUp.forEach(one -> one.waiting.refuseOnce(refusal));
            givenUp.clear();
            environment
                    .context
                    .getLog()
                    .warn(
                            "topic {} queue {} group {}: messages that failed for the last time wait for their dead-letter"
                                    + " queue: {}",
                            environment.identity.topic(),
                            environment.identity.queueNumber(),
                            environment.identity.group(),
                            refusal.text());
            pause(refusal.retryAfterMillis() > 0 ? Duration.ofMillis(refusal.retryAfterMillis()) : RETRY);
            return;
        }
        letters = found;
        // Deleted by somebody: the next letter asks for a new one.
        environment.context.watchWith(found.queue(), new GroupQueue.DeadLetterQueueGone(found.queueId()));
    }

    void onQueueGone(int queueId) {
        if (letters != null && letters.queueId() == queueId) {
            letters = null;
        }
    }

    // ---- poison -----------------------------------------------------------------------------------------------------

    private void read(List<Poison> poison) {
        long[] offsets = poison.stream().mapToLong(Poison::queueOffset).toArray();
        if (scanner == null) {
            scanner = new MessageScanner(environment.identity.queueId(), environment.stripe);
        }
        isReading = true;
        MessageScanner by = scanner;
        environment.read(
                () -> by.origins(offsets), (origins, failure) -> new GroupQueue.OriginsRead(poison, origins, failure));
    }

    void onRead(GroupQueue.OriginsRead read) {
        if (read.failure() != null) {
            throw new AssertionError("a read of queue " + environment.identity.queueId() + " failed", read.failure());
        }
        isReading = false;
        if (!environment.mayDecide()) {
            // The snapshot has them as they were; they are read again behind it.
            read.poison().forEach(poison -> environment.state.poisonedAgain(poison.queueOffset()));
            return;
        }
        List<MessageScanner.Origin> found = read.origins().found();
        List<Poison> again = new ArrayList<>();
        Unreadable failed = null;
        for (int i = 0; i < read.poison().size(); i++) {
            Poison poison = read.poison().get(i);
            if (i >= found.size()) {
                again.add(poison);
                continue;
            }
            Unreadable bad = found.get(i).unreadableOrNull();
            if (bad != null && bad.mayPass() && isWanted(poison)) {
                failed = failed == null ? bad : failed;
                again.add(poison);
            } else if (!bury(poison, found.get(i))) {
                again.add(poison);
            }
        }
        Duration delay = RETRY;
        if (failed != null) {
            Duration untilReadAgain = trouble.failed(failed);
            delay = untilReadAgain == null || untilReadAgain.compareTo(RETRY) < 0 ? RETRY : untilReadAgain;
        } else if (trouble.isFailing() && !read.origins().isRewriting()) {
            trouble.passed();
        }
        if (!again.isEmpty()) {
            // In their order, the oldest first; nothing at once: what was in the way has to go first.
            Collections.reverse(again);
            again.forEach(poison -> environment.state.poisonedAgain(poison.queueOffset()));
            pause(delay);
        }
    }

    /** Whether a message that was read to be buried still has to be: it may have been acked, purged or tried again meanwhile. */
    private boolean isWanted(Poison poison) {
        return environment.state.parkedAt(poison.queueOffset()) != null
                || environment.state.isPoison(poison.queueOffset());
    }

    /** Dead-letters or parks; false if that has to wait. */
    private boolean bury(Poison poison, MessageScanner.Origin origin) {
        long offset = poison.queueOffset();
        KeyParkedRecord parked = environment.state.parkedAt(offset);
        if (!isWanted(poison)) {
            return true;
        }
        if (origin.unreadableOrNull() != null) {
            environment.unreadable(origin.unreadableOrNull());
            return true;
        }
        if (parked == null
                && environment.policy().poison() == PoisonPolicy.PARK
                && !origin.messageGroup().isEmpty()) {
            return park(poison, origin);
        }
        if (letters != null && !source.isThere(letters.queueId())) {
            letters = null; // deleted, and told to whoever wanted it: that its actor has ended comes later
        }
        if (letters == null) {
            askForQueue();
            return false;
        }
        if (parked == null) {
            return deadLetter(poison, origin, null);
        }
        boolean isDone = deadLetter(
                poison,
                origin,
                environment.state.decideUnpark(offset, KeyUnparkedRecord.How.DEAD_LETTERED, environment.now()));
        if (isDone && !givenUp.isEmpty()) {
            givenUp.peekFirst().count++;
        }
        return isDone;
    }

    private boolean park(Poison poison, MessageScanner.Origin origin) {
        KeyParkedRecord record = new KeyParkedRecord(
                poison.queueOffset(), poison.attempts(), environment.now(), origin.messageGroup(), poison.reason());
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (!appender.tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return false;
        }
        environment.state.apply(record);
        appender.giveBack(reserved - appender.append(record, null, true));
        environment
                .context
                .getLog()
                .warn(
                        "topic {} queue {} group {}: key '{}' is parked behind offset {} after {} attempts: {}",
                        environment.identity.topic(),
                        environment.identity.queueNumber(),
                        environment.identity.group(),
                        origin.messageGroup(),
                        poison.queueOffset(),
                        poison.attempts(),
                        poison.reason());
        return true;
    }

    /** @param unparkedOrNull what lets the key go on, if it is parked behind the message */
    private boolean deadLetter(Poison poison, MessageScanner.Origin origin, KeyUnparkedRecord unparkedOrNull) {
        EntryRecord entry = DeadLetterForm.entry(environment.identity, origin, poison);
        DeadLetteredRecord record =
                new DeadLetteredRecord(poison.queueOffset(), letters.queueId(), poison.attempts(), poison.reason());
        long reserved = GroupAppender.deadLetterBytes(entry, record, unparkedOrNull);
        if (!appender.tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return false;
        }
        environment.state.apply(record);
        if (unparkedOrNull != null) {
            environment.state.apply(unparkedOrNull);
        }
        appender.giveBack(reserved - appender.appendDeadLetter(letters, entry, record, unparkedOrNull));
        return true;
    }
}
