package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * A group's filter, retry-backoff, max-attempts, in-flight-max, paused, delivery and order are changed again and again while producers
 * send and consumers pop, are pushed to, ack and fail; kills, crashes at any operation of the disk and clean stops come in between.
 * Settings are <em>in force</em> from the moment their change is asked for until another one is answered. What is allowed, exactly:
 *
 * <ul>
 *   <li>I1: every message is in the end one of three: acked; a dead letter; passed over. A message may be passed over only if it never
 *       went out, and a filter that does not want it was in force since it was sent.
 *   <li>A message may go out for the first time only if a filter that wants it was in force since it was sent. Once it has gone out
 *       no filter matters to it any more.
 *   <li>I6: attempt n goes out only if a max-attempts of n or more (or 0) was in force since attempt n-1. A dead letter has had an
 *       attempt, and at least as many as some max-attempts that was in force since the last one.
 *   <li>I7: what was nacked goes out no earlier than the nack's answer has said, which is one of the backoffs in force. I4, I5 as ever.
 *   <li>While only settings that pause are in force nothing goes out. No more is in flight than the in-flight-max in force when more
 *       goes out.
 *   <li>I8: with the filter taken away, and nobody failing any more, all of it comes to its end.
 * </ul>
 *
 * {@code -Dforebay.steps} says how many steps; see {@link SteppedNode} for what a seed brings back.
 */
class SettingsSimulationTest {
    private static final int CONSUMERS = 3;
    private static final int STEPS_OF_A_LIFE = 150;
    private static final int PATIENCE_STEPS = 3_000;
    private static final long INVISIBLE = 200;
    private static final String SETTINGS = """
        forebay {
          storage { segment-size = 128 KiB, index-file-size = 64 KiB }
          store { flush-interval = 20 ms, checkpoint-bytes = 64 KiB, checkpoint-idle-interval = 300 ms, retry-backoff = 20 ms }
          queue { body-max = 8 KiB, batch-bytes-max = 48 KiB }
          group { pop-bytes-max = 64 KiB, look-ahead-max = 256 }
        }
        """;

    private record Filter(String text, Predicate<Mail> wants) {}

    private static final List<Filter> FILTERS = List.of(
            new Filter("", mail -> true),
            new Filter("tag: a", mail -> mail.tag.equals("a")),
            new Filter("tag: b || c", mail -> !mail.tag.equals("a")),
            new Filter("sql: n >= 5", mail -> mail.n >= 5),
            new Filter("sql: n < 5 OR TAG = 'b'", mail -> mail.n < 5 || mail.tag.equals("b")));
    private static final Map<String, Long> BACKOFFS = Map.of("none", 0L, "fixed 40 ms", 40L, "fixed 150 ms", 150L);

    @Test
    void whateverIsChangedEveryMessageComesToAnEndThatWasAllowed() {
        SteppedWorld.liveInMany(
                "settings",
                20_000,
                World::new,
                "changes",
                "kill",
                "clean stop",
                "crash at an operation",
                "acked",
                "dead letters",
                "passed over",
                "pushed",
                "popped",
                "redeliveries");
    }

    /** Settings, and when they were in force. */
    private static final class Policy {
        final Filter filter;
        final long backoffMillis;
        final int maxAttempts;
        final int inFlightMax;
        final boolean isPaused;
        final Map<String, String> settings;
        final long from;
        long to = Long.MAX_VALUE;

        Policy(RandomGenerator random, long from) {
            this.from = from;
            filter = FILTERS.get(random.nextInt(FILTERS.size()));
            String backoff = List.copyOf(BACKOFFS.keySet()).get(random.nextInt(BACKOFFS.size()));
            backoffMillis = BACKOFFS.get(backoff);
            maxAttempts = random.nextInt(5);
            inFlightMax = random.nextBoolean() ? 1 + random.nextInt(10) : 1_000;
            isPaused = random.nextInt(5) == 0;
            boolean isOrdered = random.nextInt(3) == 0;
            settings = settings(
                    backoff, random.nextBoolean() ? "push" : "pop", isOrdered ? "on" : "off", random.nextBoolean());
        }

