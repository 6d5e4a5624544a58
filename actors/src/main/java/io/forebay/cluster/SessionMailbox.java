package io.forebay.cluster;

import akka.actor.ActorRef;
import akka.actor.ActorSystem;
import akka.dispatch.Envelope;
import akka.dispatch.MailboxType;
import akka.dispatch.MessageQueue;
import akka.dispatch.ProducesMessageQueue;
import com.typesafe.config.Config;
import io.forebay.protocol.SessionCommand;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import scala.Option;

/**
 * Mailbox of a session. It bounds what the client sends and nothing else: what queues, timers and the registry tell a
 * session is never lost. A client that sends more than fits has ignored its limits; the session is told once, by
 * {@link Session.Overflowed}, and what the client sends from then on is dropped.
 */
public final class SessionMailbox implements MailboxType, ProducesMessageQueue<SessionMailbox.ClientBoundedQueue> {
    private static final String CAPACITY = "forebay.session.mailbox-capacity";

    private final int capacity;

    /** As Akka calls it. */
    public SessionMailbox(ActorSystem.Settings settings, Config section) {
        capacity = settings.config().getInt(CAPACITY);
    }

    @Override
    public MessageQueue create(Option<ActorRef> owner, Option<ActorSystem> system) {
        return new ClientBoundedQueue(capacity);
    }

    /** Many producers, one consumer. */
    static final class ClientBoundedQueue implements MessageQueue {
        private final int capacity;
        private final ConcurrentLinkedQueue<Envelope> envelopes = new ConcurrentLinkedQueue<>();
        private final AtomicInteger fromClient = new AtomicInteger();
        private volatile boolean isOverflowed;

        ClientBoundedQueue(int capacity) {
            this.capacity = capacity;
        }

        @Override
        public void enqueue(ActorRef receiver, Envelope envelope) {
            if (!(envelope.message() instanceof SessionCommand)) {
                envelopes.add(envelope);
                return;
            }
            if (isOverflowed) {
                return;
            }
            if (fromClient.incrementAndGet() > capacity) {
                isOverflowed = true;
                envelopes.add(new Envelope(Session.Overflowed.INSTANCE, envelope.sender()));
                return;
            }
            envelopes.add(envelope);
        }

        @Override
        public Envelope dequeue() {
            Envelope envelope = envelopes.poll();
            if (envelope != null && envelope.message() instanceof SessionCommand) {
                fromClient.decrementAndGet();
            }
            return envelope;
        }

        @Override
        public int numberOfMessages() {
            return envelopes.size();
        }

        @Override
        public boolean hasMessages() {
            return !envelopes.isEmpty();
        }

        @Override
        public void cleanUp(ActorRef owner, MessageQueue deadLetters) {
            for (Envelope envelope = dequeue(); envelope != null; envelope = dequeue()) {
                deadLetters.enqueue(owner, envelope);
            }
        }
    }
}
