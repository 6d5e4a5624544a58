package io.forebay.protocol.wire;

import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueRelease;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.StoredMessage;
import java.util.List;

/** The wire form of {@link LookCommand}s and {@link LookReply}s, behind version and request id. Thread-safe, without state. */
final class LookCodec {
    private LookCodec() {}

    static void write(WireWriter out, LookCommand command) {
        if (command instanceof LookCommand.Seek seek) {
            out.text(seek.group());
            out.text(seek.topic());
            out.zigzag(seek.queue());
            out.u8(seek.place().kind().code());
            out.zigzag(seek.place().value());
            out.bool(seek.isDryRun());
        } else if (command instanceof LookCommand.Purge purge) {
            out.text(purge.topic());
            out.text(purge.group());
            out.zigzag(purge.queue());
            out.zigzag(purge.belowOffset());
            out.bool(purge.isDryRun());
        } else if (command instanceof LookCommand.Release release) {
            out.text(release.topic());
            out.zigzag(release.queue());
            out.zigzag(release.offset());
            out.bool(release.isDryRun());
        } else if (command instanceof LookCommand.Peek peek) {
            out.text(peek.topic());
            out.zigzag(peek.queue());
            out.zigzag(peek.offset());
            out.text(peek.group());
            out.zigzag(peek.countMax());
            out.zigzag(peek.bytesMax());
            out.text(peek.cursor());
        } else if (command instanceof LookCommand.Find find) {
            out.text(find.topic());
            out.text(find.id());
            out.text(find.key());
            out.zigzag(find.sinceMillis());
            out.zigzag(find.untilMillis());
            out.zigzag(find.countMax());
            out.text(find.cursor());
        } else if (command instanceof LookCommand.Explain explain) {
            out.text(explain.topic());
            out.zigzag(explain.queue());
            out.zigzag(explain.offset());
            HandleCodec.writeHandles(out, explain.handle() == null ? List.of() : List.of(explain.handle()));
            out.text(explain.cursor());
        } else {
            throw new AssertionError(command);
        }
    }

    static void write(WireWriter out, LookReply reply) {
        if (reply instanceof LookReply.Seeked seeked) {
            out.varint(seeked.queues().size());
            for (QueueSeek queue : seeked.queues()) {
                out.shared(queue.node());
                out.zigzag(queue.queue());
                out.zigzag(queue.fromOffset());
                out.zigzag(queue.toOffset());
                out.zigzag(queue.skippedCount());
                out.zigzag(queue.repeatedCount());
                out.bool(queue.isClamped());
                writeRefusal(out, queue.refusal());
            }
        } else if (reply instanceof LookReply.Purged purged) {
            out.varint(purged.queues().size());
            for (QueuePurge queue : purged.queues()) {
                out.shared(queue.node());
                out.zigzag(queue.queue());
                out.zigzag(queue.belowOffset());
                out.zigzag(queue.droppedCount());
                out.bool(queue.isClamped());
                writeRefusal(out, queue.refusal());
            }
        } else if (reply instanceof LookReply.Released released) {
            out.varint(released.queues().size());
            for (QueueRelease queue : released.queues()) {
                out.shared(queue.node());
                out.zigzag(queue.queue());
                out.zigzag(queue.releasedCount());
                writeRefusal(out, queue.refusal());
            }
        } else if (reply instanceof LookReply.MessagePage page) {
            out.text(page.node());
            out.varint(page.messages().size());
            for (StoredMessage message : page.messages()) {
                writeStored(out, message);
            }
            WireValues.writeTexts(out, page.notes());
            out.zigzag(page.doneCount());
            out.zigzag(page.totalCount());
            out.text(page.cursor());
        } else if (reply instanceof LookReply.LifePage page) {
            out.text(page.place().node());
            out.text(page.place().topic());
            out.zigzag(page.place().queue());
            out.zigzag(page.place().offset());
            out.bool(page.message() != null);
            if (page.message() != null) {
                writeStored(out, page.message());
            }
            WireValues.writeTexts(out, page.groups());
            out.varint(page.events().size());
            for (LifeEvent event : page.events()) {
                writeEvent(out, event);
            }
            WireValues.writeTexts(out, page.notes());
            out.zigzag(page.doneRecords());
            out.zigzag(page.totalRecords());
            out.zigzag(page.nowMillis());
            out.text(page.cursor());
        } else {
            throw new AssertionError(reply);
        }
    }

    private static void writeStored(WireWriter out, StoredMessage stored) {
        out.zigzag(stored.queue());
        out.zigzag(stored.offset());
        out.zigzag(stored.sequence());
        out.zigzag(stored.storedMillis());
        out.shared(stored.message().topic());
        MessageCodec.writeMessage(out, stored.message(), stored.message().topic());
    }

    private static void writeEvent(WireWriter out, LifeEvent event) {
        out.u8(event.kind().code());
        out.zigzag(event.sequence());
        out.zigzag(event.atMillis());
        out.bool(event.isDurable());
        out.shared(event.group());
        out.zigzag(event.attempt());
        out.int64(event.sessionId());
        out.zigzag(event.untilMillis());
        out.text(event.detail());
    }

