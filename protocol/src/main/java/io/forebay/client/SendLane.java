package io.forebay.client;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The Sends of one topic to one node, in order: either those with keys or those without. While fewer than {@code send.pipeline}
 * batches are under way, what has gathered goes as the next one. When the node refuses messages for now, nothing new goes until all
 * batches under way have come back; then what was refused is repeated in its first order, one batch at a time. Confined to its
 * session.
 *
 * <p>The order of keys survives that, and a line that loses Sends and answers, because
 * <ul>
 *   <li>each Send says which one has to have come before it, and the node refuses it if that is lost: what was lost, and all that was
 *       sent behind it, is repeated at once;
 *   <li>nothing new goes while something is repeated, so what is under way was sent in the order of its request ids;
 *   <li>after a loss all that was under way is repeated one by one, and so is what seems lost;
 *   <li>what seems lost is not repeated before something older that was refused is;
 *   <li>when it gives up what a node may have refused, nothing goes until the node has answered that;
 *   <li>when what may be stored already is refused once more, the node hears first that it need not wait for anything younger: it
 *       may have refused that after it had taken this, and wants it first.
 * </ul>
 *
 * <p>What may be stored already and is then refused ends as {@code OUTCOME_UNKNOWN}: no refusal of the last copy is one of all.
 */
final class SendLane extends Lane {
    private static final Comparator<Batch> IN_FIRST_ORDER = Comparator.comparingLong(batch -> batch.ops[0].number);

    private final String topic;
    private final boolean isKeyed;
    private final ClientSettings settings;
    private final Requests requests;
    private final ArrayDeque<Ops.Send> pending = new ArrayDeque<>();
    /** Batches to repeat, in the order of their first messages. */
    private final ArrayList<Batch> refused = new ArrayList<>();
    /** In the order in which they were sent. */
    private final ArrayList<Batch> underWay = new ArrayList<>();
    /** The last one that was repeated after it had been refused, under way or not; null if there is none. */
    private Batch repeated;
    /** Those that the node has not answered. */
    private final ArrayList<Withdrawal> withdrawals = new ArrayList<>(1);
    /** Whether something was given up and what is under way may have been sent behind it. */
    private boolean isBehindGivenUp;
    /** Whether something that seemed lost was repeated and what is under way was sent behind its first copy. */
    private boolean isBehindRepeated;

    private long repeatAtMillis;

    SendLane(String topic, boolean isKeyed, ClientSettings settings, Requests requests) {
        this.topic = topic;
        this.isKeyed = isKeyed;
        this.settings = settings;
        this.requests = requests;
    }

    void add(Ops.Send op) {
        pending.addLast(op);
    }

    /** Whether every Send is answered or given up. */
    boolean isDone() {
        return pending.isEmpty() && refused.isEmpty() && underWay.isEmpty();
    }

    /** Whether nothing is left for it to know. */
    @Override
    boolean isIdle() {
        return isDone() && withdrawals.isEmpty();
    }

    @Override
    Object key() {
        return topic;
    }

    @Override
    void pump(long nowMillis) {
        if (!withdrawals.isEmpty()) {
            // One that got lost and is repeated frees its key at any time: of two messages that went meanwhile
            // the first might have been refused and the second be taken.
            return;
        }
        if (isBehindGivenUp && !underWay.isEmpty()) {
            return; // it may have been refused for that, and then has to go again before what follows
        }
        isBehindGivenUp = false;
        if (repeated != null && (isKeyed || !refused.isEmpty())) {
            if (underWay.contains(repeated)) {
                return;
            }
            repeated = null;
        }
        if (!refused.isEmpty()) {
            repeatFirst(nowMillis);
            return;
        }
        isBehindRepeated &= !underWay.isEmpty();
        if (isBehindRepeated) {
            return; // it may have been refused for what was taken since, and then goes again before what follows
        }
        while (!pending.isEmpty() && underWay.size() < settings.sendPipeline()) {
            Ops.Send first = pending.peekFirst();
            Refusal refusal =
                    MessageLimits.check(first.message, requests.limits().bodyBytesMax());
            if (refusal != null) {
                pending.removeFirst();
                giveUp(List.of(first), refusal);
            } else if (requests.mayStart(first.bytes)) {
                start(nextBatch(), nowMillis);
            } else {
                return;
            }
        }
    }

