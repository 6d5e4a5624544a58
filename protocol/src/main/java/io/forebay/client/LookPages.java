package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.LongFunction;
import java.util.function.Supplier;

/**
 * Pages over several nodes: one node's after the other's. The client's cursor is {@code NODE|cursor}, with the node's own
 * cursor behind the last bar; a node whose own cursor is empty is begun, and so is one with {@link #NONE_BEFORE}. A node that
 * has not told its name yet is called {@code #1} by its place among the nodes, which only become more. Thread-safe, without
 * state.
 */
final class LookPages {
    /** Asks one node. */
    interface Asker {
        CompletionStage<SessionEvent.Reply> ask(NodeLink link, LongFunction<SessionCommand.Request> command);
    }

    /** Makes the request of a page. */
    interface PageRequest {
        SessionCommand.Request of(long requestId, String cursor);
    }

    /** Stands for the empty cursor of a node when none of the nodes before has what is asked for. No node's own cursor looks so. */
    private static final String NONE_BEFORE = "!";

    private static final char NAMELESS = '#';

    private LookPages() {}

    /**
     * One page.
     *
     * @param links the nodes, in an order that is kept when there are more; if none is known yet the first one to come is asked
     * @param cursor "" to begin
     */
    static CompletionStage<LookReply.MessagePage> page(
            Supplier<NodeLink[]> links, Asker asker, String cursor, PageRequest request) {
        NodeLink[] all = links.get();
        int bar = cursor.lastIndexOf('|');
        String nodeName = bar < 0 ? "" : cursor.substring(0, bar);
        boolean isNoneBefore = cursor.isEmpty() || cursor.endsWith("|" + NONE_BEFORE);
        String own = isNoneBefore ? "" : cursor.substring(bar + 1);
        int index = bar < 0 ? 0 : placeOf(all, nodeName);
        NodeLink link = index >= 0 && index < all.length ? all[index] : null;
        if (index < 0 || (bar < 0 && !cursor.isEmpty())) {
            return CompletableFuture.failedStage(
                    Refusal.illegalArgument("cursor", cursor, "empty, or as the last page gave it")
                            .toException());
        }
        return asker.ask(link, id -> request.of(id, own)).handle((reply, failure) -> {
            if (failure == null && reply instanceof LookReply.MessagePage page) {
                return withCursor(page, next(links.get(), index, page.node(), page.cursor()));
            }
            ForebayException refused = failure != null
                    ? ForebayClient.exceptionOf(failure)
                    : Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                            .toException();
            // A node without the topic, or the group, has nothing to show, if another one has it. One that has given a
            // page has lost it since then, which is no end of a scan.
            boolean isAbsent = own.isEmpty()
                    && (refused.code() == Refusal.Code.UNKNOWN_TOPIC || refused.code() == Refusal.Code.UNKNOWN_GROUP);
            String after = next(links.get(), index, "", "");
            if (isAbsent && !(after.isEmpty() && isNoneBefore)) {
                String next = after.isEmpty() || !isNoneBefore ? after : after + NONE_BEFORE;
                return new LookReply.MessagePage(0, "", List.of(), List.of(), 0, 0, next);
            }
            throw refused;
        });
    }

    private static String next(NodeLink[] all, int index, String nodeName, String own) {
        if (!own.isEmpty()) {
            return nodeName + "|" + own;
        }
        if (index + 1 >= all.length) {
            return "";
        }
        String name = all[index + 1].peer().nodeName();
        return (name.isEmpty() ? NAMELESS + Integer.toString(index + 1) : name) + "|";
    }

    /** -1 if there is none, or none such. */
    private static int placeOf(NodeLink[] all, String node) {
        if (node.isEmpty() || node.charAt(0) != NAMELESS) {
            return node.isEmpty() ? -1 : indexOf(all, node);
        }
        try {
            int place = Integer.parseInt(node, 1, node.length(), 10);
            return place < all.length ? place : -1;
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    private static LookReply.MessagePage withCursor(LookReply.MessagePage page, String cursor) {
        return new LookReply.MessagePage(
                page.requestId(),
                page.node(),
                page.messages(),
                page.notes(),
                page.doneCount(),
                page.totalCount(),
                cursor);
    }

    static int indexOf(NodeLink[] all, String nodeName) {
        for (int i = 0; i < all.length; i++) {
            if (all[i].peer().nodeName().equals(nodeName)) {
                return i;
            }
        }
        return -1;
    }
}
