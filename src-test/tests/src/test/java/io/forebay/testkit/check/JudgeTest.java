package io.forebay.testkit.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.testkit.sim.Proof;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The judge finds a breach of each of I1 to I8 that is planted in a journal, and of none in the same journal without it; what the
 * promises leave open (unknown outcomes, what was only written at a power cut, redelivery when it is due) is no breach, and the same
 * without that cause is one.
 */
@Tag("proof")
class JudgeTest {
    private static final String NODE = "n";
    private static final int NODE_ID = ReceiptHandle.nodeIdOf(NODE);
    private static final int ATTEMPTS_MAX = 2;
    private static final long INVISIBLE_MILLIS = 1000;
    private static final Durability WRITTEN = Durability.WRITTEN;
    private static final Durability FLUSHED = Durability.FLUSHED;
    private static final Rules RULES = Rules.of(Duration.ofSeconds(10), Duration.ofSeconds(5))
            .withGroup("g", new Rules.Group(ATTEMPTS_MAX, false, WRITTEN))
            .withGroup("o", new Rules.Group(0, true, WRITTEN))
            .withDeduplicated("d");

    /** Writes a journal step by step, as a client would. Log time and the journal's clock are the same. */
    private static final class Script {
        private final long[] now = {1_000_000};
        private final Journal journal = Journal.inMemory(() -> now[0]);
        private final Map<String, Integer> crcs = new HashMap<>();
        private long sequence;
        private long number;

        Script note(Fact fact) {
            journal.note(fact);
            return this;
        }

        Script pass(long millis) {
            now[0] += millis;
            return this;
        }

        Script sending(String id) {
            return sending(id, "t", "");
        }

        Script sending(String id, String topic, String key) {
            crcs.put(id, id.hashCode());
            return note(new Fact.Sending(id, topic, key, "p", ++number, id.hashCode()));
        }

        Script stored(String id, long offset, Durability level) {
            return stored(id, level, receipt(id, "t", offset, level));
        }

        Script stored(String id, Durability asked, Receipt receipt) {
            return note(new Fact.Stored(id, asked, receipt));
        }

        Receipt receipt(String id, String topic, long offset, Durability level) {
            return new Receipt(level, NODE, 0, ++sequence, topic, 0, offset, id.hashCode());
        }

        Script sent(String id, long offset, Durability level) {
            return sending(id).stored(id, offset, level);
        }

        Script sentKeyed(String id, String key, long offset) {
            return sending(id, "k", key).stored(id, WRITTEN, receipt(id, "k", offset, WRITTEN));
        }

        ReceiptHandle popped(String id, long offset, int attempt) {
            return popped(id, offset, attempt, "c");
        }

        ReceiptHandle popped(String id, long offset, int attempt, String consumer) {
            return popped(id, "t", "g", offset, attempt, consumer);
        }

        ReceiptHandle popped(String id, String topic, String group, long offset, int attempt, String consumer) {
            ReceiptHandle handle = new ReceiptHandle(NODE_ID, 0, 1, 1, offset, 1, ++sequence, sequence * 31);
            note(new Fact.Popped(
                    consumer,
                    group,
                    topic,
                    0,
                    offset,
                    attempt,
                    handle,
                    now[0],
                    now[0] + INVISIBLE_MILLIS,
                    id,
                    crcs.getOrDefault(id, 0)));
            return handle;
        }

        Script acking(ReceiptHandle handle) {
            return note(new Fact.Acking(handle));
        }

        Script acked(ReceiptHandle handle, Durability level) {
            return acking(handle).note(new Fact.Acked(handle, level, AckOutcome.ACKED));
        }

        Script through(String id, long offset) {
            return acked(popped(id, offset, 1), WRITTEN);
        }

        Script nacked(ReceiptHandle handle, long delayMillis) {
            return note(new Fact.Nacking(handle)).note(new Fact.Nacked(handle, now[0] + delayMillis));
        }

        Script letter(String id, long offset, int attempts, long letterOffset) {
            return note(new Fact.Letter(
                    "g", 0, letterOffset, NODE_ID, "t", 0, offset, attempts, id, crcs.getOrDefault(id, 0)));
        }

        Script fault(Fact.Fault.Kind kind) {
            return note(new Fact.Fault(kind));
        }

        Script kill() {
            return fault(Fact.Fault.Kind.KILL).pass(100).note(new Fact.Serving());
        }

        Script cut() {
            return fault(Fact.Fault.Kind.POWER_CUT).pass(100).note(new Fact.Serving());
        }

        Script drained() {
            return note(new Fact.Drained("t", "g")).note(new Fact.Drained("k", "o"));
        }

        Verdict judge() {
            return Judge.judge(journal.noted(), RULES);
        }
    }

    private static Verdict verdict(Consumer<Script> steps) {
        Script script = new Script();
        steps.accept(script);
        return script.judge();
    }

