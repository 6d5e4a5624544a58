package io.forebay.queue;

import io.forebay.protocol.Message;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.queue.core.DedupWindow;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.SendKey;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** One {@link Queue.Enqueue} on its way to its answer. Confined to its queue. */
final class PendingSend {
    final Queue.Enqueue request;
    /** One for each message; null as long as it is not known. */
    final SendResult[] results;

    final int[] payloadCrcs;
    /** What the queue's window knows its messages by; null if nothing is remembered. */
    Keys keys;
    /** Messages whose result is not known yet. */
    int missing;
    /** Whether one of its messages was sent before: others than this request's own records count. */
    boolean hasRepeated;
    /** The highest sequence of a receipt, -1 for none. */
    long lastSequence = -1;

    boolean isAnswered;

    /** Of each message its key, and its number in the window. */
    static final class Keys {
        final long[] highs;
        final long[] lows;
        final long[] numbers;

        Keys(List<Message> messages, Deduplication deduplication, SendKey key) {
            int count = messages.size();
            highs = new long[count];
            lows = new long[count];
            numbers = new long[count];
            for (int i = 0; i < count; i++) {
                if (key.read(deduplication, messages.get(i))) {
                    highs[i] = key.high();
                    lows[i] = key.low();
                    numbers[i] = DedupWindow.NONE;
                } else {
                    numbers[i] = UNKNOWABLE;
                }
            }
        }

        private static final long UNKNOWABLE = -2;

        /** Whether it has a key at all. */
        boolean has(int message) {
            return numbers[message] != UNKNOWABLE;
        }

        boolean isNumbered(int message) {
            return numbers[message] >= 0;
        }
    }

    PendingSend(Queue.Enqueue request) {
        this.request = request;
        results = new SendResult[request.messages().size()];
        payloadCrcs = new int[results.length];
    }

    void answer() {
        if (!isAnswered) {
            isAnswered = true;
            request.replyTo()
                    .tell(new QueueReply.Enqueued(
                            request.token(), Collections.unmodifiableList(Arrays.asList(results))));
        }
    }

    /** Answers everything with this, unless it was refused for a reason of its own. */
    void refuse(Refusal refusal) {
        if (!isAnswered) {
            for (int i = 0; i < results.length; i++) {
                if (!(results[i] instanceof Refusal)) {
                    results[i] = refusal;
                }
            }
            answer();
        }
    }
}
