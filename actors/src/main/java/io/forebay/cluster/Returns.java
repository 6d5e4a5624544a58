package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Deliveries that nobody wants any more, on their way back to their queues: of a Pop that was cancelled, of a subscription
 * that has ended. A queue that has no room for them for now is asked again, until their deadline is over. Confined to its
 * session.
 */
final class Returns {
    /** When to ask again a queue that names no time. */
    private static final long RETRY_MILLIS = 50;

    /** @param id the same however often it is asked for */
    private record Return(long id, ActorRef<GroupQueue.Command> queue, List<ReceiptHandle> handles, long untilMillis) {}

    private record Resting(Return refused, long atMillis) {}

    private final SessionParts session;
    private final Map<Long, Return> told = new HashMap<>();
    private final List<Resting> resting = new ArrayList<>();

    Returns(SessionParts session) {
        this.session = session;
    }

    /** @return for {@link #isUnderWay} */
    long giveBack(ActorRef<GroupQueue.Command> queue, List<Delivery> deliveries) {
        List<ReceiptHandle> handles = new ArrayList<>(deliveries.size());
        long untilMillis = 0;
        for (Delivery delivery : deliveries) {
            handles.add(delivery.handle());
            untilMillis = Math.max(untilMillis, delivery.invisibleUntilMillis());
        }
        long id = session.nextToken();
        tell(new Return(id, queue, handles, untilMillis));
        return id;
    }

    /** Whether the queue has not taken all of it back: then it would hand the rest out again for a repetition of its Pop. */
    boolean isUnderWay(long id) {
        return told.values().stream().anyMatch(back -> back.id == id)
                || resting.stream().anyMatch(one -> one.refused.id == id);
    }

    private void tell(Return back) {
        long token = session.nextToken();
        told.put(token, back);
        back.queue.tell(new GroupQueue.GiveBack(back.handles, token, session.queueReplies()));
    }

    /** @return whether it was an answer to this */
    boolean onGivenBack(QueueReply.GivenBack answer) {
        Return back = told.remove(answer.token());
        if (back == null) {
            return false;
        }
        List<ReceiptHandle> refused = new ArrayList<>();
        long retryMillis = 0;
        for (int i = 0; i < back.handles.size(); i++) {
            GiveBackResult result = answer.results().get(i);
            if (result instanceof Refusal refusal && refusal.isTransient()) {
                refused.add(back.handles.get(i));
                retryMillis = Math.max(retryMillis, refusal.retryAfterMillis());
            }
        }
        long now = session.environment().clock().millis();
        if (!refused.isEmpty() && now < back.untilMillis) {
            long at = now + (retryMillis > 0 ? retryMillis : RETRY_MILLIS);
            resting.add(new Resting(new Return(back.id, back.queue, refused, back.untilMillis), at));
            session.wakeAt(at);
        }
        return true;
    }

    void onWake(long nowMillis) {
        List<Return> again = new ArrayList<>();
        for (Iterator<Resting> each = resting.iterator(); each.hasNext(); ) {
            Resting one = each.next();
            if (one.atMillis <= nowMillis) {
                each.remove();
                again.add(one.refused);
            } else {
                session.wakeAt(one.atMillis);
            }
        }
        again.forEach(this::tell);
    }

    /** Its queue has stopped: nothing of it is out any more, or its deadline rules. */
    void onTargetGone(ActorRef<?> target) {
        told.values().removeIf(back -> back.queue.equals(target));
        resting.removeIf(one -> one.refused.queue.equals(target));
    }
}
