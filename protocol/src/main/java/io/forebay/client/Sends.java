package io.forebay.client;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.wire.WireFrames;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Makes Sends of messages: gives these what they lack (id, born time, producer's number), and bounds how many bytes of them are
 * not answered. Thread-safe.
 */
final class Sends {
    private static final int RADIX = 36;

    private final ClientSettings settings;
    private final ClientEnvironment environment;
    private final AtomicLong pendingBytes = new AtomicLong();
    private final AtomicLong messageIds = new AtomicLong();
    /** The next number for a message, if they get any. */
    private final AtomicLong numbers = new AtomicLong();
    /** Of this client's life: no other client, and no later life, uses its numbers. */
    private final long producerId;

    /** Latin-1. */
    private final byte[] idPrefix;

    Sends(ClientSettings settings, ClientEnvironment environment) {
        this.settings = settings;
        this.environment = environment;
        this.producerId = environment.sessionId();
        this.idPrefix = idPrefix(environment.sessionId());
    }

    static byte[] idPrefix(long sessionId) {
        return (Long.toUnsignedString(sessionId, RADIX) + "-").getBytes(ISO_8859_1);
    }

    /** The prefix and the number in base 36: what {@code Long.toString} and a concatenation give, in a third of the garbage. */
    static String id(byte[] idPrefix, long number) {
        int digits = 1;
        for (long rest = number / RADIX; rest > 0; rest /= RADIX) {
            digits++;
        }
        byte[] text = Arrays.copyOf(idPrefix, idPrefix.length + digits);
        long rest = number;
        for (int at = text.length - 1; at >= idPrefix.length; at--) {
            text[at] = (byte) Character.forDigit((int) (rest % RADIX), RADIX);
            rest /= RADIX;
        }
        return new String(text, ISO_8859_1);
    }

    /** Room for it has to be reserved. */
    Ops.Send of(Message message, Durability durability, Ops.Many<SendResult> manyOrNull, int index) {
        String id = message.id().isEmpty() ? id(idPrefix, messageIds.incrementAndGet()) : "";
        Message stamped = message.stamped(id, environment.wallMillis().getAsLong(), settings.bornHost());
        if (settings.sendDeduplicated()) {
            stamped = stamped.numbered(producerId, numbers.getAndIncrement());
        }
        boolean isStoredOnce = settings.sendDeduplicated() || stamped.producerId() != 0;
        return new Ops.Send(stamped, durability, bytesOf(stamped), isStoredOnce, manyOrNull, index);
    }

    /** At least what it takes on the wire, and at least what a node counts it for. */
    private static int bytesOf(Message message) {
        return Math.addExact(WireFrames.bytesAtMost(message), 128);
    }

    /** @return null if there is room; it is taken until {@link #released} */
    Refusal reserve(long bytes) {
        long pending = pendingBytes.addAndGet(bytes);
        if (pending <= settings.sendPendingBytesMax() || pending == bytes) {
            return null;
        }
        pendingBytes.addAndGet(-bytes);
        return Refusal.of(
                Refusal.Code.LIMIT,
                "messages sent and not yet answered have " + (pending - bytes) + " bytes, this one would add " + bytes
                        + "; allowed is forebay.client.send.pending-bytes-max = " + settings.sendPendingBytesMax());
    }

    void released(long bytes) {
        pendingBytes.addAndGet(-bytes);
    }

    /** No session will take it. */
    void untaken(Op<?> op) {
        if (op instanceof Ops.Send send) {
            released(send.bytes);
        }
    }

    /** Bytes of messages that were taken and are not answered yet. */
    long pendingBytes() {
        return pendingBytes.get();
    }
}
