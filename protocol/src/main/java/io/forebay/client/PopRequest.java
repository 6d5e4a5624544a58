package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import java.time.Duration;

/**
 * What to pop. Immutable; {@code with…} methods give changed copies.
 *
 * @param topic the topic
 * @param group the consumer group
 * @param countMax most messages, at least 1
 * @param bytesMax most bytes of bodies together, at least 1; one message is given however large it is
 * @param invisible how long the messages stay invisible to others; null for {@code forebay.client.pop.invisible}
 * @param waitMax how long to wait for a first message; null for {@code forebay.client.pop.wait}
 * @param extend whether the client extends the deadline by itself while the delivery is not settled, at most for {@code
 *     forebay.client.max-hold}
 */
public record PopRequest(
        String topic, String group, int countMax, int bytesMax, Duration invisible, Duration waitMax, boolean extend) {
    /** Most bytes of a Pop that names none. */
    public static final int BYTES_MAX_DEFAULT = 4 * 1024 * 1024;

    /** @throws ForebayException with a refusal that names the value that is out of range */
    public PopRequest {
        Refusal refusal = Names.check("topic", topic);
        refusal = refusal != null ? refusal : Names.check("group", group);
        if (refusal == null && countMax < 1) {
            refusal = Refusal.illegalArgument("the number of messages to pop", countMax, "at least 1");
        }
        if (refusal == null && bytesMax < 1) {
            refusal = Refusal.illegalArgument("the number of bytes to pop", bytesMax, "at least 1");
        }
        if (refusal == null && invisible != null && (invisible.isNegative() || invisible.isZero())) {
            refusal = Refusal.illegalArgument("the invisible duration", invisible, "more than 0");
        }
        if (refusal == null && waitMax != null && waitMax.isNegative()) {
            refusal = Refusal.illegalArgument("the wait of a pop", waitMax, "at least 0");
        }
        if (refusal != null) {
            throw refusal.toException();
        }
    }

    public static PopRequest of(String topic, String group, int countMax) {
        return new PopRequest(topic, group, countMax, BYTES_MAX_DEFAULT, null, null, true);
    }

    public PopRequest withCountMax(int value) {
        return new PopRequest(topic, group, value, bytesMax, invisible, waitMax, extend);
    }

    public PopRequest withBytesMax(int value) {
        return new PopRequest(topic, group, countMax, value, invisible, waitMax, extend);
    }

    public PopRequest withInvisible(Duration value) {
        return new PopRequest(topic, group, countMax, bytesMax, value, waitMax, extend);
    }

    public PopRequest withWaitMax(Duration value) {
        return new PopRequest(topic, group, countMax, bytesMax, invisible, value, extend);
    }

    public PopRequest withExtend(boolean value) {
        return new PopRequest(topic, group, countMax, bytesMax, invisible, waitMax, value);
    }
}
