package io.forebay.protocol.wire;

import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.RedrivenLetter;
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
        } else if (command instanceof PoisonCommand.ListLetters list) {
            out.text(list.group());
            writeFilter(out, list.filter());
            out.zigzag(list.countMax());
            out.zigzag(list.bytesMax());
            out.text(list.cursor());
        } else if (command instanceof PoisonCommand.Redrive redrive) {
            out.text(redrive.group());
            writeFilter(out, redrive.filter());
            out.text(redrive.toTopic());
            out.zigzag(redrive.countMax());
            out.bool(redrive.isDryRun());
            out.text(redrive.cursor());
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
        } else if (reply instanceof PoisonReply.Redriven redriven) {
            out.text(redriven.node());
            out.varint(redriven.letters().size());
            for (RedrivenLetter letter : redriven.letters()) {
                out.zigzag(letter.queue());
                out.zigzag(letter.offset());
                out.text(letter.messageId());
                out.shared(letter.toTopic());
                out.zigzag(letter.toQueue());
            }
            out.zigzag(redriven.stayedCount());
            WireValues.writeTexts(out, redriven.notes());
            out.zigzag(redriven.doneCount());
            out.zigzag(redriven.totalCount());
            out.text(redriven.cursor());
            out.text(redriven.range());
        } else {
            throw new AssertionError(reply);
        }
    }

    private static void writeFilter(WireWriter out, DeadLetterFilter filter) {
        out.text(filter.topic());
        out.text(filter.reason());
        out.zigzag(filter.sinceMillis());
        out.zigzag(filter.untilMillis());
    }

    private static DeadLetterFilter readFilter(WireReader in) throws MalformedWireException {
        return new DeadLetterFilter(in.text(), in.text(), in.zigzag(), in.zigzag());
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
                return new PoisonReply.ParkedPage(requestId, WireValues.listOf(keys), in.zigzagInt(), in.text());
            }
            case UNPARKED:
                return new PoisonReply.Unparked(requestId, in.zigzagInt());
            case LIST_LETTERS:
                return new PoisonCommand.ListLetters(
                        requestId, in.text(), readFilter(in), in.zigzagInt(), in.zigzagInt(), in.text());
            case REDRIVE:
                return new PoisonCommand.Redrive(
                        requestId, in.text(), readFilter(in), in.text(), in.zigzagInt(), in.bool(), in.text());
            case REDRIVEN: {
                String node = in.text();
                RedrivenLetter[] letters = new RedrivenLetter[in.count(5)];
                for (int i = 0; i < letters.length; i++) {
                    letters[i] =
                            new RedrivenLetter(in.zigzagInt(), in.zigzag(), in.text(), in.shared(), in.zigzagInt());
                }
                return new PoisonReply.Redriven(
                        requestId,
                        node,
                        WireValues.listOf(letters),
                        in.zigzagInt(),
                        WireValues.readTexts(in),
                        in.zigzag(),
                        in.zigzag(),
                        in.text(),
                        in.text());
            }
            default:
                throw new AssertionError(type);
        }
    }
}