    private void repeatFirst(long nowMillis) {
        Batch first = refused.get(0);
        if (first.isLost) {
            // What is older and under way may have come, and its answer be long on its way or lost.
            if (!underWay.isEmpty() && IN_FIRST_ORDER.compare(underWay.get(underWay.size() - 1), first) > 0) {
                return;
            }
        } else if (!underWay.isEmpty()) {
            return;
        } else if (nowMillis < repeatAtMillis) {
            requests.wakeAt(repeatAtMillis);
            return;
        }
        if (requests.mayStart(first.bytes)) {
            refused.remove(0);
            repeated = first;
            start(first, nowMillis);
        }
    }

    /** Gives up on what waited too long. */
    void expire(long nowMillis, Refusal reason) {
        ArrayList<Ops.Send> given = new ArrayList<>();
        while (!pending.isEmpty() && pending.peekFirst().deadlineMillis <= nowMillis) {
            given.add(pending.removeFirst());
        }
        for (Batch batch : refused) {
            batch.takeExpired(nowMillis, given);
        }
        for (Batch batch : underWay) {
            batch.takeExpired(nowMillis, given);
        }
        giveUp(given, removePointless(), reason);
    }

    /**
     * Takes out what another node is to take, of messages that need no order: what waits, and what was sent and not answered, unless
     * it must not be there twice.
     */
    void takeAll(Consumer<Ops.Send> taker) {
        for (Ops.Send op = pending.pollFirst(); op != null; op = pending.pollFirst()) {
            taker.accept(op);
        }
        for (Batch batch : refused) {
            batch.take(taker);
        }
        for (Batch batch : underWay) {
            batch.mayBeDone();
            batch.take(taker);
        }
        removePointless();
    }

    /**
     * No batch of which nobody waits for anything is repeated.
     *
     * @return ids of its keyed messages: what was given up while it was under way may have been refused, and no answer will say it
     */
    private Set<String> removePointless() {
        Set<String> withdrawn = new LinkedHashSet<>();
        for (Iterator<Batch> each = refused.iterator(); each.hasNext(); ) {
            Batch batch = each.next();
            if (batch.isPointless()) {
                each.remove();
                batch.addKeyed(withdrawn);
            }
        }
        return withdrawn;
    }

    /**
     * After a loss: what was under way is repeated in its turn. The node may have refused any of it, each for the one before; when
     * copies of all go at once and one of them is lost, the next one would be taken first. What nobody waits for is left.
     */
    void takeBackUnderWay() {
        if (isKeyed) {
            takeBack(underWay.stream().filter(batch -> !batch.isPointless()).toList(), false);
        }
    }

    /** The node has not taken one because what comes before is lost: that is repeated, and all that was sent behind it. */
    private void takeLost(long firstRequestId) {
        int from = 0;
        while (from < underWay.size() && underWay.get(from).requestId < firstRequestId) {
            from++;
        }
        takeBack(List.copyOf(underWay.subList(from, underWay.size())), true);
        withdraw(removePointless());
    }

    /** @param taken of those under way: they are not any more */
    private void takeBack(List<Batch> taken, boolean areLost) {
        for (Batch batch : taken) {
            requests.drop(batch);
            batch.mayBeDone();
            batch.mayBeRefused();
            batch.isLost = areLost;
            // Even of what the node calls lost: it may have come and be forgotten.
            batch.isCopied = true;
        }
        refused.addAll(taken);
        underWay.removeAll(taken);
        refused.sort(IN_FIRST_ORDER);
    }