        private Map<String, String> settings(
                String backoff, String delivery, String ordered, boolean isConsumerBounded) {
            Map<String, String> values = new HashMap<>();
            values.put("filter", filter.text);
            values.put("retry-backoff", backoff);
            values.put("max-attempts", String.valueOf(maxAttempts));
            values.put("in-flight-max", String.valueOf(inFlightMax));
            values.put("paused", isPaused ? "on" : "off");
            values.put("delivery", delivery);
            values.put("ordered", ordered);
            values.put("consumer-in-flight-max", isConsumerBounded ? "20" : "0");
            return values;
        }

        /** All that is left comes to its end. */
        Policy(long from) {
            this.from = from;
            filter = FILTERS.get(0);
            backoffMillis = 0;
            maxAttempts = 0;
            inFlightMax = 1_000;
            isPaused = false;
            settings = settings("none", "pop", "off", false);
        }
    }

    /** A message, and what became of it. */
    private static final class Mail {
        final String text;
        final String tag;
        final int n;
        final long sentAt;
        boolean isStored;
        /** Its answer was lost: it may be there or not. */
        boolean isUnsure;

        long deliveredAt = -1;
        Held last;
        boolean isAcked;
        boolean isAckUnsure;
        boolean isDead;
        long notBeforeMillis;

        Mail(String text, String tag, int n, long sentAt) {
            this.text = text;
            this.tag = tag;
            this.n = n;
            this.sentAt = sentAt;
        }
    }

    private static final class Held {
        final Mail mail;
        final Delivery delivery;
        final long at;
        boolean isEnded;

        Held(Mail mail, Delivery delivery, long at) {
            this.mail = mail;
            this.delivery = delivery;
            this.at = at;
        }
    }

    private static final class World extends SteppedWorld {
        private final Map<String, Mail> mails = new LinkedHashMap<>();
        private final List<Policy> policies = new ArrayList<>();
        private final List<Worker> workers = new ArrayList<>();
        private SteppedNode.Client producer;
        private SteppedNode.Client operator;
        private final Map<Long, List<Mail>> sending = new HashMap<>();
        private long tick;
        /** When the last change was answered. */
        private long heldSinceMillis;

        World(Run run) {
            super(run);
        }

        @Override
        void live() {
            start(SETTINGS);
            SteppedNode.Client client = open();
            client.createTopic("t", 1 + random.nextInt(3), Map.of());
            policies.add(new Policy(random, ++tick));
            client.createGroup("g", "t", policies.get(0).settings);
            connect();
            int lives = 2 + random.nextInt(2);
            for (int life = 0; life < lives; life++) {
                try {
                    for (int step = 0; step < STEPS_OF_A_LIFE; step++) {
                        step();
                    }
                    if (random.nextBoolean()) {
                        note("kill");
                        restart(node.kill());
                    } else {
                        note("clean stop");
                        node.slowForces(1);
                        disk.crashAtOperation(Long.MAX_VALUE);
                        restart(node.stop());
                    }
                } catch (DiskCrashed e) {
                    note("crash at an operation");
                    restart(disk.killImage());
                }
            }
            end();
        }

        private void connect() {
            producer = open();
            producer.listen(this::sent);
            operator = open();
            workers.clear();
            for (int i = 0; i < CONSUMERS; i++) {
                workers.add(new Worker(i == 0));
            }
        }

        private void restart(MemoryDisk image) {
            node.gone();
            sending.values().forEach(some -> some.forEach(mail -> mail.isUnsure = true));
            sending.clear();
            disk = image;
            start(SETTINGS);
            connect();
            if (inForce(tick, tick).size() > 1) {
                // A change whose answer was lost: it is repeated.
                change(policies.get(policies.size() - 1));
            }
        }

        // ---- steps ------------------------------------------------------------------------------------------------

