package io.forebay.persistence;

import java.util.Arrays;

/**
 * An event of an actor of the node itself, in the form in which it is stored. The payload is not copied and must not be changed.
 *
 * @param manifest says what the payload is
 * @param isBehindGap whether what was stored before it was deleted, or given up by a repair of the log; of one that is to be stored it
 *     says nothing
 */
public record NodeEvent(String manifest, byte[] payload, boolean isBehindGap) {
    @Override
    public boolean equals(Object other) {
        return other instanceof NodeEvent that
                && manifest.equals(that.manifest)
                && isBehindGap == that.isBehindGap
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return manifest.hashCode() * 31 + Arrays.hashCode(payload);
    }

    @Override
    public String toString() {
        return "NodeEvent[manifest=" + manifest + ", payloadBytes=" + payload.length + ", isBehindGap=" + isBehindGap
                + "]";
    }
}
