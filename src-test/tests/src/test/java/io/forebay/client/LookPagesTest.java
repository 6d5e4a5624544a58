package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Pages of several nodes, one node's after the other's: every node's are given, and no node's twice. */
class LookPagesTest {
    private static final Refusal NO_TOPIC = Refusal.unknownTopic("t");
    private static final Refusal NO_GROUP = Refusal.of(Refusal.Code.UNKNOWN_GROUP, "no group 'g' consumes topic 't'");

    private final List<String> asked = new ArrayList<>();
    private final NodeLink[] links = {link("a|b"), link("c"), link("d")};
    /** What a node refuses with, by its name and the node's own cursor. */
    private final Map<String, Refusal> refusals = new HashMap<>();
    /** What happens while the first page is read. */
    private Runnable meanwhile = () -> {};

    private static NodeLink link(String name) {
        NodeLink link = new NodeLink(new Completions(Runnable::run, LoggerFactory.getLogger("test")), op -> {});
        name(link, name);
        return link;
    }

    private static void name(NodeLink link, String name) {
        link.setPeer(new NodeLink.Peer(name, 1, true));
    }

    /** Each node has two pages. */
    private CompletableFuture<LookReply.MessagePage> page(Supplier<NodeLink[]> all, String cursor) {
        return LookPages.page(
                        all,
                        (linkOrNull, command) -> {
                            meanwhile.run();
                            meanwhile = () -> {};
                            NodeLink link = linkOrNull == null ? all.get()[0] : linkOrNull;
                            LookCommand.Peek peek = (LookCommand.Peek) command.apply(1);
                            String name = link.peer().nodeName();
                            asked.add(name + " " + peek.cursor());
                            Refusal refusal = refusals.get(name + " " + peek.cursor());
                            if (refusal != null) {
                                return CompletableFuture.failedFuture(refusal.toException());
                            }
                            String next = peek.cursor().isEmpty() ? "0:5" : "";
                            return CompletableFuture.completedFuture(
                                    new LookReply.MessagePage(1, name, List.of(), List.of(), 1, 2, next));
                        },
                        cursor,
                        (id, own) -> new LookCommand.Peek(id, "t", -1, -1, "", 10, 10, own))
                .toCompletableFuture();
    }

    private void readAll(NodeLink... all) {
        readAll(() -> all);
    }

    private void readAll(Supplier<NodeLink[]> all) {
        String cursor = "";
        do {
            cursor = page(all, cursor).join().cursor();
        } while (!cursor.isEmpty());
    }

    @Test
    void everyNodeIsReadToItsEnd() {
        readAll(links);
        assertThat(asked).containsExactly("a|b ", "a|b 0:5", "c ", "c 0:5", "d ", "d 0:5");
    }

    @Test
    void nodesWithoutTheTopicOrTheGroupArePassedOver() {
        refusals.put("a|b ", NO_TOPIC);
        refusals.put("c ", NO_GROUP);
        readAll(links);
        assertThat(asked).containsExactly("a|b ", "c ", "d ", "d 0:5");
    }

    @Test
    void theLastNodeMayBeTheOneWithoutTheTopic() {
        refusals.put("d ", NO_TOPIC);
        readAll(links);
        assertThat(asked).containsExactly("a|b ", "a|b 0:5", "c ", "c 0:5", "d ");
    }

    @Test
    void oneNodeInTheMiddleIsEnough() {
        refusals.put("a|b ", NO_TOPIC);
        refusals.put("d ", NO_GROUP);
        readAll(links);
        assertThat(asked).containsExactly("a|b ", "c ", "c 0:5", "d ");
    }

    @Test
    void nodesThatComeWhileTheFirstOneIsReadAreReadToo() {
        AtomicReference<NodeLink[]> known = new AtomicReference<>(new NodeLink[0]);
        refusals.put("a|b ", NO_TOPIC);
        meanwhile = () -> known.set(links);
        readAll(known::get);
        assertThat(asked).containsExactly("a|b ", "c ", "c 0:5", "d ", "d 0:5");
    }

    /** A client knows a node before it knows the node's name. */
    @Test
    void aNodeThatTellsItsNameLaterIsReadInItsTurn() {
        refusals.put("a|b ", NO_TOPIC);
        name(links[1], "");
        name(links[2], "");
        String second = page(() -> links, "").join().cursor();
        name(links[1], "c");
        String third = page(() -> links, second).join().cursor();
        String fourth = page(() -> links, third).join().cursor();
        name(links[2], "d");
        assertThat(page(() -> links, fourth).join().node()).isEqualTo("d");
        assertThat(asked).containsExactly("a|b ", "c ", "c 0:5", "d ");
    }

    @Test
    void aTopicThatNoNodeHasIsRefused() {
        for (NodeLink link : links) {
            refusals.put(link.peer().nodeName() + " ", NO_TOPIC);
        }
        assertThatThrownBy(() -> readAll(links)).hasMessageContaining("no topic 't'");
        assertThatThrownBy(() -> readAll(links[1])).hasMessageContaining("no topic 't'");
        assertThat(asked).containsExactly("a|b ", "c ", "d ", "c ");
    }

    @Test
    void aTopicThatGoesWhileItIsReadIsRefused() {
        refusals.put("c 0:5", NO_TOPIC);
        assertThatThrownBy(() -> readAll(links)).hasMessageContaining("no topic 't'");
        assertThatThrownBy(() -> readAll(links[1])).hasMessageContaining("no topic 't'");
    }

    @Test
    void whatANodeCannotDoNowIsNotPassedOver() {
        refusals.put("a|b ", Refusal.busy("the stripe is writing again what its device has lost", 1000));
        assertThatThrownBy(() -> readAll(links)).hasMessageContaining("writing again");
        assertThat(asked).containsExactly("a|b ");
    }

    @Test
    void aCursorOfNobodyIsRefused() {
        for (String cursor :
                List.of("nobody|0:5", "0:5", "|0:5", "!", "|", "#|", "#3|", "#-1|", "#x|!", "#99999999999|")) {
            assertThatThrownBy(() -> page(() -> links, cursor).join()).hasMessageContaining("cursor");
        }
        assertThat(asked).isEmpty();
    }
}