        private void step() {
            countStep();
            tick++;
            int dice = random.nextInt(100);
            if (dice < 20) {
                send(1 + random.nextInt(6));
            } else if (dice < 45) {
                workers.get(random.nextInt(CONSUMERS)).pop();
            } else if (dice < 75) {
                workers.get(random.nextInt(CONSUMERS)).settleSome();
            } else if (dice < 85) {
                progress.note("time");
                node.passOnly(random.nextInt(5) == 0 ? random.nextInt(400) : random.nextInt(30));
            } else if (dice < 88) {
                int gone = random.nextInt(CONSUMERS);
                note("consumer gone");
                workers.get(gone).vanish();
                workers.set(gone, new Worker(gone == 0));
            } else if (dice < 95) {
                Policy next = new Policy(random, ++tick);
                policies.add(next);
                change(next);
            } else if (dice < 96) {
                node.slowForces(1 + random.nextInt(500));
            } else if (dice < 97) {
                disk.crashAtOperation(disk.operations() + 1 + random.nextInt(150), random);
            } else {
                node.runAll();
            }
            node.run(random.nextInt(60));
        }

        private void send(int count) {
            progress.note("send");
            List<Mail> some = new ArrayList<>();
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                Mail mail = new Mail(
                        "m" + mails.size(), List.of("a", "b", "c").get(random.nextInt(3)), random.nextInt(10), tick);
                mails.put(mail.text, mail);
                some.add(mail);
                messages.add(Message.builder("t")
                        .id(mail.text)
                        .tag(mail.tag)
                        .property("n", String.valueOf(mail.n))
                        .messageGroup(random.nextInt(3) == 0 ? "" : "k" + random.nextInt(5))
                        .body((mail.text + " ".repeat(random.nextInt(400))).getBytes(StandardCharsets.UTF_8))
                        .build());
            }
            long id = producer.nextId();
            sending.put(id, some);
            producer.tell(new SessionCommand.Send(
                    id, "t", -1, messages, random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED));
        }

        private void sent(SessionEvent event) {
            if (!(event instanceof SessionEvent.Reply reply)) {
                return; // the session ends
            }
            List<Mail> some = sending.remove(reply.requestId());
            List<SendResult> results = ((SessionEvent.SendReply) event).results();
            for (int i = 0; i < some.size(); i++) {
                assertThat(results.get(i)).isInstanceOf(Receipt.class);
                some.get(i).isStored = true;
            }
        }

        /** Asks for it, and lets others go on meanwhile. */
        private void change(Policy next) {
            progress.note("change to " + next.settings);
            saw("changes", 1);
            long id = operator.nextId();
            operator.tell(
                    new SettingsCommand.ChangeSettings(id, SettingsScope.GROUP, "g", next.settings, 0, "operator"));
            node.run(random.nextInt(100));
            tick++;
            node.runAll();
            for (int i = 0; i < 100 && operator.events.isEmpty(); i++) {
                node.pass(20);
            }
            SettingsDescribed described = operator.expect(SettingsDescribed.class);
            assertThat(described.settings().effective())
                    .containsEntry("filter", next.filter.text)
                    .containsEntry("paused", next.settings.get("paused"));
            tick++;
            heldSinceMillis = time.millis();
            for (Policy policy : policies) {
                policy.to = policy == next ? Long.MAX_VALUE : Math.min(policy.to, tick - 1);
            }
        }

        /** At any time of these, both included. */
        private List<Policy> inForce(long from, long to) {
            return policies.stream()
                    .filter(policy -> policy.from <= to && policy.to >= from)
                    .toList();
        }

        // ---- what goes out ------------------------------------------------------------------------------------------

