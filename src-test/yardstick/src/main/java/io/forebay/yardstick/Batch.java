package io.forebay.yardstick;

/** Messages that are sent in one go. Once it is confirmed or failed it is forgotten. */
public final class Batch {
    private final Run run;
    private final int queue;
    private final byte[][] bodies;
    private final String[] keysOrNull;

    Batch(Run run, int queue, byte[][] bodies, String[] keysOrNull) {
        this.run = run;
        this.queue = queue;
        this.bodies = bodies;
        this.keysOrNull = keysOrNull;
    }

    public int count() {
        return bodies.length;
    }

    /** Where it goes if the sender chooses: from 0, in turn. */
    public int queue() {
        return queue;
    }

    /** Of the message at an index. Given away: nobody else writes to it. */
    public byte[] body(int index) {
        return bodies[index];
    }

    /** Its order is kept; null for none. */
    public String keyOrNull(int index) {
        return keysOrNull == null ? null : keysOrNull[index];
    }

    /** All of it is stored. Thread-safe; to be told once. */
    public void confirmed() {
        run.confirmed(this);
    }

    /** Not all of it is stored: the run cannot go on. Thread-safe. */
    public void failed(Throwable cause) {
        run.failed(cause);
    }
}