    private Batch nextBatch() {
        int countMax = Math.min(settings.sendBatchCountMax(), requests.limits().batchCountMax());
        int bytesMax = Math.min(
                Math.min(settings.sendBatchBytesMax(), requests.limits().batchBytesMax()), requests.frameBytesMax());
        Durability durability = pending.peekFirst().durability;
        int expected = Math.min(countMax, pending.size());
        Ops.Send[] ops = new Ops.Send[expected];
        int count = 0;
        int bytes = 0;
        while (count < expected) {
            Ops.Send op = pending.peekFirst();
            if (op.durability != durability
                    || (count > 0 && bytes + op.bytes > bytesMax)
                    || op.message.body().length > requests.limits().bodyBytesMax()) {
                break;
            }
            pending.removeFirst();
            ops[count++] = op;
            bytes += op.bytes;
        }
        return new Batch(requests.nextRequestId(), count == expected ? ops : Arrays.copyOf(ops, count), bytes);
    }

    private void start(Batch batch, long nowMillis) {
        batch.isWaitedFor = true;
        underWay.add(batch);
        requests.start(batch, nowMillis);
    }

    private void giveUp(List<Ops.Send> given, Refusal reason) {
        giveUp(given, new LinkedHashSet<>(), reason);
    }

    /**
     * Fails messages. If a node has refused one of a key it holds up that key until it hears that nobody repeats it.
     *
     * @param withdrawn ids of those of which it has to hear that anyway; gets those of the others
     */
    private void giveUp(List<Ops.Send> given, Set<String> withdrawn, Refusal reason) {
        for (Ops.Send op : given) {
            op.isDecided = true;
            if (op.isRefused && isKeyed) {
                withdrawn.add(op.message.id());
            }
        }
        withdraw(withdrawn);
        if (given.isEmpty()) {
            return;
        }
        release(given);
        requests.complete(() -> given.forEach(op -> op.finish(reason)));
    }

    private void withdraw(Collection<String> messageIds) {
        if (messageIds.isEmpty()) {
            return;
        }
        Withdrawal withdrawal = new Withdrawal(requests.nextRequestId(), List.copyOf(messageIds));
        withdrawals.add(withdrawal);
        isBehindGivenUp = true;
        requests.start(withdrawal, requests.nowMillis());
    }

    private void release(List<Ops.Send> ops) {
        long bytes = 0;
        for (Ops.Send op : ops) {
            bytes += op.bytes;
        }
        requests.released(bytes);
    }

    /** Fails everything. */
    void fail(Refusal reason) {
        List<Ops.Send> given = new ArrayList<>(pending);
        pending.clear();
        underWay.forEach(Batch::mayBeDone);
        refused.addAll(underWay);
        underWay.clear();
        for (Batch batch : refused) {
            batch.takeExpired(Long.MAX_VALUE, given);
        }
        refused.clear();
        giveUp(given, reason);
        withdrawals.forEach(requests::drop);
        withdrawals.clear();
    }

    /** One Send. */
    private final class Batch extends OpBatch<Ops.Send> {
        private final int bytes;
        private final List<Message> messages;
        /** As it was sent last; null if it was not. */
        private SessionCommand.Send command;
        /** Whether the node has refused it for what is lost, or it is that itself: until it is answered in another way. */
        private boolean isLost;
        /** Whether the node may have more of it to answer than one copy; for good, as nothing tells which one is answered. */
        private boolean isCopied;
        /** Whether the node may have refused some of it and let nothing of its keys pass before. */
        private boolean isWaitedFor;

        Batch(long requestId, Ops.Send[] ops, int bytes) {
            super(requestId, ops);
            this.bytes = bytes;
            Message[] all = new Message[ops.length];
            for (int i = 0; i < ops.length; i++) {
                all[i] = ops[i].message;
            }
            messages = Collections.unmodifiableList(Arrays.asList(all));
        }

        @Override
        SessionCommand.Request command() {
            long after = after();
            if (command == null || command.after() != after) {
                command = new SessionCommand.Send(requestId, topic, -1, messages, ops[0].durability, after);
            }
            return command;
        }

