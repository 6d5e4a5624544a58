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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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

    /** A node with so many letters; its cursor is the number of the first letter of a page, and behind that of the first one too many. */
    private final class Node {
        private final int letterCount;
        /** Page by page, what it says instead of doing it; null to do it. */
        private final List<Refusal> refusals = new ArrayList<>();
        /** Letters that have gone, in order. */
        private final LinkedHashSet<Integer> gone = new LinkedHashSet<>();

        private Node(int letterCount) {
            this.letterCount = letterCount;
        }

        PoisonReply.Redriven answer(PoisonCommand.Redrive page) {
            Refusal refusal = refusals.isEmpty() ? null : refusals.remove(0);
            if (refusal != null) {
                throw refusal.toException();
            }
            return move(page, page.countMax());
        }

        /** @param countMax letters that it gets to: the page may end early */
        PoisonReply.Redriven move(PoisonCommand.Redrive page, int countMax) {
            String[] bounds = page.cursor().split(":");
            int from = bounds[0].isEmpty() ? 0 : Integer.parseInt(bounds[0]);
            int end = bounds.length > 1 ? Integer.parseInt(bounds[1]) : letterCount;
            List<RedrivenLetter> letters = new ArrayList<>();
            int next = from;
            for (; next < end && letters.size() < countMax; next++) {
                if (!gone.contains(next)) {
                    letters.add(new RedrivenLetter(0, next, "m" + next, "t", 0));
                }
            }
            if (!page.isDryRun()) {
                letters.forEach(letter -> gone.add((int) letter.offset()));
            }
            // What has gone at the end of a range is looked at, too.
            while (next < end && gone.contains(next)) {
                next++;
            }
            return new PoisonReply.Redriven(
                    page.requestId(),
                    "n" + nodes.indexOf(this),
                    letters,
                    0,
                    List.of(),
                    next,
                    letterCount,
                    next < letterCount ? String.valueOf(next) : "",
                    page.isDryRun() ? from + ":" + next : "");
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
    private final List<NodeLink> links = new ArrayList<>();
    private Answering answering = (node, page, op) -> node.answer(page);
    /** Each letter that the client tells of, {@code NODE/OFFSET}. */
    private final List<String> told = new ArrayList<>();

    /** What becomes of a page on its way to a node. */
    private interface Answering {
        /** @param op what the client sees of it */
        PoisonReply.Redriven answer(Node node, PoisonCommand.Redrive page, Ops.Admin op);
    }

    private CompletionStage<SessionEvent.Reply> ask(NodeLink link, LongFunction<SessionCommand.Request> command) {
        PoisonCommand.Redrive page = (PoisonCommand.Redrive) command.apply(asked.size());
        asked.add(page);
        nowNanos += latencyNanos.get();
        try {
            Ops.Admin op = new Ops.Admin(command);
            op.sentCount = 1;
            PoisonReply.Redriven reply = answering.answer(nodes.get(link == null ? 0 : links.indexOf(link)), page, op);
            if (!page.isDryRun()) {
                gone.add(new Gone(nowNanos, reply.letters().size()));
            }
            op.complete(reply);
            return op;
        } catch (ForebayException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    private CompletableFuture<RedriveResult> begin(RedriveRequest request) {
        while (links.size() < nodes.size()) {
            links.add(new NodeLink(null, op -> {}));
        }
        return new Redrive(
                        request,
                        links.toArray(NodeLink[]::new),
                        this::ask,
                        PATIENCE,
                        page -> page.letters().forEach(letter -> told.add(page.node() + "/" + letter.offset())),
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

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 10, 50, 999, 4000})
    void rateIsWhatGoesInASecondWithALimit(int rate) {
        nodes.add(new Node(rate * 6));
        latencyNanos = () -> SECOND / 100;
        assertThat(run(request(rate * 5L, rate, false))).isEqualTo(new RedriveResult(rate * 5L, 0));
        assertThat(mostOfASecond()).isLessThanOrEqualTo(rate + Math.max(1, rate / 10));
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
        assertThat(asked.stream()
                        .filter(page -> !page.isDryRun())
                        .map(PoisonCommand.Redrive::countMax)
                        .toList())
                .containsExactly(500, 200, 100);
        assertThat(asked)
                .as("each page is planned")
                .extracting(PoisonCommand.Redrive::isDryRun)
                .containsExactly(true, false, true, false, true, false);
        assertThat(gone.stream().mapToInt(Gone::count).sum()).isEqualTo(800);
    }

    /**
     * The limit holds, to the letter, and each letter is told once, wherever a node dies in a page, whether the client's session asks
     * again, or the client does because the outcome is said to be unknown.
     */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void limitHoldsWhereverNodesDie(long seed) {
        Random random = new Random(seed);
        nodes.add(new Node(random.nextInt(1300)));
        nodes.add(new Node(random.nextInt(1300)));
        int[] deaths = {0};
        answering = (node, page, op) -> {
            if (page.isDryRun() || random.nextBoolean()) {
                return node.answer(page);
            }
            deaths[0]++;
            node.move(page, random.nextInt(page.countMax() + 1));
            if (random.nextBoolean()) {
                throw Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "who knows").toException();
            }
            op.sentCount = 2;
            return node.answer(page);
        };
        int all = nodes.stream().mapToInt(node -> node.letterCount).sum();
        int limit = 1 + random.nextInt(1500);
        RedriveResult result = run(request(limit, 0, false));
        int goneCount = nodes.stream().mapToInt(node -> node.gone.size()).sum();
        assertThat(goneCount).as("of %s, deaths: %s", all, deaths[0]).isEqualTo(Math.min(limit, all));
        assertThat(result).isEqualTo(new RedriveResult(goneCount, 0));
        assertThat(told).as("each once").hasSize(goneCount).doesNotHaveDuplicates();
        nodes.forEach(node -> assertThat(node.gone)
                .as("in order, none left out")
                .isEqualTo(IntStream.range(0, node.gone.size()).boxed().collect(Collectors.toSet())));
    }

    /** Where a page does not come to its end the client looks again, so the limit holds to the letter there, too. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void limitHoldsWherePagesEndEarly(long seed) {
        Random random = new Random(seed);
        int[] shortPages = {0};
        int limit = 1 + random.nextInt(900);
        RedriveResult result = endEarly(random, limit, page -> {
            boolean isShort = shortPages[0] == 0 || random.nextBoolean();
            shortPages[0] += isShort ? 1 : 0;
            return isShort ? random.nextInt(page.countMax()) : page.countMax();
        });
        assertThat(result.movedCount()).isEqualTo(limit);
        assertThat(nodes.get(0).gone).hasSize(limit);
        assertThat(shortPages[0]).isPositive();
    }

    /** What cannot be told although the client is patient counts as gone: then fewer go, never more. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void limitIsNotExceededByWhatCannotBeTold(long seed) {
        Random random = new Random(seed);
        int limit = 1 + random.nextInt(900);
        RedriveResult result = endEarly(random, limit, page -> {
            boolean isLook = page.isDryRun() && page.cursor().contains(":");
            return isLook ? 0 : page.countMax();
        });
        assertThat(nodes.get(0).gone.size()).isBetween((int) result.movedCount(), limit);
    }

    /** @param lengths of each page: letters that it gets to */
    private RedriveResult endEarly(Random random, int limit, ToIntFunction<PoisonCommand.Redrive> lengths) {
        Node node = new Node(1000);
        nodes.add(node);
        answering = (asked, page, op) -> {
            if (!page.isDryRun() && random.nextInt(3) == 0) {
                asked.move(page, random.nextInt(page.countMax() + 1));
                op.sentCount = 2;
            }
            return asked.move(page, lengths.applyAsInt(page));
        };
        RedriveResult result = run(request(limit, 0, false));
        assertThat(told).hasSize((int) result.movedCount()).doesNotHaveDuplicates();
        assertThat(told)
                .isSubsetOf(node.gone.stream().map(offset -> "n0/" + offset).toList());
        assertThat(node.gone)
                .as("in order, none left out")
                .isEqualTo(IntStream.range(0, node.gone.size()).boxed().collect(Collectors.toSet()));
        return result;
    }

    @Test
    void withoutALimitNothingIsPlanned() {
        nodes.add(new Node(700));
        run(request(Long.MAX_VALUE, 0, false));
        assertThat(asked).hasSize(2).noneMatch(PoisonCommand.Redrive::isDryRun);
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
        CompletionException thrown = catchThrowableOfType(CompletionException.class, () -> run(request));
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
                .isEqualTo(
                        "no answer; before that 500 letters were moved (500 on node 'n0'), and up to 1000 more may have"
                                + " been");
        node.refusals.add(null); // the plan
        node.refusals.add(Refusal.of(Refusal.Code.TIMED_OUT, "no answer"));
        assertThat(failureOf(request(7, 0, false))).isEqualTo("no answer; up to 7 letters may have been moved");
        node.refusals.add(Refusal.of(Refusal.Code.TIMED_OUT, "no answer"));
        assertThat(failureOf(request(7, 0, false)))
                .as("only the plan was asked for")
                .isEqualTo("no answer; nothing was moved");
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