        private void delivered(Worker worker, Delivery delivery) {
            Mail mail = mails.get(delivery.message().id());
            assertThat(mail).as("I2").isNotNull();
            List<Policy> now = inForce(tick, tick);
            progress.note(
                    mail.text + " goes out, attempt " + delivery.attempt() + ", popped " + delivery.poppedMillis());
            assertThat(now)
                    .as(
                            "%s, attempt %d, popped at %d, goes out of a group that is paused since %d",
                            mail.text, delivery.attempt(), delivery.poppedMillis(), heldSinceMillis)
                    .anyMatch(policy -> !policy.isPaused);
            Held last = mail.last;
            boolean isLate = last != null
                    && last.delivery.handle().epoch() == delivery.handle().epoch()
                    && last.delivery.handle().checkpointSequence()
                            > delivery.handle().checkpointSequence();
            Held held = new Held(mail, delivery, tick);
            if (isLate) {
                return; // it has gone out again since
            }
            assertThat(mail.isAcked).as("I4: %s was acked", mail.text).isFalse();
            assertThat(delivery.poppedMillis()).as("I7: %s", mail.text).isGreaterThanOrEqualTo(mail.notBeforeMillis);
            if (last == null) {
                assertThat(inForce(mail.sentAt, tick))
                        .as("%s goes out, and no filter wanted it", mail.text)
                        .anyMatch(policy -> policy.filter.wants.test(mail));
                mail.deliveredAt = tick;
            } else {
                saw("redeliveries", 1);
                if (!last.isEnded) {
                    assertThat(delivery.poppedMillis())
                            .as("I5: %s is in flight", mail.text)
                            .isGreaterThanOrEqualTo(last.delivery.invisibleUntilMillis());
                }
                assertThat(delivery.attempt()).as("I6: %s", mail.text).isGreaterThan(last.delivery.attempt());
            }
            assertThat(inForce(last == null ? mail.sentAt : last.at, tick))
                    .as("I6: attempt %d of %s", delivery.attempt(), mail.text)
                    .anyMatch(policy -> policy.maxAttempts == 0 || policy.maxAttempts >= delivery.attempt());
            mail.last = held;
            mail.notBeforeMillis = 0;
            worker.held.add(held);
            worker.had.add(held);
            long inFlight = mails.values().stream()
                    .filter(one -> isInFlight(one.last, delivery.poppedMillis()))
                    .count();
            int inFlightMax =
                    now.stream().mapToInt(policy -> policy.inFlightMax).max().orElse(0);
            assertThat(inFlight)
                    .as("in flight, with %s: %s", mail.text, held(delivery.poppedMillis()))
                    .isLessThanOrEqualTo(inFlightMax);
        }

        /** At that time: the news of a Pop may come behind that of a later one. */
        private static boolean isInFlight(Held last, long atMillis) {
            return last != null
                    && !last.isEnded
                    && last.delivery.poppedMillis() <= atMillis
                    && last.delivery.invisibleUntilMillis() > atMillis;
        }

        /** What is in flight as far as consumers know, for the message of a failure. */
        private String held(long nowMillis) {
            StringBuilder text = new StringBuilder();
            mails.values().stream()
                    .map(mail -> mail.last)
                    .filter(last -> isInFlight(last, nowMillis))
                    .forEach(last -> text.append(last.mail.text)
                            .append(" queue ")
                            .append(last.delivery.queue())
                            .append(" attempt ")
                            .append(last.delivery.attempt())
                            .append(" popped ")
                            .append(last.delivery.poppedMillis())
                            .append(" told at ")
                            .append(last.at)
                            .append(", "));
            return text.toString();
        }

        // ---- the end ------------------------------------------------------------------------------------------------

