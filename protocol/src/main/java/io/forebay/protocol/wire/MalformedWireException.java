package io.forebay.protocol.wire;

import java.io.NotSerializableException;

/** Bytes that are not the wire form they claim to be; the text says which and where. */
public final class MalformedWireException extends NotSerializableException {
    MalformedWireException(String text) {
        super(text);
    }
}
