package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The steps of a client's redrive, in a time that only this test moves. In every second at most the rate goes, however long a page takes;
 * every page is asked for once, and again only when it was refused for a while; no more than the limit is asked for.
 */
class RedriveStepsTest {
    private static final long SECOND = 1_000_000_000L;
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /** A node with so many letters; its cursor is the number of the first letter of a page. */
    private final class Node {
        private final int letterCount;
        /** Page by page, what it says instead of doing it; null to do it. */
        private final List<Refusal> refusals = new ArrayList<>();

        private Node(int letterCount) {
            this.letterCount = letterCount;
        }

        SessionEvent.Reply answer(PoisonCommand.Redrive page) {
            Refusal refusal = refusals.isEmpty() ? null : refusals.remove(0);
            if (refusal != null) {
                throw refusal.toException();
            }
            int from = page.cursor().isEmpty() ? 0 : Integer.parseInt(page.cursor());
            int until = Math.min(letterCount, from + page.countMax());
            List<RedrivenLetter> letters = new ArrayList<>();
            for (int i = from; i < until; i++) {
                letters.add(new RedrivenLetter(0, i, "m" + i, "t", 0));
            }
            String next = until < letterCount ? String.valueOf(until) : "";
            String name = "n" + nodes.indexOf(this);
            return new PoisonReply.Redriven(page.requestId(), name, letters, 0, List.of(), until, letterCount, next);
        }
    }

    /** Letters that went, and when. */
    private record Gone(long atNanos, int count) {}

    private final List<Node> nodes = new ArrayList<>();
    private final List<PoisonCommand.Redrive> asked = new ArrayList<>();
    private final List<Gone> gone = new ArrayList<>();
    private final List<Duration> pauses = new ArrayList<>();
    private long nowNanos = -5 * SECOND; // a clock's origin means nothing
    private Supplier<Long> latencyNanos = () -> 0L;
    private Runnable due;
    private int node;
    private boolean isLastOfItsNode;

    private CompletionStage<SessionEvent.Reply> ask(NodeLink link, LongFunction<SessionCommand.Request> command) {
        PoisonCommand.Redrive page = (PoisonCommand.Redrive) command.apply(asked.size());
        if (page.cursor().isEmpty() && !asked.isEmpty() && isLastOfItsNode) {
            node++;
        }
        asked.add(page);
        nowNanos += latencyNanos.get();
        try {
            PoisonReply.Redriven reply = (PoisonReply.Redriven) nodes.get(node).answer(page);
            isLastOfItsNode = reply.cursor().isEmpty();
            gone.add(new Gone(nowNanos, reply.letters().size()));
            return CompletableFuture.completedStage(reply);
        } catch (ForebayException e) {
            isLastOfItsNode = e.code() == Refusal.Code.UNKNOWN_GROUP;
            return CompletableFuture.failedStage(e);
        }
    }

    private CompletableFuture<RedriveResult> begin(RedriveRequest request) {
        return new Redrive(
                        request,
                        new NodeLink[nodes.size()],
                        this::ask,
                        PATIENCE,
                        page -> {},
                        () -> nowNanos,
                        (pause, step) -> {
                            assertThat(due).as("one step at a time").isNull();
                            pauses.add(pause);
                            due = () -> {
                                nowNanos += pause.toNanos();
                                step.run();
                            };
                        })
                .begin();
    }

    private RedriveResult run(RedriveRequest request) {
        CompletableFuture<RedriveResult> result = begin(request);
        while (due != null) {
            Runnable step = due;
            due = null;
            step.run();
        }
        assertThat(result).isDone();
        return result.join();
    }

    private static RedriveRequest request(long limit, int ratePerSecond, boolean isDryRun) {
        return new RedriveRequest("g", DeadLetterFilter.ALL, "", limit, ratePerSecond, isDryRun);
    }

