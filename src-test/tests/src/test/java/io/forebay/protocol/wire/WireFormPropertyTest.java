package io.forebay.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import akka.actor.ExtendedActorSystem;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.StoredMessage;
import io.forebay.support.PatientTestKits;
import io.forebay.support.RandomRecords;
import java.io.NotSerializableException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * Of every class that crosses, any value that can be made comes back equal, within the bound that is known of its size; cut short
 * anywhere, or longer, it is refused by {@link NotSerializableException}.
 */
class WireFormPropertyTest {
    private static ActorTestKit kit;
    private static ForebaySerializer serializer;
    private static ActorRef<?> somebody;

    @BeforeContainer
    static void start() {
        kit = PatientTestKits.create();
        serializer = new ForebaySerializer((ExtendedActorSystem) Adapter.toClassic(kit.system()));
        somebody = kit.createTestProbe().getRef();
    }

    @AfterContainer
    static void stop() {
        kit.shutdownTestKit();
    }

    @Provide
    Arbitrary<Object> forms() {
        List<Class<?>> types =
                List.copyOf(Samples.leavesOf(NodeProtocol.Request.class, SessionCommand.class, SessionEvent.class));
        return Arbitraries.randomValue(random -> values(random).next(types.get(random.nextInt(types.size()))));
    }

    private static RandomRecords values(Random random) {
        RandomRecords values = new RandomRecords(random);
        ReceiptHandle[] last = {handle(values)};
        values.with(ActorRef.class, () -> somebody)
                .with(
                        ReceiptHandle.class,
                        () -> last[0] = random.nextBoolean() ? handle(values) : likeIt(random, last[0]))
                .with(Message.class, () -> message(values))
                .orNull(SessionCommand.Send.class, "durability", Durability.class)
                .orNull(SessionCommand.Ack.class, "durability", Durability.class)
                .orNull(SessionEvent.AckReply.class, "level", Durability.class)
                .orNull(QueueSeek.class, "refusal", Refusal.class)
                .orNull(QueuePurge.class, "refusal", Refusal.class)
                .orNull(LookCommand.Explain.class, "handle", ReceiptHandle.class)
                .orNull(LookReply.LifePage.class, "message", StoredMessage.class);
        // Numbers that are sent without a sign.
        values.with(NodeProtocol.OpenSession.class, "protocolVersion", values::notNegativeInt)
                .with(NodeProtocol.OpenSession.class, "frameBytes", values::notNegativeInt)
                .with(Chunk.class, "index", values::notNegativeInt)
                .with(Chunk.class, "totalBytes", values::notNegativeInt)
                .with(ChunkAck.class, "index", values::notNegativeInt)
                .with(SessionCommand.Credit.class, "subscriptionId", values::notNegativeInt)
                .with(SessionEvent.Pushed.class, "subscriptionId", values::notNegativeInt)
                .with(SessionEvent.SubscriptionMode.class, "subscriptionId", values::notNegativeInt)
                .with(SessionEvent.SubscriptionEnded.class, "subscriptionId", values::notNegativeInt);
        return values;
    }

    private static ReceiptHandle handle(RandomRecords values) {
        return new ReceiptHandle(
                (int) values.number(),
                (int) values.number(),
                (int) values.number(),
                (int) values.number(),
                values.number(),
                values.number(),
                values.number(),
                values.number());
    }

    /** Of what follows another handle only the difference is sent: this one differs in its offset, and in one thing more or in none. */
    private static ReceiptHandle likeIt(Random random, ReceiptHandle of) {
        int other = random.nextInt(9);
        return new ReceiptHandle(
                of.nodeId() ^ (other == 0 ? 1 : 0),
                of.stripe() ^ (other == 1 ? 1 : 0),
                of.queueId() ^ (other == 2 ? 1 : 0),
                of.groupId() ^ (other == 3 ? 1 : 0),
                of.queueOffset() + random.nextInt(3),
                of.epoch() ^ (other == 4 ? 1 : 0),
                of.checkpointSequence() ^ (other == 5 ? 1 : 0),
                of.nonce() ^ (other == 6 ? 1 : 0));
    }

    private record Properties(Map<String, String> values) {}

    private record Keys(List<String> values) {}

    private static Message message(RandomRecords values) {
        return Message.unchecked(
                values.text(),
                values.text(),
                values.bytes(),
                values.text(),
                values.next(Keys.class).values(),
                values.text(),
                values.number(),
                values.text(),
                (int) values.number(),
                values.next(Properties.class).values(),
                values.number(),
                values.text(),
                values.text(),
                values.number(),
                values.number());
    }

    @Property(tries = 4_000)
    void everyFormComesBackEqual(@ForAll("forms") Object form) throws NotSerializableException {
        byte[] bytes = serializer.toBinary(form);
        Object back = serializer.fromBinary(bytes, serializer.manifest(form));
        if (form instanceof Chunk chunk) {
            assertThat(back).usingRecursiveComparison().isEqualTo(chunk);
        } else {
            assertThat(back).isEqualTo(form);
        }
        assertThat(serializer.toBinary(back)).isEqualTo(bytes);
        assertThat(WireSizes.bytesAtMost(form)).as("bound").isGreaterThanOrEqualTo(bytes.length);
    }

    @Property(tries = 600)
    void everyOtherLengthIsRefused(@ForAll("forms") Object form) {
        byte[] bytes = serializer.toBinary(form);
        for (int length = 0; length < bytes.length + 3; length++) {
            if (length != bytes.length) {
                byte[] other = Arrays.copyOf(bytes, length);
                assertThatExceptionOfType(NotSerializableException.class)
                        .as("%d of %d bytes", length, bytes.length)
                        .isThrownBy(() -> serializer.fromBinary(other, serializer.manifest(form)));
            }
        }
    }
}
