package io.forebay.watch;

import io.forebay.store.StripeHealth;
import java.util.List;
import java.util.Locale;

/** Health as one line of JSON. Pure. */
final class HealthText {
    private HealthText() {}

    /** What {@code /ready} answers: every reason, and where each stripe stands. */
    static String ready(String node, NodeView.State state, HealthView health, List<StripeHealth> stripes) {
        StringBuilder text = new StringBuilder(512);
        text.append("{\"ready\":").append(health.isReady());
        appendNode(text, node, state);
        appendReasons(text, health.reasons());
        text.append(",\"stripes\":[");
        String separator = "";
        for (StripeHealth stripe : stripes) {
            text.append(separator).append("{\"stripe\":").append(stripe.stripeId());
            text.append(",\"phase\":");
            appendString(text, name(stripe.phase()));
            text.append(",\"serving\":").append(stripe.isServing());
            text.append(",\"written\":").append(stripe.writtenSequence());
            text.append(",\"durable\":").append(stripe.durableSequence());
            text.append(",\"unflushedBytes\":").append(stripe.unflushedBytes());
            text.append(",\"unflushedMillis\":").append(stripe.unflushedAge().toMillis());
            text.append(",\"appendWaitMillis\":").append(stripe.appendWait().toMillis());
            text.append('}');
            separator = ",";
        }
        return text.append("]}\n").toString();
    }

    /** What {@code /alive} answers: only the reasons for which it is not. */
    static String alive(String node, NodeView.State state, HealthView health) {
        StringBuilder text = new StringBuilder(256);
        text.append("{\"alive\":").append(health.isAlive());
        appendNode(text, node, state);
        appendReasons(
                text,
                health.reasons().stream()
                        .filter(reason -> reason.effect() == HealthView.Effect.NOT_ALIVE)
                        .toList());
        return text.append("}\n").toString();
    }

    private static void appendNode(StringBuilder text, String node, NodeView.State state) {
        text.append(",\"node\":");
        appendString(text, node);
        text.append(",\"state\":");
        appendString(text, name(state));
    }

    private static void appendReasons(StringBuilder text, List<HealthView.Reason> reasons) {
        text.append(",\"reasons\":[");
        String separator = "";
        for (HealthView.Reason reason : reasons) {
            text.append(separator).append("{\"code\":");
            appendString(text, name(reason.code()));
            text.append(",\"effect\":");
            appendString(text, name(reason.effect()));
            reason.stripe().ifPresent(stripe -> text.append(",\"stripe\":").append((int) stripe));
            text.append(",\"text\":");
            appendString(text, reason.text());
            text.append('}');
            separator = ",";
        }
        text.append(']');
    }

    /** As in metrics and settings. */
    static String name(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static void appendString(StringBuilder text, String value) {
        text.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                text.append('\\').append(c);
            } else if (Character.isISOControl(c) || Character.isSurrogate(c)) {
                text.append(String.format("\\u%04x", (int) c));
            } else {
                text.append(c);
            }
        }
        text.append('"');
    }
}
