package io.forebay.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class MessageTest {
    private static void refused(ThrowingCallable call, Refusal.Code code, String... texts) {
        assertThatThrownBy(call).isInstanceOfSatisfying(ForebayException.class, failure -> {
            assertThat(failure.code()).isEqualTo(code);
            assertThat(failure.refusal().text()).contains(texts).doesNotContain("\n");
        });
    }

    @Test
    void namesFollowTheRule() {
        for (String legal : new String[] {"a", "%RETRY%x", "A.b_c|d-e%", "0", "x".repeat(127)}) {
            assertThat(Names.isLegal(legal)).as(legal).isTrue();
        }
        for (String illegal :
                new String[] {null, "", ".a", "_a", "|a", "-a", "a b", "a/b", "ä", "a\n", "x".repeat(128), "a\u0000"}) {
            assertThat(Names.isLegal(illegal)).as(illegal).isFalse();
        }
    }

    @Test
    void theNamesRuleIsTheRegularExpressionOfTheDesign() {
        for (char first = 0; first < 300; first++) {
            for (char second : new char[] {'a', '.', ' ', 'é', '%'}) {
                String name = "" + first + second;
                assertThat(Names.isLegal(name)).as(name).isEqualTo(name.matches("[A-Za-z0-9%][A-Za-z0-9._%|-]{0,126}"));
            }
        }
    }

    @Test
    void aBrokenLimitIsRefusedByName() {
        refused(() -> Message.of("no topic", new byte[0]), Refusal.Code.ILLEGAL_NAME, "topic", "'no topic'", "127");
        refused(() -> Message.builder("t").tag("a|b").build(), Refusal.Code.ILLEGAL_ARGUMENT, "tag", "a|b");
        refused(
                () -> Message.builder("t").id("x".repeat(256)).build(),
                Refusal.Code.TOO_LARGE,
                "id",
                "256 characters",
                "255");
        refused(
                () -> Message.builder("t").keys(Collections.nCopies(65, "k")).build(),
                Refusal.Code.TOO_LARGE,
                "keys",
                "65",
                "64");
        refused(() -> Message.builder("t").priority(256).build(), Refusal.Code.ILLEGAL_ARGUMENT, "priority", "256");
        refused(() -> Message.builder("t").lane("-").build(), Refusal.Code.ILLEGAL_NAME, "lane", "'-'");
        refused(() -> Message.builder("t").body(null).build(), Refusal.Code.ILLEGAL_ARGUMENT, "body");
        refused(() -> Message.builder("t").tag(null).build(), Refusal.Code.ILLEGAL_ARGUMENT, "tag");
        refused(
                () -> Message.builder("t").property("p", "v".repeat(40_000)).build(),
                Refusal.Code.TOO_LARGE,
                "properties",
                "40001");
        refused(
                () -> Message.builder("t").deliverAtMillis(-1).build(),
                Refusal.Code.ILLEGAL_ARGUMENT,
                "deliver-at",
                "-1");
    }

    @Test
    void theNodeChecksWhatWasNotBuiltHere() {
        Message wire = Message.unchecked(
                "t", "", new byte[5], "a|b", List.of(), "", 0, "", 0, java.util.Map.of(), 0, "", "", 0, 0);
        assertThat(MessageLimits.check(wire, 10).code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        Message built = Message.of("t", new byte[5]);
        assertThat(MessageLimits.check(built, 5)).isNull();
        Refusal refusal = MessageLimits.check(built, 4);
        assertThat(refusal.code()).isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refusal.text()).contains("5 bytes").contains("at most 4");
    }

    @Test
    void refusalsAreOneLineAndNotTooLong() {
        Refusal refusal = Refusal.unknownTopic("a\nb" + "x".repeat(5000));
        assertThat(refusal.text()).doesNotContain("\n").hasSizeLessThan(400);
        assertThat(Refusal.of(Refusal.Code.FAILED, "y".repeat(5000)).text()).hasSize(Refusal.TEXT_CHARS_MAX);
        for (Refusal.Code code : Refusal.Code.values()) {
            assertThat(Refusal.Code.of(code.number())).isEqualTo(code);
        }
        assertThat(Refusal.Code.of(63)).isEqualTo(Refusal.Code.UNRECOGNISED);
        assertThat(Refusal.Code.of(-1)).isEqualTo(Refusal.Code.UNRECOGNISED);
    }

    @Test
    void stampingFillsOnlyWhatIsMissing() {
        Message stamped = Message.of("t", new byte[1]).stamped("id", 5, "host");
        assertThat(List.of(stamped.id(), stamped.bornMillis(), stamped.bornHost()))
                .isEqualTo(List.of("id", 5L, "host"));
        assertThat(stamped.stamped("other", 6, "other")).isEqualTo(stamped);
    }
}
