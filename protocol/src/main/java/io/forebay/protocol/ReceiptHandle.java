package io.forebay.protocol;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.zip.CRC32C;

/**
 * Proof of one delivery attempt and fencing token: needed to ack, change or give back. To applications it is opaque
 * text ({@link #text()}); in memory its fields are kept, so that nothing is parsed on the way of a message. A handle says
 * nothing by itself: the node compares it with its checkpoint record, nonce included.
 *
 * <p>The text is unpadded URL-safe Base64 of 56 bytes, little-endian:
 * <pre> byte  0  u32  crc32c        over bytes [4, 56)
 *       byte  4  u8   version       1
 *       byte  5  u8[3] zero
 *       byte  8  u32  nodeId        {@link #nodeIdOf} of the node's name: tells a foreign handle, and routes an ack
 *       byte 12  u32  stripe        number of the stripe
 *       byte 16  u32  queueId       id of the queue in that node
 *       byte 20  u32  groupId       id of the group in that node
 *       byte 24  u64  queueOffset   the message's number in its queue
 *       byte 32  u64  epoch         epoch in which the checkpoint record was first written
 *       byte 40  u64  sequence      sequence of the checkpoint record
 *       byte 48  u64  nonce         random, also in the checkpoint record </pre>
 * (epoch, sequence) grows with every later delivery of the same message. Immutable, thread-safe.
 *
 * @param nodeId see layout
 * @param stripe see layout
 * @param queueId see layout
 * @param groupId see layout
 * @param queueOffset see layout
 * @param epoch see layout
 * @param checkpointSequence see layout
 * @param nonce see layout
 */
public record ReceiptHandle(
        int nodeId,
        int stripe,
        int queueId,
        int groupId,
        long queueOffset,
        long epoch,
        long checkpointSequence,
        long nonce)
        implements ParsedHandle {
    /** Bytes of the binary layout. */
    public static final int BYTES = 56;
    /** Characters of the text. */
    public static final int TEXT_CHARS = (BYTES * 4 + 2) / 3;

    private static final int VERSION = 1;
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();
    private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

    /** The number that stands for a node's name in its handles: CRC-32C of the name in UTF-8. */
    public static int nodeIdOf(String nodeName) {
        CRC32C crc = new CRC32C();
        crc.update(nodeName.getBytes(StandardCharsets.UTF_8));
        return (int) crc.getValue();
    }

    /** The opaque text of this handle, {@link #TEXT_CHARS} characters. */
    public String text() {
        byte[] bytes = new byte[BYTES];
        bytes[4] = VERSION;
        INT.set(bytes, 8, nodeId);
        INT.set(bytes, 12, stripe);
        INT.set(bytes, 16, queueId);
        INT.set(bytes, 20, groupId);
        LONG.set(bytes, 24, queueOffset);
        LONG.set(bytes, 32, epoch);
        LONG.set(bytes, 40, checkpointSequence);
        LONG.set(bytes, 48, nonce);
        INT.set(bytes, 0, checksum(bytes));
        return new String(ENCODER.encode(bytes), StandardCharsets.ISO_8859_1);
    }

    /** Reads the text of a handle; never throws, whatever the text. */
    public static ParsedHandle parse(String text) {
        if (text == null || text.length() != TEXT_CHARS) {
            return illegal(text, "it must have " + TEXT_CHARS + " characters");
        }
        byte[] bytes;
        try {
            bytes = DECODER.decode(text);
        } catch (IllegalArgumentException notBase64) {
            return illegal(text, "it has characters that are not URL-safe Base64");
        }
        if (bytes.length != BYTES || (int) INT.get(bytes, 0) != checksum(bytes)) {
            return illegal(text, "its checksum is wrong");
        }
        if (bytes[4] != VERSION || bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0) {
            return illegal(text, "its version is " + (bytes[4] & 0xff) + ", known is " + VERSION);
        }
        ReceiptHandle handle = new ReceiptHandle(
                (int) INT.get(bytes, 8),
                (int) INT.get(bytes, 12),
                (int) INT.get(bytes, 16),
                (int) INT.get(bytes, 20),
                (long) LONG.get(bytes, 24),
                (long) LONG.get(bytes, 32),
                (long) LONG.get(bytes, 40),
                (long) LONG.get(bytes, 48));
        // 75 characters carry 450 bits for 448: a decoder ignores the last two, so without this two texts would be one
        // handle.
        return handle.text().equals(text) ? handle : illegal(text, "it is not in its one canonical form");
    }

    @Override
    public int hashCode() {
        long mixed = (queueOffset + 31 * checkpointSequence) * 0x9E3779B97F4A7C15L + (queueId * 31L + groupId);
        return (int) (mixed ^ (mixed >>> 32));
    }

    @Override
    public String toString() {
        return text();
    }

    private static int checksum(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 4, BYTES - 4);
        return (int) crc.getValue();
    }

    private static IllegalHandle illegal(String text, String why) {
        return new IllegalHandle("'" + Refusal.shown(text) + "' is not a receipt handle: " + why);
    }
}
