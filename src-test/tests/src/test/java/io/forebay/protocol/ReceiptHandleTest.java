package io.forebay.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

class ReceiptHandleTest {
    private static final ReceiptHandle HANDLE =
            new ReceiptHandle(ReceiptHandle.nodeIdOf("node-1"), 1, 7, 3, 123_456, 4, 987_654_321L, -42);

    @Test
    void textComesBackEqual() {
        Random random = new Random(1);
        for (int i = 0; i < 1000; i++) {
            ReceiptHandle handle = new ReceiptHandle(
                    random.nextInt(),
                    random.nextInt(),
                    random.nextInt(),
                    random.nextInt(),
                    random.nextLong(),
                    random.nextLong(),
                    random.nextLong(),
                    random.nextLong());
            assertThat(handle.text()).matches("[A-Za-z0-9_-]{" + ReceiptHandle.TEXT_CHARS + "}");
            assertThat(ReceiptHandle.parse(handle.text())).isEqualTo(handle);
        }
    }

    @Test
    void everyChangedCharacterIsToldApart() {
        String text = HANDLE.text();
        for (int at = 0; at < text.length(); at++) {
            for (char other : "AaZz09-_!= é".toCharArray()) {
                if (other != text.charAt(at)) {
                    String changed = text.substring(0, at) + other + text.substring(at + 1);
                    assertThat(ReceiptHandle.parse(changed)).as(changed).isInstanceOf(IllegalHandle.class);
                }
            }
        }
    }

    @Test
    void rubbishIsNamedAndNeverThrows() {
        for (String rubbish :
                new String[] {null, "", "x", HANDLE.text() + "A", HANDLE.text().substring(1), "\n\u0000"}) {
            ParsedHandle parsed = ReceiptHandle.parse(rubbish);
            assertThat(parsed).isInstanceOf(IllegalHandle.class);
            Refusal refusal = ((IllegalHandle) parsed).toRefusal();
            assertThat(refusal.code()).isEqualTo(Refusal.Code.ILLEGAL_HANDLE);
            assertThat(refusal.text()).contains("is not a receipt handle").doesNotContain("\n");
        }
    }

    @Test
    void theLayoutOfVersionOneStaysReadable() {
        String golden = "dMNzcAEAAAABAAAAAgAAAAMAAAAEAAAABQAAAAAAAAAGAAAAAAAAAAcAAAAAAAAACAAAAAAAAAA";
        ReceiptHandle handle = new ReceiptHandle(1, 2, 3, 4, 5, 6, 7, 8);
        assertThat(handle.text()).isEqualTo(golden);
        assertThat(ReceiptHandle.parse(golden)).isEqualTo(handle);
    }
}
