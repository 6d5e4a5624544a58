package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;

/** What becomes of a snapshot that is read from other bytes than were written. */
final class DamagedPayload {
    /** @param <S> a snapshot */
    @FunctionalInterface
    interface Decoder<S> {
        S decode(byte[] payload) throws CorruptRecordException;
    }

    private DamagedPayload() {}

    /** At every length but its own it is refused. */
    static void assertNoOtherLengthIsRead(byte[] payload, Decoder<?> decoder) {
        for (int length = 0; length <= payload.length + 1; length++) {
            byte[] other = Arrays.copyOf(payload, length);
            if (length != payload.length) {
                assertThatThrownBy(() -> decoder.decode(other))
                        .as("length %d", length)
                        .isInstanceOf(CorruptRecordException.class);
            }
        }
    }

    /**
     * With every single bit turned it is another snapshot, or refused.
     *
     * @param name what the refusal says that it is
     */
    static <S> void assertEachBitCounts(byte[] payload, S snapshot, Decoder<S> decoder, String name) {
        for (int at = 0; at < payload.length; at++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] other = payload.clone();
                other[at] ^= (byte) (1 << bit);
                try {
                    assertThat(decoder.decode(other)).as("byte %d", at).isNotEqualTo(snapshot);
                } catch (CorruptRecordException e) {
                    assertThat(e).hasMessageContaining(name);
                }
            }
        }
    }
}
