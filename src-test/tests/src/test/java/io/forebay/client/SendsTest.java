package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Ids are what they have always been: the session in base 36, a hyphen, and a number in base 36 that begins at 1. */
class SendsTest {
    @Test
    void idsCountInBase36() {
        byte[] prefix = Sends.idPrefix(-2);
        for (long number : new long[] {1, 9, 10, 35, 36, 37, 1295, 1296, 1L << 40, Long.MAX_VALUE}) {
            assertThat(Sends.id(prefix, number))
                    .isEqualTo(Long.toUnsignedString(-2, 36) + "-" + Long.toString(number, 36));
        }
    }
}
