package io.forebay.testkit.check;

import io.forebay.protocol.ReceiptHandle;
import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Subject;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a journal says of some messages and of the places that they were in, and what was done to the node from the first to the last
 * of it: how a breach came about, for whoever looks for its cause.
 */
final class Excerpt {
    private static final int HANDLE_CHARS_SHOWN = 12;

    private final Evidence evidence;
    private final Set<Place> places = new HashSet<>();
    private final Set<String> messageIds = new HashSet<>();

    private Excerpt(Evidence evidence) {
        this.evidence = evidence;
    }

    /** A line for each fact, in order; the same one several times in a row is told once. */
    static List<String> of(Evidence evidence, Subject... subjects) {
        Excerpt excerpt = new Excerpt(evidence);
        for (Subject subject : subjects) {
            excerpt.places.addAll(subject.places());
            excerpt.messageIds.addAll(subject.messageIds());
        }
        excerpt.addNeighbours();
        return excerpt.lines();
    }

    /** Whatever else was in these places, and wherever else these messages were. */
    private void addNeighbours() {
        for (Sent sent : evidence.sent.values()) {
            if (sent.places().stream().anyMatch(places::contains)) {
                messageIds.add(sent.sending.messageId());
            }
        }
        for (String messageId : messageIds) {
            Sent sent = evidence.sent.get(messageId);
            if (sent != null) {
                places.addAll(sent.places());
            }
        }
    }

    private List<String> lines() {
        int first = 0;
        while (first < evidence.size() && !concerns(evidence.fact(first))) {
            first++;
        }
        int last = evidence.size() - 1;
        while (last > first && !concerns(evidence.fact(last))) {
            last--;
        }
        List<String> lines = new ArrayList<>();
        Fact before = null;
        int times = 1;
        for (int at = first; at <= last; at++) {
            Fact fact = evidence.fact(at);
            if (!concerns(fact) && !concernsAll(fact)) {
                continue;
            }
            times = fact.equals(before) ? times + 1 : 1;
            before = fact;
            String line = at + " " + evidence.millis(at) + " ms " + told(fact) + (times > 1 ? " times " + times : "");
            if (times > 1) {
                lines.set(lines.size() - 1, line);
            } else {
                lines.add(line);
            }
        }
        return lines;
    }

    private static boolean concernsAll(Fact fact) {
        return fact instanceof Fact.Fault
                || fact instanceof Fact.Serving
                || fact instanceof Fact.NotServing
                || fact instanceof Fact.PopFailed
                || fact instanceof Fact.Gone
                || fact instanceof Fact.Remark;
    }

    private boolean concerns(Fact fact) {
        if (fact instanceof Fact.Sending sending) {
            return messageIds.contains(sending.messageId());
        } else if (fact instanceof Fact.Stored stored) {
            return messageIds.contains(stored.messageId());
        } else if (fact instanceof Fact.NotStored failed) {
            return messageIds.contains(failed.messageId());
        } else if (fact instanceof Fact.Letter letter) {
            return places.contains(Place.of(letter)) || messageIds.contains(letter.messageId());
        } else if (fact instanceof Fact.Damaged damaged) {
            Place place = Place.of(damaged);
            return places.contains(place)
                    || places.stream().anyMatch(any -> any.any().equals(place));
        } else if (fact instanceof OfDelivery ofDelivery) {
            Delivered delivered = evidence.byHandle.get(ofDelivery.handle());
            return delivered != null && places.contains(delivered.place);
        }
        return false;
    }

    /** A handle is long, and says nothing to a reader but which delivery it is. */
    private String told(Fact fact) {
        if (!(fact instanceof OfDelivery ofDelivery)) {
            return fact.toString();
        }
        ReceiptHandle handle = ofDelivery.handle();
        Fact.Popped popped = evidence.byHandle.get(handle).popped;
        String shown = handle.text().substring(handle.text().length() - HANDLE_CHARS_SHOWN);
        return fact.toString()
                .replace(
                        handle.text(),
                        "…" + shown + " (" + popped.messageId() + " at " + Place.of(popped) + ", epoch "
                                + handle.epoch() + ", sequence " + handle.checkpointSequence() + ")");
    }
}
