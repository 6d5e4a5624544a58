package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;

/**
 * First byte of a snapshot's payload; the second is the payload's version, of which the newest is written and all are read.
 * The code is given once.
 */
enum SnapshotKind {
    QUEUE(1, 3),
    GROUP(2, 2),
    REGISTRY(3, 2),
    PERSISTENCE_EVENTS(4, 2),
    PERSISTENCE_SNAPSHOTS(5, 1),
    DURABLE_STATES(6, 1),
    NODE_EVENTS(7, 1);

    static final int HEADER_BYTES = 2;

    private final int code;
    private final int version;

    SnapshotKind(int code, int version) {
        this.code = code;
        this.version = version;
    }

    BodyWriter begin(byte[] target) {
        return new BodyWriter(target, 0).u8(code).u8(version);
    }

    /** The version of a payload that {@link #open} has accepted. */
    static int versionOf(byte[] payload) {
        return LittleEndian.getUnsignedByte(payload, 1);
    }

    BodyReader open(byte[] payload) throws CorruptRecordException {
        BodyReader in = new BodyReader(name() + " snapshot", payload, 0, payload.length);
        int foundCode = in.u8();
        if (foundCode != code) {
            throw in.corrupt("payload is of kind " + foundCode + ", wanted " + code);
        }
        int foundVersion = in.u8();
        if (foundVersion < 1 || foundVersion > version) {
            throw new UnknownRecordException(name() + " snapshot of version " + foundVersion + " is not known");
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
