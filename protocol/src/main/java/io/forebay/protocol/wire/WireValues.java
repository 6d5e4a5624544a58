package io.forebay.protocol.wire;

import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SubscriptionProgress;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What many forms are made of: refusals, levels, limits, progress, lists and maps of texts. Thread-safe, without state.
 */
final class WireValues {
    private WireValues() {}

    static void writeRefusal(WireWriter out, Refusal refusal) {
        out.varint(refusal.code().number());
        out.text(refusal.text());
        out.zigzag(refusal.retryAfterMillis());
    }

    static Refusal readRefusal(WireReader in) throws MalformedWireException {
        return new Refusal(Refusal.Code.of(in.varintInt()), in.text(), in.zigzag());
    }

    static void writeDurability(WireWriter out, Durability durability) {
        out.u8(durability == null ? 0 : durability.code());
    }

    /** Null for 0. */
    static Durability readDurability(WireReader in) throws MalformedWireException {
        int code = in.u8();
        return code == 0 ? null : durability(code, in);
    }

    static Durability durability(int code, WireReader in) throws MalformedWireException {
        if (code == Durability.WRITTEN.code()) {
            return Durability.WRITTEN;
        }
        if (code == Durability.FLUSHED.code()) {
            return Durability.FLUSHED;
        }
        throw in.malformed("a durability of " + code);
    }

    static void writeProgress(WireWriter out, SubscriptionProgress progress) {
        out.zigzag(progress.totalCredits());
        out.zigzag(progress.receivedCount());
        out.zigzag(progress.receivedUpTo());
        out.varint(progress.receivedBits());
    }

    static SubscriptionProgress readProgress(WireReader in) throws MalformedWireException {
        return new SubscriptionProgress(in.zigzag(), in.zigzag(), in.zigzag(), in.varint());
    }

    static DeliveryMode readMode(WireReader in) throws MalformedWireException {
        int code = in.u8();
        if (code == DeliveryMode.POP.code()) {
            return DeliveryMode.POP;
        }
        if (code == DeliveryMode.PUSH.code()) {
            return DeliveryMode.PUSH;
        }
        throw in.malformed("a delivery mode of " + code);
    }

    static void writeLimits(WireWriter out, SessionLimits limits) {
        out.zigzag(limits.frameBytes());
        out.zigzag(limits.bodyBytesMax());
        out.zigzag(limits.batchCountMax());
        out.zigzag(limits.batchBytesMax());
        out.zigzag(limits.popCountMax());
        out.zigzag(limits.popBytesMax());
        out.zigzag(limits.invisibleMillisMin());
        out.zigzag(limits.invisibleMillisMax());
        out.zigzag(limits.waitMillisMax());
        out.zigzag(limits.requestsInFlightMax());
        out.zigzag(limits.bytesInFlightMax());
        out.zigzag(limits.chunkBytesInFlightMax());
        out.zigzag(limits.subscriptionsMax());
        out.zigzag(limits.creditsMax());
        out.zigzag(limits.heartbeatMillis());
        out.zigzag(limits.sessionTimeoutMillis());
    }

    static SessionLimits readLimits(WireReader in) throws MalformedWireException {
        return new SessionLimits(
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzag(),
                in.zigzag());
    }

    static void writeTexts(WireWriter out, List<String> texts) {
        out.varint(texts.size());
        for (String text : texts) {
            out.text(text);
        }
    }

    static List<String> readTexts(WireReader in) throws MalformedWireException {
        String[] texts = new String[in.count(1)];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = in.text();
        }
        return listOf(texts);
    }

    static void writeMap(WireWriter out, Map<String, String> map) {
        out.varint(map.size());
        for (Map.Entry<String, String> entry : map.entrySet()) {
            out.shared(entry.getKey());
            out.text(entry.getValue());
        }
    }

    static Map<String, String> readMap(WireReader in) throws MalformedWireException {
        int count = in.count(2);
        if (count == 0) {
            return Map.of();
        }
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            if (map.put(in.shared(), in.text()) != null) {
                throw in.malformed("a key that comes twice");
            }
        }
        return Collections.unmodifiableMap(map);
    }

    static <T> List<T> listOf(T[] elements) {
        return elements.length == 0 ? List.of() : Collections.unmodifiableList(Arrays.asList(elements));
    }
}
