package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.LongFunction;

/** Asks nodes what concerns them as a whole, page by page where there is more, and puts their answers together. Thread-safe. */
final class Administration {
    /** Names, keys and the like of one page. */
    static final int PAGE_COUNT = 1000;

    /** Asks for the page behind something. */
    interface PageRequest {
        SessionCommand.Request of(long requestId, String after);
    }

    private final Nodes nodes;
    private final Duration timeout;

    /** @param timeout how long a first node is waited for */
    Administration(Nodes nodes, Duration timeout) {
        this.nodes = nodes;
        this.timeout = timeout;
    }

    /** @param link null for the first one there will be */
    CompletionStage<SessionEvent.Reply> ask(NodeLink link, LongFunction<SessionCommand.Request> command) {
        Ops.Admin op = new Ops.Admin(command);
        nodes.submit(op, links -> link == null ? links[0] : link, timeout);
        return op;
    }

    /**
     * Asks every node.
     *
     * @param absent refusals that count for nothing if another node does better
     */
    <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onAll(
            LongFunction<SessionCommand.Request> command,
            Class<E> expected,
            Function<E, R> result,
            Refusal.Code... absent) {
        return onAll(nodes.all(), command, expected, result, absent);
    }

    private <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onAll(
            NodeLink[] all,
            LongFunction<SessionCommand.Request> command,
            Class<E> expected,
            Function<E, R> result,
            Refusal.Code... absent) {
        record Outcome<R>(R result, ForebayException failure) {}
        List<Refusal.Code> codes = List.of(absent);
        List<CompletableFuture<Outcome<R>>> outcomes = new ArrayList<>();
        for (int i = 0; i < Math.max(1, all.length); i++) {
            outcomes.add(ask(i < all.length ? all[i] : null, command)
                    .handle((reply, failure) -> {
                        if (failure != null) {
                            return new Outcome<R>(null, ForebayClient.exceptionOf(failure));
                        }
                        return expected.isInstance(reply)
                                ? new Outcome<R>(result.apply(expected.cast(reply)), null)
                                : new Outcome<R>(
                                        null,
                                        Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                                                .toException());
                    })
                    .toCompletableFuture());
        }
        return CompletableFuture.allOf(outcomes.toArray(new CompletableFuture<?>[0]))
                .thenApply(nothing -> {
                    List<R> good = new ArrayList<>();
                    ForebayException failure = null;
                    ForebayException none = null;
                    for (CompletableFuture<Outcome<R>> each : outcomes) {
                        Outcome<R> outcome = each.join();
                        if (outcome.failure() == null) {
                            good.add(outcome.result());
                        } else if (codes.contains(outcome.failure().code())) {
                            none = outcome.failure();
                        } else {
                            failure = outcome.failure();
                        }
                    }
                    if (failure != null || good.isEmpty()) {
                        throw failure != null ? failure : none;
                    }
                    return good;
                });
    }

    /** Names of all nodes, in order. */
    CompletionStage<List<String>> names(PageRequest request) {
        NodeLink[] all = nodes.all();
        CompletionStage<TreeSet<String>> names = CompletableFuture.completedStage(new TreeSet<>());
        for (int i = 0; i < Math.max(1, all.length); i++) {
            NodeLink link = i < all.length ? all[i] : null;
            names = names.thenCompose(known -> namesOf(link, request, "", known));
        }
        return names.thenApply(List::copyOf);
    }

    private CompletionStage<TreeSet<String>> namesOf(
            NodeLink link, PageRequest request, String after, TreeSet<String> known) {
        return ask(link, id -> request.of(id, after)).thenCompose(reply -> {
            if (!(reply instanceof SessionEvent.NamePage page)) {
                throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                        .toException();
            }
            known.addAll(page.names());
            if (!page.hasMore() || page.names().isEmpty()) {
                return CompletableFuture.completedStage(known);
            }
            return namesOf(link, request, page.names().get(page.names().size() - 1), known);
        });
    }

    /** Asks one node, or every one. */
    <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onNodes(
            String node, LongFunction<SessionCommand.Request> command, Class<E> expected, Function<E, R> result) {
        if (node.isEmpty()) {
            return onAll(command, expected, result, Refusal.Code.UNKNOWN_TOPIC);
        }
        NodeLink link = nodes.named(node);
        return link == null
                ? CompletableFuture.failedStage(Nodes.noNode(node).toException())
                : onAll(new NodeLink[] {link}, command, expected, result);
    }

    /** The parked keys of a group on all nodes that have it; fails if none has. */
    CompletionStage<List<ParkedKey>> parkedKeys(String group, String topic) {
        NodeLink[] all = nodes.all();
        CompletionStage<List<ParkedKey>> keys = CompletableFuture.completedStage(new ArrayList<>());
        ForebayException[] absent = {null};
        boolean[] isKnown = {false};
        for (int i = 0; i < Math.max(1, all.length); i++) {
            NodeLink link = i < all.length ? all[i] : null;
            keys = keys.thenCompose(known -> parkedKeys(link, group, topic, "", known)
                    .thenAccept(nothing -> isKnown[0] = true)
                    .exceptionally(failure -> {
                        ForebayException refused = ForebayClient.exceptionOf(failure);
                        if (refused.code() != Refusal.Code.UNKNOWN_TOPIC
                                && refused.code() != Refusal.Code.UNKNOWN_GROUP) {
                            throw refused;
                        }
                        absent[0] = refused;
                        return null;
                    })
                    .thenApply(nothing -> known));
        }
        return keys.thenApply(found -> {
            if (!isKnown[0]) {
                throw absent[0];
            }
            return List.copyOf(found);
        });
    }

    private CompletionStage<List<ParkedKey>> parkedKeys(
            NodeLink link, String group, String topic, String cursor, List<ParkedKey> known) {
        return ask(link, id -> new PoisonCommand.ListParked(id, group, topic, PAGE_COUNT, cursor))
                .thenCompose(reply -> {
                    if (!(reply instanceof PoisonReply.ParkedPage page)) {
                        throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                                .toException();
                    }
                    known.addAll(page.keys());
                    return page.cursor().isEmpty()
                            ? CompletableFuture.completedStage(known)
                            : parkedKeys(link, group, topic, page.cursor(), known);
                });
    }

    /** @param life what the pages before have brought */
    CompletionStage<MessageLife> explain(
            NodeLink link, PageRequest request, String cursor, MessageLife.Builder life, LookProgress progress) {
        return ask(link, id -> request.of(id, cursor)).thenCompose(reply -> {
            if (!(reply instanceof LookReply.LifePage page)) {
                throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                        .toException();
            }
            life.add(page);
            progress.at(page.doneRecords(), page.totalRecords());
            return page.cursor().isEmpty()
                    ? CompletableFuture.completedStage(life.build())
                    : explain(link, request, page.cursor(), life, progress);
        });
    }
}
