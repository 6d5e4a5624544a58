package io.forebay.queue;

import io.forebay.storage.log.Frame;

/** Some records of one frame of a queue, and what happens when they are written. */
interface QueuePart {
    /** Called once, in the order in which the records were added, before the queue's next snapshot. */
    void written(Frame frame);
}