    private static void assertClean(Consumer<Script> steps) {
        assertThat(verdict(steps).breaches()).isEmpty();
    }

    private static void assertBroken(Invariant invariant, String text, Consumer<Script> steps) {
        assertThat(verdict(steps).breaches()).as("breaches of %s", invariant).anySatisfy(breach -> {
            assertThat(breach.invariant()).isEqualTo(invariant);
            assertThat(breach.text()).contains(text);
        });
    }

    /** Something of everything, and nothing wrong. */
    private static void life(Script script) {
        script.sent("a", 0, WRITTEN)
                .sent("b", 1, FLUSHED)
                .sentKeyed("k1", "x", 0)
                .sentKeyed("k2", "x", 1);
        script.through("a", 0);
        ReceiptHandle nacked = script.popped("b", 1, 1);
        script.nacked(nacked, 50).pass(50);
        ReceiptHandle expired = script.popped("b", 1, 2);
        script.pass(INVISIBLE_MILLIS).letter("b", 1, 2, 0);
        script.acking(expired).note(new Fact.Acked(expired, WRITTEN, AckOutcome.ALREADY_SETTLED));
        ReceiptHandle first = script.popped("k1", "k", "o", 0, 1, "c");
        script.kill().acked(first, FLUSHED);
        ReceiptHandle second = script.popped("k2", "k", "o", 1, 1, "c");
        script.note(new Fact.Extending(second)).note(new Fact.Extended(second, script.now[0] + 5000));
        script.pass(5000);
        script.acked(script.popped("k2", "k", "o", 1, 2, "other"), WRITTEN);
    }

    @Test
    void aCleanJournalHasNoBreachAndEachInvariantWasTried() {
        Verdict verdict = verdict(script -> {
            life(script);
            script.drained();
        });
        assertThat(verdict.breaches()).isEmpty();
        for (Invariant invariant : Invariant.values()) {
            assertThat(verdict.triedOn(invariant)).as("tried: %s", invariant).isPositive();
        }
        assertThat(verdict.messagesAcknowledged()).isEqualTo(4);
    }

    // ---- I1 ---------------------------------------------------------------------------------------------------------

    @Test
    void whatWasAcknowledgedAndNeverComesIsLost() {
        assertBroken(Invariant.I1, "message lost never came to group g", script -> {
            life(script);
            script.sent("lost", 2, WRITTEN).kill().drained();
        });
        assertThat(verdict(script -> script.sent("lost", 2, WRITTEN)).breaches())
                .as("not drained, so it may yet come")
                .isEmpty();
        assertBroken(
                Invariant.I1,
                "message lost never came to group g",
                script -> script.sent("lost", 2, FLUSHED).cut().drained());
        assertClean(script -> script.sent("lost", 2, WRITTEN).cut().drained());
        assertBroken(
                Invariant.I1,
                "message late never came",
                script -> script.cut().sent("late", 2, WRITTEN).drained());
        assertClean(script -> script.sending("unanswered").kill().drained());
        assertClean(script -> script.sending("unknown")
                .note(new Fact.NotStored("unknown", Refusal.Code.OUTCOME_UNKNOWN))
                .drained());
    }

