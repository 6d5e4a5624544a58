package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.cluster.UnansweredRequests.Unanswered;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.topic.RegistryReply;

/**
 * What a session's client asks of the node itself: each goes whole to the desk that answers it, and is refused if that stops.
 * Confined to its session.
 */
final class AdminRequests {
    private static final class Waiting extends Unanswered {
        final ActorRef<?> desk;

        Waiting(long requestId, ActorRef<?> desk) {
            super(requestId, 0);
            this.desk = desk;
        }
    }

    private final SessionParts session;
    private final UnansweredRequests unanswered;
    private final ActorRef<RegistryReply.Answer> answers;

    /** @param answers where the desks answer */
    AdminRequests(SessionParts session, UnansweredRequests unanswered, ActorRef<RegistryReply.Answer> answers) {
        this.session = session;
        this.unanswered = unanswered;
        this.answers = answers;
    }

    void onRequest(SessionCommand.Request request) {
        Refusal refusal = session.refuseNew();
        if (refusal != null) {
            session.tell(new SessionEvent.Refused(request.requestId(), refusal));
            return;
        }
        Session.Environment node = session.environment();
        if (request instanceof LookCommand look) {
            waitFor(request, node.lookDesk());
            node.lookDesk().tell(new LookDesk.Ask(look, answers));
        } else if (request instanceof PoisonCommand poison) {
            waitFor(request, node.deadLetterDesk());
            node.deadLetterDesk().tell(new DeadLetterDesk.Ask(poison, answers));
        } else {
            waitFor(request, node.registry());
            session.administer(request, answers);
        }
    }

    private void waitFor(SessionCommand.Request request, ActorRef<?> desk) {
        unanswered.add(new Waiting(request.requestId(), desk));
        session.watchOnce(desk); // one that has stopped before is heard of, too
    }

    void onAnswer(RegistryReply.Answer answer) {
        Unanswered waiting = unanswered.get(answer.reply().requestId());
        if (waiting instanceof Waiting) {
            unanswered.answer(waiting, answer.reply());
        }
    }

    /** A desk, if it is one, has stopped and will answer nothing any more. */
    void onTargetGone(ActorRef<?> target, Refusal refusal) {
        for (Waiting waiting : unanswered.all(Waiting.class)) {
            if (waiting.desk.equals(target)) {
                unanswered.refuse(waiting, refusal);
            }
        }
    }
}
