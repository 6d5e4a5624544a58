package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import io.forebay.storage.log.WrittenBytes;
import io.forebay.store.StripeBudget.Reason;
import io.forebay.store.StripeBudget.Tier;
import io.forebay.store.StripeBudget.Unavailability;
import io.forebay.store.StripeHealth;
import io.forebay.store.StripePhase;
import io.forebay.watch.HealthView.Code;
import io.forebay.watch.HealthView.Effect;
import io.forebay.watch.NodeView.State;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** I8: whatever keeps a node from serving, health says so and why; and it says nothing of a node that serves. */
class HealthViewTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final Duration OVER = LIMIT.plusMillis(100);

    /** A stripe that serves, but for what is set. */
    private static final class Stripe {
        private StripePhase phase = StripePhase.RUNNING;
        private Unavailability unavailable;
        private Duration unflushedAge = Duration.ZERO;
        private Duration appendWait = Duration.ZERO;
        private Set<Tier> refused = Set.of();
        private String failure;

        StripeHealth health() {
            return new StripeHealth(
                    3,
                    phase,
                    Optional.ofNullable(unavailable),
                    1,
                    20,
                    10,
                    100,
                    1000,
                    unflushedAge,
                    appendWait,
                    5000,
                    8000,
                    refused,
                    0,
                    0,
                    0,
                    0,
                    0,
                    new WrittenBytes(0, 0, 0, 0, 0),
                    Optional.ofNullable(failure));
        }
    }

    private static HealthView of(Stripe... stripes) {
        return HealthView.of(
                new HealthView.Node(State.SERVING, Optional.empty(), Duration.ZERO, List.of()),
                List.of(stripes).stream().map(Stripe::health).toList(),
                LIMIT);
    }

    private static HealthView of(State state, String failure, Duration silence) {
        return HealthView.of(
                new HealthView.Node(state, Optional.ofNullable(failure), silence, List.of()), List.of(), LIMIT);
    }

    private static HealthView of(State state, List<StoppedQueue> stopped) {
        return HealthView.of(new HealthView.Node(state, Optional.empty(), Duration.ZERO, stopped), List.of(), LIMIT);
    }

    /** The only reason. */
    private static HealthView.Reason reason(HealthView health) {
        assertThat(health.reasons()).hasSize(1);
        return health.reasons().get(0);
    }

    @Test
    void aNodeThatServesHasNoReason() {
        HealthView health = of(new Stripe(), new Stripe());
        assertThat(health.reasons()).isEmpty();
        assertThat(health.isReady()).isTrue();
        assertThat(health.isAlive()).isTrue();
    }

    @Test
    void aNodeThatStartsOrStopsIsAliveAndNotReady() {
        HealthView starting = of(State.STARTING, null, Duration.ZERO);
        assertThat(reason(starting).code()).isEqualTo(Code.NODE_STARTING);
        assertThat(starting.isReady()).isFalse();
        assertThat(starting.isAlive()).isTrue();
        // One that stops owes no answer: its actors end.
        HealthView stopping = of(State.STOPPING, null, Duration.ofHours(1));
        assertThat(reason(stopping).code()).isEqualTo(Code.NODE_STOPPING);
        assertThat(stopping.isReady()).isFalse();
        assertThat(stopping.isAlive()).isTrue();
    }

    @Test
    void aNodeThatCouldNotStartSaysWhy() {
        HealthView failed = of(State.FAILED, "the directory is locked", Duration.ZERO);
        assertThat(reason(failed).code()).isEqualTo(Code.NODE_FAILED);
        assertThat(reason(failed).text()).contains("the directory is locked");
        assertThat(failed.isReady()).isFalse();
        assertThat(failed.isAlive()).isFalse();
    }

    @Test
    void actorsThatDoNotAnswerAreGivenThreeTimesTheLimit() {
        assertThat(of(State.SERVING, null, LIMIT.multipliedBy(3)).reasons()).isEmpty();
        HealthView silent = of(State.SERVING, null, LIMIT.multipliedBy(3).plusMillis(1));
        assertThat(reason(silent).code()).isEqualTo(Code.NODE_SILENT);
        assertThat(reason(silent).text()).contains("30.0 s");
        assertThat(silent.isAlive()).isFalse();
        assertThat(silent.isReady()).isFalse();
    }

    /** Whatever the phase, and whatever is added later: only RUNNING serves. */
    @ParameterizedTest
    @EnumSource(StripePhase.class)
    void everyPhaseButRunningIsNotReady(StripePhase phase) {
        Stripe stripe = new Stripe();
        stripe.phase = phase;
        HealthView health = of(new Stripe(), stripe);
        assertThat(health.isReady()).isEqualTo(phase == StripePhase.RUNNING);
        assertThat(health.isAlive()).isEqualTo(phase != StripePhase.CLOSED);
        if (phase != StripePhase.RUNNING) {
            assertThat(reason(health).stripe()).contains(3);
        }
    }

    /** A stripe that stalls stays in its phase. */
    @ParameterizedTest
    @EnumSource(Reason.class)
    void aRunningStripeThatTakesNothingIsNotReadyAndGivesTheDetail(Reason why) {
        Stripe stripe = new Stripe();
        stripe.unavailable = new Unavailability(why, "because of the weather");
        assertThat(stripe.health().isServing()).isFalse();
        HealthView health = of(stripe);
        assertThat(health.isReady()).isFalse();
        assertThat(health.isAlive()).isEqualTo(why != Reason.CLOSED);
        HealthView.Reason reason = reason(health);
        if (why == Reason.DISK_FULL) {
            assertThat(reason.code()).isEqualTo(Code.DISK_FULL);
        }
        if (why != Reason.SHUTTING_DOWN) {
            assertThat(reason.text()).contains("because of the weather");
        }
    }

    @Test
    void aRewriteNamesTheFailureThatCausedIt() {
        Stripe stripe = new Stripe();
        stripe.phase = StripePhase.REWRITING;
        stripe.failure = "Input/output error";
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.STRIPE_REWRITING);
        assertThat(reason(of(stripe)).text()).contains("Input/output error");
        stripe.phase = StripePhase.READ_ONLY;
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.STRIPE_READ_ONLY);
        assertThat(reason(of(stripe)).text()).contains("Input/output error");
    }

    /** I8 of the others: a node is not taken away because of what one queue lacks. */
    @Test
    void queuesThatAreNotServedLimitANodeAndAreNamedByStripe() {
        HealthView health = of(
                State.SERVING,
                List.of(
                        new StoppedQueue(1, false, "queue a"),
                        new StoppedQueue(0, true, "queue b"),
                        new StoppedQueue(1, false, "queue c")));
        assertThat(health.isReady()).isTrue();
        assertThat(health.isAlive()).isTrue();
        assertThat(health.reasons())
                .containsExactly(
                        new HealthView.Reason(Code.QUEUES_STOPPED, Effect.LIMITED, Optional.of(1), "queue a; queue c"),
                        new HealthView.Reason(Code.QUEUES_FAILED, Effect.LIMITED, Optional.of(0), "queue b"));
        assertThat(of(State.STOPPING, List.of(new StoppedQueue(0, true, "queue b")))
                        .reasons())
                .extracting(HealthView.Reason::code)
                .containsExactly(Code.NODE_STOPPING);
    }

    @Test
    void ofManyQueuesSomeAreNamedAndTheOthersCounted() {
        List<StoppedQueue> many = new ArrayList<>();
        for (int i = 0; i < HealthView.STOPPED_NAMED_MAX + 3; i++) {
            many.add(new StoppedQueue(0, false, "queue " + i + "."));
        }
        HealthView health = of(State.SERVING, many);
        assertThat(reason(health).text())
                .contains("queue 0.; queue 1.; ")
                .doesNotContain("queue " + HealthView.STOPPED_NAMED_MAX + ".")
                .endsWith("; and 3 more");
    }

    /** A failure that is overcome is no reason. */
    @Test
    void anOldFailureIsNoReason() {
        Stripe stripe = new Stripe();
        stripe.failure = "Input/output error";
        assertThat(of(stripe).reasons()).isEmpty();
    }

    @Test
    void aLowDiskLimitsAndAFullOneStops() {
        Stripe stripe = new Stripe();
        stripe.refused = EnumSet.of(Tier.SEND);
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.DISK_LOW);
        assertThat(reason(of(stripe)).effect()).isEqualTo(Effect.LIMITED);
        assertThat(reason(of(stripe)).text()).contains("5000 bytes").contains("SEND");
        assertThat(of(stripe).isReady()).isTrue();
        stripe.refused = EnumSet.allOf(Tier.class);
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.DISK_FULL);
        assertThat(of(stripe).isReady()).isFalse();
        assertThat(of(stripe).isAlive()).isTrue();
    }

    @Test
    void whatWaitsIsAReasonWhenItHasWaitedForTooLong() {
        Stripe stripe = new Stripe();
        stripe.appendWait = LIMIT;
        stripe.unflushedAge = LIMIT;
        assertThat(of(stripe).reasons()).isEmpty();
        stripe.appendWait = OVER;
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.APPENDS_STALLED);
        assertThat(of(stripe).isReady()).isFalse();
        stripe.appendWait = Duration.ZERO;
        stripe.unflushedAge = OVER;
        assertThat(reason(of(stripe)).code()).isEqualTo(Code.FORCE_SLOW);
        assertThat(reason(of(stripe)).text()).contains("10.1 s");
        assertThat(of(stripe).isReady()).as("WRITTEN goes on").isTrue();
    }

    @Test
    void theWorstReasonComesFirst() {
        Stripe low = new Stripe();
        low.refused = EnumSet.of(Tier.SEND);
        Stripe closed = new Stripe();
        closed.phase = StripePhase.CLOSED;
        Stripe failing = new Stripe();
        failing.phase = StripePhase.READ_ONLY;
        assertThat(of(low, failing, closed).reasons())
                .extracting(HealthView.Reason::effect)
                .containsExactly(Effect.NOT_ALIVE, Effect.NOT_READY, Effect.LIMITED);
    }

    /** What a stripe says while it starts or ends with its node would hide why. */
    @Test
    void stripesOfANodeThatDoesNotServeAreNotJudged() {
        Stripe closed = new Stripe();
        closed.phase = StripePhase.CLOSED;
        HealthView health = HealthView.of(
                new HealthView.Node(State.STOPPING, Optional.empty(), Duration.ZERO, List.of()),
                List.of(closed.health()),
                LIMIT);
        assertThat(reason(health).code()).isEqualTo(Code.NODE_STOPPING);
        assertThat(health.isAlive()).isTrue();
    }

    @Test
    void theTextIsJsonWhateverIsInIt() {
        Stripe stripe = new Stripe();
        stripe.phase = StripePhase.READ_ONLY;
        stripe.failure = "a \"quoted\" \\ path\n\tand \u0001 more";
        HealthView health = of(stripe);
        String text = HealthText.ready("node", State.SERVING, health, List.of(stripe.health()));
        assertThat(text).endsWith("}\n").containsOnlyOnce("\n");
        var json = ConfigFactory.parseString(text, ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON));
        assertThat(json.getBoolean("ready")).isFalse();
        assertThat(json.getConfigList("reasons").get(0).getString("text")).endsWith(stripe.failure);
        assertThat(json.getConfigList("reasons").get(0).getString("code")).isEqualTo("stripe-read-only");
        assertThat(json.getConfigList("reasons").get(0).getInt("stripe")).isEqualTo(3);
        assertThat(json.getConfigList("stripes").get(0).getString("phase")).isEqualTo("read-only");
        var alive = ConfigFactory.parseString(
                HealthText.alive("node", State.SERVING, health),
                ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON));
        assertThat(alive.getBoolean("alive")).isTrue();
        assertThat(alive.getConfigList("reasons")).isEmpty();
    }
}
