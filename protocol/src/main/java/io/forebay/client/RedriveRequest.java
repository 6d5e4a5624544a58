package io.forebay.client;

import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;

/**
 * Which dead letters of a group go back, where to, and how fast. Immutable; {@code with…} methods give changed copies.
 *
 * @param group the group that had given them up
 * @param filter which of them
 * @param toTopic "" for the topic each letter comes from
 * @param limit most letters to move, whatever dies meanwhile; {@code Long.MAX_VALUE} for all, which needs no planning of pages
 * @param ratePerSecond letters a second, 0 for as fast as it goes
 * @param isDryRun whether nothing is to be changed, only told
 */
public record RedriveRequest(
        String group, DeadLetterFilter filter, String toTopic, long limit, int ratePerSecond, boolean isDryRun) {
    /** Highest rate that can be asked for. */
    public static final int RATE_MAX = 1_000_000;

    /** @throws ForebayException with a refusal that names the value that is out of range */
    public RedriveRequest {
        Refusal refusal = Names.check("group", group);
        refusal = refusal != null || toTopic.isEmpty() ? refusal : Names.check("topic", toTopic);
        refusal = refusal != null || filter.topic().isEmpty() ? refusal : Names.check("topic", filter.topic());
        if (refusal == null && limit < 1) {
            refusal = Refusal.illegalArgument("the number of letters to move", limit, "1 or more");
        }
        if (refusal == null && (ratePerSecond < 0 || ratePerSecond > RATE_MAX)) {
            refusal = Refusal.illegalArgument(
                    "the number of letters a second", ratePerSecond, "1 to " + RATE_MAX + ", or 0 for no limit");
        }
        if (refusal != null) {
            throw refusal.toException();
        }
    }

    /** All of a group's dead letters, to the topics they come from. */
    public static RedriveRequest of(String group) {
        return new RedriveRequest(group, DeadLetterFilter.ALL, "", Long.MAX_VALUE, 0, false);
    }

    public RedriveRequest withFilter(DeadLetterFilter newFilter) {
        return new RedriveRequest(group, newFilter, toTopic, limit, ratePerSecond, isDryRun);
    }

    public RedriveRequest withToTopic(String newToTopic) {
        return new RedriveRequest(group, filter, newToTopic, limit, ratePerSecond, isDryRun);
    }

    public RedriveRequest withLimit(long newLimit) {
        return new RedriveRequest(group, filter, toTopic, newLimit, ratePerSecond, isDryRun);
    }

    public RedriveRequest withRatePerSecond(int newRatePerSecond) {
        return new RedriveRequest(group, filter, toTopic, limit, newRatePerSecond, isDryRun);
    }

    public RedriveRequest withDryRun(boolean newIsDryRun) {
        return new RedriveRequest(group, filter, toTopic, limit, ratePerSecond, newIsDryRun);
    }
}
