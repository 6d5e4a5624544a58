package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;

/** First byte of a snapshot's payload; the second is the payload's version. The code is given once. */
enum SnapshotKind {
    QUEUE(1),
    GROUP(2),
    REGISTRY(3);

    static final int HEADER_BYTES = 2;
    private static final int VERSION = 1;

    private final int code;

    SnapshotKind(int code) {
        this.code = code;
    }

    BodyWriter begin(byte[] target) {
        return new BodyWriter(target, 0).u8(code).u8(VERSION);
    }

    BodyReader open(byte[] payload) throws CorruptRecordException {
        BodyReader in = new BodyReader(name() + " snapshot", payload, 0, payload.length);
        int found = in.u8();
        if (found != code) {
            throw in.corrupt("payload is of kind " + found + ", wanted " + code);
        }
        int version = in.u8();
        if (version != VERSION) {
            throw new UnknownRecordException(name() + " snapshot of version " + version + " is not known");
        }
        return in;
    }

    static void finished(byte[] payload, BodyWriter out) {
        if (out.at() != payload.length) {
            throw new AssertionError("snapshot of kind " + LittleEndian.getUnsignedByte(payload, 0) + " took "
                    + out.at() + " bytes, counted " + payload.length);
        }
    }
}
