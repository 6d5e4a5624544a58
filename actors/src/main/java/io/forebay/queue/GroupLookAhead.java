package io.forebay.queue;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.FilteredRecord;
import java.time.Duration;

/**
 * Looks at messages ahead of the Pops of a group that is ordered or has a filter, so that there are always some that may go
 * out. Cold ones are read elsewhere, and never more than a few in one turn of the actor. Confined to its actor.
 */
final class GroupLookAhead {
    /** Messages looked at in one go. */
    private static final int COUNT = 512;
    /** So many that could go out are enough for now. */
    private static final int READY_ENOUGH = 512;

    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private MessageScanner scanner;
    private boolean isReading;
    private boolean isPaused;

    GroupLookAhead(GroupEnvironment environment, GroupAppender appender) {
        this.environment = environment;
        this.appender = appender;
    }

    /** Looks further if there is need; to be called after every decision. */
    void proceed() {
        if (environment.scanTrouble.isFailing() && !environment.state.isScanDue(environment.readableEnd())) {
            environment.scanTrouble.passed(); // the group looks at nothing any more, or was sent away from it
        }
        if (isReading || isPaused || !isDue() || !environment.mayDecide()) {
            return;
        }
        if (scanner == null) {
            scanner = new MessageScanner(environment.identity.queueId(), environment.stripe);
        }
        long from = environment.state.scanFrom();
        int count = environment.state.scanCount(environment.readableEnd(), COUNT);
        MessageFilter filter = environment.policy().filter();
        if (environment.isHot(from) && !environment.scanTrouble.isFailing()) {
            found(scanner.scan(from, count, filter));
            if (!isPaused && isDue()) {
                // Others have their turn in between.
                isPaused = true;
                environment.context.getSelf().tell(GroupQueue.GoOn.INSTANCE);
            }
            return;
        }
        isReading = true;
        MessageScanner by = scanner;
        environment.read(
                () -> by.scan(from, count, filter), (found, failure) -> new GroupQueue.Scanned(filter, found, failure));
    }

    private boolean isDue() {
        return environment.state.isScanDue(environment.readableEnd())
                && environment.state.scannedReadyCount() < READY_ENOUGH;
    }

    /** A pause is over. */
    void goOn() {
        isPaused = false;
    }

    void onScanned(GroupQueue.Scanned scanned) {
        if (scanned.failure() != null) {
            throw new AssertionError(
                    "a scan of queue " + environment.identity.queueId() + " failed", scanned.failure());
        }
        isReading = false;
        if (environment.mayDecide() && scanned.filter() == environment.policy().filter()) {
            found(scanned.found());
        }
        // Else it is looked at again: behind the snapshot, or with the filter that is set now.
    }

    private void found(MessageScanner.Found found) {
        for (int i = 0; i < found.count(); i++) {
            environment.state.scanned(found.firstOffset() + i, found.wanted()[i], found.keyHashes()[i]);
        }
        Unreadable bad = found.unreadableOrNull();
        boolean isInTheWay = bad != null && bad.offset() == environment.state.scanFrom();
        boolean isTriedAgain = isInTheWay && bad.mayPass() && failed(bad);
        if (isInTheWay && !isTriedAgain) {
            if (!bad.mayPass()) {
                environment.unreadable(bad);
            }
            environment.state.scannedUnreadable(bad.offset());
        }
        if (!isTriedAgain && !found.isRewriting() && environment.scanTrouble.isFailing()) {
            environment.scanTrouble.passed();
        }
        FilteredRecord filtered = environment.state.decideFiltered();
        if (filtered != null) {
            environment.state.apply(filtered);
            appender.append(filtered);
        }
        if (found.isRewriting()) {
            isPaused = true;
            environment.timers.startSingleTimer(GroupQueue.GoOn.INSTANCE, GroupEnvironment.READ_RETRY);
        }
    }

    /** @return whether it is tried again; else it has lasted too long, and the message is passed over */
    private boolean failed(Unreadable bad) {
        Duration delay = environment.scanTrouble.failed(bad);
        if (delay != null) {
            isPaused = true;
            environment.timers.startSingleTimer(GroupQueue.GoOn.INSTANCE, delay);
        }
        return delay != null;
    }
}
