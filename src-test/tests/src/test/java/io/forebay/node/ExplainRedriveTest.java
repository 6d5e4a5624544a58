package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.look.StoppedLog;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LifeEvent.Kind;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * The way of a message into the dead letters and back, as a running node tells it, and what that one leaves: nothing is told that was
 * not, and nothing is missing, whether it came back within its stripe or from another one.
 */
class ExplainRedriveTest {
    private static final long LONG = 60_000;
    private static final int COUNT = 12;
    private static final String LETTERS = "%DLQ%g";

    private final Map<MessagePlace, MessageLife> lives = new LinkedHashMap<>();

    private static void fail(NodeFixture.Client client) {
        client.nack("g", NodeFixture.handles(client.popAll("t", "g", COUNT, LONG)), 0, "no ink");
    }

    private static List<RedrivenLetter> redrive(NodeFixture.Client client, String to, int count) {
        List<RedrivenLetter> all = new ArrayList<>();
        String cursor = "";
        do {
            client.tell(new PoisonCommand.Redrive(
                    client.nextId(), "g", DeadLetterFilter.ALL, to, count - all.size(), false, cursor));
            PoisonReply.Redriven page = client.expect(PoisonReply.Redriven.class);
            all.addAll(page.letters());
            cursor = page.cursor();
        } while (all.size() < count);
        return all;
    }