    private static void writeRefusal(WireWriter out, Refusal refusalOrNull) {
        out.bool(refusalOrNull != null);
        if (refusalOrNull != null) {
            WireValues.writeRefusal(out, refusalOrNull);
        }
    }

    static Object read(WireType type, long requestId, WireReader in) throws MalformedWireException {
        switch (type) {
            case SEEK: {
                String group = in.text();
                String topic = in.text();
                int queue = in.zigzagInt();
                int code = in.u8();
                SeekPlace.Kind kind = SeekPlace.Kind.of(code);
                if (kind == null) {
                    throw in.malformed("a place to seek of kind " + code);
                }
                return new LookCommand.Seek(
                        requestId, group, topic, queue, new SeekPlace(kind, in.zigzag()), in.bool());
            }
            case SEEKED: {
                QueueSeek[] queues = new QueueSeek[in.count(8)];
                for (int i = 0; i < queues.length; i++) {
                    queues[i] = new QueueSeek(
                            in.shared(),
                            in.zigzagInt(),
                            in.zigzag(),
                            in.zigzag(),
                            in.zigzag(),
                            in.zigzag(),
                            in.bool(),
                            readRefusal(in));
                }
                return new LookReply.Seeked(requestId, WireValues.listOf(queues));
            }
            case PURGE:
                return new LookCommand.Purge(requestId, in.text(), in.text(), in.zigzagInt(), in.zigzag(), in.bool());
            case PURGED: {
                QueuePurge[] queues = new QueuePurge[in.count(6)];
                for (int i = 0; i < queues.length; i++) {
                    queues[i] = new QueuePurge(
                            in.shared(), in.zigzagInt(), in.zigzag(), in.zigzag(), in.bool(), readRefusal(in));
                }
                return new LookReply.Purged(requestId, WireValues.listOf(queues));
            }
            case RELEASE:
                return new LookCommand.Release(requestId, in.text(), in.zigzagInt(), in.zigzag(), in.bool());
            case RELEASED: {
                QueueRelease[] queues = new QueueRelease[in.count(4)];
                for (int i = 0; i < queues.length; i++) {
                    queues[i] = new QueueRelease(in.shared(), in.zigzagInt(), in.zigzag(), readRefusal(in));
                }
                return new LookReply.Released(requestId, WireValues.listOf(queues));
            }
            case PEEK:
                return new LookCommand.Peek(
                        requestId,
                        in.text(),
                        in.zigzagInt(),
                        in.zigzag(),
                        in.text(),
                        in.zigzagInt(),
                        in.zigzagInt(),
                        in.text());
            case FIND:
                return new LookCommand.Find(
                        requestId,
                        in.text(),
                        in.text(),
                        in.text(),
                        in.zigzag(),
                        in.zigzag(),
                        in.zigzagInt(),
                        in.text());
            case MESSAGE_PAGE: {
                String node = in.text();
                StoredMessage[] messages = new StoredMessage[in.count(8)];
                for (int i = 0; i < messages.length; i++) {
                    messages[i] = readStored(in);
                }
                return new LookReply.MessagePage(
                        requestId,
                        node,
                        WireValues.listOf(messages),
                        WireValues.readTexts(in),
                        in.zigzag(),
                        in.zigzag(),
                        in.text());
            }
            case EXPLAIN: {
                String topic = in.text();
                int queue = in.zigzagInt();
                long offset = in.zigzag();
                List<ReceiptHandle> handles = HandleCodec.readHandles(in);
                if (handles.size() > 1) {
                    throw in.malformed(handles.size() + " handles where one is meant");
                }
                return new LookCommand.Explain(
                        requestId, topic, queue, offset, handles.isEmpty() ? null : handles.get(0), in.text());
            }
            case LIFE_PAGE:
                return readLifePage(requestId, in);
            default:
                throw new AssertionError(type);
        }
    }

    private static LookReply.LifePage readLifePage(long requestId, WireReader in) throws MalformedWireException {
        MessagePlace place = new MessagePlace(in.text(), in.text(), in.zigzagInt(), in.zigzag());
        StoredMessage message = in.bool() ? readStored(in) : null;
        List<String> groups = WireValues.readTexts(in);
        LifeEvent[] events = new LifeEvent[in.count(16)];
        for (int i = 0; i < events.length; i++) {
            events[i] = new LifeEvent(
                    LifeEvent.Kind.of(in.u8()),
                    in.zigzag(),
                    in.zigzag(),
                    in.bool(),
                    in.shared(),
                    in.zigzagInt(),
                    in.int64(),
                    in.zigzag(),
                    in.text());
        }
        return new LookReply.LifePage(
                requestId,
                place,
                message,
                groups,
                WireValues.listOf(events),
                WireValues.readTexts(in),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.text());
    }

    private static StoredMessage readStored(WireReader in) throws MalformedWireException {
        int queue = in.zigzagInt();
        long offset = in.zigzag();
        long sequence = in.zigzag();
        long storedMillis = in.zigzag();
        String topic = in.shared();
        return new StoredMessage(queue, offset, sequence, storedMillis, MessageCodec.readMessage(in, topic));
    }

    private static Refusal readRefusal(WireReader in) throws MalformedWireException {
        return in.bool() ? WireValues.readRefusal(in) : null;
    }
}