        private void end() {
            progress.note("the end");
            isDraining = true;
            disk.crashAtOperation(Long.MAX_VALUE);
            node.slowForces(1);
            node.runAll();
            long loadEnd = tick;
            Policy last = new Policy(++tick);
            policies.add(last);
            change(last);
            workers.forEach(Worker::vanish);
            Worker worker = new Worker(false);
            SteppedNode.Client client = open();
            GroupDescription described = client.describe("g", "t");
            for (int i = 0; described.depth() > 0; i++) {
                assertThat(i).as("I8: %s", described).isLessThan(PATIENCE_STEPS);
                tick++;
                worker.pop();
                node.runAll();
                worker.ackAll();
                node.pass(20);
                described = client.describe("g", "t");
            }
            for (Delivery letter : client.popAll("%DLQ%g", "undertaker", 50, 1_000_000)) {
                Mail mail = mails.get(letter.message().id());
                assertThat(mail.isDead).as("I2: %s is dead twice", mail.text).isFalse();
                mail.isDead = true;
                int attempts = Integer.parseInt(letter.message().properties().get("dead-letter.attempts"));
                assertThat(attempts).as("I6: %s", mail.text).isGreaterThan(0);
                assertThat(inForce(mail.last == null ? mail.sentAt : mail.last.at, tick))
                        .as("I6: %s is dead after %d attempts", mail.text, attempts)
                        .anyMatch(policy -> policy.maxAttempts > 0 && policy.maxAttempts <= attempts);
            }
            for (Mail mail : mails.values()) {
                judge(mail, loadEnd);
            }
            node.gone();
        }

        private void judge(Mail mail, long loadEnd) {
            assertThat(mail.isDead && mail.isAcked)
                    .as("I2: %s is acked and dead", mail.text)
                    .isFalse();
            if (mail.isAcked || mail.isDead) {
                saw(mail.isAcked ? "acked" : "dead letters", 1);
                return;
            }
            if (mail.isAckUnsure || (mail.isUnsure && mail.last == null)) {
                return; // settled by an ack whose answer was lost; or never stored
            }
            assertThat(mail.last)
                    .as("I1: %s went out and is neither acked nor dead", mail.text)
                    .isNull();
            assertThat(inForce(mail.sentAt, loadEnd + 1))
                    .as("I1: %s is gone, and every filter wanted it", mail.text)
                    .anyMatch(policy -> !policy.filter.wants.test(mail));
            saw("passed over", 1);
        }

        // ---- consumers
        // ------------------------------------------------------------------------------------------------

        private final class Worker {
            private final SteppedNode.Client client = open();
            private final List<Held> held = new ArrayList<>();
            /** Whatever the session has had: it all comes back when the session is gone. */
            private final List<Held> had = new ArrayList<>();

            private final Map<Long, Consumer<SessionEvent>> asked = new HashMap<>();
            private SubscriptionProgress subscription;
            private DeliveryMode mode = DeliveryMode.POP;
            private boolean isGone;

            Worker(boolean isSubscribed) {
                client.listen(this::told);
                if (isSubscribed) {
                    subscription = SubscriptionProgress.begin(20);
                    ask(
                            new SessionCommand.Subscribe(
                                    client.nextId(), 1, "t", "g", 5, 1 << 16, INVISIBLE, subscription),
                            event -> mode = ((SessionEvent.Subscribed) event).mode());
                }
            }

            private void ask(SessionCommand.Request request, Consumer<SessionEvent> then) {
                asked.put(request.requestId(), then);
                client.tell(request);
            }

            private void told(SessionEvent event) {
                if (isGone) {
                    return;
                }
                if (event instanceof SessionEvent.Pushed pushed) {
                    pushed(pushed);
                } else if (event instanceof SessionEvent.SubscriptionMode now) {
                    mode = now.mode();
                    client.tell(new SessionCommand.Credit(1, subscription, mode));
                } else if (event instanceof SessionEvent.Reply reply) {
                    Consumer<SessionEvent> then = asked.remove(reply.requestId());
                    assertThat(then).as("%s is answered twice", event).isNotNull();
                    then.accept(event);
                }
            }

