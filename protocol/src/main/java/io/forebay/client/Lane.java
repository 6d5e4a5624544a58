package io.forebay.client;

import java.util.ArrayDeque;

/** A part of a session that has something to send now and then. Confined to its session. */
abstract class Lane {
    /** Of its {@link Lanes}. */
    private ArrayDeque<Lane> toPump;

    private boolean isListed;

    /** By what its {@link Lanes} know it. */
    abstract Object key();

    /** Sends what may go. */
    abstract void pump(long nowMillis);

    /** Whether nothing is left for it to do or to know. */
    abstract boolean isIdle();

    final void joins(ArrayDeque<Lane> lanesToPump) {
        toPump = lanesToPump;
    }

    /** Has {@link #pump} called after this message. */
    final void list() {
        if (!isListed) {
            isListed = true;
            toPump.add(this);
        }
    }

    final void pumpListed(long nowMillis) {
        isListed = false;
        pump(nowMillis);
    }
}
