package io.forebay.queue.core;

import io.forebay.protocol.Message;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.SendWindow;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * What a Send is known by, as two halves of 128 bits: a producer's id and its number, or a hash of the message id. Used again
 * and again by one thread.
 *
 * <p>The hash is the first half of SHA-256. Two of the hundred thousand ids of a window have the same one with a probability
 * of 10⁻²⁹, less than that of a disk that lies; and nobody can find two such ids on purpose without 2⁶⁴ attempts, which a
 * faster hash would allow: whoever could might make a message of somebody else count as a repetition.
 */
public final class SendKey {
    private final byte[] hash = new byte[32];
    private MessageDigest digest;
    private long high;
    private long low;

    public long high() {
        return high;
    }

    public long low() {
        return low;
    }

    /** @return whether the message has such a key; if not it is stored as it comes */
    public boolean read(Deduplication deduplication, Message message) {
        switch (deduplication) {
            case PRODUCER:
                high = message.producerId();
                low = message.producerSequence();
                return high != 0;
            case MESSAGE_ID:
                if (message.id().isEmpty()) {
                    return false;
                }
                byte[] id = message.id().getBytes(StandardCharsets.UTF_8);
                hash(id, 0, id.length);
                return true;
            default:
                return false;
        }
    }

    /** The same of a message in the log. */
    public boolean read(SendWindow.Kind kind, MessageView message) throws CorruptRecordException {
        switch (kind) {
            case PRODUCER:
                high = message.producerId();
                low = message.producerSequence();
                return high != 0;
            case MESSAGE_ID:
                if (message.idBytes() == 0) {
                    return false;
                }
                hash(message.source(), message.idAt(), message.idBytes());
                return true;
            default:
                return false;
        }
    }

    private void hash(byte[] bytes, int at, int length) {
        try {
            if (digest == null) {
                digest = MessageDigest.getInstance("SHA-256");
            }
            digest.update(bytes, at, length);
            digest.digest(hash, 0, hash.length);
        } catch (NoSuchAlgorithmException | DigestException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
        high = bigEndian(0);
        low = bigEndian(8);
    }

    private long bigEndian(int at) {
        long value = 0;
        for (int i = at; i < at + 8; i++) {
            value = value << 8 | hash[i] & 0xFF;
        }
        return value;
    }

    /**
     * The queue, of so many, that a message without a key of its own goes to, whichever session it comes through and however
     * often: there a repetition meets its first copy.
     *
     * @return -1 for any
     */
    public static int queueOf(Deduplication deduplication, Message message, int queueCount) {
        if (deduplication == Deduplication.PRODUCER && message.producerId() != 0) {
            // A producer's numbers stay together in blocks: what is sent together is stored together.
            long block = message.producerSequence() >> BLOCK_BITS;
            return (int) Math.floorMod(mix(message.producerId() + mix(block)), (long) queueCount);
        }
        if (deduplication == Deduplication.MESSAGE_ID && !message.id().isEmpty()) {
            long hash = 0xCBF29CE484222325L;
            for (int i = 0; i < message.id().length(); i++) {
                hash = (hash ^ message.id().charAt(i)) * 0x100000001B3L;
            }
            return (int) Math.floorMod(mix(hash), (long) queueCount);
        }
        return -1;
    }

    private static final int BLOCK_BITS = 6;

    private static long mix(long value) {
        long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
