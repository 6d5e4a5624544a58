package io.forebay.protocol.wire;

import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.UnparkHow;

/** The wire form of {@link PoisonCommand}s and {@link PoisonReply}s, behind version and request id. Thread-safe, without state. */
final class PoisonCodec {
    private PoisonCodec() {}

    static void write(WireWriter out, PoisonCommand command) {
        if (command instanceof PoisonCommand.ListParked list) {
            out.text(list.group());
            out.text(list.topic());
            out.zigzag(list.countMax());
            out.text(list.cursor());
        } else if (command instanceof PoisonCommand.Unpark unpark) {
            out.text(unpark.group());
            out.text(unpark.topic());
            out.text(unpark.messageGroup());
            out.u8(unpark.how().code());
        } else {
            throw new AssertionError(command);
        }
    }

    static void write(WireWriter out, PoisonReply reply) {
        if (reply instanceof PoisonReply.ParkedPage page) {
            out.varint(page.keys().size());
            for (ParkedKey key : page.keys()) {
                out.shared(key.node());
                out.shared(key.topic());
                out.zigzag(key.queue());
                out.text(key.messageGroup());
                out.zigzag(key.blockedOffset());
                out.zigzag(key.attempts());
                out.zigzag(key.parkedMillis());
                out.text(key.reason());
                out.zigzag(key.waitingCount());
            }
            out.zigzag(page.totalCount());
            out.text(page.cursor());
        } else if (reply instanceof PoisonReply.Unparked unparked) {
            out.zigzag(unparked.count());
        } else {
            throw new AssertionError(reply);
        }
    }

    static Object read(WireType type, long requestId, WireReader in) throws MalformedWireException {
        switch (type) {
            case LIST_PARKED:
                return new PoisonCommand.ListParked(requestId, in.text(), in.text(), in.zigzagInt(), in.text());
            case UNPARK: {
                String group = in.text();
                String topic = in.text();
                String messageGroup = in.text();
                int code = in.u8();
                UnparkHow how = UnparkHow.of(code);
                if (how == null) {
                    throw in.malformed("a way to unpark of number " + code);
                }
                return new PoisonCommand.Unpark(requestId, group, topic, messageGroup, how);
            }
            case PARKED_PAGE: {
                ParkedKey[] keys = new ParkedKey[in.count(9)];
                for (int i = 0; i < keys.length; i++) {
                    keys[i] = new ParkedKey(
                            in.shared(),
                            in.shared(),
                            in.zigzagInt(),
                            in.text(),
                            in.zigzag(),
                            in.zigzagInt(),
                            in.zigzag(),
                            in.text(),
                            in.zigzagInt());
                }
                return new PoisonReply.ParkedPage(requestId, WireCodec.listOf(keys), in.zigzagInt(), in.text());
            }
            case UNPARKED:
                return new PoisonReply.Unparked(requestId, in.zigzagInt());
            default:
                throw new AssertionError(type);
        }
    }
}
