package io.forebay.client;

import java.util.List;

/**
 * A request made of operations that callers wait for, each decided by itself. Confined to its session.
 *
 * @param <O> what it is made of
 */
abstract class OpBatch<O extends Ops.Part<?>> extends InFlight {
    final O[] ops;

    /** @param ops kept as they are, not copied */
    OpBatch(long requestId, O[] ops) {
        super(requestId, 0);
        this.ops = ops;
    }

    @Override
    final boolean isPointless() {
        for (O op : ops) {
            if (!op.isDecided) {
                return false;
            }
        }
        return true;
    }

    /** Decides those that waited too long: they are added to {@code given}. */
    final void takeExpired(long nowMillis, List<? super O> given) {
        for (O op : ops) {
            if (!op.isDecided && op.deadlineMillis <= nowMillis) {
                op.isDecided = true;
                given.add(op);
            }
        }
    }

    /** A copy of it is answered by nobody, or was, but not for good. */
    final void mayBeDone() {
        for (O op : ops) {
            if (!op.isDecided) {
                op.isUncertain = true;
            }
        }
    }

    /**
     * To be called where stages are completed.
     *
     * @param results one for each, null for those that have none yet
     */
    final void finish(Object[] results) {
        for (int i = 0; i < results.length; i++) {
            if (results[i] != null) {
                ops[i].finish(results[i]);
            }
        }
    }
}
