package io.forebay.queue;

import io.forebay.protocol.Refusal;
import io.forebay.queue.core.ReadRetry;
import java.time.Duration;

/**
 * A message that the device does not give for now: says so when it begins and when it is over, and when to ask again. What lasts
 * longer than the node's patience is quarantined. Of one reader of a group's queue; confined to its actor.
 */
final class ReadTrouble {
    private static final long RETRY_AFTER_MILLIS = 100;

    private final GroupEnvironment environment;
    private final ReadRetry retry;
    private Refusal refusal;

    ReadTrouble(GroupEnvironment environment) {
        this.environment = environment;
        retry = new ReadRetry(environment.identity.quarantineAfterMillis());
    }

    /**
     * A read has failed.
     *
     * @return the time until it is to be tried again; null if it has lasted too long, and the message is passed over
     */
    Duration failed(Unreadable bad) {
        boolean isNew = !retry.isFailing() || retry.offset() != bad.offset();
        long millis = retry.failed(bad.offset(), bad.problem().position(), environment.now());
        if (millis == ReadRetry.NEVER) {
            refusal = null;
            environment.unreadable(bad);
            return null;
        }
        refusal = refusalOf(bad);
        if (isNew) {
            environment.context.getLog().warn("{}; it is tried again", refusal.text());
        }
        return Duration.ofMillis(millis);
    }

    /** It can be read, or need not be any more. */
    void passed() {
        if (refusal != null) {
            environment
                    .context
                    .getLog()
                    .info("{}: offset {} holds nothing up any more", environment.name(), retry.offset());
        }
        refusal = null;
        retry.passed();
    }

    boolean isFailing() {
        return retry.isFailing();
    }

    /** The message that cannot be read; of no meaning unless {@link #isFailing}. */
    long offset() {
        return retry.offset();
    }

    /** What whoever wants messages is told, null if nothing is in the way. */
    Refusal refusalOrNull() {
        return refusal;
    }

    Refusal refusalOf(Unreadable bad) {
        return new Refusal(
                Refusal.Code.READ_FAILED,
                environment.name() + ": offset " + bad.offset() + " cannot be read for now: "
                        + bad.problem().text(),
                RETRY_AFTER_MILLIS);
    }
}