        /** What has to have come before it, as things are: what is answered by now has. */
        private long after() {
            if (!isKeyed) {
                return SessionCommand.Send.UNORDERED;
            }
            int at = underWay.lastIndexOf(this);
            return at <= 0 ? SessionCommand.Send.FIRST : underWay.get(at - 1).requestId;
        }

        @Override
        int bytes() {
            return bytes;
        }

        @Override
        void repeated() {
            isCopied = true;
            isWaitedFor = true;
            isBehindRepeated |= isKeyed;
            mayBeDone();
        }

        /** Nobody knows what the node has said to it. */
        void mayBeRefused() {
            for (Ops.Send op : ops) {
                op.isRefused = true;
            }
        }

        /** All that was sent behind it waits for it, and could not show that it is lost once more. */
        @Override
        long patienceMillis(long usualMillis) {
            return isLost ? Math.min(usualMillis, requests.limits().heartbeatMillis()) : usualMillis;
        }

        @Override
        boolean mayBeRepeated() {
            return !isKeyed || !isBehindRefused() && isItsTurn();
        }

        /** Whether something older that was refused has to come before it, or may have to. */
        private boolean isBehindRefused() {
            return !withdrawals.isEmpty()
                    || isBehindGivenUp
                    || !refused.isEmpty() && IN_FIRST_ORDER.compare(this, refused.get(0)) > 0;
        }

        /** Whether what is older has been answered. What the node calls lost is repeated alone anyway, and soon. */
        private boolean isItsTurn() {
            return isLost || underWay.get(0) == this;
        }

        /** If it only waits for its turn it stays under way: on a slow disk it is its first copy that is answered. */
        @Override
        void postponed() {
            if (isBehindRefused()) {
                takeBack(List.of(this), false);
                list();
            }
        }

        void addKeyed(Collection<String> messageIds) {
            if (isKeyed) {
                for (Ops.Send op : ops) {
                    messageIds.add(op.message.id());
                }
            }
        }

        /** What is younger is repeated one by one after this: the node need not keep its order. */
        private List<String> freeYounger(List<String> withdrawn) {
            List<String> freed = withdrawn;
            for (List<Batch> batches : List.of(refused, underWay)) {
                for (Batch younger : batches) {
                    if (younger.isWaitedFor && IN_FIRST_ORDER.compare(younger, this) > 0) {
                        younger.isWaitedFor = false;
                        freed = freed == null ? new ArrayList<>() : freed;
                        younger.addKeyed(freed);
                    }
                }
            }
            return freed;
        }

