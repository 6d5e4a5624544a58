package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ActorRef;
import akka.dispatch.Envelope;
import io.forebay.protocol.SessionCommand;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a client sends is bounded; what the node tells a session is not. */
class SessionMailboxTest {
    private final SessionMailbox.ClientBoundedQueue queue = new SessionMailbox.ClientBoundedQueue(3);

    @Test
    void whatTheNodeTellsAlwaysFindsRoom() {
        for (int i = 0; i < 100; i++) {
            put("internal " + i);
        }
        assertThat(drain()).hasSize(100);
    }

    @Test
    void aClientThatSendsTooMuchIsToldOfOnceAndHeardNoMore() {
        for (int i = 0; i < 10; i++) {
            put(new SessionCommand.Heartbeat(i));
        }
        put("internal");
        assertThat(drain())
                .containsExactly(
                        new SessionCommand.Heartbeat(0),
                        new SessionCommand.Heartbeat(1),
                        new SessionCommand.Heartbeat(2),
                        Session.Overflowed.INSTANCE,
                        "internal");
        put(new SessionCommand.Heartbeat(11));
        assertThat(queue.hasMessages()).isFalse();
    }

    @Test
    void whatWasTakenMakesRoom() {
        for (int i = 0; i < 100; i++) {
            put(new SessionCommand.Heartbeat(i));
            assertThat(drain()).hasSize(1);
        }
    }

    private void put(Object message) {
        queue.enqueue(ActorRef.noSender(), new Envelope(message, ActorRef.noSender()));
    }

    private List<Object> drain() {
        List<Object> messages = new ArrayList<>();
        for (Envelope next = queue.dequeue(); next != null; next = queue.dequeue()) {
            messages.add(next.message());
        }
        return messages;
    }
}