    /** Most letters that went in one second, wherever it begins. */
    private int mostOfASecond() {
        int most = 0;
        for (int first = 0; first < gone.size(); first++) {
            int count = 0;
            for (int i = first;
                    i < gone.size() && gone.get(i).atNanos() < gone.get(first).atNanos() + SECOND;
                    i++) {
                count += gone.get(i).count();
            }
            most = Math.max(most, count);
        }
        return most;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 10, 50, 999, 4000})
    void rateIsWhatGoesInASecond(int rate) {
        nodes.add(new Node(rate * 5));
        long began = nowNanos;
        assertThat(run(request(Long.MAX_VALUE, rate, false))).isEqualTo(new RedriveResult(rate * 5L, 0));
        assertThat(mostOfASecond()).isLessThanOrEqualTo(rate + Math.max(1, rate / 10));
        assertThat((nowNanos - began) / (double) SECOND)
                .as("as fast as it may, and no pause behind the last page")
                .isBetween(3.999, 4.999);
    }

    /** A node that was away for a minute does not get a minute's letters at once. */
    @ParameterizedTest
    @ValueSource(ints = {1, 50, 999})
    void slowTimeIsNotMadeUpForByABurst(int rate) {
        nodes.add(new Node(rate * 20));
        Random random = new Random(rate);
        int[] page = new int[1];
        latencyNanos = () -> ++page[0] == 12
                ? 60 * SECOND
                : page[0] > 15 && page[0] < 25 ? SECOND * 2 : random.nextLong(SECOND / 10);
        run(request(Long.MAX_VALUE, rate, false));
        int pageCount = Math.max(1, rate / 10);
        assertThat(mostOfASecond())
                .as("a page that took long is followed by the next at once, and that one by its pause")
                .isLessThanOrEqualTo(rate + 2 * pageCount);
    }

    @Test
    void withoutRateNothingWaits() {
        nodes.add(new Node(2300));
        assertThat(run(request(Long.MAX_VALUE, 0, false)).movedCount()).isEqualTo(2300);
        assertThat(pauses).isEmpty();
        assertThat(asked).hasSize(5).allMatch(page -> page.countMax() == 500);
    }

    @Test
    void dryRunKeepsNoRate() {
        nodes.add(new Node(100));
        assertThat(run(request(Long.MAX_VALUE, 1, true)).movedCount()).isEqualTo(100);
        assertThat(pauses).isEmpty();
        assertThat(asked).singleElement().matches(PoisonCommand.Redrive::isDryRun);
    }

    @Test
    void noMoreThanTheLimitIsAskedFor() {
        nodes.add(new Node(700));
        nodes.add(new Node(700));
        assertThat(run(request(800, 0, false)).movedCount()).isEqualTo(800);
        assertThat(asked).extracting(PoisonCommand.Redrive::countMax).containsExactly(500, 300, 100);
        assertThat(gone.stream().mapToInt(Gone::count).sum()).isEqualTo(800);
    }

    @Test
    void busyNodeIsAskedForTheSamePageAgain() {
        Node busy = new Node(700);
        busy.refusals.add(Refusal.busy("later", 300));
        busy.refusals.add(Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "who knows"));
        nodes.add(busy);
        assertThat(run(request(Long.MAX_VALUE, 0, false)).movedCount()).isEqualTo(700);
        assertThat(asked).extracting(PoisonCommand.Redrive::cursor).containsExactly("", "", "", "500");
        assertThat(pauses).containsExactly(Duration.ofMillis(300), Duration.ofMillis(50));
    }

    @Test
    void nodeThatIsBusyForTooLongEndsIt() {
        Node busy = new Node(700);
        nodes.add(busy);
        for (int i = 0; i < 1000; i++) {
            busy.refusals.add(Refusal.busy("later", 300));
        }
        long began = nowNanos;
        assertThatThrownBy(() -> run(request(Long.MAX_VALUE, 0, false)))
                .isInstanceOf(CompletionException.class)
                .hasCauseInstanceOf(ForebayException.class);
        assertThat(nowNanos - began).isBetween(PATIENCE.toNanos(), PATIENCE.toNanos() + SECOND);
    }

    /** Patience is for one page; a node that answers now and then is never given up. */
    @Test
    void answerRenewsPatience() {
        Node node = new Node(40);
        nodes.add(node);
        latencyNanos = () -> {
            if (asked.size() % 10 != 0) {
                node.refusals.add(Refusal.busy("later", 1900));
            }
            return 0L;
        };
        assertThat(run(request(Long.MAX_VALUE, 10, false)).movedCount()).isEqualTo(40);
    }

    @Test
    void nodeWithoutTheGroupIsPassedOver() {
        Node without = new Node(0);
        without.refusals.add(Refusal.unknownGroup("g"));
        nodes.add(without);
        nodes.add(new Node(3));
        assertThat(run(request(Long.MAX_VALUE, 0, false)).movedCount()).isEqualTo(3);
    }

    @Test
    void groupThatNoNodeHasIsRefused() {
        for (int i = 0; i < 2; i++) {
            Node without = new Node(0);
            without.refusals.add(Refusal.unknownGroup("g"));
            nodes.add(without);
        }
        assertThatThrownBy(() -> run(request(Long.MAX_VALUE, 0, false)))
                .hasCauseInstanceOf(ForebayException.class)
                .hasMessageContaining("no group 'g'");
        assertThat(asked).hasSize(2);
    }

    @Test
    void refusalEndsIt() {
        Node node = new Node(3);
        node.refusals.add(Refusal.unknownTopic("nowhere"));
        nodes.add(node);
        assertThat(failureOf(request(Long.MAX_VALUE, 0, false)))
                .contains("nowhere")
                .endsWith("; nothing was moved");
        assertThat(asked).hasSize(1);
    }

    private String failureOf(RedriveRequest request) {
        CompletionException thrown =
                catchThrowableOfType(CompletionException.class, () -> run(request));
        assertThat(thrown).isNotNull().hasCauseInstanceOf(ForebayException.class);
        return thrown.getCause().getMessage();
    }

    @Test
    void refusalOfALaterNodeTellsWhatEarlierOnesHaveMoved() {
        nodes.add(new Node(700));
        nodes.add(new Node(1));
        Node last = new Node(3);
        last.refusals.add(Refusal.unknownTopic("nowhere"));
        nodes.add(last);
        assertThat(failureOf(request(Long.MAX_VALUE, 0, false)))
                .contains("nowhere")
                .endsWith("; before that 701 letters were moved (700 on node 'n0', 1 on node 'n1')");
    }

    /** Of one node, too: its topic is deleted between two pages. */
    @Test
    void refusalOfALaterPageTellsWhatEarlierOnesHaveMoved() {
        Node node = new Node(501);
        node.refusals.add(null);
        node.refusals.add(Refusal.unknownTopic("nowhere"));
        nodes.add(node);
        assertThat(failureOf(request(Long.MAX_VALUE, 0, false)))
                .endsWith("; before that 500 letters were moved (500 on node 'n0')");
    }

    @Test
    void dryRunThatIsRefusedSaysNothingOfWhatWasMoved() {
        nodes.add(new Node(3));
        Node last = new Node(3);
        last.refusals.add(Refusal.unknownTopic("nowhere"));
        nodes.add(last);
        assertThat(failureOf(request(Long.MAX_VALUE, 0, true)))
                .isEqualTo(Refusal.unknownTopic("nowhere").text());
    }

    /** It may have been done, and then repeated with other letters. */
    @Test
    void pageWithoutACertainOutcomeIsToldAsUncertain() {
        Node node = new Node(1200);
        node.refusals.add(Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "who knows"));
        node.refusals.add(null);
        node.refusals.add(Refusal.of(Refusal.Code.TIMED_OUT, "no answer"));
        nodes.add(node);
        assertThat(failureOf(request(Long.MAX_VALUE, 0, false)))
                .isEqualTo("no answer; before that 500 letters were moved (500 on node 'n0'), and up to 1000 more may have"
                        + " been");
        nodes.get(0).refusals.add(Refusal.of(Refusal.Code.TIMED_OUT, "no answer"));
        assertThat(failureOf(request(7, 0, false))).isEqualTo("no answer; up to 7 letters may have been moved");
    }

    @Test
    void whoeverCancelsIsAskedNoMore() {
        nodes.add(new Node(100));
        CompletableFuture<RedriveResult> result = begin(request(Long.MAX_VALUE, 10, false));
        assertThat(asked).hasSize(1);
        result.cancel(false);
        due.run();
        assertThat(asked).hasSize(1);
    }

    @Test
    void listenerThatFailsEndsIt() {
        nodes.add(new Node(100));
        CompletableFuture<RedriveResult> result = new Redrive(
                        request(Long.MAX_VALUE, 10, false),
                        new NodeLink[1],
                        this::ask,
                        PATIENCE,
                        page -> {
                            throw new IllegalStateException("nobody listens");
                        },
                        () -> nowNanos,
                        (pause, step) -> {
                            throw new AssertionError("no further step");
                        })
                .begin();
        assertThatThrownBy(result::join).hasMessageContaining("nobody listens");
        assertThat(asked).hasSize(1);
    }
}