    @Test
    void whatCameAndWasNeverSettledIsLost() {
        assertBroken(Invariant.I1, "nobody settled it", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.kill().drained();
        });
        assertBroken(Invariant.I1, "nobody settled it", script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.acking(handle)
                    .note(new Fact.NotAcked(handle, Refusal.Code.STALE_HANDLE))
                    .drained();
        });
        assertClean(script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.acking(handle)
                    .note(new Fact.NotAcked(handle, Refusal.Code.OUTCOME_UNKNOWN))
                    .drained();
        });
        assertBroken(Invariant.I1, "nobody settled it", script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.acking(handle)
                    .fault(Fact.Fault.Kind.LINE)
                    .note(new Fact.NotAcked(handle, Refusal.Code.FAILED))
                    .drained();
        });
        assertClean(script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.cut().drained();
        });
        assertBroken(Invariant.I1, "nobody settled it", script -> {
            script.sent("a", 0, FLUSHED).popped("a", 0, 1);
            script.cut().drained();
        });
    }

    @Test
    void anAnswerBelowWhatWasAskedIsNone() {
        assertBroken(
                Invariant.I1,
                "message a was asked to be FLUSHED",
                script -> script.sending("a").stored("a", FLUSHED, script.receipt("a", "t", 0, WRITTEN)));
    }

    @Test
    void theNodeKnowsItsOwnHandles() {
        Consumer<Script> forged = script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.kill().acking(handle).note(new Fact.NotAcked(handle, Refusal.Code.FORGED_HANDLE));
        };
        assertBroken(Invariant.I1, "refuses a handle of its own with FORGED_HANDLE", forged);
        assertClean(script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.cut().acking(handle).note(new Fact.NotAcked(handle, Refusal.Code.FORGED_HANDLE));
        });
    }

    // ---- I2 ---------------------------------------------------------------------------------------------------------

    @Test
    void whatNobodySentIsInvented() {
        assertBroken(Invariant.I2, "nobody sent what was delivered: message ghost", script -> {
            life(script);
            script.popped("ghost", 7, 1);
        });
        assertBroken(Invariant.I2, "a dead letter is not what was sent", script -> script.letter("ghost", 7, 2, 0));
    }

    @Test
    void anotherBodyIsAltered() {
        assertBroken(Invariant.I2, "is not what was sent", script -> {
            script.sent("a", 0, WRITTEN).crcs.put("a", 1);
            script.popped("a", 0, 1);
        });
        assertBroken(
                Invariant.I2,
                "the receipt of message a is of something else",
                script -> script.sending("a").stored("a", WRITTEN, script.receipt("b", "t", 0, WRITTEN)));
    }

    @Test
    void whatWasRefusedDoesNotCome() {
        Consumer<Script> come = script -> script.popped("a", 0, 1);
        assertBroken(Invariant.I2, "was refused with DISK_FULL", script -> {
            script.sending("a").note(new Fact.NotStored("a", Refusal.Code.DISK_FULL));
            come.accept(script);
        });
        assertClean(script -> {
            script.sending("a").note(new Fact.NotStored("a", Refusal.Code.OUTCOME_UNKNOWN));
            come.accept(script);
        });
        // Had its first copy been taken, and the answer been lost, the client would have said that it does not know.
        for (Refusal.Code code : Refusal.Code.values()) {
            Consumer<Script> refused = script -> {
                script.sending("a").kill().note(new Fact.NotStored("a", code));
                come.accept(script);
            };
            if (code.isOutcomeOpen()) {
                assertClean(refused);
            } else {
                assertBroken(Invariant.I2, "was refused with " + code, refused);
            }
        }
    }

    @Test
    void storedTwiceIsOnlyWhatWasUnderWayAtAFault() {
        assertBroken(
                Invariant.I2,
                "is there more than once",
                script -> script.sent("a", 0, WRITTEN).through("a", 0).through("a", 1));
        assertClean(script -> script.sending("a")
                .kill()
                .stored("a", 1, WRITTEN)
                .through("a", 0)
                .through("a", 1));
        assertBroken(Invariant.I2, "is there more than once", script -> {
            script.sending("a", "d", "").kill().stored("a", WRITTEN, script.receipt("a", "d", 1, WRITTEN));
            script.popped("a", "d", "g", 0, 1, "c");
            script.popped("a", "d", "g", 1, 1, "c");
        });
    }

    @Test
    void aPlaceAndASequenceBelongToOneMessage() {
        assertBroken(
                Invariant.I2,
                "two messages have the same offset",
                script -> script.sent("a", 0, WRITTEN).kill().sent("b", 0, WRITTEN));
        assertClean(script -> script.sent("a", 0, WRITTEN).cut().sent("b", 0, WRITTEN));
        assertBroken(
                Invariant.I2,
                "two messages have the same offset",
                script -> script.sent("a", 0, FLUSHED).cut().sent("b", 0, WRITTEN));
        assertBroken(Invariant.I2, "two messages have the same sequence", script -> {
            script.sent("a", 0, WRITTEN).sequence--;
            script.sent("b", 1, WRITTEN);
        });
        assertBroken(Invariant.I2, "two messages were seen at", script -> {
            script.sending("a").sending("b").kill().popped("a", 0, 1);
            script.popped("b", 0, 1);
        });
    }

    // ---- I3 ---------------------------------------------------------------------------------------------------------

    @Test
    void firstCopiesLieInTheOrderOfTheCalls() {
        assertBroken(
                Invariant.I3,
                "message k1 at k/0/1",
                script -> script.sentKeyed("k1", "x", 1).sentKeyed("k2", "x", 0));
        assertClean(script -> script.sentKeyed("k1", "x", 1).sentKeyed("k2", "y", 0));
        // Both came twice, because both had to be repeated: the first copies count.
        assertClean(script -> {
            script.sending("k1", "k", "x").sending("k2", "k", "x").kill();
            script.stored("k1", WRITTEN, script.receipt("k1", "k", 2, WRITTEN));
            script.stored("k2", WRITTEN, script.receipt("k2", "k", 3, WRITTEN));
            for (int offset = 0; offset < 4; offset++) {
                script.acked(script.popped("k" + (1 + offset % 2), "k", "o", offset, 1, "c"), WRITTEN);
            }
        });
        assertBroken(Invariant.I3, "was sent before", script -> {
            script.sending("k1", "k", "x").sending("k2", "k", "x").kill();
            script.stored("k1", WRITTEN, script.receipt("k1", "k", 1, WRITTEN));
            script.stored("k2", WRITTEN, script.receipt("k2", "k", 2, WRITTEN));
            script.acked(script.popped("k2", "k", "o", 0, 1, "c"), WRITTEN);
        });
        // The first one went with the power, and its place was given again.
        assertClean(script -> script.sentKeyed("k1", "x", 1).cut().sentKeyed("k2", "x", 0));
    }

    @Test
    void inAnOrderedGroupOneOfAKeyIsOutAtATime() {
        Consumer<Script> sent =
                script -> script.sentKeyed("k1", "x", 0).sentKeyed("k2", "x", 1).sentKeyed("k3", "y", 2);
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            sent.accept(script);
            script.popped("k1", "k", "o", 0, 1, "c");
            script.popped("k2", "k", "o", 1, 1, "c");
        });
        assertClean(script -> {
            sent.accept(script);
            ReceiptHandle handle = script.popped("k1", "k", "o", 0, 1, "c");
            script.popped("k3", "k", "o", 2, 1, "c");
            script.acking(handle).kill();
            script.popped("k2", "k", "o", 1, 1, "c");
        });
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            sent.accept(script);
            ReceiptHandle handle = script.popped("k1", "k", "o", 0, 1, "c");
            script.acking(handle).note(new Fact.NotAcked(handle, Refusal.Code.STALE_HANDLE));
            script.popped("k2", "k", "o", 1, 1, "c");
        });
    }

    @Test
    void theLastDeliveryHoldsItsKeyUpWheneverItIsNoted() {
        // An ack without an answer, and the message came again: that ack had not settled it.
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            script.sentKeyed("k1", "x", 0).sentKeyed("k2", "x", 1);
            script.acking(script.popped("k1", "k", "o", 0, 1, "c")).kill();
            script.popped("k2", "k", "o", 1, 1, "c");
            script.pass(INVISIBLE_MILLIS).popped("k1", "k", "o", 0, 2, "c");
        });
        // The first delivery comes to somebody who stood still, when another one has settled the message.
        assertClean(script -> {
            script.sentKeyed("k1", "x", 0).sentKeyed("k2", "x", 1);
            ReceiptHandle late = new ReceiptHandle(NODE_ID, 0, 1, 1, 0, 1, ++script.sequence, 7);
            long poppedMillis = script.now[0];
            script.pass(INVISIBLE_MILLIS);
            script.acked(script.popped("k1", "k", "o", 0, 2, "c"), WRITTEN);
            script.popped("k2", "k", "o", 1, 1, "c");
            script.note(new Fact.Popped(
                    "z",
                    "o",
                    "k",
                    0,
                    0,
                    1,
                    late,
                    poppedMillis,
                    poppedMillis + INVISIBLE_MILLIS,
                    "k1",
                    "k1".hashCode()));
        });
    }

    @Test
    void whatAPowerCutTookHoldsNobodyUp() {
        // Its place was given to a message of another key.
        assertClean(script -> {
            script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
            script.cut().sentKeyed("k2", "y", 0).sentKeyed("k3", "x", 1);
            script.popped("k3", "k", "o", 1, 1, "c");
            script.popped("k2", "k", "o", 0, 1, "c");
        });
        // To one that a second cut took before anybody saw it.
        assertClean(script -> {
            script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
            script.cut().sentKeyed("k3", "x", 1);
            script.popped("k3", "k", "o", 1, 1, "c");
            script.cut();
        });
        // To one that nobody has seen yet.
        Consumer<Script> unseen = script -> {
            script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
            script.cut().sentKeyed("k3", "x", 1);
            script.popped("k3", "k", "o", 1, 1, "c");
        };
        assertClean(unseen);
        assertBroken(
                Invariant.I3,
                "came before the one at k/0/0",
                unseen.andThen(script -> script.note(new Fact.Drained("k", "o"))));
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
            script.kill().sentKeyed("k2", "y", 0).sentKeyed("k3", "x", 1);
            script.popped("k3", "k", "o", 1, 1, "c");
            script.popped("k2", "k", "o", 0, 1, "c");
        });
        // It was flushed, and so were all that lie before what was flushed: the cut took none of them.
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            script.sending("k1", "k", "x").stored("k1", FLUSHED, script.receipt("k1", "k", 0, FLUSHED));
            script.popped("k1", "k", "o", 0, 1, "c");
            script.cut().sentKeyed("k2", "y", 0).sentKeyed("k3", "x", 1);
            script.popped("k3", "k", "o", 1, 1, "c");
            script.popped("k2", "k", "o", 0, 1, "c");
        });
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
            script.sending("k2", "k", "y").stored("k2", FLUSHED, script.receipt("k2", "k", 1, FLUSHED));
            script.cut().sentKeyed("k3", "x", 2);
            script.popped("k3", "k", "o", 2, 1, "c");
            script.cut();
        });
    }

    @Test
    void whatHasAPlaceSinceAPowerCutWasNotInItBefore() {
        // The place before k2 had a message of another key, which nobody saw.
        Consumer<Script> first = script -> {
            script.sentKeyed("k2", "x", 1);
            script.acked(script.popped("k2", "k", "o", 1, 1, "c"), WRITTEN);
        };
        Consumer<Script> then = script -> {
            script.sentKeyed("k3", "x", 0);
            script.acked(script.popped("k3", "k", "o", 0, 1, "c"), WRITTEN);
        };
        assertClean(first.andThen(Script::cut).andThen(then));
        assertBroken(
                Invariant.I3,
                "came before the one at k/0/0",
                first.andThen(Script::kill).andThen(then));
        // Something behind it was flushed before the cut: so k3 has been there all the time.
        assertBroken(
                Invariant.I3,
                "came before the one at k/0/0",
                ((Consumer<Script>) script -> script.sending("k3", "k", "x"))
                        .andThen(first)
                        .andThen(script -> script.sending("k4", "k", "y")
                                .stored("k4", FLUSHED, script.receipt("k4", "k", 2, FLUSHED))
                                .cut())
                        .andThen(script -> script.popped("k3", "k", "o", 0, 1, "c")));
        // So it was if it had been seen there.
        assertBroken(Invariant.I3, "came before the one at k/0/0", script -> {
            script.sentKeyed("k1", "x", 0);
            first.accept(script);
            script.cut().popped("k1", "k", "o", 0, 1, "c");
        });
    }

    @Test
    void whereAnAckWasForgottenOrderBeginsAgain() {
        Consumer<Script> bothAcked = script -> {
            script.sentKeyed("k1", "x", 0).sentKeyed("k2", "x", 1);
            script.acked(script.popped("k1", "k", "o", 0, 1, "c"), WRITTEN);
            script.acked(script.popped("k2", "k", "o", 1, 1, "c"), WRITTEN);
            script.cut();
        };
        assertClean(bothAcked.andThen(script -> {
            script.acked(script.popped("k1", "k", "o", 0, 1, "c"), WRITTEN);
            script.popped("k2", "k", "o", 1, 1, "c");
        }));
        // Its ack was not forgotten.
        assertClean(bothAcked.andThen(script -> script.popped("k2", "k", "o", 1, 1, "c")));
        assertBroken(Invariant.I3, "came before the one at k/0/0", bothAcked.andThen(script -> {
            script.popped("k2", "k", "o", 1, 1, "c");
            script.popped("k1", "k", "o", 0, 1, "c");
        }));
    }

    @Test
    void aBreachTellsItsStory() {
        Breach breach = verdict(script -> {
                    script.sentKeyed("k1", "x", 0).sentKeyed("other", "y", 1).sentKeyed("k2", "x", 2);
                    ReceiptHandle handle = script.popped("k1", "k", "o", 0, 1, "c");
                    script.note(new Fact.Remark("a force fails")).kill();
                    script.acking(handle).note(new Fact.NotAcked(handle, Refusal.Code.STALE_HANDLE));
                    script.popped("other", "k", "o", 1, 1, "c");
                    script.popped("k2", "k", "o", 2, 1, "c");
                })
                .breaches()
                .get(0);
        assertThat(breach.story())
                .extracting(JudgeTest::kindAndMessage)
                .containsExactly(
                        "Sending k1",
                        "Stored k1",
                        "Sending k2",
                        "Stored k2",
                        "Popped k1",
                        "Remark",
                        "Fault",
                        "Serving",
                        "Acking k1",
                        "NotAcked k1",
                        "Popped k2");
        assertThat(breach.toString()).contains("a force fails").contains("STALE_HANDLE");
    }

    private static String kindAndMessage(String line) {
        String kind = line.replaceFirst("^\\d+ \\d+ ms (\\w+)\\[.*", "$1");
        return kind + (line.contains("k1") ? " k1" : line.contains("k2") ? " k2" : "");
    }

    // ---- I4 ---------------------------------------------------------------------------------------------------------

    @Test
    void whatWasAckedDoesNotComeBack() {
        Consumer<Script> back = script -> script.pass(INVISIBLE_MILLIS).popped("a", 0, 2);
        assertBroken(Invariant.I4, "came though it was acked at WRITTEN", script -> {
            script.sent("a", 0, FLUSHED)
                    .acked(script.popped("a", 0, 1), WRITTEN)
                    .kill();
            back.accept(script);
        });
        assertClean(script -> {
            script.sent("a", 0, FLUSHED)
                    .acked(script.popped("a", 0, 1), WRITTEN)
                    .cut();
            back.accept(script);
        });
        assertBroken(Invariant.I4, "came though it was acked at FLUSHED", script -> {
            script.sent("a", 0, FLUSHED)
                    .acked(script.popped("a", 0, 1), FLUSHED)
                    .cut();
            back.accept(script);
        });
        assertClean(script -> {
            // Nobody was told that it is acked.
            script.sent("a", 0, FLUSHED).acking(script.popped("a", 0, 1)).kill();
            back.accept(script);
        });
        assertBroken(Invariant.I4, "acked, and a dead letter", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS);
            script.acked(script.popped("a", 0, 2), WRITTEN).letter("a", 0, 2, 0);
        });
    }

    // ---- I5 ---------------------------------------------------------------------------------------------------------

    @Test
    void nothingIsOutTwiceAtATime() {
        assertBroken(Invariant.I5, "went out 1 ms before the deadline", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS - 1).popped("a", 0, 2);
        });
        assertBroken(Invariant.I5, "before the deadline", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.kill().popped("a", 0, 2);
        });
        assertClean(script -> {
            script.sent("a", 0, FLUSHED).popped("a", 0, 1);
            script.cut().popped("a", 0, 1);
        });
        assertClean(script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.note(new Fact.GivingBack(handle)).popped("a", 0, 1);
        });
        assertClean(script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.note(new Fact.Gone("c")).popped("a", 0, 2, "other");
        });
        assertBroken(Invariant.I5, "before the deadline", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.note(new Fact.Gone("somebody else")).popped("a", 0, 2);
        });
        assertBroken(Invariant.I5, "went out 100 ms before the deadline", script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.note(new Fact.Extending(handle))
                    .note(new Fact.Extended(handle, script.now[0] + INVISIBLE_MILLIS + 100));
            script.pass(INVISIBLE_MILLIS).popped("a", 0, 2);
        });
    }

    @Test
    void aHandleIsOneConsumersAndCountsUntilTheNextOne() {
        assertBroken(Invariant.I5, "two consumers have the same handle", script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.note(new Fact.Popped("other", "g", "t", 0, 0, 1, handle, 0, 0, "a", "a".hashCode()));
        });
        assertBroken(Invariant.I5, "have the same place in time", script -> {
            ReceiptHandle handle = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            ReceiptHandle twin = new ReceiptHandle(
                    NODE_ID, 0, 1, 1, 0, handle.epoch(), handle.checkpointSequence(), handle.nonce() + 1);
            script.pass(INVISIBLE_MILLIS);
            script.note(new Fact.Popped(
                    "c", "g", "t", 0, 0, 2, twin, script.now[0], script.now[0] + 1, "a", "a".hashCode()));
        });
        assertBroken(Invariant.I5, "acked with a handle that was stale", script -> {
            ReceiptHandle stale = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS).popped("a", 0, 2);
            script.acked(stale, WRITTEN);
        });
        assertBroken(Invariant.I5, "nacked with a handle that was stale", script -> {
            ReceiptHandle stale = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS).popped("a", 0, 2);
            script.nacked(stale, 0);
        });
        assertBroken(Invariant.I5, "acked with two handles", script -> {
            ReceiptHandle first = script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS).acking(first);
            ReceiptHandle second = script.popped("a", 0, 2);
            script.acked(second, WRITTEN).note(new Fact.Acked(first, WRITTEN, AckOutcome.ACKED));
        });
    }

    // ---- I6 ---------------------------------------------------------------------------------------------------------

    @Test
    void attemptsFollowEachOther() {
        Consumer<Script> skipped = script -> script.pass(INVISIBLE_MILLIS).popped("k1", "k", "o", 0, 3, "c");
        Consumer<Script> first = script -> script.sentKeyed("k1", "x", 0).popped("k1", "k", "o", 0, 1, "c");
        assertBroken(Invariant.I6, "attempts do not follow each other", first.andThen(skipped));
        assertClean(first.andThen(Script::kill).andThen(skipped));
        assertClean(first.andThen(skipped).andThen(script -> script.note(new Fact.PopFailed("c", "k", "o"))));
        assertBroken(
                Invariant.I6,
                "attempts do not follow each other",
                first.andThen(skipped).andThen(script -> script.note(new Fact.PopFailed("c", "t", "g"))));
        assertClean(first.andThen(script -> script.note(new Fact.Gone("z"))).andThen(skipped));
        assertBroken(
                Invariant.I6,
                "attempts do not follow each other",
                ((Consumer<Script>) script -> script.note(new Fact.Gone("z")).pass(5001))
                        .andThen(first)
                        .andThen(skipped));
        assertBroken(
                Invariant.I6,
                "attempts do not follow each other",
                first.andThen(script -> script.kill().pass(INVISIBLE_MILLIS).popped("k1", "k", "o", 0, 1, "c")));
        assertBroken(
                Invariant.I6,
                "its first attempt has another number",
                script -> script.sent("a", 0, WRITTEN).popped("a", 0, 2));
    }

    @Test
    void deadLettersComeExactlyAfterTheLimit() {
        Consumer<Script> twoAttempts = script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS).popped("a", 0, 2);
            script.pass(INVISIBLE_MILLIS);
        };
        assertClean(twoAttempts.andThen(script -> script.letter("a", 0, 2, 0).letter("a", 0, 2, 0)));
        assertBroken(Invariant.I6, "is beyond the limit of 2", twoAttempts.andThen(script -> script.popped("a", 0, 3)));
        assertBroken(
                Invariant.I6,
                "a dead letter with a limit of 2",
                twoAttempts.andThen(script -> script.letter("a", 0, 3, 0)));
        assertBroken(Invariant.I6, "a dead letter after 1 attempts", script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.pass(INVISIBLE_MILLIS).letter("a", 0, 2, 0);
        });
        assertClean(script -> {
            script.sent("a", 0, WRITTEN).popped("a", 0, 1);
            script.kill().letter("a", 0, 2, 0);
        });
        assertBroken(
                Invariant.I6,
                "dead-lettered twice",
                twoAttempts.andThen(script -> script.letter("a", 0, 2, 0).kill().letter("a", 0, 2, 1)));
        assertBroken(
                Invariant.I6,
                "came though it was dead-lettered",
                twoAttempts.andThen(script -> script.letter("a", 0, 2, 0).popped("a", 0, 2)));
    }

    // ---- I7 ---------------------------------------------------------------------------------------------------------

    @Test
    void whatWasNackedWaits() {
        Consumer<Script> nacked =
                script -> script.nacked(script.sent("a", 0, FLUSHED).popped("a", 0, 1), 200);
        assertBroken(
                Invariant.I7,
                "went out 1 ms before the delay of its nack was over",
                nacked.andThen(script -> script.pass(199).popped("a", 0, 2)));
        assertBroken(
                Invariant.I7,
                "before the delay",
                nacked.andThen(script -> script.kill().popped("a", 0, 2)));
        assertClean(nacked.andThen(script -> script.pass(200).popped("a", 0, 2)));
        assertClean(nacked.andThen(script -> script.cut().popped("a", 0, 2)));
    }

    // ---- I8 ---------------------------------------------------------------------------------------------------------

    @Test
    void theNodeServesAgainInTimeOrSaysWhyNot() {
        Consumer<Script> killed = script -> script.fault(Fact.Fault.Kind.KILL);
        assertBroken(Invariant.I8, "neither serves nor says why not", killed);
        assertBroken(
                Invariant.I8,
                "serves again after 10001 ms",
                killed.andThen(script -> script.pass(10_001).note(new Fact.Serving())));
        assertClean(killed.andThen(script -> script.pass(9_000))
                .andThen(killed)
                .andThen(script -> script.pass(10_000).note(new Fact.Serving())));
        assertClean(killed.andThen(script -> script.note(new Fact.NotServing("the log is damaged at position 7"))));
        assertBroken(Invariant.I8, "does not say why", killed.andThen(script -> script.note(new Fact.NotServing(" "))));
        assertClean(script -> script.fault(Fact.Fault.Kind.LINE));
    }

    // ---- damage -----------------------------------------------------------------------------------------------------

    private static Fact damaged(Fact.Damaged.What what, String group, String topic, long offset) {
        return new Fact.Damaged(what, group, NODE_ID, topic, 0, offset);
    }

    private static Fact gone(String topic, long offset) {
        return damaged(Fact.Damaged.What.MESSAGE, "", topic, offset);
    }

    private static Fact forgotten(String group, long offset) {
        return damaged(Fact.Damaged.What.NOTES, group, "t", offset);
    }

    @Test
    void whatIsDamagedNeedNotComeAndNothingElse() {
        assertClean(
                script -> script.sent("a", 0, FLUSHED).note(gone("t", 0)).kill().drained());
        assertBroken(
                Invariant.I1,
                "message a never came",
                script -> script.sent("a", 0, FLUSHED).note(gone("t", 1)).kill().drained());
        assertBroken(
                Invariant.I1,
                "message a never came",
                script -> script.sent("a", 0, FLUSHED)
                        .note(forgotten("g", 0))
                        .kill()
                        .drained());
        // It came, nobody has settled it, and now it cannot be read.
        assertClean(script -> {
            script.sent("a", 0, FLUSHED).popped("a", 0, 1);
            script.note(gone("t", 0)).kill().drained();
        });
    }

    @Test
    void whatIsDamagedIsNotHandedOutByANodeThatHasStartedSince() {
        Consumer<Script> sent = script -> script.sent("a", 0, FLUSHED).note(gone("t", 0));
        assertClean(sent.andThen(script -> script.through("a", 0)));
        assertBroken(
                Invariant.I2,
                "came out of a damaged place",
                sent.andThen(script -> script.kill().through("a", 0)));
        assertBroken(
                Invariant.I2,
                "came out of a damaged place",
                sent.andThen(script -> script.kill().letter("a", 0, ATTEMPTS_MAX, 0)));
        assertClean(sent.andThen(script -> script.kill()
                .note(damaged(Fact.Damaged.What.MENDED_MESSAGE, "", "t", 0))
                .through("a", 0)));
        assertClean(script -> script.sent("a", 0, FLUSHED)
                .note(damaged(Fact.Damaged.What.DOUBTFUL_MESSAGE, "", "t", 0))
                .kill()
                .through("a", 0)
                .drained());
    }

    @Test
    void aDamagedLetterNeedNotBeFound() {
        Consumer<Script> dead = script -> {
            script.sent("a", 0, FLUSHED).nacked(script.popped("a", 0, 1), 0);
            script.nacked(script.popped("a", 0, 2), 0);
        };
        assertBroken(Invariant.I1, "nobody settled it", dead.andThen(Script::drained));
        assertClean(dead.andThen(script ->
                script.note(damaged(Fact.Damaged.What.LETTER, "", "t", 0)).drained()));
        assertBroken(
                Invariant.I1,
                "nobody settled it",
                dead.andThen(script -> script.note(damaged(Fact.Damaged.What.LETTER, "", "t", 1))
                        .drained()));
    }

    @Test
    void whatWasNotedInADamagedPlaceMayBeForgotten() {
        Consumer<Script> again = script -> script.through("a", 0).drained();
        for (long offset : new long[] {0, -1}) {
            assertClean(script -> {
                script.sent("a", 0, FLUSHED).acked(script.popped("a", 0, 1), FLUSHED);
                again.accept(script.note(forgotten("g", offset)).kill());
            });
        }
        for (Fact other : new Fact[] {forgotten("g", 1), forgotten("o", 0)}) {
            assertBroken(Invariant.I4, "came though it was acked at FLUSHED", script -> {
                script.sent("a", 0, FLUSHED).acked(script.popped("a", 0, 1), FLUSHED);
                again.accept(script.note(other).kill().pass(INVISIBLE_MILLIS));
            });
        }
    }

    @Test
    void aDamagedMessageHoldsNobodyUp() {
        Consumer<Script> sent =
                script -> script.sentKeyed("k1", "x", 0).sentKeyed("k2", "x", 1).popped("k1", "k", "o", 0, 1, "c");
        Consumer<Script> later = script -> script.kill().popped("k2", "k", "o", 1, 1, "c");
        assertBroken(Invariant.I3, "came before the one at k/0/0", sent.andThen(later));
        assertClean(sent.andThen(script -> later.accept(script.note(gone("k", 0)))));
        Fact passedOver = damaged(Fact.Damaged.What.PASSED_OVER, "", "k", 0);
        assertClean(sent.andThen(script -> later.accept(script.note(passedOver))));
        assertBroken(
                Invariant.I1,
                "",
                script -> script.sent("a", 0, FLUSHED)
                        .note(damaged(Fact.Damaged.What.PASSED_OVER, "", "t", 0))
                        .drained());
        assertBroken(
                Invariant.I3,
                "came before the one at k/0/0",
                sent.andThen(script -> later.accept(script.note(gone("k", 2)))));
    }

    /** What was settled before its notes were damaged held nobody up then, and does from then on. */
    @Test
    void whatIsForgottenHoldsItsKeyUpAgain() {
        Consumer<Script> acked = script -> script.sentKeyed("k1", "x", 0)
                .sentKeyed("k2", "x", 1)
                .acked(script.popped("k1", "k", "o", 0, 1, "c"), WRITTEN);
        Consumer<Script> again = script -> script.note(damaged(Fact.Damaged.What.NOTES, "o", "k", 0))
                .kill()
                .popped("k1", "k", "o", 0, 1, "c");
        Consumer<Script> second = script -> script.popped("k2", "k", "o", 1, 1, "c");
        assertClean(acked.andThen(second).andThen(again));
        assertBroken(
                Invariant.I3,
                "came before the one at k/0/0",
                acked.andThen(again).andThen(second));
    }

    // ---- the verdict ------------------------------------------------------------------------------------------------

    @Test
    void aJournalThatCannotBeIsRefused() {
        assertThatThrownBy(() -> verdict(script -> script.stored("a", 0, WRITTEN)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("never asked for");
        assertThatThrownBy(() -> verdict(script -> script.sending("a").sending("a")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sent twice");
        assertThatThrownBy(() -> verdict(script -> {
                    script.sending("a");
                    script.popped("a", "t", "unheard of", 0, 1, "c");
                }))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("group unheard of");
    }

    @Test
    void aBreachFailsTheTestAndStandsInTheProof() {
        long acknowledged = Proof.messagesAcknowledged.sum();
        verdict(JudgeTest::life).prove();
        assertThat(Proof.messagesAcknowledged.sum()).isEqualTo(acknowledged + 4);
        Verdict broken = verdict(script -> script.sent("lost", 2, WRITTEN).drained());
        assertThat(broken.count(Invariant.I1)).isEqualTo(1);
        long lost = Proof.lost.sum();
        assertThatThrownBy(broken::prove)
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("message lost never came");
        assertThat(Proof.lost.sum()).isEqualTo(lost + 1);
        // This one was planted: what the tests have lost stays what it was.
        Proof.lost.add(-1);
        Proof.messagesAcknowledged.add(acknowledged - Proof.messagesAcknowledged.sum());
    }
}