            private void pushed(SessionEvent.Pushed pushed) {
                if (subscription.hasReceived(pushed.pushNumber())) {
                    // A second copy: what the first one did not have is to be given back.
                    saw("second copies of pushes", 1);
                    List<ReceiptHandle> others = pushed.deliveries().stream()
                            .map(Delivery::handle)
                            .filter(handle -> had.stream()
                                    .noneMatch(one -> one.delivery.handle().equals(handle)))
                            .toList();
                    if (!others.isEmpty()) {
                        ask(new SessionCommand.GiveBack(client.nextId(), "g", others), event -> {});
                    }
                    return;
                }
                subscription = subscription.received(
                        pushed.pushNumber(), pushed.deliveries().size());
                saw("pushed", pushed.deliveries().size());
                // Told at once: what is not known to be received is pushed again.
                client.tell(new SessionCommand.Credit(1, subscription, mode));
                pushed.deliveries().forEach(delivery -> delivered(this, delivery));
            }

            void pop() {
                if (subscription != null) {
                    subscription = subscription.withTotalCredits(subscription.receivedCount() + 20);
                    client.tell(new SessionCommand.Credit(1, subscription, mode));
                }
                if (asked.size() > 4) {
                    return;
                }
                progress.note("pop");
                ask(
                        new SessionCommand.Pop(
                                client.nextId(),
                                "t",
                                "g",
                                isDraining ? 50 : 1 + random.nextInt(8),
                                1 << 16,
                                isDraining ? 1_000_000 : INVISIBLE,
                                isDraining || random.nextBoolean() ? 0 : random.nextInt(300)),
                        event -> {
                            List<Delivery> deliveries = ((SessionEvent.Popped) event).deliveries();
                            saw("popped", deliveries.size());
                            deliveries.forEach(delivery -> delivered(this, delivery));
                        });
            }

            void settleSome() {
                if (held.isEmpty()) {
                    return;
                }
                List<Held> some = new ArrayList<>();
                for (int i = 0; i < 5 && !held.isEmpty(); i++) {
                    some.add(held.remove(random.nextInt(held.size())));
                }
                int dice = random.nextInt(10);
                if (dice < 5) {
                    ack(some);
                } else if (dice < 9) {
                    nack(some);
                } else {
                    progress.note("hang");
                }
            }

            void ackAll() {
                if (!held.isEmpty()) {
                    List<Held> all = List.copyOf(held);
                    held.clear();
                    ack(all);
                    node.runAll();
                }
            }

            private void ack(List<Held> some) {
                progress.note("ack");
                some.forEach(one -> {
                    one.isEnded = true;
                    one.mail.isAckUnsure = true;
                });
                ask(new SessionCommand.Ack(client.nextId(), "g", handles(some), Durability.WRITTEN), event -> {
                    List<AckResult> results = ((SessionEvent.AckReply) event).results();
                    for (int i = 0; i < some.size(); i++) {
                        Held one = some.get(i);
                        if (results.get(i) == AckOutcome.ACKED) {
                            one.mail.isAcked = true;
                        } else if (results.get(i) instanceof Refusal refusal) {
                            assertThat(refusal.code()).as("%s", refusal).isEqualTo(Refusal.Code.STALE_HANDLE);
                            one.mail.isAckUnsure = false;
                        } else {
                            // Dead, or acked by somebody else.
                            one.mail.isAckUnsure = false;
                        }
                    }
                });
            }

            private void nack(List<Held> some) {
                progress.note("nack");
                some.forEach(one -> one.isEnded = true);
                ask(
                        new SessionCommand.ChangeInvisible(
                                client.nextId(),
                                "g",
                                handles(some),
                                SessionCommand.ChangeInvisible.BACKOFF,
                                true,
                                "no"),
                        event -> {
                            for (int i = 0; i < some.size(); i++) {
                                Mail mail = some.get(i).mail;
                                if (((SessionEvent.ChangeReply) event).results().get(i) instanceof Changed changed
                                        && mail.last == some.get(i)) {
                                    mail.notBeforeMillis = changed.invisibleUntilMillis();
                                }
                            }
                        });
            }

            private List<ReceiptHandle> handles(List<Held> some) {
                return some.stream().map(one -> one.delivery.handle()).toList();
            }

            void vanish() {
                isGone = true;
                had.forEach(one -> one.isEnded = true);
                held.clear();
                client.vanish();
            }
        }
    }
}
