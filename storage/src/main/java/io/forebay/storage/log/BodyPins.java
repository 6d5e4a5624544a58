package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * Which bodies are still needed because an entry of another queue names them. As many as there are entries that nobody
 * has released yet: dead letters, due and committed messages. Confined to the StoreWriter's thread.
 */
final class BodyPins {
    private record Pin(QueueMarks entryQueue, long entryOffset, int bodyQueueId, long bodyOffset) {}

    /** Says which bodies are pinned. */
    interface Visitor {
        void body(int queueId, long offset);
    }

    private List<Pin> pins = new ArrayList<>();

    void add(QueueMarks entryQueue, long entryOffset, int bodyQueueId, long bodyOffset) {
        pins.add(new Pin(entryQueue, entryOffset, bodyQueueId, bodyOffset));
    }

    /** Leaves out those whose entry is released. */
    void visit(Visitor visitor) {
        List<Pin> kept = new ArrayList<>(pins.size());
        for (Pin pin : pins) {
            if (pin.entryOffset >= pin.entryQueue.releasedBelow()) {
                kept.add(pin);
                visitor.body(pin.bodyQueueId, pin.bodyOffset);
            }
        }
        pins = kept;
    }
}