    private MessageLife explain(NodeFixture.Client client, String topic, int queue, long offset) {
        MessageLife.Builder life = new MessageLife.Builder();
        String cursor = "";
        do {
            client.tell(new LookCommand.Explain(client.nextId(), topic, queue, offset, null, cursor));
            LookReply.LifePage page = client.expect(LookReply.LifePage.class);
            life.add(page);
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        MessageLife whole = life.build();
        lives.put(new MessagePlace("", topic, queue, offset), whole);
        return whole;
    }

    private static List<String> details(MessageLife life, Kind kind) {
        return life.events().stream()
                .filter(event -> event.kind() == kind)
                .map(LifeEvent::detail)
                .toList();
    }

    /** Without deadlines, of which no record says that they passed. */
    private static List<String> told(MessageLife life) {
        return life.events().stream()
                .filter(event -> event.kind() != Kind.EXPIRED)
                .map(event -> event.sequence() + " " + event.kind() + " of '" + event.group() + "' at "
                        + event.atMillis() + ": " + event.detail())
                .toList();
    }

    @Test
    void aRedriveIsToldOfTheLetterAndOfTheMessageThatCameBack() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "forebay.storage.stripes = 2")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of("max-attempts", "1", "retry-backoff", "none"));
            client.createTopic("other", 2, Map.of());
            client.createGroup("reader", "other", Map.of());
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < COUNT; i++) {
                messages.add(Message.builder("t")
                        .id("m" + i)
                        .messageGroup("k" + i)
                        .body(new byte[3])
                        .build());
            }
            assertThat(client.trySend("t", messages, Durability.WRITTEN)).allMatch(Receipt.class::isInstance);
            fail(client);
            Map<String, Delivery> letters = new HashMap<>();
            client.popAll(LETTERS, "undertaker", COUNT, LONG)
                    .forEach(letter -> letters.put(letter.message().id(), letter));

            RedrivenLetter home = redrive(client, "", 1).get(0);
            assertThat(home.messageId()).isEqualTo("m0");
            Delivery back = client.popAll("t", "g", 1, LONG).get(0);
            // It dies again, and is then a letter of what came back.
            client.nack("g", List.of(back.handle()), 0, "no paper");
            Delivery second = client.popAll(LETTERS, "undertaker", 1, LONG).get(0);
            List<RedrivenLetter> away = redrive(client, "other", COUNT);
            Map<String, Delivery> came = new HashMap<>();
            client.popAll("other", "reader", COUNT, LONG)
                    .forEach(message -> came.put(message.message().id(), message));

            Delivery first = letters.get("m0");
            String letterPlace = LETTERS + "/" + first.queue() + "/" + first.queueOffset();
            assertThat(details(explain(client, "t", 0, 0), Kind.ENTERED))
                    .as("of the original message")
                    .startsWith("as " + letterPlace, "as t/0/12, sent back from the dead letter " + letterPlace);
            MessageLife ofLetter = explain(client, LETTERS, first.queue(), first.queueOffset());
            assertThat(details(ofLetter, Kind.SENT))
                    .containsExactly("as an entry of the message t/0/0, given up by group g");
            assertThat(details(ofLetter, Kind.REDRIVEN)).containsExactly("to t/0/12");
            assertSettled(ofLetter);
            MessageLife ofBack = explain(client, "t", 0, 12);
            assertThat(details(ofBack, Kind.SENT)).containsExactly("as an entry of the message t/0/0");
            assertThat(details(ofBack, Kind.REDRIVEN))
                    .containsExactly(
                            "from the dead letter " + letterPlace + ", given up by group g after 1 attempt: no ink");
            assertThat(ofBack.groups()).extracting(MessageLife.GroupLife::group).containsExactly("g");
            assertThat(details(explain(client, LETTERS, second.queue(), second.queueOffset()), Kind.SENT))
                    .containsExactly("as an entry of the message t/0/0, given up by group g as t/0/12");

            int acrossCount = 0;
            for (RedrivenLetter letter : away) {
                boolean isSecond = letter.offset() == second.queueOffset();
                Delivery message = came.get(letter.messageId());
                String place = "other/" + message.queue() + "/" + message.queueOffset();
                String to = details(explain(client, LETTERS, letter.queue(), letter.offset()), Kind.REDRIVEN)
                        .get(0);
                boolean isAcross = to.equals("to other/" + message.queue());
                acrossCount += isAcross ? 1 : 0;
                assertThat(isAcross || to.equals("to " + place)).as(to).isTrue();
                MessageLife life = explain(client, "other", message.queue(), message.queueOffset());
                assertThat(details(life, Kind.REDRIVEN))
                        .containsExactly("from the dead letter " + LETTERS + "/" + letter.queue() + "/"
                                + letter.offset() + ", given up by group g after 1 attempt: "
                                + (isSecond ? "no paper" : "no ink"));
                assertThat(details(life, Kind.SENT).get(0))
                        .contains(isAcross ? "message '" : "entry of the message t/0/");
            }
            assertThat(acrossCount).isBetween(1, COUNT - 1);
            node.stop();
        }
        StoppedLog log = StoppedLog.open(task -> {
            for (String name : disk.children()) {
                if (name.startsWith("stripe-")) {
                    task.in(disk.child(name));
                }
            }
        });
        for (Map.Entry<MessagePlace, MessageLife> one : lives.entrySet()) {
            MessagePlace place = one.getKey();
            MessageLife stopped = log.explain(log.topic(place.topic()), place.queue(), place.offset());
            // Consumers that end with the node may add to it.
            assertThat(told(stopped))
                    .as("%s", place)
                    .startsWith(told(one.getValue()).toArray(String[]::new));
            assertThat(stopped.message())
                    .as("%s", place)
                    .isEqualTo(one.getValue().message());
            assertThat(stopped.notes()).as("%s", place).isEmpty();
        }
        assertThat(log.find(log.topic("t"), "m0"))
                .containsExactly(new MessagePlace("", "t", 0, 0), new MessagePlace("", "t", 0, 12));
        assertThat(log.find(log.topic(LETTERS), "m0")).hasSize(2);
    }

    private static void assertSettled(MessageLife ofLetter) {
        assertThat(ofLetter.groups()).anySatisfy(group -> {
            assertThat(group.group()).isEqualTo("%REDRIVE%");
            assertThat(group.state()).isEqualTo(MessageLife.State.REDRIVEN);
        });
    }
}