        void take(Consumer<Ops.Send> taker) {
            for (int i = 0; i < ops.length; i++) {
                Ops.Send op = ops[i];
                boolean isBound = op.isStoredOnce && op.isUncertain;
                if (!op.isDecided && !isBound) {
                    // The op goes on living elsewhere; this batch must not decide it, so it gets a stand-in that is
                    // decided.
                    Ops.Send standIn = new Ops.Send(op.message, op.durability, 0, false, null, 0);
                    standIn.isDecided = true;
                    standIn.number = op.number;
                    ops[i] = standIn;
                    taker.accept(op);
                }
            }
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            underWay.remove(this);
            list();
            List<SendResult> results = reply instanceof SessionEvent.SendReply sent ? sent.results() : List.of();
            SendResult missing = reply instanceof SessionEvent.Refused whole
                    ? whole.refusal()
                    : Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the node's answer has no result for this message");
            int count = results.size();
            long released = 0;
            List<Ops.Send> again = null;
            List<String> withdrawn = null;
            long retryAfterMillis = 0;
            boolean mayBeBehindYounger = false;
            SendResult[] finals = new SendResult[ops.length];
            for (int i = 0; i < ops.length; i++) {
                Ops.Send op = ops[i];
                SendResult result = i < count ? results.get(i) : missing;
                if (op.isDecided) {
                    if (isKeyed && (isCopied || result instanceof Refusal)) {
                        withdrawn = added(withdrawn, op.message.id());
                    }
                    continue;
                }
                if (result instanceof Refusal refusal) {
                    if (refusal.isTransient() && op.deadlineMillis > nowMillis) {
                        op.isRefused = true;
                        mayBeBehindYounger |= isKeyed && op.isUncertain && refusal.code() == Refusal.Code.BUSY;
                        op.isUncertain |= refusal.code().isOutcomeOpen();
                        again = added(again, op);
                        if (!isOutOfOrder(refusal)) {
                            retryAfterMillis = Math.max(retryAfterMillis, requests.retryDelayMillis(refusal));
                        }
                        continue;
                    }
                    if (isKeyed) {
                        withdrawn = added(withdrawn, op.message.id());
                    }
                }
                if (isKeyed && isCopied && result instanceof Receipt) {
                    // A copy that is behind this one may be refused, and would hold up its key for nobody.
                    withdrawn = added(withdrawn, op.message.id());
                }
                op.isDecided = true;
                finals[i] = result;
                released += op.bytes;
            }
            if (mayBeBehindYounger) {
                withdrawn = freeYounger(withdrawn);
            }
            requests.released(released);
            requests.complete(() -> finish(finals));
            if (withdrawn != null) {
                withdraw(withdrawn);
            }
            boolean isBehindLost = reply instanceof SessionEvent.Refused && isOutOfOrder(missing);
            if (again != null) {
                repeatAtMillis = Math.max(repeatAtMillis, nowMillis + retryAfterMillis);
                Batch rest = again.size() == ops.length ? this : rest(again);
                rest.isLost = isBehindLost;
                refused.add(rest);
                refused.sort(IN_FIRST_ORDER);
            }
            if (isBehindLost) {
                takeLost(command.after());
            }
        }

        private boolean isOutOfOrder(SendResult result) {
            return result instanceof Refusal refusal && refusal.code() == Refusal.Code.OUT_OF_ORDER;
        }

        /** The rest of a batch is a new request: its id stands for the messages in it. */
        private Batch rest(List<Ops.Send> again) {
            int restBytes = 0;
            for (Ops.Send op : again) {
                restBytes += op.bytes;
            }
            Batch rest = new Batch(requests.nextRequestId(), again.toArray(new Ops.Send[0]), restBytes);
            rest.isWaitedFor = isWaitedFor; // what the node has refused of it is in the rest
            return rest;
        }

        @Override
        void failed(Refusal refusal) {
            underWay.remove(this);
            list();
            mayBeDone();
            List<Ops.Send> given = new ArrayList<>();
            takeExpired(Long.MAX_VALUE, given);
            giveUp(given, refusal);
            // Without its answer nobody knows whether the node has refused it and waits for its repetition.
            List<String> withdrawn = new ArrayList<>();
            addKeyed(withdrawn);
            withdraw(withdrawn);
        }
    }

    /** Tells the node that messages which it has refused will not be repeated, until it has answered that. */
    private final class Withdrawal extends InFlight {
        private final SessionCommand.Withdraw command;

        Withdrawal(long requestId, List<String> messageIds) {
            super(requestId, 0);
            command = new SessionCommand.Withdraw(requestId, topic, messageIds);
        }

        @Override
        SessionCommand.Request command() {
            return command;
        }

        /** It is answered as soon as a heartbeat is, and everything of its topic waits for that. */
        @Override
        long patienceMillis(long usualMillis) {
            return Math.min(usualMillis, requests.limits().heartbeatMillis());
        }

        /** What it holds up is among what is repeated. */
        @Override
        boolean goesFirst() {
            return true;
        }

        /** A session that ends holds up no key. */
        @Override
        boolean isAwaitedAtTheEnd() {
            return false;
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            withdrawals.remove(this);
            list();
        }

        @Override
        void failed(Refusal refusal) {
            withdrawals.remove(this);
            list();
        }
    }

    private static <E> List<E> added(List<E> list, E element) {
        List<E> result = list == null ? new ArrayList<>() : list;
        result.add(element);
        return result;
    }
}
