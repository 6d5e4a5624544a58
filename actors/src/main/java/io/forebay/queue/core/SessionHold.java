package io.forebay.queue.core;

/** What one session holds of a group's queue: its checkpoints with deliveries in flight, oldest first. */
final class SessionHold {
    final long sessionId;
    private Checkpoint oldest;
    private Checkpoint newest;
    /** Sessions number their requests, so a request above all others is new without a search. */
    private long highestRequestId = Long.MIN_VALUE;

    SessionHold(long sessionId) {
        this.sessionId = sessionId;
    }

    boolean isEmpty() {
        return newest == null;
    }

    Checkpoint oldest() {
        return oldest;
    }

    void add(Checkpoint checkpoint) {
        checkpoint.session = this;
        checkpoint.older = newest;
        if (newest == null) {
            oldest = checkpoint;
        } else {
            newest.newer = checkpoint;
        }
        newest = checkpoint;
        highestRequestId = Math.max(highestRequestId, checkpoint.requestId());
    }

    void remove(Checkpoint checkpoint) {
        if (checkpoint.older == null) {
            oldest = checkpoint.newer;
        } else {
            checkpoint.older.newer = checkpoint.newer;
        }
        if (checkpoint.newer == null) {
            newest = checkpoint.older;
        } else {
            checkpoint.newer.older = checkpoint.older;
        }
        checkpoint.session = null;
        checkpoint.older = null;
        checkpoint.newer = null;
    }

    /** @return the checkpoint of that request with deliveries in flight, or null */
    Checkpoint find(long requestId) {
        if (requestId > highestRequestId) {
            return null;
        }
        for (Checkpoint checkpoint = newest; checkpoint != null; checkpoint = checkpoint.older) {
            if (checkpoint.requestId() == requestId) {
                return checkpoint;
            }
        }
        return null;
    }
}
