package io.forebay.look;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.StoredMessage;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reads the messages that a group would get next: which ones its queues have said. One page, however many there are. */
final class NextMessagesJob implements ReadJob<LookReply> {
    /** A message to read. */
    record Place(TopicDirectory.QueueRoute queue, long offset) {}

    private final LookCommand.Peek request;
    private final String node;
    private final List<Place> places;
    private final List<String> notesBefore;
    private final List<StripeHandle> stripes;

    NextMessagesJob(
            LookCommand.Peek request,
            String node,
            List<Place> places,
            List<String> notesBefore,
            List<StripeHandle> stripes) {
        this.request = request;
        this.node = node;
        this.places = places;
        this.notesBefore = notesBefore;
        this.stripes = stripes;
    }

    @Override
    public Outcome<LookReply> run() {
        List<StoredMessage> messages = new ArrayList<>();
        List<String> notes = new ArrayList<>(notesBefore);
        Map<Integer, QueueScan> scans = new HashMap<>();
        long[] bytes = {0};
        int doneCount = 0;
        for (Place place : places) {
            if (bytes[0] >= request.bytesMax()) {
                notes.add((places.size() - doneCount) + " more messages do not fit into " + request.bytesMax()
                        + " bytes");
                break;
            }
            doneCount++;
            int number = place.queue().number();
            QueueScan scan = scans.computeIfAbsent(
                    number,
                    n -> new QueueScan(place.queue(), stripes.get(place.queue().stripeId())));
            scan.read(place.offset(), place.offset() + 1, new QueueScan.Sink() {
                @Override
                public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
                    StoredMessage message = QueueScan.copy(request.topic(), number, offset, view, body);
                    bytes[0] += message.message().body().length;
                    messages.add(message);
                    return false;
                }

                @Override
                public boolean unreadable(long offset, String reason) {
                    notes.add("queue " + number + ", offset " + offset + " cannot be read: " + reason);
                    return false;
                }
            });
            if (scan.isNotReadable()) {
                return Outcome.again();
            }
        }
        return Outcome.of(
                new LookReply.MessagePage(request.requestId(), node, messages, notes, doneCount, places.size(), ""));
    }
}
